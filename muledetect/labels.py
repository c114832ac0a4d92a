"""Points, their targets, and splits that keep rings and people on one side.

A target is 1, 0 or NaN. NaN is *unknown*: it is used neither as a positive nor as a negative.

>>> from muledetect.labels import every_account, targets
>>> points = every_account(dataset, "2025-03-01")  # doctest: +SKIP
>>> y = targets(dataset, graph, points, target="ever")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from muledetect.clock import Duration, Moment, parse_duration, parse_time
from muledetect.errors import DataError, OptionError
from muledetect.graph import Points

if TYPE_CHECKING:
    from muledetect.graph import TransferGraph
    from muledetect.records import Dataset

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Target = Literal["active", "ever"]
Unlabelled = Literal["unknown", "negative"]

_MISSING: Final = np.iinfo(np.int64).min
_MULE, _UNKNOWN, _NOT_MULE = 2, 1, 0
_FINDINGS: Final = {"mule": _MULE, "unknown": _UNKNOWN, "not_mule": _NOT_MULE}


@dataclass(frozen=True, eq=False)
class Findings:
    """The labels that were known by a moment: the last word on each account, and its spells of illicit activity.

    Attributes
    ----------
    verdict : int8[n_accounts]
        2 mule, 1 unknown, 0 not a mule, -1 never labelled. A later finding replaces an earlier one; of findings
        known at the same moment the graver counts.
    account : int64[n_spells]
        Account codes of the spells, only of accounts whose verdict is mule.
    start, end : int64[n_spells]
        First and last illicit transfer, microseconds.
    n_stand_ins : int
        Spells for which the first or last transfer of the account stands in for a missing time.
    n_without_transfers : int
        Mules that have neither times nor transfers; when they were active is unknown.
    """

    verdict: npt.NDArray[np.int8]
    account: Int64Array
    start: Int64Array
    end: Int64Array
    n_stand_ins: int = 0
    n_without_transfers: int = 0


def points_of(graph: Dataset | TransferGraph, account_ids: Sequence[str] | pa.Array, as_of: Moment) -> Points:
    """Return one point for each of the given accounts, in the given order; unknown accounts get code -1."""
    ids = account_ids if isinstance(account_ids, pa.Array | pa.ChunkedArray) else pa.array(account_ids, pa.string())
    codes = _codes(ids, graph.account_ids).astype(np.int32)
    return Points(codes, np.full(len(codes), parse_time(as_of), dtype=np.int64))


def every_account(graph: Dataset | TransferGraph, as_of: Moment | Iterable[Moment]) -> Points:
    """Return every account at one moment, or at each of several.

    Parameters
    ----------
    graph : Dataset or TransferGraph
        A data set whose accounts table says `is_own` gives the bank's own accounts only: those that are listed and
        not marked as foreign. Otherwise every account that appears anywhere.
    as_of : moment or iterable of moments
        Exclusive.

    Raises
    ------
    DataError
        If the accounts table marks every account as foreign.
    """
    moments = [as_of] if isinstance(as_of, str) or not isinstance(as_of, Iterable) else list(as_of)
    codes = _own_accounts(graph)
    times = np.array([parse_time(moment) for moment in moments], dtype=np.int64)
    return Points(np.tile(codes, len(times)), np.repeat(times, len(codes)))


def _own_accounts(graph: Dataset | TransferGraph) -> npt.NDArray[np.int32]:
    n_accounts = len(graph.account_ids)
    accounts = getattr(graph, "tables", {}).get("accounts")
    if accounts is None or "is_own" not in accounts.column_names:
        return np.arange(n_accounts, dtype=np.int32)
    is_own = pc.fill_null(accounts["is_own"], True).to_numpy().astype(bool)
    codes = np.unique(_codes(accounts["account_id"], graph.account_ids)[is_own])
    codes = codes[codes >= 0].astype(np.int32)
    if not len(codes):
        raise DataError(
            f"accounts: 'is_own' is false in all {accounts.num_rows:,} rows, so there is nothing to score. "
            "Mark the accounts of this bank as true, or leave the column out."
        )
    return codes


def targets(
    dataset: Dataset,
    graph: TransferGraph,
    points: Points,
    *,
    target: Target = "active",
    recent: Duration = "7d",
    horizon: Duration = "7d",
    maturity: Duration = "30d",
    data_end: Moment | None = None,
    known_by: Moment | None = None,
    unlabelled: Unlabelled = "unknown",
) -> Float64Array:
    """Return the target of each point, float64[n_points]: 1, 0, or NaN where it is unknown.

    Parameters
    ----------
    target : "active" or "ever"
        `active`: illicit activity starts or continues in (as_of - recent, as_of + horizon]. `ever`: it started
        before as_of; a mule that starts later counts 0, for it had not been active yet.
    recent, horizon, maturity : duration
        "0d" is allowed. `maturity` is the time that a label needs: an `active` target of 0 is believed only where
        as_of + horizon + maturity <= data_end. `ever` looks back only and needs none.
    data_end : moment, optional
        Default: one tick after the last transfer.
    known_by : moment, optional
        Findings with a later `known_ts` are left out. Default: `data_end`. A finding without `known_ts` counts as
        known when its activity ended, or always if it has no times.
    unlabelled : "unknown" or "negative"
        What an account without finding is. "negative" only where the labels are complete, as in a simulator.

    Raises
    ------
    DataError
        If the data set has no labels.
    OptionError
        If an option has an unknown value.
    """
    _check_option("target", target, get_args(Target))
    _check_option("unlabelled", unlabelled, get_args(Unlabelled))
    ends_at = _data_end(graph, data_end)
    findings = read_findings(dataset, graph, known_by=ends_at if known_by is None else known_by)
    before, after, wait = (_length(name, text) for name, text in _durations(recent, horizon, maturity))
    if target == "ever":
        is_hit = _has_spell(findings, points, points.as_of - 1, np.full(len(points), _MISSING))
        is_ripe = np.ones(len(points), dtype=bool)
    else:
        is_hit = _has_spell(findings, points, points.as_of + after, points.as_of - before)
        is_ripe = points.as_of + (after + wait) <= ends_at
    return _decide(findings, points, is_hit, is_ripe, unlabelled)


def _durations(recent: Duration, horizon: Duration, maturity: Duration) -> list[tuple[str, Duration]]:
    return [("recent", recent), ("horizon", horizon), ("maturity", maturity)]


def _decide(
    findings: Findings, points: Points, is_hit: BoolArray, is_ripe: BoolArray, unlabelled: Unlabelled
) -> Float64Array:
    verdict = np.full(len(points), -1, dtype=np.int8)
    is_known = points.account >= 0
    verdict[is_known] = findings.verdict[points.account[is_known]]
    has_spell = np.zeros(len(findings.verdict), dtype=bool)
    has_spell[findings.account] = True
    is_timed = np.zeros(len(points), dtype=bool)
    is_timed[is_known] = has_spell[points.account[is_known]]
    y = np.full(len(points), np.nan)
    is_zero = (verdict == _NOT_MULE) | ((verdict == _MULE) & is_timed & ~is_hit)
    if unlabelled == "negative":
        is_zero |= is_known & (verdict == -1)
    y[is_zero & is_ripe] = 0.0
    y[is_hit] = 1.0
    return y


def read_findings(dataset: Dataset, graph: TransferGraph, *, known_by: Moment) -> Findings:
    """Read what the labels table said by a moment (inclusive). O(labels log labels).

    Raises
    ------
    DataError
        If the data set has no labels.
    """
    table = dataset.tables.get("labels")
    if table is None or not table.num_rows:
        raise DataError(
            "labels: the data set has none, so nothing can be learnt or measured. Add a labels table "
            "with account_id and label (mule, not_mule or unknown); see schema.LABELS."
        )
    codes = _codes(table["account_id"], graph.account_ids).astype(np.int64)
    labels = pc.index_in(table["label"].cast(pa.string()), value_set=pa.array(list(_FINDINGS)))
    grades = np.array(list(_FINDINGS.values()), dtype=np.int8)[labels.to_numpy()]
    start, end, known = (_times(table, name) for name in ("activity_start", "activity_end", "known_ts"))
    for stand_in in (end, start):
        known = np.where(known == _MISSING, stand_in, known)
    is_seen = (codes >= 0) & (known <= parse_time(known_by))
    codes, grades, start, end, known = (column[is_seen] for column in (codes, grades, start, end, known))
    verdict = np.full(len(graph.account_ids), -1, dtype=np.int8)
    order = np.lexsort((grades, known))  # assignment below keeps the last of each account
    verdict[codes[order]] = grades[order]
    is_mule = (grades == _MULE) & (verdict[codes] == _MULE)
    return _with_stand_ins(verdict, codes[is_mule], start[is_mule], end[is_mule], graph)


def _with_stand_ins(
    verdict: npt.NDArray[np.int8], account: Int64Array, start: Int64Array, end: Int64Array, graph: TransferGraph
) -> Findings:
    first, last = _first_and_last_transfer(graph, account)
    is_stood_in = (start == _MISSING) | (end == _MISSING)
    # a spell that is only half known must not be turned round by its stand-in
    begins = np.where(start == _MISSING, np.where(end == _MISSING, first, np.minimum(first, end)), start)
    begins = np.where((first == _MISSING) & (start == _MISSING), end, begins)
    finishes = np.where(end == _MISSING, np.maximum(last, begins), end)
    is_timed = begins != _MISSING
    return Findings(
        verdict=verdict,
        account=account[is_timed],
        start=begins[is_timed],
        end=finishes[is_timed],
        n_stand_ins=int((is_stood_in & is_timed).sum()),
        n_without_transfers=int((~is_timed).sum()),
    )


def _first_and_last_transfer(graph: TransferGraph, account: Int64Array) -> tuple[Int64Array, Int64Array]:
    first = np.full(len(account), _MISSING)
    last = np.full(len(account), _MISSING)
    for index in (graph.outgoing, graph.incoming):
        has_any = index.stop[account] > index.start[account]
        own = account[has_any]
        earliest = graph.time[index.transfer[index.start[own]]]
        latest = graph.time[index.transfer[index.stop[own] - 1]]
        known = first[has_any]
        first[has_any] = np.where(known == _MISSING, earliest, np.minimum(known, earliest))
        last[has_any] = np.maximum(last[has_any], latest)
    return first, last


def _has_spell(findings: Findings, points: Points, starts_by: Int64Array, ends_after: Int64Array) -> BoolArray:
    """True where some spell of the point's account has start <= starts_by and end > ends_after."""
    order = np.argsort(findings.account, kind="stable")
    account = findings.account[order]
    first = np.searchsorted(account, points.account, side="left")
    n_spells = np.searchsorted(account, points.account, side="right") - first
    is_hit = np.zeros(len(points), dtype=bool)
    for nth in range(int(n_spells.max(initial=0))):
        rows = np.flatnonzero(n_spells > nth)
        spell = order[first[rows] + nth]
        is_hit[rows] |= (findings.start[spell] <= starts_by[rows]) & (findings.end[spell] > ends_after[rows])
    return is_hit


