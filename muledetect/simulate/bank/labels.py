"""What investigations find out about accounts: late, incomplete, and sometimes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from muledetect.simulate.streams import Bool, Float64, Int8, Int64

#: Codes of `Labels.label` and `Labels.source`.
LABELS: Final = ("mule", "not_mule", "unknown")
MULE, NOT_MULE, UNKNOWN = range(3)
SOURCES: Final = ("complaint", "police", "review")
COMPLAINT, POLICE, REVIEW = range(3)


@dataclass(frozen=True, slots=True)
class Activity:
    """Illicit life in truth, by account: first and last illicit transfer (int64, us; NEVER and -1 for none)."""

    first: Int64
    last: Int64

    @property
    def is_mule(self) -> Bool:
        """Accounts through which illicit money really went."""
        return self.last >= 0


@dataclass(frozen=True, slots=True)
class Labels:
    """One row an account of ours that has a label by the world's end, sorted by account.

    Attributes
    ----------
    account : int64[n]
        The account, each once.
    label : int8[n]
        Position in `LABELS`.
    known : int64[n]
        When the bank knew it (us, UTC), before the world's end.
    activity_start, activity_end : int64[n]
        First and last transfer held to be illicit (us, UTC), before `known`; -1 unless the label is `mule`.
    source : int8[n]
        Position in `SOURCES`.
    confidence : float64[n]
        0.5 to 1.
    """

    account: Int64
    label: Int8
    known: Int64
    activity_start: Int64
    activity_end: Int64
    source: Int8
    confidence: Float64
