"""Trees packed into arrays: the score of a few rows in a fraction of the time that a call of LightGBM takes.

The sums are LightGBM's own, in its order, so the scores are equal bit for bit; a test holds both together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numba
import numpy as np

from muledetect.arrays import AnyArray, BoolArray, Float32Array, Float64Array, Int32Array, Int64Array
from muledetect.model.tree_text import Tree, TreesText, depth_of, read_trees

#: LightGBM takes numbers that are nearer to 0 for 0 (`kZeroThreshold`, a float32).
_ZERO: Final = float(np.float32(1e-35))

#: Where a row without value goes, see `tree_text`: 2 = as if it were 0, 8 = right, 10 = left.
_AS_ZERO, _LEFT = 2, 10

#: Rows that go through a tree side by side; their values fit the cache next to the core.
_ROWS: Final = 32


class PackedTrees(NamedTuple):
    """The trees of a bag. Their nodes and leaves are numbered together; both children of a leaf are the leaf itself.

    Attributes
    ----------
    root : int32[n_trees]
    depth : int64[n_trees]
        Steps from the root to the farthest leaf.
    end : int64[n_boosters]
        Behind the last tree of each booster.
    column : int32[n_nodes]
    threshold : float64[n_nodes]
        Values up to it go left.
    is_nan_left : bool[n_nodes]
    child : int32[n_nodes, 2]
        Right and left.
    value : float64[n_nodes]
        Of a leaf.
    """

    root: Int32Array
    depth: Int64Array
    end: Int64Array
    column: Int32Array
    threshold: Float64Array
    is_nan_left: BoolArray
    child: Int32Array
    value: Float64Array

    def raw_scores(self, values: Float32Array) -> Float64Array:
        """Return the mean log-odds over the bag, float64[n_rows], as `trees.raw_scores`; one thread.

        Parameters
        ----------
        values : float32[n_rows, n_columns]
        """
        wide = values.astype(np.float64)
        wide[np.abs(wide) <= _ZERO] = 0.0
        scores: Float64Array = _scores(wide, *self)
        return scores / len(self.end)


def pack_trees(texts: Sequence[TreesText]) -> PackedTrees:
    """Return the trees of some boosters as arrays. O(their length)."""
    bag = [read_trees(text) for text in texts]
    every = [tree for trees in bag for tree in trees]
    n_splits = np.array([len(tree["left_child"]) for tree in every])
    root = np.cumsum(2 * n_splits + 1) - (2 * n_splits + 1)
    threshold, decision = _spread(every, "threshold", np.float64), _spread(every, "decision_type", np.int64)
    return PackedTrees(
        root=root.astype(np.int32),
        depth=np.array([depth_of(tree) for tree in every]),
        end=np.cumsum([len(trees) for trees in bag]),
        column=_spread(every, "split_feature", np.int32),
        threshold=threshold,
        is_nan_left=(decision == _LEFT) | ((decision == _AS_ZERO) & (threshold >= 0)),
        child=np.concatenate([_children(tree) + first for tree, first in zip(every, root, strict=True)]).astype(
            np.int32
        ),
        value=np.concatenate([[0.0] * n + list(tree["leaf_value"]) for tree, n in zip(every, n_splits, strict=True)]),
    )


def _children(tree: Tree) -> AnyArray:
    """Return the children of a tree's nodes and then of its leaves, whose places follow those of the nodes."""
    both = np.array([tree["right_child"], tree["left_child"]], np.int64).T
    n = len(both)
    leaves = np.repeat(np.arange(n, 2 * n + 1)[:, None], 2, axis=1)
    return np.concatenate([np.where(both < 0, n - 1 - both, both), leaves])


def _spread(trees: Sequence[Tree], key: str, kind: Any) -> Any:
    """Return numbers of all nodes, 0 for leaves."""
    return np.array([number for tree in trees for number in (*tree[key], *[0] * (len(tree[key]) + 1))], kind)


@numba.njit(cache=True, nogil=True)
def _scores(values, root, depth, end, column, threshold, is_nan_left, child, value):  # type: ignore[no-untyped-def]
    """Return the sums over the bag: first those of each booster, tree after tree, then those of the boosters.

    All rows go down as far as the farthest leaf, so that no step depends on where another row is: what a row costs is
    a few loads a step, and never a wrong guess of the processor.
    """
    scores, node = np.zeros(len(values)), np.empty(_ROWS, np.int32)
    for low in range(0, len(values), _ROWS):
        n, first = min(_ROWS, len(values) - low), 0
        for b in range(len(end)):
            summed = np.zeros(_ROWS)
            for t in range(first, end[b]):
                for i in range(n):
                    node[i] = root[t]
                for _ in range(depth[t]):
                    for i in range(n):
                        k = node[i]
                        x = values[low + i, column[k]]
                        is_left = (x <= threshold[k]) | (is_nan_left[k] & (x != x))  # noqa: PLR0124
                        node[i] = child[k, np.int64(is_left)]
                for i in range(n):
                    summed[i] += value[node[i]]
            first = end[b]
            for i in range(n):
                scores[low + i] += summed[i]
    return scores
