"""A pack: the same bytes from the same input, computed again elsewhere, and nobody outside the case in any byte."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import ended
from evidence_world import AS_OF, bank, marked, packed, ring_of, rings, scores, tables

from muledetect import pipeline
from muledetect.clock import DAY, HOUR, format_time
from muledetect.errors import DataError, OptionError, OutputError
from muledetect.evidence import read_archive, verify_pack
from muledetect.evidence.archive import DIGESTS, digests_of, write_archive
from muledetect.holds import add_event
from muledetect.holds.clocks import clocks_text
from muledetect.records import read_dataset, write_tables
from muledetect.records.pseudonyms import Pseudonyms, new_key

KEY = Pseudonyms(bytes(range(64)))
#: Kind of case -> accounts that may appear in its pack.
INSIDE = {
    "account": {"gc", "gv0", "gv1"},
    "complaint": {"gc", "gr1", "gr2", "gx", "gv0", "abroad"},
    "ring": {"gc", "gr1", "gr2", "gx", "gv0", "gv1"},
}
KINDS = tuple(INSIDE)


@cache
def members(kind: str, *, is_exchange: bool = False) -> dict[str, bytes]:
    return unzipped(packed(kind, dataset=hidden(), key=KEY) if is_exchange else packed(kind))


@cache
def hidden() -> Any:
    return read_dataset(tables(), currency="THB", pseudonymise=KEY)


def unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def everybody() -> set[str]:
    ends = bank().transfers.select(["source", "target"]).to_pydict()
    return {*ends["source"], *ends["target"]}


def texts(found: dict[str, bytes]) -> dict[str, str]:
    """Return all that a pack holds as text: raw bytes, and every cell of its Parquet tables."""
    said = {name: content.decode("utf-8", "replace") for name, content in found.items()}
    for name, content in found.items():
        if name.endswith(".parquet"):
            table = pq.read_table(io.BytesIO(content))
            said[name] += str(table.to_pylist()) + str(table.schema.metadata)
    return said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_exchange", [False, True])
def test_nobody_outside_the_case_is_in_any_byte(kind: str, is_exchange: bool) -> None:
    inside = {marked(name) for name in INSIDE[kind]}
    said = "".join(texts(members(kind, is_exchange=is_exchange)).values())
    outside = everybody() - inside
    assert len(outside) > 10
    ids = sorted(everybody()) if is_exchange else sorted(outside)
    assert [name for name in ids if name in said] == []
    holders = [marked(f"h {name}") for name in ("gv2", "kc", "shop")]
    assert [name for name in holders if name in said] == []
    shown = KEY.hide(sorted(outside)).to_pylist()
    assert [name for name in shown if name in said] == []
    assert "memo 1" not in said  # columns of the bank's own
    assert "name gc" not in said
    present = sorted(inside) if not is_exchange else KEY.hide(sorted(inside)).to_pylist()
    assert [name for name in present if name not in said] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_pack_is_computed_again(kind: str, tmp_path: Path) -> None:
    (tmp_path / "case.zip").write_bytes(packed(kind))
    found = pipeline.verify(tmp_path / "case.zip", read_dataset(tables(), currency="THB"))
    assert found.agrees, found.differing
    assert found.notes == ()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_in_another_order_give_the_same_bytes(kind: str) -> None:
    random = np.random.default_rng(5)
    turned = {name: table.take(random.permutation(len(table))) for name, table in tables().items()}
    assert packed(kind, dataset=read_dataset(turned, currency="THB")) == packed(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_future_changes_nothing_but_the_name_of_the_data_set(kind: str) -> None:
    made = tables()
    last = made["transfers"].slice(0, 1).to_pylist()[0] | {
        "transfer_id": "later",
        "time": AS_OF,
        "source": marked("new"),
    }
    later = pa.Table.from_pylist([last], made["transfers"].schema)
    more = {**made, "transfers": pa.concat_tables([made["transfers"], later])}
    other = read_dataset(more, currency="THB")
    one, two = unzipped(packed(kind)), unzipped(packed(kind, dataset=other))
    for found, dataset in ((one, bank()), (two, other)):
        for name in found:
            found[name] = found[name].replace(dataset.fingerprint.encode(), b"DATA SET")
    assert {name for name in one if one[name] != two[name]} <= {DIGESTS}


def test_another_data_set_is_noticed_and_the_part_is_named() -> None:
    made = tables()
    amounts = made["transfers"]["amount"].to_pylist()
    at = made["transfers"]["target"].to_pylist().index(marked("gc"), 60)
    amounts[at] += 1
    made["transfers"] = made["transfers"].set_column(
        made["transfers"].column_names.index("amount"), "amount", pa.array(amounts, pa.int64())
    )
    found = verify_pack(members("account"), read_dataset(made, currency="THB"))
    assert not found.agrees
    assert "manifest.json" in found.differing
    assert "the data set is not the one that the pack was made from" in found.notes
    assert found.differing != tuple(sorted(members("account")))  # only what differs is named
    assert "tables/ring_members.parquet" not in found.differing


@pytest.mark.parametrize(
    "name", ["tables/transfers.csv", "pages/index.html", "tables/bystanders.parquet", "manifest.json"]
)
def test_a_part_that_was_made_anew_with_its_digest_is_named(name: str, tmp_path: Path) -> None:
    changed = {key: content for key, content in members("account").items() if key != DIGESTS}
    if name == "manifest.json":
        said = json.loads(changed[name])
        said["case"]["subjects"] = 2
        changed[name] = json.dumps(said).encode()
    else:
        changed[name] += b"\n"
    (tmp_path / "x.zip").write_bytes(write_archive(changed))
    found = pipeline.verify(tmp_path / "x.zip", bank())
    assert found.differing == (name,)
    broken = {**members("account"), name: changed[name]}
    assert verify_pack(broken, bank()).differing == (name,)


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"options": {}}',
        b'{"options": null, "given": []}',
        b'{"options": 1, "given": ["scores"]}',
        b"\xff",
    ],
)
def test_a_hostile_manifest_is_refused(manifest: bytes) -> None:
    changed = {**members("account"), "manifest.json": manifest}
    with pytest.raises(DataError, match="manifest"):
        verify_pack({**changed, DIGESTS: digests_of(changed)}, bank())


def with_manifest(found: dict[str, bytes], **changed: Any) -> dict[str, bytes]:
    """Return a pack whose manifest has other options, made anew with its digests."""
    said = json.loads(found["manifest.json"])
    said["options"] |= changed
    other = {**found, "manifest.json": (json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()}
    return {**other, DIGESTS: digests_of(other)}


@pytest.mark.parametrize("changed", [
    {"k": "5"}, {"k": None}, {"as_of": 1.5}, {"as_of": 10**40}, {"name": 7}, {"language": ["en"]},
    {"is_exchange": "no"},
])  # fmt: skip
def test_options_of_another_type_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="manifest"):
        verify_pack(with_manifest(members("account"), **changed), bank())


@pytest.mark.parametrize("changed", [
    {"k": 1}, {"k": 3}, {"as_of": AS_OF - DAY}, {"name": "nobody"}, {"kind": "bank"},
    {"language": "xx"}, {"zone": "Mars/Olympus"}, {"n_ranked": 1}, {"is_exchange": True},
])  # fmt: skip
def test_other_options_do_not_agree(changed: dict[str, Any]) -> None:
    assert not verify_pack(with_manifest(members("account"), **changed), bank()).agrees


@pytest.mark.slow
def test_another_process_with_another_seed_of_hashes_gives_the_same_bytes(tmp_path: Path) -> None:
    write_tables(tables(), tmp_path / "bank")
    write_tables({"scores": scores()}, tmp_path / "made")
    made = tmp_path / "made" / "scores.parquet"
    line = [sys.executable, "-m", "muledetect.cli", "pack", tmp_path / "bank", "--scores", made,
            "--as-of", format_time(AS_OF), "--complaint", "q0"]  # fmt: skip
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])}
        subprocess.run([*map(str, line), "--output", str(tmp_path / seed)], check=True, env=environment)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_other_versions_are_told() -> None:
    changed = dict(members("account"))
    said = json.loads(changed["manifest.json"])
    said["versions"]["numpy"] = "0.0.1"
    changed["manifest.json"] = (json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
    found = verify_pack({**changed, DIGESTS: digests_of(changed)}, bank())
    assert found.agrees
    assert any("0.0.1" in note for note in found.notes)


@pytest.mark.parametrize("k", [2, 3, 5, 9])
@pytest.mark.parametrize("kind", KINDS)
def test_others_are_shown_in_groups_of_at_least_k(kind: str, k: int) -> None:
    found = unzipped(packed(kind, k=k))
    groups = pq.read_table(io.BytesIO(found["tables/bystanders.parquet"])).to_pylist()
    inside = {marked(name) for name in INSIDE[kind]}
    accounts = pq.read_table(io.BytesIO(found["tables/case_accounts.parquet"])).to_pylist()
    subjects = {row["account_id"] for row in accounts if row["role"] == "subject"}
    rows = bank().transfers.to_pylist()
    around = [row for row in rows if (row["source"] in subjects) != (row["target"] in subjects)]
    around = [row for row in around if not {row["source"], row["target"]} <= inside]
    # each transfer is in one group or in none, and each group has k others or more
    assert all(row["n_accounts"] >= k for row in groups)
    dropped = json.loads(found["manifest.json"])["bystanders"]["transfers_not_shown"]
    assert sum(row["n_transfers"] for row in groups) + dropped == len(around)
    if kind == "account":
        exact = [row for row in groups if row["channel"] == "p2p_proxy"]
        assert bool(exact) == (k <= 8)
        if k == 5:  # eight payers of cents
            assert (exact[0]["n_accounts"], exact[0]["n_transfers"]) == (8, 8)
            assert exact[0]["amount"] == sum(range(10, 18))
            own = [row for row in around if row["target"] == marked("gc") and row["channel"] == "p2p_proxy"
                   and row["amount"] < 100]  # fmt: skip
            assert len({row["source"] for row in own}) == 8


def test_texts_of_tables_cannot_run_as_formulas() -> None:
    made = tables()
    kinds = ["=1+1"] * made["complaints"].num_rows
    at = made["complaints"].column_names.index("scam_type")
    made["complaints"] = made["complaints"].set_column(at, "scam_type", pa.array(kinds))
    found = unzipped(packed("account", dataset=read_dataset(made, currency="THB")))
    assert '"\'=1+1"' in found["tables/complaints.csv"].decode()
    assert '"=1+1"' not in found["tables/complaints.csv"].decode()


def test_an_exchange_pack_says_less() -> None:
    plain, exchange = members("account"), members("account", is_exchange=True)
    page = "pages/accounts/00001.html"
    assert b'id="str"' in plain[page]
    assert b'id="str"' not in exchange[page]
    assert b"rider" in plain[page]  # the occupation of the holder
    assert b"rider" not in exchange[page]
    found = verify_pack(exchange, hidden())
    assert found.agrees, found.differing
    assert not verify_pack(exchange, bank()).agrees


@pytest.mark.slow
def test_the_model_that_scored_is_listed_and_not_packed() -> None:
    found = unzipped(packed("account", model="starter"))
    model = json.loads(found["model.json"])
    assert len(model["features"]) > 50
    assert model["config_hash"] in found["pages/accounts/00001.html"].decode()
    assert verify_pack(found, bank()).agrees
    changed = {**found, "model.json": found["model.json"].replace(b"active", b"ever"), DIGESTS: b""}
    changed[DIGESTS] = digests_of(changed)
    assert "manifest.json" in verify_pack(changed, bank()).differing


def test_a_key_and_plain_data_do_not_go_together() -> None:
    with pytest.raises(OptionError, match="Read it with the key"):
        packed("account", key=KEY)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "one of account, ring and complaint"),
        ({"account": "a", "ring": "r"}, "one of account, ring and complaint"),
        ({"account": "nobody"}, "the account that was asked for is not in"),
        ({"ring": "none"}, "the ring that was asked for is not in"),
        ({"complaint": "none"}, "has no trace"),
        ({"account": marked("gc"), "k": 1}, "k must be 2 or more"),
        ({"account": marked("kv0")}, "no account of the case was scored"),
    ],
)
def test_what_cannot_be_packed_is_told(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(OptionError, match=reason) as told:
        pipeline.pack(bank(), scores(), AS_OF, **given)
    assert marked("gc") not in str(told.value)


def test_holds_are_packed_with_their_clocks_and_free_texts_stay_at_home(tmp_path: Path) -> None:
    when = format_time(AS_OF - HOUR)
    add_event(
        tmp_path / "r", "held", pack="TH", time=when, recorded=when, decided_by="officer Somchai", why="he said so",
        account_id=marked("gc"), complaint_id="q0", clock="traced_amount", amount=100,
    )  # fmt: skip
    given = {"holds": tmp_path / "r", "pack": "TH"}
    plain = unzipped(packed("account", **given))
    own = tmp_path / "own.json"
    own.write_text(clocks_text("TH").replace("Asia/Bangkok", "Asia/Tokyo"), "utf-8")
    tokyo = unzipped(packed("account", holds=tmp_path / "r", pack=own))
    own.unlink()  # the clocks are in the pack
    assert verify_pack(tokyo, bank()).agrees
    assert b"Asia/Tokyo" in tokyo["pages/accounts/00001.html"]
    assert b"officer Somchai" in plain["pages/accounts/00001.html"]
    assert b"tables/release.parquet" in plain[DIGESTS]
    assert verify_pack(plain, bank()).agrees
    exchange = unzipped(packed("account", dataset=hidden(), key=KEY, **given))
    said = "".join(texts(exchange).values())
    assert "officer Somchai" not in said
    assert "he said so" not in said
    assert verify_pack(exchange, hidden()).agrees


@pytest.mark.slow
def test_the_commands_pack_and_verify(tmp_path: Path) -> None:
    write_tables(tables(), tmp_path / "bank")
    write_tables({"scores": scores()}, tmp_path / "made")
    rings().write(tmp_path / "rings")
    new_key(tmp_path / "key")
    base = [tmp_path / "bank", "--scores", tmp_path / "made" / "scores.parquet", "--as-of", format_time(AS_OF),
            "--rings", tmp_path / "rings", "--ring", ring_of("gc")]  # fmt: skip
    status, said = ended("pack", *base, "--output", tmp_path / "case.zip", "--list")
    assert (status, (tmp_path / "case.zip").exists()) == (0, False), said
    assert "Nothing was written" in said
    assert "by plain ids" in said
    status, said = ended("pack", *base, "--output", tmp_path / "case.zip")
    assert status == 0, said
    manifest = json.loads(read_archive(tmp_path / "case.zip")["manifest.json"])
    assert set(manifest["inputs"]) >= {"dataset/transfers.parquet", "scores", "rings/rings.parquet"}
    status, said = ended("verify", tmp_path / "case.zip", tmp_path / "bank")
    assert (status, "every byte agrees" in said) == (0, True), said
    status, said = ended("pack", *base, "--output", tmp_path / "shared.zip", "--pseudonymise", tmp_path / "key")
    assert (status, "by pseudonyms" in said) == (0, True), said
    assert marked("gc") not in said
    status, said = ended("verify", tmp_path / "shared.zip", tmp_path / "bank", "--pseudonymise", tmp_path / "key")
    assert (status, "every byte agrees" in said) == (0, True), said
    assert ended("verify", tmp_path / "shared.zip", tmp_path / "bank")[0] == 3
    changed = bytearray((tmp_path / "case.zip").read_bytes())
    changed[5_000] ^= 1
    (tmp_path / "bad.zip").write_bytes(changed)
    status, said = ended("verify", tmp_path / "bad.zip", tmp_path / "bank")
    assert status == 1
    assert "was changed" in said
    assert AS_OF > DAY


def test_a_file_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "case.zip").write_text("mine")
    with pytest.raises(OutputError):
        packed("account", output=tmp_path / "case.zip")
    assert (tmp_path / "case.zip").read_text() == "mine"
    content = packed("account", output=tmp_path / "new.zip")
    assert (tmp_path / "new.zip").read_bytes() == content
