"""Pseudonyms: one id, one pseudonym, back only with the key; results are those of the plain data under other names."""

from __future__ import annotations

import base64
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from hypothesis import given
from hypothesis import strategies as st
from small_world import ACCOUNT_COLUMNS, SCORED_AT, TRAINED_AT, World, permuted, small_model, small_world

from muledetect import convert, pipeline
from muledetect.errors import DataError, OptionError
from muledetect.graph import build_graph
from muledetect.records import Dataset, read_dataset, write_tables
from muledetect.records.fingerprint import fingerprint
from muledetect.records.pseudonyms import Pseudonyms, looks_hidden, new_key, read_key
from muledetect.schema import INPUTS, OUTPUTS

NAMES = Pseudonyms(bytes(range(64)))
OTHERS = Pseudonyms(bytes(64))
MARK = "Leak7Mark"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def flat(values: Any) -> list[Any]:
    return list(values.to_pylist())


# The pseudonym


@given(st.lists(st.none() | texts, max_size=20))
def test_what_was_hidden_is_revealed_and_nulls_stay(ids: list[str | None]) -> None:
    hidden = NAMES.hide(ids)
    assert flat(NAMES.reveal(hidden)) == ids
    assert [entry is None for entry in flat(hidden)] == [entry is None for entry in ids]
    assert len(set(flat(hidden))) == len(set(ids))


@given(texts.filter(bool))
def test_a_pseudonym_is_the_sealed_id_in_base32(name: str) -> None:
    sealed = AESSIV(NAMES.key).encrypt(name.encode(), [b"muledetect: account or holder"])
    wanted = "p-" + base64.b32encode(sealed).decode().lower().rstrip("=")
    assert flat(NAMES.hide([name])) == [wanted]
    assert flat(looks_hidden(pa.array([wanted, name]))) == [True, False]


def test_one_id_has_one_pseudonym_a_key() -> None:
    first, again, other = (flat(names.hide(["007"]))[0] for names in (NAMES, Pseudonyms(NAMES.key), OTHERS))
    assert first == again != other


def test_another_key_opens_nothing() -> None:
    with pytest.raises(DataError, match="2 different pseudonyms are not of this key"):
        OTHERS.reveal(NAMES.hide(["007", "008", "007"]))
    with pytest.raises(DataError, match="1 of 1 are none of this key"):
        OTHERS.reveal_all(flat(NAMES.hide(["007"])))


@pytest.mark.parametrize("place", range(2, 37))
def test_a_changed_letter_is_noticed(place: int) -> None:
    pseudonym = flat(NAMES.hide(["account"]))[0]
    assert len(pseudonym) == 39
    for letter in "abcdefghijklmnopqrstuvwxyz234567".replace(pseudonym[place], ""):
        with pytest.raises(DataError):
            NAMES.reveal([pseudonym[:place] + letter + pseudonym[place + 1 :]])


def test_letters_more_or_less_are_noticed() -> None:
    pseudonym = flat(NAMES.hide(["account"]))[0]
    for changed in (pseudonym + "a", pseudonym[:-1], pseudonym + "aaaaaaaa", pseudonym.upper(), "007", ""):
        with pytest.raises(DataError):
            NAMES.reveal_all([changed])


def test_ids_that_are_pseudonyms_already_are_refused_without_being_named() -> None:
    hidden = flat(NAMES.hide(["007", "008"]))
    with pytest.raises(DataError, match="2 of 3 different ids are pseudonyms of this key already") as refused:
        NAMES.hide([*hidden, "009"])
    assert not [name for name in (*hidden, "009") if name in str(refused.value)]
    twice = OTHERS.hide(hidden)  # those of somebody else's key are ids like others
    assert flat(OTHERS.reveal(twice)) == hidden


