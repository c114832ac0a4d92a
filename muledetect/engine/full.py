"""A disk that is full, or memory that is too little: what is needed is told."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from muledetect.errors import OptionError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_WORDS = ("No space left", "disk space", "Disk quota")


@contextmanager
def telling_space(folder: Path) -> Iterator[None]:
    """Let the error of a full disk, also DuckDB's, say how much was written when it happened and how much is free.

    Too little memory for DuckDB is an OptionError.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise OptionError(
            "memory: it is not enough to sort the transfers beside the ids that are held. Give more, such as "
            "--memory 8GB, or MULEDETECT_MEMORY; docs/store.md says what is held."
        ) from error
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
