"""Write tables and texts; what may be replaced, and how, is told in `muledetect.outputs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from muledetect.frames import as_arrow
from muledetect.outputs import Output, new_file, new_folder
from muledetect.outputs.kinds import TABLE, TEXT, added_tables

#: Rows that a table of `tables_in` gathers before they become one row group.
_ROW_GROUP: Final = 250_000


def put_table(table: Any, path: Path) -> None:
    """Write a table of any library as Parquet (zstd), plainly: to a place that nobody reads yet."""
    pq.write_table(as_arrow(table), path, compression="zstd")


def put_tables(tables: Mapping[str, Any], folder: Path) -> None:
    """Write every table as `<folder>/<name>.parquet`, plainly: to a folder that nobody reads yet."""
    for name, table in tables.items():
        put_table(table, folder / f"{name}.parquet")


def put_text(text: str, path: Path) -> None:
    """Write text as UTF-8, plainly: to a place that nobody reads yet."""
    path.write_text(text, encoding="utf-8", newline="\n")


def write_table(table: Any, path: str | Path, *, output: Output = TABLE, overwrite: bool = False) -> None:
    """Write one table of any library as Parquet (zstd); `path` holds the old or the new table at any moment.

    Parameters
    ----------
    table : table of any library
    path : str or Path
        Its folder is made if need be.
    output : Output
        What the table is; a file is replaced by one of the same kind only.
    overwrite : bool
        Replace the file also if it is not ours, or was changed.

    Raises
    ------
    OutputError
        If the file is there and may not be replaced, see `muledetect.outputs`.
    """
    given = as_arrow(table)
    with new_file(path, output, overwrite=overwrite) as unfinished:
        put_table(given, unfinished)


def write_tables(tables: Mapping[str, Any], folder: str | Path, *, overwrite: bool = False) -> None:
    """Write every table of `tables`, by name, as `<folder>/<name>.parquet`; other files of the folder stay.

    The folder is the old or the new one, whole, at any moment. `overwrite` and the errors are those of `write_table`.
    """
    given = {name: as_arrow(table) for name, table in tables.items()}
    with new_folder(folder, added_tables(TABLE.of, given), overwrite=overwrite) as unfinished:
        put_tables(given, unfinished)


def write_text(path: str | Path, text: str, *, output: Output = TEXT, overwrite: bool = False) -> None:
    """Write text as UTF-8; `path` holds the old or the new text at any moment. Parameters as for `write_table`."""
    with new_file(path, output, overwrite=overwrite) as unfinished:
        put_text(text, unfinished)


@contextmanager
def atomic_parquet(
    path: str | Path, *, output: Output = TABLE, overwrite: bool = False
) -> Iterator[Callable[[pa.Table], None]]:
    """Yield `write(table)`, which appends one row group to a Parquet file (zstd) that appears when the block ends.

    `path` holds the old or the new file at any moment, also after an error or a kill inside the block. Tables are not
    kept in memory. `output`, `overwrite` and the errors are those of `write_table`; also, all tables must have one
    schema, and without any there is a ValueError, for a Parquet file needs a schema.
    """
    with new_file(path, output, overwrite=overwrite) as unfinished, parquet_at(unfinished) as write:
        yield write


@contextmanager
def parquet_at(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    """Yield `write(table)` as `atomic_parquet` does, plainly: to a place that nobody reads yet."""
    with ExitStack() as opened:
        writers: list[pq.ParquetWriter] = []

        def write(table: pa.Table) -> None:
            if not writers:
                # A dictionary of floats that hardly repeat takes half as long again to write, for a larger file.
                coded = [field.name for field in table.schema if not pa.types.is_floating(field.type)]
                writer = pq.ParquetWriter(path, table.schema, compression="zstd", use_dictionary=coded)
                writers.append(opened.enter_context(writer))
            writers[0].write_table(table, row_group_size=max(len(table), 1))

        yield write
        if not writers:
            raise ValueError(f"{path.name}: no table was written. Write an empty one to tell the columns.")


@contextmanager
def tables_in(folder: Path) -> Iterator[Callable[[str, pa.Table], None]]:
    """Yield `put(name, table)`, which appends rows to `<folder>/<name>.parquet`, in a folder that nobody reads yet.

    Memory: up to 250,000 rows a table are held back, so that small pieces become large row groups. The tables of a name
    must have one schema.
    """
    with ExitStack() as opened:
        appends: dict[str, Callable[[pa.Table], None]] = {}
        waiting: dict[str, list[pa.Table]] = {}

        def flush(name: str) -> None:
            if name not in appends:
                appends[name] = opened.enter_context(parquet_at(folder / f"{name}.parquet"))
            appends[name](pa.concat_tables(waiting.pop(name)).combine_chunks())

        def put(name: str, table: pa.Table) -> None:
            waiting.setdefault(name, []).append(table)
            if sum(map(len, waiting[name])) >= _ROW_GROUP:
                flush(name)

        yield put
        for name in list(waiting):
            # An empty rest is written only where nothing else tells the columns.
            if name not in appends or any(map(len, waiting[name])):
                flush(name)
