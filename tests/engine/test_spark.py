"""Law 6 on Spark: what workers compute is what the local engine computes, bit for bit; on Sail, too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

import muledetect as md
from muledetect.engine.spark import Run, Spark, open_run, shards
from muledetect.engine.spark.work import OURS
from muledetect.errors import DataError, EngineError, FeatureError, OptionError
from muledetect.features import Extraction, _extract, registry
from muledetect.features.packs import load_pack
from muledetect.features.signals import signal_registry
from muledetect.graph import Points, build_graph
from muledetect.records import Dataset, read_dataset
from tests.command_line import ended
from tests.small_world import SCORED_AT, TRAINED_AT, small_model, small_world

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("spark"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]

DAY = 86_400_000_000
#: Transfers of a slice of time, so that the world has several.
FIT = 700
COUNT = "out_count__window_all"


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    """A local session with two workers of one core each, of this environment even if it is not activated."""
    environment = pytest.MonkeyPatch()
    environment.setenv("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master("local[2]").appName("tests")
    for name, value in {
        "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1", "spark.sql.session.timeZone": "Asia/Bangkok",
    }.items():  # fmt: skip
        builder = builder.config(name, value)
    made = builder.getOrCreate()
    made.sparkContext.setLogLevel("OFF")
    yield made
    made.stop()
    environment.undo()


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    """A bank in which one account makes a fifth of the payments, and another first appears on the last day."""
    tables = dict(small_world())
    transfers, rows = tables["transfers"], np.arange(0, tables["transfers"].num_rows, 2)
    source, target = transfers["source"].to_pylist(), transfers["target"].to_pylist()
    rings = {*tables["truth_rings"]["account_id"].to_pylist()}
    is_hub = [n % 4 == 0 and not rings & {*ends} for n, ends in enumerate(zip(source, target, strict=True))]
    changed = {"source": np.where(is_hub, "hub", source).tolist(), "target": [*target[:-1], "late"]}
    for name, ids in changed.items():
        transfers = transfers.set_column(transfers.schema.get_field_index(name), name, pa.array(ids, pa.string()))
    return {**tables, "transfers": transfers.take(pa.array(np.union1d(rows, [len(transfers) - 1])))}


@pytest.fixture(scope="module")
def store(tables: dict[str, pa.Table], tmp_path_factory: pytest.TempPathFactory) -> md.Store:
    return md.prepare(tables, tmp_path_factory.mktemp("bank") / "store")


@pytest.fixture(scope="module")
def bank(tables: dict[str, pa.Table]) -> Dataset:
    return read_dataset(tables)


@pytest.fixture
def many_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the driver cut points into many shards, of which the hub and an empty account are some."""
    monkeypatch.setattr(_extract, "_SHARD_POINTS", 150)
    for room in (_extract, shards):
        monkeypatch.setattr(room, "SHARD_TRANSFERS", 900)


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()


def points_of(dataset: Dataset) -> Points:
    n, last = len(dataset.account_ids), int(build_graph(dataset).time[-1])
    account = np.concatenate([np.arange(-1, n), np.arange(-1, n)]).astype(np.int32)
    return Points(account, np.repeat([last - 9 * DAY, last + 1], n + 1))


@pytest.mark.parametrize("lookback", [None, "21d"])
@pytest.mark.usefixtures("many_shards")
def test_all_features_and_signals_are_those_of_one_pass(
    session: Any, store: md.Store, bank: Dataset, lookback: str | None, tmp_path: Path
) -> None:
    names, points = registry().names(load_pack("TH"), every=True), points_of(bank)
    groups = np.arange(len(bank.account_ids)) // 3
    rules = {"hide_groups": groups, "lookback": lookback, "threads": 1}
    whole = _extract.extract_values(Extraction(bank, **rules), points, names, registry())
    run = open_run(Spark(session, work=tmp_path, fit=FIT), store)
    spread = Extraction(store.dataset, runner=run.runner, **rules)
    assert same(whole, _extract.extract_values(spread, points, names, registry()))
    counts = run.runner.counts
    assert counts.hubs >= 1
    assert counts.shards >= 10
    n_signals = len(signal_registry().signals)
    assert counts.signal_parts > n_signals, "signals were cut by time"
    compare_signals(run, Extraction(bank, **rules), points)
    run.close()
    assert not list(tmp_path.rglob("shards/*"))


