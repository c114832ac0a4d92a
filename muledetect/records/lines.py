"""Text files as streams of whole lines in UTF-8, with quotes that hold: what every CSV reader of ours reads from.

A quote that nothing closes makes a CSV reader swallow the rows below it, and the row then has another row's amount.
Here a quoted cell may go over several lines only if it is closed as a cell is, its row has as many fields as the
headings, and no line inside it looks like a row. Any other quote is a plain sign of its cell: it is read so, counted
and told.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder) / "export.csv"
...     _ = path.write_bytes(b'1,"open,5.00\\n2,7" tablet,6.00\\n3,"two\\nlines",7.00\\n')
...     text = TextStream(path, delimiter=",", width=3)
...     text.read(100), text.intake.n_mended
(b'1,\"\"\"open\",5.00\\n2,7" tablet,6.00\\n3,"two\\nlines",7.00\\n', 1)
"""

from __future__ import annotations

import codecs
import io
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from muledetect.errors import DataError
from muledetect.records.intake import Intake

#: What a damaged or cut file raises while it is read.
BROKEN: Final = (pa.ArrowException, OSError, EOFError, ValueError)
_BLOCK_BYTES: Final = 1 << 23
#: A single line longer than this is no row of a table.
_MOST_LINE: Final = 1 << 24
_LOOK_BACK: Final = 1 << 16
_MARK: Final = codecs.BOM_UTF8
_UTF8: Final = ("utf-8", "ascii")

#: First bytes of files that are no text tables, what they are, and what to do.
_KINDS: Final = (
    (b"PK\x03\x04", "a spreadsheet or a zip archive (its bytes begin with PK)", "save it as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet (OLE, as .xls)", "open it and save it as CSV"),
    (b"%PDF", "a PDF", "export CSV from the bank's system; tables are not read out of a PDF"),
    (b"PAR1", "a Parquet file", "name it .parquet"),
    (b"\x1f\x8b", "compressed (gzip)", "name it .csv.gz"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd)", "name it .csv.zst"),
    (b"{\\rtf", "a text document (RTF)", "save it as CSV"),
)
_PAGES: Final = (b"<!doctype html", b"<html", b"<table", b"<head", b"<body", b"<meta")


def refuse_other_kinds(name: str, start: bytes) -> None:
    """Raise a DataError if a file that should be a text table begins as another kind of file does."""
    for begin, what, mend in _KINDS:
        if start.startswith(begin):
            raise DataError(f"{name}: is no CSV but {what}. To mend it: {mend}.")
    head = start[:1000].removeprefix(_MARK).replace(b"\x00", b"").lstrip(b"\xff\xfe \t\r\n").lower()
    if head.startswith(_PAGES) or (head.startswith((b"<?xml", b"<!--")) and b"<html" in head):
        raise DataError(f"{name}: is no CSV but a web page (HTML). Some banks name it .xls or .csv: save it as CSV.")
    if head.startswith((b"<?xml", b"<document")):
        raise DataError(
            f"{name}: is no CSV but XML. Messages such as camt.053: `muledetect import iso20022`; of others, CSV."
        )


