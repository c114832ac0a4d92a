"""Shared devices, networks, contacts, terminals, openings: both accounts used one thing at about the same time."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from muledetect.rings.links._spec import LinkKind, RingContext, link, make_links, pairs_in_groups
from muledetect.rings.sharing import find_uses

#: Weight of a thing that nobody else has. One laundering office runs several rings from one house, so that what is
#: shared says more about the office than about the ring: it supports links of money and does not replace them.
WEIGHTS: Final = {
    "device": 0.03, "ip": 0.02, "wifi": 0.02, "phone": 0.2, "email": 0.2, "address": 0.1, "sim": 0.2, "imei": 0.2,
    "wallet": 0.4, "terminal": 0.4, "opening": 0.2,
}  # fmt: skip


def shared_thing(kind: str) -> LinkKind:
    """Return the kind of link for one kind of thing, named after it.

    `weight = w / sqrt(holders - 1)`, holders being all accounts of the bank that used the thing within its span of
    time, at most 20; "terminal" is a machine within half an hour, "opening" a branch within an hour. Sessions are
    looked at first, else table identifiers. A bank's own address book says who shares a home, too: families look like
    this, which is why the weight is small.
    """

    def find(context: RingContext) -> pa.Table:
        uses = find_uses(context.snapshot, context.suspects.account, kind)
        left, right = pairs_in_groups(uses.group)
        weight = WEIGHTS[kind] * uses.rarity[left]
        first = np.maximum(uses.first_time[left], uses.first_time[right])
        last = np.maximum(first, np.minimum(uses.last_time[left], uses.last_time[right]))
        value = uses.value.take(pa.array(left))
        return make_links(context, uses.account[left], uses.account[right], weight, first, last, value, 1)

    find.__name__ = f"shared_{kind}"
    return link(opens_episodes=False)(find)
