"""Multi-hop flow: how much of an account's money came from, and went on to, accounts two and three steps away.

Money is followed along links: first in, first out by account, credits and debits of one tick together, as in the
signals of family "relay". A part of an amount that is followed is a part of that amount and of no other, so the
shares never add up to more than 1; money that stays somewhere, or that was there before the records, ends there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

import numba
import numpy as np

from muledetect.arrays import BoolArray, Float64Array, Int32Array, Int64Array, first_at_least
from muledetect.facts.accounts import has_channel
from muledetect.features._columns import ON_REQUEST, Column
from muledetect.features._extraction import Extraction
from muledetect.features._history import History
from muledetect.features._spec import feature
from muledetect.features.signals import LONGEST, Book
from muledetect.features.signals._links import build_links

#: Channels by which money leaves the accounts that a bank can follow.
EXITS: Final = ("cash_atm", "cash_counter", "vasp", "xborder")

#: Transfers and links that are followed at one step from one point; more, and the step is not taken.
MOST: Final = 2048

# Parts of the account's money are integers of this many for the whole of it: no order of transfers changes their sum.
_ONE: Final = 2.0**40
_SLOTS: Final = 4 * MOST


class Way(NamedTuple):
    """Links in one direction: from the group that holds a transfer at its other end, to groups of the next transfers.

    Attributes
    ----------
    book : Book
        `received` on the way up, `paid` on the way down: the account's own transfers and those of each next step.
    group : int32[n_transfers]
        Group of each transfer in the books of its other end.
    start : int64[n_groups + 1]
        Links by group, in the order of time.
    first, stop : int32[n_links]
        Entries of `book` that the link leads to.
    rate : float64[n_links]
        Linked amount / (total of the group * total of the entries), so that an entry gets its amount times this.
    sign : int
        1 on the way down, -1 up: time that grows with the steps.
    """

    book: Book
    group: Int32Array
    start: Int64Array
    first: Int32Array
    stop: Int32Array
    rate: Float64Array
    sign: int


class Ways(NamedTuple):
    """Both directions, and which transfers are exits (none known without channels)."""

    up: Way
    down: Way
    is_exit: BoolArray | None


class Steps(NamedTuple):
    """Room for one walk: the groups reached, now and next, and sets of groups and of accounts."""

    group: Int64Array  # [2, MOST]
    part: Int64Array  # [2, MOST]
    moment: Int64Array  # [2, MOST]; time, times `sign`, of the nearest of the account's own transfers that lead there
    key: Int64Array  # [2, _SLOTS]
    mark: Int64Array  # [2, _SLOTS]; an entry of `key` counts while this is the number of the step
    place: Int64Array  # [_SLOTS]; in `group`


@feature(
    family="multihop",
    not_live="it follows money through the whole books of accounts up to three steps away",
    columns={
        "hop2_in_share": Column("ratio", "share of the money received {window} that came from two steps away"),
        "hop2_in_ends": Column("count", "accounts two steps away whose money came {window}"),
        "hop3_in_share": Column("ratio", "share of the money received {window} that came from three steps away"),
        "hop3_in_ends": Column("count", "accounts three steps away whose money came {window}"),
        "hop3_in_fastest": Column(
            "seconds", "least time that money took over three steps to come {window}", only=ON_REQUEST
        ),
        "hop2_out_share": Column("ratio", "share of the money paid {window} that had gone on a second step"),
        "hop2_out_ends": Column("count", "accounts two steps away that the money had reached {window}"),
        "hop3_out_share": Column("ratio", "share of the money paid {window} that had gone on a third step"),
        "hop3_out_ends": Column("count", "accounts three steps away that the money had reached {window}"),
        "hop3_out_fastest": Column(
            "seconds", "least time that money took over three steps onwards {window}", only=ON_REQUEST
        ),
        "out_returned": Column("ratio", "share of the money paid {window} that had come back in two or three steps"),
        "out_exited": Column("ratio", "share of the money paid {window} that had left by an exit within three steps"),
        "is_hop_cut": Column("flag", "too many transfers to follow all of them {window}", only=ON_REQUEST),
    },
    window=("30d",),
)
def multihop(history: History, *, window: int) -> Float64Array:
    """Follow the money of the account's transfers two more steps up- and downstream, all inside the window.

    A part of an amount goes along a link in proportion to it: `amount / total of its group` of the link's money goes to
    or comes from each transfer. `share` = sum of the parts that make the second (third) step / amount received or paid;
    `ends` = accounts at the end of that step; `fastest` = least time between the account's own transfer and the third.
    A part that comes back to the account is `out_returned` and no further step (upstream it is dropped likewise); a
    part that leaves by cash, a virtual-asset provider or abroad, at its first, second or third step, is `out_exited`
    and is not followed. NaN without transfers of the side, `out_exited` also without channels, `fastest` without a
    third step.

    A step over more than 2,048 links and transfers is not taken: it and what follows are NaN, and `is_hop_cut` is 1.
    Money is followed over at most 30 days a step. O(2,048) a point; 60 bytes a transfer, once.
    """
    ways = history.extraction.get(_ways)
    found = np.full((len(history), 13), np.nan)
    none = np.zeros(0, np.bool_)
    oldest = history.as_of - max(window, history.graph.tick)
    rules = (history.points.account, oldest, history.as_of)
    _walk_all(ways.up, *rules, none, found[:, :5], np.zeros((len(history), 2)))
    is_cut = np.isnan(found[:, 1]) | np.isnan(found[:, 3])
    ended = np.full((len(history), 2), np.nan)
    _walk_all(ways.down, *rules, none if ways.is_exit is None else ways.is_exit, found[:, 5:10], ended)
    is_cut |= np.isnan(found[:, 6]) | np.isnan(found[:, 8])
    found[:, 10] = ended[:, 0]
    if ways.is_exit is not None:
        found[:, 11] = ended[:, 1]
    found[:, 12] = is_cut
    return found


def _ways(extraction: Extraction) -> Ways:
    """Index the links by both of their groups. O(links)."""
    past = replace(extraction.past, lookback=max(LONGEST, extraction.graph.tick))
    links, paid, received, room = build_links(past), past.paid, past.received, past.room
    n, n_links = len(received.time), len(links.credit)
    rate, turned_rate = room.empty(n_links, np.float64), room.empty(n_links, np.float64)
    start, first = room.full(n + 1, 0, np.int64), room.empty(n_links, np.int32)
    _turn(links, past.paid_at, rate, start, first, turned_rate)
    account, up_stop, down_stop = room.empty(n, np.int32), room.empty(n_links, np.int32), room.empty(n_links, np.int32)
    _ends(received, links.credit, account, up_stop)
    _ends(paid, first, account, down_stop)
    up = Way(received, links.debit_of, links.start, links.credit, up_stop, rate, -1)
    is_exit = has_channel(extraction.tables["transfers"], extraction.graph.n_transfers, EXITS)
    return Ways(up, Way(paid, links.credit_of, start, first, down_stop, turned_rate, 1), is_exit)


@numba.njit(cache=True, nogil=True)
def _turn(links, paid_at, rate, start, first, turned_rate) -> None:  # type: ignore[no-untyped-def]
    """Write the rate of each link; and start, first debit and rate of the links by credit group, in debits' order.

    Invariant of the last loop: `start[c]` is the next free place of group c, which ends where group c + 1 begins.
    """
    for k in range(len(links.credit)):
        start[links.credit[k] + 1] += 1
    for c in range(1, len(start)):
        start[c] += start[c - 1]
    for d in range(len(links.start) - 1):
        for k in range(links.start[d], links.start[d + 1]):
            credit = links.credit[k]
            rate[k] = links.amount[k] / links.debit_total[d] / links.credit_total[credit]
            first[start[credit]], turned_rate[start[credit]] = paid_at[d], rate[k]
            start[credit] += 1
    for c in range(len(start) - 1, 0, -1):
        start[c] = start[c - 1]
    start[0] = 0


@numba.njit(cache=True, nogil=True)
def _ends(book, first, account, stop) -> None:  # type: ignore[no-untyped-def]
    """Write the positions behind the groups of one account and tick that begin at `first`; `account` is room for it."""
    for a in range(len(book.start)):
        account[book.start[a] : book.stop[a]] = a
    for k in range(len(first)):
        h = first[k] + 1
        while h < len(account) and account[h] == account[first[k]] and book.time[h] == book.time[first[k]]:
            h += 1
        stop[k] = h


@numba.njit(cache=True, nogil=True)
def _walk_all(way, accounts, oldest, as_of, is_exit, found, ended) -> None:  # type: ignore[no-untyped-def]
    """Write share and ends of the second and of the third step and the fastest; what returned and what left."""
    steps = Steps(
        np.zeros((2, MOST), np.int64),
        np.zeros((2, MOST), np.int64),
        np.zeros((2, MOST), np.int64),
        np.zeros((2, _SLOTS), np.int64),
        np.zeros((2, _SLOTS), np.int64),
        np.zeros(_SLOTS, np.int64),
    )
    book, number = way.book, 0
    for p in range(len(accounts)):
        a, begin, end, total = accounts[p], 0, 0, 0
        if a >= 0:
            begin = first_at_least(book.time, book.start[a], book.stop[a], oldest[p])
            end = first_at_least(book.time, begin, book.stop[a], as_of[p])
        for h in range(begin, end):
            total += book.amount[h]
        if total == 0:
            found[p, 1], found[p, 3] = 0, 0
        if total == 0 or end - begin > MOST:
            continue
        n, returned, exited = 0, np.int64(0), np.int64(0)
        number += 1
        for h in range(begin, end):
            i, part = book.transfer[h], np.int64(book.amount[h] / total * _ONE)
            if len(is_exit) > 0 and is_exit[i]:
                exited += part
            else:
                n = _reach(steps, 0, n, number, way.group[i], part, way.sign * book.time[h])
        is_cut = False
        for hop in range(2):
            is_cut |= _is_too_far(way, steps, hop, n, oldest[p], as_of[p])
            if is_cut:
                break
            number += 1
            n, told = _step(way, steps, hop, n, number, a, oldest[p], as_of[p], is_exit)
            found[p, 2 * hop], found[p, 2 * hop + 1] = told[0] / _ONE, told[1]
            returned += told[2]
            exited += told[3]
            if hop == 1 and told[4] >= 0:
                found[p, 4] = told[4] / 1e6
        if not is_cut:
            ended[p, 0], ended[p, 1] = returned / _ONE, exited / _ONE


@numba.njit(cache=True, nogil=True)
def _is_too_far(way, steps, hop, n, oldest, as_of):  # type: ignore[no-untyped-def]
    """Count the links and transfers of a step. Links from `as_of` on are not even counted: they lie in the future."""
    n_seen = 0
    for s in range(n):
        group = steps.group[hop, s]
        for k in range(way.start[group], way.start[group + 1]):
            time = way.book.time[way.first[k]]
            if time >= as_of:
                break
            n_seen += 1 if time < oldest else 1 + way.stop[k] - way.first[k]
            if n_seen > MOST:
                return True
    return False


@numba.njit(cache=True, nogil=True)
def _step(way, steps, hop, n, number, account, oldest, as_of, is_exit):  # type: ignore[no-untyped-def]
    """Take one step; return the number of groups reached, and share, ends, returned, exited and the fastest."""
    book, n_next, n_ends, nothing = way.book, 0, 0, np.int64(0)
    moved, returned, exited, fastest = nothing, nothing, nothing, nothing - 1
    for s in range(n):
        group = steps.group[hop, s]
        for k in range(way.start[group], way.start[group + 1]):
            time = book.time[way.first[k]]
            if time >= as_of:
                break
            if time < oldest:
                continue
            rate = steps.part[hop, s] * way.rate[k]
            for h in range(way.first[k], way.stop[k]):
                part = np.int64(rate * book.amount[h])
                if book.other[h] == account:
                    returned += part
                    continue
                moved += part
                _, is_new = _slot(steps, 1, number, book.other[h])
                n_ends += is_new
                if len(is_exit) > 0 and is_exit[book.transfer[h]]:
                    exited += part
                elif hop == 0:
                    i, moment = book.transfer[h], steps.moment[0, s]
                    n_next = _reach(steps, 1, n_next, number, way.group[i], part, moment)
                taken = way.sign * time - steps.moment[hop, s]
                if fastest < 0 or taken < fastest:
                    fastest = taken
    return n_next, (moved, n_ends, returned, exited, fastest)


@numba.njit(cache=True, nogil=True)
def _reach(steps, hop, n, number, group, part, moment):  # type: ignore[no-untyped-def]
    """Add a part to a group; return the number of groups."""
    slot, is_new = _slot(steps, 0, number, group)
    if is_new:
        steps.place[slot] = n
        steps.group[hop, n], steps.part[hop, n], steps.moment[hop, n] = group, 0, moment
        n += 1
    steps.part[hop, steps.place[slot]] += part
    steps.moment[hop, steps.place[slot]] = max(steps.moment[hop, steps.place[slot]], moment)
    return n


@numba.njit(cache=True, nogil=True)
def _slot(steps, which, number, key):  # type: ignore[no-untyped-def]
    """Return the slot of a key in a set, and whether it is new there."""
    slot = (np.int64(key) * 2654435761 >> 7) % _SLOTS
    while steps.mark[which, slot] == number:
        if steps.key[which, slot] == key:
            return slot, False
        slot = (slot + 1) % _SLOTS
    steps.mark[which, slot], steps.key[which, slot] = number, key
    return slot, True
