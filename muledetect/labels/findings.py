"""What the labels table said by a moment: the last word on each account, and when its mules were active."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import MISSING, Int64Array
from muledetect.clock import Moment, parse_time
from muledetect.errors import DataError
from muledetect.labels._columns import codes_of, times_of

if TYPE_CHECKING:
    from muledetect.graph import TransferGraph
    from muledetect.records import Dataset

MULE, UNKNOWN, NOT_MULE = 2, 1, 0
_GRADES: Final = {"mule": MULE, "unknown": UNKNOWN, "not_mule": NOT_MULE}


@dataclass(frozen=True, eq=False)
class Findings:
    """The labels that were known by a moment: the last word on each account, and its spells of illicit activity.

    Attributes
    ----------
    verdict : int8[n_accounts]
        2 mule, 1 unknown, 0 not a mule, -1 never labelled. A later finding replaces an earlier one; of findings
        known at the same moment the graver counts.
    account : int64[n_spells]
        Account codes of the spells, only of accounts whose verdict is mule.
    start, end : int64[n_spells]
        First and last illicit transfer, microseconds.
    n_stand_ins : int
        Spells for which the first or last transfer of the account stands in for a missing time.
    n_without_transfers : int
        Mules that have neither times nor transfers; when they were active is unknown.
    """

    verdict: npt.NDArray[np.int8]
    account: Int64Array
    start: Int64Array
    end: Int64Array
    n_stand_ins: int = 0
    n_without_transfers: int = 0


def read_findings(dataset: Dataset, graph: TransferGraph, *, known_by: Moment) -> Findings:
    """Read what the labels table said by a moment (inclusive). O(labels log labels).

    Parameters
    ----------
    dataset : Dataset
        With a table `labels`.
    graph : TransferGraph
        Of the same data set; its accounts are those of the findings.
    known_by : Moment
        Inclusive.

    Raises
    ------
    DataError
        If the data set has no labels.
    """
    table = dataset.tables.get("labels")
    if table is None or not table.num_rows:
        raise DataError(
            "labels: the data set has none, so nothing can be learnt or measured. Add a labels table "
            "with account_id and label (mule, not_mule or unknown); see schema.LABELS."
        )
    codes = codes_of(table["account_id"], graph.account_ids).astype(np.int64)
    labels = pc.index_in(table["label"].cast(pa.string()), value_set=pa.array(list(_GRADES)))
    grades = np.array(list(_GRADES.values()), dtype=np.int8)[labels.to_numpy()]
    start, end, known = (times_of(table, name) for name in ("activity_start", "activity_end", "known_ts"))
    for stand_in in (end, start):
        known = np.where(known == MISSING, stand_in, known)
    is_seen = (codes >= 0) & (known <= parse_time(known_by))
    codes, grades, start, end, known = (column[is_seen] for column in (codes, grades, start, end, known))
    verdict = np.full(len(graph.account_ids), -1, dtype=np.int8)
    order = np.lexsort((grades, known))  # assignment below keeps the last of each account
    verdict[codes[order]] = grades[order]
    is_mule = (grades == MULE) & (verdict[codes] == MULE)
    return _with_stand_ins(verdict, codes[is_mule], start[is_mule], end[is_mule], graph)


def _with_stand_ins(
    verdict: npt.NDArray[np.int8], account: Int64Array, start: Int64Array, end: Int64Array, graph: TransferGraph
) -> Findings:
    first, last = _first_and_last_transfer(graph, account)
    is_stood_in = (start == MISSING) | (end == MISSING)
    # a spell that is only half known must not be turned round by its stand-in
    begins = np.where(start == MISSING, np.where(end == MISSING, first, np.minimum(first, end)), start)
    begins = np.where((first == MISSING) & (start == MISSING), end, begins)
    finishes = np.where(end == MISSING, np.maximum(last, begins), end)
    is_timed = begins != MISSING
    return Findings(
        verdict=verdict,
        account=account[is_timed],
        start=begins[is_timed],
        end=finishes[is_timed],
        n_stand_ins=int((is_stood_in & is_timed).sum()),
        n_without_transfers=int((~is_timed).sum()),
    )


def _first_and_last_transfer(graph: TransferGraph, account: Int64Array) -> tuple[Int64Array, Int64Array]:
    first = np.full(len(account), MISSING)
    last = np.full(len(account), MISSING)
    for index in (graph.outgoing, graph.incoming):
        has_any = index.stop[account] > index.start[account]
        own = account[has_any]
        earliest = graph.time[index.transfer[index.start[own]]]
        latest = graph.time[index.transfer[index.stop[own] - 1]]
        known = first[has_any]
        first[has_any] = np.where(known == MISSING, earliest, np.minimum(known, earliest))
        last[has_any] = np.maximum(last[has_any], latest)
    return first, last