def test_pseudonyms_are_revealed_inside_texts_lists_and_structs_of_any_layout() -> None:
    one, two = flat(NAMES.hide(["007", "ก-8"]))
    row = pa.struct([("text", pa.string()), ("n", pa.int64())])
    table = pa.table(
        {
            "text": pa.array([f"paid {one}, then {two}.", None, "p-no", one], pa.large_string()),
            "coded": pa.array([one, None, one, "x"]).dictionary_encode(),
            "listed": pa.array([[one, None], None, [], [two, "x"]], pa.list_(pa.string())),
            "rows": pa.array(
                [[{"text": one, "n": 1}, None], [], None, [{"text": None, "n": 2}]], pa.list_(row)
            ),
            "number": [1, 2, 3, 4],
        },
        metadata={"kept": "yes"},
    )  # fmt: skip
    twice = pa.concat_tables([table, table]).slice(1, 6)
    revealed = NAMES.reveal(twice)
    assert revealed.schema.equals(twice.schema, check_metadata=True)
    assert revealed["text"].to_pylist() == [None, "p-no", "007", "paid 007, then ก-8.", None, "p-no"]
    assert revealed["coded"].to_pylist() == [None, "007", "x", "007", None, "007"]
    assert revealed["listed"].to_pylist() == [None, [], ["ก-8", "x"], ["007", None], None, []]
    assert revealed["rows"].to_pylist() == [
        [], None, [{"text": None, "n": 2}], [{"text": "007", "n": 1}, None], [], None,
    ]  # fmt: skip
    assert revealed["number"].equals(twice["number"])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_hiding_keeps_type_and_chunks_of_any_form(kind: pa.DataType) -> None:
    chunks = pa.chunked_array([pa.array(["007", None], kind), pa.array([], kind), pa.array(["008", "007"], kind)])
    hidden = NAMES.hide(chunks)
    assert hidden.type == kind
    plain = flat(NAMES.hide(["007", None, "008", "007"]))
    assert flat(hidden) == plain
    assert flat(NAMES.hide(chunks.chunk(0).slice(1))) == [None]
    assert flat(NAMES.hide(pa.chunked_array([], kind))) == []


# The key


def test_a_key_is_written_once_for_its_owner_only(tmp_path: Path) -> None:
    made = new_key(tmp_path / "secret.key")
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    assert read_key(tmp_path / "secret.key") == made
    assert made != new_key(tmp_path / "other.key")
    kept = (tmp_path / "secret.key").read_bytes()
    with pytest.raises(OptionError, match="is not overwritten"):
        new_key(tmp_path / "secret.key")
    assert (tmp_path / "secret.key").read_bytes() == kept


def test_a_key_is_never_shown(tmp_path: Path) -> None:
    made = new_key(tmp_path / "k")
    letters = (tmp_path / "k").read_text().strip().partition(":")[2]
    assert repr(made) == "Pseudonyms()"
    (tmp_path / "k").write_text(f"muledetect-key-2:{letters}")
    with pytest.raises(OptionError) as refused:
        read_key(tmp_path / "k")
    assert letters not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"muledetect-key-1:", b"muledetect-key-1:AAAA", b"x" * 200, b"\xff\xfe\x00"])
def test_a_file_that_holds_no_key_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(OptionError, match="'k' holds no key"):
        read_key(tmp_path / "k")
    with pytest.raises(OptionError, match="there is no file 'none'"):
        read_key(tmp_path / "none")
    with pytest.raises(OptionError, match="must have 64 bytes; got 3"):
        Pseudonyms(b"abc")


def test_without_cryptography_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(OptionError, match=re.escape("pip install 'muledetect[report]'")):
        Pseudonyms(bytes(64))


# Reading


