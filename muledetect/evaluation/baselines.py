"""Baselines that every model is shown beside: chance, volume, degree, open rules, and trees without the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from muledetect.arrays import Float64Array
from muledetect.errors import DataError, FeatureError
from muledetect.evaluation.budget import RATES, measure_ranking
from muledetect.evaluation.metrics import roc_auc
from muledetect.evaluation.rules import rules_score
from muledetect.features import registry
from muledetect.frames import arrow_or_pandas
from muledetect.model import MuleModel, trees
from muledetect.model.canonical import row_hashes
from muledetect.model.table import read_features

Features: TypeAlias = "pd.DataFrame | pa.Table"

#: Families that look at an account's own totals and clock only, not at whom it deals with nor at how money passes.
WITHOUT_GRAPH: Final = ("volume", "velocity", "amount", "clock")

#: LightGBM's own defaults, written out so that a later release of the library does not move the baseline.
PLAIN: Final = {"learning_rate": 0.1, "num_leaves": 31, "min_data_in_leaf": 20, "max_bin": 255}
PLAIN_TREES: Final = 100

#: Name of the model itself in tables of methods.
MODEL: Final = "this model"

#: Where methods are compared: a number of alerts, and shares of the rows.
ALERTS: Final = (100, 0.001, 0.005, 0.01)


def compare_baselines(
    train: Features,
    y_train: npt.ArrayLike,
    test: Features,
    y_test: npt.ArrayLike,
    *,
    train_groups: npt.ArrayLike | None = None,
    test_groups: npt.ArrayLike | None = None,
    value: npt.ArrayLike | None = None,
    model: MuleModel | None = None,
    alerts: Sequence[float] = ALERTS,
    n_draws: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Rank the same test rows by every baseline and by the model, trained on the same rows.

    Parameters
    ----------
    train, test : tables of features
        Columns that only `test` has are read by the rules alone; see `rule_columns`.
    y_train, y_test : array of shape (n,)
        1, 0 or NaN.
    train_groups, test_groups : array, optional
        Rings and persons; blocks of the bootstrap and of the folds of calibration.
    value : array of shape (n_test,), optional
        Illicit money of each test row, minor units, for value recall.
    model : MuleModel, optional
        A fitted model is used as it is for the last row; otherwise one with default parameters is trained.
    alerts : sequence of int or float
        Numbers of alerts (1 or more) and shares of the rows (below 1) to measure at.
    n_draws : int
        Draws of the bootstrap.
    seed : int
        Equal seeds give equal intervals.

    Returns
    -------
    pandas.DataFrame
        As `compare_scores`.

    Raises
    ------
    DataError
        If the test rows hold no positive or no negative.
    """
    check_sides(y_test)
    scores = baseline_scores(train, y_train, test, groups=train_groups, model=model, seed=seed)
    return compare_scores(y_test, scores, value=value, groups=test_groups, alerts=alerts, n_draws=n_draws, seed=seed)


