"""The paths of disputed money: where it is, the way there, and what each account may give back.

`locate` is for the first minutes after a call: where the money of one disputed transfer likely is now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import Int64Array, run_starts, sum_at
from muledetect.clock import Moment, parse_time
from muledetect.errors import OptionError
from muledetect.facts import Snapshot
from muledetect.facts.accounts import PLACES
from muledetect.progress import Progress, silent
from muledetect.tracing.kernel import METHODS, trace_transfers

#: The hold that is proposed: the smaller of what these two say, per complaint and account.
CAUTIOUS: Final = ("pro_rata", "libr")

#: Disputed transfers traced between two signs of progress.
_BATCH: Final = 256


def follow(
    snapshot: Snapshot, transfer: Int64Array, methods: Sequence[str], max_hops: int, progress: Progress = silent
) -> tuple[dict[str, Int64Array], dict[str, Int64Array]]:
    """Trace disputed transfers; return where the money is and the way there, as columns.

    The first are case, method, place, account, hop, amount, sorted by case, method, place and account; the second
    case, method, transfer, amount, sorted by the first three: transfers are in order of time. Raises OptionError if
    there is no such method, or `max_hops` is out of range.
    """
    unknown = [name for name in methods if name not in METHODS]
    if unknown or not methods or len(set(methods)) != len(methods):
        raise OptionError(f"trace: methods must be some of {', '.join(METHODS)}, each once; got {list(methods)}.")
    if not 1 <= max_hops <= 1_000:
        raise OptionError(f"trace: max_hops must lie in 1 to 1,000; got {max_hops}.")
    given = (snapshot.facts.ledger(snapshot.graph), snapshot.exit_place, snapshot.stop_place)
    jobs = [(begin, number) for begin in range(0, len(transfer), _BATCH) for number in range(len(methods))]

    def run(job: tuple[int, int]) -> list[Int64Array]:
        begin, number = job
        traced = trace_transfers(transfer[begin : begin + _BATCH], METHODS.index(methods[number]), max_hops, *given)
        for rows in traced:
            rows[:, 0] += begin
        return [np.column_stack([rows, np.full(len(rows), number)]) for rows in traced]

    found, ways = [np.zeros((0, 6), np.int64)], [np.zeros((0, 4), np.int64)]
    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        for done, (part, way) in enumerate(pool.map(run, jobs), 1):
            found.append(part)
            ways.append(way)
            progress("trace", done / len(jobs))
    case, account, hop, place, amount, method = np.concatenate(found).T
    places = {"case": case, "method": method, "place": place, "account": account}
    case, carrier, carried, method = np.concatenate(ways).T
    steps = {"case": case, "method": method, "transfer": carrier}
    return _summed(places, amount, hop=hop), _summed(steps, carried)


def _summed(names: dict[str, Int64Array], amount: Int64Array, **lowest: Int64Array) -> dict[str, Int64Array]:
    """Add up the rows that share all names, sorted by them; of columns in `lowest` the smallest counts."""
    order = np.lexsort((*lowest.values(), *reversed(list(names.values()))))
    begins = np.flatnonzero(run_starts(*(column[order] for column in names.values())))
    found = {name: column[order][begins] for name, column in (names | lowest).items()}
    return found | {"amount": np.add.reduceat(amount[order], begins) if len(begins) else np.zeros(0, np.int64)}


def join_methods(rows: Mapping[str, Int64Array], methods: Sequence[str]) -> dict[str, Int64Array]:
    """Join the methods' amounts of one case and account: smallest, largest, and the cautious amount of the two."""
    key = np.stack([rows["case"], rows["account"]])
    pairs, at = np.unique(key, axis=1, return_inverse=True)
    n = pairs.shape[1]
    amounts = sum_at(rows["amount"], rows["method"] * n + at.ravel(), len(methods) * n).reshape(len(methods), n)
    hop = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(hop, at.ravel(), rows["hop"])
    careful = [number for number, name in enumerate(methods) if name in CAUTIOUS] or list(range(len(methods)))
    return {
        "case": pairs[0],
        "account": pairs[1],
        "hop": hop,
        "low": amounts.min(axis=0),
        "high": amounts.max(axis=0),
        "cautious": amounts[careful].min(axis=0),
    }


def share_available(account: Int64Array, known: Int64Array, wanted: Int64Array, available: Int64Array) -> Int64Array:
    """Return how much of `wanted` each claim gets of the money `available` in its account, equal for all of its claims.

    No money is held twice, and never more than there is. Claims `known` earlier are served first; those of one moment
    share what is left in proportion to what they want, rounded down. O(n log n).
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
