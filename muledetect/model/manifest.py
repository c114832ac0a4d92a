"""The manifest of a model folder: JSON of which every key is known, and every value of its type and in its range.

What is read here has come from a file and may be hostile. `read_manifest` returns plain checked values or raises
`ModelError`, which says what is wrong, where, what is there instead and how to mend it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from muledetect.errors import ModelError, OptionError
from muledetect.model.options import MOST_BAGS, PARAMETERS, check_parameters, kept_parameters
from muledetect.model.tree_text import MOST_SCORE
from muledetect.records.currency import exponent_of

FORMAT: Final = 3
MEND: Final = "Restore the folder from a copy, or train the model again."

#: A reader checks a value, found at a place that it is told, and returns it.
Reader = Callable[[object, str], Any]

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
        If it is no JSON, of another format, or holds a key or value that this version does not write.
    """
    try:
        found = json.loads(
            content.decode(),
            object_pairs_hook=_once,
            parse_int=_whole_of,
            parse_float=_float_of,
            parse_constant=_no_number,
        )
        json.dumps(found, ensure_ascii=False).encode()  # a half of a surrogate pair is no text
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise ModelError(f"manifest: it is no text in UTF-8 ({error.reason}). {MEND}") from error
    except RecursionError as error:
        raise ModelError(f"manifest: it is nested too deep. {MEND}") from error
    except ModelError:
        raise
    except ValueError as error:
        raise ModelError(f"manifest: it is no JSON ({error}). {MEND}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT or isinstance(found["format"], bool):
        got = _shown(found.get("format")) if isinstance(found, dict) else _shown(found)
        raise ModelError(
            f"manifest: format {got}; this version reads format {FORMAT}. Train the model again with this version."
        )
    checked: dict[str, Any] = _MANIFEST(found, "")
    _check_together(checked)
    return checked


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for nth, (key, _) in enumerate(pairs) if key in dict(pairs[:nth]))
        raise ModelError(f"manifest: the key {twice[:40]!r} stands twice. {MEND}")
    return found


def _whole_of(text: str) -> int:
    if len(text) > 20:
        raise ModelError(f"manifest: a whole number has {len(text):,} digits; at most 20 are read. {MEND}")
    return int(text)


def _float_of(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        _no_number(text[:40])
    return number


def _no_number(text: str) -> NoReturn:
    raise ModelError(f"manifest: {text} is no finite number. {MEND}")


def _refuse(where: str, wanted: str, got: object) -> NoReturn:
    raise ModelError(f"manifest: {where!r} must be {wanted}; got {_shown(got)}. {MEND}")


def _shown(value: object) -> str:
    """Return what a value is, without the words in it."""
    if isinstance(value, str):
        return f"a text of {len(value):,} characters"
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value):,}"
    return json.dumps(value)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or len(value) > 10_000:
        _refuse(where, "a text of at most 10,000 characters", value)
    return value


def _short(value: object, where: str) -> str:
    if not isinstance(value, str) or len(value) > 500:
        _refuse(where, "a text of at most 500 characters", value)
    return value


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        _refuse(where, "true or false", value)
    return value


