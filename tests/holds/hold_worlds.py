"""A record of holds, worked out by hand, for the tests of holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from muledetect.holds import add_event

#: Begins on Friday 28 February 2025, 17:00 in Bangkok.
BEGUN = "2025-02-28T10:00Z"


def held(record: Path, **changed: Any) -> str:
    """Write a hold of 1,000.00 for complaint q in account m into a record; return its id."""
    given: dict[str, Any] = {
        "pack": "TH", "time": BEGUN, "recorded": BEGUN, "decided_by": "desk 7", "why": "traced to it",
        "account_id": "m", "complaint_id": "q", "clock": "traced_amount", "amount": 100_000,
    }  # fmt: skip
    return add_event(record, "held", **(given | changed))


def later(record: Path, event: str, time: str, **changed: Any) -> str:
    """Write an event of the first hold into a record, at the moment when it took effect."""
    given = {
        "pack": "TH",
        "time": time,
        "recorded": time,
        "decided_by": "desk 7",
        "why": "as told",
        "hold_id": "H000001",
    }
    return add_event(record, event, **(given | changed))
