"""The stage on which behaviours act: config, calendar, people, circles, and the plan they add to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from muledetect.simulate.config import WorldConfig
from muledetect.simulate.people import Circles, People
from muledetect.simulate.plan import CHANNEL, Plan, grains
from muledetect.simulate.rhythm import Rhythm
from muledetect.simulate.streams import Int64, pick


@dataclass(frozen=True, slots=True)
class Town:
    """Everything that a behaviour may read, and the plan to which it adds transfers."""

    config: WorldConfig
    rhythm: Rhythm
    people: People
    contacts: Circles
    favourites: Circles
    plan: Plan

    def strangers(self, rng: np.random.Generator, n: int) -> Int64:
        """Return private accounts drawn by how often people use their account."""
        pool = np.flatnonzero(self.people.is_private)
        return pool[pick(rng, self.people.liveliness[pool], n)]

    def partner(self, rng: np.random.Generator, n: int, *personas: str) -> Int64:
        """Return businesses of some personas, drawn by popularity."""
        pool = self.people.of(*personas)
        return pool[pick(rng, self.people.popularity[pool], n)]

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


Behaviour = Callable[[Town, np.random.Generator], None]


def baht(rng: np.random.Generator, n: int, median: float | npt.NDArray[np.floating[Any]], spread: float) -> Int64:
    """Return log-normal amounts in satang around a median in baht."""
    return np.asarray(100 * median * np.exp(spread * rng.standard_normal(n))).astype(np.int64)


def later(rng: np.random.Generator, moments: Int64, median_s: float, spread: float) -> Int64:
    """Return moments plus a log-normal delay."""
    delay = np.minimum(median_s * np.exp(spread * rng.standard_normal(len(moments))), 40 * 86_400)
    return moments + (np.maximum(delay, 4) * 1e6).astype(np.int64)
