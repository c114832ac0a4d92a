"""Money as text is exact for every amount that is believed, in minor and in whole units."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muledetect.records import Dataset, read_dataset

AMOUNTS = st.lists(st.integers(1, 10**15), min_size=1, max_size=30)


def read(amounts: pa.Array, **options: str) -> Dataset:
    n = len(amounts)
    columns = {"time": ["2025-03-01T09:30:00Z"] * n, "source": ["a"] * n, "target": ["b"] * n, "amount": amounts}
    return read_dataset({"transfers": pa.table({"transfer_id": [f"t{i}" for i in range(n)], **columns})}, **options)


@given(AMOUNTS)
@pytest.mark.slow
def test_minor_units_as_text_are_exact(amounts: list[int]) -> None:
    assert sorted(_amounts(read(pa.array([str(amount) for amount in amounts])))) == sorted(amounts)


def _amounts(dataset: Dataset) -> list[int]:
    amounts: list[int] = dataset.transfers["amount"].to_pylist()
    return amounts


@given(AMOUNTS)
@pytest.mark.slow
def test_whole_units_as_text_and_as_decimals_are_exact(amounts: list[int]) -> None:
    whole = [Decimal(amount) / 100 for amount in amounts]
    texts = pa.array([f"{amount:.2f}" for amount in whole])
    assert sorted(_amounts(read(texts, money="major", currency="THB"))) == sorted(amounts)
    assert sorted(_amounts(read(pa.array(whole, pa.decimal128(30, 9)), money="major", currency="THB"))) == sorted(
        amounts
    )


@pytest.mark.parametrize("text", ["10000000000000.01", "99999999999999999999", "9" * 24])
def test_amounts_beyond_belief_are_rejected_as_such(text: str) -> None:
    dataset = read(pa.array([text, "5.00"]), money="major", currency="THB")
    assert _amounts(dataset) == [500]
    assert dataset.rejects["reason"].to_pylist() == ["amount too large"]
