"""Three watch lists: the bank's own, the police's and the telecom regulator's; late, and each with errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from muledetect.simulate.streams import Float64, Int8, Int64, UInt64

#: Codes of `Entries.list`, `Entries.kind` and `Entries.category`.
LISTS: Final = ("L1", "L2", "L3")
BANK, POLICE, REGULATOR = range(3)
KINDS: Final = ("account", "cell", "device", "ip", "wifi", "phone", "imei")
ACCOUNT, CELL, DEVICE, IP, WIFI, PHONE, IMEI = range(7)
CATEGORIES: Final = ("mule", "infrastructure", "call_centre", "reported")
OF_MULE, OF_HOUSE, OF_CENTRE, REPORTED = range(4)


@dataclass(frozen=True, slots=True)
class Entries:
    """One row an entry of a watch list, in order of `known`; none after the world's end.

    Attributes
    ----------
    list : int8[n]
        Position in `LISTS`.
    kind : int8[n]
        Position in `KINDS`.
    value : uint64[n]
        What is listed: an account's position where `kind` is ACCOUNT, a cell's number where it is CELL (both are
        written as their ids), else a hash.
    centre : int64[n]
        Call centre that the entry names, now and then a wrong one; -1 for none.
    category : int8[n]
        Position in `CATEGORIES`.
    reliability : float64[n]
        0 to 1: how far the list's keeper trusts the entry.
    since, until : int64[n]
        From when to when the entry holds (us, UTC); `until` is -1 where it still stands at the world's end.
    known : int64[n]
        When the bank could read it (us, UTC); at or after `since`.
    """

    list: Int8
    kind: Int8
    value: UInt64
    centre: Int64
    category: Int8
    reliability: Float64
    since: Int64
    until: Int64
    known: Int64
