"""Facts of case files, worked out by hand on a bank of two gangs; see report_world."""

from __future__ import annotations

import pyarrow.compute as pc
import pytest
from report_world import AS_OF, START, make_material, make_scores, make_tables, make_world, material_of

from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.errors import DataError, OptionError
from muledetect.facts import Snapshot
from muledetect.model.sentences import write_reason
from muledetect.records import read_dataset
from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.accounts.facts import account_cases
from muledetect.reports.material import gather_material
from muledetect.rings import RingTables

pytestmark = pytest.mark.slow  # a world is scored, searched and traced first


@pytest.fixture(scope="module")
def cases() -> dict[str, AccountCase]:
    return {case.account_id: case for case in account_cases(make_material(), {})}


def test_cases_come_by_rank_with_what_the_score_says(cases: dict[str, AccountCase]) -> None:
    assert list(cases)[:4] == ["gc", "gr1", "gr2", "gx"]
    assert cases["gc"].score["tier"] == "suspected"
    assert cases["gc"].score["n_ranked"] == 11
    assert cases["shop"].reasons == []


def test_each_reason_that_raises_names_transfers_of_the_account(cases: dict[str, AccountCase]) -> None:
    for case in cases.values():
        for reason in case.reasons:
            assert bool(reason["key_transfers"]) == (reason["contribution"] > 0)
            assert set(reason["key_transfers"]) <= set(case.transfers["transfer_id"])


def test_reasons_are_sentences_in_both_languages(cases: dict[str, AccountCase]) -> None:
    for reason in cases["gc"].reasons:
        for language in ("en", "th"):
            assert reason["text"][language] == write_reason(reason, language, "THB")
        assert reason["text"]["en"] != reason["text"]["th"]


def test_victims_are_confirmed_by_a_complaint_or_inferred_apart(cases: dict[str, AccountCase]) -> None:
    # v0 and v1 complained; v2 lost 1,000.00 of the 31,000.00 that it paid, so it does not look drained
    victims = cases["gc"].victims
    assert victims[["account_id", "kind", "amount"]].to_numpy().tolist() == [
        ["gv0", "confirmed", 100_000],
        ["gv1", "confirmed", 100_000],
    ]
    assert cases["gr1"].victims.empty  # nobody paid r1 but c


def test_a_payer_who_lost_most_of_all_is_an_inferred_victim() -> None:
    tables = make_tables()
    own_life = pc.and_(pc.equal(tables["transfers"]["source"], "gv2"), pc.equal(tables["transfers"]["target"], "shop"))
    tables["transfers"] = tables["transfers"].filter(pc.invert(own_life))
    world = make_world(tables=tables)
    found = {case.account_id: case for case in account_cases(material_of(world), {})}
    victims = found["gc"].victims
    assert victims[victims["kind"] == "inferred"]["account_id"].tolist() == ["gv2"]


def test_money_of_complaints_is_conserved_at_each_account(cases: dict[str, AccountCase]) -> None:
    # c got 1,000.00 of each complainant and passed 980.00 on; its own wage may have gone instead, by method
    first = cases["gc"].traces
    assert first["in_low"].tolist() == first["in_high"].tolist() == [100_000, 100_000]
    for case in cases.values():
        rows = case.by_method
        assert (rows["came_in"] == rows["went_on"] + rows["here"]).all()
        assert (case.traces["hold"] <= case.traces["here_high"]).all()


def test_what_a_victim_paid_did_not_pass_through_the_victim(cases: dict[str, AccountCase]) -> None:
    assert cases["gv0"].traces.empty


def test_the_ring_says_why_the_account_is_in_it(cases: dict[str, AccountCase]) -> None:
    ring = cases["gr1"].ring
    assert ring["role"] == "relay"
    assert {bond["other"] for bond in ring["why"]} <= {"gc", "gr2", "gx"}
    assert cases["shop"].ring == {}


