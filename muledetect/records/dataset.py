"""`Dataset`: the validated tables, what was left out of them, and everything worth telling about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from muledetect import clock
from muledetect.markup import Html, build_card, build_details, build_facts, build_list, build_table
from muledetect.memory import HEAP, Room
from muledetect.records.reasons import Severity, mend
from muledetect.schema import INPUTS


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that reading found: rows rejected or repaired for one reason, a warning, or that nothing is left.

    `severity` is that of the reason ("error": no transfer is left, so the data set is of no use), `column` where it
    shows, `n_rows` how many rows have it; `text` says what, where, got and how to mend. `first_row` is the input row
    number of the first case, counted from 0 over the files of the table in sorted order; None where the finding is
    about no single row.
    """

    severity: Severity
    table: str
    column: str
    reason: str
    n_rows: int
    first_row: int | None
    text: str


def describe(
    severity: Severity, table: str, column: str, reason: str, n_rows: int, first_row: int | None, n_read: int
) -> Finding:
    """Return a finding whose text says what, where, got and how to mend."""
    first = "" if first_row is None else f" (first: row {first_row:,})"
    text = f"{table}: column {column!r}: {reason}; {n_rows:,} of {n_read:,} rows{first}. {mend(reason)}"
    return Finding(severity, table, column, reason, n_rows, first_row, text)


@dataclass(frozen=True, repr=False)
class Dataset:
    """Validated input tables. Build it with `read_dataset`.

    Attributes
    ----------
    tables : mapping of str to pyarrow.Table
        Accepted rows only. Contract columns come first, in contract types; columns outside the contract follow. A
        contract column that the input lacked is absent, but `transfers.currency` (where it is known), `known_ts` (the
        time of the row) and `accounts.is_own` (true) are filled in. In `transfers`, `source` and `target` are
        dictionary arrays over `account_ids`; other repeated text columns are dictionary arrays too.
    account_ids : pyarrow.StringArray
        Every account of `transfers` and `accounts` in byte order; the position is the account's code.
    rejects : pyarrow.Table
        Rows that were left out, as `schema.REJECTS`; severity "repair" where nothing was wrong with the money.
    findings : tuple of Finding
        Rejects and repairs by reason, then warnings; an error comes first.
    rows_read : mapping of str to int
        Rows read a table; accepted plus rejected always equal it.
    currency : str
        ISO 4217 code of all money; "" where nobody stated it, and amounts are plain minor units then.
    tick : int
        Resolution of the transfers' clock, microseconds: 1_000_000 if seconds are known, 86_400_000_000 if days.
    fingerprint : str
        Hex digest of the accepted content, the same for any row order and file split.
    room : Room
        Where what is derived of it is kept; see `muledetect.memory`.
    """

    tables: Mapping[str, pa.Table]
    account_ids: pa.StringArray
    rejects: pa.Table
    findings: tuple[Finding, ...]
    rows_read: Mapping[str, int]
    currency: str
    tick: int
    fingerprint: str = field(default="")
    room: Room = field(default=HEAP, compare=False)

    @property
    def transfers(self) -> pa.Table:
        """Transfers that count, in canonical order: time, source, target, amount, transfer_id."""
        return self.tables["transfers"]

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}={table.num_rows:,}" for name, table in self.tables.items())
        return (
            f"Dataset({counts}; accounts={len(self.account_ids):,}, rejects={self.rejects.num_rows:,}, "
            f"currency={self.currency or 'not stated'}, tick={clock.format_duration(self.tick)})"
        )

    def _repr_html_(self) -> str:
        times = self.transfers["time"]
        facts: dict[str, object] = {"accounts": len(self.account_ids)}
        if len(times):
            facts |= {"from": times[0].as_py(), "to": times[-1].as_py(), "all times": "UTC"}
        facts |= {
            "currency": self.currency or "not stated",
            "clock": clock.format_duration(self.tick),
            "rejects": len(self.rejects),
        }
        columns = ["table", "rows", "left out", "columns of the contract"]
        lines = [self._line(name) for name in self.tables]
        absent = [name for name in INPUTS if name not in self.tables and not name.startswith("truth_")]
        without = build_facts({"not given": absent}) if absent else Html("")
        found = build_details(f"{len(self.findings):,} findings", build_list(one.text for one in self.findings))
        return build_card("Dataset", build_facts(facts), build_table(columns, lines), without, found)

    def _line(self, name: str) -> list[object]:
        table, known = self.tables[name], INPUTS[name].names
        n_read = self.rows_read.get(name, len(table))
        return [name, len(table), n_read - len(table), f"{len(set(known) & set(table.column_names))} of {len(known)}"]
