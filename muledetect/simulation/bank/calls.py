"""Phone calls to our customers: SIM boxes working through number lists, and everybody else's ordinary calls.

Calls are columns, one row a call in order of time: `time`, `caller`, `callee`, `duration`, `imei` (hash 0: the network
did not say), `cell` (-1: not known), and `known` (us, UTC), when the record reaches the bank: perhaps after the world.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.arrays import Float64Array, Int64Array, UInt64Array
from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.simulation.bank.whereabouts import CELLS, border_area
from muledetect.simulation.crime.victims import Case
from muledetect.simulation.days import OFFICE, TALKING, Span
from muledetect.simulation.economy import Economy
from muledetect.simulation.people import People
from muledetect.simulation.plan import Columns, column, rows_at, stacked
from muledetect.simulation.streams import hash_bits, hash_choice, hash_uniform, stream

#: Numbers and boxes of one centre.
LINES, BOXES = 24, 3
_PHONE, _IMEI, _LINE, _BOX, _HUB, _STRAY = 11, 12, 13, 14, 15, 16
WEEK: Final = 7 * DAY
#: Calls of a centre that bring nothing, for each victim of ours.
_COLD: Final = 60


def phone_of(people: People, who: Int64Array, seed: int) -> UInt64Array:
    """Return each account's phone number (hash): one a holder, shared within some families."""
    shared = (hash_choice(100, people.household[who], 31, seed) < 4) & ~people.is_dormitory[who]
    return hash_bits(np.where(shared, people.household[who] + (1 << 40), people.holder[who]), _PHONE, seed)


def line_of(centre: Int64Array, line: Int64Array, week: Int64Array, seed: int) -> UInt64Array:
    """Return a SIM-box number (hash) of a centre; centres change their numbers every week, counted from 1970."""
    return hash_bits(centre, line, week, _LINE, seed)


def box_of(centre: Int64Array, line: Int64Array, seed: int) -> UInt64Array:
    """Return the IMEI (hash) of the box that holds a line."""
    return hash_bits(centre, line % BOXES, _BOX, seed)


