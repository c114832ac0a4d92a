"""The command line: every command runs, says how it is used, ends with the right status, and prints data harmlessly."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import ended
from rich.console import Console
from rich.text import Text

from muledetect import cli, console, inputs, pipeline, schema
from muledetect.rings import RingTables
from muledetect.simulation import world_config, write_world
from muledetect.visible import read_visible

COMMANDS = (
    "demo",
    "warm-up",
    "simulate",
    "check",
    "columns",
    "import",
    "train",
    "score",
    "threshold",
    "explain",
    "rings",
    "evaluate",
    "monitor",
    "key",
    "reveal",
    "export",
)


def run(*arguments: object, status: int = 0) -> str:
    """Run a command that must end with a status; return what it printed."""
    left, said = ended(*arguments)
    assert left == status, said
    return said


def start(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "muledetect.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(world_config(n_accounts=400, n_days=70, seed=4, least_mules=50), folder / "data")
    run(
        "train",
        folder / "data",
        "--as-of",
        "2025-02-10",
        "--target",
        "ever",
        "--pack",
        "TH",
        "--model",
        folder / "model",
    )
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example(name: str) -> None:
    assert f"Example: muledetect {name}" in " ".join(run(name, "--help").replace("│", " ").split())


@pytest.mark.slow
def test_the_whole_line_runs_on_a_folder(world: Path, tmp_path: Path) -> None:
    scored = run(
        "score", world / "data", "--model", world / "model", "--as-of", "2025-03-05", "--output", tmp_path / "s.parquet"
    )
    assert "Suspicion, not a finding" in scored
    assert pq.read_table(tmp_path / "s.parquet").num_rows == 400
    explained = run("explain", world / "data", "--scores", tmp_path / "s.parquet", "--output", tmp_path / "why")
    assert "suspicious window" in " ".join(explained.split())
    assert set(pq.read_table(tmp_path / "why" / "suspicious_periods.parquet").column_names) == {
        "account_id", "as_of", "start", "end",
    }  # fmt: skip
    options = (
        "--scores",
        tmp_path / "s.parquet",
        "--as-of",
        "2025-03-05",
        "--window",
        "all",
        "--output",
        tmp_path / "r",
    )
    run("rings", world / "data", *options)
    assert pq.read_table(tmp_path / "r" / "ring_members.parquet").column_names[:2] == ["ring_id", "account_id"]
    options = ("--model", world / "model", "--as-of", "2025-03-05", "--truth", "--output", tmp_path / "e")
    assert "rules only" in run("evaluate", world / "data", *options)
    assert (tmp_path / "e" / "report.json").exists()


@pytest.mark.slow
def test_a_line_under_a_key_tells_pseudonyms_that_the_key_reveals(world: Path, tmp_path: Path) -> None:
    key, scores = tmp_path / "secret.key", tmp_path / "s.parquet"
    assert "only its owner may read it" in run("key", key)
    assert "is not overwritten" in " ".join(run("key", key, status=2).split())
    options = ("--model", world / "model", "--as-of", "2025-03-05", "--pseudonymise", key)
    said = run("score", world / "data", *options, "--output", scores)
    hidden = pq.read_table(scores)["account_id"].to_pylist()
    assert hidden[0][:12] in said
    options = ("--scores", scores, "--as-of", "2025-03-05", "--output", tmp_path / "r")
    run("rings", world / "data", *options, "--pseudonymise", key)
    assert "rows have pseudonyms" in " ".join(run("rings", world / "data", *options, status=1).split())

    ids = set(pq.read_table(world / "data" / "accounts.parquet")["account_id"].to_pylist())
    assert set(run("reveal", key, *hidden[:3]).split()) < ids
    assert "1 of 2 are none of this key" in run("reveal", key, hidden[0], hidden[0][:-1], status=1)
    run("reveal", key, "--table", scores, status=2)
    run("reveal", key, "--table", scores, "--output", tmp_path / "plain.parquet")
    assert set(pq.read_table(tmp_path / "plain.parquet")["account_id"].to_pylist()) < ids
    assert not set(hidden) & ids


@pytest.mark.slow
def test_an_export_writes_sheets_and_says_how_many_rows(world: Path, tmp_path: Path) -> None:
    said = run("export", world / "data" / "complaints.parquet", "--output", tmp_path / "c.csv", "--currency", "THB")
    rows = (tmp_path / "c.csv").read_text("utf-8-sig").splitlines()
    assert f"{len(rows) - 1:,} rows in" in said
    assert "amount (THB)" in rows[0]
    assert "cannot hold" in run("export", world / "data", "--output", tmp_path / "all.csv", status=2)


@pytest.mark.slow
def test_a_monitor_ends_with_the_status_of_its_worst_check(world: Path, tmp_path: Path) -> None:
    line = ("monitor", world / "data", "--model", world / "model", "--output", tmp_path / "d")
    assert "in all: ok" in run(*line, "--before", "2025-03-05", "--after", "2025-03-05", "--weeks", "1")
    assert "in all: alarm" in run(*line, "--before", "2025-01-10", "--after", "2025-03-05", status=4)
    assert json.loads((tmp_path / "d" / "drift.json").read_text())["worst"] == "alarm"
    assert (tmp_path / "d" / "drift.parquet").exists()


def test_a_check_prints_its_findings_and_writes_the_rejects(tmp_path: Path) -> None:
    rows = [
        "transfer_id,time,source,target,amount",
        "1,2025-03-01T09:00:00Z,007,008,100",
        "2,2025-03-01T09:01:00Z,007,009,0",
    ]
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank" / "transfers.csv").write_text("\n".join(rows))
    said = run("check", tmp_path / "bank", "--output", tmp_path / "rejects.parquet")
    assert "non-positive amount" in said
    assert pq.read_table(tmp_path / "rejects.parquet")["row"].to_pylist() == [1]


def test_the_files_of_another_tool_become_a_data_set(tmp_path: Path) -> None:
    rows = ["txn_id,timestamp,source_id,target_id,amount", "1,2024-01-01 10:00:00,5,6,12.50"]
    (tmp_path / "tx.csv").write_text("\n".join(rows))
    run("import", "synthfin", tmp_path / "tx.csv", "--output", tmp_path / "data")
    assert pq.read_table(tmp_path / "data" / "transfers.parquet")["amount"].to_pylist() == [1250]


def test_files_of_ones_own_become_a_data_set_once_what_is_open_is_said(tmp_path: Path) -> None:
    file, mapping, data = tmp_path / "umsaetze.csv", tmp_path / "columns.toml", tmp_path / "data"
    rows = ["Datum;Uhrzeit;Konto des Auftraggebers;Empfängerkonto;Betrag", "14.03.2568;10:00:00;007;008;1.250,50"]
    file.write_bytes("\r\n".join(rows).encode("cp1252"))
    said = " ".join(run("columns", file, "--output", mapping).split())
    assert "To be decided" in said
    assert "Nothing was imported" in said
    assert 'times.zone is still "?"' in " ".join(
        run("import", "own", file, "--columns", mapping, "--output", data, status=2).split()
    )
    stated = ("--source-tz", "Asia/Bangkok", "--currency", "THB", "--era", "buddhist")
    assert "To be decided" not in run("columns", file, "--output", mapping, *stated)
    assert "1 │" in run("import", "own", file, "--columns", mapping, "--output", data)
    read = pipeline.load(data)
    assert read.transfers["amount"].to_pylist() == [125050]
    assert str(read.transfers["time"][0]) == "2025-03-14 03:00:00+00:00"
    assert pq.read_table(tmp_path / "data.transfers.rejects.parquet").num_rows == 0


def test_import_own_names_the_command_that_says_what_columns_are(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    asked = ("import", "own", tmp_path / "t.csv", "--output", tmp_path / "data")
    assert "muledetect columns" in run(*asked, status=2)
    assert "for other layouts" in run(*asked, "--columns", "columns.toml", "--first-day", "2020-01-01", status=2)
    assert "is a layout whose columns are known" in run(
        "import", "synthfin", *asked[2:], "--columns", "c.toml", status=2
    )


@pytest.mark.slow
def test_a_demo_shows_accounts_rings_and_baselines(tmp_path: Path) -> None:
    said = run("demo", "--accounts", 2000, "--days", 90, "--output", tmp_path / "demo")
    for text in ("accounts to look at first", "this model", "Brier score", "hops", "no account of this one"):
        assert text in said
    short = [line for line in said[said.index("in short") :].splitlines()[1:] if line.strip()]
    starts = ("Mules: 20 alerts find", "Honest customers:", "Rings and money:", "Look at:", "Files:")
    assert len(short) == len(starts)
    assert all(line.startswith(start) for line, start in zip(short, starts, strict=True))
    for name in ("training_data/world.json", "model/manifest.json", "traces/holds.parquet", "report/index.html"):
        assert (tmp_path / "demo" / name).exists()
    seeds = [json.loads((tmp_path / "demo" / name / "world.json").read_text()) for name in ("training_data", "data")]
    assert seeds[0] != seeds[1]


@pytest.mark.slow
def test_bad_input_ends_with_1_and_bad_usage_with_2(world: Path, tmp_path: Path) -> None:
    assert "there is no such folder" in " ".join(run("check", tmp_path / "nowhere", status=1).split())
    options = ("--model", world / "model", "--output", tmp_path / "s.parquet")
    assert "usage" in run("score", world / "data", "--as-of", "yesterday", *options, status=2)
    run("score", world / "data", status=2)
    run("no-such-command", status=2)
    run("score", world / "data", "--as-of", "2025-03-01", "--model", tmp_path / "none", "--output", "x", status=1)


@pytest.mark.slow
def test_account_ids_cannot_command_the_terminal(world: Path, tmp_path: Path) -> None:
    hostile = "\x1b[2J[red]x[/red]"
    tables = {path.stem: pq.read_table(path) for path in (world / "data").glob("*.parquet")}
    first = tables["accounts"].filter(tables["accounts"]["is_own"])["account_id"][0].as_py()

    def renamed(table: pa.Table, *columns: str) -> pa.Table:
        for name in columns:
            cells = [hostile if cell == first else cell for cell in table[name].to_pylist()]
            table = table.set_column(table.column_names.index(name), name, pa.array(cells, pa.string()))
        return table

    (tmp_path / "data").mkdir()
    pq.write_table(
        renamed(tables["transfers"], "source", "target").slice(0, 2000), tmp_path / "data" / "transfers.parquet"
    )
    only = renamed(tables["accounts"], "account_id")
    only = only.filter(pa.array([cell == hostile for cell in only["account_id"].to_pylist()]))
    pq.write_table(only, tmp_path / "data" / "accounts.parquet")
    options = ("--model", world / "model", "--as-of", "2025-03-05", "--output", tmp_path / "s.parquet")
    said = run("score", tmp_path / "data", *options)
    assert "\x1b" not in said
    assert "[red]" in said


@pytest.mark.parametrize("hostile", ["\x1b[31mred\x1b[0m", "\x9b2J", "a\rb", "a\nb", "\u202egnp.exe", "\ud800", "\x00"])
def test_nothing_that_commands_or_reorders_a_terminal_is_printed(hostile: str) -> None:
    shown = console.plain(hostile)
    assert shown.isprintable()
    assert read_visible(Text.from_markup(shown).plain) == hostile
    assert "<U+" in shown


@pytest.mark.parametrize("harmless", ["[red]x[/]", "[/]", "[link=x]y[/link]", "<b>&amp;</b>", "a:bank:b", "x\\", "๑๒"])
def test_markup_is_shown_as_it_is_in_tables_and_lines(harmless: str) -> None:
    row = {"account_id": harmless, "as_of": 0, "score": 1.0, "probability": 0.5, "rank": 1, "tier": "suspected"}
    reason = {"code": "X", "feature": "x", "value": 1.0, "peer_p99": 1.0, "contribution": 1.0, "text": harmless}
    scores = pa.Table.from_pylist([{**row, "reasons": [reason]}], schema=schema.SCORES.arrow_schema)
    shown = Console(file=io.StringIO(), width=120, emoji=cli.out._emoji)
    console.show_scores(shown, scores)
    console.show_tables(shown, {harmless: scores.num_rows}, Path(harmless))
    assert isinstance(shown.file, io.StringIO)
    assert shown.file.getvalue().count(harmless) == 4


@pytest.mark.parametrize("output", ["file/scores.parquet", "folder"])
@pytest.mark.slow
def test_an_output_that_cannot_be_written_ends_with_1_and_leaves_nothing(
    output: str, world: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    options = ("--as-of", "2025-03-05", "--model", world / "model", "--output", tmp_path / output)
    said = run("score", world / "data", *options, status=1)
    assert "error: output:" in said
    assert "Traceback" not in said
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder", "inner"]


def test_a_path_that_looks_like_markup_is_written_and_named(tmp_path: Path) -> None:
    said = run("simulate", tmp_path / "[bold]w", "--accounts", 200, "--days", 14)
    assert "[bold]w" in said.replace("\n", "")
    assert (tmp_path / "[bold]w" / "transfers.parquet").exists()


@pytest.mark.slow
def test_no_account_is_named_in_an_error_or_beside_the_output(world: Path, tmp_path: Path) -> None:
    ids = set(pq.read_table(world / "data" / "accounts.parquet")["account_id"].to_pylist())
    options = ("--model", world / "model", "--as-of", "2025-03-05", "--output", tmp_path / "s.parquet")
    done = start("score", world / "data", *options)
    assert (done.returncode, done.stderr) == (0, "")
    doubled = pq.read_table(tmp_path / "s.parquet")
    pq.write_table(pa.concat_tables([doubled, doubled]), tmp_path / "s.parquet")
    options = ("--scores", tmp_path / "s.parquet", "--as-of", "2025-03-05", "--output", tmp_path / "r")
    done = start("rings", world / "data", *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert "two scores of one moment" in " ".join(done.stderr.split())
    assert not [name for name in ids if name in done.stderr]


def test_an_interrupt_ends_with_130_and_says_what_became_of_the_outputs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(inputs, "load", interrupted)
    monkeypatch.setattr(sys, "argv", "muledetect trace anything --as-of 2025-03-01 --output nothing".split())
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(("currency", "shown"), [("THB", "1,235"), ("JPY", "123,460"), ("KWD", "123"), ("", "123,460")])
def test_amounts_follow_the_decimals_of_their_currency(currency: str, shown: str) -> None:
    row = dict.fromkeys(schema.RINGS.arrow_schema.names) | {
        "ring_id": "r", "n_accounts": 3, "probability": 0.9, "n_victims": 1,
        "value_in": 123_460, "recoverable": 123_460,
        "first_time": datetime(2025, 3, 1, tzinfo=UTC), "last_time": datetime(2025, 3, 2, tzinfo=UTC),
    }  # fmt: skip
    members = [{"ring_id": "r", "account_id": "a", "role": "relay"}]
    found = RingTables(
        rings=pa.Table.from_pylist([row], schema=schema.RINGS.arrow_schema),
        ring_members=pa.Table.from_pylist(members, schema=schema.RING_MEMBERS.arrow_schema),
        currency=currency,
    )
    text = io.StringIO()
    console.show_rings(Console(file=text, width=160), found)
    assert text.getvalue().count(f"{shown} │") == 2
