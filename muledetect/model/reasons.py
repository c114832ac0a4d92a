"""Why a row scores high: contributions of columns, gathered into reasons by typology code and said in words.

What lowers the score is a reason too: it speaks for the account.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from muledetect.arrays import Float64Array
from muledetect.errors import FeatureError
from muledetect.features import registry
from muledetect.model.peers import PeerGroups, Peers
from muledetect.model.reason_codes import code_of
from muledetect.model.sentences import Language, speaks_for, write_sentence


class Reason(TypedDict):
    """One reason, as schema.REASON_TYPE."""

    code: str
    feature: str
    value: float
    peer_p99: float
    contribution: float
    text: str
    peer_median: float | None
    peer_below: float | None
    peer_above: float | None


def durations_among(names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which columns are durations in seconds, bool[n_columns]."""
    return np.array([_unit(name) == "seconds" for name in names], dtype=np.bool_)


def find_reasons(
    values: npt.NDArray[np.float32],
    added: Float64Array,
    names: Sequence[str],
    peers: Peers | PeerGroups,
    n_reasons: int,
    *,
    n_against: int = 0,
    currency: str = "",
    language: Language = "en",
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
    peers : Peers or PeerGroups
        Beside whom values are read.
    n_reasons : int
        At most so many reasons that raise the score (contribution > 0).
    n_against : int
        At most so many reasons that lower it (contribution < 0); their text says that they speak for the account.
    currency : str
        Of amounts; "" for minor units.
    language : "en" or "th"
        Of the sentences.

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
    found: list[list[Reason]] = [[] for _ in range(len(values))]
    for sign, limit in ((1.0, n_reasons), (-1.0, n_against)):
        total, best = _weigh(sign * sorted_added, is_known, bounds)
        for row, ranked in enumerate(np.argsort(-total, axis=1, kind="stable")[:, : max(limit, 0)]):
            for nth in ranked[total[row, ranked] > 0]:
                column = int(columns[best[row, nth]])
                value = float(values[row, column])
                standing = peers.standing(row, column, value)
                text = write_sentence(names[column], value, standing, language, currency)
                found[row].append(
                    Reason(
                        code=named[nth],
                        feature=names[column],
                        value=value,
                        peer_p99=standing.p99,
                        contribution=sign * float(total[row, nth]),
                        text=text if sign > 0 else f"{speaks_for(language)}{text}",
                        peer_median=_or_none(standing.median),
                        peer_below=_or_none(standing.below),
                        peer_above=_or_none(standing.above),
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


@cache
def _unit(name: str) -> str:
    """Return the unit of a column, empty for one that the registry does not know."""
    try:
        return registry().column(name).unit
    except FeatureError:
        return ""


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
