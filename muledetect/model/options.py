"""What each parameter of `MuleModel` may be: one table, which `fit` and the loading of a model folder both obey."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np

from muledetect.clock import parse_duration
from muledetect.errors import OptionError
from muledetect.model.tree_text import MOST_LEAVES

#: Boosters that a model may have.
MOST_BAGS: Final = 100


class Rule(NamedTuple):
    """What a value must be, in words and as a test."""

    wanted: str
    holds: Callable[[Any], bool]


def _whole(low: int, high: int) -> Rule:
    return Rule(f"a whole number from {low:,} to {high:,}", lambda value: _is(value, Integral) and low <= value <= high)


def _one_of(wanted: str, *values: str | None) -> Rule:
    return Rule(wanted, lambda value: (value is None or isinstance(value, str)) and value in values)


def _is(value: object, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_duration(value: object) -> bool:
    if not (value is None or _is(value, Integral) or (isinstance(value, str) and len(value) <= 32)):
        return False
    if value is not None:
        parse_duration(value)  # type: ignore[arg-type] # says itself what is wrong
    return True


_SHARE: Final = Rule("a number above 0, at most 1", lambda value: _is(value, Real) and 0 < value <= 1)
_FLAG: Final = Rule("True or False", lambda value: isinstance(value, bool | np.bool_))
_ANY_WHOLE: Final = Rule("a whole number or None", lambda value: value is None or _is(value, Integral))

PARAMETERS: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "n_estimators": _whole(1, 100_000),
        "learning_rate": _SHARE,
        "num_leaves": _whole(2, MOST_LEAVES),
        "min_child_samples": _whole(1, 10**9),
        "colsample_bytree": _SHARE,
        "subsample": _SHARE,
        "reg_lambda": Rule("a number from 0 to 1e9", lambda value: _is(value, Real) and 0 <= value <= 1e9),
        "max_bin": _whole(2, 65_535),
        "max_duration": Rule("a duration such as '90d', or None", _is_duration),
        "n_bags": _whole(1, MOST_BAGS),
        "early_stopping": _FLAG,
        "monotone": _FLAG,
        "positive_weight": _one_of("None, 'sqrt' or 'balanced'", None, "sqrt", "balanced"),
        "calibration": _one_of("'auto', 'shift', 'logistic' or 'isotonic'", "auto", "shift", "logistic", "isotonic"),
        "random_state": _ANY_WHOLE,
        "n_jobs": _ANY_WHOLE,
    }
)


def check_parameters(given: Mapping[str, Any]) -> None:
    """Refuse parameters that are not what `PARAMETERS` says, all at once.

    Raises
    ------
    OptionError
        If one has an unknown value.
    """
    wrong = [
        f"{name} must be {PARAMETERS[name].wanted}; got {value!r:.60}"
        for name, value in given.items()
        if not PARAMETERS[name].holds(value)
    ]
    if wrong:
        raise OptionError(f"model: {'; '.join(wrong)}.")


def kept_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that are part of a model, in types of JSON; threads change no result, so they are none."""
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in given.items()
        if name != "n_jobs"
    }
