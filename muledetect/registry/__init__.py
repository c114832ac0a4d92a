"""Registries of police, regulators and banks: their lists into the data set, proposals of ours, what changed.

Schemes are data (`load_scheme`): tiers, who may set which, how long an entry stands. What the entries mean for accounts
at a moment is derived in `muledetect.facts.registry`. See docs/registry.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.registry.history import diff_registries, open_registry
    from muledetect.registry.importing import ImportedRegistry, import_registry
    from muledetect.registry.proposing import export_proposals, propose, write_proposals
    from muledetect.registry.schemes import Scheme, Tier, load_scheme

__all__ = [
    "ImportedRegistry",
    "Scheme",
    "Tier",
    "diff_registries",
    "export_proposals",
    "import_registry",
    "load_scheme",
    "open_registry",
    "propose",
    "write_proposals",
]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "history": "diff_registries open_registry",
        "importing": "ImportedRegistry import_registry",
        "proposing": "export_proposals propose write_proposals",
        "schemes": "Scheme Tier load_scheme",
    },
    rooms="files history importing proposing schemes",
)
