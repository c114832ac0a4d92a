"""Evidence for release: what speaks for the holder, with the transfers that show it, signs of coercion first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from report_world import START, make_material, times

from muledetect import schema
from muledetect.clock import DAY, HOUR
from muledetect.facts import Snapshot
from muledetect.records import read_dataset
from muledetect.reports.accounts.facts import account_cases
from muledetect.reports.accounts.release import release_evidence

Row = tuple[str, str, int, int, str]

#: The victim v pays 1,000.00 to m on day 40; the complaint is known a day later.
PAID: Row = ("v", "m", 40 * DAY, 100_000, "p2p_proxy")
MOMENT = START + 45 * DAY


def snapshot(
    *rows: Row, as_of: int = MOMENT, complaints: tuple[tuple[str, int], ...] = (("q", 0),), **tables: Any
) -> Snapshot:
    """Return the bank of those transfers and PAID, which is number 0; a complaint disputes a transfer by its number."""
    every = [PAID, *rows]
    transfers = pa.table(
        {
            "transfer_id": [f"t{at}" for at in range(len(every))],
            "time": times([START + row[2] for row in every]),
            "source": [row[0] for row in every],
            "target": [row[1] for row in every],
            "amount": pa.array([row[3] for row in every], pa.int64()),
            "channel": [row[4] for row in every],
        }
    )
    told = pa.table(
        {
            "complaint_id": [name for name, _ in complaints],
            "known_ts": times([START + every[at][2] + DAY for _, at in complaints]),
            "transfer_id": [f"t{at}" for _, at in complaints],
        }
    )
    given = {"transfers": transfers, "complaints": tables.pop("told", told), **tables}
    return Snapshot(read_dataset(given, currency="THB"), as_of)


def states(account: str = "m", complaint: str | None = "q", held: int = 100_000) -> pa.Table:
    return schema.HOLD_STATES.filled(
        hold_id=["H1"], account_id=[account], complaint_id=pa.array([complaint], pa.string()), clock=["traced_amount"],
        state=["held"], amount=[100_000], held=[held], started_at=[MOMENT - HOUR], bank_until=[MOMENT + DAY],
        expires_at=[MOMENT + DAY], is_due=[False], last_event=["held"], decided_by=["d"], why=["w"], as_of=[MOMENT],
    )  # fmt: skip


def signs(found: Snapshot, table: pa.Table | None = None) -> dict[str, list[str]]:
    rows = release_evidence(found, states() if table is None else table).to_pylist()
    return {row["code"]: row["transfers"] for row in rows}


def test_money_that_stays_after_one_short_contact() -> None:
    found = signs(snapshot(("m", "shop", 41 * DAY, 5_000, "card")))
    assert found == {"KEPT": ["t0"], "SHORT_CONTACT": ["t0"]}  # 950.00 of 1,000.00 are there by every method


def test_money_that_was_passed_on_is_not_kept() -> None:
    assert "KEPT" not in signs(snapshot(("m", "x", 40 * DAY + HOUR, 30_000, "p2p_account")))


def test_money_that_went_back_to_the_complainant() -> None:
    found = snapshot(("m", "v", 42 * DAY, 60_000, "p2p_account"), ("m", "v", 30 * DAY, 1_000, "p2p_account"))
    rows = {row["code"]: row for row in release_evidence(found, states()).to_pylist()}
    assert rows["RETURNED"]["transfers"] == ["t1"]  # not what it paid before the disputed transfer
    assert "THB 600.00" in rows["RETURNED"]["text_en"]
    assert "THB 600.00" in rows["RETURNED"]["text_th"]


def test_people_who_dealt_before_may_have_a_private_dispute() -> None:
    before = [("v", "m", day * DAY, 100, "p2p_proxy") for day in (1, 9, 11)]
    assert signs(snapshot(*before))["KNOWN_PAYER"] == ["t1", "t2"]  # day 11 is 29 days before


def test_a_long_life_before_the_money_came() -> None:
    life = [("m", "shop", day * DAY, 100, "card") for day in range(31)]
    assert len(signs(snapshot(*life))["HONEST_HISTORY"]) == 10  # the latest ones
    assert "HONEST_HISTORY" not in signs(snapshot(*life[:29]))
    # w is named by a complaint: the life before is no sign any more
    named = signs(snapshot(*life, ("m", "w", 20 * DAY, 5, "p2p_account"), ("u", "w", 2 * DAY, 9, "p2p_account"),
                           complaints=(("q", 0), ("r", 33))))  # fmt: skip
    assert "HONEST_HISTORY" not in named
    assert "SHORT_CONTACT" not in named


def test_wages_and_daily_life_with_their_transfers() -> None:
    rows = [("boss", "m", day * DAY, 900, "payroll") for day in (1, 31)] + [
        ("m", "shop", day * DAY, 9, "bill") for day in range(5)
    ]
    found = signs(snapshot(*rows))
    assert found["SALARY"] == ["t1", "t2"]
    assert found["DAILY_LIFE"] == ["t3", "t4", "t5", "t6", "t7"]
    assert not {"SALARY", "DAILY_LIFE"} & set(signs(snapshot(rows[0], *rows[2:6])))


def test_what_the_bank_knows_of_account_and_holder() -> None:
    tables = {
        "accounts": pa.table({"account_id": ["m"], "holder_id": ["h"], "opened_at": times([START - 3 * 365 * DAY])}),
        "holders": pa.table({"holder_id": ["h"], "birth_year": pa.array([2006], pa.int64())}),
        "labels": pa.table(
            {"account_id": ["m", "m"], "label": ["mule", "not_mule"], "known_ts": times([START, START + DAY])}
        ),
    }
    assert set(signs(snapshot(**tables))) >= {"OLD_ACCOUNT", "YOUNG_HOLDER", "NOT_MULE"}
    tables["labels"] = tables["labels"].set_column(1, "label", pa.array(["not_mule", "mule"]))
    tables["holders"] = tables["holders"].set_column(1, "birth_year", pa.array([1960], pa.int64()))
    found = set(signs(snapshot(**tables)))
    assert "OLD_HOLDER" in found
    assert not {"NOT_MULE", "YOUNG_HOLDER"} & found


def test_a_holder_who_lost_money_comes_first() -> None:
    # m paid 900.00 of its own, saved for long, to z, whom another complaint names, and complained itself
    rows = [("boss", "m", DAY, 90_000, "payroll"), ("m", "z", 30 * DAY, 90_000, "p2p_account")]
    found = release_evidence(snapshot(*rows, complaints=(("q", 0), ("r", 2))), states()).to_pylist()
    assert [(row["kind"], row["code"], row["transfers"]) for row in found[:2]] == [
        ("coercion", "VICTIM_TOO", ["t2"]), ("coercion", "LIKE_A_VICTIM", ["t2"]),
    ]  # fmt: skip
    kinds = [row["kind"] for row in found]
    assert kinds == sorted(kinds)  # coercion, then holder


def test_signs_of_coercion_in_logins_come_before_all() -> None:
    logins = {
        "session_id": ["s1", "s2"], "account_id": ["m", "m"], "time": times([MOMENT - DAY, MOMENT + DAY]),
        "remote_access": [True, True],
    }  # fmt: skip
    found = release_evidence(snapshot(sessions=pa.table(logins)), states()).to_pylist()
    assert found[0]["code"] == "REMOTE_ACCESS"
    assert "in 1 logins" in found[0]["text_en"]  # the second is still to come


def test_a_complaint_that_was_withdrawn_speaks_for_the_holder() -> None:
    told = {
        "complaint_id": ["q"],
        "known_ts": times([START + 41 * DAY]),
        "transfer_id": ["t0"],
        "status": ["withdrawn"],
    }
    for day, is_known in ((44, True), (46, False)):
        table = pa.table({**told, "status_ts": times([START + day * DAY])})
        assert ("NO_LONGER_COUNTS" in signs(snapshot(told=table))) == is_known


@pytest.mark.parametrize("held", [0, 1])
def test_only_holds_that_stand_have_evidence(held: int) -> None:
    assert bool(signs(snapshot(), states(held=held))) == bool(held)


def test_an_account_that_the_records_do_not_have_has_none() -> None:
    assert signs(snapshot(), states(account="stranger")) == {}


def test_the_order_of_rows_and_names_changes_nothing() -> None:
    rows = [("m", "shop", day * DAY, 100, "card") for day in range(31)] + [("m", "v", 42 * DAY, 60_000, "p2p_account")]
    one = snapshot(*rows)
    tables = {
        name: table.take(np.random.default_rng(3).permutation(len(table))) for name, table in one.facts.tables.items()
    }
    other = Snapshot(read_dataset(tables, currency="THB"), MOMENT)
    assert release_evidence(one, states()).equals(release_evidence(other, states()))


def test_a_case_file_shows_its_holds_in_the_zone_of_the_country() -> None:
    material = make_material()
    cases = {case.account_id: case for case in account_cases(material, {})}
    assert [hold["hold_id"] for hold in cases["gc"].holds or ()] == ["hold 1"]
    assert cases["gr1"].holds == ()
    hold = (cases["gc"].holds or ())[0]
    assert hold["expires_at"] == {"en": "2025-02-02 07:00 +07", "th": "2568-02-02 07:00 +07 (พ.ศ.)"}
    assert "B.E. 2566" in hold["source"]
    assert [sign["kind"] for sign in hold["evidence"]][:1] == ["coercion"]


def test_without_a_record_a_case_file_says_nothing_of_holds() -> None:
    material = replace(make_material(), standing=None)
    assert {case.holds for case in account_cases(material, {})} == {None}
