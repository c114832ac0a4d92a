"""A service on its log: what was acknowledged is there after a restart, and a repeated request counts once."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest
from served import Caller, as_bytes, later, running
from small_world import SCORED_AT, TRAINED_AT, known_before, small_model, small_world

from muledetect.clock import DAY, HOUR
from muledetect.errors import DataError, OptionError
from muledetect.pipeline import train
from muledetect.records import write_tables
from muledetect.replay import replay
from muledetect.serve import Service, open_service
from muledetect.serve.start import _first_moment

pytestmark = pytest.mark.slow


@cache
def model_folder(folder: Path) -> Path:
    train(small_world(), TRAINED_AT, target="ever", model=small_model(1), live=True, output=folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("restart")


def opened(folder: Path, log: str, **options: object) -> Service:
    return open_service(small_world(), model_folder(folder), log=folder / log, until=SCORED_AT, **options)  # type: ignore[arg-type]


def test_a_request_repeated_after_a_restart_counts_once_and_scores_are_those_of_before(folder: Path) -> None:
    *rows, asked = later(40)
    complaint = {"table": "complaints", "complaint_id": "c-new", "known_ts": rows[-1]["time"], "transfer_id": rows[3][
        "transfer_id"]}  # fmt: skip
    with running(opened(folder, "log")) as caller:
        assert caller.post("/book", {"transfers": rows}, Idempotency_Key="k")[0] == 200
        assert caller.post("/events", complaint)[1]["rows"][0]["outcome"] == "accepted"
        before = caller.post("/score", asked)[1]["assessments"][0]
        found = caller.post("/locate", {"complaint_id": "c-new"})[1]
    with running(opened(folder, "log")) as caller:
        again = caller.send("POST", "/book", as_bytes({"transfers": rows}), Content_Type="application/json",
                            Idempotency_Key="k")  # fmt: skip
        assert [row["outcome"] for row in again[1]["rows"]] == ["duplicate"] * len(rows)
        assert caller.post("/events", complaint)[1]["rows"][0]["outcome"] == "duplicate"
        assert caller.post("/score", asked)[1]["assessments"][0] == before
        assert caller.post("/locate", {"complaint_id": "c-new"})[1] == found
        assert caller.post("/reload", {}) == (200, {"reloaded": True})
        assert caller.post("/snapshot", {}) == (200, {"kept": True})


def test_a_log_goes_on_with_its_own_data_set_only(folder: Path) -> None:
    with running(opened(folder, "other")):
        pass
    with (
        pytest.raises(DataError, match="another data set"),
        running(open_service(small_world(), model_folder(folder), log=folder / "other")),
    ):
        pass


def test_a_limit_of_memory_that_does_not_hold_the_state_is_refused(folder: Path) -> None:
    with pytest.raises(OptionError, match="memory: the state of"):
        opened(folder, "small", memory="610MB")
    assert not (folder / "small").exists()


def test_shadow_mode_allows_and_records_what_it_would_have_decided(folder: Path, tmp_path: Path) -> None:
    rule = {"name": "any", "when": {"kind": "tier", "side": "payee", "tier": "watch"}, "action": "delay",
            "hold_for": "24h", "text": "t", "source": "s", "choice": "c"}  # fmt: skip
    policy, decisions = tmp_path / "rules.json", tmp_path / "decisions.jsonl"
    policy.write_text(json.dumps({"currency": "", "rules": [rule]}))
    with pytest.raises(OptionError, match="--decisions"):
        opened(folder, "shadow", shadow=True)
    with running(opened(folder, "shadow", policy=policy, decisions=decisions, shadow=True)) as caller:
        answers = [one for part in range(8) for one in caller.post("/score", {"transfers": later(1600)[
            200 * part : 200 * part + 200]})[1]["assessments"]]  # fmt: skip
    would = [one["transfer_id"] for one in answers if one["shadow"]["action"] == "delay"]
    assert {one["decision"]["action"] for one in answers} == {"allow"}
    lines = [json.loads(line) for line in decisions.read_text().splitlines()]
    assert [line["transfer_id"] for line in lines] == would != []
    assert {line["mode"] for line in lines} == {"shadow"}
    assert decisions.stat().st_mode & 0o077 == 0
    known = [one for one in answers if one["shadow"]["action"] == "delay"]
    assert all(one["payee"]["reasons"] for one in known)


def test_a_replay_through_http_is_that_of_this_process(folder: Path) -> None:
    model, times = model_folder(folder), {"begin": SCORED_AT, "end": "2025-03-01T06:00:00Z"}
    here = replay(small_world(), model, policy="TH", **times)
    with running(opened(folder, "replayed", policy="TH")) as caller:
        there = replay(small_world(), model, url=f"http://127.0.0.1:{caller.port}", **times)
    assert here.figures["n_transfers"] == there.figures["n_transfers"] > 0
    assert here.tables.keys() == there.tables.keys()
    for name, table in here.tables.items():
        assert there.tables[name].equals(table), name


@contextmanager
def started(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], Caller]]:
    """The command in a process of its own, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "muledetect.cli", "serve", *map(str, arguments), "--port", str(port)]
    caller = Caller(port)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            while process.poll() is None:
                with suppress(OSError):
                    if caller.get("/ready")[0] == 200:
                        break
                time.sleep(0.1)
            assert process.poll() is None, process.communicate()[0]
            yield process, caller
        finally:
            process.kill()


def test_a_killed_service_has_what_it_acknowledged_and_a_stopped_one_ends_in_good_order(folder: Path) -> None:
    bank = folder / "bank"
    write_tables(known_before(small_world(), SCORED_AT), bank)
    rows, line = later(20), (bank, "--model", model_folder(folder), "--log", folder / "killed")
    with started(*line) as (process, caller):
        assert caller.post("/book", {"transfers": rows})[0] == 200
        process.kill()
        process.wait(30)
    with started(*line) as (process, caller):
        again = caller.post("/book", {"transfers": rows})[1]["rows"]
        assert [row["outcome"] for row in again] == ["duplicate"] * len(rows)
        process.terminate()
        said = process.communicate(timeout=60)[0]
    assert process.returncode == 0, said
    assert "POST /book 200" in said
    assert "Traceback" not in said
    assert not any(row[side] in said for row in rows for side in ("source", "target"))
    assert {path.name for path in (folder / "killed").iterdir()} == {"state-1", "events-1.log"}


@pytest.mark.parametrize(
    ("since", "expected"), [(HOUR, HOUR), (DAY - 1, DAY - 1), (DAY, 0), (400 * DAY, 0), (-HOUR, 0)]
)
def test_a_service_gets_ready_for_now_unless_its_records_are_old(
    since: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    latest = 1_741_651_200_000_000
    monkeypatch.setattr("muledetect.serve.start.time.time_ns", lambda: (latest + since) * 1_000)
    assert _first_moment(latest) == latest + expected
