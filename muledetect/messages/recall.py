"""Drafts of recalls (camt.056) for money of complaints that went to accounts of other banks.

A draft asks for nothing until an officer has sent it: its id begins with DRAFT, and it says that a suspicion is no
finding. What the bank does not know here (ids of the original message) is left out, and its gateway may ask for it.
Equal inputs give equal bytes: the time in a draft is the moment of the trace.
"""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import format_time
from muledetect.errors import OptionError
from muledetect.outputs import new_folder
from muledetect.outputs.kinds import RECALLS
from muledetect.records.currency import EXPONENTS, format_amount, format_units
from muledetect.records.parse import check_zone
from muledetect.records.write import put_table, put_text

if TYPE_CHECKING:
    from muledetect.facts import Snapshot
    from muledetect.tracing import Traces

#: The version of camt.056 that drafts have.
NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.056.001.08"
#: Where the money of a complaint is when another bank has it.
ELSEWHERE: Final = ("other_bank", "xborder")
_TEXTS: Final = ("recall_id", "case_id", "complaint_id", "bank_id", "transfer_id", "source", "target", "currency")
_TIME: Final = pa.timestamp("us", tz="UTC")
#: Table `recalls`: one row a complaint and transfer to another bank.
TABLE: Final = pa.schema(
    dict.fromkeys(_TEXTS, pa.string())
    | dict.fromkeys(("time", "as_of"), _TIME)
    | dict.fromkeys(("amount", "traced_low", "traced_high"), pa.int64())
    | dict.fromkeys(("file", "left_out"), pa.string())
)

_BIC: Final = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")
_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}[A-Za-z0-9]{11,30}")
_UETR: Final = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}")
#: Signs that every bank takes in an id.
_PLAIN: Final = r"[A-Za-z0-9/?:().,'+ \-]"
_FORMS: Final = {
    "bank_id": re.compile(rf"{_PLAIN}{{1,35}}"),
    "transfer_id": re.compile(rf"{_PLAIN}{{1,35}}|{_UETR.pattern}"),
    "source": re.compile(rf"{_PLAIN}{{1,34}}"),
    "target": re.compile(rf"{_PLAIN}{{1,34}}"),
}
_NOTICE: Final = "DRAFT, not sent. Suspicion, not a finding: an officer of the bank decides, and completes it."


