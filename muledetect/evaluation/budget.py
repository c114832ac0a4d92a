"""Precision, recall and value recall over budgets of alerts, with intervals, all from one pass over the same draws.

>>> from muledetect.evaluation import budget_curve
>>> budget_curve([0, 1, 0, 1], {"model": [0.1, 0.9, 0.8, 0.7]}, budgets=[1, 2])[["k", "precision", "recall"]]
   k  precision  recall
0  1        1.0     0.5
1  2        0.5     0.5
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binomtest

from muledetect.arrays import Float64Array, IndexArray
from muledetect.errors import OptionError
from muledetect.evaluation.metrics import block_draws, known_rows, percentiles

#: The rates of a budget, in the order of columns.
RATES: Final = ("precision", "recall", "value_recall")

#: No team looks at more than one account in twenty.
MOST_SHARE: Final = 0.05


class Ranking(NamedTuple):
    """How good a ranking is: average precision with its interval, and the rates of each budget as a table."""

    average_precision: float
    low: float
    high: float
    rates: pd.DataFrame


class _Ladder(NamedTuple):
    """Rows from the highest score down, with where each run of equal scores begins."""

    target: Float64Array
    money: Float64Array
    starts: IndexArray


def budget_curve(
    y: npt.ArrayLike,
    scores: Mapping[str, npt.ArrayLike],
    *,
    value: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    budgets: Sequence[int] | None = None,
    n_draws: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return what each method finds as the number of alerted accounts grows.

    Parameters
    ----------
    y : array of shape (n,)
        1, 0 or NaN; rows of unknown target count nowhere.
    scores : mapping of str to array of shape (n,)
        Methods, each with its score of every row.
    value : array of shape (n,), optional
        Illicit money of each row, minor units, >= 0; looked at where the target is 1.
    groups : array of shape (n,), optional
        What is drawn together: a ring, a person, a day. Default: every row by itself.
    budgets : sequence of int, optional
        Numbers of alerts. Default: `budget_grid`.
    n_draws, seed : int
        Draws of the bootstrap.
    level : float
        Of the interval, 0 to 1.

    Returns
    -------
    pandas.DataFrame
        One row a method and budget, in the given order: `method`, `k`, `share` (of the known rows), then `precision`,
        `recall` and `value_recall`, each with `_low` and `_high`. What is not defined is NaN, such as `value_recall`
        without any value.

    Notes
    -----
    As `measure_ranking`.
    """
    target = np.asarray(y, dtype=np.float64)
    n_known = int((~np.isnan(target)).sum())
    chosen = budget_grid(n_known) if budgets is None else [int(k) for k in budgets]
    tables = []
    for method, score in scores.items():
        found = measure_ranking(
            target, score, chosen, value=value, groups=groups, n_draws=n_draws, level=level, seed=seed
        ).rates
        found.insert(0, "share", np.minimum(found["k"] / max(n_known, 1), 1.0))
        found.insert(0, "k", found.pop("k").astype(np.int64))
        found.insert(0, "method", method)
        tables.append(found)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["method", "k", "share"])


def budget_grid(
    n_rows: int, *, most_share: float = MOST_SHARE, n_points: int = 30, also: Iterable[int] = ()
) -> list[int]:
    """Return numbers of alerts from 1 to a share of the rows, evenly spaced by their logarithm, ascending."""
    most = max(int(np.ceil(most_share * n_rows)), 1)
    spaced = np.geomspace(1, most, n_points).round().astype(np.int64)
    return sorted({*spaced.tolist(), *(k for k in also if 1 <= k <= n_rows)})


