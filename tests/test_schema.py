"""The declared tables are the public contract: names are spelt out here, so that none is lost or renamed unseen."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest

from muledetect.errors import DataError
from muledetect.schema import ARROW_TYPES, INPUTS, OUTPUTS, TRANSFERS, Column, Table, did_you_mean

CONTRACT = {
    "transfers": """transfer_id* time* source* target* amount* currency channel source_bank target_bank
        source_balance_after target_balance_after terminal_id session_id device_hash ip_hash memo_hash status
        reversal_of""",
    "accounts": """account_id* holder_id bank_id opened_at closed_at kind is_own balance balance_at daily_limit
        branch_id open_channel""",
    "holders": "holder_id* birth_year declared_income occupation province registered_at capital kind",
    "identifiers": "entity_id* kind* value_hash* valid_from* valid_to known_ts",
    "sessions": """session_id* account_id* time* device_hash ip_hash asn cell_id wifi_hash latitude longitude event
        remote_access emulator virtual_camera""",
    "complaints": """complaint_id* known_ts* victim_account victim_phone_hash transfer_id target amount time scam_type
        script_id centre_id status status_ts""",
    "calls": "call_id* time* caller_hash* callee_hash* duration_s caller_imei_hash cell_id known_ts",
    "watchlists": "list_id* kind* value_hash* centre_id category* reliability valid_from* valid_to known_ts",
    "registry": """scheme* entry_id* subject_kind* subject_id* status* tier reliability valid_from* valid_to known_ts*
        listed_by is_own centre_id reason""",
    "labels": "account_id* label* known_ts activity_start activity_end source confidence",
    "truth_rings": """ring_id* account_id* role layer centre_id shape office_id used_from used_until is_unwitting""",
    "truth_transfers": "transfer_id* kind* ring_id case_id amount",
    "truth_money": "case_id* account_id* place* time* amount*",
    "truth_cases": """case_id* victim_account ring_id centre_id scam_type first_call first_payment last_payment amount
        complained""",
    "truth_accounts": "account_id* persona* is_victim is_mule recruited_as first_illicit last_illicit",
}
RESULTS = {
    "scores": "account_id as_of score probability rank tier reasons",
    "rings": "ring_id as_of n_accounts probability expected_value score stability value_in n_victims first_time "
    "last_time recoverable typology typology_transfers",
    "ring_members": "ring_id account_id role layer membership is_seed",
    "ring_links": "ring_id source target kind weight evidence",
    "ring_ties": """ring_id centre_id grade log_odds complaint call network place cash_out script lists person against
        by_chance evidence""",
    "ring_others": "ring_id account_id relation n_transfers paid received text",
    "trace": """complaint_id method as_of account_id hop traced available hold shortfall exit_kind expires_at""",
    "rejects": "table row column reason severity",
}
CHOICES = {
    ("transfers", "channel"): """p2p_proxy p2p_account qr_merchant bill card cash_atm cash_counter cash_deposit wallet
        vasp xborder payroll fee reversal other""",
    ("transfers", "status"): "settled rejected returned",
    ("accounts", "kind"): "individual joint company merchant biller wallet vasp government internal",
    ("holders", "kind"): "person company",
    (
        "identifiers",
        "kind",
    ): "phone email address device ip sim imei wifi wallet name name_sound given_sound birth_date "
    "id_number id_digits director",
    ("sessions", "event"): "login face_ok face_fail device_bind limit_change",
    ("complaints", "status"): "open confirmed withdrawn",
    ("watchlists", "kind"): "phone email address device ip sim imei wifi wallet account cell terminal",
    ("registry", "subject_kind"): "account person company",
    ("registry", "status"): "listed appealed removed",
    ("labels", "label"): "mule not_mule unknown",
    ("truth_transfers", "kind"): "victim hop exit test spend illicit",
    ("truth_money", "place"): "account exit spent",
    ("truth_accounts", "recruited_as"): "new dormant old stolen company unwitting",
    ("scores", "tier"): "none watch suspected",
    ("ring_members", "role"): "collector relay consolidator cash_out controller peripheral",
}
EVERY = [*INPUTS.values(), *OUTPUTS.values()]


def test_the_tables_of_the_contract_are_declared_and_no_others() -> None:
    assert list(INPUTS) == list(CONTRACT)
    assert set(RESULTS) <= set(OUTPUTS)


@pytest.mark.parametrize("name", CONTRACT)
def test_an_input_table_has_exactly_the_columns_of_the_contract(name: str) -> None:
    declared = [column.name + "*" * column.required for column in INPUTS[name].columns]
    assert declared == CONTRACT[name].split()
    assert INPUTS[name].required == tuple(c.rstrip("*") for c in CONTRACT[name].split() if c.endswith("*"))


@pytest.mark.parametrize("name", RESULTS)
def test_an_output_table_has_exactly_the_columns_of_the_contract(name: str) -> None:
    assert list(OUTPUTS[name].names) == RESULTS[name].split()


@pytest.mark.parametrize(("table", "column"), CHOICES)
def test_a_column_of_choices_has_those_of_the_contract(table: str, column: str) -> None:
    declared = {**INPUTS, **OUTPUTS}[table].column(column)
    assert sorted(declared.values) == sorted(CHOICES[table, column].split())


@pytest.mark.parametrize("table", EVERY, ids=lambda table: table.name)
def test_a_table_is_declared_completely(table: Table) -> None:
    assert len(set(table.names)) == len(table.names)
    assert set(table.key) <= set(table.required)
    assert table.event_time is None or table.column(table.event_time).type == "time"
    assert table.meaning
    for column in table.columns:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
        assert column.meaning
        assert column.meaning == column.meaning.strip()
        assert column.type in ARROW_TYPES
        assert not column.values or column.type == "category"


@pytest.mark.parametrize("table", EVERY, ids=lambda table: table.name)
def test_types_follow_from_names(table: Table) -> None:
    """Ids are text, so that leading zeros survive; moments are microseconds in UTC; money is whole minor units."""
    for column in table.columns:
        if column.name.endswith("_id") and column.type != "id_list":
            assert column.arrow_type == pa.string()
        if column.name.endswith("_hash"):
            assert column.type == "hash"
        if column.name == "time" or column.name.endswith(("_at", "_ts")):
            assert column.arrow_type == pa.timestamp("us", tz="UTC")
        if column.type == "money":
            assert column.arrow_type == pa.int64()
            assert column.unit == "minor units (satang, cents)"


@pytest.mark.parametrize("table", EVERY, ids=lambda table: table.name)
def test_an_empty_table_has_every_column(table: Table) -> None:
    assert table.empty().num_rows == 0
    assert table.empty().schema == table.arrow_schema
    assert table.empty().column_names == list(table.names)


def test_only_amounts_that_move_money_must_be_positive() -> None:
    positive = {(t.name, c.name) for t in EVERY for c in t.columns if c.minimum == 1}
    assert positive == {
        ("transfers", "amount"),
        ("accounts", "daily_limit"),
        ("complaints", "amount"),
        ("truth_transfers", "amount"),
        ("hold_events", "amount"),
    }
    assert INPUTS["truth_money"].column("amount").minimum == 0


def test_a_column_is_found_by_name_or_the_closest_is_suggested() -> None:
    assert isinstance(TRANSFERS.column("amount"), Column)
    with pytest.raises(DataError, match=r"transfers: there is no column 'amuont'\. Hint: did you mean 'amount'\?"):
        TRANSFERS.column("amuont")


def test_nothing_close_gives_no_hint() -> None:
    assert did_you_mean("zzzzzz", TRANSFERS.names) == ""
    assert did_you_mean("taget", TRANSFERS.names) == " Hint: did you mean 'target'?"
    with pytest.raises(DataError, match=r"no column 'zzzzzz'\.$"):
        TRANSFERS.column("zzzzzz")


def test_declarations_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        INPUTS["more"] = TRANSFERS  # type: ignore[index]
    with pytest.raises(AttributeError):
        TRANSFERS.name = "other"  # type: ignore[misc]
