"""What is taken without a reading is what the reader would have made of it, cell by cell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_bank import arriving, bank, before

from muledetect.facts import Facts
from muledetect.live.intake import ACCEPTED, PLACE, read_rows
from muledetect.live.plain import TABLES, plain_cells
from muledetect.live.state import LiveState
from muledetect.schema import INPUTS

BANGKOK = timezone(timedelta(hours=7))

#: Cells of each contract type: such as come every day, and such as only a reader can judge.
CELLS: dict[str, list[Any]] = {
    "id": [
        "007", "a-1", "DE89/370", " 7", "7 7", "12.0", "12.5", "nan", "null", "", "\uff11\uff12", "\u0e01", "x\u200b",
        "\t", 7, None,
    ],
    "time": [
        datetime(2025, 3, 11, 4, 5, 6, 789, UTC), datetime(2025, 3, 11, 4, tzinfo=BANGKOK), datetime(2025, 3, 11, 4),
        "2025-03-11T04:05:06Z", "2025-03-11T04:05:06.123+07:00", "2025-03-11T04:05:06.123456-23:59",
        "2025-03-11 04:05:06Z", "2025-03-11", "2025-03-11T24:00:00Z", "2025-02-30T00:00:00Z", "2025-03-11T04:05:60Z",
        "2025-03-11T04:05:06", "0001-01-01T00:00:00Z", "1899-12-31T23:59:59Z", "1900-01-01T00:00:00Z",
        "2299-12-31T23:59:59.999999Z", "2300-01-01T00:00:00Z", "2568-03-11T00:00:00Z", 1_741_000_000_000_000, None,
    ],
    "money": [1, 150_000, 10**15, 10**15 + 1, 2**63, 0, -1, -(10**15) - 1, 1.0, 1.5, "150", "1.5", True, None],
    "int": [0, 64_512, -3, 2**53, 2**53 + 1, 2**63, 1.0, 1.5, "7", True, None],
    "number": [0.0, 13.75, -100.5, 1e-7, 1e300, 3, 2**53, 2**60, float("nan"), float("inf"), "13.75", "x", False, None],
    "category": ["THB", "USD", "", "thb", None],
    "bool": [True, False, 0, 1, "true", "yes", "maybe", None],
}  # fmt: skip
CELLS["hash"] = CELLS["id"]


@cache
def state() -> LiveState:
    return LiveState(Facts(before()))


@st.composite
def some_rows(draw: st.DrawFn, name: str) -> list[dict[str, Any]]:
    known = [column for column in INPUTS[name].columns if column.name in state().tables[name]]
    cells = {
        column.name: st.sampled_from([*column.values, "strange", "", None] if column.values else CELLS[column.type])
        for column in known
    }
    ordinary = {column.name: st.just(CELLS[column.type][0]) for column in known if column.required}
    strange = st.sets(st.sampled_from(sorted(cells)), max_size=4)
    rows = []
    for place in range(draw(st.integers(1, 3))):
        chosen = draw(strange)
        row = {column: draw(cells[column] if column in chosen else made) for column, made in ordinary.items()}
        row |= {column: draw(cells[column]) for column in sorted(chosen - row.keys())}
        key = INPUTS[name].key[0]
        rows.append(row if key in chosen else row | {key: f"new-{place}"})
    ids = [row[INPUTS[name].key[0]] for row in rows]
    return rows if len(set(ids)) == len(ids) else rows[:1]


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=1_000, deadline=None)
@given(data=st.data())
def test_plain_cells_are_those_of_the_reader(name: str, data: st.DataObject) -> None:
    rows = data.draw(some_rows(name))
    plain = plain_cells(name, rows, state().tables[name], currency=state().currency)
    if plain is None:
        return
    read, outcomes = read_rows(state(), name, rows)
    assert outcomes == [ACCEPTED] * len(rows)
    assert read[PLACE].to_pylist() == list(range(len(rows)))
    made = plain.to_arrow(name)
    for column in read.drop_columns(PLACE).column_names:
        if column in state().tables[name]:
            expected = read[column].cast(INPUTS[name].column(column).arrow_type).to_pylist()
            assert (made[column].to_pylist() if column in made.column_names else [None] * len(rows)) == expected
    assert set(made.column_names) <= set(read.column_names)


def test_rows_of_every_day_need_no_reading() -> None:
    settled = [row for row in arriving() if row.get("reversal_of") is None and row.get("status") != "rejected"]
    assert len(settled) > 800
    assert state().plain("transfers", settled) is not None
    sessions = bank().tables["sessions"].slice(0, 50).to_pylist()
    fresh = [row | {"session_id": f"new-{place}", "wifi_hash": "w"} for place, row in enumerate(sessions)]
    assert plain_cells("sessions", fresh, INPUTS["sessions"].names, currency="") is not None


def test_an_id_that_is_known_a_reversal_and_an_old_row_are_read() -> None:
    row = arriving(1)[0]
    assert state().plain("transfers", [row]) is not None
    for changed in (
        {"transfer_id": before().transfers["transfer_id"][0].as_py()}, {"reversal_of": "x"}, {"status": "rejected"},
        {"gossip": "x"}, {"currency": "USD"},
    ):  # fmt: skip
        assert state().plain("transfers", [row | changed]) is None
    begun = LiveState(Facts(before()), since=int(before().transfers["time"].cast("int64")[100].as_py()))
    assert begun.plain("transfers", [row | {"time": "2025-01-01T00:00:00Z"}]) is None
    assert state().plain("complaints", [{"complaint_id": "c", "known_ts": row["time"]}]) is None
