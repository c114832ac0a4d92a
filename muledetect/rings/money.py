"""Relayed money: what accounts received and paid out again within the holding time, matched first in, first out."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Final

import numba
import numpy as np

from muledetect.arrays import PIECE, BoolArray, Float64Array, Int32Array, Int64Array, places_in, run_starts
from muledetect.clock import MINUTE
from muledetect.facts.matching import match_first_in_first_out, transfers_of
from muledetect.graph import TransferGraph

#: Speed is measured in steps of the clock's tick, but of no less than this: seconds within a minute tell nothing.
SHORTEST_STEP: Final = MINUTE


@dataclass(frozen=True, eq=False)
class RelayedMoney:
    """One row for each transfer of each asked account; credits of an account first, then its debits, by time."""

    middle: Int64Array  # the asked account, as position in the asked accounts
    transfer: Int64Array  # position of the transfer in the graph
    is_debit: BoolArray  # the account paid this transfer
    # part of the transfer that was passed on (credit) or came from money just received (debit), minor units
    amount: Int64Array
    strength: Float64Array  # how surprising the relay is, 0 (none) to 1 (all of one equal amount, at once)
    partner: Int32Array  # position of the transfer on the other side that it matches best, -1 = none

    def of(self, rows: Int64Array) -> RelayedMoney:
        """Return some of the rows."""
        return RelayedMoney(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def match_relayed_money(
    graph: TransferGraph, accounts: Int32Array, *, since: int, holding_time: int, among: Int64Array | None = None
) -> RelayedMoney:
    """Match the debits of `accounts` (codes) since a moment with the credits that they spent, oldest first.

    `holding_time` is the longest stay of relayed money; a clock coarser than it widens it to one tick. Amount and
    strength are 0 where nothing was relayed. All credits of one moment form one pot, and so do all debits, because they
    are simultaneous: the pots are matched first in, first out, a pot of credits being available to the debits of its
    own moment, and each transfer has its share of its pot by amount. A matched amount `x` of a credit `a` and a debit
    `b` with a gap `g` counts

        x / sqrt(a b) * (1 - log(1 + g / step) / log(2 + holding_time / step)),  step = max(tick, 1 minute)

    and a transfer's strength is the sum of that over its matches, at most the best speed among them. O(transfers of
    the accounts): each step exhausts one pot. Transfers from an account to itself move nothing.

    With `among` (positions in the graph, ascending) all transfers are matched, and rows of these are returned. Accounts
    are matched one after the other, about `PIECE` transfers at once, so that memory goes to the rows returned.
    """
    n_rows = sum(index.stop[accounts] - index.start[accounts] for index in (graph.incoming, graph.outgoing))
    block = np.cumsum(n_rows) // PIECE
    parts = []
    starts = np.flatnonzero(run_starts(block)).tolist() or [0]
    for first, behind in pairwise([*starts, len(accounts)]):
        made = _match(graph, accounts[first:behind], since, holding_time)
        if among is not None:
            made = made.of(np.flatnonzero(places_in(among, made.transfer) >= 0))
        parts.append(replace(made, middle=made.middle + first))
    names = [field.name for field in fields(RelayedMoney)]
    return RelayedMoney(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _match(graph: TransferGraph, accounts: Int32Array, since: int, holding_time: int) -> RelayedMoney:
    middle, transfer = transfers_of(graph, accounts, since)
    payer = graph.source[transfer]
    moves = payer != graph.target[transfer]
    if not moves.all():
        middle, transfer, payer = middle[moves], transfer[moves], payer[moves]
    is_debit = payer == accounts[middle]
    start = np.searchsorted(middle, np.arange(len(accounts) + 1))
    step = float(max(graph.tick, SHORTEST_STEP))
    credit_pot, debit_pot, begin, total, roots, largest = _fill_pots(
        start, transfer, is_debit, graph.time, graph.amount
    )
    moment = graph.time[transfer[begin]]
    _, _, credit, debit, moved = match_first_in_first_out(
        credit_pot[:-1], debit_pot[:-1], moment, total, debit_pot[:-1], credit_pot[1:], moment, total
    )
    relayed, strength, fastest, partner = _weigh_matches(
        credit, debit, moved, total, roots, largest, moment, max(holding_time, graph.tick), step
    )
    shared = _share_out(begin, total, relayed, strength, fastest, partner, transfer, graph.amount)
    return RelayedMoney(middle, transfer, is_debit, *shared)


@numba.njit(cache=True, nogil=True)
def _fill_pots(start, transfer, is_debit, time, amount):  # type: ignore[no-untyped-def]
    """Put the simultaneous entries of one side of an account into one pot.

    Returns per account the first pot of its credits and of its debits (and one end), and per pot its first entry
    (and one end), total, sum of square roots, and largest transfer. Roots are summed as integers of 2^-10, or the sum
    would depend on the order of entries within the moment.
    """
    n_accounts = len(start) - 1
    credit_pot = np.zeros(n_accounts + 1, np.int64)
    debit_pot = np.zeros(n_accounts + 1, np.int64)
    begin = np.empty(len(transfer) + 1, np.int64)
    total = np.zeros(len(transfer), np.int64)
    roots = np.zeros(len(transfer), np.int64)
    largest = np.zeros(len(transfer), np.int32)
    n = 0
    for k in range(n_accounts):
        credit_pot[k] = n
        debit_pot[k] = -1
        for j in range(start[k], start[k + 1]):
            i = transfer[j]
            begins = j == start[k] or is_debit[j] != is_debit[j - 1] or time[i] != time[transfer[j - 1]]
            if begins:
                if is_debit[j] and debit_pot[k] < 0:
                    debit_pot[k] = n
                begin[n] = j
                largest[n] = i
                n += 1
            total[n - 1] += amount[i]
            roots[n - 1] += np.int64(np.sqrt(np.float64(amount[i])) * 1024.0 + 0.5)
            if amount[i] > amount[largest[n - 1]]:
                largest[n - 1] = i
        if debit_pot[k] < 0:
            debit_pot[k] = n
    credit_pot[n_accounts] = n
    debit_pot[n_accounts] = n
    begin[n] = len(transfer)
    return credit_pot, debit_pot, begin[:n].copy(), total[:n].copy(), roots[:n] / 1024.0, largest[:n].copy()


@numba.njit(cache=True, nogil=True)
def _weigh_matches(  # type: ignore[no-untyped-def]
    credit, debit, moved, total, roots, largest, moment, holding_time, step
):
    """Return what each pot relayed, its strength, its best speed, and its best partner, from the matches of pots."""
    relayed = np.zeros(len(total), np.int64)
    strength = np.zeros(len(total), np.float64)
    fastest = np.zeros(len(total), np.float64)
    best = np.zeros(len(total), np.float64)
    partner = np.full(len(total), -1, np.int32)
    slowest = np.log(2.0 + holding_time / step)
    for m in range(len(moved)):
        c, d = credit[m], debit[m]
        gap = moment[d] - moment[c]
        if gap > holding_time:
            continue
        speed = 1.0 - np.log(1.0 + gap / step) / slowest
        part = moved[m] * speed / (np.float64(total[c]) * np.float64(total[d]))
        for one, other in ((c, d), (d, c)):
            relayed[one] += moved[m]
            strength[one] += part * roots[other]
            fastest[one] = max(fastest[one], speed)
            if moved[m] * speed > best[one]:
                best[one] = moved[m] * speed
                partner[one] = largest[other]
    return relayed, strength, fastest, partner


@numba.njit(cache=True, nogil=True)
def _share_out(begin, total, relayed, strength, fastest, partner, transfer, amount):  # type: ignore[no-untyped-def]
    """Give each entry its share of its pot."""
    part = np.zeros(len(transfer), np.int64)
    strengths = np.zeros(len(transfer), np.float64)
    partners = np.full(len(transfer), -1, np.int32)
    for p in range(len(begin)):
        end = begin[p + 1] if p + 1 < len(begin) else len(transfer)
        for j in range(begin[p], end):
            a = np.float64(amount[transfer[j]])
            part[j] = np.int64(np.float64(relayed[p]) * (a / np.float64(total[p])) + 0.5)
            strengths[j] = min(fastest[p], strength[p] * np.sqrt(a))
            partners[j] = partner[p]
    return part, strengths, partners
