"""When accounts are opened on a phone, and what the bank notes then: logins, face scans, new devices, remote access.

Sessions are columns, one row a session in order of time: `account`, `time`, `device`, `ip`, `wifi` (hashes; 0: no
Wi-Fi), `asn`, `cell`, `area` (numbers), `event`, `is_remote`, `is_emulated`, `is_virtual_camera`. Those that open a
transfer begin 8 to 100 s before it, so that the first ones of a span may lie just before the span.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.arrays import BoolArray, Float64Array, Int64Array, UInt64Array, run_starts
from muledetect.clock import DAY, HOUR, MINUTE, SECOND
from muledetect.simulation.bank.whereabouts import assign_phones, locate, phone_in_house
from muledetect.simulation.crime.rings import Houses
from muledetect.simulation.days import EVENING, Span
from muledetect.simulation.economy import Economy
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import CHANNEL, VICTIM, Columns, rows_at, stacked
from muledetect.simulation.streams import hash_bits, hash_uniform, stream

EVENTS: Final = ("login", "face_ok", "face_fail", "device_bind", "limit_change")
LOGIN, FACE_OK, FACE_FAIL, DEVICE_BIND, LIMIT_CHANGE = range(5)
#: Accounts that their owners use through files and interfaces.
_NO_LOGIN: Final = tuple(CODE[name] for name in ("biller", "wallet", "vasp", "government", "cash", "xborder"))
_AT_A_PLACE: Final = tuple(
    CHANNEL[name] for name in ("cash_atm", "cash_counter", "cash_deposit", "card", "payroll", "fee")
)
#: A person's face is scanned from so much a transfer or a day (satang; Thailand, see domain.md).
_SCAN_FROM, _SCAN_FROM_A_DAY = 5_000_000, 20_000_000
#: Sessions that are worked out at once: bounds the memory of a span.
_PIECE: Final = 1 << 20


class SessionMaker:
    """Makes the sessions of a world span by span, in order; remembers 8 bytes for each device of each account.

    `arrived` is when each account of a mule house is first used from there, -1 for the others.
    """

    def __init__(self, economy: Economy, houses: Houses) -> None:
        people = economy.people
        self.economy, self.houses, self.phones = economy, houses, assign_phones(economy)
        self.customers = np.flatnonzero(people.is_own & people.is_private)
        self.has_login = people.is_own & ~np.isin(people.persona, _NO_LOGIN)
        hour = stream(economy.config.seed, "moves").integers(MINUTE, HOUR, len(people.holder))
        arrival = np.maximum(np.maximum(houses.start, people.opened_at), economy.calendar.start) + hour
        self.arrived = np.where((houses.office >= 0) & self.has_login, arrival, -1)
        self.seen = np.zeros(0, np.uint64)

    def sessions_of(self, span: Span, rows: Columns) -> tuple[Columns, Int64Array]:
        """Return a span's sessions, and for each transfer its session's position (-1: not by the app, or unrecorded).

        Spans come each once, in order; `rows` are the span's transfers in order of time: `time`, `source`, `amount`,
        `channel`, `kind`. O(n log n) in transfers and sessions of the span.
        """
        rng = stream(self.economy.config.seed, "sessions", span.number)
        paying, visit_of = self._payment_visits(rows, rng)
        visits = stacked([paying, self._other_visits(span, rng), self._first_logins(span, rng), self._arrivals(span)])
        order = np.argsort(visits["time"], kind="stable")
        visits = rows_at(visits, order)
        pieces = [slice(first, first + _PIECE) for first in range(0, max(len(order), 1), _PIECE)]
        sessions = stacked([self._observe(rows_at(visits, piece), rng) for piece in pieces])
        sessions, place = self._bind_devices(sessions, rng)
        rank = np.empty(len(order), np.int64)
        rank[order] = place
        session_of = np.full(len(visit_of), np.int64(-1))
        has_session = visit_of >= 0
        session_of[has_session] = rank[visit_of[has_session]]
        return sessions, session_of

    def new_devices(self, sessions: Columns) -> Columns:
        """Return the first sessions of devices that an account had never used before.

        Call it once for each span, after `sessions_of`: the devices count as known from then on. O(n log n).
        """
        first, pair = self._unseen(sessions)
        self.seen = np.sort(np.concatenate([self.seen, pair]))
        return rows_at(sessions, np.sort(first))

    def _unseen(self, sessions: Columns) -> tuple[Int64Array, UInt64Array]:
        """Return positions and hashes of the first use of each pair of account and device that no earlier span had."""
        pair, first = np.unique(hash_bits(sessions["account"], sessions["device"]), return_index=True)
        place = np.searchsorted(self.seen, pair)
        is_new = np.ones(len(pair), bool)
        inside = place < len(self.seen)
        is_new[inside] = self.seen[place[inside]] != pair[inside]
        return first[is_new], pair[is_new]

    def _payment_visits(self, rows: Columns, rng: np.random.Generator) -> tuple[Columns, Int64Array]:
        """Return the visits in which transfers are made; those of one account within ten minutes share one."""
        in_app = self.has_login[rows["source"]] & ~np.isin(rows["channel"], _AT_A_PLACE)
        made = np.flatnonzero(in_app)
        made = made[np.argsort(rows["source"][made], kind="stable")]
        account, moment = rows["source"][made].astype(np.int64), rows["time"][made]
        opens = run_starts(account)
        opens[1:] |= np.diff(moment) > 10 * MINUTE
        opener = np.flatnonzero(opens)
        # Nobody logs in before the account is opened.
        before = moment[opener] - rng.integers(8 * SECOND, 100 * SECOND, len(opener))
        opened = np.minimum(self.economy.people.opened_at[account[opener]] + SECOND, moment[opener] - SECOND)
        is_scanned = self._needs_scan(account, moment, rows["amount"][made])
        # Some use the bank through another firm's app or by text message: no session is recorded.
        is_recorded = rng.random(len(opener)) >= 0.03
        number = np.where(is_recorded, np.cumsum(is_recorded) - 1, -1)
        visit_of = np.full(len(in_app), np.int64(-1))
        visit_of[made] = number[np.cumsum(opens) - 1]
        event = np.where(_any_of(is_scanned, opener), FACE_OK, LOGIN)
        is_deceived = _any_of(rows["kind"][made] == VICTIM, opener)
        visits = _visits(account[opener], np.maximum(before, opened), event, is_deceived)
        return rows_at(visits, is_recorded), visit_of

    def _needs_scan(self, account: Int64Array, moment: Int64Array, amount: Int64Array) -> BoolArray:
        """Large transfers of people, and those that make a day's sum large. Rows by account, then time."""
        day = (moment - self.economy.calendar.start) // DAY
        begins = run_starts(account, day)
        running = np.cumsum(amount)
        earlier = (running - amount)[np.maximum.accumulate(np.where(begins, np.arange(len(account)), 0))]
        total = running - earlier
        crosses = (total >= _SCAN_FROM_A_DAY) & (total - amount < _SCAN_FROM_A_DAY)
        return self.economy.people.is_private[account] & ((amount >= _SCAN_FROM) | crosses)

    def _other_visits(self, span: Span, rng: np.random.Generator) -> Columns:
        """Visits without a transfer: balances read, limits changed, faces scanned; also by houses, for the holders."""
        people, customers, calendar = self.economy.people, self.customers, self.economy.calendar
        at_home, home_day = span.draw_events(rng, 0.06 * people.activity_level[customers], calendar.even)
        housed = np.flatnonzero(self.arrived >= 0)
        in_house, house_day = span.draw_events(rng, np.full(len(housed), 0.8), calendar.even)
        who = np.concatenate([customers[at_home], housed[in_house]])
        moment = calendar.moments(rng, np.concatenate([home_day, house_day]), EVENING)
        is_home = np.arange(len(who)) < len(at_home)
        in_stay = (moment > self.arrived[who]) & (moment <= self.houses.end[who])
        here = np.where(is_home, moment > people.active_from[who], in_stay) & (moment < people.closed_at[who])
        draw = np.searchsorted([0.93, 0.95, 0.97], rng.random(len(who)), side="right")
        event = np.array([LOGIN, FACE_OK, FACE_FAIL, LIMIT_CHANGE])[draw]
        return _visits(who[here], moment[here], event[here])

    def _first_logins(self, span: Span, rng: np.random.Generator) -> Columns:
        """The first login of an account opened in the span or, if it was opened late in the evening, in the next."""
        people, seed = self.economy.people, self.economy.config.seed
        opened = people.opened_at[self.customers]
        moment = opened + 5 * MINUTE + (hash_uniform(self.customers, seed, 16) * 35 * MINUTE).astype(np.int64)
        joins = (opened >= self.economy.calendar.start) & (moment >= span.start) & (moment < span.end)
        joins &= moment < people.closed_at[self.customers]
        event = np.where(rng.random(int(joins.sum())) < 0.6, FACE_OK, LOGIN)
        return _visits(self.customers[joins], moment[joins], event)

    def _arrivals(self, span: Span) -> Columns:
        """The first login from a mule house."""
        who = np.flatnonzero((self.arrived >= span.start) & (self.arrived < span.end))
        who = who[self.arrived[who] < self.economy.people.closed_at[who]]
        return _visits(who, self.arrived[who], np.full(len(who), LOGIN))

    def _observe(self, visits: Columns, rng: np.random.Generator) -> Columns:
        """Return what the bank notes about visits."""
        who, moment = visits["account"], visits["time"]
        houses = self.houses
        housed = (houses.office[who] >= 0) & (moment >= self.arrived[who]) & (moment <= houses.end[who])
        housed &= rng.random(len(who)) < 0.85
        where = locate(self.economy, houses, who, moment, housed, rng)
        own = self.phones.own(who, moment, rng)
        of_office, keeps_own = phone_in_house(houses, who, moment, self.economy.config.seed)
        device = np.where(housed & ~keeps_own, of_office, own)
        flags = self._device_flags(visits, housed, rng)
        return {"account": who, "time": moment, "device": device, **where, "event": visits["event"], **flags}

    def _device_flags(self, visits: Columns, housed: BoolArray, rng: np.random.Generator) -> Columns:
        """Remote access, emulators, virtual cameras: each has honest users who use it often.

        Relatives help pensioners from afar, developers run their phone on a screen; victims are told to let
        somebody look over their shoulder.
        """
        people, seed = self.economy.people, self.economy.config.seed
        holder = people.holder[visits["account"]]
        is_old = people.persona[visits["account"]] == CODE["pensioner"]
        is_helped = hash_uniform(holder, seed, 17) < np.where(is_old, 0.06, 0.012)
        develops = hash_uniform(holder, seed, 18) < 0.004
        tricks = develops & (hash_uniform(holder, seed, 19) < 0.3)
        remote = np.where(is_helped, 0.12, 0.001) + 0.015 * housed + 0.06 * visits["is_deceived"]
        emulated = np.where(develops, 0.3, 0.0005) + 0.01 * housed
        virtual = np.where(tricks, 0.3, 0.003) + 0.03 * housed
        is_face = np.isin(visits["event"], (FACE_OK, FACE_FAIL))
        draw: Float64Array = rng.random((3, len(holder)))
        return {
            "is_remote": draw[0] < remote,
            "is_emulated": draw[1] < emulated,
            "is_virtual_camera": is_face & (draw[2] < virtual),
        }

    def _bind_devices(self, sessions: Columns, rng: np.random.Generator) -> tuple[Columns, Int64Array]:
        """Add the binding of a device seconds after its first login; return the places of the old sessions too."""
        first = np.sort(self._unseen(sessions)[0])
        who = sessions["account"][first]
        # Devices that old accounts used at the world's start were bound before it.
        is_old = self.economy.people.opened_at[who] < self.economy.calendar.start
        bound = first[~(self.phones.had_at_start(who, sessions["device"][first]) & is_old)]
        moment = sessions["time"][bound] + rng.integers(SECOND, 6 * SECOND, len(bound))
        binding = {**rows_at(sessions, bound), "time": moment, "event": np.full(len(bound), DEVICE_BIND, np.int8)}
        both = stacked([sessions, binding])
        order = np.argsort(both["time"], kind="stable")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        return rows_at(both, order), place[: len(sessions["time"])]


def _visits(account: Int64Array, time: Int64Array, event: Int64Array, is_deceived: BoolArray | None = None) -> Columns:
    """Who opens the app, when and what for; `is_deceived` while a victim pays."""
    deceived = np.zeros(len(account), bool) if is_deceived is None else is_deceived
    return {"account": account, "time": time, "event": event.astype(np.int8), "is_deceived": deceived}


def _any_of(mask: BoolArray, starts: Int64Array) -> BoolArray:
    """Return whether any of each group holds; groups begin at `starts`."""
    return np.logical_or.reduceat(mask, starts) if len(starts) else np.zeros(0, bool)
