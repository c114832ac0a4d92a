"""The stage on which behaviours act: config, calendar, people, circles, and the plan they add to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from muledetect.simulation.circles import Circles
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.people import People
from muledetect.simulation.plan import CHANNEL, Plan, grains
from muledetect.simulation.rhythm import Rhythm, Span
from muledetect.simulation.streams import Float64, Int32, Int64, pick_from

#: Accounts and their cumulative weights.
Pool = tuple[Int32, Float64]


@dataclass(frozen=True, slots=True)
class Town:
    """Everything that a behaviour may read, and the plan to which it adds transfers."""

    config: WorldConfig
    rhythm: Rhythm
    people: People
    contacts: Circles
    favourites: Circles
    plan: Plan
    _pools: dict[str, Pool] = field(default_factory=dict)

    def strangers(self, rng: np.random.Generator, n: int) -> Int64:
        """Return private accounts drawn by how often people use their account."""
        return self._drawn(rng, self.pool("private", self._lively), n)

    def partner(self, rng: np.random.Generator, n: int, *personas: str) -> Int64:
        """Return businesses of some personas, drawn by popularity."""
        return self._drawn(rng, self.pool(" ".join(personas), lambda: self._popular(personas)), n)

    def pool(self, name: str, build: Callable[[], Pool]) -> Pool:
        """Return the accounts of a named pool and their cumulative weights; `build` is called once a town."""
        if name not in self._pools:
            self._pools[name] = build()
        return self._pools[name]

    def _lively(self) -> Pool:
        pool = np.flatnonzero(self.people.is_private).astype(np.int32)
        return pool, np.cumsum(self.people.liveliness[pool])

    def _popular(self, personas: tuple[str, ...]) -> Pool:
        pool = self.people.of(*personas).astype(np.int32)
        return pool, np.cumsum(self.people.popularity[pool])

    @staticmethod
    def _drawn(rng: np.random.Generator, pool: Pool, n: int) -> Int64:
        accounts, edges = pool
        return accounts[pick_from(rng, edges, n)].astype(np.int64)

    def pay(self, rng: np.random.Generator, channel: str, **columns: Any) -> None:
        """Plan transfers on one channel, rounded as that channel's users round."""
        self.plan.add(
            channel=CHANNEL[channel], grain=columns.pop("grain", grains(rng, channel, len(columns["time"]))), **columns
        )

    def hand_over(self, rng: np.random.Generator, **columns: Any) -> None:
        """Plan transfers between people: by proxy (phone number) or by account number."""
        by_proxy = rng.random(len(columns["time"])) < 0.65
        columns.setdefault("grain", grains(rng, "p2p_proxy", len(by_proxy)))
        self.plan.add(channel=np.where(by_proxy, CHANNEL["p2p_proxy"], CHANNEL["p2p_account"]), **columns)


#: Plans the transfers of one span; may reach up to a week back from the span's start and any time ahead.
Act = Callable[[Span, np.random.Generator], None]
#: Draws once what lasts (who works where, who rents from whom) and returns how each span is planned.
Behaviour = Callable[[Town, np.random.Generator], Act]


def baht(rng: np.random.Generator, n: int, median: float | npt.NDArray[np.floating[Any]], spread: float) -> Int64:
    """Return log-normal amounts in satang around a median in baht."""
    return np.asarray(100 * median * np.exp(spread * rng.standard_normal(n))).astype(np.int64)


def later(rng: np.random.Generator, moments: Int64, median_s: float, spread: float) -> Int64:
    """Return moments plus a log-normal delay of 4 s to 40 d."""
    delay = np.minimum(median_s * np.exp(spread * rng.standard_normal(len(moments))), 40 * 86_400)
    return moments + (np.maximum(delay, 4) * 1e6).astype(np.int64)
