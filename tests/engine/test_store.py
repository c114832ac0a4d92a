"""A store holds the data set that `read_dataset` gives, whatever the data set is."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect import engine, pipeline
from muledetect.errors import DataError, MuleDetectError, OptionError
from muledetect.graph import build_graph
from muledetect.records import Dataset, read_dataset
from muledetect.records.stored import digest_of
from muledetect.simulation import simulate, world_config, write_world

NOW = "2026-01-01"


def assert_same(stored: Dataset, read: Dataset) -> None:
    assert list(stored.tables) == list(read.tables)
    for name, table in read.tables.items():
        assert stored.tables[name].schema == table.schema
        for column in table.column_names:
            assert stored.tables[name][column].equals(table[column]), (name, column)
    assert stored.account_ids.equals(read.account_ids)
    assert stored.rejects.equals(read.rejects)
    assert stored.rejects.schema == read.rejects.schema
    assert stored.findings == read.findings
    assert dict(stored.rows_read) == dict(read.rows_read)
    assert (stored.currency, stored.tick, stored.fingerprint) == (read.currency, read.tick, read.fingerprint)


def compare(source: Any, folder: Path, **reading: Any) -> engine.Store:
    """Hold the store of a data set against the data set."""
    store = engine.prepare(source, folder, now=NOW, **reading)
    assert_same(store.dataset, read_dataset(source, now=NOW, **reading))
    return store


def rows(*cells: tuple[str, str, str, str, int], **more: Any) -> dict[str, pa.Table]:
    """Return transfers of (id, time, source, target, amount), and more columns."""
    names = ("transfer_id", "time", "source", "target", "amount")
    columns = {name: [row[place] for row in cells] for place, name in enumerate(names)}
    return {"transfers": pa.table(columns | more)}


@pytest.mark.slow
def test_the_store_of_the_sample_is_the_sample(tmp_path: Path) -> None:
    store = compare(Path("data/sample"), tmp_path / "store")
    store.verify()
    assert read_dataset(tmp_path / "store").fingerprint == store.header.fingerprint


@pytest.mark.slow
def test_the_store_of_a_simulated_world_is_the_world(tmp_path: Path) -> None:
    write_world(world_config("hard", n_accounts=700, n_days=60, seed=5), tmp_path / "world")
    compare(tmp_path / "world", tmp_path / "store")


def test_repeats_pairs_reversals_and_statuses_are_judged_as_in_memory(tmp_path: Path) -> None:
    good = [(f"t{i}", f"2025-03-0{1 + i % 5}T09:0{i % 7}:30Z", f"a{i % 3}", f"b{i % 4}", 100 + i) for i in range(20)]
    again = [good[4], good[4], ("t5", *good[5][1:4], 999), good[3]]
    back = [("r1", "2025-03-06T10:00:00Z", "b1", "a1", 50), ("r2", "2025-03-06T11:00:00Z", "a2", "b2", 102)]
    odd = [("r3", "2025-03-06T12:00:00Z", "x", "y", 9), ("r4", "2025-03-06T12:00:00Z", "x", "y", 9)]
    of = [None] * 24 + ["t1", "t2", "t3", "gone"]
    status = [{6: "rejected", 7: None}.get(i, "settled") for i in range(28)]
    balances = [None if i % 2 else 1000 + i for i in range(20)] + [1004, 1004, 7, 1005] + [None] * 4
    channels = ["p2p_proxy"] * 24 + ["reversal", "other", None, None]
    banks = ["x" if i % 2 else None for i in range(20)] + [None, None, "x", "x"] + ["y", "z", "z", None]
    given_ = rows(
        *good, *again, *back, *odd, reversal_of=of, status=status, channel=channels,
        source_balance_after=pa.array(balances, pa.int64()), source_bank=banks,
    )  # fmt: skip
    store = compare(given_, tmp_path / "store")
    left = set(store.dataset.rejects["reason"].to_pylist())
    assert left == {
        "duplicate id with different content", "exact duplicate", "debit and credit rows paired",
        "reversal between other accounts", "transfer did not settle",
    }  # fmt: skip


def test_ids_that_are_spelt_in_two_ways_are_joined_as_in_memory(tmp_path: Path) -> None:
    given_ = rows(
        ("1", "2025-03-01T09:00:00Z", "DE44 1002", "77.0", 5),
        ("2", "2025-03-01T08:00:00Z", "DE441002", "77", 6),
        ("3", "2025-03-01T08:00:00Z", "　DE441002", "12", 6),
        ("3", "2025-03-01T08:00:00Z", "DE441002", "12", 6),
        reversal_of=[None, None, None, None],
    )
    accounts = pa.table({"account_id": ["77", "9"], "opened_at": pa.array([None, None], pa.timestamp("us", "UTC"))})
    compare(given_ | {"accounts": accounts}, tmp_path / "store")


def test_columns_outside_the_contract_keep_their_types_and_names(tmp_path: Path) -> None:
    moments = pa.array([3, 1, 2])
    extra = {
        "Amount": pa.array([1, None, 3], pa.int16()),
        "month": pa.array(["x", "y\0z", None]),
        "input_row": pa.array([1.5, -0.0, None]),
        "n": moments.cast(pa.timestamp("us", "Asia/Bangkok")),
        "h": moments.cast(pa.timestamp("ns")),
        "dec": pa.array([Decimal("1.10"), None, Decimal("2.00")], pa.decimal128(20, 2)),
        "list": pa.array([[1], None, []], pa.list_(pa.int32())),
        "coded": pa.array(["u", "v", "u"]).dictionary_encode(),
        "quote\"'": pa.array([True, None, False]),
        "nothing": pa.nulls(3),
    }
    given_ = rows(
        ("1", "2025-03-03T09:00:00Z", "a", "b", 5), ("2", "2025-03-02T08:00:00Z", "b", "c", 6),
        ("3", "2025-03-01T08:00:00Z", "c", "a", 6), **extra,
    )  # fmt: skip
    compare(given_, tmp_path / "store")


def test_a_store_without_rows_is_like_a_data_set_without_rows(tmp_path: Path) -> None:
    compare(rows(("1", "2025-03-03T09:00:00Z", "a", "b", -5)), tmp_path / "rejected")
    empty = pa.table(
        {name: pa.array([], pa.string()) for name in ("transfer_id", "time", "source", "target", "amount")}
    )
    compare({"transfers": empty}, tmp_path / "empty")


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 12), st.integers(0, 3), st.integers(0, 4), st.integers(0, 4), st.integers(0, 3),
            st.sampled_from([None, 0, 1, 2, 3]), st.sampled_from([None, "settled", "rejected"]),
            st.sampled_from([None, 5, 6]),
        ),
        max_size=60,
    )
)  # fmt: skip
def test_any_mixture_of_rows_gives_the_same_data_set(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[Any]
) -> None:
    cells = [
        (f"t{i}", f"2025-03-01T09:0{minute}:00Z", f"a{s}", f"a{t}", amount) for i, minute, s, t, amount, *_ in drawn
    ]
    given_ = rows(
        *cells,
        reversal_of=pa.array([None if row[5] is None else f"t{row[5]}" for row in drawn], pa.string()),
        status=pa.array([row[6] for row in drawn], pa.string()),
        target_balance_after=pa.array([row[7] for row in drawn], pa.int64()),
    )
    source = {
        name: table
        if len(table)
        else table.cast(
            pa.schema([(f.name, pa.string() if pa.types.is_null(f.type) else f.type) for f in table.schema])
        )
        for name, table in given_.items()
    }
    compare(source, tmp_path_factory.mktemp("any") / "store")


def test_many_rows_of_few_moments_are_in_canonical_order_over_files_and_days(tmp_path: Path) -> None:
    n, draw = 30_000, np.random.default_rng(3)
    table = pa.table(
        {
            "transfer_id": [f"t{i:05d}" for i in draw.permutation(n)],
            "time": pa.array(1_740_000_000_000_000 + draw.integers(0, 40, n) * 43_200_000_000).cast(
                pa.timestamp("us", "UTC")
            ),
            "source": [f"a{i}" for i in draw.integers(0, 50, n)],
            "target": [f"a{i}" for i in draw.integers(0, 2000, n)],
            "amount": draw.integers(1, 4, n),
            "session_id": [f"s{i}" for i in draw.integers(0, n, n)],
        }
    )
    store = compare({"transfers": table}, tmp_path / "store")
    written = pq.read_table(tmp_path / "store" / "transfers")
    assert len(written) == n
    order = [
        ("time", "ascending"),
        ("source", "ascending"),
        ("target", "ascending"),
        ("amount", "ascending"),
        ("transfer_id", "ascending"),
    ]
    ids = written.sort_by(order)["transfer_id"]
    assert ids.equals(store.dataset.transfers["transfer_id"])
    at = pc.take(table["transfer_id"], written["input_row"])
    assert at.equals(written["transfer_id"])


def test_duckdb_reads_the_parquet_of_a_store_by_month_and_payer(tmp_path: Path) -> None:
    cells = [(f"t{i}", f"2025-0{1 + i % 3}-0{1 + i % 9}T09:00:00Z", f"a{i % 5}", "b", 5 + i) for i in range(90)]
    store = engine.prepare(rows(*cells, channel=["card"] * 90), tmp_path / "it's a store")
    place = str(store.path / "transfers" / "*" / "*.parquet").replace("'", "''")
    read = f"FROM read_parquet('{place}', hive_partitioning = true)"
    query = f"SELECT sum(amount) {read} WHERE month = '2025-02' AND source = 'a1'"
    found = duckdb.sql(query).fetchall()
    assert found == [(sum(row[4] for row in cells if row[1].startswith("2025-02") and row[2] == "a1"),)]
    for file in (store.path / "transfers").rglob("*.parquet"):
        payers = pq.read_table(file, partitioning=None)["source"].to_pylist()
        assert payers == sorted(payers)


def test_the_graph_of_a_store_is_mapped_and_not_copied(tmp_path: Path) -> None:
    store = engine.prepare(
        rows(*[(f"{i}", f"2025-03-01T09:{i:02d}:00Z", "a", "b", 5) for i in range(9)]), tmp_path / "s"
    )
    before = pa.total_allocated_bytes()
    dataset = store.dataset
    graph = build_graph(dataset)
    assert graph.time.ctypes.data == dataset.transfers["time"].chunk(0).buffers()[1].address
    assert graph.source.ctypes.data == dataset.transfers["source"].chunk(0).indices.buffers()[1].address
    assert pa.total_allocated_bytes() - before < 10_000


def test_a_store_is_the_same_bytes_each_time_and_whatever_the_memory(tmp_path: Path) -> None:
    source = simulate(n_accounts=200, n_days=20, seed=3)
    for name, memory in (("one", "1GB"), ("two", "8GB")):
        engine.prepare(source, tmp_path / name, now=NOW, memory=memory)
    one, two = (
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()}
        for n in ("one", "two")
    )
    assert one == two


@pytest.mark.slow
def test_every_step_takes_a_store_and_gives_the_same(tmp_path: Path) -> None:
    write_world(world_config(n_accounts=400, n_days=70, seed=4, least_mules=50), tmp_path / "bank")
    engine.prepare(tmp_path / "bank", tmp_path / "store", now=NOW)
    made = {}
    for name in ("bank", "store"):
        data, to = tmp_path / name, tmp_path / f"{name}-out"
        pipeline.train(data, "2025-02-10", target="ever", max_rows=150, output=to / "model")
        pipeline.score(data, to / "model", "2025-03-05", n_explained=5, output=to / "scores.parquet")
        pipeline.explain(data, to / "scores.parquet", output=to / "explained")
        pipeline.find_rings(data, to / "scores.parquet", "2025-03-05", output=to / "rings")
        pipeline.trace(data, "2025-03-05", output=to / "traces")
        pipeline.report(data, to / "scores.parquet", rings=to / "rings", n_alerts=3, output=to / "report")
        pipeline.evaluate(data, to / "model", "2025-03-05", use_truth=True, output=to / "evaluation")
        pipeline.monitor(data, to / "model", "2025-03-01", "2025-03-05", output=to / "drift")
        made[name] = {p.relative_to(to).as_posix(): p.read_bytes() for p in to.rglob("*") if p.is_file()}
    assert made["bank"] == made["store"]


def test_damage_is_refused_and_told(tmp_path: Path) -> None:
    store = engine.prepare(rows(("1", "2025-03-03T09:00:00Z", "a", "b", 5)), tmp_path / "store")
    for file in (*store.header.files, "store.json"):
        place = tmp_path / "store" / file
        sound = place.read_bytes()
        if not sound:
            continue
        place.write_bytes(sound[:-2] + bytes([sound[-2] ^ 1]) + sound[-1:])
        with pytest.raises(DataError, match=r"of the store is damaged\. Prepare it again"):
            engine.open_store(tmp_path / "store").verify()
        if file.startswith("mapped/"):
            with pytest.raises(DataError, match="is damaged"):
                read_dataset(tmp_path / "store")
        place.write_bytes(sound[: len(sound) // 2])
        with pytest.raises(DataError, match=r"bytes instead of|is damaged"):
            engine.open_store(tmp_path / "store", verify=False) if file == "store.json" else engine.open_store(
                tmp_path / "store"
            )
        place.unlink()
        with pytest.raises(DataError, match=r"is missing|is no store"):
            engine.open_store(tmp_path / "store")
        place.write_bytes(sound)
    engine.open_store(tmp_path / "store").verify()


def test_a_store_of_another_version_and_options_for_reading_are_refused(tmp_path: Path) -> None:
    engine.prepare(rows(("1", "2025-03-03T09:00:00Z", "a", "b", 5)), tmp_path / "store")
    for option in ({"currency": "THB"}, {"money": "major"}, {"source_tz": "UTC"}, {"tick": "1d"}, {"decimal": ","}):
        with pytest.raises(OptionError, match="was read when it was prepared"):
            read_dataset(tmp_path / "store", **option)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="is a store already"):
        engine.prepare(tmp_path / "store", tmp_path / "other")
    header = tmp_path / "store" / "store.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | {"format": 99}))
    with pytest.raises(DataError, match="format 99"):
        engine.open_store(tmp_path / "store")
    with pytest.raises(DataError, match="is no store"):
        engine.open_store(tmp_path)


@pytest.mark.parametrize("part", ["findings", "files", "columns", "changed_days", "days", "n_transfers"])
def test_a_header_that_lacks_a_part_is_refused_although_its_sum_is_right(part: str, tmp_path: Path) -> None:
    engine.prepare(rows(("1", "2025-03-03T09:00:00Z", "a", "b", 5)), tmp_path / "store")
    header = tmp_path / "store" / "store.json"
    said = json.loads(header.read_text())
    del said["store"][part]
    header.write_text(json.dumps(said | {"sha256": digest_of(said["store"])}))
    with pytest.raises(DataError, match="is damaged"):
        engine.open_store(tmp_path / "store")


@pytest.mark.parametrize("memory", ["4", "much", "1KB", "0.1GB"])
def test_memory_without_a_unit_or_too_little_is_refused(memory: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="memory"):
        engine.prepare(rows(("1", "2025-03-03T09:00:00Z", "a", "b", 5)), tmp_path / "store", memory=memory)
    assert not (tmp_path / "store").exists()


def test_what_cannot_be_read_leaves_no_store(tmp_path: Path) -> None:
    with pytest.raises(MuleDetectError, match="required column"):
        engine.prepare({"transfers": pa.table({"x": [1]})}, tmp_path / "store")
    assert list(tmp_path.iterdir()) == []
