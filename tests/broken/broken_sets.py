"""Broken data sets, one entry each: how to write it, and what reading it must give.

Every case starts from six good transfers. Account ids contain `secret`, so that a test can see whether one leaks.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from muledetect.records import reasons

N_GOOD = 6
MILLION = 1_000_000


@dataclass(frozen=True)
class Broken:
    """One broken data set.

    `write` puts it into an empty folder and may return another source to read. It must then either raise a DataError
    that contains every text of `error`, or leave out exactly `left_out` rows by reason and warn of `warned`.
    """

    name: str
    write: Callable[[Path], Any]
    error: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    warned: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def good_rows(n_rows: int = N_GOOD) -> list[dict[str, Any]]:
    return [
        {
            "transfer_id": f"t{i}",
            "time": f"2025-03-01T09:{i:02d}:30Z",
            "source": f"secret-{i}",
            "target": f"secret-{i + 1}",
            "amount": str(1000 + i),
        }
        for i in range(n_rows)
    ]


def text_of(rows: list[dict[str, Any]]) -> str:
    return pd.DataFrame(rows).to_csv(index=False)


def cells(column: str, *values: Any) -> Callable[[Path], None]:
    """Put values into a column of the first rows of transfers.csv, quoted where they must be."""

    def write(folder: Path) -> None:
        rows = good_rows()
        for row, value in zip(rows, values, strict=False):
            row[column] = value
        (folder / "transfers.csv").write_text(text_of(rows), encoding="utf-8")

    return write


def rows(*changed: dict[str, Any]) -> Callable[[Path], None]:
    """Write transfers.csv with some rows changed."""

    def write(folder: Path) -> None:
        written = [row | change for row, change in zip(good_rows(len(changed)), changed, strict=True)]
        (folder / "transfers.csv").write_text(text_of(written), encoding="utf-8")

    return write


def file(name: str, content: bytes | str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def several(*writers: Callable[[Path], Any]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for writer in writers:
            writer(folder)

    return write


def arrow(name: str = "transfers.parquet", **columns: Any) -> Callable[[Path], None]:
    """Write good transfers as Parquet with some columns replaced or added."""

    def write(folder: Path) -> None:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(good_table(**columns), place)

    return write


def good_table(**columns: Any) -> pa.Table:
    table = pa.Table.from_pylist(good_rows())
    moments = [datetime.fromisoformat(text) for text in table["time"].to_pylist()]
    made = {name: table[name] for name in table.column_names}
    made |= {"time": pa.array(moments, pa.timestamp("us", tz="UTC")), "amount": pa.array(range(1, N_GOOD + 1))}
    return pa.table(made | columns)


def in_memory(**columns: Any) -> Callable[[Path], dict[str, pa.Table]]:
    return lambda _folder: {"transfers": good_table(**columns)}


def bad_utf8(_folder: Path) -> dict[str, pa.Table]:
    garbled = pa.StringArray.from_buffers(
        6, pa.py_buffer(b"".join(i.to_bytes(4, "little") for i in range(7))), pa.py_buffer(b"\xff\xfeabcd")
    )
    return {"transfers": good_table(source=garbled)}


def repeated_column(folder: Path) -> None:
    table = good_table()
    twice = pa.Table.from_arrays([*table.columns, table["amount"]], names=[*table.column_names, "amount"])
    pq.write_table(twice, folder / "transfers.parquet")


def cut(name: str, content: bytes) -> Callable[[Path], None]:
    return file(name, content[: len(content) // 2])


def parquet_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def zst(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


def many(n_rows: int, amount: int) -> Callable[[Path], dict[str, pa.Table]]:
    """Good transfers and, before them, a number of transfers of one amount."""

    def write(_folder: Path) -> dict[str, pa.Table]:
        moment = pa.scalar(datetime(2025, 3, 1, 9, 0, 7, tzinfo=UTC), pa.timestamp("us", tz="UTC"))
        table = pa.table(
            {
                "transfer_id": pa.array(range(n_rows)).cast(pa.string()),
                "time": pa.repeat(moment, n_rows),
                "source": pa.repeat("secret-1", n_rows),
                "target": pa.repeat("secret-2", n_rows),
                "amount": pa.repeat(amount, n_rows),
            }
        )
        return {"transfers": pa.concat_tables([table, good_table()])}

    return write


def side(name: str, text: str) -> Callable[[Path], None]:
    """Good transfers beside another table in CSV."""
    return several(cells("amount"), file(f"{name}.csv", text))


CSV = text_of(good_rows())
LONG = text_of(good_rows() * 5000).encode()
NO_ZONE = ("transfers: column 'time'", "no zone", "source_tz=")
BERLIN = {"source_tz": "Europe/Berlin"}
COMPLAINTS = "complaint_id,known_ts,time,target,amount\n"

CASES = [
    # --- columns ---------------------------------------------------------------------------------------------------
    Broken("a required column is missing",
           file("transfers.csv", "transfer_id,time,source,target\nt1,2025-03-01T09:00:00Z,a,b\n"),
           error=("required column 'amount' is missing",)),
    Broken("three columns are missing and all are told", file("transfers.csv", "transfer_id,time\nt,2025-03-01\n"),
           error=("'source' is missing", "'target' is missing", "'amount' is missing")),
    Broken("a column is misspelt", file("transfers.csv", CSV.replace("amount", "amuont")),
           error=("'amount' is missing", "did you mean 'amuont'")),
    Broken("two tables are broken and both are told", several(file("transfers.csv", "transfer_id\nt\n"),
           file("labels.csv", "account_id\na\n")), error=("transfers:", "labels:", "'label' is missing")),
    Broken("a CSV has a column twice", file("transfers.csv", CSV.replace("target", "source")),
           error=("'source' twice",)),
    Broken("a Parquet file has a column twice", repeated_column, error=("'amount' twice",)),
    # --- ids -------------------------------------------------------------------------------------------------------
    Broken("account numbers were read as numbers", arrow(source=pa.array(range(6))),
           error=("column 'source'", "leading zeros")),
    Broken("account numbers were read as floats", arrow(target=pa.array([1.0, 2, 3, 4, 5, None])),
           error=("column 'target'", "leading zeros")),
    Broken("ids are nested", arrow(source=pa.array([{"id": "x"}] * 6)), error=("column 'source'", "must be text")),
    Broken("ids are not UTF-8", bad_utf8, error=("not UTF-8",)),
    Broken("keys are null", arrow(source=pa.array([None, "", "NaN", "a", "b", "c"])), left_out={reasons.MISSING: 3}),
    Broken("keys are empty in a CSV", rows({"transfer_id": ""}, {"source": ""}, {"target": ""}, {}),
           left_out={reasons.MISSING: 3}),
    Broken("ids have spaces, Thai, emoji, formulas, HTML and paths",
           rows(*({"source": name} for name in (" a b ", "บัญชี", "🏦", '=HYPERLINK("x")', "<script>", "../../etc")))),
    Broken("an id is a megabyte long", cells("source", "x" * (1 << 20))),
    Broken("one id has different content",
           rows({}, {"transfer_id": "t0"}, {}), left_out={reasons.DIFFERENT_CONTENT: 2}),
    Broken("a row is there three times",
           file("transfers.csv", CSV + CSV.splitlines()[1] + "\n" + CSV.splitlines()[1]),
           left_out={reasons.DUPLICATE: 2}),
    Broken("a transfer goes to its own account", rows({"target": "secret-0"}, {}), warned=(reasons.SELF,)),
    # --- amounts ---------------------------------------------------------------------------------------------------
    Broken("amounts are negative or zero", cells("amount", "-5", "0", "-0"), left_out={reasons.NOT_POSITIVE: 3}),
    Broken("amounts are huge", cells("amount", 10**16, 10**30, "9" * 400, 2**63),
           left_out={reasons.TOO_LARGE: 2, reasons.UNREADABLE: 2}),
    Broken("amounts are no numbers", cells("amount", "inf", "abc", "1e5", "0x10", "฿5"),
           left_out={reasons.UNREADABLE: 5}),
    Broken("an amount is NaN in text", cells("amount", "NaN", ""), left_out={reasons.MISSING: 2}),
    Broken("float amounts are NaN and infinite",
           arrow(amount=pa.array([float("nan"), float("inf"), float("-inf"), 1.0, 2.0, 3.0])),
           left_out={reasons.MISSING: 1, reasons.NOT_FINITE: 2}),
    Broken("amounts have decimal commas", cells("amount", "10,50", "3,1"), left_out={reasons.UNREADABLE: 2}),
    Broken("amounts have thousands separators", cells("amount", "1,000", "1 000", "1'000"),
           left_out={reasons.UNREADABLE: 3}),
    Broken("minor units have decimals", cells("amount", "10.5", "7.00"), error=("column 'amount'", "money='major'")),
    Broken("baht have three decimals", cells("amount", "10.505", "10.50"),
           options={"money": "major", "currency": "THB"},
           left_out={reasons.NOT_WHOLE: 1}),
    Broken("float baht have three decimals", arrow(amount=pa.array([10.505, 0.1, 0.2, 0.3, 1e3, 2.5])),
           options={"money": "major", "currency": "THB"}, left_out={reasons.NOT_WHOLE: 1}),
    Broken("amounts are decimals of the major unit", arrow(amount=pa.array([Decimal("1.50")] * 6)),
           error=("column 'amount'", "money='major'")),
    Broken("decimal amounts are too large", arrow(amount=pa.array([Decimal(10) ** 30] + [Decimal(5)] * 5)),
           options={"money": "major", "currency": "THB"}, left_out={reasons.TOO_LARGE: 1}),
    Broken("unsigned amounts are above int64", arrow(amount=pa.array([2**64 - 1, 2**63, 1, 2, 3, 4], pa.uint64())),
           left_out={reasons.TOO_LARGE: 2}),
    Broken("amounts are true or false", arrow(amount=pa.array([True] * 6)), error=("column 'amount'", "got bool")),
    Broken("all amounts together overflow", many(5000, 10**15), error=("adds up to",)),
    # --- currencies ------------------------------------------------------------------------------------------------
    Broken("currencies are mixed", rows({"currency": "THB"}, {"currency": "USD"}, {"currency": "EUR"}),
           options={"currency": "THB"}, left_out={reasons.OTHER_CURRENCY: 2}),
    Broken("currencies are mixed and none is chosen", rows({"currency": "THB"}, {"currency": "USD"}),
           error=("column 'currency' holds THB, USD", "--currency")),
    Broken("currencies do not exist", rows({"currency": "THB"}, {"currency": "BAHT"}, {"currency": "thb"}),
           left_out={reasons.UNKNOWN_CURRENCY: 2}),
    # --- times -----------------------------------------------------------------------------------------------------
    Broken("text times have no zone", cells("time", *["2025-03-01T09:00:00"] * 6), error=NO_ZONE),
    Broken("timestamps have no zone", arrow(time=pa.array([datetime(2025, 3, 1)] * 6)), error=NO_ZONE),
    Broken("times are dates in text", cells("time", *["2025-03-01"] * 6), error=NO_ZONE),
    Broken("one time among others has no zone", cells("time", "2025-03-01T09:00:00"), error=NO_ZONE),
    Broken("dates are known to the day", cells("time", *["2025-03-01", "2025-03-02"] * 3),
           options={"source_tz": "Asia/Bangkok"}, warned=(reasons.MIDNIGHT,)),
    Broken("years are Buddhist", cells("time", *[f"2568-03-01T09:0{i}:00Z" for i in range(6)]), error=("Buddhist",)),
    Broken("one year is Buddhist", cells("time", "2568-03-01T09:00:00Z"), left_out={reasons.OUT_OF_RANGE: 1}),
    Broken("times are of the years 1 and 9999", cells("time", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
           left_out={reasons.OUT_OF_RANGE: 2}),
    Broken("days do not exist", cells("time", "2025-02-29T00:00:00Z", "2025-13-01T00:00:00Z", "2025-03-01T25:00:00Z"),
           left_out={reasons.UNREADABLE: 3}),
    Broken("times are in the order of another country", cells("time", "01/03/2025 09:00Z", "1 March 2025"),
           left_out={reasons.UNREADABLE: 2}),
    Broken("times are seconds in integers", arrow(time=pa.array([1740787200] * 6)),
           error=("column 'time'", "must be timestamps")),
    Broken("times are seconds in text", cells("time", *["1740787200"] * 6), left_out={reasons.UNREADABLE: 6},
           warned=(reasons.NOTHING_LEFT,)),
    Broken("timestamps are in seconds",
           arrow(time=pa.array([datetime(2025, 3, 1, 9, tzinfo=UTC)] * 6, pa.timestamp("s", "UTC")))),
    Broken("timestamps are in nanoseconds",
           arrow(time=pa.array([datetime(2025, 3, 1, 9, tzinfo=UTC)] * 6, pa.timestamp("ns", "UTC")))),
    Broken("nanoseconds were read as seconds",
           in_memory(time=pa.array([-(2**62), 2**62, 0, 1, 2, 3], pa.timestamp("s", "UTC"))),
           left_out={reasons.OUT_OF_RANGE: 2}),
    Broken("zones are mixed", cells("time", "2025-03-01T09:00:00+07:00", "2025-03-01T02:00:00Z",
           "2025-02-28T21:00:00-0500")),
    Broken("clocks went back", cells("time", "2025-10-26T02:30:00", "2025-03-30T02:30:00"), options=BERLIN,
           warned=(reasons.FOLD,)),
    Broken("times are in the future", cells("time", "2199-01-01T00:00:00Z"), warned=(reasons.FUTURE,)),
    # --- values ----------------------------------------------------------------------------------------------------
    Broken("channels are not declared", rows({"channel": "card"}, {"channel": "pigeon"}, {"channel": "CARD"}),
           left_out={reasons.NOT_DECLARED: 2}),
    Broken("transfers did not settle", rows({"status": "settled"}, {"status": "rejected"}, {"status": "lost"}),
           left_out={reasons.NOT_SETTLED: 1, reasons.NOT_DECLARED: 1}),
    Broken("an extra column is nested", arrow(note=pa.array([{"a": [1]}] * 6))),
    # --- reversals -------------------------------------------------------------------------------------------------
    Broken("reversals form a cycle", rows({"reversal_of": "t1"}, {"reversal_of": "t0"}, {"reversal_of": ""}),
           left_out={reasons.REVERSAL_CHAIN: 1}, warned=(reasons.REVERSAL_EARLY,)),
    Broken("a transfer was returned and nobody says when", rows({"status": "returned"}, {}),
           warned=(reasons.RETURNED,)),
    Broken("a transfer reverses itself", rows({"reversal_of": "t0"}, {}), left_out={reasons.REVERSAL_CHAIN: 1}),
    Broken("a reversal has no original", rows({"reversal_of": "t99"}, {}), warned=(reasons.LONE_REVERSAL,)),
    Broken("a reversal is between other accounts", rows({"reversal_of": ""}, {"reversal_of": "t0"}),
           left_out={reasons.REVERSAL_MISMATCH: 1}),
    Broken("a reversal is before its original",
           rows({"source": "secret-2", "target": "secret-1", "reversal_of": "t1"}, {}),
           warned=(reasons.REVERSAL_EARLY,)),
    Broken("a reversal is larger than its original",
           rows({"reversal_of": ""}, {"source": "secret-1", "target": "secret-0", "reversal_of": "t0"}),
           left_out={reasons.REVERSAL_EXCESS: 1}),
    Broken("a reversal is booked like its original",
           rows({"reversal_of": ""}, {"source": "secret-0", "target": "secret-1", "amount": 1000, "reversal_of": "t0"}),
           warned=(reasons.REVERSAL_SWAPPED,)),
    # --- files -----------------------------------------------------------------------------------------------------
    Broken("the folder is empty", lambda _folder: None, error=("no table found", "it is empty")),
    Broken("the folder does not exist", lambda folder: folder / "nowhere", error=("no such folder",)),
    Broken("a file has no bytes", file("transfers.csv", b""), error=("is empty (0 bytes)",)),
    Broken("a CSV has a header only", file("transfers.csv", CSV.splitlines()[0] + "\n"),
           warned=(reasons.NOTHING_LEFT,)),
    Broken("a CSV begins with an empty line", file("transfers.csv", "\n" + CSV), error=("no header row",)),
    Broken("a Parquet file is truncated", cut("transfers.parquet", parquet_bytes(good_table())),
           error=("cannot be read as Parquet",)),
    Broken("a Parquet file is text", file("transfers.parquet", CSV), error=("cannot be read as Parquet",)),
    Broken("a Parquet file is damaged inside",
           lambda folder: file("transfers.parquet", (raw := parquet_bytes(good_table()))[:4] + b"\xff" * 90 + raw[94:])(
               folder), error=("cannot be read",)),
    Broken("a gz file is no gz", file("transfers.csv.gz", CSV), error=("cannot be read",)),
    Broken("a gz file is truncated", cut("transfers.csv.gz", gzip.compress(LONG)), error=("cannot be read",)),
    Broken("a zst file is no zst", file("transfers.csv.zst", CSV), error=("cannot be read",)),
    Broken("a zst file is truncated", cut("transfers.csv.zst", zst(LONG)), error=("cannot be read",)),
    Broken("a CSV is in TIS-620", file("transfers.csv", CSV.replace("secret-1", "บัญชี").encode("tis-620")),
           error=("not UTF-8",)),
    Broken("a CSV is in UTF-16", file("transfers.csv", CSV.encode("utf-16")), error=("UTF-16",)),
    Broken("a CSV has a byte order mark", file("transfers.csv", b"\xef\xbb\xbf" + CSV.encode())),
    Broken("a CSV has Windows line ends", file("transfers.csv", CSV.replace("\n", "\r\n"))),
    Broken("a CSV is ragged", file("transfers.csv", CSV + "t9,2025-03-01T09:00:00Z,a\n"),
           left_out={reasons.RAGGED: 1}),
    Broken("a quote is not closed", file("transfers.csv", CSV + 't9,"2025-03-01T09:00:00Z,a,b,5\n' + CSV),
           left_out={reasons.UNREADABLE: 2, reasons.DUPLICATE: 6}, warned=(reasons.QUOTE,)),
    Broken("a table is there twice", several(cells("amount"), arrow()), error=("'transfers' is there 2 times",)),
    Broken("a spreadsheet is given", lambda folder: (file("a.xlsx", b"PK")(folder), folder / "a.xlsx")[1],
           error=("a.xlsx", "none of .parquet")),
    # --- folders of files ------------------------------------------------------------------------------------------
    Broken("one part lacks a column", several(arrow("transfers/1.parquet"), lambda folder: pq.write_table(
        good_table().drop_columns("amount"), folder / "transfers" / "2.parquet")), error=("'amount' is missing, but",)),
    Broken("parts disagree on an extra column", several(
        arrow("transfers/1.parquet", note=pa.array(range(6))),
        arrow("transfers/2.parquet", note=pa.array(["x"] * 6))), error=("column 'note'", "in another")),
    Broken("one part has amounts as true or false", several(
        arrow("transfers/1.parquet"), arrow("transfers/2.parquet", amount=pa.array([True] * 6))),
        error=("column 'amount'", "got bool")),
    Broken("a folder and a column disagree", arrow("transfers/channel=card/1.parquet", channel=pa.array(["bill"] * 6)),
           error=("'channel'", "folder")),
    Broken("a folder names an unknown channel", arrow("transfers/channel=pigeon/1.parquet"),
           left_out={reasons.NOT_DECLARED: 6}, warned=(reasons.NOTHING_LEFT,)),
    Broken("a table folder has no files", lambda folder: (folder / "transfers").mkdir(), error=("no Parquet or CSV",)),
    # --- names of tables -------------------------------------------------------------------------------------------
    Broken("the only table is misspelt", arrow("transfrs.parquet"),
           error=("no table found", "did you mean 'transfers'")),
    Broken("another table is misspelt", several(cells("amount"), file("complaint.csv", COMPLAINTS)),
           error=("complaint.csv is no table", "did you mean 'complaints'")),
    Broken("a second file of transfers lies beside the first", several(cells("amount"), arrow("transfers_2.parquet")),
           error=("transfers_2.parquet is no table", "did you mean 'transfers'")),
    Broken("outputs and notes lie beside the transfers", several(cells("amount"), file("scores.parquet", b"x"),
           file("notes.csv", "x"), file("labels_old.csv", "x"))),
    Broken("a folder and a column agree", arrow("transfers/channel=card/1.parquet", channel=pa.array(["card"] * 6))),
    Broken("a mapping has an unknown table", lambda _folder: {"transfer": good_table()},
           error=("no table 'transfer'", "did you mean 'transfers'")),
    Broken("there are no transfers", file("labels.csv", "account_id,label\na,mule\n"),
           error=("no table 'transfers'",)),
    # --- other tables ----------------------------------------------------------------------------------------------
    Broken("a complaint was known before it happened", side("complaints", COMPLAINTS
           + "c1,2025-02-01T00:00:00Z,2025-03-01T00:00:00Z,secret-1,5\nc2,2025-03-02T00:00:00Z,,secret-1,5\n"),
           left_out={reasons.KNOWN_EARLY: 1}),
    Broken("labels are of unknown accounts", side("labels", "account_id,label\nsecret-1,mule\nsecret-x,mule\n")),
    Broken("labels have an unknown value", side("labels", "account_id,label\nsecret-1,criminal\n"),
           left_out={reasons.NOT_DECLARED: 1}, warned=(reasons.EMPTY,)),
    Broken("a confidence is in percent",
           side("labels", "account_id,label,confidence\na,mule,95\nb,mule,nan\nc,mule,0.5\n"),
           left_out={reasons.NOT_A_SHARE: 1}),
    Broken("a million rows are rejected", many(MILLION, 0), left_out={reasons.NOT_POSITIVE: MILLION}),
]  # fmt: skip
