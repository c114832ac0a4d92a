"""Whom the centres call, for what, and what those pay: rising amounts over hours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.clock import DAY, MINUTE, SECOND
from muledetect.simulation.crime.rings import Ring
from muledetect.simulation.crime.steps import Step, by_hand
from muledetect.simulation.plan import OF_BALANCE, UP_TO, VICTIM
from muledetect.simulation.rhythm import OFFICE, TALKING
from muledetect.simulation.streams import Float64, Int64, pick, pick_from, stream
from muledetect.simulation.town import Town, baht

SCAM_TYPES: Final = ("impersonation", "investment", "job", "shopping", "loan", "romance")
_SCAM_ODDS: Final = np.array([4, 3, 3, 2, 1, 1.0])
#: Scams with a price; the others take what there is.
_PRICED: Final = ("job", "shopping", "loan")


@dataclass(frozen=True, slots=True)
class Case:
    """One victim of one centre: when they were called, to which ring they paid, and for what."""

    number: int
    victim: int
    ring: int
    centre: int
    scam_type: int
    first_call: int
    first_payment: int
    last_payment: int


class Bait:
    """Draws victims: ordinary private customers, those with savings more often; some are deceived again and again."""

    def __init__(self, town: Town) -> None:
        people = town.people
        rng = stream(town.config.seed, "victims")
        self.pool: Int64 = np.flatnonzero(
            people.is_private & (people.mule_kind == 0) & (people.active_from <= town.rhythm.start)
        )
        wealth = people.opening[self.pool].astype(np.float64) ** 0.55 + 1
        wealth *= np.where(people.is_own[self.pool], 1.2, 0.75)
        self.edges: Float64 = np.cumsum(wealth)
        self.closed_at = people.closed_at
        # Lists of people who have paid once are sold on.
        self.gullible = self.pool[pick_from(rng, self.edges, max(3, len(self.pool) // 400))]

    def draw(self, rng: np.random.Generator, moment: int) -> int:
        """Return a victim whose account is open at a moment."""
        is_known, lot = rng.random() < 0.06, int(rng.integers(0, len(self.gullible)))
        if is_known and self.closed_at[self.gullible[lot]] > moment + DAY:
            return int(self.gullible[lot])
        while True:
            victim = int(self.pool[pick_from(rng, self.edges, 1)[0]])
            if self.closed_at[victim] > moment + DAY:
                return victim


def deceive(
    town: Town, rng: np.random.Generator, ring: Ring, bait: Bait, first_case: int
) -> tuple[list[Step], list[Case]]:
    """Return what the victims of one ring pay, and their cases, numbered from `first_case`."""
    steps: list[Step] = []
    cases: list[Case] = []
    for place, moment in _contacts(town, rng, ring):
        victim = bait.draw(rng, moment)
        scam = int(pick(rng, _SCAM_ODDS, 1)[0])
        payments = _payments(rng, ring, place, victim, scam, moment, first_case + len(cases))
        steps += payments
        patience_s = float(np.exp(rng.normal(np.log(3600 * 1.5), 1.2)))
        cases.append(
            Case(
                number=first_case + len(cases),
                victim=victim,
                ring=ring.number,
                centre=ring.centre if rng.random() < 0.85 else ring.second_centre,
                scam_type=scam,
                first_call=moment - int(min(patience_s, 3 * 86_400) * SECOND) - 3 * MINUTE,
                first_payment=moment,
                last_payment=payments[-1].time,
            )
        )
    return steps, cases


def _contacts(town: Town, rng: np.random.Generator, ring: Ring) -> list[tuple[int, int]]:
    """Return (place, moment) of each victim's first payment: at least one for each account that victims pay."""
    rhythm = town.rhythm
    doors = [place for place, what in enumerate(ring.layout) if what.tier == 0]
    contacts = []
    for place in doors:
        for seat in ring.sitters(place):
            crowd = len(ring.seats) / sum(len(ring.sitters(door)) for door in doors)
            for _ in range(1 + int(rng.poisson(0.5 + 0.7 * crowd))):
                first_day, last_day = (seat.start - rhythm.start) // DAY, (seat.end - rhythm.start) // DAY
                day = np.array([rng.integers(first_day, last_day + 1)])
                moment = int(rhythm.moments(rng, day, OFFICE + TALKING)[0])
                contacts.append((place, min(max(moment, seat.start), max(seat.start, seat.end - MINUTE))))
    return contacts


def _payments(
    rng: np.random.Generator, ring: Ring, door: int, victim: int, scam: int, moment: int, case: int
) -> list[Step]:
    """Rising payments over hours; most victims are given one account, some a new one for each payment."""
    doors = [place for place, what in enumerate(ring.layout) if what.tier == 0]
    n = int(min(rng.geometric(0.5), 6))
    last = rng.uniform(0.4, 1.0)
    shares = last * np.sort(rng.uniform(0.05, 0.6, n)) if n > 1 else np.array([last])
    shares[-1] = last
    gaps = np.concatenate([[0], np.exp(rng.normal(np.log(2400), 1.0, n - 1))])
    moments = np.minimum(moment + (np.cumsum(gaps) * SECOND).astype(np.int64), max(moment, ring.end))
    price = int(baht(rng, 1, 4_000, 1.1)[0])
    steps = []
    for number in range(n):
        time = int(moments[number])
        place = door if number == 0 or rng.random() < 0.75 else int(rng.choice(doors))
        target = ring.sitter(place, time).account
        step = Step(time, victim, target, by_hand(rng), OF_BALANCE, VICTIM, case, place=place)
        if SCAM_TYPES[scam] in _PRICED:
            step.mode, step.amount = UP_TO, int(price * 1.7**number)
        else:
            step.share = float(shares[number])
        steps.append(step)
    return steps
