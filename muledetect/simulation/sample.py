"""A uniform sample of a stream of rows, the same however the stream is cut."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from muledetect.simulation.plan import Columns
from muledetect.simulation.streams import Int64, UInt64, mix


@dataclass(slots=True)
class Sample:
    """At most `size` rows of all that were offered: those whose numbers hash lowest.

    >>> from numpy import arange
    >>> some = Sample(size=3, seed=1)
    >>> some.offer({"number": arange(100)})
    >>> len(some.rows["number"])
    3
    """

    size: int
    seed: int
    rows: Columns = field(default_factory=dict)

    def offer(self, rows: Columns) -> None:
        """Let rows with distinct `number` (int64) compete with those kept so far. O(n)."""
        if self.rows:
            ceiling = self._keys(self.rows["number"]).max() if len(self.rows["number"]) == self.size else None
            if ceiling is not None:
                low = np.flatnonzero(self._keys(rows["number"]) < ceiling)
                rows = {name: values[low] for name, values in rows.items()}
            rows = {name: np.concatenate([self.rows[name], values]) for name, values in rows.items()}
        kept = np.sort(np.argsort(self._keys(rows["number"]), kind="stable")[: self.size])
        self.rows = {name: values[kept] for name, values in rows.items()}

    def _keys(self, number: Int64) -> UInt64:
        return mix(number, self.seed, 0x5A)
