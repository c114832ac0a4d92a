"""STR drafts: facts that add up, blanks that stay blank, and no word about a person."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_case import HOSTILE, START, Row, bare_case, hostile_case, small_case, transfer_rows

from muledetect.clock import HOUR, MINUTE
from muledetect.errors import OptionError
from muledetect.reports.accounts.facts import MOST_TRANSFERS
from muledetect.reports.drafts.str_draft import draft_str
from muledetect.reports.drafts.words import BLANKS, SENTENCES, exact

INT64 = st.integers(-(2**63), 2**63 - 1)


def test_totals_are_those_of_the_period() -> None:
    draft = draft_str(small_case())
    assert draft.received == (2, Decimal("1500.00"), 2)
    assert draft.sent == (2, Decimal("1300.00"), 2)
    assert draft.left_within_hour == Decimal("600.00")


def test_transfers_of_complaints_reasons_and_the_period_are_to_be_reported() -> None:
    draft = draft_str(small_case())
    assert [(one.transfer_id, one.why) for one in draft.transfers] == [
        ("t1", "complaint"), ("t2", "complaint"), ("t3", "period"), ("t4", "period"),
    ]  # fmt: skip
    early = draft_str(small_case(period=(START + HOUR, START + HOUR)))
    assert [one.transfer_id for one in early.transfers] == ["t1", "t2", "t3"]


def test_a_transfer_that_shows_only_what_speaks_for_the_account_is_no_proof() -> None:
    draft = draft_str(small_case(period=None))
    assert [one.transfer_id for one in draft.transfers] == ["t1", "t2"]
    assert draft.period == (START, START + 30 * MINUTE)


def test_where_not_all_transfers_fit_complaints_come_first_then_reasons_then_the_largest() -> None:
    case = small_case()
    case = replace(case, transfers=case.transfers.assign(traced_low=0, traced_high=0))
    assert [one.transfer_id for one in draft_str(case, most=1).transfers] == ["t1"]  # its payer complains
    assert [one.transfer_id for one in draft_str(case, most=2).transfers] == ["t1", "t2"]  # shows PASS_THROUGH
    draft = draft_str(case, most=3)
    assert [one.transfer_id for one in draft.transfers] == ["t1", "t2", "t4"]  # 700.00 before 500.00
    assert draft.n_reportable == 4
    assert {label: value for label, _, value in draft.rows()}["Transfers listed, of all to be reported"] == "3 / 4"


def test_confirmed_and_inferred_victims_stand_apart() -> None:
    draft = draft_str(small_case())
    assert [(victim.account_id, victim.complaint_ids) for victim in draft.confirmed] == [("v", ("c1",))]
    assert [(victim.account_id, victim.complaint_ids) for victim in draft.inferred] == [("u", ())]
    assert any(
        label.startswith("Likely victim, inferred") and "u: 500.00 THB" in str(value)
        for label, _, value in draft.rows()
    )


def test_what_speaks_for_the_account_stands_beside_the_indicators() -> None:
    draft = draft_str(small_case())
    assert draft.indicators == (("PASS_THROUGH", "97% of the money paid so far"),)
    assert draft.speaks_for == (("NIGHT", "by day"), ("OLD", "It pays rent each month."))


def test_grounds_are_sentences_of_fact() -> None:
    assert draft_str(small_case()).grounds == (
        "Records give 2025-01-20 00:00:00 UTC as the time of opening, 40 days before 2025-03-01 00:00:00 UTC.",
        "Between 2025-03-01 00:00:00 UTC and 2025-03-01 03:00:00 UTC the account received 2 credits of 1,500.00 THB in "
        "total from 2 accounts, and made 2 debits of 1,300.00 THB in total to 2 accounts.",
        "Of what it received, 600.00 THB left again within an hour (first in, first out).",
        "By 2025-03-31 00:00:00 UTC the bank had 1 complaint about money that reached the account. Of 1,200.00 THB "
        "complained of, 900.00 THB to 1,000.00 THB came to the account; where two amounts stand, methods of tracing "
        "differ.",
        "Proposed to be held on this account: 220.05 THB. Traced here but not covered by the balance: 79.95 THB.",
        "Payments that complaints name, from 1 account: 1,000.00 THB in 1 transfer.",
        "1 account paid 500.00 THB in 1 transfer in the way in which victims of scams pay; this is inferred, and no "
        "complaint confirms it.",
        "Links in the records put the account in a group of 7 accounts.",
    )


@pytest.mark.parametrize(("hours", "says"), [(1, "1 hour before"), (47, "47 hours before"), (48, "2 days before")])
def test_the_age_of_an_account_is_in_days_or_hours(hours: int, says: str) -> None:
    assert says in draft_str(small_case(account={"opened_at": START - hours * HOUR})).grounds[0]


def test_times_of_sentences_are_those_of_the_zone() -> None:
    grounds = " ".join(draft_str(small_case(), zone="Asia/Bangkok").grounds)
    assert "Between 2025-03-01 07:00:00 Asia/Bangkok and 2025-03-01 10:00:00 Asia/Bangkok" in grounds


def test_thai_sentences_carry_the_same_figures() -> None:
    def figures(text: str) -> list[str]:
        return sorted(re.findall(r"\d[\d,]*\.\d\d", text))

    english, thai = (draft_str(small_case(), language=language) for language in ("en", "th"))
    assert len(english.grounds) == len(thai.grounds)
    assert list(map(figures, english.grounds)) == list(map(figures, thai.grounds))
    assert all(re.search("[\u0e01-\u0e5b]", sentence) for sentence in (*thai.grounds, *thai.coercion))
    assert all(set(texts) == {"en", "th"} for texts in SENTENCES.values())


def test_totals_of_a_part_say_so() -> None:
    case = small_case(n_transfers=9)
    assert any("holds 5 of the account's 9 transfers" in sentence for sentence in draft_str(case).grounds)


@pytest.mark.parametrize(("first", "is_partial"), [(1, False), (0, True)])
def test_totals_are_whole_where_all_of_the_period_is_among_the_latest_transfers(first: int, is_partial: bool) -> None:
    rows = [(f"t{n:04}", START + n, True, "o", None, 1_00, None, "", [], 0, 0) for n in range(MOST_TRANSFERS)]
    window = (START + first, START + MOST_TRANSFERS)
    case = bare_case(transfers=transfer_rows(*rows), n_transfers=MOST_TRANSFERS + 1, period=window)
    assert any("these totals are of those" in sentence for sentence in draft_str(case).grounds) == is_partial


def test_a_case_of_which_nothing_is_known_gives_blanks() -> None:
    draft = draft_str(bare_case())
    assert draft.grounds == ()
    assert draft.transfers == draft.indicators == draft.counterparties == ()
    assert draft.period is None
    assert draft.received == (0, Decimal("0.00"), 0)


def test_the_officers_fields_are_blank_and_no_other_is() -> None:
    rows = draft_str(small_case()).rows()
    assert [label for label, _, value in rows if value is None] == [english for _, english, _ in BLANKS]
    assert {"reporting_person", "reason", "action", "decision", "fiu_ref_number", "submission_code"} <= {
        key for key, *_ in BLANKS
    }
    assert all(re.search("[\u0e01-\u0e5b]", thai) for _, thai, _ in rows)


def test_a_draft_says_nothing_about_guilt() -> None:
    said = " ".join(f"{label} {value}" for label, _, value in draft_str(small_case()).rows()).lower()
    assert "account" in said
    assert not re.search(r"guilt|criminal|fraudster|launder|\bmule\b|offender|culprit", said)


def test_unknown_amounts_of_a_sum_make_it_unknown() -> None:
    case = small_case()
    traces = pd.DataFrame(
        {"complaint_id": ["c1", "c2"], "lost": pd.array([100, None], "Int64"), "in_low": [1, 2], "in_high": [1, 2]}
    )
    sentence = next(s for s in draft_str(replace(case, traces=traces)).grounds if "2 complaints" in s)
    assert "Of an amount not known complained of, 0.03 THB came to the account" in sentence


@pytest.mark.parametrize("null", [None, float("nan"), pd.NA, pd.NaT, ""])
def test_what_is_not_known_is_no_fact(null: object) -> None:
    draft = draft_str(
        small_case(account={"bank_id": null, "opened_at": null, "balance": null}, holder={"birth_year": null})
    )
    assert draft.account == draft.holder == {}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_as_it_is(text: str) -> None:
    draft = draft_str(hostile_case(text))
    assert draft.account_id == text
    assert ("Subject account", "บัญชีที่รายงาน", text) in draft.rows()
    assert any(sentence.endswith(text) for sentence in draft.coercion)


def test_amounts_beyond_floats_and_decimal_contexts_are_exact() -> None:
    huge = 2**63 - 1
    rows = [(f"t{n}", START + n, n < 3, "o", None, huge, None, "", [], 0, 0) for n in range(4)]
    draft = draft_str(bare_case(transfers=transfer_rows(*rows), n_transfers=4, period=(START, START + 9)))
    assert draft.received.amount == Decimal("276701161105643274.21")  # 3 x 92233720368547758.07
    assert draft.sent.amount == draft.left_within_hour == Decimal("92233720368547758.07")
    assert "276,701,161,105,643,274.21 THB" in draft.grounds[0]
    assert exact(10**40 + 1, 100) == Decimal("1" + "0" * 37 + "0.01")


def test_what_came_first_leaves_first() -> None:
    rows = (
        ("t1", START, True, "u", None, 5_00, None, "", [], 0, 0),
        ("t2", START + 80 * MINUTE, True, "u", None, 7_00, None, "", [], 0, 0),
        ("t3", START + 90 * MINUTE, False, "m", None, 8_00, None, "", [], 0, 0),
    )
    case = bare_case(transfers=transfer_rows(*rows), n_transfers=3, period=(START, START + 2 * HOUR))
    assert draft_str(case).left_within_hour == Decimal("3.00")  # 5.00 stayed 90 min, 3.00 stayed 10 min


@given(INT64, st.sampled_from([1, 10, 100, 1000, 10_000]))
def test_an_amount_times_its_minor_units_is_the_integer_again(minor: int, minor_units: int) -> None:
    amount = exact(minor, minor_units)
    assert amount is not None
    assert amount * minor_units == minor
    assert -int(amount.as_tuple().exponent) == len(str(minor_units)) - 1


MOVES = st.lists(
    st.tuples(
        st.integers(0, 6), st.booleans(), st.sampled_from("uvwm"), st.integers(1, 10**12),
        st.sampled_from(["", "victim", "member"]), st.booleans(),
    ),
    max_size=12,
)  # fmt: skip


def _rows(moves: list[tuple[int, bool, str, int, str, bool]]) -> list[Row]:
    return [
        (f"t{n}", START + step * 20 * MINUTE, is_credit, other, None, amount, None, relation, ["X"] * shows, 0, 0)
        for n, (step, is_credit, other, amount, relation, shows) in enumerate(moves)
    ]  # fmt: skip


@given(MOVES, st.integers(0, 2), st.integers(2, 6), st.integers(0, 15), st.randoms(use_true_random=False))
@pytest.mark.slow
def test_money_is_conserved_in_any_order_of_rows(moves, start, length, most, random) -> None:  # type: ignore[no-untyped-def]
    rows = _rows(moves)
    window = (START + start * 20 * MINUTE, START + (start + length) * 20 * MINUTE)
    reasons = ({"code": "X", "contribution": 1.0, "text": {"en": "x", "th": "x"}},)
    case = bare_case(transfers=transfer_rows(*rows), n_transfers=len(rows), period=window, reasons=reasons)
    draft = draft_str(case, most=most)

    inside = [row for row in rows if window[0] <= row[1] <= window[1]]
    to_report = [row for row in rows if row in inside or row[7] == "victim" or row[8]]
    for total, chosen, is_credit in (
        (draft.received, inside, True), (draft.sent, inside, False),
        (draft.reportable_in, to_report, True), (draft.reportable_out, to_report, False),
    ):  # fmt: skip
        assert total.amount * 100 == sum(row[5] for row in chosen if row[2] == is_credit)
        assert total.n == sum(row[2] == is_credit for row in chosen)
    assert sum(one.amount_in for one in draft.counterparties) == draft.reportable_in.amount
    assert sum(one.amount_out for one in draft.counterparties) == draft.reportable_out.amount
    assert len(draft.transfers) == min(most, len(to_report)) <= draft.n_reportable == len(to_report)
    assert draft.left_within_hour == Decimal(_left(inside)) / 100 <= min(draft.received.amount, draft.sent.amount)

    random.shuffle(rows)
    assert draft_str(replace(case, transfers=transfer_rows(*rows)), most=most) == draft


def _left(inside: list[Row]) -> int:
    """Match unit ranges instead of lots: credit number k covers units [in before it, in with it), a debit likewise.

    Only units that are there can leave: what a debit takes beyond them is money from before the window.
    """
    total_in = total_out = 0
    came: list[tuple[int, int, int]] = []
    left = 0
    for _, time, is_credit, _, _, amount, *_ in sorted(inside, key=lambda row: (row[1], not row[2])):
        if is_credit:
            came.append((total_in, total_in + amount, time))
            total_in += amount
        else:
            end = min(total_out + amount, total_in)
            left += sum(max(0, min(end, high) - max(total_out, low)) for low, high, at in came if time - at <= HOUR)
            total_out = end
    return left


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"language": "de"}, "neither 'en' nor 'th'"),
        ({"zone": "Mars/Olympus"}, "no time zone"),
        ({"most": -1}, "give 0 or more"),
    ],
)
def test_options_that_do_not_exist_are_refused(options: dict[str, str], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        draft_str(bare_case(), **options)  # type: ignore[arg-type]


def test_minor_units_that_are_no_power_of_ten_are_refused() -> None:
    with pytest.raises(OptionError, match="minor_units is 5"):
        draft_str(small_case(minor_units=5))
