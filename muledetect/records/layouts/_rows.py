"""What the layouts share: rows read through a preset of the mapping of own files, and truth from illicit transfers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.errors import DataError
from muledetect.records import reasons
from muledetect.records.currency import exponent_of
from muledetect.records.files import Batch, FileForm, Source, name_of, read_batches
from muledetect.records.layouts._spec import FileKind, Files, columns_of
from muledetect.records.lines import BROKEN
from muledetect.records.own._columns import Amounts, Columns, Times
from muledetect.records.own._convert import convert
from muledetect.records.parse import LATEST, Options, mask_of, parse
from muledetect.records.rejects import Fault, RejectLog
from muledetect.schema import INPUTS, REJECTS, Column

if TYPE_CHECKING:
    from muledetect.arrays import Int64Array  # numba comes with it, and an import needs none

#: Columns of a file under our names; an adaptation changes them, and returns the faults that it finds.
Texts: TypeAlias = dict[str, pa.Array]
Adapt: TypeAlias = "Callable[[Texts, Int64Array], list[Fault]]"

#: Generators count in hundredths of a currency that they do not name.
_DECIMALS: Final = 2


def preset(table: str, values: Mapping[str, Mapping[str, str]] | None = None, keep: tuple[str, ...] = ()) -> Columns:
    """Return the mapping of a table whose columns have our names: ISO times in UTC, floating amounts.

    `values` are compared in lower case; columns of `keep` go along although they are no part of the table.
    """
    mapping = Columns(table, {}, values=values or {}, times=Times("UTC"), amounts=Amounts(places=9))
    return replace(mapping, rows=replace(mapping.rows, keep=keep))


def amounts_in(currency: str | None) -> Options:
    """Return how cells are parsed: amounts are whole units, of a currency with hundredths if none is stated."""
    exponent = exponent_of(currency) if currency else _DECIMALS
    return Options(currency or "", exponent, "major", ".", "UTC", LATEST, rounds=True)


class Reading:
    """The files of one import, and the rows that were left out of them."""

    def __init__(self, files: Files, options: Options) -> None:
        self.log = RejectLog()
        self._files = files
        self._options = options

    def take(self, kind: FileKind, mapping: Columns, adapt: Adapt | None = None) -> pa.Table:
        """Return the rows of all files of a kind, numbered on from file to file, as the mapping reads them."""
        parts: list[pa.Table] = []
        n_before = 0
        for source in self._files.get(kind.name, ()):
            found = kind.match(columns_of(source))
            n_rows = 0
            for batch in read_batches(source, FileForm(), list(found.values())):
                numbers, ragged = batch.numbers + n_before, batch.ragged + n_before
                self.log.add(mapping.table, mapping.contract.required[0], reasons.UNREADABLE, "reject", ragged)
                n_rows += len(numbers) + len(ragged)
                texts = {ours: _text(batch.columns[theirs], source, theirs) for ours, theirs in found.items()}
                parts.append(self._accepted(mapping, texts, numbers, adapt))
            n_before += n_rows
        if parts:
            return pa.concat_tables(parts, promote_options="default")
        return mapping.contract.empty().select(list(mapping.contract.required))

    def _accepted(self, mapping: Columns, texts: Texts, numbers: Int64Array, adapt: Adapt | None) -> pa.Table:
        table = mapping.contract
        faults = adapt(texts, numbers) if adapt else []
        for name in mapping.values:
            if name in texts:
                texts[name] = pc.utf8_lower(pc.utf8_trim_whitespace(texts[name]))
        constants = {"currency": self._options.currency} if table.name == "transfers" and self._options.currency else {}
        names = {name: name for name in table.names if name in texts and name not in constants}
        rows = replace(mapping.rows, keep=tuple(name for name in mapping.rows.keep if name in texts))
        done = convert(
            Batch(texts, numbers), replace(mapping, columns=names, constants=constants, rows=rows), self._options
        )
        missing = [
            (name, mask_of(done.columns[name].is_null()), reasons.MISSING)
            for name in table.required
            if name in done.columns
        ]
        good = self.log.reject(table.name, [*faults, *done.faults, *missing], numbers)
        inside = [name for name in (*table.names, *rows.keep) if name in done.columns]
        return pa.table({name: done.columns[name] for name in inside}).filter(pa.array(good))

    def rejects(self) -> pa.Table:
        """Return the rows that were left out, as schema.REJECTS."""
        return self.log.to_table().cast(REJECTS.arrow_schema)


def _text(cells: pa.Array, source: Source, heading: str) -> pa.StringArray:
    """Return cells as text, whatever the file held: one way to parse a value."""
    try:
        return cells.cast(pa.string())
    except BROKEN as error:
        raise DataError(
            f"{name_of(source)}: column {heading!r} has type {cells.type}, which has no text. Export CSV."
        ) from error


def read_flag(texts: Texts, name: str) -> list[Fault]:
    """Turn a column into true and false in place, however they are written; the others are a fault."""
    if name not in texts:
        return []
    flags = parse(Column(name, "bool", ""), texts[name], amounts_in(None)).values
    texts[name] = flags
    return [(name, mask_of(flags.is_null()), reasons.UNREADABLE)]


def build_labels(every: pa.Array, mules: pa.Array, illicit: pa.Table, unknown: pa.Array | None = None) -> pa.Table:
    """Return `labels`: mule, unknown or not_mule for every account, with the span of its illicit transfers.

    `illicit` are transfers (`time`, `source`, `target`). A simulator knows the truth; `known_ts` is the account's last
    illicit transfer, the first moment at which all of it can be known. Accounts in byte order.
    """
    unknown = pa.array([], pa.string()) if unknown is None else unknown
    accounts = accounts_of(every, mules, unknown)
    accounts = accounts.take(pc.array_sort_indices(accounts))
    ends = [illicit.select([end, "time"]).rename_columns(["account_id", "time"]) for end in ("source", "target")]
    spans = pa.concat_tables(ends).group_by("account_id").aggregate([("time", "min"), ("time", "max")])
    spans = spans.filter(pc.is_in(spans["account_id"], mules))
    start, end = (lookup(accounts, spans["account_id"], spans[f"time_{which}"]) for which in ("min", "max"))
    columns: dict[str, Any] = {
        "account_id": accounts,
        "label": pc.if_else(
            pc.is_in(accounts, mules), "mule", pc.if_else(pc.is_in(accounts, unknown), "unknown", "not_mule")
        ),
        "known_ts": end,
        "activity_start": start,
        "activity_end": end,
        "source": pa.repeat("simulator", len(accounts)),
    }
    return pa.table(columns, pa.schema([INPUTS["labels"].arrow_schema.field(name) for name in columns]))


def accounts_of(*columns: pa.Array | pa.ChunkedArray) -> pa.StringArray:
    """Return every distinct id of the columns, in no order."""
    found = [_only(pc.unique(column)) for column in columns]
    return pc.drop_null(pc.unique(pa.concat_arrays([pa.array([], pa.string()), *found])))


def distinct_rows(table: pa.Table, by: tuple[str, ...]) -> pa.Table:
    """Return the first row of every combination of `by`, in order of `by`."""
    table = table.append_column("_at", pa.array(np.arange(table.num_rows)))
    first = table.group_by(list(by)).aggregate([("_at", "min")])["_at_min"]
    return table.take(first).drop_columns("_at").sort_by([(name, "ascending") for name in by])


def lookup(ids: pa.Array, keys: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.Array:
    """Return the value of each id, null where `keys` lacks it."""
    return _only(values.take(pc.index_in(ids, value_set=_only(keys))))


def _only(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