def compare_signals(run: Run, local: Extraction, points: Points) -> None:
    """Hold the parts that workers left in the folder against the signals of one pass."""
    seen = local.before(int(points.as_of[-1]))
    key = [key for key in run.runner.counts.keys if key.startswith("signals/")][-1]
    held = sorted(
        (path for path in (run.runner.work.folder / key).glob("*.npy")), key=lambda path: int(path.stem)
    )  # fmt: skip
    found = np.sort(np.concatenate([np.load(path) for path in held]))
    wanted = [seen.signal(column) for signal in signal_registry().signals.values() for column in signal.columns]
    assert same(found, np.sort(np.concatenate(wanted)))


@pytest.fixture(scope="module")
def trained(bank: Dataset) -> md.MuleModel:
    return md.train(bank, TRAINED_AT, target="ever", model=small_model())


def test_a_model_is_the_same(session: Any, store: md.Store, trained: md.MuleModel) -> None:
    model = md.train(store, TRAINED_AT, target="ever", model=small_model(), engine=session)
    assert model.texts_ == trained.texts_
    assert model.second_texts_ == trained.second_texts_
    assert len(model.second_texts_) > 0, "neighbours are read, too"


@pytest.fixture(scope="module")
def wanted(bank: Dataset, trained: md.MuleModel) -> pa.Table:
    """The scores that the local engine gives."""
    return md.score(bank, trained, SCORED_AT, n_explained=20)


@pytest.mark.usefixtures("many_shards")
def test_scores_and_reasons_are_the_same_with_little_memory(
    session: Any, store: md.Store, trained: md.MuleModel, wanted: pa.Table
) -> None:
    spark = Spark(session, fit=FIT)
    scores = md.score(store, trained, SCORED_AT, n_explained=20, memory="2GB", engine=spark)
    assert scores.equals(wanted, check_metadata=True)
    assert sum(map(len, scores["reasons"].to_pylist())) > 20


def test_a_command_scores_on_spark(
    session: Any, store: md.Store, trained: md.MuleModel, wanted: pa.Table, tmp_path: Path
) -> None:
    trained.save(tmp_path / "model")
    given = ["score", store.path, "--model", tmp_path / "model", "--as-of", SCORED_AT, "--explain", 20]
    status, said = ended(
        *given, "--engine", "spark", "--work", tmp_path / "work", "--output", tmp_path / "scores.parquet"
    )
    assert status == 0, said
    assert pq.read_table(tmp_path / "scores.parquet").equals(wanted)


def test_sail_gives_the_same_scores(store: md.Store, trained: md.MuleModel, wanted: pa.Table, tmp_path: Path) -> None:
    """Without Java: a Spark Connect server in this process."""
    from pyspark.sql.connect.session import SparkSession as ConnectSession  # noqa: PLC0415 - it warns of pandas 3

    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start()
    try:
        connected = ConnectSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").create()
        with pytest.raises(OptionError, match="say which folder"):
            md.score(store, trained, SCORED_AT, engine=connected)
        spark = Spark(connected, work=tmp_path, fit=FIT)
        scores = md.score(store, trained, SCORED_AT, n_explained=20, engine=spark)
        connected.stop()
    finally:
        server.stop()
    assert scores.equals(wanted, check_metadata=True)


