"""The one thread that owns the state: requests wait in a queue of bounded length and are worked off in passes.

A pass takes what waits. No request of it was answered yet, so each order of them is right: scores come first, for a
payer waits for them, then bookings, in one record of the log, then events. Within a kind the order is that of arrival.
"""

from __future__ import annotations

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

_ORDER: Final[tuple[Kind, ...]] = ("score", "book", "advance", "call")

#: Seconds after which an idle thread looks whether it should end.
_PATIENCE: Final = 0.05

_LOG: Final = logging.getLogger("muledetect.serve")


class _Job(NamedTuple):
    kind: Kind
    rows: Rows
    call: Callable[[], Any]
    done: Future[Any]


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
        self._queue: queue.Queue[_Job] = queue.Queue(most_waiting)
        self._most, self._on_batch = most_rows, on_batch
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

    def put(self, kind: Kind, rows: Rows, call: Callable[[], Any] = lambda: None) -> Future[Any]:
        """Let a request wait for its turn; refuse it at once where the queue is full or the worker stops."""
        job = _Job(kind, rows, call, Future())
        with self._gate:  # what is put before the gate closes is worked off
            if not self.is_alive:
                raise RequestError("stopping", "the service is starting or stopping. Try again.")
            try:
                self._queue.put_nowait(job)
            except queue.Full as error:
                raise RequestError("too_many", "the queue is full. Try again after Retry-After seconds.") from error
        return job.done

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


def _settle(job: _Job, work: Callable[[], Any]) -> None:
    """Do what a job asks; an error is told to who asked, and the thread goes on."""
    try:
        job.done.set_result(work())
    except Exception as error:
        job.done.set_exception(error)
