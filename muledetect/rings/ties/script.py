"""The ring's victims heard the same script as those who name the centre."""

from __future__ import annotations

import pandas as pd

from muledetect.rings.ties._spec import TieScene, evidence, family


@family(weights={"script": 0.6}, cap=1.2, tables=("complaints",))
def script(scene: TieScene) -> pd.DataFrame:
    """Count scripts of the ring's victims that victims of other rings heard who name the centre: 0.6 nats, at most 1.2.

    A script that several centres read from counts in proportion: 1 / centres.
    """
    told = scene.complaints[scene.complaints["script"].notna()]
    of_centre = told[told["centre"].notna()][["script", "centre", "ring", "payer"]].drop_duplicates()
    n_centres = of_centre.groupby("script")["centre"].nunique().rename("n_centres")
    heard = told[told["ring"] >= 0].groupby(["ring", "script"], as_index=False).agg(time=("time", "max"))
    rows = heard.merge(of_centre, on="script", suffixes=("", "_named")).merge(n_centres, on="script")
    rows = rows[rows["ring"] != rows["ring_named"]].drop_duplicates(["ring", "centre", "script"])
    return evidence(rows.assign(item=rows["script"]), "script", 1.0 / rows["n_centres"])
