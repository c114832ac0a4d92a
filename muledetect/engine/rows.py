"""Questions about all rows of transfers on disk, asked of DuckDB in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

import duckdb
import numpy as np
import pyarrow as pa

from muledetect.arrays import BoolArray, Int32Array, Int64Array
from muledetect.engine.spill import HASH, ROW, Spill
from muledetect.records.encode import hash_strings

_BATCH_ROWS: Final = 1 << 18
_NONE: Final = np.empty(0, np.int64)


class Rows:
    """The rows of a spill: as they were read at first, then without those that `replace` took out.

    `code_of` gives the code of each account by the code that is on disk, where ids were spelt anew. DuckDB takes
    `memory` bytes and writes what does not fit to `scratch`.
    """

    def __init__(self, spill: Spill, code_of: Int32Array | None, scratch: Path, memory: int) -> None:
        self._spill = spill
        self._gone: list[Int64Array] = []
        self._key = {field.name: field.key for field in spill.fields}
        self._database = duckdb.connect(
            config={
                "memory_limit": f"{memory // 2**20}MiB",
                "temp_directory": str(scratch),
                "threads": min(os.cpu_count() or 1, 8),
                "preserve_insertion_order": True,  # else an ordered result comes in any order
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        self._view = f"SELECT * FROM {spill.source('read')}"
        if code_of is not None:
            self._put("respelt", code=np.arange(len(code_of), dtype=np.int32), place=code_of)
            self._view = f"SELECT {self._with_places} FROM ({self._view}) r {self._joins('respelt')}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def limit(self, memory: int) -> None:
        """Let DuckDB take so many bytes from now on."""
        self._database.execute(f"SET memory_limit = '{memory // 2**20}MiB'")

    def find_repeats(self, first: int = 0, numbers: Int64Array = _NONE) -> int:
        """Find the ids that come more than once, and return how many rows have one.

        Such an id is in a row from the number `first` on, or in one of these `numbers` below it.
        """
        asked = self._view
        if first:
            self._put("may_repeat", **{ROW: numbers})
            recent = f"SELECT {HASH} FROM ({self._view}) WHERE {ROW} >= {first}"
            others = f"SELECT {HASH} FROM ({self._view}) SEMI JOIN may_repeat USING ({ROW})" if len(numbers) else ""
            self._database.execute(
                f"CREATE TEMP TABLE suspect AS {recent}" + (f" UNION ALL {others}" if others else "")
            )
            asked = f"SELECT {HASH} FROM ({self._view}) SEMI JOIN suspect USING ({HASH})"
        self._database.execute(
            f"CREATE TEMP TABLE again AS SELECT {HASH} FROM ({asked}) GROUP BY {HASH} HAVING count(*) > 1"
        )
        if not self._one("SELECT count(*) FROM again")[0]:
            return 0
        found: int = self._one(f"SELECT count(*) FROM ({self._view}) SEMI JOIN again USING ({HASH})")[0]
        return found

    def repeats(self, part: int, n_parts: int) -> tuple[pa.Table, Int64Array]:
        """Return the rows of ids that come more than once, of one part of the hashes, and their numbers, ascending."""
        return self._fetch(
            f"SELECT * FROM ({self._view}) SEMI JOIN again USING ({HASH}) WHERE {HASH} % {n_parts} = {part}"
        )

    def involved_in_reversals(self) -> tuple[pa.Table, Int64Array]:
        """Return all reversals and the transfers that they name, and their numbers, ascending."""
        child, transfer_id = self._key["reversal_of"], self._key["transfer_id"]
        named = self._arrow(f"SELECT DISTINCT {child} AS id FROM ({self._view}) WHERE {child} IS NOT NULL")
        self._put("named", **{HASH: hash_strings(named["id"].combine_chunks())})
        # hashes are numbers, which are read faster than the text of all ids
        asked = f"SELECT {ROW} FROM ({self._view}) "
        found = self._arrow(f"{asked} SEMI JOIN named USING ({HASH}) UNION {asked} WHERE {child} IS NOT NULL")
        self._put("in_question", **{ROW: found[ROW]})
        rows = f"SELECT * FROM ({self._view}) SEMI JOIN in_question USING ({ROW})"
        ids = f"SELECT {child} FROM ({rows}) WHERE {child} IS NOT NULL"
        return self._fetch(f"SELECT * FROM ({rows}) WHERE {child} IS NOT NULL OR {transfer_id} IN ({ids})")

    def replace(self, group: str, gone: list[Int64Array]) -> None:
        """Take rows out by their numbers, and those of a group of the spill in."""
        if gone:
            self._gone += gone
            self._put(f"not_{group}", **{ROW: np.concatenate(gone)})
            kept = f"SELECT * FROM ({self._view}) ANTI JOIN not_{group} USING ({ROW})"
            self._view = f"{kept} UNION ALL SELECT * FROM {self._spill.source(group)}"

    @property
    def judged(self) -> Int64Array:
        """Numbers of the rows that `replace` took out, ascending: those that were judged together with others."""
        return np.unique(np.concatenate([np.empty(0, np.int64), *self._gone]))

    def without_status(self, code: int) -> Int64Array:
        """Take out the rows of a status, and return their numbers."""
        key = self._key["status"]
        gone = self._arrow(f"SELECT {ROW} FROM ({self._view}) WHERE {key} = {code}")[ROW].to_numpy()
        self._view = f"SELECT * FROM ({self._view}) WHERE {key} <> {code}"
        return np.sort(gone)

    def used_accounts(self, n_codes: int) -> BoolArray:
        """Return which account codes the rows have."""
        used = np.zeros(n_codes, np.bool_)
        for name in ("source", "target"):
            codes = self._arrow(f"SELECT DISTINCT {self._key[name]} AS code FROM ({self._view})")
            used[codes["code"].to_numpy()] = True
        return used

    def describe(self) -> dict[str, int]:
        """Return the number of rows `n`, their `first` and `last` time, the `total` of amounts, the bytes of texts."""
        texts = [field for field in self._spill.fields if field.kind == "text"]
        asked = {
            "n": "count(*)",
            "first": f"min({self._key['time']})",
            "last": f"max({self._key['time']})",
            "total": f"sum({self._key['amount']}::HUGEINT)",
            **{field.name: f"sum(strlen({field.key}))" for field in texts},
        }
        found = self._one(f"SELECT {', '.join(asked.values())} FROM ({self._view})")
        return {name: int(value or 0) for name, value in zip(asked, found, strict=True)}

    def only(self, numbers: Int64Array, first: int) -> None:
        """Leave no rows but those of some numbers, all below `first`, and those from the number `first` on."""
        kept = f"SELECT * FROM ({self._view}) WHERE {ROW} >= {first}"
        if len(numbers):
            self._put("wanted", **{ROW: numbers})
            kept += f" UNION ALL SELECT * FROM ({self._view}) SEMI JOIN wanted USING ({ROW})"
        self._view = kept

    def in_order(self, rank: Int32Array) -> Iterator[pa.Table]:
        """Yield the rows in canonical order, batch by batch; accounts have their place by id, which is `rank`."""
        key = self._key
        self._put("rank", code=np.arange(len(rank), dtype=np.int32), place=rank)
        order = f"{key['time']}, a.place, b.place, {key['amount']}, {key['transfer_id']}"
        query = f"SELECT {self._with_places} FROM ({self._view}) r {self._joins('rank')} ORDER BY {order}"
        for batch in self._database.sql(query).to_arrow_reader(_BATCH_ROWS):
            yield pa.Table.from_batches([batch])

    @property
    def _with_places(self) -> str:
        return f"r.* REPLACE (a.place AS {self._key['source']}, b.place AS {self._key['target']})"

    def _joins(self, table: str) -> str:
        source, target = self._key["source"], self._key["target"]
        return f"JOIN {table} a ON r.{source} = a.code JOIN {table} b ON r.{target} = b.code"

    def _put(self, name: str, **columns: Any) -> None:
        self._database.register("given", pa.table(columns))
        self._database.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM given")
        self._database.unregister("given")

    def _fetch(self, query: str) -> tuple[pa.Table, Int64Array]:
        stored = self._arrow(f"{query} ORDER BY {ROW}")
        return self._spill.in_memory(stored), stored[ROW].to_numpy()

    def _arrow(self, query: str) -> pa.Table:
        return self._database.sql(query).to_arrow_table()

    def _one(self, query: str) -> tuple[Any, ...]:
        (row,) = self._database.execute(query).fetchall()
        return row
