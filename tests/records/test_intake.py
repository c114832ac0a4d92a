"""What files expand to is bounded, how far they are read is told, and an interrupt ends a reading."""

from __future__ import annotations

import bz2
import gzip
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from command_line import ended

from muledetect import cli, command, pipeline
from muledetect.errors import DataError, OptionError
from muledetect.progress import Progress
from muledetect.records import intake, read_dataset
from muledetect.records.intake import Intake, read_parquet
from muledetect.records.layouts import import_layout
from muledetect.records.lines import TextStream
from muledetect.records.own import import_own, suggest_columns
from muledetect.records.table import TableReader
from muledetect.simulation import world_config, write_world

HEAD = "transfer_id,time,source,target,amount\n"
ROW = "t1,2025-03-01T09:30:00Z,0071,0082,100\n"
FREE = 1 << 16
PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".csv.gz": gzip.compress,
    ".csv.zst": zstandard.ZstdCompressor().compress,
}


@pytest.fixture
def little_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file of some kilobytes stand for one of gigabytes."""
    monkeypatch.setattr(intake, "FREE_BYTES", FREE)


def equal_rows(path: Path, n_rows: int, head: str = HEAD, row: str = ROW) -> Path:
    """Write many equal rows into a compressed file."""
    path.write_bytes(PACKED["".join(path.suffixes[-2:])]((head + row * n_rows).encode()))
    return path


def equal_parquet(path: Path, n_rows: int) -> Path:
    """Write many equal rows into a Parquet file."""
    texts = {
        name: pa.repeat(value, n_rows) for name, value in (("transfer_id", "t1"), ("source", "a"), ("target", "b"))
    }
    time = pa.repeat(pa.scalar(datetime(2025, 3, 1, tzinfo=UTC), pa.timestamp("us", "UTC")), n_rows)
    pq.write_table(pa.table({**texts, "time": time, "amount": pa.repeat(100, n_rows)}), path)
    return path


@pytest.mark.usefixtures("little_is_free")
@pytest.mark.parametrize("suffix", PACKED)
def test_a_small_file_of_very_many_equal_rows_is_refused_with_the_way_out(suffix: str, tmp_path: Path) -> None:
    file = equal_rows(tmp_path / f"transfers{suffix}", 50_000)
    assert file.stat().st_size * 100 < len(ROW) * 50_000
    with pytest.raises(DataError, match=r"expands to more than 100 times its size.*MULEDETECT_MAX_EXPANSION=1000"):
        read_dataset(tmp_path)


@pytest.mark.usefixtures("little_is_free")
def test_a_parquet_file_is_refused_by_what_it_says_before_a_row_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    equal_parquet(tmp_path / "transfers.parquet", 2_000_000)
    monkeypatch.setattr(Intake, "batches", lambda *_: pytest.fail("rows were read"))
    with pytest.raises(DataError, match=r"transfers: .*expands to more than 100 times its size.*2,000,000 rows"):
        read_dataset(tmp_path)
    with pytest.raises(DataError, match="expands to more than"):
        read_parquet(tmp_path / "transfers.parquet", "scores")


@pytest.mark.usefixtures("little_is_free")
def test_a_parquet_file_that_says_too_little_is_refused_by_what_comes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    equal_parquet(tmp_path / "transfers.parquet", 2_000_000)
    monkeypatch.setattr(Intake, "open_parquet", lambda _self, path, **options: pq.ParquetFile(path, **options))
    with pytest.raises(DataError, match=r"expands to more than 100 times its size.*so far"):
        read_dataset(tmp_path)


@pytest.mark.usefixtures("little_is_free")
def test_the_bound_is_that_of_all_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "transfers").mkdir()
    for part in range(30):
        file = equal_rows(tmp_path / "transfers" / f"{part}.csv.gz", FREE // len(ROW) - 2)
        assert read_dataset(file).rows_read["transfers"] > 0  # alone it is within what is free
    with pytest.raises(DataError, match="expands to more than 100 times its size"):
        read_dataset(tmp_path)


@pytest.mark.usefixtures("little_is_free")
@pytest.mark.parametrize("suffix", PACKED)
def test_own_files_and_those_of_other_tools_have_the_same_bound(suffix: str, tmp_path: Path) -> None:
    head, row = "Date,Payer account,Payee account,Amount\n", "2025-03-01 09:30:00,0071,0082,1.00\n"
    small = equal_rows(tmp_path / f"small{suffix}", 20, head, row)
    mapping = suggest_columns(small, currency="THB", source_tz="UTC", money="major")
    large = equal_rows(tmp_path / f"large{suffix}", 50_000, head, row)
    with pytest.raises(DataError, match="expands to more than 100 times its size"):
        import_own(large, mapping, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))
    head = "tran_id,orig_acct,bene_acct,tx_type,base_amt,tran_timestamp,is_sar,alert_id\n"
    equal_rows(tmp_path / f"tx{suffix}", 50_000, head, "1,007,8,TRANSFER,150.5,2017-01-01T00:00:00Z,False,-1\n")
    with pytest.raises(DataError, match="expands to more than 100 times its size"):
        import_layout("amlsim", [tmp_path / f"tx{suffix}"])


@pytest.mark.usefixtures("little_is_free")
def test_the_environment_raises_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    equal_rows(tmp_path / "transfers.csv.gz", 50_000)
    monkeypatch.setenv("MULEDETECT_MAX_EXPANSION", "5000")
    read = read_dataset(tmp_path)
    assert (read.rows_read["transfers"], read.transfers.num_rows) == (50_000, 1)
    monkeypatch.setenv("MULEDETECT_MAX_EXPANDED", "0.001")
    with pytest.raises(DataError, match=r"more than 0.001 GiB.*MULEDETECT_MAX_EXPANDED"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("given", ["many", "0", "-1", "nan"])
def test_a_bound_that_is_no_number_above_0_is_a_usage_error(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    equal_rows(tmp_path / "transfers.csv.gz", 3)
    monkeypatch.setenv("MULEDETECT_MAX_EXPANSION", given)
    with pytest.raises(
        OptionError, match="MULEDETECT_MAX_EXPANSION: the environment variable must be a number above 0"
    ):
        read_dataset(tmp_path)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zst", ".csv.bz2"])
def test_every_kind_of_file_gives_the_same_bytes_and_ends_at_1(suffix: str, tmp_path: Path) -> None:
    text = (HEAD + ROW * 1000).encode()
    pack = {**PACKED, ".csv": bytes, ".csv.bz2": bz2.compress}[suffix]
    (tmp_path / f"t{suffix}").write_bytes(pack(text))
    with TextStream(tmp_path / f"t{suffix}", delimiter=",", width=5) as stream:
        assert stream.read() == text
        assert stream.intake.share == 1.0


def test_files_of_several_compressed_members_are_read_whole(tmp_path: Path) -> None:
    members = [HEAD + ROW, ROW.replace("t1", "t2"), ROW.replace("t1", "t3")]
    (tmp_path / "transfers.csv.gz").write_bytes(b"".join(gzip.compress(text.encode()) for text in members))
    assert read_dataset(tmp_path).transfers.num_rows == 3


def shares_of(source: Any) -> tuple[list[float], list[str]]:
    """Return the shares of `reading transfers` that are told while a source is read, and all stages."""
    told: list[tuple[str, float]] = []
    read_dataset(source, progress=lambda stage, done: told.append((stage, done)))
    return [done for stage, done in told if stage == "reading transfers"], [stage for stage, _ in told]


def rows_of_many(n_rows: int) -> pa.Table:
    """Return different transfers."""
    ids = pa.array([f"t{row}" for row in range(n_rows)])
    time = pa.repeat(pa.scalar(datetime(2025, 3, 1, tzinfo=UTC), pa.timestamp("us", "UTC")), n_rows)
    ends = {"source": pa.repeat("a", n_rows), "target": pa.repeat("b", n_rows)}
    return pa.table({"transfer_id": ids, "time": time, **ends, "amount": pa.repeat(100, n_rows)})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["text", "parquet", "folder", "memory"])
def test_the_share_that_is_told_grows_to_1(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muledetect.records.lines._BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr("muledetect.records.sources.BATCH_ROWS", 1 << 10)
    text = HEAD + "".join(f"t{row},2025-03-01T09:30:00Z,0071,{row * 7919 % 100_003},100\n" for row in range(60_000))
    source: Any = tmp_path
    if kind == "text":
        (tmp_path / "transfers.csv").write_text(text, "utf-8")
    elif kind == "parquet":
        pq.write_table(rows_of_many(5_000), tmp_path / "transfers.parquet")
    elif kind == "folder":
        (tmp_path / "transfers").mkdir()
        pq.write_table(rows_of_many(5_000), tmp_path / "transfers" / "1.parquet")
        typed = text.replace("t", "u").replace("uransfer_id,uime,source,uargeu,amounu", HEAD.strip())
        (tmp_path / "transfers" / "2.csv").write_text(typed, "utf-8")
    else:
        source = {"transfers": rows_of_many(5_000)}
    shares, _ = shares_of(source)
    assert len(shares) > 2
    assert shares == sorted(shares)
    assert 0 < shares[0] < 1
    assert shares[-1] == 1.0


def test_the_share_of_a_compressed_file_is_that_of_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muledetect.records.lines._BLOCK_BYTES", 1 << 16)
    text = HEAD + "".join(f"t{row},2025-03-01T09:30:00Z,0071,{row * 7919 % 100_003},100\n" for row in range(60_000))
    (tmp_path / "transfers.csv.gz").write_bytes(gzip.compress(text.encode()))
    with TextStream(tmp_path / "transfers.csv.gz", delimiter=",", width=5) as stream:
        shares = [stream.intake.share for _ in iter(lambda: stream.read(1 << 16), b"")]
    assert shares == sorted(shares)
    assert len(set(shares)) > 3
    assert shares[-1] == 1.0


def test_of_a_stream_whose_end_nobody_knows_the_rows_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muledetect.records.sources.BATCH_ROWS", 1 << 10)
    rows = rows_of_many(3_000)
    stream = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches())
    shares, stages = shares_of(stream)
    assert not shares
    counted = [stage for stage in stages if stage.startswith("reading transfers, ")]
    assert counted == [f"reading transfers, {n:,} rows" for n in (1024, 2048, 3000)]


def test_an_interrupt_while_a_file_is_read_ends_with_130_and_leaves_the_old_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bank").mkdir()
    equal_rows(tmp_path / "bank" / "transfers.csv.gz", 2_000)
    (tmp_path / "rejects.parquet").write_bytes(b"old")
    read_batch = TableReader._read_batch

    def interrupted(self: TableReader, *given: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        read_batch(self, *given)

    monkeypatch.setattr(TableReader, "_read_batch", interrupted)
    status, said = ended("check", tmp_path / "bank", "--overwrite", "--output", tmp_path / "rejects.parquet")
    assert status == 130
    assert "interrupted; outputs are the old ones or whole new ones" in " ".join(said.split())
    assert (tmp_path / "rejects.parquet").read_bytes() == b"old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["bank", "rejects.parquet"]


#: Commands that take long, in the order in which one gives what the next reads.
LONG = (
    "simulate {out}/world --preset small --accounts 400 --days 60",
    "check {out}/world --output {out}/rejects.parquet",
    "train {out}/world --as-of 2025-02-10 --target ever --model {out}/model",
    "score {out}/world --model starter --as-of 2025-02-20 --explain 30 --output {out}/scores.parquet",
    "explain {out}/world --scores {out}/scores.parquet --output {out}/explained",
    "rings {out}/world --scores {out}/scores.parquet --as-of 2025-02-20 --output {out}/rings",
    "trace {out}/world --as-of 2025-02-20 --output {out}/trace",
    "report {out}/world --scores {out}/scores.parquet --alerts 5 --output {out}/report",
    "columns {out}/own.csv --source-tz UTC --currency THB --money major --output {out}/columns.toml",
    "import own {out}/own.csv --columns {out}/columns.toml --output {out}/own",
)


@pytest.mark.slow
def test_no_long_command_shows_a_share_that_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, float]] = []

    @contextmanager
    def recorded() -> Iterator[Progress]:
        yield lambda stage, done: told.append((stage, done))

    stages = [module for module in vars(cli).values() if hasattr(module, "progress_bar")]
    assert len(stages) > 3
    for module in (command, *stages):
        monkeypatch.setattr(module, "progress_bar", recorded)
    head, row = "Date,Payer account,Payee account,Amount\n", "2025-03-01 09:30:{:02d},00{},0082,{}.00\n"
    (tmp_path / "own.csv").write_text(head + "".join(row.format(n % 60, 100 + n, n) for n in range(1, 99)), "utf-8")
    for line in LONG:
        told.clear()
        status, said = ended(*line.format(out=tmp_path).split())
        assert status == 0, said
        assert told, f"{line} shows nothing"
        seen: dict[str, set[float]] = {}
        for stage, done in told:
            assert 0 <= done <= 1, (line, stage)
            seen.setdefault(stage, set()).add(done)
        stuck = [stage for stage, shares in seen.items() if len(shares) == 1 and 0 < min(shares) < 1]
        assert not stuck, (line, stuck)


def test_python_and_the_command_line_tell_the_same_stages(tmp_path: Path) -> None:
    write_world(world_config("small", n_accounts=300, n_days=30), tmp_path / "world")
    told: list[str] = []
    pipeline.load(tmp_path / "world", progress=lambda stage, _done: told.append(stage))
    assert [
        stage for stage in dict.fromkeys(told) if stage.startswith(("reading transfers", "look", "order", "check"))
    ] == ["reading transfers", "looking for repeats", "ordering transfers", "checking"]
