"""Typology codes: which columns speak of the same behaviour, and the words for each, in the languages of reasons.

All of it stands in `sentences.toml`.

>>> code_of("quick_pass__within_1h__window_7d"), code_of("holding_time_median__window_7d")
('PASS_THROUGH', 'PASS_THROUGH')
>>> code_of("staff_rating")
'STAFF_RATING'
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from muledetect.errors import FeatureError
from muledetect.features import Registry, registry


class Typology(NamedTuple):
    """A behaviour that several columns measure.

    Attributes
    ----------
    names : mapping
        Language -> what the behaviour is called.
    columns : mapping
        Column of the features, without its parameters -> its sentences; see `muledetect.model.sentences`.
    """

    names: Mapping[str, str]
    columns: Mapping[str, Mapping[str, str]]


def _read() -> tuple[Mapping[str, Typology], Mapping[str, Mapping[str, str]], Mapping[str, str]]:
    stored: dict[str, Any] = tomllib.loads(files("muledetect.model").joinpath("sentences.toml").read_text("utf-8"))
    parts, general = stored.pop("parts"), stored.pop("general")
    typologies = {}
    for code, entries in stored.items():
        names = {key: text for key, text in entries.items() if isinstance(text, str)}
        columns = {key: MappingProxyType(entry) for key, entry in entries.items() if isinstance(entry, dict)}
        typologies[code] = Typology(MappingProxyType(names), MappingProxyType(columns))
    return MappingProxyType(typologies), parts, general


#: Every typology by its code; parts of sentences by language; and the sentence of a column that has none of its own.
TYPOLOGIES, PARTS, GENERAL = _read()

_CODE_OF: Final[Mapping[str, str]] = MappingProxyType(
    {column: code for code, typology in TYPOLOGIES.items() for column in typology.columns}
)


def code_of(name: str, features: Registry | None = None) -> str:
    """Return the typology code of a column of features, with or without its parameters.

    Parameters
    ----------
    name : str
    features : Registry, optional
        Where features of others are registered; default: the built-in ones.

    Returns
    -------
    str
        The code of a built-in column; for another registered feature its family in capitals; for a column that the
        registry does not know, such as a bank's own, its own name in capitals, without parameters.
    """
    base = name.split("__", maxsplit=1)[0] or name
    if base in _CODE_OF:
        return _CODE_OF[base]
    known = features or registry()
    try:
        return known.features[known.parse(name).feature].family.upper()
    except FeatureError:
        return base.upper()


def sentences_of(name: str) -> Mapping[str, str]:
    """Return the sentences of a column by language, those for all columns where it has none of its own."""
    base = name.split("__", maxsplit=1)[0]
    return TYPOLOGIES[_CODE_OF[base]].columns[base] if base in _CODE_OF else GENERAL
