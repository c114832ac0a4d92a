"""Base32 in lower case and without padding, of many byte strings at once."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

LETTERS: Final = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", np.uint8)


@njit(cache=True, nogil=True)
def spell(sealed: Any, ends: Any, letters: Any, text: Any, starts: Any) -> None:
    """Write the letters of each byte string, two places behind its start, into `text`."""
    # `held` has the `n_held` lowest bits that are read and not yet written, the oldest highest.
    start = 0
    for row in range(ends.size):
        at = starts[row] + 2
        held = 0
        n_held = 0
        for i in range(start, ends[row]):
            held = ((held << 8) | sealed[i]) & 0xFFF
            n_held += 8
            while n_held >= 5:
                n_held -= 5
                text[at] = letters[(held >> n_held) & 31]
                at += 1
        if n_held:
            text[at] = letters[(held << (5 - n_held)) & 31]
        start = ends[row]
