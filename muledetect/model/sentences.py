"""Reasons in words: what the account did, how much, and how usual that is, in English or Thai.

The words are those of `sentences.toml`. A sentence is made of numbers alone, so a stored reason can be read in either
language.

>>> write_sentence("quick_pass__within_1h__window_7d", 0.94, Standing(0.05, 0.31, 0.997, 0.003))
'In the 7 days before, 94% of the money received had left again within 1 hour; among comparable accounts 99 of 100 \
stay at or below 31%.'
>>> write_sentence("account_age", 86_400.0, Standing(8.64e6, 1e8), language="th")
'บัญชีเปิดมาแล้ว 1 วัน; ค่ากลางของบัญชีทั่วไป 100 วัน'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np

from muledetect.errors import FeatureError, OptionError
from muledetect.features import registry
from muledetect.model.peers import Standing
from muledetect.model.reason_codes import PARTS, sentences_of
from muledetect.records.currency import decimals_of

Language = Literal["en", "th"]

_SECONDS: Final = ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute"), (1.0, "second"))
_UNITS: Final = {"d": "day", "h": "hour", "min": "minute", "s": "second"}

#: Of a column in these units the unit says how it is written; a ratio says it itself.
_SHOWN: Final = {"count": "number", "amount": "amount", "seconds": "duration", "flag": "flag"}

#: From this share of the peers on, a value is called higher or lower than theirs.
_CLEAR: Final = 0.6


class _Column(NamedTuple):
    """How a column is said: sentences by language, how values are written, and its parameters."""

    sentences: Mapping[str, str]
    shown: str
    parameters: Mapping[str, str]


def write_reason(reason: Mapping[str, Any], language: Language = "en", currency: str = "") -> str:
    """Return the sentence of a stored reason, without the words that say that it speaks for the account.

    Parameters
    ----------
    reason : mapping
        As schema.REASON_TYPE; what it does not say of peers is left out.
    language : "en" or "th"
    currency : str
        Of amounts; "" for minor units.
    """
    told = (reason.get(f"peer_{name}") for name in ("median", "p99", "below", "above"))
    peers = Standing(*(np.nan if value is None else float(value) for value in told))
    return write_sentence(reason["feature"], float(reason["value"]), peers, language, currency)


def write_sentence(
    column: str, value: float, peers: Standing | None = None, language: Language = "en", currency: str = ""
) -> str:
    """Return what a value of a column says of an account, and how usual that is among its peers.

    Parameters
    ----------
    column : str
        Name with parameters. A column that the features do not know is said by its name.
    value : float
        Defined, in the unit of the column.
    peers : Standing, optional
        Where the value stands.
    language : "en" or "th"
    currency : str
        Of amounts; "" for minor units.

    Raises
    ------
    OptionError
        If there are no sentences in the language.
    """
    if language not in get_args(Language):
        raise OptionError(f"reasons: language must be one of {', '.join(get_args(Language))}; got {language!r}.")
    said, parts = _column(column), PARTS[language]
    text = said.sentences.get(f"{language}_{value:g}") if value in (0, 1) else None
    shown = _write_value(said.shown, value, parts, currency)
    when = _window(said.parameters, parts)
    filled = (text or said.sentences[language]).format(
        value=shown, s="" if shown == "1" else "s", When=when, when=when[:1].lower() + when[1:],
        name=column.replace("_", " ").strip(), **_parameters(said.parameters, parts, currency),
    )  # fmt: skip
    usual = "" if peers is None else _beside(said.shown, value, peers, parts, currency)
    end = "." if language == "en" else ""
    return f"{filled[:1].upper()}{filled[1:]}{f'; {usual}' if usual else ''}{end}"


def speaks_for(language: Language) -> str:
    """Return the words before the sentence of a reason that lowers the score."""
    return PARTS[language]["speaks_for"]


@lru_cache(maxsize=4_096)
def _column(name: str) -> _Column:
    sentences = sentences_of(name)
    try:
        call = registry().parse(name)
    except FeatureError:
        return _Column(sentences, "number", {})
    unit = registry().features[call.feature].columns[call.column].unit
    return _Column(sentences, _SHOWN.get(unit) or sentences.get("shown", "percent"), dict(call.parameters))


def _beside(shown: str, value: float, peers: Standing, parts: Mapping[str, str], currency: str) -> str:
    """Return where the value stands among peers, as the end of a sentence; empty where nothing is known of them."""
    is_ranked = not np.isnan(peers.below)
    who = parts["comparable" if is_ranked else "ordinary"]
    if shown == "flag":
        alike = _percent(1 - peers.below - peers.above, parts) if is_ranked else ""
        return parts["alike"].format(share=alike, peers=who) if is_ranked else ""
    share = max(peers.below, peers.above)
    if np.isnan(peers.median) or value > peers.p99:
        name, known = "rare", peers.p99
    elif not is_ranked:
        name, known = "typical", peers.median
    elif share < _CLEAR:
        name, known = "usual", peers.median
    else:
        name, known = "higher" if peers.below >= peers.above else "lower", peers.median
    if np.isnan(known):
        return ""
    at = _write_value(shown, known, parts, currency)
    return parts[name].format(peers=who, share=_percent(share, parts), median=at, p99=at)


def _write_value(shown: str, value: float, parts: Mapping[str, str], currency: str) -> str:
    """Return a value as people write it."""
    if shown == "amount":
        return _money(value, parts, currency)
    if shown == "odds" and value >= 0.999:
        return parts["many_times"]
    return _WRITERS[shown](value, parts)


def _duration_of(seconds: float, parts: Mapping[str, str]) -> str:
    length, unit = next((pair for pair in _SECONDS if abs(seconds) >= pair[0]), _SECONDS[-1])
    return _with_unit(_number(seconds / length), unit, parts)


def _number(value: float) -> str:
    """Return a number with as many digits as a reader needs.

    >>> _number(3.0), _number(1234.5), _number(2.57), _number(0.042)
    ('3', '1,234', '2.6', '0.04')
    """
    digits = 0 if float(value).is_integer() or abs(value) >= 100 else 1 if abs(value) >= 0.1 else 2
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if digits else text


def _percent(share: float, parts: Mapping[str, str]) -> str:
    """Return a share as percent; what is not all is never 100%, and what is not nothing never 0%."""
    if 0 < share < 0.001:
        return parts["few_percent"]
    if 0 < share < 0.01 or 0.99 < share < 1:
        return f"{np.floor(1_000 * share) / 10:.1f}".removesuffix(".0") + "%"
    return f"{share:,.0%}"


def _times(value: float, parts: Mapping[str, str]) -> str:
    number = _number(value)
    return parts["times"].format(value="1.0" if number == "1" else number)  # "1 times" is no English


def _money(value: float, parts: Mapping[str, str], currency: str) -> str:
    if not currency:
        return parts["minor_units"].format(value=f"{value:,.0f}")
    decimals = decimals_of(currency)
    amount = f"{value / 10**decimals:,.{decimals}f}"
    whole = amount.removesuffix(f".{'0' * decimals}") if decimals else amount
    return parts["money"].format(value=whole, currency=parts.get(currency, currency))


def _with_unit(number: str, unit: str, parts: Mapping[str, str]) -> str:
    return f"{number} {parts[unit]}" + ("s" if parts is PARTS["en"] and number != "1" else "")


def _duration(text: str, parts: Mapping[str, str]) -> str:
    found = re.fullmatch(r"(\d+)(d|h|min|s)", text)
    return _with_unit(found[1], _UNITS[found[2]], parts) if found else text


def _window(parameters: Mapping[str, str], parts: Mapping[str, str]) -> str:
    window = parameters.get("window", "all")
    return parts["always"] if window == "all" else parts["window"].format(duration=_duration(window, parts))


def _parameters(parameters: Mapping[str, str], parts: Mapping[str, str], currency: str) -> dict[str, str]:
    amounts = [name for name in ("threshold", "limit") if name in parameters]
    written = {name: _money(float(parameters[name]), parts, currency) for name in amounts}
    return written | ({"within": _duration(parameters["within"], parts)} if "within" in parameters else {})


#: How values are written, by `shown` of a column; amounts of money also need their currency.
_WRITERS: Final[Mapping[str, Callable[[float, Mapping[str, str]], str]]] = {
    "number": lambda value, _: _number(value),
    "flag": lambda value, _: _number(value),
    "duration": _duration_of,
    "percent": _percent,
    "points": lambda value, parts: parts["points"].format(value=f"{100 * value:+.0f}"),
    "times": _times,
    "odds": lambda value, parts: _times(value / (1 - value), parts),
    "rank": lambda value, parts: _percent(1 - 2.0**-value, parts),
    "equal_parts": lambda value, _: _number(2.0 ** min(value, 60.0)),  # no bank has 2^60 counterparties
}
