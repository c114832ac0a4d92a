"""Where the money of a case was at a moment, read from the steps of truth_money."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.errors import DataError
from muledetect.evaluation import money_at
from muledetect.schema import TRUTH_MONEY

Step = tuple[str, str, str, int, int]  # case, account, place, time (us), amount
Where = tuple[str, str, str]

#: A victim pays 500 into a; 300 of it go on to b; a spends 200 of it at the shop; b sends all of it out.
STEPS: list[Step] = [
    ("c1", "a", "account", 10, 500),
    ("c1", "a", "account", 20, 200),
    ("c1", "b", "account", 20, 300),
    ("c1", "a", "account", 30, 0),
    ("c1", "shop", "spent", 30, 200),
    ("c1", "b", "account", 40, 0),
    ("c1", "wallet", "exit", 40, 300),
    ("c2", "a", "account", 40, 50),
]


def table(steps: list[Step]) -> pa.Table:
    columns = list(zip(*steps, strict=True)) or [()] * 5
    arrays = [
        pa.array(values, pa.int64()).cast(kind) if index > 2 else pa.array(values, kind)
        for index, (values, kind) in enumerate(zip(columns, TRUTH_MONEY.arrow_schema.types, strict=True))
    ]
    return pa.table(arrays, schema=TRUTH_MONEY.arrow_schema)


def at(steps: list[Step], as_of: int) -> dict[Where, int]:
    found = money_at(table(steps), as_of)
    assert found.column_names == ["case_id", "account_id", "place", "amount"]
    return {(row["case_id"], row["account_id"], row["place"]): row["amount"] for row in found.to_pylist()}


def test_money_is_where_the_last_step_before_the_moment_put_it() -> None:
    assert at(STEPS, 10) == {}
    assert at(STEPS, 11) == at(STEPS, 20) == {("c1", "a", "account"): 500}
    assert at(STEPS, 21) == {("c1", "a", "account"): 200, ("c1", "b", "account"): 300}
    assert at(STEPS, 31) == {("c1", "b", "account"): 300, ("c1", "shop", "spent"): 200}
    assert at(STEPS, 41) == {
        ("c1", "shop", "spent"): 200,
        ("c1", "wallet", "exit"): 300,
        ("c2", "a", "account"): 50,
    }


def test_rows_come_in_order_of_case_account_and_place_whatever_the_order_of_steps() -> None:
    steps = [*STEPS, ("c1", "shop", "account", 35, 1), ("c1", "a", "spent", 36, 2)]
    found = money_at(table(steps), 99)
    keys = list(zip(*(found[name].to_pylist() for name in ("case_id", "account_id", "place")), strict=True))
    assert keys == sorted(keys)
    assert found.equals(money_at(table(steps[::-1]), 99))


def test_a_table_in_pieces_and_with_coded_words_is_read_alike() -> None:
    whole = table(STEPS)
    pieces = pa.concat_tables([whole[:3], whole[3:]])
    place = pieces.column_names.index("place")
    pieces = pieces.set_column(place, "place", pieces["place"].dictionary_encode())
    assert money_at(pieces, 31).equals(money_at(whole, 31))


def test_nothing_was_anywhere_before_the_first_payment() -> None:
    assert at([], 99) == at(STEPS, 0) == {}


def test_a_table_without_the_columns_or_with_a_step_told_twice_is_refused() -> None:
    with pytest.raises(DataError, match=r"truth_money: the table lacks time; it needs case_id, .*amount"):
        money_at(table(STEPS).drop_columns("time"), 99)
    with pytest.raises(DataError, match=r"truth_money: 1 of 9 rows have the case, account, place and time of another"):
        money_at(table([*STEPS, ("c1", "b", "account", 20, 299)]), 99)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["c1", "c2"]), st.sampled_from(["a", "b"]),
                  st.sampled_from(["account", "exit", "spent"]), st.integers(0, 9)),
        st.integers(0, 3),
        max_size=40,
    ),
    st.integers(0, 10),
)  # fmt: skip
@settings(deadline=None)
def test_a_replay_of_the_steps_gives_the_same(steps: dict[tuple[str, str, str, int], int], as_of: int) -> None:
    now: dict[Where, int] = {}
    for (case, account, place, time), amount in sorted(steps.items(), key=lambda step: step[0][3]):
        if time < as_of:
            now[case, account, place] = amount
    expected = {where: amount for where, amount in now.items() if amount}
    assert at([(*where, amount) for where, amount in steps.items()], as_of) == expected
