"""Where the money of complaints is: traced from account to account, exactly, by four methods."""

from __future__ import annotations

from muledetect.facts.accounts import PLACES
from muledetect.tracing.complaints import trace
from muledetect.tracing.kernel import METHODS
from muledetect.tracing.paths import find_transfer, locate
from muledetect.tracing.traces import Traces

__all__ = ["METHODS", "PLACES", "Traces", "find_transfer", "locate", "trace"]
