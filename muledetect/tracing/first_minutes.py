"""The first minutes after a call: where the money of one disputed transfer likely is now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from muledetect.clock import Moment, parse_time
from muledetect.errors import OptionError
from muledetect.facts import Snapshot
from muledetect.facts.accounts import PLACES
from muledetect.tracing.kernel import METHODS
from muledetect.tracing.paths import follow, join_methods


def locate(snapshot: Snapshot, transfer: int, *, methods: Sequence[str] = METHODS, max_hops: int = 8) -> pa.Table:
    """Return the accounts that likely hold the money of one disputed transfer now.

    Parameters
    ----------
    snapshot : Snapshot
        Kept in memory between complaints.
    transfer : int
        Position of the disputed transfer in `snapshot.graph`; see `find_transfer`.
    methods : sequence of str
        Of `METHODS`; the range is over these.
    max_hops : int
        Accounts that money is followed through.

    Returns
    -------
    pyarrow.Table
        `account_id`, `bank_id`, `hop`, `traced_low`, `traced_high` (over the methods), `available`, `recoverable` =
        min(smaller of pro rata and LIBR, available), minor units; the largest recoverable amount first. Money at
        other banks is listed with `available` null: a recall message, not a hold.

    Raises
    ------
    OptionError
        If there is no such method, or `max_hops` is out of range.

    Notes
    -----
    Milliseconds: it touches only the accounts reached.
    """
    rows, _ = follow(snapshot, np.array([transfer], np.int64), methods, max_hops)
    in_accounts = np.isin(rows["place"], [0, PLACES.index("other_bank")])
    claims = join_methods({name: values[in_accounts] for name, values in rows.items()}, methods)
    account = claims["account"].astype(np.int32)
    available, _ = snapshot.balances(account)
    is_own = snapshot.stop_place[account] == 0
    columns = {
        "account_id": snapshot.graph.account_ids.take(pa.array(account)),
        "bank_id": snapshot.accounts.bank.take(pa.array(account)),
        "hop": claims["hop"],
        "traced_low": claims["low"],
        "traced_high": claims["high"],
        "available": pa.array(available, mask=~is_own),
        "recoverable": np.where(is_own, np.minimum(claims["cautious"], available), 0),
    }
    table = pa.table(columns)
    return table.sort_by([("recoverable", "descending"), ("traced_high", "descending"), ("account_id", "ascending")])


def find_transfer(snapshot: Snapshot, source: str, target: str, amount: int, time: Moment) -> int:
    """Return the position of the one transfer between two accounts of an amount (minor units) at a moment.

    Parameters
    ----------
    snapshot : Snapshot
    source, target : str
        Ids of the account that paid and of the one that received.
    amount : int
        Minor units.
    time : Moment
        Exactly, to the tick of the clock.

    Raises
    ------
    OptionError
        If there is none before the snapshot's moment, or several.
    """
    graph, moment = snapshot.graph, parse_time(time)
    low, high = (int(np.searchsorted(graph.time, moment, side=side)) for side in ("left", "right"))
    ends = graph.codes([source, target])
    fits = (
        (graph.source[low:high] == ends[0]) & (graph.target[low:high] == ends[1]) & (graph.amount[low:high] == amount)
    )
    found = np.flatnonzero(fits)
    if len(found) != 1:
        raise OptionError(
            f"trace: {len(found)} transfers before the snapshot's moment fit the accounts, amount and time; one must."
        )
    return low + int(found[0])
