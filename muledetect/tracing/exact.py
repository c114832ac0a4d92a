"""Exact shares of int64 money."""

from __future__ import annotations

import numba
import numpy as np

_MOST = np.int64(2**63 - 1)


@numba.njit(cache=True, nogil=True)
def share_of(whole, part, total):  # type: ignore[no-untyped-def]
    """Return `whole * part // total` without overflow, int64, for 0 <= part <= total, 0 < total and 0 <= whole.

    Where the product does not fit, `whole` is taken bit by bit: 63 steps, each keeping quotient and remainder exact.
    """
    if whole == 0 or part == 0:
        return np.int64(0)
    if part == total:
        return whole
    if part <= _MOST // whole:
        return whole * part // total
    quotient, remainder = np.int64(0), np.int64(0)
    for bit in range(62, -1, -1):
        # (quotient, remainder) of part * (the bits of whole so far) by total; remainder < total, so 2 r may pass 2^63
        quotient = quotient * 2
        if remainder >= total - remainder:
            quotient += 1
            remainder = remainder - (total - remainder)
        else:
            remainder = remainder + remainder
        if whole >> np.int64(bit) & 1:
            if remainder >= total - part:
                quotient += 1
                remainder = remainder - (total - part)
            else:
                remainder = remainder + part
    return quotient
