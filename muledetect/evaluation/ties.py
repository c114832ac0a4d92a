"""How right ties are, by grade, against the centres that rings truly serve."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from muledetect.frames import as_arrow

#: From the firmest on; a row counts ties of its grade or a firmer one.
GRADES: Final = ("strong", "moderate", "possible")

#: A centre that at least this share of a found ring's true members serve is one of the ring's own.
SERVES: Final = 0.25


def measure_ties(ring_ties: Any, members: Any, truth_rings: Any) -> pd.DataFrame:
    """Return precision and recall of ties by grade.

    Parameters
    ----------
    ring_ties : table as schema.RING_TIES
        Inferred centres, whose names the truth does not know, do not count.
    members : table with `ring_id` and `account_id`
        Of the rings whose ties these are.
    truth_rings : table as schema.TRUTH_RINGS

    Returns
    -------
    DataFrame
        Index grade ("strong", "moderate or above" as "moderate", ...); columns n (ties), n_right, precision, recall
        (share of found rings with a true centre of which a true centre is tied), n_rings. NaN where there is nothing
        to divide by.

    Notes
    -----
    The true centres of a ring are those that at least a quarter of its truly ringed members serve.
    """
    found, member, true = (_frame(table) for table in (ring_ties, members, truth_rings))
    of = (
        member[["ring_id", "account_id"]]
        .drop_duplicates()
        .merge(true[["account_id", "centre_id"]].drop_duplicates().dropna(), on="account_id")
    )
    n_members = of.groupby("ring_id")["account_id"].nunique()
    serves = of.groupby(["ring_id", "centre_id"])["account_id"].nunique().reset_index(name="n")
    serves = serves[serves["n"] >= SERVES * serves["ring_id"].map(n_members)]
    pairs = set(zip(serves["ring_id"], serves["centre_id"], strict=True))
    rings = {ring for ring, _ in pairs}
    known = found[~found["centre_id"].str.startswith("inferred-")]
    rows = {}
    for place, name in enumerate(GRADES):
        chosen = known[known["grade"].isin(GRADES[: place + 1])]
        said = list(zip(chosen["ring_id"], chosen["centre_id"], strict=True))
        right = [pair for pair in said if pair in pairs]
        rows[name] = {
            "n": len(said),
            "n_right": len(right),
            "precision": len(right) / len(said) if said else float("nan"),
            "recall": len({ring for ring, _ in right}) / len(rings) if rings else float("nan"),
            "n_rings": len(rings),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("grade")


def _frame(table: Any) -> pd.DataFrame:
    whole: pd.DataFrame = table if isinstance(table, pd.DataFrame) else as_arrow(table).to_pandas()
    text = [name for name in ("ring_id", "account_id", "centre_id", "grade") if name in whole]
    return whole.assign(**{name: whole[name].astype(object) for name in text})
