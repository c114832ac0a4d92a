"""Points and their targets.

A target is 1, 0 or NaN. NaN is *unknown*: it is used neither as a positive nor as a negative.

>>> from muledetect.labels import every_account, find_targets
>>> points = every_account(dataset, "2025-03-01")  # doctest: +SKIP
>>> y = find_targets(dataset, graph, points, target="ever")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import MISSING, BoolArray, Float64Array, Int64Array
from muledetect.clock import Duration, Moment, parse_time
from muledetect.errors import DataError, OptionError
from muledetect.facts import facts_of
from muledetect.graph import Points
from muledetect.labels._columns import codes_of, length_of
from muledetect.labels.findings import MULE, NOT_MULE, Findings, read_findings

if TYPE_CHECKING:
    from muledetect.graph import TransferGraph
    from muledetect.records import Dataset


#: What is asked of a point: illicit activity around it, or ever before it.
Target = Literal["active", "ever"]
#: What an account without finding is.
Unlabelled = Literal["unknown", "negative"]


def points_of(graph: Dataset | TransferGraph, account_ids: Sequence[str] | pa.Array, as_of: Moment) -> Points:
    """Return one point for each of the given accounts, in the given order; unknown accounts get code -1."""
    ids = account_ids if isinstance(account_ids, pa.Array | pa.ChunkedArray) else pa.array(account_ids, pa.string())
    codes = codes_of(ids, graph.account_ids).astype(np.int32)
    return Points(codes, np.full(len(codes), parse_time(as_of), dtype=np.int64), _fingerprint(graph))


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
    codes, times = _own_accounts(graph), np.array(moments_of(as_of), dtype=np.int64)
    return Points(np.tile(codes, len(times)), np.repeat(times, len(codes)), _fingerprint(graph))


def moments_of(as_of: Moment | Iterable[Moment]) -> list[int]:
    """Return one moment, or several, as a list of microseconds."""
    given = [as_of] if isinstance(as_of, str) or not isinstance(as_of, Iterable) else list(as_of)
    return [parse_time(moment) for moment in given]


def _fingerprint(graph: Dataset | TransferGraph) -> str:
    return str(getattr(graph, "fingerprint", ""))


def _own_accounts(graph: Dataset | TransferGraph) -> npt.NDArray[np.int32]:
    n_accounts = len(graph.account_ids)
    accounts = getattr(graph, "tables", {}).get("accounts")
    if accounts is None or "is_own" not in accounts.column_names:
        return np.arange(n_accounts, dtype=np.int32)
    is_own = pc.fill_null(accounts["is_own"], True).to_numpy().astype(bool)
    codes = np.unique(codes_of(accounts["account_id"], graph.account_ids)[is_own])
    codes = codes[codes >= 0].astype(np.int32)
    if not len(codes):
        raise DataError(
            f"accounts: 'is_own' is false in all {accounts.num_rows:,} rows, so there is nothing to score. "
            "Mark the accounts of this bank as true, or leave the column out."
        )
    return codes


def find_targets(
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
    lookback: int = 0,
) -> Float64Array:
    """Return the target of each point, float64[n_points]: 1, 0, or NaN where it is unknown.

    Parameters
    ----------
    dataset : Dataset
        With a table `labels`.
    graph : TransferGraph
        Of the same data set.
    points : Points
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
    lookback : int
        Microseconds that features see back; 0 = the whole past. `ever` is then activity inside it, and unknown for an
        account whose activity had ended before.

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
    before, after, wait = (length_of(name, text) for name, text in _durations(recent, horizon, maturity))
    if target == "ever":
        seen_from = points.as_of - lookback if lookback else np.full(len(points), MISSING)
        is_hit = _has_spell(findings, points, points.as_of - 1, seen_from)
        is_ripe = is_hit | ~_has_spell(findings, points, points.as_of - 1, np.full(len(points), MISSING))
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
    is_zero = (verdict == NOT_MULE) | ((verdict == MULE) & is_timed & ~is_hit)
    if unlabelled == "negative":
        is_zero |= is_known & (verdict == -1)
    y[is_zero & is_ripe] = 0.0
    y[is_hit] = 1.0
    return y


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


def refuse_one_class(y: Float64Array, target: Target) -> None:
    """Raise DataError where all known targets are positive, or all negative: nothing can be learnt from them."""
    n_positive, n_negative = int((y == 1).sum()), int((y == 0).sum())
    if n_positive and n_negative:
        return
    if not n_positive:
        mend = "Give a later moment, when mules are known."
    else:
        mend = (
            "Add accounts that were looked at and found honest to labels, or count accounts without a label as honest: "
            "unlabelled='negative' (--unlabelled negative)."
        )
        if target == "active":
            mend = (
                "Give an earlier moment: that an account is not 'active' is known 37 days later (horizon and maturity "
                f"of labels), so the records must go on for as long. {mend}"
            )
    raise DataError(
        f"train: of the accounts with a known target at the given moments, {n_positive:,} are mules and "
        f"{n_negative:,} are not; both are needed. {mend}"
    )


def labelled_points(
    dataset: Dataset,
    as_of: Moment | Iterable[Moment],
    *,
    target: Target = "active",
    known_by: Moment | None = None,
    unlabelled: Unlabelled = "unknown",
    lookback: int = 0,
) -> tuple[Points, Float64Array, list[str]]:
    """Return every account at the moments where its target is known, the targets, and notes on them; see `targets`."""
    graph, points = facts_of(dataset).graph, every_account(dataset, as_of)
    y = find_targets(dataset, graph, points, target=target, known_by=known_by, unlabelled=unlabelled, lookback=lookback)
    findings = read_findings(dataset, graph, known_by=_data_end(graph, None) if known_by is None else known_by)
    is_known = ~np.isnan(y)
    return points[is_known], y[is_known], describe_targets(findings, y)


def drop_unripe(points: Points, y: Float64Array) -> tuple[Points, Float64Array, list[str]]:
    """Leave out points of moments at which no account is known to be none, and say so; all stay if no moment has one.

    A mule is known before the accounts around it are believed to be honest. Where labels are not ripe, every known
    target is a mule: such a moment would teach that its time of the year is suspicious, and that mules are frequent.
    """
    ripe = np.unique(points.as_of[y == 0])
    kept, n_moments = np.isin(points.as_of, ripe), len(np.unique(points.as_of))
    if not len(ripe) or kept.all():
        return points, y, []
    note = (
        f"Labels are not ripe at {n_moments - len(ripe):,} of {n_moments:,} moments, so only mules are known there; "
        f"{int((~kept).sum()):,} points are left out."
    )
    return points[kept], y[kept], [note]


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


def _data_end(graph: TransferGraph, data_end: Moment | None) -> int:
    if data_end is not None:
        return parse_time(data_end)
    return int(graph.time[-1]) + graph.tick if graph.n_transfers else 0


def _check_option(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise OptionError(f"targets: option {name!r} must be one of {', '.join(known)}; got {value!r}.")
