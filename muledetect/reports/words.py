"""What pages and drafts say in English and Thai: read from the TOML files of this room, where a translator edits it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from muledetect.model.reason_codes import TYPOLOGIES

Text = Mapping[str, str]


def read(name: str) -> str:
    """Return a file of this room as text."""
    return files("muledetect.reports").joinpath(name).read_text(encoding="utf-8")


def read_words(name: str) -> Mapping[str, Any]:
    """Return the words of a TOML file of this room."""
    return MappingProxyType(tomllib.loads(read(name)))


def say(en: str, th: str | None = None) -> dict[str, str]:
    """Return a text of both languages; one without Thai stands as it is in both."""
    return {"en": en, "th": en if th is None else th}


def fill(text: Text, **values: str | Text) -> dict[str, str]:
    """Put values, or words of both languages, into sentences; what a value holds is never read as another's place."""

    def put(language: str) -> str:
        in_language = {name: value if isinstance(value, str) else value[language] for name, value in values.items()}
        return re.sub(r"\{(\w+)\}", lambda place: in_language[place[1]], text[language])

    return {language: put(language) for language in ("en", "th")}


_NAMES: Final = read_words("words.toml")
#: Roles, relations, tiers, places, channels, kinds: by the value that stands in the tables.
WORDS: Final[Mapping[str, Text]] = MappingProxyType(_NAMES["words"])
#: What amounts are in where nobody stated the currency.
MINOR_UNITS: Final[Text] = _NAMES["minor_units"]
#: Why an account around a ring is no member, by its relation, in Thai; the English stands in the table itself.
NOT_MEMBERS: Final[Text] = _NAMES["not_members"]
#: What reasons are called, by typology code.
REASONS: Final[Mapping[str, Text]] = MappingProxyType({code: one.names for code, one in TYPOLOGIES.items()})
