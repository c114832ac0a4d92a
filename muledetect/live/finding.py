"""The first minutes after a call: where the money of a complaint or transfer is, and what the policy allows there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import DAY, SECOND
from muledetect.errors import OptionError
from muledetect.facts import Snapshot
from muledetect.live.policy import NOTICE, Decision, Policy, decide_traced
from muledetect.tracing import locate, trace


def find_money(
    snapshot: Snapshot, policy: Policy, *, complaint_id: str | None = None, transfer_id: str | None = None
) -> dict[str, Any]:
    """Return the accounts that likely hold disputed money now, largest amount first, each with a decision.

    A complaint shares the balance of an account with the complaints known before it whose holds may still stand, so
    that no money is held twice. A transfer without a complaint is traced alone.

    Parameters
    ----------
    snapshot : Snapshot
        What the bank knows now.
    policy : Policy
    complaint_id, transfer_id : str, optional
        One of them.

    Raises
    ------
    OptionError
        If there is no such complaint or transfer.
    """
    if complaint_id is not None:
        rows = _of_complaint(snapshot, policy, complaint_id)
    else:
        rows = _of_transfer(snapshot, str(transfer_id))
    for row in rows:
        row["decision"] = described(decide_traced(policy, snapshot.as_of, row["recoverable"]))
    return {"as_of": iso_text(snapshot.as_of), "currency": snapshot.currency, "accounts": rows, "notice": NOTICE}


def iso_text(time: int) -> str:
    """Return a moment as ISO text, to the microsecond where it has a fraction of a second."""
    return f"{np.datetime64(time, 'us') if time % SECOND else np.datetime64(time // SECOND, 's')}Z"


def described(decision: Decision) -> dict[str, Any]:
    """Return a decision for JSON: `until` as ISO text."""
    found: dict[str, Any] = decision._asdict()
    until = found["until"]
    return found | {"until": None if until is None else iso_text(until), "fired": list(found["fired"])}


def _of_complaint(snapshot: Snapshot, policy: Policy, complaint_id: str) -> list[dict[str, Any]]:
    known = snapshot.complaints
    at = pc.index(known.complaint_id, complaint_id).as_py()
    if at < 0 or known.transfer[at] < 0:
        raise OptionError("complaint_id: no complaint that counts now and means a booked transfer has this id.")
    longest = max((rule.hold_for for rule in policy.rules if rule.when["kind"] == "traced"), default=DAY)
    share = (known.known >= snapshot.as_of - longest) & (known.known <= known.known[at]) & (known.transfer >= 0)
    share[at] = True
    ids = known.complaint_id.take(pa.array(np.flatnonzero(share))).to_pylist()
    holds = trace(snapshot, complaint_ids=ids, hold_for=longest).holds
    held = {row["account_id"]: row["hold"] for row in holds.to_pylist() if row["complaint_id"] == complaint_id}
    rows = locate(snapshot, int(known.transfer[at])).to_pylist()
    shared = [row | {"recoverable": held.get(row["account_id"], 0)} for row in rows]
    return sorted(shared, key=lambda row: -row["recoverable"])


def _of_transfer(snapshot: Snapshot, transfer_id: str) -> list[dict[str, Any]]:
    at = pc.index(snapshot.tables["transfers"]["transfer_id"].cast(pa.string()), transfer_id).as_py()
    if at < 0:
        raise OptionError("transfer_id: no booked transfer has this id.")
    rows: list[dict[str, Any]] = locate(snapshot, at).to_pylist()
    return rows
