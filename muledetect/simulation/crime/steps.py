"""Steps of one ring: planned illicit transfers before they are written into the plan, and the ways out of the banks.

Money is converted by exchanges, cash machines near the border, wallets, goods from honest shops, remittance.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from muledetect.clock import SECOND
from muledetect.simulation.crime.rings import Ring
from muledetect.simulation.economy import Actors, Economy
from muledetect.simulation.people import CODE, cash_machines
from muledetect.simulation.plan import CHANNEL, EXIT, FIXED, NO_CAP, SPEND, Plan, rounding_steps
from muledetect.simulation.streams import pick, stream


@dataclass(slots=True)
class Step:
    """One planned illicit transfer; `pot_in` is set when its batch is known.

    `place` is where in the ring's layout the money arrives, -1 where it leaves the ring.
    """

    time: int
    source: int
    target: int
    channel: str
    kind: int
    case: int
    amount: int = int(NO_CAP)
    share: float = 1.0
    keep: float = 0.0
    mode: int = FIXED
    pot_out: int = -1
    pot_in: int = -1
    terminal: int = -1
    place: int = -1


def by_hand(rng: np.random.Generator) -> str:
    """Return the channel by which somebody pays another person: by phone number or by account number."""
    return "p2p_proxy" if rng.random() < 0.65 else "p2p_account"


def record(plan: Plan, rng: np.random.Generator, ring: int, steps: list[Step]) -> None:
    """Add a ring's steps to the plan, rounded as each channel's honest users round."""
    if not steps:
        return
    rounding = np.ones(len(steps), np.int64)
    for name in sorted({step.channel for step in steps}):
        chosen = [row for row, step in enumerate(steps) if step.channel == name]
        rounding[chosen] = rounding_steps(rng, name, len(chosen))
    same = [field.name for field in fields(Step) if field.name not in ("channel", "place")]
    columns = {name: np.array([getattr(step, name) for step in steps]) for name in same}
    plan.add(channel=np.array([CHANNEL[step.channel] for step in steps]), rounding=rounding, ring=ring, **columns)


_WAYS: Final = ("vasp", "cash_atm", "wallet", "goods", "xborder")
_ODDS: Final = np.array([0.33, 0.25, 0.12, 0.14, 0.16])
#: How often a person is paid by hand instead: a coin trader, a remittance agent, a dealer.
_BY_PERSON: Final = {"vasp": 0.45, "xborder": 0.4, "goods": 0.6}
#: Whom money is paid to, by way.
_PAYEES: Final = {
    "vasp": ("vasp",), "wallet": ("wallet",), "goods": ("goods", "shop"), "xborder": ("xborder",), "shop": ("shop",),
    "coins": ("trader",), "agent": ("agent",),
}  # fmt: skip
#: Most that a machine gives at once (satang).
_MACHINE_CAP: Final = 2_000_000


class Exits:
    """Ways out of the banks.

    Each office has its habits: two ways, one exchange, one dealer, a machine near the border; other customers use
    them too.
    """

    def __init__(self, economy: Economy, n_offices: int) -> None:
        self.people = people = economy.people
        rng = stream(economy.config.seed, "offices")
        self.payees: dict[str, Actors] = {}
        for way, personas in _PAYEES.items():
            who = people.of(*personas)
            # Dealers are chosen for what they sell, less for how well known they are.
            weight = people.popularity[who] ** (0.5 if way == "goods" else 1.0)
            self.payees[way] = Actors.of(who, weight * np.where(people.persona[who] == CODE["goods"], 8, 1))
        self.habits = [{way: self._any(rng, way) for way in _PAYEES} for _ in range(n_offices)]
        self.ways = [rng.choice(len(_WAYS), 2, replace=False, p=_ODDS).tolist() for _ in range(n_offices)]
        self.machines = [self.machine(rng, office) for office in range(n_offices)]

    def _any(self, rng: np.random.Generator, way: str) -> int:
        return int(self.payees[way].draw(rng, 1)[0])

    def cash_account(self, account: int) -> int:
        """Return the cash account of an account's bank."""
        return int(self.people.cash_of(np.array([account]))[0])

    def machine(self, rng: np.random.Generator, office: int) -> int:
        """Return a cash machine near the border: the last areas are there."""
        return int(cash_machines(rng, np.array([self.people.n_areas - 1 - office % 2]))[0])

    def convert(self, rng: np.random.Generator, ring: Ring, account: int, moment: int, case: int) -> list[Step]:
        """Return the parts of one conversion of a whole pot."""
        way = _WAYS[int(pick(rng, _ODDS, 1)[0])]
        if rng.random() < 0.85:
            way = _WAYS[self.ways[ring.office][int(rng.random() < 0.35)]]
        is_cash = way == "cash_atm"
        n = int(rng.integers(2, 6)) if is_cash else int(rng.choice([1, 1, 2, 3]))
        terminal, cap = -1, int(NO_CAP)
        if is_cash:
            target, channel, cap = self.cash_account(account), "cash_atm", _MACHINE_CAP
            terminal = self.machines[ring.office] if rng.random() < 0.7 else self.machine(rng, ring.office)
        else:
            target, channel = self._payee(rng, ring.office, way)
        gaps = np.cumsum(np.exp(rng.normal(np.log(50), 0.8, n))) - 40
        moments = [moment + int(max(gap, 1) * SECOND) for gap in gaps]
        return [Step(at, account, target, channel, EXIT, case, cap, 1.0 / n, terminal=terminal) for at in moments]

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
        return Step(moment, account, self._any(rng, "shop"), "qr_merchant", SPEND, case, max(amount, 2_000))
