"""Write files so that a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from muledetect.frames import as_arrow

Write = Callable[[Path], None]


@contextmanager
def _replaced(paths: Iterable[Path]) -> Iterator[dict[Path, Path]]:
    """Yield a place to write beside each path; on leaving they move there one after the other, on an error they go."""
    # The temporary name begins with a dot, so a reader of the folder passes over what a killed writer left behind.
    unfinished = {path: path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp") for path in paths}
    try:
        for path in unfinished:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        for complete in unfinished.values():
            with complete.open("rb+") as written:
                os.fsync(written.fileno())
        for path, complete in unfinished.items():
            complete.replace(path)
    finally:
        for left_over in unfinished.values():
            left_over.unlink(missing_ok=True)


def _write_atomically(writes: Mapping[Path, Write]) -> None:
    with _replaced(writes) as unfinished:
        for path, write in writes.items():
            write(unfinished[path])


def _parquet_of(given: Any) -> Write:
    table = as_arrow(given)
    return lambda unfinished: pq.write_table(table, unfinished, compression="zstd")


def write_table(table: Any, path: str | Path) -> None:
    """Write one table of any library as Parquet (zstd); `path` holds the old or the new table at any moment."""
    _write_atomically({Path(path): _parquet_of(table)})


def write_tables(tables: Mapping[str, Any], folder: str | Path) -> None:
    """Write every table as `<folder>/<name>.parquet`; other files of the folder stay.

    Nothing is touched until all tables are written. Each file is the old or the new one at any moment, and so is the
    folder but for the instant of the renames.
    """
    _write_atomically({Path(folder) / f"{name}.parquet": _parquet_of(table) for name, table in tables.items()})


@contextmanager
def atomic_parquet(path: str | Path) -> Iterator[Callable[[pa.Table], None]]:
    """Yield `write(table)`, which appends one row group to a Parquet file (zstd) that appears when the block ends.

    `path` holds the old or the new file at any moment, also after an error or a kill inside the block. Memory: the
    tables are not kept.

    Parameters
    ----------
    path : str or Path
        Its folder is made if need be.

    Raises
    ------
    ValueError
        If a table's schema differs from the first one's, or if nothing was written: a Parquet file needs a schema.
    """
    place = Path(path)
    with _replaced([place]) as unfinished, ExitStack() as opened:
        writers: list[pq.ParquetWriter] = []

        def write(table: pa.Table) -> None:
            if not writers:
                # A dictionary of floats that hardly repeat takes half as long again to write, for a larger file.
                coded = [field.name for field in table.schema if not pa.types.is_floating(field.type)]
                writer = pq.ParquetWriter(unfinished[place], table.schema, compression="zstd", use_dictionary=coded)
                writers.append(opened.enter_context(writer))
            writers[0].write_table(table, row_group_size=max(len(table), 1))

        yield write
        if not writers:
            raise ValueError(f"{place}: no table was written. Write an empty one to tell the columns.")


#: Rows that a table of `atomic_tables` gathers before they become one row group.
_ROW_GROUP = 250_000


@contextmanager
def atomic_tables(folder: str | Path) -> Iterator[Callable[[str, pa.Table], None]]:
    """Yield `put(name, table)`, which appends rows to `<folder>/<name>.parquet`; all files appear when the block ends.

    Each file is the old or the new one at any moment, and all stay old if the block fails. Memory: up to
    250,000 rows a table are held back, so that small pieces become large row groups.

    Parameters
    ----------
    folder : str or Path
        Is made if need be; its other files stay.

    Raises
    ------
    ValueError
        If a table's schema differs from the first one's of that name.
    """
    with ExitStack() as opened:
        appends: dict[str, Callable[[pa.Table], None]] = {}
        waiting: dict[str, list[pa.Table]] = {}

        def flush(name: str) -> None:
            if name not in appends:
                appends[name] = opened.enter_context(atomic_parquet(Path(folder) / f"{name}.parquet"))
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


def write_file(path: str | Path, write: Write) -> None:
    """Call `write` with a place beside `path` to write a file to; `path` holds the old or the new one at any moment."""
    _write_atomically({Path(path): write})


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8; `path` holds the old or the new text at any moment."""
    _write_atomically({Path(path): lambda unfinished: _write_utf8(unfinished, text)})


def _write_utf8(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
