"""What the bank knows: complaints, labels and watch lists."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.simulation.bank import watchlists as lists
from muledetect.simulation.bank.calls import phone_of
from muledetect.simulation.bank.complaints import STATUSES
from muledetect.simulation.bank.labels import LABELS, SOURCES
from muledetect.simulation.bank.watchlists import Entry
from muledetect.simulation.crime.victims import SCAM_TYPES
from muledetect.simulation.economy import Economy
from muledetect.simulation.plan import Columns
from muledetect.simulation.streams import stream
from muledetect.simulation.tables.ids import Ids, categories, contract_table, digit_text, hex_text, take, times


def complaints_table(economy: Economy, ids: Ids, complaints: Columns) -> pa.Table:
    """Complaints with what the victim said; the bank knows the phone numbers of its own customers only."""
    people, seed = economy.people, economy.config.seed
    source, script, centre = complaints["source"], complaints["script"], complaints["names_centre"]
    status_known = complaints["status_known"]
    order = stream(seed, "complaint ids").permutation(len(source))
    return contract_table(
        "complaints",
        complaint_id=digit_text(order, 7, "Q"),
        known_ts=times(complaints["known"]),
        victim_account=take(ids.account, source),
        victim_phone_hash=hex_text(phone_of(people, source, seed), ~people.is_own[source]),
        transfer_id=ids.transfer(complaints["number"]),
        target=take(ids.account, complaints["target"]),
        amount=complaints["amount"],
        time=times(complaints["time"]),
        scam_type=categories(SCAM_TYPES, complaints["scam_type"]),
        script_id=digit_text(script, 3, "S", script < 0),
        centre_id=take(ids.centre, centre, centre < 0),
        status=categories(STATUSES, complaints["status"]),
        status_ts=times(status_known, status_known < 0),
    )


def labels_table(ids: Ids, labels: Columns) -> pa.Table:
    """What the bank has found out about accounts; the full truth is in `truth_accounts`."""
    untimed = labels["activity_start"] < 0
    return contract_table(
        "labels",
        account_id=take(ids.account, labels["account"]),
        label=categories(LABELS, labels["label"]),
        known_ts=times(labels["known"]),
        activity_start=times(labels["activity_start"], untimed),
        activity_end=times(labels["activity_end"], untimed),
        source=categories(SOURCES, labels["source"]),
        confidence=labels["confidence"],
    )


def watchlists_table(ids: Ids, entries: list[Entry]) -> pa.Table:
    """Watch-list entries; accounts and cells by their id, everything else by its hash."""
    columns = {name: np.array([getattr(entry, name) for entry in entries], np.int64)
               for name in ("list", "kind", "centre", "category", "since", "until", "known")}  # fmt: skip
    value = np.array([entry.value for entry in entries], np.uint64)
    is_account, is_cell = columns["kind"] == lists.ACCOUNT, columns["kind"] == lists.CELL
    accounts = take(ids.account, np.where(is_account, value.astype(np.int64), 0))
    cells = take(ids.cell, np.where(is_cell, value.astype(np.int64), 0))
    shown = pc.if_else(pa.array(is_account), accounts, pc.if_else(pa.array(is_cell), cells, hex_text(value)))
    return contract_table(
        "watchlists",
        list_id=categories(lists.LISTS, columns["list"]),
        kind=categories(lists.KINDS, columns["kind"]),
        value_hash=shown,
        centre_id=take(ids.centre, columns["centre"], columns["centre"] < 0),
        category=categories(lists.CATEGORIES, columns["category"]),
        reliability=np.array([entry.reliability for entry in entries], np.float64),
        valid_from=times(columns["since"]),
        valid_to=times(columns["until"], columns["until"] < 0),
        known_ts=times(columns["known"]),
    )
