"""The nightly batch of docs/batch.md: complete or absent, one at a time, and silent about accounts."""

from __future__ import annotations

import fcntl
import json
import logging
import re
import shlex
import shutil
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import batch_scoring  # noqa: E402

SAMPLE = ROOT / "data" / "sample"


def night(runs: Path, *more: str, data: Path = SAMPLE) -> int:
    return batch_scoring.main([str(data), "--model", "starter", "--runs", str(runs), "--alerts", "10", *more])


def hidden(runs: Path) -> list[str]:
    return sorted(path.name for path in runs.glob(".*") if path.name != ".lock")


@pytest.fixture(scope="module")
def two_nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("nights") / "runs"
    assert night(runs, "--as-of", "2025-04-14") == 0
    assert night(runs, "--as-of", "2025-04-15", "--accepted", "2025-03-15") in {0, 3, 4}
    return runs


def test_a_night_leaves_all_its_tables_and_pages(two_nights: Path) -> None:
    first, second = (two_nights / day for day in ("2025-04-14", "2025-04-15"))
    for place in (first, second):
        assert pq.read_table(place / "scores.parquet").num_rows == 900
        assert (place / "report" / "index.html").exists()
        assert {path.stem for path in (place / "rings").iterdir()} >= {"rings", "ring_members", "ring_ties"}
        assert (place / "traces" / "holds.parquet").exists()
    assert (second / "drift" / "drift.json").exists()
    assert not (first / "drift").exists()
    assert hidden(two_nights) == []


def test_the_second_night_knows_the_first(two_nights: Path) -> None:
    first, second = (pq.read_table(two_nights / day / "alerts.parquet") for day in ("2025-04-14", "2025-04-15"))
    assert all(first["is_new"].to_pylist())
    known = set(first["account_id"].to_pylist())
    assert second["is_new"].to_pylist() == [account not in known for account in second["account_id"].to_pylist()]
    assert (two_nights / "2025-04-15" / "rings" / "ring_events.parquet").exists()


def test_facts_of_a_night_are_counts_that_fit_its_tables(two_nights: Path) -> None:
    place = two_nights / "2025-04-15"
    facts = json.loads((place / "run.json").read_text("utf-8"))
    assert facts["accounts"] == 900
    assert facts["alerts"] == pq.read_table(place / "alerts.parquet").num_rows == 10
    assert facts["rings"] == pq.read_table(place / "rings" / "rings.parquet").num_rows
    assert facts["holds"] == pq.read_table(place / "traces" / "holds.parquet").num_rows
    assert list(facts["seconds"]) == ["check", "score", "rings", "trace", "monitor", "report"]


def test_a_night_that_is_done_is_not_done_again(two_nights: Path) -> None:
    before = (two_nights / "2025-04-14" / "run.json").stat().st_mtime_ns
    assert night(two_nights, "--as-of", "2025-04-14") == 0
    assert (two_nights / "2025-04-14" / "run.json").stat().st_mtime_ns == before


def test_another_run_is_waited_for_by_nobody(tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert night(tmp_path, "--as-of", "2025-04-15") == batch_scoring.LOCKED
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (["--as-of", "2025-06-01"], batch_scoring.BAD_INPUT),  # the data end in April
        (["--as-of", "yesterday"], batch_scoring.USAGE),
        (["--as-of", "../2025-04-15"], batch_scoring.USAGE),
    ],
)
def test_a_night_that_cannot_be_run_leaves_nothing(tmp_path: Path, more: list[str], status: int) -> None:
    assert night(tmp_path, *more) == status
    assert {path.name for path in tmp_path.iterdir()} <= {".lock"}


def test_too_many_rejected_transfers_stop_the_night(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = tmp_path / "data"
    shutil.copytree(SAMPLE, data)
    transfers = pq.read_table(data / "transfers.parquet")
    amounts = transfers["amount"].to_pylist()
    amounts[:2_000] = [0] * 2_000  # of 74,114: nearly 3%
    at = transfers.schema.get_field_index("amount")
    pq.write_table(transfers.set_column(at, transfers.schema.field(at), [amounts]), data / "transfers.parquet")
    with caplog.at_level(logging.INFO, "muledetect.batch"):
        assert night(tmp_path / "runs", "--as-of", "2025-04-15", data=data) == batch_scoring.BAD_INPUT
    assert "2,000 of 74,114 rows were rejected" in caplog.text
    assert hidden(tmp_path / "runs") == []


def test_a_failure_nobody_foresaw_is_told_without_its_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("A0000123")

    monkeypatch.setattr(batch_scoring.pipeline, "find_rings", fail)
    assert night(tmp_path, "--as-of", "2025-04-15") == batch_scoring.UNFORESEEN
    assert "KeyError" in caplog.text
    assert "A0000123" not in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_the_log_names_no_account_and_the_tables_are_the_same_again(
    tmp_path: Path, two_nights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert night(tmp_path, "--as-of", "2025-04-14") == 0
    written = caplog.text + (tmp_path / "2025-04-14" / "run.json").read_text("utf-8")
    ids = set(pq.read_table(SAMPLE / "transfers.parquet", columns=["source"])["source"].to_pylist())
    assert not ids & set(re.findall(r"[\w-]+", written))
    tables = [path.relative_to(two_nights) for path in (two_nights / "2025-04-14").rglob("*.parquet")]
    assert len(tables) > 8
    for table in tables:
        assert (tmp_path / table).read_bytes() == (two_nights / table).read_bytes(), table


def test_an_unfinished_night_of_a_killed_run_is_cleared_away(tmp_path: Path) -> None:
    left_over = tmp_path / ".2025-04-15.unfinished"
    left_over.mkdir()
    (left_over / "half.parquet").write_bytes(b"PAR1")
    assert night(tmp_path, "--as-of", "2025-04-15") == 0
    assert hidden(tmp_path) == []
    assert not (tmp_path / "2025-04-15" / "half.parquet").exists()


def test_the_commands_of_the_page_are_those_of_the_script() -> None:
    page = (ROOT / "docs" / "batch.md").read_text("utf-8")
    lines = [line for line in page.splitlines() if line.startswith("python docs/batch_scoring.py")]
    assert len(lines) == 2
    for line in lines:
        given = batch_scoring.options().parse_args(shlex.split(line)[2:])
        assert (ROOT / given.dataset).is_dir()
    cron = next(line for line in page.splitlines() if "batch_scoring.py /data" in line)
    assert batch_scoring.options().parse_args(shlex.split(cron.split("batch_scoring.py")[1].split("2>>")[0])).accepted
