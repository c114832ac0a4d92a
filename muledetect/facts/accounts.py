"""What the bank knows of an account itself, and which transfers leave the accounts that can be followed."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import MISSING, BoolArray, Int8Array, Int32Array, Int64Array
from muledetect.facts.columns import bools, by_piece, is_among, numbers, texts
from muledetect.graph import TransferGraph
from muledetect.memory import HEAP, Room
from muledetect.schema import ACCOUNT_KINDS

#: Accounts of these kinds serve the public: money may go through them, but they are no members of a ring.
PUBLIC_KINDS: Final = ("merchant", "biller", "government", "vasp", "wallet", "internal")

#: An account that so many different others paid serves the public, whatever its kind.
HUB_PAYERS: Final = 1_000

#: Where money goes that leaves the accounts, by channel.
EXIT_OF_CHANNEL: Final = {
    "qr_merchant": "merchant", "bill": "biller", "card": "card", "cash_atm": "cash", "cash_counter": "cash",
    "wallet": "wallet", "vasp": "vasp", "xborder": "xborder", "payroll": "payroll", "fee": "fee",
}  # fmt: skip

#: Places where money can be, by code; 0 = in an account that can be followed.
PLACES: Final = (
    "account", "merchant", "biller", "government", "vasp", "wallet", "internal", "payroll", "cash", "card", "xborder",
    "fee", "other_bank", "hub", "beyond_hops", "dust", "undivided",
)  # fmt: skip


class Accounts(NamedTuple):
    """What the table accounts says, by account code; MISSING or -1 where it says nothing."""

    kind: Int8Array  # position in `schema.ACCOUNT_KINDS`
    is_own: BoolArray  # held at this bank; True where nothing is said
    holder: Int32Array  # the table's holder, numbered in no meaningful order
    bank: pa.StringArray  # null where unknown
    opened_at: Int64Array
    balance: Int64Array  # holds at `balance_at`, and says nothing before
    balance_at: Int64Array
    daily_limit: Int64Array

    @property
    def is_public(self) -> BoolArray:
        """Return which accounts serve the public by their kind, bool[n_accounts]."""
        public = np.array([*(kind in PUBLIC_KINDS for kind in ACCOUNT_KINDS), False])
        return np.asarray(public[self.kind], np.bool_)


def read_accounts(table: pa.Table | None, graph: TransferGraph) -> Accounts:
    """Return the attributes of every account of the graph. O(accounts)."""
    n = graph.n_accounts
    if table is None:
        table = pa.table({"account_id": pa.array([], pa.string())})
    code = graph.codes(texts(table, "account_id"))
    rows = np.flatnonzero(code >= 0)
    code = code[rows]

    def spread(values: Int64Array, missing: int) -> Int64Array:
        found = np.full(n, missing, np.int64)
        found[code] = values[rows]
        return found

    kind = pc.fill_null(pc.index_in(texts(table, "kind"), value_set=pa.array(ACCOUNT_KINDS)), -1)
    is_own = bools(pc.fill_null(table["is_own"], True)) if "is_own" in table.column_names else np.ones(len(table))
    holder = texts(table, "holder_id").dictionary_encode().indices
    balance = numbers(table, "balance")  # a moment without a balance says nothing
    bank_row = pa.array(spread(np.arange(len(table)), -1))
    return Accounts(
        spread(kind.to_numpy(zero_copy_only=False).astype(np.int64), -1).astype(np.int8),
        spread(is_own.astype(np.int64), 1).astype(np.bool_),
        spread(pc.fill_null(holder, -1).to_numpy(zero_copy_only=False).astype(np.int64), -1).astype(np.int32),
        texts(table, "bank_id").take(pc.if_else(pc.less(bank_row, 0), None, bank_row)),
        spread(numbers(table, "opened_at"), MISSING),
        spread(balance, MISSING),
        spread(np.where(balance == MISSING, MISSING, numbers(table, "balance_at")), MISSING),
        spread(numbers(table, "daily_limit"), MISSING),
    )


def exit_places(transfers: pa.Table, n_transfers: int, room: Room = HEAP) -> Int8Array | None:
    """Return the code of `PLACES` that each transfer's channel leads to, 0 = an account; None without channels."""
    if "channel" not in transfers.column_names:
        return None
    return by_piece(transfers["channel"].slice(0, n_transfers), _exits, np.int8, room)


def _exits(channel: pa.Array) -> Int8Array:
    coded = channel if pa.types.is_dictionary(channel.type) else channel.dictionary_encode()
    places = [PLACES.index(EXIT_OF_CHANNEL.get(word, "account")) for word in coded.dictionary.to_pylist()]
    found: Int8Array = np.array([*places, 0], np.int8)[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    return found


def has_channel(transfers: pa.Table, n_transfers: int, channels: tuple[str, ...]) -> BoolArray | None:
    """Return which transfers used one of `channels`; None if transfers have no channel."""
    if "channel" not in transfers.column_names:
        return None
    return is_among(transfers["channel"].slice(0, n_transfers), channels)


def find_hubs(graph: TransferGraph, least: int = HUB_PAYERS) -> BoolArray:
    """Return which accounts at least `least` others paid, bool[n_accounts]. O(transfers to large accounts)."""
    found = np.zeros(graph.n_accounts, np.bool_)
    for account in np.flatnonzero(graph.incoming.stop - graph.incoming.start >= least):
        transfer = graph.incoming.transfer[graph.incoming.start[account] : graph.incoming.stop[account]]
        payers = np.unique(graph.source[transfer])
        found[account] = np.count_nonzero(payers != account) >= least
    return found
