"""What goes into an exchange, and what matches become: evidence about accounts, by reliability and with a clock."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest

from muledetect.clock import DAY, HOUR
from muledetect.errors import OptionError
from muledetect.exchange import answer, as_registry, finish, gather_items, request
from muledetect.exchange.steps import TABLE
from muledetect.facts import Facts, Snapshot
from muledetect.records import Dataset, read_dataset
from muledetect.records.pseudonyms import Pseudonyms
from muledetect.registry import import_registry, open_registry
from muledetect.rings import find_rings
from tests.strategies import START, arrow_times, transfers_table

AS_OF = START + 10 * DAY
#: a1 and a2 share a phone, and twenty-two others a Wi-Fi; b1 is an account of another bank.
MOVES = [("v", "a1", START + HOUR, 500), ("a1", "b1", START + 2 * HOUR, 480), ("a2", "w", START + 3 * HOUR, 50)]


def bank(**more: Any) -> Dataset:
    crowd = [f"c{place}" for place in range(22)]
    entities, kinds = ["a1", "a2", "a2", *crowd], ["phone", "phone", "imei", *["wifi"] * 22]
    values = ["p", "p", "i", *["home"] * 22]
    seen = arrow_times([START] * 24 + [START + 20 * DAY])
    identifiers = {"entity_id": entities, "kind": kinds, "value_hash": values, "valid_from": seen, "known_ts": seen}
    moves = [*MOVES, *((name, "w", START + 4 * HOUR, 5) for name in crowd)]
    tables = {"transfers": transfers_table(moves), "identifiers": pa.table(identifiers), **more}
    return read_dataset(tables, currency="THB")


def match(kind: str, value: str, **more: Any) -> dict[str, Any]:
    known = arrow_times([AS_OF])[0].as_py()
    return {"kind": kind, "value": value, "partner": "bank_b", "run": "0" * 32, "known_ts": known,
            "their_band": "high"} | more  # fmt: skip


def statements(*matches: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    table = pa.Table.from_pylist(list(matches), TABLE)
    return as_registry(table, Snapshot(Facts(bank()), AS_OF), **options).to_pylist()


def test_suspected_accounts_and_what_their_holders_used_are_gathered() -> None:
    scores = pa.table({"account_id": ["a1", "a2", "w"], "probability": [0.8, 0.6, 0.2]})
    members = pa.table({"ring_id": ["r1", "r1"], "account_id": ["b1", "a1"]})
    found = gather_items(Snapshot(bank(), AS_OF), scores, members).to_pylist()
    assert [(row["kind"], row["value"], row["band"], row["ring_id"]) for row in found] == [
        ("account", "a1", "high", "r1"), ("account", "a2", "medium", None), ("account", "b1", "medium", "r1"),
        ("imei", "i", "medium", None), ("phone", "p", "high", "r1"),
    ]  # fmt: skip
    assert found[0]["first_seen"].hour == 1
    assert found[0]["last_seen"].hour == 2
    assert gather_items(Snapshot(bank(), AS_OF), scores, kinds=("account",), least=0.7)["value"].to_pylist() == ["a1"]
    with pytest.raises(OptionError, match="cannot be exchanged"):
        gather_items(Snapshot(bank(), AS_OF), scores, kinds=("cell",))


def test_what_is_gathered_does_not_look_ahead_and_depends_on_no_order() -> None:
    scores = pa.table({"account_id": ["a1", "a2", "c21"], "probability": [0.8, 0.6, 0.9]})
    found = gather_items(Snapshot(bank(), AS_OF), scores)
    assert "wifi" not in found["kind"].to_pylist(), "a Wi-Fi of a crowd says nothing, and c21 is not known to use it"
    later = transfers_table([("a1", "b9", AS_OF, 7)])
    more = pa.concat_tables([later, transfers_table(MOVES)])
    more = more.set_column(0, "transfer_id", pa.array(["late", "t1", "t2", "t3"]))
    whole = bank()
    crowd = whole.transfers.filter(pa.compute.equal(whole.transfers["amount"], 5)).select(more.column_names)
    joined = bank(transfers=pa.concat_tables([more, crowd.cast(more.schema)]))
    assert gather_items(Snapshot(joined, AS_OF), scores.slice(0, 3).take([2, 0, 1])).equals(found)


def test_a_match_of_an_account_is_a_statement_from_its_receipt_on() -> None:
    row = statements(match("account", "b1"))[0]
    assert (row["subject_id"], row["listed_by"], row["tier"], row["reliability"]) == ("b1", "bank_b", "high", 0.85)
    assert row["valid_from"] == row["known_ts"] == arrow_times([AS_OF])[0].as_py()
    assert (row["valid_to"] - row["valid_from"]).days == 90
    assert row["is_own"] is False


def test_a_match_of_a_thing_speaks_of_who_was_known_to_use_it_and_less_loudly() -> None:
    rows = statements(match("phone", "p", their_band="medium"), match("imei", "i", their_band=None))
    assert sorted((row["subject_id"], round(row["reliability"], 3)) for row in rows) == [
        ("a1", 0.24), ("a2", 0.14), ("a2", 0.24),
    ]  # fmt: skip
    assert statements(match("wifi", "home")) == [], "21 accounts use it"
    assert statements(match("account", "nobody"), match("phone", "unknown")) == []
    assert statements(match("phone", "p"), kinds={"phone": 1.0}, bands={"high": 0.5})[0]["reliability"] == 0.5
    with pytest.raises(OptionError, match="say in `kinds`"):
        statements(match("cell", "x"))


def test_statements_come_into_the_registry_as_any_list_does(tmp_path: Any) -> None:
    table = pa.Table.from_pylist([match("account", "b1"), match("phone", "p", their_band=None)], TABLE)
    path = tmp_path / "statements.parquet"
    as_registry(table, Snapshot(Facts(bank()), AS_OF), output=path)
    done = import_registry(path, tmp_path / "ds", scheme="exchange", sender="bank_b", role="bank", received=AS_OF)
    assert (done.rows_added, len(done.rejects)) == (3, 0)
    registered = Snapshot(Facts(bank(registry=open_registry(tmp_path / "ds"))), AS_OF + 1).registered
    ids = bank().account_ids.to_pylist()
    assert {name: round(float(value), 2) for name, value in zip(ids, registered, strict=True) if value} == {
        "a1": 0.14, "a2": 0.14, "b1": 0.85,
    }  # fmt: skip


@pytest.mark.slow
def test_two_banks_that_share_an_office_find_the_ring_that_neither_finds_alone(tmp_path: Any) -> None:
    """Money runs v -> a1 -> b1 -> a2 -> b2 -> a3. A sees its own accounts' ends; B knows b1 and b2 from complaints."""
    hops = ["a1", "b1", "a2", "b2", "a3"]
    moves = [(f"v{case}", "a1", START + case * DAY, 1_000) for case in range(4)]
    moves += [(one, two, START + case * DAY + nth * HOUR, 1_000 - 20 * nth)
              for case in range(4) for nth, (one, two) in enumerate(pairwise(hops), 1)]  # fmt: skip
    moves += [(f"p{place}", f"q{place % 9}", START + place * HOUR, 300 + place) for place in range(60)]

    def seen_by(letter: str) -> pa.Table:
        """Return the transfers with an end at a bank; the honest customers, p and q, are those of A."""
        return transfers_table(
            [move for move in moves if letter in move[0] + move[1] or (letter == "a" and "p" in move[0])]
        )

    ids = sorted({name for move in moves for name in move[:2]})
    scores = pa.table({"account_id": ids, "score": [0.01] * len(ids), "probability": [0.01] * len(ids)})
    suspects = pa.table({"account_id": ["b1", "b2"], "probability": [0.9, 0.9]})
    moment = START + 6 * DAY
    mine = read_dataset({"transfers": seen_by("a")}, currency="THB")
    theirs = read_dataset({"transfers": seen_by("b")}, currency="THB")
    weak = {"min_suspicion": 0.25, "min_precision": 0.2}  # three accounts, by what another bank says alone
    alone = find_rings(Snapshot(mine, moment), scores, **weak).ring_members["account_id"].to_pylist()
    assert not set(alone) & set(hops)
    asked = gather_items(Snapshot(mine, moment), pa.table({"account_id": hops, "probability": [0.5] * 5}))
    one, two, keys = tmp_path / "1.json", tmp_path / "2.json", [Pseudonyms(bytes([place]) * 64) for place in range(2)]
    request(asked, one, key=keys[0], sender="A", receiver="B", as_of=moment)
    answer(one, gather_items(Snapshot(theirs, moment), suspects), two, key=keys[1], receiver="B", as_of=moment)
    matches = finish(one, two, asked, key=keys[0], received=moment)
    assert matches["value"].to_pylist() == ["b1", "b2"]
    registry = as_registry(matches, Snapshot(mine, moment + 1))
    joined = read_dataset({"transfers": seen_by("a"), "registry": registry}, currency="THB")
    together = find_rings(Snapshot(joined, moment + 1), scores, **weak).ring_members["account_id"].to_pylist()
    assert {"b1", "a2", "b2"} <= set(together)
