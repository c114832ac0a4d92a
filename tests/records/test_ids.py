"""One account has one spelling, in every table; honest ids stay as they are."""

# ruff: noqa: RUF001 - signs that look alike are what is tested

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import muledetect as md
from muledetect.records.ids import loose_forms, plain_ids, without_forms

#: An account in another spelling, and as it is read.
SPELLINGS = {
    "blanks behind": ("0071  ", "0071"),
    "tab before": ("\t0071", "0071"),
    "no-break blank": ("0071\u00a0", "0071"),
    "ideographic blank": ("\u30000071\u3000", "0071"),
    "full-width digits": ("００７１", "0071"),
    "full-width letters": ("ＤＥ４４", "DE44"),
    "Thai digits": ("๐๐๗๑", "0071"),
    "Arabic digits": ("٠٠٧١", "0071"),
    "zero-width blank": ("00\u200b71", "0071"),
    "byte-order mark": ("\ufeff0071", "0071"),
    "soft hyphen": ("DE\u00ad44", "DE44"),
    "right-to-left mark": ("\u200f0071\u200e", "0071"),
    "control sign": ("0071\x01", "0071"),
    "blank behind a mark": ("0071 \u200b", "0071"),
    "blanks of other kinds inside": ("DE44\u00a0 1002", "DE44 1002"),
    "accent apart": ("Cafe\u0301 1", "Caf\u00e9 1"),
}
HONEST = ("0071", "71", "007-1", "de44", "DE44", "A/1", "12²", "ACME ltd", "1.0", "Café 1", "บัญชี", "ｱ", "ACME")


def transfers(source: list[str], target: list[str]) -> pa.Table:
    return pa.table(
        {
            "transfer_id": [f"T{n}" for n in range(len(source))],
            "time": [f"2025-03-01T{n // 60:02d}:{n % 60:02d}:00Z" for n in range(len(source))],
            "source": source,
            "target": target,
            "amount": [100 + n for n in range(len(source))],
        }
    )


@pytest.mark.parametrize(("written", "spelt"), SPELLINGS.values(), ids=list(SPELLINGS))
def test_a_spelling_is_read_as_the_plain_one(written: str, spelt: str) -> None:
    assert plain_ids(pa.array([spelt, written, None])).to_pylist() == [spelt, spelt, None]


def test_honest_ids_stay_and_are_not_copied() -> None:
    honest = pa.array(HONEST)
    assert plain_ids(honest).to_pylist() == list(HONEST)
    assert plain_ids(honest) is honest
    assert loose_forms(honest) == ()


@given(st.lists(st.text(max_size=8)), st.integers(0, 3))
def test_spelling_is_done_once_and_does_not_depend_on_the_other_ids(ids: list[str], start: int) -> None:
    plain = plain_ids(pa.array(ids, pa.string()))
    assert plain_ids(plain).to_pylist() == plain.to_pylist()
    assert plain_ids(pa.array(ids, pa.string()).slice(start)).to_pylist() == plain.to_pylist()[start:]


@pytest.mark.parametrize(
    ("ids", "forms", "spelt"),
    [
        (["DE44 1002", "DE441002", "GB11 1"], ("blanks",), ["DE441002", "DE441002", "GB111"]),
        (["12 34", "1 234", "9"], ("blanks",), ["1234", "1234", "9"]),
        (["DE44 1002", "DE45 1002"], (), ["DE44 1002", "DE45 1002"]),
        (["71.0", "71", "82.0"], ("point zero",), ["71", "71", "82"]),
        (["71.0", "82.0"], (), ["71.0", "82.0"]),
        (["71.0", "71", "71.1"], (), ["71.0", "71", "71.1"]),
        (["AB.0", "AB"], (), ["AB.0", "AB"]),
        (["7 1.0", "71.0"], (), ["7 1.0", "71.0"]),
    ],
    ids=["IBAN", "groups", "all alike", "float", "all floats", "sub-accounts", "letters", "both"],
)
def test_blanks_inside_and_point_zero_go_where_that_makes_two_ids_one(
    ids: list[str], forms: tuple[str, ...], spelt: list[str]
) -> None:
    held = pa.array(ids)
    assert loose_forms(held) == forms
    assert without_forms(held, loose_forms(held)).to_pylist() == spelt


