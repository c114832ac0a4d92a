"""How money that came goes on: in parts, after a while, to people, shops, billers, exchanges or the cash counter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from muledetect.simulation.life.cash import near
from muledetect.simulation.life.crowd import elsewhere
from muledetect.simulation.plan import OF_POT
from muledetect.simulation.streams import Float64, Int64, pick
from muledetect.simulation.town import Town, later

#: Channel by way; people are paid by proxy or account number.
_CHANNEL: Final = {
    "biller": "bill", "vasp": "vasp", "wallet": "wallet", "shop": "qr_merchant", "goods": "p2p_account",
    "company": "p2p_account", "cash": "cash_counter",
}  # fmt: skip
#: Odds of one to four parts (choice).
_PARTS: Final = np.array([0.55, 0.25, 0.13, 0.07])


def in_parts(rng: np.random.Generator, n: int) -> tuple[Int64, Int64, Int64]:
    """Return (row, number of the part, parts of the row) for `n` sums that leave in one to four parts."""
    parts = 1 + pick(rng, _PARTS, n)
    row = np.repeat(np.arange(n), parts)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(parts) - parts, parts), parts[row]


def goes_on(
    town: Town,
    rng: np.random.Generator,
    *,
    pots: Int64,
    source: Int64,
    moment: Int64,
    median_s: float,
    spread: float,
    ways: Mapping[str, float],
    keep: float | Float64 = 0.03,
) -> None:
    """Plan how the money of each pot leaves `source` after `moment`.

    `ways` weighs where it goes: `known` people, a `stranger`, an account `elsewhere`, or one of the ways that have a
    channel of their own. Delays are log-normal; the share `keep` stays.
    """
    row, number, parts = in_parts(rng, len(pots))
    leaves = later(rng, moment[row], median_s, spread)
    names = list(ways)
    way = pick(rng, np.array([ways[name] for name in names]), len(row))
    for code, name in enumerate(names):
        chosen = np.flatnonzero(way == code)
        payer = source[row[chosen]]
        columns: dict[str, Any] = {
            "time": leaves[chosen],
            "source": payer,
            "target": _payee(town, rng, name, payer),
            "mode": OF_POT,
            "pot_out": pots[row[chosen]],
            "share": (1 / parts[chosen]) * np.where(number[chosen] == 0, 1.0, rng.uniform(0.8, 1.0, len(chosen))),
            "keep": keep[row[chosen]] if isinstance(keep, np.ndarray) else keep,
        }
        if name == "cash":
            columns |= {"terminal": near(town, rng, payer), "grain": 10_000}
        if name in _CHANNEL:
            town.pay(rng, _CHANNEL[name], **columns)
        else:
            town.hand_over(rng, **columns)


def _payee(town: Town, rng: np.random.Generator, way: str, payer: Int64) -> Int64:
    if way == "known":
        return town.contacts.draw(rng, payer)
    if way == "stranger":
        return town.strangers(rng, len(payer))
    if way == "elsewhere":
        return elsewhere(town, rng, len(payer))
    if way == "cash":
        return town.people.cash_of(payer)
    return town.partner(rng, len(payer), way)
