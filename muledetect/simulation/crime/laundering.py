"""How rings pass money on: batches that rest, hops between layers, detours, wages, commissions, what is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from muledetect.clock import DAY, HOUR, MINUTE, SECOND
from muledetect.simulation.crime.evasion import wage_of
from muledetect.simulation.crime.rings import CONTROLLER, Crime, Ring
from muledetect.simulation.crime.steps import Exits, Step, by_hand, record
from muledetect.simulation.crime.victims import Case, VictimPool, plan_victims
from muledetect.simulation.days import BATCH, OFFICE
from muledetect.simulation.economy import Economy
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import HOP, NO_CAP, TEST
from muledetect.simulation.streams import stream

#: Days of the month on which pay is expected.
_PAY_DAYS = (1, 25, 27, 28, 30, 31)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Money that arrived at one account and goes on together at `moment` (us) out of one pot."""

    account: int
    place: int
    layer: int
    pot: int
    moment: int
    case: int
    keep: float


class Launderer:
    """Plans the layering of one ring; all draws come from the ring's own stream."""

    def __init__(self, economy: Economy, exits: Exits, ring: Ring) -> None:
        self.economy = economy
        self.exits = exits
        self.ring = ring
        self.rng = rng = economy.rng
        self.tactics = ring.tactics
        self.ceilings = {account: self.tactics.ceiling(rng) for account in ring.members}
        self.paces = {account: float(np.exp(rng.normal(0.0, 0.5))) for account in ring.members}
        self.n_used = dict.fromkeys(ring.members, 0)
        self.controllers = [member.account for member in ring.memberships if member.role == CONTROLLER]

    def launder(self, arrivals: list[Step]) -> list[Step]:
        """Return every step that follows from the victims' payments, and those themselves, by layer."""
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
                groups.append((step.time + self.tactics.holding_time(self.rng, self.paces[account]), [step]))
            batches += [self._batch(place, account, moment, group) for moment, group in groups]
        return batches

    def _batch(self, place: int, account: int, moment: int, group: list[Step]) -> _Batch:
        layer = self.ring.layout[place].layer
        pot = self._collect(group)
        keep = self.ring.commission if layer == self.ring.commission_layer else float(self.rng.uniform(0.0, 0.02))
        return _Batch(account, place, layer, pot, max(moment, group[-1].time + 5 * SECOND), group[0].case, keep)

    def _collect(self, group: list[Step]) -> int:
        pot = int(self.economy.plan.new_pots(1)[0])
        for step in group:
            step.pot_in = pot
        return pot

    def _pass_on(self, batch: _Batch) -> list[Step]:
        """Send a batch to the next layer or convert it; then what limits held back, and what it is spent on."""
        onward = self.ring.layout[batch.place].onward
        # A few collectors cash out directly instead of layering.
        if not onward or (batch.layer == 0 and self.rng.random() < 0.06):
            parts = self._convert(batch, batch.moment)
        elif self.tactics.goes_through_unwitting(self.rng) and self.ring.unwitting:
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
                     parts[0].kind, batch.case, parts[0].amount, terminal=parts[0].terminal)
                for extra in range(1, more - len(parts) + 1)
            ]  # fmt: skip
            for part in parts:
                part.share = 1.0 / len(parts)
        return [self._from_pot(batch, part) for part in parts]

    def _next(self, batch: _Batch) -> list[tuple[int, int]]:
        """Return (place, account) to which a batch goes on: some of the places wired to it, the least used first."""
        onward = self.ring.layout[batch.place].onward
        widest = int(self.rng.integers(1, 5) if batch.layer else self.rng.integers(1, 7))
        able = [(place, self.ring.account_at(place, batch.moment)) for place in onward]
        draws = self.rng.random(len(able))
        order = sorted(range(len(able)), key=lambda row: (self.n_used[able[row][1]], draws[row]))
        chosen = [able[row] for row in order[:widest] if able[row][1] != batch.account] or able[:1]
        for _, account in chosen:
            self.n_used[account] += 1
        return chosen

    def _hops(self, batch: _Batch) -> list[Step]:
        chosen = self._next(batch)
        # Who sends nothing large sends more often.
        more = int(self.rng.integers(1, 4)) if self.ceilings[batch.account] < NO_CAP else 0
        chosen = [payee for payee in chosen for _ in range(self.tactics.n_parts(self.rng) + more)]
        shares = self.rng.dirichlet(np.full(len(chosen), 4.0))
        gaps = np.cumsum(np.exp(self.rng.normal(np.log(self.tactics.pause_s), 1.0, len(chosen)))) - 25
        return [
            self._hop(batch, batch.moment + int(max(gap, 1) * SECOND), place, account, float(share))
            for gap, (place, account), share in zip(gaps, chosen, shares, strict=True)
        ]

    def _hop(self, batch: _Batch, moment: int, place: int, account: int, share: float) -> Step:
        step = Step(moment, batch.account, account, by_hand(self.rng), HOP, batch.case, share=share, place=place)
        return self._from_pot(batch, step)

    def _detour(self, batch: _Batch) -> list[Step]:
        """Through an honest customer, who keeps a little for the favour and takes their time."""
        honest = self.ring.unwitting
        helper = honest[int(self.rng.integers(0, len(honest)))].account
        place, account = self._next(batch)[0]
        there = self._hop(batch, batch.moment, -1, helper, 1.0)
        pot = self._collect([there])
        rests = int(np.exp(self.rng.normal(np.log(2.0), 1.0)) * HOUR) + 10 * MINUTE
        keep = float(self.rng.uniform(0.02, 0.08))
        back = Step(batch.moment + rests, helper, account, by_hand(self.rng), HOP, batch.case,
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
        steps = [there]
        for wait, (place, account) in zip(waits, chosen, strict=True):
            moment, share = batch.moment + int(wait * MINUTE), 1.0 / len(chosen)
            back = Step(moment, exchange, account, "vasp", HOP, batch.case, share=share, pot_out=pot, place=place)
            steps.append(back)
        return steps

    def _wages(self, batch: _Batch) -> list[Step]:
        """As pay: a fixed round sum for each receiver, on a pay day's morning, by payroll where a company pays."""
        is_company = self.economy.people.persona[batch.account] == CODE["company"]
        moment = self._pay_day(batch.moment)
        steps = []
        for row, (place, account) in enumerate(self._next(batch)):
            step = self._hop(batch, moment + row * 7 * SECOND // 10, place, account, 1.0)
            step.channel = "payroll" if is_company else step.channel
            step.amount = wage_of(account, self.economy.config.seed)
            steps.append(step)
        return steps

    def _pay_day(self, moment: int) -> int:
        """Return a moment on the next pay day within a week, otherwise on the next morning."""
        calendar = self.economy.calendar
        today = (moment - calendar.start) // DAY
        days = [day for day in range(today + 1, today + 8) if day < calendar.n_days]
        pay_days = [day for day in days if int(calendar.day_of_month[day]) in _PAY_DAYS]
        day = np.array([pay_days[0] if pay_days else today + 1])
        return int(calendar.moments(self.rng, day, BATCH)[0])

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
                # Small rests stay where they are.
                rest.keep += 0.04
        return steps

    def _commission(self, batch: _Batch) -> list[Step]:
        """The office's commission goes to its controller where it has one, who lives on it."""
        if not self.controllers or batch.keep <= 0.02 or batch.account in self.controllers:
            return []
        moment = batch.moment + int(self.rng.exponential(1.0) * DAY + HOUR)
        step = Step(moment, batch.account, self.controllers[0], by_hand(self.rng), HOP, batch.case,
                    share=batch.keep, pot_out=batch.pot)  # fmt: skip
        pot = self._collect([step])
        out = self.exits.convert(self.rng, self.ring, step.target, moment + int(self.rng.exponential(2.0) * DAY), -1)
        for part in out:
            part.case, part.pot_out = batch.case, pot
        return [step, *out]

    def _camouflage(self, batch: _Batch) -> list[Step]:
        """Shopping like anybody's, out of what stays."""
        steps = []
        for day in self.rng.exponential(2.0, self.tactics.n_purchases(self.rng)).tolist():
            steps.append(self.exits.buy(self.rng, batch.account, batch.moment + int(day * DAY), batch.case))
            steps[-1].pot_out = batch.pot
        return steps


def micro_tests(economy: Economy, exits: Exits, ring: Ring) -> list[Step]:
    """Tiny payments up to three days before an account's first money: does it work?

    A little cash is paid in at a machine near the office, and a few baht go to another account of the ring.
    """
    steps, rng = [], economy.rng
    hired = [member for member in ring.memberships if not member.is_unwitting]
    for member in hired:
        is_tested, wait = rng.random() < 0.5, rng.uniform(0.05, 3)
        other = hired[int(rng.integers(0, len(hired)))].account
        if not is_tested or other == member.account:
            continue
        opened = int(economy.people.opened_at[member.account])
        moment = max(member.start - int(wait * DAY), opened + HOUR)
        if rng.random() < 0.4:
            day = np.array([(moment - economy.calendar.start) // DAY])
            cash, terminal = exits.cash_account(member.account), exits.machine(rng, ring.office)
            paid = max(int(economy.calendar.moments(rng, day, OFFICE)[0]), opened + HOUR)
            steps.append(Step(paid, cash, member.account, "cash_deposit", TEST, -1,
                              10_000 * int(rng.integers(1, 6)), terminal=terminal))  # fmt: skip
            moment = paid + int(rng.exponential(2.0) * HOUR) + MINUTE
        amount = max(int(100 * 15 * np.exp(1.2 * rng.standard_normal())), 100)
        steps.append(Step(moment, member.account, other, by_hand(rng), TEST, -1, amount))
    return steps


def plan_crime(economy: Economy, crime: Crime) -> tuple[Case, ...]:
    """Plan everything that the rings do; returns the cases. O(illicit transfers).

    Each ring draws from a stream of its own: rings do not disturb each other.
    """
    cases: list[Case] = []
    if not crime.rings:
        return ()
    victim_pool, exits = VictimPool(economy), Exits(economy, crime.n_offices)
    for ring in crime.rings:
        turn = economy.turn(stream(economy.config.seed, "ring", ring.number))
        tests = micro_tests(turn, exits, ring)
        payments, victims = plan_victims(turn, ring, victim_pool, len(cases))
        steps = Launderer(turn, exits, ring).launder(payments)
        record(economy.plan, turn.rng, ring.number, tests + steps)
        cases += victims
    return tuple(cases)
