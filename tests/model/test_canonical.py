"""Groups that only names tell apart are one group where folds of neighbours are dealt."""

from __future__ import annotations

import numpy as np

from muledetect.model.canonical import group_folds, join_alike, row_hashes


def test_groups_of_equal_content_share_a_fold_whatever_their_numbers() -> None:
    # 40 groups of one row each: 30 accounts that never moved money are alike
    values = np.zeros((40, 2), np.float32)
    values[:10, 0] = np.arange(1, 11)
    hashes, group, positive = row_hashes(values), np.arange(40), np.arange(40) % 10 == 0
    joined = join_alike(group, hashes)
    assert len(np.unique(joined)) == 11
    assert len(np.unique(joined[10:])) == 1
    turned = np.random.default_rng(0).permutation(40)
    folds = [
        group_folds(np.unique(codes, return_inverse=True)[1], row_hashes(rows), sought, 4)
        for codes, rows, sought in (
            (joined, values, positive),
            (join_alike(group, row_hashes(values[turned])), values[turned], positive[turned]),
        )
    ]
    assert np.array_equal(folds[0][turned], folds[1])


def test_groups_of_several_rows_are_alike_only_as_a_whole() -> None:
    values = np.array([[1], [2], [2], [1], [1], [1]], np.float32)
    joined = join_alike(np.array([0, 0, 1, 1, 2, 2]), row_hashes(values))
    assert joined[0] == joined[2]
    assert joined[0] != joined[4]