def _whole(low: int, high: int) -> Reader:
    def read(value: object, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            _refuse(where, f"a whole number from {low:,} to {high:,}", value)
        return value

    return read


def _number(low: float, high: float) -> Reader:
    def read(value: object, where: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            _refuse(where, f"a number from {low:g} to {high:g}", value)
        return value

    return read


def _inside(value: object, where: str) -> float:
    if not isinstance(value, float) or not 0 < value < 1:
        _refuse(where, "a number above 0 and below 1", value)
    return value


def _maybe(reader: Reader) -> Reader:
    return lambda value, where: None if value is None else reader(value, where)


def _one_of(*values: str) -> Reader:
    def read(value: object, where: str) -> str:
        if not isinstance(value, str) or value not in values:
            _refuse(where, f"one of {', '.join(map(repr, values))}", value)
        return value

    return read


def _each(reader: Reader, least: int = 0, most: int = 100_000) -> Reader:
    def read(value: object, where: str) -> list[Any]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            _refuse(where, f"a list of {least:,} to {most:,}", value)
        return [reader(entry, f"{where}[{nth}]") for nth, entry in enumerate(value)]

    return read


def _fields(**readers: Reader) -> Reader:
    """Return the reader of an object with exactly these keys."""

    def read(value: object, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            _refuse(where, f"an object with {len(readers)} keys", value)
        for names, fault in ((readers.keys() - value.keys(), "lacks"), (value.keys() - readers.keys(), "has unknown")):
            if names:
                shown = ", ".join(repr(str(name)[:40]) for name in sorted(names)[:3])
                raise ModelError(f"manifest: {repr(where) if where else 'it'} {fault} keys ({shown}). {MEND}")
        return {name: reader(value[name], f"{where}.{name}".lstrip(".")) for name, reader in readers.items()}

    return read


def _map(reader: Reader) -> Reader:
    """Return the reader of an object whose keys are free."""

    def read(value: object, where: str) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > 1_000:
            _refuse(where, "an object of at most 1,000 keys", value)
        return {_short(name, f"{where}, a key"): reader(entry, f"{where}.{name}") for name, entry in value.items()}

    return read


def _as_it_is(value: object, where: str) -> object:  # noqa: ARG001 (as every reader)
    return value


def _feature(value: object, where: str) -> dict[str, Any]:
    """Read a feature: with column and parameters where the registry knows it, else its name alone."""
    if isinstance(value, dict) and value.keys() == {"name"}:
        return dict(_fields(name=_short)(value, where))
    return dict(_fields(name=_short, column=_short, parameters=_map(_short))(value, where))


def _parameters(value: object, where: str) -> dict[str, Any]:
    """Read the parameters of `MuleModel`; threads are none of a model's, so `n_jobs` is unknown here."""
    given = _fields(**dict.fromkeys(kept_parameters(PARAMETERS), _as_it_is))(value, where)
    try:
        check_parameters(given)
    except OptionError as error:
        raise ModelError(f"manifest: {where!r} has a value out of range ({error}). {MEND}") from error
    return dict(given)


def _currency(value: object, where: str) -> str:
    code = _short(value, where)
    try:
        return code if not code or exponent_of(code) >= 0 else ""
    except OptionError as error:
        raise ModelError(f"manifest: {where!r} must be empty or a code of ISO 4217. {MEND}") from error


def _classes(value: object, where: str) -> list[Any]:
    two: list[Any] = _each(_as_it_is, 2, 2)(value, where)
    kinds = {type(label) for label in two}
    if len(kinds) > 1 or not kinds <= {bool, int, float, str} or not two[0] < two[1]:
        _refuse(where, "two values of one type, the smaller one first", value)
    return two


def _calibrator(value: object, where: str) -> dict[str, Any]:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind == "isotonic":
        knot = _each(_number(-2 * MOST_SCORE, 2 * MOST_SCORE), 2, 2)
        return dict(_fields(kind=_short, knots=_each(knot, 2))(value, where))
    slope, intercept = _number(0, _MOST_CALIBRATED), _number(-_MOST_CALIBRATED, _MOST_CALIBRATED)
    return dict(_fields(kind=_one_of("shift", "logistic"), slope=slope, intercept=intercept)(value, where))


def _digest(value: object, where: str) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        _refuse(where, "a sha256 sum", value)
    return value


def _scalar(value: object, where: str) -> object:
    if isinstance(value, list | dict):
        _refuse(where, "a text, a number, true, false or null", value)
    return value


_SHARE: Final = _number(0, 1)
_COUNT: Final = _whole(0, _MOST_COUNT)
_TIMES: Final = _each(_whole(-_MOST_TIME, _MOST_TIME))
_QUANTILES: Final = _each(_maybe(_number(-_MOST_FLOAT32, _MOST_FLOAT32)))

_CLEAR_THRESHOLD: Final = _fields(
    score=_maybe(_number(-MOST_SCORE, MOST_SCORE)), share=_inside, confidence=_inside, n_positives=_COUNT,
    n_groups=_COUNT, expected_share=_SHARE, cleared_share=_SHARE, text=_text, blocks=_one_of("ring", "account"),
)  # fmt: skip

_CLASS_PRIOR: Final = _fields(
    prior=_maybe(_SHARE), lower=_maybe(_SHARE), upper=_maybe(_SHARE), label_frequency=_maybe(_SHARE),
    labelled_share=_SHARE, is_bound=_flag, n_labelled=_COUNT, n_groups=_COUNT, confidence=_inside, text=_text,
)  # fmt: skip

_TRAINED_ON: Final = _fields(
    target=_short, pack=_short, tick=_whole(0, _MOST_TIME), currency=_currency, fingerprint=_short,
    unlabelled=_one_of("unknown", "negative"),
)  # fmt: skip

_MANIFEST: Final = _fields(
    format=_whole(FORMAT, FORMAT),
    features=_each(_feature, 1),
    has_feature_names=_flag,
    parameters=_parameters,
    config_hash=_digest,
    classes=_classes,
    calibrator=_calibrator,
    peers=_fields(median=_QUANTILES, p99=_QUANTILES),
    trained_on=_TRAINED_ON,
    training_as_of=_TIMES,
    calibration_as_of=_TIMES,
    n_rows=_COUNT,
    n_positives=_COUNT,
    notes=_each(_text, most=1_000),
    held_out=_map(_number(-_MOST_CALIBRATED, _MOST_CALIBRATED)),
    clear_thresholds=_each(_CLEAR_THRESHOLD, most=100),
    class_prior=_maybe(_CLASS_PRIOR),
    fairness=_each(_map(_scalar)),
    leakage=_maybe(_each(_text, most=10_000)),
    versions=_fields(python=_short, numpy=_short, lightgbm=_short, muledetect=_short),
    trees=_each(_digest, 1, MOST_BAGS),
)


def _check_together(manifest: Mapping[str, Any]) -> None:
    """Refuse values that do not fit one another."""
    names = [feature["name"] for feature in manifest["features"]]
    if len(set(names)) < len(names):
        raise ModelError(f"manifest: 'features' names {len(names) - len(set(names)):,} features twice. {MEND}")
    if not manifest["has_feature_names"] and names != [f"x{position}" for position in range(len(names))]:
        raise ModelError(f"manifest: 'features' has names, but 'has_feature_names' is false. {MEND}")
    for name, values in manifest["peers"].items():
        if len(values) != len(names):
            raise ModelError(f"manifest: 'peers.{name}' has {len(values):,} values for {len(names):,} features. {MEND}")
    if manifest["n_positives"] > manifest["n_rows"]:
        raise ModelError(f"manifest: 'n_positives' is larger than 'n_rows'. {MEND}")
    if len(manifest["trees"]) != manifest["parameters"]["n_bags"]:
        raise ModelError(
            f"manifest: 'trees' names {len(manifest['trees']):,} files, and 'parameters.n_bags' is "
            f"{manifest['parameters']['n_bags']:,}. {MEND}"
        )
    prior = manifest["class_prior"]
    if prior is not None and not prior["is_bound"] and not prior["label_frequency"]:
        raise ModelError(f"manifest: 'class_prior' has no label_frequency in (0, 1]. {MEND}")
