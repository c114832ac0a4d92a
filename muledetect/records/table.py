"""Read one table batch by batch: parse the columns, leave out the rows that break a rule, keep the rest small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray
from muledetect.errors import DataError
from muledetect.progress import Progress
from muledetect.records import reasons
from muledetect.records.currency import EXPONENTS
from muledetect.records.encode import IdEncoder, hash_strings
from muledetect.records.parse import Cells, ColumnError, Options, check_currency, check_type, mask_of, parse
from muledetect.records.rejects import Fault, RejectLog, Rows, input_rows
from muledetect.records.sources import TableSource
from muledetect.schema import Column, Table, did_you_mean

#: Text columns of transfers that stay text, because almost every row has a value of its own.
_OWN_TEXT: Final = ("transfer_id", "reversal_of")
_ACCOUNTS: Final = ("source", "target")


def prefetched(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield batches while one thread already decodes the next."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return string for the other text types, so that equal input gives equal tables whatever library made it."""
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


def _ragged(source: TableSource) -> Rows:
    """Return the numbers of the ragged rows that were met so far, ascending; they are in no batch."""
    return np.array([] if source.intake is None else source.intake.ragged, np.int64)


class TableReader:
    """State of one table while it is read: accepted columns, codes, and what makes the table unusable.

    `accounts` is the encoder that all account columns share; without `keep_extra`, columns outside the contract are
    named in `left_out` and not read. After `read`, `columns` holds the accepted rows by
    column; a coded column is an int32 code array over `encoders[name]`. With `keep`, that is called with the accepted
    columns of each batch and the numbers of their rows instead, and `columns` has names only. `known` are the
    columns of rows that were read before: the rows to come may lack some, and have no others.
    """

    def __init__(
        self,
        table: Table,
        options: Options,
        log: RejectLog,
        accounts: IdEncoder,
        keep_extra: bool = True,
        keep: Callable[[Mapping[str, pa.Array], npt.NDArray[np.int64]], None] | None = None,
        known: Mapping[str, pa.DataType] | None = None,
    ) -> None:
        self.table = table
        self.n_read = 0
        #: Rows that were read before those of the source.
        self.n_before = 0
        self.columns: dict[str, list[pa.Array]] = {}
        self.encoders: dict[str, IdEncoder] = {}
        self.id_hashes: list[npt.NDArray[np.uint64]] = []
        self.stops: list[str] = []
        self.currencies: set[str] = set()
        self.left_out: list[str] = []
        self._options = options
        self._log = log
        self._accounts = accounts
        self._keep_extra = keep_extra
        self._keep = keep
        self._known = known
        self._calendar: dict[str, tuple[int, int]] = {}
        self._types: dict[str, pa.DataType] = {}

    @property
    def kinds(self) -> dict[str, pa.DataType]:
        """Arrow types of the accepted columns, text as it is before it is coded."""
        contract = {column.name: column.arrow_type for column in self.table.columns}
        return {name: contract.get(name) or self._types[name] for name in self.columns}

    def read(self, source: TableSource, progress: Progress) -> None:
        """Read all batches; what makes the whole table unusable is put into `stops`."""
        present = self._check_schema(source.schema)
        if self.stops:
            return
        for name in present:
            self.columns.setdefault(name, [])
        for batch in prefetched(source.batches()):
            try:
                self._read_batch(batch, present, _ragged(source))
            except ColumnError:
                return
            except pa.ArrowInvalid:
                self.stops.append(f"{self.table.name}: text of {source.where} is not UTF-8. Export it as UTF-8.")
                return
            share = source.share(self.n_read)  # of a stream nobody knows the end: the number of rows moves instead
            told = f", {self.n_read:,} rows" if share is None else ""
            progress(f"reading {self.table.name}{told}", share or 0.0)
        ragged = _ragged(source)
        self._log.add(self.table.name, self.table.required[0], reasons.RAGGED, "reject", ragged + self.n_before)
        self.n_read += len(ragged)
        if source.intake is not None and source.intake.n_mended:
            self._log.doubt(self.table.name, self.table.required[0], reasons.QUOTE, source.intake.n_mended)
        for old in source.former:
            self._log.doubt(self.table.name, old, reasons.FORMER_NAME, self.n_read)
        self._check_calendar()

    def read_batch(self, batch: pa.RecordBatch) -> None:
        """Read one batch of rows that are in memory; what makes it unusable is put into `stops`."""
        present = self._check_schema(batch.schema)
        if self.stops:
            return
        for name in present:
            self.columns.setdefault(name, [])
        with suppress(ColumnError):  # it stands in `stops`
            self._read_batch(batch, present, np.array([], np.int64))

    def _check_schema(self, schema: pa.Schema) -> list[str]:
        name, names = self.table.name, list(schema.names)
        for required in self.table.required:
            if required not in names:
                others = [found for found in names if found not in self.table.names]
                hint = did_you_mean(required, others)
                self.stops.append(f"{name}: required column {required!r} is missing. Add or rename a column.{hint}")
        if sum(required not in names for required in self.table.required) * 2 > len(self.table.required):
            self.stops.append(
                f"{name}: a file whose columns have other names is imported: `muledetect columns FILE --table {name} "
                "--output columns.toml` says what each seems to be, and `muledetect import own` reads it so."
            )
        for column in self.table.columns:
            if column.name in names:
                problem = check_type(column, schema.field(column.name).type, self._options)
                if problem:
                    self.stops.append(f"{name}: column {column.name!r}: {problem}.")
        extra = [found for found in names if found not in self.table.names]
        known = {} if self._known is None else self._known
        self._refuse_unknown(names)
        extra += [found for found in known if found not in (*names, *self.table.names)]
        if not self._keep_extra:
            self.left_out, extra = extra, []
        self._types = {found: known.get(found) or _plain(schema.field(found).type) for found in extra}
        return [column.name for column in self.table.columns if column.name in (*names, *known)] + extra

    def _refuse_unknown(self, names: list[str]) -> None:
        unknown = [] if self._known is None else [found for found in names if found not in self._known]
        if unknown:
            self.stops.append(
                f"{self.table.name}: column {unknown[0]!r} is new: the rows before have none. Leave it out, or prepare "
                "the store again from all rows."
            )

    def _read_batch(self, batch: pa.RecordBatch, present: list[str], ragged: Rows) -> None:
        names = set(batch.schema.names)
        faults: list[Fault] = []
        parsed: dict[str, pa.Array] = {}
        doubts: list[tuple[str, BoolArray, str]] = []
        for column in self.table.columns:
            if column.name not in present:
                continue
            if column.name in names:
                cells = self._parse(column, batch.column(column.name))
            else:
                cells = Cells(pa.nulls(batch.num_rows, column.arrow_type))
            doubts += [
                (column.name, mask, reason)
                for mask, reason in cells.doubts
                if reason != reasons.RESPELT or not self._is_joined(column)
            ]
            faults += [(column.name, mask, reason) for mask, reason in cells.faults]
            if column.required and cells.values.null_count:
                faults.append((column.name, mask_of(cells.values.is_null()), reasons.MISSING))
            is_written = cells.written is not None and self._is_joined(column)
            parsed[column.name] = cells.written if is_written else cells.values
        faults += self._early(parsed)
        first = self.n_read - self.n_before
        numbers = self.n_before + input_rows(ragged, np.arange(first, first + batch.num_rows))
        good = self._log.reject(self.table.name, faults, numbers)
        for name, mask, reason in doubts:
            self._log.doubt(self.table.name, name, reason, numbers[mask & good])
        for name in present[len(parsed) :]:
            parsed[name] = self._extra(batch, name)
        self._store(parsed, good, numbers)
        self.n_read += batch.num_rows

    def _parse(self, column: Column, values: pa.Array) -> Cells:
        try:
            cells = parse(column, values, self._options)
        except ColumnError as error:
            self.stops.append(f"{self.table.name}: column {column.name!r}: {error}.")
            raise
        except pa.ArrowInvalid as error:
            self.stops.append(
                f"{self.table.name}: column {column.name!r} ({values.type}) holds cells that cannot be read. Export "
                "it as UTF-8 text or as a plain type."
            )
            raise ColumnError from error
        if column.type == "time":
            ahead, total = self._calendar.get(column.name, (0, 0))
            n_valid = len(cells.values) - cells.values.null_count
            self._calendar[column.name] = (ahead + cells.n_buddhist, total + n_valid)
        return self._one_currency(cells) if column.name == "currency" else cells

    def _one_currency(self, cells: Cells) -> Cells:
        """Return the currencies of a batch with rows of another one as faults; those that name none are told."""
        kinds = cells.values.dictionary.cast(pa.string()).to_pylist()
        self.currencies |= set(kinds) & set(EXPONENTS)
        checked = check_currency(cells, self._options.currency)
        if self._options.currency and cells.values.null_count:
            checked.doubts.append((mask_of(cells.values.is_null()), reasons.SOME_CURRENCY))
        return checked

    def _is_joined(self, column: Column) -> bool:
        """Whether ids are kept as they were written, to be spelt alike when all of them are known."""
        return self.table.name == "transfers" and column.name in _ACCOUNTS

    def _early(self, parsed: Mapping[str, pa.Array]) -> Iterator[Fault]:
        """Yield the rows in which a clock is before the one that it cannot be before."""
        for later, earlier, reason in (
            ("known_ts", self.table.event_time, reasons.KNOWN_EARLY),
            ("status_ts", "known_ts", reasons.STATUS_EARLY),
        ):
            if later in parsed and earlier is not None and earlier in parsed:
                yield later, mask_of(pc.less(parsed[later], parsed[earlier])), reason

    def _extra(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        kind = self._types[name]
        if name not in batch.schema.names:
            return pa.nulls(batch.num_rows, kind)
        values = batch.column(name)
        try:
            values.validate(full=True)  # Parquet may hold any bytes under the name of text
        except pa.ArrowInvalid as error:
            raise DataError(
                f"{self.table.name}: column {name!r} holds text that is not UTF-8. Export it as UTF-8, or leave it out."
            ) from error
        try:
            return values if values.type == kind else values.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(
                f"{self.table.name}: column {name!r} is {kind} in one file and {values.type} in another. "
                "Export all files alike."
            ) from error

    def _store(self, parsed: dict[str, pa.Array], good: BoolArray, numbers: npt.NDArray[np.int64]) -> None:
        keep = None if good.all() else pa.array(good)
        accepted = {name: values if keep is None else values.filter(keep) for name, values in parsed.items()}
        compact = {name: self._compact(name, values) for name, values in accepted.items()}
        if self._keep is not None:
            self._keep(compact, numbers[good])
            return
        if self.table.name == "transfers":
            self.id_hashes.append(hash_strings(accepted["transfer_id"].cast(pa.string())))
        for name, values in compact.items():
            self.columns[name].append(values)

    def _compact(self, name: str, values: pa.Array) -> pa.Array:
        column = next((column for column in self.table.columns if column.name == name), None)
        if column is None:
            return values
        is_text = column.arrow_type == pa.string()
        if self.table.name == "transfers" and is_text and name not in _OWN_TEXT:
            encoder = self._accounts if name in _ACCOUNTS else self.encoders.setdefault(name, IdEncoder())
            codes = encoder.encode(values)
            if name not in _ACCOUNTS and len(encoder) < 127:
                return pa.array(codes.astype(np.int8))
            return pa.array(codes)
        if not is_text:
            return values
        texts = values.cast(pa.string())
        texts.validate(full=True)  # Parquet may hold any bytes under the name of text
        return texts

    def _check_calendar(self) -> None:
        for name, (ahead, total) in self._calendar.items():
            if ahead * 2 > total:
                self.stops.append(
                    f"{self.table.name}: column {name!r} has years of the Buddhist era (such as 2568); {ahead:,} of "
                    f"{total:,} times lie over 400 years ahead. Subtract 543 years, or import the file with "
                    "`muledetect columns --era buddhist`."
                )
