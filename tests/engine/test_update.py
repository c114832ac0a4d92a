"""A store to which rows were added is the store of all rows."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect import engine
from muledetect.engine import build, state, tables, updating
from muledetect.engine.rows import Rows
from muledetect.errors import DataError, OutputError
from muledetect.records import read_dataset
from muledetect.records.pseudonyms import new_key
from muledetect.simulation import simulate
from tests.stores import content

NOW = "2026-01-01"
COLUMNS = (
    "transfer_id",
    "time",
    "source",
    "target",
    "amount",
    "status",
    "reversal_of",
    "channel",
    "target_balance_after",
)


def transfers(*rows: tuple[Any, ...]) -> pa.Table:
    """Return transfers; what a row leaves out at its end is null."""
    kinds = [pa.int64() if name in ("amount", "target_balance_after") else pa.string() for name in COLUMNS]
    cells = [[row[place] if place < len(row) else None for row in rows] for place in range(len(COLUMNS))]
    return pa.table({n: pa.array(c, k) for n, c, k in zip(COLUMNS, cells, kinds, strict=True)})


def compare(folder: Path, *parts: dict[str, pa.Table], **reading: Any) -> engine.Store:
    """Hold a store of the first part, updated by the others, against that of all; return it."""
    store = engine.prepare(parts[0], folder / "store", now=NOW, **reading)
    for part in parts[1:]:
        store = engine.update(store, part, now=NOW)
    names = dict.fromkeys(name for part in parts for name in part)
    whole = {n: pa.concat_tables([part[n] for part in parts if n in part], promote_options="default") for n in names}
    engine.prepare(whole, folder / "whole", now=NOW, **reading)
    assert content(folder / "store") == content(folder / "whole")
    assert store.dataset.fingerprint == read_dataset(whole, now=NOW, **reading).fingerprint
    store.verify()
    return store


def day(n: int, hour: int = 9) -> str:
    return f"2025-03-{n:02d}T{hour:02d}:00:00Z"


OLD = (
    ("t1", day(1), "b", "c", 5), ("t2", day(2), "c", "d", 6), ("t3", day(2), "c", "e", 7), ("t4", day(3), "b", "e", 8),
    ("t5", day(4), "e", "c", 9, "rejected"), ("r0", day(5), "c", "b", 2, None, "t1"),
    ("r9", day(5), "x", "y", 2, None, "t99"),
)  # fmt: skip


def test_new_late_repeated_and_contradicting_rows_are_judged_with_the_old_ones(tmp_path: Path) -> None:
    new = transfers(
        ("t6", day(6), "a", "z", 3),  # a new day and new accounts, before and behind the others
        ("t7", day(2, 8), "c", "d", 6),  # a late row
        ("t2", day(2), "c", "d", 6),  # an exact repeat
        ("t3", day(2), "c", "e", 70),  # the same id with other content: both go
        ("t5", day(4), "e", "c", 9, "rejected"),
        ("r1", day(7), "c", "b", 4, None, "t1"),  # with r0 more than t1
        ("t99", day(5, 1), "y", "x", 2),  # the original of r9
        ("t4", day(3), "b", "e", 8, None, None, None, 77),  # the other half of t4
    )
    store = compare(tmp_path, {"transfers": transfers(*OLD)}, {"transfers": new})
    assert store.header.changed_days == ("2025-03-02", "2025-03-03", "2025-03-05", "2025-03-06")
    reasons = set(store.dataset.rejects["reason"].to_pylist())
    assert {"exact duplicate", "duplicate id with different content", "debit and credit rows paired"} <= reasons
    assert "reversals exceed the original" in reasons


def test_days_that_did_not_change_are_not_written_again(tmp_path: Path) -> None:
    rows = [(f"t{i}", f"2025-0{1 + i % 4}-05T09:00:00Z", "a", "b", 5) for i in range(40)]
    store = engine.prepare({"transfers": transfers(*rows)}, tmp_path / "store")
    before = {name: os.stat(store.path / "transfers" / name).st_ino for name in store.header.parts}
    store = engine.update(store, {"transfers": transfers(("new", "2025-02-05T10:00:00Z", "a", "c", 1))})
    after = {name: os.stat(store.path / "transfers" / name).st_ino for name in store.header.parts}
    assert [name for name in before if before[name] != after[name]] == ["month=2025-02/part-0000.parquet"]
    assert store.header.changed_days == ("2025-02-05",)
    again = engine.update(store.path, {"transfers": transfers(rows[0])})
    assert again.header.changed_days == ()


def test_only_new_rows_and_those_that_are_judged_together_are_sorted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(f"t{i}", f"2025-0{1 + i % 4}-05T09:00:00Z", "a", "b", 5) for i in range(40)]
    store = engine.prepare({"transfers": transfers(*rows)}, tmp_path / "store")
    in_order, n_sorted = Rows.in_order, []

    def counted(self: Rows, rank: Any) -> Iterator[pa.Table]:
        for batch in in_order(self, rank):
            n_sorted.append(len(batch))
            yield batch

    monkeypatch.setattr(Rows, "in_order", counted)
    new = [("new", "2025-02-05T10:00:00Z", "a", "c", 1), rows[7], ("t8", *rows[9][1:])]
    updated = engine.update(store, {"transfers": transfers(*new)})
    assert sum(n_sorted) == 2  # the new one, and t7 that came again; both of t8 are rejected
    assert updated.dataset.transfers["transfer_id"].to_pylist().count("t8") == 0
    assert len(updated.dataset.transfers) == 40


def test_where_rows_take_too_much_memory_to_be_merged_all_are_sorted_and_the_store_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = transfers(("t6", day(2), "a", "z", 3), ("t2", day(2), "c", "d", 6), ("r1", day(7), "c", "b", 4, None, "t1"))
    merged = compare(tmp_path / "merged", {"transfers": transfers(*OLD)}, {"transfers": new})
    monkeypatch.setattr(updating, "A_ROW", 10**12)
    monkeypatch.setattr(updating, "Merge", None)
    compare(tmp_path / "sorted", {"transfers": transfers(*OLD)}, {"transfers": new})
    assert content(tmp_path / "sorted" / "store") == content(merged.path)


def test_ids_that_new_rows_spell_in_another_way_are_joined_or_parted_again(tmp_path: Path) -> None:
    first = {"transfers": transfers(("1", day(1), "12.0", "DE 1", 5), ("2", day(2), "12", "55.0", 6))}
    compare(tmp_path / "joined", first, {"transfers": transfers(("3", day(3), "DE1", "55", 6))})
    compare(tmp_path / "parted", first, {"transfers": transfers(("3", day(3), "12.5", "x", 6))})


def test_tables_beside_the_transfers_grow_repeat_and_come_new(tmp_path: Path) -> None:
    accounts = pa.table({"account_id": ["b", "c"], "kind": ["company", None], "mine": [1, 2]})
    sessions = pa.table({"session_id": ["s1", "s2"], "account_id": ["b", "c"], "time": [day(1), day(2)]})
    more = pa.table({"account_id": ["c", "q", "b"], "kind": [None, "joint", "merchant"], "mine": [2, 3, 4]})
    late = pa.table({"session_id": ["s2", "s3"], "account_id": ["c", "b"], "time": [day(2), None]})
    compare(
        tmp_path, {"transfers": transfers(*OLD), "accounts": accounts}, {"accounts": more, "sessions": sessions},
        {"sessions": late, "transfers": transfers(("t8", day(3), "q", "b", 1))},
    )  # fmt: skip


def sessions_of(*numbers: int, last: str = "2025-03-09T09:00:00Z") -> pa.Table:
    """Return sessions by number; `last` is the time of each."""
    ids = [f"s{n:03d}" for n in numbers]
    return pa.table(
        {"session_id": ids, "account_id": ["b" if n % 2 else "c" for n in numbers], "time": [last] * len(ids)}
    )


def inodes(folder: Path) -> dict[str, int]:
    return {p.relative_to(folder).as_posix(): p.stat().st_ino for p in folder.rglob("*") if p.is_file()}


def test_files_of_rows_that_stay_are_linked_beside_the_transfers_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "PART_ROWS", 10)
    old = {"transfers": transfers(*OLD), "sessions": sessions_of(*range(35)),
           "accounts": pa.table({"account_id": ["b", "c"]})}  # fmt: skip
    store = engine.prepare(old, tmp_path / "store", now=NOW)
    before = inodes(store.path)
    engine.update(store, {"sessions": sessions_of(*range(35, 38))}, now=NOW)
    after = inodes(store.path)
    linked = {name for name, inode in before.items() if after.get(name) == inode}
    assert {f"tables/sessions/part-000{nth}.parquet" for nth in range(3)} <= linked
    assert {"tables/accounts/part-0000.parquet", "mapped/accounts.arrow", "rows/table.sessions.000000.arrow"} <= linked
    assert not {"tables/sessions/part-0003.parquet", "mapped/sessions.arrow"} & linked
    engine.prepare(old | {"sessions": sessions_of(*range(38))}, tmp_path / "whole", now=NOW)
    assert content(store.path) == content(tmp_path / "whole")


@pytest.mark.parametrize("most", [256, 1])
def test_rows_that_were_left_out_of_a_table_are_judged_again_with_new_ones(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (build, state):
        monkeypatch.setattr(module, "LEFT_MOST", most)
    first = {"transfers": transfers(*OLD), "sessions": sessions_of(0, 1, 1, 2, 3, 3, 4)}
    other = sessions_of(1, 5, last="2025-03-08T09:00:00Z")
    store = compare(tmp_path, first, {"sessions": sessions_of(6, 4)}, {"sessions": other}, {"sessions": sessions_of(7)})
    left = store.dataset.tables["sessions"]["session_id"].to_pylist()
    assert left == ["s000", "s002", "s003", "s004", "s006", "s005", "s007"]  # s001 said two things


def test_times_at_which_rows_were_known_may_be_missing_and_come_later(tmp_path: Path) -> None:
    def calls(*rows: tuple[Any, ...]) -> pa.Table:
        names = ("call_id", "time", "caller_hash", "callee_hash", "known_ts")
        return pa.table({n: pa.array([row[i] for row in rows], pa.string()) for i, n in enumerate(names)})

    first = {
        "transfers": transfers(*OLD),
        "calls": calls(("1", day(1), "x", "y", None), ("2", day(1), "x", "y", day(2))),
    }
    compare(
        tmp_path / "gaps", first, {"calls": calls(("3", day(3), "x", "y", day(3)), ("1", day(1), "x", "y", day(1)))}
    )


def test_a_reversal_brings_its_channel_and_a_new_channel_comes_after_it(tmp_path: Path) -> None:
    first = transfers(("t1", day(1), "b", "c", 5, None, None, "card"), ("r1", day(2), "c", "b", 5, None, "t1", "card"))
    compare(tmp_path, {"transfers": first}, {"transfers": transfers(("t2", day(3), "b", "c", 5, None, None, "bill"))})


def test_columns_of_your_own_grow_too(tmp_path: Path) -> None:
    own = {"note": pa.array(["x", None]), "rate": pa.array([Decimal("1.1"), None], pa.decimal128(9, 2))}
    one = transfers(("1", day(2), "a", "b", 5), ("2", day(1), "b", "c", 6))
    two = transfers(("3", day(3), "a", "b", 5), ("4", day(1, 7), "b", "c", 6))
    with_own = {"transfers": pa.table({n: one[n] for n in one.column_names} | own)}
    compare(
        tmp_path, with_own, {"transfers": pa.table({n: two[n] for n in two.column_names} | own)}, {"transfers": two}
    )


def test_columns_and_currencies_that_the_store_does_not_know_are_refused(tmp_path: Path) -> None:
    store = engine.prepare({"transfers": transfers(*OLD)}, tmp_path / "store", now=NOW)
    before = content(tmp_path / "store")
    new = transfers(("t8", day(3), "q", "b", 1))
    for column in ("terminal_id", "other"):
        with pytest.raises(DataError, match=f"column '{column}' is new: the rows before have none"):
            engine.update(store, {"transfers": new.append_column(column, pa.array(["x"]))})
    with pytest.raises(DataError, match="is new"):
        engine.update(store, {"transfers": new.append_column("currency", pa.array(["USD"]))})
    assert content(tmp_path / "store") == before


def test_what_the_store_was_prepared_with_holds_for_new_rows(tmp_path: Path) -> None:
    names = ("transfer_id", "time", "source", "target", "amount", "currency")
    one = pa.table(
        dict(
            zip(
                names,
                (["1", "2"], ["2025-03-01 09:00"] * 2, ["a"] * 2, ["b"] * 2, ["1,50", "2"], ["THB"] * 2),
                strict=True,
            )
        )
    )
    two = pa.table(
        dict(
            zip(
                names,
                (["3", "4"], ["2025-03-02 09:00"] * 2, ["a"] * 2, ["b"] * 2, ["1,5", "9"], ["THB", "USD"]),
                strict=True,
            )
        )
    )
    store = compare(
        tmp_path, {"transfers": one}, {"transfers": two}, source_tz="Asia/Bangkok", money="major", decimal=",",
        currency="THB", tick="1min",
    )  # fmt: skip
    assert store.dataset.transfers["amount"].to_pylist() == [150, 200, 150]


def test_ragged_rows_of_files_keep_their_numbers(tmp_path: Path) -> None:
    head = "transfer_id,time,source,target,amount\n"
    files = [
        head + f"1,{day(1)},a,b,5\n2,{day(1)},a\n3,{day(2)},b,c,6\n",
        head + f"4,{day(1)},a\n5,{day(1)},a,b,-5\n6,{day(2)},a,b\n7,{day(3)},a,b,5\n1,{day(1)},a,b,5\n",
    ]
    (tmp_path / "bank" / "transfers").mkdir(parents=True)
    for place, text in enumerate(files):
        (tmp_path / f"{place}.csv").write_text(text)
        (tmp_path / "bank" / "transfers" / f"{place}.csv").write_text(text)
    store = engine.prepare(tmp_path / "0.csv", tmp_path / "store", now=NOW)
    updated = engine.update(store, tmp_path / "1.csv", now=NOW).dataset
    whole = read_dataset(tmp_path / "bank", now=NOW)
    assert updated.transfers.equals(whole.transfers)
    assert updated.rejects.equals(whole.rejects)
    assert updated.rejects["row"].to_pylist() == [1, 3, 4, 5, 7]
    assert updated.findings == whole.findings


def test_a_store_without_rows_can_be_added_to(tmp_path: Path) -> None:
    compare(tmp_path / "empty", {"transfers": transfers()}, {"transfers": transfers(*OLD)})
    compare(
        tmp_path / "rejected", {"transfers": transfers(("x", day(1), "a", "b", -1))}, {"transfers": transfers(*OLD)}
    )
    compare(tmp_path / "nothing", {"transfers": transfers(*OLD)}, {"transfers": transfers()})


def test_a_store_of_pseudonyms_or_one_that_was_changed_is_refused(tmp_path: Path) -> None:
    new_key(tmp_path / "key")
    store = engine.prepare({"transfers": transfers(*OLD)}, tmp_path / "hidden", pseudonymise=tmp_path / "key")
    assert not (store.path / "rows").exists()
    with pytest.raises(DataError, match="holds pseudonyms"):
        engine.update(store, {"transfers": transfers(*OLD)})
    store = engine.prepare({"transfers": transfers(*OLD)}, tmp_path / "store")
    (store.path / "notes.parquet").write_text("mine")
    with pytest.raises(OutputError, match=r"not ours|did not write|would be replaced"):
        engine.update(store, {"transfers": transfers(*OLD)})


CELLS = st.tuples(
    st.sampled_from([f"t{i}" for i in range(9)]), st.sampled_from([day(1), day(2), "nonsense"]),
    st.sampled_from(["a", "b", "b.0", "b 1", "b1"]), st.sampled_from(["c", "d"]), st.integers(0, 3),
    st.sampled_from([None, None, "settled", "rejected"]), st.sampled_from([None, None, "t1", "t2"]),
    st.sampled_from([None, "card", "other"]), st.sampled_from([None, 5]),
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(CELLS, max_size=25), st.lists(CELLS, max_size=12), st.lists(CELLS, max_size=6))
def test_any_rows_added_to_any_rows_give_the_store_of_all(
    tmp_path_factory: pytest.TempPathFactory, one: list[Any], two: list[Any], three: list[Any]
) -> None:
    compare(tmp_path_factory.mktemp("any"), *({"transfers": transfers(*rows)} for rows in (one, two, three)))


@pytest.mark.slow
def test_a_simulated_bank_day_by_day_is_the_bank(tmp_path: Path) -> None:
    tables = simulate(n_accounts=300, n_days=20, seed=8)
    rows, n = tables["transfers"].sort_by("time"), len(tables["transfers"])
    cuts = [0, n // 2, n // 2 + 400, n // 2 + 900, n]
    parts = [{"transfers": rows.slice(a, b - a)} for a, b in itertools.pairwise(cuts)]
    parts[0] |= {name: table for name, table in tables.items() if name not in ("transfers", "sessions")}
    parts[2] |= {"sessions": tables["sessions"]}
    compare(tmp_path, *parts)
