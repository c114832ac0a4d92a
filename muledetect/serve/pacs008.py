"""ISO 20022 pacs.008 (customer credit transfer) in: transfers by the contract, and the names of what was dropped.

`muledetect.messages` reads the XML, as it does for files: no tree, no document type, no entity, bounded lengths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from muledetect.errors import DataError
from muledetect.messages._rows import Fault, minor_units
from muledetect.messages._xml import UNREADABLE, read_records
from muledetect.messages.kinds import PACS_008
from muledetect.serve.messages import read_transfers
from muledetect.serve.request_errors import RequestError

_TRANSFER: Final = f"{PACS_008.scopes[0]}/"
#: Column -> elements below CdtTrfTxInf (or GrpHdr), the first that is there counts.
MAPPING: Final = {
    column: tuple(path.removeprefix(_TRANSFER) for path in paths) for column, paths in PACS_008.columns.items()
}


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
    dropped: Counter[str] = Counter()
    found: list[dict[str, str]] = []
    try:
        for _, path, fields in read_records(chunks, (PACS_008,), "body", dropped):
            if path in PACS_008.scopes:
                if len(found) == most:
                    raise RequestError("too_large", f"body: more than {most:,} transfers. Send several messages.")
                found.append(PACS_008.pick(fields))
    except DataError as error:
        raise RequestError("bad_xml", str(error)) from error
    if not found:
        raise RequestError("bad_xml", "body: holds no CdtTrfTxInf. Send a pacs.008 with one credit transfer at least.")
    rows = [_row(number, columns) for number, columns in enumerate(found)]
    names = {name.removeprefix(f"{PACS_008.name} ").removeprefix(_TRANSFER) for name in dropped}
    return read_transfers({"transfers": rows}, most), sorted(names)


def _row(number: int, columns: Mapping[str, str]) -> dict[str, Any]:
    """Return a transfer by the names of the contract; amounts become minor units, exactly."""
    for column, value in columns.items():
        if value == UNREADABLE:
            raise RequestError("bad_xml", f"transfers: row {number}: the element of {column} is too long, or twice.")
    try:
        return {**columns, "amount": minor_units(columns.get("amount", ""), columns.get("currency", ""))}
    except Fault as fault:
        raise RequestError(
            "bad_row",
            f"transfers: row {number}: IntrBkSttlmAmt needs an amount and a known currency in Ccy; {fault.column}: "
            f"{fault.reason}.",
        ) from fault
