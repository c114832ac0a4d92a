"""A data set of which no transfer is left ends every command with status 1 and the reason, and nothing is written."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import ended

import muledetect as md
from muledetect import cli, pipeline, schema
from muledetect.errors import DataError

HEAD = "transfer_id,time,source,target,amount\n"
#: A data set without transfers in each of the ways in which one comes about -> what is said of it.
EMPTY = {
    "headings only": "no row is left of 0 read",
    "all rejected": "no row is left of 3 read",
    "all amounts NaN": "no row is left of 2 read",
    "none settled": "no row is left of 1 read",
    "empty parquet": "no row is left of 0 read",
    "empty parts": "no row is left of 0 read",
}
#: Command -> its arguments; "{bank}" is the data set, "{one}" its file of transfers, "{out}" what must not be made.
READING = {
    "train": "train {bank} --as-of 2025-03-01 --model {out}",
    "score": "score {bank} --model starter --as-of 2025-03-01 --output {out}",
    "threshold": "threshold {bank} --model starter --as-of 2025-03-01 --per-day 5 --output {out}",
    "explain": "explain {bank} --scores {scores} --output {out}",
    "rings": "rings {bank} --scores {scores} --as-of 2025-03-01 --output {out}",
    "parties": "parties {bank} --as-of 2025-03-01 --output {out}",
    "exchange_items": "exchange-items {bank} --scores {scores} --as-of 2025-03-01 --output {out}",
    "exchange_join": "exchange-join {bank} --matches {scores} --as-of 2025-03-01 --output {out}",
    "release": "release {bank} --record {scores} --pack TH --as-of 2025-03-01 --output {out}",
    "pack": "pack {bank} --scores {scores} --as-of 2025-03-01 --account a --output {out}",
    "recall": "recall {bank} --as-of 2025-03-01 --sender EXAMPLEB --output {out}",
    "replay": "replay {bank} --model starter --output {out}",
    "serve": "serve {bank} --model starter --log {out}",
    "trace": "trace {bank} --as-of 2025-03-01 --output {out}",
    "report": "report {bank} --scores {scores} --output {out}",
    "evaluate": "evaluate {bank} --model starter --as-of 2025-03-01 --output {out}",
    "monitor": "monitor {bank} --model starter --before 2025-02-01 --after 2025-03-01 --output {out}",
}
#: Commands that take no data set, or another kind of input; what they do with an empty one is tested by itself.
OTHERS = {
    "demo",
    "warm_up",
    "prepare",
    "update",
    "simulate",
    "key",
    "check",
    "columns",
    "import",
    "export",
    "reveal",
    "answers",
    "registry_import",
    "registry_export",
    "registry_diff",
    "exchange_request",
    "exchange_answer",
    "exchange_finish",
    "hold",
    "holds",
    "verify",
}


def write(state: str, folder: Path) -> Path:
    """Write an empty data set and return its file of transfers."""
    folder.mkdir()
    texts = {
        "headings only": HEAD,
        "all rejected": HEAD + "t1,yesterday,a,b,5\nt2,2025-03-01T09:30:00Z,a,,5\nt3,2025-03-01T09:30:00Z,a,b,0\n",
        "none settled": HEAD.strip() + ",status\nt1,2025-03-01T09:30:00Z,a,b,5,rejected\n",
    }
    if state in texts:
        (folder / "transfers.csv").write_text(texts[state], "utf-8")
        return folder / "transfers.csv"
    rows = {"transfer_id": ["t1", "t2"], "time": [datetime(2025, 3, 1, tzinfo=UTC)] * 2, "source": ["a"] * 2}
    table = pa.table({**rows, "target": ["b"] * 2, "amount": [float("nan")] * 2})
    if state == "empty parts":
        (folder / "transfers").mkdir()
        for part in ("1", "2"):
            pq.write_table(table.slice(0, 0), folder / "transfers" / f"{part}.parquet")
        return folder / "transfers" / "1.parquet"
    pq.write_table(table if state == "all amounts NaN" else table.slice(0, 0), folder / "transfers.parquet")
    return folder / "transfers.parquet"


def run(arguments: str) -> tuple[int, str]:
    """Run a command; return its status and what it printed, in one line."""
    status, said = ended(*arguments.split())
    return status, " ".join(said.split())


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Return a file of scores of one account."""
    made = md.to_pandas(schema.SCORES.arrow_schema.empty_table())
    pq.write_table(pa.Table.from_pandas(made, schema=schema.SCORES.arrow_schema), tmp_path / "scores.parquet")
    return tmp_path / "scores.parquet"