def compare_scores(
    y: npt.ArrayLike,
    scores: Mapping[str, npt.ArrayLike],
    *,
    value: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    alerts: Sequence[float] = ALERTS,
    n_draws: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the metrics of scores of the same rows.

    Parameters
    ----------
    y : array of shape (n,)
        1, 0 or NaN.
    scores : mapping of str to array of shape (n,)
        Methods, each with its score of every row.
    value : array of shape (n,), optional
        Illicit money of each row, minor units.
    groups : array of shape (n,), optional
        Blocks of the bootstrap.
    alerts : sequence of int or float
        Numbers of alerts (1 or more) and shares of the rows (below 1) to measure at.
    n_draws, seed : int

    Returns
    -------
    pandas.DataFrame
        One row a method: `average_precision`, `low`, `high` (95%), then for each of `alerts` `precision@`, `recall@`
        and, with `value`, `value_recall@`, each with `_low` and `_high`; `roc_auc` comes last. The intervals are those
        of `budget.measure_ranking`.
    """
    names = RATES if value is not None else RATES[:2]
    rows = {}
    for method, score in scores.items():
        ranking = measure_ranking(y, score, alerts, value=value, groups=groups, n_draws=n_draws, seed=seed)
        row = {"average_precision": ranking.average_precision, "low": ranking.low, "high": ranking.high}
        for k, rates in zip(alerts, ranking.rates.to_dict("records"), strict=True):
            shown = f"{k:.4g}" if k >= 1 else f"{k * 100:.4g}%"
            row |= {f"{name}@{shown}{end}": rates[f"{name}{end}"] for name in names for end in ("", "_low", "_high")}
        rows[method] = row | {"roc_auc": roc_auc(y, score)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def check_sides(y_test: npt.ArrayLike) -> None:
    """Raise DataError unless the test rows hold both positives and negatives."""
    target = np.asarray(y_test, dtype=np.float64)
    if not (target == 1).any() or not (target == 0).any():
        raise DataError(
            f"evaluate: the test rows hold {int((target == 1).sum()):,} positives and {int((target == 0).sum()):,} "
            "negatives; both are needed. Choose another moment or a wider split."
        )


def baseline_scores(
    train: Features,
    y_train: npt.ArrayLike,
    test: Features,
    *,
    groups: npt.ArrayLike | None = None,
    model: MuleModel | None = None,
    seed: int = 0,
) -> dict[str, Float64Array]:
    """Return the score of each test row by each method; methods whose columns are lacking are left out."""
    train, test = arrow_or_pandas(train, "features"), arrow_or_pandas(test, "features")
    scores = {"random": np.random.default_rng(seed).random(len(test))}
    for name, columns in (
        ("total volume", ("in_amount__window_all", "out_amount__window_all")),
        ("in-degree", ("in_counterparties__window_all",)),
    ):
        if set(columns) <= set(_names(test)):
            scores[name] = np.sum([_column(test, column) for column in columns], axis=0)
    scores["rules only"] = rules_score(test)
    without = without_graph(_names(train))
    if without:
        scores["plain LightGBM"] = plain_trees(_select(train, without), y_train, _select(test, without))
        plain = MuleModel(**(model.get_params() if model is not None else {}))
        kept = [name for name in _names(train) if name in ("account_id", "as_of")] + without
        plain.fit(_select(train, kept), y_train, groups=groups)
        scores["LightGBM without graph"] = plain.decision_function(_select(test, without))
    if model is None:
        model = MuleModel().fit(train, y_train, groups=groups)
    scores[MODEL] = model.decision_function(test)
    return scores


def plain_trees(train: Features, y_train: npt.ArrayLike, test: Features) -> Float64Array:
    """Return the log-odds of LightGBM with its own defaults: one booster, no calibration, no bagging, no cap."""
    seen, target = read_features(train), np.asarray(y_train, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(target))
    # LightGBM bins by the order of rows, so they are put in an order that only their content gives
    known = known[np.argsort(row_hashes(seen.values[known], target[known]), kind="stable")]
    texts = trees.grow(
        seen.values[known], target[known] == 1, None, PLAIN, n_trees=PLAIN_TREES, jobs=[trees.Job(0)], n_threads=1
    )
    boosters = [trees.open_booster(text) for text in texts]
    return trees.raw_scores(boosters, read_features(test, seen.names).values, trees.threads(None))


def without_graph(names: Sequence[str]) -> list[str]:
    """Return the columns that baselines without the graph learn from."""
    kept = []
    for name in names:
        try:
            feature = registry().features[registry().parse(name).feature]
        except FeatureError:
            continue
        if feature.family in WITHOUT_GRAPH:
            kept.append(name)
    return kept


def _names(features: Features) -> list[str]:
    return list(features.column_names if isinstance(features, pa.Table) else features.columns)


def _column(features: Features, name: str) -> Float64Array:
    column: Any = features[name]
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _select(features: Features, names: Sequence[str]) -> Features:
    chosen: Features = features.select(list(names)) if isinstance(features, pa.Table) else features[list(names)]
    return chosen
