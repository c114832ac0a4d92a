"""What tracing needs of a data set, made once and used for every complaint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import MISSING
from muledetect.clock import Moment, format_time, parse_time
from muledetect.facts.balances import balances_before
from muledetect.graph import Int32Array, Int64Array, TransferGraph
from muledetect.tracing.kernel import PLACES

if TYPE_CHECKING:
    from muledetect.records import Dataset

#: Channels at which tracing ends, and the place that the money then is in.
CHANNELS: Final = {
    "qr_merchant": "merchant", "bill": "biller", "card": "card", "cash_atm": "cash", "cash_counter": "cash",
    "wallet": "wallet", "vasp": "vasp", "xborder": "xborder", "payroll": "payroll", "fee": "fee",
}  # fmt: skip

#: Kinds of account at which tracing ends: a notice, not a hold.
KINDS: Final = ("merchant", "biller", "government", "vasp", "wallet", "internal")

#: An account that this many others paid serves the public, whatever it is called.
HUB_PAYERS: Final = 1_000


@dataclass(frozen=True, eq=False)
class Books:
    """A graph cut at a moment, with what is known of its accounts and transfers.

    Attributes
    ----------
    graph : TransferGraph
        Cut at `as_of`.
    as_of : int
        Exclusive, microseconds.
    exit_code : int8[n_transfers]
        Code of `PLACES` by the transfer's channel; 0 = follow.
    stop_code : int8[n_accounts]
        Code of `PLACES` by what the account is; 0 = follow.
    source_after, target_after : int64[n_transfers]
        Stated balances, `MISSING` where there is none; of length 0 without the column.
    balance, balance_at : int64[n_accounts]
        Stated in table accounts before `as_of`; `MISSING` elsewhere.
    bank : pyarrow.Array of string [n_accounts]
        Bank of each account; null where unknown.
    """

    graph: TransferGraph
    as_of: int
    exit_code: npt.NDArray[np.int8]
    stop_code: npt.NDArray[np.int8]
    source_after: Int64Array
    target_after: Int64Array
    balance: Int64Array
    balance_at: Int64Array
    bank: pa.Array

    def __repr__(self) -> str:
        counts = f"{self.graph.n_accounts:,} accounts, {self.graph.n_transfers:,} transfers"
        return f"Books(before {format_time(self.as_of)}: {counts})"

    def balances(self, accounts: Int32Array) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
        """Return what was in accounts just before `as_of`, and whether the records state it."""
        graph = self.graph
        return balances_before(
            accounts, np.full(len(accounts), self.as_of), graph.time, graph.amount, graph.source, graph.target,
            self.source_after, self.target_after, self.balance, self.balance_at, *graph.incoming, *graph.outgoing,
        )  # fmt: skip


def open_books(dataset: Dataset, graph: TransferGraph, as_of: Moment) -> Books:
    """Prepare a data set for tracing at a moment. O(transfers + accounts); 17 bytes a transfer with balances."""
    moment = parse_time(as_of)
    cut = graph.until(moment)
    table = dataset.tables["transfers"].slice(0, cut.n_transfers)
    stop_code, balance, balance_at, bank = _accounts(dataset, cut, moment)
    _mark_hubs(cut, stop_code)
    return Books(
        cut,
        moment,
        _codes(table, "channel", CHANNELS, cut.n_transfers),
        stop_code,
        _money(table, "source_balance_after"),
        _money(table, "target_balance_after"),
        balance,
        balance_at,
        bank,
    )


def _codes(table: pa.Table, name: str, meaning: dict[str, str], n: int) -> npt.NDArray[np.int8]:
    if name not in table.column_names or not n:
        return np.zeros(n, np.int8)
    coded = table[name].combine_chunks()
    coded = coded if pa.types.is_dictionary(coded.type) else coded.dictionary_encode()
    of_word = [PLACES.index(meaning[word]) if word in meaning else 0 for word in coded.dictionary.to_pylist()]
    index = pc.fill_null(coded.indices.cast(pa.int64()), len(of_word)).to_numpy(zero_copy_only=False)
    return np.asarray(np.array([*of_word, 0], np.int8)[index])


def _money(table: pa.Table, name: str) -> Int64Array:
    if name not in table.column_names:
        return np.zeros(0, np.int64)
    return np.asarray(pc.fill_null(table[name].cast(pa.int64()), MISSING).to_numpy(), np.int64)


def _accounts(dataset: Dataset, graph: TransferGraph, as_of: int) -> tuple[Any, Int64Array, Int64Array, pa.Array]:
    n = graph.n_accounts
    stop_code, balance, balance_at = np.zeros(n, np.int8), np.full(n, MISSING), np.full(n, MISSING)
    table = dataset.tables.get("accounts")
    if table is None:
        return stop_code, balance, balance_at, pa.nulls(n, pa.string())
    code = graph.codes(table["account_id"])
    rows = np.flatnonzero(code >= 0)
    code, table = code[rows], table.take(pa.array(rows))
    if "is_own" in table.column_names:
        is_own = pc.fill_null(table["is_own"], True).to_numpy()
        stop_code[code[~is_own]] = PLACES.index("other_bank")
    kinds = _codes(table, "kind", {kind: kind for kind in KINDS}, len(table))
    stop_code[code[kinds > 0]] = kinds[kinds > 0]
    if {"balance", "balance_at"} <= set(table.column_names):
        stated, moment = _money(table, "balance"), _money(table, "balance_at")
        counts = (stated != MISSING) & (moment != MISSING) & (moment < as_of)
        balance[code[counts]], balance_at[code[counts]] = stated[counts], moment[counts]
    bank = np.full(n, None, object)
    if "bank_id" in table.column_names:
        bank[code] = table["bank_id"].cast(pa.string()).to_pylist()
    return stop_code, balance, balance_at, pa.array(bank, pa.string())


def _mark_hubs(graph: TransferGraph, stop_code: npt.NDArray[np.int8]) -> None:
    """Stop at accounts that so many different others paid that they serve the public."""
    busy = np.flatnonzero((graph.incoming.stop - graph.incoming.start >= HUB_PAYERS) & (stop_code == 0))
    for account in busy:
        transfer = graph.incoming.transfer[graph.incoming.start[account] : graph.incoming.stop[account]]
        if len(np.unique(graph.source[transfer])) >= HUB_PAYERS:
            stop_code[account] = PLACES.index("hub")
