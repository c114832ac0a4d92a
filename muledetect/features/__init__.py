"""Features at points: what an account did before a moment, computed only from what was known by then.

A feature is a pure function with metadata; its column name recreates it. Families, one file each or two: volume (and
peaks), counterparties, velocity, flow, lifecycle, amount, clock; over signals: patterns, multihop; over others:
neighbourhood, proximity, identity, company, place, taint. What a feature must never do: read anything at or after the
point, depend on names or on the order of rows, or change its columns with the data.

>>> from muledetect.features import feature_names
>>> [name for name in feature_names() if name.startswith("pass_through")][:2]
['pass_through__window_24h', 'pass_through__window_30d']
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from muledetect.arrays import Int64Array
from muledetect.clock import Duration
from muledetect.features import (
    _extract,
    amounts,
    companies,
    counterparties,
    flow,
    habits,
    identity,
    lifecycle,
    logins,
    multihop,
    neighbours,
    patterns,
    place,
    proximity,
    registered,
    suspicion,
    taint,
    taint_far,
    velocity,
    volume,
)
from muledetect.features._columns import Column
from muledetect.features._extract import as_table, extract_shards
from muledetect.features._extraction import Extraction
from muledetect.features._history import History, build_history
from muledetect.features._points import as_points
from muledetect.features._spec import Call, Feature, FromPack, Registry, feature
from muledetect.features.packs import Pack, load_pack
from muledetect.graph import Points, TransferGraph
from muledetect.progress import Progress
from muledetect.records import Dataset

_BUILT_IN: Final = (
    volume.volume,
    volume.size,
    volume.peak,
    counterparties.counterparties,
    velocity.burst,
    velocity.gaps,
    velocity.follow_up,
    flow.pass_through,
    flow.quick_pass,
    flow.holding_time,
    flow.daily_rest,
    flow.gathering,
    flow.turnover_over_balance,
    lifecycle.ages,
    lifecycle.account_age,
    lifecycle.dormancy,
    lifecycle.longest_sleep,
    lifecycle.micro_test,
    lifecycle.change,
    amounts.similar,
    amounts.round_amounts,
    amounts.structuring,
    amounts.limit_hugging,
    amounts.own_limit_hugging,
    habits.night,
    patterns.patterns,
    identity.shared_identity,
    identity.own_devices,
    identity.openings,
    place.co_located,
    place.common_terminal,
    logins.session_signs,
    logins.paid_from_new_device,
    taint.complaint_taint,
    taint.watch_lists,
    taint_far.relayed_twice,
    taint_far.is_near_listed,
    registered.registered,
    registered.registered_dealings,
    multihop.multihop,
    neighbours.neighbours,
    proximity.proximity,
    companies.company_profile,
    companies.company_turnover,
    companies.company_exits,
    companies.company_costs,
    suspicion.neighbour_suspicion,
    suspicion.sharer_suspicion,
)
_REGISTRY: Final = reduce(Registry.add, _BUILT_IN, Registry())


def registry() -> Registry:
    """Return the built-in features. Registries are frozen: `registry().add(feature)` gives a larger one."""
    return _REGISTRY


def feature_names(
    *,
    pack: str | Pack = "none",
    families: Iterable[str] | None = None,
    long_term: bool = False,
    live: bool = False,
) -> list[str]:
    """Return the names of the default columns under a country pack, of the given families or of all.

    With `long_term`, only those that keep their value when an account falls silent (the whole past, and peaks). With
    `live`, only those that can be computed as each transfer arrives, see `muledetect.live`.
    """
    chosen = load_pack(pack) if isinstance(pack, str) else pack
    return _REGISTRY.names(chosen, families, long_term=long_term, live=live)


def extract(
    dataset: Dataset,
    points: Any,
    features: Sequence[str | Feature] | None = None,
    *,
    pack: str | Pack = "none",
    graph: TransferGraph | None = None,
    hide_groups: Int64Array | None = None,
    lookback: Duration | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Compute features at points.

    Parameters
    ----------
    dataset : Dataset
    points : Points, or a table of any library with `account_id` and `as_of`
        Points of another data set are refused.
    features : sequence of str or Feature, optional
        Column names, or features (also unregistered ones) for all their columns; default: see `feature_names`.
    pack : str or Pack
        Country pack that gives thresholds and local time.
    graph : TransferGraph, optional
        Saves building it again.
    hide_groups : int64[n_accounts], optional
        Group of each account, such as its ring. Labels and complaints of a point's own group are hidden from it, as a
        training set needs; see `muledetect.labels.account_groups`.
    lookback : duration, optional
        A point sees no transfer, session, call, complaint or label earlier than so long before it, and no entry that
        had ended by then: columns then mean the same however long the record is. Default: no limit.
    threads : int, optional
        Default: all cores. The result does not depend on it.
    progress : callable, optional
        Called with ("features", share done).

    Returns
    -------
    pyarrow.Table
        `account_id` (null where the point's account is unknown), `as_of`, then one float64 column a feature, in the
        order of the points. An account without history has 0 counts and amounts and NaN elsewhere.

    Raises
    ------
    FeatureError
        If a name is unknown or a feature returns another shape.
    OptionError
        If the country pack is unknown.
    DataError
        If the points are of another data set.

    Notes
    -----
    O(history of each point), and with a look-back O(transfers) for each moment. For tables that do not fit in memory
    use `extract_shards` or `write_features`.
    """
    known, names = _extract.choose(features, _REGISTRY, pack)
    extraction = Extraction(dataset, graph, hide_groups=hide_groups, lookback=lookback, threads=threads)
    return _extract.extract(extraction, as_points(points, extraction.facts), names, known, progress)


