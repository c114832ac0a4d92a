"""Exports as banks write them, made of transfers of our own, so that the truth of every row is known."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

BANGKOK = ZoneInfo("Asia/Bangkok")
OWN = ("0071112223", "0082223334", "0093334445")
OTHERS = ("4440001112", "5550001113")
COLUMNS = ("time", "source", "target", "amount")


def transfers(n: int = 60, seed: int = 7) -> pa.Table:
    """Transfers between accounts of a bank and of others, over forty days, to the second, up to 9,000 baht."""
    random = np.random.default_rng(seed)
    first = datetime(2025, 1, 20, tzinfo=UTC).timestamp()
    seconds = np.sort(random.choice(40 * 86_400, n, replace=False)) + int(first)
    names = (*OWN, *OTHERS)
    pairs = [random.choice(len(names), 2, replace=False) for _ in range(n)]
    # One side at least is an account of the bank.
    pairs = [(a % len(OWN), b if b != a % len(OWN) else (b + 1) % len(names)) for a, b in pairs]
    pairs = [pair if random.random() < 0.5 else pair[::-1] for pair in pairs]
    return pa.table(
        {
            "time": pa.array(seconds * 1_000_000, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
            "source": [names[a] for a, _ in pairs],
            "target": [names[b] for _, b in pairs],
            "amount": pa.array(random.integers(1, 900_000, n)),
        }
    )


def continental(satang: int) -> str:
    """123456 as 1.234,56."""
    return f"{satang / 100:,.2f}".translate(str.maketrans(".,", ",."))


def local(row: dict[str, object], form: str) -> str:
    """The row's time on the wall in Bangkok."""
    time = row["time"]
    assert isinstance(time, datetime)
    return time.astimezone(BANGKOK).strftime(form)


def text_of(rows: list[list[str]], delimiter: str = ",", *, quoting: int = csv.QUOTE_MINIMAL) -> str:
    """CSV text with Windows line ends."""
    held = io.StringIO()
    csv.writer(held, delimiter=delimiter, quoting=quoting, lineterminator="\r\n").writerows(rows)
    return held.getvalue()


def write_german(path: Path, table: pa.Table) -> None:
    """Semicolons, a remark above and sums below, day first, date and time apart, 1.234,56, Windows-1252."""
    rows = [["Buchungsdatum", "Uhrzeit", "Auftraggeberkonto", "Empfängerkonto", "Betrag", "Verwendungszweck"]]
    rows += [
        [
            local(row, "%d.%m.%Y"),
            local(row, "%H:%M:%S"),
            row["source"],
            row["target"],
            continental(row["amount"]),
            'Miete; "März"',
        ]
        for row in table.to_pylist()
    ]
    total = continental(sum(table["amount"].to_pylist()))
    text = "Umsatzübersicht\r\nerstellt am;30.03.2025\r\n\r\n" + text_of(rows, ";", quoting=csv.QUOTE_ALL)
    path.write_bytes((text + f'Summe;;;;"{total}";\r\nAnzahl: {len(table)}\r\n\r\n').encode("cp1252"))


def statement_rows(table: pa.Table) -> list[tuple[dict[str, object], str, str, bool]]:
    """Each transfer once in the statement of each of its accounts at the bank: (transfer, account, other, it paid)."""
    rows = []
    for row in table.to_pylist():
        rows += [(row, row["source"], row["target"], True)] if row["source"] in OWN else []
        rows += [(row, row["target"], row["source"], False)] if row["target"] in OWN else []
    return rows


def dashed(account: str) -> str:
    """0071112223 as 007-1-11222-3."""
    return f"{account[:3]}-{account[3]}-{account[4:9]}-{account[9:]}"


def write_thai(path: Path, table: pa.Table) -> None:
    """Statements: withdrawals and deposits, Buddhist years, dashes in one column of accounts, Windows-874."""
    rows = [["วันที่ทำรายการ", "เวลา", "เลขที่บัญชี", "บัญชีคู่โอน", "ถอน", "ฝาก", "ยอดคงเหลือ", "รายละเอียด"]]
    for row, account, other, paid in statement_rows(table):
        year = int(local(row, "%Y")) + 543
        amount = f"{row['amount'] / 100:,.2f}"
        balance = f"{len(rows) * 1000:,}.50"
        rows.append(
            [
                *(local(row, f"%d/%m/{year}"), local(row, "%H:%M:%S"), dashed(account), other),
                *(amount if paid else "", "" if paid else amount, balance, "โอนเงิน"),
            ]
        )
    path.write_bytes(text_of(rows).encode("cp874"))


def write_signed(path: Path, table: pa.Table) -> None:
    """Statements: one signed amount, month first with am and pm, UTF-8 with a mark."""
    rows = [["Posting Date", "Account Number", "Counterparty Account", "Transaction Amount", "Description"]]
    rows += [
        [
            local(row, "%m/%d/%Y %I:%M:%S %p"),
            account,
            other,
            f"{row['amount'] / (-100 if paid else 100):.2f}",
            "rent, January",
        ]
        for row, account, other, paid in statement_rows(table)
    ]
    path.write_bytes(text_of(rows).encode("utf-8-sig"))


def write_directed(path: Path, table: pa.Table) -> None:
    """Statements: a column says whether money left or came, tabs, UTF-16, brackets of nothing in it."""
    rows = [["Date and time", "Account", "Counter account", "D/C", "Amount (THB)"]]
    rows += [
        [local(row, "%Y-%m-%d %H:%M:%S"), account, other, "D" if paid else "C", f"{row['amount'] / 100:.2f}"]
        for row, account, other, paid in statement_rows(table)
    ]
    path.write_bytes(text_of(rows, "\t").encode("utf-16"))
