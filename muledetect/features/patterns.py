"""Patterns: what the signals of an account's transfers add up to.

Each column is one signal of the credits or debits of the account, aggregated over a window: the largest value, the mean
weighted by amount, the share of the amount above a limit, or the number above it.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numba
import numpy as np

from muledetect.features._history import Float64Array, History
from muledetect.features._spec import Says, feature

How = Literal["max", "mean", "share", "count"]

_CODES: Final[dict[str, int]] = {"max": 0, "mean": 1, "share": 2, "count": 3}

# Means are sums of integers, so that no order of transfers can change a bit: weights of 30 bits, values of 32.
_WEIGHT: Final = 2.0**30
_VALUE_BITS: Final = 32


class Aggregate(NamedTuple):
    """One column: a signal of one side, how it is aggregated, the limit above which it counts, and what it says."""

    side: Literal["in", "out"]
    signal: str
    how: How
    says: Says
    above: float = 0.0


def _most(side: Literal["in", "out"], signal: str, text: str, unit: Literal["count", "ratio"] = "count") -> Aggregate:
    return Aggregate(side, signal, "max", Says(unit, text))


AGGREGATES: Final = {
    "in_most_payers": _most("in", "target_fan_in", "most different payers within 72 h {window}"),
    "out_most_payees": _most("out", "source_fan_out", "most different payees within 72 h {window}"),
    "in_payer_fan": Aggregate(
        "in", "source_fan_out", "mean", Says("ratio", "accounts that its payers also paid within 72 h {window}, mean")
    ),
    "in_payer_fan_share": Aggregate(
        "in",
        "source_fan_out",
        "share",
        Says("ratio", "share of the money received {window} from payers that paid three others within 72 h"),
        above=3,
    ),
}


@feature(
    family="patterns",
    columns={name: aggregate.says for name, aggregate in AGGREGATES.items()},
    window=("7d", "30d", "all"),
)
def patterns(history: History, *, window: int) -> Float64Array:
    """Aggregates of signals, with their default look-back, over the transfers of the window.

    `count` is 0 without transfers whose signal is known; `max`, and `mean` and `share` (both weighted by amount), are
    NaN. O(transfers in the window) a column.
    """
    return np.column_stack([_of(history, aggregate, window) for aggregate in AGGREGATES.values()])


def _of(history: History, aggregate: Aggregate, window: int) -> Float64Array:
    side = history.incoming if aggregate.side == "in" else history.outgoing
    values = history.signal(aggregate.side, aggregate.signal)
    found: Float64Array = _aggregate(
        _CODES[aggregate.how], aggregate.above, side.begin(window), side.end, side.amount, values
    )  # fmt: skip
    return found


@numba.njit(cache=True, nogil=True)
def _aggregate(how, above, begin, end, amount, values):  # type: ignore[no-untyped-def]
    found = np.full(len(begin), np.nan)
    for p in range(len(begin)):
        most, largest, n_above, total, total_above = -np.inf, 0.0, 0, 0, 0
        for j in range(begin[p], end[p]):
            value = values[j]
            if np.isnan(value):
                continue
            most = max(most, value)
            largest = max(largest, abs(value))
            total += amount[j]
            if value > above:
                n_above += 1
                total_above += amount[j]
        if how == 3:
            found[p] = n_above
        elif total == 0:
            continue
        elif how == 0:
            found[p] = most
        elif how == 2:
            found[p] = total_above / total
        else:
            # the scale is a power of two chosen by the largest value: the sum stays below 2**63
            scale = 2.0 ** (_VALUE_BITS - np.ceil(np.log2(max(largest, 1.0))))
            weights, weighted = np.int64(0), np.int64(0)
            for j in range(begin[p], end[p]):
                if not np.isnan(values[j]):
                    weight = np.int64(np.round(amount[j] / total * _WEIGHT))
                    weights += weight
                    weighted += weight * np.int64(np.round(values[j] * scale))
            if weights > 0:
                found[p] = weighted / scale / weights
    return found
