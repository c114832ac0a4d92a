"""Phone calls to our customers: SIM boxes working through number lists, and everybody else's ordinary calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.simulation.bank.networks import CELLS, border_area
from muledetect.simulation.circles import Circles
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.crime import Case
from muledetect.simulation.people import People
from muledetect.simulation.plan import Columns
from muledetect.simulation.rhythm import OFFICE, TALKING, Rhythm, Span
from muledetect.simulation.streams import Float64, Int64, UInt64, chance, mix, stream

#: Numbers and boxes of one centre.
LINES, BOXES = 24, 3
_PHONE, _IMEI, _LINE, _BOX, _HUB, _STRAY = 11, 12, 13, 14, 15, 16
_WEEK: Final = 7 * DAY
#: Calls of a centre that bring nothing, for each victim of ours.
_COLD: Final = 60


@dataclass(frozen=True, slots=True)
class Calls:
    """One row a call, in order of time; hash 0 and cell -1 where the network did not tell.

    `known` (us, UTC) is when the record reaches the bank; it may lie after the world's end.
    """

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
    """Return a SIM-box number (hash) of a centre; centres change their numbers every week, counted from 1970."""
    return mix(centre, line, week, _LINE, seed)


def box_of(centre: Int64, line: Int64, seed: int) -> UInt64:
    """Return the IMEI (hash) of the box that holds a line."""
    return mix(centre, line % BOXES, _BOX, seed)


def n_hubs(people: People) -> int:
    """Return how many honest numbers call hundreds of people."""
    return max(6, int((people.is_own & people.is_private).sum()) // 120)


def hub_number(hub: Int64, moment: Int64, seed: int) -> UInt64:
    """Return the number (hash) of an honest desk; some sales desks change theirs every week, too."""
    return mix(hub, np.where(hub % 10 < 3, moment // _WEEK, 0), _HUB, seed)


@dataclass(frozen=True, slots=True)
class Callers:
    """Everybody who calls our customers; `to_victims` holds the centres' calls to later victims, in order of time."""

    config: WorldConfig
    people: People
    contacts: Circles
    rhythm: Rhythm
    customers: Int64
    n_hubs: int
    to_victims: Columns
    case_call: Int64
    case_centre: Int64

    def place(self, span: Span) -> Calls:
        """Return a span's calls. O(n log n) in their number."""
        rng = stream(self.config.seed, "calls", span.number)
        parts = [self._ordinary(span, rng), self._desks(span, rng), self._awaited(span), self._cold(span, rng)]
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        order = np.argsort(joined["time"], kind="stable")
        joined = {name: values[order] for name, values in joined.items()}
        n = len(order)
        # Operators deliver call records to the bank some hours later, and not every network tells the device.
        wait = np.exp(rng.normal(np.log(5), 0.7, n)) * HOUR
        told = rng.random(n) < 0.7
        joined["imei"] = np.where(told, joined["imei"], np.uint64(0))
        joined["cell"] = np.where(told, joined["cell"], -1)
        return Calls(**joined, known=joined["time"] + wait.astype(np.int64))

    def _ordinary(self, span: Span, rng: np.random.Generator) -> Columns:
        """Friends and relatives."""
        who, days = span.happen(rng, np.full(len(self.customers), 0.05), self.rhythm.even)
        callee = self.customers[who]
        caller = self.contacts.draw(rng, callee)
        return {
            "time": span.moments(rng, days, TALKING),
            "caller": phone_of(self.people, caller, self.config.seed),
            "callee": phone_of(self.people, callee, self.config.seed),
            "duration": _talk(rng, len(who), 70, 1.2),
            "imei": mix(self.people.holder[caller], _IMEI, self.config.seed),
            "cell": self.people.area[caller] * CELLS + rng.integers(0, 6, len(who)),
        }

    def _desks(self, span: Span, rng: np.random.Generator) -> Columns:
        """Couriers, clinics and sales desks: honest numbers that call hundreds of people, some over the internet."""
        seed = self.config.seed
        who, days = span.happen(rng, np.full(len(self.customers), 0.04), self.rhythm.working + 0.3)
        moment = span.moments(rng, days, OFFICE)
        hub = (self.n_hubs * rng.random(len(who)) ** 2.2).astype(np.int64)
        has_mast = chance(hub, seed, 20) < 0.6
        box = mix(hub, _IMEI + 50, seed)
        area = (mix(hub, 21, seed) % np.uint64(self.people.n_areas)).astype(np.int64)
        return {
            "time": moment,
            "caller": hub_number(hub, moment, seed),
            "callee": phone_of(self.people, self.customers[who], seed),
            "duration": _talk(rng, len(who), 35, 0.9),
            "imei": np.where(has_mast, box, np.uint64(0)),
            "cell": np.where(has_mast, area * CELLS + hub % 6, -1),
        }

    def _awaited(self, span: Span) -> Columns:
        first, last = np.searchsorted(self.to_victims["time"], [span.start, span.end])
        return {name: values[first:last] for name, values in self.to_victims.items()}

    def _cold(self, span: Span, rng: np.random.Generator) -> Columns:
        """Calls that bring nothing: short, to anybody, around the days when a centre finds victims of ours."""
        first = span.start if span.number else self.case_call[:1].min(initial=span.start)
        low, high = np.searchsorted(self.case_call, [first, span.end])
        case = np.repeat(np.arange(low, high), rng.poisson(_COLD, high - low))
        day = (self.case_call[case] - self.rhythm.start) // DAY + rng.integers(-2, 3, len(case))
        moment = span.moments(rng, np.clip(day, span.first, span.last - 1), OFFICE)
        callee = self.customers[rng.integers(0, len(self.customers), len(case))]
        line = rng.integers(0, LINES, len(case))
        duration = np.minimum(_talk(rng, len(case), 14, 0.9), 600)
        return _from_centre(self.config, self.people, rng, self.case_centre[case], line, moment, callee, duration)


