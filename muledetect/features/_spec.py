"""The registry of features: one decorator, one shape, and column names that recreate their computation.

A feature is a pure function of a `History` (and of declared parameters) that returns one float64 value a point, or
one column for each of the columns that it declares.

>>> from muledetect.features import registry
>>> registry().parse("out_amount__window_7d")
Call(feature='volume', parameters=(('window', '7d'),), column='out_amount')
"""

from __future__ import annotations

import difflib
import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple, get_args

import numpy as np

from muledetect.arrays import Float64Array
from muledetect.clock import parse_duration
from muledetect.errors import FeatureError
from muledetect.features._columns import NAME, Column, Unit
from muledetect.features._history import History
from muledetect.features.packs import Pack

#: Parameters whose values are durations; functions get them in microseconds.
DURATIONS: Final = frozenset({"window", "within"})

#: Parameters whose values are amounts of money; they scale with the amounts.
AMOUNTS: Final = frozenset({"threshold", "limit"})


#: Parameter of a function that is told which of its columns are asked for: a tuple of their names, None for all.
_WANTED: Final = "wanted"

#: Former name of a column -> its name; models that were trained under the former one still load.
FORMER_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "dwell_median": "holding_time_median",
        "dwell_p90": "holding_time_p90",
        "out_relay_dwell": "out_relay_holding_time",
        "in_tier": "in_layer",
        "out_tier": "out_layer",
    }
)


@dataclass(frozen=True, slots=True)
class FromPack:
    """A parameter whose values come from the country pack, such as its reporting thresholds."""

    field: str


class Call(NamedTuple):
    """One computation: a feature with its parameters, and the column wanted of it."""

    feature: str
    parameters: tuple[tuple[str, str], ...]
    column: str

    @property
    def name(self) -> str:
        """Name of the column: `<column>__<parameter>_<value>...`."""
        return "__".join([self.column, *(f"{key}_{value}" for key, value in self.parameters)])


@dataclass(frozen=True, slots=True)
class Feature:
    """A registered feature: what it computes and what is known of it."""

    name: str
    family: str
    function: Callable[..., Float64Array]
    columns: Mapping[str, Column]
    parameters: Mapping[str, tuple[str, ...] | FromPack] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    is_calendar: bool = False
    is_decimal: bool = False
    takes_wanted: bool = False

    def grid(self, pack: Pack) -> list[tuple[tuple[str, str], ...]]:
        """Return every combination of parameters that is computed by default under a country pack."""
        values = [pack.values(v.field) if isinstance(v, FromPack) else v for v in self.parameters.values()]
        return [tuple(zip(self.parameters, combination, strict=True)) for combination in itertools.product(*values)]

    def compute(
        self, history: History, parameters: Iterable[tuple[str, str]] = (), wanted: tuple[str, ...] | None = None
    ) -> Float64Array:
        """Return float64[n_points, n_columns].

        Parameters
        ----------
        history : History
            Of the points.
        parameters : iterable of (name, value) pairs
            As in a column's name, such as ("window", "7d").
        wanted : tuple of str, optional
            Columns that are asked for; others may be left NaN. Default: all.

        Raises
        ------
        FeatureError
            If the function returns another shape.
        """
        given = _given(tuple(parameters))
        if self.takes_wanted:
            given = {**given, _WANTED: wanted}
        values = np.asarray(self.function(history, **given), dtype=np.float64)
        if values.ndim == 1:
            values = values[:, None]
        if values.shape != (len(history), len(self.columns)):
            raise FeatureError(
                f"feature {self.name!r}: expected {(len(history), len(self.columns))} values (points, columns); "
                f"got {values.shape}. Return one value a point, or one column for each of {list(self.columns)}."
            )
        return values


@dataclass(frozen=True)
class Registry:
    """All known features by name, and the way from a column's name back to its computation."""

    features: Mapping[str, Feature] = field(default_factory=dict)

    def add(self, feature: Feature) -> Registry:
        """Return a registry that also has `feature`.

        Raises
        ------
        FeatureError
            If its name or one of its columns is taken.
        """
        taken = set(self.features) & {feature.name} | self._by_column.keys() & feature.columns.keys()
        if taken:
            raise FeatureError(f"feature {feature.name!r}: {sorted(taken)} are registered already; choose other names.")
        return Registry({**self.features, feature.name: feature})

    @property
    def _by_column(self) -> dict[str, Feature]:
        return {column: feature for feature in self.features.values() for column in feature.columns}

    def names(
        self,
        pack: Pack,
        families: Iterable[str] | None = None,
        *,
        long_term: bool = False,
        every: bool = False,
        live: bool = False,
    ) -> list[str]:
        """Return the default columns under a country pack, of the given families or all; `every`: those on request too.

        With `live`, only the columns that can be computed as each transfer arrives. With `long_term`, only the columns
        that keep their value when an account falls silent: those over the whole past and the peaks, not those over a
        window that ends at the point and not those that say how long ago.
        """
        wanted = None if families is None else set(families)
        unknown = (wanted or set()) - {feature.family for feature in self.features.values()}
        if unknown:
            known = sorted({feature.family for feature in self.features.values()})
            raise FeatureError(f"features: there is no family {sorted(unknown)}; families are {known}.")
        return [
            Call(feature.name, parameters, column).name
            for feature in self.features.values()
            if wanted is None or feature.family in wanted
            for parameters in feature.grid(pack)
            for column, entry in feature.columns.items()
            if every or not entry.only or {value for _, value in parameters} & set(entry.only)
            if not (live and entry.not_live)
            if not long_term or (dict(parameters).get("window", "all") == "all" and not entry.tells_when)
        ]

    def parse(self, name: str) -> Call:
        """Return the computation that a column name stands for; a former name stands for the present one.

        Raises
        ------
        FeatureError
            If the name, a parameter or its value is unknown; close matches are suggested.
        """
        column, *rest = name.split("__")
        column = FORMER_COLUMNS.get(column, column)
        feature = self._by_column.get(column)
        if feature is None:
            close = difflib.get_close_matches(column, self._by_column, n=1)
            hint = f" Hint: did you mean {close[0]!r}?" if close else ""
            raise FeatureError(f"features: no feature makes a column {name!r}.{hint}")
        if len(rest) != len(feature.parameters):
            raise FeatureError(
                f"features: {name!r} must name the parameters {list(feature.parameters)}, in this order."
            )
        parameters = []
        for key, text in zip(feature.parameters, rest, strict=True):
            if not text.startswith(f"{key}_"):
                raise FeatureError(f"features: {name!r} has {text!r} where {key}_<value> is expected.")
            value = text.removeprefix(f"{key}_")
            _value(key, value)
            parameters.append((key, value))
        return Call(feature.name, tuple(parameters), column)

    def column(self, name: str, *, minor_units: int = 1) -> Column:
        """Return unit and meaning of a column, its parameters filled in; amounts have `minor_units` to a whole one."""
        call = self.parse(name)
        entry = self.features[call.feature].columns[call.column]
        return entry._replace(
            text=entry.text.format(**{key: _words(key, value, minor_units) for key, value in call.parameters})
        )