def is_utf16(start: bytes) -> str | None:
    """Return which UTF-16 bytes without a byte-order mark are, None if they are not: every other byte is zero."""
    pairs = start[: min(len(start), 1000) // 2 * 2]
    if len(pairs) < 4:
        return None
    low, high = pairs[0::2].count(0), pairs[1::2].count(0)
    most = len(pairs) // 2
    if high * 10 > most * 4 and low * 10 < most:
        return "utf-16-le"
    return "utf-16-be" if low * 10 > most * 4 and high * 10 < most else None


class TextStream(io.RawIOBase):
    """A file of bytes, as Arrow reads one: whole lines in UTF-8, quotes mended, byte-order marks left out.

    The file is plain, .gz or .zst; `width` is the number of fields of a row; `skip` lines at the top are passed over,
    as they stand. `intake` is that of all files of the table, of this file alone if not given; it counts mended quotes.
    A NUL byte, a line of more than 16 MiB, or more than the intake allows is a DataError while reading, bytes that are
    not in the encoding a UnicodeDecodeError; those of UTF-8 are looked at by whoever reads them.
    """

    def __init__(
        self, path: Path, *, delimiter: str, width: int, encoding: str = "utf-8", skip: int = 0,
        intake: Intake | None = None,
    ) -> None:  # fmt: skip
        self.intake = intake or Intake(path.name, [path])
        self._path = path
        self._raw = self.intake.blocks(path, _BLOCK_BYTES)
        name = codecs.lookup(encoding).name.removesuffix("-sig")
        self._decoder = None if name in _UTF8 else codecs.getincrementaldecoder(encoding)()
        self._delimiter = ord(delimiter)
        self._width = max(width, 1)
        self._skip = skip
        self._encoding = encoding
        self._carry = b""
        self._ready = b""
        self._before = b""
        self._is_end = False
        self._digits = np.zeros(self._width, np.bool_)

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, all for -1; none at the end."""
        if size < 0:
            return self.readall()
        while not self._ready and not self._is_end:
            self._ready = self._next()
        ready = self._ready
        self._ready = ready[size:]
        return ready[:size] if self._ready else ready

    def _next(self) -> bytes:
        """Return the next whole lines, mended; perhaps none."""
        raw = next(self._raw, b"")
        self._is_end = not raw
        if self._decoder is not None:
            raw = self._decoder.decode(raw, self._is_end).encode()
        if b"\x00" in raw:
            raise _nul_in(self._path, self._encoding)
        lines = self._cut(raw)
        if self._skip and lines:
            passed = lines.splitlines(keepends=True)[: self._skip]
            self._skip -= len(passed)
            lines = lines[sum(map(len, passed)) :]
        if b"\xef" in lines:  # two exports put one after the other have a mark in the middle
            lines = lines.removeprefix(_MARK).replace(b"\n" + _MARK, b"\n").replace(b"\r" + _MARK, b"\r")
        if b'"' in lines:
            return self._mend(lines)
        self._before = lines or self._before
        return lines

    def _cut(self, raw: bytes) -> bytes:
        """Return the whole lines of what was carried and of what comes, and carry the rest."""
        if self._is_end:
            lines, self._carry = self._carry, b""
            return lines
        end = raw.rfind(b"\n") + 1 or raw.rfind(b"\r", 0, len(raw) - 1) + 1
        lines = b"".join((self._carry, memoryview(raw)[:end])) if end else b""
        self._carry = raw[end:] if end else self._carry + raw
        if len(self._carry) > _MOST_LINE:
            raise DataError(
                f"{self._path.name}: a line is longer than {_MOST_LINE >> 20} MiB, so it is no table of rows. Check "
                "what the file is."
            )
        return lines

    def _mend(self, lines: bytes) -> bytes:
        """Return lines in which every quote is closed; what is not known yet is carried."""
        from muledetect.records.quotes import find_strays  # noqa: PLC0415 - most files hold no quote, and compile nothing

        self._look_back(find_strays)
        text = np.frombuffer(lines, np.uint8)
        edits = np.empty(3 * lines.count(b'"') + 1, np.int64)
        end, n_edits, n_mended = find_strays(text, self._delimiter, self._width, self._is_end, self._digits, edits)
        self.intake.n_mended += n_mended
        self._carry = lines[end:] + self._carry
        if not n_edits:
            return lines[:end]
        return np.insert(text[:end], edits[:n_edits], ord('"')).tobytes()

    def _look_back(self, find_strays: Any) -> None:
        """Learn where a row has digits from the last lines without quotes."""
        if self._before:
            start = max(len(self._before) - _LOOK_BACK, 0)
            start = self._before.find(b"\n", start) + 1 if start else 0
            text = np.frombuffer(self._before, np.uint8)[start:]
            find_strays(text, self._delimiter, self._width, True, self._digits, np.empty(1, np.int64))
            self._before = b""


def _nul_in(path: Path, encoding: str) -> DataError:
    """Return the error that says in which line a NUL byte is."""
    with pa.input_stream(str(path), compression="detect") as stream:
        decoder = codecs.getincrementaldecoder(encoding)()
        line = 1
        while raw := stream.read(_BLOCK_BYTES):
            text = decoder.decode(raw)
            before, nul, _ = text.partition("\x00")
            line += before.count("\n")
            if nul:
                break
    return DataError(
        f"{path.name}: line {line:,} holds a NUL byte (0x00), which no text has; the file is damaged, or is no text. "
        "Export it again, or take the byte out: tr -d '\\000' < FILE > NEW_FILE."
    )