@pytest.mark.usefixtures("many_shards")
def test_a_run_that_was_interrupted_goes_on_from_its_finished_parts(
    session: Any, store: md.Store, tmp_path: Path
) -> None:
    points, switch, folder = points_of(store.dataset), tmp_path / "switch", str(tmp_path)
    switch.touch()

    def first_column(values: np.ndarray) -> np.ndarray:
        """Fail when two shards are finished, as long as the switch is there."""
        if Path(folder, "switch").exists() and len(list(Path(folder).rglob("shards/*/*.npy"))) >= 2:
            raise RuntimeError("the account 007 has no balance")
        return values[:, 0]

    def found() -> np.ndarray:
        run = open_run(Spark(session, work=tmp_path, fit=FIT), store)
        extraction = Extraction(store.dataset, runner=run.runner)
        shards = _extract.each_shard(extraction, points, [COUNT], registry(), first_column)
        return np.concatenate([values for _, values in shards])

    with pytest.raises(EngineError, match="goes on from there") as error:
        found()
    assert "007" not in str(error.value)
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / OURS).rglob("s*/*/*.npy")}
    assert len([path for path in finished if "shards" in path.parts]) >= 2
    switch.unlink()
    whole = _extract.extract_values(Extraction(store.dataset), points, [COUNT], registry())[:, 0]
    assert same(found(), whole)
    assert all(path.stat().st_mtime_ns == written for path, written in finished.items())


def test_what_a_worker_refuses_is_the_error_of_the_local_engine(session: Any, store: md.Store) -> None:
    def fails(_values: np.ndarray) -> np.ndarray:
        raise FeatureError("no column of this name")

    extraction = Extraction(store.dataset, runner=open_run(session, store).runner)
    with pytest.raises(FeatureError, match="no column of this name"):
        list(_extract.each_shard(extraction, points_of(store.dataset), [COUNT], registry(), fails))


def test_workers_that_do_not_find_the_store_say_so(session: Any, tables: dict[str, pa.Table], tmp_path: Path) -> None:
    moved = md.prepare(tables, tmp_path / "store")
    run, dataset = open_run(session, moved), moved.dataset
    moved.path.rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="does not find the store 'store'"):
        list(_extract.extract_shards(Extraction(dataset, runner=run.runner), points_of(dataset), [COUNT], registry()))
    md.prepare({"transfers": tables["transfers"]}, tmp_path / "store")
    with pytest.raises(DataError, match="another store in the place of 'store'"):
        list(_extract.extract_shards(Extraction(dataset, runner=run.runner), points_of(dataset), [COUNT], registry()))


def test_a_data_set_in_memory_and_a_store_of_another_one_are_refused(
    session: Any, store: md.Store, bank: Dataset, tables: dict[str, pa.Table], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="not a data set in memory"):
        open_run(session, bank)
    assert open_run(Spark(session, store=store.path), bank).store.path == store.path
    other = md.prepare({"transfers": tables["transfers"]}, tmp_path / "store")
    with pytest.raises(DataError, match="that of another data set"):
        open_run(Spark(session, store=other.path), bank)


def test_tables_by_name_and_data_frames_are_scored(
    session: Any, trained: md.MuleModel, wanted: pa.Table, tables: dict[str, pa.Table], tmp_path: Path
) -> None:
    """Their rows come in any order and partition; times in the session's zone, which is not UTC."""
    frames: dict[str, Any] = {}
    for name, table in tables.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
        frames[name] = session.read.parquet(str(tmp_path / f"{name}.parquet"))
    frames["transfers"].repartition(3).createOrReplaceTempView("payments")
    scores = md.score({**frames, "transfers": "payments"}, trained, SCORED_AT, n_explained=20, engine=session)
    assert scores.equals(wanted, check_metadata=True)
    with pytest.raises(EngineError, match="is there a table 'no_such_table'"):
        md.score({"transfers": "no_such_table"}, trained, SCORED_AT, engine=session)


def test_options_of_spark_are_refused_before_work(store: md.Store, tmp_path: Path) -> None:
    given = ["--model", "starter", "--as-of", SCORED_AT, "--output", tmp_path / "scores.parquet"]
    status, said = ended("score", store.path, *given, "--work", tmp_path)
    assert (status, "--engine spark only" in said) == (2, True), said
    (tmp_path / "folder").mkdir()
    status, said = ended("score", tmp_path / "folder", *given, "--engine", "spark")
    assert (status, "read a store" in " ".join(said.split())) == (2, True), said
