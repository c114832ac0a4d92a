"""What a link kind is: one pure function, one decorator, one shape of its result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from muledetect.errors import DataError, OptionError
from muledetect.graph import Int64Array, TransferGraph
from muledetect.rings.money import Float64Array
from muledetect.rings.suspects import Suspects

if TYPE_CHECKING:
    from muledetect.records import Dataset

#: The one shape of all links. Source and target are account codes; undirected kinds put the smaller code first.
LINKS: Final = pa.schema(
    [
        pa.field("source", pa.int32()),
        pa.field("target", pa.int32()),
        pa.field("weight", pa.float64()),
        pa.field("first_time", pa.int64()),
        pa.field("last_time", pa.int64()),
        pa.field("evidence", pa.list_(pa.string())),
    ]
)

#: At most so many ids are given as evidence of one link.
MOST_EVIDENCE: Final = 8

#: Two accounts with this many counterparties each (geometric mean) or fewer have links of full weight.
FEW_COUNTERPARTIES: Final = 10


@dataclass(frozen=True, eq=False)
class Scene:
    """All that a link may look at: what was known before `as_of`, and the accounts among which it may find links.

    Attributes
    ----------
    dataset : Dataset
        Side tables are not cut; a link cuts them at `as_of` by `known_ts` itself.
    graph : TransferGraph
        Cut at `as_of`.
    suspects : Suspects
    since, as_of, dwell : int
        Start of the window, its exclusive end, and the dwell limit, microseconds.
    max_counterparties : int
        Accounts with more of them are hubs.
    """

    dataset: Dataset
    graph: TransferGraph
    suspects: Suspects
    since: int
    as_of: int
    dwell: int
    max_counterparties: int

    def rarity(self, source: Int64Array, target: Int64Array) -> Float64Array:
        """Return the factor by which a link of two suspects (positions) counts, 0 to 1.

        `min(1, 10 / sqrt(n_source n_target))`, and beyond that each hub divides by how far it is above the limit: who
        deals with everybody is bound to nobody.
        """
        n = self.suspects.n_counterparties.astype(np.float64)
        excess = np.minimum(1.0, self.max_counterparties / np.maximum(n, 1.0))
        near = np.minimum(1.0, FEW_COUNTERPARTIES / np.sqrt(np.maximum(n[source] * n[target], 1.0)))
        return np.asarray(near * excess[source] * excess[target])


@dataclass(frozen=True, slots=True)
class LinkKind:
    """A kind of link: its name, its function, and the tables besides transfers without which it finds nothing."""

    name: str
    function: Callable[[Scene], pa.Table]
    tables: tuple[str, ...] = ()

    def find(self, scene: Scene) -> pa.Table:
        """Return the links of this kind in the shape `LINKS`; none if a table that it needs is absent.

        Raises
        ------
        DataError
            If the function returns another shape, a weight that is not positive and finite, or an account that is no
            suspect.
        """
        if any(table not in scene.dataset.tables for table in self.tables):
            return LINKS.empty_table()
        links = self.function(scene)
        if links.schema != LINKS:
            raise DataError(f"link {self.name!r}: returned columns {links.schema.names}; return {LINKS.names}.")
        weight = links["weight"].to_numpy()
        if not np.all(np.isfinite(weight) & (weight > 0)):
            raise DataError(f"link {self.name!r}: weights must be finite and > 0; leave other links out.")
        ends = np.concatenate([links["source"].to_numpy(), links["target"].to_numpy()])
        if np.any(scene.suspects.positions(ends) < 0):
            raise DataError(f"link {self.name!r}: links accounts that are no suspects; keep to scene.suspects.")
        return links


def link(*, tables: tuple[str, ...] = ()) -> Callable[[Callable[[Scene], pa.Table]], LinkKind]:
    """Turn a function of a `Scene` into a `LinkKind` of the function's name.

    Raises
    ------
    OptionError
        If the function takes anything but the scene.
    """

    def register(function: Callable[[Scene], pa.Table]) -> LinkKind:
        taken = list(inspect.signature(function).parameters)
        if len(taken) != 1:
            raise OptionError(f"link {function.__name__!r}: must take the scene only; takes {taken}.")
        return LinkKind(function.__name__, function, tables)

    return register
