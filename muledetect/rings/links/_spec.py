"""What a link kind is: one pure function, one decorator, one shape of its result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import Int64Array
from muledetect.errors import DataError, OptionError
from muledetect.graph import TransferGraph
from muledetect.rings.disputes import Disputes
from muledetect.rings.knowledge import Knowledge
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
FEW_COUNTERPARTIES: Final = 20


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
    known : Knowledge
        Of all accounts; `known.binds` says which transfers can bind members.
    disputes : Disputes
        Disputed transfers as far as they were known.
    since, as_of, dwell, rest : int
        Start of the window, its exclusive end, the dwell limit, and the rest that ends an episode, microseconds.
    max_counterparties : int
        Accounts with more of them are hubs.
    """

    dataset: Dataset
    graph: TransferGraph
    suspects: Suspects
    known: Knowledge
    disputes: Disputes
    since: int
    as_of: int
    dwell: int
    rest: int
    max_counterparties: int

    def rarity(self, source: Int64Array, target: Int64Array) -> Float64Array:
        """Return the factor by which a link of two suspects, `source` and `target` (positions), counts, 0 to 1.

        `min(1, 20 / sqrt(n_source n_target))`, and beyond that each hub divides by how far it is above the limit: who
        deals with everybody is bound to nobody.
        """
        n = self.suspects.n_counterparties.astype(np.float64)
        excess = np.minimum(1.0, self.max_counterparties / np.maximum(n, 1.0))
        near = np.minimum(1.0, FEW_COUNTERPARTIES / np.sqrt(np.maximum(n[source] * n[target], 1.0)))
        return np.asarray(near * excess[source] * excess[target])


@dataclass(frozen=True, slots=True)
class LinkKind:
    """A kind of link: its name, its function, and the tables besides transfers without which it finds nothing.

    `opens_episodes` is True where the link is money: it says when its accounts were at work. Other links bind accounts
    that were at work at the time.
    """

    name: str
    function: Callable[[Scene], pa.Table]
    tables: tuple[str, ...] = ()
    opens_episodes: bool = True

    def find(self, scene: Scene) -> pa.Table:
        """Return the links of this kind in the shape `LINKS`; none if a table that it needs is absent.

        Parameters
        ----------
        scene : Scene

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


def link(
    *, tables: tuple[str, ...] = (), opens_episodes: bool = True
) -> Callable[[Callable[[Scene], pa.Table]], LinkKind]:
    """Turn a function of a `Scene` into a `LinkKind` of the function's name.

    Parameters
    ----------
    tables : tuple of str
        Tables besides transfers without which it finds nothing.
    opens_episodes : bool
        True where the link is money: it says when its accounts were at work.

    Raises
    ------
    OptionError
        If the function takes anything but the scene.
    """

    def register(function: Callable[[Scene], pa.Table]) -> LinkKind:
        taken = list(inspect.signature(function).parameters)
        if len(taken) != 1:
            raise OptionError(f"link {function.__name__!r}: must take the scene only; takes {taken}.")
        return LinkKind(function.__name__, function, tables, opens_episodes)

    return register


def make_links(
    scene: Scene, left: Int64Array, right: Int64Array, weight: Float64Array, first_time: Int64Array,
    last_time: Int64Array, evidence: pa.ListArray,
) -> pa.Table:  # fmt: skip
    """Return links between suspects (positions) in the shape `LINKS`, undirected: the smaller code comes first."""
    account = scene.suspects.account
    columns = [
        pa.array(account[np.minimum(left, right)], pa.int32()),
        pa.array(account[np.maximum(left, right)], pa.int32()),
        pa.array(weight, pa.float64()),
        pa.array(first_time, pa.int64()),
        pa.array(last_time, pa.int64()),
        evidence.cast(LINKS.field("evidence").type),
    ]
    return pa.Table.from_arrays(columns, schema=LINKS)


def pairs_in_groups(group: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return all pairs of rows (positions, the earlier first) of equal group; groups must be small."""
    order = np.argsort(group, kind="stable")
    _, size = np.unique(group, return_counts=True)
    left, right = [], []
    for n in np.unique(size).tolist():
        if n < 2:
            continue
        rows = order[np.repeat(size == n, size)].reshape(-1, n)
        one, other = np.triu_indices(n, 1)
        left.append(rows[:, one].ravel())
        right.append(rows[:, other].ravel())
    none = np.zeros(0, np.int64)
    return (np.concatenate(left), np.concatenate(right)) if left else (none, none)
