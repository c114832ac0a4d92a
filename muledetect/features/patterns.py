"""Patterns: what the signals of an account's transfers add up to.

Each column is one signal of the credits or debits of the account, aggregated over a window: the largest value, the mean
weighted by amount, the share of the amount above a limit, or the number above it.
"""

from __future__ import annotations

from functools import cache
from typing import Final, Literal, NamedTuple

import numba
import numpy as np

from muledetect.arrays import Float64Array, Int64Array
from muledetect.features._columns import Column, Unit
from muledetect.features._history import History
from muledetect.features._spec import feature
from muledetect.features.signals import signal_registry

How = Literal["max", "mean", "share", "count"]

_CODES: Final[dict[str, int]] = {"max": 0, "mean": 1, "share": 2, "count": 3}

# Means are sums of integers, so that no order of transfers can change a bit: weights of 30 bits, values of 32.
_WEIGHT: Final = 2.0**30
_VALUE_BITS: Final = 32


class Aggregate(NamedTuple):
    """One column: a signal of one side, how it is aggregated, the limit above which it counts, and its column."""

    side: Literal["in", "out"]
    signal: str
    how: How
    column: Column
    above: float = 0.0


def _in(signal: str, how: How, unit: Unit, text: str, above: float = 0.0) -> Aggregate:
    return Aggregate("in", signal, how, Column(unit, text), above)


def _out(signal: str, how: How, unit: Unit, text: str, above: float = 0.0) -> Aggregate:
    return Aggregate("out", signal, how, Column(unit, text), above)


_GOT: Final = "share of the money received {window} "
_PAID: Final = "share of the money paid {window} "
_NEW_GOT: Final = "share of the first payments got from new payers {window} "
_NEW_PAID: Final = "share of the first payments made to new payees {window} "
_MOST: Final = "most first payments of about one amount that "
_CLOSEST: Final = "smaller against larger of the two closest first payments "

