"""A disk that is full: how much is needed is told."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

_FULL = (errno.ENOSPC, errno.EDQUOT)
_WORDS = ("No space left", "disk space", "Disk quota")


@contextmanager
def telling_space(folder: Path) -> Iterator[None]:
    """Let the error of a full disk, also DuckDB's, say how much was written when it happened and how much is free."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        number = getattr(error, "errno", None)
        if number not in _FULL and not any(word in str(error) for word in _WORDS):
            raise
        written = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        free = shutil.disk_usage(folder).free
        told = (
            f"the disk is full: {written / 1e9:,.2f} GB were written, {free / 1e9:,.2f} GB are free. A store needs "
            "about three times the bytes of its transfers as plain columns while it is made, and half of that later"
        )
        raise OSError(errno.ENOSPC, told, os.fspath(folder.parent)) from error
