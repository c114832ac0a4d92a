"""Lists of others into the table `registry`: what is added, what is left out, and that nothing is ever lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from muledetect.clock import parse_time
from muledetect.errors import DataError, OptionError
from muledetect.outputs.kinds import EXPORT
from muledetect.records import read_dataset, reasons
from muledetect.registry import ImportedRegistry, import_registry, load_scheme, open_registry
from muledetect.registry.files import read_file, write_file
from muledetect.registry.history import states_at
from muledetect.registry.schemes import NAMES
from muledetect.schema import INPUTS

HEAD = "tier,subject_kind,subject_id,reliability,valid_from,valid_to,status,entry_id,listed_by"
HASH = "ab" * 32
Import = Callable[..., ImportedRegistry]


@pytest.fixture
def bring(tmp_path: Path) -> Import:
    """Import lines of CSV, or the objects of a JSON file, into the data set `ds`."""

    def run(*rows: Any, received: str = "2025-03-01T08:00Z", **options: Any) -> ImportedRegistry:
        path = tmp_path / ("list.json" if rows and isinstance(rows[0], dict) else "list.csv")
        if path.suffix == ".json":
            path.write_text(json.dumps({"format": "muledetect-registry", "version": 1, "entries": list(rows)}))
        else:
            path.write_text("\n".join([HEAD, *rows]) + "\n", "utf-8")
        given = {"scheme": "TH", "sender": "police", "role": "police"} | options
        return import_registry(path, tmp_path / "ds", received=received, **given)  # type: ignore[arg-type]

    return run


def test_a_row_becomes_a_statement_that_is_known_from_its_receipt_on(bring: Import, tmp_path: Path) -> None:
    done = bring("dark_grey,account,0012,0.8,2025-02-01T00:00+07:00,,,,")
    row = done.table.to_pylist()[0]
    assert (row["scheme"], row["subject_id"], row["status"], row["listed_by"]) == ("TH", "0012", "listed", "police")
    assert row["valid_from"].isoformat() == "2025-01-31T17:00:00+00:00"
    assert row["known_ts"].isoformat() == "2025-03-01T08:00:00+00:00"
    assert (row["is_own"], row["valid_to"]) == (False, None)
    assert pq.read_table(tmp_path / "ds" / "registry.parquet").equals(done.table)
    assert read_dataset({"transfers": INPUTS["transfers"].empty(), "registry": done.table}).rejects.num_rows == 0


def test_a_file_cannot_make_the_bank_know_earlier_nor_speak_as_the_bank_itself(bring: Import) -> None:
    entry = {"tier": "dark_grey", "subject_kind": "account", "subject_id": "a", "known_ts": "2024-01-01T00:00Z",
             "is_own": True}  # fmt: skip
    row = bring(entry).table.to_pylist()[0]
    assert row["known_ts"].isoformat() == "2025-03-01T08:00:00+00:00"
    assert row["is_own"] is False
    assert bring(entry | {"subject_id": "b"}, own=True).table["is_own"].to_pylist() == [False, True]


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ("black,account,a,,,,,,", "tier", reasons.FORBIDDEN_TIER),
        ("purple,account,a,,,,,,", "tier", reasons.NO_TIER),
        (",account,a,,,,,,", "tier", reasons.NO_TIER),
        ("dark_grey,person,1234567890123,,,,,,", "subject_id", reasons.NO_HASH),
        ("dark_grey,company,,,,,,,", "subject_id", reasons.MISSING),
        ("dark_grey,phone,a,,,,,,", "subject_kind", reasons.NOT_DECLARED),
        ("dark_grey,account,a,1.5,,,,,", "reliability", reasons.NOT_A_SHARE),
        ("dark_grey,account,a,,,,proposed,,", "status", reasons.NOT_DECLARED),
        ("dark_grey,account,a,,,", "scheme", reasons.RAGGED),
    ],
)
def test_a_row_that_breaks_a_rule_is_left_out_with_its_reason(
    bring: Import, line: str, column: str, reason: str
) -> None:
    done = bring("light_grey,account,good,,,,,,", line)
    assert done.table["subject_id"].to_pylist() == ["good"]
    assert [(row["row"], row["column"], row["reason"]) for row in done.rejects.to_pylist()] == [(1, column, reason)]
    assert (done.rows_read, done.rows_added + done.rows_known + len(done.rejects)) == (2, 2)


def test_a_bank_speaks_for_itself_and_an_authority_passes_on(bring: Import) -> None:
    line = "light_grey,account,a,,,,,,bank_b"
    assert bring(line).table["listed_by"].to_pylist() == ["bank_b"]
    with pytest.raises(DataError, match=reasons.NOT_THEIRS):
        bring(line, sender="bank_c", role="bank")


def test_a_bank_cannot_remove_what_another_one_listed(bring: Import) -> None:
    bring("light_grey,account,a,,,,,e1,", sender="bank_b", role="bank")
    done = bring("light_grey,account,a,,,,removed,e1,", sender="bank_c", role="bank", received="2025-03-02")
    assert len(states_at(done.table, parse_time("2025-03-03"))) == 1


def test_nothing_is_forgotten_and_a_repeat_adds_nothing(bring: Import) -> None:
    first = bring("light_grey,account,a,0.7,,,,,").table
    assert bring("light_grey,account,a,0.7,,,,,", received="2025-03-02").table.equals(first)
    done = bring("light_grey,account,a,0.4,,,,,", received="2025-03-03")
    assert done.table.slice(0, 1).equals(first)
    assert done.table["reliability"].to_pylist() == [0.7, 0.4]


def test_a_full_list_removes_what_its_sender_no_longer_names(bring: Import) -> None:
    bring("light_grey,account,a,,,,,,", "light_grey,account,b,,,,,,")
    bring("light_grey,account,c,,,,,,", sender="bank_b", role="bank", received="2025-03-02")
    done = bring("light_grey,account,a,,,,,,", received="2025-03-03", full=True)
    assert (done.rows_added, done.rows_known, done.rows_removed) == (0, 1, 1)
    stands = states_at(done.table, parse_time("2025-03-04"))
    assert sorted(row["subject_id"] for row in stands.values()) == ["a", "c"]
    assert sorted(row["subject_id"] for row in states_at(done.table, parse_time("2025-03-03")).values()) == list("abc")
    again = bring("light_grey,account,a,,,,,,", "light_grey,account,b,,,,,,", received="2025-03-05", full=True)
    assert again.rows_added == 1, "b is listed again"


def test_an_entry_stands_no_longer_than_its_scheme_allows(bring: Import) -> None:
    rows = (
        "light_brown,account,a,,2025-03-01T00:00Z,,,,",
        "light_brown,account,b,,2025-03-01T00:00Z,2030-01-01T00:00Z,,,",
    )
    done = bring(*rows, sender="bank_b", role="bank")
    assert {row["valid_to"].isoformat() for row in done.table.to_pylist()} == {"2025-05-30T00:00:00+00:00"}
    again = bring("light_brown,account,a,,,,,,", sender="bank_b", role="bank", received="2025-06-05")
    assert again.rows_added == 1, "it is listed anew after it had expired"


def test_columns_outside_the_contract_are_not_kept(bring: Import) -> None:
    done = bring(
        {"tier": "light_grey", "subject_kind": "account", "subject_id": "a", "name": "Somebody", "reason": "r"}
    )
    assert done.dropped == ("name",)
    assert "name" not in done.table.column_names


def test_a_registry_that_was_written_reads_back_the_same(bring: Import, tmp_path: Path) -> None:
    awkward = ["=1+1", "'=1+1", "-12", "0012", 'ä,;"x']
    table = bring(*({"tier": "light_grey", "subject_kind": "account", "subject_id": name, "reason": "@x, y\nz",
                     "reliability": 0.25, "valid_from": "2025-02-01T00:00:00.123456Z"} for name in awkward),
                  {"tier": "dark_grey", "subject_kind": "person", "subject_id": HASH.upper()}).table  # fmt: skip
    for suffix in (".csv", ".json", ".parquet"):
        write_file(table, tmp_path / f"out{suffix}", EXPORT, made_at=parse_time("2025-03-01"))
        back = open_registry(tmp_path / f"out{suffix}")
        assert sorted(map(str, back.to_pylist())) == sorted(map(str, table.to_pylist())), suffix
    text = (tmp_path / "out.csv").read_text("utf-8-sig")
    assert "'=1+1" in text
    assert "'-12" in text
    assert ',"=' not in text
    assert ',"-' not in text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "it is no JSON"),
        ("[" * 100_000, "it is nested too deep|it is no JSON"),
        ('{"format": "other", "version": 1, "entries": []}', "must be an object with"),
        ('{"format": "muledetect-registry", "version": 2, "entries": []}', "must be an object with"),
        ('{"format": "muledetect-registry", "version": 1, "entries": {}}', "must be a list of objects"),
        ('{"format": "muledetect-registry", "version": 1, "entries": [1]}', "must be a list of objects"),
        ('{"format": "muledetect-registry", "version": 1, "entries": [{"tier": ["black"]}]}', "list or object"),
        ('{"format": "muledetect-registry", "version": 1, "entries": [{"tier": "a", "tier": "b"}]}', "stands twice"),
        (
            '{"format": "muledetect-registry", "version": 1, "entries": [{"reliability": NaN}]}',
            "NaN is no finite number",
        ),
    ],
)
def test_a_file_that_is_no_list_is_refused_and_nothing_is_written(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(DataError, match=told):
        import_registry(
            tmp_path / "list.json", tmp_path / "ds", scheme="TH", sender="x", role="police", received="2025-03-01"
        )
    assert not (tmp_path / "ds").exists()


@pytest.mark.parametrize("head", ["", "\x00\x01\x02", "tier,tier\nblack,black", "a;b"])
def test_a_broken_csv_is_refused(tmp_path: Path, head: str) -> None:
    (tmp_path / "list.csv").write_text(head)
    with pytest.raises(DataError):
        import_registry(
            tmp_path / "list.csv", tmp_path / "ds", scheme="TH", sender="x", role="police", received="2025-03-01"
        )


def test_times_without_a_zone_need_one(bring: Import) -> None:
    line = "dark_grey,account,a,,2025-01-01T00:00,,,,"
    with pytest.raises(DataError, match="times have no zone"):
        bring(line)
    assert bring(line, source_tz="Asia/Bangkok").table["valid_from"].to_pylist()[0].hour == 17


def test_an_empty_full_list_removes_nothing(bring: Import, tmp_path: Path) -> None:
    bring("light_grey,account,a,,,,,,")
    with pytest.raises(DataError, match="would remove every entry"):
        bring(full=True)
    assert len(open_registry(tmp_path / "ds")) == 1


def test_errors_and_rejects_name_no_account(bring: Import, tmp_path: Path) -> None:
    done = bring("light_grey,account,good,,,,,,", "black,account,secret-account,,,,,,")
    assert "secret" not in str(done.findings) + str(done.rejects.to_pylist()) + repr(done)
    with pytest.raises(DataError) as caught:
        bring("black,account,secret-account,,,,,,")
    assert "secret" not in str(caught.value)
    assert "secret" not in str(read_file(tmp_path / "list.csv").dropped)


@pytest.mark.parametrize("name", NAMES)
def test_every_scheme_says_where_it_is_from_and_lets_banks_propose_in_its_lowest_tier(name: str) -> None:
    scheme = load_scheme(name)
    assert scheme.source
    assert scheme.choice
    assert "bank" in scheme.lowest.set_by
    assert scheme.lowest.expires_after, "a suspicion ends by itself"


def test_a_scheme_of_ones_own_is_a_json_file(tmp_path: Path) -> None:
    tiers = [{"name": "red", "set_by": ["police"], "text": "x"}, {"name": "amber", "set_by": ["bank"], "text": "y"}]
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"title": "t", "tiers": tiers, "source": "s", "choice": "c"}))
    assert [tier.name for tier in load_scheme(path).tiers] == ["red", "amber"]
    for broken in ({"tiers": []}, {"tiers": tiers[:1]}, {"tiers": [tiers[1], tiers[1]]}, {"more": 1}):
        path.write_text(json.dumps({"title": "t", "tiers": tiers, "source": "s", "choice": "c"} | broken))
        with pytest.raises(OptionError):
            load_scheme(path)
    with pytest.raises(OptionError, match="did you mean 'none'"):
        load_scheme("nome")
