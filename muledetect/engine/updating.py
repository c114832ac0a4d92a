"""`update` adds late and new rows to a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from muledetect.clock import Moment
from muledetect.engine.build import Building
from muledetect.engine.full import telling_space
from muledetect.engine.making import put_store
from muledetect.engine.memory import memory_limit
from muledetect.engine.opened import Store, open_store
from muledetect.engine.parts import Old
from muledetect.engine.state import ROWS, State
from muledetect.errors import DataError
from muledetect.outputs import check_output, kinds, new_folder
from muledetect.progress import Progress
from muledetect.records.read import begin
from muledetect.records.reading import returning_memory
from muledetect.records.sources import TableSource
from muledetect.records.stored import check_files
from muledetect.records.table import TableReader
from muledetect.schema import INPUTS


@dataclass
class Updating(Building):
    """A reading that begins where the one of an old store ended its input."""

    state: State = field(kw_only=True)

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
        old = None if is_transfers or known is None else state.rows_of(name)
        keep = self.spill.keep if is_transfers else self._table_spill(name, old).keep
        reader = TableReader(INPUTS[name], self.options, self.log, self.accounts, keep=keep, known=known)
        reader.n_read = reader.n_before = state.n_read.get(name, 0)
        if is_transfers and reader.n_read:
            state.restore_transfers(self.accounts, reader.encoders, self.spill)
        return reader


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
    New rows are parsed, old ones are not; then all rows are sorted again: O(n log n) on disk.
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
    check_files(place, header, below=[ROWS], progress=progress)
    state = State(place)
    with new_folder(place, kinds.STORE) as folder, telling_space(folder):
        old = Old(place / "transfers", header.parts)
        kind = partial(Updating, folder=folder, memory=limit, old=old, state=state)
        job = begin(kind, new_rows, delimiter=delimiter, now=now, progress=progress, **state.options)
        put_store(job.finish(), job, folder, header.days)
    return open_store(place, verify=False)
