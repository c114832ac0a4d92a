"""A rules-only score: what a bank without a model could run, as data.

A rule is a sentence with a severity and conditions that must hold together, for one window of those that it names.
Limits are those of the typologies (a quarter of a year of silence, five payers in a day, an hour); where an amount must
be large, it is large among the rows that are ranked, so no rule knows a currency. Nothing is trained: sentences and
severities were written by hand, with worlds of an earlier simulator and AMLSim in sight, and fitted to none of them.

>>> [rule.sentence for rule in RULES if rule.severity == 3][0]
'money from first-ever payers left within the hour'
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.stats import rankdata

from muledetect.arrays import BoolArray, Float64Array
from muledetect.features import feature_names
from muledetect.frames import arrow_or_pandas

Features: TypeAlias = "pd.DataFrame | pa.Table"


@dataclass(frozen=True, slots=True)
class Rule:
    """One sentence of the rules-only score.

    Attributes
    ----------
    severity : int
        Added to the score where the rule is met; negative for what speaks for an account.
    sentence : str
    conditions : tuple of str
        `<column> > <limit>` or `<column> < <limit>`, all of them together. `<column>` is a regular expression, met if
        any column is; `<limit>` is a number, `p75` (the 75th percentile of the column's values above 0 among the
        ranked rows) or `0.5 * <other column>`.
    windows : tuple of str
        What `{w}` stands for; the rule is met if its conditions hold for one of them.
    """

    severity: int
    sentence: str
    conditions: tuple[str, ...]
    windows: tuple[str, ...] = ("",)


_LARGEST_DAY: Final = (
    "peak_in_amount__within_24h > 0.5 * peak_in_amount__within_90d",
    "peak_in_amount__within_24h > p75",
)

RULES: Final = (
    # velocity and balance
    Rule(
        3,
        "money from first-ever payers left within the hour",
        ("quick_pass__within_1h__window_{w} > 0.5", "in_new_share__window_{w} > 0.5", "in_amount__window_{w} > p50"),
        ("30d", "all"),
    ),
    Rule(
        3,
        "its largest day went through within an hour",
        ("peak_through_amount__within_1h > 0.5 * peak_in_amount__within_24h", *_LARGEST_DAY),
    ),
    Rule(
        2,
        "its largest day went through within the day",
        ("peak_through_amount__within_24h > 0.8 * peak_in_amount__within_24h", *_LARGEST_DAY),
    ),
    Rule(
        2,
        "five debits in an hour took half of its largest day",
        ("peak_out_count__within_1h > 4.5", "peak_through_amount__within_1h > 0.5 * peak_in_amount__within_24h"),
    ),
    Rule(
        2,
        "far beyond its own past, in and out",
        ("in_amount_burst__window_7d > 0.9", "out_amount_burst__window_7d > 0.9", "in_amount__window_7d > p75"),
    ),
    Rule(
        1,
        "nearly all money left within a day",
        ("quick_pass__within_24h__window_{w} > 0.9", "in_amount__window_{w} > p50"),
        ("30d", "all"),
    ),
    Rule(
        1,
        "debits follow credits within five minutes",
        ("follow_up_median__window_{w} < 300", "in_amount__window_{w} > p50"),
        ("7d", "30d", "all"),
    ),
    Rule(
        1,
        "a small, steady share is kept",
        (
            "retained_mean__window_30d < 0.15",
            "retained_spread__window_30d < 0.15",
            "in_counterparties__window_30d > 2.5",
            "in_amount__window_30d > p75",
        ),
    ),
    # graph shape
    Rule(
        2,
        "gathered from many, then swept",
        (
            "peak_in_counterparties__within_24h > 4.5",
            "credits_before_largest_debit__window_{w} > 4.5",
            "quick_pass__within_24h__window_{w} > 0.5",
        ),
        ("30d", "all"),
    ),
    Rule(
        2,
        "many payers and many payees on a day that stands out",
        (
            "peak_in_counterparties__within_24h > 4.5",
            "peak_out_counterparties__within_24h > 4.5",
            "peak_through_amount__within_24h > 0.5 * peak_in_amount__within_90d",
        ),
    ),
    Rule(
        1,
        "large sums from payers met once",
        ("in_one_off_share__window_{w} > 0.8", "in_counterparties__window_{w} > 2.5", "in_amount__window_{w} > p90"),
        ("30d", "all"),
    ),
    # lifecycle
    Rule(3, "woke up large", ("wake_up__window_{w} > 0.5", "in_amount__window_{w} > p50"), ("7d", "30d")),
    Rule(
        3,
        "three months of silence, then most of its money in a week",
        (
            "longest_sleep > 7776000",
            "peak_in_amount__within_7d > 0.5 * in_amount__window_all",
            "peak_in_amount__within_7d > p50",
        ),
    ),
    Rule(2, "new account, high value", ("account_age < 7776000", "in_amount__window_{w} > p75"), ("7d", "30d")),
    Rule(
        2,
        "used for less than a month, and less than most, with high value",
        ("active_span < 2592000", "active_span < p25", "in_amount__window_all > p50"),
    ),
    Rule(
        1,
        "a tiny test before the first large inflow",
        ("micro_test > 0.5", "in_jump > 0.5", "in_max__window_all > p90"),
    ),
    # amounts
    Rule(1, "similar credits within a day", ("in_similar__window_24h > 4.5",)),
    Rule(
        1,
        "just under a threshold",
        (r"(in|out)_below__threshold_\d+__window_{w} > 0.2", r"below_count__threshold_\d+__window_{w} > 2.5"),
        ("90d",),
    ),
    Rule(1, "at a daily limit again and again", ("(own_)?limit_hugging__.* > 0.2",)),
    # what speaks for the account
    Rule(-3, "many payers, all small", ("in_counterparties__window_all > p90", "in_max__window_all < p50")),
    Rule(-2, "money rests for a week", ("holding_time_median__window_all > 604800",)),
    Rule(
        -2,
        "two months without a week that stands out",
        ("active_span > 5184000", "peak_in_amount__within_7d < 0.5 * peak_in_amount__within_90d"),
    ),
)

#: Of accounts with the same sum, the one that passed on more within a day comes first.
TIE_BREAK: Final = "peak_through_amount__within_24h"

_CONDITION: Final = re.compile(r"(?P<column>\S+) (?P<sign>[<>]) (?P<limit>.+)")
_SHARE_OF: Final = re.compile(r"(?P<factor>[\d.]+) \* (?P<column>\w+)")
_NAME: Final = re.compile(r"[a-z0-9_]+")
_PERCENTILE: Final = re.compile(r"p(\d+)")


def rules_score(features: Features) -> Float64Array:
    """Return the sum of the severities of the rules that each row meets, float64[n], ties broken by `TIE_BREAK`.

    A condition on a value that is not defined (NaN) does not hold; a rule without one of its columns counts for
    nothing. The tie-break adds less than 1, so it never outweighs a rule. O(n log n) for each of the rules.

    Parameters
    ----------
    features : table of features
        Any columns; see `rule_columns`.
    """
    columns = _columns(features)
    score = np.zeros(len(features))
    for rule in RULES:
        score += rule.severity * is_met(rule, columns, len(features))
    if TIE_BREAK in columns:
        passed = np.nan_to_num(columns[TIE_BREAK], nan=-1.0)
        score += rankdata(passed) / (len(passed) + 1)
    return score


def rule_columns(pack: str = "none") -> list[str]:
    """Return the names of all columns that the rules read under a country pack."""
    names = feature_names(pack=pack)
    wanted = [TIE_BREAK, *(name for rule in RULES for name in _named_by(rule, names))]
    return list(dict.fromkeys(wanted))


def is_met(rule: Rule, columns: Mapping[str, Float64Array], n_rows: int) -> BoolArray:
    """Return where all conditions of a rule hold for one of its windows."""
    met = np.zeros(n_rows, dtype=bool)
    for window in rule.windows:
        holds = [_holds(condition.replace("{w}", window), columns, n_rows) for condition in rule.conditions]
        met |= np.logical_and.reduce(holds)
    return met


def _holds(condition: str, columns: Mapping[str, Float64Array], n_rows: int) -> BoolArray:
    pattern, sign, limit = _parts(condition)
    holds = np.zeros(n_rows, dtype=bool)
    for name in (name for name in columns if re.fullmatch(pattern, name)):
        values = columns[name]
        bound = _bound(limit, values, columns)
        if bound is not None:
            holds |= values > bound if sign == ">" else values < bound
    return holds


def _bound(limit: str, values: Float64Array, columns: Mapping[str, Float64Array]) -> Float64Array | float | None:
    """Return what the values are held against, or None where its column is lacking or nobody has a value above 0."""
    percentile, share_of = _PERCENTILE.fullmatch(limit), _SHARE_OF.fullmatch(limit)
    if percentile:
        positive = values[values > 0]
        return float(np.percentile(positive, int(percentile[1]))) if len(positive) else None
    if share_of:
        other = columns.get(share_of["column"])
        return None if other is None else float(share_of["factor"]) * other
    return float(limit)


def _named_by(rule: Rule, names: Sequence[str]) -> Iterator[str]:
    """Yield the columns that a rule reads; a pattern stands for those of `names` that it matches."""
    for window in rule.windows:
        for condition in rule.conditions:
            pattern, _, limit = _parts(condition.replace("{w}", window))
            yield from [pattern] if _NAME.fullmatch(pattern) else [n for n in names if re.fullmatch(pattern, n)]
            share_of = _SHARE_OF.fullmatch(limit)
            if share_of:
                yield share_of["column"]


def _parts(condition: str) -> Sequence[str]:
    found = _CONDITION.fullmatch(condition)
    assert found is not None, condition  # noqa: S101 (rules are written here, not by users)
    return found.groups()


def _columns(given: Features) -> dict[str, Float64Array]:
    features = arrow_or_pandas(given, "features")
    names = features.column_names if isinstance(features, pa.Table) else features.columns
    patterns = [_parts(c.replace("{w}", w))[0] for rule in RULES for w in rule.windows for c in rule.conditions]
    others = {found["column"] for rule in RULES for c in rule.conditions if (found := re.search(_SHARE_OF, c))}
    read = re.compile("|".join([*patterns, *others, TIE_BREAK]))
    return {name: _numbers(features[name]) for name in names if read.fullmatch(name)}


def _numbers(column: Any) -> Float64Array:
    return np.asarray(column.to_numpy(), dtype=np.float64)
