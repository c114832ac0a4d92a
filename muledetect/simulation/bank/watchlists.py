"""Three watch lists: the bank's own, the police's and the telecom regulator's; late, and each with errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from muledetect.clock import DAY
from muledetect.simulation.bank.calls import BOXES, LINES, box_of, hub_number, line_of, n_hubs
from muledetect.simulation.bank.devices import RACK, rack_phone
from muledetect.simulation.bank.labels import MULE, Labels
from muledetect.simulation.bank.networks import HOUSE_LINES, LEASE, house_cell, house_ip, house_wifi
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.crime import Case, Crime, Ring
from muledetect.simulation.people import People
from muledetect.simulation.plan import Columns
from muledetect.simulation.rhythm import Rhythm
from muledetect.simulation.streams import Float64, Int8, Int64, UInt64, stream

#: Codes of `Entries.list`, `Entries.kind` and `Entries.category`.
LISTS: Final = ("L1", "L2", "L3")
BANK, POLICE, REGULATOR = range(3)
KINDS: Final = ("account", "cell", "device", "ip", "wifi", "phone", "imei")
ACCOUNT, CELL, DEVICE, IP, WIFI, PHONE, IMEI = range(7)
CATEGORIES: Final = ("mule", "infrastructure", "call_centre", "reported")
OF_MULE, OF_HOUSE, OF_CENTRE, REPORTED = range(4)
_WEEK: Final = 7 * DAY


@dataclass(frozen=True, slots=True)
class Entries:
    """One row an entry of a watch list, in order of `known`; none after the world's end.

    Attributes
    ----------
    list : int8[n]
        Position in `LISTS`.
    kind : int8[n]
        Position in `KINDS`.
    value : uint64[n]
        What is listed: an account's position where `kind` is ACCOUNT, a cell's number where it is CELL (both are
        written as their ids), else a hash.
    centre : int64[n]
        Call centre that the entry names, now and then a wrong one; -1 for none.
    category : int8[n]
        Position in `CATEGORIES`.
    reliability : float64[n]
        0 to 1: how far the list's keeper trusts the entry.
    since, until : int64[n]
        From when to when the entry holds (us, UTC); `until` is -1 where it still stands at the world's end.
    known : int64[n]
        When the bank could read it (us, UTC); at or after `since`.
    """

    list: Int8
    kind: Int8
    value: UInt64
    centre: Int64
    category: Int8
    reliability: Float64
    since: Int64
    until: Int64
    known: Int64


class _Entry(NamedTuple):
    list: int
    kind: int
    value: int
    centre: int
    category: int
    reliability: float
    since: int
    until: int
    known: int


def list_marks(
    config: WorldConfig, people: People, crime: Crime, cases: tuple[Case, ...], labels: Labels,
    sessions_sample: Columns, rhythm: Rhythm,
) -> Entries:  # fmt: skip
    """Return the entries of all lists that are known before the world's end.

    Parameters
    ----------
    cases : tuple of Case
        All cases; they lead the regulator to the centres' numbers and the police to the rings.
    sessions_sample : Columns
        A sample of sessions (`account`, `device`, `ip`, `time`): what is listed by mistake.

    Notes
    -----
    No entry is known before what it lists was first used. O(cases + rings + offices).
    """
    rng = stream(config.seed, "watch lists")
    entries = [
        *_own_list(rng, labels),
        *_raided_houses(config, people, rng, crime, rhythm),
        *_police_accounts(rng, crime),
    ]
    entries += _centre_numbers(config, rng, crime, cases)
    entries += _mistakes(config, people, rng, sessions_sample, rhythm, max(2, len(entries) // 12))
    kept = sorted(
        (entry for entry in entries if entry.known < rhythm.end), key=lambda entry: (entry.known, entry.value)
    )
    columns = {name: [getattr(entry, name) for entry in kept] for name in _Entry._fields}
    until = np.array(columns["until"], np.int64)
    return Entries(
        list=np.array(columns["list"], np.int8),
        kind=np.array(columns["kind"], np.int8),
        value=np.array(columns["value"], np.uint64),
        centre=np.array(columns["centre"], np.int64),
        category=np.array(columns["category"], np.int8),
        reliability=np.array(columns["reliability"], np.float64),
        since=np.array(columns["since"], np.int64),
        until=np.where(until < rhythm.end, until, -1),
        known=np.array(columns["known"], np.int64),
    )


def _own_list(rng: np.random.Generator, labels: Labels) -> list[_Entry]:
    """The bank lists half of the accounts that it calls mules, the innocent ones among them too."""
    rows = np.flatnonzero(labels.label == MULE)
    rows = rows[rng.random(len(rows)) < 0.5]
    found = zip(labels.account[rows].tolist(), labels.known[rows].tolist(), strict=True)
    return [_Entry(BANK, ACCOUNT, account, -1, OF_MULE, 0.8, known, -1, known) for account, known in found]


def _raided_houses(
    config: WorldConfig, people: People, rng: np.random.Generator, crime: Crime, rhythm: Rhythm
) -> list[_Entry]:
    """What the police find in some offices' houses: phones, addresses, Wi-Fi, the cell."""
    entries = []
    for office in range(crime.n_offices):
        rings = [ring for ring in crime.rings if ring.office == office]
        if not rings or rng.random() >= 0.4:
            continue
        begun = min(ring.start for ring in rings)
        centre = rings[int(rng.integers(0, len(rings)))].centre
        for kind, value, used in _marks(config, people, office, rings, rhythm):
            if rng.random() < (0.7 if kind in (WIFI, CELL) else 0.3):
                since = max(begun, used)
                known = since + int(rng.exponential(15) * DAY)
                names = centre if rng.random() < 0.6 else -1
                entries.append(_Entry(POLICE, kind, value, names, OF_HOUSE, 0.7, since, -1, known))
    return entries


