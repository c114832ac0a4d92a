"""Ids and hashes as Arrow strings, built from integers without a Python string a row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.simulation.streams import Bool, Int64, UInt64

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def _strings(letters: npt.NDArray[np.uint8]) -> pa.Array:
    n, width = letters.shape
    offsets = (np.arange(n + 1, dtype=np.int64) * width).astype(np.int64)
    flat = np.ascontiguousarray(letters)
    large = pa.LargeStringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(flat))
    return large.cast(pa.string())


def hex_text(keys: UInt64, missing: Bool | None = None) -> pa.Array:
    """Return 64-bit keys as 16 hex digits; null where `missing`."""
    octets = np.ascontiguousarray(keys).astype(">u8").view(np.uint8).reshape(len(keys), 8)
    letters = np.empty((len(keys), 16), np.uint8)
    letters[:, 0::2] = _HEX[octets >> 4]
    letters[:, 1::2] = _HEX[octets & 15]
    return _masked(_strings(letters), missing)


def digit_text(numbers: Int64, width: int, prefix: str = "", missing: Bool | None = None) -> pa.Array:
    """Return non-negative numbers as text of `width` digits with leading zeros after `prefix`."""
    head = np.frombuffer(prefix.encode(), np.uint8)
    letters = np.empty((len(numbers), len(head) + width), np.uint8)
    letters[:, : len(head)] = head
    rest = np.where(numbers < 0, 0, numbers)
    for place in range(len(head) + width - 1, len(head) - 1, -1):
        rest, digit = np.divmod(rest, 10)
        letters[:, place] = digit + 48
    return _masked(_strings(letters), missing)


def _masked(strings: pa.Array, missing: Bool | None) -> pa.Array:
    if missing is None:
        return strings
    return pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), strings)


def times(moments: Int64, missing: Bool | None = None) -> pa.Array:
    """Return microseconds as the contract's timestamps; null where `missing`."""
    return pa.array(moments, pa.int64(), mask=missing).cast(pa.timestamp("us", tz="UTC"))
