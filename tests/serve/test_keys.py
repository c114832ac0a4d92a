"""Idempotency keys: bounded, and a request that failed may be sent again."""

from __future__ import annotations

import pytest

from muledetect.serve.keys import Keys
from muledetect.serve.request_errors import RequestError


def ask(keys: Keys, key: str, body: bytes, answer: str | None) -> str | None:
    with keys.once(key, "/book", body) as held:
        held.answer = held.answer or answer
        return held.answer


def test_the_first_answer_stays_until_newer_keys_push_it_out() -> None:
    keys = Keys(most=2)
    assert ask(keys, "a", b"1", "first") == "first"
    assert ask(keys, "a", b"1", "second") == "first"
    ask(keys, "b", b"1", "x"), ask(keys, "c", b"1", "x")
    assert ask(keys, "a", b"1", "third") == "third"


def test_a_key_in_work_or_of_another_request_is_refused() -> None:
    keys = Keys(most=1)
    with keys.once("a", "/book", b"1") as held:
        with pytest.raises(RequestError, match="still being worked on"):
            ask(keys, "a", b"1", "x")
        ask(keys, "b", b"1", "x"), ask(keys, "c", b"1", "x")  # what is in work is never forgotten
        held.answer = "done"
    assert ask(keys, "a", b"1", "x") == "done"
    with pytest.raises(RequestError, match="another request"):
        ask(keys, "a", b"2", "x")


def test_a_failure_frees_the_key() -> None:
    keys = Keys()
    with pytest.raises(ValueError, match="broken"), keys.once("a", "/book", b"1"):
        raise ValueError("broken")
    assert ask(keys, "a", b"1", "now") == "now"
