"""Call centres and laundering offices: whom they recruit, whom they deceive, and where the money goes."""

from muledetect.simulation.crime.houses import Houses, settle_houses
from muledetect.simulation.crime.recruiting import recruit
from muledetect.simulation.crime.rings import Crime, Ring, Seat, members
from muledetect.simulation.crime.scams import commit_scams
from muledetect.simulation.crime.shapes import SHAPES
from muledetect.simulation.crime.victims import SCAM_TYPES, Case

__all__ = [
    "SCAM_TYPES",
    "SHAPES",
    "Case",
    "Crime",
    "Houses",
    "Ring",
    "Seat",
    "commit_scams",
    "members",
    "recruit",
    "settle_houses",
]
