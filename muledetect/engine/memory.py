"""How much memory a computation may take: `--memory 4GB`, or `MULEDETECT_MEMORY` in the environment.

>>> parse_memory("4GB"), parse_memory("512 MB"), parse_memory("1.5GiB")
(4000000000, 512000000, 1610612736)
"""

from __future__ import annotations

import os
import re
from typing import Final

from muledetect.errors import OptionError

VARIABLE: Final = "MULEDETECT_MEMORY"
LEAST: Final = 1_000_000_000
_UNITS: Final = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def parse_memory(text: str, where: str = "memory") -> int:
    """Return bytes for a number with a unit: MB, GB, TB, MiB, GiB or TiB."""
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*", text)
    unit = _UNITS.get(found[2].upper()) if found else None
    if found is None or unit is None:
        raise OptionError(f"{where}: {text!r} is no amount of memory. Write it with its unit, such as 4GB or 512MB.")
    return round(float(found[1]) * unit)


def memory_limit(given: str | None) -> int:
    """Return the bytes that may be used: as given, or as the environment says, or half of the machine's memory."""
    text, where = (given, "memory") if given is not None else (os.environ.get(VARIABLE, ""), VARIABLE)
    if not text:
        return max(os.sysconf("SC_PHYS_PAGES") * _PAGE // 2, LEAST)
    limit = parse_memory(text, where)
    if limit < LEAST:
        raise OptionError(f"{where}: {text} is less than the 1GB that the program itself and one batch of rows take.")
    return limit


def resident() -> int:
    """Return the bytes of memory that this process holds now, without pages of files; 0 where nobody tells."""
    try:
        with open("/proc/self/status", "rb") as file:
            lines = [line.split() for line in file if line.startswith(b"RssAnon")]
    except OSError:
        return 0
    return int(lines[0][1]) * 1024 if lines else 0
