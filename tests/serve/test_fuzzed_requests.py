"""Whatever is sent, the answer is right or a documented error that tells nothing of the inside, and it lives."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import TOKEN, Caller, bank, later, running
from test_pacs008 import PAYMENT, message

from muledetect.schema import TRANSFERS
from muledetect.serve.request_errors import CODES
from muledetect.serve.tokens import Tokens

PATHS = ["/score", "/book", "/events", "/locate"]
fuzzed = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["007", "2025-03-01T00:00:00Z"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ROWS = st.dictionaries(
    st.sampled_from([*TRANSFERS.names, "table", "transfers", "events"]) | st.text(max_size=6), VALUES
)


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with bank(tokens=Tokens([TOKEN])) as (service, _), running(service) as found:
        yield Caller(found.port, TOKEN)


def check(caller: Caller, answer: tuple[int, Any]) -> None:
    status, said = answer
    assert status == 200 or (status, set(said["error"])) == (CODES[said["error"]["code"]][0], {"code", "message"})
    assert status != 500, said
    assert "Traceback" not in str(said)
    assert caller.get("/health") == (200, {"alive": True})


@fuzzed
@given(st.sampled_from(PATHS), ROWS | VALUES)
def test_json_of_any_shape(caller: Caller, path: str, value: Any) -> None:
    check(caller, caller.post(path, json.dumps(value).encode()))


@fuzzed
@given(st.sampled_from(TRANSFERS.names), VALUES)
def test_a_row_with_one_cell_of_any_value(caller: Caller, column: str, value: Any) -> None:
    check(caller, caller.post("/score", json.dumps(later(1)[0] | {column: value}).encode()))


@fuzzed
@given(
    st.sampled_from(PATHS),
    st.binary(max_size=300),
    st.sampled_from(["application/json", "application/xml", "text/xml"]),
)
def test_bytes_of_any_kind(caller: Caller, path: str, body: bytes, kind: str) -> None:
    check(caller, caller.post(path, body, Content_Type=kind))


@fuzzed
@given(st.data())
def test_messages_with_bytes_changed(caller: Caller, data: st.DataObject) -> None:
    body = bytearray(message(PAYMENT))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    check(caller, caller.post("/score", bytes(body), Content_Type="application/xml"))


@fuzzed
@given(st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40))
def test_tokens_of_any_text(caller: Caller, token: str) -> None:
    status, said = Caller(caller.port).send("GET", "/metrics", Authorization=f"Bearer {token}")[:2]
    assert (status, said["error"]["code"]) == (401, "no_token")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_what_is_no_http(caller: Caller, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", caller.port), timeout=10) as connection:
        connection.sendall(sent + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    assert b"Traceback" not in answer
    assert caller.get("/health") == (200, {"alive": True})
