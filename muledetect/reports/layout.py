"""Where accounts and flows of money are drawn: columns from the victims over the layers to the exits, left to right.

One layout serves the pages and the plots. It depends on the money and on nothing else: no chance, no names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

#: More accounts than this in a column stand in several rows side by side.
MOST_ROWS: Final = 36
#: Sweeps over the columns; the order hardly changes after the second.
_SWEEPS: Final = 4
#: Share of a flow drawing's height that lies between accounts, and of its width that a bar takes.
_GAPS: Final = 0.22
_BAR: Final = 0.018


@dataclass(frozen=True, eq=False)
class FlowBands:
    """A flow drawing in a square of side 1, y downwards.

    Attributes
    ----------
    left, top, height : float64[n_nodes]
        Bars of the accounts, `BAR` wide.
    from_y, to_y, width : float64[n_flows]
        Where the middle of each band leaves and arrives, and its thickness.
    bar : float
        Width of a bar.
    """

    left: Float64Array
    top: Float64Array
    height: Float64Array
    from_y: Float64Array
    to_y: Float64Array
    width: Float64Array
    bar: float = _BAR


def order_columns(column: Int64Array, source: Int64Array, target: Int64Array, weight: Float64Array) -> Int64Array:
    """Return the place of each account within its column, from 0 at the top.

    Accounts stand beside those that they share most money with: each column is ordered by the weighted mean place of
    its counterparties in other columns, sweeping to and fro (the barycentre rule of Sugiyama, Tagawa and Toda, 1981).
    Accounts of equal mean keep the order of the input. `weight` is money, above 0.
    O(sweeps * (flows + accounts log accounts)).
    """
    n = len(column)
    middle = np.zeros(n)
    for name in np.unique(column):
        members = np.flatnonzero(column == name)
        middle[members] = (np.arange(len(members)) + 0.5) / len(members)
    crosses = column[source] != column[target]
    ends = np.concatenate([source[crosses], target[crosses]])
    others = np.concatenate([target[crosses], source[crosses]])
    pull = np.concatenate([weight[crosses], weight[crosses]]).astype(np.float64)
    total = np.bincount(ends, weights=pull, minlength=n)
    names = np.unique(column)
    for sweep in range(_SWEEPS):
        for name in names if sweep % 2 == 0 else names[::-1]:
            members = np.flatnonzero(column == name)
            drawn = np.bincount(ends, weights=pull * middle[others], minlength=n)
            wanted = np.where(total > 0, drawn / np.maximum(total, 1e-300), middle)[members]
            ranked = members[np.argsort(wanted, kind="stable")]
            middle[ranked] = (np.arange(len(ranked)) + 0.5) / len(ranked)
    place = np.zeros(n, np.int64)
    for name in names:
        members = np.flatnonzero(column == name)
        place[members[np.argsort(middle[members], kind="stable")]] = np.arange(len(members))
    return place


def lay_out(
    column: Int64Array,
    source: Int64Array,
    target: Int64Array,
    weight: Float64Array,
    *,
    most_rows: int = MOST_ROWS,
) -> tuple[Float64Array, Float64Array]:
    """Return x and y of each account of a network, one unit between neighbours in a column, y downwards.

    Columns stand from left to right in ascending order of `column`, four units apart; one of more than `most_rows`
    accounts is folded into several rows side by side. Each is centred on y = 0. See `order_columns`.
    """
    x, y = np.zeros(len(column)), np.zeros(len(column))
    place = order_columns(column, source, target, weight)
    left = 0.0
    for name in np.unique(column):
        members = np.flatnonzero(column == name)
        n_rows = -(-len(members) // most_rows)
        tall = -(-len(members) // n_rows)
        x[members] = left + place[members] // tall * 1.4
        last = np.minimum(tall, len(members) - place[members] // tall * tall)
        y[members] = place[members] % tall - (last - 1) / 2
        left += (n_rows - 1) * 1.4 + 4.0
    return x, y


def flow_bands(column: Int64Array, source: Int64Array, target: Int64Array, amount: Int64Array) -> FlowBands:
    """Return a flow (Sankey) drawing: bars as tall as the money that came in or went out, bands as thick as the flow.

    `source` and `target` are positions of accounts in different columns, `amount` is above 0. One scale for all
    columns: the largest fills the height but for the gaps. Bands leave and arrive in the order of their other ends, so
    they cross as little as the columns' order allows. O(flows log flows).
    """
    n, money = len(column), amount.astype(np.float64)
    size = np.maximum(np.bincount(source, weights=money, minlength=n), np.bincount(target, weights=money, minlength=n))
    place = order_columns(column, source, target, money)
    names, number = np.unique(column, return_inverse=True)
    columns = [np.flatnonzero(number == k)[np.argsort(place[number == k])] for k in range(len(names))]
    largest = max((size[members].sum() for members in columns), default=0.0)
    scale = (1 - _GAPS) / largest if largest > 0 else 0.0
    height, top = size * scale, np.zeros(n)
    for members in columns:
        gap = _GAPS / max(len(members) - 1, 1) if len(members) > 8 else min(0.03, _GAPS)
        taken = height[members].sum() + gap * (len(members) - 1)
        top[members] = (1 - taken) / 2 + np.cumsum(np.append(0.0, height[members][:-1] + gap))
    left = number / max(len(names) - 1, 1) * (1 - _BAR)
    width = money * scale
    middle = top + height / 2
    return FlowBands(
        left, top, height, _stack(source, middle[target], width, top), _stack(target, middle[source], width, top), width
    )


def _stack(end: Int64Array, other: Float64Array, width: Float64Array, top: Float64Array) -> Float64Array:
    """Return the middle of each band where it meets its account, bands stacked by the height of their other end."""
    order = np.lexsort((np.arange(len(end)), other, end))
    ends, widths = end[order], width[order]
    begins = np.append(True, ends[1:] != ends[:-1])[: len(ends)]
    total = np.cumsum(widths) - widths
    first = np.maximum.accumulate(np.where(begins, np.arange(len(ends)), 0))
    middle = np.zeros(len(end))
    middle[order] = top[ends] + total - total[first] + widths / 2
    return middle
