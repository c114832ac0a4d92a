"""Accounts around a ring that are *not* members, said explicitly and with the reason."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import Int64Array, sum_at
from muledetect.rings.flows import Flows
from muledetect.rings.links import RingContext

#: Codes of what an account outside is to a ring, and the sentence for it.
RELATIONS: Final = {
    "victim": "disputes a transfer that it paid to a member",
    "institution": "shop, biller, exchange, wallet or bank: serves everybody",
    "exit": "was paid by card, QR code, at a machine or across the border: the receiver is presumed innocent",
    "hub": "was paid by so many accounts that it serves everybody",
    "recipient": "received money of members, and nothing else speaks against it",
    "payer": "paid members, and has not disputed it",
}


def find_others(context: RingContext, flows: Flows, ring: Int64Array) -> pa.Table:
    """List the counterparties of ring members that are not members, one row a ring (number) and account (code).

    With why not, the first of `RELATIONS` that fits, the number of transfers, and the money `paid` to members and
    `received` from them. O(transfers of the members).
    """
    snapshot, graph = context.snapshot, context.snapshot.graph
    at = np.concatenate([ring[flows.receiver], ring[flows.sender]])
    transfer = np.concatenate([flows.incoming, flows.outgoing])
    pays = np.arange(len(at)) < len(flows.incoming)
    account = np.where(pays, graph.source[transfer], graph.target[transfer]).astype(np.int64)
    pairs, of = np.unique(at * graph.n_accounts + account, return_inverse=True)
    n = len(pairs)
    paid, received = (sum_at(graph.amount[transfer[side]], of[side], n) for side in (pays, ~pays))
    who = pairs % graph.n_accounts
    disputed = snapshot.is_disputed[transfer] & pays
    through_exit = (snapshot.exit_place[transfer] > 0) & ~pays
    fits = [
        np.bincount(of[disputed], minlength=n) > 0,
        snapshot.accounts.is_public[who],
        np.bincount(of[through_exit], minlength=n) > 0,
        snapshot.is_hub[who],
        received > 0,
    ]
    relation = np.select(fits, list(RELATIONS)[:-1], default="payer")
    columns = {"ring": pairs // graph.n_accounts, "account": who, "n_transfers": np.bincount(of, minlength=n),
               "paid": paid, "received": received}  # fmt: skip
    return pa.table(columns).append_column("relation", pa.array(relation.tolist(), pa.string()))
