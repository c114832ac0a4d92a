"""Read a data set: open, parse, leave out, repair, order, and tell what was found.

>>> import pyarrow as pa
>>> transfers = pa.table({
...     "transfer_id": ["t1", "t2"], "time": ["2025-03-01T09:30:00Z", "2025-03-01T10:00:00Z"],
...     "source": ["007", "008"], "target": ["008", "009"], "amount": [150000, 0],
... })
>>> dataset = read_dataset({"transfers": transfers})
>>> dataset
Dataset(transfers=1; accounts=2, rejects=1, currency=not stated, tick=1min)
>>> dataset.findings[0].text.partition(". ")[0]
"transfers: column 'amount': non-positive amount; 1 of 2 rows (first: row 1)"
"""

from __future__ import annotations

import itertools
import time as wall
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect import clock
from muledetect.arrays import Int32Array, Int64Array
from muledetect.errors import DataError, OptionError
from muledetect.progress import Progress, silent
from muledetect.records import reasons
from muledetect.records.currency import EXPONENTS, decimals_of
from muledetect.records.dataset import Dataset, Finding, describe
from muledetect.records.duplicates import fill, find_duplicates, with_values
from muledetect.records.encode import IdEncoder
from muledetect.records.fingerprint import fingerprint
from muledetect.records.join import join_accounts
from muledetect.records.order import canonical_order, clock_tick
from muledetect.records.parse import Options, check_zone
from muledetect.records.pseudonyms import Pseudonyms, as_pseudonyms
from muledetect.records.rejects import RejectLog, input_rows
from muledetect.records.reversals import ENDS, Reversals, find_reversals
from muledetect.records.sources import TableSource, open_tables
from muledetect.records.table import TableReader
from muledetect.records.warn import describe_currency, nothing_left, warnings_of
from muledetect.schema import INPUTS, did_you_mean

Money = Literal["minor", "major"]

_MOST_MONEY: Final = 2**62


def _give_back() -> None:
    """Return freed memory to the system: the columns that come next are larger than the batches that have gone."""
    pa.default_memory_pool().release_unused()


@contextmanager
def _returning_memory() -> Iterator[None]:
    """Let Arrow take memory from where numpy does, which `_give_back` can return; a quarter less at the peak.

    Arrow's own allocators keep what other threads freed, and batches are decoded in other threads.
    """
    usual = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        _give_back()
        pa.set_memory_pool(usual)


@_returning_memory()
def read_dataset(
    source: Any,
    *,
    currency: str | None = None,
    money: Money = "minor",
    source_tz: str | None = None,
    tick: str | int | None = None,
    tables: Iterable[str] | None = None,
    progress: Progress | None = None,
    decimal: Literal[".", ","] = ".",
    delimiter: str | None = None,
    now: clock.Moment | None = None,
    pseudonymise: Pseudonyms | str | Path | None = None,
) -> Dataset:
    """Read and validate all tables of a data set.

    Parameters
    ----------
    source : path, mapping or table
        A folder (tables.md says how tables are named), or table name -> path or anything with an Arrow C stream
        (pyarrow, pandas, polars, DuckDB). One file or one table alone is taken as the transfers.
    currency : str, optional
        ISO 4217 code of the amounts; rows of another currency are rejected. If not given, the one that the transfers
        name; where they name none, it is not stated ("") and amounts stay plain minor units. No currency is assumed.
    money : "minor" or "major"
        Whether amounts are in minor units (satang, cents) or whole units such as baht, which are converted exactly; the
        currency says how many decimals that takes, so it must be known then.
    source_tz : str, optional
        Time zone of times that carry none, such as "Asia/Bangkok". Where clocks went back, the first pass is meant.
    tick : str or int, optional
        Resolution of the transfers' clock, as "1s" or microseconds. Found from the times if not given.
    tables : iterable of str, optional
        Tables to read; others are passed over. All by default.
    progress : callable, optional
        Called with the stage in words and the fraction done, 0 to 1.
    decimal : "." or ","
        Decimal mark of amounts that come as text.
    delimiter : str, optional
        Delimiter of CSV files. Found from the header row if not given.
    now : moment, optional
        Moment after which a time is in the future; the clock of the machine by default.
    pseudonymise : Pseudonyms or path, optional
        Key, or the file of one: ids of accounts and holders become pseudonyms (see `muledetect.records.pseudonyms`),
        and columns outside the contract, which may name people, are left out.

    Returns
    -------
    Dataset
        Accepted rows, rejects and findings; a row is always in exactly one of the first two.

    Raises
    ------
    DataError
        If the data set cannot be used as a whole; the message has all reasons, of all tables.
    OptionError
        If an option has a value that is not known.

    Notes
    -----
    Streams batches of 2^18 rows and keeps account ids as int32 codes, so memory stays near the size of the result.
    """
    names = as_pseudonyms(pseudonymise)
    options = _options(currency or "", money, source_tz, decimal, now)
    if tick is not None:
        tick = clock.parse_duration(tick)
    opened = open_tables(source, delimiter=delimiter)
    transfers = opened.get("transfers")
    if currency is None and isinstance(transfers, TableSource):
        opened["transfers"], named = _peek_currency(transfers)
        options = replace(options, currency=named, exponent=decimals_of(named))
    if money == "major" and not options.currency:
        raise OptionError(
            "money: 'major' needs the currency, which says how many decimals there are, and the transfers name none. "
            "State it with currency= (--currency)."
        )
    job = _Job(options, tick, progress or silent, names, is_currency_stated=currency is not None)
    job.open(opened, tables)
    return job.finish()


