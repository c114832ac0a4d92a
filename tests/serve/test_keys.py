"""Idempotency keys: bounded, and a request that failed may be sent again."""

from __future__ import annotations

import pytest

from muledetect.serve.keys import Keys
from muledetect.serve.request_errors import RequestError


def ask(keys: Keys, key: str, body: bytes, answer: bytes | None) -> bytes | None:
    with keys.once(key, "/book", body) as held:
        held.answer = held.answer or answer
        return held.answer


def test_the_first_answer_stays_until_newer_keys_push_it_out() -> None:
    keys = Keys(most=2)
    assert ask(keys, "a", b"1", b"first") == b"first"
    assert ask(keys, "a", b"1", b"second") == b"first"
    ask(keys, "b", b"1", b"x"), ask(keys, "c", b"1", b"x")
    assert ask(keys, "a", b"1", b"third") == b"third"


def test_answers_that_are_kept_take_so_many_bytes_at_most() -> None:
    keys = Keys(most_bytes=10)
    for key, answer in (("a", b"123456"), ("b", b"1234"), ("c", b"12")):
        ask(keys, key, b"1", answer)
    assert [ask(keys, key, b"1", b"new") for key in ("b", "c", "a")] == [b"1234", b"12", b"new"]
    assert ask(keys, "long", b"1", b"x" * 11) == b"x" * 11
    assert [ask(keys, key, b"1", b"") for key in ("a", "b", "c", "long")] == [b""] * 4


def test_a_key_in_work_or_of_another_request_is_refused() -> None:
    keys = Keys(most=1)
    with keys.once("a", "/book", b"1") as held:
        with pytest.raises(RequestError, match="still being worked on"):
            ask(keys, "a", b"1", b"x")
        ask(keys, "b", b"1", b"x"), ask(keys, "c", b"1", b"x")  # what is in work is never forgotten
        held.answer = b"done"
    assert ask(keys, "a", b"1", b"x") == b"done"
    with pytest.raises(RequestError, match="another request"):
        ask(keys, "a", b"2", b"x")


def test_a_failure_frees_the_key() -> None:
    keys = Keys()
    with pytest.raises(ValueError, match="broken"), keys.once("a", "/book", b"1"):
        raise ValueError("broken")
    assert ask(keys, "a", b"1", b"now") == b"now"
