"""What the bank knows of each account before it looks at the neighbours: scores, complaints, lists, what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Int32Array, Int64Array
from muledetect.errors import DataError
from muledetect.frames import as_arrow
from muledetect.graph import TransferGraph
from muledetect.rings.disputes import Disputes
from muledetect.rings.money import Float64Array

if TYPE_CHECKING:
    from muledetect.records import Dataset

BoolArray = npt.NDArray[np.bool_]

#: Accounts of these kinds serve everybody: money may leave a ring through them, but they are never members.
INSTITUTIONS: Final = ("merchant", "biller", "wallet", "vasp", "government", "internal")

#: Transfers of these channels go to a machine, a shop, an exchange or a payroll, or come from one.
EXITS: Final = (
    "qr_merchant", "bill", "card", "cash_atm", "cash_counter", "cash_deposit", "wallet", "vasp", "xborder", "payroll",
    "fee",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores that hold at `as_of`, for accounts with a code, by ascending code."""

    account: Int32Array
    score: Float64Array
    probability: Float64Array


@dataclass(frozen=True, eq=False)
class Knowledge:
    """One value an account of the graph.

    Attributes
    ----------
    probability : float64[n_accounts]
        Of the scores; NaN without one.
    n_complaints : int64[n_accounts]
        Distinct payers that dispute a transfer to the account.
    has_complained : bool[n_accounts]
        The account disputes a transfer that it paid.
    is_listed : bool[n_accounts]
        A watch list names the account.
    is_institution : bool[n_accounts]
        Its kind is one of `INSTITUTIONS`; False where no kind is known.
    is_exit : bool[n_transfers] or None
        The channel is one of `EXITS`; None if transfers have no channel.
    """

    probability: Float64Array
    n_complaints: Int64Array
    has_complained: BoolArray
    is_listed: BoolArray
    is_institution: BoolArray
    is_exit: BoolArray | None

    def binds(self, graph: TransferGraph, transfer: Int64Array) -> BoolArray:
        """Return which transfers (positions) can bind two members: between two people's accounts, no exit."""
        source, target = graph.source[transfer], graph.target[transfer]
        free: BoolArray = (source != target) & ~self.is_institution[source] & ~self.is_institution[target]
        return free if self.is_exit is None else free & ~self.is_exit[transfer]


def gather_knowledge(
    dataset: Dataset, graph: TransferGraph, scored: Scored, disputes: Disputes, as_of: int
) -> Knowledge:
    """Put together what was known just before `as_of`; absent tables leave their columns empty. O(n)."""
    n = graph.n_accounts
    probability = np.full(n, np.nan)
    probability[scored.account] = scored.probability
    named = disputes.payee >= 0
    pairs = np.unique(np.stack([disputes.payee[named], disputes.payer[named]]), axis=1)
    has_complained = np.zeros(n, np.bool_)
    has_complained[disputes.payer[disputes.payer >= 0]] = True
    return Knowledge(
        probability,
        np.bincount(pairs[0], minlength=n),
        has_complained,
        _listed(dataset, graph, as_of),
        _institutions(dataset, graph),
        _exits(dataset, graph),
    )


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
    table = as_arrow(scores, "scores")
    missing = [name for name in ("account_id", "score", "probability") if name not in table.column_names]
    if missing:
        raise DataError(f"scores: columns {missing} are missing; got {table.column_names}. See schema.SCORES.")
    if "as_of" in table.column_names:
        made_at = _moments(table["as_of"])
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


def _listed(dataset: Dataset, graph: TransferGraph, as_of: int) -> BoolArray:
    found = np.zeros(graph.n_accounts, np.bool_)
    table = dataset.tables.get("watchlists")
    if table is None:
        return found
    moment = pa.scalar(as_of, pa.timestamp("us", tz="UTC"))
    holds = pc.and_(pc.less(table["known_ts"], moment), pc.less(table["valid_from"], moment))
    if "valid_to" in table.column_names:
        holds = pc.and_(holds, pc.fill_null(pc.greater_equal(table["valid_to"], moment), True))
    named = table.filter(pc.and_(holds, pc.equal(table["kind"].cast(pa.string()), "account")))
    codes = graph.codes(named["value_hash"])
    found[codes[codes >= 0]] = True
    return found


def _institutions(dataset: Dataset, graph: TransferGraph) -> BoolArray:
    found = np.zeros(graph.n_accounts, np.bool_)
    table = dataset.tables.get("accounts")
    if table is None or "kind" not in table.column_names:
        return found
    named = table.filter(pc.is_in(table["kind"].cast(pa.string()), value_set=pa.array(INSTITUTIONS)))
    codes = graph.codes(named["account_id"])
    found[codes[codes >= 0]] = True
    return found


def _exits(dataset: Dataset, graph: TransferGraph) -> BoolArray | None:
    table = dataset.tables["transfers"]
    if "channel" not in table.column_names:
        return None
    channel = table["channel"].slice(0, graph.n_transfers)
    return np.asarray(pc.is_in(channel.cast(pa.string()), value_set=pa.array(EXITS)).to_numpy(), dtype=np.bool_)


def _floats(column: pa.ChunkedArray) -> Float64Array:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(), dtype=np.float64)


def _moments(column: pa.ChunkedArray) -> Int64Array:
    moments = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return np.asarray(pc.fill_null(moments, np.iinfo(np.int64).max).to_numpy(), dtype=np.int64)
