"""MT940 statements in: line by line, one transfer a line of the statement (:61:)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from muledetect.errors import DataError
from muledetect.messages._rows import Fault, Sink, minor_units
from muledetect.messages._xml import UNREADABLE
from muledetect.messages.iso20022 import made_id

_FIELD: Final = re.compile(r":(\d\d[A-Z]?):(.*)")
_LINE: Final = re.compile(r"(\d{6})(\d{4})?(R?[CD])([A-Z]?)(\d{1,15},\d{0,4})([NFS].{3})?(.*)")
_BALANCE: Final = re.compile(r"([CD])(\d{6})([A-Z]{3})(\d{1,15},\d{0,4})")
#: Where field 86 names the other account, and its bank: subfields as German banks write them, or words in slashes.
_ACCOUNT: Final = re.compile(r"\?(?:31|38)([^?]+)|/(?:CNTP|IBAN|ACCW)/([A-Za-z0-9][A-Za-z0-9 \-]*)")
_BANK: Final = re.compile(r"\?30([^?]+)|/CNTP/[^/]*/([A-Z0-9]{8,11})|/BIC/([A-Z0-9]{8,11})")
_LONGEST: Final = 4096
_MOST_LINES: Final = 100
#: Fields of the statement that are read.
_READ: Final = ("25", "25P", "28C", "60F", "60M", "61", "62F", "86")
_CENTURY: Final = 80
#: What an entry holds beside columns of the contract.
_ASIDE: Final = ("other", "came", "bank")


def read_statements(lines: Iterable[bytes], where: str, sink: Sink) -> None:
    """Put the lines of the statements of one file into a sink.

    Parameters
    ----------
    lines : iterable of bytes
        Lines of the file; also blocks of SWIFT ("{1:...}{4:") around the fields.
    where : str
        Name of the file, for errors.
    sink : Sink

    Raises
    ------
    DataError
        If the file has no statement, a line is too long, or an entry stands outside of a statement.
    """
    statement = _Statement(sink)
    n_fields = 0
    for n_line, tag, text in _fields(lines, where, sink):
        n_fields += 1
        try:
            statement.take(tag, text)
        except LookupError as error:
            raise DataError(f"{where}: line {n_line:,}: field :{tag}: stands before :25: or :60F:.") from error
    statement.end()
    if not n_fields or not statement.n_statements:
        raise DataError(f"{where}: holds no statement of MT940 (:25: and :60F:). Check that it is the right file.")


def _fields(lines: Iterable[bytes], where: str, sink: Sink) -> Iterator[tuple[int, str, str]]:
    """Yield each field: the number of its line, its tag, and its text with the lines that go on."""
    tag, parts, start = "", [""], 0
    for number, raw in enumerate(lines, 1):
        if len(raw) > _LONGEST:
            raise DataError(f"{where}: line {number:,} is longer than {_LONGEST:,} bytes, so it is no MT940.")
        line = raw.decode("latin-1").strip("\r\n\x01\x03 ")
        line = line.rpartition("{4:")[2] if line.startswith("{") else line
        found = _FIELD.fullmatch(line)
        is_end = line.startswith(("-}", "{")) or line == "-"
        if found or is_end:
            if tag:
                yield start, tag, "\n".join(parts)
            tag, parts, start = (found[1], [found[2]], number) if found else ("", [""], number)
            if tag and tag not in _READ:
                sink.dropped[f"MT940 :{tag}:"] += 1
        elif tag and len(parts) < _MOST_LINES:
            parts.append(line)
    if tag:
        yield start, tag, "\n".join(parts)


class _Statement:
    """The statement that is read, and its last entry, which waits for its field 86."""

    def __init__(self, sink: Sink) -> None:
        self.n_statements = 0
        self._sink = sink
        self._account = self._number = self._currency = ""
        self._n_entries = 0
        self._entry: dict[str, str] | None = None

    def take(self, tag: str, text: str) -> None:
        """Take a field; a LookupError if it stands where it cannot."""
        first = text.split("\n", 1)[0].strip()
        if tag == "86" and self._entry is not None:
            self._add_other(text.replace("\n", ""))
        if tag in _READ:
            self.end()
        if tag in ("25", "25P"):
            self._account, self._number, self._currency, self._n_entries = first, "", "", 0
        elif tag == "28C":
            self._number = first
        elif tag in ("60F", "60M"):
            self._open(first)
        elif tag == "61":
            if not self._currency:
                raise LookupError(tag)
            self._entry = self._read_line(text.split("\n", 1)[0])
            self._n_entries += 1
        elif tag == "62F":
            self._close(first)

    def end(self) -> None:
        """Pass on the entry that waits."""
        if self._entry is None:
            return
        ours = {name: value for name, value in self._entry.items() if name not in _ASIDE}
        came, bank = self._entry["came"] == "yes", self._entry.get("bank", "")
        other = self._entry.get("other") or self._sink.reading.missing
        ours["source"], ours["target"] = (other, self._account) if came else (self._account, other)
        ours["source_bank" if came else "target_bank"] = bank
        self._sink.add({name: value for name, value in ours.items() if value})
        self._entry = None

    def _open(self, text: str) -> None:
        found = _BALANCE.fullmatch(text)
        if not self._account or found is None:
            raise LookupError(text)
        self._currency = found[3]
        self.n_statements += 1

    def _read_line(self, text: str) -> dict[str, str]:
        """Return an entry as texts by column; one that cannot be read has an amount that nothing can read."""
        place = made_id(self._account, self._number, self._n_entries, text)
        row = {"transfer_id": place, "currency": self._currency, "status": "settled", "amount": UNREADABLE}
        found = _LINE.fullmatch(text.strip())
        if found is None:
            return {**row, "came": "yes"}
        day = _booked(found[1], found[2])
        # RC takes a credit back, so money leaves; RD gives a debit back
        came = found[3] in ("C", "RD")
        return {**row, "time": day or UNREADABLE, "amount": _amount(found[5]), "came": "yes" if came else "no"}

    def _add_other(self, text: str) -> None:
        found, bank = _ACCOUNT.search(text), _BANK.search(text)
        if self._entry is not None and found:
            self._entry["other"] = (found[1] or found[2]).strip()
            self._entry["bank"] = next((group for group in bank.groups() if group), "").strip() if bank else ""
        if self._entry is not None:
            self._sink.dropped["MT940 :86: other texts"] += 1

    def _close(self, text: str) -> None:
        found = _BALANCE.fullmatch(text)
        if found is None or not self._account:
            return
        try:
            amount = _amount(found[4])
            minor = 0 if not amount.strip("0.") else minor_units(amount, found[3])
            at = self._sink.reading.end_of_day(_day(found[2]) or "")
        except (Fault, ValueError):
            return  # no row depends on it
        self._sink.note_account(self._account, None, -minor if found[1] == "D" else minor, at)


def _amount(text: str) -> str:
    return text.replace(",", ".").rstrip(".")


def _day(text: str) -> str | None:
    """Return YYMMDD as an ISO date; years of two digits lie between 1980 and 2079."""
    year = int(text[:2])
    year += 1900 if year >= _CENTURY else 2000
    try:
        return date(year, int(text[2:4]), int(text[4:6])).isoformat()
    except ValueError:
        return None


def _booked(value: str, entry: str | None) -> str | None:
    """Return the day of the entry, in the year that brings it nearest to the value date; that date without one."""
    day = _day(value)
    if day is None or not entry:
        return day
    near = date.fromisoformat(day)
    days = []
    for year in (near.year - 1, near.year, near.year + 1):
        try:
            days.append(date(year, int(entry[:2]), int(entry[2:])))
        except ValueError:
            continue
    return min(days, key=lambda one: abs((one - near).days)).isoformat() if days else None
