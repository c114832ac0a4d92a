"""Idempotency keys: a request that is sent again gets the answer of the first time, and does nothing.

Keys are remembered in memory. After a restart it is the log that keeps a row from being counted twice: each row of a
repeated request is then answered as "duplicate".
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from muledetect.serve.request_errors import RequestError

_MOST: Final = 100_000
_MOST_BYTES: Final = 64 << 20
_LONGEST: Final = 200


class Keys:
    """The keys of the last requests with their answers, at most so many and so many bytes of answers.

    Answers are kept as bytes: Python's garbage collection would look through the parts of all of them, and stop all
    threads meanwhile.
    """

    def __init__(self, most: int = _MOST, most_bytes: int = _MOST_BYTES) -> None:
        self._known: OrderedDict[str, tuple[bytes, bytes | None]] = OrderedDict()
        self._most, self._most_bytes, self._n_bytes = most, most_bytes, 0

    @contextmanager
    def once(self, key: str | None, path: str, body: bytes) -> Iterator[Answered]:
        """Yield the earlier answer to a key, or nothing; set `answer` within the block to have it remembered.

        A request that fails forgets its key, so that it can be sent again.
        """
        if key is None:
            yield Answered()
            return
        if not 0 < len(key) <= _LONGEST or not key.isascii() or not key.isprintable():
            raise RequestError("bad_key", f"Idempotency-Key: must be 1 to {_LONGEST} visible ASCII signs.")
        digest = hashlib.sha256(path.encode() + b"\0" + body).digest()
        known = self._known.get(key)
        if known is not None and known[0] != digest:
            raise RequestError("key_reused", "Idempotency-Key: was used for another request. Take a new key for each.")
        if known is not None and known[1] is None:
            raise RequestError("key_in_use", "Idempotency-Key: the first request is still being worked on. Try again.")
        held = Answered(None if known is None else known[1])
        if known is None:
            self._known[key] = digest, None  # it is worked on
        try:
            yield held
        finally:
            if held.answer is None:
                del self._known[key]
            elif known is None:
                self._known[key] = digest, held.answer
                self._n_bytes += len(held.answer)
                self._forget()

    def _forget(self) -> None:
        while len(self._known) > self._most or self._n_bytes > self._most_bytes:
            oldest = next(iter(self._known))
            answer = self._known[oldest][1]
            if answer is None:  # bounded by the queue, so it may stay
                self._known.move_to_end(oldest)
            else:
                del self._known[oldest]
                self._n_bytes -= len(answer)


class Answered:
    """The answer to a request, or None as long as there is none."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.answer = answer
