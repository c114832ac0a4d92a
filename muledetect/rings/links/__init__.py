"""Reasons to put two accounts together, one kind a file.

To add a kind, write a function of a `Scene` that returns a table in the shape `LINKS`, decorate it with `@link` and
add it to `KINDS`, or pass it to `find_rings(links=...)` without registering it.
"""

from __future__ import annotations

from typing import Final

from muledetect.rings.links._spec import LINKS, LinkKind, Scene, link
from muledetect.rings.links.co_activation import co_activation
from muledetect.rings.links.payment import payment
from muledetect.rings.links.relay import relay
from muledetect.rings.links.shared_things import WEIGHTS, shared_thing
from muledetect.rings.links.shared_victims import shared_victims

#: Every kind of link that `find_rings` looks for.
KINDS: Final[tuple[LinkKind, ...]] = (
    relay,
    payment,
    shared_victims,
    *(shared_thing(kind) for kind in WEIGHTS),
    co_activation,
)

__all__ = ["KINDS", "LINKS", "LinkKind", "Scene", "link"]
