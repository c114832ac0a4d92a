"""What the model report calls methods, parts of the accounts, groups and measures: the words of `words.toml`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import pandas as pd

from muledetect.reports.words import WORDS, Text, read_words, say

NAMES: Final = read_words("model/words.toml")

_FEW_POSITIVES: Final = re.compile(r"Only ([\d,]+) positive rows: read probabilities and metrics with great caution\.")


def method_name(method: str) -> Text:
    """Return the words for a method that ranks accounts; one of somebody else's is called as it is."""
    named: Text = NAMES["methods"].get(method) or say(method)
    return named


def value_name(value: str) -> Text | str:
    """Return the words for the value of a part."""
    return NAMES["values"].get(value) or NAMES["ages"].get(value) or WORDS.get(value) or value


def card_text(text: str) -> dict[str, str]:
    """Return a sentence of the card in both languages; one that is not known stays in English in both."""
    few = _FEW_POSITIVES.fullmatch(text)
    if few:
        return say(text, NAMES["few_positives"].replace("{n}", few[1]))
    return say(text, NAMES["card"].get(text, text))


def named(names: Mapping[str, Text], name: str) -> Text | str:
    """Return the words for a name, or the name itself, with spaces, where there are none."""
    return names.get(name, name.replace("_", " "))


def in_words(column: pd.Series[str], words: Callable[[str], Any]) -> pd.Series[Any]:
    """Return a column with the words for its values; as objects, for Arrow's text takes no lone surrogate."""
    return pd.Series([words(value) for value in column], column.index, dtype=object)
