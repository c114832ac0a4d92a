"""ISO 20022 pacs.008 (customer credit transfer) in: transfers by the contract, and the names of what was dropped.

The parser builds no tree. It refuses a document type, entities and programs before it reads on, so that no entity can
grow and no file is fetched; depth, lengths and the number of transfers are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final
from xml.parsers import expat

from muledetect.records.currency import EXPONENTS
from muledetect.serve.messages import read_transfers
from muledetect.serve.request_errors import RequestError

#: Column -> elements below CdtTrfTxInf (or GrpHdr), the first that is there counts.
MAPPING: Final = {
    "transfer_id": ("PmtId/UETR", "PmtId/TxId"),
    "time": ("AccptncDtTm", "GrpHdr/CreDtTm"),
    "source": ("DbtrAcct/Id/IBAN", "DbtrAcct/Id/Othr/Id"),
    "target": ("CdtrAcct/Id/IBAN", "CdtrAcct/Id/Othr/Id"),
    "amount": ("IntrBkSttlmAmt",),
    "currency": ("IntrBkSttlmAmt@Ccy",),
    "source_bank": ("DbtrAgt/FinInstnId/BICFI", "DbtrAgt/FinInstnId/ClrSysMmbId/MmbId"),
    "target_bank": ("CdtrAgt/FinInstnId/BICFI", "CdtrAgt/FinInstnId/ClrSysMmbId/MmbId"),
}

_WANTED: Final = frozenset(path for paths in MAPPING.values() for path in paths)
_NAMESPACE: Final = re.compile(r"urn:iso:std:iso:20022:tech:xsd:pacs\.008\.001\.\d\d")
_AMOUNT: Final = re.compile(r"\d{1,18}(\.\d{1,5})?")
_ROOT: Final = ("Document", "FIToFICstmrCdtTrf")
_DEEPEST: Final = 24
_LONGEST: Final = 256


def read_pacs008(chunks: Iterable[bytes], most: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the transfers of a message, and the elements that were dropped, by name, sorted.

    Parameters
    ----------
    chunks : iterable of bytes
        The message, in parts of any size.
    most : int
        Transfers of a message, at most.

    Raises
    ------
    RequestError
        If it is no pacs.008, holds a DTD, an entity or a processing instruction, or a field breaks the contract.
    """
    message = _Message(most)
    try:
        for chunk in chunks:
            message.parser.Parse(chunk, False)
        message.parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, UnicodeError) as error:
        where = f", line {error.lineno}" if isinstance(error, expat.ExpatError) else ""
        raise RequestError("bad_xml", f"body: is no XML that can be read{where}.") from error
    if not message.rows:
        raise RequestError("bad_xml", "body: holds no CdtTrfTxInf. Send a pacs.008 with one credit transfer at least.")
    rows = [_row(number, fields, message.header) for number, fields in enumerate(message.rows)]
    return read_transfers({"transfers": rows}, most), sorted(message.dropped)


class _Message:
    """What the parser tells on its way: one dictionary of wanted fields a transfer."""

    def __init__(self, most: int) -> None:
        self.rows: list[dict[str, str]] = []
        self.header: dict[str, str] = {}
        self.dropped: set[str] = set()
        self._path: list[str] = []
        self._text: list[str] = []
        self._most = most
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        for name in ("StartDoctypeDeclHandler", "EntityDeclHandler", "ProcessingInstructionHandler"):
            setattr(self.parser, name, _refuse)
        self.parser.ExternalEntityRefHandler = _refuse
        self.parser.SkippedEntityHandler = _refuse

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(" ")
        if not _NAMESPACE.fullmatch(namespace) and not self._is_extra():
            raise RequestError("bad_xml", "body: is no pacs.008: Document must have the namespace pacs.008.001.NN.")
        depth = len(self._path)
        if depth >= _DEEPEST or (depth < len(_ROOT) and name != _ROOT[depth]):
            raise RequestError("bad_xml", f"body: element at depth {depth} is none of pacs.008, or nested too deep.")
        self._path.append(name)
        self._text.clear()
        if self._path[2:] == ["CdtTrfTxInf"]:
            if len(self.rows) == self._most:
                raise RequestError("too_large", f"body: more than {self._most:,} transfers. Send several messages.")
            self.rows.append({})
        for key, value in attributes.items():
            self._keep(f"{self._name()}@{key}", value)

    def _end(self, _: str) -> None:
        text = "".join(self._text).strip()
        if text:
            self._keep(self._name(), text)
        self._text.clear()
        self._path.pop()

    def _characters(self, text: str) -> None:
        if self._name() in _WANTED:
            if sum(map(len, self._text)) + len(text) > _LONGEST:
                raise RequestError("bad_xml", f"body: {self._name()} is longer than {_LONGEST} signs.")
            self._text.append(text)
        elif text.strip():
            self._drop(self._name())

    def _name(self) -> str:
        """The path below a transfer, or with its own name at the front that below the message."""
        inner = self._path[2:]
        return "/".join(inner[1:] if inner[:1] == ["CdtTrfTxInf"] else inner)

    def _is_extra(self) -> bool:
        return "SplmtryData" in self._path  # holds elements of other namespaces; all of it is dropped

    def _keep(self, name: str, value: str) -> None:
        if name not in _WANTED or self._is_extra():
            self._drop(name)
        elif len(value) > _LONGEST:
            raise RequestError("bad_xml", f"body: {name} is longer than {_LONGEST} signs.")
        elif name.startswith("GrpHdr/"):
            self.header[name] = value
        elif self.rows:
            self.rows[-1][name] = value

    def _drop(self, name: str) -> None:
        # strangers choose the names: few, and short ones
        if len(self.dropped) < 200:
            self.dropped.add(name[:120])


def _row(number: int, fields: dict[str, str], header: dict[str, str]) -> dict[str, Any]:
    """Return a transfer by the names of the contract; amounts become minor units, exactly."""
    both = header | fields
    row: dict[str, Any] = {}
    for column, paths in MAPPING.items():
        given = [both[path] for path in paths if path in both]
        if given:
            row[column] = given[0]
    text, currency = row.get("amount"), row.get("currency")
    if text is None or currency not in EXPONENTS or not _AMOUNT.fullmatch(text):
        raise RequestError(
            "bad_row", f"transfers: row {number}: IntrBkSttlmAmt needs an amount and a known currency in Ccy."
        )
    minor = Decimal(text).scaleb(EXPONENTS[currency])
    if minor != minor.to_integral_value():
        raise RequestError("bad_row", f"transfers: row {number}: IntrBkSttlmAmt has more decimals than {currency} has.")
    return row | {"amount": int(minor)}


def _refuse(*_: Any) -> int:
    raise RequestError(
        "bad_xml", "body: holds a document type, an entity or a program. Send plain pacs.008 without them."
    )
