"""Call centres and laundering offices: whom they recruit, whom they deceive, and where the money goes."""

from muledetect.simulate.crime.houses import Houses, settle_houses
from muledetect.simulate.crime.recruiting import recruit
from muledetect.simulate.crime.rings import Crime, Ring, Seat, members
from muledetect.simulate.crime.scams import commit_scams
from muledetect.simulate.crime.shapes import SHAPES
from muledetect.simulate.crime.victims import SCAM_TYPES, Case

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
