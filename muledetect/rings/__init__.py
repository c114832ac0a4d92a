"""Rings of accounts held together by links, and the call centres that they serve."""

from __future__ import annotations

from muledetect.rings.find import find_rings
from muledetect.rings.identity import keep_ids
from muledetect.rings.links import KINDS, LINKS, LinkKind, Scene, link
from muledetect.rings.ring import Ring, RingTables, read_rings
from muledetect.rings.ties import FAMILIES, Family, Ties, TieScene, family, find_ties, learn_weights

__all__ = [
    "FAMILIES",
    "KINDS",
    "LINKS",
    "Family",
    "LinkKind",
    "Ring",
    "RingTables",
    "Scene",
    "TieScene",
    "Ties",
    "family",
    "find_rings",
    "find_ties",
    "keep_ids",
    "learn_weights",
    "link",
    "read_rings",
]
