"""What the bank knew, and since when: derived once from the records, cut in time in one place.

`Facts` hold each fact of a data set with the span in which it was known. `Snapshot` is what was known just before one
moment: rings, ties, traces and pages take it. Features compare the same facts with the moments of many points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.facts.known import Facts, facts_of
    from muledetect.facts.snapshot import Snapshot, StandingComplaints

__all__ = ["Facts", "Snapshot", "StandingComplaints", "facts_of"]

__getattr__, __dir__ = on_demand(__name__, {"known": "Facts facts_of", "snapshot": "Snapshot StandingComplaints"})
