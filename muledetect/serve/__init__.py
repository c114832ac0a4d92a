"""The service: score a payment as it arrives, book it, take events, and find money, over HTTP. See docs/live.md.

Needs the extra `serve`. The application is plain ASGI, so other servers and tests can run it, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.serve.app import Limits, Service
    from muledetect.serve.pacs008 import read_pacs008
    from muledetect.serve.run import serve_until_stopped, server_of
    from muledetect.serve.start import open_service
    from muledetect.serve.tokens import Tokens, read_tokens

__all__ = [
    "Limits",
    "Service",
    "Tokens",
    "open_service",
    "read_pacs008",
    "read_tokens",
    "serve_until_stopped",
    "server_of",
]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "app": "Limits Service",
        "pacs008": "read_pacs008",
        "run": "serve_until_stopped server_of",
        "start": "open_service",
        "tokens": "Tokens read_tokens",
    },
)
