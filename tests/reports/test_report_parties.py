"""Parties on pages: who is behind an account, why records are one, who has accounts of several in hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from report_world import AS_OF, make_material, make_parties, make_tables, make_world, material_of, times

from muledetect import pipeline
from muledetect.clock import DAY, HOUR
from muledetect.errors import DataError
from muledetect.parties import read_parties
from muledetect.records import read_dataset
from muledetect.records.pseudonyms import Pseudonyms
from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.accounts.facts import account_cases
from muledetect.reports.material import Material
from muledetect.reports.rings.case import RingCase, ring_cases
from muledetect.reports.write import account_facts, write_report
from muledetect.score_basis import Basis


def cases_of(material: Material) -> dict[str, AccountCase]:
    return {case.account_id: case for case in account_cases(material, {})}


@pytest.fixture(scope="module")
def material() -> Material:
    return make_material()


@pytest.fixture(scope="module")
def cases(material: Material) -> dict[str, AccountCase]:
    return cases_of(material)


@pytest.fixture(scope="module")
def rings(material: Material) -> dict[str, RingCase]:
    found = ring_cases(material, {"gc": "accounts/00001.html"})
    return {case.members["account_id"][0]: case for case in found}


def test_a_case_has_its_party_with_all_accounts_by_rank(cases: dict[str, AccountCase]) -> None:
    party = cases["gc"].party
    assert party == cases["gr1"].party
    assert (party["party_id"], party["n_holders"], party["rank"], party["n_ranked"], party["score"]) == (
        "p 1",
        2,
        1,
        2,
        0.5,
    )
    assert [(row["account_id"], row["record"], row["rank"], row["tier"]) for row in party["accounts"]] == [
        ("gc", "h gc", 1, "suspected"), ("gr1", "h gr1", 2, "suspected"), ("kv2", "h gc", None, None),
    ]  # fmt: skip
    assert all(row["opened_at"] < AS_OF for row in party["accounts"])


def test_a_party_of_one_account_and_no_controller_says_nothing(cases: dict[str, AccountCase]) -> None:
    assert cases["gr2"].party == {}
    assert cases["employer"].party == {}
    assert cases["kr1"].party["accounts"][0]["account_id"] == "kr1"  # it pays others


def test_why_records_are_one_adds_up_from_before_any_evidence_to_what_households_share(
    cases: dict[str, AccountCase],
) -> None:
    (bond,) = cases["gc"].party["bonds"]
    assert [item["family"] for item in bond["items"]] == ["prior", "name", "phone", "email", "home"]
    assert bond["log_odds"] == pytest.approx(-8 + 9 + 7 - 0.5 - 4)
    assert bond["probability"] == pytest.approx(0.9707, abs=1e-4)
    (drawn,) = account_facts(cases["gc"], {}, "en", "UTC")["bonds"]
    assert [item["total"] for item in drawn["items"]] == [-8.0, 1.0, 8.0, 7.5, 3.5]
    # from -8 to 8 on 216 of width: zero lies in the middle, the name goes from -8 to 1
    assert [(item["zero"], item["x"], item["width"]) for item in drawn["items"][:2]] == [
        (110.0, 2.0, 108.0), (110.0, 2.0, 121.5),
    ]  # fmt: skip


def test_pairs_of_the_accounts_own_record_come_first_and_no_more_than_four(cases: dict[str, AccountCase]) -> None:
    bond = {"log_odds": 1.0, "probability": 0.7, "items": []}
    pairs = [("a", "b"), ("a", "c"), ("b", "c"), ("c", "d"), ("d", "h gr1"), ("a", "h gr1")]
    party = cases["gr1"].party | {"bonds": [bond | {"one": one, "other": other} for one, other in pairs]}
    shown = account_facts(replace(cases["gr1"], party=party), {}, "en", "UTC")["bonds"]
    assert [(row["one"], row["other"]) for row in shown] == [("d", "h gr1"), ("a", "h gr1"), ("a", "b"), ("a", "c")]


def test_controllers_list_the_partys_own_accounts_first_and_who_pays_is_one_itself(
    cases: dict[str, AccountCase],
) -> None:
    (phone,) = cases["gc"].party["controllers"]
    assert (phone["value"], phone["is_own"]) == ("phone", False)
    assert [row["account_id"] for row in phone["accounts"]] == ["gc", "kc", "kx"]
    assert [row["account_id"] for row in cases["kx"].party["controllers"][0]["accounts"]] == ["kx", "gc", "kc"]
    (payer,) = cases["kr1"].party["controllers"]
    assert (payer["value"], payer["is_own"]) == ("kr1", True)


def test_a_ring_groups_members_by_party_with_accounts_outside(rings: dict[str, RingCase]) -> None:
    (party,) = rings["gc"].parties
    assert party["members"] == [
        {"account_id": "gc", "file": "accounts/00001.html"}, {"account_id": "gr1", "file": None},
    ]  # fmt: skip
    assert party["others"] == [{"account_id": "kv2", "file": None}]
    assert rings["gc"].controllers == []  # of each, one member
    assert rings["kc"].parties == []
    (phone,) = rings["kc"].controllers
    assert (phone["n_parties"], [row["account_id"] for row in phone["accounts"]]) == (2, ["kc", "kx"])


def test_pages_show_parties_and_nothing_where_none_were_given(material: Material, tmp_path: Path) -> None:
    write_report(material, tmp_path / "with")
    write_report(make_material(parties=None), tmp_path / "without")
    page = (tmp_path / "with" / "accounts" / "00001.html").read_text("utf-8")
    for said in ('id="party"', "Person or company behind it", "50.0%", "said name", "one phone of three", "ว่า name"):
        assert said in page
    ring = "".join(path.read_text("utf-8") for path in (tmp_path / "with" / "rings").iterdir())
    assert "People and companies behind the members" in ring
    for path in (tmp_path / "without").rglob("*.html"):
        assert "behind it" not in path.read_text("utf-8")
        assert "behind the members" not in path.read_text("utf-8")


def test_the_folder_that_parties_wrote_gives_the_pages_of_the_tables(tmp_path: Path) -> None:
    world, given = make_world(), make_parties()
    given.write(tmp_path / "parties")
    read = read_parties(tmp_path / "parties")
    assert all(table.equals(given.tables[name]) for name, table in read.tables.items())
    for name, parties in (("folder", tmp_path / "parties"), ("tables", given)):
        pipeline.report(world.dataset, world.scores, parties=parties, n_alerts=2, output=tmp_path / name)
    one, two = ((tmp_path / name / "accounts" / "00001.html").read_bytes() for name in ("folder", "tables"))
    assert one == two
    assert b'id="party"' in one
    (tmp_path / "parties" / "controllers.parquet").unlink()
    with pytest.raises(DataError, match=r"controllers.parquet in 'parties' cannot be read"):
        read_parties(tmp_path / "parties")


def test_a_partys_score_is_not_shown_where_scores_are_no_probabilities_of_the_bank() -> None:
    world = make_world()
    basis = Basis("unknown", None, budget=3, is_bound=False, short_record=None)
    scores = world.scores.replace_schema_metadata(basis.to_metadata())
    cases = cases_of(material_of(world._replace(scores=scores), rings=world.rings, parties=make_parties()))
    assert cases["gc"].party["score"] is None
    assert cases["gc"].party["rank"] == 1


def test_what_the_bank_learns_later_marks_no_account_as_known() -> None:
    tables = make_tables()
    rows = {"account_id": ["gr1", "kv2"], "label": ["mule"] * 2, "known_ts": times([AS_OF - HOUR, AS_OF]),
            "source": ["branch"] * 2}  # fmt: skip
    tables["labels"] = pa.concat_tables([tables["labels"], pa.table(rows)])
    world = make_world()._replace(dataset=read_dataset(tables, currency="THB"))
    cases = cases_of(material_of(world, rings=world.rings, parties=make_parties()))
    # gc by its confirmed complaints, gr1 by a label of the hour before; the label of kv2 comes at the moment
    assert [row["is_known"] for row in cases["gc"].party["accounts"]] == [True, True, False]


def test_an_opening_that_is_not_known_yet_is_not_shown() -> None:
    tables = make_tables()
    place = tables["accounts"]["account_id"].to_pylist().index("kv2")
    moments = tables["accounts"]["opened_at"].cast(pa.int64()).to_pylist()
    moments[place] = AS_OF + DAY
    at = tables["accounts"].schema.get_field_index("opened_at")
    tables["accounts"] = tables["accounts"].set_column(at, "opened_at", times(moments))
    world = make_world()._replace(dataset=read_dataset(tables, currency="THB"))
    cases = cases_of(material_of(world, rings=world.rings, parties=make_parties()))
    assert cases["gc"].party["accounts"][2]["opened_at"] is None


def test_parties_of_another_moment_or_of_other_accounts_are_refused() -> None:
    world = make_world()
    with pytest.raises(DataError, match="parties are of another moment"):
        material_of(world, parties=make_parties(as_of=AS_OF - DAY))
    strange = make_parties()
    members = strange.party_members.to_pylist()
    for row in members:
        row["account_id"] = "nobody" if row["account_id"] == "kv2" else row["account_id"]
    strange = replace(strange, party_members=pa.Table.from_pylist(members, strange.party_members.schema))
    with pytest.raises(DataError, match="1 account is not in this data set"):
        material_of(world, parties=strange)
    hidden = make_world(key=Pseudonyms(b"k" * 64))
    with pytest.raises(DataError, match="plain ids"):
        material_of(hidden, parties=make_parties())
