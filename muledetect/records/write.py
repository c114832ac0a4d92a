"""Write files so that a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

Write = Callable[[Path], None]


def _write_atomically(writes: Mapping[Path, Write]) -> None:
    """Write all files beside their places, then move them there one after the other."""
    # The temporary name begins with a dot, so a reader of the folder passes over what a killed writer left behind.
    unfinished = {path: path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp") for path in writes}
    try:
        for path, write in writes.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write(unfinished[path])
            with unfinished[path].open("rb+") as written:
                os.fsync(written.fileno())
        for path, complete in unfinished.items():
            complete.replace(path)
    finally:
        for left_over in unfinished.values():
            left_over.unlink(missing_ok=True)


def _parquet_of(table: pa.Table) -> Write:
    return lambda unfinished: pq.write_table(table, unfinished, compression="zstd")


def write_table(table: pa.Table, path: str | Path) -> None:
    """Write one table as Parquet (zstd); `path` holds the old or the new table at any moment."""
    _write_atomically({Path(path): _parquet_of(table)})


def write_tables(tables: Mapping[str, pa.Table], folder: str | Path) -> None:
    """Write every table as `<folder>/<name>.parquet`; other files of the folder stay.

    Nothing is touched until all tables are written. Each file is the old or the new one at any moment, and so is the
    folder but for the instant of the renames.
    """
    _write_atomically({Path(folder) / f"{name}.parquet": _parquet_of(table) for name, table in tables.items()})


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8; `path` holds the old or the new text at any moment."""
    _write_atomically({Path(path): lambda unfinished: _write_utf8(unfinished, text)})


def _write_utf8(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
