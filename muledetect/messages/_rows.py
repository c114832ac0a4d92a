"""Rows of messages into the contract's transfers: each accepted, or left out with a reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from muledetect.messages._xml import UNREADABLE
from muledetect.records import reasons
from muledetect.records.currency import EXPONENTS
from muledetect.records.parse import EARLIEST, LARGEST, LATEST
from muledetect.records.rejects import RejectLog
from muledetect.schema import INPUTS

#: Columns of `transfers` that messages fill.
COLUMNS: Final = (
    "transfer_id", "time", "source", "target", "amount", "currency", "source_bank", "target_bank", "status",
    "reversal_of",
)  # fmt: skip
REQUIRED: Final = INPUTS["transfers"].required
SCHEMA: Final = pa.schema([INPUTS["transfers"].arrow_schema.field(name) for name in COLUMNS])
#: Status of an entry -> ours. What is pending, or told for information only, has moved no money yet.
STATUSES: Final = {"BOOK": "settled", "PDNG": "rejected", "INFO": "rejected", "FUTR": "rejected"}

_AMOUNT: Final = re.compile(r"\+?(\d{1,18}(\.\d{0,5})?|\.\d{1,5})")
_DAY: Final = re.compile(r"(\d{4}-\d\d-\d\d)(Z|[+-]\d\d:\d\d)?")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?")
_BATCH: Final = 1 << 13


class Fault(Exception):  # noqa: N818 - it is no error of the program
    """Why a row is left out: the column and the reason."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(column, reason)
        self.column, self.reason = column, reason


@dataclass(frozen=True)
class Reading:
    """How messages are read.

    Parameters
    ----------
    source_tz : str, optional
        Zone of times that carry none, and of dates; without it such rows are left out.
    currency : str, optional
        ISO 4217 code; transfers of others are left out.
    missing : str
        Stands where an entry of a statement names no other account, such as "cash"; "" leaves the entry out.
    """

    source_tz: str | None = None
    currency: str | None = None
    missing: str = ""

    @cached_property
    def zone(self) -> ZoneInfo | None:
        """The zone of times that carry none."""
        return ZoneInfo(self.source_tz) if self.source_tz else None

    def moment(self, text: str) -> int:
        """Return a time, or the first moment of a date, in microseconds; a Fault if it cannot be read."""
        made = self._zoned(text)
        if made.tzinfo is None:
            made = made.replace(tzinfo=self.zone)
        if made.tzinfo is None:
            raise Fault("time", reasons.NO_ZONE)
        since = (made - datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))) // timedelta(microseconds=1)
        if not EARLIEST <= since < LATEST:
            raise Fault("time", reasons.OUT_OF_RANGE)
        return since

    def end_of_day(self, text: str) -> int:
        """Return the end of the day of a date or time, as `moment` does."""
        day = date.fromisoformat(text[:10]) + timedelta(days=1)
        return self.moment(day.isoformat())

    @staticmethod
    def _zoned(text: str) -> datetime:
        day = _DAY.fullmatch(text)
        if not day and not _TIME.fullmatch(text):
            raise Fault("time", reasons.UNREADABLE)
        try:
            return datetime.fromisoformat(f"{day[1]}T00:00:00{day[2] or ''}" if day else text)
        except ValueError as error:
            raise Fault("time", reasons.UNREADABLE) from error

    def accepted(self, fields: Mapping[str, str]) -> dict[str, object]:
        """Return a row of `transfers` from texts by column, or raise the Fault that leaves it out."""
        for column in COLUMNS:
            if UNREADABLE in fields.get(column, ""):
                raise Fault(column, reasons.UNREADABLE)
        for column in REQUIRED:
            if not fields.get(column):
                raise Fault(column, reasons.MISSING)
        currency = fields.get("currency", "")
        row: dict[str, object] = {column: fields.get(column) for column in COLUMNS}
        row["amount"] = minor_units(fields["amount"], currency)
        if self.currency is not None and currency != self.currency:
            raise Fault("currency", reasons.OTHER_CURRENCY)
        row["time"] = self.moment(fields["time"])
        if fields.get("status") not in ("settled", "rejected"):
            raise Fault("status", reasons.NOT_DECLARED)
        return row


def minor_units(text: str, currency: str) -> int:
    """Return an amount of whole units as minor ones, exactly; a Fault if it cannot be."""
    if currency not in EXPONENTS:
        raise Fault("currency", reasons.UNKNOWN_CURRENCY)
    if text.startswith("-"):
        raise Fault("amount", reasons.NOT_POSITIVE)
    if not _AMOUNT.fullmatch(text):
        too_long = text.replace(".", "", 1).isdecimal() and text.isascii()
        raise Fault("amount", reasons.TOO_LARGE if too_long else reasons.UNREADABLE)
    minor = Decimal(text).scaleb(EXPONENTS[currency])
    if minor != minor.to_integral_value():
        raise Fault("amount", reasons.NOT_WHOLE)
    if minor > LARGEST:
        raise Fault("amount", reasons.TOO_LARGE)
    if minor <= 0:
        raise Fault("amount", reasons.NOT_POSITIVE)
    return int(minor)


@dataclass
class Sink:
    """Where rows go: accepted ones in tables of some ten thousand, others in the log; numbers count all rows.

    `accounts` are those whose statements were read: bank, balance and its moment, the latest.
    """

    reading: Reading
    put: Callable[[pa.Table], None]
    log: RejectLog = field(default_factory=RejectLog)
    dropped: Counter[str] = field(default_factory=Counter)
    accounts: dict[str, tuple[str | None, int | None, int | None]] = field(default_factory=dict)
    n_read: int = 0
    _waiting: list[dict[str, object]] = field(default_factory=list)
    _faults: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def add(self, fields: Mapping[str, str]) -> None:
        """Take one row, texts by column."""
        try:
            self._waiting.append(self.reading.accepted(fields))
        except Fault as fault:
            self._faults.setdefault((fault.column, fault.reason), []).append(self.n_read)
        self.n_read += 1
        if self.n_read % _BATCH == 0:
            self.flush()

    def flush(self) -> None:
        """Pass on what waits."""
        if self._waiting:
            self.put(pa.Table.from_pylist(self._waiting, SCHEMA))
            self._waiting.clear()
        for (column, reason), rows in self._faults.items():
            self.log.add("transfers", column, reason, "reject", np.array(rows, np.int64))
        self._faults.clear()

    def note_account(self, account: str, bank: str | None, balance: int | None = None, at: int | None = None) -> None:
        """Keep an account whose statement is read, and its latest balance."""
        known = self.accounts.get(account)
        if known is None or (at is not None and (known[2] is None or at >= known[2])):
            self.accounts[account] = bank or (known[0] if known else None), balance, at

    def own_accounts(self) -> pa.Table:
        """Return the accounts whose statements were read, as table `accounts`, by id."""
        names = ("account_id", "bank_id", "balance", "balance_at")
        schema = pa.schema([INPUTS["accounts"].arrow_schema.field(name) for name in names])
        rows = [dict(zip(names, (account, *known), strict=True)) for account, known in sorted(self.accounts.items())]
        return pa.Table.from_pylist(rows, schema)
