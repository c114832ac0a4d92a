"""Readers of JSON that may be hostile: each checks one kind of value and returns it, or says what is wrong where."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, NoReturn

from muledetect.errors import ModelError

MEND: Final = "Restore the folder from a copy, or train the model again."

#: A reader checks a value, found at a place that it is told, and returns it.
Reader = Callable[[object, str], Any]


def refuse(where: str, wanted: str, got: object) -> NoReturn:
    """Raise the error of a value that is not what it must be."""
    raise ModelError(f"manifest: {where!r} must be {wanted}; got {shown(got)}. {MEND}")


def shown(value: object) -> str:
    """Return what a value is, without the words in it."""
    if isinstance(value, str):
        return f"a text of {len(value):,} characters"
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value):,}"
    return json.dumps(value)


def text(value: object, where: str) -> str:
    """Read a text of some sentences."""
    if not isinstance(value, str) or len(value) > 10_000:
        refuse(where, "a text of at most 10,000 characters", value)
    return value


def short_text(value: object, where: str) -> str:
    """Read a name or the like."""
    if not isinstance(value, str) or len(value) > 500:
        refuse(where, "a text of at most 500 characters", value)
    return value


def flag(value: object, where: str) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        refuse(where, "true or false", value)
    return value


def whole(low: int, high: int) -> Reader:
    """Return the reader of a whole number in a range."""

    def read(value: object, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            refuse(where, f"a whole number from {low:,} to {high:,}", value)
        return value

    return read


def number(low: float, high: float) -> Reader:
    """Return the reader of a number in a range."""

    def read(value: object, where: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            refuse(where, f"a number from {low:g} to {high:g}", value)
        return value

    return read


def inside(value: object, where: str) -> float:
    """Read a share that is neither 0 nor 1."""
    if not isinstance(value, float) or not 0 < value < 1:
        refuse(where, "a number above 0 and below 1", value)
    return value


def maybe(reader: Reader) -> Reader:
    """Return a reader that also takes null."""
    return lambda value, where: None if value is None else reader(value, where)


def one_of(*values: str) -> Reader:
    """Return the reader of one of these texts."""

    def read(value: object, where: str) -> str:
        if not isinstance(value, str) or value not in values:
            refuse(where, f"one of {', '.join(map(repr, values))}", value)
        return value

    return read


def each(reader: Reader, least: int = 0, most: int = 100_000) -> Reader:
    """Return the reader of a list, of `least` to `most` values of a kind."""

    def read(value: object, where: str) -> list[Any]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            refuse(where, f"a list of {least:,} to {most:,}", value)
        return [reader(entry, f"{where}[{nth}]") for nth, entry in enumerate(value)]

    return read


def fields(**readers: Reader) -> Reader:
    """Return the reader of an object with exactly these keys."""

    def read(value: object, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            refuse(where, f"an object with {len(readers)} keys", value)
        for names, fault in ((readers.keys() - value.keys(), "lacks"), (value.keys() - readers.keys(), "has unknown")):
            if names:
                told = ", ".join(repr(str(name)[:40]) for name in sorted(names)[:3])
                raise ModelError(f"manifest: {repr(where) if where else 'it'} {fault} keys ({told}). {MEND}")
        return {name: reader(value[name], f"{where}.{name}".lstrip(".")) for name, reader in readers.items()}

    return read


def mapping(reader: Reader) -> Reader:
    """Return the reader of an object whose keys are free."""

    def read(value: object, where: str) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > 1_000:
            refuse(where, "an object of at most 1,000 keys", value)
        return {short_text(name, f"{where}, a key"): reader(entry, f"{where}.{name}") for name, entry in value.items()}

    return read


def scalar(value: object, where: str) -> object:
    """Read a value that holds no others."""
    if isinstance(value, list | dict):
        refuse(where, "a text, a number, true, false or null", value)
    return value


def anything(value: object, where: str) -> object:  # noqa: ARG001 (as every reader)
    """Read a value that is checked elsewhere."""
    return value
