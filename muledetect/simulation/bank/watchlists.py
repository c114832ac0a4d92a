"""Three watch lists: the bank's own, the police's and the telecom regulator's; late, and each with errors."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from muledetect.clock import DAY
from muledetect.simulation.bank.calls import BOXES, LINES, WEEK, box_of, hub_number, line_of, n_hubs
from muledetect.simulation.bank.findings import MULE
from muledetect.simulation.bank.whereabouts import (
    HOUSE_LINES,
    LEASE,
    OFFICE_PHONES,
    house_cell,
    house_ip,
    house_wifi,
    office_phone,
)
from muledetect.simulation.crime.rings import Crime, Ring
from muledetect.simulation.crime.victims import Case
from muledetect.simulation.economy import Economy
from muledetect.simulation.plan import Columns
from muledetect.simulation.streams import stream

#: Codes of `Entries.list`, `Entries.kind` and `Entries.category`.
LISTS: Final = ("L1", "L2", "L3")
BANK, POLICE, REGULATOR = range(3)
KINDS: Final = ("account", "cell", "device", "ip", "wifi", "phone", "imei")
ACCOUNT, CELL, DEVICE, IP, WIFI, PHONE, IMEI = range(7)
CATEGORIES: Final = ("mule", "infrastructure", "call_centre", "reported")
OF_MULE, OF_HOUSE, OF_CENTRE, REPORTED = range(4)


class Entry(NamedTuple):
    """An entry of a watch list.

    `list`, `kind` and `category` are positions in `LISTS`, `KINDS` and `CATEGORIES`. `value` is an account's position
    where `kind` is ACCOUNT, a cell's number where it is CELL (both are written as their ids), else a hash. `centre` is
    the call centre that the entry names, now and then a wrong one (-1: none); `reliability`, 0 to 1, is how far the
    list's keeper trusts it. It holds from `since` until `until` (us, UTC; -1: it still stands at the world's end), and
    the bank could read it from `known` on, at or after `since`.
    """

    list: int
    kind: int
    value: int
    centre: int
    category: int
    reliability: float
    since: int
    until: int
    known: int


def make_entries(
    economy: Economy, crime: Crime, cases: tuple[Case, ...], labels: Columns, sessions_sample: Columns
) -> list[Entry]:
    """Return the entries of all lists that are known before the world's end, in order of `known`.

    Cases lead the regulator to the centres' numbers and the police to the rings; of `sessions_sample` (`account`,
    `device`, `ip`, `time`) some are listed by mistake. No entry is known before what it lists was first used.
    O(cases + rings + offices).
    """
    rng = stream(economy.config.seed, "watch lists")
    entries = [*_own_list(rng, labels), *_raided_houses(economy, rng, crime), *_police_accounts(rng, crime)]
    entries += _centre_numbers(economy.config.seed, rng, crime, cases)
    entries += _mistakes(economy, rng, sessions_sample, max(2, len(entries) // 12))
    end = economy.calendar.end
    kept = sorted((entry for entry in entries if entry.known < end), key=lambda entry: (entry.known, entry.value))
    return [entry._replace(until=entry.until if entry.until < end else -1) for entry in kept]


def _own_list(rng: np.random.Generator, labels: Columns) -> list[Entry]:
    """The bank lists half of the accounts that it calls mules, the innocent ones among them too."""
    rows = np.flatnonzero(labels["label"] == MULE)
    rows = rows[rng.random(len(rows)) < 0.5]
    found = zip(labels["account"][rows].tolist(), labels["known"][rows].tolist(), strict=True)
    return [Entry(BANK, ACCOUNT, account, -1, OF_MULE, 0.8, known, -1, known) for account, known in found]


def _raided_houses(economy: Economy, rng: np.random.Generator, crime: Crime) -> list[Entry]:
    """What the police find in some offices' houses: phones, addresses, Wi-Fi, the cell."""
    entries = []
    for office in range(crime.n_offices):
        rings = [ring for ring in crime.rings if ring.office == office]
        if not rings or rng.random() >= 0.4:
            continue
        begun = min(ring.start for ring in rings)
        centre = rings[int(rng.integers(0, len(rings)))].centre
        for kind, value, used in _marks(economy, office, rings):
            if rng.random() < (0.7 if kind in (WIFI, CELL) else 0.3):
                since = max(begun, used)
                known = since + int(rng.exponential(15) * DAY)
                named = centre if rng.random() < 0.6 else -1
                entries.append(Entry(POLICE, kind, value, named, OF_HOUSE, 0.7, since, -1, known))
    return entries