def _peek_currency(transfers: TableSource) -> tuple[TableSource, str]:
    """Return the one currency that the first batch names, and the table with that batch still to be read."""
    if transfers.schema.names.count("currency") != 1:
        return transfers, ""
    batches = transfers.batches()
    seen = list(itertools.islice(batches, 1))
    column = seen[0].column("currency") if seen else pa.array([], pa.string())
    try:
        texts = {str(value).strip() for value in pc.unique(column).to_pylist() if value is not None}
    except UnicodeDecodeError as error:
        raise DataError("transfers: column 'currency' holds text that is not UTF-8. Export it as UTF-8.") from error
    named = sorted(texts & set(EXPONENTS))
    if len(named) > 1:
        raise DataError(_several(named))
    # Taken out of the list, the first batch goes like the others once it is read.
    first = (seen.pop() for _ in range(len(seen)))
    return replace(transfers, batches=lambda: itertools.chain(first, batches)), named[0] if named else ""


def _several(named: Iterable[str]) -> str:
    return (
        f"transfers: column 'currency' holds {', '.join(sorted(named)[:5])}, and amounts of several cannot be added. "
        "Choose one with currency= (--currency); rows of the others are then rejected."
    )


def _options(currency: str, money: str, source_tz: str | None, decimal: str, now: clock.Moment | None) -> Options:
    if money not in ("minor", "major"):
        raise OptionError(f"money: {money!r} is neither 'minor' (satang) nor 'major' (baht).")
    if decimal not in (".", ","):
        raise OptionError(f"decimal: {decimal!r} is neither '.' nor ','.")
    if source_tz is not None:
        check_zone(source_tz, "source_tz")
    moment = clock.parse_time(now) if now is not None else wall.time_ns() // 1000
    return Options(currency, decimals_of(currency), money, decimal, source_tz, moment)


