"""The bank's words for values of the contract: direction, label, status, kind, rail."""

from __future__ import annotations

import re
from functools import cache

from muledetect.records.own._money import UNSURE
from muledetect.records.own._profile import Profile
from muledetect.records.own._signs import plain_text
from muledetect.records.own._words import CHANNEL_WORDS, MONEY_SIGNS, VALUES
from muledetect.schema import Column

#: Values of the pseudo-column "direction".
DIRECTIONS = ("out", "in")


@cache
def _words(role: str) -> dict[str, str]:
    return {word: value for value, words in VALUES.get(role, {}).items() for word in words}


def values_known(role: str, declared: tuple[str, ...], profile: Profile) -> float:
    """Return the share of distinct values that are declared, or are words that we know."""
    texts = profile.distinct.to_pylist()
    known = [_translate(role, declared or DIRECTIONS, text) is not None for text in texts]
    return sum(known) / len(known) if known else 0.0


def _translate(role: str, declared: tuple[str, ...], text: str) -> str | None:
    plain = text.strip().casefold()
    if text in declared:
        return text
    if plain in declared:
        return plain
    # Programs write NOT_COMPLETED and "Failed." for the same words.
    value = _words(role).get(plain) or _words(role).get(plain_text(plain).replace("_", " ").strip(" .!"))
    if value in declared:
        return value
    if role == "channel":
        return next((rail for rail, words in CHANNEL_WORDS if re.search(words, plain)), None)
    return None


def suggest_values(name: str, column: Column | None, profile: Profile) -> dict[str, str]:
    """Return the bank's values with those of the contract, {} where they are the same or any text may stand."""
    texts: list[str] = profile.distinct.to_pylist()
    if name == "currency":
        return {text: MONEY_SIGNS[text.lower()] for text in texts if text.lower() in MONEY_SIGNS}
    if column is not None and column.type == "bool":
        return _flags(texts)
    declared = DIRECTIONS if name == "direction" else column.values if column is not None else ()
    if not declared or all(text in declared for text in texts):
        return {}
    # A rail that nobody named is still a transfer; for a finding or a state there is no such way out.
    other = "other" if "other" in declared else UNSURE
    pairs = {text: _translate(name, declared, text) or other for text in texts[:60]}
    return {**pairs, "*": "other"} if other != UNSURE else pairs


def _flags(texts: list[str]) -> dict[str, str]:
    words = _words("label")
    flags = {"mule": "true", "not_mule": "false"}
    plain = {"true", "false", "t", "f", "yes", "no", "y", "n", "1", "0"}
    if all(text.casefold() in plain for text in texts):
        return {}
    return {text: flags.get(words.get(text.casefold(), ""), UNSURE) for text in texts}