def test_every_command_is_in_the_table() -> None:
    names = {found.name or found.callback.__name__ for found in cli.app.registered_commands if found.callback}
    assert names == OTHERS | set(READING)


@pytest.mark.parametrize("state", EMPTY)
@pytest.mark.parametrize("command", READING)
def test_a_command_that_reads_transfers_ends_with_1_and_says_why(
    command: str, state: str, tmp_path: Path, scores: Path
) -> None:
    write(state, tmp_path / "bank")
    names = {"bank": tmp_path / "bank", "out": tmp_path / "out", "scores": scores}
    status, said = run(READING[command].format(**names))
    assert status == 1
    assert EMPTY[state] in said
    assert "muledetect check" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("state", EMPTY)
def test_check_ends_with_1_shows_the_findings_and_writes_the_rejects(state: str, tmp_path: Path) -> None:
    write(state, tmp_path / "bank")
    status, said = run(f"check {tmp_path / 'bank'} --output {tmp_path / 'rejects.parquet'}")
    assert status == 1
    assert EMPTY[state] in said
    assert "error: check: no transfer is left" in said
    assert "rejects.parquet has each row and why" in said
    n_read = int(EMPTY[state].split()[-2])
    assert pq.read_table(tmp_path / "rejects.parquet").num_rows == n_read


@pytest.mark.parametrize("state", EMPTY)
def test_in_python_check_finds_an_error_and_all_else_raises(state: str, tmp_path: Path) -> None:
    write(state, tmp_path / "bank")
    findings = pipeline.check(tmp_path / "bank")
    assert findings["severity"].tolist()[:1] == ["error"]
    assert EMPTY[state] in findings["text"][0]
    read = md.read_dataset(tmp_path / "bank")
    assert read.transfers.num_rows == 0
    for dataset in (tmp_path / "bank", read):
        with pytest.raises(DataError, match=EMPTY[state]):
            pipeline.score(dataset, "starter", "2025-03-01")


def test_the_error_says_for_which_reasons_rows_were_left_out(tmp_path: Path) -> None:
    write("all rejected", tmp_path / "bank")
    with pytest.raises(DataError) as caught:
        pipeline.load(tmp_path / "bank")
    for reason in ("'time': cannot be read; 1 of 3", "'target': missing key; 1 of 3", "non-positive amount; 1 of 3"):
        assert reason in str(caught.value)


