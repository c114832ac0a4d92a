"""The one thread that owns the state: requests wait in a queue of bounded length and are worked off in order."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, Literal, NamedTuple

from muledetect.live.desk import Desk
from muledetect.serve.request_errors import RequestError

Kind = Literal["score", "book", "advance", "call"]
Rows = list[dict[str, Any]]

#: Seconds after which an idle thread looks whether it should end.
_PATIENCE: Final = 0.05

_LOG: Final = logging.getLogger("muledetect.serve")


class _Job(NamedTuple):
    kind: Kind
    rows: Rows
    call: Callable[[], Any] | None
    done: Future[Any]


class Worker:
    """Works off requests in order of arrival; scores that wait side by side are computed in one pass.

    Parameters
    ----------
    desk : Desk
    most_waiting : int
        Requests that may wait; one more is refused with "too_many".
    most_scored : int
        Transfers scored in one pass, at most.
    on_batch : callable, optional
        Told the number of transfers of each pass.
    """

    def __init__(
        self, desk: Desk, *, most_waiting: int = 1_000, most_scored: int = 256,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.desk = desk
        self._queue: queue.Queue[_Job] = queue.Queue(most_waiting)
        self._most, self._on_batch = most_scored, on_batch
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

    def put(self, kind: Kind, rows: Rows, call: Callable[[], Any] | None = None) -> Future[Any]:
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
        ahead: _Job | None = None
        while True:
            job, ahead = ahead or self._next(_PATIENCE), None
            if job is None:
                if self._stopping.is_set():
                    return
            elif job.kind == "score":
                jobs, ahead = self._beside(job)
                self._score(jobs)
            elif job.done.set_running_or_notify_cancel():
                _settle(job, partial(self._one, job))

    def _next(self, wait: float) -> _Job | None:
        try:
            return self._queue.get(timeout=wait) if wait else self._queue.get_nowait()
        except queue.Empty:
            return None

    def _beside(self, first: _Job) -> tuple[list[_Job], _Job | None]:
        """Return the scores that wait right behind `first`, with it, and the job behind them, if it was taken too."""
        jobs, n, ahead = [first], len(first.rows), None
        while n < self._most and (ahead := self._next(0.0)) is not None:
            if ahead.kind != "score" or n + len(ahead.rows) > self._most:
                break
            jobs.append(ahead)
            n, ahead = n + len(ahead.rows), None
        return [job for job in jobs if job.done.set_running_or_notify_cancel()], ahead

    def _score(self, jobs: list[_Job]) -> None:
        self._on_batch(sum(len(job.rows) for job in jobs))
        if len(jobs) > 1:
            try:
                found = iter(self.desk.score([row for job in jobs for row in job.rows]))
            except Exception:  # one request must not spoil those beside it: each by itself then
                _LOG.warning("a pass over %d requests failed; each is tried by itself", len(jobs))
            else:
                for job in jobs:
                    job.done.set_result([next(found) for _ in job.rows])
                return
        for job in jobs:
            _settle(job, partial(self.desk.score, job.rows))

    def _one(self, job: _Job) -> Any:
        if job.call is not None:
            return job.call()
        return (self.desk.book if job.kind == "book" else self.desk.advance)(job.rows)


def _settle(job: _Job, work: Callable[[], Any]) -> None:
    """Do what a job asks; an error is told to who asked, and the thread goes on."""
    try:
        job.done.set_result(work())
    except Exception as error:
        job.done.set_exception(error)
