"""Why a row is not accepted, or worth a warning: one short name each, with the advice that mends it.

>>> mend(NOT_POSITIVE)
"Give every transfer a positive amount; money that went back belongs in 'reversal_of'."
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

Severity = Literal["error", "reject", "repair", "warn"]

MISSING: Final = "missing key"
UNREADABLE: Final = "cannot be read"
OUT_OF_RANGE: Final = "time outside the years 1900 to 2300"
NOT_POSITIVE: Final = "non-positive amount"
TOO_SMALL: Final = "below its minimum"
TOO_LARGE: Final = "amount too large"
NOT_WHOLE: Final = "finer than the minor unit"
NOT_FINITE: Final = "not a finite number"
NOT_A_SHARE: Final = "not between 0 and 1"
NOT_DECLARED: Final = "not a declared value"
UNKNOWN_CURRENCY: Final = "unknown currency"
OTHER_CURRENCY: Final = "other currency"
NO_RATE: Final = "currency without a rate"
KNOWN_EARLY: Final = "known_ts before time"
STATUS_EARLY: Final = "status_ts before known_ts"
DIFFERENT_CONTENT: Final = "duplicate id with different content"
REVERSAL_CHAIN: Final = "chain or cycle of reversals"
REVERSAL_MISMATCH: Final = "reversal between other accounts"
REVERSAL_EARLY: Final = "reversal before its original"
REVERSAL_EXCESS: Final = "reversals exceed the original"
NO_SIDE: Final = "neither or both of debit and credit"
CREDIT_SIDE: Final = "credit where the row names both accounts"
RAGGED: Final = "another number of fields than the headings"
HEADING: Final = "the headings again"
TOTAL: Final = "a total, not a record"

DUPLICATE: Final = "exact duplicate"
PAIRED: Final = "debit and credit rows paired"
NOT_SETTLED: Final = "transfer did not settle"
BLANK: Final = "no value in any column that is used"

REVERSAL_SWAPPED: Final = "reversal booked like its original"
LONE_REVERSAL: Final = "reversal of a transfer that is not here"
RETURNED: Final = "returned at an unknown time"
FUTURE: Final = "time in the future"
MIDNIGHT: Final = "all times at midnight"
AFTER_CLOSING: Final = "activity after closing"
BALANCE: Final = "running balance does not reconcile"
HUB: Final = "identifier shared by more than 200 holders"
LABEL_EARLY: Final = "label known before the first transfer"
GAP: Final = "days with almost no transfers"
FOLD: Final = "local time that clocks repeat or skip"
SELF: Final = "transfer to the same account"
NOTHING_LEFT: Final = "no row is left"
EMPTY: Final = "no accepted row"
QUOTE: Final = "quote that nothing closes"
RESPELT: Final = "ids with blanks or other signs that are no part of them"
NO_CURRENCY: Final = "currency not stated"
SOME_CURRENCY: Final = "no currency named where other rows name one"
LEFT_OUT: Final = "column outside the contract left out"
FORMER_NAME: Final = "former name of a column"
NO_STATUS_TIME: Final = "withdrawn at an unknown time"

_MEND: Final[Mapping[str, str]] = MappingProxyType(
    {
        MISSING: "Fill the column, or leave the rows out on purpose.",
        UNREADABLE: "Times are ISO 8601, money is plain digits without thousands separators, numbers use a point.",
        OUT_OF_RANGE: "Check the unit and the calendar of the export.",
        NOT_POSITIVE: "Give every transfer a positive amount; money that went back belongs in 'reversal_of'.",
        TOO_SMALL: "Check the unit of the column.",
        TOO_LARGE: "At most 10^15 minor units are believed; check whether money= should be 'minor' or 'major'.",
        NOT_WHOLE: "Money has no more decimals than its currency; pass money='major' if it is in whole units.",
        NOT_FINITE: "Leave unknown numbers empty.",
        NOT_A_SHARE: "Give shares from 0 to 1, not percents.",
        NOT_DECLARED: "Map the values to those of the contract (see docs/tables.md); use 'other' where it is declared.",
        UNKNOWN_CURRENCY: "Use ISO 4217 codes such as THB.",
        OTHER_CURRENCY: "Amounts of two currencies cannot be added: convert them, or read one data set a currency.",
        NO_RATE: "No transfer exchanges it into the one that was asked for; keep one currency: --currency.",
        KNOWN_EARLY: "Nothing is known before it happens; check the time zone of both columns.",
        STATUS_EARLY: "A complaint has no status before it is known; check both columns.",
        DIFFERENT_CONTENT: "Nobody can say which row is right: export again, or make the ids unique.",
        REVERSAL_CHAIN: "Point 'reversal_of' at a transfer that is no reversal itself.",
        REVERSAL_MISMATCH: "A reversal moves money between the two accounts of its original.",
        REVERSAL_EARLY: "It counts as it stands, since it cannot reverse what has not happened yet; check both times.",
        REVERSAL_EXCESS: "Together the reversals of a transfer are at most its amount.",
        NO_SIDE: "A row says what left or what came in, not both; check the two columns.",
        CREDIT_SIDE: "Name the account of the statement ('account') and the other side ('counterparty') instead.",
        RAGGED: "Sums and remarks around a table may go; a cell that holds the delimiter needs quotes.",
        HEADING: "Two exports were put together; the line was left out, nothing to do.",
        TOTAL: "Lines that sum up others were left out; nothing to do.",
        BLANK: "Empty lines may go; nothing to do.",
        DUPLICATE: "One copy was kept; nothing to do.",
        PAIRED: "The rows of both sides became one; nothing to do.",
        NOT_SETTLED: "A rejected transfer, and a reversal of one, moved no money; nothing to do.",
        REVERSAL_SWAPPED: "It was read as money from the payee back to the payer; nothing to do.",
        LONE_REVERSAL: "It counts as it stands; export the originals too if they exist.",
        RETURNED: "It counts as money that moved and stayed: export the reversal, or write 'rejected' if none moved.",
        FUTURE: "Check the time zone (source_tz=) and the clock of the export.",
        MIDNIGHT: "Only days are known: transfers of one day count as simultaneous. Export times if you have them.",
        AFTER_CLOSING: "Check 'closed_at', or whether account numbers are used again.",
        BALANCE: "Transfers seem to be missing, or balances belong to another moment.",
        HUB: "Shared machines and default values link nobody; leave them out or hash the real value.",
        LABEL_EARLY: "Such labels teach nothing; check 'known_ts' or add earlier transfers.",
        GAP: "Check whether the export left days out.",
        FOLD: "Repeated times were read as the first pass of the clock, skipped ones as the moment after the jump; "
        "export UTC to be exact.",
        SELF: "They are kept and move no money; nothing to do if they are real.",
        NOTHING_LEFT: "Check the filters of the export, and mend the reasons for which rows were left out.",
        EMPTY: "Check the filters of the export and the rejects above.",
        QUOTE: "It was read as a plain sign of its cell, so that it hides no row; look at such cells.",
        RESPELT: "Each id is read in one spelling (see docs/tables.md); look at the export if that joins two accounts.",
        NO_CURRENCY: "Amounts stay plain minor units; state the ISO code with currency= (--currency).",
        SOME_CURRENCY: "They were taken to be in the currency of the others; state it with currency= (--currency).",
        FORMER_NAME: "The next version does not read it; rename the column as docs/tables.md has it.",
        NO_STATUS_TIME: "Such a complaint counts at no moment; say in 'status_ts' when it was withdrawn.",
        LEFT_OUT: "It may name people, so it is not kept beside pseudonyms; read without a key to keep it.",
    }
)


def mend(reason: str) -> str:
    """Return the advice for a reason."""
    return _MEND[reason]
