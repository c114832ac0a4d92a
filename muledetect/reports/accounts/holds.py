"""Holds on case files: the bank's record at the moment, clocks in the zone of the country, what speaks for release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.frames import frame_of
from muledetect.holds import Clocks
from muledetect.reports.accounts.release import release_evidence
from muledetect.reports.material import Material
from muledetect.reports.words import say

#: Moments of a hold, each shown in the zone of its clock.
MOMENTS: Final = (
    "started_at", "bank_until", "police_until", "extended_until", "review_due", "expires_at", "ended_at", "appealed_at",
)  # fmt: skip
_AS_IT_IS: Final = (
    "hold_id", "complaint_id", "transfer_id", "state", "amount", "held", "is_due", "last_event", "decided_by", "why",
)  # fmt: skip


def holds_of(material: Material) -> dict[str, list[Mapping[str, Any]]] | None:
    """Return the holds of each listed account, in order of their ids; None where no record was given.

    A hold has what schema.HOLD_STATES says, moments as texts in the zone of the country (Buddhist years in Thai), the
    `text` and `source` of its clock, and `evidence`: signs with `kind`, `text` and `transfers`.
    """
    if material.standing is None:
        return None
    states, clocks = material.standing
    listed = pc.is_in(states["account_id"], value_set=pa.array(material.account_ids, pa.string()))
    mine = states.filter(listed)
    signs: dict[str, list[dict[str, Any]]] = {}
    for row in release_evidence(material.snapshot, mine).to_pylist():
        sign = {name: row[name] for name in ("kind", "code", "transfers")} | {
            "text": say(row["text_en"], row["text_th"])
        }
        signs.setdefault(row["hold_id"], []).append(sign)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in frame_of(mine.sort_by("hold_id")).to_dict("records"):
        found.setdefault(row["account_id"], []).append(_hold(row, clocks, signs.get(row["hold_id"], [])))
    return found


def _hold(row: Mapping[Any, Any], clocks: Clocks, signs: list[dict[str, Any]]) -> dict[str, Any]:
    clock = clocks.clock(row["clock"])
    moments = {name: {language: clocks.shown(row[name], language) for language in ("en", "th")} for name in MOMENTS}
    about = {
        "clock": clock.name,
        "text": say(clock.text, clock.text_th),
        "source": clock.source,
        "choice": clock.choice,
    }
    return {name: row[name] for name in _AS_IT_IS} | moments | about | {"evidence": signs}