def describe_targets(findings: Findings, y: Float64Array) -> list[str]:
    """Return what a reader must know about targets, as plain sentences."""
    n_unknown = int(np.isnan(y).sum())
    notes = [
        f"{len(y):,} points: {int((y == 1).sum()):,} positive, {int((y == 0).sum()):,} negative, {n_unknown:,} unknown."
    ]
    if findings.n_stand_ins:
        notes.append(
            f"{findings.n_stand_ins:,} mule labels lack a time of activity; the first and last transfer of the "
            "account stand in."
        )
    if findings.n_without_transfers:
        notes.append(
            f"{findings.n_without_transfers:,} labelled mules have neither times nor transfers; their targets are "
            "unknown."
        )
    return notes


def ring_groups(dataset: Dataset, points: Points) -> Int64Array:
    """Return a group for each point, int64[n_points]; see `account_groups`; -1 for an unknown account."""
    groups = np.full(len(points), -1, np.int64)
    is_known = points.account >= 0
    groups[is_known] = account_groups(dataset)[points.account[is_known]]
    return groups


def account_groups(dataset: Dataset) -> Int64Array:
    """Return a group for each account code, int64[n_accounts], such that a ring and a person are never split.

    Accounts of one ring of `truth_rings`, and accounts of one holder, are joined, and so is what they join in turn;
    every other account is a group of its own. O(accounts + members).
    """
    n_accounts = len(dataset.account_ids)
    rows, columns, n_nodes = [], [], n_accounts
    for name, key in (("truth_rings", "ring_id"), ("accounts", "holder_id")):
        table = dataset.tables.get(name)
        if table is None or key not in table.column_names:
            continue
        codes = _codes(table["account_id"], dataset.account_ids)
        shared = table[key].combine_chunks().dictionary_encode()
        members = pc.fill_null(shared.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        is_member = (codes >= 0) & (members >= 0)
        rows.append(codes[is_member].astype(np.int64))
        columns.append(members[is_member] + n_nodes)
        n_nodes += len(shared.dictionary)
    if not rows:
        return np.arange(n_accounts, dtype=np.int64)
    row, column = np.concatenate(rows), np.concatenate(columns)
    joined = coo_array((np.ones(len(row), dtype=np.int8), (row, column)), shape=(n_nodes, n_nodes))
    group: Int64Array = connected_components(joined, directed=False)[1].astype(np.int64)
    return group[:n_accounts]


def split_by_time(as_of: Int64Array, *, test_from: Moment, embargo: Duration = "37d") -> tuple[BoolArray, BoolArray]:
    """Return masks of the training and the test points.

    Test points are at or after `test_from`; training points end an embargo before it, so that no training label
    was decided by what happened in the test period. The default is the default horizon + maturity; "0d" for short
    synthetic data sets that have no room.

    Raises
    ------
    DataError
        If one side is empty.
    """
    starts = parse_time(test_from)
    is_train = as_of <= starts - max(_length("embargo", embargo), 1)
    is_test = as_of >= starts
    if not is_train.any() or not is_test.any():
        raise DataError(
            f"split: {int(is_train.sum()):,} training and {int(is_test.sum()):,} test points of {len(as_of):,}. "
            "Both need some: give more moments, move 'test_from', or shorten 'embargo'."
        )
    return is_train, is_test


def split_by_group(groups: npt.ArrayLike, *, share: float = 0.5, seed: int = 0) -> tuple[BoolArray, BoolArray]:
    """Return masks of two sides; a group lies on one of them, and `share` of the groups lies on the second.

    Raises
    ------
    OptionError
        If `share` is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise OptionError(f"split: 'share' must lie between 0 and 1; got {share}.")
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    is_second = np.zeros(len(names), dtype=bool)
    drawn = np.random.default_rng(seed).permutation(len(names))
    is_second[drawn[: round(share * len(names))]] = True
    return ~is_second[group], is_second[group]


def _data_end(graph: TransferGraph, data_end: Moment | None) -> int:
    if data_end is not None:
        return parse_time(data_end)
    return int(graph.time[-1]) + graph.tick if graph.n_transfers else 0


def _length(name: str, duration: Duration) -> int:
    if str(duration).strip().rstrip("dhmsuinw") == "0":
        return 0
    try:
        return parse_duration(duration)
    except OptionError as error:
        raise OptionError(f"targets: option {name!r}: {error}") from error


def _check_option(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise OptionError(f"targets: option {name!r} must be one of {', '.join(known)}; got {value!r}.")


def _codes(ids: Any, known: pa.StringArray) -> npt.NDArray[np.int64]:
    found = pc.index_in(ids.cast(pa.string()), value_set=known)
    return np.asarray(
        pc.fill_null(found, -1).to_numpy(zero_copy_only=False)
        if isinstance(found, pa.Array)
        else pc.fill_null(found, -1).to_numpy(),
        dtype=np.int64,
    )


def _times(table: pa.Table, name: str) -> Int64Array:
    if name not in table.column_names:
        return np.full(table.num_rows, _MISSING)
    moments = table[name].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return np.asarray(pc.fill_null(moments, _MISSING).to_numpy(), dtype=np.int64)
