"""Start the service: the server around the application, its address, and its signals."""

from __future__ import annotations

import gc
import logging
import signal
import time
from typing import Final

import uvicorn

from muledetect.serve.app import Service
from muledetect.serve.guards import check_address
from muledetect.serve.protocol import Protocol

#: Seconds that open requests get when the service stops.
_GRACE: Final = 20
#: Connections that may be open; beyond it the server answers 503.
_CONNECTIONS: Final = 4_000
#: So many new objects are made before Python looks for dead ones among them: some tenths of a millisecond.
_NEW_OBJECTS: Final = 5_000


class _Lines(logging.Formatter):
    """Writes out a second once, for all lines in it."""

    _second: tuple[int, str] = 0, ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        if int(record.created) != self._second[0]:
            self._second = int(record.created), time.strftime(self.default_time_format, self.converter(record.created))
        return f"{self._second[1]},{record.msecs:03.0f}"


def server_of(service: Service, host: str, port: int) -> uvicorn.Server:
    """Return the server of a service, not yet started.

    Parameters
    ----------
    service : Service
    host : str
        Address to listen on; loopback only, if the service has no tokens.
    port : int
        0 takes a free one.

    Raises
    ------
    OptionError
        If others can reach the address and the service has no tokens.
    """
    check_address(host, has_tokens=service.has_tokens)
    config = uvicorn.Config(
        service.app(), host=host, port=port, http=Protocol, ws="none", loop="auto", lifespan="on", access_log=False,
        log_config=None, server_header=False, proxy_headers=False, timeout_keep_alive=30,
        limit_concurrency=_CONNECTIONS, timeout_graceful_shutdown=_GRACE,
    )  # fmt: skip
    return uvicorn.Server(config)


def serve_until_stopped(server: uvicorn.Server) -> None:
    """Serve until SIGTERM or SIGINT; open requests are answered, waiting ones worked off, and the log is closed.

    What the process holds by now stays until it ends. Python's garbage collection no longer looks at it: it would stop
    all threads for some tenths of a second each time.

    Parameters
    ----------
    server : uvicorn.Server
        From `server_of`.
    """
    lines = logging.StreamHandler()
    lines.setFormatter(_Lines("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[lines])
    # a line says neither of these, so they are not found out for each, see "Optimization" in Python's logging HOWTO
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # the server raises the signal again once it has stopped; that is a stop in good order, and no error
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)
    server.run()
