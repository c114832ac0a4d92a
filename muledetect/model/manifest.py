"""The manifest of a model folder: JSON of which every key is known, and every value of its type and in its range.

What is read here has come from a file and may be hostile. `read_manifest` returns plain checked values or raises
`ModelError`, which says what is wrong, where, what is there instead and how to mend it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from muledetect.errors import ModelError, OptionError
from muledetect.model.fields import (
    MEND,
    anything,
    each,
    fields,
    flag,
    inside,
    mapping,
    maybe,
    number,
    one_of,
    refuse,
    scalar,
    short_text,
    shown,
    text,
    whole,
)  # fmt: skip
from muledetect.model.options import MOST_BAGS, PARAMETERS, check_parameters, kept_parameters
from muledetect.model.second_stage import is_suspicion
from muledetect.model.tree_text import MOST_SCORE
from muledetect.records.currency import exponent_of
from muledetect.strict_json import StrictJsonError, parse_json

FORMAT: Final = 3

_MOST_FLOAT32: Final = 3.5e38
_MOST_CALIBRATED: Final = 1e30
_MOST_COUNT: Final = 2**53
_MOST_TIME: Final = 2**63 - 1
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def read_manifest(content: bytes) -> dict[str, Any]:
    """Return the checked content of `manifest.json`.

    Raises
    ------
    ModelError
        If it is no strict JSON, of another format, or holds a key or value that this version does not write.
    """
    try:
        found = parse_json(content)
    except StrictJsonError as error:
        raise ModelError(f"manifest: {error}. {MEND}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT or isinstance(found["format"], bool):
        got = shown(found.get("format")) if isinstance(found, dict) else shown(found)
        raise ModelError(
            f"manifest: format {got}; this version reads format {FORMAT}. Train the model again with this version."
        )
    checked: dict[str, Any] = _MANIFEST({"second_trees": [], **found}, "")
    _check_together(checked)
    return checked


def _feature(value: object, where: str) -> dict[str, Any]:
    """Read a feature: with column and parameters where the registry knows it, else its name alone."""
    if isinstance(value, dict) and value.keys() == {"name"}:
        return dict(fields(name=text)(value, where))
    return dict(fields(name=short_text, column=short_text, parameters=mapping(short_text))(value, where))


def _parameters(value: object, where: str) -> dict[str, Any]:
    """Read the parameters of `MuleModel`; threads are none of a model's, so `n_jobs` is unknown here."""
    given = fields(**dict.fromkeys(kept_parameters(PARAMETERS), anything))(value, where)
    try:
        check_parameters(given)
    except OptionError as error:
        raise ModelError(f"manifest: {where!r} has a value out of range ({error}). {MEND}") from error
    return dict(given)


def _currency(value: object, where: str) -> str:
    code = short_text(value, where)
    try:
        return code if not code or exponent_of(code) >= 0 else ""
    except OptionError as error:
        raise ModelError(f"manifest: {where!r} must be empty or a code of ISO 4217. {MEND}") from error


def _classes(value: object, where: str) -> list[Any]:
    two: list[Any] = each(anything, 2, 2)(value, where)
    kinds = {type(label) for label in two}
    if len(kinds) > 1 or not kinds <= {bool, int, float, str} or not two[0] < two[1]:
        refuse(where, "two values of one type, the smaller one first", value)
    return two


def _calibrator(value: object, where: str) -> dict[str, Any]:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind == "isotonic":
        knot = each(number(-2 * MOST_SCORE, 2 * MOST_SCORE), 2, 2)
        return dict(fields(kind=short_text, knots=each(knot, 2))(value, where))
    slope, intercept = number(0, _MOST_CALIBRATED), number(-_MOST_CALIBRATED, _MOST_CALIBRATED)
    return dict(fields(kind=one_of("shift", "logistic"), slope=slope, intercept=intercept)(value, where))


def _digest(value: object, where: str) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        refuse(where, "a sha256 sum", value)
    return value


_SHARE: Final = number(0, 1)
_COUNT: Final = whole(0, _MOST_COUNT)
_TIMES: Final = each(whole(-_MOST_TIME, _MOST_TIME))
_QUANTILES: Final = each(maybe(number(-_MOST_FLOAT32, _MOST_FLOAT32)))

