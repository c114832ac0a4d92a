"""Functions over arrays that everything else uses."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from muledetect.arrays import distinct


@given(st.lists(st.integers(-100, 100) | st.integers(-(2**31), 2**31 - 1)), st.sampled_from(["int32", "int64"]))
def test_distinct_numbers_are_those_of_numpy_in_the_same_type(values: list[int], kind: str) -> None:
    numbers = np.array(values, kind)
    found = distinct(numbers)
    assert found.dtype == numbers.dtype
    assert found.tolist() == np.unique(numbers).tolist()


def test_distinct_numbers_of_many_that_lie_close_are_those_of_numpy() -> None:
    many = np.random.default_rng(0).integers(-50, 900, 5_000)
    assert distinct(many).tolist() == np.unique(many).tolist()
