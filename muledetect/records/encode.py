"""Turn id strings into int32 codes, exactly and once.

Bytes are hashed, looked up by open addressing and compared, so two ids get one code only if they are equal. Usual
dictionary encoders take ten times as long on twenty million ids, and the strings need not be kept afterwards.

>>> encoder = IdEncoder()
>>> encoder.encode(pa.array(["b", "a", None, "b"])).tolist()
[0, 1, -1, 0]
>>> ids, rank = encoder.finish()
>>> ids.to_pylist(), rank.tolist()
(['a', 'b'], [1, 0])
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

from muledetect.arrays import BoolArray, Int32Array, Int64Array, UInt64Array
from muledetect.errors import DataError
from muledetect.memory import HEAP, Room

Bytes = npt.NDArray[np.uint8]

#: Odd 64-bit constants of the splitmix64 and murmur3 finalisers.
_K1: Final = np.uint64(0x9E3779B97F4A7C15)
_K2: Final = np.uint64(0xBF58476D1CE4E5B9)
_K3: Final = np.uint64(0x94D049BB133111EB)
_SHIFT_30: Final = np.uint64(30)
_SHIFT_27: Final = np.uint64(27)
_SHIFT_31: Final = np.uint64(31)
_SHIFT_32: Final = np.uint64(32)
_LOW_32: Final = np.uint64(0xFFFFFFFF)
_FIRST_SLOTS: Final = 1 << 12
#: Rows looked up together; what they touch fits the first-level cache.
_BLOCK: Final = 64


@intrinsic
def _load_word_of(_context: Any, array: Any, at: Any) -> Any:  # noqa: ARG001 - numba reads the names
    """Read eight bytes of a uint8 array at any position as one uint64."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.gep(view.data, [arguments[1]])
        wide = builder.bitcast(pointer, ir.IntType(64).as_pointer())
        return builder.load(wide, align=1)

    return types.uint64(array, types.int64), emit


_load_word: Any = _load_word_of  # the type checker takes the typing context for an argument of the caller


@njit(cache=True, nogil=True, inline="always")
def mix(word: Any) -> Any:
    """Spread every bit of a uint64 over all bits (splitmix64 finaliser)."""
    word = (word ^ (word >> _SHIFT_30)) * _K2
    word = (word ^ (word >> _SHIFT_27)) * _K3
    return word ^ (word >> _SHIFT_31)


@njit(cache=True, nogil=True)
def _hash_span(text: Any, start: Any, length: Any, seed: Any) -> Any:
    state = seed ^ (np.uint64(length) * _K1)
    if length >= 8:
        # The last word overlaps the one before it, so every byte is covered without a byte loop.
        for at in range(start, start + length - 8, 8):
            state = (state ^ _load_word(text, at)) * _K2
            state ^= state >> _SHIFT_31
        last: Any = _load_word(text, start + length - 8)
    else:
        last = np.uint64(0)
        for at in range(start, start + length):
            last = (last << np.uint64(8)) | np.uint64(text[at])
    return mix(state ^ last)


@njit(cache=True, nogil=True)
def _same_span(left: Any, left_start: Any, right: Any, right_start: Any, length: Any) -> Any:
    if length >= 8:
        for at in range(0, length - 8, 8):
            if _load_word(left, left_start + at) != _load_word(right, right_start + at):
                return False
        return _load_word(left, left_start + length - 8) == _load_word(right, right_start + length - 8)
    for at in range(length):  # noqa: SIM110 - a generator would not compile
        if left[left_start + at] != right[right_start + at]:
            return False
    return True


@njit(cache=True, nogil=True)
def _hash_all(offsets: Any, text: Any, seed: Any, out: Any) -> None:
    for row in range(out.size):
        start = np.int64(offsets[row])
        out[row] = _hash_span(text, start, np.int64(offsets[row + 1]) - start, seed)


