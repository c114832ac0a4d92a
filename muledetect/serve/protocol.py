"""HTTP as uvicorn speaks it with httptools, within a bound, and with each response in one piece."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Bytes of a head, or of what follows a body in chunks; the parser itself has no bound.
_MOST: Final = 1 << 15

_REFUSED: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
)


class Protocol(HttpToolsProtocol):
    """One connection: a head that does not end is refused, and a response goes in one piece."""

    _since_body = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; responses go through a `OnePiece`."""
        super().connection_made(OnePiece(transport, self.loop))  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        self._since_body += len(data)
        super().data_received(data)
        if self._since_body > _MOST and not self.transport.is_closing():
            self.send_400_response(f"the head of a request has at most {_MOST:,} bytes.")

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body; its size is bounded by who reads it."""
        self._since_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._since_body = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP in the form of all errors, and close."""
        body = json.dumps({"error": {"code": "bad_http", "message": msg}}).encode()
        self.transport.write(_REFUSED % (len(body), body))
        self.transport.close()


class OnePiece:
    """A transport that holds back what is written until the turn of the event loop ends: a head goes with its body.

    uvicorn writes them one after the other, and a transport would send each at once.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop, self._held = transport, loop, list[bytes]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send soon."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)

    def close(self) -> None:
        """Send what is held back, and end."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held = self._held, []
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))
