"""Keyed pseudonyms of account and holder ids: one id, one pseudonym, everywhere; back only with the key.

A pseudonym is "p-" and the id under AES-SIV (RFC 5297) in lower-case base32. It depends on the id and the key alone, so
files that were written with one key fit together. Whoever lacks the key learns which rows speak of the same account and
how long its id is, and nothing else; a pseudonym that was changed, or made with another key, is noticed.

>>> names = Pseudonyms(bytes(64))  # take `new_key` for real ones
>>> names.hide(["007", None, "007"]).to_pylist()
['p-crue2eljfgfv7qj7t7hifbihgcd7prq', None, 'p-crue2eljfgfv7qj7t7hifbihgcd7prq']
>>> names.reveal(names.hide(["007"])).to_pylist()
['007']
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.errors import DataError, OptionError
from muledetect.schema import Table

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

PREFIX: Final = "p-"
#: A sealed id has 16 bytes more than the id, so the letters of the shortest one are 28.
_SHAPE: Final = rf"{PREFIX}[a-z2-7]{{28,}}"
_WHOLE: Final = f"^{_SHAPE}$"
_INSIDE: Final = re.compile(rf"(?<![0-9A-Za-z_-]){_SHAPE}(?![0-9A-Za-z_-])")
_KEY_BYTES: Final = 64
_KEY_HEAD: Final = "muledetect-key-1:"
#: Bound to every pseudonym, so that no other use of the key can be mistaken for one.
_PURPOSE: Final = [b"muledetect: account or holder"]
#: From the letters of base32 to the digits that Python writes to the base of 32.
_DIGITS: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")
_LETTERS: Final = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", np.uint8)
_BATCH: Final = 1 << 17
_MOST_BYTES: Final = 2**31 - 1

Change = Callable[[pa.StringArray], pa.StringArray]


@dataclass(frozen=True)
class Pseudonyms:
    """What turns ids into pseudonyms and back.

    Attributes
    ----------
    key : bytes
        64 bytes, secret, of a key file; see `new_key` and `read_key`. Not part of the `repr`.

    Raises
    ------
    OptionError
        If the key has another length, or cryptography is not installed (extra `report`).
    """

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) != _KEY_BYTES:
            raise OptionError(f"key: must have {_KEY_BYTES} bytes; got {len(self.key)}. Make one with `new_key`.")
        _cipher(self.key)

    def hide(self, ids: Any, where: str = "ids") -> Any:
        """Return the pseudonyms of ids; a null and an empty text stay.

        Parameters
        ----------
        ids : pyarrow.Array, pyarrow.ChunkedArray or sequence of str
            Text, or a dictionary of text.
        where : str
            Table and column, for the error.

        Returns
        -------
        pyarrow.Array or pyarrow.ChunkedArray
            As long as `ids`, of the same type.

        Raises
        ------
        DataError
            If some are pseudonyms of this key already: they would need to be revealed twice.

        Notes
        -----
        Each id is sealed once: O(different ids), about 2 us each.
        """
        return _mapped(_as_arrow(ids), lambda texts: self._hidden(texts, where))

    def reveal(self, values: Any, where: str = "values") -> Any:
        """Return values with every pseudonym replaced by its id, also inside longer texts, lists and structs.

        Parameters
        ----------
        values : pyarrow.Table, pyarrow.Array, pyarrow.ChunkedArray or sequence of str
            Columns that hold no text stay as they are.
        where : str
            What it is, for the error.

        Returns
        -------
        pyarrow.Table, pyarrow.Array or pyarrow.ChunkedArray
            Of the same schema.

        Raises
        ------
        DataError
            If a pseudonym was made with another key, or was changed.
        """
        failed: list[int] = []
        if isinstance(values, pa.Table):
            columns = [_mapped(column, lambda texts: self._revealed(texts, failed)) for column in values.columns]
            revealed = pa.Table.from_arrays(columns, schema=values.schema)
        else:
            revealed = _mapped(_as_arrow(values), lambda texts: self._revealed(texts, failed))
        if any(failed):
            raise DataError(
                f"{where}: {sum(failed):,} different pseudonyms are not of this key, or were changed. "
                "Give the key that made them."
            )
        return revealed

    def reveal_all(self, pseudonyms: Sequence[str]) -> list[str]:
        """Return the ids of pseudonyms.

        Raises
        ------
        DataError
            If one is no pseudonym, was made with another key, or was changed.
        """
        formed = [name for name in pseudonyms if re.fullmatch(_SHAPE, name)]
        names = [name for name in self._opened(formed) if name is not None]
        if len(names) < len(pseudonyms):
            raise DataError(
                f"pseudonyms: {len(pseudonyms) - len(names):,} of {len(pseudonyms):,} are none of this key. Write them "
                f"as they stand in the table, from {PREFIX!r} to the end, and give the key that made them."
            )
        return names

    def hide_table(self, table: pa.Table, declared: Table) -> pa.Table:
        """Return a table with pseudonyms in the columns that hold accounts or holders by their declaration."""
        for column in declared.columns:
            if column.who is None or column.name not in table.column_names:
                continue
            where = f"{declared.name}: column {column.name!r}"
            cells = table.column(column.name)
            if column.who_if is None:
                hidden = self.hide(cells, where)
            else:
                other, values = column.who_if
                meant = pc.is_in(table.column(other).cast(pa.string()), pa.array(values))
                hidden = self.hide(pc.if_else(meant, cells, pa.scalar(None, cells.type)), where)
                hidden = pc.if_else(meant, hidden, cells)
            table = table.set_column(table.column_names.index(column.name), column.name, hidden)
        return table

    def _hidden(self, texts: pa.StringArray, where: str) -> pa.StringArray:
        n_own = sum(name is not None for name in self._opened(texts.filter(looks_hidden(texts)).to_pylist()))
        if n_own:
            raise DataError(
                f"{where}: {n_own:,} of {len(texts):,} different ids are pseudonyms of this key already. Read the "
                "original data with the key, or these data without it."
            )
        blank = pc.equal(texts, "")
        seal = _cipher(self.key).encrypt
        ids = pc.if_else(blank, "-", texts).cast(pa.binary())
        spelt = [
            pa.array(_spelt([seal(name, _PURPOSE) for name in ids.slice(start, _BATCH).to_pylist()]), pa.string())
            for start in range(0, len(ids), _BATCH)
        ]
        if sum(part.nbytes for part in spelt) > _MOST_BYTES:
            raise DataError(f"{where}: the pseudonyms of its ids take more than 2 GiB. Shorten the ids.")
        return pc.if_else(blank, "", pa.concat_arrays(spelt or [pa.array([], pa.string())]))

    def _revealed(self, texts: pa.StringArray, failed: list[int]) -> pa.StringArray:
        told = pc.match_substring_regex(texts, _SHAPE)
        old = texts.filter(told).to_pylist()
        found = list({name: None for text in old for name in _INSIDE.findall(text)})
        names = dict(zip(found, self._opened(found), strict=True))
        failed.append(sum(name is None for name in names.values()))
        new = [_INSIDE.sub(lambda match: names[match[0]] or match[0], text) for text in old]
        return pc.replace_with_mask(texts, told, pa.array(new, pa.string())) if new else texts

    def _opened(self, pseudonyms: list[str]) -> list[str | None]:
        """Return the ids of pseudonyms; None where the key opens none."""
        unseal = _cipher(self.key).decrypt
        sealed = [_unspelt(pseudonym) for pseudonym in pseudonyms]
        # The last letter has bits to spare: of the spellings of one sealed id only the one that `hide` writes counts.
        return [
            _unsealed(unseal, part) if spelling == pseudonym else None
            for part, spelling, pseudonym in zip(sealed, _spelt(sealed), pseudonyms, strict=True)
        ]


def new_key(path: str | Path) -> Pseudonyms:
    """Make a key, write it to a new file that only its owner may read (mode 0600), and return it.

    Parameters
    ----------
    path : path
        In a folder that exists.

    Raises
    ------
    OptionError
        If the file exists: what was hidden with a key that is overwritten is lost.
    """
    made = Pseudonyms(secrets.token_bytes(_KEY_BYTES))
    text = f"{_KEY_HEAD}{base64.urlsafe_b64encode(made.key).decode()}\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise OptionError(
            f"key: {Path(path).name!r} exists and is not overwritten, since pseudonyms cannot be revealed without "
            "their key. Choose another name."
        ) from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    return made


def read_key(path: str | Path) -> Pseudonyms:
    """Return the key that `new_key` wrote.

    Parameters
    ----------
    path : path

    Raises
    ------
    OptionError
        If there is no such file, or it holds no key.
    """
    try:
        text = Path(path).read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise OptionError(f"key: there is no file {Path(path).name!r}. Make a key with `muledetect key`.") from error
    head, letters = text[: len(_KEY_HEAD)], text[len(_KEY_HEAD) :].strip()
    try:
        key = base64.b64decode(letters, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if head != _KEY_HEAD.encode() or len(key) != _KEY_BYTES:
        raise OptionError(f"key: {Path(path).name!r} holds no key. Give the file that `muledetect key` wrote.")
    return Pseudonyms(key)


def as_pseudonyms(key: Pseudonyms | str | Path | None) -> Pseudonyms | None:
    """Return a key as it is, or read it from its file."""
    return read_key(key) if isinstance(key, str | Path) else key


def looks_hidden(ids: Any) -> Any:
    """Return which ids have the form of a pseudonym, as Arrow booleans; whether one is, only its key can tell."""
    return pc.match_substring_regex(ids.cast(pa.string()), _WHOLE)


def refuse_other_names(ids: Any, known: pa.StringArray, where: str) -> None:
    """Stop where a table speaks of accounts by other names than the data set: one in pseudonyms, the other not.

    `known` are the account ids of the data set in byte order; others are fine if they look alike, but where all are
    pseudonyms and none is known, they are of another key. `where` names the table and column, for the error.
    """
    if len(known) == 0 or len(ids) == 0:
        return
    strange = pc.drop_null(ids.cast(pa.string()).filter(pc.invert(pc.is_in(ids.cast(pa.string()), known))))
    is_hidden = bool(looks_hidden(known.slice(0, 1))[0].as_py())
    n_hidden = pc.sum(looks_hidden(strange)).as_py() or 0
    if is_hidden and n_hidden < len(strange):
        raise DataError(
            f"{where}: {len(strange) - n_hidden:,} of {len(ids):,} rows have plain ids, but the data set was read with "
            "pseudonyms. Make the table with the same key (--pseudonymise), or read the data set without it."
        )
    if not is_hidden and n_hidden:
        raise DataError(
            f"{where}: {n_hidden:,} of {len(ids):,} rows have pseudonyms, but the data set was read without them. "
            "Read it with the key that made the table (--pseudonymise)."
        )
    if is_hidden and len(strange) == len(ids):
        raise DataError(
            f"{where}: none of its {len(ids):,} pseudonyms is in the data set. Use the key that made the table, and "
            "the data that it was made from."
        )


def _cipher(key: bytes) -> AESSIV:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise OptionError(
            "pseudonymise: cryptography is not installed. Run `pip install 'muledetect[report]'`."
        ) from error
    return AESSIV(key)


def _as_arrow(values: Any) -> Any:
    return values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, pa.string())


def _mapped(values: Any, change: Change) -> Any:
    """Return an array with its texts changed, at any depth; equal texts are changed once and alike."""
    kind = values.type
    if isinstance(values, pa.ChunkedArray):
        if _is_text(kind):
            return pa.chunked_array(list(_texts_mapped(values, change)), kind)
        return pa.chunked_array([_mapped(chunk, change) for chunk in values.chunks], kind)
    if _is_text(kind):
        parts = list(_texts_mapped(pa.chunked_array([values], kind), change))
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
    return _nested_mapped(values, change)


def _nested_mapped(values: pa.Array, change: Change) -> pa.Array:
    kind = values.type
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(values.indices, _mapped(values.dictionary, change), ordered=kind.ordered)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        # A slice's own offsets cannot go with a mask, so they are counted again.
        ends = np.append(0, np.cumsum(pc.list_value_length(values).fill_null(0).to_numpy()))
        made = pa.LargeListArray if pa.types.is_large_list(kind) else pa.ListArray
        offsets = pa.array(ends, pa.int64() if pa.types.is_large_list(kind) else pa.int32())
        return made.from_arrays(offsets, _mapped(values.flatten(), change), type=kind, mask=values.is_null())
    if pa.types.is_struct(kind):
        parts = [_mapped(part, change) for part in values.flatten()]
        return pa.StructArray.from_arrays(parts, fields=list(kind), mask=values.is_null())
    return values


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _texts_mapped(values: pa.ChunkedArray, change: Change) -> Iterator[pa.Array]:
    coded = values.cast(pa.large_string()).dictionary_encode()
    if coded.num_chunks == 0:
        yield pa.array([], values.type)
        return
    texts = coded.chunk(0).dictionary.cast(pa.string())
    changed = change(texts) if len(texts) else texts
    longest = pc.max(pc.binary_length(changed)).as_py() or 1
    rows = max(1, _MOST_BYTES // 2 // longest)
    for chunk in coded.chunks:
        for start in range(0, max(len(chunk), 1), rows):
            yield changed.take(chunk.indices.slice(start, rows)).cast(values.type)


def _spelt(sealed: list[bytes]) -> list[str]:
    """Return sealed ids as text: the prefix and base32 without padding; many at once, as it is quicker."""
    joined = b"".join(part.ljust(-(-len(part) // 5) * 5, b"\x00") for part in sealed)
    bits = np.unpackbits(np.frombuffer(joined, np.uint8)).reshape(-1, 5)
    text = _LETTERS[np.packbits(bits, axis=1)[:, 0] >> 3].tobytes().decode()
    spelt, at = [], 0
    for part in sealed:
        spelt.append(PREFIX + text[at : at + (8 * len(part) + 4) // 5])
        at += -(-len(part) // 5) * 8
    return spelt


def _unspelt(pseudonym: str) -> bytes:
    # Four times as quick as base64.b32decode. Letters that no bytes have give bytes that are not spelt like them.
    digits = pseudonym.removeprefix(PREFIX).translate(_DIGITS)
    length, spare = divmod(5 * len(digits), 8)
    return (int(digits, 32) >> spare).to_bytes(length, "big")


def _unsealed(unseal: Callable[[bytes, list[bytes]], bytes], sealed: bytes) -> str | None:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 (an extra)

    try:
        return unseal(sealed, _PURPOSE).decode("utf-8")
    except (InvalidTag, UnicodeDecodeError):
        return None
