"""Messages of ISO 20022 in: pacs.008 and pacs.004, camt.053 and camt.054, record by record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from muledetect.messages._rows import STATUSES, Fault, Sink, minor_units
from muledetect.messages._xml import UNREADABLE, Kind, read_records
from muledetect.messages.kinds import CAMT_053, CAMT_054, PACS_008, TRANSFERS

_STATEMENTS: Final = (CAMT_053, CAMT_054)
_CLOSING: Final = "CLBD"
#: What stands behind the id of the original where a return has none of its own.
_RETURN: Final = "-return"


def read_transfers(blocks: Iterable[bytes], where: str, sink: Sink) -> None:
    """Put the transfers of one file of messages into a sink."""
    entries = _Entries(sink)
    for kind, path, fields in read_records(blocks, TRANSFERS, where, sink.dropped):
        if kind in _STATEMENTS:
            entries.take(kind, path, kind.pick(fields))
        elif path in kind.scopes:
            sink.add(_paid(kind.pick(fields)) if kind is PACS_008 else _returned(kind.pick(fields)))


def _paid(columns: Mapping[str, str]) -> dict[str, str]:
    return {**columns, "status": "settled"}


def _returned(columns: Mapping[str, str]) -> dict[str, str]:
    """Return the transfer that a return is; without an id of its own it has that of its original, and a mark."""
    original = columns.get("reversal_of")
    made = {"transfer_id": f"{original}{_RETURN}"} if original else {}
    return {**made, **columns, "status": "settled"}


class _Entries:
    """Entries of statements, as they end.

    An entry's only detail moved what the entry booked; each of several has its own amount. So the first detail waits
    until the second, or the end of the entry, comes.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._n_entries = self._n_details = 0
        self._first: dict[str, str] | None = None

    def take(self, kind: Kind, path: str, columns: dict[str, str]) -> None:
        report, entry, detail, balance = kind.scopes
        if path == detail:
            self._n_details += 1
            if self._n_details == 1:
                self._first = columns
            else:
                self._put_first()
                self._put(columns, self._n_details)
        elif path == entry:
            if self._n_details < 2:
                booked = {
                    name: columns[f"entry_{name}"] for name in ("amount", "currency") if f"entry_{name}" in columns
                }
                self._put({**columns, **(self._first or {}), **booked}, 1)
            self._first, self._n_details = None, 0
            self._n_entries += 1
        elif path == balance:
            _take_balance(columns, self._sink)
        elif path == report:
            self._n_entries = 0
            if _is_named(columns.get("account")):
                self._sink.note_account(columns["account"], columns.get("bank"))

    def _put_first(self) -> None:
        if self._first is not None:
            self._put(self._first, 1)
            self._first = None

    def _put(self, columns: Mapping[str, str], n_detail: int) -> None:
        self._sink.add(_entry(columns, n_detail, self._n_entries, self._sink.reading.missing))


def _is_named(account: str | None) -> bool:
    return bool(account) and account != UNREADABLE


def _entry(columns: Mapping[str, str], n_detail: int, n_entry: int, missing: str) -> dict[str, str]:
    """Return the transfer that a booked entry, or one detail of it, is."""
    row = {name: columns[name] for name in ("time", "amount", "currency") if name in columns}
    row |= _ids(columns, n_detail, n_entry)
    row["status"] = STATUSES.get(columns.get("status", "BOOK"), "unknown")
    came = {"CRDT": True, "DBIT": False}.get(columns.get("direction", ""))
    if came is None:
        return row
    own, own_bank = columns.get("account", ""), columns.get("bank", "")
    # money that comes back names the parties of its original: the debtor is who paid then
    sides = ("debtor", "creditor") if came != _is_back(columns) else ("creditor", "debtor")
    side = sides[1] if own and columns.get(sides[0]) == own else sides[0]
    ends = (columns.get(side) or missing, own)
    banks = (columns.get(f"{side}_bank", ""), own_bank)
    row["source"], row["target"] = ends if came else ends[::-1]
    row["source_bank"], row["target_bank"] = banks if came else banks[::-1]
    return {name: value for name, value in row.items() if value}


def _is_back(columns: Mapping[str, str]) -> bool:
    return columns.get("is_reversal") in ("true", "1") or "return_reason" in columns


def _ids(columns: Mapping[str, str], n_detail: int, n_entry: int) -> dict[str, str]:
    """Return the id of an entry: its UETR, the reference of the bank, or one made of its place in its statement."""
    uetr, reference = columns.get("uetr"), columns.get("reference")
    if uetr and _is_back(columns):
        return {"transfer_id": f"{uetr}{_RETURN}", "reversal_of": uetr}
    if uetr:
        return {"transfer_id": uetr}
    if reference:
        return {"transfer_id": reference if n_detail == 1 else f"{reference}-{n_detail}"}
    place = (columns.get(name, "") for name in ("account", "report", "sequence"))
    return {"transfer_id": made_id(*place, n_entry, n_detail)}


def made_id(*parts: object) -> str:
    """Return an id made of what tells an entry from all others, the same in each import."""
    text = "\x1f".join(map(str, parts))
    return f"entry-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _take_balance(columns: Mapping[str, str], sink: Sink) -> None:
    """Keep the closing balance of an account; one that cannot be read is passed over, as no row depends on it."""
    account = columns.get("account")
    if columns.get("balance_kind") != _CLOSING or not _is_named(account) or account is None:
        return
    text = columns.get("balance", "")
    try:
        minor = 0 if not text.strip("0.") and text else minor_units(text, columns.get("balance_currency", ""))
        at = sink.reading.end_of_day(columns.get("balance_day", ""))
    except (Fault, ValueError):
        return
    sign = -1 if columns.get("balance_direction") == "DBIT" else 1
    sink.note_account(account, columns.get("bank"), sign * minor, at)
