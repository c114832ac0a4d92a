"""Holds and their clocks: what is held, until when the law allows it, who decided, and what speaks for release.

A record of holds is an append-only table of events (`record`). The state of a hold at a moment follows from the events
that were known before it (`states`). How long a hold may stand is said by the clocks of a country (`clocks`), which are
data. What speaks for release stands in `muledetect.reports.accounts.release`.

A hold is of an amount, never of an account. Nothing here holds money: a person decides, and the bank's system does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.holds.clocks import Clock, Clocks, load_clocks
    from muledetect.holds.propose import propose_holds
    from muledetect.holds.record import add_event, read_record
    from muledetect.holds.states import hold_states

__all__ = [
    "Clock",
    "Clocks",
    "add_event",
    "hold_states",
    "load_clocks",
    "propose_holds",
    "read_record",
]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "clocks": "Clock Clocks load_clocks",
        "propose": "propose_holds",
        "record": "add_event read_record",
        "states": "hold_states",
    },
)
