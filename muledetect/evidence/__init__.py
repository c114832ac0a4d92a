"""Evidence packs: one archive of a case that another machine can compute again, byte for byte.

`archive` writes and reads the file, `case` says who belongs to a case, `cut` makes its tables, `pages` its pages,
`build` puts them together, and `verify` computes a pack again and names the part that differs.

Nobody outside the case appears in a pack: what others paid or got is grouped over at least k of them, or dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.evidence.archive import read_archive
    from muledetect.evidence.build import Given, Options, build_pack
    from muledetect.evidence.verify import Verification, verify_pack

__all__ = ["Given", "Options", "Verification", "build_pack", "read_archive", "verify_pack"]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "archive": "read_archive",
        "build": "Given Options build_pack",
        "verify": "Verification verify_pack",
    },
    rooms="archive build case cut pages verify",
)
