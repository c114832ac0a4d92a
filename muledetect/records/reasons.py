"""Why a row is not accepted, or worth a warning: one short name each; the advice that mends it stands
in `reasons.toml`.

>>> mend(NOT_POSITIVE)
"Give every transfer a positive amount; money that went back belongs in 'reversal_of'."
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from muledetect.schema import read_declared

Severity = Literal["error", "reject", "repair", "warn"]

MISSING: Final = "missing key"
UNREADABLE: Final = "cannot be read"
OUT_OF_RANGE: Final = "time outside the years 1900 to 2300"
NO_ZONE: Final = "time without a zone"
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
OTHER_SCHEME: Final = "another scheme than the one of the import"
NO_HASH: Final = "person or company that is named by no hash"
NO_TIER: Final = "tier that the scheme does not have"
FORBIDDEN_TIER: Final = "tier that the sender may not set"
NOT_THEIRS: Final = "entry of somebody else than the bank that sent it"
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

_MEND: Final[Mapping[str, str]] = read_declared("muledetect.records", "reasons.toml")["mend"]


def mend(reason: str) -> str:
    """Return the advice for a reason."""
    return _MEND[reason]
