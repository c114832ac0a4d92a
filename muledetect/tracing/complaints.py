"""Where the money of each complaint is now: traced, conserved, and held only as far as it is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect import schema
from muledetect.arrays import BoolArray, Int64Array, sum_at
from muledetect.clock import Duration, parse_duration
from muledetect.errors import DataError, OptionError
from muledetect.facts import Snapshot
from muledetect.facts.accounts import PLACES
from muledetect.facts.complaints import NOT_KNOWN
from muledetect.progress import Progress, silent
from muledetect.tracing.kernel import METHODS
from muledetect.tracing.paths import follow, join_methods, share_available
from muledetect.tracing.traces import SUMMARY, UNTRACED, Traces

_LEFT_BANK: Final = ("other_bank", "vasp", "wallet", "xborder")
_NOT_FOLLOWED: Final = ("beyond_hops", "dust", "undivided", "hub")

#: Below this share of what the complaint disputes a hold is not worth the work. On a simulated bank nearly half of all
#: holds are smaller, most of them of a few satang, and together they are 0.2% of the money.
SMALLEST_HOLD: Final = 0.001

Columns = Mapping[str, Int64Array]


class _Cases(NamedTuple):
    """What is traced: complaints with a disputed transfer, in order of their ids, the methods, and when holds end."""

    snapshot: Snapshot
    complaint_id: pa.Array
    known: Int64Array
    transfer: Int64Array
    methods: Sequence[str]
    expires: int

    def labels(self, rows: Columns) -> dict[str, Any]:
        """Return the columns that say which complaint and method a row is of."""
        return {
            "complaint_id": self.complaint_id.take(pa.array(rows["case"])),
            "method": pa.array([self.methods[k] for k in rows["method"]], pa.string()),
        }

    def times(self, hold: Int64Array) -> dict[str, Any]:
        """Return the columns of the moment and of when holds end; null without a hold."""
        ends = pa.array(np.full(len(hold), self.expires, np.int64), mask=hold == 0)
        return {"as_of": np.full(len(hold), self.snapshot.as_of, np.int64), "expires_at": ends}


def trace(
    snapshot: Snapshot,
    *,
    complaint_ids: Iterable[str] | None = None,
    methods: Sequence[str] = METHODS,
    max_hops: int = 8,
    hold_for: Duration = "24h",
    smallest_hold: float = SMALLEST_HOLD,
    steps: bool = False,
    progress: Progress | None = None,
) -> Traces:
    """Trace the money of complaints from account to account up to a moment, and propose what to hold.

    Parameters
    ----------
    snapshot : Snapshot
        What the bank knew at the moment, with complaints. Stated balances, kinds of account and channels are used
        where they are there.
    complaint_ids : iterable of str, optional
        Complaints to trace; by default all that count at the moment.
    methods : sequence of str
        Of "fifo" (oldest money leaves first), "lifo" (newest first), "pro_rata" (in proportion) and "libr" (lowest
        intermediate balance: an account's own money leaves first).
    max_hops : int
        Accounts that money is followed through, the victim's payee being the first.
    hold_for : Duration
        How long a hold stands unless somebody decides otherwise.
    smallest_hold : float
        Holds of less are not proposed: a share of what the complaint disputes, or from 1 on minor units; 0 proposes
        all. `Traces.not_proposed` says how much they are together.
    steps : bool
        Also return the way of the money, transfer by transfer, as `Traces.steps`.
    progress : callable, optional
        Called with the stage in words and the fraction done.

    Returns
    -------
    Traces

    Raises
    ------
    DataError
        If there is no table of complaints.
    OptionError
        If an option is out of range, or a complaint that is asked for does not exist.

    Notes
    -----
    Exact in minor units, and equal on any number of threads, for any order of rows and any names. Money stops at
    shops, billers, exchanges, cash machines, payrolls, other banks' accounts and accounts that serve the public: a
    notice, not a hold. A part below a ten-thousandth of the loss is not followed further ("dust"). A hold is at most
    what is traced to the account and at most what is in it, and several complaints on one account share its balance,
    in order of when they were known. O(complaints * methods * transfers of the accounts reached).
    """
    if not smallest_hold >= 0:
        raise OptionError(f"trace: smallest_hold must be 0 or more; got {smallest_hold!r}.")
    cases, untraced = _cases(snapshot, complaint_ids, methods, snapshot.as_of + parse_duration(hold_for))
    rows, way = follow(snapshot, cases.transfer, methods, max_hops, progress or silent)
    in_accounts = rows["place"] == 0
    hold, available = _hold(cases, rows, in_accounts)
    proposed, not_proposed = _holds(cases, {name: values[in_accounts] for name, values in rows.items()}, smallest_hold)
    return Traces(
        _trace(cases, rows, in_accounts, hold, available),
        proposed,
        _summary(cases, rows, in_accounts, hold),
        untraced,
        _steps(cases, way) if steps else schema.TRACE_STEPS.empty(),
        snapshot.currency,
        not_proposed,
    )


def _cases(
    snapshot: Snapshot, complaint_ids: Iterable[str] | None, methods: Sequence[str], expires: int
) -> tuple[_Cases, pa.Table]:
    """Return the complaints to trace, and those that cannot be traced with the reason."""
    if "complaints" not in snapshot.tables:
        raise DataError("trace: the data set has no table complaints; a trace begins with a disputed transfer.")
    found = snapshot.complaints
    untraced, chosen = found.excluded.cast(UNTRACED), found.transfer >= 0
    if complaint_ids is not None:
        asked = pa.array(sorted(set(complaint_ids)), pa.string())
        every = pa.concat_arrays([found.complaint_id, untraced["complaint_id"].combine_chunks()])
        missing = pc.sum(pc.invert(pc.is_in(asked, value_set=every))).as_py() or 0
        if missing:
            raise OptionError(f"trace: {missing} of {len(asked)} complaints that were asked for are not in complaints.")
        untraced = untraced.filter(pc.is_in(untraced["complaint_id"], value_set=asked))
        chosen &= pc.is_in(found.complaint_id, value_set=asked).to_numpy(zero_copy_only=False)
    else:
        # of a complaint that is still to come nobody speaks, unless it is asked for
        untraced = untraced.filter(pc.not_equal(untraced["reason"], NOT_KNOWN))
    ids = found.complaint_id.filter(pa.array(chosen))
    return _Cases(snapshot, ids, found.known[chosen], found.transfer[chosen], methods, expires), untraced


def _hold(cases: _Cases, rows: Columns, in_accounts: BoolArray) -> tuple[Int64Array, Int64Array]:
    """Return what each row may hold under its own method alone, and what its account has; 0 outside of accounts."""
    account, at = np.unique(rows["account"].astype(np.int32), return_inverse=True)
    balance, _ = cases.snapshot.balances(account)
    available, hold = np.where(in_accounts, balance[at], 0), np.zeros(len(in_accounts), np.int64)
    for number in range(len(cases.methods)):
        own = np.flatnonzero(in_accounts & (rows["method"] == number))
        known = cases.known[rows["case"][own]]
        hold[own] = share_available(rows["account"][own], known, rows["amount"][own], available[own])
    return hold, available


def _trace(cases: _Cases, rows: Columns, in_accounts: BoolArray, hold: Int64Array, available: Int64Array) -> pa.Table:
    return schema.TRACE.filled(
        **cases.labels(rows),
        **cases.times(hold),
        account_id=cases.snapshot.graph.account_ids.take(pa.array(rows["account"])),
        hop=rows["hop"],
        traced=rows["amount"],
        available=pa.array(available, mask=~in_accounts),
        hold=hold,
        shortfall=np.where(in_accounts, rows["amount"] - hold, 0),
        exit_kind=pa.array([PLACES[k] if k else None for k in rows["place"]], pa.string()),
    )


def _steps(cases: _Cases, way: Columns) -> pa.Table:
    graph, transfer = cases.snapshot.graph, way["transfer"]
    return schema.TRACE_STEPS.filled(
        **cases.labels(way),
        transfer_id=cases.snapshot.tables["transfers"]["transfer_id"].take(pa.array(transfer)),
        time=graph.time[transfer],
        source=graph.account_ids.take(pa.array(graph.source[transfer])),
        target=graph.account_ids.take(pa.array(graph.target[transfer])),
        amount=graph.amount[transfer],
        traced=way["amount"],
    )


def _holds(cases: _Cases, rows: Columns, smallest: float) -> tuple[pa.Table, int]:
    """Propose holds: of each account the cautious amount over the methods, as far as it is there and not too small.

    Also returns the sum of those that are too small.
    """
    claims = join_methods(rows, cases.methods)
    account = claims["account"].astype(np.int32)
    available, is_stated = cases.snapshot.balances(account)
    hold = share_available(claims["account"], cases.known[claims["case"]], claims["cautious"], available)
    disputed = cases.snapshot.graph.amount[cases.transfer[claims["case"]]]
    is_too_small = hold < (smallest if smallest >= 1 else smallest * disputed)
    not_proposed, hold = int(hold[is_too_small].sum()), np.where(is_too_small, 0, hold)
    table = schema.HOLDS.filled(
        **cases.times(hold),
        complaint_id=cases.complaint_id.take(pa.array(claims["case"])),
        account_id=cases.snapshot.graph.account_ids.take(pa.array(account)),
        bank_id=cases.snapshot.accounts.bank.take(pa.array(account)),
        hop=claims["hop"],
        traced_low=claims["low"],
        traced_high=claims["high"],
        available=available,
        is_stated=is_stated,
        hold=hold,
        shortfall=claims["cautious"] - hold,
    )
    return table, not_proposed


def _summary(cases: _Cases, rows: Columns, in_accounts: BoolArray, hold: Int64Array) -> pa.Table:
    """Add up the money of each complaint and method by what became of it."""
    n_methods = len(cases.methods)
    every = {"case": np.repeat(np.arange(len(cases.known)), n_methods)}
    every["method"] = np.tile(np.arange(n_methods), len(cases.known))
    at, place = rows["case"] * n_methods + rows["method"], np.array(PLACES)[rows["place"]]
    left_bank, not_followed = (np.isin(place, names) for names in (_LEFT_BANK, _NOT_FOLLOWED))
    spent = ~(in_accounts | left_bank | not_followed)
    amounts = {"lost": rows["amount"], "hold": hold}
    for name, chosen in {"in_accounts": in_accounts, "left_bank": left_bank, "spent": spent,
                         "not_followed": not_followed}.items():  # fmt: skip
        amounts[name] = np.where(chosen, rows["amount"], 0)
    totals = {name: sum_at(values, at, len(every["case"])) for name, values in amounts.items()}
    return pa.table(cases.labels(every) | totals).select(SUMMARY.names).cast(SUMMARY)
