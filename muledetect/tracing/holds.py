"""Holds: amounts, not accounts. No money is held twice, and never more than there is."""

from __future__ import annotations

import numpy as np

from muledetect.arrays import Int64Array


def share_available(account: Int64Array, known: Int64Array, wanted: Int64Array, available: Int64Array) -> Int64Array:
    """Return how much of `wanted` each claim gets of the money available in its account.

    Parameters
    ----------
    account : int64[n]
        Any number that tells accounts apart.
    known : int64[n]
        When the complaint behind the claim was known: earlier ones are served first.
    wanted : int64[n]
        Traced money, >= 0.
    available : int64[n]
        Balance of the account, equal for all of its claims.

    Returns
    -------
    int64[n]
        At most `wanted`; the claims on an account sum to at most its balance.

    Notes
    -----
    Claims of one moment share what is left in proportion to what they want, rounded down. O(n log n).
    """
    granted = np.zeros(len(account), np.int64)
    order = np.lexsort((known, account))
    ends = np.flatnonzero(np.diff(account[order]) | np.diff(known[order])) + 1
    left, last = 0, None
    for rows in np.split(order, ends) if len(order) else []:
        if account[rows[0]] != last:
            last, left = account[rows[0]], int(available[rows[0]])
        # Python's integers: the product of two amounts may pass 64 bits
        claims = [int(claim) for claim in wanted[rows]]
        total = sum(claims)
        given = claims if total <= left else [left * claim // total for claim in claims]
        granted[rows] = given
        left -= sum(given)
    return granted
