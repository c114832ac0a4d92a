"""Access: what the payer paid with, and who else was just there: devices and terminals of transfers."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from muledetect.arrays import Float32Array, Int32Array
from muledetect.clock import MINUTE
from muledetect.facts.columns import count_keys, group, numbered, place_keys
from muledetect.facts.sightings import terminal_users
from muledetect.features._columns import Column
from muledetect.features.signals._past import Past, has_unknown, is_earlier
from muledetect.features.signals._spec import signal
from muledetect.letting_go import give_way

#: Cards of several holders at one machine within this time are one handler's.
AT_TERMINAL: Final = 30 * MINUTE


@signal(
    family="access",
    columns={
        "is_new_device": Column("flag", "the payer had never paid from this device before"),
        "others_on_device": Column("count", "other accounts that paid from the same device within the look-back"),
        "others_at_terminal": Column("count", "other accounts at the same terminal within 30 min before"),
    },
    tables=("transfers",),
)
def access(past: Past) -> Float32Array:
    """Device and terminal of each transfer against earlier transfers.

    At a terminal stands who paid, or who was paid by a cash deposit. The 30 minutes are at least the clock's tick and
    at most the look-back; `is_new_device` looks back at any time, and all transfers of the moment of first use are new.
    NaN where the transfer names no device or terminal. Where a device or terminal had more than 4,096 earlier uses
    within its window, the number of others is NaN, unless `max_degree` is None. O(1) a transfer, amortised; one thread,
    28 bytes a transfer.
    """
    found: Float32Array = past.at_random((3, len(past)), np.nan, np.float32).T
    device, terminal = (_codes(past, name) for name in ("device_hash", "terminal_id"))
    if device is not None:
        n_devices = int(device.max(initial=-1)) + 1
        past.by_account(_new_devices, past.paid, device, n_devices, past.n_known("access"), found[:, 0])
        _others(past, device, past.graph.source, past.lookback, found[:, 1])
    if terminal is not None:
        window = max(min(AT_TERMINAL, past.lookback), past.graph.tick)
        user = past.at_hand.get("terminal_user")
        user = terminal_users(past.graph, past.tables, past.room) if user is None else user
        _others(past, terminal, user, window, found[:, 2])
    return found


def _codes(past: Past, name: str) -> Int32Array | None:
    """Return int32[n_transfers] codes of a column of text, -1 where null; None without the column."""
    if name in past.at_hand:
        return past.at_hand[name]
    transfers = past.tables.get("transfers")
    if transfers is None or name not in transfers.column_names:
        return None
    return numbered(transfers[name].slice(0, len(past)), past.room)


def _others(past: Past, key: Int32Array, account: Int32Array, window: int, found: Float32Array) -> None:
    """Count other users of each key; arrays are read at random places one by one, so that the pages of one suffice."""
    if past.threads == 1 and past.room.limit is None:  # in one call: around one payment there are few transfers
        _others_at_once(
            key, account, past.graph.time, past.paid_at, past.n_known("access"), window, past.is_simultaneous,
            past.most, past.graph.n_accounts, found,
        )  # fmt: skip
        return
    n_keys = int(key.max(initial=-1)) + 1
    is_asked = np.zeros(n_keys + 1, np.bool_)  # the last place is that of null
    is_asked[key[past.n_known("access") :]] = True
    moved = np.where((past.paid_at >= 0) & is_asked[key], key, -1)
    start, rows = group(moved, n_keys, past.room)  # by key, in time order within it
    user, time = past.room.take(account, rows), past.room.take(past.graph.time, rows)
    count = past.room.empty(len(rows), np.float32)
    _count_others(start, user, time, window, past.is_simultaneous, past.most, past.graph.n_accounts, count)
    found[rows] = count


@numba.njit(cache=True, nogil=True)
def _new_devices(low, high, paid, device, n_devices, n_known, found) -> None:  # type: ignore[no-untyped-def]
    """Per device the payer that last used it, and when that payer first did; entries of other payers are void."""
    used_by, first_use = np.full(n_devices, -1, np.int32), np.empty(n_devices, np.int64)
    for a in range(low, high):
        give_way(paid.pages)
        if not has_unknown(paid, a, n_known):
            continue
        for e in range(paid.start[a], paid.stop[a]):
            i = paid.transfer[e]
            d = device[i]
            if d >= 0:
                if used_by[d] != a:
                    used_by[d], first_use[d] = a, paid.time[e]
                found[i] = first_use[d] == paid.time[e]


@numba.njit(cache=True, nogil=True)
def _others_at_once(  # type: ignore[no-untyped-def]
    key, account, time, paid_at, n_known, window, is_simultaneous, most, n_accounts, found
) -> None:
    """Do the same by the same kernel; for one thread, without a limit of memory."""
    n_keys = 0
    for k in key:
        n_keys = max(n_keys, k + 1)
    is_asked = np.zeros(n_keys + 1, np.bool_)  # the last place is that of null
    for k in key[n_known:]:
        is_asked[k] = True
    moved, start = np.empty(len(key), np.int32), np.zeros(n_keys + 1, np.int64)
    for i in range(len(key)):
        moved[i] = key[i] if paid_at[i] >= 0 and is_asked[key[i]] else -1
    count_keys(moved, start)
    rows = np.empty(start[n_keys], np.int64)
    place_keys(moved, start, rows)
    count = np.empty(len(rows), np.float32)
    _count_others(start, account[rows], time[rows], window, is_simultaneous, most, n_accounts, count)
    found[rows] = count


@numba.njit(cache=True, nogil=True)
def _count_others(start, user, time, window, is_simultaneous, most, n_accounts, found) -> None:  # type: ignore[no-untyped-def]
    """Slide one window over the transfers `start[k]:start[k + 1]` of each key.

    Invariant: `n_uses[b]` is the number of uses by account b in the window; all 0 between keys.
    """
    n_uses = np.zeros(n_accounts, np.int32)
    for k in range(len(start) - 1):
        first, last, n_users = start[k], start[k], 0
        for i in range(start[k], start[k + 1]):
            while last < start[k + 1] and is_earlier(time[last], time[i], is_simultaneous):
                n_users += n_uses[user[last]] == 0
                n_uses[user[last]] += 1
                last += 1
            while first < last and time[first] < time[i] - window:
                n_uses[user[first]] -= 1
                n_users -= n_uses[user[first]] == 0
                first += 1
            found[i] = n_users - (n_uses[user[i]] > 0) if last - first <= most else np.nan
        for i in range(first, last):
            n_uses[user[i]] = 0
