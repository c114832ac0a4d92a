"""A model as a folder of text: `manifest.json`, its card and the trees; nothing in it is ever executed.

The trees lie in files named by their content, and the manifest, replaced in one step, says which of them count. So a
process killed at any moment leaves a folder that reads as the old model or as the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import platform
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np

from muledetect.errors import FeatureError, ModelError
from muledetect.features import registry
from muledetect.model import trees
from muledetect.model.calibration import calibrator_from_json
from muledetect.model.card import build_card, write_card
from muledetect.model.estimator import MuleModel, TrainedOn
from muledetect.model.peers import Peers
from muledetect.model.thresholds import ClearThreshold

FORMAT: Final = 3
MANIFEST: Final = "manifest.json"
CARD: Final = "card.json"
CARD_TEXT: Final = "card.md"

_MAX_MANIFEST: Final = 32 << 20
_MAX_TREES: Final = 512 << 20
_MAX_BAGS: Final = 100
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MEND: Final = "Restore the folder from a copy, or train the model again."


def save_model(model: MuleModel, folder: str | PathLike[str]) -> None:
    """Write a fitted model to a folder, new or holding an older model; no file of another name is touched.

    Raises
    ------
    ModelError
        If the folder cannot be written.
    """
    place = Path(folder)
    texts = [text.encode() for text in model.texts_]
    manifest = _json(_manifest(model, texts))
    card = build_card(model, _versions(), config_hash(model))
    try:
        place.mkdir(parents=True, exist_ok=True)
        for text in texts:
            _write(place / _file_of(_digest(text)), text)
        _write(place / CARD, _json(card))
        _write(place / CARD_TEXT, write_card(card).encode())
        _write(place / MANIFEST, manifest)
        current = {_file_of(_digest(text)) for text in texts}
        for file in place.glob("trees-*.txt"):
            if file.name not in current:
                file.unlink()
    except OSError as error:
        raise ModelError(
            f"model: folder {place.name!r} cannot be written ({error.strerror}). Choose a folder that you may write to."
        ) from error


def load_model(folder: str | PathLike[str]) -> MuleModel:
    """Read a model that `MuleModel.save` wrote.

    Only files inside the folder with names fixed by this library are opened, their sizes are bounded and their
    content is checked against the manifest before LightGBM sees it.

    Raises
    ------
    ModelError
        If something is missing or damaged, was written by another version, or names an unknown feature.
    """
    place = Path(folder)
    content = _read_manifest(place)
    try:
        model = _rebuild(content)
        digests = [str(digest) for digest in content["trees"]]
        if not 1 <= len(digests) <= _MAX_BAGS or not all(_SHA256.fullmatch(digest) for digest in digests):
            raise ModelError(f"manifest: 'trees' must be 1 to {_MAX_BAGS} sha256 sums. {_MEND}")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"manifest: a field is missing or of the wrong type ({error}). {_MEND}") from error
    model.texts_ = [_read_trees(place, digest, model.n_features_in_) for digest in digests]
    model.boosters_ = [trees.open_booster(text) for text in model.texts_]
    model.n_trees_ = model.boosters_[0].num_trees()
    return model


def config_hash(model: MuleModel) -> str:
    """Return a sha256 over parameters and feature names: models of one hash were trained in the same way."""
    content = json.dumps([_parameters(model), model._names()], sort_keys=True)
    return _digest(content.encode())


def _parameters(model: MuleModel) -> dict[str, Any]:
    # threads change no result, so they are no part of a model
    return {name: value for name, value in model.get_params().items() if name != "n_jobs"}


def _manifest(model: MuleModel, texts: list[bytes]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "features": [_feature_entry(name) for name in model._names()],
        "has_feature_names": hasattr(model, "feature_names_in_"),
        "parameters": _parameters(model),
        "config_hash": config_hash(model),
        "classes": model.classes_.tolist(),
        "calibrator": model.calibrator_.to_json(),
        "peers": {
            "median": [_number(value) for value in model.peers_.median],
            "p99": [_number(value) for value in model.peers_.p99],
        },
        "trained_on": asdict(model.trained_on_),
        "training_as_of": list(model.training_as_of_),
        "calibration_as_of": list(model.calibration_as_of_),
        "n_rows": model.n_rows_,
        "n_positives": model.n_positives_,
        "notes": list(model.notes_),
        "held_out": dict(model.held_out_metrics_),
        "clear_thresholds": list(model.clear_thresholds_),
        "class_prior": model.class_prior_,
        "fairness": list(model.fairness_),
        "leakage": model.leakage_,
        "versions": _versions(),
        "trees": [_digest(text) for text in texts],
    }


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        own = version("muledetect")
    except PackageNotFoundError:
        own = "source"
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "lightgbm": trees.VERSION,
        "muledetect": own,
    }


def _feature_entry(name: str) -> dict[str, Any]:
    try:
        call = registry().parse(name)
    except FeatureError:
        return {"name": name}
    return {"name": name, "column": call.column, "parameters": dict(call.parameters)}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _file_of(digest: str) -> str:
    return f"trees-{digest[:16]}.txt"


def _write(file: Path, content: bytes) -> None:
    """Write beside, then rename, so that no reader ever sees half a file."""
    handle, beside = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(beside, 0o666 & ~_umask())
        os.replace(beside, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _read_bounded(file: Path, limit: int) -> bytes:
    if file.is_symlink() or not file.is_file():
        raise ModelError(f"model: {file.name!r} is missing or no plain file in folder {file.parent.name!r}. {_MEND}")
    try:
        with file.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise ModelError(f"model: {file.name!r} cannot be read ({error.strerror}). {_MEND}") from error
    if len(content) > limit:
        raise ModelError(f"model: {file.name!r} is larger than {limit >> 20} MB, which no model is. {_MEND}")
    return content


def _read_manifest(place: Path) -> Mapping[str, Any]:
    if not place.is_dir():
        raise ModelError(f"model: there is no folder {place.name!r}. Give the folder that `muledetect train` wrote.")
    try:
        content = json.loads(_read_bounded(place / MANIFEST, _MAX_MANIFEST))
    except (ValueError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"manifest: it is no JSON ({type(error).__name__}). {_MEND}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        got = content.get("format") if isinstance(content, dict) else None
        raise ModelError(
            f"manifest: format {got!r}; this version reads format {FORMAT}. Train the model again with this version."
        )
    return content


def _rebuild(content: Mapping[str, Any]) -> MuleModel:
    written_by = str(content["versions"]["lightgbm"])
    if written_by.partition(".")[0] != trees.VERSION.partition(".")[0]:
        raise ModelError(
            f"manifest: the trees were written by LightGBM {written_by}; installed is {trees.VERSION}. "
            "Install that major version, or train the model again."
        )
    given = dict(content["parameters"])
    unknown = sorted(set(given) - set(MuleModel().get_params()))
    if unknown:
        raise ModelError(f"manifest: unknown parameters {unknown[:3]}. {_MEND}")
    model = MuleModel(**given)
    names = [_checked_name(entry) for entry in content["features"]]
    if not names:
        raise ModelError(f"manifest: it lists no features. {_MEND}")
    model.n_features_in_ = len(names)
    if content["has_feature_names"]:
        model.feature_names_in_ = np.array(names, dtype=object)
    model.classes_ = np.array(content["classes"])
    if model.classes_.shape != (2,):
        raise ModelError(f"manifest: 'classes' must be two values. {_MEND}")
    model.calibrator_ = calibrator_from_json(content["calibrator"])
    model.peers_ = Peers(_quantiles(content, "median", len(names)), _quantiles(content, "p99", len(names)))
    model.trained_on_ = TrainedOn(**content["trained_on"])
    model.training_as_of_ = tuple(int(moment) for moment in content["training_as_of"])
    model.calibration_as_of_ = tuple(int(moment) for moment in content["calibration_as_of"])
    model.n_rows_, model.n_positives_ = int(content["n_rows"]), int(content["n_positives"])
    model.notes_ = [str(note) for note in content["notes"]]
    model.held_out_metrics_ = {str(name): _finite(value) for name, value in content["held_out"].items()}
    model.clear_thresholds_ = [ClearThreshold.from_json(entry).to_json() for entry in content["clear_thresholds"]]
    model.class_prior_ = _class_prior(content["class_prior"])
    model.fairness_ = [dict(row) for row in content["fairness"]]
    model.leakage_ = None if content["leakage"] is None else [str(text) for text in content["leakage"]]
    if content["config_hash"] != config_hash(model):
        raise ModelError(f"manifest: 'config_hash' does not fit parameters and features. {_MEND}")
    return model


def _class_prior(content: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if content is None:
        return None
    frequency = content["label_frequency"]
    if not content["is_bound"] and not (isinstance(frequency, float) and 0 < frequency <= 1):
        raise ModelError(f"manifest: 'class_prior' has no label_frequency in (0, 1]. {_MEND}")
    return dict(content)


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ModelError(f"manifest: 'held_out' must hold finite numbers. {_MEND}")
    return value


def _checked_name(entry: Mapping[str, Any]) -> str:
    """Return the feature's name; where the model took it from the registry, the registry must still know it."""
    name = str(entry["name"])
    if "column" not in entry:
        return name
    try:
        call = registry().parse(name)
    except FeatureError as error:
        raise ModelError(
            f"manifest: the model needs feature {name!r}, which this version does not compute. "
            "Install the version that trained it, or train it again."
        ) from error
    if call.column != entry["column"] or dict(call.parameters) != entry["parameters"]:
        raise ModelError(f"manifest: name and parameters of feature {name!r} differ. {_MEND}")
    return name


def _quantiles(content: Mapping[str, Any], name: str, n_features: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.array([math.nan if value is None else float(value) for value in content["peers"][name]])
    if len(values) != n_features:
        raise ModelError(f"manifest: 'peers' has {len(values)} values for {n_features} features. {_MEND}")
    return values


def _read_trees(place: Path, digest: str, n_features: int) -> str:
    content = _read_bounded(place / _file_of(digest), _MAX_TREES)
    if _digest(content) != digest:
        raise ModelError(f"model: {_file_of(digest)!r} was changed after it was written (sha256 differs). {_MEND}")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ModelError(f"trees: the text is damaged ({error.reason}). {_MEND}") from error
    trees.check_trees(text, n_features)
    return text