@njit(cache=True, nogil=True)
def _warm(
    offsets: Any, text: Any, slots: Any, starts: Any, store: Any, first: Any, last: Any, seed: Any,
    fragments: Any, codes: Any,
) -> None:  # fmt: skip
    # Hash a block of rows, and touch what each row will look up, stage by stage. The loads of one stage do not wait
    # for each other, while a row by itself waits for three cache misses in turn; codes[row] is only a place to write.
    mask = np.uint64(slots.size - 1)
    for row in range(first, last):
        start = np.int64(offsets[row])
        fragments[row - first] = _hash_span(text, start, np.int64(offsets[row + 1]) - start, seed) >> _SHIFT_32
    for row in range(first, last):
        codes[row] = max(np.int64(slots[fragments[row - first] & mask] & _LOW_32) - 1, 0)
    for row in range(first, last):
        codes[row] = starts[codes[row]] >> 3
    for row in range(first, last):
        codes[row] = store[min(np.int64(codes[row]) << 3, store.size - 1)]


@njit(cache=True, nogil=True)
def _encode(
    offsets: Any, text: Any, valid: Any, slots: Any, starts: Any, store: Any, n_known: Any, codes: Any, first: Any,
    seed: Any,
) -> Any:  # fmt: skip
    # A slot is 0 when free, else (32 bits of the hash) << 32 | (code + 1). Invariant: codes below n_known lie at
    # store[starts[code]:starts[code + 1]], and at most half of the slots are taken, so a probe always ends.
    mask = np.uint64(slots.size - 1)
    fragments = np.empty(_BLOCK, np.uint64)
    block = first
    ahead = first
    for row in range(first, codes.size):
        if row == ahead:
            block = row
            ahead = min(row + _BLOCK, codes.size)
            _warm(offsets, text, slots, starts, store, row, ahead, seed, fragments, codes)
        if valid.size and not valid[row]:
            codes[row] = -1
            continue
        start = np.int64(offsets[row])
        length = np.int64(offsets[row + 1]) - start
        end = starts[n_known]
        if 2 * (n_known + 1) > slots.size or n_known + 1 >= starts.size or end + length > store.size:
            return row, n_known
        fragment = fragments[row - block]
        at = fragment & mask
        while True:
            slot = slots[at]
            if slot == 0:
                slots[at] = (fragment << _SHIFT_32) | np.uint64(n_known + 1)
                for byte in range(length):
                    store[end + byte] = text[start + byte]
                n_known += 1
                starts[n_known] = end + length
                codes[row] = n_known - 1
                break
            if slot >> _SHIFT_32 == fragment:
                code = np.int64(slot & _LOW_32) - 1
                known = starts[code]
                if starts[code + 1] - known == length and _same_span(text, start, store, known, length):
                    codes[row] = code
                    break
            at = (at + np.uint64(1)) & mask
    return codes.size, n_known


@njit(cache=True, nogil=True)
def _encode_columns(
    offsets: Any, text: Any, valid: Any, slots: Any, starts: Any, stores: Any, seeds: Any, n_known: Any, owner: Any,
    codes: Any, column: Any, row: Any,
) -> Any:  # fmt: skip
    """Encode the columns one after another, from a row of a column on; return where an encoder has no room."""
    n_columns, n_rows = codes.shape
    for c in range(column, n_columns):
        k, low, high = owner[c], c * n_rows, (c + 1) * n_rows
        row, n_known[k] = _encode(
            offsets[low : high + 1], text, valid[low:high], slots[k], starts[k], stores[k], n_known[k], codes[c], row,
            seeds[k],
        )  # fmt: skip
        if row < n_rows:
            return c, row
        row = 0
    return n_columns, 0


@njit(cache=True, nogil=True)
def _find(offsets: Any, text: Any, slots: Any, starts: Any, store: Any, seed: Any) -> Any:
    mask = np.uint64(slots.size - 1)
    codes = np.full(offsets.size - 1, -1, np.int32)
    for row in range(codes.size):
        start = np.int64(offsets[row])
        length = np.int64(offsets[row + 1]) - start
        fragment = _hash_span(text, start, length, seed) >> _SHIFT_32
        at = fragment & mask
        while slots[at] != 0:
            if slots[at] >> _SHIFT_32 == fragment:
                code = np.int64(slots[at] & _LOW_32) - 1
                known = starts[code]
                if starts[code + 1] - known == length and _same_span(text, start, store, known, length):
                    codes[row] = code
                    break
            at = (at + np.uint64(1)) & mask
    return codes


@njit(cache=True, nogil=True)
def _offsets(codes: Any, starts: Any) -> Any:
    """Return where the texts of codes begin when they lie side by side, and where the last one ends."""
    offsets = np.zeros(codes.size + 1, np.int64)
    for row in range(codes.size):
        length = starts[codes[row] + 1] - starts[codes[row]] if codes[row] >= 0 else 0
        offsets[row + 1] = offsets[row] + length
    return offsets


