"""What a link kind is: one pure function, one decorator, one shape of its result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import Float64Array, Int64Array
from muledetect.errors import DataError, OptionError
from muledetect.facts import Snapshot
from muledetect.rings.money import RelayedMoney, match_relayed_money
from muledetect.rings.pairs import Dealings, Pairs, measure_dealings, measure_pairs
from muledetect.rings.suspicion import Suspects

#: Mules are this share of those whom a mule deals with outside its ring.
MET: Final = 0.1

#: The one shape of all links. Source and target are account codes; undirected kinds put the smaller code first.
LINKS: Final = pa.schema(
    {"source": pa.int32(), "target": pa.int32(), "weight": pa.float64(), "first_time": pa.int64(),
     "last_time": pa.int64(), "evidence": pa.list_(pa.string())}
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class RingContext:
    """All that a link may look at: what the bank knew, and the accounts among which it may find links.

    Attributes
    ----------
    snapshot : Snapshot
        Everything in it is cut at the moment; `snapshot.is_between_accounts` says which transfers can bind members.
    suspects : Suspects
    since, holding_time, rest : int
        Start of the window, longest stay of relayed money, and the rest that ends an episode, microseconds.
    """

    snapshot: Snapshot
    suspects: Suspects
    since: int
    holding_time: int
    rest: int

    @cached_property
    def relayed_money(self) -> RelayedMoney:
        """Money that the suspects received and passed on in the window."""
        return match_relayed_money(
            self.snapshot.graph, self.suspects.account, since=self.since, holding_time=self.holding_time
        )

    def transfer_ids(self, transfer: Int64Array) -> pa.StringArray:
        """Return the ids of transfers (positions in the graph)."""
        ids = self.snapshot.tables["transfers"]["transfer_id"].take(pa.array(transfer, pa.int64()))
        return pa.concat_arrays([pa.array([], pa.string()), *ids.cast(pa.string()).chunks])

    @cached_property
    def dealings(self) -> Dealings:
        """What the suspects received and paid in the window, and with how many they dealt."""
        return measure_dealings(self.snapshot, self.suspects.account, self.since)

    @cached_property
    def paid(self) -> Int64Array:
        """Positions of the transfers from suspect to suspect that can bind them, ascending."""
        money = self.relayed_money
        transfer = np.unique(money.transfer[money.is_debit])
        ends = (
            self.suspects.positions(end[transfer]) for end in (self.snapshot.graph.source, self.snapshot.graph.target)
        )
        is_between = self.snapshot.is_between_accounts[transfer] & np.logical_and.reduce([end >= 0 for end in ends])
        return np.asarray(transfer[is_between], np.int64)

    @cached_property
    def pairs(self) -> Pairs:
        """The directed pairs of suspects of which one paid the other."""
        graph = self.snapshot.graph
        source, target = (self.suspects.positions(end[self.paid]) for end in (graph.source, graph.target))
        pairs = measure_pairs(
            self.snapshot, self.paid, source, target, self.dealings, self.relayed_money, since=self.since
        )
        return self.suspects.fits.put_on(pairs, self.suspects.account)

    @cached_property
    def strength(self) -> Float64Array:
        """How likely each pair is of one ring if both are mules: `p / (p + (1 - p) * MET)`, see `Pairs.strength`."""
        strength = self.pairs.strength(self.suspects.weights)
        return strength / (strength + (1 - strength) * MET)


@dataclass(frozen=True, slots=True)
class LinkKind:
    """A kind of link: its name, its function, and the tables besides transfers without which it finds nothing.

    `opens_episodes` is True where the link is money: it says when its accounts were at work. Other links bind accounts
    that were at work at the time.
    """

    name: str
    function: Callable[[RingContext], pa.Table]
    tables: tuple[str, ...] = ()
    opens_episodes: bool = True

    def find(self, context: RingContext) -> pa.Table:
        """Return the links of this kind in the shape `LINKS`; none if a table that it needs is absent.

        Parameters
        ----------
        context : RingContext

        Raises
        ------
        DataError
            If the function returns another shape, a weight that is not positive and finite, or an account that is no
            suspect.
        """
        if any(table not in context.snapshot.tables for table in self.tables):
            return LINKS.empty_table()
        links = self.function(context)
        if links.schema != LINKS:
            raise DataError(f"link {self.name!r}: returned columns {links.schema.names}; return {LINKS.names}.")
        weight = links["weight"].to_numpy()
        if not np.all(np.isfinite(weight) & (weight > 0)):
            raise DataError(f"link {self.name!r}: weights must be finite and > 0; leave other links out.")
        ends = np.concatenate([links["source"].to_numpy(), links["target"].to_numpy()])
        if np.any(context.suspects.positions(ends) < 0):
            raise DataError(f"link {self.name!r}: links accounts that are no suspects; keep to context.suspects.")
        return links


def link(
    *, tables: tuple[str, ...] = (), opens_episodes: bool = True
) -> Callable[[Callable[[RingContext], pa.Table]], LinkKind]:
    """Turn a function of a `RingContext` into a `LinkKind` of the function's name.

    Parameters
    ----------
    tables : tuple of str
        Tables besides transfers without which it finds nothing.
    opens_episodes : bool
        True where the link is money: it says when its accounts were at work.

    Raises
    ------
    OptionError
        If the function takes anything but the context.
    """

    def register(function: Callable[[RingContext], pa.Table]) -> LinkKind:
        taken = list(inspect.signature(function).parameters)
        if len(taken) != 1:
            raise OptionError(f"link {function.__name__!r}: must take the context only; takes {taken}.")
        return LinkKind(function.__name__, function, tables, opens_episodes)

    return register


def make_links(
    context: RingContext, left: Int64Array, right: Int64Array, weight: Float64Array, first_time: Int64Array,
    last_time: Int64Array, evidence: pa.StringArray, n_evidence: Int64Array | int, *, directed: bool = False,
) -> pa.Table:  # fmt: skip
    """Return links between suspects (positions) in the shape `LINKS`, each with its next `n_evidence` of `evidence`.

    If they are not directed, the smaller code comes first.
    """
    account = context.suspects.account
    source, target = (left, right) if directed else (np.minimum(left, right), np.maximum(left, right))
    offsets = np.append(0, np.cumsum(np.broadcast_to(n_evidence, len(left))))
    shown = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), evidence)
    return pa.table([account[source], account[target], weight, first_time, last_time, shown], schema=LINKS)


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