def _marks(economy: Economy, office: int, rings: list[Ring]) -> list[tuple[int, int, int]]:
    """Return (kind, value, first use) of what an office's house can be known by."""
    people, calendar, seed = economy.people, economy.calendar, economy.config.seed
    one, slots = np.array([office]), np.arange(OFFICE_PHONES)
    marks = [
        (CELL, int(house_cell(one, people.n_areas)[0]), calendar.start),
        (WIFI, int(house_wifi(one, seed)[0]), calendar.start),
        *((DEVICE, int(phone), calendar.start) for phone in office_phone(office, slots, 0, seed)),
    ]
    for lease in range(-(-(calendar.end - calendar.start) // LEASE)):
        first, last = calendar.start + lease * LEASE, calendar.start + (lease + 1) * LEASE
        used = [max(first, ring.start) for ring in rings if ring.start < last and ring.end > first]
        if used:
            addresses = house_ip(one, lease, np.arange(HOUSE_LINES), seed)
            marks += [(IP, int(address), min(used)) for address in addresses]
    return marks


def _police_accounts(rng: np.random.Generator, crime: Crime) -> list[Entry]:
    """Accounts of solved rings, at whatever bank; unwitting customers are listed like the others."""
    entries = []
    for ring in crime.rings:
        if rng.random() >= 0.3:
            continue
        last = max(membership.end for membership in ring.memberships)
        for account in ring.members:
            if rng.random() < 0.35:
                known = last + int((2 + rng.exponential(18)) * DAY)
                named = ring.centre if rng.random() < 0.6 else -1
                entries.append(Entry(POLICE, ACCOUNT, account, named, OF_MULE, 0.75, known, -1, known))
    return entries


def _centre_numbers(seed: int, rng: np.random.Generator, crime: Crime, cases: tuple[Case, ...]) -> list[Entry]:
    """Numbers and boxes from which centres called, listed days after a week's first victim was called."""
    entries = []
    first_call: dict[tuple[int, int], int] = {}
    for case in cases:
        key = (case.centre, case.first_call // WEEK)
        first_call[key] = min(case.first_call, first_call.get(key, case.first_call))
    lines = np.arange(LINES)
    for (centre, week), begun in sorted(first_call.items()):
        numbers = line_of(np.full(LINES, centre), lines, np.full(LINES, week), seed)
        for number in numbers[rng.random(LINES) < 0.10].tolist():
            named = centre if rng.random() < 0.6 else -1
            known = begun + int(rng.exponential(6) * DAY)
            entries.append(Entry(REGULATOR, PHONE, number, named, OF_CENTRE, 0.75, begun, -1, known))
    for centre in range(crime.n_centres):
        called = [begun for (number, _), begun in sorted(first_call.items()) if number == centre]
        for box in box_of(np.full(BOXES, centre), np.arange(BOXES), seed).tolist() if called else []:
            if rng.random() < 0.2:
                known = min(called) + int(rng.exponential(20) * DAY)
                named = centre if rng.random() < 0.6 else -1
                entries.append(Entry(REGULATOR, IMEI, box, named, OF_CENTRE, 0.85, min(called), -1, known))
    return entries


def _mistakes(economy: Economy, rng: np.random.Generator, sample: Columns, n: int) -> list[Entry]:
    """Entries about people and desks that did nothing; some are taken back after weeks."""
    entries, people, calendar = [], economy.people, economy.calendar
    for _ in range(n):
        delay, stays = int(rng.exponential(10) * DAY), int((7 + rng.exponential(30)) * DAY)
        if len(sample["time"]) and rng.random() < 0.7:
            row = int(rng.integers(0, len(sample["time"])))
            kind = int(rng.choice([ACCOUNT, DEVICE, IP]))
            value = int(sample[{ACCOUNT: "account", DEVICE: "device", IP: "ip"}[kind]][row])
            since, keeper, trust = int(sample["time"][row]), POLICE, 0.4
        else:
            # Desks that call many people look like a centre to the regulator.
            since = calendar.start + int(rng.random() * (calendar.end - calendar.start))
            hub = np.array([int(n_hubs(people) * rng.random() ** 2.2)])
            value = int(hub_number(hub, np.array([since]), economy.config.seed)[0])
            kind, keeper, trust = PHONE, REGULATOR, 0.5
        known = max(since, calendar.start) + delay
        until = known + stays if rng.random() < 0.4 else -1
        entries.append(Entry(keeper, kind, value, -1, REPORTED, trust, known, until, known))
    return entries
