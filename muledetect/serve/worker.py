"""The one thread that owns the state: requests wait in a queue of bounded length and are worked off in passes.

A pass takes what waits. No request of it was answered yet, so each order of them is right: scores come first, for a
payer waits for them, then bookings, in one record of the log, then events. Within a kind the order is that of arrival.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Final, Literal, NamedTuple

from muledetect.live.desk import Desk
from muledetect.serve.request_errors import RequestError

Kind = Literal["score", "book", "advance", "call"]
Rows = list[dict[str, Any]]
_Told = tuple[asyncio.Future[Any], Any, Exception | None]

_ORDER: Final[tuple[Kind, ...]] = ("score", "book", "advance", "call")

#: Seconds after which an idle thread looks whether it should end.
_PATIENCE: Final = 0.05

_LOG: Final = logging.getLogger("muledetect.serve")


def _nothing() -> None:
    pass


class _Waiter(NamedTuple):
    """A coroutine that waits. It takes an answer as a `Future` does, and keeps it among the answers of the pass."""

    future: asyncio.Future[Any]
    answers: list[_Told]

    def set_running_or_notify_cancel(self) -> bool:
        return not self.future.cancelled()

    def set_result(self, answer: Any) -> None:
        self.answers.append((self.future, answer, None))

    def set_exception(self, error: Exception) -> None:
        self.answers.append((self.future, None, error))


class _Job(NamedTuple):
    kind: Kind
    rows: Rows
    call: Callable[[], Any]
    done: Future[Any] | _Waiter


class Worker:
    """Works off requests in passes.

    Parameters
    ----------
    desk : Desk
    most_waiting : int
        Requests that may wait; one more is refused with "too_many".
    most_rows : int
        Rows from which on a pass takes no further request.
    on_batch : callable, optional
        Told the number of transfers of each pass.
    """

    def __init__(
        self, desk: Desk, *, most_waiting: int = 1_000, most_rows: int = 256,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.desk = desk
        self._queue: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._most_waiting, self._most, self._on_batch = most_waiting, most_rows, on_batch
        self._answers: list[_Told] = []
        self._stopping, self._gate = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="muledetect-state", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether requests are worked off."""
        return self._thread.is_alive() and not self._stopping.is_set()

    @property
    def n_waiting(self) -> int:
        """Requests that wait."""
        return self._queue.qsize()

    def put(self, kind: Kind, rows: Rows, call: Callable[[], Any] = _nothing) -> Future[Any]:
        """Let a request wait for its turn; refuse it at once where the queue is full or the worker stops."""
        done: Future[Any] = Future()
        self._put(_Job(kind, rows, call, done))
        return done

    async def ask(self, kind: Kind, rows: Rows) -> Any:
        """Wait for the answer, as `put`; the event loop is woken once for all answers of a pass."""
        future = asyncio.get_running_loop().create_future()
        self._put(_Job(kind, rows, _nothing, _Waiter(future, self._answers)))
        return await future

    def _put(self, job: _Job) -> None:
        with self._gate:  # what is put before the gate closes is worked off
            if not self.is_alive:
                raise RequestError("stopping", "the service is starting or stopping. Try again.")
            if self._queue.qsize() >= self._most_waiting:
                raise RequestError("too_many", "the queue is full. Try again after Retry-After seconds.")
            self._queue.put(job)

    def stop(self, timeout: float = 30.0) -> None:
        """Take no more requests, work off those that wait, and end the thread."""
        with self._gate:
            self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            jobs = self._waiting()
            if not jobs and self._stopping.is_set():
                return
            for kind in _ORDER:
                some = [job for job in jobs if job.kind == kind and job.done.set_running_or_notify_cancel()]
                if some and kind == "call":
                    for job in some:
                        _settle(job, job.call)
                elif some:
                    self._together(kind, some)
                if self._answers:
                    self._answers[0][0].get_loop().call_soon_threadsafe(_tell, self._answers.copy())
                    self._answers.clear()

    def _waiting(self) -> list[_Job]:
        """Return the requests that wait, oldest first, up to a pass; none if none comes for a while."""
        jobs: list[_Job] = []
        with suppress(queue.Empty):
            jobs.append(self._queue.get(timeout=_PATIENCE))
            while sum(len(job.rows) for job in jobs) < self._most:
                jobs.append(self._queue.get_nowait())
        return jobs

    def _together(self, kind: Kind, jobs: list[_Job]) -> None:
        """Do the work of several requests in one pass; bookings share one record of the log."""
        works: dict[Kind, Callable[[Rows], list[Any]]] = {
            "score": self.desk.score, "book": self.desk.book, "advance": self.desk.advance
        }  # fmt: skip
        if kind == "score":
            self._on_batch(sum(len(job.rows) for job in jobs))
        try:
            found = iter(works[kind]([row for job in jobs for row in job.rows]))
            answers = [[next(found) for _ in job.rows] for job in jobs]
        except Exception as error:
            if kind == "score" and len(jobs) > 1:  # one request must not spoil those beside it: each by itself
                _LOG.warning("a pass over %d requests failed; each is tried by itself", len(jobs))
                for job in jobs:
                    _settle(job, partial(self.desk.score, job.rows))
                return
            for job in jobs:
                job.done.set_exception(error)
            return
        for job, answer in zip(jobs, answers, strict=True):
            job.done.set_result(answer)


def _tell(answers: list[_Told]) -> None:
    """Give answers to the coroutines that wait for them, in their event loop."""
    for future, answer, error in answers:
        if future.cancelled():
            continue
        if error is None:
            future.set_result(answer)
        else:
            future.set_exception(error)


def _settle(job: _Job, work: Callable[[], Any]) -> None:
    """Do what a job asks; an error is told to who asked, and the thread goes on."""
    try:
        job.done.set_result(work())
    except Exception as error:
        job.done.set_exception(error)
