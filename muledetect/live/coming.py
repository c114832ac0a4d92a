"""The state of the next day: another thread makes it from noon on, and books there what is booked meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

import pyarrow as pa

from muledetect.live.hourly import Hourly
from muledetect.live.rows import Cells
from muledetect.live.state import LiveState

#: So many transfers are booked together in the other thread. More would keep the turn of the day waiting; fewer take it
#: more often from the thread that scores what both need, which is Python itself.
_TOGETHER: Final = 512


class Coming:
    """A state that another thread makes, and goes on with until `take`.

    Parameters
    ----------
    today : LiveState
    since : int
        Begin of the look-back of the next day, microseconds.
    hourly : Hourly
        For the columns of the next day.
    pool : Executor
        Of one thread.
    ahead : callable
        Called with the state and `hourly` in the other thread, each time that it has booked what came.
    """

    def __init__(
        self, today: LiveState, since: int, hourly: Hourly, pool: Executor,
        ahead: Callable[[LiveState, Hourly], None] = lambda _, __: None,
    ) -> None:  # fmt: skip
        self.since, self.hourly = since, hourly
        self._today, self._n_done, self._pool, self._ahead = today, today.n_transfers, pool, ahead
        self._make, self._told = today.prepare_later(since)
        self._work = pool.submit(self._begin)

    def go_on(self) -> None:
        """Let the other thread book what came, if that is enough and it has done all before."""
        if self._today.n_transfers - self._n_done >= _TOGETHER and self._work.done() and not self._work.exception():
            self._n_done = self._today.n_transfers
            self._work = self._pool.submit(self._catch_up)

    def take(self) -> LiveState:
        """Return the state with all that was booked; waits for what the other thread has begun.

        Raises
        ------
        Exception
            What went wrong in the other thread.
        """
        self._work.result()
        self._book()
        return self._state

    def _begin(self) -> None:
        self._state = self._make()
        self._state.on_change = self.hourly.forget
        self._catch_up()

    def _catch_up(self) -> None:
        self._book()
        self._ahead(self._state, self.hourly)

    def _book(self) -> None:
        """Book what was told by now, all transfers in one pass."""
        state, transfers = self._state, []
        for _ in range(len(self._told)):
            what, given = self._told.popleft()
            if what == "add_transfers":
                table = given[0].to_arrow("transfers") if isinstance(given[0], Cells) else given[0]
                transfers.append(table)
                for name in ("source", "target"):  # accounts get the codes that they got when they came
                    state.accounts.encode(table[name].combine_chunks())
            else:
                getattr(state, what)(*given)
        if transfers:
            state.add_transfers(pa.concat_tables(transfers, promote_options="default"))
