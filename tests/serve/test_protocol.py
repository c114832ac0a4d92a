"""What goes over the wire: bounds of a request beside its body, slow callers, and a response in one piece."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from served import Caller, as_bytes, bank, checked, later, running

from muledetect.serve.app import Limits
from muledetect.serve.protocol import OnePiece

HEAD = b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with bank(limits=Limits(body_seconds=0.3)) as (service, _), running(service) as found:
        yield found


def talk(caller: Caller, *parts: bytes) -> bytes:
    """Send parts one after the other, and return all that is answered until the other end closes."""
    with socket.create_connection(("127.0.0.1", caller.port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    return answer


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        (b"GET /health HTTP/1.1\r\n", b"x-%d: " + b"y" * 1_000 + b"\r\n"),  # many headers
        (b"GET /health HTTP/1.1\r\nx: ", b"y" * 1_000),  # one without an end
        (b"GET /", b"y" * 1_000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n", b"x-%d: " + b"y" * 1_000 + b"\r\n"),  # trailers
    ],
)
def test_a_head_without_an_end_is_refused_before_much_of_it_was_read(caller: Caller, begun: bytes, more: bytes) -> None:
    with socket.create_connection(("127.0.0.1", caller.port), timeout=20) as connection:
        connection.sendall(begun)
        sent = 0
        with suppress(ConnectionResetError, BrokenPipeError):
            while sent < 20_000_000:
                connection.sendall(more % sent if b"%d" in more else more)
                sent += len(more)
        assert sent < 10_000_000  # what lies in buffers of the system counts, too
    assert caller.get("/health") == (200, {"alive": True})


def test_what_is_no_http_is_refused_as_other_errors_are(caller: Caller) -> None:
    for sent in (b"no http\r\n\r\n", b"GET /health HTTP/1.1\r\nx: \x7f\r\n\r\n", b"GET \xff HTTP/1.1\r\n\r\n"):
        said = talk(caller, sent)
        assert said.startswith(b"HTTP/1.1 400 ")
        assert json.loads(said.partition(b"\r\n\r\n")[2])["error"]["code"] == "bad_http"


def test_a_body_that_does_not_come_is_not_waited_for(caller: Caller) -> None:
    with socket.create_connection(("127.0.0.1", caller.port), timeout=20) as connection:
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
        assert b" 408 " in connection.recv(4096)
    assert caller.get("/health") == (200, {"alive": True})


def test_a_body_in_chunks_is_read_and_bounded(caller: Caller) -> None:
    body = as_bytes(later(1)[0])
    chunks = b"".join(b"1\r\n%c\r\n" % sign for sign in body) + b"0\r\n\r\n"
    assert b" 200 " in talk(caller, HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n", chunks)
    large = b"100000\r\n" + b" " * (1 << 20) + b"\r\n" + b"2\r\n{}\r\n0\r\n\r\n"
    assert b" 413 " in talk(caller, HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n", large)


def test_a_caller_that_asks_whether_to_go_on_is_told_so(caller: Caller) -> None:
    with socket.create_connection(("127.0.0.1", caller.port), timeout=20) as connection:
        connection.sendall(HEAD + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{}")
        assert b" 400 " in connection.recv(4096)


def test_requests_sent_at_once_are_answered_in_their_order(caller: Caller) -> None:
    asks = [b"%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % ask for ask in ((b"GET", b"/health"), (b"GET", b"/nothing"))]
    said = talk(caller, *asks, asks[0][:-2] + b"Connection: close\r\n\r\n")
    assert [said[at + 9 : at + 12] for at in range(len(said)) if said.startswith(b"HTTP/1.1 ", at)] == [
        b"200", b"404", b"200"
    ]  # fmt: skip


def test_a_head_goes_with_its_body() -> None:
    pieces: list[bytes] = []

    async def run() -> None:
        inner: Any = SimpleNamespace(write=pieces.append, is_closing=lambda: False, close=lambda: pieces.append(b"end"))
        transport = OnePiece(inner, asyncio.get_running_loop())
        transport.write(b"head")
        transport.write(b"body")
        await asyncio.sleep(0)
        transport.write(b"more")
        transport.close()

    asyncio.run(run())
    assert pieces == [b"headbody", b"more", b"end"]


def test_the_loop_is_woken_once_for_what_was_scored_together() -> None:
    with bank() as (service, scorer):
        rows, worker, calls = checked(later(5)), service.worker, []

        async def run() -> None:
            loop, entered, blocked = asyncio.get_running_loop(), threading.Event(), threading.Event()
            told = loop.call_soon_threadsafe
            loop.call_soon_threadsafe = lambda *given: calls.append(given) or told(*given)  # type: ignore[method-assign]
            worker.put("call", [], lambda: entered.set() or blocked.wait(30))  # type: ignore[func-returns-value]
            assert entered.wait(30)
            asked = [asyncio.create_task(worker.ask("score", [row])) for row in rows]
            await asyncio.sleep(0.01)
            asked[1].cancel()
            blocked.set()
            answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 60)
            ids = [answer[0].assessment.transfer_id for answer in answers if isinstance(answer, list)]
            assert ids == [row["transfer_id"] for place, row in enumerate(rows) if place != 1]

        worker.start()
        try:
            asyncio.run(run())
        finally:
            worker.stop()
        assert scorer.n_passes == [4]
        assert len(calls) == 1
