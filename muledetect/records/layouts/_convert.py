"""Many currencies into one, at the rates that the transfers between two currencies show."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def convert_amounts(transfers: pa.Table, currency: str) -> pa.Table:
    """Return transfers with `amount` in minor units of one currency, where a rate is known.

    The rate of a currency is the median of paid over got, or of got over paid, of the transfers between it and
    `currency`. It is a rate of the whole file: fit for generators whose rates stand still, not for years of a market.
    Rows of a currency that was never exchanged keep it, for the reader to reject (give it `currency`). An amount that
    would vanish becomes one minor unit. O(n log n).

    Parameters
    ----------
    transfers : pyarrow.Table
        With `amount`, `currency`, `target_amount`, `target_currency`.
    currency : str
    """
    table = transfers.combine_chunks()
    paid, got = (table[name].cast(pa.float64()).to_numpy() for name in ("amount", "target_amount"))
    paid_in, got_in = (pc.fill_null(table[name], "") for name in ("currency", "target_currency"))
    amount, code = table["amount"], table["currency"]
    for other in sorted(set(pc.unique(paid_in).to_pylist()) - {currency, ""}):
        out = pc.and_(pc.equal(paid_in, other), pc.equal(got_in, currency)).to_numpy()
        back = pc.and_(pc.equal(paid_in, currency), pc.equal(got_in, other)).to_numpy()
        seen = np.concatenate([got[out] / paid[out], paid[back] / got[back]])
        seen = seen[np.isfinite(seen) & (seen > 0)]
        if not len(seen):
            continue
        here = pc.equal(paid_in, other)
        converted = np.maximum(np.rint(paid * np.median(seen)), 1.0)
        fits = np.isfinite(converted) & (converted < 2.0**62)
        changed = pa.array(np.where(fits, converted, 1.0).astype(np.int64))
        here = pc.and_(here, pa.array(fits))
        amount, code = pc.if_else(here, changed, amount), pc.if_else(here, currency, code)
    return table.set_column(table.column_names.index("amount"), "amount", amount).set_column(
        table.column_names.index("currency"), "currency", code
    )
