"""Whom the centres call, for what, and what those pay: rising amounts over hours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.clock import DAY, MINUTE, SECOND
from muledetect.simulation.crime.rings import Ring
from muledetect.simulation.crime.steps import Step, by_hand
from muledetect.simulation.days import OFFICE, TALKING
from muledetect.simulation.economy import Actors, Economy
from muledetect.simulation.plan import OF_BALANCE, UP_TO, VICTIM
from muledetect.simulation.streams import pick, stream

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


class VictimPool:
    """Draws victims: ordinary private customers, those with savings more often; some are deceived again and again."""

    def __init__(self, economy: Economy) -> None:
        people = economy.people
        is_customer = people.is_private & (people.mule_kind == 0) & (people.active_from <= economy.calendar.start)
        who = np.flatnonzero(is_customer)
        wealth = people.opening[who].astype(np.float64) ** 0.55 + 1
        self.pool = Actors.of(who, wealth * np.where(people.is_own[who], 1.2, 0.75))
        self.closed_at = people.closed_at
        # Lists of people who have paid once are sold on.
        self.repeat_victims = self.pool.draw(stream(economy.config.seed, "victims"), max(3, len(who) // 400))

    def draw(self, rng: np.random.Generator, moment: int) -> int:
        """Return a victim whose account is open at a moment."""
        is_known, draw = rng.random() < 0.06, int(rng.integers(0, len(self.repeat_victims)))
        if is_known and self.closed_at[self.repeat_victims[draw]] > moment + DAY:
            return int(self.repeat_victims[draw])
        while True:
            victim = int(self.pool.draw(rng, 1)[0])
            if self.closed_at[victim] > moment + DAY:
                return victim


def plan_victims(
    economy: Economy, ring: Ring, victim_pool: VictimPool, first_case: int
) -> tuple[list[Step], list[Case]]:
    """Return what the victims of one ring pay, and their cases, numbered from `first_case`."""
    steps: list[Step] = []
    cases: list[Case] = []
    rng = economy.rng
    for place, moment in _contacts(economy, ring):
        victim = victim_pool.draw(rng, moment)
        scam = int(pick(rng, _SCAM_ODDS, 1)[0])
        payments = _payments(economy, ring, place, victim, scam, moment, first_case + len(cases))
        steps += payments
        patience_s = float(np.exp(rng.normal(np.log(3600 * 1.5), 1.2)))
        centre = ring.centre if rng.random() < 0.85 else ring.second_centre
        called = moment - int(min(patience_s, 3 * 86_400) * SECOND) - 3 * MINUTE
        number, last = first_case + len(cases), payments[-1].time
        cases.append(Case(number, victim, ring.number, centre, scam, called, moment, last))
    return steps, cases


def _contacts(economy: Economy, ring: Ring) -> list[tuple[int, int]]:
    """Return (place, moment) of each victim's first payment: at least one for each account that victims pay."""
    calendar, rng = economy.calendar, economy.rng
    entries = ring.entry_places
    contacts = []
    for place in entries:
        for member in ring.members_at(place):
            crowding = len(ring.memberships) / sum(len(ring.members_at(entry)) for entry in entries)
            first_day, last_day = (int(moment - calendar.start) // DAY for moment in (member.start, member.end))
            latest = max(member.start, member.end - MINUTE)
            for _ in range(1 + int(rng.poisson(0.5 + 0.7 * crowding))):
                day = np.array([rng.integers(first_day, last_day + 1)])
                moment = int(calendar.moments(rng, day, OFFICE + TALKING)[0])
                contacts.append((place, min(max(moment, member.start), latest)))
    return contacts


def _payments(economy: Economy, ring: Ring, entry: int, victim: int, scam: int, moment: int, case: int) -> list[Step]:
    """Rising payments over hours; most victims are given one account, some a new one for each payment."""
    rng = economy.rng
    n = int(min(rng.geometric(0.5), 6))
    last = rng.uniform(0.4, 1.0)
    shares = last * np.sort(rng.uniform(0.05, 0.6, n)) if n > 1 else np.array([last])
    shares[-1] = last
    gaps = np.concatenate([[0], np.exp(rng.normal(np.log(2400), 1.0, n - 1))])
    moments = np.minimum(moment + (np.cumsum(gaps) * SECOND).astype(np.int64), max(moment, ring.end))
    price = int(economy.amounts(1, 4_000, 1.1)[0])
    steps = []
    for number in range(n):
        time = int(moments[number])
        place = entry if number == 0 or rng.random() < 0.75 else int(rng.choice(ring.entry_places))
        target = ring.account_at(place, time)
        step = Step(time, victim, target, by_hand(rng), VICTIM, case, mode=OF_BALANCE, place=place)
        if SCAM_TYPES[scam] in _PRICED:
            step.mode, step.amount = UP_TO, int(price * 1.7**number)
        else:
            step.share = float(shares[number])
        steps.append(step)
    return steps
