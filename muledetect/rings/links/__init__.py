"""Reasons to put two accounts together.

To add a kind, write a function of a `RingContext` that returns a table in the shape `LINKS`, decorate it with `@link`
and add it to `KINDS`, or pass it to `find_rings(links=...)` without registering it; `muledetect.testing.check_link`
holds it to the laws.
"""

from __future__ import annotations

from typing import Final

from muledetect.rings.links._spec import LINKS, LinkKind, RingContext, link
from muledetect.rings.links.things import WEIGHTS, shared_thing
from muledetect.rings.links.transfers import co_activation, payment, relay, shared_victims

#: Every kind of link that `find_rings` looks for.
KINDS: Final[tuple[LinkKind, ...]] = (
    relay,
    payment,
    shared_victims,
    *(shared_thing(kind) for kind in WEIGHTS),
    co_activation,
)

__all__ = ["KINDS", "LINKS", "LinkKind", "RingContext", "link"]
