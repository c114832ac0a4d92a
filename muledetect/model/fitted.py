"""What a fitted model holds: the values that the card, the folder of a model and `MuleModel` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy.typing as npt

from muledetect.arrays import BoolArray, Float64Array, Int64Array
from muledetect.model.calibration import Calibrator
from muledetect.model.peers import Peers
from muledetect.model.tree_text import TreesText


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """What the feature table itself does not say of its origin; kept in the manifest.

    Attributes
    ----------
    target : str
        "active" or "ever", see `muledetect.labels.targets`.
    pack : str
        Country pack of the features.
    tick, currency, fingerprint
        Of the data set; `MuleModel.fit` fills them in where it is given the data set.
    unlabelled : "unknown" or "negative"
        What accounts without a label were taken for.
    lookback : int
        Microseconds that the features saw back from a point; 0 = the whole past. A model is asked with the same.
    is_prevalence_known : bool
        Is the share of mules among the training rows that among the bank's accounts? Not so for a model that comes from
        elsewhere, or where only a part of the accounts is labelled.
    prevalence : float or None
        Share of mules that probabilities are calibrated at; `MuleModel.fit` fills it in. None: not kept by the earlier
        version that trained the model.
    """

    target: str = ""
    pack: str = ""
    tick: int = 0
    currency: str = ""
    fingerprint: str = ""
    unlabelled: str = "unknown"
    lookback: int = 0
    is_prevalence_known: bool = True
    prevalence: float | None = None


class HeldOut(NamedTuple):
    """Scores of training rows by trees that did not see them: what calibration, thresholds and the card rest on.

    score : float64[n], is_positive : bool[n], weight : float64[n], group : int64[n], position : int64[n] in X,
    account : int64[n].
    """

    score: Float64Array
    is_positive: BoolArray
    weight: Float64Array
    group: Int64Array
    position: Int64Array
    account: Int64Array


class FittedModel(Protocol):
    """The attributes of a fitted `MuleModel` that are kept; see there."""

    classes_: npt.NDArray[Any]
    n_features_in_: int
    texts_: Sequence[TreesText]
    second_texts_: Sequence[TreesText]
    n_trees_: int
    calibrator_: Calibrator
    peers_: Peers
    trained_on_: TrainedOn
    training_as_of_: Sequence[int]
    calibration_as_of_: Sequence[int]
    n_rows_: int
    n_positives_: int
    notes_: Sequence[str]
    held_out_metrics_: Mapping[str, float]
    clear_thresholds_: Sequence[Mapping[str, Any]]
    class_prior_: Mapping[str, Any] | None
    fairness_: Sequence[Mapping[str, Any]]
    leakage_: Sequence[str] | None

    def get_params(self) -> dict[str, Any]:
        """Return the parameters by name."""
        ...


def names_of(model: FittedModel) -> list[str]:
    """Return the names of the columns; x0, x1, ... where the model was fitted on an array."""
    named = getattr(model, "feature_names_in_", None)
    return [f"x{position}" for position in range(model.n_features_in_)] if named is None else [str(n) for n in named]
