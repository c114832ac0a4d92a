"""Rows of a store as they were read, before any was held against others: what `update` begins from.

They lie in `rows/`. With the ids in the order in which they were first seen, and what was said of single rows, a
reading that begins from them is the one that read them, at the end of its input.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from muledetect.engine.columns import put_arrow
from muledetect.engine.tables import rows_files, schema_of
from muledetect.records.encode import IdEncoder
from muledetect.records.fingerprint import RowSum
from muledetect.records.reasons import FORMER_NAME
from muledetect.records.stored import map_table

if TYPE_CHECKING:
    from muledetect.engine.build import Building
    from muledetect.engine.spill import Spill
    from muledetect.engine.tables import Finished
    from muledetect.records.rejects import RejectLog

ROWS: Final = "rows"
_STATE: Final = f"{ROWS}/state.json"
_REJECTS: Final = f"{ROWS}/rejects.arrow"
_HELD: Final = f"{ROWS}/held.arrow"
_SCHEMA: Final = f"{ROWS}/transfers.schema.arrow"
_DERIVED: Final = f"{ROWS}/derived.json"
_ROW: Final = "row"
#: Rows that were left out of a table beside the transfers are kept apart if they are at most so many.
LEFT_MOST: Final = 256


def save_state(job: Building, tables: Iterable[str] | None) -> None:
    """Write what a reading holds when all of its input has been read; `tables` are those that it was told to read."""
    log, readers, options, folder = job.log, job.readers, job.options, job.folder
    said = {
        "options": {
            "currency": options.currency, "money": options.money, "decimal": options.decimal,
            "source_tz": options.source_tz, "tick": job.tick, "tables": None if tables is None else list(tables),
        },
        "is_currency_stated": job.is_currency_stated,
        "n_read": {name: reader.n_read for name, reader in readers.items()},
        "doubts": [[*key, *found] for key, found in sorted(log.doubts.items())],
    }  # fmt: skip
    put_arrow(log.to_table(), folder / _REJECTS)
    put_arrow(job.spill.schema.empty_table(), folder / _SCHEMA)
    if job.spill.held:
        held = {name: pa.chunked_array(chunks) for name, chunks in job.spill.held.items()}
        put_arrow(pa.table({_ROW: np.concatenate(job.spill.numbers), **held}), folder / _HELD)
    encoders = {"accounts": job.accounts} | {f"of.{name}": one for name, one in readers["transfers"].encoders.items()}
    for name, encoder in encoders.items():
        put_arrow(pa.table({"value": encoder.ids()}), folder / ROWS / f"ids.{name}.arrow")
    (folder / _STATE).write_text(json.dumps(said, indent=1) + "\n", "utf-8", newline="\n")


def codes_file(name: str) -> str:
    """Return the name of the file that has the codes of the sorted values of a coded column of the transfers."""
    return f"codes.{name}.npy"


def save_derived(job: Building) -> None:
    """Write what was derived of the rows: sums, and which rows of the tables beside the transfers were left out."""
    said = {
        "sums": {name: [found.n_rows, *found.lanes] for name, found in job.sums.items()},
        "as_read": sorted(name for name, is_so in job.is_as_read.items() if is_so),
    }
    for name, rows in job.left_out.items():
        if job.is_as_read[name]:
            put_arrow(rows, job.folder / ROWS / _left_file(name))
    (job.folder / _DERIVED).write_text(json.dumps(said, indent=1) + "\n", "utf-8", newline="\n")


def _left_file(name: str) -> str:
    return f"left.{name}.arrow"


class State:
    """The state that a store holds. `known` are the columns of each of its tables, and their types."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        said = json.loads((folder / _STATE).read_text("utf-8"))
        self.options: dict[str, Any] = said["options"]
        self.is_currency_stated: bool = said["is_currency_stated"]
        self.n_read: dict[str, int] = said["n_read"]
        self._doubts = {tuple(found[:3]): (found[3], found[4]) for found in said["doubts"]}
        self.schema = map_table(folder / _SCHEMA).schema
        derived = folder / _DERIVED
        found = json.loads(derived.read_text("utf-8")) if derived.is_file() else {"sums": {}, "as_read": []}
        #: Sum of the rows of each finished table.
        self.sums = {name: RowSum(n_rows, (first, second)) for name, (n_rows, first, second) in found["sums"].items()}
        self._as_read = frozenset(found["as_read"])

    def files_of(self, name: str) -> list[Path]:
        """Return the files of the rows of a table beside the transfers, as they were read."""
        return rows_files(self._folder / ROWS, name)

    def rows_of(self, finished: Finished) -> pa.Table | None:
        """Return the rows of a table as they were read, from the finished table; None if they are to be read anew."""
        if finished.name not in self._as_read:
            return None
        schema = schema_of(self.files_of(finished.name)[0])
        if any(field.name not in finished.rows.column_names for field in schema):
            return None
        rows = finished.rows.select(schema.names)
        if not rows.schema.equals(schema):
            return None
        place = self._folder / ROWS / _left_file(finished.name)
        return _with_rows(rows, map_table(place)) if place.is_file() else rows

    def known(self, name: str) -> dict[str, pa.DataType] | None:
        """Return the columns of a table, and their types; None if the store has no such table."""
        if name not in self.n_read:
            return None
        schema = self.schema if name == "transfers" else schema_of(self.files_of(name)[0])
        return {field.name: field.type for field in schema}

    def restore_log(self, log: RejectLog, came: Mapping[str, tuple[str, ...]]) -> None:
        """Give a reading the log; `came` are the former names of columns that new files of each table have."""
        # A former name is told of all rows of its table, and the new ones tell it again.
        told = {(table, old, FORMER_NAME) for table, names in came.items() for old in names}
        doubts = {key: found for key, found in self._doubts.items() if key not in told}
        log.restore(map_table(self._folder / _REJECTS), doubts)

    def restore_transfers(self, accounts: IdEncoder, encoders: dict[str, IdEncoder], spill: Spill) -> None:
        """Give a reading the transfers: ids in the order in which they were first seen, and links to the files."""
        accounts.encode(map_table(self._folder / ROWS / "ids.accounts.arrow")["value"].chunk(0))
        for path in sorted((self._folder / ROWS).glob("ids.of.*.arrow")):
            name = path.name.removeprefix("ids.of.").removesuffix(".arrow")
            values = map_table(path)["value"].chunk(0)
            encoders.setdefault(name, IdEncoder(expected=len(values))).encode(values)
        spill.begin(self.schema)
        for path in sorted((self._folder / ROWS / "transfers").glob("*.parquet")):
            os.link(path, spill.next_file("read"))
        if (self._folder / _HELD).is_file():
            held = map_table(self._folder / _HELD)
            spill.numbers = [held[_ROW].combine_chunks().to_numpy()]
            spill.held = {name: held[name].chunks for name in held.column_names if name != _ROW}


def _with_rows(rows: pa.Table, left: pa.Table) -> pa.Table:
    """Return rows with others put in, whose positions afterwards, ascending, stand beside them; nothing is copied."""
    parts, done = [], 0
    others = left.remove_column(0).select(rows.column_names)
    for nth, position in enumerate(left.column(0).to_pylist()):
        parts += [rows.slice(done, position - nth - done), others.slice(nth, 1)]
        done = position - nth
    return pa.concat_tables([*parts, rows.slice(done)])
