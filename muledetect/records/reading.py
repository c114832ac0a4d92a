"""One reading of a data set: rows that break a rule go, rows that repeat or contradict others go, the rest is ordered.

`read` begins it; who keeps the transfers elsewhere than in memory takes a `Reading` with two methods of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Int32Array, Int64Array
from muledetect.errors import DataError, OptionError
from muledetect.memory import HEAP, give_back
from muledetect.progress import Progress
from muledetect.records import reasons
from muledetect.records.dataset import Dataset, Finding, describe
from muledetect.records.duplicates import fill, find_duplicates, with_values
from muledetect.records.encode import IdEncoder, Sorted
from muledetect.records.fingerprint import RowSum, digest_of_sums, sum_rows
from muledetect.records.ids import Form
from muledetect.records.join import join_accounts
from muledetect.records.order import canonical_order, clock_tick
from muledetect.records.parse import Options
from muledetect.records.pseudonyms import Pseudonyms
from muledetect.records.rejects import RejectLog, input_rows
from muledetect.records.reversals import ENDS, Reversals, find_reversals
from muledetect.records.sources import TableSource
from muledetect.records.table import TableReader
from muledetect.records.warn import describe_currency, nothing_left, warnings_of
from muledetect.schema import INPUTS, did_you_mean

_MOST_MONEY: Final = 2**62
#: Column that shows why rows go, the reason, its severity, and the positions of the rows, ascending.
Cause: TypeAlias = tuple[str, str, reasons.Severity, Int64Array]


@contextmanager
def returning_memory() -> Iterator[None]:
    """Let Arrow take memory from where numpy does, which `give_back` can return; a quarter less at the peak.

    Arrow's own allocators keep what other threads freed, and batches are decoded in other threads.
    """
    usual = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        give_back()
        pa.set_memory_pool(usual)


def several_currencies(named: Iterable[str]) -> str:
    return (
        f"transfers: column 'currency' holds {', '.join(sorted(named)[:5])}, and amounts of several cannot be added. "
        "Choose one with currency= (--currency); rows of the others are then rejected."
    )


@dataclass
class Reading:
    """One reading: what all tables share while they are read. It holds the transfers in memory."""

    options: Options
    tick: int | None
    progress: Progress
    pseudonyms: Pseudonyms | None
    is_currency_stated: bool

    def __post_init__(self) -> None:
        #: Where finished tables lie until they are placed.
        self.room = HEAP
        self.log = RejectLog()
        self.accounts = IdEncoder()
        self.readers: dict[str, TableReader] = {}
        self.warnings: list[Finding] = []
        self.account_codes = np.empty(0, np.int32)
        #: Parts of ids that were only a way of writing, and were taken out of all tables.
        self.forms: tuple[Form, ...] = ()

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
            reader = self._reader(name)
            try:
                reader.read(table, self.progress)
            except DataError as error:
                stops.append(str(error))
            stops += reader.stops
            self.readers[name] = reader
            self._end_of_table(name)
            # What the first rows name must hold for all, or the order of rows would choose the currency.
            if not self.is_currency_stated and reader.currencies - {self.options.currency}:
                stops.append(several_currencies(reader.currencies))
        if stops:
            raise DataError("\n".join(dict.fromkeys(stops)))

    def _reader(self, name: str) -> TableReader:
        return TableReader(INPUTS[name], self.options, self.log, self.accounts, self.pseudonyms is None)

    def _end_of_table(self, name: str) -> None:
        """Hear that all rows of a table have been read."""

    def finish(self) -> Dataset:
        """Repair, order and describe what was read."""
        rows_read = {name: reader.n_read for name, reader in self.readers.items()}
        self.accounts, code_of, joined, self.forms = join_accounts(self.readers, self.accounts)
        if code_of is not None:
            self._respell(code_of)
        self.warnings += joined
        tables = {}
        for place, name in enumerate(name for name in self.readers if name != "transfers"):
            self.progress("looking for repeats", place / len(self.readers))
            table = self._other(name)
            if name == "accounts":
                self.account_codes = self.accounts.encode(table.column("account_id").combine_chunks())
            if self.pseudonyms:
                table = self.pseudonyms.hide_table(table, INPUTS[name])
            tables[name] = self._placed(name, table)
        self.progress("looking for repeats", (len(self.readers) - 1) / len(self.readers))
        account_ids, transfers = self._sorted_transfers()
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
        sums = {name: self._sum_of(name, table) for name, table in tables.items()}
        digest = digest_of_sums(sums, self.options.currency)
        self.progress("checking", 1.0)
        return Dataset(
            tables, account_ids, self.log.to_table(), findings, rows_read, self.options.currency, tick, digest
        )

    def _placed(self, name: str, table: pa.Table) -> pa.Table:  # noqa: ARG002 - for those who place it elsewhere
        """Return a finished table where it is to be kept."""
        return table

    def _sum_of(self, name: str, table: pa.Table) -> RowSum:
        """Return the sum of the rows of a finished table."""
        return sum_rows(name, table)

    def _respell(self, code_of: Int32Array) -> None:
        """Replace the account codes of the transfers: ids were spelt anew."""
        columns = self.readers["transfers"].columns
        for name in ("source", "target"):
            columns[name] = [pa.array(code_of[chunk.to_numpy()]) for chunk in columns[name]]

    def _sorted_transfers(self) -> tuple[pa.StringArray, pa.Table]:
        """Return the sorted account ids, and the transfers that count in canonical order."""
        rows = self._transfers()
        self.progress("ordering transfers", 0.0)
        return self._order(rows)

    def _gather(self, name: str) -> pa.Table:
        """Return the accepted rows of a table as chunks, taking them out of its reader."""
        reader = self.readers[name]
        columns = {}
        for column in list(reader.columns):
            chunks = reader.columns.pop(column)
            types = {chunk.type for chunk in chunks}
            if len(types) > 1:  # codes that outgrew int8
                chunks = [chunk.cast(pa.int32()) for chunk in chunks]
            kind = chunks[0].type if chunks else empty_type(name, column)
            columns[column] = pa.chunked_array(chunks, kind)
        return pa.table(columns)

    def _leave_out(self, name: str, rows: pa.Table, causes: list[Cause]) -> pa.Table:
        """Log rows by position and return the others; the first cause of a row counts."""
        keep = np.ones(rows.num_rows, np.bool_)
        rejected = self.log.rows(name)
        for column, reason, severity, positions in causes:
            fresh = positions[keep[positions]]
            keep[fresh] = False
            self.log.add(name, column, reason, severity, input_rows(rejected, fresh))
        return rows if keep.all() else self.room.filter(rows, pa.chunked_array([pa.array(keep)]))

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
        return self.room.combine(rows.select(in_order(name, rows)))

    def _transfers(self) -> dict[str, pa.ChunkedArray]:
        give_back()
        rows = self._without_duplicates("transfers", self._gather("transfers"))
        rows, causes = self._settled(rows, partial(input_rows, self.log.rows("transfers")))
        rows = self._leave_out("transfers", rows, causes)
        return {name: rows.column(name) for name in rows.column_names}

    def _rejected_status(self) -> int | None:
        """Return the code of the status of transfers that moved no money; None if no row has it."""
        encoder = self.readers["transfers"].encoders.get("status")
        return None if encoder is None else _place(encoder.ids(), "rejected")

    def _settled(self, rows: pa.Table, number_of: Callable[[Int64Array], Int64Array]) -> tuple[pa.Table, list[Cause]]:
        """Return the rows with reversals as transfers, and which of them go; `number_of` turns positions into rows."""
        is_void = np.zeros(rows.num_rows, np.bool_)
        rejected = self._rejected_status()
        if rejected is not None:  # a code of -1 is a null status, and no status means settled
            is_void = rows.column("status").to_numpy() == rejected
        causes: list[Cause] = []
        if "reversal_of" in rows.column_names:
            found = find_reversals(rows, is_void)
            is_void[found.void] = True
            rows = self._turned(rows, found)
            causes = [("reversal_of", reason, "reject", positions) for reason, positions in found.rejected.items()]
            n_read = self.readers["transfers"].n_read
            self.warnings += [
                describe("warn", "transfers", "reversal_of", reason, len(at), int(number_of(at[:1])[0]), n_read)
                for reason, at in found.warned.items()
                if len(at)
            ]
        return rows, [*causes, ("status", reasons.NOT_SETTLED, "repair", np.flatnonzero(is_void))]

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
        used = np.zeros(len(self.accounts), np.bool_)
        for name in ("source", "target"):
            for chunk in columns[name].chunks:
                used[chunk.to_numpy()] = True
        account_ids, rank = self._account_ranks(used)
        source, target = (_ranked(columns.pop(name), rank) for name in ("source", "target"))
        give_back()
        times, amounts = (_as_integers(columns.pop(name)) for name in ("time", "amount"))
        give_back()
        check_total(_total(amounts))
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
            give_back()
            done[name] = _taken(decoded(column, encoders[name]) if name in encoders else column, taken)
        if self.options.currency:
            zeros = pa.array(np.zeros(len(done["time"]), np.int8))
            done["currency"] = pa.DictionaryArray.from_arrays(zeros, pa.array([self.options.currency]))
        rows = pa.table(done)
        return account_ids, rows.select(in_order("transfers", rows))

    def _account_ranks(self, used: BoolArray) -> tuple[pa.StringArray, Int32Array]:
        """Return the ids that accepted rows use, in byte order, and the place of every code among them.

        `used` says it of the codes of transfers; accounts of the table `accounts` are used, too.
        """
        rename = partial(self.pseudonyms.hide, where="transfers: account ids") if self.pseudonyms else None
        account_ids, rank = self.accounts.finish(rename, self._known_ids())
        used[self.account_codes] = True
        if used.all():
            return account_ids, rank
        used_sorted = np.zeros_like(used)
        used_sorted[rank] = used
        shift = np.cumsum(used_sorted, dtype=np.int32) - 1
        return account_ids.filter(pa.array(used_sorted)), shift[rank].astype(np.int32)

    def _known_ids(self) -> Sorted | None:
        """Return account ids in byte order, where some are known so."""
        return None


def check_total(total: int) -> None:
    """Stop if all amounts together are more than sums of 64 bits can hold with room to spare."""
    if total > _MOST_MONEY:
        raise DataError(
            f"transfers: column 'amount' adds up to {total:,} minor units, over 2^62. Check the unit (money=)."
        )


def _total(amounts: Int64Array) -> int:
    # Halves of 32 bits cannot overflow while they are added up.
    return (int((amounts >> 32).sum()) << 32) + int((amounts & 0xFFFFFFFF).sum())


def _place(values: pa.StringArray, value: str) -> int | None:
    found: int = values.index(value).as_py()
    return None if found < 0 else found


def in_order(name: str, rows: pa.Table) -> list[str]:
    """Return the columns of a table, those of the contract first."""
    contract = [column for column in INPUTS[name].names if column in rows.column_names]
    return [*contract, *(column for column in rows.column_names if column not in contract)]


def empty_type(name: str, column: str) -> pa.DataType:
    """Return the type of a column of which no row was read."""
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


def decoded(codes: pa.Array, encoder: IdEncoder) -> pa.DictionaryArray:
    """Return codes (-1 null) as a dictionary array over sorted values, in the smallest index type of 8 or 32 bits."""
    values, rank = encoder.finish()
    wide = np.append(rank, np.int32(-1))
    numbers = wide[codes.to_numpy()].astype(np.int8 if len(values) < 127 else np.int32)
    missing = numbers < 0
    indices = pa.array(numbers, mask=missing) if missing.any() else pa.array(numbers)
    return pa.DictionaryArray.from_arrays(indices, values, safe=False)


def _taken(values: pa.Array, order: pa.Array | None) -> pa.Array:
    return values if order is None else values.take(order)