def marked() -> World:
    """Return the small world with a mark in the id of every account and holder, and a column of names."""
    columns = {name: [*of] for name, of in ACCOUNT_COLUMNS.items()}
    columns["accounts"] += ["holder_id"]
    columns["holders"] = ["holder_id"]
    world = dict(small_world())
    for name, of in columns.items():
        for column in of:
            ids = pc.binary_join_element_wise(MARK, world[name][column], "")
            world[name] = world[name].set_column(world[name].column_names.index(column), column, ids)
    lists = world["watchlists"]
    ids = pc.if_else(
        pc.equal(lists["kind"].cast(pa.string()), "account"),
        pc.binary_join_element_wise(MARK, lists["value_hash"].cast(pa.string()), ""),
        lists["value_hash"].cast(pa.string()),
    )
    world["watchlists"] = lists.set_column(lists.column_names.index("value_hash"), "value_hash", ids)
    world["accounts"] = world["accounts"].append_column("name", pa.array([f"{MARK} & Co"] * len(world["accounts"])))
    memo = pc.binary_join_element_wise("to", world["transfers"]["target"], " ")
    world["transfers"] = world["transfers"].append_column("memo", memo)
    return world


@pytest.fixture(scope="session")
def plain() -> Dataset:
    return read_dataset(marked())


@pytest.fixture(scope="session")
def hidden() -> Dataset:
    return read_dataset(marked(), pseudonymise=NAMES)


def canonical(table: pa.Table) -> pa.Table:
    return table.sort_by("transfer_id") if "amount" in table.column_names and "source" in table.column_names else table


@pytest.mark.slow
def test_a_data_set_is_the_same_under_pseudonyms(plain: Dataset, hidden: Dataset) -> None:
    assert list(hidden.tables) == list(plain.tables)
    for name, table in plain.tables.items():
        wanted = table.select([column for column in table.column_names if column in INPUTS[name].names])
        found = hidden.tables[name]
        assert found.schema.equals(wanted.schema)
        assert canonical(NAMES.reveal(found)).to_pylist() == canonical(wanted).to_pylist()
    assert (hidden.currency, hidden.tick, hidden.rows_read) == (plain.currency, plain.tick, plain.rows_read)
    assert hidden.rejects.equals(plain.rejects)


@pytest.mark.slow
def test_no_table_of_it_holds_an_id_or_a_name(hidden: Dataset) -> None:
    assert not [name for name, table in hidden.tables.items() if MARK in str(table.to_pydict())]
    assert MARK not in str(hidden.account_ids.to_pylist())
    assert MARK not in str(hidden.findings)


def test_its_ids_and_transfers_are_in_canonical_order(hidden: Dataset) -> None:
    ids = hidden.account_ids.to_pylist()
    assert ids == sorted(set(ids))
    assert pc.all(looks_hidden(hidden.account_ids)).as_py()
    rows = hidden.transfers.select(["time", "source", "target", "amount", "transfer_id"]).to_pylist()
    assert rows == sorted(rows, key=lambda row: tuple(row.values()))
    assert hidden.transfers["source"].chunk(0).dictionary.equals(hidden.account_ids)


def test_its_fingerprint_is_that_of_the_pseudonyms(plain: Dataset, hidden: Dataset) -> None:
    assert hidden.fingerprint == fingerprint(hidden.tables, hidden.currency) != plain.fingerprint
    assert read_dataset(permuted(marked()), pseudonymise=NAMES).fingerprint == hidden.fingerprint
    assert read_dataset(marked(), pseudonymise=OTHERS).fingerprint != hidden.fingerprint
    assert read_dataset(dict(hidden.tables)).fingerprint == hidden.fingerprint


def test_columns_outside_the_contract_are_left_out_and_it_is_said(plain: Dataset, hidden: Dataset) -> None:
    assert {"memo"} <= set(plain.transfers.column_names)
    said = [found for found in hidden.findings if found.reason == "column outside the contract left out"]
    assert {(found.severity, found.table, found.column) for found in said} == {
        ("warn", "transfers", "memo"), ("warn", "accounts", "name"),
    }  # fmt: skip
    assert all("may name people" in found.text for found in said)
    assert [found for found in hidden.findings if found not in said] == list(plain.findings)


