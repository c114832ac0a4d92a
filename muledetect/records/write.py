"""Write files so that a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def _write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # The temporary name begins with a dot, so a reader of the folder passes over what a killed writer left behind.
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        write(unfinished)
        with unfinished.open("rb+") as written:
            os.fsync(written.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_table(table: pa.Table, path: str | Path) -> None:
    """Write one table as Parquet (zstd); `path` holds the old or the new table at any moment."""
    _write_atomically(Path(path), lambda unfinished: pq.write_table(table, unfinished, compression="zstd"))


def write_tables(tables: Mapping[str, pa.Table], folder: str | Path) -> None:
    """Write every table as `<folder>/<name>.parquet`, each atomically; other files of the folder stay."""
    for name, table in tables.items():
        write_table(table, Path(folder) / f"{name}.parquet")


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8; `path` holds the old or the new text at any moment."""
    _write_atomically(Path(path), lambda unfinished: _write_utf8(unfinished, text))


def _write_utf8(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
