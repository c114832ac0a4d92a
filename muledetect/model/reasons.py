"""Why a row scores high: contributions of columns, gathered into reasons and said in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

import numpy as np
import numpy.typing as npt

from muledetect.errors import FeatureError
from muledetect.features import Says, registry

Float64Array = npt.NDArray[np.float64]

_SECONDS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


class Reason(TypedDict):
    """One reason, as schema.REASON_TYPE."""

    code: str
    feature: str
    value: float
    peer_p99: float
    contribution: float
    text: str


@dataclass(frozen=True, eq=False)
class Peers:
    """Median and 99th percentile of each column among the training negatives, float64; NaN where all were NaN."""

    median: Float64Array
    p99: Float64Array


def describe_peers(values: npt.NDArray[np.float32]) -> Peers:
    """Return the quantiles of each column, undefined values left out. O(rows) a column."""
    quantiles = np.full((2, values.shape[1]), np.nan)
    for position, column in enumerate(values.T):
        known = column[~np.isnan(column)]
        if len(known):
            quantiles[:, position] = np.quantile(known.astype(np.float64), [0.5, 0.99], method="lower")
    return Peers(quantiles[0], quantiles[1])


def durations_among(names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which columns are durations in seconds, bool[n_columns]."""
    return np.array([_says(name).unit == "seconds" for name in names], dtype=np.bool_)


def find_reasons(
    values: npt.NDArray[np.float32],
    added: Float64Array,
    names: Sequence[str],
    peers: Peers,
    n_reasons: int,
    minor_units: int = 100,
) -> list[list[Reason]]:
    """Return up to `n_reasons` reasons a row, the weightiest first.

    Columns that differ in their parameters only are one reason: their contributions are added, and the one that adds
    most is shown. Columns that are not defined for the row, and what lowers the score, give no reason. An amount of
    1.00 has `minor_units`.
    """
    bases = [name.split("__")[0] for name in names]
    base_names = sorted(set(bases))
    base = np.array([base_names.index(name) for name in bases], dtype=np.int64)
    texts = [_says(name, minor_units) for name in names]
    found = []
    for row, contribution in zip(values, np.where(np.isnan(values), 0.0, added), strict=True):
        total = np.bincount(base, weights=contribution, minlength=len(base_names))
        reasons = []
        for nth in np.lexsort((np.arange(len(total)), -total))[: max(n_reasons, 0)]:
            members = np.flatnonzero(base == nth)
            best = int(members[np.argmax(contribution[members])])
            if total[nth] <= 0 or contribution[best] <= 0:
                continue
            value = float(row[best])
            reasons.append(
                Reason(
                    code=base_names[nth].upper(),
                    feature=names[best],
                    value=value,
                    peer_p99=float(peers.p99[best]),
                    contribution=float(total[nth]),
                    text=say(texts[best], value, float(peers.median[best]), float(peers.p99[best]), minor_units),
                )
            )
        found.append(reasons)
    return found


def say(says: Says, value: float, median: float, p99: float, minor_units: int = 100) -> str:
    """Return a reason in words: the account's number, then its peers' p99, or their median where it is not above p99.

    >>> say(Says("ratio", "share of the money received in 24h that had left again"), 0.94, 0.05, 0.41)
    "94% of the money received in 24h had left again; peers' p99 41%"
    """
    shown = format_value(says, value, minor_units)
    if says.unit == "flag":
        said = says.text if value else f"not so: {says.text}"
    elif says.text.startswith("share of "):
        said = f"{shown} of {says.text.removeprefix('share of ').replace(' that ', ' ', 1)}"
    elif says.unit == "count" and value != 1:
        said = f"{shown} {says.text}"
    else:
        said = f"{says.text}: {shown}"
    peer, name = (p99, "p99") if np.isnan(median) or value > p99 else (median, "median")
    if says.unit == "flag" or np.isnan(peer):
        return said
    return f"{said}; peers' {name} {format_value(says, peer, minor_units)}"


def format_value(says: Says, value: float, minor_units: int = 100) -> str:
    """Return a value in the unit of its column: 94%, 612,000.00, 25, 2.5 h.

    >>> format_value(Says("amount", ""), 61_200_000.0)
    '612,000.00'
    """
    if says.unit == "amount":
        return f"{value / minor_units:,.{len(str(minor_units)) - 1}f}"
    if says.unit == "seconds":
        return _duration(value)
    if says.unit == "ratio" and "share" in says.text:
        return f"{value:.0%}"
    if says.unit == "ratio":
        return f"{value:,.2f}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def _duration(seconds: float) -> str:
    for length, unit in _SECONDS:
        if abs(seconds) >= length:
            return f"{seconds / length:,.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.3g} s"


def _says(name: str, minor_units: int = 100) -> Says:
    """Return unit and meaning of a column; a column that the registry does not know says its name."""
    try:
        return registry().says(name, minor_units=minor_units)
    except FeatureError:
        return Says("ratio", name.replace("_", " ").strip())