@dataclass(frozen=True, eq=False)
class Recalls:
    """Drafts of recalls.

    Attributes
    ----------
    table : pyarrow.Table
        One row a complaint and transfer: what was traced in it, the draft's `file`, or why it is `left_out`.
    drafts : mapping of str to str
        Messages by the name of their file: one a complaint and bank.
    """

    table: pa.Table = field(default_factory=TABLE.empty_table)
    drafts: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        n_out = len(self.table) - self.table["left_out"].null_count
        return f"Recalls({len(self.drafts):,} drafts, {len(self.table):,} transfers, {n_out:,} of them left out)"

    def write(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write `recalls.parquet` and `camt056/*.xml` to a folder: the old or the new one, whole."""
        with new_folder(folder, RECALLS, overwrite=overwrite) as unfinished:
            put_table(self.table, unfinished / "recalls.parquet")
            for name, text in self.drafts.items():
                (unfinished / name).parent.mkdir(exist_ok=True)
                put_text(text, unfinished / name)


def draft_recalls(snapshot: Snapshot, traces: Traces, *, sender: str, time_zone: str = "UTC") -> Recalls:
    """Draft a recall for each complaint and other bank to which its money went.

    Parameters
    ----------
    snapshot : Snapshot
        That was traced.
    traces : Traces
        With steps (``trace(snapshot, steps=True)``).
    sender : str
        BIC of the bank that asks.
    time_zone : str
        Zone in which the day of a transfer is told.

    Returns
    -------
    Recalls
        A transfer is drafted if every method of the trace finds money of the complaint in it.

    Raises
    ------
    OptionError
        If `sender` is no BIC, there is no such zone, or the traces have no steps.

    Notes
    -----
    A recall asks for the whole transfer, as the message has no other way; the traced part stands beside it in words.
    O(steps log steps).
    """
    if not _BIC.fullmatch(sender):
        raise OptionError(f"recall: the sender must be a BIC of 8 or 11 signs such as AAAATHBK; got {sender!r}.")
    check_zone(time_zone, "time_zone")
    if traces.trace.num_rows and not traces.steps.num_rows:
        raise OptionError("recall: the traces have no steps. Trace with steps=True.")
    rows = [_judged(row) for row in _candidates(snapshot, traces)]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        row |= {"case_id": None, "recall_id": None, "file": None}
        if row["left_out"] is None:
            groups.setdefault((row["complaint_id"], row["bank_id"]), []).append(row)
    drafts = {}
    for (complaint, bank), group in sorted(groups.items()):
        case = f"MD{_digest(sender, complaint, bank)}"
        for row in group:
            ids = {"case_id": case, "recall_id": f"MR{_digest(complaint, row['transfer_id'])}"}
            row |= {**ids, "file": f"camt056/{case}.xml"}
        drafts[f"camt056/{case}.xml"] = _message(sender, bank, case, group, ZoneInfo(time_zone))
    return Recalls(pa.Table.from_pylist(rows, TABLE), drafts)


def _candidates(snapshot: Snapshot, traces: Traces) -> Iterable[dict[str, Any]]:
    """Yield the transfers that took money to another bank, by complaint and transfer."""
    left = traces.trace.filter(pc.is_in(traces.trace["exit_kind"], value_set=pa.array(ELSEWHERE)))
    keys = ("complaint_id", "method", "account_id")
    places = set(zip(*(left[name].to_pylist() for name in keys), strict=True))
    n_methods = {
        complaint: len(methods) for complaint, methods in _gathered(traces.summary, "complaint_id", "method").items()
    }
    found: dict[tuple[str, str], dict[str, Any]] = {}
    traced: dict[tuple[str, str], list[int]] = {}
    for step in traces.steps.to_pylist():
        if (step["complaint_id"], step["method"], step["target"]) in places:
            key = step["complaint_id"], step["transfer_id"]
            found.setdefault(key, step)
            traced.setdefault(key, []).append(step["traced"])
    banks = _banks(snapshot, [step["transfer_id"] for step in found.values()])
    for key, step in sorted(found.items()):
        parts = traced[key]
        low = min(parts) if len(parts) == n_methods[key[0]] else 0
        moved = {name: step[name] for name in ("complaint_id", "transfer_id", "time", "source", "target", "amount")}
        bank, currency = banks.get(step["transfer_id"]) or (None, None)
        own = {"bank_id": bank, "currency": currency or traces.currency or None, "as_of": _as_time(snapshot.as_of)}
        yield {**moved, **own, "traced_low": low, "traced_high": max(parts)}


def _gathered(table: pa.Table, key: str, value: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one, other in zip(table[key].to_pylist(), table[value].to_pylist(), strict=True):
        found.setdefault(one, set()).add(other)
    return found


def _banks(snapshot: Snapshot, transfer_ids: list[str]) -> dict[str, tuple[str | None, str | None]]:
    """Return the bank that a transfer went to, as it says or as the table of accounts does, and its currency."""
    transfers = snapshot.tables["transfers"]
    rows = transfers.filter(_is_one_of(transfers["transfer_id"], transfer_ids))
    names = [name for name in ("transfer_id", "target", "target_bank", "currency") if name in rows.column_names]
    listed: dict[str, str | None] = {}
    accounts = snapshot.tables.get("accounts")
    if accounts is not None and "bank_id" in accounts.column_names:
        asked = accounts.filter(_is_one_of(accounts["account_id"], rows["target"].to_pylist()))
        listed = dict(zip(asked["account_id"].to_pylist(), asked["bank_id"].to_pylist(), strict=True))
    return {
        row["transfer_id"]: (row.get("target_bank") or listed.get(row["target"]), row.get("currency"))
        for row in rows.select(names).to_pylist()
    }


def _is_one_of(ids: pa.ChunkedArray, some: list[str]) -> pa.ChunkedArray:
    """Return which ids are among some; ids may come as a dictionary."""
    return pc.is_in(ids.cast(pa.string()), value_set=pa.array(some, pa.string()))


def _judged(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with the reason that keeps it out of a draft, if there is one."""
    reason = None
    if row["traced_low"] <= 0:
        reason = "not every method finds money of the complaint in it"
    elif not row["bank_id"]:
        reason = "the other bank is not named"
    elif row["currency"] not in EXPONENTS:
        reason = "the currency is not known"
    elif not all(form.fullmatch(row[name]) for name, form in _FORMS.items()):
        reason = "an id does not fit into the message"
    return {**row, "left_out": reason}


def _message(sender: str, bank: str, case: str, rows: list[dict[str, Any]], zone: ZoneInfo) -> str:
    """Return one draft: elements of camt.056 in their order."""
    root = ET.Element("Document", {"xmlns": NAMESPACE})
    root.append(ET.Comment(f" {_NOTICE} "))
    request = ET.SubElement(root, "FIToFIPmtCxlReq")
    now = format_time(int(rows[0]["as_of"].timestamp()) * 1_000_000)
    ids = [row["recall_id"] for row in rows]
    _put(request, "Assgnmt/Id", f"DRAFT-{_digest(case, now, *ids)}")
    assignment = request[0]
    _put_bank(ET.SubElement(assignment, "Assgnr"), sender)
    _put_bank(ET.SubElement(assignment, "Assgne"), bank)
    _put(assignment, "CreDtTm", now)
    _put(request, "Case/Id", case)
    _put_bank(ET.SubElement(request[1], "Cretr"), sender)
    underlying = ET.SubElement(request, "Undrlyg")
    for row in rows:
        _put_transfer(ET.SubElement(underlying, "TxInf"), row, zone)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _put_transfer(place: ET.Element, row: Mapping[str, Any], zone: ZoneInfo) -> None:
    currency = row["currency"]
    _put(place, "CxlId", row["recall_id"])
    _put(place, "OrgnlUETR" if _UETR.fullmatch(row["transfer_id"]) else "OrgnlTxId", row["transfer_id"])
    amount = format_units(row["amount"], EXPONENTS[currency]).replace(",", "")
    _put(place, "OrgnlIntrBkSttlmAmt", amount).set("Ccy", currency)
    _put(place, "OrgnlIntrBkSttlmDt", row["time"].astimezone(zone).date().isoformat())
    why = ET.SubElement(place, "CxlRsnInf")
    _put(why, "Rsn/Cd", "FRAD")
    low, high = (format_amount(row[name], currency) for name in ("traced_low", "traced_high"))
    span = low if low == high else f"{low} to {high}"
    for text in (f"Money of a reported fraud that was traced in it: {currency} {span}.", "Suspicion, not a finding."):
        _put(why, "AddtlInf", text)
    original = ET.SubElement(place, "OrgnlTxRef")
    _put_account(ET.SubElement(original, "DbtrAcct"), row["source"])
    _put_bank(ET.SubElement(original, "CdtrAgt"), row["bank_id"], inner="")
    _put_account(ET.SubElement(original, "CdtrAcct"), row["target"])


def _put(place: ET.Element, path: str, text: str) -> ET.Element:
    """Add the elements of a path, the last with a text, and return that."""
    for name in path.split("/"):
        place = ET.SubElement(place, name)
    place.text = text
    return place


def _put_bank(place: ET.Element, bank: str, inner: str = "Agt/") -> None:
    _put(place, f"{inner}FinInstnId/{'BICFI' if _BIC.fullmatch(bank) else 'Othr/Id'}", bank)


def _put_account(place: ET.Element, account: str) -> None:
    _put(place, "Id/IBAN" if _IBAN.fullmatch(account) else "Id/Othr/Id", account)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:24]


def _as_time(moment: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)
