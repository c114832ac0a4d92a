"""Counters of the service in the text format of Prometheus; no label holds an id."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """What the service counts.

    Parameters
    ----------
    n_waiting : callable
        Requests that wait, asked when the numbers are read.
    """

    def __init__(self, n_waiting: Callable[[], int]) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "muledetect_requests", "Requests by path and status.", ["path", "status"], registry=registry
        )
        self._seconds = Histogram(
            "muledetect_request_seconds",
            "From the first byte to the answer.",
            ["path"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.batch = Histogram(
            "muledetect_scored_together", "Transfers of one pass.", buckets=_SIZES, registry=registry
        )
        self._decisions = Counter(
            "muledetect_decisions", "Decisions by action and rule.", ["action", "rule", "mode"], registry=registry
        )
        self._rows = Counter(
            "muledetect_rows", "Rows booked, by table and outcome.", ["table", "outcome"], registry=registry
        )
        waiting = Gauge("muledetect_waiting", "Requests that wait for the state.", registry=registry)
        waiting.set_function(n_waiting)
        # what each counter of some labels is, without asking for it at every request
        self.request, self.second = cache(self._requests.labels), cache(self._seconds.labels)
        self.decision, self.row = cache(self._decisions.labels), cache(self._rows.labels)

    def text(self) -> bytes:
        """Return all numbers."""
        return generate_latest(self._registry)
