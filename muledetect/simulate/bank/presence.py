"""Where accounts are used from: devices, networks, cells, logins, and the identifiers that the bank has on file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from muledetect.clock import DAY, HOUR, MINUTE, SECOND
from muledetect.simulate.config import WorldConfig
from muledetect.simulate.crews import Crime
from muledetect.simulate.people import CODE, People
from muledetect.simulate.plan import CHANNEL
from muledetect.simulate.rhythm import EVENING, Rhythm
from muledetect.simulate.streams import Bool, Int8, Int64, UInt64, events, mix, stream

LOGIN, FACE_OK, FACE_FAIL, DEVICE_BIND, LIMIT_CHANGE = 0, 1, 2, 3, 4
#: Accounts that their owners use through files and interfaces.
_NO_LOGIN: Final = ("biller", "wallet", "vasp", "government", "cash", "xborder")
_AT_A_PLACE: Final = ("cash_atm", "cash_counter", "cash_deposit", "card", "payroll", "fee")
#: Name spaces of hashed values.
_DEVICE, _IP, _WIFI, _PUBLIC, _HOUSE = 1, 2, 3, 4, 5
#: Phones in an office's rack.
RACK: Final = 24


@dataclass(frozen=True, slots=True)
class Sessions:
    """One row a session, in order of time; `cell` and `asn` are numbers, 0 hashes stand for unknown."""

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
class Houses:
    """Mule houses: from `start` to `end` (us) an account is used from office `office` (-1: never)."""

    office: Int64
    start: Int64
    end: Int64


def settle_houses(config: WorldConfig, crime: Crime, n_accounts: int) -> Houses:
    """Move most recruits into their office's house around their ring's life; others stay where they live."""
    rng = stream(config.seed, "houses")
    office = np.full(n_accounts, -1, np.int64)
    start, end = np.zeros(n_accounts, np.int64), np.zeros(n_accounts, np.int64)
    for ring in crime.rings:
        for account in ring.members:
            if office[account] < 0 and rng.random() < 0.5:
                office[account] = ring.office
                start[account] = ring.start - int(rng.exponential(1.0) * DAY)
                end[account] = ring.end + 3 * DAY
    return Houses(office, start, end)


def open_sessions(
    config: WorldConfig, people: People, rhythm: Rhythm, transfers: dict[str, npt.NDArray[Any]], houses: Houses
) -> tuple[Sessions, Int64]:
    """Return sessions, and for each transfer its session's position (-1: made without the app, or elsewhere)."""
    rng = stream(config.seed, "sessions")
    has_login = people.is_own & ~np.isin(people.persona, [CODE[name] for name in _NO_LOGIN])
    in_app = has_login[transfers["source"]]
    in_app &= ~np.isin(transfers["channel"], [CHANNEL[name] for name in _AT_A_PLACE])
    rows = np.flatnonzero(in_app)
    rows = rows[np.argsort(transfers["source"][rows], kind="stable")]
    account, moment = transfers["source"][rows].astype(np.int64), transfers["time"][rows]
    opens = np.ones(len(rows), bool)
    opens[1:] = (np.diff(account) != 0) | (np.diff(moment) > 10 * MINUTE)
    opener = np.flatnonzero(opens)
    before = moment[opener] - rng.integers(8 * SECOND, 100 * SECOND, len(opener))
    large = np.maximum.reduceat(transfers["amount"][rows], opener) >= 5_000_000 if len(opener) else np.zeros(0, bool)
    looks_who, looks_time, looks_event = _looking(config, people, rhythm, rng)
    who = np.concatenate([account[opener], looks_who])
    when = np.concatenate([before, looks_time])
    event = np.concatenate([np.where(large, FACE_OK, LOGIN).astype(np.int8), looks_event])
    who, when, event = _binds(config, rng, people, rhythm, houses, who, when, event)
    order = np.argsort(when, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    session_of = np.full(len(transfers["time"]), np.int64(-1))
    session_of[rows] = rank[np.cumsum(opens) - 1]
    return _sense(config, people, rhythm, rng, houses, who[order], when[order], event[order]), session_of


def _looking(
    config: WorldConfig, people: People, rhythm: Rhythm, rng: np.random.Generator
) -> tuple[Int64, Int64, Int8]:
    """Logins without a transfer, limit changes, failed face scans."""
    own = np.flatnonzero(people.is_own & people.is_private)
    chosen = own[events(rng, 0.06 * people.liveliness[own], config.n_days)]
    days = rhythm.some_days(rng, len(chosen), np.ones(config.n_days))
    moment = rhythm.moments(rng, days, EVENING)
    alive = (moment > people.active_from[chosen]) & (moment < people.closed_at[chosen])
    event = rng.choice([LOGIN, FACE_FAIL, LIMIT_CHANGE], len(chosen), p=[0.95, 0.02, 0.03]).astype(np.int8)
    return chosen[alive], moment[alive], event[alive]


def _switches(people: People, rhythm: Rhythm, rng: np.random.Generator) -> Int64:
    """When each holder changes to a new phone (us); for most after the world's end."""
    n = len(people.holder)
    return (rhythm.start + (rng.random(n) * 500 * DAY).astype(np.int64))[people.holder]


def _binds(
    config: WorldConfig,
    rng: np.random.Generator,
    people: People,
    rhythm: Rhythm,
    houses: Houses,
    who: Int64,
    when: Int64,
    event: Int8,
) -> tuple[Int64, Int64, Int8]:
    """Add the binding of a new device: phones bought, accounts opened, accounts handed to an office."""
    own = people.is_own & people.is_private
    switch = _switches(people, rhythm, stream(config.seed, "switches"))
    switched = np.flatnonzero(own & (switch < rhythm.end) & (switch > people.active_from))
    opened = np.flatnonzero(own & (people.opened_at >= rhythm.start))
    housed = np.flatnonzero(own & (houses.office >= 0))
    moved = np.maximum(houses.start[housed], people.opened_at[housed]) + rng.integers(MINUTE, HOUR, len(housed))
    joined_who = np.concatenate([who, switched, opened, housed])
    joined_when = np.concatenate([when, switch[switched], people.opened_at[opened] + 20 * MINUTE, moved])
    n_more = len(joined_who) - len(who)
    joined_event = np.concatenate([event, np.full(n_more, DEVICE_BIND, np.int8)])
    inside = (joined_when >= rhythm.start) & (joined_when < rhythm.end)
    # Sessions of transfers come first and must keep their positions.
    inside[: len(who)] = True
    return joined_who[inside], joined_when[inside], joined_event[inside]


def _sense(
    config: WorldConfig, people: People, rhythm: Rhythm, rng: np.random.Generator, houses: Houses,
    who: Int64, when: Int64, event: Int8,
) -> Sessions:  # fmt: skip
    n, seed = len(who), config.seed
    housed = (houses.office[who] >= 0) & (when >= houses.start[who]) & (when <= houses.end[who])
    housed &= rng.random(n) < 0.85
    office = houses.office[who]
    # Phones: one a holder, a family tablet for some households, a second phone after the switch; an office has a
    # rack of phones, each with a few accounts.
    switch = _switches(people, rhythm, stream(config.seed, "switches"))
    shares = mix(people.household, 77, seed) % np.uint64(100) < 4
    owner = np.where(shares & ~people.is_dormitory, people.household + (1 << 40), people.holder)
    phone = mix(owner[who], (when >= switch[who]).astype(np.int64), _DEVICE, seed)
    rack = mix(office, mix(who, 5) % np.uint64(RACK), _HOUSE, seed)
    at_home = rng.random(n) < np.where(people.is_dormitory[who], 0.7, 0.5)
    lease = (when - rhythm.start) // (14 * DAY)
    home_ip = mix(people.household[who], lease, _IP, seed)
    # Mobile networks put thousands of people behind few addresses.
    carrier = (mix(people.holder[who], 9) % np.uint64(3)).astype(np.int64)
    pool = max(12, len(people.holder) // 150)
    mobile_ip = mix(carrier, rng.integers(0, pool, n), _IP + 100, seed)
    house_ip = mix(office, lease, rng.integers(0, 2, n), _HOUSE + 100, seed)
    # Cafes, shopping centres and work places: a few networks an area, each with many strangers.
    public = ~housed & ~at_home & (rng.random(n) < 0.3)
    cafe = people.area[who] * 6 + (6 * rng.random(n) ** 1.5).astype(np.int64)
    wifi = np.where(public, mix(cafe, _PUBLIC, seed), mix(people.household[who], _WIFI, seed))
    wifi = np.where(housed, mix(office, _WIFI, _HOUSE, seed), wifi)
    near = np.where(rng.random(n) < 0.8, people.area[who], rng.integers(0, people.n_areas, n))
    area = np.where(housed, people.n_areas - 1 - office % 2, near)
    spot = np.where(housed, office % 3, (mix(people.holder[who], 3) % np.uint64(6)).astype(np.int64))
    risky = housed & (rng.random(n) < 0.05)
    return Sessions(
        account=who,
        time=when,
        device=np.where(housed, rack, phone),
        ip=np.where(housed, house_ip, np.where(at_home, home_ip, mobile_ip)),
        wifi=wifi * (housed | at_home | public).astype(np.uint64),
        asn=64_512 + np.where(at_home & ~housed, 10 + people.area[who] % 7, carrier),
        cell=area * 10 + spot,
        area=area,
        event=event,
        is_remote=(rng.random(n) < 0.004) | (risky & (rng.random(n) < 0.5)),
        is_emulated=(rng.random(n) < 0.002) | (risky & (rng.random(n) < 0.3)),
        is_virtual_camera=(event == FACE_OK) & ((rng.random(n) < 0.001) | risky),
    )


def house_marks(config: WorldConfig, crime: Crime, rhythm: Rhythm) -> list[tuple[int, str, UInt64]]:
    """Return (office, kind, hashes) of what could be attributed to the offices: Wi-Fi, addresses, phones."""
    seed = config.seed
    marks: list[tuple[int, str, UInt64]] = []
    leases = np.arange(rhythm.n_days // 14 + 1)
    for office in range(crime.n_offices):
        marks.append((office, "wifi", mix(office, _WIFI, _HOUSE, seed)))
        marks.append((office, "ip", mix(office, leases, 0, _HOUSE + 100, seed)))
        marks.append((office, "device", mix(office, np.arange(RACK).astype(np.uint64), _HOUSE, seed)))
    return marks