def test_a_wallet_and_a_listed_account_match_their_account_and_other_hashes_stay() -> None:
    moment = ["2025-03-01T00:00:00Z"] * 3
    transfers = {"transfer_id": ["t"], "time": moment[:1], "source": ["a1"], "target": ["a2"], "amount": [5]}
    lists = {
        "list_id": ["L"] * 3, "kind": ["account", "wallet", "phone"], "value_hash": ["a1", "a2", "a1"],
        "category": ["mule"] * 3, "valid_from": moment,
    }  # fmt: skip
    known = {"entity_id": ["a1", "a2"], "kind": ["wallet", "phone"], "value_hash": ["a2"] * 2, "valid_from": moment[:2]}
    tables = {"transfers": transfers, "watchlists": lists, "identifiers": known}
    read = read_dataset({name: pa.table(table) for name, table in tables.items()}, pseudonymise=NAMES)
    one, two = flat(NAMES.hide(["a1", "a2"]))
    assert read.tables["watchlists"]["value_hash"].to_pylist() == [one, two, "a1"]
    assert read.tables["identifiers"]["value_hash"].to_pylist() == [two, "a2"]


def test_every_column_in_which_a_world_writes_an_account_or_holder_is_declared() -> None:
    world = small_world()
    ids = {name for column in ("source", "target") for name in world["transfers"][column].to_pylist()}
    ids |= set(world["accounts"]["account_id"].to_pylist()) | set(world["holders"]["holder_id"].to_pylist())
    found = {
        (name, column)
        for name, table in world.items()
        for column in table.column_names
        if INPUTS[name].column(column).arrow_type == pa.string()
        and len(ids & set(table[column].cast(pa.string()).to_pylist())) > 3  # random digits may coincide
    }
    declared = {(name, column.name) for name, table in INPUTS.items() for column in table.columns if column.who}
    assert found <= declared
    assert {("complaints", "victim_account"), ("watchlists", "value_hash"), ("holders", "holder_id")} <= found


@pytest.mark.parametrize("table", [*INPUTS.values(), *OUTPUTS.values()], ids=lambda table: table.name)
def test_columns_named_after_accounts_and_holders_are_declared(table: Any) -> None:
    telling = {"account_id", "holder_id", "entity_id", "source", "target", "victim_account", "one", "other"}
    named = {column.name for column in table.columns if column.name in telling and column.type in ("id", "hash")}
    assert named == {column.name for column in table.columns if column.who and column.who_if is None}
    for column in table.columns:
        if column.who_if:
            assert set(column.who_if[1]) <= set(table.column(column.who_if[0]).values)


def test_pseudonyms_are_not_hidden_again(hidden: Dataset) -> None:
    with pytest.raises(DataError, match=r"account_id': .* are pseudonyms of this key already"):
        read_dataset(dict(hidden.tables), pseudonymise=NAMES)


def test_a_key_may_be_given_as_its_file(tmp_path: Path) -> None:
    transfers = {"transfer_id": ["t"], "time": ["2025-03-01T00:00:00Z"], "source": ["a1"], "target": ["a2"]}
    read = read_dataset(pa.table({**transfers, "amount": [5]}), pseudonymise=_file_of(NAMES, tmp_path))
    assert sorted(flat(NAMES.reveal(read.account_ids))) == ["a1", "a2"]


def _file_of(names: Pseudonyms, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "key").write_text(f"muledetect-key-1:{base64.urlsafe_b64encode(names.key).decode()}\n")
    return folder / "key"


# The whole line


class Line(NamedTuple):
    dataset: Dataset
    folder: Path


def run(dataset: Dataset, model: Path, folder: Path) -> Line:
    pipeline.score(dataset, model, SCORED_AT, n_explained=20, output=folder / "scores.parquet")
    pipeline.explain(dataset, folder / "scores.parquet", output=folder / "explained")
    pipeline.find_rings(dataset, folder / "scores.parquet", SCORED_AT, output=folder / "rings")
    pipeline.trace(dataset, SCORED_AT, output=folder / "trace")
    return Line(dataset, folder)


