"""From scores to rings: seeds, suspects, links, communities, tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from muledetect.clock import Duration, Moment, parse_duration, parse_time
from muledetect.errors import OptionError
from muledetect.graph import Int64Array, TransferGraph
from muledetect.rings.assemble import Found, assemble
from muledetect.rings.communities import find_communities
from muledetect.rings.links import KINDS, LinkKind, Scene
from muledetect.rings.money import Float64Array
from muledetect.rings.ring import RingTables
from muledetect.rings.suspects import Suspects, find_seeds, gather_suspects, read_scores

if TYPE_CHECKING:
    from muledetect.records import Dataset

#: Fewer accounts are no ring.
SMALLEST_RING: Final = 3


def find_rings(
    dataset: Dataset,
    graph: TransferGraph,
    scores: Any,
    as_of: Moment,
    *,
    max_rings: int | None = None,
    min_probability: float = 0.2,
    seed_share: float = 0.02,
    window: Duration = "90d",
    dwell: Duration = "72h",
    max_counterparties: int = 200,
    resolution: float = 0.02,
    links: Sequence[LinkKind] = KINDS,
) -> RingTables:
    """Find rings of accounts that relay money to each other, around the accounts with high scores.

    Parameters
    ----------
    dataset : Dataset
        Gives transfer ids and, if present, complaints; link kinds may read more tables.
    graph : TransferGraph
        Of the same data set.
    scores : pyarrow.Table, pandas.DataFrame or anything with `__arrow_c_stream__`
        `account_id`, `score`, `probability`; with `as_of`, each account's latest at or before the search counts.
    as_of : Moment
        Nothing that happened or was known at this moment or later is used.
    max_rings : int, optional
        Keep so many rings of the highest score; all by default.
    min_probability, seed_share : float
        Seeds have at least this probability, and are among this share of the scored accounts with the highest score
        (equal scores at the cut are all in).
    window : Duration
        How far back transfers are looked at.
    dwell : Duration
        Longest stay of money that counts as relayed; at least one tick of the clock.
    max_counterparties : int
        An account with more in the window is a hub (shop, payroll, exchange): it joins no ring unless it is a seed,
        and then its links weigh less in proportion.
    resolution : float
        Link weight that an average pair of members must have; see `find_communities`.
    links : sequence of LinkKind
        Kinds of link to look for.

    Returns
    -------
    RingTables
        Empty tables with all columns if nothing was found. `ring_ties` is empty: ties are not sought here.

    Raises
    ------
    OptionError
        If an option is out of its range.
    DataError
        If the scores cannot be used.

    Notes
    -----
    O(transfers of suspects and of the accounts that seeds paid, within the window, + accounts). Renaming accounts or
    reordering rows changes no partition and no number; it changes `ring_id`, which is a hash of the members' ids.
    """
    _check(min_probability, seed_share, max_counterparties, resolution, max_rings)
    moment, length = parse_time(as_of), parse_duration(dwell)
    known = graph.until(moment)
    since = moment - max(parse_duration(window), graph.tick)
    scored = read_scores(scores, known, moment)
    is_seed = find_seeds(scored, min_probability=min_probability, seed_share=seed_share)
    if not is_seed.any():
        return RingTables()
    suspects = gather_suspects(known, scored, is_seed, since=since, dwell=length, max_counterparties=max_counterparties)
    scene = Scene(dataset, known, suspects, since, moment, length, max_counterparties)
    found = {kind.name: kind.find(scene) for kind in links}
    rings = _rings(suspects, found, resolution)
    return assemble(scene, rings, found, max_rings=max_rings) if len(rings.account) else RingTables()


def _check(
    min_probability: float, seed_share: float, max_counterparties: int, resolution: float, max_rings: int | None
) -> None:
    if not 0 <= min_probability <= 1:
        raise OptionError(f"rings: min_probability must lie in 0 to 1; got {min_probability}.")
    if not 0 < seed_share <= 1:
        raise OptionError(f"rings: seed_share must be above 0 and at most 1; got {seed_share}.")
    if max_counterparties < 1:
        raise OptionError(f"rings: max_counterparties must be at least 1; got {max_counterparties}.")
    if not 0 < resolution < np.inf:
        raise OptionError(f"rings: resolution must be positive and finite; got {resolution}.")
    if max_rings is not None and max_rings < 1:
        raise OptionError(f"rings: max_rings must be at least 1, or None for all; got {max_rings}.")


@dataclass(frozen=True, eq=False)
class _Edges:
    left: Int64Array
    right: Int64Array
    weight: Float64Array


def _join(suspects: Suspects, found: dict[str, pa.Table]) -> _Edges:
    """Add up the links of all kinds and both directions between two suspects."""
    tables = [table for table in found.values() if table.num_rows]
    if not tables:
        return _Edges(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    source, target = (
        np.concatenate([suspects.positions(table[end].to_numpy()) for table in tables]) for end in ("source", "target")
    )
    weight = np.concatenate([table["weight"].to_numpy() for table in tables])
    left, right = np.minimum(source, target), np.maximum(source, target)
    # equal addends in another order could differ in the last bit, so each pair adds up in the order of its weights
    order = np.lexsort((weight, right, left))
    left, right, weight = left[order], right[order], weight[order]
    begins = np.append(True, (left[1:] != left[:-1]) | (right[1:] != right[:-1]))
    total: Float64Array = np.bincount(np.cumsum(begins) - 1, weights=weight).astype(np.float64)
    return _Edges(left[begins], right[begins], total)


def _rings(suspects: Suspects, found: dict[str, pa.Table], resolution: float) -> Found:
    edges = _join(suspects, found)
    traits = (suspects.probability, suspects.is_seed.astype(np.int64), suspects.n_counterparties)
    communities = find_communities(edges.left, edges.right, edges.weight, traits, resolution=resolution)
    label = communities.label
    size = np.bincount(label, minlength=len(suspects))
    n_seeds = np.bincount(label, weights=suspects.is_seed, minlength=len(suspects))
    chosen = np.flatnonzero((size[label] >= SMALLEST_RING) & (n_seeds[label] >= 1))
    _, ring = np.unique(label[chosen], return_inverse=True)
    return Found(
        account=suspects.account[chosen],
        ring=ring.astype(np.int64),
        membership=communities.membership[chosen],
        probability=suspects.probability[chosen],
        is_seed=suspects.is_seed[chosen],
    )
