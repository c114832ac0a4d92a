"""Who has accounts of several parties in hand: not families, not dormitories, not a branch's tablet."""

from __future__ import annotations

import pyarrow as pa

import muledetect as md
from muledetect.parties import find_controllers, find_parties

AS_OF = "2025-03-01"
DAY = "2025-01-01T00:00:00Z"


def controllers(
    held: list[tuple[str, str, str]], transfers: list[tuple[str, str, str]] | None = None,
    scores: pa.Table | None = None,
) -> md.parties.Parties:  # fmt: skip
    """Return the controllers of a bank of holders h0 .. h9 with accounts a0 .. a9; transfers are (time, from, to)."""
    paid = transfers or [("2025-01-20", "x1", "x2")]
    names = [f"h{k}" for k in range(10)]
    dataset = md.read_dataset({
        "transfers": pa.table({
            "transfer_id": [f"t{k}" for k in range(len(paid))], "time": [f"{row[0]}T10:00:00Z" for row in paid],
            "source": [row[1] for row in paid], "target": [row[2] for row in paid], "amount": [100] * len(paid),
        }),
        "accounts": pa.table({
            "account_id": [f"a{k}" for k in range(10)], "holder_id": names, "opened_at": [DAY] * 10,
        }),
        "identifiers": pa.table({
            "entity_id": [row[0] for row in held], "kind": [row[1] for row in held],
            "value_hash": [row[2] for row in held], "valid_from": [DAY] * len(held),
        }),
    }, currency="THB", money="minor")  # fmt: skip
    snapshot = md.Snapshot(dataset, AS_OF)
    return find_controllers(snapshot, find_parties(snapshot), scores)


def test_a_device_of_three_strangers_is_a_controller() -> None:
    found = controllers([(f"h{k}", "device", "d") for k in range(3)] + [("h5", "device", "own")])
    (row,) = found.controllers.to_pylist()
    assert (row["kind"], row["value"], row["n_parties"], row["n_accounts"]) == ("device", "d", 3, 3)
    assert row["expected_mules"] is None
    assert found.controlled_accounts["account_id"].to_pylist() == ["a0", "a1", "a2"]
    assert "3 accounts of 3 parties" in row["text"]
    assert "3 บัญชี" in row["text_th"]


def test_a_family_that_shares_a_device_is_no_controller() -> None:
    held = [(f"h{k}", kind, value) for k in range(4) for kind, value in (("device", "d"), ("address", "home"))]
    assert controllers(held).controllers.num_rows == 0


def test_the_phone_of_a_dormitory_is_no_controller() -> None:
    held = [(f"h{k}", kind, value) for k in range(10) for kind, value in (("phone", "desk"), ("address", "house"))]
    assert controllers(held).controllers.num_rows == 0
    assert controllers([row for row in held if row[1] == "phone"]).controllers["kind"].to_pylist() == ["contact"]


def test_who_pays_the_first_money_of_three_new_accounts_is_a_controller() -> None:
    paid = [("2025-01-03", "a9", "a0"), ("2025-01-03", "a9", "a1"), ("2025-01-04", "a9", "a2"),
            ("2025-01-02", "x", "a4"), ("2025-01-05", "a9", "a4"), ("2025-02-20", "a9", "a5")]  # fmt: skip
    found = controllers([], paid)
    (row,) = found.controllers.to_pylist()
    assert (row["kind"], row["value"], row["n_accounts"]) == ("funder", "a9", 3)
    members = found.party_members.to_pandas().set_index("account_id")["party_id"]
    assert row["party_id"] == members["a9"]
    assert found.controlled_accounts["item"].to_pylist() == ["t0", "t1", "t2"]


def test_one_person_with_three_accounts_is_no_controller_of_others() -> None:
    same = {"name": "n", "name_sound": "s", "birth_date": "b", "id_number": "i", "device": "d"}
    found = controllers([(f"h{k}", kind, value) for k in range(3) for kind, value in same.items()])
    assert found.n_joined == 1
    assert found.controllers.num_rows == 0


def test_a_director_of_two_companies_is_a_controller() -> None:
    found = controllers([("h1", "director", "p"), ("h2", "director", "p"), ("h3", "director", "q")])
    assert found.controllers["kind"].to_pylist() == ["director"]


def test_controllers_of_suspicious_accounts_come_first() -> None:
    held = [(f"h{k}", "device", "d1") for k in range(4)] + [(f"h{k}", "device", "d2") for k in range(5, 8)]
    scores = pa.table({"account_id": [f"a{k}" for k in range(10)], "probability": [0.01] * 5 + [0.9] * 5})
    found = controllers(held, scores=scores).controllers
    assert found["value"].to_pylist() == ["d2", "d1"]
    assert [round(value, 6) for value in found["expected_mules"].to_pylist()] == [2.7, 0.04]
