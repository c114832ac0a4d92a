"""Models from a folder of text: one of your own, or one that ships with the package."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from muledetect.arrays import Float64Array
from muledetect.clock import DAY
from muledetect.errors import FeatureError, ModelError
from muledetect.features import registry
from muledetect.features._spec import FORMER_COLUMNS
from muledetect.model import trees
from muledetect.model.calibration import calibrator_from_json
from muledetect.model.estimator import MuleModel
from muledetect.model.fields import MEND
from muledetect.model.fitted import TrainedOn
from muledetect.model.peers import Peers
from muledetect.model.store import config_hash, read_folder

#: Where the models of the package lie, and the clock that each was trained on, microseconds.
PLACES: Final = Path(__file__).with_name("starters")
STARTERS: Final = MappingProxyType({"second": 1_000_000, "day": DAY})


def load_model(folder: str | PathLike[str]) -> MuleModel:
    """Read a model that `MuleModel.save` wrote.

    Only files inside the folder with names fixed by this library are opened, and their sizes are bounded. Manifest and
    trees are read into checked numbers, and LightGBM is given a text that is written anew from these: it never sees a
    text that a file held. See decision 027.

    Parameters
    ----------
    folder : path

    Raises
    ------
    ModelError
        If something is missing or damaged, was written by another version, or names an unknown feature.
    """
    content, texts = read_folder(folder)
    model = _rebuild(content)
    n_first = len(content["trees"])
    model.texts_, model.second_texts_ = texts[:n_first], texts[n_first:]
    model.boosters_, model.second_boosters_ = map(trees.open_boosters, (model.texts_, model.second_texts_))
    model.n_trees_ = model.boosters_[0].num_trees()
    return model


def load_starter(tick: int = 1) -> MuleModel:
    """Return the model of the package for a clock of this tick: the one of days for ticks of an hour or more.

    It was trained on simulated worlds, for a bank that has no labels yet. It uses transfers alone, and only columns
    without unit of money. Replace it by a model of your own as soon as there are labels: `python benchmarks/starter.py`
    shows what that is worth.

    Parameters
    ----------
    tick : int
        `Dataset.tick`, microseconds.

    Raises
    ------
    ModelError
        If the package was installed without its models.
    """
    place = PLACES / ("day" if tick >= DAY // 24 else "second")
    if not place.is_dir():
        raise ModelError("starter: the package lacks its starter models. Install it from a wheel, not file by file.")
    return load_model(place)


def _rebuild(content: Mapping[str, Any]) -> MuleModel:
    """Return the model of a checked manifest, still without its trees."""
    model = MuleModel(**content["parameters"])
    names = [_checked_name(entry) for entry in content["features"]]
    model.n_features_in_ = len(names)
    if content["has_feature_names"]:
        model.feature_names_in_ = np.array(names, dtype=object)
    model.classes_ = np.array(content["classes"])
    model.calibrator_ = calibrator_from_json(content["calibrator"])
    model.peers_ = Peers(_quantiles(content["peers"]["median"]), _quantiles(content["peers"]["p99"]))
    model.trained_on_ = TrainedOn(**content["trained_on"])
    model.training_as_of_ = tuple(content["training_as_of"])
    model.calibration_as_of_ = tuple(content["calibration_as_of"])
    model.n_rows_, model.n_positives_ = content["n_rows"], content["n_positives"]
    model.notes_, model.held_out_metrics_ = content["notes"], content["held_out"]
    model.clear_thresholds_, model.class_prior_ = content["clear_thresholds"], content["class_prior"]
    model.fairness_, model.leakage_ = content["fairness"], content["leakage"]
    if content["config_hash"] != config_hash(model):
        raise ModelError(f"manifest: 'config_hash' does not fit parameters and features. {MEND}")
    if content["has_feature_names"]:
        model.feature_names_in_ = np.array([_present_name(entry) for entry in content["features"]], dtype=object)
    return model


def _present_name(entry: Mapping[str, Any]) -> str:
    """Return the name under which this version computes the feature."""
    return registry().parse(entry["name"]).name if "column" in entry else str(entry["name"])


def _checked_name(entry: Mapping[str, Any]) -> str:
    """Return the feature's name; where the model took it from the registry, the registry must still know it."""
    name: str = entry["name"]
    if "column" not in entry:
        return name
    try:
        call = registry().parse(name)
    except FeatureError as error:
        raise ModelError(
            f"manifest: the model needs feature {name!r}, which this version does not compute. "
            "Install the version that trained it, or train it again."
        ) from error
    if (
        call.column != FORMER_COLUMNS.get(entry["column"], entry["column"])
        or dict(call.parameters) != entry["parameters"]
    ):
        raise ModelError(f"manifest: name and parameters of feature {name!r} differ. {MEND}")
    return name


def _quantiles(values: Sequence[float | None]) -> Float64Array:
    return np.array([math.nan if value is None else float(value) for value in values])
