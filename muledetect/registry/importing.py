"""Lists of a registry into the table `registry` of a data set: rows are added, none is changed or taken away.

What the bank knew, and when, is what it had received: a row is known from the moment of its receipt, whatever earlier
time its file states. A list that is sent as a whole each day says of an entry that it is gone by not naming it any
more; `full` writes that down as a removal.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from muledetect.clock import Moment, parse_time, to_datetime
from muledetect.errors import DataError, OptionError
from muledetect.facts.registry import ENTRY
from muledetect.outputs import check_output, kinds, new_folder
from muledetect.records import read_dataset, reasons, write_table
from muledetect.records.dataset import Finding
from muledetect.records.rejects import RejectLog
from muledetect.records.write import put_table
from muledetect.registry.files import read_file
from muledetect.registry.history import read_stored, states_at
from muledetect.registry.schemes import ROLES, Role, Scheme, load_scheme
from muledetect.schema import INPUTS, did_you_mean

#: People and companies are named by a hash: at least 128 bits, as hexadecimal digits.
HASH: Final = re.compile(r"[0-9a-fA-F]{32,128}")

_REGISTRY: Final = INPUTS["registry"]
_PLACE: Final = "row_of_the_import"
#: Whether the file says when the entry began; else that is the moment of receipt.
_DATED: Final = "is_dated"
_SAID: Final = ("valid_from", "valid_to", "status", "tier", "reliability", "is_own", "centre_id", "reason")


@dataclass(frozen=True, eq=False)
class ImportedRegistry:
    """What an import of lists did: every row read was added, was there already, or is in `rejects` with its reason.

    Attributes
    ----------
    rows_read, rows_added, rows_known : int
        `rows_known` say what the registry said already.
    rows_removed : int
        Removals that were written down, as a full list no longer names the entries.
    rejects : pyarrow.Table
        schema.REJECTS; rows are numbered from 0 over the files.
    findings : tuple of Finding
    dropped : tuple of str
        Columns of the files that were not read.
    table : pyarrow.Table
        The registry, whole.
    """

    rows_read: int
    rows_added: int
    rows_known: int
    rows_removed: int
    rejects: pa.Table
    findings: tuple[Finding, ...]
    dropped: tuple[str, ...]
    table: pa.Table

    def __repr__(self) -> str:
        return (
            f"ImportedRegistry({self.rows_read:,} rows read, {self.rows_added:,} added, {self.rows_removed:,} removed)"
        )


def import_registry(
    files: str | Path | Iterable[str | Path],
    output: str | Path,
    *,
    scheme: str | Path | Scheme,
    sender: str,
    role: Role,
    received: Moment,
    full: bool = False,
    own: bool = False,
    source_tz: str | None = None,
    overwrite: bool = False,
) -> ImportedRegistry:
    """Add files of a registry to the table `registry` of a data set in a folder.

    Parameters
    ----------
    files : path or paths
        CSV, JSON or Parquet, see docs/registry.md.
    output : path
        Folder of the data set; its other tables stay. Rows that were left out are written beside it.
    scheme : str, path or Scheme
        See `load_scheme`.
    sender : str
        Who sent the files: id of the authority or bank, for rows that name nobody in `listed_by`. A bank speaks for
        itself only; an authority may pass on what others say.
    role : "regulator", "police" or "bank"
        What the sender is: rows in tiers that it may not set are left out.
    received : Moment
        When the bank received the files. No row is known earlier.
    full : bool
        The files are the whole list of the sender: entries of it that they do not name are removed from `received` on.
    own : bool
        The sender is this bank itself: its entries follow from its findings and are hidden from training.
    source_tz : str, optional
        Zone of times that carry none, such as "Asia/Bangkok".
    overwrite : bool
        Also replace what is not ours, or was changed.

    Returns
    -------
    ImportedRegistry

    Raises
    ------
    DataError
        If a file is broken, or no row is left; nothing is written then.
    OptionError
        If the scheme or role is unknown; as OutputError if `output` is no place to write to.
    """
    used = scheme if isinstance(scheme, Scheme) else load_scheme(scheme)
    if role not in ROLES:
        raise OptionError(f"role: must be one of {', '.join(ROLES)}; got {role!r}.{did_you_mean(role, ROLES)}")
    given, moment = [files] if isinstance(files, str | Path) else list(files), parse_time(received)
    kind, beside = kinds.imported_table("registry"), kinds.rejects_beside(output, "registry")
    check_output(output, kind, inputs=given, overwrite=overwrite)
    check_output(beside, kinds.REJECTS, inputs=given, overwrite=overwrite)
    log = RejectLog()
    found, n_read, dropped = _read(given, log, used, sender, moment, source_tz)
    judged = (_judged(row | {"is_own": own}, used, sender, role, moment, log) for row in found)
    rows = [row for row in judged if row is not None]
    if full and not n_read:
        raise DataError("registry: the full list is empty, and would remove every entry of its sender. Get it again.")
    if n_read and not rows:
        told = "; ".join(f"{one.n_rows:,} {one.column}: {one.reason}" for one in log.findings({"registry": n_read}))
        raise DataError(f"registry: no row is left of these files, so nothing was written; rows left out: {told}.")
    held = read_stored(Path(output) / "registry.parquet")
    new, n_known = _unknown(rows, held, moment)
    gone = _gone(held, rows, used, sender, moment) if full else []
    table = pa.concat_tables([held, pa.Table.from_pylist([*new, *gone], _REGISTRY.arrow_schema)])
    with new_folder(output, kind, overwrite=overwrite) as unfinished:
        put_table(table, unfinished / "registry.parquet")
    rejects = log.to_table()
    write_table(rejects, beside, output=kinds.REJECTS, overwrite=overwrite)
    findings = tuple(log.findings({"registry": n_read}))
    return ImportedRegistry(n_read, len(new), n_known, len(gone), rejects, findings, dropped, table)


def _read(
    files: Iterable[str | Path], log: RejectLog, scheme: Scheme, sender: str, received: int, source_tz: str | None
) -> tuple[list[dict[str, Any]], int, tuple[str, ...]]:
    """Return the rows that the contract accepts, the number of rows read, and the columns that were not read."""
    found, n_read, dropped = [], 0, dict[str, None]()
    for path in files:
        rows = read_file(path)
        log.add("registry", "scheme", reasons.RAGGED, "reject", rows.ragged + n_read)
        filled = _filled(rows.table, scheme, sender, received).append_column(_PLACE, pa.array(rows.numbers + n_read))
        read = read_dataset(
            {"transfers": INPUTS["transfers"].empty(), "registry": filled}, source_tz=source_tz, now=received
        )
        for row in read.rejects.to_pylist():
            if row["table"] == "registry":
                place = np.array([rows.numbers[row["row"]] + n_read], np.int64)
                log.add("registry", row["column"], row["reason"], row["severity"], place)
        found += read.tables["registry"].to_pylist()
        n_read += len(rows.numbers) + len(rows.ragged)
        dropped |= dict.fromkeys(rows.dropped)
    return found, n_read, tuple(dropped)


def _filled(table: pa.Table, scheme: Scheme, sender: str, received: int) -> pa.Table:
    """Return the rows with what a file may leave to its import: scheme, sender, moment of receipt, ids of entries."""
    columns = {name: table[name].to_pylist() for name in table.column_names}
    n, moment = len(table), to_datetime(received).isoformat()
    for name, value in (("scheme", scheme.name), ("listed_by", sender), ("status", "listed")):
        columns[name] = [value if cell is None else cell for cell in columns.get(name, [None] * n)]
    is_dated = [str(cell is not None) for cell in columns.get("valid_from", [None] * n)]
    for name, other in (("known_ts", None), ("valid_from", "known_ts")):
        instead = [moment] * n if other is None else columns[other]
        columns[name] = [spare if cell is None else cell
                         for cell, spare in zip(columns.get(name, [None] * n), instead, strict=True)]  # fmt: skip
    ids = columns.get("entry_id", [None] * n)
    named = zip(*(columns.get(name, [None] * n) for name in ("scheme", "listed_by", "subject_kind", "subject_id")),
                strict=True)  # fmt: skip
    columns["entry_id"] = [one or entry_id(*map(str, names)) for one, names in zip(ids, named, strict=True)]
    for name in _REGISTRY.required:
        columns.setdefault(name, [None] * n)
    columns[_DATED] = is_dated
    return pa.table({name: pa.array([None if cell is None else _written(cell) for cell in cells], pa.string())
                     for name, cells in columns.items()})  # fmt: skip


def _written(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def entry_id(scheme: str, listed_by: str, subject_kind: str, subject_id: str) -> str:
    """Return the id of an entry whose file names none: equal for one subject of one sender in one scheme."""
    named = "\x1f".join((scheme, listed_by, subject_kind, subject_id)).encode()
    return f"e-{hashlib.sha256(named).hexdigest()[:24]}"


def _judged(
    row: dict[str, Any], scheme: Scheme, sender: str, role: Role, received: int, log: RejectLog
) -> dict[str, Any] | None:
    """Return a row as the registry keeps it; None, and the reason in the log, if the scheme forbids it."""
    place = np.array([row.pop(_PLACE)], np.int64)
    tier = scheme.tier(row.get("tier"))
    is_listing = row["status"] == "listed"
    faults = (
        ("scheme", row["scheme"] != scheme.name, reasons.OTHER_SCHEME),
        ("listed_by", role == "bank" and row["listed_by"] != sender, reasons.NOT_THEIRS),
        ("subject_id", row["subject_kind"] != "account" and not HASH.fullmatch(row["subject_id"]), reasons.NO_HASH),
        ("tier", tier is None and (is_listing or row.get("tier") is not None), reasons.NO_TIER),
        ("tier", tier is not None and role not in tier.set_by, reasons.FORBIDDEN_TIER),
    )
    for column, is_broken, reason in faults:
        if is_broken:
            log.add("registry", column, reason, "reject", place)
            return None
    moment = to_datetime(received)
    row["known_ts"] = max(row["known_ts"], moment)
    if is_listing and tier is not None and tier.expires_after is not None:
        latest = row["valid_from"] + timedelta(microseconds=tier.expires_after)
        row["valid_to"] = min(row["valid_to"], latest) if row.get("valid_to") else latest
    if row["subject_kind"] != "account":
        row["subject_id"] = row["subject_id"].lower()
    return {name: row.get(name) for name in (*_REGISTRY.names, _DATED)}


def _unknown(rows: list[dict[str, Any]], held: pa.Table, received: int) -> tuple[list[dict[str, Any]], int]:
    """Return the rows that say something new, and how many do not.

    A row with a date says nothing new if it is the last statement of its entry once more. One without says that the
    entry still stands; that is new if it does not, or stands otherwise.
    """
    stands, last = states_at(held, received + 1), states_at(held, received + 1, last=True)
    new = []
    for row in sorted(rows, key=lambda row: (row["known_ts"], row["entry_id"])):
        is_dated = row.pop(_DATED) == "True"
        key = tuple(row[name] for name in ENTRY)
        told = _SAID if is_dated else _SAID[2:]
        before = (last if is_dated else stands).get(key)
        if before is None or any(row[name] != before[name] for name in told):
            new.append(row)
            stands[key] = last[key] = row
    return new, len(rows) - len(new)


def _gone(
    held: pa.Table, rows: list[dict[str, Any]], scheme: Scheme, sender: str, received: int
) -> list[dict[str, Any]]:
    """Return removals of the sender's entries that stand and that its full list does not name."""
    named = {tuple(row[name] for name in ENTRY) for row in rows}
    moment = to_datetime(received)
    said = {"status": "removed", "valid_from": moment, "known_ts": moment, "valid_to": None, "reliability": None,
            "reason": "no longer in the full list"}  # fmt: skip
    return [
        row | said
        for key, row in sorted(states_at(held, received + 1).items(), key=lambda one: [text or "" for text in one[0]])
        if row["scheme"] == scheme.name and row["listed_by"] == sender and key not in named
    ]
