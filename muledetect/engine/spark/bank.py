"""What a worker holds: a store that it maps, cut at a moment, and the signals that workers computed.

A worker process opens a store once and keeps it for the tasks that follow.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any, Final, TypeAlias

import numpy as np

from muledetect.arrays import Float32Array
from muledetect.engine.spark.work import Work
from muledetect.errors import DataError
from muledetect.facts import Facts
from muledetect.features import Extraction
from muledetect.features.signals import Signal, compute_signal, compute_slice, signal_registry
from muledetect.memory import HEAP, open_room
from muledetect.records.stored import read_header, read_store

#: Signal, first and last transfer of each of its parts, in the order of the parts.
SignalParts: TypeAlias = tuple[tuple[str, int, int], ...]

# Each is some bytes a transfer, so a process keeps the latest store and its latest two cuts.
_MOST: Final = {"facts": 1, "seen": 2}
_HELD: Final[dict[str, OrderedDict[Hashable, Any]]] = {name: OrderedDict() for name in _MOST}
_LOCK: Final = RLock()


@dataclass(frozen=True)
class Bank:
    """What workers open.

    Parameters
    ----------
    store : str
        Folder of the store, at the same place on all machines.
    fingerprint : str
        Of its data set.
    memory : int, optional
        Most bytes that a worker process takes.
    since : int, optional
        No events before this moment, microseconds.
    hidden : str, optional
        Groups whose labels are hidden from their own points: the name of an array that was given.
    """

    store: str
    fingerprint: str
    memory: int | None = None
    since: int | None = None
    hidden: str | None = None

    @property
    def records(self) -> tuple[Any, ...]:
        """What results depend on."""
        return self.fingerprint, self.since, self.hidden


def open_bank(bank: Bank, work: Work, threads: int) -> Extraction:
    """Return the extraction of a bank, made once in a process.

    Raises
    ------
    DataError
        If there is another store in its place, or none.
    """
    seen: Extraction = _once("seen", (bank, work, threads), partial(_cut, bank, work, threads))
    return seen


def _cut(bank: Bank, work: Work, threads: int) -> Extraction:
    facts: Facts = _once("facts", (bank.store, bank.fingerprint, bank.memory), partial(_open, bank))
    hidden = None if bank.hidden is None else work.given(bank.hidden)
    return Extraction(
        facts if bank.since is None else facts.since(bank.since), hide_groups=hidden, threads=threads
    )  # fmt: skip


def _open(bank: Bank) -> Facts:
    folder = Path(bank.store)
    try:
        header = read_header(folder)
    except OSError as error:
        raise DataError(
            f"spark: a worker does not find the store {folder.name!r}. It must lie in a folder that all machines see "
            "at the same place, such as a network disk."
        ) from error
    if header.fingerprint != bank.fingerprint:
        raise DataError(f"spark: a worker finds another store in the place of {folder.name!r}. Run the command again.")
    room = HEAP if bank.memory is None else open_room(bank.memory)
    return Facts(replace(read_store(folder, verify=False), room=room))


def _once(kind: str, key: Hashable, build: Callable[[], Any]) -> Any:
    with _LOCK:
        held = _HELD[kind]
        if key not in held:
            while len(held) >= _MOST[kind]:
                held.popitem(last=False)
            held[key] = build()
        held.move_to_end(key)
        return held[key]


def signal_part(seen: Extraction, name: str, low: int, high: int) -> Float32Array:
    """Return what a signal says of the transfers `low:high`, float32[high - low, n_columns]."""
    of, signal = seen.facts.signals_from, signal_registry().signals[name]
    if (low, high) == (0, of.graph.n_transfers):
        return compute_signal(signal, seen.past)
    return compute_slice(signal, low, high, graph=of.graph, tables=of.tables, threads=seen.threads, room=of.room)


def take_signals(seen: Extraction, work: Work, key: str, parts: SignalParts) -> None:
    """Let an extraction read the signals from the parts that workers finished, instead of computing them."""
    of = seen.facts.signals_from
    for signal in signal_registry().signals.values():
        of.once(("signal", signal.name, seen.threads), partial(_joined, of, work, key, parts, signal))


def _joined(of: Facts, work: Work, key: str, parts: SignalParts, signal: Signal) -> dict[str, Float32Array]:
    own = [(part, low, high) for part, (name, low, high) in enumerate(parts) if name == signal.name]
    n_columns = len(signal.columns)
    if len(own) == 1:
        values = work.mapped(key, own[0][0], np.float32).reshape(n_columns, -1)
    else:
        values = of.room.empty((n_columns, of.graph.n_transfers), np.float32)
        for part, low, high in own:
            values[:, low:high] = work.mapped(key, part, np.float32).reshape(n_columns, -1)
    return dict(zip(signal.columns, values, strict=True))