def build_callers(
    config: WorldConfig, people: People, contacts: Circles, rhythm: Rhythm, cases: tuple[Case, ...]
) -> Callers:
    """Prepare the calls of a world; draws those to victims of ours. O(cases)."""
    rng = stream(config.seed, "victim calls")
    ours = sorted(
        (case for case in cases if people.is_own[case.victim]), key=lambda case: (case.first_call, case.number)
    )
    to_victims = _to_victims(config, people, rng, ours)
    order = np.argsort(to_victims["time"], kind="stable")
    return Callers(
        config=config,
        people=people,
        contacts=contacts,
        rhythm=rhythm,
        customers=np.flatnonzero(people.is_own & people.is_private),
        n_hubs=n_hubs(people),
        to_victims={name: values[order] for name, values in to_victims.items()},
        case_call=np.array([case.first_call for case in ours], np.int64),
        case_centre=np.array([case.centre for case in ours], np.int64),
    )


def _to_victims(config: WorldConfig, people: People, rng: np.random.Generator, ours: list[Case]) -> Columns:
    """One to five calls from the first contact to the last payment, mostly from one number; some leave no record."""
    seen = [case for case in ours if rng.random() < 0.8]
    n_calls = rng.geometric(0.45, len(seen)).clip(1, 5)
    row = np.repeat(np.arange(len(seen)), n_calls)
    first = np.array([case.first_call for case in seen], np.int64)
    last = np.array([case.last_payment for case in seen], np.int64)
    moment = first[row] + (rng.random(len(row)) ** 1.5 * np.maximum(last - first - MINUTE, 1)[row]).astype(np.int64)
    moment[np.cumsum(n_calls) - n_calls] = first
    line = np.where(
        rng.random(len(row)) < 0.75, rng.integers(0, LINES, len(seen))[row], rng.integers(0, LINES, len(row))
    )
    centre = np.array([case.centre for case in seen], np.int64)[row]
    victim = np.array([case.victim for case in seen], np.int64)[row]
    return _from_centre(config, people, rng, centre, line, moment, victim, _talk(rng, len(row), 420, 1.0))


def _from_centre(
    config: WorldConfig, people: People, rng: np.random.Generator, centre: Int64, line: Int64, moment: Int64,
    callee: Int64, duration: Float64,
) -> Columns:  # fmt: skip
    """Calls of centres; some show the number of an honest desk or of nobody instead of their own."""
    n, seed = len(moment), config.seed
    draw = rng.random(n)
    desk = hub_number(rng.integers(0, n_hubs(people), n), moment, seed)
    nobody = mix(moment, rng.integers(0, 1 << 40, n), _STRAY, seed)
    number = line_of(centre, line, moment // _WEEK, seed)
    is_spoofed = draw < 0.14
    return {
        "time": moment,
        "caller": np.where(is_spoofed, np.where(draw < 0.07, desk, nobody), number),
        "callee": phone_of(people, callee, seed),
        "duration": duration,
        "imei": np.where(is_spoofed, np.uint64(0), box_of(centre, line, seed)),
        "cell": np.where(is_spoofed, -1, border_area(centre, people.n_areas) * CELLS + centre % 6),
    }


def _talk(rng: np.random.Generator, n: int, median_s: float, spread: float) -> Float64:
    return np.asarray(np.round(np.exp(rng.normal(np.log(median_s), spread, n))), np.float64)
