"""A model in the form that a live scorer asks: columns as a plan, trees as arrays."""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple

import numpy as np

from muledetect.arrays import Float32Array, Float64Array
from muledetect.errors import ModelError
from muledetect.features import registry
from muledetect.features._extract import plan_of
from muledetect.model import MuleModel
from muledetect.model.fitted import names_of
from muledetect.model.packed import PackedTrees, pack_trees
from muledetect.model.reasons import durations_among
from muledetect.model.store import config_hash
from muledetect.model.table import check_finite
from muledetect.model.training import cap_durations


class ReadyModel(NamedTuple):
    """What a scorer keeps of a model.

    Attributes
    ----------
    model : MuleModel
        One thread: threads would wait for one another longer than they would score.
    names : list of str
        Its columns.
    plan : sequence
        As `compute_columns` takes it.
    trees : PackedTrees
    longest : float32[n_columns]
        Values above count as this: those of durations, see `MuleModel`; infinity for other columns.
    lookback : int or None
        Microseconds.
    hash : str
        The begin of its configuration's.
    """

    model: MuleModel
    names: list[str]
    plan: Any
    trees: PackedTrees
    longest: Float32Array
    lookback: int | None
    hash: str

    def raw_scores(self, values: Float64Array) -> Float64Array:
        """Return the log-odds of rows of columns, float64[n_rows].

        Raises
        ------
        ModelError
            If a value is infinite.
        """
        seen = np.array(values, np.float32, order="C")
        check_finite(seen, self.names)
        return self.trees.raw_scores(np.minimum(seen, self.longest, out=seen))


def make_ready(model: MuleModel) -> ReadyModel:
    """Return a model as a scorer asks it; some tenths of a second. Any thread may do it.

    Raises
    ------
    ModelError
        If the model needs a column that is not live; it names them.
    """
    names, known = names_of(model), registry()
    not_live = {name: reason for name in names if (reason := known.column(name).not_live)}
    if not_live:
        told = "; ".join(f"{name}: {reason}" for name, reason in not_live.items())
        raise ModelError(
            f"live: {len(not_live)} of the {len(names)} columns of the model cannot be computed as each transfer "
            f"arrives. Train one with `train(..., live=True)`. {told}."
        )
    longest = cap_durations(np.full((1, len(names)), np.inf, np.float32), durations_among(names), model.max_duration)[0]
    return ReadyModel(
        copy(model).set_params(n_jobs=1), names, plan_of(names, known), pack_trees(model.texts_, len(names)),
        longest, model.trained_on_.lookback, config_hash(model)[:12],
    )  # fmt: skip
