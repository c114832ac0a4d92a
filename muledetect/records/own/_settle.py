"""What an import can settle only when all rows are read: rows of one id, and accounts in two spellings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Int64Array, UInt64Array
from muledetect.records.duplicates import NONE, Duplicates, edited, judge
from muledetect.records.encode import hash_strings
from muledetect.records.ids import Form, has_loose_form, loose_forms, without_forms
from muledetect.records.rejects import RejectLog, input_rows
from muledetect.schema import Table

#: The accepted rows in parts, from the beginning each time.
Parts: TypeAlias = Callable[[], Iterator[pa.Table]]

_WHO: Final = ("account", "account or holder")


class Settling:
    """Looks at accepted rows one part after the other, keeping 8 bytes a row; `settle` then judges them together.

    The rules are those of `read_dataset`: rows of one id are one row if they say the same, and none of them is taken if
    they do not; account ids are spelt alike.
    """

    def __init__(self, table: Table) -> None:
        self.forms: tuple[Form, ...] = ()
        self._table = table
        self._accounts = [column.name for column in table.columns if column.who in _WHO]
        self._hashes: list[UInt64Array] = []
        self._has_loose = False
        self._found: Duplicates = NONE

    def add(self, made: pa.Table) -> None:
        """Look at accepted rows."""
        for name in self._table.key[:1]:
            self._hashes += [hash_strings(chunk) for chunk in made[name].chunks]
        for name in self._held(made):
            self._has_loose = self._has_loose or any(has_loose_form(chunk) for chunk in made[name].chunks)

    def _held(self, made: pa.Table) -> list[str]:
        return [name for name in self._accounts if name in made.column_names]

    def settle(self, parts: Parts, log: RejectLog) -> bool:
        """Judge all rows, those that are not in the log; log those that go; return whether any row changes."""
        if self._has_loose:
            self.forms = loose_forms(_accounts_of(parts(), self._accounts))
        hashes = np.concatenate([np.empty(0, np.uint64), *self._hashes])
        self._hashes.clear()
        hashes.sort()
        again = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        if len(again):
            self._found = self._judge(parts, again)
        rejected, name = log.rows(self._table.name), self._table.name
        for column, reason, severity, positions in self._found.causes((self._table.key or ("",))[0]):
            log.add(name, column, reason, severity, input_rows(rejected, positions))
        return bool(self.forms or self._gone().size or self._found.filled)

    def _gone(self) -> Int64Array:
        return np.sort(np.concatenate([self._found.different, self._found.exact, self._found.paired]))

    def _judge(self, parts: Parts, again: UInt64Array) -> Duplicates:
        """Return what becomes of rows whose key comes again, by their positions among all."""
        key = self._table.key
        suspects, places, start = [], [], 0
        for part in self._spelt(parts()):
            is_again = np.isin(hash_strings(part[key[0]].combine_chunks()), again)
            suspects.append(part.filter(pa.array(is_again)))
            places.append(start + np.flatnonzero(is_again))
            start += part.num_rows
        return judge(pa.concat_tables(suspects), np.concatenate(places), key, self._table.name == "transfers")

    def _spelt(self, parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for part in parts:
            made = part
            for name in self._held(part) if self.forms else ():
                spelt = pa.chunked_array([without_forms(chunk, self.forms) for chunk in part[name].chunks], pa.string())
                made = made.set_column(made.column_names.index(name), name, spelt)
            yield made

    def apply(self, parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """Return the rows that stay, as they are to be."""
        return edited(self._spelt(parts), self._gone(), self._found.filled)


def _accounts_of(parts: Iterator[pa.Table], names: list[str]) -> pa.StringArray:
    known = pa.array([], pa.string())
    for part in parts:
        chunks = [chunk for name in names if name in part.column_names for chunk in part[name].chunks]
        known = pc.unique(pa.chunked_array([known, *chunks], pa.string()))
    return known
