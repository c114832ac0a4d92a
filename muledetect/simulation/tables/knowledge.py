"""What the bank knows: complaints, labels and watch lists."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.simulation.bank import watchlists as lists
from muledetect.simulation.bank.calls import phone_of
from muledetect.simulation.bank.complaints import STATUSES, Complaints
from muledetect.simulation.bank.labels import LABELS, SOURCES, Labels
from muledetect.simulation.bank.watchlists import Entries
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.crime import SCAM_TYPES
from muledetect.simulation.people import People
from muledetect.simulation.streams import stream
from muledetect.simulation.tables.names import Names, contract_table, take, words
from muledetect.simulation.tables.text import digit_text, hex_text, times


def complaints_table(config: WorldConfig, people: People, names: Names, complaints: Complaints) -> pa.Table:
    """Complaints with what the victim said; the bank knows the phone numbers of its own customers only."""
    n = len(complaints.number)
    order = stream(config.seed, "complaint ids").permutation(n)
    return contract_table(
        "complaints",
        {
            "complaint_id": digit_text(order, 7, "Q"),
            "known_ts": times(complaints.known),
            "victim_account": take(names.account, complaints.source),
            "victim_phone_hash": hex_text(
                phone_of(people, complaints.source, config.seed), ~people.is_own[complaints.source]
            ),
            "transfer_id": names.transfer(complaints.number),
            "target": take(names.account, complaints.target),
            "amount": complaints.amount,
            "time": times(complaints.time),
            "scam_type": words(SCAM_TYPES, complaints.scam_type),
            "script_id": digit_text(complaints.script, 3, "S", complaints.script < 0),
            "centre_id": take(names.centre, complaints.names_centre, complaints.names_centre < 0),
            "status": words(STATUSES, complaints.status),
            "status_ts": times(complaints.status_known, complaints.status_known < 0),
        },
    )


def labels_table(names: Names, labels: Labels) -> pa.Table:
    """What the bank has found out about accounts; the full truth is in `truth_accounts`."""
    untimed = labels.activity_start < 0
    return contract_table(
        "labels",
        {
            "account_id": take(names.account, labels.account),
            "label": words(LABELS, labels.label),
            "known_ts": times(labels.known),
            "activity_start": times(labels.activity_start, untimed),
            "activity_end": times(labels.activity_end, untimed),
            "source": words(SOURCES, labels.source),
            "confidence": labels.confidence,
        },
    )


def watchlists_table(names: Names, entries: Entries) -> pa.Table:
    """Watch-list entries; accounts and cells by their id, everything else by its hash."""
    is_account, is_cell = entries.kind == lists.ACCOUNT, entries.kind == lists.CELL
    value = entries.value.astype(np.int64)
    accounts = take(names.account, np.where(is_account, value, 0))
    cells = take(names.cell, np.where(is_cell, value, 0))
    hashed = hex_text(entries.value)
    return contract_table(
        "watchlists",
        {
            "list_id": words(lists.LISTS, entries.list),
            "kind": words(lists.KINDS, entries.kind),
            "value_hash": pc.if_else(pa.array(is_account), accounts, pc.if_else(pa.array(is_cell), cells, hashed)),
            "centre_id": take(names.centre, entries.centre, entries.centre < 0),
            "category": words(lists.CATEGORIES, entries.category),
            "reliability": entries.reliability,
            "valid_from": times(entries.since),
            "valid_to": times(entries.until, entries.until < 0),
            "known_ts": times(entries.known),
        },
    )
