"""Why a row scores high: contributions of columns, gathered into reasons by typology code and said in words.

What lowers the score is a reason too: it speaks for the account.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final, TypedDict

import numpy as np
import numpy.typing as npt

from muledetect.errors import FeatureError
from muledetect.features import Column, registry
from muledetect.model.peers import NearPeers, Peers, Standing
from muledetect.model.reason_codes import code_of

Float64Array = npt.NDArray[np.float64]

#: How the text of a reason with a negative contribution begins.
FOR: Final = "speaks for the account: "

_SECONDS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


class Reason(TypedDict):
    """One reason, as schema.REASON_TYPE."""

    code: str
    feature: str
    value: float
    peer_p99: float
    contribution: float
    text: str


def durations_among(names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which columns are durations in seconds, bool[n_columns]."""
    return np.array([_says(name).unit == "seconds" for name in names], dtype=np.bool_)


def find_reasons(
    values: npt.NDArray[np.float32],
    added: Float64Array,
    names: Sequence[str],
    peers: Peers | NearPeers,
    n_reasons: int,
    minor_units: int = 1,
    n_against: int = 0,
) -> list[list[Reason]]:
    """Return the reasons of each row: what raises the score, weightiest first, then what lowers it, likewise.

    Columns of one typology code are one reason: its contribution is the sum of theirs, so that columns that say the
    same thing never split a reason. It is shown through the defined column that contributes most in its direction; a
    code without such a column is not shown. What is not shown: codes behind the first `n_reasons` and `n_against`, and
    of a shown code the columns that pull the other way and those that are undefined. All of them are in its sum.

    Parameters
    ----------
    values : float32[n_rows, n_columns]
        NaN = undefined.
    added : float64[n_rows, n_columns]
        Signed contributions of the columns to the score (TreeSHAP, log-odds), without the constant.
    names : sequence of str
        Names of the columns.
    peers : Peers or NearPeers
        Beside whom values are read.
    n_reasons : int
        At most so many reasons that raise the score (contribution > 0).
    minor_units : int
        An amount of 1.00 has so many.
    n_against : int
        At most so many reasons that lower it (contribution < 0); their text says that they speak for the account.

    Returns
    -------
    list of lists of dict
        Keys as schema.REASON_TYPE; an empty list where nothing raises or lowers the score. The same whatever the
        order of rows and columns. O(rows x columns).
    """
    codes = _by_code(names)
    columns = np.concatenate([codes[code] for code in codes]) if codes else np.zeros(0, dtype=np.int64)
    named = list(codes)
    bounds = np.cumsum([0, *(len(members) for members in codes.values())])
    sorted_added, is_known = added[:, columns], ~np.isnan(values[:, columns])
    texts = [_says(name, minor_units) for name in names]
    found: list[list[Reason]] = [[] for _ in range(len(values))]
    for sign, limit in ((1.0, n_reasons), (-1.0, n_against)):
        total, best = _weigh(sign * sorted_added, is_known, bounds)
        for row, ranked in enumerate(np.argsort(-total, axis=1, kind="stable")[:, : max(limit, 0)]):
            for nth in ranked[total[row, ranked] > 0]:
                column = int(columns[best[row, nth]])
                value = float(values[row, column])
                standing = peers.standing(row, column, value)
                said = say(texts[column], value, standing, minor_units)
                found[row].append(
                    Reason(
                        code=named[nth],
                        feature=names[column],
                        value=value,
                        peer_p99=standing.p99,
                        contribution=sign * float(total[row, nth]),
                        text=said if sign > 0 else f"{FOR}{said}",
                    )
                )
    return found


def _by_code(names: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
    """Return the columns of each typology code, codes and names ascending."""
    codes = [code_of(name) for name in names]
    members: dict[str, list[int]] = {code: [] for code in sorted(set(codes))}
    for column in sorted(range(len(names)), key=lambda column: names[column]):
        members[codes[column]].append(column)
    return {code: np.array(columns, dtype=np.int64) for code, columns in members.items()}


def _weigh(
    pull: Float64Array, is_known: npt.NDArray[np.bool_], bounds: npt.NDArray[np.int64]
) -> tuple[Float64Array, npt.NDArray[np.int64]]:
    """Return the pull of each code and its strongest known column, [n_rows, n_codes]; 0 where none can be shown."""
    total = np.zeros((len(pull), len(bounds) - 1))
    best = np.zeros(total.shape, dtype=np.int64)
    shown = np.where(is_known, pull, -np.inf)
    for nth, (start, stop) in enumerate(itertools.pairwise(bounds.tolist())):
        # Column by column: the sum of a row is the same among any other rows.
        for column in range(start, stop):
            total[:, nth] += pull[:, column]
        best[:, nth] = start + np.argmax(shown[:, start:stop], axis=1)
    total[~(np.take_along_axis(shown, best, axis=1) > 0)] = 0.0
    return total, best


def say(says: Column, value: float, peers: Standing, minor_units: int = 1) -> str:
    """Return a reason in words: the account's number, where it stands among peers, and their p99 or median.

    The p99 is told of a value above it, the median of any other.

    >>> left = Column("ratio", "share of the money received in 24h that had left again")
    >>> say(left, 0.94, Standing(0.05, 0.41, 0.997, 0.003))
    '94% of the money received in 24h had left again; above 99.7% of peers, p99 41%'
    >>> say(Column("seconds", "age of the account"), 86_400.0, Standing(8.64e6, 1e8))
    "age of the account: 1 d; peers' median 100 d"
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
    return said + _beside(says, value, peers, minor_units)


def _beside(says: Column, value: float, peers: Standing, minor_units: int) -> str:
    """Return where the value stands among peers, as the end of a sentence; empty where nothing is known of them."""
    is_ranked = not np.isnan(peers.below)
    if says.unit == "flag":
        alike = 1 - peers.below - peers.above
        return f"; so of {_share(alike)} of peers" if is_ranked else ""
    number, name = (peers.p99, "p99") if np.isnan(peers.median) or value > peers.p99 else (peers.median, "median")
    if np.isnan(number):
        return ""
    shown = format_value(says, number, minor_units)
    if not is_ranked:
        return f"; peers' {name} {shown}"
    side, share = ("above", peers.below) if peers.below >= peers.above else ("below", peers.above)
    return f"; {side} {_share(share)} of peers, {name} {shown}"


def _share(share: float) -> str:
    """Return a share as percent, never rounded up to all: 99.7%.

    >>> _share(0.9996), _share(1.0), _share(0.5)
    ('99.9%', '100%', '50%')
    """
    return f"{np.floor(share * 1_000) / 10:.1f}".removesuffix(".0") + "%"


def format_value(says: Column, value: float, minor_units: int = 1) -> str:
    """Return a value in the unit of its column: 94%, 612,000.00, 25, 2.5 h.

    >>> format_value(Column("amount", ""), 61_200_000.0, 100)
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


def _says(name: str, minor_units: int = 1) -> Column:
    """Return unit and meaning of a column; a column that the registry does not know says its name."""
    try:
        return registry().column(name, minor_units=minor_units)
    except FeatureError:
        return Column("ratio", name.replace("_", " ").strip())
