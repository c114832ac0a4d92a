"""Companies: does what the account moves fit the company behind it?

A company that is bought or founded for its account is young or empty, moves far more than its capital, sends the money
to an exchange at once, and has none of the costs of a business: no wages, no tax, no rent. Each of these alone is also
true of honest young companies. All columns are NaN for accounts whose holder is no company, and where the table of
holders does not tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numba
import numpy as np

from muledetect.arrays import MISSING, BoolArray, Float64Array, Int64Array, first_at_least
from muledetect.clock import DAY
from muledetect.facts.accounts import PLACES
from muledetect.facts.companies import Companies
from muledetect.features._columns import ON_REQUEST, Column
from muledetect.features._history import History, share
from muledetect.features._spec import feature
from muledetect.schema import ACCOUNT_KINDS

if TYPE_CHECKING:
    from muledetect.features._extraction import Extraction

_NOT_LIVE: Final = "it reads the company behind the account"
#: Where money leaves the country's banks, and what pays the costs of a business.
_EXCHANGES: Final = ("vasp", "wallet", "xborder")
_COSTS: Final = ("biller", "government", "payroll")
#: At once.
_SOON: Final = DAY
#: Costs come back: a payee that is paid in two of the spans of so many days.
_MONTH: Final = 30 * DAY


@feature(
    family="company",
    columns={
        "company_age": Column("seconds", "time since the company behind the account was registered", True),
        "company_capital": Column("amount", "registered capital of the company behind the account"),
        "company_wait": Column(
            "seconds", "time from the registration of the company to the opening of the account", only=ON_REQUEST
        ),
        "director_companies": Column("count", "other companies that a director of the company directs so far"),
    },
    tables=("accounts", "holders"),
    not_live=_NOT_LIVE,
)
def company_profile(history: History) -> Float64Array:
    """Age and capital of the company, and what else its directors have.

    Age and capital are NaN where they are not stated or the company is registered at or after the point; `company_wait`
    also where the account is older than the company or its opening is not known by the point.
    `director_companies` is NaN until a director is known (kind `director` of identifiers); of a
    director of more than 200 those count that were known before the 201st. O(log n) a point.
    """
    found = np.full((len(history), 4), np.nan)
    companies, account = history.facts.companies, history.points.account
    if companies is None:
        return found
    is_company = _is_company(history, companies)
    registered = _stated(companies.registered_at, companies, history)
    found[:, 0] = (history.as_of - registered) / 1e6
    found[:, 1] = _stated(companies.capital, companies, history)
    wait = (history.opened_at - registered) / 1e6
    found[:, 2] = np.where(wait >= 0, wait, np.nan)
    rows = np.flatnonzero(is_company & (companies.director_since[np.maximum(account, 0)] < history.as_of))
    found[rows, 3] = _met_before(companies.start, companies.met_at, account[rows], history.as_of[rows])
    found[~is_company] = np.nan
    return found


@feature(
    family="company",
    columns={
        "capital_turnover": Column("ratio", "money received {window} against the company's capital (0.5 = as much)"),
        "company_day_amount": Column(
            "amount", "money received {window} for each day on which the company was registered", only=ON_REQUEST
        ),
    },
    tables=("accounts", "holders"),
    not_live=_NOT_LIVE,
    window=("30d",),
)
def company_turnover(history: History, *, window: int) -> Float64Array:
    """Turnover against the size and the age of the company.

    `capital_turnover = received / (received + capital)`. `company_day_amount = received / days`, the days of the window
    since the registration, one at least. NaN where capital or registration are not known. O(log n) a point.
    """
    companies = history.facts.companies
    if companies is None:
        return np.full((len(history), 2), np.nan)
    received = history.incoming.total(window)
    age = history.as_of - _stated(companies.registered_at, companies, history)
    days = np.clip(age, DAY, max(window, DAY)) / DAY
    turnover = share(received, received + _stated(companies.capital, companies, history))
    found = np.column_stack([turnover, received / days])
    found[~_is_company(history, companies)] = np.nan
    return found


@feature(
    family="company",
    columns={
        "company_exchange_share": Column("ratio", "share of the company's money received {window} that went to an "
                                         "exchange, a wallet or abroad within 24 hours"),
    },
    tables=("accounts", "holders"),
    not_live=_NOT_LIVE,
    window=("30d",),
)  # fmt: skip
def company_exits(history: History, *, window: int) -> Float64Array:
    """Share of what a company received in the window that left to an exchange, wallet or abroad within a day.

    Debits spend credits first in, first out; the kind of place is that of the transfer's channel or of the payee's
    account. NaN if nothing was received. O(pairs of credit and debit in the window) a point.
    """
    found, companies = np.full(len(history), np.nan), history.facts.companies
    if companies is None:
        return found
    rows = np.flatnonzero(_is_company(history, companies))
    leaves = history.extraction.get(_exchange_transfers)[history.outgoing.transfer]
    pairs, into, out = history.matches, history.incoming, history.outgoing
    begin = into.begin(window)
    left = _left_soon(
        rows, history.local, pairs.start, pairs.stop, pairs.credit, pairs.debit, pairs.amount, begin, into.end, out.end,
        into.time, out.time, leaves, _SOON,
    )  # fmt: skip
    found[rows] = share(left, into.total(window)[rows])
    return found


@feature(
    family="company",
    columns={
        "company_cost_share": Column("ratio", "share of the company's money paid {window} as wages, to billers or to "
                                     "the state"),
        "company_regular_payees": Column("count", "payees that the company paid in two months or more {window}"),
    },
    tables=("accounts", "holders"),
    not_live=_NOT_LIVE,
    window=("90d",),
)  # fmt: skip
def company_costs(history: History, *, window: int) -> Float64Array:
    """What a business pays again and again: wages, power, tax; and whom it pays in two spans of 30 days or more.

    Spans are counted back from the point. `company_cost_share` is NaN if nothing was paid, or without channels and
    kinds of accounts. O(transfers paid in the window) a point.
    """
    found, companies = np.full((len(history), 2), np.nan), history.facts.companies
    if companies is None:
        return found
    rows = np.flatnonzero(_is_company(history, companies))
    is_cost, out = history.extraction.get(_cost_transfers), history.outgoing
    begin = out.begin(window)
    costs = np.zeros(0, np.bool_) if is_cost is None else is_cost[out.transfer]
    amount, regular = _regular(
        rows,
        begin,
        out.end,
        out.time,
        out.amount,
        out.other,
        history.as_of,
        costs,
        int(history.n_others.max(initial=0)),
    )
    if is_cost is not None:
        found[rows, 0] = share(amount, out.total(window)[rows])
    found[rows, 1] = regular
    return found


def _is_company(history: History, companies: Companies) -> BoolArray:
    account = history.points.account
    return np.asarray((account >= 0) & companies.is_company[np.maximum(account, 0)])


def _stated(values: Int64Array, companies: Companies, history: History) -> Float64Array:
    """Return a value of each point's company; NaN where it is not stated, or the company not registered yet."""
    account = np.maximum(history.points.account, 0)
    value, registered = values[account], companies.registered_at[account]
    return np.where((value != MISSING) & (registered < history.as_of), value.astype(np.float64), np.nan)