@pytest.mark.parametrize("state", EMPTY)
def test_a_store_of_no_transfer_is_made_and_says_so_and_no_step_works_on_it(state: str, tmp_path: Path) -> None:
    write(state, tmp_path / "bank")
    status, said = run(f"prepare {tmp_path / 'bank'} --output {tmp_path / 'store'}")
    assert (status, "transfers: no row is left" in said) == (0, True)
    status, said = run(f"score {tmp_path / 'store'} --model starter --as-of 2025-03-01 --output {tmp_path / 'out'}")
    assert (status, EMPTY[state] in said) == (1, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("state", EMPTY)
def test_an_update_by_no_transfer_leaves_those_of_the_store(state: str, tmp_path: Path) -> None:
    write(state, tmp_path / "new")
    rows = "t8,2025-03-01T09:30:00Z,a,b,5,settled\nt9,2025-03-02T09:30:00Z,b,c,5,settled\n"
    (tmp_path / "bank.csv").write_text(f"{HEAD.strip()},status\n{rows}", "utf-8")
    run(f"prepare {tmp_path / 'bank.csv'} --output {tmp_path / 'store'}")
    before = md.open_store(tmp_path / "store")
    status, said = run(f"update {tmp_path / 'store'} {tmp_path / 'new'}")
    after = md.open_store(tmp_path / "store")
    assert status == 0, said
    assert after.header.changed_days == ()
    assert after.dataset.transfers.equals(before.dataset.transfers)
    assert after.header.rows_read["transfers"] == 2 + int(EMPTY[state].split()[-2])
    assert len(after.dataset.rejects) == after.header.rows_read["transfers"] - 2


def test_an_empty_table_beside_transfers_is_a_warning(tmp_path: Path) -> None:
    write("headings only", tmp_path / "bank")
    (tmp_path / "bank" / "transfers.csv").write_text(HEAD + "t1,2025-03-01T09:30:00Z,a,b,5\n", "utf-8")
    (tmp_path / "bank" / "labels.csv").write_text("account_id,label\n", "utf-8")
    status, said = run(f"check {tmp_path / 'bank'} --output {tmp_path / 'rejects.parquet'}")
    assert status == 0
    assert "labels: column 'account_id': no accepted row" in said


@pytest.mark.parametrize("state", ["headings only", "empty parquet"])
def test_columns_and_import_own_refuse_a_file_without_rows(state: str, tmp_path: Path) -> None:
    file = write(state, tmp_path / "bank")
    status, said = run(f"columns {file} --output {tmp_path / 'out'} --currency THB --source-tz UTC --money minor")
    assert status == 1
    assert "has no rows" in said
    assert not (tmp_path / "out").exists()
    full = HEAD + "t1,2025-03-01T09:30:00Z,0071,0082,500\nt2,2025-03-01T09:31:00Z,0082,0093,400\n"
    (tmp_path / "full.csv").write_text(full, "utf-8")
    mapping = md.records.own.suggest_columns(tmp_path / "full.csv", currency="THB", source_tz="UTC", money="minor")
    mapping.write(tmp_path / "columns.toml")
    status, said = run(f"import own {file} --columns {tmp_path / 'columns.toml'} --output {tmp_path / 'out'}")
    assert status == 1
    assert "has no rows" in said
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


@pytest.mark.parametrize("layout", ["amlsim", "amlworld", "synthfin"])
def test_import_of_a_layout_refuses_files_without_transfers(layout: str, tmp_path: Path) -> None:
    heads = {
        "amlsim": ("tx.csv", "tran_id,orig_acct,bene_acct,tx_type,base_amt,tran_timestamp,is_sar,alert_id\n"),
        "amlworld": (
            "HI-Small_Trans.csv",
            "Timestamp,From Bank,Account,To Bank,Account,Amount Received,Receiving Currency,Amount Paid,"
            "Payment Currency,Payment Format,Is Laundering\n",
        ),
        "synthfin": ("transactions.csv", "transaction_id,timestamp,sender_account,receiver_account,amount\n"),
    }
    name, head = heads[layout]
    (tmp_path / name).write_text(head, "utf-8")
    status, said = run(f"import {layout} {tmp_path / name} --output {tmp_path / 'out'}")
    assert status == 1, said
    assert not (tmp_path / "out").exists()


def test_export_and_reveal_of_a_table_without_rows_give_one_without_rows(tmp_path: Path) -> None:
    file = write("empty parquet", tmp_path / "bank")
    status, said = run(f"export {file} --output {tmp_path / 'out.csv'}")
    assert (status, said.startswith("0 rows in")) == (0, True)
    assert (tmp_path / "out.csv").read_text("utf-8-sig").startswith('"transfer_id",')
    md.records.new_key(tmp_path / "a.key")
    status, said = run(f"reveal {tmp_path / 'a.key'} --table {file} --output {tmp_path / 'out.parquet'}")
    assert (status, pq.read_table(tmp_path / "out.parquet").num_rows) == (0, 0)
