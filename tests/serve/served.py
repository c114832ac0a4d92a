"""A service on a port of this machine, with a small bank behind it."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from memory_scorer import MemoryScorer
from small_world import SCORED_AT, TRAINED_AT, known_before, small_model, small_world

from muledetect.clock import parse_time
from muledetect.facts import Snapshot
from muledetect.live.desk import Desk
from muledetect.live.finding import find_money
from muledetect.live.outflows import Outflows
from muledetect.live.policy import load_policy
from muledetect.model import MuleModel
from muledetect.pipeline import train
from muledetect.serve.app import Service
from muledetect.serve.messages import read_transfers
from muledetect.serve.run import server_of

AFTER = "9999-01-01"
TOKEN = "correct-horse-battery-staple"  # noqa: S105


@dataclass
class Caller:
    """Sends requests to a service; each on a connection of its own."""

    port: int
    token: str = ""

    def send(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            given.setdefault("Authorization", f"Bearer {self.token}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            text, said = answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()
        is_json = said.get("content-type", "").startswith("application/json")
        return answer.status, json.loads(text) if is_json else text.decode(), said

    def get(self, path: str) -> Any:
        return self.send("GET", path)[:2]

    def post(self, path: str, value: Any, **headers: str) -> Any:
        body = value if isinstance(value, bytes) else as_bytes(value)
        return self.send("POST", path, body, **({"Content_Type": "application/json"} | headers))[:2]


@contextmanager
def running(service: Service, token: str = "") -> Iterator[Caller]:
    server = server_of(service, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield Caller(server.servers[0].sockets[0].getsockname()[1], token)
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@cache
def trained() -> MuleModel:
    return train(small_world(), TRAINED_AT, target="ever", model=small_model(1), neighbours=False)


@contextmanager
def bank(policy: str = "none", moment: str = SCORED_AT, **settings: Any) -> Iterator[tuple[Service, MemoryScorer]]:
    """A service that knows the small world up to a moment."""
    scorer = MemoryScorer(trained(), known_before(small_world(), moment))
    rules = load_policy(policy)
    outflows = Outflows(rules)
    outflows.start(Snapshot(scorer.dataset(), AFTER))
    desk = Desk(scorer, rules, outflows, rules.currency or "THB")
    settings.setdefault("reload", trained)
    locate: Callable[..., Any] = lambda **asked: find_money(Snapshot(scorer.dataset(), AFTER), rules, **asked)  # noqa: E731
    yield Service(desk, locate=locate, **settings), scorer


def later(n: int) -> list[dict[str, Any]]:
    """The first transfers of the small world after what the bank knows, as a caller would send them."""
    table = small_world()["transfers"]
    first = int((table["time"].cast("int64").to_numpy() < parse_time(SCORED_AT)).sum())
    return [row_of(row) for row in table.slice(first, n).to_pylist()]


def checked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return read_transfers({"transfers": rows}, len(rows))


def as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def row_of(table: dict[str, Any]) -> dict[str, Any]:
    """A row of a simulated table as a caller would send it."""
    return {name: value.isoformat() if hasattr(value, "isoformat") else value
            for name, value in table.items() if value is not None}  # fmt: skip
