"""Hypothesis strategies that the tests share: small transfers lists and data sets on every clock."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa
from hypothesis import strategies as st

from muledetect.clock import DAY, HOUR, MINUTE, SECOND
from muledetect.records import Dataset, read_dataset

START = 1_735_689_600 * SECOND  # 2025-01-01
TICKS = (1, SECOND, MINUTE, HOUR, DAY)

Row = tuple[str, str, int, int]  # source, target, time, amount


class Scene(NamedTuple):
    """A data set and the moment at which to ask."""

    dataset: Dataset
    as_of: int


def arrow_times(times: list[int]) -> pa.Array:
    """Microseconds as Arrow timestamps, UTC."""
    return pa.array(times, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def transfers_table(rows: list[Row], **columns: Any) -> pa.Table:
    """A transfers table in the order of the rows; further columns as given."""
    return pa.table(
        {
            "transfer_id": [f"t{n:05d}" for n in range(len(rows))],
            "time": arrow_times([time for _, _, time, _ in rows]),
            "source": pa.array([source for source, _, _, _ in rows], pa.string()),
            "target": pa.array([target for _, target, _, _ in rows], pa.string()),
            "amount": pa.array([amount for _, _, _, amount in rows], pa.int64()),
            **columns,
        }
    )


@st.composite
def rows_of_transfers(draw: st.DrawFn, *, most: int = 30, tick: int | None = None) -> list[Row]:
    """Rows between a few accounts: parallel, simultaneous and self-transfers, short gaps and very long ones."""
    tick = draw(st.sampled_from(TICKS)) if tick is None else tick
    accounts = st.sampled_from(["00", "01", "1", "ก", "zz"])
    near = st.integers(0, 6).map(lambda n: n * tick)
    minutes = st.integers(0, 30).map(lambda n: n * MINUTE // tick * tick)
    far = st.integers(0, 200).map(lambda n: n * DAY)
    time = st.tuples(st.sampled_from([0, 40 * DAY, 100 * DAY, 101 * DAY]), st.one_of(near, minutes, far))
    amount = st.one_of(st.sampled_from([1, 100, 4_500, 4_999, 5_000, 1_000_000]), st.integers(1, 12_000))
    row = st.tuples(accounts, accounts, time.map(lambda parts: START + sum(parts)), amount)
    return draw(st.lists(row, min_size=1, max_size=most))


@st.composite
def scenes(draw: st.DrawFn, *, most: int = 25) -> Scene:
    """A data set with balances on some transfers and an accounts table, and a moment near its events."""
    tick = draw(st.sampled_from(TICKS))
    rows = draw(rows_of_transfers(most=most, tick=tick))
    money = st.lists(st.none() | st.integers(0, 9_000), min_size=len(rows), max_size=len(rows))
    balances = {name: pa.array(draw(money), pa.int64()) for name in ("source_balance_after", "target_balance_after")}
    ids = sorted({end for row in rows for end in row[:2]})
    moment = st.sampled_from([time for _, _, time, _ in rows])
    for_each = {"min_size": len(ids), "max_size": len(ids)}
    accounts = pa.table(
        {
            "account_id": ids,
            "opened_at": arrow_times(draw(st.lists(moment.map(lambda time: time - DAY), **for_each))),
            "balance": pa.array(draw(st.lists(st.none() | st.integers(0, 9_000), **for_each)), pa.int64()),
            "balance_at": arrow_times(draw(st.lists(moment, **for_each))),
            "daily_limit": pa.array(
                draw(st.lists(st.none() | st.sampled_from([5_000, 9_000]), **for_each)), pa.int64()
            ),
        }
    )
    later = draw(st.sampled_from([0, 1, tick, HOUR, DAY, 7 * DAY, 30 * DAY + HOUR, 300 * DAY]))
    dataset = read_dataset({"transfers": transfers_table(rows, **balances), "accounts": accounts}, tick=tick)
    return Scene(dataset, draw(moment) + later)


def any_text(max_size: int = 12) -> st.SearchStrategy[str]:
    """Texts of all code points, of signs that hide, joiners, marks, line ends, and what only looks like an escape."""
    hiding = st.sampled_from([
        *"\u200b\u200c\u200d\u202e\u2066\u00ad\u061c\u180e\u2028\u2029\ufeff\u3164\ufe0f\U000e0041\x00\x1b\r\n\t\ud800",
        *"aกที่ำक्ष्بد=+-@'\"<>;,", "<U+", "202E>", "<U+202E>", "<U+003C>", "\u0301" * 9, "👨\u200d👩", "👍🏽",
    ])  # fmt: skip
    signs = st.one_of(hiding, st.characters())
    return st.lists(signs, max_size=max_size).map("".join)
