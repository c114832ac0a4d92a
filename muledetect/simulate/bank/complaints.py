"""Complaints of victims: late, sometimes wrong or withdrawn, and often never made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from muledetect.simulate.streams import Int8, Int64

#: Codes of `Complaints.status`.
STATUSES: Final = ("open", "confirmed", "withdrawn")
OPEN, CONFIRMED, WITHDRAWN = range(3)


@dataclass(frozen=True, slots=True)
class Complaints:
    """One row a disputed transfer, in the order in which the bank heard of them; none after the world's end.

    Attributes
    ----------
    number : int64[n]
        Running number of the transfer among those that our bank sees, never -1.
    source, target : int64[n]
        The account that paid (the victim's) and the one that was paid.
    amount, time : int64[n]
        Of the transfer (satang; us, UTC).
    known : int64[n]
        When the bank heard of it (us, UTC); later than `time`.
    case : int64[n]
        The case in truth; -1 where an honest transfer is disputed.
    status : int8[n]
        Position in `STATUSES`, as it stands at the world's end.
    scam_type : int8[n]
        What the victim says it was, a position in `SCAM_TYPES`; often wrong.
    script : int64[n]
        Number (0 to 999) of the script that the bank's clerk recognised; -1 for none.
    names_centre : int64[n]
        The call centre that the complaint names, rarely a wrong one; -1 for none.
    """

    number: Int64
    source: Int64
    target: Int64
    amount: Int64
    time: Int64
    known: Int64
    case: Int64
    status: Int8
    scam_type: Int8
    script: Int64
    names_centre: Int64
