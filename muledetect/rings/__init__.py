"""Rings of accounts held together by links, found around the accounts with high scores."""

from __future__ import annotations

from muledetect.rings.find import find_rings
from muledetect.rings.links import KINDS, LINKS, LinkKind, Scene, link
from muledetect.rings.ring import Ring, RingTables

__all__ = ["KINDS", "LINKS", "LinkKind", "Ring", "RingTables", "Scene", "find_rings", "link"]