@dataclass
class _Job:
    """One reading: what all tables share while they are read."""

    options: Options
    tick: int | None
    progress: Progress
    pseudonyms: Pseudonyms | None
    is_currency_stated: bool

    def __post_init__(self) -> None:
        self.log = RejectLog()
        self.accounts = IdEncoder()
        self.readers: dict[str, TableReader] = {}
        self.warnings: list[Finding] = []
        self.account_codes = np.empty(0, np.int32)

    def open(self, opened: Mapping[str, TableSource | DataError], tables: Iterable[str] | None) -> None:
        """Read every table; raise once for all that make the data set unusable."""
        wanted = list(INPUTS) if tables is None else list(tables)
        for name in wanted:
            if name not in INPUTS:
                raise OptionError(f"tables: there is no table {name!r}.{did_you_mean(name, list(INPUTS))}")
        stops: list[str] = []
        if "transfers" not in opened:
            stops.append(f"source: there is no table 'transfers', only {', '.join(opened)}. Add transfers.parquet.")
        for name in (name for name in INPUTS if name in opened and name in wanted):
            table = opened[name]
            if isinstance(table, DataError):
                stops.append(str(table))
                continue
            reader = TableReader(INPUTS[name], self.options, self.log, self.accounts, self.pseudonyms is None)
            try:
                reader.read(table, self.progress)
            except DataError as error:
                stops.append(str(error))
            stops += reader.stops
            self.readers[name] = reader
            # What the first rows name must hold for all, or the order of rows would choose the currency.
            if not self.is_currency_stated and reader.currencies - {self.options.currency}:
                stops.append(_several(reader.currencies))
        if stops:
            raise DataError("\n".join(dict.fromkeys(stops)))

    def finish(self) -> Dataset:
        """Repair, order and describe what was read."""
        rows_read = {name: reader.n_read for name, reader in self.readers.items()}
        self.accounts, joined = join_accounts(self.readers, self.accounts)
        self.warnings += joined
        tables = {}
        for place, name in enumerate(name for name in self.readers if name != "transfers"):
            self.progress("looking for repeats", place / len(self.readers))
            tables[name] = self._other(name)
        if "accounts" in tables:
            self.account_codes = self.accounts.encode(tables["accounts"].column("account_id").combine_chunks())
        if self.pseudonyms:
            tables = {name: self.pseudonyms.hide_table(table, INPUTS[name]) for name, table in tables.items()}
        self.progress("looking for repeats", (len(self.readers) - 1) / len(self.readers))
        rows = self._transfers()
        self.progress("ordering transfers", 0.0)
        account_ids, transfers = self._order(rows)
        tick = self.tick or clock_tick(_as_integers(transfers["time"]))
        tables = {"transfers": transfers, **tables}
        self.progress("checking", 0.0)
        self.warnings += warnings_of(tables, account_ids, tick, rows_read, self.options.now)
        self.warnings += self.log.warnings(rows_read)
        self.warnings += [
            describe("warn", name, column, reasons.LEFT_OUT, rows_read[name], None, rows_read[name])
            for name, reader in self.readers.items()
            for column in reader.left_out
        ]
        if not self.options.currency and tables["transfers"].num_rows:
            self.warnings.append(describe_currency(rows_read["transfers"]))
        errors = nothing_left(tables["transfers"], rows_read["transfers"])
        findings = (*errors, *self.log.findings(rows_read), *self.warnings)
        digest = fingerprint(tables, self.options.currency)
        self.progress("checking", 1.0)
        return Dataset(
            tables, account_ids, self.log.to_table(), findings, rows_read, self.options.currency, tick, digest
        )

    def _gather(self, name: str) -> pa.Table:
        """Return the accepted rows of a table as chunks, taking them out of its reader."""
        reader = self.readers[name]
        columns = {}
        for column in list(reader.columns):
            chunks = reader.columns.pop(column)
            types = {chunk.type for chunk in chunks}
            if len(types) > 1:  # codes that outgrew int8
                chunks = [chunk.cast(pa.int32()) for chunk in chunks]
            kind = chunks[0].type if chunks else _empty_type(name, column)
            columns[column] = pa.chunked_array(chunks, kind)
        return pa.table(columns)

    def _leave_out(
        self, name: str, rows: pa.Table, causes: list[tuple[str, str, reasons.Severity, Int64Array]]
    ) -> pa.Table:
        """Log rows by position and return the others; the first cause of a row counts."""
        keep = np.ones(rows.num_rows, np.bool_)
        rejected = self.log.rows(name)
        for column, reason, severity, positions in causes:
            fresh = positions[keep[positions]]
            keep[fresh] = False
            self.log.add(name, column, reason, severity, input_rows(rejected, fresh))
        return rows if keep.all() else rows.filter(pa.array(keep))

    def _without_duplicates(self, name: str, rows: pa.Table) -> pa.Table:
        key = INPUTS[name].key
        found = find_duplicates(rows, key, pairs=name == "transfers", hashes=self.readers[name].id_hashes)
        shown = key[0] if key else INPUTS[name].required[0]
        return self._leave_out(name, with_values(rows, found.filled), found.causes(shown))

    def _other(self, name: str) -> pa.Table:
        table = INPUTS[name]
        rows = self._without_duplicates(name, self._gather(name))
        event = table.event_time
        if "known_ts" in table.names and event in rows.column_names:
            known = rows.column(event)
            if "known_ts" in rows.column_names:
                known, rows = pc.coalesce(rows.column("known_ts"), known), rows.drop_columns("known_ts")
            rows = rows.append_column("known_ts", known)
        if name == "accounts" and "is_own" not in rows.column_names:
            rows = rows.append_column("is_own", pa.repeat(pa.scalar(True), rows.num_rows))
        return rows.select(_in_order(name, rows)).combine_chunks()

    def _transfers(self) -> dict[str, pa.ChunkedArray]:
        _give_back()
        rows = self._without_duplicates("transfers", self._gather("transfers"))
        is_void = np.zeros(rows.num_rows, np.bool_)
        if "status" in rows.column_names and rows.num_rows:
            names = self.readers["transfers"].encoders["status"].ids()
            code = rows.column("status").to_numpy()
            # A code of -1 is a null status, and no status means settled.
            is_void = (code >= 0) & (code == names.index("rejected").as_py())
        causes: list[tuple[str, str, reasons.Severity, Int64Array]] = []
        if "reversal_of" in rows.column_names:
            found = find_reversals(rows, is_void)
            is_void[found.void] = True
            rows = self._turned(rows, found)
            causes = [("reversal_of", reason, "reject", positions) for reason, positions in found.rejected.items()]
            left_out, n_read = self.log.rows("transfers"), self.readers["transfers"].n_read
            self.warnings += [
                describe(
                    "warn", "transfers", "reversal_of", reason, len(at), int(input_rows(left_out, at[:1])[0]), n_read
                )
                for reason, at in found.warned.items()
                if len(at)
            ]
        rows = self._leave_out(
            "transfers", rows, [*causes, ("status", reasons.NOT_SETTLED, "repair", np.flatnonzero(is_void))]
        )
        return {name: rows.column(name) for name in rows.column_names}

    def _turned(self, rows: pa.Table, found: Reversals) -> pa.Table:
        """Return the rows with reversals as transfers: back to the payer, by the channel of reversals."""
        encoders = self.readers["transfers"].encoders
        changed: dict[str, tuple[Int64Array, pa.Array]] = {}
        for ends in ENDS:
            for name, other in (ends, ends[::-1]):
                if name in rows.column_names and len(found.swapped):
                    values = self._texts_or_values(rows, other, name, found.swapped)
                    changed[name] = (found.swapped, values)
        if "channel" in rows.column_names and len(found.accepted):
            changed["channel"] = (found.accepted, pa.repeat(pa.scalar("reversal"), len(found.accepted)))
        for name, (positions, values) in changed.items():
            column, made = rows.column(name), values
            if name in encoders:
                column, made = column.cast(pa.int32()), pa.array(encoders[name].encode(values))
            rows = rows.set_column(rows.column_names.index(name), name, fill(column, positions, made))
        return rows

    def _texts_or_values(self, rows: pa.Table, name: str, instead_of: str, positions: Int64Array) -> pa.Array:
        """Return cells of a column, decoded where it has an encoder; nulls where the table lacks it."""
        if name not in rows.column_names:
            return pa.nulls(len(positions), INPUTS["transfers"].column(instead_of).arrow_type)
        cells = rows.column(name).take(pa.array(positions)).combine_chunks()
        encoder = self.readers["transfers"].encoders.get(name)
        if encoder is None:
            return cells
        codes = cells.to_numpy()
        return encoder.ids().take(pa.array(codes, mask=codes < 0))

    def _order(self, columns: dict[str, pa.ChunkedArray]) -> tuple[pa.StringArray, pa.Table]:
        """Return the sorted account ids and the transfers in canonical order; `columns` is emptied to save memory."""
        account_ids, rank = self._account_ranks(columns)
        source, target = (_ranked(columns.pop(name), rank) for name in ("source", "target"))
        _give_back()
        times, amounts = (_as_integers(columns.pop(name)) for name in ("time", "amount"))
        _give_back()
        self._check_total(amounts)
        order = canonical_order(times, source, target, amounts, columns["transfer_id"])
        taken = None if order is None else pa.array(order)
        held = {"time": times, "amount": amounts, "source": source, "target": target}
        del times, amounts, source, target
        done: dict[str, pa.Array] = {}
        for name in list(held):
            values = _taken(pa.array(held.pop(name)), taken)
            is_account = name in ("source", "target")
            coded = pa.DictionaryArray.from_arrays(values, account_ids, safe=False) if is_account else values
            done[name] = coded.view(pa.timestamp("us", tz="UTC")) if name == "time" else coded
        encoders = self.readers["transfers"].encoders
        columns.pop("currency", None)
        for name in list(columns):
            self.progress("ordering transfers", len(done) / (len(columns) + len(done)))
            column = _single(columns.pop(name))
            _give_back()
            done[name] = _taken(_decoded(column, encoders[name]) if name in encoders else column, taken)
        if self.options.currency:
            zeros = pa.array(np.zeros(len(done["time"]), np.int8))
            done["currency"] = pa.DictionaryArray.from_arrays(zeros, pa.array([self.options.currency]))
        rows = pa.table(done)
        return account_ids, rows.select(_in_order("transfers", rows))

    def _account_ranks(self, columns: dict[str, pa.ChunkedArray]) -> tuple[pa.StringArray, Int32Array]:
        """Return the ids that accepted rows use, in byte order, and the place of every code among them."""
        rename = partial(self.pseudonyms.hide, where="transfers: account ids") if self.pseudonyms else None
        account_ids, rank = self.accounts.finish(rename)
        used = np.zeros(len(rank), np.bool_)
        for name in ("source", "target"):
            for chunk in columns[name].chunks:
                used[chunk.to_numpy()] = True
        used[self.account_codes] = True
        if used.all():
            return account_ids, rank
        used_sorted = np.zeros_like(used)
        used_sorted[rank] = used
        shift = np.cumsum(used_sorted, dtype=np.int32) - 1
        return account_ids.filter(pa.array(used_sorted)), shift[rank].astype(np.int32)

    def _check_total(self, amounts: Int64Array) -> None:
        # Halves of 32 bits cannot overflow while they are added up.
        total = (int((amounts >> 32).sum()) << 32) + int((amounts & 0xFFFFFFFF).sum())
        if total > _MOST_MONEY:
            raise DataError(
                f"transfers: column 'amount' adds up to {total:,} minor units, over 2^62. Check the unit (money=)."
            )


