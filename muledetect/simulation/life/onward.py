"""How money that came goes on: in parts, after a while, to people, shops, billers, exchanges or the cash counter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from muledetect.arrays import Float64Array, Int64Array
from muledetect.simulation.economy import Economy
from muledetect.simulation.life.spending import near
from muledetect.simulation.streams import pick

#: Channel by way; people are paid by proxy or account number.
_CHANNEL: Final = {
    "biller": "bill", "vasp": "vasp", "wallet": "wallet", "shop": "qr_merchant", "goods": "p2p_account",
    "company": "p2p_account", "cash": "cash_counter",
}  # fmt: skip
#: Odds of one to four parts (choice).
_PARTS: Final = np.array([0.55, 0.25, 0.13, 0.07])


def in_parts(rng: np.random.Generator, n: int) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return (row, number of the part, parts of the row) for `n` sums that leave in one to four parts."""
    parts = 1 + pick(rng, _PARTS, n)
    row = np.repeat(np.arange(n), parts)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(parts) - parts, parts), parts[row]


class Habit(NamedTuple):
    """How money that came goes on: log-normal delays, and the weight of each way.

    The ways are `known` people, a `stranger`, an account `elsewhere`, or one of those that have a channel of their own.
    """

    median_s: float
    spread: float
    ways: Mapping[str, float]


def send_onward(
    economy: Economy, habit: Habit, pots: Int64Array, source: Int64Array, moment: Int64Array, keep: float | Float64Array
) -> None:
    """Plan how the money of each pot leaves `source` after `moment`, in parts; the share `keep` stays."""
    row, number, parts = in_parts(economy.rng, len(pots))
    leaves = economy.delayed(moment[row], habit.median_s, habit.spread)
    names = list(habit.ways)
    way = pick(economy.rng, np.array(list(habit.ways.values())), len(row))
    for code, name in enumerate(names):
        chosen = np.flatnonzero(way == code)
        payer = source[row[chosen]]
        columns: dict[str, Any] = {
            "time": leaves[chosen],
            "source": payer,
            "target": _payee(economy, name, payer),
            "pot_out": pots[row[chosen]],
            "share": (1 / parts[chosen])
            * np.where(number[chosen] == 0, 1.0, economy.rng.uniform(0.8, 1.0, len(chosen))),
            "keep": keep[row[chosen]] if isinstance(keep, np.ndarray) else keep,
        }
        if name == "cash":
            columns |= {"terminal": near(economy, payer), "rounding": 10_000}
        if name in _CHANNEL:
            economy.pay(_CHANNEL[name], **columns)
        else:
            economy.pay_person(**columns)


def _payee(economy: Economy, way: str, payer: Int64Array) -> Int64Array:
    if way == "known":
        return economy.contacts.draw(economy.rng, payer)
    if way == "stranger":
        return economy.strangers(len(payer))
    if way == "elsewhere":
        return economy.elsewhere(len(payer))
    if way == "cash":
        return economy.people.cash_of(payer)
    return economy.business(len(payer), way)
