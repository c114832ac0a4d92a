"""When accounts are opened on a phone, and what the bank notes then: logins, face scans, new devices, remote access."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from muledetect.clock import DAY, HOUR, MINUTE, SECOND
from muledetect.simulation.bank.devices import Phones, hand_out_phones, phone_in_house
from muledetect.simulation.bank.networks import Networks
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.crime import Houses
from muledetect.simulation.people import CODE, People
from muledetect.simulation.plan import CHANNEL, VICTIM, Columns
from muledetect.simulation.rhythm import EVENING, Rhythm, Span
from muledetect.simulation.streams import Bool, Float64, Int8, Int64, UInt64, chance, mix, stream

LOGIN, FACE_OK, FACE_FAIL, DEVICE_BIND, LIMIT_CHANGE = 0, 1, 2, 3, 4
#: Accounts that their owners use through files and interfaces.
_NO_LOGIN: Final = tuple(CODE[name] for name in ("biller", "wallet", "vasp", "government", "cash", "xborder"))
_AT_A_PLACE: Final = tuple(
    CHANNEL[name] for name in ("cash_atm", "cash_counter", "cash_deposit", "card", "payroll", "fee")
)
#: A person's face is scanned from so much a transfer or a day (satang; Thailand, see domain.md).
_SCAN_FROM, _SCAN_FROM_A_DAY = 5_000_000, 20_000_000
#: Sessions that are worked out at once: bounds the memory of a span.
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Sessions:
    """One row a session, in order of time; `cell`, `area` and `asn` are numbers, a Wi-Fi of 0 stands for none.

    Those that open a transfer begin 8 to 100 s before it, so that a span's first ones may lie just before the span.
    """

    account: Int64
    time: Int64
    device: UInt64
    ip: UInt64
    wifi: UInt64
    asn: Int64
    cell: Int64
    area: Int64
    event: Int8
    is_remote: Bool
    is_emulated: Bool
    is_virtual_camera: Bool


@dataclass(frozen=True, slots=True)
class _Visits:
    """Who opens the app, when and what for; `is_deceived` while a victim pays."""

    who: Int64
    moment: Int64
    event: Int8
    is_deceived: Bool


@dataclass(slots=True)
class Presence:
    """Opens the sessions of a world span by span, in order; remembers 8 bytes for each device of each account.

    `moved` is when each housed account is first used from its house, -1 for the others.
    """

    config: WorldConfig
    people: People
    rhythm: Rhythm
    houses: Houses
    phones: Phones
    networks: Networks
    customers: Int64
    moved: Int64
    has_login: Bool
    seen: UInt64

    def open(self, span: Span, rows: Columns) -> tuple[Sessions, Int64]:
        """Return a span's sessions, and for each transfer its session's position (-1: not by the app, or unrecorded).

        Parameters
        ----------
        span : Span
            Each one once, in order.
        rows : Columns
            The span's transfers in order of time: `time`, `source`, `amount`, `channel`, `kind`.

        Notes
        -----
        O(n log n) in transfers and sessions of the span.
        """
        rng = stream(self.config.seed, "sessions", span.number)
        paying, visit_of = self._paying(rows, rng)
        visits = _joined(paying, self._looking(span, rng), self._joining(span, rng), self._moving(span))
        order = np.argsort(visits.moment, kind="stable")
        sessions = self._sense(_Visits(*(getattr(visits, field.name)[order] for field in fields(_Visits))), rng)
        sessions, place = self._bind(sessions, rng)
        rank = np.empty(len(order), np.int64)
        rank[order] = place
        session_of = np.full(len(visit_of), np.int64(-1))
        has_session = visit_of >= 0
        session_of[has_session] = rank[visit_of[has_session]]
        return sessions, session_of

    def new_devices(self, sessions: Sessions) -> tuple[Int64, UInt64, Int64]:
        """Return (account, device, time) of devices that an account had never used before these sessions.

        Call it once for each span, after `open`: the devices count as known from then on. O(n log n).
        """
        first, pair = self._unseen(sessions.account, sessions.device)
        self.seen = np.sort(np.concatenate([self.seen, pair]))
        first = np.sort(first)
        return sessions.account[first], sessions.device[first], sessions.time[first]

    def _unseen(self, account: Int64, device: UInt64) -> tuple[Int64, UInt64]:
        """Return positions and hashes of the first use of each pair that no earlier span had."""
        pair, first = np.unique(mix(account, device), return_index=True)
        place = np.searchsorted(self.seen, pair)
        is_new = np.ones(len(pair), bool)
        inside = place < len(self.seen)
        is_new[inside] = self.seen[place[inside]] != pair[inside]
        return first[is_new], pair[is_new]

    def _paying(self, rows: Columns, rng: np.random.Generator) -> tuple[_Visits, Int64]:
        """Return the visits in which transfers are made; those of one account within ten minutes share one."""
        in_app = self.has_login[rows["source"]] & ~np.isin(rows["channel"], _AT_A_PLACE)
        made = np.flatnonzero(in_app)
        made = made[np.argsort(rows["source"][made], kind="stable")]
        account, moment = rows["source"][made].astype(np.int64), rows["time"][made]
        opens = np.ones(len(made), bool)
        opens[1:] = (np.diff(account) != 0) | (np.diff(moment) > 10 * MINUTE)
        opener = np.flatnonzero(opens)
        # Nobody logs in before the account is opened.
        before = moment[opener] - rng.integers(8 * SECOND, 100 * SECOND, len(opener))
        opened = np.minimum(self.people.opened_at[account[opener]] + SECOND, moment[opener] - SECOND)
        before = np.maximum(before, opened)
        is_scanned = self._scanned(account, moment, rows["amount"][made])
        event = np.where(_any_of(is_scanned, opener), FACE_OK, LOGIN).astype(np.int8)
        is_deceived = _any_of(rows["kind"][made] == VICTIM, opener)
        # Some use the bank through another firm's app or by text message: no session is recorded.
        is_recorded = rng.random(len(opener)) >= 0.03
        number = np.where(is_recorded, np.cumsum(is_recorded) - 1, -1)
        visit_of = np.full(len(in_app), np.int64(-1))
        visit_of[made] = number[np.cumsum(opens) - 1]
        visits = _Visits(account[opener], before, event, is_deceived)
        return _Visits(*(getattr(visits, field.name)[is_recorded] for field in fields(_Visits))), visit_of

    def _scanned(self, account: Int64, moment: Int64, amount: Int64) -> Bool:
        """Large transfers of people, and those that make a day's sum large. Rows by account, then time."""
        day = (moment - self.rhythm.start) // DAY
        begins = np.ones(len(account), bool)
        begins[1:] = (np.diff(account) != 0) | (np.diff(day) != 0)
        running = np.cumsum(amount)
        earlier = (running - amount)[np.maximum.accumulate(np.where(begins, np.arange(len(account)), 0))]
        total = running - earlier
        crosses = (total >= _SCAN_FROM_A_DAY) & (total - amount < _SCAN_FROM_A_DAY)
        return self.people.is_private[account] & ((amount >= _SCAN_FROM) | crosses)

    def _looking(self, span: Span, rng: np.random.Generator) -> _Visits:
        """Visits without a transfer: balances read, limits changed, faces scanned; also by houses, for the holders."""
        people, customers = self.people, self.customers
        at_home, home_day = span.happen(rng, 0.06 * people.liveliness[customers], self.rhythm.even)
        housed = np.flatnonzero(self.moved >= 0)
        in_house, house_day = span.happen(rng, np.full(len(housed), 0.8), self.rhythm.even)
        who = np.concatenate([customers[at_home], housed[in_house]])
        moment = span.moments(rng, np.concatenate([home_day, house_day]), EVENING)
        living = (moment > people.active_from[who]) & (np.arange(len(who)) < len(at_home))
        kept = (np.arange(len(who)) >= len(at_home)) & (moment > self.moved[who]) & (moment <= self.houses.end[who])
        here = (living | kept) & (moment < people.closed_at[who])
        event = np.array([LOGIN, FACE_OK, FACE_FAIL, LIMIT_CHANGE], np.int8)[
            np.searchsorted([0.93, 0.95, 0.97], rng.random(len(who)), side="right")
        ]
        return _visits(who[here], moment[here], event[here])

    def _joining(self, span: Span, rng: np.random.Generator) -> _Visits:
        """The first login of an account opened in the span or, if it was opened late in the evening, in the next."""
        opened = self.people.opened_at[self.customers]
        moment = opened + 5 * MINUTE + (chance(self.customers, self.config.seed, 16) * 35 * MINUTE).astype(np.int64)
        joins = (opened >= self.rhythm.start) & (moment >= span.start) & (moment < span.end)
        joins &= moment < self.people.closed_at[self.customers]
        who = self.customers[joins]
        return _visits(who, moment[joins], np.where(rng.random(len(who)) < 0.6, FACE_OK, LOGIN).astype(np.int8))

    def _moving(self, span: Span) -> _Visits:
        """The first login from a mule house."""
        who = np.flatnonzero((self.moved >= span.start) & (self.moved < span.end))
        who = who[self.moved[who] < self.people.closed_at[who]]
        return _visits(who, self.moved[who], np.full(len(who), LOGIN, np.int8))

    def _sense(self, visits: _Visits, rng: np.random.Generator) -> Sessions:
        """Return what the bank notes about visits, worked out piece by piece."""
        pieces = [
            self._sense_some(
                _Visits(*(getattr(visits, field.name)[first : first + _PIECE] for field in fields(_Visits))), rng
            )
            for first in range(0, max(len(visits.who), 1), _PIECE)
        ]
        return Sessions(*(np.concatenate([getattr(p, field.name) for p in pieces]) for field in fields(Sessions)))

    def _sense_some(self, visits: _Visits, rng: np.random.Generator) -> Sessions:
        who, moment, seed = visits.who, visits.moment, self.config.seed
        houses = self.houses
        housed = (houses.office[who] >= 0) & (moment >= self.moved[who]) & (moment <= houses.end[who])
        housed &= rng.random(len(who)) < 0.85
        where = self.networks.locate(who, moment, housed, rng)
        own = self.phones.own(who, moment, rng)
        rack, keeps_own = phone_in_house(houses, who, moment, seed)
        oddities = self._oddities(visits, housed, rng)
        return Sessions(
            account=who,
            time=moment,
            device=np.where(housed & ~keeps_own, rack, own),
            ip=where.ip,
            wifi=where.wifi,
            asn=where.asn,
            cell=where.cell,
            area=where.area,
            event=visits.event,
            is_remote=oddities[0],
            is_emulated=oddities[1],
            is_virtual_camera=oddities[2],
        )

    def _oddities(self, visits: _Visits, housed: Bool, rng: np.random.Generator) -> tuple[Bool, Bool, Bool]:
        """Remote access, emulators, virtual cameras: each has honest users who use it often.

        Relatives help pensioners from afar, developers run their phone on a screen; victims are told to let
        somebody look over their shoulder.
        """
        seed, holder = self.config.seed, self.people.holder[visits.who]
        is_old = self.people.persona[visits.who] == CODE["pensioner"]
        is_helped = chance(holder, seed, 17) < np.where(is_old, 0.06, 0.012)
        develops = chance(holder, seed, 18) < 0.004
        tricks = develops & (chance(holder, seed, 19) < 0.3)
        remote = np.where(is_helped, 0.12, 0.001) + 0.015 * housed + 0.06 * visits.is_deceived
        emulated = np.where(develops, 0.3, 0.0005) + 0.01 * housed
        virtual = np.where(tricks, 0.3, 0.003) + 0.03 * housed
        is_face = np.isin(visits.event, (FACE_OK, FACE_FAIL))
        draw: Float64 = rng.random((3, len(holder)))
        return draw[0] < remote, draw[1] < emulated, is_face & (draw[2] < virtual)

    def _bind(self, sessions: Sessions, rng: np.random.Generator) -> tuple[Sessions, Int64]:
        """Add the binding of a device seconds after its first login; return the places of the old sessions too."""
        first, _ = self._unseen(sessions.account, sessions.device)
        first = np.sort(first)
        who = sessions.account[first]
        # Devices that old accounts used at the world's start were bound before it.
        knew = self.phones.had_at_start(who, sessions.device[first]) & (self.people.opened_at[who] < self.rhythm.start)
        bound = first[~knew]
        moment = sessions.time[bound] + rng.integers(SECOND, 6 * SECOND, len(bound))
        n = len(sessions.time)
        origin = np.concatenate([np.arange(n), bound])
        time = np.concatenate([sessions.time, moment])
        order = np.argsort(time, kind="stable")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        columns = {field.name: getattr(sessions, field.name)[origin[order]] for field in fields(Sessions)}
        columns["time"] = time[order]
        columns["event"] = np.where(order >= n, DEVICE_BIND, columns["event"]).astype(np.int8)
        return Sessions(**columns), place[:n]


