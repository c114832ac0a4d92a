"""`update` adds late and new rows to a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from muledetect.arrays import Int32Array, Int64Array
from muledetect.clock import Moment
from muledetect.engine.build import Building
from muledetect.engine.full import telling_space
from muledetect.engine.making import put_store
from muledetect.engine.memory import memory_limit
from muledetect.engine.merging import A_ROW, JUDGED, Merge, open_old
from muledetect.engine.opened import Store, open_store
from muledetect.engine.parts import Old
from muledetect.engine.rows import Rows
from muledetect.engine.spill import ROW
from muledetect.engine.state import ROWS, State, codes_file
from muledetect.engine.tables import Finished, TableSpill
from muledetect.engine.transfers import TransfersWriter
from muledetect.errors import DataError
from muledetect.mapped import holding_at_most
from muledetect.outputs import check_output, kinds, new_folder, sha256
from muledetect.progress import Progress
from muledetect.records.encode import Sorted
from muledetect.records.fingerprint import RowSum, sum_rows
from muledetect.records.read import begin
from muledetect.records.reading import returning_memory
from muledetect.records.sources import TableSource
from muledetect.records.stored import ACCOUNTS, MAPPED, TRANSFERS, VALUES, check_files, map_table
from muledetect.records.table import TableReader
from muledetect.schema import INPUTS


@dataclass
class Updating(Building):
    """A reading that begins where the one of an old store ended its input."""

    state: State = field(kw_only=True)
    store: Store = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.is_currency_stated = self.state.is_currency_stated

    def open(self, opened: Mapping[str, TableSource | DataError], tables: Iterable[str] | None) -> None:
        """Read the new rows of every table behind the old ones."""
        came = {name: one.former for name, one in opened.items() if isinstance(one, TableSource)}
        self.state.restore_log(self.log, came)
        nothing = {name: self._nothing(name) for name in self.state.n_read if name not in opened}
        super().open({**opened, **nothing}, tables)

    def _nothing(self, name: str) -> TableSource:
        contract = {column.name: column.arrow_type for column in INPUTS[name].columns}
        known = self.state.known(name) or {}
        schema = pa.schema([(column, contract.get(column, kind)) for column, kind in known.items()])
        return TableSource(name, schema, 0, lambda: iter(()))

    def _reader(self, name: str) -> TableReader:
        state, known, is_transfers = self.state, self.state.known(name), name == "transfers"
        if not is_transfers:
            old = self._before(name)
            files, rows = ([], None) if old is None else (state.files_of(name), state.rows_of(old))
            self.tables[name] = TableSpill(self.rows, name, files, rows)
        keep = self.spill.keep if is_transfers else self.tables[name].keep
        reader = TableReader(INPUTS[name], self.options, self.log, self.accounts, keep=keep, known=known)
        reader.n_read = reader.n_before = state.n_read.get(name, 0)
        if is_transfers and reader.n_read:
            state.restore_transfers(self.accounts, reader.encoders, self.spill)
        return reader

    def _may_repeat(self) -> tuple[int, Int64Array]:
        place = self.store.path / ROWS / JUDGED
        if self.code_of is not None or not place.is_file():
            return super()._may_repeat()
        return self.state.n_read["transfers"], np.load(place).astype(np.int64)

    def _before(self, name: str) -> Finished | None:
        path = self.store.path
        known = name in self.store.header.tables
        return Finished(path, name, map_table(path / MAPPED / f"{name}.arrow")) if known else None

    def _sum_of(self, name: str, table: pa.Table) -> RowSum:
        n_same = self._n_same.get(name, -1)
        if name in self.state.sums and n_same >= 0:
            self.sums[name] = self.state.sums[name] + sum_rows(name, table.slice(n_same))
        return self.sums.get(name) or super()._sum_of(name, table)

    def _known_ids(self) -> Sorted | None:
        return Sorted(map_table(self.store.path / ACCOUNTS)["account_id"].chunk(0))

    def _known_values(self, name: str) -> Sorted | None:
        place, codes = self.store.path / TRANSFERS / f"{name}{VALUES}", self.store.path / ROWS / codes_file(name)
        if not codes.is_file():
            return None
        return Sorted(map_table(place)["value"].chunk(0), np.load(codes))

    def _put_rows(self, writer: TransfersWriter, rows: Rows, rank: Int32Array, n_rows: int) -> int:
        """Merge the new rows into the old ones where this can be done; else sort all."""
        header, first = self.store.header, self.state.n_read["transfers"]
        is_alike = (header.columns, header.parted_by, header.currency) == (
            writer.columns, self.parted_by, self.options.currency,
        )  # fmt: skip
        old = open_old(self.store.path, header, ROWS) if is_alike and self.code_of is None else None
        judged = rows.judged if old is None else np.union1d(old.judged, rows.judged)
        judged = judged[judged < first]
        n_put_in = self.readers["transfers"].n_read - first + len(judged)
        if old is None or n_put_in * A_ROW > self.memory:
            return super()._put_rows(writer, rows, rank, n_rows)
        rows.only(judged, first)
        found = [*rows.in_order(rank)]
        new = pa.concat_tables([writer.finished(batch) for batch in found]) if found else writer.empty
        numbers = np.concatenate([np.empty(0, np.int64), *(batch[ROW].to_numpy() for batch in found)])
        merge = Merge(old, judged, new.combine_chunks(), numbers)
        if "transfers" in self.state.sums:
            gone, came = (sum_rows("transfers", rows) for rows in (merge.rows_gone, new))
            self.sums["transfers"] = self.state.sums["transfers"] - gone + came
        self.parts.touched, done = merge.touched(self.parted_by), 0
        with writer:
            for some, places in merge:
                writer.put(some, places)
                done += len(some)
                self.progress("ordering transfers", done / max(n_rows, 1))
        return done


@returning_memory()
def update(
    store: Store | str | Path,
    new_rows: Any,
    *,
    delimiter: str | None = None,
    now: Moment | None = None,
    memory: str | None = None,
    progress: Progress | None = None,
) -> Store:
    """Add rows to a store: those of new days, late ones of old days, repeats, reversals, and any table beside.

    The store is then what `prepare` makes of all rows, the old ones first: rows that come again are left out as exact
    duplicates, an id that comes again with other content is rejected in both rows, a reversal is held against its
    original. `header.changed_days` of the store says which days (UTC) have other transfers than before. Parquet files
    whose rows are the same stay as they are; mapped columns are written again.

    Parameters
    ----------
    store : Store or path
    new_rows : path, mapping or table
        As for `read_dataset`; read with the options that the store was prepared with. Columns that the rows before do
        not have are refused.
    delimiter : str, optional
        Delimiter of CSV files. Found from the header row if not given.
    now : moment, optional
        Moment after which a time is in the future; the clock of the machine by default.
    memory : str, optional
        How much memory to take, as for `prepare`.
    progress : callable, optional
        Called with the stage in words and the fraction done.

    Raises
    ------
    DataError
        If the new rows cannot be read, or the store is damaged or holds pseudonyms; it stays as it is then.
    OSError
        If the disk is full; the store stays as it is.

    Notes
    -----
    New rows are parsed, old ones are not. The new rows are sorted, with those that are judged together with others (ids
    that come again, reversals), and merged into the old columns in one pass: O(n + new log n) on disk. All rows are
    sorted again where ids are spelt anew, where there are columns of types that are not mapped, or where the rows that
    are sorted take more than the memory.
    """
    limit = memory_limit(memory)
    opened = open_store(store, verify=False)
    place, header = opened.path, opened.header
    if not any(name.startswith(f"{ROWS}/") for name in header.files):
        raise DataError(
            f"{place.name}: holds pseudonyms, and so not the rows as they were read, which an update needs. Prepare it "
            "again from all rows."
        )
    check_output(place, kinds.STORE, inputs=[new_rows])
    check_files(place, header, below=[ROWS, MAPPED], progress=progress, sum_of=sha256)
    state = State(place)
    with new_folder(place, kinds.STORE) as folder, telling_space(folder), holding_at_most(limit):
        old = Old(place / "transfers", header.parts, header.days)
        kind = partial(Updating, folder=folder, memory=limit, old=old, state=state, store=opened)
        job = begin(kind, new_rows, delimiter=delimiter, now=now, progress=progress, **state.options)
        put_store(job.finish(), job, folder, header.days)
    return open_store(place, verify=False)
