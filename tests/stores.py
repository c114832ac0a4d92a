"""What a store holds, to compare stores."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from muledetect import engine


def content(folder: Path) -> dict[str, Any]:
    """Return all that a store holds but the rows as they were read, whose files are cut by update."""
    header = dataclasses.asdict(engine.open_store(folder).header)
    del header["files"], header["changed_days"]
    paths = [p for p in folder.rglob("*") if p.is_file() and p.name[0] != "." and p.name != "store.json"]
    names = {p.relative_to(folder).as_posix(): p for p in paths}
    return {"header": header} | {n: p.read_bytes() for n, p in names.items() if not n.startswith("rows/")}
