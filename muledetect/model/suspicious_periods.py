"""The suspicious period of an account: the span of time in which it behaved most like a mule."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.arrays import BoolArray, Float64Array, Int64Array
from muledetect.clock import DAY
from muledetect.features import Extraction, History, build_history
from muledetect.graph import Points, TransferGraph

#: Money that leaves within this time was passed on.
QUICK: Final = DAY

# Weights in whole microseconds, so that sums are exact: an odd transfer earns what two days of silence cost, and ten
# others cost.
_ODD: Final = 20 * DAY
_OTHER: Final = -2 * DAY
_SILENCE: Final = 10


def find_periods(graph: TransferGraph, points: Points) -> tuple[Int64Array, Int64Array]:
    """Return first and last moment of the suspicious period of each point, int64[n_points], microseconds.

    A transfer is odd if its counterparty is new on that side, or if half of it or more was passed on: of a credit that
    debits spent (FIFO) within a day, of a debit that such credits paid for. An odd transfer earns 1, every other costs
    0.1, and a day between two moments 0.5. The period is the run of moments that earns most; of equal ones that which
    ends first, and of those the shortest. Where no transfer is odd, both are the point's `as_of`. Nothing at or after
    a point is read. O(history of each point).
    """
    start, end = points.as_of.copy(), points.as_of.copy()
    history = build_history(Extraction(graph), points)
    into, out = history.incoming, history.outgoing
    is_odd_credit, is_odd_debit = _odd(history)
    for row in range(len(points)):
        received, paid = slice(into.start[row], into.end[row]), slice(out.start[row], out.end[row])
        moments, place = np.unique(np.concatenate([into.time[received], out.time[paid]]), return_inverse=True)
        is_odd = np.concatenate([is_odd_credit[received], is_odd_debit[paid]])
        earned = np.zeros(len(moments), dtype=np.int64)
        np.add.at(earned, place, np.where(is_odd, _ODD, _OTHER))
        if is_odd.any():
            first, last = _richest(moments, earned)
            start[row], end[row] = moments[first], moments[last]
    return start, end


def _odd(history: History) -> tuple[BoolArray, BoolArray]:
    """Return which credits and which debits are odd, in the order of the history's sides."""
    into, out, pairs = history.incoming, history.outgoing, history.matches
    is_quick = out.time[pairs.debit] - into.time[pairs.credit] <= QUICK
    amount = pairs.amount[is_quick].astype(np.float64)
    spent = np.bincount(pairs.credit[is_quick], weights=amount, minlength=len(into.time))
    paid_for = np.bincount(pairs.debit[is_quick], weights=amount, minlength=len(out.time))
    is_odd_credit: BoolArray = into.is_new | (2 * spent >= into.amount)
    is_odd_debit: BoolArray = out.is_new | (2 * paid_for >= out.amount)
    return is_odd_credit, is_odd_debit


def temporal_iou(start: Int64Array, end: Int64Array, true_start: Int64Array, true_end: Int64Array) -> Float64Array:
    """Return intersection over union of spans, float64[n]; 1 for equal spans, also those of a single moment.

    >>> temporal_iou(np.array([0]), np.array([10]), np.array([5]), np.array([15])).round(2).tolist()
    [0.33]
    """
    both = np.maximum(np.minimum(end, true_end) - np.maximum(start, true_start), 0)
    either = (end - start) + (true_end - true_start) - both
    same = ((start == true_start) & (end == true_end)).astype(np.float64)
    overlap: Float64Array = np.divide(both, either, out=same, where=either > 0)
    return overlap


def _richest(moments: Int64Array, earned: Int64Array) -> tuple[int, int]:
    """Return first and last position of the run that earns most, silence between its moments paid (Kadane)."""
    silence = _SILENCE * (moments - moments[0])
    total = np.cumsum(earned)
    begun = total - earned - silence  # what was earned before a run that begins here, and the silence up to it
    gain = total - silence - np.minimum.accumulate(begun)
    last = int(np.argmax(gain))
    before = begun[: last + 1]
    return int(np.flatnonzero(before == before.min())[-1]), last
