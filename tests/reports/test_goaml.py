"""goAML drafts: valid by the schema, the schema refuses what is broken, exact amounts, hostile text as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from made_case import HOSTILE, START, bare_case, hostile_case, small_case, transfer_rows

from muledetect.errors import OptionError
from muledetect.model.reason_codes import TYPOLOGIES
from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.drafts.goaml import CODES, HEADER, MOST_COMMENTS, NOTES, goaml_schema, to_goaml, write_goaml
from muledetect.reports.drafts.str_draft import draft_str
from muledetect.schema import ACCOUNT_KINDS, CHANNELS
from muledetect.visible import make_visible, read_visible

SCHEMA = etree.XMLSchema(etree.fromstring(goaml_schema().encode()))
Element = etree._Element


def parsed(text: str) -> Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    return etree.fromstring(text.encode("utf-8"), parser)


def report_of(case: AccountCase, **options: object) -> Element:
    """The report of a case, which the schema accepts."""
    report = parsed(to_goaml(draft_str(case), **options))  # type: ignore[arg-type]
    SCHEMA.assertValid(report)
    return report


def text_of(report: Element, path: str) -> str | None:
    found = report.find(path)
    assert found is not None, path
    return found.text


def test_a_draft_has_the_documented_fields_in_the_documented_order() -> None:
    report = report_of(small_case())
    assert [child.tag for child in report if isinstance(child.tag, str)] == [
        "rentity_id", "rentity_branch", "submission_code", "report_code", "entity_reference", "fiu_ref_number",
        "submission_date", "currency_code_local", "reporting_person", "location", "reason", "action",
        *["transaction"] * 4, "report_indicators",
    ]  # fmt: skip
    assert [child.tag for child in report.iterfind("transaction[1]/*")] == [
        "transactionnumber", "internal_ref_number", "transaction_location", "transaction_description",
        "date_transaction", "teller", "authorized", "transmode_code", "transmode_comment", "amount_local", "t_from",
        "t_to_my_client",
    ]  # fmt: skip


def test_amounts_and_times_are_those_of_the_transfers() -> None:
    report = report_of(small_case())
    assert [one.text for one in report.iterfind("transaction/amount_local")] == [
        "1000.00",
        "600.00",
        "500.00",
        "700.00",
    ]
    assert [one.text for one in report.iterfind("transaction/date_transaction")] == [
        "2025-03-01T00:00:00Z", "2025-03-01T00:30:00Z", "2025-03-01T01:00:00Z", "2025-03-01T02:30:00Z",
    ]  # fmt: skip


def test_the_subject_is_the_client_of_its_side_and_others_never_are() -> None:
    report = report_of(small_case())
    for made, is_credit in zip(report.iterfind("transaction"), (True, False, True, False), strict=True):
        mine, other = ("to", "from") if is_credit else ("from", "to")
        assert text_of(made, f"t_{mine}_my_client/{mine}_account/account") == "a"
        assert text_of(made, f"t_{other}/{other}_account/account") in {"v", "m", "u", "n"}


def test_a_subject_of_another_bank_is_nobodys_client() -> None:
    case = small_case()
    report = report_of(replace(case, account=dict(case.account) | {"is_own": False}))
    assert not [one for one in report.iter() if isinstance(one.tag, str) and one.tag.endswith("_my_client")]
    assert text_of(report, "transaction/t_to/to_account/account") == "a"
    assert "Between 2025-03-01" in str(text_of(report, "transaction/t_to/to_account/comments"))


def test_facts_of_the_account_stand_once_and_those_of_its_holder_in_their_fields() -> None:
    report = report_of(small_case())
    account = report.find("transaction/t_to_my_client/to_account")
    assert account is not None
    facts = draft_str(small_case())
    comments = str(text_of(account, "comments"))
    assert all(sentence in comments for sentence in (*facts.grounds, *facts.coercion))
    assert "Indicator PASS_THROUGH: 97% of the money paid so far." in comments
    assert "Speaks for the account, NIGHT: by day." in comments
    assert len(report.findall("transaction//comments[1]/../account/../comments")) == 1
    assert {name: text_of(account, name) for name in ("balance", "opened", "client_number", "branch")} == {
        "balance": "220.05", "opened": "2025-01-20T00:00:00Z", "client_number": "h", "branch": "X1",
    }  # fmt: skip
    assert text_of(account, "signatory/t_person/occupation") == "driver"
    assert text_of(account, "signatory/t_person/birthdate") is None  # a year is no date
    assert "Year of birth on record: 1990." in str(text_of(account, "signatory/t_person/comments"))


def test_a_company_is_an_entity() -> None:
    report = report_of(small_case(holder={"kind": "company", "registered_at": START, "capital": 5_000_00}))
    entity = report.find("transaction/t_to_my_client/to_account/t_entity")
    assert entity is not None
    assert text_of(entity, "incorporation_date") == "2025-03-01T00:00:00Z"
    assert text_of(entity, "comments") == "Registered capital: 5000.00 THB."


@pytest.mark.parametrize(
    "name", ["rentity_id", "rentity_branch", "submission_code", "entity_reference", "fiu_ref_number", "submission_date",
             "reporting_person", "location", "reason", "action"],
)  # fmt: skip
def test_a_blank_is_an_empty_element_behind_a_comment_to_the_officer(name: str) -> None:
    blank = report_of(small_case()).find(name)
    assert blank is not None
    assert not "".join(blank.itertext()).strip()
    before = blank.getprevious()
    assert before is not None
    assert before.tag is etree.Comment
    assert str(before.text).strip() == NOTES[name]


def test_no_comment_holds_what_comments_must_not() -> None:
    assert not [note for note in NOTES.values() if "--" in note or note.endswith("-")]


def test_a_filled_draft_is_valid_without_taking_anything_out() -> None:
    report = report_of(small_case())
    for name, value in {
        "rentity_id": "17", "submission_code": "E", "submission_date": "2025-04-01T09:00:00Z",
        "reason": "ในความเห็นของเจ้าหน้าที่",
        "reporting_person/first_name": "ก", "location/country_code": "TH",
    }.items():  # fmt: skip
        filled = report.find(name)
        assert filled is not None
        filled.text = value
    SCHEMA.assertValid(report)


def test_without_transfers_the_account_is_the_party_of_an_activity() -> None:
    report = report_of(bare_case())
    assert report.find("transaction") is None
    assert text_of(report, "activity/report_parties/report_party/account/account") == "a"
    assert text_of(report, "report_indicators/indicator") is None


def _remove(path: str) -> Callable[[Element], None]:
    def broken(report: Element) -> None:
        found = report.find(path)
        assert found is not None
        found.getparent().remove(found)  # type: ignore[union-attr]

    return broken


def _set(path: str, value: str) -> Callable[[Element], None]:
    def broken(report: Element) -> None:
        found = report.find(path)
        assert found is not None
        found.text = value

    return broken


def _swap(report: Element) -> None:
    number, reference = report[2], report.find("entity_reference")
    assert reference is not None
    reference.addnext(number)


def _twice(path: str) -> Callable[[Element], None]:
    def broken(report: Element) -> None:
        found = report.find(path)
        assert found is not None
        found.addnext(etree.fromstring(etree.tostring(found)))

    return broken


def _stranger(report: Element) -> None:
    etree.SubElement(report, "verdict").text = "guilty"


@pytest.mark.parametrize(
    "broken",
    [
        _remove("report_code"), _remove("reason"), _remove("report_indicators"), _remove("transaction/amount_local"),
        _remove("transaction/t_from"), _remove("transaction/t_to_my_client/to_account"),
        _remove("transaction/t_to_my_client/to_account/account"), _remove("transaction/transactionnumber"),
        _remove("reporting_person"), _remove("report_indicators/indicator"),
        _set("report_code", "CTR"), _set("rentity_id", "0"), _set("rentity_id", "seven"),
        _set("currency_code_local", "Baht"), _set("transaction/amount_local", "1,000.00"),
        _set("transaction/amount_local", "-5"), _set("transaction/amount_local", "1E3"),
        _set("transaction/amount_local", ""), _set("transaction/transactionnumber", ""),
        _set("transaction/date_transaction", "2025-03-01T00:00:00"), _set("transaction/date_transaction", "01/03/2568"),
        _set("transaction/transmode_code", "by phone"), _set("report_indicators/indicator", "<script>"),
        _set("transaction/t_to_my_client/to_country", "Thailand"), _set("reason", "x" * 4001),
        _swap, _stranger, _twice("transaction"), _twice("reason"), _twice("report_indicators/indicator"),
        _twice("transaction/t_from"),
    ],
)  # fmt: skip
def test_the_schema_refuses_what_is_broken(broken: Callable[[Element], None]) -> None:
    report = report_of(small_case())
    broken(report)
    assert not SCHEMA.validate(report)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(text: str) -> None:
    report = report_of(hostile_case(text))
    shown = make_visible(text)
    assert text_of(report, "transaction/t_to_my_client/to_account/account") == shown
    assert text_of(report, "transaction/t_from/from_account/account") == shown
    assert text_of(report, "transaction/transactionnumber") == f"{shown}1"
    assert read_visible(shown) == text
    known = {element.tag for element in report_of(small_case()).iter()}
    assert {element.tag for element in report.iter()} <= known


@given(
    st.text(max_size=30), st.integers(1, 2**63 - 1), st.integers(-(2**63), 2**63 - 1), st.sampled_from([1, 100, 1000])
)
@pytest.mark.slow
def test_any_text_amount_and_time_gives_a_valid_draft(text: str, amount: int, time: int, minor_units: int) -> None:
    row = (f"t{text}", time, True, f"o{text}", text, amount, text, text, [text], 0, amount)
    case = bare_case(
        account_id=f"a{text}", minor_units=minor_units, transfers=transfer_rows(row), n_transfers=1,
        period=(time, time),
        account={"bank_id": text, "kind": text, "opened_at": time, "closed_at": time, "balance": -amount},
        holder={"occupation": text, "province": text}, reasons=({"code": text, "text": {"en": text}},),
    )  # fmt: skip
    report = report_of(case)
    assert Decimal(str(text_of(report, "transaction/amount_local"))) * minor_units == amount
    assert Decimal(str(text_of(report, "transaction/t_to_my_client/to_account/balance"))) * minor_units == -amount


@pytest.mark.parametrize(
    ("time", "written"),
    [
        (-62_135_596_800_000_000, "0001-01-01T00:00:00Z"), (-62_135_596_800_000_001, None), (-(2**63), None),
        (253_402_300_799_999_999, "9999-12-31T23:59:59Z"), (253_402_300_800_000_000, None),
        (18_900_000_000_000_000, "2568-12-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_a_time_outside_of_the_years_of_dates_is_a_blank(time: int, written: str | None) -> None:
    row = ("t", time, True, "o", None, 1_00, None, "", [], 0, 0)
    report = report_of(bare_case(transfers=transfer_rows(row), n_transfers=1, period=(time, time)))
    assert text_of(report, "transaction/date_transaction") == written


def test_the_amounts_of_all_transactions_are_the_totals() -> None:
    draft = draft_str(small_case())
    report = parsed(to_goaml(draft))
    by_side = {
        side: sum(
            Decimal(str(text_of(one, "amount_local")))
            for one in report.iterfind("transaction")
            if one.find(side) is not None
        )
        for side in ("t_to_my_client", "t_from_my_client")
    }
    assert by_side == {"t_to_my_client": draft.reportable_in.amount, "t_from_my_client": draft.reportable_out.amount}


def test_long_comments_end_with_a_whole_sentence() -> None:
    reasons = tuple({"code": f"C{n}", "contribution": 1.0, "text": {"en": "long " * 60}} for n in range(40))
    comments = str(text_of(report_of(small_case(reasons=reasons)), "transaction/t_to_my_client/to_account/comments"))
    assert len(comments) <= MOST_COMMENTS
    assert comments.endswith(". More facts stand in the case file.")


def test_a_draft_says_how_many_transfers_it_leaves_out() -> None:
    report = parsed(to_goaml(draft_str(small_case(), most=1)))
    comments = str(text_of(report, "transaction/t_to_my_client/to_account/comments"))
    assert "1 of 4 transfers to be reported are listed." in comments


def test_codes_of_a_country_take_the_place_of_ours() -> None:
    codes = {"transmode": {"p2p_proxy": "B"}, "funds": {"p2p_proxy": "K"}, "indicator": {"PASS_THROUGH": "SB07"}}
    report = report_of(small_case(), codes=codes)
    assert text_of(report, "transaction[1]/transmode_code") == "B"
    assert text_of(report, "transaction[1]/t_from/from_funds_code") == "K"
    assert text_of(report, "transaction[2]/transmode_code") == "P2P_ACCOUNT"
    assert text_of(report, "report_indicators/indicator") == "SB07"


def test_reasons_of_one_indicator_give_it_once() -> None:
    reasons = tuple(
        {"code": code, "contribution": 1.0, "text": {"en": "x"}} for code in ("FAN_IN", "FAN_OUT", "own column")
    )
    report = report_of(small_case(reasons=reasons), codes={"indicator": {"FAN_IN": "S01", "FAN_OUT": "S01"}})
    assert [one.text for one in report.iterfind("report_indicators/indicator")] == ["S01", "own_column"]


def test_an_unknown_channel_is_a_blank_code() -> None:
    report = report_of(small_case())
    assert text_of(report, "transaction[3]/transmode_code") is None
    assert text_of(report, "transaction[3]/t_from/from_funds_code") is None


def test_every_channel_kind_and_typology_has_a_code() -> None:
    assert set(CODES["transmode"]) == set(CODES["funds"]) == set(CHANNELS)
    assert set(CODES["account_type"]) == set(ACCOUNT_KINDS)
    assert set(CODES["indicator"]) == set(TYPOLOGIES)


def test_the_header_of_an_institution_is_filled_in() -> None:
    header = {"rentity_id": "17", "rentity_branch": "HQ", "institution_name": "A & B <Bank>", "country": "TH"}
    report = report_of(small_case(), header=header)
    assert text_of(report, "rentity_id") == "17"
    assert text_of(report, "transaction/t_to_my_client/to_account/institution_name") == "A & B <Bank>"
    assert text_of(report, "transaction/t_to_my_client/to_country") == "TH"
    assert text_of(report, "transaction/t_from/from_country") is None
    assert not [note for note in report.iter(etree.Comment) if NOTES["rentity_id"] in str(note.text)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"codes": {"transmod": {}}}, "did you mean 'transmode'"),
        ({"codes": {"transmode": {"p2p_prox": "B"}}}, "did you mean 'p2p_proxy'"),
        ({"codes": {"transmode": {"p2p_proxy": "a b"}}}, "is no code"),
        ({"header": {"rentity": "1"}}, "did you mean 'rentity_"),
        ({"header": {"rentity_id": "0"}}, "of the form"),
        ({"header": {"reason": "because"}}, "there is no 'reason'"),
    ],
)
def test_options_that_do_not_exist_are_refused(options: dict[str, dict[str, str]], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        to_goaml(draft_str(bare_case()), **options)  # type: ignore[arg-type]


def test_no_header_can_speak_for_the_officer() -> None:
    assert not {"reason", "action", "reporting_person", "submission_date"} & set(HEADER)


def test_the_same_case_gives_the_same_bytes_in_any_order_of_rows(tmp_path: Path) -> None:
    case = small_case()
    write_goaml(case, tmp_path / "one.xml")
    write_goaml(replace(case, transfers=case.transfers[::-1]), tmp_path / "two.xml")
    written = (tmp_path / "one.xml").read_bytes()
    assert written == (tmp_path / "two.xml").read_bytes()
    assert written.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<report>')
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == ["one.xml", "two.xml"]  # and what proves them ours
    SCHEMA.assertValid(etree.fromstring(written))


def test_a_draft_asks_for_no_entity_and_no_other_file() -> None:
    text = to_goaml(draft_str(small_case()))
    assert "<!DOCTYPE" not in text
    assert "schemaLocation" not in text