AGGREGATES: Final = {
    "in_most_payers": _in("target_fan_in", "max", "count", "most different payers within 72 h {window}"),
    "in_payer_fan": _in("source_fan_out", "share", "ratio", _GOT + "from payers that paid three others within 72 h", 3),
    "in_relayed": _in("relayed_share", "mean", "ratio", _GOT + "that its payers had received within 72 h themselves"),
    "in_chain_depth": _in("chain_depth", "max", "count", "longest chain of transfers that reached it {window}"),
    "in_victim_share": _in("victim_share", "mean", "ratio", _GOT + "that stems from likely victims"),
    "in_victims": _in("is_likely_victim", "count", "count", "transfers from likely victims {window}"),
    "in_layer": _in(
        "layer", "mean", "ratio", "steps from likely victims of the money received {window}, mean by amount"
    ),
    "in_above_habit": _in(
        "amount_to_habit", "share", "ratio", _GOT + "that was more than its payer ever paid before", 1
    ),
    "in_drained": _in("drained", "share", "ratio", _GOT + "that took nine tenths of its payer's balance", 0.9),
    "in_stranger": _in("is_stranger", "share", "ratio", _GOT + "from accounts never dealt with before"),
    "in_origins": _in("origins_2", "max", "count", "most accounts two steps up of one transfer received {window}"),
    "in_cycle": _in("cycle_shortest", "share", "ratio", _GOT + "that closed a cycle"),
    "in_scatter_gather": _in("scatter_gather", "max", "count", "most ways between one account and it {window}"),
    "in_bipartite": _in("bipartite", "share", "ratio", _GOT + "in shapes of two payers and two payees"),
    "in_payer_idle": _in(
        "source_idle", "mean", "seconds", "time that its payers had been idle {window}, mean by amount"
    ),
    "in_new_alike": _in("new_payers_alike", "max", "count", _MOST + "it got from new payers within 72 h {window}"),
    "in_new_closest": _in("new_payers_closest", "max", "ratio", _CLOSEST + "from new payers within 72 h {window}"),
    "in_new_relay": _in("new_got_closest", "max", "ratio", _CLOSEST + "to a new payer, and on to it, {window}"),
    "in_new_relayed": _in(
        "new_got_alike",
        "share",
        "ratio",
        _NEW_GOT + "that about matched what the payer had just got from one new to it",
    ),
    "in_new_spread": _in("new_paid_alike", "max", "count", _MOST + "a new payer paid to accounts new to it {window}"),
    "out_most_payees": _out("source_fan_out", "max", "count", "most different payees within 72 h {window}"),
    "out_gather_scatter": _out("gather_scatter", "max", "count", "most payers and payees alike within 72 h {window}"),
    "out_relayed": _out("relayed_share", "mean", "ratio", _PAID + "that it had received within 72 h"),
    "out_relay_holding_time": _out(
        "relay_holding_time", "mean", "seconds", "time that money stayed before it was passed on {window}"
    ),
    "out_credit_used": _out("credit_used", "mean", "ratio", "share of one credit that one debit passes on {window}"),
    "out_chain_depth": _out("chain_depth", "max", "count", "longest chain of transfers that it continued {window}"),
    "out_victim_share": _out("victim_share", "mean", "ratio", _PAID + "that stems from likely victims"),
    "out_layer": _out("layer", "mean", "ratio", "steps from likely victims of the money paid {window}, mean by amount"),
    "out_above_habit": _out("amount_to_habit", "share", "ratio", _PAID + "that was more than it ever paid before", 1),
    "out_stranger": _out("is_stranger", "share", "ratio", _PAID + "to accounts never dealt with before"),
    "out_origins": _out("origins_2", "max", "count", "most accounts two steps up of one transfer paid {window}"),
    "out_cycle": _out("cycle_shortest", "share", "ratio", _PAID + "that closed a cycle"),
    "out_scatter_gather": _out("scatter_gather", "max", "count", "most ways to a payee, its own included {window}"),
    "out_bipartite": _out("bipartite", "share", "ratio", _PAID + "in shapes of two payers and two payees"),
    "out_stack": _out("is_stack", "share", "ratio", _PAID + "in two layers of such shapes"),
    "out_new_alike": _out("new_paid_alike", "max", "count", _MOST + "it paid to new payees within 72 h {window}"),
    "out_new_closest": _out("new_paid_closest", "max", "ratio", _CLOSEST + "to new payees within 72 h {window}"),
    "out_new_relay": _out(
        "new_got_closest", "max", "ratio", _CLOSEST + "from a new payer, and on to a new payee, {window}"
    ),
    "out_new_relayed": _out(
        "new_got_alike", "share", "ratio", _NEW_PAID + "that about matched what it had just got from a new payer"
    ),
    "out_new_gathered": _out(
        "new_payers", "max", "count", "most others that paid one of its new payees for the first time {window}"
    ),
    "out_new_device": _out("is_new_device", "share", "ratio", _PAID + "from a device new to it"),
    "out_device_others": _out("others_on_device", "max", "count", "most other payers on one of its devices {window}"),
    "out_terminal_others": _out(
        "others_at_terminal", "max", "count", "most other users of its terminal in 30 min {window}"
    ),
}

_READ: Final = {
    side: frozenset(one.signal for one in AGGREGATES.values() if one.side == side) for side in ("in", "out")
}

# Also over the last week; the others over the whole past only.
_RECENT: Final = frozenset(
    "in_payer_fan in_relayed in_victim_share in_above_habit in_origins in_scatter_gather in_payer_idle "
    "out_relayed out_victim_share out_above_habit out_stranger out_origins".split()
)


