"""How much of the files of a table has come in, and how much has come out of them: progress, and a bound.

Two megabytes of gzip can hold two gigabytes of equal rows, and a Parquet file of a few kilobytes billions of them. So
what comes out of compressed and Parquet files may be at most `MOST_TIMES` their size and `MOST_BYTES` in all; the
first `FREE_BYTES` are free, since small files of equal rows are common. Whoever has files that expand further sets
`MULEDETECT_MAX_EXPANSION` (times) or `MULEDETECT_MAX_EXPANDED` (GiB) in the environment.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder) / "small.csv"
...     _ = path.write_bytes(b"a,b\\n1,2\\n")
...     intake = Intake("transfers", [path])
...     [(block, intake.share) for block in intake.blocks(path, 4)]
[(b'a,b\\n', 0.5), (b'1,2\\n', 1.0)]
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from muledetect.errors import DataError, OptionError

#: What comes out of compressed files may be so many times their size ...
MOST_TIMES: Final = 100
#: ... and so many bytes in all, for the files of one table.
MOST_BYTES: Final = 64 << 30
#: So much may come out of any file.
FREE_BYTES: Final = 256 << 20
TIMES_VARIABLE: Final = "MULEDETECT_MAX_EXPANSION"
BYTES_VARIABLE: Final = "MULEDETECT_MAX_EXPANDED"
#: What a cell of a Parquet file takes in memory, at least nearly.
_CELL_BYTES: Final = 8
_BATCH_ROWS: Final = 1 << 17
_CODECS: Final = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4"}


class Intake:
    """The files of one table while they are read, one after the other.

    Errors call the files `where`: the table, or the file. `files` are all of them, before the first is opened: the
    bound is that of all together. If more comes out than it allows, reading raises DataError.
    """

    def __init__(self, where: str, files: Sequence[Path]) -> None:
        #: Quotes that were read as plain signs so far, because nothing closes them.
        self.n_mended = 0
        #: Rows so far, and the numbers (from 0) of those with another number of fields than the headings.
        self.n_rows = 0
        self.ragged = array("q")
        self._where = where
        self._n_in = sum(file.stat().st_size for file in files)
        self._n_before = 0
        self._n_now = 0.0
        self._n_out = 0
        self._most_times = _limit(TIMES_VARIABLE, MOST_TIMES)
        self._most_bytes = _limit(BYTES_VARIABLE, MOST_BYTES >> 30) * 2**30

    @property
    def share(self) -> float:
        """How much of the files has been read, 0 to 1."""
        return min((self._n_before + self._n_now) / max(self._n_in, 1), 1.0)

    def blocks(self, path: Path, size: int) -> Iterator[bytes]:
        """Yield what a file holds, plain or compressed (.gz, .zst, .bz2, .lz4), in blocks of at most so many bytes."""
        codec, n_bytes = _CODECS.get(path.suffix.lower()), path.stat().st_size
        with pa.OSFile(str(path)) as file:
            stream = file if codec is None else pa.CompressedInputStream(file, codec)
            try:
                while block := stream.read(size):
                    self._n_now = file.tell()
                    if codec is not None:
                        self._came_out(len(block))
                    yield block
            finally:
                self._ended(n_bytes)

    def open_parquet(self, path: Path, **options: Any) -> pq.ParquetFile:
        """Open a Parquet file after a look at how much it says that it holds."""
        file = pq.ParquetFile(path, **options)
        found = file.metadata
        stored = sum(found.row_group(place).total_byte_size for place in range(found.num_row_groups))
        self._refuse_above(max(stored, found.num_rows * found.num_columns * _CELL_BYTES), f"{found.num_rows:,} rows")
        return file

    def batches(self, path: Path, file: pq.ParquetFile, n_rows: int = _BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a Parquet file in batches; the file is closed at the end."""
        n_bytes, n_seen = path.stat().st_size, 0
        with file:
            for batch in file.iter_batches(batch_size=n_rows):
                n_seen += batch.num_rows
                self.n_rows += batch.num_rows
                self._came_out(batch.nbytes)
                self._n_now = n_bytes * n_seen / max(file.metadata.num_rows, 1)
                yield batch
        self._ended(n_bytes)

    def _ended(self, n_bytes: int) -> None:
        self._n_before, self._n_now = self._n_before + n_bytes, 0.0

    def _came_out(self, n_bytes: int) -> None:
        """Take note that so many more bytes have come out of a file that expands; raise if they are too many."""
        self._n_out += n_bytes
        self._refuse_above(self._n_out, "so far")

    def _refuse_above(self, n_out: int, told: str) -> None:
        if n_out <= FREE_BYTES:
            return
        if n_out > self._n_in * self._most_times:
            raise DataError(
                f"{self._where}: the file expands to more than {self._most_times:g} times its size: "
                f"{n_out / 1e6:,.0f} MB ({told}) from {self._n_in / 1e6:,.2f} MB. No export of a bank does; it may be "
                f"damaged or made to fill the memory. If it is right, set the environment variable "
                f"{TIMES_VARIABLE}={10 * self._most_times:g} or more."
            )
        if n_out > self._most_bytes:
            raise DataError(
                f"{self._where}: the file expands to more than {self._most_bytes / 2**30:g} GiB ({told}), which may "
                f"fill the memory. If there is enough, set the environment variable {BYTES_VARIABLE} to more GiB."
            )


def read_parquet(path: Path, where: str) -> pa.Table:
    """Return a whole Parquet file; one that expands above the bound is a DataError."""
    with Intake(where, [path]).open_parquet(path) as file:
        return file.read()


@contextmanager
def reading_output(folder: str | Path, name: str, command: str) -> Iterator[Path]:
    """Give the file of a table that a command wrote; what cannot be read as that table in the block is a DataError."""
    try:
        yield Path(folder) / f"{name}.parquet"
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise DataError(
            f"{command}: {name}.parquet in {Path(folder).name!r} cannot be read as table {name}; write it with "
            f"`{command}`."
        ) from error


def _limit(variable: str, usual: float) -> float:
    text = os.environ.get(variable, "")
    try:
        limit = float(text) if text else float(usual)
    except ValueError:
        limit = 0.0
    if not limit > 0:
        raise OptionError(f"{variable}: the environment variable must be a number above 0; got {text!r}.")
    return limit
