"""Add evidence up: decay, diminishing weight, caps, grades, and the rule of two families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from muledetect.arrays import Float64Array
from muledetect.rings.ties._spec import EVIDENCE, Family, no_rows

#: The k-th item of a family counts so much to the power of k.
DIMINISHING: Final = 0.7

#: Log-odds from which a tie has a grade.
GRADES: Final = (("strong", 5.0), ("moderate", 3.0), ("possible", 1.0))

#: Families that alone, or with each other, never say more than "possible".
WEAK: Final = ("place", "script")

#: From this chance on, calls say no more than others would.
BY_CHANCE: Final = 0.05


def weigh_items(
    found: Mapping[str, pd.DataFrame | None],
    families: Sequence[Family],
    weights: Mapping[str, float],
    *,
    as_of: int,
    half_life: int,
) -> pd.DataFrame:
    """Return every item with its log-odds after decay, diminishing and cap, so that they sum to the contribution.

    Adds the columns family, log_odds (before) and counts (after). Items of equal weight come in the order of their time
    and id, which changes which of them is called the first, and no sum.
    """
    parts = []
    for one in families:
        items = found[one.name]
        if items is None or items.empty:
            continue
        age = (as_of - items["time"].to_numpy(dtype=np.float64)) / half_life
        weight = (items["kind"].map(weights) * items["strength"]).to_numpy(dtype=np.float64)
        rows = items.assign(family=one.name, log_odds=weight * 0.5 ** np.maximum(age, 0.0))
        rows = rows.sort_values(
            ["ring", "centre", "log_odds", "time", "item"], ascending=[True, True, False, True, True]
        )
        parts.append(rows.assign(counts=diminish(rows, one.cap)))
    return pd.concat(parts, ignore_index=True) if parts else no_rows(*EVIDENCE, "family", "log_odds", "counts")


def diminish(rows: pd.DataFrame, cap: float) -> Float64Array:
    """Return what each item counts: of a ring and centre the k-th strongest 0.7^k of its log-odds, up to the cap.

    `rows` have ring, centre and log_odds, sorted by the two, the strongest first.
    """
    groups = rows.groupby(["ring", "centre"], sort=False)
    lessened = rows["log_odds"] * DIMINISHING ** groups.cumcount()
    before = lessened.groupby([rows["ring"], rows["centre"]], sort=False).cumsum() - lessened
    return np.clip(cap - before.to_numpy(), 0.0, lessened.to_numpy())


def grade(log_odds: float, contributions: Mapping[str, float], carries: bool, chance: float | None) -> str:
    """Return the grade of a tie.

    Moderate and strong need two families, one item that carries (a naming complaint, a called victim, a wallet or a
    list), and, where calls speak, that fewer than 1 in 20 shuffled worlds say as much.
    """
    reached = next((name for name, least in GRADES if log_odds >= least), "none")
    if reached in ("none", "possible"):
        return reached
    speaking = [name for name, part in contributions.items() if part > 0]
    firm = [name for name in speaking if name not in WEAK]
    is_chance = chance is not None and chance > BY_CHANCE
    return "possible" if len(speaking) < 2 or not firm or not carries or is_chance else reached
