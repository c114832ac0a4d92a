"""What banks call their columns and values, in the languages that we know; data, and how headings are compared.

>>> plain_heading("Empfänger-Kontonr."), plain_heading("BeneficiaryAcctNo")
('empfaenger konto', 'beneficiary account')
>>> likeness("source", "Konto des Auftraggebers") > 50
True
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from muledetect.schema import read_declared

#: Column names of our own for exports that say "this account, that counterparty" instead of "from, to".
SIDES: Final = MappingProxyType(
    {
        "account": "the bank's own account that the row is about",
        "counterparty": "the account on the other side",
        "debit": "amount that left the account",
        "credit": "amount that came into the account",
        "direction": "whether the amount left (out) or came (in)",
        "balance_after": "balance of the account after the row",
        "account_bank": "bank that keeps the account",
        "counterparty_bank": "bank that keeps the counterparty",
    }
)

#: Columns that hold account numbers, ours and those of SIDES.
ACCOUNT_COLUMNS: Final = ("source", "target", "account", "counterparty", "account_id", "victim_account")

_WORDS: Final = read_declared("muledetect.records.own", "words.toml")

#: Words of values by column and contract value; a value that is none of them is left to the user.
VALUES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = MappingProxyType(_WORDS["values"])
#: Words inside a value of a bank's own that tell its rail; the first that fits counts.
CHANNEL_WORDS: Final[tuple[tuple[str, str], ...]] = tuple(_WORDS["channels"].items())
#: Symbols and words for money that stand in headings and cells instead of an ISO code.
MONEY_SIGNS: Final[Mapping[str, str]] = MappingProxyType(_WORDS["money_signs"])
#: Signs that several currencies have, with their codes.
SHARED_SIGNS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(_WORDS["shared_signs"])

#: Names of each month.
MONTHS: Final[tuple[str, ...]] = _WORDS["months"]["words"]
#: Texts that stand for "no value" where they are all of a cell.
NOTHING: Final[tuple[str, ...]] = _WORDS["nothing"]["words"]
#: Patterns of a cell of a row that sums up others; the whole cell, or before ":".
TOTALS: Final[tuple[str, ...]] = _WORDS["totals"]["patterns"]

_BRACKETS: Final = re.compile(r"[(\[].*?[)\]]")
_EMPTY_WORDS: Final = frozenset(_WORDS["empty"]["words"])
_SHORT_FORMS: Final[Mapping[str, str]] = MappingProxyType(_WORDS["short_forms"])


def plain_heading(heading: str) -> str:
    """Return a heading in plain letters: no case, accents, punctuation, remarks in brackets or words for "number"."""
    bare = _BRACKETS.sub(" ", heading)
    words = _plain_words(bare if bare.strip() else heading)
    return " ".join([word for word in words if word not in _EMPTY_WORDS] or words)


def _plain_words(text: str) -> list[str]:
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    lower = re.sub(r"\ba/c\b", "account", split.casefold())
    for sign, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("đ", "d"), ("ł", "l")):
        lower = lower.replace(sign, letters)
    # Marks are accents only on Latin letters; in Thai they are vowels.
    parted = unicodedata.normalize("NFKD", lower)
    latin = unicodedata.normalize("NFC", re.sub(r"(?<=[a-z])[\u0300-\u036f]+", "", parted))
    words = re.sub(r"[^\w\u0e00-\u0e7f]+|_", " ", latin).split()
    words = [_SHORT_FORMS.get(word, word) for word in words]
    return [re.sub(r"(?<=konto)(nr|nummer)$", "", word) for word in words]


@cache
def phrases(role: str) -> tuple[str, ...]:
    """Return what headings of a role say, plain, the most telling first."""
    listed = [role.replace("_", " "), *_WORDS["headings"].get(role, [])]
    return tuple(dict.fromkeys(plain_heading(phrase) for phrase in listed))


def likeness(role: str, heading: str) -> float:
    """Return how well a heading names a role: 100 if it is one of its names, over 50 if it holds one, else 0.

    What stands in brackets may be the name in another language.
    """
    inside = [text for text in _BRACKETS.findall(heading) if text.strip("()[] ")]
    return max(_likeness(role, plain_heading(text)) for text in (heading, *(text[1:-1] for text in inside)))


def _likeness(role: str, found: str) -> float:
    best = 0.0
    for place, phrase in enumerate(phrases(role)):
        if phrase == found:
            return 100 - 0.1 * place
        if phrase not in _vague():
            best = max(best, _held(phrase, found))
    return 0.0 if best and is_barred(role, found) else best


def _held(phrase: str, found: str) -> float:
    """Return over 50 if the words of `phrase` stand in `found`, more the more of it they are."""
    is_spaced = phrase.isascii()
    words, inside = phrase.split(), found.split()
    if is_spaced and set(words) <= set(inside):
        return 60 + 30 * len(words) / len(inside)
    # German and Thai join words; short Latin ones occur in others by chance.
    least = 5 if is_spaced else 2
    if len(phrase) >= least and phrase in found:
        return 50 + 30 * len(phrase) / len(found)
    return 0.0


@cache
def _vague() -> frozenset[str]:
    return frozenset(plain_heading(word) for word in _WORDS["vague"]["words"])


_AMOUNTS: Final = ("amount", "debit", "credit")


def is_barred(role: str, heading: str) -> bool:
    """Whether a word of the heading says that it is something else of the same things, such as a fee."""
    found = plain_heading(heading)
    kind = "accounts" if role in ACCOUNT_COLUMNS else "amounts" if role in _AMOUNTS else "times"
    if kind == "times" and role != "time":
        return False
    barred: tuple[str, ...] = _WORDS["not"][kind]["words"]
    return any(word in found.split() or (not word.isascii() and word in found) for word in barred)


@cache
def foreign_words() -> frozenset[str]:
    """Return the headings that no plain ASCII file has, in lower case: where they appear, the encoding is right."""
    words = {word.casefold() for listed in _WORDS["headings"].values() for word in listed}
    return frozenset(word for word in words if not word.isascii())


def likely_zone(headings: tuple[str, ...]) -> str | None:
    """Return a time zone where the language of the headings is spoken, as an example to show; None for English."""
    text = " | ".join(plain_heading(heading) for heading in headings)
    counts = {zone: sum(word in text for word in words) for zone, words in _WORDS["zones"].items()}
    best = max(counts, key=lambda zone: counts[zone])
    return best if counts[best] > 0 else None
