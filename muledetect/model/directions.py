"""Which way a column may move a score, where the domain leaves no doubt: data, used by `MuleModel(monotone=True)`.

A column stands here only if no honest reading of it points the other way, whatever the other columns say. So money that
passes through fast does not: exchanges and payment services pass everything through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

#: More of it never speaks for the account.
RAISES: Final = frozenset(
    "relayed_complained_share is_listed listed_share relayed_twice_share is_near_listed "
    "registered_reliability registered_share "
    "in_mule_share out_mule_share in_mule_proximity out_mule_proximity known_mules_met "
    "in_victim_share in_victims in_drained device_sharers emulator_share remote_share common_terminal".split()
)

#: More of it never speaks against the account.
LOWERS: Final = frozenset("account_age newest_device_age".split())


def directions(names: Sequence[str]) -> list[int]:
    """Return for each column 1 (the score may only rise with it), -1 (only fall) or 0 (free)."""
    columns = [name.split("__")[0] for name in names]
    return [(column in RAISES) - (column in LOWERS) for column in columns]
