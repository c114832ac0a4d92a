"""The suspicious window of an account: the span of time in which it behaved most like a mule."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from muledetect.clock import HOUR
from muledetect.features import Shared, build_history
from muledetect.graph import Int64Array, Points, TransferGraph

Float64Array = npt.NDArray[np.float64]

#: Money that leaves within this time was passed through.
QUICK: Final = HOUR


def suspicious_windows(graph: TransferGraph, points: Points) -> tuple[Int64Array, Int64Array]:
    """Return first and last moment of the suspicious window of each point, int64[n_points], microseconds.

    Credits from first-ever payers, and debits that spend a credit (FIFO) of the hour before, weigh 1; every other
    transfer weighs -1. The window is the run of moments of largest total weight; of equal ones that which ends
    first, and of those the shortest. Where no transfer weighs 1, both are the point's `as_of`.
    Nothing at or after a point is read. O(history of each point).
    """
    start, end = points.as_of.copy(), points.as_of.copy()
    history = build_history(Shared(graph), points)
    into, out, pairs = history.incoming, history.outgoing, history.matches
    is_quick = np.zeros(len(out.time), dtype=np.bool_)
    is_quick[pairs.debit[out.time[pairs.debit] - into.time[pairs.credit] <= QUICK]] = True
    for row in range(len(points)):
        received, paid = slice(into.start[row], into.end[row]), slice(out.start[row], out.end[row])
        moments, place = np.unique(np.concatenate([into.time[received], out.time[paid]]), return_inverse=True)
        is_odd = np.concatenate([into.is_new[received], is_quick[paid]])
        weight = np.bincount(place, weights=np.where(is_odd, 1.0, -1.0), minlength=len(moments))
        if (weight > 0).any():
            first, last = _heaviest(weight.astype(np.float64))
            start[row], end[row] = moments[first], moments[last]
    return start, end


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


def _heaviest(weight: Float64Array) -> tuple[int, int]:
    """Return first and last position of the run of largest sum (Kadane); weights are whole, so sums are exact."""
    total = np.concatenate([[0.0], np.cumsum(weight)])
    gain = total[1:] - np.minimum.accumulate(total)[:-1]
    last = int(np.argmax(gain))
    before = total[: last + 1]
    return int(np.flatnonzero(before == before.min())[-1]), last
