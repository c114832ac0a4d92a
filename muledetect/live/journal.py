"""The folder of a live scorer: a snapshot of its state, and the log of what was booked since.

    state-3/        the tables of the third snapshot, its signals, and what it says of itself
    events-3.log    what was booked since

A snapshot is there as a whole or not at all: its folder gets its name when all is on the disk. The log of the snapshot
before goes only then; until then what is booked is written to both logs, and is on the disk in both when `sync` says.
Without a snapshot there is `events-0.log`, and the state begins with the data set.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import Float32Array
from muledetect.errors import DataError
from muledetect.live.log import Log, Sync, sync_folder
from muledetect.live.state import LiveState, live_signals
from muledetect.records import Dataset
from muledetect.records.stored import sum_of_file

_HEADER: Final = "state.json"
_ACCOUNTS: Final = "account_ids.arrow"
_SIGNALS: Final = "signals.npy"

Rows = list[Mapping[str, Any]]


#: The steps of a snapshot, one after the other: those at even places may be called in another thread, the others belong
#: to the thread of the state, and do not wait for the disk.
Pending = Sequence[Callable[[], None]]


class Journal:
    """What a scorer writes down, and finds when it starts again.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    begun_with : mapping
        What the state begins with, as JSON values; a folder that was begun with something else is refused.
    sync : "always", "interval" or "never"
        See `muledetect.live.log`.

    Attributes
    ----------
    n_cut : int
        Bytes at the end of the log that were no whole record when it was opened, and were cut off.

    Raises
    ------
    DataError
        If the folder was begun with another data set or look-back.
    """

    def __init__(self, folder: Path, begun_with: Mapping[str, Any], *, sync: Sync = "always") -> None:
        self._folder, self._begun_with, self._sync = folder, dict(begun_with), sync
        folder.mkdir(parents=True, exist_ok=True)
        numbers = [int(path.name.removeprefix("state-")) for path in folder.glob("state-*") if path.name[6:].isdigit()]
        self._number = max(numbers, default=0)
        for number in range(self._number):  # left by a process that was killed while it wrote a snapshot
            (folder / f"events-{number}.log").unlink(missing_ok=True)
            shutil.rmtree(folder / f"state-{number}", ignore_errors=True)
        self._logs: tuple[Log, ...] = (self._open(self._number),)

    @property
    def n_cut(self) -> int:
        """Bytes that `entries` cut off."""
        return self._logs[0].n_cut

    def append(self, table: str, rows: Rows) -> None:
        """Write down rows that will be booked; when this returns they are where `sync` says, in all logs or in none."""
        content = json.dumps([table, rows], default=_text, separators=(",", ":")).encode()
        ends = [log.end for log in self._logs]
        try:
            for log in self._logs:
                log.append(content)
        except OSError:
            for log, end in zip(self._logs, ends, strict=True):
                log.take_back(end)
            raise

    def entries(self) -> Iterator[tuple[str, Rows]]:
        """Yield the tables and rows that were booked since the snapshot, in their order."""
        records = self._logs[0].read()
        first = next(records, None)
        if first is None:
            self._logs[0].append(self._first())
        elif first != self._first():
            raise DataError(
                "log: it was begun with another data set or look-back, or by another version. Start with the same "
                "data set, or with an empty folder."
            )
        for record in records:
            table, rows = json.loads(record)
            yield table, rows

    def snapshot(self) -> LiveState | None:
        """Return the state of the latest snapshot, None without one.

        Raises
        ------
        DataError
            If a file of it is missing or damaged.
        """
        return _read_state(self._folder / f"state-{self._number}") if self._number else None

    def prepare_snapshot(self, state: LiveState) -> Pending:
        """Return the steps that write the state of now down and keep it; only the last rows are copied at once.

        What is booked meanwhile goes behind the snapshot. A process that is killed before the snapshot has its name
        finds the former one and its whole log.
        """
        lent, values, done = state.lend(), state.lend_signals(), self._logs[0].end
        header = {"since": state.since, "currency": state.currency, "tick": state.tick,
                  "signals": [made.name for made in state.signals]}  # fmt: skip
        number, folder = self._number + 1, self._folder / "state.new"
        path, former, new = self._folder / f"events-{number}.log", self._logs[0], list[Log]()

        def write() -> None:
            shutil.rmtree(folder, ignore_errors=True)
            _write_state(lent(), values(), header, folder)
            path.unlink(missing_ok=True)
            new.append(self._open(number))
            new[0].append(self._first(), waits=False)
            copy(former.end)
            new[0].flush()

        def copy(end: int) -> None:
            nonlocal done
            for record in former.read(done, end):
                new[0].append(record, waits=False)
            done = end

        def write_on() -> None:
            copy(former.end)
            self._logs = former, new[0]

        def name() -> None:
            new[0].flush()
            folder.rename(self._folder / f"state-{number}")
            sync_folder(self._folder)

        def change() -> None:
            self._logs, self._number = (new[0],), number

        def clear() -> None:
            former.close()
            (self._folder / f"events-{number - 1}.log").unlink()
            shutil.rmtree(self._folder / f"state-{number - 1}", ignore_errors=True)

        return write, write_on, name, change, clear

    def close(self) -> None:
        """Have the log on the disk, and close it."""
        for log in self._logs:
            log.close()

    def _open(self, number: int) -> Log:
        return Log(self._folder / f"events-{number}.log", sync=self._sync)

    def _first(self) -> bytes:
        return json.dumps(self._begun_with, sort_keys=True).encode()


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _write_state(dataset: Dataset, values: Float32Array, header: dict[str, Any], folder: Path) -> None:
    folder.mkdir()
    tables = {f"{name}.arrow": table for name, table in dataset.tables.items()}
    for name, table in {**tables, _ACCOUNTS: pa.table({"account_id": dataset.account_ids})}.items():
        with pa.ipc.new_file(str(folder / name), table.schema) as file:
            file.write_table(table.combine_chunks())
    np.save(folder / _SIGNALS, values)
    files = {path.name: sum_of_file(path) for path in sorted(folder.iterdir())}
    header = {**header, "files": files, "tables": list(dataset.tables)}
    (folder / _HEADER).write_text(json.dumps(header, indent=1))
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    sync_folder(folder)


def _read_state(folder: Path) -> LiveState:
    header = json.loads((folder / _HEADER).read_text())
    for name, digest in header["files"].items():
        if not (folder / name).is_file() or sum_of_file(folder / name) != digest:
            raise DataError(f"snapshot: {name} is missing or damaged. Restore the folder of the log from its copy.")
    tables = {name: _read(folder / f"{name}.arrow") for name in header["tables"]}
    ids = _read(folder / _ACCOUNTS)["account_id"].combine_chunks()
    for name in ("source", "target"):
        coded = tables["transfers"][name].combine_chunks()
        place = tables["transfers"].schema.get_field_index(name)
        column = pa.DictionaryArray.from_arrays(coded.indices, ids)
        tables["transfers"] = tables["transfers"].set_column(place, name, column)
    dataset = Dataset(tables, ids, pa.table({}), (), {}, currency=header["currency"], tick=header["tick"])
    known = {made.name: made for made in live_signals()}
    values = np.load(folder / _SIGNALS, mmap_mode="r") if set(header["signals"]) <= known.keys() else None
    signals = None if values is None else [known[name] for name in header["signals"]]
    held = [dataset]
    del dataset, tables
    return LiveState(held.pop, signals, since=header["since"], values=values)


def _read(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as file:
        return pa.ipc.open_file(file).read_all()
