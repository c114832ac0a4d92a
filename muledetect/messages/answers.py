"""Answers to recalls (camt.029) read back onto their cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from muledetect.errors import DataError
from muledetect.messages._rows import Fault, Reading
from muledetect.messages._xml import UNREADABLE, read_records
from muledetect.messages.kinds import CAMT_029
from muledetect.records.intake import Intake, read_parquet

_TEXTS: Final = ("complaint_id", "case_id", "transfer_id", "recall_id", "status", "code", "reason", "answered_by")
#: Table of answers: one row an answer and recalled transfer, by time; without `complaint_id` nobody asked for it.
TABLE: Final = pa.schema(
    dict.fromkeys(_TEXTS, pa.string())
    | {"is_from_asked_bank": pa.bool_(), "answered_at": pa.timestamp("us", tz="UTC"), "message_id": pa.string()}
)
#: Codes of an answer -> what they mean; others are "other".
STATUSES: Final[Mapping[str, str]] = {
    "ACCR": "accepted", "CNCL": "accepted", "PACR": "partly", "RJCR": "rejected", "PDCR": "pending", "UWFW": "pending",
}  # fmt: skip
_BLOCK: Final = 1 << 16
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def read_answers(
    files: str | Path | Iterable[str | Path], recalls: pa.Table | str | Path, *, source_tz: str | None = None
) -> pa.Table:
    """Read answers (camt.029) and put them beside the recalls that they answer.

    Parameters
    ----------
    files : path or paths
        Messages, plain or compressed (.gz, .zst).
    recalls : pyarrow.Table or path
        Table `recalls` of `draft_recalls`, or the folder or file that has it.
    source_tz : str, optional
        Zone of times that carry none; without it they are null.

    Returns
    -------
    pyarrow.Table
        `TABLE`. An answer is put to a recall by the id of its case and, if it names one, its transfer; without a case,
        by its transfer. An answer that names no recall of ours has a null `complaint_id`. `is_from_asked_bank` says
        whether the bank that was asked sent it; null where it cannot be told.

    Raises
    ------
    DataError
        If a file is broken, hostile or no camt.029.
    """
    paths = [Path(files)] if isinstance(files, str | Path) else sorted(Path(file) for file in files)
    asked = [row for row in _recalls(recalls).to_pylist() if row["left_out"] is None]
    rows: list[dict[str, Any]] = []
    for path in paths:
        if not path.is_file():
            raise DataError(f"{path.name}: there is no such file. Check the path.")
        intake = Intake("answers", [path])
        for answer in _answers(intake.blocks(path, _BLOCK), path.name):
            rows += _beside(answer, asked, Reading(source_tz))
    rows.sort(
        key=lambda row: (row["answered_at"] or datetime.min.replace(tzinfo=UTC), *(row[name] or "" for name in _TEXTS))
    )
    return pa.Table.from_pylist(rows, TABLE)


def _recalls(given: pa.Table | str | Path) -> pa.Table:
    if isinstance(given, pa.Table):
        return given
    place = Path(given)
    place = place / "recalls.parquet" if place.is_dir() else place
    if not place.is_file():
        raise DataError(f"{place.name}: there is no such table. Give the folder that `recall` wrote.")
    return read_parquet(place, place.name)


def _answers(blocks: Iterable[bytes], where: str) -> Iterator[dict[str, str]]:
    """Yield the answers of a file as texts by column; a message without answers to transfers is one answer."""
    n_answers = 0
    for kind, path, fields in read_records(blocks, (CAMT_029,), where, Counter()):
        n_answers += path in kind.scopes
        if path in kind.scopes or not n_answers:
            yield {name: value for name, value in kind.pick(fields).items() if value != UNREADABLE}
        if not path:
            n_answers = 0


def _beside(answer: Mapping[str, str], asked: list[dict[str, Any]], reading: Reading) -> list[dict[str, Any]]:
    """Return one row a recall that is answered, or one without a recall."""
    case, transfer = answer.get("case_id"), answer.get("transfer_id")
    found = [
        row
        for row in asked
        if (case or transfer) and (not case or row["case_id"] == case)
        and (not transfer or row["transfer_id"] == transfer)
    ]  # fmt: skip
    code = answer.get("status", "")
    bank = answer.get("answered_by")
    said = {
        "status": STATUSES.get(code, "other"), "code": code or None, "reason": answer.get("reason"),
        "answered_by": bank, "answered_at": _moment(answer.get("time", ""), reading),
        "message_id": answer.get("message_id"),
    }  # fmt: skip
    if not found:
        return [{**said, "case_id": case, "transfer_id": transfer, "complaint_id": None, "recall_id": None}]
    names = ("complaint_id", "case_id", "transfer_id", "recall_id")
    return [
        {**said, **{name: row[name] for name in names}, "is_from_asked_bank": bank == row["bank_id"] if bank else None}
        for row in found
    ]


def _moment(text: str, reading: Reading) -> datetime | None:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=reading.moment(text))
    except Fault:
        return None
