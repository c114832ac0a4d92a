"""Random streams, shuffled numbers and samples depend on their names and numbers only."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.simulation.streams import hash_uniform, shuffled_number, stream
from muledetect.simulation.table_writer import Sample


def test_streams_of_other_names_or_numbers_differ() -> None:
    first = stream(1, "rents").integers(0, 2**60, 3).tolist()
    assert first == stream(1, "rents").integers(0, 2**60, 3).tolist()
    for other in (stream(1, "rents", 1), stream(2, "rents"), stream(1, "bills")):
        assert first != other.integers(0, 2**60, 3).tolist()


def test_shuffled_numbers_are_distinct_have_ten_digits_and_tell_no_order() -> None:
    counters = np.concatenate([np.arange(200_000), 10**10 - 1 - np.arange(1000)])
    shuffled = shuffled_number(counters, 1, 7)
    assert len(np.unique(shuffled)) == len(counters)
    assert shuffled.min() >= 0
    assert shuffled.max() < 10**10
    assert abs(np.corrcoef(counters[:200_000], shuffled[:200_000])[0, 1]) < 0.01
    assert (shuffled_number(counters, 1, 8) != shuffled).mean() > 0.99


def test_shuffled_numbers_do_not_depend_on_the_batch() -> None:
    whole = shuffled_number(np.arange(5000), 3)
    parts = [shuffled_number(np.arange(first, first + 500), 3) for first in range(0, 5000, 500)]
    assert np.array_equal(whole, np.concatenate(parts))


def test_chances_are_even_and_belong_to_their_key() -> None:
    drawn = hash_uniform(np.arange(20_000), 5)
    assert abs(drawn.mean() - 0.5) < 0.01
    assert np.array_equal(drawn[:10], hash_uniform(np.arange(10), 5))


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(0, 2**40))
def test_a_sample_is_the_same_however_the_stream_is_cut(size: int, cuts: list[int], seed: int) -> None:
    number = np.arange(sum(cuts))
    whole = Sample(size, seed)
    whole.offer({"number": number, "value": number * 7})
    pieces = Sample(size, seed)
    for part in np.split(number, np.cumsum(cuts)[:-1]):
        pieces.offer({"number": part, "value": part * 7})
    assert sorted(whole.rows["number"].tolist()) == sorted(pieces.rows["number"].tolist())
    assert (pieces.rows["value"] == pieces.rows["number"] * 7).all()
    assert len(pieces.rows["number"]) == min(size, len(number))


def test_a_sample_is_even() -> None:
    sample = Sample(2000, 1)
    for first in range(0, 20_000, 700):
        sample.offer({"number": np.arange(first, min(first + 700, 20_000))})
    counts = np.histogram(sample.rows["number"], bins=4, range=(0, 20_000))[0]
    assert (np.abs(counts - 500) < 100).all()
