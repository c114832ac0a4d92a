"""A ring is held together by links between its members."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from muledetect.rings.assemble import Found, _bound


def test_members_without_a_link_between_them_are_no_ring() -> None:
    account = np.array([3, 5, 7, 8], np.int32)
    ones, times = np.ones(4), np.arange(4)
    found = Found(account, np.array([1, 1, 0, 0]), ones, ones, ones > 0, ones, times, times + 1)
    inside = pa.table({"source": pa.array([3], pa.int32()), "target": pa.array([5], pa.int32()), "ring": [1]})
    kept, links = _bound(found, inside)
    assert kept.account.tolist() == [3, 5]
    assert kept.ring.tolist() == [0, 0]
    assert kept.begin.tolist() == [0, 1]
    assert links["ring"].to_pylist() == [0]