def test_relations_of_counterparties(cases: dict[str, AccountCase]) -> None:
    of = dict(zip(cases["gc"].transfers["other"], cases["gc"].transfers["relation"], strict=True))
    assert of["gv0"] == "victim"
    assert of["gr1"] == "member"
    assert of["shop"] == "merchant"
    assert of["employer"] == "company"


def test_what_speaks_for_an_account(cases: dict[str, AccountCase]) -> None:
    codes = {name: {fact["code"] for fact in case.exculpatory} for name, case in cases.items()}
    assert "NOT_MULE" in codes["gr2"]
    assert "VICTIM_TOO" in codes["gv0"]
    assert "SALARY" in codes["gc"]
    assert "SERVES_PUBLIC" in codes["shop"]
    assert "NO_COMPLAINT" in codes["shop"]
    assert "NO_COMPLAINT" not in codes["gc"]


def test_possible_coercion_is_seen_in_logins(cases: dict[str, AccountCase]) -> None:
    # six other holders log in from the Wi-Fi of gang g, on nine days; remote access ran once at c
    found = {sign["code"]: sign["text"]["en"] for sign in cases["gc"].coercion}
    assert set(found) == {"REMOTE_ACCESS", "SHARED_PLACE"}
    assert "9 of the last 30 days" in found["SHARED_PLACE"]
    assert "6 other holders" in found["SHARED_PLACE"]
    assert not cases["kc"].coercion


def test_actions_go_from_the_least_intrusive_to_holds_of_amounts(cases: dict[str, AccountCase]) -> None:
    codes = [action["code"] for action in cases["gc"].actions]
    assert codes[0] == "READ"
    assert codes.index("WELFARE") < codes.index("HOLD") < codes.index("STR")
    assert [action["code"] for action in cases["shop"].actions] == ["READ", "WAIT"]
    everything = " ".join(action["text"]["en"].lower() for case in cases.values() for action in case.actions)
    assert "freeze" not in everything
    assert "close" not in everything


def test_money_in_a_transfer_is_at_most_its_amount(cases: dict[str, AccountCase]) -> None:
    for case in cases.values():
        assert (case.transfers["traced_high"] <= case.transfers["amount"]).all()
        assert (case.transfers["traced_low"] <= case.transfers["traced_high"]).all()


def test_the_window_lies_in_the_days_of_the_gang(cases: dict[str, AccountCase]) -> None:
    window = cases["gc"].period
    assert window is not None
    assert START + 18 * DAY <= window[0] <= window[1] <= START + 18 * DAY + 6 * HOUR + 30 * MINUTE


def test_a_bank_with_transfers_only_has_cases_too() -> None:
    tables = {"transfers": make_tables()["transfers"].select(["transfer_id", "time", "source", "target", "amount"])}
    material = gather_material(Snapshot(read_dataset(tables), AS_OF), make_scores())
    assert {"accounts", "complaints", "sessions"} <= set(material.missing)
    case = next(account_cases(material, {}))
    assert case.account == {}
    assert case.traces.empty
    assert case.n_transfers == 13


def test_scores_that_do_not_fit_are_refused() -> None:
    world = make_world()
    snapshot = Snapshot(world.dataset, AS_OF)
    with pytest.raises(DataError, match=r"column\(s\) reasons are missing"):
        gather_material(snapshot, world.scores.drop_columns(["reasons"]))
    with pytest.raises(DataError, match="not in this data set"):
        gather_material(snapshot, make_scores(lambda name: f"other {name}"))
    with pytest.raises(OptionError, match="no score is of this as_of"):
        gather_material(snapshot.at("2024-01-01"), world.scores)
    with pytest.raises(DataError, match="another moment"):
        gather_material(snapshot.at(AS_OF - DAY), make_scores(as_of=AS_OF - DAY), rings=world.rings)
    with pytest.raises(OptionError, match="at least 1"):
        gather_material(snapshot, world.scores, n_alerts=0)


def test_without_rings_no_case_is_in_one() -> None:
    world = make_world()
    assert all(not case.ring for case in account_cases(material_of(world, rings=RingTables()), {}))
