"""Pages: templates that escape every value, one file each, under a policy that lets nothing in and nothing out."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import jinja2
from markupsafe import Markup, escape

from muledetect.errors import OptionError
from muledetect.records.currency import format_units
from muledetect.reports.words import MINOR_UNITS, NOT_MEMBERS, REASONS, WORDS, Text, read
from muledetect.visible import cut, make_visible

Language = Literal["en", "th"]
LANGUAGES: Final = ("en", "th")

#: What each kind of page carries beside its own text: library files and our scripts, in order.
_SCRIPTS: Final[Mapping[str, tuple[str, ...]]] = {
    "index": ("templates/page.js", "templates/index.js"),
    "account": ("vendor/uPlot.iife.min.js", "templates/page.js", "templates/charts.js"),
    "ring": (
        "vendor/cytoscape.min.js", "vendor/uPlot.iife.min.js", "templates/page.js", "templates/charts.js",
        "templates/network.js",
    ),
    "model": ("vendor/uPlot.iife.min.js", "templates/page.js", "templates/charts.js"),
}  # fmt: skip
_STYLES: Final = ("vendor/uPlot.min.css", "templates/page.css")


def render(kind: str, *, language: Language = "en", zone: str = "UTC", minor_units: int = 1, **facts: Any) -> str:
    """Return a page of the kind "index", "account", "ring" or "model" as one self-contained HTML file.

    It opens in `language` and holds both; times are those of `zone`. The template gets `facts` as they are, but `data`
    becomes a block of JSON for the page's scripts. An unknown language or zone is an OptionError.

    Every value, and every text of `data`, is made visible once (see `muledetect.visible`), here and nowhere before,
    and escaped by the template engine. The page's Content-Security-Policy allows the scripts and styles
    that it holds, by their SHA-256, and no request, frame, form, base or further script; values cannot become HTML
    by script either (Trusted Types).
    """
    if language not in LANGUAGES:
        raise OptionError(f"report: language {language!r} is neither 'en' nor 'th'.")
    styles, scripts = _embedded(_STYLES), _embedded(_SCRIPTS[kind])
    return _environment(zone, minor_units).get_template(f"{kind}.html.jinja").render(
        language=language, zone=zone, styles=styles, scripts=scripts, policy=_policy(styles, scripts),
        data=_json(facts.pop("data", {})), **facts,
    )  # fmt: skip


@cache
def _embedded(names: tuple[str, ...]) -> tuple[Markup, ...]:
    return tuple(Markup(read(name)) for name in names)  # noqa: S704 (files of this package)


@cache
def _policy(styles: tuple[Markup, ...], scripts: tuple[Markup, ...]) -> str:
    rules = {
        "default-src": "'none'",
        "script-src": " ".join(map(_hash, scripts)),
        "style-src": " ".join(map(_hash, styles)),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(str(text).encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _json(data: Any) -> Markup:
    """Return JSON that no value can leave: the signs that mean something to HTML are written as escapes."""
    text = json.dumps(_shown(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&'":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 (escaped just before)


def _shown(data: Any) -> Any:
    """Return data with every text in it visible."""
    if isinstance(data, str):
        return make_visible(data)
    if isinstance(data, Mapping):
        return {_shown(name): _shown(value) for name, value in data.items()}
    return [_shown(value) for value in data] if isinstance(data, list | tuple) else data


@cache
def _environment(zone: str, minor_units: int) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("muledetect.reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    made.globals |= {
        "version": version("muledetect"), "words": WORDS, "not_members": NOT_MEMBERS, "reasons": REASONS,
    }  # fmt: skip
    made.filters |= {
        "money": money_text(minor_units),
        "when": time_text(zone),
        "percent": _percent,
        "short": shorten,
        "id": _id,
        "word": _word,
        "unit": show_unit,
        "moment": _moment(zone),
    }
    return made


def is_known(value: Any) -> bool:
    """Return whether a value of a record is there: None and NaN are not."""
    return value is not None and value == value  # noqa: PLR0124 (NaN)


def _id(value: object) -> Markup:
    """Return an id, shortened, with the whole of it as its title."""
    # escaped part by part: twice as fast as Markup.format, and pages hold thousands
    return Markup(f'<span class="id" title="{escape(make_visible(value))}">{escape(shorten(value))}</span>')  # noqa: S704


@cache
def _word(name: str | None) -> Markup | str:
    """Return a name of the tables in both languages; one that is not known as it is."""
    if name is None:
        return ""
    return two(WORDS[name]) if name in WORDS else make_visible(name.replace("_", " "))


def two(text: Mapping[str, str]) -> Markup:
    """Return a text in both languages, of which the page shows one."""
    return Markup('<span lang="en">{}</span><span lang="th">{}</span>').format(text["en"], text["th"])


def unit_words(currency: str) -> Text:
    """Return what amounts are in, in both languages: a currency, or minor units."""
    return MINOR_UNITS if currency == MINOR_UNITS["en"] else {"en": currency, "th": currency}


def show_unit(currency: str) -> Markup | str:
    """Return what amounts are in, for a page."""
    words = unit_words(currency)
    return make_visible(currency) if words["en"] == words["th"] else two(words)


def _moment(zone: str) -> Callable[[int | None], Markup | str]:
    exact, when = time_text("UTC"), time_text(zone)

    def shown(moment: int | None) -> Markup | str:
        if moment is None or not is_known(moment):
            return "\N{EN DASH}"
        iso = f"{exact(moment)}Z".replace(" ", "T")
        return Markup(f'<time datetime="{escape(iso)}">{escape(when(moment))}</time>')  # noqa: S704

    return shown


def _finalize(value: Any) -> Any:
    """Make what a value holds visible; what is not known is a dash."""
    if not is_known(value):
        return "\N{EN DASH}"
    return value if isinstance(value, Markup) else make_visible(value)


def shorten(value: object, most: int = 18) -> str:
    """Return a long id with its middle left out, visible.

    >>> shorten("p-abcdefghijklmnopqrstuvwxyz")
    'p-abcdefg…tuvwxyz'
    """
    text = make_visible(value)
    return text if len(text) <= most else cut(text, most - 1, tail=most // 2 - 2)


def money_text(minor_units: int) -> Callable[[int | None], str | None]:
    """Return a function that writes minor units in whole ones, exactly, for any size.

    >>> money_text(100)(-1_234_567)
    '-12,345.67'
    """
    digits = len(str(minor_units)) - 1

    def written(amount: int | None) -> str | None:
        return None if amount is None or not is_known(amount) else format_units(amount, digits)

    return written


def time_text(zone: str) -> Callable[[int | None], str | None]:
    """Return a function that writes microseconds as a time of the zone, to the second, Gregorian years.

    >>> time_text("Asia/Bangkok")(1_740_787_200_000_000)
    '2025-03-01 07:00:00'
    """
    try:
        place = ZoneInfo(zone)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise OptionError(f"report: {zone!r} is no time zone such as 'Asia/Bangkok' or 'UTC'.") from error

    def written(moment: int | None) -> str | None:
        if moment is None or not is_known(moment):
            return None
        seconds = int(moment) // 1_000_000
        try:
            return f"{datetime.fromtimestamp(seconds, UTC).astimezone(place):%Y-%m-%d %H:%M:%S}"
        except (OverflowError, ValueError, OSError):
            return f"{seconds} s"

    return written


def _percent(share: float | None, digits: int = 1) -> str | None:
    """Return a share as percent, never rounded to all or nothing.

    >>> _percent(0.99996), _percent(0.00001), _percent(0.5)
    ('99.9%', '<0.1%', '50.0%')
    """
    if share is None or not is_known(share):
        return None
    step = 10 ** (digits + 2)
    down = int(share * step) / step if 0 < share < 1 else share
    return f"<{1 / step:.{digits}%}" if 0 < share < 1 / step else f"{down:.{digits}%}"
