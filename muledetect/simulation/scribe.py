"""Writes a world down week by week, and remembers the little that later tables need of past weeks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from muledetect.simulation import tables as write
from muledetect.simulation.bank.calls import Callers
from muledetect.simulation.bank.presence import Presence
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.people import People
from muledetect.simulation.plan import CHANNEL, NORMAL, VICTIM, Columns
from muledetect.simulation.rhythm import Rhythm, Span
from muledetect.simulation.sample import Sample
from muledetect.simulation.streams import Bool

#: Receives rows of a table; those of one table may come in many pieces.
Put = Callable[[str, pa.Table], None]

_BY_HAND: Final = (CHANNEL["p2p_proxy"], CHANNEL["p2p_account"])


@dataclass(slots=True)
class Scribe:
    """Turns each week into tables.

    `is_met` marks accounts that our bank has seen, `watched` holds every transfer of an account that some ring uses
    (also those that our bank did not see), `honest` and `sessions` are uniform samples.
    """

    config: WorldConfig
    people: People
    rhythm: Rhythm
    names: write.Names
    presence: Presence
    callers: Callers
    put: Put
    is_watched: Bool
    is_met: Bool
    honest: Sample
    sessions: Sample
    watched: list[Columns] = field(default_factory=list)
    n_transfers: int = 0
    n_sessions: int = 0
    n_calls: int = 0

    def week(self, span: Span, done: Columns) -> None:
        """Write down one week, given what happened in it."""
        rows = self._note(done)
        sessions, session_of = self.presence.open(span, rows)
        columns = {name: getattr(sessions, name) for name in ("account", "device", "ip", "time")}
        number = self.n_sessions + np.arange(len(sessions.time))
        self.sessions.offer({**columns, "number": number})
        for part in write.slices(len(session_of)):
            some = {name: values[part] for name, values in rows.items()}
            self.put(
                "transfers",
                write.transfers_table(
                    self.config, self.people, self.names, some, sessions, session_of[part], self.n_sessions
                ),
            )
        for part in write.slices(len(number)):
            self.put(
                "sessions",
                write.sessions_table(self.config, self.people, self.names, write.part_of(sessions, part), number[part]),
            )
        self.put("identifiers", write.devices_table(self.names, *self.presence.new_devices(sessions)))
        self.n_sessions += len(number)
        self._calls(span)

    def _calls(self, span: Span) -> None:
        calls = self.callers.place(span)
        for part in write.slices(len(calls.time)):
            number = self.n_calls + np.arange(part.start, part.stop)
            self.put("calls", write.calls_table(self.names, write.part_of(calls, part), number, self.rhythm))
        self.n_calls += len(calls.time)

    def _note(self, done: Columns) -> Columns:
        """Number the transfers that our bank sees, remember what matters later, and return them."""
        people = self.people
        seen = people.is_own[done["source"]] | people.is_own[done["target"]]
        number = np.full(len(seen), np.int64(-1))
        number[seen] = self.n_transfers + np.arange(int(seen.sum()))
        self.n_transfers += int(seen.sum())
        done = {**done, "number": number}
        watched = self.is_watched[done["source"]] | self.is_watched[done["target"]] | (done["kind"] == VICTIM)
        self.watched.append({name: values[watched] for name, values in done.items()})
        rows = {name: values[seen] for name, values in done.items()}
        self.is_met[rows["source"]] = True
        self.is_met[rows["target"]] = True
        private = people.is_private[rows["target"]] & people.is_own[rows["source"]]
        honest = (rows["kind"] == NORMAL) & private & np.isin(rows["channel"], _BY_HAND)
        self.honest.offer({name: values[honest] for name, values in rows.items()})
        return rows

    def watched_rows(self) -> Columns:
        """Return every transfer of an account that some ring uses, in order of time."""
        return {name: np.concatenate([rows[name] for rows in self.watched]) for name in self.watched[0]}


def appoint_scribe(
    config: WorldConfig, people: People, rhythm: Rhythm, names: write.Names, presence: Presence, callers: Callers,
    put: Put, members: list[int],
) -> Scribe:  # fmt: skip
    """Return a scribe for a new world; `members` are the accounts that rings use."""
    is_watched = np.zeros(len(people.persona), bool)
    is_watched[members] = True
    size = max(2_000, config.n_accounts // 200)
    return Scribe(
        config, people, rhythm, names, presence, callers, put,
        is_watched=is_watched,
        is_met=people.is_own.copy(),
        honest=Sample(size, config.seed),
        sessions=Sample(size, config.seed + 1),
    )  # fmt: skip
