"""Multi-hop flow: how much of an account's money came from, and went on to, accounts two and three steps away.

Money is followed along links: first in, first out by account, credits and debits of one tick together, as in the
signals of family "relay". A part of an amount that is followed is a part of that amount and of no other, so the
shares never add up to more than 1; money that stays somewhere, or that was there before the records, ends there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from muledetect.arrays import Float64Array, Int64Array, first_at_least
from muledetect.clock import DAY
from muledetect.facts.accounts import has_channel
from muledetect.features._columns import ON_REQUEST, Column
from muledetect.features._extraction import Extraction
from muledetect.features._history import History
from muledetect.features._spec import feature
from muledetect.features.signals import LONGEST, Past
from muledetect.features.signals._links import build_links
from muledetect.features.signals._opening import ALL_AT_HAND, fill_unspent
from muledetect.features.signals._slices import part_of_past
from muledetect.letting_go import give_way

#: Channels by which money leaves the accounts that a bank can follow.
EXITS: Final = ("cash_atm", "cash_counter", "vasp", "xborder")

#: Transfers and links that are followed at one step from one point; more, and the step is not taken.
MOST: Final = 2048

# Parts of the account's money are integers of this many for the whole of it: no order of transfers changes their sum.
_ONE: Final = 2.0**40
_SLOTS: Final = 4 * MOST

#: The longest window; links are indexed for it where the moment of the points is known.
_WINDOW: Final = 30 * DAY


# A walk jumps from link to link: what it reads of one lies in one place, for each place is a page that must be there.
_LINK: Final = np.dtype([("rate", np.float64), ("time", np.int64), ("first", np.int32), ("stop", np.int32)])
_ENTRY: Final = np.dtype([("amount", np.int64), ("other", np.int32), ("group", np.int32)])


class Times(NamedTuple):
    """Bounds, times and `pages` of a `Book`: `received` on the way up, `paid` on the way down."""

    start: Int64Array
    stop: Int64Array
    time: Int64Array
    pages: Int64Array


class Way(NamedTuple):
    """Links in one direction: from the group that holds a transfer at its other end, to groups of the next transfers.

    Attributes
    ----------
    book : Times
        Of the account's own transfers and those of each next step.
    entries : record[n_entries]
        Of `book`: `amount` and `other`, and the `group` of the transfer in the books of its other end; -1 for one that
        is not followed, because it leaves by an exit.
    start : int32 or int64[n_groups + 1]
        Links by group, in the order of time.
    links : record[n_links]
        The entries `first:stop` of `book` that it leads to, and their `time`; `rate` is the linked amount / (total
        of the group * total of the entries), so that an entry gets its amount times this.
    sign : int
        1 on the way down, -1 up: time that grows with the steps.
    """

    book: Times
    entries: npt.NDArray[Any]
    start: npt.NDArray[Any]
    links: npt.NDArray[Any]
    sign: int


class Ways(NamedTuple):
    """Both directions, and whether exits are known."""

    up: Way
    down: Way
    has_exits: bool


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
    Money is followed over at most 30 days a step. O(2,048) a point; 110 bytes a transfer, once.
    """
    ways = history.extraction.get(_recent_ways if window <= _WINDOW else _ways)
    found = np.full((len(history), 13), np.nan)
    oldest = history.as_of - max(window, history.graph.tick)
    rules = (history.points.account, oldest, history.as_of)
    _walk_all(ways.up, *rules, found[:, :5], np.zeros((len(history), 2)))
    is_cut = np.isnan(found[:, 1]) | np.isnan(found[:, 3])
    ended = np.full((len(history), 2), np.nan)
    _walk_all(ways.down, *rules, found[:, 5:10], ended)
    is_cut |= np.isnan(found[:, 6]) | np.isnan(found[:, 8])
    found[:, 10] = ended[:, 0]
    if ways.has_exits:
        found[:, 11] = ended[:, 1]
    found[:, 12] = is_cut
    return found