_CLEAR_THRESHOLD: Final = fields(
    score=maybe(number(-MOST_SCORE, MOST_SCORE)), share=inside, confidence=inside, n_positives=_COUNT,
    n_groups=_COUNT, expected_share=_SHARE, cleared_share=_SHARE, text=text, blocks=one_of("ring", "account"),
)  # fmt: skip

_CLASS_PRIOR: Final = fields(
    prior=maybe(_SHARE), lower=maybe(_SHARE), upper=maybe(_SHARE), label_frequency=maybe(_SHARE),
    labelled_share=_SHARE, is_bound=flag, n_labelled=_COUNT, n_groups=_COUNT, confidence=inside, text=text,
)  # fmt: skip

_ORIGIN: Final = fields(
    target=short_text, pack=short_text, tick=whole(0, _MOST_TIME), currency=_currency, fingerprint=short_text,
    unlabelled=one_of("unknown", "negative"), lookback=whole(0, _MOST_TIME), is_prevalence_known=flag,
    prevalence=maybe(_SHARE),
)  # fmt: skip


def _trained_on(value: object, where: str) -> dict[str, Any]:
    """Read the origin; models of version 0.1 saw the whole past and do not say so, nor tell their prevalence."""
    former = {"lookback": 0, "is_prevalence_known": True, "prevalence": None}
    return dict(_ORIGIN({**former, **value} if isinstance(value, dict) else value, where))


_MANIFEST: Final = fields(
    format=whole(FORMAT, FORMAT),
    features=each(_feature, 1),
    has_feature_names=flag,
    parameters=_parameters,
    config_hash=_digest,
    classes=_classes,
    calibrator=_calibrator,
    peers=fields(median=_QUANTILES, p99=_QUANTILES),
    trained_on=_trained_on,
    training_as_of=_TIMES,
    calibration_as_of=_TIMES,
    n_rows=_COUNT,
    n_positives=_COUNT,
    notes=each(text),
    held_out=mapping(number(-_MOST_CALIBRATED, _MOST_CALIBRATED)),
    clear_thresholds=each(_CLEAR_THRESHOLD, most=100),
    class_prior=maybe(_CLASS_PRIOR),
    fairness=each(mapping(scalar)),
    leakage=maybe(each(text)),
    versions=fields(python=short_text, numpy=short_text, lightgbm=short_text, muledetect=short_text),
    trees=each(_digest, 1, MOST_BAGS),
    second_trees=each(_digest, 0, MOST_BAGS),
)


def _check_together(manifest: Mapping[str, Any]) -> None:
    """Refuse values that do not fit one another."""
    names = [feature["name"] for feature in manifest["features"]]
    if len(set(names)) < len(names):
        raise ModelError(f"manifest: 'features' names {len(names) - len(set(names)):,} features twice. {MEND}")
    if not manifest["has_feature_names"] and names != [f"x{position}" for position in range(len(names))]:
        raise ModelError(f"manifest: 'features' has names, but 'has_feature_names' is false. {MEND}")
    if any(is_suspicion(names)) != bool(manifest["second_trees"]) or all(is_suspicion(names)):
        raise ModelError(f"manifest: 'features' and 'second_trees' must both have a second stage, or neither. {MEND}")
    for name, values in manifest["peers"].items():
        if len(values) != len(names):
            raise ModelError(f"manifest: 'peers.{name}' has {len(values):,} values for {len(names):,} features. {MEND}")
    if manifest["n_positives"] > manifest["n_rows"]:
        raise ModelError(f"manifest: 'n_positives' is larger than 'n_rows'. {MEND}")
    if any(threshold["n_groups"] > threshold["n_positives"] for threshold in manifest["clear_thresholds"]):
        raise ModelError(f"manifest: a clear threshold has more groups than positives. {MEND}")
    if len(manifest["trees"]) != manifest["parameters"]["n_bags"]:
        raise ModelError(
            f"manifest: 'trees' names {len(manifest['trees']):,} files, and 'parameters.n_bags' is "
            f"{manifest['parameters']['n_bags']:,}. {MEND}"
        )
    prior = manifest["class_prior"]
    if prior is not None and not prior["is_bound"] and not prior["label_frequency"]:
        raise ModelError(f"manifest: 'class_prior' has no label_frequency in (0, 1]. {MEND}")