def measure_ranking(
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    budgets: Sequence[float],
    *,
    value: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    n_draws: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Ranking:
    """Return average precision and the rates at several budgets, with intervals from drawing whole groups.

    Parameters
    ----------
    budgets : sequence of int, or of float below 1
        Numbers of alerts, or shares of the rows (rounded up), as `k` of `metrics.precision_at`.
    y, score, value, groups, n_draws, level, seed
        As `budget_curve`.

    Raises
    ------
    OptionError
        If columns differ in length, a value is out of range, or an option is.

    Notes
    -----
    Rows of equal score share their places, as in `metrics`. A rate of 0 or 1 has no spread to draw from; its interval
    is widened to Wilson's over the groups that count: those alerted for precision, those with a positive for recall.
    O(n log n + n_draws * n).
    """
    _check(budgets, level)
    block = (
        np.arange(np.size(np.asarray(y))) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    )
    target, ranked, blocks = known_rows(y, score, block)
    money = np.zeros(len(target)) if value is None else np.where(target == 1, known_rows(y, score, value)[2], 0.0)
    if not (money >= 0).all():
        raise OptionError("metrics: values must be 0 or more, minor units; give 0 where nothing is known.")
    order, draws = block_draws((target, ranked, money), blocks, n_draws=n_draws, seed=seed)
    down = np.argsort(-ranked[order], kind="stable")
    by_score = order[down]
    ladder = _Ladder(target[by_score], money[by_score], _run_starts(ranked[by_score]))
    whole = _rates(ladder, np.ones(len(target)), budgets)
    drawn = np.array([_rates(ladder, weight[down], budgets) for weight in draws]).reshape(-1, len(whole))
    ends = [percentiles(column, level) for column in drawn.T]
    counted = _groups_that_count(ladder, blocks[by_score], budgets)
    ends[1:] = [widen_certain(*row, level) for row in zip(whole[1:], ends[1:], counted, strict=True)]
    return Ranking(float(whole[0]), *ends[0], _table(budgets, whole[1:], ends[1:]))


def _rates(ladder: _Ladder, weight: Float64Array, budgets: Sequence[float]) -> Float64Array:
    """Return average precision, then precision at each budget, recall at each, value recall at each."""
    n_budgets = len(budgets)
    if not weight.any():
        return np.full(1 + len(RATES) * n_budgets, np.nan)
    columns = (weight, weight * ladder.target, weight * ladder.money)
    mass, hits, money = (np.cumsum(np.add.reduceat(column, ladder.starts)) for column in columns)
    room = np.minimum([np.ceil(k * mass[-1] - 1e-9) if k < 1 else np.floor(k) for k in budgets], mass[-1])
    # the run in which the last place falls; it has mass, as the runs before it leave room
    run = np.searchsorted(mass, room, side="left")
    part = (room - _before(mass, run)) / (mass[run] - _before(mass, run))
    found_hits, found_money = (_before(s, run) + part * (s[run] - _before(s, run)) for s in (hits, money))
    rates = (found_hits / room, _ratio(found_hits, hits[-1]), _ratio(found_money, money[-1]))
    precision = np.divide(hits, mass, out=np.zeros(len(mass)), where=mass > 0)
    average = _ratio(np.atleast_1d((np.diff(hits, prepend=0.0) * precision).sum()), hits[-1])
    return np.concatenate([average, *rates])


def _before(sums: Float64Array, run: IndexArray) -> Float64Array:
    return np.where(run > 0, sums[run - 1], 0.0)


def _ratio(part: Float64Array, whole: float) -> Float64Array:
    return part / whole if whole > 0 else np.full(len(part), np.nan)


def _run_starts(ranked: Float64Array) -> IndexArray:
    return np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])) if len(ranked) else np.zeros(0, np.intp)


def _groups_that_count(ladder: _Ladder, block: Float64Array, budgets: Sequence[float]) -> list[int]:
    """Return how many groups each rate rests on, in the order of `_rates` without the first."""
    n_rows, is_first = len(block), np.zeros(len(block), dtype=bool)
    is_first[np.unique(block, return_index=True)[1]] = True
    n_groups = np.append(0, np.cumsum(is_first))
    ends = np.append(ladder.starts[1:], n_rows)
    rooms = [min(int(np.ceil(k * n_rows - 1e-9) if k < 1 else k), n_rows) for k in budgets]
    alerted = [int(n_groups[ends[np.searchsorted(ends, room)]]) if n_rows else 0 for room in rooms]
    positive = len(np.unique(block[ladder.target == 1]))
    worth = len(np.unique(block[ladder.money > 0]))
    return [*alerted, *([positive] * len(budgets)), *([worth] * len(budgets))]


def widen_certain(rate: float, ends: tuple[float, float], n_groups: int, level: float) -> tuple[float, float]:
    """Return an interval as it is, or, for a rate of 0 or 1, joined with Wilson's over `n_groups` groups."""
    if rate not in (0.0, 1.0) or not n_groups:
        return ends
    wilson = binomtest(round(rate * n_groups), n_groups).proportion_ci(level, method="wilson")
    return min(ends[0], float(wilson.low)), max(ends[1], float(wilson.high))


def _table(budgets: Sequence[float], rates: Float64Array, ends: Sequence[tuple[float, float]]) -> pd.DataFrame:
    columns: dict[str, Any] = {"k": list(budgets)}
    for nth, name in enumerate(RATES):
        at = slice(nth * len(budgets), (nth + 1) * len(budgets))
        columns[name] = rates[at]
        columns[f"{name}_low"], columns[f"{name}_high"] = np.array(ends[at]).reshape(-1, 2).T
    return pd.DataFrame(columns)


def _check(budgets: Sequence[float], level: float) -> None:
    if not all(k > 0 for k in budgets):
        raise OptionError(f"metrics: budgets must be numbers of alerts or shares of rows, above 0; got {min(budgets)}.")
    if not 0 < level < 1:
        raise OptionError(f"metrics: level must lie between 0 and 1; got {level}.")
