"""Layouts: columns from left to right, neighbours beside each other, bars and bands as large as the money."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from muledetect.reports.layout import flow_bands, lay_out, order_columns


def test_accounts_stand_beside_those_they_pay() -> None:
    # victims 0, 1 pay 3, 2: crossed in the order of the input
    column = np.array([0, 0, 1, 1])
    place = order_columns(column, np.array([0, 1]), np.array([3, 2]), np.array([5.0, 5.0]))
    assert place[0] == place[3]
    assert place[1] == place[2]


def test_a_tall_column_is_folded_and_every_account_has_a_place_of_its_own() -> None:
    column = np.repeat([0, 1, 2], [3, 100, 2])
    none = np.zeros(0, np.int64)
    x, y = lay_out(column, none, none, np.zeros(0), most_rows=10)
    assert len(set(zip(x.tolist(), y.tolist(), strict=True))) == 105
    assert x[column == 0].max() < x[column == 1].min()
    assert x[column == 1].max() < x[column == 2].min()
    assert np.ptp(y) <= 9


def test_bars_and_bands_are_as_large_as_the_money() -> None:
    # 0 pays 100 to 1 and 300 to 2; both pay all to 3
    column = np.array([0, 1, 1, 2])
    source, target, amount = np.array([0, 0, 1, 2]), np.array([1, 2, 3, 3]), np.array([100, 300, 100, 300])
    bands = flow_bands(column, source, target, amount)
    np.testing.assert_allclose(bands.height / bands.height[0], [1, 0.25, 0.75, 1])
    np.testing.assert_allclose(bands.width / bands.width[0], [1, 3, 1, 3])
    assert bands.left.tolist() == sorted(bands.left.tolist())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 10**15)), max_size=30))
def test_bands_stay_within_their_bars_and_bars_do_not_overlap(flows: list[tuple[int, int, int]]) -> None:
    flows = [flow for flow in flows if flow[0] != flow[1]]
    column = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 3])
    source, target, amount = (np.array([flow[k] for flow in flows], np.int64) for k in range(3))
    bands = flow_bands(column, source, target, amount)
    for end, y in ((source, bands.from_y), (target, bands.to_y)):
        assert (y - bands.width / 2 >= bands.top[end] - 1e-9).all()
        assert (y + bands.width / 2 <= (bands.top + bands.height)[end] + 1e-9).all()
    for name in range(4):
        members = np.flatnonzero(column == name)
        ranked = members[np.argsort(bands.top[members])]
        assert (np.diff(bands.top[ranked]) >= bands.height[ranked][:-1] - 1e-9).all()
    assert (bands.top >= -1e-9).all()
    assert (bands.top + bands.height <= 1 + 1e-9).all()