def feature(
    *,
    family: str,
    unit: Unit | None = None,
    text: str = "",
    columns: Mapping[str, Column] | None = None,
    tables: tuple[str, ...] = (),
    is_calendar: bool = False,
    is_decimal: bool = False,
    not_live: str = "",
    **parameters: tuple[str, ...] | FromPack,
) -> Callable[[Callable[..., Float64Array]], Feature]:
    """Turn a function of a `History` into a `Feature`; it stays unregistered until a registry adds it.

    A function with a parameter `wanted` is told which of its columns are asked for, and may leave others NaN.

    Parameters
    ----------
    family : str
        Features of one family explain the same kind of behaviour.
    unit, text : str
        Unit and meaning of the single column, named like the function.
    columns : mapping of column name -> Column
        Instead of `unit` and `text`, for a function that computes several columns in one pass.
    tables : tuple of str
        Tables besides transfers that it reads; without them its value is NaN.
    is_calendar : bool
        It reads the local calendar, so shifting all times may change it.
    is_decimal : bool
        It reads the decimal digits of amounts, so only powers of ten leave it unchanged when amounts scale.
    not_live : str
        Why none of its columns can be computed as each transfer arrives, see `muledetect.live`. Empty: they can, for
        they read nothing but the transfers and sessions of their own account, signals of these transfers that are
        live, and what the table of accounts says of it. A live scorer refuses one that reads other facts, and names it.
    **parameters : tuple of str, or FromPack
        Values of each parameter that are computed by default.

    Raises
    ------
    FeatureError
        If a name, unit or parameter does not fit the function.
    """

    def register(function: Callable[..., Float64Array]) -> Feature:
        named = {function.__name__: Column(unit, text)} if unit and not columns else dict(columns or {})
        if not_live:
            named = {name: entry._replace(not_live=not_live) for name, entry in named.items()}
        _check(function, named, parameters)
        return Feature(
            name=function.__name__,
            family=family,
            function=function,
            columns=MappingProxyType(named),
            parameters=MappingProxyType(dict(parameters)),
            tables=tables,
            is_calendar=is_calendar,
            is_decimal=is_decimal,
            takes_wanted=_WANTED in inspect.signature(function).parameters,
        )

    return register


def _check(function: Callable[..., Any], columns: Mapping[str, Column], parameters: Mapping[str, object]) -> None:
    name = function.__name__
    if not columns:
        raise FeatureError(f"feature {name!r}: give its unit and text, or its columns.")
    for column, entry in columns.items():
        if not NAME.fullmatch(column):
            raise FeatureError(f"feature {name!r}: column {column!r} must be lower_case_words, single underscores.")
        if entry.unit not in get_args(Unit):
            raise FeatureError(f"feature {name!r}: unit {entry.unit!r} of {column!r} must be one of {get_args(Unit)}.")
    accepted = [one for one in list(inspect.signature(function).parameters)[1:] if one != _WANTED]
    if accepted != list(parameters):
        raise FeatureError(f"feature {name!r}: takes {accepted} after the history but declares {list(parameters)}.")


@cache
def _given(parameters: tuple[tuple[str, str], ...]) -> Mapping[str, Any]:
    """Return parameters as a function takes them; the same ones are asked for at each payment."""
    return MappingProxyType({key: _value(key, text) for key, text in parameters})


@cache
def _value(key: str, text: str) -> int | str:
    if key in DURATIONS:
        return parse_duration(text)
    return int(text) if text.lstrip("-").isdigit() else text


def _words(key: str, value: str, minor_units: int) -> str:
    if key in DURATIONS:
        return "so far" if value == "all" else f"in the last {value}" if key == "window" else value
    if key in AMOUNTS:
        return f"{int(value) / minor_units:,.{len(str(minor_units)) - 1}f}"
    return value
