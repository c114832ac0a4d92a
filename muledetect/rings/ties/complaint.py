"""A victim of the ring names the centre."""

from __future__ import annotations

import pandas as pd

from muledetect.rings.ties._spec import TieScene, evidence, family


@family(weights={"complaint": 1.5}, cap=3.0, tables=("complaints",), carries=("complaint",))
def complaint(scene: TieScene) -> pd.DataFrame:
    """Count the distinct victims that paid the ring and name the centre: 1.5 nats each, at most 3.

    A victim with several complaints counts once, at its first.
    """
    named = scene.complaints[(scene.complaints["ring"] >= 0) & scene.complaints["centre"].notna()]
    first = named.sort_values(["time", "complaint_id"]).drop_duplicates(["ring", "centre", "payer"])
    return evidence(first.rename(columns={"complaint_id": "item"}), "complaint")