def _marks(
    config: WorldConfig, people: People, office: int, rings: list[Ring], rhythm: Rhythm
) -> list[tuple[int, int, int]]:
    """Return (kind, value, first use) of what an office's house can be known by."""
    one, slots = np.array([office]), np.arange(RACK)
    marks = [
        (CELL, int(house_cell(one, people.n_areas)[0]), rhythm.start),
        (WIFI, int(house_wifi(one, config.seed)[0]), rhythm.start),
        *((DEVICE, int(phone), rhythm.start) for phone in rack_phone(office, slots, 0, config.seed)),
    ]
    for lease in range(-(-(rhythm.end - rhythm.start) // LEASE)):
        first, last = rhythm.start + lease * LEASE, rhythm.start + (lease + 1) * LEASE
        used = [max(first, ring.start) for ring in rings if ring.start < last and ring.end > first]
        if used:
            addresses = house_ip(one, lease, np.arange(HOUSE_LINES), config.seed)
            marks += [(IP, int(address), min(used)) for address in addresses]
    return marks


def _police_accounts(rng: np.random.Generator, crime: Crime) -> list[_Entry]:
    """Accounts of solved rings, at whatever bank; unwitting customers are not told apart."""
    entries = []
    for ring in crime.rings:
        if rng.random() >= 0.3:
            continue
        last = max(seat.end for seat in ring.seats)
        for account in ring.members:
            if rng.random() < 0.35:
                known = last + int((2 + rng.exponential(18)) * DAY)
                names = ring.centre if rng.random() < 0.6 else -1
                entries.append(_Entry(POLICE, ACCOUNT, account, names, OF_MULE, 0.75, known, -1, known))
    return entries


def _centre_numbers(
    config: WorldConfig, rng: np.random.Generator, crime: Crime, cases: tuple[Case, ...]
) -> list[_Entry]:
    """Numbers and boxes from which centres called, listed days after a week's first victim was called."""
    entries, seed = [], config.seed
    first_call: dict[tuple[int, int], int] = {}
    for case in cases:
        key = (case.centre, case.first_call // _WEEK)
        first_call[key] = min(case.first_call, first_call.get(key, case.first_call))
    lines = np.arange(LINES)
    for (centre, week), begun in sorted(first_call.items()):
        numbers = line_of(np.full(LINES, centre), lines, np.full(LINES, week), seed)
        for number in numbers[rng.random(LINES) < 0.10].tolist():
            names = centre if rng.random() < 0.6 else -1
            known = begun + int(rng.exponential(6) * DAY)
            entries.append(_Entry(REGULATOR, PHONE, number, names, OF_CENTRE, 0.75, begun, -1, known))
    for centre in range(crime.n_centres):
        called = [begun for (number, _), begun in sorted(first_call.items()) if number == centre]
        for box in box_of(np.full(BOXES, centre), np.arange(BOXES), seed).tolist() if called else []:
            if rng.random() < 0.2:
                known = min(called) + int(rng.exponential(20) * DAY)
                names = centre if rng.random() < 0.6 else -1
                entries.append(_Entry(REGULATOR, IMEI, box, names, OF_CENTRE, 0.85, min(called), -1, known))
    return entries


def _mistakes(
    config: WorldConfig, people: People, rng: np.random.Generator, sample: Columns, rhythm: Rhythm, n: int
) -> list[_Entry]:
    """Entries about people and desks that did nothing; some are taken back after weeks."""
    entries = []
    for _ in range(n):
        delay, stays = int(rng.exponential(10) * DAY), int((7 + rng.exponential(30)) * DAY)
        if len(sample["time"]) and rng.random() < 0.7:
            row = int(rng.integers(0, len(sample["time"])))
            kind = int(rng.choice([ACCOUNT, DEVICE, IP]))
            value = int(sample[{ACCOUNT: "account", DEVICE: "device", IP: "ip"}[kind]][row])
            since, keeper, trust = int(sample["time"][row]), POLICE, 0.4
        else:
            # Desks that call many people look like a centre to the regulator.
            since = rhythm.start + int(rng.random() * (rhythm.end - rhythm.start))
            hub = np.array([int(n_hubs(people) * rng.random() ** 2.2)])
            value = int(hub_number(hub, np.array([since]), config.seed)[0])
            kind, keeper, trust = PHONE, REGULATOR, 0.5
        known = max(since, rhythm.start) + delay
        until = known + stays if rng.random() < 0.4 else -1
        entries.append(_Entry(keeper, kind, value, -1, REPORTED, trust, known, until, known))
    return entries
