"""Keys of identities: one key for the spellings of one name, and no name in clear."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

import muledetect as md
from muledetect.errors import DataError
from muledetect.records.identity_keys import KINDS, identity_keys, name_keys, number_keys

SECRET = bytes(range(32))


@pytest.mark.parametrize(
    ("thai", "latin"),
    [("สมชาย", "Somchai"), ("สุชาติ", "Suchart"), ("พรทิพย์", "Pornthip"), ("วิชัย", "Vichai"), ("ธนพล", "Thanapol"),
     ("ศรีสุวรรณ", "Srisuwan"), ("ทองดี", "Thongdee"), ("ปัญญา", "Panya"), ("จันทร์", "Chan"), ("หทัย", "Hathai"),
     ("งาม", "Ngam"), ("วิทวัส", "Wittawat"), ("ไพโรจน์", "Pairote")],
)  # fmt: skip
def test_a_name_sounds_the_same_in_both_scripts(thai: str, latin: str) -> None:
    assert name_keys(thai)["name_sound"] == name_keys(latin)["name_sound"]


def test_names_that_differ_sound_different() -> None:
    names = "สมชาย วิชัย พรทิพย์ กมล อรุณ ทองดี ศรีสุวรรณ".split()
    assert len({name_keys(name)["name_sound"] for name in names}) == len(names)


def test_titles_case_accents_marks_and_order_do_not_count() -> None:
    assert name_keys("Mr. JOSÉ", "O'Neil-Li")["name"] == name_keys("Oneilli", "jose")["name"]
    assert name_keys("นางสาวกมล", "ใจงาม") == name_keys("กมล", "ใจงาม")
    assert name_keys("น.ส. กมล", "ใจงาม") == name_keys("กมล", "ใจงาม")
    assert name_keys("บริษัท ทองดี การค้า จำกัด")["name"] == name_keys("ทองดี การค้า")["name"]
    assert name_keys("Gold Trading Co., Ltd.")["name"] == "gold trading"


def test_given_sound_stays_after_a_marriage_and_companies_have_none() -> None:
    assert name_keys("กมล", "ใจดี")["given_sound"] == name_keys("Kamon", "Thong-ngam")["given_sound"]
    assert "given_sound" not in name_keys("Gold Trading")
    assert name_keys("...", "") == {}


def test_exchanged_neighbours_leave_one_key_of_the_digits() -> None:
    number = "1103702345678"
    for at in range(len(number) - 1):
        other = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
        assert set(number_keys(number)["id_digits"]) & set(number_keys(other)["id_digits"])
    assert not set(number_keys(number)["id_digits"]) & set(number_keys("1103702345679")["id_digits"])
    assert number_keys("1-1037-02345-67-8")["id_number"] == number_keys("๑๑๐๓๗๐๒๓๔๕๖๗๘")["id_number"] == (number,)
    assert "id_digits" not in number_keys("AB123")
    assert number_keys(" - ") == {}


def test_keys_are_rows_of_identifiers_without_a_name_in_clear() -> None:
    people = pa.table({
        "entity_id": ["h1", "c1"], "given_name": ["สมชาย", "Gold Trading Ltd"], "family_name": ["ใจดี", None],
        "birth_date": [date(1990, 2, 3), None], "id_number": ["1103702345678", "0105500000000"],
        "director_number": [None, "1103702345678"], "valid_from": ["2025-01-01T00:00:00Z"] * 2,
    })  # fmt: skip
    people = people.set_column(6, "valid_from", people["valid_from"].cast(pa.timestamp("us", tz="UTC")))
    found = identity_keys(people, SECRET)
    assert set(found["kind"].to_pylist()) == set(KINDS)
    text = " ".join(found["value_hash"].to_pylist())
    assert not any(word in text for word in ("สมชาย", "gold", "1990", "1103"))
    rows = {(row["entity_id"], row["kind"]): row["value_hash"] for row in found.to_pylist()}
    assert rows["c1", "director"] == rows["h1", "id_number"]
    assert identity_keys(people, SECRET).equals(found)
    assert not set(identity_keys(people, SECRET[::-1])["value_hash"].to_pylist()) & set(found["value_hash"].to_pylist())
    transfers = pa.table({"transfer_id": ["t"], "time": ["2025-02-01T00:00:00Z"], "source": ["a"], "target": ["b"],
                          "amount": [1]})  # fmt: skip
    read = md.read_dataset({"transfers": transfers, "identifiers": found}, currency="THB", money="minor")
    assert read.rejects.num_rows == 0


def test_a_short_secret_and_missing_columns_are_refused() -> None:
    people = pa.table({"entity_id": ["h"], "valid_from": pa.array([0], pa.timestamp("us", tz="UTC"))})
    with pytest.raises(DataError, match="32 bytes"):
        identity_keys(people, b"short")
    with pytest.raises(DataError, match="valid_from"):
        identity_keys(people.drop_columns(["valid_from"]), SECRET)
