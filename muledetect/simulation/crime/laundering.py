"""How a ring passes money on: batches that rest, hops from tier to tier, detours, wages, commissions, what is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from muledetect.clock import DAY, HOUR, MINUTE, SECOND
from muledetect.simulation.crime.evasion import Tactics, wage_of
from muledetect.simulation.crime.exits import Exits
from muledetect.simulation.crime.rings import Ring
from muledetect.simulation.crime.shapes import CONTROLLER
from muledetect.simulation.crime.steps import Step, by_hand
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import FIXED, HOP, NO_CAP, OF_POT, TEST
from muledetect.simulation.rhythm import BATCH, OFFICE
from muledetect.simulation.town import Town

#: Days of the month on which pay is expected.
_PAY_DAYS = (1, 25, 27, 28, 30, 31)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Money that arrived at one account and goes on together at `moment` (us) out of one pot."""

    account: int
    place: int
    tier: int
    pot: int
    moment: int
    case: int
    keep: float


class Launderer:
    """Plans the layering of one ring; all draws come from the ring's own stream."""

    def __init__(self, town: Town, exits: Exits, ring: Ring, rng: np.random.Generator) -> None:
        self.town = town
        self.exits = exits
        self.ring = ring
        self.rng = rng
        self.tactics = Tactics.of(town.config)
        self.ceilings = {account: self.tactics.ceiling(rng) for account in ring.members}
        self.paces = {account: float(np.exp(rng.normal(0.0, 0.5))) for account in ring.members}
        self.n_used = dict.fromkeys(ring.members, 0)
        self.controllers = [seat.account for seat in ring.seats if seat.role == CONTROLLER]
        self.by_tier = [
            [place for place, what in enumerate(ring.layout) if what.tier == tier] for tier in range(ring.depth)
        ]

    def launder(self, arrivals: list[Step]) -> list[Step]:
        """Return every step that follows from the victims' payments, and those themselves, by tier."""
        steps: list[Step] = []
        for _ in range(self.ring.depth):
            onward: list[Step] = []
            for batch in self._batches(arrivals):
                onward += self._pass_on(batch)
            steps += arrivals
            arrivals = [step for step in onward if step.place >= 0]
            steps += [step for step in onward if step.place < 0]
        return steps

    def _batches(self, arrivals: list[Step]) -> list[_Batch]:
        """Group arrivals that rest together: what comes before the money moves on mostly joins it."""
        received: dict[tuple[int, int], list[Step]] = {}
        for step in sorted(arrivals, key=lambda step: (step.time, step.source, step.target)):
            received.setdefault((step.place, step.target), []).append(step)
        batches = []
        for (place, account), steps in received.items():
            groups: list[tuple[int, list[Step]]] = []
            for step in steps:
                if groups and step.time < groups[-1][0] and self.rng.random() < 0.8:
                    groups[-1][1].append(step)
                    continue
                groups.append((step.time + self.tactics.dwell(self.rng, self.paces[account]), [step]))
            batches += [self._batch(place, account, moment, group) for moment, group in groups]
        return batches

    def _batch(self, place: int, account: int, moment: int, group: list[Step]) -> _Batch:
        tier = self.ring.layout[place].tier
        pot = self._collect(group)
        keep = self.ring.skim if tier == self.ring.skims_at else float(self.rng.uniform(0.0, 0.02))
        return _Batch(account, place, tier, pot, max(moment, group[-1].time + 5 * SECOND), group[0].case, keep)

    def _collect(self, group: list[Step]) -> int:
        pot = int(self.town.plan.new_pots(1)[0])
        for step in group:
            step.pot_in = pot
        return pot

    def _pass_on(self, batch: _Batch) -> list[Step]:
        """Send a batch to the next tier or convert it; then what limits held back, and what it is spent on."""
        onward = self.ring.layout[batch.place].onward
        # A few collectors cash out directly instead of layering.
        if not onward or (batch.tier == 0 and self.rng.random() < 0.06):
            parts = self._convert(batch, batch.moment)
        elif self.tactics.is_detoured(self.rng) and self.ring.bystanders:
            parts = self._detour(batch)
        elif self.tactics.pays_wages(self.rng):
            parts = self._wages(batch)
        elif self.rng.random() < 0.1:
            parts = self._through_exchange(batch)
        else:
            parts = self._hops(batch)
        sent = max((part.time for part in parts if part.source == batch.account), default=batch.moment)
        return parts + self._leave_rest(batch, sent) + self._commission(batch) + self._camouflage(batch)

    def _from_pot(self, batch: _Batch, step: Step) -> Step:
        step.pot_out, step.keep = batch.pot, batch.keep
        step.amount = min(step.amount, self.ceilings[batch.account])
        return step

    def _convert(self, batch: _Batch, moment: int) -> list[Step]:
        parts = self.exits.convert(self.rng, self.ring, batch.account, moment, batch.case)
        more = self.tactics.n_parts(self.rng)
        if more > len(parts):
            # A splitter converts in as many pieces as it sends.
            parts += [
                Step(parts[-1].time + extra * 2 * MINUTE, parts[0].source, parts[0].target, parts[0].channel,
                     OF_POT, parts[0].kind, batch.case, parts[0].amount, terminal=parts[0].terminal)
                for extra in range(1, more - len(parts) + 1)
            ]  # fmt: skip
            for part in parts:
                part.share = 1.0 / len(parts)
        return [self._from_pot(batch, part) for part in parts]

    def _next(self, batch: _Batch) -> list[tuple[int, int]]:
        """Return (place, account) to which a batch goes on: some of the places wired to it, the least used first."""
        onward = self.ring.layout[batch.place].onward
        widest = int(self.rng.integers(1, 5) if batch.tier else self.rng.integers(1, 7))
        seats = [(place, self.ring.sitter(place, batch.moment).account) for place in onward]
        lots = self.rng.random(len(seats))
        order = sorted(range(len(seats)), key=lambda row: (self.n_used[seats[row][1]], lots[row]))
        chosen = [seats[row] for row in order[:widest] if seats[row][1] != batch.account] or [seats[0]]
        for _, account in chosen:
            self.n_used[account] += 1
        return chosen

    def _hops(self, batch: _Batch) -> list[Step]:
        chosen = self._next(batch)
        # Who sends nothing large sends more often.
        more = int(self.rng.integers(1, 4)) if self.ceilings[batch.account] < NO_CAP else 0
        chosen = [seat for seat in chosen for _ in range(self.tactics.n_parts(self.rng) + more)]
        shares = self.rng.dirichlet(np.full(len(chosen), 4.0))
        gaps = np.cumsum(np.exp(self.rng.normal(np.log(self.tactics.pause_s), 1.0, len(chosen)))) - 25
        return [
            self._hop(batch, batch.moment + int(max(gap, 1) * SECOND), place, account, float(share))
            for gap, (place, account), share in zip(gaps, chosen, shares, strict=True)
        ]

    def _hop(self, batch: _Batch, moment: int, place: int, account: int, share: float) -> Step:
        return self._from_pot(
            batch,
            Step(moment, batch.account, account, by_hand(self.rng), OF_POT, HOP, batch.case, share=share, place=place),
        )

    def _detour(self, batch: _Batch) -> list[Step]:
        """Through an honest customer, who keeps a little for the favour and takes their time."""
        honest = self.ring.bystanders
        helper = honest[int(self.rng.integers(0, len(honest)))].account
        place, account = self._next(batch)[0]
        there = self._hop(batch, batch.moment, -1, helper, 1.0)
        pot = self._collect([there])
        rests = int(np.exp(self.rng.normal(np.log(2.0), 1.0)) * HOUR) + 10 * MINUTE
        keep = float(self.rng.uniform(0.02, 0.08))
        back = Step(batch.moment + rests, helper, account, by_hand(self.rng), OF_POT, HOP, batch.case,
                    keep=keep, pot_out=pot, place=place)  # fmt: skip
        return [there, back]

    def _through_exchange(self, batch: _Batch) -> list[Step]:
        """Coins bought with one account's money are sold again, and the exchange pays another account."""
        exchange = self.exits.exchange(self.rng, self.ring.office)
        there = self._hop(batch, batch.moment, -1, exchange, 1.0)
        there.channel = "vasp"
        pot = self._collect([there])
        chosen = self._next(batch)
        waits = np.cumsum(np.exp(self.rng.normal(np.log(25.0), 1.0, len(chosen)))) * self.tactics.slowness
        return [
            there,
            *(
                Step(batch.moment + int(wait * MINUTE), exchange, account, "vasp", OF_POT, HOP, batch.case,
                     share=1.0 / len(chosen), pot_out=pot, place=place)
                for wait, (place, account) in zip(waits, chosen, strict=True)
            ),
        ]  # fmt: skip

    def _wages(self, batch: _Batch) -> list[Step]:
        """As pay: a fixed round sum for each receiver, on a pay day's morning, by payroll where a company pays."""
        is_company = self.town.people.persona[batch.account] == CODE["company"]
        moment = self._pay_day(batch.moment)
        steps = []
        for row, (place, account) in enumerate(self._next(batch)):
            step = self._hop(batch, moment + row * 7 * SECOND // 10, place, account, 1.0)
            step.channel = "payroll" if is_company else step.channel
            step.amount = wage_of(account, self.town.config.seed)
            steps.append(step)
        return steps

    def _pay_day(self, moment: int) -> int:
        """Return a moment on the next pay day within a week, otherwise on the next morning."""
        rhythm = self.town.rhythm
        today = (moment - rhythm.start) // DAY
        days = [day for day in range(today + 1, today + 8) if day < rhythm.n_days]
        pay_days = [day for day in days if int(rhythm.day_of_month[day]) in _PAY_DAYS]
        day = np.array([pay_days[0] if pay_days else today + 1])
        return int(rhythm.moments(self.rng, day, BATCH)[0])

    def _leave_rest(self, batch: _Batch, moment: int) -> list[Step]:
        """What a limit or a ceiling held back until `moment` leaves later, tried again after ever longer pauses."""
        steps: list[Step] = []
        for median_h in (0.25, 1.5, 10.0, 24.0):
            pause_h = median_h * min(self.tactics.slowness, 6.0) * float(np.exp(self.rng.normal(0.0, 0.5)))
            moment += int(pause_h * HOUR)
            if self.rng.random() < 0.1:
                break
            for rest in self.exits.convert(self.rng, self.ring, batch.account, moment, batch.case):
                rest.share = 1.0
                steps.append(self._from_pot(batch, rest))
                # Crumbs are left where they are.
                rest.keep += 0.04
        return steps

    def _commission(self, batch: _Batch) -> list[Step]:
        """The office's skim goes to its controller where it has one, who lives on it."""
        if not self.controllers or batch.keep <= 0.02 or batch.account in self.controllers:
            return []
        moment = batch.moment + int(self.rng.exponential(1.0) * DAY + HOUR)
        step = Step(moment, batch.account, self.controllers[0], by_hand(self.rng), OF_POT, HOP, batch.case,
                    share=batch.keep, pot_out=batch.pot)  # fmt: skip
        pot = self._collect([step])
        out = self.exits.convert(self.rng, self.ring, step.target, moment + int(self.rng.exponential(2.0) * DAY), -1)
        for part in out:
            part.case, part.pot_out = batch.case, pot
        return [step, *out]

    def _camouflage(self, batch: _Batch) -> list[Step]:
        """Shopping like anybody's, out of what stays."""
        n = self.tactics.n_purchases(self.rng)
        days = self.rng.exponential(2.0, n)
        steps = [
            self.exits.buy(self.rng, batch.account, batch.moment + int(day * DAY), batch.case) for day in days.tolist()
        ]
        for step in steps:
            step.pot_out = batch.pot
        return steps


def micro_tests(town: Town, exits: Exits, rng: np.random.Generator, ring: Ring) -> list[Step]:
    """Tiny payments up to three days before an account's first money: does it work?

    A little cash is paid in at a machine near the office, and a few baht go to another account of the ring.
    """
    steps = []
    crew = [seat for seat in ring.seats if not seat.is_unwitting]
    for seat in crew:
        is_tested, wait = rng.random() < 0.5, rng.uniform(0.05, 3)
        other = crew[int(rng.integers(0, len(crew)))].account
        if not is_tested or other == seat.account:
            continue
        opened = int(town.people.opened_at[seat.account])
        moment = max(seat.start - int(wait * DAY), opened + HOUR)
        if rng.random() < 0.4:
            day = np.array([(moment - town.rhythm.start) // DAY])
            cash, terminal = exits.cash[bool(town.people.is_own[seat.account])], exits.machine(rng, ring.office)
            paid = max(int(town.rhythm.moments(rng, day, OFFICE)[0]), opened + HOUR)
            steps.append(Step(paid, cash, seat.account, "cash_deposit", FIXED, TEST, -1,
                              10_000 * int(rng.integers(1, 6)), terminal=terminal))  # fmt: skip
            moment = paid + int(rng.exponential(2.0) * HOUR) + MINUTE
        amount = max(int(100 * 15 * np.exp(1.2 * rng.standard_normal())), 100)
        steps.append(Step(moment, seat.account, other, by_hand(rng), FIXED, TEST, -1, amount))
    return steps