def _ways(extraction: Extraction) -> Ways:
    """Index the links by both of their groups. O(links)."""
    return _ways_of(extraction.past)


def _recent_ways(extraction: Extraction) -> Ways:
    """Index the links that points can follow within `_WINDOW`; what a walk reads is then as little as can be."""
    past, asked_from = extraction.past, extraction.asked_from
    if asked_from is None or not len(past):
        return extraction.get(_ways)
    since = asked_from - max(_WINDOW, past.graph.tick)
    first = int(np.searchsorted(past.graph.time, since))
    if first == 0:
        return extraction.get(_ways)
    unspent = np.zeros(past.graph.n_accounts, np.int64)
    past.by_account(fill_unspent, past.paid, past.received, since, past.is_simultaneous, unspent)
    opening = ALL_AT_HAND._replace(since=since, unspent=unspent)
    return _ways_of(replace(part_of_past(past, first, len(past)), opening=opening))


def _ways_of(past: Past) -> Ways:
    past = replace(past, lookback=max(LONGEST, past.graph.tick))
    found, paid, received, room = build_links(past), past.paid, past.received, past.room
    n, n_links = len(received.time), len(found.credit)
    kind = np.int32 if n_links <= np.iinfo(np.int32).max else np.int64
    up_start, down_start = room.empty(n + 1, kind), room.full(n + 1, 0, kind)
    up_links, down_links = room.empty(n_links, _LINK), room.empty(n_links, _LINK)
    up_start[...] = found.start
    _turn(found, up_links, down_start, down_links)
    debit_of, credit_of = found.debit_of, found.credit_of
    del found  # its room, so that the rest is made in it
    account = room.empty(n, np.int32)
    _ends(received, account, up_links)
    _ends(paid, account, down_links)
    del account
    is_exit = has_channel(past.tables["transfers"], len(past), EXITS)
    none = np.zeros(0, np.bool_)
    up, down = room.empty(n, _ENTRY), room.empty(n, _ENTRY)
    past.by_entry(_enter, received, debit_of, past.paid_at, none, up)
    past.by_entry(_enter, paid, credit_of, past.received_at, none if is_exit is None else is_exit, down)
    own = [Times(book.start, book.stop, book.time, book.pages) for book in (received, paid)]
    return Ways(
        Way(own[0], up, up_start, up_links, -1), Way(own[1], down, down_start, down_links, 1), is_exit is not None
    )


@numba.njit(cache=True, nogil=True)
def _turn(found, links, start, turned) -> None:  # type: ignore[no-untyped-def]
    """Write rate and first entry of each link; and `start` and the same of the links by credit group, in debits' order.

    Invariant of the last loop: `start[c]` is the next free place of group c, which ends where group c + 1 begins.
    """
    for k in range(len(found.credit)):
        start[found.credit[k] + 1] += 1
    for c in range(1, len(start)):
        start[c] += start[c - 1]
    for d in range(len(found.start) - 1):
        for k in range(found.start[d], found.start[d + 1]):
            credit = found.credit[k]
            rate = found.amount[k] / found.debit_total[d] / found.credit_total[credit]
            links[k].first, links[k].rate = credit, rate
            turned[start[credit]].first, turned[start[credit]].rate = d, rate
            start[credit] += 1
    for c in range(len(start) - 1, 0, -1):
        start[c] = start[c - 1]
    start[0] = 0


@numba.njit(cache=True, nogil=True)
def _ends(book, account, links) -> None:  # type: ignore[no-untyped-def]
    """Write time and end of the groups, of one account and tick each, that links lead to; `account` is room for it."""
    for a in range(len(book.start)):
        account[book.start[a] : book.stop[a]] = a
    for k in range(len(links)):
        first = links[k].first
        h = first + 1
        while h < len(account) and account[h] == account[first] and book.time[h] == book.time[first]:
            h += 1
        links[k].time, links[k].stop = book.time[first], h


