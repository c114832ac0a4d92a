"""What stands before every request: its token, its rate, and the size of its body."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.types import Receive

from muledetect.errors import OptionError
from muledetect.serve.request_errors import RequestError
from muledetect.serve.tokens import Tokens

#: Callers whose rate is kept in mind; beyond it the one that was silent longest is forgotten.
_CALLERS: Final = 1_024

#: Names of this machine that only it can reach.
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class Rates:
    """A bucket of permissions a caller: `per_second` flow in, at most two seconds' worth, and each request takes one.

    Parameters
    ----------
    per_second : float
        0 lets everything pass.
    clock : callable
        Seconds, for tests.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = per_second, clock
        self._most = max(2 * per_second, 1.0)
        self._callers: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Take one permission of a caller, or refuse the request."""
        if not self._rate:
            return
        now = self._clock()
        held, since = self._callers.pop(caller, (self._most, now))
        held = min(self._most, held + (now - since) * self._rate)
        self._callers[caller] = (max(held - 1, 0.0) if held >= 1 else held, now)
        if len(self._callers) > _CALLERS:
            self._callers.popitem(last=False)
        if held < 1:
            raise RequestError(
                "too_many", f"more than {self._rate:g} requests a second. Try again after Retry-After seconds."
            )


def check_address(host: str, *, has_tokens: bool) -> None:
    """Refuse an address that others can reach, where no token is asked for."""
    if host not in LOOPBACK and not has_tokens:
        raise OptionError(
            f"serve: {host!r} can be reached by other machines. Give --tokens FILE, or listen on 127.0.0.1."
        )


def admit(request: Request, tokens: Tokens, rates: Rates) -> None:
    """Refuse a request without a known token, or above the rate of its caller."""
    host = request.client.host if request.client else "unknown"
    caller = None
    if len(tokens):
        caller = tokens.caller(request.headers.get("authorization", ""))
        if caller is None:
            rates.take(f"host {host}")  # guesses are slow, too
            raise RequestError("no_token", "Authorization: needs `Bearer` and a token of the service's file.")
    elif _name_of(request.headers.get("host", "")) not in LOOPBACK:  # a web page may name this machine as it likes
        raise RequestError("no_token", "Host: a service without tokens answers to its own machine only, as 127.0.0.1.")
    rates.take(f"token {caller}" if caller is not None else f"host {host}")


def _name_of(host: str) -> str:
    """Return the name in a Host header, without port and brackets; the header may be anything."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).strip("[]").lower()


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """Return the body of a request; refuse one that is too large or too slow before all of it is there."""
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or len(length) > 18 or int(length) > most:
        raise _too_large(most)
    try:
        async with asyncio.timeout(seconds):
            return await _collect(request.receive, most)
    except TimeoutError as error:
        raise RequestError("too_slow", f"the body took longer than {seconds:g} s to arrive.") from error


async def _collect(receive: Receive, most: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestError("too_slow", "the caller left before the body was there.")
        body += message.get("body", b"")
        if len(body) > most:
            raise _too_large(most)
        if not message.get("more_body", False):
            return bytes(body)


def _too_large(most: int) -> RequestError:
    return RequestError("too_large", f"the body is above {most:,} bytes. Send several requests.")
