"""Victims and their money: calls, rising payments, layering through a ring's tiers, conversion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.clock import DAY, HOUR, MINUTE, SECOND
from muledetect.simulate.crews import Crime, Ring
from muledetect.simulate.life import machines
from muledetect.simulate.people import CODE
from muledetect.simulate.plan import (
    CHANNEL,
    EXIT,
    FIXED,
    HOP,
    NO_CAP,
    OF_BALANCE,
    OF_POT,
    SPEND,
    TEST,
    UP_TO,
    VICTIM,
    Plan,
    grains,
)
from muledetect.simulate.rhythm import OFFICE, TALKING
from muledetect.simulate.streams import Float64, Int64, pick, stream
from muledetect.simulate.town import Town, baht

SCAM_TYPES: Final = ("impersonation", "investment", "job", "shopping", "loan", "romance")
_EXITS: Final = ("vasp", "cash_atm", "wallet", "goods", "xborder")
_EXIT_ODDS: Final = np.array([0.33, 0.25, 0.12, 0.14, 0.16])


@dataclass(frozen=True, slots=True)
class Case:
    """One victim of one centre: when they were called and to which ring they paid."""

    number: int
    victim: int
    ring: int
    centre: int
    scam_type: int
    first_call: int
    first_payment: int
    last_payment: int


@dataclass(slots=True)
class Step:
    """One planned illicit transfer; `pot_in` is set once it is known with what else the money is passed on."""

    time: int
    source: int
    target: int
    channel: str
    mode: int
    kind: int
    case: int
    amount: int = int(NO_CAP)
    share: float = 1.0
    keep: float = 0.0
    pot_out: int = -1
    pot_in: int = -1
    terminal: int = -1


def commit_scams(town: Town, crime: Crime) -> tuple[Case, ...]:
    """Plan everything that the rings do; returns the cases. O(illicit transfers)."""
    cases: list[Case] = []
    bait = _Bait(town, stream(town.config.seed, "victims"))
    ways = _Conversion(town, crime.n_offices)
    for ring in crime.rings:
        # A stream for each ring: rings do not disturb each other.
        rng = stream(town.config.seed, f"ring {ring.number}")
        steps = _micro_tests(town, rng, ring)
        arrivals = _victims(town, rng, ring, bait, cases)
        for tier in range(len(ring.tiers)):
            onward: list[Step] = []
            by_account: dict[int, list[Step]] = {}
            for step in arrivals:
                by_account.setdefault(step.target, []).append(step)
            for account, received in by_account.items():
                onward += _pass_on(town, ways, rng, ring, tier, account, received)
            steps += arrivals
            arrivals = [step for step in onward if step.kind == HOP]
            steps += [step for step in onward if step.kind != HOP]
        _record(town.plan, rng, ring.number, steps)
    return tuple(cases)


class _Bait:
    """Draws victims: ordinary private customers, those with savings more often; nobody twice within a world."""

    def __init__(self, town: Town, rng: np.random.Generator) -> None:
        people = town.people
        self.pool = np.flatnonzero(
            people.is_private & (people.mule_kind == 0) & (people.active_from <= town.rhythm.start)
        )
        wealth = people.opening[self.pool].astype(np.float64) ** 0.4 + 1
        wealth *= np.where(people.is_own[self.pool], 1.6, 0.5)
        key = rng.exponential(1.0, len(self.pool)) / wealth
        self.queue = self.pool[np.argsort(key, kind="stable")]
        self.next = 0

    def draw(self) -> int:
        """Return the next victim; starts over when everybody has been one."""
        victim = int(self.queue[self.next % len(self.queue)])
        self.next += 1
        return victim


def _micro_tests(town: Town, rng: np.random.Generator, ring: Ring) -> list[Step]:
    """Tiny payments among members up to three days before the first victim: does the account work?"""
    steps = []
    crew = ring.members
    for account in crew:
        if rng.random() < 0.5:
            moment = ring.start - int(rng.uniform(0.02, 3) * DAY)
            moment = max(moment, int(town.people.opened_at[account]) + HOUR)
            other = int(town.strangers(rng, 1)[0]) if rng.random() < 0.6 else int(rng.choice(crew))
            amount = int(baht(rng, 1, 15, 1.2)[0])
            steps.append(Step(moment, other, account, _hand(rng), FIXED, TEST, -1, max(amount, 100)))
    return steps


def _victims(town: Town, rng: np.random.Generator, ring: Ring, bait: _Bait, cases: list[Case]) -> list[Step]:
    rhythm = town.rhythm
    door = ring.tiers[0]
    days = (ring.end - ring.start) / DAY
    n_cases = 1 + int(rng.poisson(2.2 * len(door) + 1.5 * days**0.7 + 0.9 * len(ring.members)))
    first_day, last_day = (ring.start - rhythm.start) // DAY, (ring.end - rhythm.start) // DAY
    steps: list[Step] = []
    for _ in range(n_cases):
        day = int(rng.integers(first_day, last_day + 1))
        moment = int(rhythm.moments(rng, np.array([day]), OFFICE + TALKING)[0])
        moment = min(max(moment, ring.start), ring.end)
        victim, scam = bait.draw(), int(pick(rng, np.array([4, 3, 3, 2, 1, 1.0]), 1)[0])
        payments = _payments(rng, ring, victim, scam, moment, len(cases))
        steps += payments
        patience = float(np.exp(rng.normal(np.log(3600 * 1.5), 1.2)))
        cases.append(
            Case(
                number=len(cases),
                victim=victim,
                ring=ring.number,
                centre=ring.centre if rng.random() < 0.85 else ring.second_centre,
                scam_type=scam,
                first_call=moment - int(min(patience, 3 * 86_400) * SECOND) - 3 * MINUTE,
                first_payment=moment,
                last_payment=payments[-1].time,
            )
        )
    return steps


def _payments(rng: np.random.Generator, ring: Ring, victim: int, scam: int, moment: int, case: int) -> list[Step]:
    """Rising payments over hours; jobs, shopping and loans take a fixed price, the others what there is."""
    door = ring.tiers[0]
    n = int(min(rng.geometric(0.5), 6))
    last = rng.uniform(0.4, 1.0)
    shares = last * np.sort(rng.uniform(0.05, 0.6, n)) if n > 1 else np.array([last])
    shares[-1] = last
    gaps = np.concatenate([[0], np.exp(rng.normal(np.log(2400), 1.0, n - 1))])
    moments = moment + (np.cumsum(gaps) * SECOND).astype(np.int64)
    # Most victims are given one account; some a new one for each payment.
    fixed_door = int(rng.choice(door))
    amount = int(baht(rng, 1, 4_000, 1.1)[0])
    steps = []
    for number in range(n):
        target = fixed_door if rng.random() < 0.75 else int(rng.choice(door))
        step = Step(int(moments[number]), victim, target, _hand(rng), OF_BALANCE, VICTIM, case)
        if scam in (2, 3, 4):
            step.mode, step.amount = UP_TO, int(amount * 1.7**number)
        else:
            step.share = float(shares[number])
        steps.append(step)
    return steps


def _hand(rng: np.random.Generator) -> str:
    return "p2p_proxy" if rng.random() < 0.65 else "p2p_account"


def _batches(town: Town, rng: np.random.Generator, received: list[Step]) -> list[tuple[int, list[Step]]]:
    """Group arrivals that rest together: what comes before the money moves on mostly joins it."""
    config = town.config
    pace = float(np.exp(rng.normal(0.0, 0.5)))
    batches: list[tuple[int, list[Step]]] = []
    for step in sorted(received, key=lambda step: (step.time, step.source)):
        if batches and step.time < batches[-1][0] and rng.random() < 0.8:
            batches[-1][1].append(step)
            continue
        spread = (max(config.dwell_spread**2 - 0.25, 0.0)) ** 0.5
        dwell = config.median_dwell_s * pace * float(np.exp(spread * rng.standard_normal()))
        batches.append((step.time + int(min(max(dwell, 5.0), 6 * 86_400) * SECOND), [step]))
    return batches


def _pass_on(
    town: Town,
    ways: _Conversion,
    rng: np.random.Generator,
    ring: Ring,
    tier: int,
    account: int,
    received: list[Step],
) -> list[Step]:
    onward: list[Step] = []
    keep = ring.skim if tier == ring.skims_at else float(rng.uniform(0.0, 0.02))
    for flush, batch in _batches(town, rng, received):
        pot = int(town.plan.new_pots(1)[0])
        for step in batch:
            step.pot_in = pot
        moment = max(flush, max(step.time for step in batch) + 5 * SECOND)
        case = batch[0].case
        last_tier = tier == len(ring.tiers) - 1
        # A few collectors cash out directly instead of layering.
        if last_tier or rng.random() < 0.06:
            parts = ways.plan(rng, ring, account, moment, case)
        else:
            parts = _hops(rng, ring, tier, account, moment, case)
        for part in parts:
            part.pot_out, part.keep = pot, keep
            part.amount = min(part.amount, ring.splits_under.get(account, part.amount))
        onward += parts
        # What a limit or a cap held back leaves later; then the skim is spent in small sums.
        if rng.random() < 0.75:
            rest = ways.plan(rng, ring, account, moment + int(rng.uniform(9, 30) * HOUR), case)[-1]
            rest.pot_out, rest.keep, rest.share = pot, keep, 1.0
            onward.append(rest)
        if keep > 0.02 and rng.random() < 0.6:
            spend = ways.plan(rng, ring, account, moment + int(rng.exponential(3) * DAY + HOUR), case)[-1]
            spend.pot_out, spend.keep, spend.kind, spend.share = pot, 0.0, SPEND, float(rng.uniform(0.02, 0.1))
            onward.append(spend)
    return onward


def _hops(rng: np.random.Generator, ring: Ring, tier: int, account: int, moment: int, case: int) -> list[Step]:
    following = ring.tiers[tier + 1]
    if ring.lanes:
        place = ring.tiers[tier].index(account)
        chosen = [following[place % len(following)]]
    else:
        widest = int(rng.integers(1, 5) if ring.shape != "fan_out" else rng.integers(2, 7))
        k = min(len(following), widest)
        chosen = [int(target) for target in rng.choice(following, k, replace=False)]
    chosen = [target for target in chosen if target != account] or [following[0]]
    # Larger sums also go in several parts to the same account.
    chosen *= int(rng.choice([1, 1, 1, 2, 3]))
    shares = rng.dirichlet(np.full(len(chosen), 4.0))
    gaps = np.cumsum(np.exp(rng.normal(np.log(70), 1.0, len(chosen)))) - 60
    return [
        Step(moment + int(max(gap, 1) * SECOND), account, target, _hand(rng), OF_POT, HOP, case, share=float(share))
        for gap, target, share in zip(gaps, chosen, shares, strict=True)
    ]


class _Conversion:
    """Ways out: exchange, cash at the office's machines, wallet, goods from an honest shop, over the border.

    Each office has its habits: one exchange, one dealer, two machines near the border; other customers use them too.
    """

    def __init__(self, town: Town, n_offices: int) -> None:
        people = town.people
        rng = stream(town.config.seed, "offices")
        self.n_areas = people.n_areas
        self.cash = people.cash_of(np.arange(len(people.persona)))
        self.pools: dict[str, tuple[Int64, Float64]] = {}
        for way, personas in (("vasp", ["vasp"]), ("wallet", ["wallet"]), ("goods", ["goods", "shop"]),
                              ("xborder", ["xborder"])):  # fmt: skip
            pool = people.of(*personas)
            weight = people.popularity[pool] * np.where(people.persona[pool] == CODE["goods"], 20, 1)
            self.pools[way] = (pool, np.cumsum(weight))
        self.habits = [{way: self._any(rng, way) for way in self.pools} for _ in range(n_offices)]
        # An office knows two ways out and rarely uses another.
        self.ways = [
            [_EXITS[place] for place in rng.choice(len(_EXITS), 2, replace=False, p=_EXIT_ODDS)]
            for _ in range(n_offices)
        ]
        self.machine = [int(self._machine(rng, office)) for office in range(n_offices)]

    def _any(self, rng: np.random.Generator, way: str) -> int:
        pool, edges = self.pools[way]
        return int(pool[min(int(np.searchsorted(edges, rng.random() * edges[-1], side="right")), len(pool) - 1)])

    def _machine(self, rng: np.random.Generator, office: int) -> int:
        border = np.full(1, self.n_areas - 1 - office % 2)
        return int(machines(rng, self.n_areas, border)[0])

    def plan(self, rng: np.random.Generator, ring: Ring, account: int, moment: int, case: int) -> list[Step]:
        """Return the parts of one conversion."""
        way = _EXITS[int(np.searchsorted(np.cumsum(_EXIT_ODDS), rng.random()))]
        if rng.random() < 0.85:
            way = self.ways[ring.office][int(rng.random() < 0.35)]
        n = int(rng.integers(2, 6)) if way == "cash_atm" else int(rng.choice([1, 1, 2, 3]))
        terminal = -1
        if way == "cash_atm":
            target = int(self.cash[account])
            terminal = self.machine[ring.office] if rng.random() < 0.7 else self._machine(rng, ring.office)
        else:
            target = self.habits[ring.office][way] if rng.random() < 0.6 else self._any(rng, way)
        channel = (_hand(rng) if rng.random() < 0.6 else "qr_merchant") if way == "goods" else way
        gaps = np.cumsum(np.exp(rng.normal(np.log(80), 0.8, n))) - 60
        cap = 2_000_000 if way == "cash_atm" else int(NO_CAP)
        return [
            Step(moment + int(max(gap, 1) * SECOND), account, target, channel, OF_POT, EXIT, case, cap, 1.0 / n,
                 terminal=terminal)
            for gap in gaps
        ]  # fmt: skip


def _record(plan: Plan, rng: np.random.Generator, ring: int, steps: list[Step]) -> None:
    if not steps:
        return
    channels = np.array([CHANNEL[step.channel] for step in steps])
    grain: Int64 = np.ones(len(steps), np.int64)
    for name in sorted({step.channel for step in steps}):
        chosen = channels == CHANNEL[name]
        grain[chosen] = grains(rng, name, int(chosen.sum()))
    plan.add(
        time=np.array([step.time for step in steps]),
        source=np.array([step.source for step in steps]),
        target=np.array([step.target for step in steps]),
        amount=np.array([step.amount for step in steps]),
        share=np.array([step.share for step in steps]),
        keep=np.array([step.keep for step in steps]),
        mode=np.array([step.mode for step in steps]),
        channel=channels,
        grain=grain,
        pot_in=np.array([step.pot_in for step in steps]),
        pot_out=np.array([step.pot_out for step in steps]),
        terminal=np.array([step.terminal for step in steps]),
        kind=np.array([step.kind for step in steps]),
        case=np.array([step.case for step in steps]),
        ring=ring,
    )