@feature(
    family="patterns",
    columns={
        name: aggregate.column._replace(
            only=() if name in _RECENT else ("all",), not_live=signal_registry().of_column(aggregate.signal).not_live
        )
        for name, aggregate in AGGREGATES.items()
    },
    window=("7d", "all"),
)
def patterns(history: History, *, window: int, wanted: tuple[str, ...] | None = None) -> Float64Array:
    """Aggregates of signals, with their default look-back, over the transfers of the window.

    `count` is 0 without transfers whose signal is known; `max`, and `mean` and `share` (both weighted by amount), are
    NaN. O(transfers in the window) a column.
    """
    found = np.full((len(AGGREGATES), len(history)), np.nan)
    for chosen in _chosen(wanted):
        side = history.incoming if chosen.side == "in" else history.outgoing
        values = history.signals(chosen.side, chosen.signals, _READ)
        _aggregate(
            chosen.how, chosen.above, chosen.place, side.begin(window), side.end, side.amount, values, found
        )  # fmt: skip
    return found.T


class _Chosen(NamedTuple):
    """The aggregates of a side that are asked for: signals, how, above what, and their places among all."""

    side: Literal["in", "out"]
    signals: tuple[str, ...]
    how: Int64Array
    above: Float64Array
    place: Int64Array


@cache
def _chosen(wanted: tuple[str, ...] | None) -> list[_Chosen]:
    sides: tuple[Literal["in", "out"], ...] = ("in", "out")
    found = []
    for side in sides:
        of_side = [
            (place, one)
            for place, (name, one) in enumerate(AGGREGATES.items())
            if one.side == side and (wanted is None or name in wanted)
        ]
        if of_side:
            found.append(
                _Chosen(
                    side,
                    tuple(one.signal for _, one in of_side),
                    np.array([_CODES[one.how] for _, one in of_side]),
                    np.array([float(one.above) for _, one in of_side]),
                    np.array([place for place, _ in of_side]),
                )
            )
    return found


@numba.njit(cache=True, nogil=True)
def _aggregate(how, above, place, begin, end, amount, values, found) -> None:  # type: ignore[no-untyped-def]
    """Write aggregate k of `values[k]` into `found[place[k]]`."""
    for k in range(len(how)):
        of_signal, row = values[k], found[place[k]]
        for p in range(len(begin)):
            low, high = begin[p], end[p]
            if how[k] == 0:
                row[p] = _most(low, high, of_signal)
            elif how[k] == 1:
                row[p] = _mean(low, high, amount, of_signal)
            elif how[k] == 2:
                row[p] = _share(above[k], low, high, amount, of_signal)
            else:
                n_above = 0
                for j in range(low, high):
                    n_above += of_signal[j] > above[k]
                row[p] = n_above


# A loop for each: that for all at once takes twice as long. NaN is not above anything, and not equal to itself.


@numba.njit(cache=True, nogil=True)
def _most(low, high, values):  # type: ignore[no-untyped-def]
    most, is_any = -np.inf, False
    for j in range(low, high):
        is_any |= values[j] == values[j]
        most = values[j] if values[j] > most else most
    return most if is_any else np.nan


@numba.njit(cache=True, nogil=True)
def _share(above, low, high, amount, values):  # type: ignore[no-untyped-def]
    total, total_above = 0, 0
    for j in range(low, high):
        total += amount[j] * (values[j] == values[j])
        total_above += amount[j] * (values[j] > above)
    return total_above / total if total > 0 else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")  # no check of each division
def _mean(low, high, amount, values):  # type: ignore[no-untyped-def]
    largest, total = 0.0, 0
    for j in range(low, high):
        largest = abs(values[j]) if abs(values[j]) > largest else largest
        total += amount[j] * (values[j] == values[j])
    # the scale is a power of two chosen by the largest value: the sum stays below 2**63
    scale = 2.0 ** (_VALUE_BITS - np.ceil(np.log2(max(largest, 1.0))))
    weights, weighted = np.int64(0), np.int64(0)
    for j in range(low, high):
        is_known = values[j] == values[j]
        weight = np.int64(np.round(amount[j] / total * _WEIGHT)) if is_known else np.int64(0)
        weights += weight
        weighted += weight * np.int64(np.round((values[j] if is_known else 0.0) * scale))
    return weighted / scale / weights if weights > 0 else np.nan
