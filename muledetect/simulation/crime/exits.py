"""How money is converted: exchange, cash machines near the border, wallets, goods from honest shops, remittance."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.clock import SECOND
from muledetect.simulation.crime.rings import Ring
from muledetect.simulation.crime.steps import Step, by_hand
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import EXIT, NO_CAP, OF_POT, SPEND
from muledetect.simulation.streams import Float64, Int64, stream
from muledetect.simulation.town import Town

_WAYS: Final = ("vasp", "cash_atm", "wallet", "goods", "xborder")
_ODDS: Final = np.array([0.33, 0.25, 0.12, 0.14, 0.16])
#: How often a person is paid by hand instead: a coin trader, a remittance agent, a dealer.
_BY_PERSON: Final = {"vasp": 0.45, "xborder": 0.4, "goods": 0.6}
#: Most that a machine gives at once (satang).
_MACHINE_CAP: Final = 2_000_000


class Exits:
    """Ways out of the banks.

    Each office has its habits: two ways, one exchange, one dealer, a machine near the border; other customers use
    them too.
    """

    def __init__(self, town: Town, n_offices: int) -> None:
        people = town.people
        rng = stream(town.config.seed, "offices")
        self.n_areas = people.n_areas
        self.is_own = people.is_own
        ours, others = (int(people.of("cash", own=own)[0]) for own in (True, False))
        self.cash = {True: ours, False: others}
        self.pools: dict[str, tuple[Int64, Float64]] = {}
        for way, personas in (("vasp", ["vasp"]), ("wallet", ["wallet"]), ("goods", ["goods", "shop"]),
                              ("xborder", ["xborder"]), ("shop", ["shop"]), ("coins", ["trader"]),
                              ("agent", ["agent"])):  # fmt: skip
            pool = people.of(*personas)
            # Dealers are chosen for what they sell, less for how well known they are.
            weight = people.popularity[pool] ** (0.5 if way == "goods" else 1.0)
            self.pools[way] = (pool, np.cumsum(weight * np.where(people.persona[pool] == CODE["goods"], 8, 1)))
        self.habits = [{way: self._any(rng, way) for way in self.pools} for _ in range(n_offices)]
        self.ways = [
            [_WAYS[place] for place in rng.choice(len(_WAYS), 2, replace=False, p=_ODDS)] for _ in range(n_offices)
        ]
        self.machines = [self.machine(rng, office) for office in range(n_offices)]

    def _any(self, rng: np.random.Generator, way: str) -> int:
        pool, edges = self.pools[way]
        return int(pool[min(int(np.searchsorted(edges, rng.random() * edges[-1], side="right")), len(pool) - 1)])

    def machine(self, rng: np.random.Generator, office: int) -> int:
        """Return a cash machine near the border: the last areas are there, each area has four, one the busiest."""
        area = self.n_areas - 1 - office % 2
        return area * 4 + int(4 * rng.random() ** 1.5)

    def convert(self, rng: np.random.Generator, ring: Ring, account: int, moment: int, case: int) -> list[Step]:
        """Return the parts of one conversion of a whole pot."""
        way = _WAYS[int(np.searchsorted(np.cumsum(_ODDS), rng.random()))]
        if rng.random() < 0.85:
            way = self.ways[ring.office][int(rng.random() < 0.35)]
        n = int(rng.integers(2, 6)) if way == "cash_atm" else int(rng.choice([1, 1, 2, 3]))
        terminal = -1
        if way == "cash_atm":
            target, channel = self.cash[bool(self.is_own[account])], "cash_atm"
            terminal = self.machines[ring.office] if rng.random() < 0.7 else self.machine(rng, ring.office)
        else:
            target, channel = self._payee(rng, ring.office, way)
        gaps = np.cumsum(np.exp(rng.normal(np.log(50), 0.8, n))) - 40
        cap = _MACHINE_CAP if way == "cash_atm" else int(NO_CAP)
        return [
            Step(moment + int(max(gap, 1) * SECOND), account, target, channel, OF_POT, EXIT, case, cap, 1.0 / n,
                 terminal=terminal)
            for gap in gaps
        ]  # fmt: skip

    def _payee(self, rng: np.random.Generator, office: int, way: str) -> tuple[int, str]:
        """Return who is paid for a conversion and by which channel; people sell coins and carry money abroad too."""
        by_person, channel = rng.random() < _BY_PERSON.get(way, 0.0), way
        if by_person:
            way, channel = {"vasp": "coins", "xborder": "agent"}.get(way, way), by_hand(rng)
        elif way == "goods":
            channel = "qr_merchant"
        return (self.habits[office][way] if rng.random() < 0.5 else self._any(rng, way)), channel

    def exchange(self, rng: np.random.Generator, office: int) -> int:
        """Return an exchange through which money can come back, mostly the office's usual one."""
        return self.habits[office]["vasp"] if rng.random() < 0.5 else self._any(rng, "vasp")

    def buy(self, rng: np.random.Generator, account: int, moment: int, case: int) -> Step:
        """Return one small purchase out of a pot, such as anybody makes."""
        amount = int(np.exp(rng.normal(np.log(12_000), 0.9)))
        return Step(moment, account, self._any(rng, "shop"), "qr_merchant", OF_POT, SPEND, case, max(amount, 2_000))
