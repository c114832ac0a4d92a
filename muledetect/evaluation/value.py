"""Illicit money that each account got, from the truth about transfers or else from what victims reported.

>>> from muledetect.evaluation.value import illicit_receipts
>>> illicit_receipts(dataset).money  # doctest: +SKIP
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.facts import Snapshot, facts_of
from muledetect.graph import TransferGraph
from muledetect.records import Dataset

#: Illicit transfers that reach a mule; those that it spends or cashes go to people who know nothing.
RECEIVED: Final = ("victim", "hop", "illicit")

_FOREVER: Final = "9999-01-01"


class Receipts(NamedTuple):
    """Illicit money that each account code received in the whole data set.

    Attributes
    ----------
    money : int64[n_accounts], optional
        Minor units; None where nothing is known of any account.
    note : str
        Where it is known from, as a plain sentence.
    """

    money: npt.NDArray[np.int64] | None
    note: str


def illicit_receipts(dataset: Dataset) -> Receipts:
    """Return the illicit money that each account received, whenever that was.

    `truth_transfers` says it where it is there: money of cases, or all of a transfer that is known as illicit only.
    Otherwise transfers that standing complaints dispute count, each once, which leaves later tiers without value.
    O(transfers + rows of truth or complaints).

    Parameters
    ----------
    dataset : Dataset
    """
    graph = facts_of(dataset).graph
    truth = dataset.tables.get("truth_transfers")
    found = _from_complaints(dataset, graph) if truth is None else _from_truth(dataset, graph, truth)
    if found.money is None or not found.money.any():
        return Receipts(None, "No value recall: no table says how much illicit money an account got.")
    return found


def _from_truth(dataset: Dataset, graph: TransferGraph, truth: pa.Table) -> Receipts:
    names = [name for name in ("transfer_id", "kind", "amount") if name in truth.column_names]
    moved = truth.select(names).filter(pc.is_in(truth["kind"].cast(pa.string()), pa.array(RECEIVED)))
    moved = moved.set_column(0, "transfer_id", moved["transfer_id"].cast(pa.string()))
    if "amount" not in names:
        moved = moved.append_column("amount", pa.nulls(len(moved), pa.int64()))
    transfers = dataset.transfers
    ids = transfers["transfer_id"].cast(pa.string())
    is_moved = pc.is_in(ids, value_set=pc.unique(moved["transfer_id"]))
    paid = pa.table(
        {
            "transfer_id": ids.filter(is_moved),
            "target": transfers["target"].filter(is_moved).cast(pa.string()),
            "all": transfers["amount"].filter(is_moved),
        }
    )
    joined = moved.join(paid, "transfer_id", join_type="inner")
    # a test of the route has no amount and moves no money of a case
    whole = pc.if_else(pc.equal(joined["kind"].cast(pa.string()), "illicit"), joined["all"], 0)
    amount = pc.coalesce(joined["amount"].cast(pa.int64()), whole.cast(pa.int64()))
    money = _summed(graph.codes(joined["target"]), amount.to_numpy(), len(dataset.account_ids))
    return Receipts(money, "Value: illicit money that an account received in the whole data set, by truth_transfers.")


def _from_complaints(dataset: Dataset, graph: TransferGraph) -> Receipts:
    if "complaints" not in dataset.tables:
        return Receipts(None, "")
    transfer = Snapshot(facts_of(dataset), _FOREVER).complaints.disputed
    money = _summed(graph.target[transfer], graph.amount[transfer], len(dataset.account_ids))
    return Receipts(
        money,
        "Value: transfers to an account that standing complaints dispute, whenever they became known; accounts "
        "that got the money from there on have none.",
    )


def _summed(codes: Any, amount: Any, n_accounts: int) -> npt.NDArray[np.int64]:
    money = np.zeros(n_accounts, np.int64)
    is_known = np.asarray(codes) >= 0
    np.add.at(money, np.asarray(codes)[is_known], np.asarray(amount, dtype=np.int64)[is_known])
    return money
