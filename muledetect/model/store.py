"""A model as a folder of text: `manifest.json`, its card and the trees; nothing in it is ever executed.

The trees lie in files named by their content, and the manifest says which of them count. The folder is replaced in one
step, so a process killed at any moment leaves the old model or the new one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import platform
import stat
from collections.abc import Mapping
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np

from muledetect.errors import FeatureError, ModelError
from muledetect.features import registry
from muledetect.model import trees
from muledetect.model.card import build_card, write_card
from muledetect.model.fields import MEND
from muledetect.model.fitted import FittedModel, names_of
from muledetect.model.manifest import FORMAT, read_manifest
from muledetect.model.options import kept_parameters
from muledetect.model.second_stage import is_suspicion
from muledetect.model.tree_text import MOST_SIGNS, TreesError, TreesText, rewrite_trees
from muledetect.outputs import new_folder
from muledetect.outputs.kinds import MODEL

MANIFEST: Final = "manifest.json"
CARD: Final = "card.json"
CARD_TEXT: Final = "card.md"

_MAX_MANIFEST: Final = 8 << 20

#: Where the system has the flags: follow no link, wait for no pipe, change no line ends.
_READ_ONLY: Final = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))


def save_model(model: FittedModel, folder: str | PathLike[str], *, overwrite: bool = False) -> None:
    """Write a fitted model to a folder, new or holding an older model; no file of another name is touched.

    Parameters
    ----------
    model : MuleModel
    folder : path
    overwrite : bool
        Replace files of a model also if they are not ours, or were changed.

    Raises
    ------
    ModelError
        If the folder cannot be written.
    OutputError
        If it holds what may not be replaced, see `muledetect.outputs`.
    """
    texts = [text.encode() for text in (*model.texts_, *model.second_texts_)]
    card = card_of(model)
    files = {_file_of(_digest(text)): text for text in texts}
    files |= {CARD: _json(card), CARD_TEXT: write_card(card).encode(), MANIFEST: _json(_manifest(model, texts))}
    try:
        with new_folder(folder, MODEL, overwrite=overwrite) as unfinished:
            for name, content in files.items():
                (unfinished / name).write_bytes(content)
    except OSError as error:
        raise ModelError(
            f"model: folder {Path(folder).name!r} cannot be written ({error.strerror}). Choose a folder that you may "
            "write to."
        ) from error


def read_folder(folder: str | PathLike[str]) -> tuple[dict[str, Any], list[TreesText]]:
    """Return the checked manifest of a model folder, and its trees.

    Only files inside the folder with names fixed by this library are opened, and their sizes are bounded. Trees are
    read into checked numbers and written anew from these. See decision 027.

    Raises
    ------
    ModelError
        If something is missing or damaged, or was written by another version.
    """
    place = Path(folder)
    _check_folder(place)
    content = read_manifest(_read_bounded(place / MANIFEST, _MAX_MANIFEST))
    written_by = content["versions"]["lightgbm"]
    if written_by.partition(".")[0] != trees.VERSION.partition(".")[0]:
        raise ModelError(
            f"manifest: the trees were written by LightGBM {written_by!r:.40}; installed is {trees.VERSION}. "
            "Install that major version, or train the model again."
        )
    texts: list[TreesText] = []
    n_near = int(is_suspicion([feature["name"] for feature in content["features"]]).sum())
    widths = [len(content["features"]) - n_near] * len(content["trees"]) + [n_near] * len(content["second_trees"])
    for digest, n_columns in zip([*content["trees"], *content["second_trees"]], widths, strict=True):
        texts.append(_read_trees(place, digest, n_columns, MOST_SIGNS - sum(map(len, texts))))
    return content, texts


def card_of(model: FittedModel) -> dict[str, Any]:
    """Return the card of a fitted model, with the versions of the programs that make it."""
    return build_card(model, _versions(), config_hash(model))


def config_hash(model: FittedModel) -> str:
    """Return a sha256 over parameters and feature names: models of one hash were trained in the same way."""
    content = json.dumps([kept_parameters(model.get_params()), names_of(model)], sort_keys=True)
    return _digest(content.encode())


def content_hash(model: FittedModel) -> str:
    """Return a sha256 over all that a model is, its trees too, and the versions that compute with it."""
    return _digest(_json(_manifest(model, [text.encode() for text in (*model.texts_, *model.second_texts_)])))


def _manifest(model: FittedModel, texts: list[bytes]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "features": [_feature_entry(name) for name in names_of(model)],
        "has_feature_names": hasattr(model, "feature_names_in_"),
        "parameters": kept_parameters(model.get_params()),
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
        "trees": [_digest(text) for text in texts[: len(model.texts_)]],
        "second_trees": [_digest(text) for text in texts[len(model.texts_) :]],
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


def _read_bounded(file: Path, limit: int) -> bytes:
    """Read a plain file in the folder itself: no link is followed, no pipe is waited for, no more than `limit` read."""
    is_plain, content = False, b""
    try:
        handle = os.open(file, _READ_ONLY)
        try:
            is_plain = stat.S_ISREG(os.fstat(handle).st_mode)
            if is_plain:
                with open(handle, "rb", closefd=False) as stream:
                    content = stream.read(limit + 1)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise ModelError(f"model: {file.name!r} cannot be read ({error.strerror}). {MEND}") from error
    if not is_plain:
        raise ModelError(f"model: {file.name!r} is missing or no plain file in folder {file.parent.name!r}. {MEND}")
    if len(content) > limit:
        raise ModelError(f"model: {file.name!r} is larger than the {limit:,} bytes left for it. {MEND}")
    return content


def _check_folder(place: Path) -> None:
    try:
        is_folder = place.is_dir()
    except OSError as error:
        raise ModelError(f"model: folder {place.name!r} cannot be read ({error.strerror}).") from error
    if not is_folder:
        raise ModelError(f"model: there is no folder {place.name!r}. Give the folder that `muledetect train` wrote.")


def _read_trees(place: Path, digest: str, n_features: int, limit: int) -> TreesText:
    name = _file_of(digest)
    content = _read_bounded(place / name, limit)
    if _digest(content) != digest:
        raise ModelError(f"model: {name!r} was changed after it was written (sha256 differs). {MEND}")
    try:
        return rewrite_trees(content.decode("ascii"), n_features)
    except UnicodeDecodeError as error:
        raise ModelError(f"trees: {name!r} has a byte that no model has, at position {error.start:,}. {MEND}") from None
    except TreesError as error:
        raise ModelError(f"trees: {name!r} is damaged: {error}. {MEND}") from error
