"""Add evidence up: decay, diminishing weight, caps, grades, and the rule of two families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from muledetect.rings.ties._spec import Family

#: The k-th item of a family counts so much to the power of k.
DIMINISHING: Final = 0.7

#: Log-odds from which a tie has a grade.
GRADES: Final = (("strong", 5.0), ("moderate", 3.0), ("possible", 1.0))

#: Families that alone, or with each other, never say more than "possible".
WEAK: Final = ("place", "script")


def weigh_items(
    found: Mapping[str, pd.DataFrame],
    families: Sequence[Family],
    weights: Mapping[str, float],
    *,
    as_of: int,
    half_life: int,
) -> pd.DataFrame:
    """Return every item with its nats after decay, diminishing and cap, so that they sum to the contribution.

    Adds the columns family, nats (before) and counts (after). Items of equal weight come in the order of their time
    and id, which changes which of them is called the first, and no sum.
    """
    parts = []
    for kin in families:
        items = found.get(kin.name)
        if items is None or items.empty:
            continue
        nats = items["kind"].map(lambda kind: weights[kind]) * items["strength"]
        age = (as_of - items["time"].to_numpy(dtype=np.float64)) / half_life
        rows = items.assign(family=kin.name, nats=nats.to_numpy(dtype=np.float64) * 0.5 ** np.maximum(age, 0.0))
        rows = rows.sort_values(["ring", "centre", "nats", "time", "item"], ascending=[True, True, False, True, True])
        place = rows.groupby(["ring", "centre"]).cumcount().to_numpy()
        lessened = rows["nats"].to_numpy() * DIMINISHING**place
        before = pd.Series(lessened, index=rows.index).groupby([rows["ring"], rows["centre"]]).cumsum() - lessened
        counts = np.clip(kin.cap - before.to_numpy(), 0.0, lessened)
        parts.append(rows.assign(counts=counts))
    if not parts:
        names = ["ring", "centre", "kind", "item", "time", "strength", "family", "nats", "counts"]
        empty = pd.DataFrame({name: pd.Series(dtype="object") for name in names})
        return empty.astype(
            {"ring": "int64", "time": "int64", "strength": "float64", "nats": "float64", "counts": "float64"}
        )
    return pd.concat(parts, ignore_index=True)


def grade(log_odds: float, contributions: Mapping[str, float], carries: bool, null_p: float | None) -> str:
    """Return the grade of a tie.

    Moderate and strong need two families, one item that carries (a naming complaint, a called victim, a wallet or a
    list), and, where calls speak, that fewer than 1 in 20 shuffled worlds say as much.
    """
    reached = next((name for name, least in GRADES if log_odds >= least), "none")
    if reached in ("none", "possible"):
        return reached
    speaking = [name for name, nats in contributions.items() if nats > 0]
    firm = [name for name in speaking if name not in WEAK]
    if len(speaking) < 2 or not firm or not carries:
        return "possible"
    by_chance = null_p is not None and null_p > 0.05
    return "possible" if by_chance else reached
