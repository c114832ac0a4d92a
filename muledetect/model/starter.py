"""Models that ship with the package: trained on simulated worlds, for a bank that has no labels yet.

They use transfers alone, and only columns without unit of money. Replace them by a model of your own as soon as there
are labels: `python benchmarks/starter.py` shows what that is worth.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Final

from muledetect.clock import DAY
from muledetect.errors import ModelError
from muledetect.model.estimator import MuleModel
from muledetect.model.store import load_model

#: Where they lie, and the clock that each was trained on, microseconds.
PLACES: Final = Path(__file__).with_name("starters")
STARTERS: Final = MappingProxyType({"second": 1_000_000, "day": DAY})


def load_starter(tick: int = 1) -> MuleModel:
    """Return the starter model for a clock of this tick: the one of days for ticks of an hour or more.

    Parameters
    ----------
    tick : int
        `Dataset.tick`, microseconds.

    Raises
    ------
    ModelError
        If the package was installed without its models.
    """
    name = "day" if tick >= DAY // 24 else "second"
    place = PLACES / name
    if not place.is_dir():
        raise ModelError("starter: the package lacks its starter models. Install it from a wheel, not file by file.")
    return load_model(place)
