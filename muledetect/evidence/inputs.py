"""Digests of the files that a pack was made from, by names that tell no folder of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from muledetect.outputs import MANIFEST, sha256


def digests_of_inputs(inputs: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each file of the inputs, as `what/name`; what is in memory has none.

    Parameters
    ----------
    inputs : mapping
        What each input is -> path of a file or folder, or a table in memory.
    """
    found: dict[str, str] = {}
    for what, given in inputs.items():
        if not isinstance(given, str | Path):
            continue
        place = Path(given)
        if place.is_dir():
            files = (path for path in sorted(place.rglob("*")) if path.is_file() and path.name != MANIFEST)
            found |= {f"{what}/{path.relative_to(place).as_posix()}": sha256(path) for path in files}
        elif place.is_file():
            found[what] = sha256(place)
    return found