def _in_order(name: str, rows: pa.Table) -> list[str]:
    """Return the columns of a table, those of the contract first."""
    contract = [column for column in INPUTS[name].names if column in rows.column_names]
    return [*contract, *(column for column in rows.column_names if column not in contract)]


def _empty_type(name: str, column: str) -> pa.DataType:
    if name == "transfers" and column in ("source", "target"):
        return pa.int32()
    return INPUTS[name].column(column).arrow_type if column in INPUTS[name].names else pa.string()


def _single(column: pa.ChunkedArray) -> pa.Array:
    """Return one array; text of 2 GiB or more becomes large_string, whose offsets can hold it."""
    if pa.types.is_string(column.type) and column.nbytes > np.iinfo(np.int32).max:
        column = column.cast(pa.large_string())
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _as_integers(column: pa.ChunkedArray) -> Int64Array:
    numbers: Int64Array = _single(column).view(pa.int64()).to_numpy()
    return numbers


def _ranked(codes: pa.ChunkedArray, rank: Int32Array) -> Int32Array:
    return np.concatenate([np.empty(0, np.int32), *(rank[chunk.to_numpy()] for chunk in codes.chunks)])


def _decoded(codes: pa.Array, encoder: IdEncoder) -> pa.DictionaryArray:
    """Return codes (-1 null) as a dictionary array over sorted values, in the smallest index type of 8 or 32 bits."""
    values, rank = encoder.finish()
    wide = np.append(rank, np.int32(-1))
    numbers = wide[codes.to_numpy()].astype(np.int8 if len(values) < 127 else np.int32)
    missing = numbers < 0
    indices = pa.array(numbers, mask=missing) if missing.any() else pa.array(numbers)
    return pa.DictionaryArray.from_arrays(indices, values, safe=False)


def _taken(values: pa.Array, order: pa.Array | None) -> pa.Array:
    return values if order is None else values.take(order)
