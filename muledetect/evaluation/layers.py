"""Recall by layer: how many hops from the victims a mule is found.

Banks tend to lose sight of the money after the first hop, so one recall for all layers says too little.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from muledetect.evaluation.by_part import measure_parts
from muledetect.frames import takes_tables

#: Layers from this one on are measured together: each of them alone has few accounts.
BEYOND: Final = 3

NOT_KNOWN: Final = (
    "No recall by layer: it needs the column 'layer' (hops from the victims) of the table truth_rings, filled for some "
    "of the accounts that are sought."
)


@takes_tables("truth_rings")
def layer_parts(account_ids: npt.ArrayLike, truth_rings: pa.Table | None) -> pd.DataFrame:
    """Return which rows belong to which layer: columns `part`, `value`, `row`.

    An account of several rings counts in its lowest layer. No rows where the table says nothing of layers.

    Parameters
    ----------
    account_ids : array of shape (n,)
        Account of each row.
    truth_rings : pyarrow.Table or None
        As schema.TRUTH_RINGS.
    """
    if truth_rings is None or "layer" not in truth_rings.column_names:
        return pd.DataFrame({"part": [], "value": [], "row": np.zeros(0, np.int64)})
    known = truth_rings.select(["account_id", "layer"]).to_pandas().dropna()
    lowest = known.astype({"account_id": object}).groupby("account_id")["layer"].min().astype(np.int64)
    rows = pd.DataFrame({"account_id": np.asarray(account_ids, dtype=object)})
    layer = rows["account_id"].map(lowest)
    found = layer[layer.notna()].astype(np.int64)
    value = found.clip(upper=BEYOND).astype(str).where(found < BEYOND, f"{BEYOND}+")
    return pd.DataFrame({"part": "layer", "value": value, "row": found.index}).reset_index(drop=True)


@takes_tables("truth_rings")
def measure_layers(
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    account_ids: npt.ArrayLike,
    truth_rings: pa.Table | None,
    *,
    k: float,
    groups: npt.ArrayLike | None = None,
    n_draws: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the recall of each layer at the bank's k alerts.

    Parameters
    ----------
    y, score : array of shape (n,)
        Rows of unknown target (NaN) count nowhere.
    account_ids : array of shape (n,)
        Account of each row.
    truth_rings : pyarrow.Table or None
        As schema.TRUTH_RINGS.
    k : int or float below 1
        Alerts, or the share of all rows.
    groups : array of shape (n,), optional
        Blocks of the bootstrap, such as rings.
    n_draws, seed : int
        Draws of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        One row a layer that has a positive, ascending: `layer` ("1", "2", "3+": hops from the victims), `n_positive`,
        `recall`, `recall_low`, `recall_high` (95%), `is_few` (below 30 positives). No rows where no layer is known.
    """
    target = np.asarray(y, dtype=np.float64)
    parts = layer_parts(account_ids, truth_rings)
    parts = parts[target[parts["row"].to_numpy(np.int64)] == 1]
    found = measure_parts(target, score, parts, k=k, groups=groups, n_draws=n_draws, seed=seed)
    names = ["n_positive", "recall", "recall_low", "recall_high", "is_few"]
    if not len(found):
        return pd.DataFrame(columns=["layer", *names])
    return found.rename(columns={"value": "layer"})[["layer", *names]]


__all__ = ["layer_parts", "measure_layers"]
