"""People and companies behind accounts: which records are one, and who controls accounts of several.

>>> import muledetect as md
>>> dataset = md.simulate(n_accounts=300, n_days=30, seed=1)
>>> found = find_parties(md.Snapshot(dataset, "2025-01-25"))
>>> len(found) == len(found.parties)
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.parties.controllers import find_controllers
    from muledetect.parties.find import find_parties
    from muledetect.parties.party import Parties, read_parties
    from muledetect.parties.scores import PartyCalibration, PartyCases, fit_party_scores, party_cases, score_parties

__all__ = [
    "Parties",
    "PartyCalibration",
    "PartyCases",
    "find_controllers",
    "find_parties",
    "fit_party_scores",
    "party_cases",
    "read_parties",
    "score_parties",
]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "controllers": "find_controllers",
        "find": "find_parties",
        "party": "Parties read_parties",
        "scores": "PartyCalibration PartyCases fit_party_scores party_cases score_parties",
    },
)
