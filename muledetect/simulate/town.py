"""The stage on which behaviours act: config, calendar, people, circles, and the plan they add to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from muledetect.simulate.config import WorldConfig
from muledetect.simulate.people import Circles, People
from muledetect.simulate.plan import CHANNEL, Plan, grains
from muledetect.simulate.rhythm import Rhythm, Span
from muledetect.simulate.streams import Float64, Int64, pick_from

_Pool = tuple[Int64, Float64]


@dataclass(frozen=True, slots=True)
class Town:
    """Everything that a behaviour may read, and the plan to which it adds transfers."""

    config: WorldConfig
    rhythm: Rhythm
    people: People
    contacts: Circles
    favourites: Circles
    plan: Plan
    _pools: dict[tuple[str, ...], _Pool] = field(default_factory=dict)

    def strangers(self, rng: np.random.Generator, n: int) -> Int64:
        """Return private accounts drawn by how often people use their account."""
        if () not in self._pools:
            pool = np.flatnonzero(self.people.is_private)
            self._pools[()] = (pool, np.cumsum(self.people.liveliness[pool]))
        return self._drawn(rng, (), n)

    def partner(self, rng: np.random.Generator, n: int, *personas: str) -> Int64:
        """Return businesses of some personas, drawn by popularity."""
        if personas not in self._pools:
            pool = self.people.of(*personas)
            self._pools[personas] = (pool, np.cumsum(self.people.popularity[pool]))
        return self._drawn(rng, personas, n)

    def _drawn(self, rng: np.random.Generator, key: tuple[str, ...], n: int) -> Int64:
        pool, edges = self._pools[key]
        return pool[pick_from(rng, edges, n)]

    def pay(self, rng: np.random.Generator, channel: str, **columns: Any) -> None:
        """Plan transfers on one channel, rounded as that channel's users round."""
        self.plan.add(
            channel=CHANNEL[channel], grain=columns.pop("grain", grains(rng, channel, len(columns["time"]))), **columns
        )

    def hand_over(self, rng: np.random.Generator, **columns: Any) -> None:
        """Plan transfers between people: by proxy (phone number) or by account number."""
        by_proxy = rng.random(len(columns["time"])) < 0.65
        for channel, chosen in (("p2p_proxy", by_proxy), ("p2p_account", ~by_proxy)):
            part = {
                name: values[chosen] if isinstance(values, np.ndarray) else values for name, values in columns.items()
            }
            self.pay(rng, channel, **part)


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
