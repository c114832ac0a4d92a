"""A victim of the ring names the centre, or reports the same script as those who name it."""

from __future__ import annotations

import pandas as pd

from muledetect.rings.ties._spec import TieContext, evidence, family


@family(weights={"complaint": 1.5}, cap=3.0, tables=("complaints",), carries=("complaint",))
def complaint(context: TieContext) -> pd.DataFrame:
    """Count the distinct victims that paid the ring and name the centre: log-odds 1.5 each, at most 3.

    A victim with several complaints counts once, at its first.
    """
    named = context.complaints[(context.complaints["ring"] >= 0) & context.complaints["centre"].notna()]
    first = named.sort_values(["time", "complaint_id"]).drop_duplicates(["ring", "centre", "payer"])
    return evidence(first.rename(columns={"complaint_id": "item"}), "complaint")


@family(weights={"script": 0.6}, cap=1.2, tables=("complaints",))
def script(context: TieContext) -> pd.DataFrame:
    """Count scripts that victims of the ring share with others who name the centre: 0.6 each, at most 1.2.

    A script that several centres read from counts in proportion: 1 / centres.
    """
    read = context.complaints[context.complaints["script"].notna()]
    of_centre = read[read["centre"].notna()][["script", "centre", "ring", "payer"]].drop_duplicates()
    n_centres = of_centre.groupby("script")["centre"].nunique().rename("n_centres")
    of_ring = read[read["ring"] >= 0].groupby(["ring", "script"], as_index=False).agg(time=("time", "max"))
    rows = of_ring.merge(of_centre, on="script", suffixes=("", "_named")).merge(n_centres, on="script")
    rows = rows[rows["ring"] != rows["ring_named"]].drop_duplicates(["ring", "centre", "script"])
    return evidence(rows.assign(item=rows["script"]), "script", 1.0 / rows["n_centres"])
