"""Exchange with another bank without moving data: which accounts and identifiers do both suspect?

Private set intersection by files, see docs/exchange.md: `request`, `answer`, `finish`. What is learnt becomes evidence
(`as_registry`), and shows which rings belong together (`shared_rings`). Needs the extra `exchange` (PyNaCl).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.exchange.items import gather_items
    from muledetect.exchange.joining import as_registry, shared_rings
    from muledetect.exchange.steps import answer, finish, request, ring_pseudonym

__all__ = ["answer", "as_registry", "finish", "gather_items", "request", "ring_pseudonym", "shared_rings"]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "items": "gather_items",
        "joining": "as_registry shared_rings",
        "steps": "answer finish request ring_pseudonym",
    },
    rooms="files group items joining steps",
)
