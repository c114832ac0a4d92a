"""Rings of accounts held together by links, and the call centres that they serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.rings.find import find_rings
    from muledetect.rings.identity import keep_ids
    from muledetect.rings.links import KINDS, LINKS, LinkKind, RingContext, link
    from muledetect.rings.ring import Ring, RingTables, read_rings
    from muledetect.rings.ties import FAMILIES, Family, TieContext, Ties, family, find_ties, learn_weights

__all__ = [
    "FAMILIES",
    "KINDS",
    "LINKS",
    "Family",
    "LinkKind",
    "Ring",
    "RingContext",
    "RingTables",
    "TieContext",
    "Ties",
    "family",
    "find_rings",
    "find_ties",
    "keep_ids",
    "learn_weights",
    "link",
    "read_rings",
]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "find": "find_rings",
        "identity": "keep_ids",
        "links": "KINDS LINKS LinkKind RingContext link",
        "ring": "Ring RingTables read_rings",
        "ties": "FAMILIES Family TieContext Ties family find_ties learn_weights",
    },
)