def n_hubs(people: People) -> int:
    """Return how many honest numbers call hundreds of people."""
    return max(6, int((people.is_own & people.is_private).sum()) // 120)


def hub_number(hub: Int64Array, moment: Int64Array, seed: int) -> UInt64Array:
    """Return the number (hash) of an honest desk; some sales desks change theirs every week, too."""
    return hash_bits(hub, np.where(hub % 10 < 3, moment // WEEK, 0), _HUB, seed)


class CallMaker:
    """Everybody who calls our customers; `to_victims` holds the centres' calls to later victims, in order of time."""

    def __init__(self, economy: Economy, cases: tuple[Case, ...]) -> None:
        people = economy.people
        self.economy, self.customers = economy, np.flatnonzero(people.is_own & people.is_private)
        ours = sorted(
            (case for case in cases if people.is_own[case.victim]), key=lambda case: (case.first_call, case.number)
        )
        self.case_call, self.case_centre = column(ours, "first_call"), column(ours, "centre")
        to_victims = _to_victims(economy, stream(economy.config.seed, "victim calls"), ours)
        self.to_victims = rows_at(to_victims, np.argsort(to_victims["time"], kind="stable"))

    def calls_of(self, span: Span) -> Columns:
        """Return a span's calls. O(n log n) in their number."""
        rng = stream(self.economy.config.seed, "calls", span.number)
        victims = rows_at(self.to_victims, span.rows_within(self.to_victims["time"]))
        parts = [self._private_calls(span, rng), self._desk_calls(span, rng), victims, self._cold_calls(span, rng)]
        joined = stacked(parts)
        joined = rows_at(joined, np.argsort(joined["time"], kind="stable"))
        n = len(joined["time"])
        # Operators deliver call records to the bank some hours later, and not every network tells the device.
        wait = np.exp(rng.normal(np.log(5), 0.7, n)) * HOUR
        is_shown = rng.random(n) < 0.7
        joined["imei"] = np.where(is_shown, joined["imei"], np.uint64(0))
        joined["cell"] = np.where(is_shown, joined["cell"], -1)
        return {**joined, "known": joined["time"] + wait.astype(np.int64)}

    def _private_calls(self, span: Span, rng: np.random.Generator) -> Columns:
        """Friends and relatives."""
        people, seed = self.economy.people, self.economy.config.seed
        who, days = span.draw_events(rng, np.full(len(self.customers), 0.05), self.economy.calendar.even)
        callee = self.customers[who]
        caller = self.economy.contacts.draw(rng, callee)
        return {
            "time": span.calendar.moments(rng, days, TALKING),
            "caller": phone_of(people, caller, seed),
            "callee": phone_of(people, callee, seed),
            "duration": _talk(rng, len(who), 70, 1.2),
            "imei": hash_bits(people.holder[caller], _IMEI, seed),
            "cell": people.area[caller] * CELLS + rng.integers(0, 6, len(who)),
        }

    def _desk_calls(self, span: Span, rng: np.random.Generator) -> Columns:
        """Couriers, clinics and sales desks: honest numbers that call hundreds of people, some over the internet."""
        people, seed = self.economy.people, self.economy.config.seed
        who, days = span.draw_events(rng, np.full(len(self.customers), 0.04), self.economy.calendar.working + 0.3)
        moment = span.calendar.moments(rng, days, OFFICE)
        hub = (n_hubs(people) * rng.random(len(who)) ** 2.2).astype(np.int64)
        has_mast = hash_uniform(hub, seed, 20) < 0.6
        box = hash_bits(hub, _IMEI + 50, seed)
        area = hash_choice(people.n_areas, hub, 21, seed)
        return {
            "time": moment,
            "caller": hub_number(hub, moment, seed),
            "callee": phone_of(people, self.customers[who], seed),
            "duration": _talk(rng, len(who), 35, 0.9),
            "imei": np.where(has_mast, box, np.uint64(0)),
            "cell": np.where(has_mast, area * CELLS + hub % 6, -1),
        }

    def _cold_calls(self, span: Span, rng: np.random.Generator) -> Columns:
        """Calls that bring nothing: short, to anybody, around the days when a centre finds victims of ours."""
        first = span.start if span.number else self.case_call[:1].min(initial=span.start)
        low, high = np.searchsorted(self.case_call, [first, span.end])
        case = np.repeat(np.arange(low, high), rng.poisson(_COLD, high - low))
        day = (self.case_call[case] - self.economy.calendar.start) // DAY + rng.integers(-2, 3, len(case))
        moment = span.calendar.moments(rng, np.clip(day, span.first, span.last - 1), OFFICE)
        callee = self.customers[rng.integers(0, len(self.customers), len(case))]
        line = rng.integers(0, LINES, len(case))
        duration = np.minimum(_talk(rng, len(case), 14, 0.9), 600)
        return _from_centre(self.economy, rng, self.case_centre[case], line, moment, callee, duration)


def _to_victims(economy: Economy, rng: np.random.Generator, ours: list[Case]) -> Columns:
    """One to five calls from the first contact to the last payment, mostly from one number; some leave no record."""
    seen = [case for case in ours if rng.random() < 0.8]
    n_calls = rng.geometric(0.45, len(seen)).clip(1, 5)
    row = np.repeat(np.arange(len(seen)), n_calls)
    first, last = column(seen, "first_call"), column(seen, "last_payment")
    moment = first[row] + (rng.random(len(row)) ** 1.5 * np.maximum(last - first - MINUTE, 1)[row]).astype(np.int64)
    moment[np.cumsum(n_calls) - n_calls] = first
    line = np.where(
        rng.random(len(row)) < 0.75, rng.integers(0, LINES, len(seen))[row], rng.integers(0, LINES, len(row))
    )
    centre, victim = column(seen, "centre")[row], column(seen, "victim")[row]
    return _from_centre(economy, rng, centre, line, moment, victim, _talk(rng, len(row), 420, 1.0))


def _from_centre(
    economy: Economy, rng: np.random.Generator, centre: Int64Array, line: Int64Array, moment: Int64Array,
    callee: Int64Array, duration: Float64Array,
) -> Columns:  # fmt: skip
    """Calls of centres; some show the number of an honest desk or of nobody instead of their own."""
    n, seed, people = len(moment), economy.config.seed, economy.people
    draw = rng.random(n)
    desk = hub_number(rng.integers(0, n_hubs(people), n), moment, seed)
    nobody = hash_bits(moment, rng.integers(0, 1 << 40, n), _STRAY, seed)
    number = line_of(centre, line, moment // WEEK, seed)
    is_spoofed = draw < 0.14
    return {
        "time": moment,
        "caller": np.where(is_spoofed, np.where(draw < 0.07, desk, nobody), number),
        "callee": phone_of(people, callee, seed),
        "duration": duration,
        "imei": np.where(is_spoofed, np.uint64(0), box_of(centre, line, seed)),
        "cell": np.where(is_spoofed, -1, border_area(centre, people.n_areas) * CELLS + centre % 6),
    }


def _talk(rng: np.random.Generator, n: int, median_s: float, spread: float) -> Float64Array:
    return np.asarray(np.round(np.exp(rng.normal(np.log(median_s), spread, n))), np.float64)
