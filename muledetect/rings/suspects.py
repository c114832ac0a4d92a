"""Who may belong to a ring: seeds from the scores, and neighbours that live on the seeds' relayed money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.errors import DataError
from muledetect.graph import Int32Array, Int64Array, TransferGraph
from muledetect.rings.money import Float64Array, RelayedMoney, first_position, match_relayed_money

#: A neighbour belongs to the search if at least this share of its inflow is relayed money of seeds, and (with one
#: seed only) if it passed on at least this share of its inflow itself. A small shop that mules visit stays out.
NEIGHBOUR_SHARE: Final = 0.5


@dataclass(frozen=True, eq=False)
class Suspects:
    """The accounts among which rings are sought, by ascending account code.

    Attributes
    ----------
    account : int32[n]
        Account codes.
    probability : float64[n]
        0 where the account has no score.
    is_seed : bool[n]
    n_counterparties : int64[n]
        Distinct accounts that it paid or was paid by in the window, counted up to one above the limit of hubs unless
        it is a seed.
    """

    account: Int32Array
    probability: Float64Array
    is_seed: npt.NDArray[np.bool_]
    n_counterparties: Int64Array

    def __len__(self) -> int:
        return len(self.account)

    def positions(self, accounts: Int32Array) -> Int64Array:
        """Return where each account stands in `account`, int64; -1 = it is no suspect. O(n log n)."""
        if not len(self):
            return np.full(len(accounts), -1, np.int64)
        found = np.minimum(np.searchsorted(self.account, accounts), len(self) - 1)
        return np.where(self.account[found] == accounts, found, -1).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores that hold at `as_of`, for accounts with a code, by ascending code."""

    account: Int32Array
    score: Float64Array
    probability: Float64Array


def read_scores(scores: Any, graph: TransferGraph, as_of: int) -> Scored:
    """Take each account's latest score made at or before `as_of`; rows without score and unknown accounts drop out.

    Parameters
    ----------
    scores : pyarrow.Table, pandas.DataFrame or anything with `__arrow_c_stream__`
        `account_id`, `score`, `probability` and, if it holds several moments, `as_of`; see schema.SCORES.

    Raises
    ------
    DataError
        If a column is missing, an account has two scores of one moment, a probability is outside 0 to 1, or every
        score was made after `as_of`.
    """
    table = scores if isinstance(scores, pa.Table) else pa.table(scores)
    missing = [name for name in ("account_id", "score", "probability") if name not in table.column_names]
    if missing:
        raise DataError(f"scores: columns {missing} are missing; got {table.column_names}. See schema.SCORES.")
    if "as_of" in table.column_names:
        made_at = _floats_of_time(table["as_of"])
        is_known = made_at <= as_of
        if len(made_at) and not is_known.any():
            raise DataError("scores: all were made after as_of; score the accounts at or before it.")
        table, made_at = table.filter(pa.array(is_known)), made_at[is_known]
    else:
        made_at = np.zeros(table.num_rows, np.int64)
    ids = table["account_id"].combine_chunks() if table.num_rows else pa.array([], pa.string())
    account = graph.codes(ids.cast(pa.string()))
    score, probability = (_floats(table[name]) for name in ("score", "probability"))
    if np.any((probability < 0) | (probability > 1)):
        raise DataError("scores: column 'probability' must lie in 0 to 1; some rows do not.")
    usable = np.flatnonzero((account >= 0) & np.isfinite(score) & np.isfinite(probability))
    rows = usable[np.lexsort((made_at[usable], account[usable]))]
    if np.any((np.diff(account[rows]) == 0) & (np.diff(made_at[rows]) == 0)):
        raise DataError("scores: an account has two scores of one moment; keep one row per account_id and as_of.")
    latest = rows[np.append(np.diff(account[rows]) != 0, True)[: len(rows)]]
    return Scored(account[latest], score[latest], probability[latest])


def find_seeds(scored: Scored, *, min_probability: float, seed_share: float) -> npt.NDArray[np.bool_]:
    """Return which scored accounts are seeds: probable enough, and among the highest scores.

    At most `seed_share` of the scored accounts, but equal scores at the cut are all in, so that names decide nothing.
    """
    is_probable = scored.probability >= min_probability
    n_most = max(1, int(np.ceil(seed_share * len(scored.score))))
    if n_most >= len(scored.score):
        return is_probable
    lowest = np.partition(scored.score, len(scored.score) - n_most)[len(scored.score) - n_most]
    return np.asarray(is_probable & (scored.score >= lowest))


