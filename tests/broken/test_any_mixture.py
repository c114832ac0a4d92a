"""Any mixture of good and bad rows: none is lost, and neither their order nor the file split changes what is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.graph import build_graph
from muledetect.records import Dataset, read_dataset

pytestmark = pytest.mark.slow

COLUMNS = ("transfer_id", "time", "source", "target", "amount", "currency", "channel", "status", "reversal_of")

#: Few ids and times, so that duplicates, conflicts, reversals and simultaneous transfers are frequent.
ROWS = st.fixed_dictionaries(
    {
        "transfer_id": st.sampled_from(["t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", None, ""]),
        "time": st.sampled_from(
            [
                "2025-03-01T09:00:00Z",
                "2025-03-01T16:00:00+07:00",
                "2025-03-02T00:00:01Z",
                "2568-03-01T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "yesterday",
                None,
            ]
        ),
        "source": st.sampled_from(["007", "8", "บัญชี", None]),
        "target": st.sampled_from(["007", "8", "9"]),
        "amount": st.sampled_from(["1", "250", "-5", "0", "many", "9" * 20, None, "+7"]),
        "currency": st.sampled_from(["THB", "THB", "THB", "USD", "BAHT", None]),
        "channel": st.sampled_from(["card", None, "pigeon"]),
        "status": st.sampled_from(["settled", None, "returned", "rejected"]),
        "reversal_of": st.sampled_from([None, None, None, "t1", "t2", "t99"]),
    }
)
#: A row that reads as it should, so that no mixture is refused for having Buddhist years only.
GOOD = dict.fromkeys(COLUMNS) | {
    "time": "2025-03-03T00:00:00Z", "source": "8", "target": "9", "amount": "5",
}  # fmt: skip
MIXTURES = st.lists(ROWS, max_size=14)


def with_good(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*rows, *(GOOD | {"transfer_id": f"g{i}"} for i in range(len(rows) + 1))]


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in COLUMNS})


def read(source: Any) -> Dataset:
    return read_dataset(source, now="2025-06-01", currency="THB")


def same(one: Dataset, other: Dataset) -> bool:
    graphs = build_graph(one), build_graph(other)
    arrays = [(g.time, g.source, g.target, g.amount, *g.outgoing, *g.incoming) for g in graphs]
    return (
        one.transfers == other.transfers
        and one.account_ids == other.account_ids
        and one.fingerprint == other.fingerprint
        and one.tick == other.tick
        and all(np.array_equal(left, right) for left, right in zip(*arrays, strict=True))
    )


@given(MIXTURES)
@settings(deadline=None)
def test_rows_read_are_rows_accepted_plus_rows_left_out(rows: list[dict[str, Any]]) -> None:
    table = table_of(with_good(rows))
    dataset = read({"transfers": table})
    assert dataset.rows_read["transfers"] == table.num_rows
    assert dataset.transfers.num_rows + dataset.rejects.num_rows == table.num_rows
    places = dataset.rejects["row"].to_pylist()
    assert len(set(places)) == len(places)
    # what is accepted is what was not left out: the ids say so, up to the copy kept of equal rows
    kept = {table["transfer_id"][row].as_py() for row in set(range(table.num_rows)) - set(places)}
    assert set(dataset.transfers["transfer_id"].to_pylist()) == kept


@given(MIXTURES.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(with_good(rows)))))
@settings(deadline=None)
def test_the_order_of_rows_changes_nothing(case: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    rows, shuffled = case
    assert same(read({"transfers": table_of(with_good(rows))}), read({"transfers": table_of(shuffled)}))


@given(MIXTURES, st.data())
@settings(deadline=None, max_examples=40)
def test_the_split_into_files_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    table = table_of(with_good(rows))
    whole = read({"transfers": table})
    places = sorted(data.draw(st.lists(st.integers(0, table.num_rows), max_size=3)))
    folder: Path = tmp_path_factory.mktemp("split") / "transfers"
    folder.mkdir()
    for part, (start, stop) in enumerate(zip([0, *places], [*places, table.num_rows], strict=True)):
        pq.write_table(table.slice(start, stop - start), folder / f"{part}.parquet")
    split = read(folder.parent)
    assert same(whole, split)
    assert split.rejects == whole.rejects