@pytest.mark.parametrize("written", [written for written, _ in SPELLINGS.values()], ids=list(SPELLINGS))
@pytest.mark.parametrize("is_coded", [False, True], ids=["text", "dictionary"])
def test_an_account_in_two_spellings_is_one_account_and_told(written: str, is_coded: bool) -> None:
    spelt = dict(SPELLINGS.values())[written]
    table = transfers([spelt, written, "9"], ["9", "9", written])
    if is_coded:
        for place, name in ((2, "source"), (3, "target")):
            table = table.set_column(place, name, table[name].dictionary_encode())
    dataset = md.read_dataset({"transfers": table})
    assert dataset.account_ids.to_pylist() == sorted(["9", spelt])
    (told,) = [one for one in dataset.findings if one.reason.startswith("ids with blanks")]
    assert "1 ids were spelt anew, and 1 joined another" in told.text
    assert written not in told.text


def test_every_table_spells_an_account_alike() -> None:
    when = "2025-03-01T10:00:00Z"
    tables = {
        "transfers": transfers(["0071", "DE44 1002"], ["DE441002", "0082"]),
        "accounts": pa.table({"account_id": ["\u30000071", "DE44 1002", "0082 "]}),
        "labels": pa.table({"account_id": ["００８２"], "label": ["mule"]}),
        "complaints": pa.table({"complaint_id": ["c1"], "known_ts": [when], "victim_account": ["0071 "]}),
        "sessions": pa.table({"session_id": ["s1"], "account_id": ["DE44\u00a01002"], "time": [when]}),
        "watchlists": pa.table(
            {
                "list_id": ["w"],
                "kind": ["account"],
                "value_hash": ["0082\u200b"],
                "category": ["x"],
                "valid_from": [when],
            }
        ),
    }
    dataset = md.read_dataset(tables)
    accounts = ["0071", "0082", "DE441002"]
    assert dataset.account_ids.to_pylist() == accounts
    held = {name: set(dataset.tables[name]["account_id"].to_pylist()) for name in ("accounts", "labels", "sessions")}
    assert held == {"accounts": set(accounts), "labels": {"0082"}, "sessions": {"DE441002"}}
    assert dataset.tables["complaints"]["victim_account"].to_pylist() == ["0071"]
    assert dataset.tables["watchlists"]["value_hash"].to_pylist() == ["0082"]


def test_an_account_of_another_table_alone_shows_that_point_zero_is_none_of_the_id() -> None:
    tables = {"transfers": transfers(["71.0"], ["82.0"]), "accounts": pa.table({"account_id": ["71", "82"]})}
    assert md.read_dataset(tables).account_ids.to_pylist() == ["71", "82"]


def test_rows_that_differ_in_spelling_only_are_one_row() -> None:
    table = transfers(["0071", "0082"], ["0082", "0071"])
    again = table.set_column(2, "source", pa.array(["0071 ", "００８２"])).set_column(
        0, "transfer_id", pa.array([" T0", "T1"])
    )
    dataset = md.read_dataset({"transfers": pa.concat_tables([table, again])})
    assert dataset.transfers.num_rows == 2
    assert {one["reason"] for one in dataset.rejects.to_pylist()} == {"exact duplicate"}


def test_an_id_of_blanks_and_marks_alone_is_missing() -> None:
    dataset = md.read_dataset({"transfers": transfers(["\u3000", "\u200b", "0071"], ["9", "9", "9"])})
    assert dataset.transfers.num_rows == 1
    assert {one["reason"] for one in dataset.rejects.to_pylist()} == {"missing key"}


def test_a_data_set_with_other_spellings_is_the_same_bit_for_bit() -> None:
    random = np.random.default_rng(7)
    ends = random.integers(0, 9, (2, 300))
    plain = [[f"00{code}" for code in side] for side in ends]
    padded = [[f"{' ' * (code % 3)}00{code}\u3000" for code in side] for side in ends]
    held = transfers(*plain)
    dataset, again = (md.read_dataset({"transfers": transfers(*names)}) for names in (plain, padded))
    assert held.num_rows == dataset.transfers.num_rows
    assert dataset.fingerprint == again.fingerprint
    assert dataset.transfers.equals(again.transfers)
