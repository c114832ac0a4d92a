"""The account of a statement that stands only above its table: offered where it may be, and taken from each file.

>>> above = [(1, ["Girokonto", "DE40100500000000778"]), (3, ["Kontostand vom 31.03.2025:", "1.234,00 €"])]
>>> offers_above(above)
['"line 1 cell 2" (AA99999999999999999)']
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from muledetect.errors import DataError
from muledetect.records.files import Lines, Source, lines_above, name_of
from muledetect.records.own._columns import Columns
from muledetect.records.own._profile import shape_of

PLACE: Final = re.compile(r"line ([0-9]{1,6}) cell ([0-9]{1,4})")
_ACCOUNT: Final = re.compile(r"[A-Za-z]{0,4}[0-9][0-9A-Za-z .\-/]*")
_DATE: Final = re.compile(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{2,4}")
_DECIMALS: Final = re.compile(r"[.,][0-9]{2}$")
_FEWEST_DIGITS: Final = 6
_MOST_SIGNS: Final = 42
_MOST_OFFERS: Final = 4


def offers_above(above: Lines) -> list[str]:
    """Return the places of lines above a table that may hold an account, with its shape and not itself."""
    offers = []
    for line, cells in above:
        for place, cell in enumerate(cells, 1):
            account = _account_in(cell)
            if _may_be_account(account):
                offers.append(f'"line {line} cell {place}" ({shape_of(account)})')
    return offers[:_MOST_OFFERS]


def _account_in(cell: str) -> str:
    """Return what stands behind the last colon of a cell: its label goes."""
    return cell.rpartition(":")[2].strip()


def _may_be_account(text: str) -> bool:
    is_long = sum(sign.isdigit() for sign in text) >= _FEWEST_DIGITS and len(text) <= _MOST_SIGNS
    return bool(is_long and _ACCOUNT.fullmatch(text) and not _DATE.search(text) and not _DECIMALS.search(text))


def with_own_account(mapping: Columns, source: Source) -> Columns:
    """Return the mapping with the account of a file's rows as a constant, where the mapping names one.

    A cell above the table that the file does not have, or that holds no account, is a DataError.
    """
    given = mapping.accounts.own_account
    if not given:
        return mapping
    place = PLACE.fullmatch(given)
    account = _from_line(mapping, source, int(place[1]), int(place[2])) if place else given
    return replace(
        mapping,
        constants={**mapping.constants, "account": account},
        accounts=replace(mapping.accounts, own_account=""),
    )


def _from_line(mapping: Columns, source: Source, line: int, cell: int) -> str:
    cells = next((found for number, found in lines_above(source, mapping.file) if number == line), [])
    account = _account_in(cells[cell - 1]) if 1 <= cell <= len(cells) else ""
    if not any(sign.isdigit() for sign in account):
        what = f"has the shape {shape_of(account)!r}" if account else "is not there, or empty"
        raise DataError(
            f"{name_of(source)}: line {line} cell {cell} above the headings should hold the account of the statement "
            f"and {what}. Correct 'own_account' under [accounts]: the account, or its line and cell."
        )
    return account
