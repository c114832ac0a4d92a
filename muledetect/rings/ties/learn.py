"""Weights of evidence from confirmed cases, in the manner of Fellegi and Sunter."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from muledetect.errors import DataError
from muledetect.frames import as_arrow
from muledetect.rings.ties.find import FAMILIES, Ties

#: Confirmed and other pairs that each kind of evidence is taken to have been seen in and not seen in beforehand.
SMOOTHING: Final = 0.5


def learn_weights(ties: Ties, confirmed: Any) -> dict[str, float]:
    """Return log-odds by kind of evidence from pairs of ring and centre that an investigation confirmed.

    Parameters
    ----------
    ties : Ties
        What `find_ties` found for the investigated rings.
    confirmed : table with `ring_id` and `centre_id`
        The true pairs. All other pairs of an investigated ring and a centre in `ties` are taken as untrue.

    Returns
    -------
    dict of str to float
        `log(m / u)` with `m` the share of confirmed pairs, and `u` that of the others, with an item of the kind, each
        with half a case added; at least 0, so that evidence never becomes a reason against. For `weights` of
        `find_ties`. Kinds that were never seen are left out and keep their own weight.

    Raises
    ------
    DataError
        If no confirmed pair is of a ring in `ties`.

    Notes
    -----
    Fellegi and Sunter, A theory for record linkage, 1969. O(items).
    """
    table = as_arrow(confirmed, "ties")
    true = set(zip(table["ring_id"].to_pylist(), table["centre_id"].to_pylist(), strict=True))
    items = ties.tie_evidence.to_pylist()
    rings = sorted({item["ring_id"] for item in items})
    centres = sorted({item["centre_id"] for item in items} | {centre for ring, centre in true if ring in rings})
    n_true = sum((ring, centre) in true for ring in rings for centre in centres)
    n_other = len(rings) * len(centres) - n_true
    if not n_true:
        raise DataError("ties: no confirmed pair is of a ring in the ties; give ring_id and centre_id as found.")
    kinds = {kind for one in FAMILIES for kind in one.weights}
    learnt = {}
    for kind in sorted({item["kind"] for item in items} & kinds):
        pairs = {(item["ring_id"], item["centre_id"]) for item in items if item["kind"] == kind}
        m = (len(pairs & true) + SMOOTHING) / (n_true + 2 * SMOOTHING)
        u = (len(pairs - true) + SMOOTHING) / (n_other + 2 * SMOOTHING)
        learnt[kind] = max(0.0, float(np.log(m / u)))
    return learnt