@numba.njit(cache=True, nogil=True)
def _enter(low, high, book, group, place, is_exit, entries) -> None:  # type: ignore[no-untyped-def]
    """Write what a walk reads of each entry of a book; `place` is that of each transfer in the other book."""
    for h in range(low, high):
        i = book.transfer[h]
        entries[h].amount, entries[h].other = book.amount[h], book.other[h]
        entries[h].group = -1 if len(is_exit) > 0 and is_exit[i] else group[place[i]]


@numba.njit(cache=True, nogil=True)
def _walk_all(way, accounts, oldest, as_of, found, ended) -> None:  # type: ignore[no-untyped-def]
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
        give_way(book.pages)
        a, begin, end, total = accounts[p], 0, 0, 0
        if a >= 0:
            begin = first_at_least(book.time, book.start[a], book.stop[a], oldest[p])
            end = first_at_least(book.time, begin, book.stop[a], as_of[p])
        for h in range(begin, end):
            total += way.entries[h].amount
        if total == 0:
            found[p, 1], found[p, 3] = 0, 0
        if total == 0 or end - begin > MOST:
            continue
        n, returned, exited = 0, np.int64(0), np.int64(0)
        number += 1
        for h in range(begin, end):
            group, part = way.entries[h].group, np.int64(way.entries[h].amount / total * _ONE)
            if group < 0:
                exited += part
            else:
                n = _reach(steps, 0, n, number, group, part, way.sign * book.time[h])
        is_cut = False
        for hop in range(2):
            number += 1
            n, told = _step(way, steps, hop, n, number, a, oldest[p], as_of[p])
            is_cut = n < 0
            if is_cut:
                break
            found[p, 2 * hop], found[p, 2 * hop + 1] = told[0] / _ONE, told[1]
            returned += told[2]
            exited += told[3]
            if hop == 1 and told[4] >= 0:
                found[p, 4] = told[4] / 1e6
        if not is_cut:
            ended[p, 0], ended[p, 1] = returned / _ONE, exited / _ONE


@numba.njit(cache=True, nogil=True)
def _first_link(way, group, oldest):  # type: ignore[no-untyped-def]
    """Return the first link of a group that is not older; those of a group stand in order of time. O(log links)."""
    low, high = way.start[group], way.start[group + 1]
    while low < high:
        middle = (low + high) // 2
        if way.links[middle].time < oldest:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True, nogil=True)
def _step(way, steps, hop, n, number, account, oldest, as_of):  # type: ignore[no-untyped-def]
    """Take one step; return the number of groups reached, and share, ends, returned, exited and the fastest.

    The number is -1 if the step goes over too many links and transfers. Those before the window or from `as_of` on are
    not counted.
    """
    n_seen, n_next, n_ends, nothing = 0, 0, 0, np.int64(0)
    moved, returned, exited, fastest = nothing, nothing, nothing, nothing - 1
    for s in range(n):
        group = steps.group[hop, s]
        for k in range(_first_link(way, group, oldest), way.start[group + 1]):
            link = way.links[k]
            if link.time >= as_of:
                break
            n_seen += 1 + link.stop - link.first
            if n_seen > MOST:
                return -1, (nothing, 0, nothing, nothing, nothing)
            rate = steps.part[hop, s] * link.rate
            for h in range(link.first, link.stop):
                entry = way.entries[h]
                part = np.int64(rate * entry.amount)
                if entry.other == account:
                    returned += part
                    continue
                moved += part
                _, is_new = _slot(steps, 1, number, entry.other)
                n_ends += is_new
                if entry.group < 0:
                    exited += part
                elif hop == 0:
                    n_next = _reach(steps, 1, n_next, number, entry.group, part, steps.moment[0, s])
                taken = way.sign * link.time - steps.moment[hop, s]
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