def extract_with(
    extraction: Extraction, points: Points, names: Sequence[str], *, progress: Progress | None = None
) -> pa.Table:
    """Compute features at points, as `extract`; what the extraction holds is not computed again.

    Parameters
    ----------
    extraction : Extraction
        Of the data set.
    points : Points
    names : sequence of str
        Columns of built-in features; one that goes by a former name comes under the present one.
    progress : callable, optional
        Called with ("features", share done).
    """
    present = [_REGISTRY.parse(str(name)).name for name in names]
    return _extract.extract(extraction, points, present, _REGISTRY, progress)


def write_features(
    dataset: Dataset,
    points: Any,
    path: str | Path,
    features: Sequence[str | Feature] | None = None,
    *,
    pack: str | Pack = "none",
    graph: TransferGraph | None = None,
    hide_groups: Int64Array | None = None,
    lookback: Duration | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> None:
    """Compute features at points and stream them to one Parquet file, written atomically; memory stays bounded.

    The file's rows are in the order of the points.

    Parameters
    ----------
    dataset, points, features, pack, graph, hide_groups, lookback, threads, progress
        As for `extract`.
    path : str or Path
        Parquet file; an earlier one of ours is replaced when the new one is complete.
    overwrite : bool
        Replace a file also if it is not ours, or was changed.

    Raises
    ------
    OutputError
        If the file may not be replaced, see `muledetect.outputs`.
    """
    from muledetect.outputs.kinds import FEATURES  # noqa: PLC0415
    from muledetect.records.write import atomic_parquet  # noqa: PLC0415

    known, names = _extract.choose(features, _REGISTRY, pack)
    extraction = Extraction(dataset, graph, hide_groups=hide_groups, lookback=lookback, threads=threads)
    with atomic_parquet(path, output=FEATURES, overwrite=overwrite) as write:
        coded = as_points(points, extraction.facts)
        for shard, values in _extract.extract_shards(extraction, coded, names, known, progress=progress):
            write(_extract.as_table(dataset.account_ids, shard, names, values))


__all__ = [
    "Call",
    "Column",
    "Extraction",
    "Feature",
    "FromPack",
    "History",
    "Pack",
    "Points",
    "Registry",
    "as_table",
    "build_history",
    "extract",
    "extract_shards",
    "extract_with",
    "feature",
    "feature_names",
    "load_pack",
    "registry",
    "write_features",
]
