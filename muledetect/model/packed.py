"""Trees packed into arrays: the score of a few rows in a fraction of the time that a call of LightGBM takes.

The sums are LightGBM's own, in its order, so the scores are equal bit for bit; a test holds both together.

No row is led from node to node. Each node asks all rows at once, and where its answer is no, the leaves to its left are
struck off; the first leaf that is left is the row's (Lucchese et al., "QuickScorer", SIGIR 2015). So many comparisons
side by side take less time than a few that wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numba
import numpy as np

from muledetect.arrays import AnyArray, Float32Array, Float64Array, Int32Array, Int64Array
from muledetect.model.tree_text import Tree, TreesText, read_trees

#: LightGBM takes numbers that are nearer to 0 for 0 (`kZeroThreshold`, a float32).
_ZERO: Final = np.float32(1e-35)

#: Where a row without value goes, see `tree_text`: 2 = as if it were 0, 8 = right, 10 = left.
_AS_ZERO, _LEFT = 2, 10

#: Rows that are asked side by side; their values fit the cache next to the core. Fewer rows take as long: one by one
#: they would take longer, for the processor cannot guess whether an answer is yes.
_ROWS: Final = 32

#: From so many rows on, packing pays for trees that are asked once.
MANY: Final = 4_096

#: Leaves of a part of a tree: one bit of a word each.
_WORD: Final = 32

#: A sequence in which each run of 5 bits stands once: the highest of its product with 2**k number k (de Bruijn).
_BRUIJN: Final = 0x077CB531

_MASK: Final = 0xFFFFFFFF


class PackedTrees(NamedTuple):
    """The trees of a bag. The leaves of a tree, from left to right, lie in parts of 32 each.

    Attributes
    ----------
    end : int64[n_boosters]
        Behind the last tree of each booster.
    part : int64[n_trees + 1]
        First part of each tree.
    test : int64[n_parts + 1]
        First test of each part: of the nodes that strike off leaves of it.
    column : int32[n_tests]
        Row of the values that the node asks: the column, or behind all columns, the column with the least number where
        there is none.
    threshold : float32[n_tests]
        Values up to it go left: the largest float32 that is not above that of the node.
    left : uint32[n_tests]
        Bits of the leaves of the part that are not to the left of the node.
    value : float64[n_parts, 32]
        Of leaf k, at `(_BRUIJN << k) % 2**32 >> 27`.
    """

    end: Int64Array
    part: Int64Array
    test: Int64Array
    column: Int32Array
    threshold: Float32Array
    left: AnyArray
    value: Float64Array

    def raw_scores(self, values: Float32Array) -> Float64Array:
        """Return the mean log-odds over the bag, float64[n_rows], as `trees.raw_scores`; one thread.

        Parameters
        ----------
        values : float32[n_rows, n_columns]
        """
        scores: Float64Array = _scores(values, *self)
        return scores / len(self.end)


@lru_cache(maxsize=4)
def packed_once(texts: tuple[TreesText, ...], n_columns: int) -> PackedTrees:
    """Return what `pack_trees` does; the trees that were asked for last are kept."""
    return pack_trees(texts, n_columns)


def pack_trees(texts: Sequence[TreesText], n_columns: int) -> PackedTrees:
    """Return the trees of some boosters on `n_columns` columns as arrays. O(their length)."""
    bag = [read_trees(text) for text in texts]
    part, test, value = [0], [0], []
    column, threshold, left = [], [], []
    for tree in (tree for trees in bag for tree in trees):
        order, spans = _from_left(tree)
        n_parts = -(-len(order) // _WORD)
        for first in range(0, len(order), _WORD):
            leaves = np.zeros(_WORD)
            for k, leaf in enumerate(order[first : first + _WORD]):
                leaves[(_BRUIJN << k & _MASK) >> 27] = tree["leaf_value"][leaf]
            value.append(leaves)
            for node, (low, high) in spans.items():
                low, high = max(low - first, 0), min(high - first, _WORD)  # noqa: PLW2901
                if low < high:
                    column.append(tree["split_feature"][node] + n_columns * _is_nan_left(tree, node))
                    threshold.append(tree["threshold"][node])
                    left.append(_MASK ^ ((1 << high) - (1 << low)))
            test.append(len(column))
        part.append(part[-1] + n_parts)
    return PackedTrees(
        end=np.cumsum([len(trees) for trees in bag]),
        part=np.array(part),
        test=np.array(test),
        column=np.array(column, np.int32),
        threshold=_rounded_down(np.array(threshold, np.float64)),
        left=np.array(left, np.uint32),
        value=np.array(value),
    )


def _is_nan_left(tree: Tree, node: int) -> bool:
    decision = tree["decision_type"][node]
    return decision == _LEFT or (decision == _AS_ZERO and tree["threshold"][node] >= 0)


def _from_left(tree: Tree) -> tuple[list[int], dict[int, tuple[int, int]]]:
    """Return the leaves of a tree from left to right, and which of them, from and to, lie to the left of each node."""
    order, spans = list[int](), dict[int, tuple[int, int]]()
    # a node comes twice: before the leaves to its left, and behind them
    waiting = [(0 if tree["left_child"] else -1, -1)]
    while waiting:
        node, low = waiting.pop()
        if node < 0:
            order.append(-1 - node)
        elif low < 0:
            waiting += [(node, len(order)), (int(tree["left_child"][node]), -1)]
        else:
            spans[node] = low, len(order)
            waiting.append((int(tree["right_child"][node]), -1))
    return order, spans


def _rounded_down(values: Float64Array) -> Float32Array:
    """Return the largest float32 that is not above each value: float32 numbers are up to the one if up to the other."""
    with np.errstate(over="ignore"):
        near = values.astype(np.float32)
    return np.where(near > values, np.nextafter(near, np.float32(-np.inf)), near)


@numba.njit(cache=True, nogil=True)
def _scores(values, end, part, test, column, threshold, left, value):  # type: ignore[no-untyped-def]
    """Return the sums over the bag: first those of each booster, tree after tree, then those of the boosters."""
    n_rows, n_columns = values.shape
    scores = np.zeros(n_rows)
    asked = np.empty((2 * n_columns, _ROWS), np.float32)
    word, place = np.empty(_ROWS, np.uint32), np.empty(_ROWS, np.int64)
    for low in range(0, n_rows, _ROWS):
        n, first = min(_ROWS, n_rows - low), 0
        _turn(values, low, n, asked)
        for b in range(len(end)):
            summed = np.zeros(_ROWS)
            for t in range(first, end[b]):
                for w in range(part[t + 1] - 1, part[t] - 1, -1):
                    _strike(asked, test[w], test[w + 1], column, threshold, left, word)
                    for i in range(n):
                        lowest = np.int64(word[i]) & -np.int64(word[i])
                        at = ((lowest * _BRUIJN) & _MASK) >> 27
                        if lowest != 0:  # leaves of an earlier part stand further to the left
                            place[i] = w * _WORD + at
                for i in range(n):
                    summed[i] += value[place[i] // _WORD, place[i] % _WORD]
            first = end[b]
            for i in range(n):
                scores[low + i] += summed[i]
    return scores


@numba.njit(cache=True, nogil=True)
def _turn(values, low, n, asked) -> None:  # type: ignore[no-untyped-def]
    """Write some rows as columns, as LightGBM reads them, and below with the least number where there is none."""
    n_columns = values.shape[1]
    for i in range(n):
        for c in range(n_columns):
            x = values[low + i, c]
            x = np.float32(0) if abs(x) <= _ZERO else x
            asked[c, i], asked[n_columns + c, i] = x, x if x == x else np.float32(-np.inf)  # noqa: PLR0124
    asked[:, n:] = 0


@numba.njit(cache=True, nogil=True)
def _strike(asked, first, last, column, threshold, left, word) -> None:  # type: ignore[no-untyped-def]
    """Write which leaves of a part are left of each row, a bit each. A fixed number of rows would unroll the loops."""
    n = len(word)
    for i in range(n):
        word[i] = np.uint32(_MASK)
    for e in range(first, last):
        of_column, most, kept = asked[column[e]], threshold[e], left[e]
        for i in range(n):
            word[i] = word[i] if of_column[i] <= most else word[i] & kept
