"""A new period beside several reference periods: a change counts if it is beyond what these differ among themselves.

Months have phases, crime comes in waves: two periods of an unchanged bank differ more than two random samples do. So
each check is made on every reference period too, beside the others, and its limits come from those values.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from muledetect.arrays import Float64Array, Int64Array
from muledetect.errors import OptionError
from muledetect.evaluation.distances import divergence, kolmogorov_smirnov, log_ratio, missing, normal, psi, student
from muledetect.evaluation.drift import GRADES, LIMITS, Drift, Limit
from muledetect.frames import as_arrow
from muledetect.model.table import read_features

Features: TypeAlias = "pd.DataFrame | pa.Table"
_Check: TypeAlias = tuple[str, str]
_Values: TypeAlias = dict[_Check, tuple[float, float]]

#: With fewer reference periods than this their spread says too little, and limits are fixed ones.
LEAST: Final = 5

#: Share of the highest scores that `alerts` counts.
HIGH: Final = 0.01

#: Checks that share the false alarms. What labels say of found mules gets half of them: it alone says whether the model
#: still works, and few changes of tactics can be seen elsewhere. The others share evenly.
_FAMILIES: Final = ("columns", "transfers", "score", "reasons", "labels")

#: Channels with a smaller share of the transfers are not counted one by one.
_LEAST_SHARE: Final = 0.01

#: Measures that are distances: they cannot be negative, and their roots are what spreads evenly.
_DISTANCES: Final = ("psi", "reasons", "delay")

#: Reference periods nearer than so many are not compared with each other: what features look back on overlaps.
_GAP: Final = 3


class Outcome(NamedTuple):
    """What ripe labels say of scores.

    Attributes
    ----------
    expected : float
        Sum of the probabilities of all rows.
    heights : tuple of float
        How high each row scored that turned out to be a mule: bits, `-log2(share of the rows that score at least as
        high)`.
    """

    expected: float = 0.0
    heights: tuple[float, ...] = ()

    @property
    def observed(self) -> int:
        """Rows that turned out to be mules."""
        return len(self.heights)


class Period(NamedTuple):
    """What is compared of a period.

    Attributes
    ----------
    features : table of features
        `account_id` and `as_of` are none.
    scores : array of shape (n,)
        Raw scores of all rows.
    reasons : sequence of sequences of str, optional
        Codes of the reasons of each alert.
    labels : table as `schema.LABELS`, optional
        Labels that became known, for the delay from `activity_start` to `known_ts`.
    outcome : Outcome, optional
        Of rows whose labels are ripe, at this time or before.
    transfers : mapping of str to int, optional
        Transfers by channel, in a span as long for every period.
    """

    features: Features
    scores: npt.ArrayLike
    reasons: Sequence[Sequence[str]] = ()
    labels: Features | None = None
    outcome: Outcome = Outcome()
    transfers: Mapping[str, int] = MappingProxyType({})


class _Counts(NamedTuple):
    """A period in numbers: rows by bin of each column (the last: missing) and of the score, rows that score high."""

    columns: Mapping[str, Int64Array]
    score: Int64Array
    n_high: int
    codes: Counter[str]
    delays: Float64Array
    outcome: Outcome
    transfers: Mapping[str, int]


def compare_periods(
    reference: Iterable[Period], new: Period, *, limits: Mapping[str, Limit] = LIMITS, false_alarms: float = 0.05
) -> Drift:
    """Compare a period with reference periods, at best ten or more of equal length in which nothing was wrong.

    Parameters
    ----------
    reference : iterable of Period
        In order of time, such as one a week. The columns that all have are compared.
    new : Period
    limits : mapping of str to Limit
        Sizes of a change. One that is beyond what is usual counts if it is as large as `watch`, and alarms if it is as
        large as `alarm`. With fewer than five reference periods usual is what these show at most, and what chance does
        at this number of rows.
    false_alarms : float
        Share of comparisons in which anything is not ok that is aimed at, where the new period is one more like the
        reference periods. Half of it is for found mules; columns, transfers, score, reasons and other checks of
        labels share the rest evenly, and in each of these its checks.

    Returns
    -------
    Drift

    Raises
    ------
    OptionError
        If a period has no rows, there is no reference, or a limit is lacking.

    Notes
    -----
    PSI is sum((p - q) ln(p / q)) over ten bins of equal mass in the first reference period and one for what is missing.
    Each check of a reference period is made beside those at least four periods away. Roots of distances, and other
    measures as they are, are taken as normal: the limit is mean + t s sqrt(1 + 1 / K), with K - 1 degrees of freedom
    of K reference periods. `found` is how much lower found mules scored, in bits: 1 means twice as many accounts before
    them. Its spread is that of single mules, widened by how unequal the reference periods are (Pearson's dispersion).
    O(n log n) a column.
    """
    lacking = sorted(set(LIMITS) - set(limits))
    if lacking:
        raise OptionError(f"monitor: limits for {', '.join(lacking)} are lacking; start from drift.LIMITS.")
    counted = _count(chain(reference, [new]))
    before, now = counted[:-1], counted[-1]
    share = false_alarms / 2 / len(_FAMILIES)
    among = [_values(others, one, share) for one, others in _apart(before)]
    checks = _graded(before, now, among, limits, share)
    n_a, said = sum(int(one.score.sum()) for one in before), (_told(len(before), len(among), false_alarms),)
    return Drift(checks, _delay_table(before, now), n_a, int(now.score.sum()), said)


def _graded(
    before: Sequence[_Counts], now: _Counts, among: Sequence[_Values], limits: Mapping[str, Limit], share: float
) -> pd.DataFrame:
    """Return all checks, the worst first; `among` are the values of the reference periods themselves."""
    found = _values(before, now, share)
    n_of_family = Counter(_family(*check) for check in found)
    rows = []
    for (subject, measure), (value, chance) in found.items():
        seen = np.array([values[subject, measure][0] for values in among if (subject, measure) in values])
        each = share / n_of_family[_family(subject, measure)]
        own = _limit_found(before, now, share * len(_FAMILIES)) if measure == "found" else _limit(measure, seen, each)
        beyond = max(chance, float(np.abs(seen).max(initial=0)) if math.isnan(own) else own)
        watch, alarm = (max(size, beyond) for size in (limits[measure].watch, limits[measure].alarm))
        # that more mules are found is no reason to act
        size = -value if measure == "found" else abs(value)
        usual = float(np.median(np.abs(seen))) if len(seen) else math.nan
        kind = "fixed" if math.isnan(own) else "own"
        rows.append((subject, measure, value, usual, watch, alarm, kind, int(size > watch) + int(size > alarm), size))
    names = ["subject", "measure", "value", "usual", "watch", "alarm", "limits", "rank", "size"]
    checks = pd.DataFrame(rows, columns=names)
    part = (checks["size"] / checks["alarm"]).fillna(-1).to_numpy()
    order = np.lexsort((checks["measure"].to_numpy(), checks["subject"].to_numpy(), -part, -checks["rank"].to_numpy()))
    checks = checks.iloc[order]
    checks["grade"] = [GRADES[rank] for rank in checks["rank"]]
    return checks.drop(columns=["rank", "size"]).reset_index(drop=True)


def _told(n: int, n_among: int, false_alarms: float) -> str:
    if n_among < LEAST:
        return (
            f"{n:,} reference periods are too few to know what is usual: limits are fixed ones, and alarms of an "
            "unchanged bank are likely. Ten are better."
        )
    return (
        f"Limits are what {n:,} reference periods differ among themselves, and at least the fixed ones. If the new "
        f"period is one more like these, the aim is that at most 1 of {round(1 / false_alarms):,} is not ok."
    )


def _count(periods: Iterable[Period]) -> list[_Counts]:
    """Return the periods in numbers, over bins of the first; one at a time, so that one table is in memory."""
    found: list[_Counts] = []
    edges: dict[str, Float64Array] = {}
    score_edges, high = np.zeros(0), math.inf
    for period in periods:
        table, score = read_features(period.features), np.asarray(period.scores, dtype=np.float64)
        if not len(table.values) or not len(score):
            raise OptionError("monitor: each period needs rows and scores, and one has none. Choose other moments.")
        columns = dict(zip(table.names, table.values.T, strict=True))
        if not found:
            edges, score_edges = {name: _edges(columns[name]) for name in sorted(columns)}, _edges(score)
            high = float(np.quantile(score, 1 - HIGH))
        counts = {name: _in_bins(columns[name], edges[name]) for name in edges if name in columns}
        codes = Counter(code for alert in period.reasons for code in set(alert))
        n_high = int((score > high).sum())
        of_score, delays = _in_bins(score, score_edges), _delays(period.labels)
        found.append(_Counts(counts, of_score, n_high, codes, delays, period.outcome, period.transfers))
    if len(found) < 2:
        raise OptionError("monitor: there is no reference period to compare with. Give one or more, at best ten.")
    shared = [name for name in edges if all(name in one.columns for one in found)]
    return [one._replace(columns={name: one.columns[name] for name in shared}) for one in found]


def _edges(values: npt.NDArray[Any]) -> Float64Array:
    present = values[~np.isnan(values)].astype(np.float64)
    return np.unique(np.quantile(present, np.linspace(0.1, 0.9, 9))) if len(present) else np.zeros(0)


def _in_bins(values: npt.NDArray[Any], edges: Float64Array) -> Int64Array:
    # a value that many rows share stays whole, in the bin that begins with it; the last bin is for what is missing
    places = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values.astype(np.float64), "right"))
    return np.bincount(places, minlength=len(edges) + 2).astype(np.int64)


def _apart(periods: Sequence[_Counts]) -> list[tuple[_Counts, list[_Counts]]]:
    """Return each period with those that are far enough from it; with few periods that is nearer."""
    gap = min(_GAP, max(0, (len(periods) - 2) // 2))
    paired = [(one, [other for m, other in enumerate(periods) if abs(m - n) > gap]) for n, one in enumerate(periods)]
    return [(one, others) for one, others in paired if others]


def _family(subject: str, measure: str) -> str:
    if subject == "labels":
        return "found" if measure == "found" else "labels"
    return measure if measure == "transfers" else subject if subject in ("score", "reasons") else "columns"


def _values(before: Sequence[_Counts], now: _Counts, share: float) -> _Values:
    """Return the value of each check beside pooled periods, and what samples of this size stay under by chance."""
    each = share / max(1, 2 * len(now.columns))
    found: _Values = {}
    for name, rows in now.columns.items():
        seen = np.sum([one.columns[name] for one in before], axis=0)
        found[name, "psi"], found[name, "missing"] = psi(seen, rows, each), missing(seen, rows, each)
    score = np.sum([one.score for one in before], axis=0)
    found["score", "psi"] = psi(score, now.score, share)
    found["score", "alerts"] = log_ratio(
        (sum(one.n_high for one in before), int(score.sum())), (now.n_high, int(now.score.sum())), share
    )
    codes = sum((one.codes for one in before), Counter[str]())
    if codes and now.codes:
        found["reasons", "reasons"] = divergence(codes, now.codes, share)
    pooled = pool_outcomes(one.outcome for one in before)
    if now.outcome.expected:
        found["labels", "calibration"] = _calibration(pooled, now.outcome, share)
    if pooled.heights and now.outcome.heights:
        a, b = np.array(pooled.heights), np.array(now.outcome.heights)
        chance = normal(share * len(_FAMILIES)) * float(a.std()) * math.sqrt(1 / len(a) + 1 / len(b))
        found["labels", "found"] = math.fsum(b) / len(b) - math.fsum(a) / len(a), chance
    found |= _volumes(before, now, share)
    delays = np.sort(np.concatenate([one.delays for one in before]))
    if len(delays) and len(now.delays):
        found["labels", "delay"] = kolmogorov_smirnov(delays, now.delays, share)
    return found


def _limit(measure: str, seen: Float64Array, share: float) -> float:
    """Return the size that a value stays under but for a share, as the values of reference periods say."""
    if len(seen) < LEAST:
        return math.nan
    quantile = student(share, len(seen) - 1) * math.sqrt(1 + 1 / len(seen))
    if measure in _DISTANCES:
        roots = np.sqrt(np.maximum(seen, 0))
        return float(roots.mean() + quantile * roots.std(ddof=1)) ** 2
    both = student(share / 2, len(seen)) * math.sqrt(1 + 1 / len(seen))
    return both * float(np.sqrt(np.mean(seen**2)))


def _limit_found(before: Sequence[_Counts], now: _Counts, share: float) -> float:
    """Return how many bits lower found mules may score."""
    periods = [np.sort(one.outcome.heights) for one in before if one.outcome.heights]
    if len(periods) < LEAST or not now.outcome.heights:
        return math.nan
    every = np.concatenate(periods)
    n, mean = np.array([len(one) for one in periods]), math.fsum(every) / len(every)
    between = math.fsum(len(one) * (math.fsum(one) / len(one) - mean) ** 2 for one in periods) / (len(periods) - 1)
    within = math.fsum((every - mean) ** 2) / len(every)
    spread = math.sqrt(max(between, within) * (1 / n.sum() + 1 / len(now.outcome.heights)))
    return student(share, len(periods) - 1) * spread


def pool_outcomes(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the outcome of several periods together."""
    parts = list(outcomes)
    heights = sorted(bits for one in parts for bits in one.heights)
    return Outcome(math.fsum(one.expected for one in parts), tuple(heights))


def _volumes(before: Sequence[_Counts], now: _Counts, share: float) -> _Values:
    """Return ln of how many times as many transfers a channel has as in the mean of the other periods."""
    usual = sum((Counter(one.transfers) for one in before), Counter[str]())
    names = [name for name, count in usual.items() if count >= _LEAST_SHARE * usual.total()]
    n = len(before)
    return {
        (f"channel {name}", "transfers"): log_ratio(
            (usual[name], n), (now.transfers.get(name, 0), 1), share / len(names)
        )
        for name in sorted(names)
    }


def _calibration(a: Outcome, b: Outcome, share: float) -> tuple[float, float]:
    """Return ln(observed / expected mules) less that of the reference, or as it is without one; half a mule added."""
    logs = [math.log((one.observed + 0.5) / (one.expected + 0.5)) if one.expected else 0.0 for one in (a, b)]
    spread = math.sqrt(sum(1 / (max(one.observed, one.expected) + 0.5) for one in (a, b) if one.expected))
    return logs[1] - logs[0], normal(share / 2) * spread


def _delays(labels: Features | None) -> Float64Array:
    """Return sorted days from the start of the activity to the label, of labels that have both."""
    table = None if labels is None else as_arrow(labels, "labels")
    if table is None or not {"known_ts", "activity_start"} <= set(table.column_names):
        return np.zeros(0)
    times = table.select(["known_ts", "activity_start"]).to_pandas().dropna()
    days = (times["known_ts"] - times["activity_start"]) / pd.Timedelta(days=1)
    return np.sort(days.to_numpy(dtype=np.float64))


def _delay_table(before: Sequence[_Counts], now: _Counts) -> pd.DataFrame:
    shares = [0.1, 0.25, 0.5, 0.75, 0.9]
    sides = {"a": np.concatenate([one.delays for one in before]), "b": now.delays}
    curve = {name: np.quantile(days, shares) if len(days) else np.nan for name, days in sides.items()}
    return pd.DataFrame({"share": shares, **curve})