def _exchange_transfers(extraction: Extraction) -> BoolArray:
    return _transfers_to(extraction, _EXCHANGES)


def _cost_transfers(extraction: Extraction) -> BoolArray | None:
    tables = extraction.tables
    if "channel" not in tables["transfers"].column_names and "kind" not in tables["accounts"].column_names:
        return None
    return _transfers_to(extraction, _COSTS)


def _transfers_to(extraction: Extraction, places: tuple[str, ...]) -> BoolArray:
    """Return which transfers lead to places, by their channel or by the kind of the payee, bool[n_transfers]."""
    facts, graph = extraction.facts, extraction.graph
    codes = [PLACES.index(place) for place in places]
    kind = facts.accounts.kind
    of_payee = np.zeros(graph.n_accounts, np.bool_)
    for place in places:
        if place in ACCOUNT_KINDS:
            of_payee |= kind == ACCOUNT_KINDS.index(place)
    found = of_payee[graph.target]
    exits = facts.exit_place
    return found if exits is None else found | np.isin(exits[: graph.n_transfers], codes)


@numba.njit(cache=True, nogil=True)
def _met_before(start, met_at, account, as_of) -> Float64Array:  # type: ignore[no-untyped-def]
    found = np.zeros(len(account))
    for p in range(len(account)):
        low = start[account[p]]
        found[p] = first_at_least(met_at, low, start[account[p] + 1], as_of[p]) - low
    return found


@numba.njit(cache=True, nogil=True)
def _left_soon(  # type: ignore[no-untyped-def]
    rows, local, start, stop, credit, debit, amount, in_begin, in_end, out_end, in_time, out_time, leaves, soon
) -> Float64Array:
    """Pairs lie in order of their debit, and so of their credit: first in, first out."""
    found = np.zeros(len(rows))
    for r in range(len(rows)):
        p = rows[r]
        for k in range(start[local[p]], stop[local[p]]):
            if debit[k] >= out_end[p]:
                break
            i = credit[k]
            if in_begin[p] <= i < in_end[p] and leaves[debit[k]] and out_time[debit[k]] - in_time[i] <= soon:
                found[r] += amount[k]
    return found


@numba.njit(cache=True, nogil=True)
def _regular(rows, begin, end, time, amount, other, as_of, is_cost, n_others):  # type: ignore[no-untyped-def]
    """Invariant: `span[o]` is the latest span in which payee o was paid, while `of[o] == p`; -1: counted."""
    costs, regular = np.zeros(len(rows)), np.zeros(len(rows))
    of, span = np.full(n_others, -1, np.int64), np.zeros(n_others, np.int64)
    for r in range(len(rows)):
        p = rows[r]
        for k in range(begin[p], end[p]):
            o, month = other[k], (as_of[p] - 1 - time[k]) // _MONTH
            if len(is_cost) > 0 and is_cost[k]:
                costs[r] += amount[k]
            if of[o] != p:
                of[o], span[o] = p, month
            elif span[o] >= 0 and span[o] != month:
                regular[r] += 1
                span[o] = -1
    return costs, regular
