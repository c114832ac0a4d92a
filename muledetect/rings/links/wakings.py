"""Co-activation: both accounts woke within the hour, after long rest or for the first time."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import Int64Array
from muledetect.clock import DAY, HOUR
from muledetect.rings.links._spec import LINKS, RingContext, link, make_links

#: So long without a transfer is rest.
REST: Final = 60 * DAY
#: Two wakings within this are one.
SOON: Final = HOUR
#: Weight of two wakings with no other suspect's in between: weak, as everybody's salary comes on one day.
WEIGHT: Final = 0.1


@link(opens_episodes=False)
def co_activation(context: RingContext) -> pa.Table:
    """Link two suspects whose first transfer, or first after 60 days of rest, came within an hour of each other.

    Notes
    -----
    `weight = 0.1`, for neighbours in time only, and only where no third suspect woke at that very moment. A record
    begins somewhere: wakings within 60 days of the first transfer of all say nothing and are left out. O(transfers of
    the suspects).
    """
    place, transfer = _wakings(context)
    if context.snapshot.graph.tick > SOON or len(place) < 2:
        return LINKS.empty_table()
    time = context.snapshot.graph.time[transfer]
    order = np.lexsort((place, time))
    changes = np.diff(time[order]) > 0
    alone = order[np.append(True, changes) & np.append(changes, True)]
    place, time, transfer = place[alone], time[alone], transfer[alone]
    meets = np.flatnonzero((np.diff(time) <= SOON) & (place[1:] != place[:-1]))
    shown = context.transfer_ids(transfer[np.stack([meets, meets + 1], axis=1).ravel()])
    weight = np.full(len(meets), WEIGHT)
    return make_links(context, place[meets], place[meets + 1], weight, time[meets], time[meets + 1], shown, 2)


def _wakings(context: RingContext) -> tuple[Int64Array, Int64Array]:
    """Return suspects and the transfers with which they woke, in the window."""
    graph = context.snapshot.graph
    account, transfer = context.snapshot.transfers_of(context.suspects.account)
    order = np.lexsort((transfer, account))
    account, transfer = account[order], transfer[order]
    time = graph.time[transfer]
    is_first = np.append(True, account[1:] != account[:-1])[: len(account)]
    rested = np.append(0, np.diff(time))[: len(time)] > REST
    began = int(graph.time[0]) if graph.n_transfers else 0
    wakes = np.where(is_first, time - began > REST, rested) & (time >= context.since)
    return account[wakes], transfer[wakes]