@njit(cache=True, nogil=True)
def _text(codes: Any, starts: Any, store: Any, offsets: Any) -> Any:
    text = np.empty(offsets[-1], np.uint8)
    for row in range(codes.size):
        for byte in range(offsets[row + 1] - offsets[row]):
            text[offsets[row] + byte] = store[starts[codes[row]] + byte]
    return text


@njit(cache=True, nogil=True)
def _count_less(known: Any, known_text: Any, wanted: Any, text: Any) -> Any:
    """Return how many known texts are less than each wanted one, by bytes; both ascend. O(wanted log known)."""
    found, low = np.empty(len(wanted) - 1, np.int64), 0
    for row in range(len(wanted) - 1):
        n, first, last = wanted[row + 1] - wanted[row], low, len(known) - 1
        while first < last:
            middle = (first + last) // 2
            m = known[middle + 1] - known[middle]
            is_less = m < n
            for k in range(min(n, m)):
                one, other = known_text[known[middle] + k], text[wanted[row] + k]
                if one != other:
                    is_less = one < other
                    break
            first, last = (middle + 1, last) if is_less else (first, middle)
        found[row] = low = first
    return found


@njit(cache=True, nogil=True)
def _rehash(old: Any, new: Any) -> None:
    mask = np.uint64(new.size - 1)
    for slot in old:
        if slot != 0:
            at = (slot >> _SHIFT_32) & mask
            while new[at] != 0:
                at = (at + np.uint64(1)) & mask
            new[at] = slot


def string_parts(ids: pa.StringArray) -> tuple[Int32Array, Bytes]:
    """Return the offsets and the bytes of a string array without copying; the bytes are never empty."""
    _, offsets, text = ids.buffers()
    if len(ids) == 0 or offsets is None:
        return np.zeros(1, np.int32), np.zeros(1, np.uint8)
    ends = np.frombuffer(offsets, np.int32, len(ids) + 1, ids.offset * 4)
    if text is None or text.size == 0:
        return ends, np.zeros(1, np.uint8)
    return ends, np.frombuffer(text, np.uint8)


def _parts_of(texts: Sequence[str | None]) -> tuple[Int64Array, Bytes, BoolArray]:
    """Return the offsets and the bytes of some texts, and which are not None; the bytes are never empty."""
    text = "".join(filter(None, texts))
    parts = texts if text.isascii() else [one and one.encode() for one in texts]  # or a byte a sign
    lengths = np.array([-1 if one is None else len(one) for one in parts], np.int64)
    offsets, valid = _bounds(lengths)
    return offsets, np.frombuffer(text.encode() or b"\0", np.uint8), valid


@njit(cache=True, nogil=True)
def _bounds(lengths: Any) -> Any:
    """Return the offsets of texts of some lengths, and which there are; -1 for none."""
    offsets, valid = np.zeros(lengths.size + 1, np.int64), lengths >= 0
    for row in range(lengths.size):
        offsets[row + 1] = offsets[row] + max(lengths[row], 0)
    return offsets, valid


def hash_strings(ids: pa.StringArray, seed: int = 0) -> UInt64Array:
    """Return a 64-bit hash of every string, uint64; a null hashes as the empty string. Not cryptographic."""
    offsets, text = string_parts(ids)
    hashes = np.empty(len(ids), np.uint64)
    _hash_all(offsets, text, np.uint64(seed), hashes)
    return hashes


class Sorted(NamedTuple):
    """Different ids in byte order, and the codes that an encoder has for them; without codes it may lack some."""

    ids: pa.StringArray
    codes: Int32Array | None = None


