"""Phone calls to our customers: SIM boxes working through number lists, and everybody else's ordinary calls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.simulate.config import WorldConfig
from muledetect.simulate.crews import Crime
from muledetect.simulate.people import Circles, People
from muledetect.simulate.rhythm import OFFICE, TALKING, Rhythm
from muledetect.simulate.scams import Case
from muledetect.simulate.streams import Float64, Int64, UInt64, events, mix, stream

#: Numbers and boxes of one centre.
LINES, BOXES = 24, 3
_PHONE, _IMEI, _LINE, _BOX, _HUB = 11, 12, 13, 14, 15


@dataclass(frozen=True, slots=True)
class Calls:
    """One row a call, in order of time; hash 0 and cell -1 where the network did not tell."""

    time: Int64
    caller: UInt64
    callee: UInt64
    duration: Float64
    imei: UInt64
    cell: Int64
    known: Int64


def phone_of(people: People, who: Int64, seed: int) -> UInt64:
    """Return each account's phone number (hash): one a holder, shared within some families."""
    shared = (mix(people.household[who], 31, seed) % np.uint64(100) < 4) & ~people.is_dormitory[who]
    return mix(np.where(shared, people.household[who] + (1 << 40), people.holder[who]), _PHONE, seed)


def line_of(centre: Int64, line: Int64, week: Int64, seed: int) -> UInt64:
    """Return a SIM-box number of a centre (hash); centres change their numbers every week."""
    return mix(centre, line, week, _LINE, seed)


def box_of(centre: Int64, line: Int64, seed: int) -> UInt64:
    """Return the IMEI (hash) of the box that holds a line."""
    return mix(centre, line % BOXES, _BOX, seed)


def place_calls(
    config: WorldConfig, people: People, contacts: Circles, rhythm: Rhythm, crime: Crime, cases: tuple[Case, ...]
) -> Calls:
    """Return all calls to our private customers. O(calls)."""
    rng = stream(config.seed, "calls")
    parts = [_ordinary(config, people, contacts, rhythm, rng), _hubs(config, people, rhythm, rng)]
    if cases:
        parts += [_to_victims(config, people, rng, cases), _cold(config, people, rhythm, rng, crime)]
    joined = [np.concatenate([part[place] for part in parts]) for place in range(6)]
    moment = joined[0]
    keep = np.flatnonzero((moment >= rhythm.start) & (moment < rhythm.end))
    keep = keep[np.argsort(moment[keep], kind="stable")]
    moment, caller, callee, duration, imei, cell = (values[keep] for values in joined)
    # Operators deliver call records to the bank some hours later.
    known = moment + (np.exp(rng.normal(np.log(5), 0.7, len(keep))) * HOUR).astype(np.int64)
    told = rng.random(len(keep)) < 0.7
    return Calls(moment, caller, callee, duration, np.where(told, imei, np.uint64(0)), np.where(told, cell, -1), known)


_Part = tuple[Int64, UInt64, UInt64, Float64, UInt64, Int64]


def _talk(rng: np.random.Generator, n: int, median_s: float, spread: float) -> Float64:
    return np.asarray(np.round(np.exp(rng.normal(np.log(median_s), spread, n))), np.float64)


def _ordinary(
    config: WorldConfig, people: People, contacts: Circles, rhythm: Rhythm, rng: np.random.Generator
) -> _Part:
    own = np.flatnonzero(people.is_own & people.is_private)
    callee = own[events(rng, np.full(len(own), 0.05), config.n_days)]
    n = len(callee)
    days = rhythm.some_days(rng, n, np.ones(config.n_days))
    caller = contacts.draw(rng, callee)
    return (
        rhythm.moments(rng, days, TALKING),
        phone_of(people, caller, config.seed),
        phone_of(people, callee, config.seed),
        _talk(rng, n, 70, 1.2),
        mix(people.holder[caller], _IMEI, config.seed),
        people.area[caller] * 10 + rng.integers(0, 6, n),
    )


def _hubs(config: WorldConfig, people: People, rhythm: Rhythm, rng: np.random.Generator) -> _Part:
    """Couriers, clinics and sales desks: honest numbers that call hundreds of people."""
    own = np.flatnonzero(people.is_own & people.is_private)
    callee = own[events(rng, np.full(len(own), 0.04), config.n_days)]
    n = len(callee)
    n_hubs = max(6, len(own) // 120)
    hub = (n_hubs * rng.random(n) ** 2.2).astype(np.int64)
    days = rhythm.some_days(rng, n, rhythm.working_days() + 0.3)
    return (
        rhythm.moments(rng, days, OFFICE),
        mix(hub, _HUB, config.seed),
        phone_of(people, callee, config.seed),
        _talk(rng, n, 35, 0.9),
        mix(hub, _IMEI + 50, config.seed),
        hub % (people.n_areas * 10),
    )


def _scam_part(
    config: WorldConfig, people: People, centre: Int64, line: Int64, moment: Int64, callee: Int64, duration: Float64
) -> _Part:
    week = moment // (7 * DAY)
    return (
        moment,
        line_of(centre, line, week, config.seed),
        phone_of(people, callee, config.seed),
        duration,
        box_of(centre, line, config.seed),
        (people.n_areas - 1 - centre % 2) * 10 + 6 + centre % 3,
    )


def _to_victims(config: WorldConfig, people: People, rng: np.random.Generator, cases: tuple[Case, ...]) -> _Part:
    """One to five calls from the first contact to the last payment; the last talks are long."""
    ours = [case for case in cases if people.is_own[case.victim] and rng.random() < 0.8]
    n_calls = rng.geometric(0.45, len(ours)).clip(1, 5)
    row = np.repeat(np.arange(len(ours)), n_calls)
    first = np.array([case.first_call for case in ours], np.int64)[row]
    last = np.array([case.last_payment for case in ours], np.int64)[row]
    moment = first + (rng.random(len(row)) ** 1.5 * np.maximum(last - first - MINUTE, 1)).astype(np.int64)
    starts = np.cumsum(n_calls) - n_calls
    moment[starts] = np.array([case.first_call for case in ours], np.int64)
    return _scam_part(
        config,
        people,
        np.array([case.centre for case in ours], np.int64)[row],
        rng.integers(0, LINES, len(row)),
        moment,
        np.array([case.victim for case in ours], np.int64)[row],
        _talk(rng, len(row), 420, 1.0),
    )


def _cold(config: WorldConfig, people: People, rhythm: Rhythm, rng: np.random.Generator, crime: Crime) -> _Part:
    """Calls that bring nothing: short, to anybody, while the centre's rings are at work."""
    own = np.flatnonzero(people.is_own & people.is_private)
    centres, moments = [], []
    for ring in crime.rings:
        days = np.arange((ring.start - rhythm.start) // DAY, (ring.end - rhythm.start) // DAY + 1)
        days = np.repeat(days, rng.poisson(0.006 * len(own) + 1, len(days)))
        days = days[(days >= 0) & (days < rhythm.n_days)]
        moments.append(rhythm.moments(rng, days, OFFICE))
        centres.append(np.full(len(days), ring.centre))
    centre, moment = np.concatenate(centres), np.concatenate(moments)
    n = len(moment)
    return _scam_part(
        config, people, centre, rng.integers(0, LINES, n), moment, own[rng.integers(0, len(own), n)],
        np.minimum(_talk(rng, n, 14, 0.9), 600),
    )  # fmt: skip