def gather_suspects(
    graph: TransferGraph,
    scored: Scored,
    is_seed: npt.NDArray[np.bool_],
    *,
    since: int,
    dwell: int,
    max_counterparties: int,
) -> Suspects:
    """Join the neighbours that live on relayed money to the seeds.

    A neighbour is no hub, received relayed money of seeds that makes up at least half of its inflow of the window,
    and had it from two seeds or passed half of its inflow on within the dwell limit itself. Payers of seeds do not
    join: they are the victims. O(transfers of seeds and of the accounts that they paid, hubs cut short).
    """
    seeds = scored.account[is_seed]
    reached, n_seeds, received = _reached_by(graph, seeds, match_relayed_money(graph, seeds, since=since, dwell=dwell))
    first = int(np.searchsorted(graph.time, since, side="left"))
    degree = _count(graph, reached, first, max_counterparties)
    is_small = degree <= max_counterparties
    reached, n_seeds, received, degree = reached[is_small], n_seeds[is_small], received[is_small], degree[is_small]
    own = match_relayed_money(graph, reached, since=since, dwell=dwell)
    inflow, passed = _totals(graph, own, len(reached))
    lives_on_it = (received >= NEIGHBOUR_SHARE * inflow) & (inflow > 0)
    joins = lives_on_it & ((n_seeds >= 2) | (passed >= NEIGHBOUR_SHARE * inflow))
    account = np.concatenate([seeds, reached[joins]])
    order = np.argsort(account)
    at = np.searchsorted(scored.account, account)
    at_safe = np.minimum(at, max(len(scored.account) - 1, 0))
    has_score = scored.account[at_safe] == account if len(scored.account) else np.zeros(len(account), np.bool_)
    probability = np.where(has_score, scored.probability[at_safe] if len(scored.account) else 0.0, 0.0)
    degrees = np.concatenate([_count(graph, seeds, first, graph.n_accounts), degree[joins]])
    seed_flags = np.arange(len(account)) < len(seeds)
    return Suspects(account[order], probability[order], seed_flags[order], degrees[order])


def _reached_by(
    graph: TransferGraph, seeds: Int32Array, money: RelayedMoney
) -> tuple[Int32Array, Int64Array, Int64Array]:
    """Return accounts that are no seeds, how many seeds passed relayed money to each, and how much in all."""
    is_relayed = money.is_debit & (money.amount > 0)
    target = graph.target[money.transfer[is_relayed]]
    is_new = ~np.isin(target, seeds)
    target, payer, amount = target[is_new], money.middle[is_relayed][is_new], money.amount[is_relayed][is_new]
    reached, at = np.unique(target, return_inverse=True)
    received = np.zeros(len(reached), np.int64)
    np.add.at(received, at, amount)
    pairs = np.unique(np.stack([at.astype(np.int64), payer.astype(np.int64)]), axis=1)
    return reached.astype(np.int32), np.bincount(pairs[0], minlength=len(reached)).astype(np.int64), received


def _totals(graph: TransferGraph, money: RelayedMoney, n_accounts: int) -> tuple[Int64Array, Int64Array]:
    inflow, passed = np.zeros(n_accounts, np.int64), np.zeros(n_accounts, np.int64)
    credit = ~money.is_debit
    np.add.at(inflow, money.middle[credit], graph.amount[money.transfer[credit]])
    np.add.at(passed, money.middle[credit], money.amount[credit])
    return inflow, passed


def _count(graph: TransferGraph, accounts: Int32Array, first: int, most: int) -> Int64Array:
    return _count_counterparties(
        accounts, *graph.incoming, *graph.outgoing, graph.source, graph.target, first, most, graph.n_accounts
    )


@numba.njit(cache=True, nogil=True)
def _count_counterparties(  # type: ignore[no-untyped-def]
    accounts, in_start, in_stop, in_transfer, out_start, out_stop, out_transfer, source, target, first, most, n_accounts
) -> Int64Array:
    """Distinct counterparties since position `first`; counting stops at `most + 1`."""
    n_others = np.zeros(len(accounts), np.int64)
    seen_by = np.full(n_accounts, -1, np.int32)
    for k in range(len(accounts)):
        a = accounts[k]
        seen_by[a] = k
        for j in range(first_position(in_transfer, in_start[a], in_stop[a], first), in_stop[a]):
            other = source[in_transfer[j]]
            if seen_by[other] != k:
                seen_by[other] = k
                n_others[k] += 1
            if n_others[k] > most:
                break
        for j in range(first_position(out_transfer, out_start[a], out_stop[a], first), out_stop[a]):
            if n_others[k] > most:
                break
            other = target[out_transfer[j]]
            if seen_by[other] != k:
                seen_by[other] = k
                n_others[k] += 1
    return n_others


def _floats(column: pa.ChunkedArray) -> Float64Array:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(), dtype=np.float64)


def _floats_of_time(column: pa.ChunkedArray) -> Int64Array:
    moments = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return np.asarray(pc.fill_null(moments, np.iinfo(np.int64).max).to_numpy(), dtype=np.int64)