class IdEncoder:
    """Growing dictionary of ids. Codes follow first appearance until `finish` gives the sorted dictionary.

    Parameters
    ----------
    room : Room
        Where the dictionary is kept.
    expected : int
        About how many ids will come; more or fewer may.
    """

    def __init__(self, room: Room = HEAP, expected: int = 0) -> None:
        # A secret seed, because ids come from strangers who could prepare collisions; codes do not depend on it.
        self._seed = np.uint64(secrets.randbits(64))
        self._room = room
        n_slots = max(_FIRST_SLOTS, 1 << (2 * expected).bit_length())
        self._slots: UInt64Array = np.zeros(n_slots, np.uint64)
        self._starts: Int64Array = np.zeros(n_slots // 2, np.int64)
        self._store: Bytes = np.zeros(n_slots * 8, np.uint8)
        self._n_known = 0

    def __len__(self) -> int:
        return self._n_known

    def encode(self, ids: pa.Array) -> Int32Array:
        """Return the code of every id, int32; -1 for null. `ids` is text, or a dictionary of text."""
        if pa.types.is_dictionary(ids.type):
            # Only what occurs is learnt: categories of a frame that no row has are no ids.
            indices = ids.indices.cast(pa.int32()).fill_null(-1).to_numpy(zero_copy_only=False)
            occurs = np.zeros(len(ids.dictionary) + 1, np.bool_)
            occurs[indices] = True
            mapped = np.full(len(occurs), np.int32(-1), np.int32)
            values = ids.dictionary.cast(pa.string()).filter(pa.array(occurs[:-1]))
            mapped[:-1][occurs[:-1]] = self.encode(values)
            codes: Int32Array = mapped[indices]
            return codes
        texts = ids if ids.type == pa.string() else ids.cast(pa.string())
        valid = np.empty(0, np.bool_) if texts.null_count == 0 else texts.is_valid().to_numpy(zero_copy_only=False)
        return self._learnt(*string_parts(texts), valid)

    def _learnt(self, offsets: Int32Array, text: Bytes, valid: BoolArray) -> Int32Array:
        codes = np.empty(len(offsets) - 1, np.int32)
        row = 0
        while True:
            row, self._n_known = _encode(
                offsets, text, valid, self._slots, self._starts, self._store, self._n_known, codes, row, self._seed
            )
            if row == codes.size:
                return codes
            self._grow(int(offsets[row + 1]) - int(offsets[row]))

    def _grow(self, length: int) -> None:
        if 2 * (self._n_known + 1) > self._slots.size:
            slots = self._room.full(self._slots.size * 2, 0, np.uint64)
            _rehash(self._slots, slots)
            self._slots = slots
        if self._n_known + 1 >= self._starts.size:
            self._starts = self._room.longer(self._starts, 2 * self._starts.size)
        used = int(self._starts[self._n_known])
        if used + length > self._store.size:
            self._store = self._room.longer(self._store, max(self._store.size * 3 // 2, used + 2 * length))

    def reserve(self, n: int) -> None:
        """Make room for `n` more ids of usual length, so that none of them waits until all others have moved."""
        n_known, used = self._n_known, int(self._starts[self._n_known])
        while 2 * (n_known + n + 1) > self._slots.size:
            slots = self._room.full(self._slots.size * 2, 0, np.uint64)
            _rehash(self._slots, slots)
            self._slots = slots
        if n_known + n + 1 >= self._starts.size:
            self._starts = self._room.longer(self._starts, n_known + n + 2)
        n_bytes = used + n * (used // max(1, n_known) + 8)
        if n_bytes > self._store.size:
            self._store = self._room.longer(self._store, n_bytes)

    def ids(self) -> pa.StringArray:
        """Return the ids by code; some that are not UTF-8, or 2 GiB of them, are a DataError."""
        starts = self._starts[: self._n_known + 1]
        if starts[-1] > np.iinfo(np.int32).max:
            raise DataError("ids: the distinct ids of one column take more than 2 GiB. Shorten the ids.")
        offsets = pa.py_buffer(starts.astype(np.int32))
        text = pa.py_buffer(self._store[: starts[-1]].copy())
        ids = pa.StringArray.from_buffers(self._n_known, offsets, text)
        try:
            ids.validate(full=True)
        except pa.ArrowInvalid as error:
            raise DataError("ids: some are not UTF-8 text. Export them as UTF-8.") from error
        return ids

    def take(self, codes: Int32Array) -> pa.StringArray:
        """Return the ids of some codes, null for -1. O(their bytes), however many ids are known."""
        offsets = _offsets(codes, self._starts)
        if offsets[-1] > np.iinfo(np.int32).max:
            raise DataError("ids: those that are asked for take more than 2 GiB. Ask for fewer.")
        valid = pa.py_buffer(np.packbits(codes >= 0, bitorder="little")) if (codes < 0).any() else None
        buffers = [
            valid,
            pa.py_buffer(offsets.astype(np.int32)),
            pa.py_buffer(_text(codes, self._starts, self._store, offsets)),
        ]
        return pa.Array.from_buffers(pa.string(), len(codes), buffers)

    def find(self, ids: pa.StringArray) -> Int32Array:
        """Return the code of every id, -1 for null and for an id that is not known; none is learnt."""
        offsets, text = string_parts(ids)
        codes: Int32Array = _find(offsets, text, self._slots, self._starts, self._store, self._seed)
        codes[ids.is_null().to_numpy(zero_copy_only=False)] = -1
        return codes

    def find_texts(self, texts: Sequence[str]) -> Int32Array:
        """Return the code of every text as `find` does; for a few texts, without Arrow."""
        offsets, text, _ = _parts_of(texts)
        found: Int32Array = _find(offsets, text, self._slots, self._starts, self._store, self._seed)
        return found

    @property
    def nbytes(self) -> int:
        """Bytes that the dictionary takes."""
        return self._slots.nbytes + self._starts.nbytes + self._store.nbytes

    def finish(
        self,
        rename: Callable[[pa.StringArray], pa.StringArray] | None = None,
        known: Sorted | None = None,
    ) -> tuple[pa.StringArray, Int32Array]:
        """Return the ids, renamed if told so, in byte order, and the place of every code in it (int32).

        With `known`, only ids that are not among those are sorted. O(n).
        """
        if known is not None and not rename:
            return self._finish_beside(known)
        ids = rename(self.ids()) if rename else self.ids()
        order = pc.array_sort_indices(ids)
        rank = np.empty(len(ids), np.int32)
        rank[order.to_numpy()] = np.arange(len(ids), dtype=np.int32)
        return ids.take(order), rank

    def _finish_beside(self, known: Sorted) -> tuple[pa.StringArray, Int32Array]:
        ids, rank = known.ids, np.full(len(self), -1, np.int32)
        codes = self.find(ids) if known.codes is None else known.codes
        if (codes < 0).any():
            ids, codes = ids.filter(pa.array(codes >= 0)), codes[codes >= 0]
        rank[codes] = 0
        others = np.flatnonzero(rank < 0).astype(np.int32)
        texts = self.take(others)
        order = pc.array_sort_indices(texts).to_numpy()
        more = texts.take(pa.array(order))
        before = _count_less(*string_parts(ids), *string_parts(more))
        rank[np.insert(codes, before, others[order])] = np.arange(len(self), dtype=np.int32)
        places = np.insert(np.arange(len(ids)), before, len(ids) + np.arange(len(more)))
        return pa.concat_arrays([ids, more]).take(pa.array(places)), rank


def encode_columns(
    encoders: Mapping[str, IdEncoder], columns: Mapping[str, Sequence[str | None]]
) -> dict[str, Int32Array]:
    """Return the codes of some columns of a table, as `IdEncoder.encode` gives them for one after another.

    For a few rows: all of it is one call of a kernel, without Arrow. It is compiled for each number of encoders.

    Parameters
    ----------
    encoders : mapping of column name -> IdEncoder
        Of all columns of text that the table has; several may have the same.
    columns : mapping of column name -> sequence of str or None
        Equally long.
    """
    if not columns:
        return {}
    place = {one: k for k, one in enumerate(dict.fromkeys(encoders.values()))}
    different, owner = list(place), np.array([place[encoders[name]] for name in columns])
    texts = [*itertools.chain.from_iterable(columns.values())]
    offsets, text, valid = _parts_of(texts)
    codes = np.empty((len(columns), len(texts) // len(columns)), np.int32)
    seeds, column, row = np.array([one._seed for one in different], np.uint64), 0, 0
    while True:
        n_known = np.array([one._n_known for one in different])
        column, row = _encode_columns(
            offsets, text, valid, tuple([one._slots for one in different]), tuple([one._starts for one in different]),
            tuple([one._store for one in different]), seeds, n_known, owner, codes, column, row,
        )  # fmt: skip
        for one, n in zip(different, n_known.tolist(), strict=True):
            one._n_known = n
        if column == len(columns):
            return dict(zip(columns, codes, strict=True))
        full = column * codes.shape[1] + row
        different[owner[column]]._grow(int(offsets[full + 1]) - int(offsets[full]))
