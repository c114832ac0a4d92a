from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from muledetect.arrays import NEVER
from muledetect.clock import DAY, HOUR
from muledetect.facts import Facts, Snapshot
from muledetect.facts.accounts import HUB_PAYERS, PLACES
from muledetect.records import read_dataset

START = 1_735_689_600_000_000  # 2025-01-01


def moments(values: list[int | None]) -> pa.Array:
    return pa.array([None if v is None else START + v for v in values], pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def transfers(moves: list[tuple[str, str, int, int]], **columns: Any) -> pa.Table:
    return pa.table(
        {
            "transfer_id": [f"t{k}" for k in range(len(moves))],
            "time": moments([row[2] for row in moves]),
            "source": [row[0] for row in moves],
            "target": [row[1] for row in moves],
            "amount": pa.array([row[3] for row in moves], pa.int64()),
            **columns,
        }
    )


MOVES = [("a", "b", 1 * DAY, 100), ("b", "c", 2 * DAY, 80), ("c", "shop", 3 * DAY, 50)]


def ids(snapshot: Snapshot, flags: Any) -> list[str]:
    return [name for name, flag in zip(snapshot.graph.account_ids.to_pylist(), flags, strict=True) if flag]


def test_entries_of_lists_count_from_when_they_are_valid_and_known_until_they_end() -> None:
    lists = pa.table(
        {
            "list_id": ["late", "ended", "other"],
            "kind": ["account", "account", "phone"],
            "value_hash": ["a", "b", "h"],
            "category": ["mule"] * 3,
            "valid_from": moments([1 * DAY, 1 * DAY, 1 * DAY]),
            "valid_to": moments([None, 4 * DAY, None]),
            "known_ts": moments([5 * DAY, 2 * DAY, 2 * DAY]),
        }
    )
    known = Facts(read_dataset({"transfers": transfers(MOVES), "watchlists": lists}))
    named = {day: ids(at, at.is_listed) for day in range(1, 8) for at in [Snapshot(known, START + day * DAY)]}
    assert named == {1: [], 2: [], 3: ["b"], 4: ["b"], 5: [], 6: ["a"], 7: ["a"]}
    assert Snapshot(known, START + 3 * DAY).lists["trust"].to_pylist() == [0.5, 0.5]


def test_tables_hold_what_had_happened_and_was_known_and_later_values_are_null() -> None:
    tables = {
        "transfers": transfers(MOVES),
        "accounts": pa.table({"account_id": ["a", "b"], "opened_at": moments([-DAY, 9 * DAY]),
                              "balance": pa.array([5, 6], pa.int64()), "balance_at": moments([1 * DAY, 9 * DAY])}),
        "complaints": pa.table({"complaint_id": ["q", "r"], "known_ts": moments([2 * DAY, 6 * DAY]),
                                "transfer_id": ["t0", "t1"], "status": ["withdrawn", "open"],
                                "status_ts": moments([5 * DAY, None])}),
        "truth_rings": pa.table({"ring_id": ["r"], "account_id": ["a"]}),
    }  # fmt: skip
    snapshot = Snapshot(read_dataset(tables), START + 4 * DAY)
    assert snapshot.tables["transfers"].num_rows == snapshot.graph.n_transfers == 3
    assert snapshot.tables["accounts"]["balance"].to_pylist() == [5, None]
    assert snapshot.tables["accounts"]["opened_at"].is_valid().to_pylist() == [True, False]
    assert snapshot.tables["complaints"].select(["complaint_id", "status"]).to_pylist() == [
        {"complaint_id": "q", "status": "open"}
    ]
    assert "truth_rings" not in snapshot.tables


def test_accounts_that_serve_the_public_by_kind_and_by_number_of_payers() -> None:
    crowd = [(f"p{k}", "hub", HOUR, 5) for k in range(HUB_PAYERS)] + [("p0", "popular", HOUR, 5)] * 3
    accounts = pa.table({"account_id": ["shop", "elsewhere", "a"], "kind": ["merchant", "individual", "company"],
                         "is_own": [True, False, True]})  # fmt: skip
    moves = [*crowd, *MOVES, ("a", "elsewhere", DAY, 1)]
    snapshot = Snapshot(read_dataset({"transfers": transfers(moves), "accounts": accounts}), START + 9 * DAY)
    assert ids(snapshot, snapshot.serves_public) == ["hub", "shop"]
    place = dict(zip(snapshot.graph.account_ids.to_pylist(), snapshot.stop_place.tolist(), strict=True))
    named = {name: PLACES[place[name]] for name in ("hub", "shop", "elsewhere", "a", "popular")}
    assert named == {"hub": "hub", "shop": "merchant", "elsewhere": "other_bank", "a": "account", "popular": "account"}
    # one payer fewer before the last payment: not yet a hub
    assert not Snapshot(read_dataset({"transfers": transfers(crowd[1:])}), START + 9 * DAY).is_hub.any()


def test_exits_deposits_and_reversed_transfers_bind_no_two_accounts() -> None:
    moves = [
        ("a", "b", DAY, 100),
        ("a", "b", 2 * DAY, 90),
        ("b", "a", 5 * DAY, 90),
        ("c", "b", DAY, 10),
        ("b", "c", DAY, 5),
    ]
    table = transfers(
        moves,
        channel=["p2p_proxy", "p2p_proxy", "reversal", "cash_deposit", "card"],
        reversal_of=pa.array([None, None, "t1", None, None], pa.string()),
    )
    known = Facts(read_dataset({"transfers": table}))

    def binding(day: int) -> set[str]:
        at = Snapshot(known, START + day * DAY)
        names = at.tables["transfers"]["transfer_id"].to_pylist()
        return {name for name, binds in zip(names, at.is_between_accounts, strict=True) if binds}

    assert binding(4) == {"t0", "t1"}  # the reversal of day 5 is not known yet
    assert binding(6) == {"t0"}


def test_a_row_that_names_a_later_transfer_has_reversed_nothing() -> None:
    table = transfers([("b", "a", DAY, 90), ("a", "b", 2 * DAY, 90)], reversal_of=pa.array(["t1", None], pa.string()))
    reversals = Facts(read_dataset({"transfers": table})).reversals
    assert reversals.is_reversal.tolist() == [True, False]
    assert (reversals.reversed_at == NEVER).all()


def test_transfers_of_accounts_name_both_sides_and_can_begin_later() -> None:
    snapshot = Snapshot(read_dataset({"transfers": transfers(MOVES)}), START + 9 * DAY)
    of, transfer = snapshot.transfers_of(snapshot.graph.codes(["b", "c"]))
    assert list(zip(of.tolist(), transfer.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 1), (1, 2)]
    of, transfer = snapshot.transfers_of(snapshot.graph.codes(["b", "c"]), START + 2 * DAY)
    assert list(zip(of.tolist(), transfer.tolist(), strict=True)) == [(0, 1), (1, 1), (1, 2)]


def test_identifiers_name_accounts_of_holders_and_stay_known_when_they_end() -> None:
    tables = {
        "transfers": transfers(MOVES),
        "accounts": pa.table({"account_id": ["a", "b", "c"], "holder_id": ["h", "h", None]}),
        "identifiers": pa.table({"entity_id": ["h", "c", "c"], "kind": ["phone", "phone", "email"],
                                 "value_hash": ["x", "y", "z"], "valid_from": moments([DAY, DAY, DAY]),
                                 "valid_to": moments([2 * DAY, 9 * DAY, None]),
                                 "known_ts": moments([DAY, 2 * DAY, DAY])}),
    }  # fmt: skip
    known = Facts(read_dataset(tables))
    found = Snapshot(known, START + 3 * DAY).identifiers("phone").to_pylist()
    code = dict(zip(known.graph.account_ids.to_pylist(), range(9), strict=False))
    rows = sorted((row["account"], row["value"], row["since"] - START, row["is_current"]) for row in found)
    assert rows == [(code["a"], "x", DAY, False), (code["b"], "x", DAY, False), (code["c"], "y", 2 * DAY, True)]
    assert Snapshot(known, START + DAY + HOUR).identifiers("phone")["value"].to_pylist() == ["x", "x"]


def test_balances_follow_the_last_statement_before_the_moment() -> None:
    table = transfers(MOVES, target_balance_after=pa.array([100, None, None], pa.int64()))
    known = Facts(read_dataset({"transfers": table}))
    code = known.graph.codes(["a", "b", "c"])
    amount, stated = Snapshot(known, START + 9 * DAY).balances(code)
    # b had 100 stated and paid 80; a must have had 100; c got 80 and paid 50
    assert amount.tolist() == [0, 20, 30]
    assert stated.tolist() == [False, True, False]
    amount, _ = Snapshot(known, START + 2 * DAY).balances(code)
    assert amount.tolist() == [0, 100, 0]


def test_the_future_changes_nothing_that_a_snapshot_shows() -> None:
    random = np.random.default_rng(5)
    moves = [(f"a{random.integers(8)}", f"a{random.integers(8)}", int(h) * HOUR, int(random.integers(1, 900)))
             for h in random.integers(0, 240, 200)]  # fmt: skip
    cut = START + 120 * HOUR
    late = [k for k, row in enumerate(moves) if START + row[2] >= cut]
    other = [row if k not in late else (row[1], row[0], row[2], row[3] + 1) for k, row in enumerate(moves)]
    parts = [[row for k, row in enumerate(moves) if k not in late], moves, other]
    accounts = pa.table({"account_id": [f"a{k}" for k in range(8)]})
    seen = []
    for rows in parts:
        snapshot = Snapshot(read_dataset({"transfers": transfers(rows), "accounts": accounts}), cut)
        who = np.arange(8, dtype=np.int32)
        seen.append((snapshot.graph.amount.tolist(), snapshot.balances(who)[0].tolist(), snapshot.stop_place.tolist()))
    assert seen[0] == seen[1] == seen[2]
