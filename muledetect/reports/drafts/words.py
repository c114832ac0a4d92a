"""Words of the STR draft in English and Thai, and how amounts and times are written: the words of `words.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import pandas as pd

from muledetect.clock import DAY, HOUR
from muledetect.errors import OptionError
from muledetect.reports.pages import Language, money_text, time_text, unit_words
from muledetect.reports.words import Text, read_words

_SAID: Final = read_words("drafts/words.toml")
#: What only the officer can say: key, label in English, label in Thai.
BLANKS: Final = tuple((key, said["en"], said["th"]) for key, said in _SAID["blanks"].items())
#: Facts of the tables accounts and holders that the draft carries, by column: kind of value and label.
ACCOUNT_FACTS: Final[Mapping[str, Text]] = MappingProxyType(_SAID["account"])
HOLDER_FACTS: Final[Mapping[str, Text]] = MappingProxyType(_SAID["holder"])
#: Labels of the other fields.
ROWS: Final[Mapping[str, Text]] = MappingProxyType(_SAID["rows"])
#: Sentences of the grounds by language.
SENTENCES: Final[Mapping[str, Text]] = MappingProxyType(_SAID["sentences"])
#: Comments to the officer. XML allows no two hyphens in a row in a comment.
NOTES: Final[Text] = MappingProxyType(_SAID["notes"])


class Count(int):
    """A number that a sentence may write with its English noun.

    >>> f"{Count(1):credit}, {Count(1_200):credit}, {Count(1_200)}"
    '1 credit, 1,200 credits, 1200'
    """

    def __format__(self, form: str) -> str:
        if form in ("", ","):
            return super().__format__(form)
        return f"{int(self):,} {form if self == 1 else form + 's'}"


class Wording(NamedTuple):
    """How values are written: the language, the time zone and the currency."""

    language: Language
    zone: str
    currency: str

    def sentence(self, name: str, /, **facts: str | int) -> str:
        """Return the sentence of `SENTENCES` with its facts."""
        return self._said(SENTENCES[name], **facts)

    def _said(self, text: Text, /, **facts: str | int) -> str:
        written = {name: Count(fact) if isinstance(fact, int) else fact for name, fact in facts.items()}
        return text[self.language].format(**written)

    def money(self, amount: Decimal | None) -> str:
        """Return an amount with its currency, exactly, with all its decimals."""
        if amount is None:
            return self._said(_SAID["values"]["unknown"])
        minor, places = whole_of(amount)
        return f"{money_text(10**places)(minor)} {unit_words(self.currency)[self.language]}"

    def span(self, low: Decimal | None, high: Decimal | None) -> str:
        """Return two amounts, or one where they agree."""
        if low == high or low is None or high is None:
            return self.money(low if high is None else high)
        return self._said(_SAID["values"]["to"], low=self.money(low), high=self.money(high))

    def when(self, moment: int | None) -> str:
        """Return a moment with its zone."""
        return f"{time_text(self.zone)(moment)} {self.zone}"

    def length(self, microseconds: int) -> str:
        """Return a length of time in whole days, or in hours where it is shorter than two days."""
        days, hours = microseconds // DAY, microseconds // HOUR
        unit, n = ("days", days) if days > 1 else ("hours", hours)
        return self._said(_SAID["values"][unit], n=n)

    def value(self, value: Any, kind: str) -> str:
        """Return a value of a fact of that kind."""
        if kind == "money":
            return self.money(value)
        if kind == "time":
            return self.when(value)
        return self._said(_SAID["values"]["yes" if value else "no"]) if kind == "flag" else str(value)


def whole_of(amount: Decimal) -> tuple[int, int]:
    """Return an amount as a whole number of its smallest units, and how many decimals they are.

    No arithmetic of decimals is used: that would round at 28 digits.

    >>> whole_of(Decimal("-12.30"))
    (-1230, 2)
    """
    whole, _, part = f"{amount:f}".partition(".")
    return int(whole + part), len(part)


def exact(minor: object, minor_units: int) -> Decimal | None:
    """Return an amount of minor units in whole ones, exactly, for any size; None where it is not known.

    >>> exact(-1_234_567, 100)
    Decimal('-12345.67')
    """
    digits = len(str(minor_units)) - 1
    if minor_units != 10**digits:
        raise OptionError(f"STR draft: minor_units is {minor_units}; give 1, 10, 100, 1000 ...")
    # made from text, which no context rounds
    return None if known(minor) is None else Decimal(f"{int(minor)}e-{digits}")  # type: ignore[call-overload]


def known(value: Any) -> Any:
    """Return the value, or None for what a frame has in its place (None, NaN, NaT, NA) and for empty text."""
    return None if pd.isna(value) or value == "" else value
