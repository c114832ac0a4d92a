"""Where the money of complaints is: traced from account to account, exactly, by four methods."""

from __future__ import annotations

from muledetect.tracing.books import Books, open_books
from muledetect.tracing.kernel import METHODS, PLACES
from muledetect.tracing.trace import Traces, find_transfer, locate, trace_money

__all__ = ["METHODS", "PLACES", "Books", "Traces", "find_transfer", "locate", "open_books", "trace_money"]
