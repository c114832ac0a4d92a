"""In any notation, what is accepted is what was written; the rest is asked about, or left out with a reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muledetect.errors import DataError
from muledetect.records.own import import_own, suggest_columns

pytestmark = pytest.mark.slow


def _asian(time: datetime, before: str, after: str) -> str:
    return f"{before if time.hour < 12 else after} {(time.hour - 1) % 12 + 1}:{time:%M:%S}"


def _thai(time: datetime) -> str:
    months = ("ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.", "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค.")
    return f"{time.day} {months[time.month - 1]} พ.ศ. {time.year + 543} {time:%H:%M:%S} น."


TIMES: dict[str, Callable[[datetime], str]] = {
    "iso": lambda time: f"{time:%Y-%m-%dT%H:%M:%S}",
    "offset": lambda time: f"{time:%Y-%m-%dT%H:%M:%S}+00:00",
    "day first": lambda time: f"{time:%d/%m/%Y %H:%M:%S}",
    "month first": lambda time: f"{time:%m/%d/%Y %I:%M:%S %p}",
    "short years": lambda time: f"{time:%d.%m.%y %H.%M.%S}",
    "short years first": lambda time: f"{time:%y/%m/%d %H:%M:%S}",
    "no zeros": lambda time: f"{time.day}.{time.month}.{time.year} {time.hour}:{time:%M:%S}",
    "compact": lambda time: f"{time:%Y%m%d%H%M%S}",
    "month in words": lambda time: f"{time:%d-%b-%Y %H:%M:%S}",
    "korean": lambda time: f"{time.year}. {time.month}. {time.day}. " + _asian(time, "오전", "오후"),
    "chinese": lambda time: f"{time.year}年{time.month}月{time.day}日 " + _asian(time, "上午", "下午"),
    "japanese era": lambda time: f"令和{time.year - 2018}年{time.month}月{time.day}日 {time.hour}時{time:%M分%S秒}",
    "thai": _thai,
    "seconds": lambda time: str(int(time.replace(tzinfo=UTC).timestamp())),
    "milliseconds": lambda time: str(int(time.replace(tzinfo=UTC).timestamp()) * 1000),
    "spreadsheet": lambda time: f"{(time - datetime(1899, 12, 30)).total_seconds() / 86_400:.9f}",
}


def _dotted(amount: int) -> str:
    return f"{amount / 100:,.2f}".translate(str.maketrans(".,", ",."))


AMOUNTS: dict[str, Callable[[int], str]] = {
    "plain": lambda amount: f"{amount / 100:.2f}",
    "commas": lambda amount: f"{amount / 100:,.2f}",
    "dots": _dotted,
    "apostrophes": lambda amount: f"{amount / 100:,.2f}".replace(",", "\u2019" if amount % 2 else "'"),
    "blanks": lambda amount: f"{amount / 100:,.2f}".replace(",", "\u202f").replace(".", ","),
    "behind": lambda amount: f"{_dotted(abs(amount))}{'-' if amount < 0 else ''}",
    "brackets": lambda amount: f"€({abs(amount) / 100:,.2f})" if amount < 0 else f"€{amount / 100:,.2f}",
    "words": lambda amount: f"{abs(amount) / 100:,.2f} {'DR' if amount < 0 else 'CR'}",
    "apart": lambda amount: f"{'-' if amount < 0 else '+'} {abs(amount) / 100:,.2f} EUR",
    "whole where it is": lambda amount: f"{amount // 100:,}" if amount % 100 == 0 else f"{amount / 100:,.2f}",
    "three digits": lambda amount: f"{amount / 100:,.3f}",
    "power": lambda amount: f"{amount / 100:.11E}",
}
MOMENTS = st.datetimes(datetime(2024, 1, 2), datetime(2025, 12, 30)).map(lambda time: time.replace(microsecond=0))
SIGNED = st.integers(-(10**8), 10**8).filter(bool)
ROWS = st.lists(st.tuples(MOMENTS, SIGNED), min_size=12, max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(clock=st.sampled_from(sorted(TIMES)), notation=st.sampled_from(sorted(AMOUNTS)), rows=ROWS)
def test_what_is_accepted_is_what_was_written(
    clock: str, notation: str, rows: list[tuple[datetime, int]], tmp_path: Path
) -> None:
    lines = ["Booking date;Account;Counterparty account;Amount;No"]
    for place, (time, amount) in enumerate(rows):
        lines.append(f"{TIMES[clock](time)};100200300;77{place % 7}0055;{AMOUNTS[notation](amount)};n{place}")
    file = tmp_path / "t.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    order = {"month first": "month", "short years first": None}.get(clock, "day")
    found = suggest_columns(file, source_tz="UTC", currency="EUR", money="major", date_order=order)  # type: ignore[arg-type]
    if found.undecided:
        assert_asked_for_a_reason(found.undecided, clock, notation, rows)
        return
    try:
        done = import_own(file, found.with_(rows={"keep": ["No"], "ids": "rows", "pair_on": "nothing"}))
    except DataError:
        return
    assert done.rows is not None
    assert done.rows.num_rows + done.rejects.num_rows == len(rows)
    for row in done.rows.to_pylist():
        time, amount = rows[int(row["No"][1:])]
        assert (row["time"], row["amount"]) == (time.replace(tzinfo=UTC), abs(amount))
        assert (row["source"] == "100200300") == (amount < 0)


def assert_asked_for_a_reason(
    asked: tuple[str, ...], clock: str, notation: str, rows: list[tuple[datetime, int]]
) -> None:
    """Only what these rows do not tell is asked: one of two orders of a date, or a side that no amount shows."""
    allowed = {"columns.direction"} if all(amount > 0 for _, amount in rows) else set()
    allowed |= {"times.time"} if clock in ("short years", "short years first") else set()
    allowed |= {"amounts.decimal"} if notation in ("whole where it is", "three digits") else set()
    assert set(asked) <= allowed