def build_presence(config: WorldConfig, people: People, rhythm: Rhythm, houses: Houses) -> Presence:
    """Prepare the sessions of a world. O(accounts)."""
    rng = stream(config.seed, "moves")
    has_login = people.is_own & ~np.isin(people.persona, _NO_LOGIN)
    housed = (houses.office >= 0) & has_login
    hour = rng.integers(MINUTE, HOUR, len(people.holder))
    arrival = np.maximum(np.maximum(houses.start, people.opened_at), rhythm.start) + hour
    return Presence(
        config=config,
        people=people,
        rhythm=rhythm,
        houses=houses,
        phones=hand_out_phones(config, people, rhythm),
        networks=Networks(config, people, rhythm, houses),
        customers=np.flatnonzero(people.is_own & people.is_private),
        moved=np.where(housed, arrival, -1),
        has_login=has_login,
        seen=np.zeros(0, np.uint64),
    )


def _visits(who: Int64, moment: Int64, event: Int8) -> _Visits:
    return _Visits(who, moment, event, np.zeros(len(who), bool))


def _joined(*parts: _Visits) -> _Visits:
    return _Visits(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(_Visits)))


def _any_of(mask: Bool, starts: Int64) -> Bool:
    """Return whether any of each group holds; groups begin at `starts`."""
    return np.logical_or.reduceat(mask, starts) if len(starts) else np.zeros(0, bool)