@pytest.fixture(scope="session")
def model(plain: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    pipeline.train(plain, TRAINED_AT, target="ever", pack="TH", known_by=TRAINED_AT, model=small_model(), output=folder)
    return folder


@pytest.fixture(scope="session")
def open_line(plain: Dataset, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Line:
    return run(plain, model, tmp_path_factory.mktemp("open"))


@pytest.fixture(scope="session")
def hidden_line(hidden: Dataset, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Line:
    line = run(hidden, model, tmp_path_factory.mktemp("hidden"))
    pipeline.find_rings(
        hidden, line.folder / "scores.parquet", SCORED_AT, previous=line.folder / "rings", output=line.folder / "again"
    )
    pipeline.evaluate(
        hidden, model, SCORED_AT, found_rings=line.folder / "rings", use_truth=True, known_by=TRAINED_AT,
        output=line.folder / "evaluation",
    )  # fmt: skip
    pipeline.threshold(hidden, model, [TRAINED_AT, SCORED_AT], 5, output=line.folder / "threshold.json")
    pipeline.monitor(hidden, model, TRAINED_AT, SCORED_AT, output=line.folder / "drift")
    return line


def tables_of(folder: Path) -> dict[str, pa.Table]:
    return {str(path.relative_to(folder)): pq.read_table(path) for path in sorted(folder.rglob("*.parquet"))}


def rows_of(table: pa.Table) -> list[str]:
    """Rows as text, in an order that does not depend on names, without the ids that are made from members' ids."""
    return sorted(repr(_nameless(row)) for row in table.to_pylist())


def _nameless(row: dict[str, Any]) -> dict[str, Any]:
    told = {name: sorted(value) if name == "evidence" else value for name, value in row.items() if name != "ring_id"}
    if "weight" in told and told["kind"] not in ("relay", "payment"):  # without direction: smaller id first
        told["source"], told["target"] = sorted((told["source"], told["target"]))
    return told


@pytest.mark.slow
def test_results_are_those_of_the_plain_data_under_other_names(open_line: Line, hidden_line: Line) -> None:
    wanted = tables_of(open_line.folder)
    found = {name: table for name, table in tables_of(hidden_line.folder).items() if name in wanted}
    assert list(found) == list(wanted)
    assert (
        min(len(wanted[name]) for name in ("scores.parquet", "explained/key_transfers.parquet", "rings/rings.parquet"))
        > 1
    )
    assert min(len(wanted[name]) for name in ("trace/trace.parquet", "rings/ring_links.parquet")) > 1
    for name, table in wanted.items():
        assert rows_of(NAMES.reveal(found[name])) == rows_of(table), name


def _cells(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, entry in value.items():
            yield str(name)
            yield from _cells(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _cells(entry)
    else:
        yield str(value)


@pytest.mark.slow
def test_no_byte_of_an_output_tells_an_id(open_line: Line, hidden_line: Line) -> None:
    files = [path for path in hidden_line.folder.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path.name for path in files if MARK.encode() in path.read_bytes()]
    for name, table in tables_of(hidden_line.folder).items():
        assert not [cell for cell in _cells(table.to_pydict()) if MARK in cell], name
        assert MARK not in str(table.schema.metadata), name
    told = "".join(_cells([table.to_pydict() for table in tables_of(open_line.folder).values()]))
    assert told.count(MARK) > 1000  # what is looked for is there in plain outputs


@pytest.mark.slow
def test_declared_columns_of_outputs_hold_pseudonyms_and_nothing_else(hidden_line: Line) -> None:
    for name, table in tables_of(hidden_line.folder).items():
        declared = OUTPUTS.get(Path(name).stem)
        for column in declared.columns if declared else ():
            if column.who and len(table):
                assert pc.all(looks_hidden(table[column.name])).as_py(), (name, column.name)


@pytest.mark.slow
def test_earlier_rings_of_the_same_key_are_known_again(hidden_line: Line) -> None:
    events = pq.read_table(hidden_line.folder / "again" / "ring_events.parquet")
    assert set(events["event"].to_pylist()) == {"unchanged"}


@pytest.mark.slow
def test_tables_by_other_names_than_the_data_are_refused(
    plain: Dataset, hidden: Dataset, open_line: Line, hidden_line: Line
) -> None:
    open_scores, hidden_scores = (line.folder / "scores.parquet" for line in (open_line, hidden_line))
    with pytest.raises(
        DataError, match=r"scores: column 'account_id': .* rows have plain ids, but the data set was read"
    ):
        pipeline.find_rings(hidden, open_scores, SCORED_AT)
    with pytest.raises(
        DataError, match=r"scores: column 'account_id': .* rows have pseudonyms, but the data set was read"
    ):
        pipeline.explain(plain, hidden_scores)
    with pytest.raises(DataError, match=r"previous: ring_members: .* have plain ids"):
        pipeline.find_rings(hidden, hidden_scores, SCORED_AT, previous=open_line.folder / "rings")
    with pytest.raises(DataError, match=r"found_rings: ring_members: .* have pseudonyms"):
        pipeline.evaluate(plain, "starter", SCORED_AT, found_rings=hidden_line.folder / "rings")
    with pytest.raises(DataError, match=r"none of its .* pseudonyms is in the data set"):
        pipeline.find_rings(
            read_dataset(marked(), pseudonymise=OTHERS), pq.read_table(hidden_scores).to_pandas(), SCORED_AT
        )


@pytest.mark.slow
def test_scores_of_accounts_that_are_gone_are_no_mismatch(plain: Dataset, hidden: Dataset) -> None:
    for dataset, gone in ((plain, "gone"), (hidden, flat(NAMES.hide(["gone"]))[0])):
        known = dataset.account_ids[0].as_py()
        scores = pd.DataFrame({"account_id": [known, gone], "score": [0.1, 0.2], "probability": [0.1, 0.2]})
        assert len(pipeline.find_rings(dataset, scores, SCORED_AT)) >= 0


def test_graphs_and_traces_take_pseudonyms_for_ids(hidden: Dataset) -> None:
    assert (build_graph(hidden).codes(hidden.account_ids) == range(len(hidden.account_ids))).all()


# Revealing files


@pytest.mark.slow
def test_a_folder_and_a_file_are_revealed(open_line: Line, hidden_line: Line, tmp_path: Path) -> None:
    key = _file_of(NAMES, tmp_path)
    convert.reveal(hidden_line.folder / "scores.parquet", key, tmp_path / "scores.parquet")
    wanted = pq.read_table(open_line.folder / "scores.parquet")
    assert rows_of(pq.read_table(tmp_path / "scores.parquet")) == rows_of(wanted)
    made = convert.reveal(hidden_line.folder / "rings", NAMES, tmp_path / "rings")
    assert set(made) == {path.stem for path in (hidden_line.folder / "rings").glob("*.parquet")}
    assert MARK in str(pq.read_table(tmp_path / "rings" / "ring_members.parquet").to_pydict())
    with pytest.raises(DataError, match=r"scores: 5.. different pseudonyms are not of this key"):
        convert.reveal(hidden_line.folder / "scores.parquet", OTHERS, tmp_path / "none.parquet")
    assert not (tmp_path / "none.parquet").exists()


def test_what_holds_no_table_cannot_be_revealed(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    output = tmp_path_factory.mktemp("revealed") / "out"
    (tmp_path / "x.parquet").write_text("no")
    for path in (tmp_path / "none.parquet", tmp_path / "x.parquet", tmp_path):
        with pytest.raises(DataError, match="cannot be read as Parquet"):
            convert.reveal(path, NAMES, output)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no Parquet file"):
        convert.reveal(tmp_path / "empty", NAMES, output)


def test_a_data_set_written_under_pseudonyms_is_read_like_any_other(hidden: Dataset, tmp_path: Path) -> None:
    write_tables(hidden.tables, tmp_path)
    again = read_dataset(tmp_path)
    assert again.fingerprint == hidden.fingerprint
    assert again.account_ids.equals(hidden.account_ids)
