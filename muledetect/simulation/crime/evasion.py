"""What the offices do to look normal: each tactic from 0 (nothing) to 1 (all they can)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.clock import DAY, SECOND
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.plan import NO_CAP
from muledetect.simulation.streams import hash_uniform

#: What a splitter keeps each part under (satang): face scans and daily tiers have thresholds a little above.
_CEILINGS: Final = (2_000_000, 3_000_000, 4_900_000)
_LONGEST_HOLDING: Final = 9 * DAY
#: When the first part of a batch leaves, relative to when half of the money has left: parts follow one another, and
#: limits hold some of them back for hours.
_FIRST_PART: Final = 0.42


@dataclass(frozen=True, slots=True)
class Tactics:
    """What each tactic of a config means in numbers for those who launder."""

    config: WorldConfig

    def n_parts(self, rng: np.random.Generator) -> int:
        """Return into how many transfers money to one account is cut."""
        return 1 + int(rng.poisson(0.25 + 2.5 * self.config.tactic("splitting")))

    @property
    def pause_s(self) -> float:
        """Seconds between two parts, median: many parts at once would be easy to see."""
        return 30 + 600 * self.config.tactic("splitting")

    def ceiling(self, rng: np.random.Generator) -> int:
        """Return the amount (satang) above which an account's keeper sends nothing in one piece."""
        splits, step = rng.random() < 0.15 + 0.6 * self.config.tactic("splitting"), int(rng.integers(0, len(_CEILINGS)))
        return _CEILINGS[step] if splits else int(NO_CAP)

    @property
    def slowness(self) -> float:
        """How much longer than a careless office this one waits: 25 times, at a quarter of the dial 1.2 times."""
        return float(np.exp(3.2 * self.config.tactic("waiting") ** 2))

    def holding_time(self, rng: np.random.Generator, pace: float) -> int:
        """Return how long money rests (us)."""
        median = self.config.median_holding_s * _FIRST_PART * pace * self.slowness
        # The pace of an account takes 0.25 of the variance.
        spread = max(self.config.holding_spread**2 - 0.25, 0.0) ** 0.5
        rest = median * float(np.exp(spread * rng.standard_normal()))
        return int(min(max(rest, 5.0) * SECOND, _LONGEST_HOLDING))

    def gets_normal_life(self, rng: np.random.Generator) -> bool:
        """Whether a bought account without an owner's life is given one."""
        return bool(rng.random() < self.config.tactic("camouflage") ** 0.5)

    def n_purchases(self, rng: np.random.Generator) -> int:
        """Return how many small things are bought with one batch of money."""
        return int(rng.poisson(3.0 * self.config.tactic("camouflage")))

    def pays_wages(self, rng: np.random.Generator) -> bool:
        """Whether a batch goes on looking like pay."""
        return bool(rng.random() < 0.6 * self.config.tactic("salary_like"))

    def goes_through_unwitting(self, rng: np.random.Generator) -> bool:
        """Whether a batch goes on through an honest customer."""
        return bool(rng.random() < 0.5 * self.config.tactic("pass_through"))

    def phone_change_hours(self, rng: np.random.Generator) -> int:
        """Return the hours between changes of phone of a housed account, 0 for never."""
        rotation = self.config.tactic("device_rotation")
        changes, spread = rng.random() < rotation, float(rng.uniform(0.7, 1.4))
        return max(2, int((96 - 84 * rotation) * spread)) if changes else 0


def wage_of(account: int, seed: int) -> int:
    """Return the monthly pay (satang) that an account is made to look like earning: 9,000 to 45,000 baht."""
    draw = float(hash_uniform(np.array([account], np.int64), seed, 41)[0])
    return int(9_000 * 5**draw) // 500 * 50_000
