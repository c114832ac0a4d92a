"""How much memory preparing a store may take.

>>> memory_limit("4GB"), memory_limit("1.5GiB")
(4000000000, 1610612736)
"""

from __future__ import annotations

import os
from typing import Final

from muledetect.errors import OptionError
from muledetect.memory import VARIABLE, parse_memory

LEAST: Final = 1_000_000_000
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def memory_limit(given: str | None) -> int:
    """Return the bytes that may be used: as given, or as the environment says, or half of the machine's memory."""
    limit = parse_memory(given)
    if limit is None:
        return max(os.sysconf("SC_PHYS_PAGES") * _PAGE // 2, LEAST)
    if limit < LEAST:
        where, text = ("memory", given) if given is not None else (VARIABLE, os.environ[VARIABLE])
        raise OptionError(f"{where}: {text} is less than the 1GB that the program itself and one batch of rows take.")
    return limit
