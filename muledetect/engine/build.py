"""Make the transfers of a store in bounded memory: rows go to disk as they are read, and DuckDB sorts them there.

The rules are those of `records`: rows are parsed by `TableReader`, repeated ids are judged by `duplicates.judge` and
reversals by `find_reversals`, on the rows that they are about and no others.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import BoolArray, Int32Array, Int64Array
from muledetect.engine.columns import put_arrow, put_values
from muledetect.engine.merging import JUDGED, ORDER
from muledetect.engine.parts import Old, Parts, part_of
from muledetect.engine.rows import Rows
from muledetect.engine.spill import Spill
from muledetect.engine.state import LEFT_MOST, ROWS, codes_file, save_derived, save_state
from muledetect.engine.steps import at_step
from muledetect.engine.tables import Finished, TableSpill, put_finished
from muledetect.engine.transfers import TransfersWriter, write_in_order
from muledetect.errors import DataError
from muledetect.mapped import resident
from muledetect.memory import Room, give_back
from muledetect.records import Dataset, reasons
from muledetect.records.duplicates import judge, with_values
from muledetect.records.encode import IdEncoder, Sorted
from muledetect.records.fingerprint import RowSum, sum_rows
from muledetect.records.reading import Cause, Reading, check_total, empty_type
from muledetect.records.sources import TableSource
from muledetect.records.stored import ACCOUNTS, MAPPED, TRANSFERS, map_table, map_transfers
from muledetect.records.table import TableReader
from muledetect.schema import INPUTS

#: Rows of repeated ids that are judged at once.
_JUDGED_ROWS: Final = 1 << 20
#: Memory beside DuckDB's: batches as they are parsed, sorted and written. DuckDB takes more than its limit, too: it is
#: told this part of what there is.
_BESIDE: Final = 800_000_000
_TOLD: Final = 0.85
_LEAST: Final = 400_000_000


@dataclass
class Building(Reading):
    """A reading whose transfers go to files in `folder`; it takes about `memory` bytes.

    `old` are the Parquet files of the store that this one takes the place of.
    """

    folder: Path = field(kw_only=True)
    memory: int = field(kw_only=True)
    old: Old | None = field(kw_only=True, default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.scratch = self.folder / "scratch"
        self.scratch.mkdir()
        self.room = Room(self.memory, str(self.scratch))
        (self.folder / TRANSFERS).mkdir(parents=True)
        # Rows as they were read have real ids, so that no store of pseudonyms may hold them.
        self.keeps_rows = self.pseudonyms is None
        self.rows = self.folder / ROWS if self.keeps_rows else self.scratch
        (self.rows / "transfers").mkdir(parents=True)
        self.spill = Spill(self.rows / "transfers", self.scratch)
        self.tables: dict[str, TableSpill] = {}
        #: Of each table beside the transfers: rows that were left out as they repeat or contradict others, with their
        #: positions, and whether the rows of the finished table with these are the rows as they were read.
        self.left_out: dict[str, pa.Table] = {}
        self.is_as_read: dict[str, bool] = {}
        #: Sum of the rows of each finished table.
        self.sums: dict[str, RowSum] = {}
        self._n_same: dict[str, int] = {}
        #: Different values of each coded column of the transfers, as they were read.
        self.n_values: dict[str, int] = {}
        self.code_of: Int32Array | None = None
        #: Of the transfers, for the header of the store.
        self.columns: tuple[Mapping[str, Any], ...] = ()
        self.parted_by = ""
        self.parts = Parts(self.folder / "transfers", "month")

    def open(self, opened: Mapping[str, TableSource | DataError], tables: Iterable[str] | None) -> None:
        """Read every table, and write down what was read."""
        super().open(opened, tables)
        self._end_of_input()
        at_step("read")
        self.n_values = {name: len(one) for name, one in self.readers["transfers"].encoders.items()}
        if self.keeps_rows:
            save_state(self, tables)

    def _reader(self, name: str) -> TableReader:
        if name != "transfers":
            self.tables[name] = TableSpill(self.rows, name)
        keep = self.spill.keep if name == "transfers" else self.tables[name].keep
        return TableReader(INPUTS[name], self.options, self.log, self.accounts, self.pseudonyms is None, keep)

    def _end_of_table(self, name: str) -> None:
        """Map the rows of a table beside the transfers."""
        reader = self.readers[name]
        if name != "transfers" and not reader.stops:
            rows = self.tables[name].close(reader.kinds)
            reader.columns = {column: rows[column].chunks for column in reader.columns}

    def _leave_out(self, name: str, rows: pa.Table, causes: list[Cause]) -> pa.Table:
        gone = np.unique(np.concatenate([np.empty(0, np.int64), *(positions for *_, positions in causes)]))
        if 0 < len(gone) <= LEFT_MOST:
            self.left_out[name] = rows.take(pa.array(gone)).add_column(0, "", pa.array(gone))
        is_known = "known_ts" not in rows.column_names or not rows["known_ts"].null_count
        self.is_as_read[name] = is_known and len(gone) <= LEFT_MOST and not self.forms
        return super()._leave_out(name, rows, causes)

    def _before(self, name: str) -> Finished | None:  # noqa: ARG002 - for an update
        """Return a table beside the transfers as it stands in the store that this one takes the place of."""
        return None

    def _placed(self, name: str, table: pa.Table) -> pa.Table:
        old = self._before(name)
        self._n_same[name] = -1 if old is None else old.n_same(table)
        put_finished(table, self.folder, name, old, self._n_same[name])
        if self.keeps_rows:
            self.tables[name].pack()
        return map_table(self.folder / MAPPED / f"{name}.arrow")

    def _sum_of(self, name: str, table: pa.Table) -> RowSum:
        self.sums[name] = sum_rows(name, table)
        return self.sums[name]

    def finish(self) -> Dataset:
        """Repair, order, write and describe what was read."""
        dataset = super().finish()
        if self.keeps_rows:
            save_derived(self)
        return dataset

    def _respell(self, code_of: Int32Array) -> None:
        self.code_of = code_of

    def _sorted_transfers(self) -> tuple[pa.StringArray, pa.Table]:
        with Rows(self.spill, self.code_of, self.scratch / "sorting", self._for_sorting()) as rows:
            self._judge_repeats(rows)
            self._judge_reversals(rows)
            at_step("judged")
            if self.keeps_rows and self.code_of is None:
                np.save(self.rows / JUDGED, rows.judged)
            account_ids, rank = self._account_ranks(rows.used_accounts(len(self.accounts)))
            put_arrow(pa.table({"account_id": account_ids}), self.folder / ACCOUNTS)
            n_rows = self._write(rows, account_ids, rank)
        shutil.rmtree(self.scratch)
        at_step("sorted")
        return account_ids, map_transfers(self.folder, self.columns, n_rows, account_ids)

    def _end_of_input(self) -> None:
        """Bring the last rows to disk; where there was none, the columns are told."""
        if not self.spill.fields:
            empty = {name: pa.array([], empty_type("transfers", name)) for name in self.readers["transfers"].columns}
            self.spill.keep(empty, np.empty(0, np.int64))
        self.spill.flush()

    def _judge_repeats(self, rows: Rows) -> None:
        """Leave out rows whose id comes again, part by part of the hashes of ids: rows of one id are in one part."""
        n_parts = -(-rows.find_repeats(*self._may_repeat()) // _JUDGED_ROWS)
        judged: list[Int64Array] = []
        for part in range(n_parts):
            self.progress("looking for repeats", part / n_parts)
            suspects, numbers = rows.repeats(part, n_parts)
            found = judge(suspects, np.arange(len(suspects)), INPUTS["transfers"].key, True)
            self._keep("first", with_values(suspects, found.filled), numbers, found.causes("transfer_id"))
            judged.append(numbers)
        rows.replace("first", judged)

    def _may_repeat(self) -> tuple[int, Int64Array]:
        """Return a number, and others below it: an id that comes again is in a row of these or from the first on."""
        return 0, np.empty(0, np.int64)

    def _judge_reversals(self, rows: Rows) -> None:
        """Turn reversals around; leave out those that do not fit, and transfers that moved no money."""
        if any(one.name == "reversal_of" for one in self.spill.fields):
            involved, numbers = rows.involved_in_reversals()
            if len(numbers):
                turned, causes = self._settled(involved, lambda positions: numbers[positions])
                self._keep("turned", turned, numbers, causes)
                rows.replace("turned", [numbers])
        rejected = self._rejected_status()
        if rejected is not None:
            self.log.add("transfers", "status", reasons.NOT_SETTLED, "repair", rows.without_status(rejected))

    def _keep(self, group: str, rows: pa.Table, numbers: Int64Array, causes: list[Cause]) -> None:
        """Log the rows at positions, and bring the others to disk; the first cause of a row counts."""
        keep: BoolArray = np.ones(len(numbers), np.bool_)
        for column, reason, severity, positions in causes:
            fresh = positions[keep[positions]]
            keep[fresh] = False
            self.log.add("transfers", column, reason, severity, numbers[fresh])
        self.spill.put(group, self.spill.on_disk(rows.filter(pa.array(keep)), numbers[keep]))

    def _write(self, rows: Rows, account_ids: pa.StringArray, rank: Int32Array) -> int:
        """Write the rows in canonical order, as mapped columns and as Parquet; return how many there are."""
        found = rows.describe()
        check_total(found["total"])
        values = self._values()
        rows.limit(self._for_sorting())
        self.parted_by = part_of(found["n"], found["first"], found["last"])
        self.parts = Parts(self.folder / "transfers", self.parted_by, self.old)
        order = self.rows / ORDER if self.keeps_rows and self.code_of is None else None
        writer = TransfersWriter(
            self.folder, self.spill, self.parts, account_ids, values, self.options.currency, found, order
        )
        self.columns = writer.columns
        return self._put_rows(writer, rows, rank, found["n"])

    def _put_rows(self, writer: TransfersWriter, rows: Rows, rank: Int32Array, n_rows: int) -> int:
        """Write the rows in canonical order; return how many there are."""
        return write_in_order(writer, self._told(rows.in_order(rank), n_rows))

    def _values(self) -> dict[str, tuple[pa.StringArray, Int32Array]]:
        """Return the values of each coded column, mapped, and their place by code; encoders go, to make room."""
        encoders, made = self.readers["transfers"].encoders, {}
        for one in self.spill.fields:
            if one.kind == "coded" and one.name != "currency":
                texts, place = encoders.pop(one.name).finish(known=self._known_values(one.name))
                # values that judging added, such as the channel of reversals, are not in the state
                if self.keeps_rows and len(place) == self.n_values[one.name]:
                    codes = np.empty(len(place), np.int32)
                    codes[place] = np.arange(len(place), dtype=np.int32)
                    np.save(self.rows / codes_file(one.name), codes)
                made[one.name] = (put_values(self.folder / TRANSFERS / one.name, texts), place)
        self.accounts = IdEncoder()
        give_back()
        return made

    def _known_values(self, name: str) -> Sorted | None:  # noqa: ARG002 - for an update
        """Return values of a coded column in byte order, where some are known so."""
        return None

    def _for_sorting(self) -> int:
        """Return how much memory DuckDB may take beside what is held now."""
        return max(int(_TOLD * (self.memory - resident(with_files=False) - _BESIDE)), _LEAST)

    def _told(self, batches: Iterator[pa.Table], n_rows: int) -> Iterator[pa.Table]:
        done = 0
        self.progress("ordering transfers", 0.0)
        for batch in batches:
            yield batch
            done += len(batch)
            self.progress("ordering transfers", done / max(n_rows, 1))
