"""Which format the times of a column have, found by trying; all that fit are named, as several may.

>>> find_formats(pa.array(["31.01.2025 14:22:07", "1.2.2025 0:00:00"]))
[('%d.%m.%Y %H:%M:%S', 2)]
>>> [form for form, _ in find_formats(pa.array(["03/04/2025", "05/06/2025"]))]
['%d/%m/%Y', '%m/%d/%Y']
>>> find_clock(pa.array(["83748", "102937"]), is_named=True)
'%H%M%S'
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.records.own._signs import plain_signs
from muledetect.records.own._times import COUNTED, UNIX, Era, piece_of, read_times

_SEPARATORS: Final = ("-", "/", ".", " ")
_DATES: Final = (
    *(f"%Y{s}%m{s}%d" for s in _SEPARATORS),
    *(f"%d{s}%m{s}%{y}" for y in "Yy" for s in _SEPARATORS),
    *(f"%m{s}%d{s}%{y}" for y in "Yy" for s in _SEPARATORS),
    *(f"%y{s}%m{s}%d" for s in _SEPARATORS),
    *(f"%d{s}%b{s}%{y}" for y in "Yy" for s in ("-", " ", "/", ".")),
    *(f"%a{s}%d %b %Y" for s in (" ", "ที่ ")),
    *(f"{a}%d %b {era}%Y" for a in ("", "%aที่ ") for era in ("พ.ศ. ", "พ.ศ.", "ค.ศ. ")),
    "%d. %b %Y", "%b %d, %Y", "%b %d %Y", "%Y-%b-%d", "%Y. %m. %d.", "%Y. %m. %d", "%y. %m. %d.",
    "%Y年%m月%d日", "%Y年 %m月 %d日", "%Y년 %m월 %d일", "%Y년%m월%d일",
    "%EY年%m月%d日", "%EY/%m/%d", "%EY.%m.%d", "%EY-%m-%d",
    "%Y%m%d", "%d%m%Y", "%y%m%d",
)  # fmt: skip
#: Eras that a format names itself.
ERA_WORDS: Final[Mapping[str, Era]] = MappingProxyType({"พ.ศ.": "buddhist", "ค.ศ.": "gregorian"})
#: Times of day; `%f` is optional wherever it stands.
CLOCKS: Final = (
    "%H:%M:%S.%f", "%H:%M:%S", "%H:%M", "%H.%M.%S", "%H.%M", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p",
    "%H:%M:%S %p", "%H:%M %p", "%p %I:%M:%S", "%p %I:%M", "%p%I:%M:%S", "%p%I:%M", "%H%M%S", "%H%M",
    "%H時%M分%S秒", "%H時%M分", "%H时%M分%S秒", "%H时%M分", "%H시 %M분 %S초", "%H시 %M분", "%H시%M분%S초", "%H시%M분",
    "%p%I時%M分%S秒", "%p%I時%M分", "%p %I時%M分%S秒", "%p %I時%M分", "%p%I时%M分%S秒", "%p%I时%M分",
    "%p %I시 %M분 %S초", "%p %I시 %M분", "%H:%M:%S น.", "%H:%M น.", "%H.%M น.", "%H.%M.%S น.",
)  # fmt: skip
_ZONES: Final = ("", "%z", " %z")
_JOINS: Final = (" ", "T", ", ", " - ", " เวลา ", "")
_SAMPLE: Final = 200
_REST_SAMPLE: Final = 50
#: Bare digits: only a heading tells such a time of day from another number.
_BARE: Final = ("%H%M%S", "%H%M")
#: Where times may lie for a number to be taken for one: from this year on, until two years ahead.
_FIRST_YEAR: Final = 1990
#: Years back that a date which begins with a year of two digits may reach.
_SHORT_REACH: Final = 10


def find_formats(texts: pa.StringArray, n_rows: pa.Array | None = None) -> list[tuple[str, int]]:
    """Return the formats that read the most of the rows, with how many; [] if none reads half of them.

    `n_rows` says how many rows each text stands for, one if it is not given. Several formats stand in the list only
    where they read equally many, as day and month may be told apart by nothing.
    """
    weights = np.ones(len(texts), np.int64) if n_rows is None else n_rows.to_numpy()
    texts, weights = plain_signs(texts.drop_null()), weights[texts.is_valid().to_numpy(zero_copy_only=False)]
    if not len(texts):
        return []
    counts = {form: _n_read(texts, weights, form) for form in _candidates(texts.slice(0, _SAMPLE), weights[:_SAMPLE])}
    best = max(counts.values(), default=0)
    if best * 2 < weights.sum():
        return []
    # "%f" reads all that is read without it, and a longer form is named only where it is needed.
    found = [form for form, n in counts.items() if n == best and _is_near(texts, form)]
    # Mornings are the same on the clock of twelve and of twenty-four hours.
    found = [
        form
        for form in found
        if "%p" not in form or form.replace("%H", "%I") == form or form.replace("%H", "%I") not in found
    ]
    plain = [form for form in found if ".%f" not in form] or found
    return sorted(((form, best) for form in plain), key=lambda item: (_DATES.index(_date_of(item[0])), len(item[0])))


def _candidates(texts: pa.StringArray, weights: np.ndarray) -> Iterator[str]:
    """Yield the formats that at least half of the rows of a sample have the shape of."""
    signs = frozenset("".join(texts.to_pylist()))
    for date in _DATES:
        if not _literals(date) <= signs:
            continue
        rest = pc.extract_regex(texts, f"^{piece_of(date)[0]}(?P<rest>.*)$")
        fits = rest.is_valid().to_numpy(zero_copy_only=False)
        if weights[fits].sum() * 2 < weights.sum():
            continue
        rests = pc.drop_null(pc.struct_field(rest, "rest")).unique().slice(0, _REST_SAMPLE)
        left = frozenset("".join(rests.to_pylist()))
        for tail in _tails():
            if _literals(tail) <= left and pc.any(pc.match_substring_regex(rests, f"^{piece_of(tail)[0]}$")).as_py():
                yield date + tail


@cache
def _literals(form: str) -> frozenset[str]:
    """Return the signs that each text of a format has."""
    return frozenset(re.sub(r"[.,]%f|%E?.", "", form))


@cache
def _tails() -> tuple[str, ...]:
    clocks = [join + clock for join in _JOINS for clock in CLOCKS if join or clock in _BARE or clock[:2] == "%p"]
    return ("", *(clock + zone for clock in clocks for zone in _ZONES))


def _date_of(form: str) -> str:
    return max((date for date in _DATES if form.startswith(date)), key=len)


def _n_read(texts: pa.StringArray, weights: np.ndarray, form: str) -> int:
    is_read = read_times(texts, form, "gregorian").is_valid().to_numpy(zero_copy_only=False)
    return int(weights[is_read].sum())


def _is_near(texts: pa.StringArray, form: str) -> bool:
    """Whether a date that begins with a year of two digits may be meant: its years are of the last ten, or the next."""
    if not form.startswith("%y"):
        return True
    years = pc.year(read_times(texts, form, "gregorian")).drop_null()
    this_year = datetime.now(UTC).year
    return bool(this_year - _SHORT_REACH <= pc.min(years).as_py() and pc.max(years).as_py() <= this_year + 1)


def find_clock(texts: pa.StringArray, n_rows: pa.Array | None = None, is_named: bool = False) -> str | None:
    """Return the format of texts that are times of day only, or None.

    `is_named` says that the heading names a time, so that bare digits may have lost their first zeros.
    """
    weights = np.ones(len(texts), np.int64) if n_rows is None else n_rows.to_numpy()
    texts, weights = plain_signs(texts.drop_null()), weights[texts.is_valid().to_numpy(zero_copy_only=False)]
    if not len(texts):
        return None
    dated = pc.binary_join_element_wise("2000-01-01", texts, " ")
    longest = pc.max(pc.utf8_length(texts)).as_py()
    signs = frozenset("".join(texts.to_pylist()))
    for clock in ("%H:%M:%S", *CLOCKS):
        if not _literals(clock) <= signs:
            continue
        if clock in _BARE and not _may_be_bare(texts, weights, clock, longest, is_named):
            continue
        # Six bare digits are as well an amount; times of day have few minutes above 59 only by chance.
        if _n_read(dated, weights, f"%Y-%m-%d {clock}") * 10 >= 9 * weights.sum():
            return clock
    return None


def _may_be_bare(texts: pa.StringArray, weights: np.ndarray, clock: str, longest: int, is_named: bool) -> bool:
    """Whether bare digits can be this clock: all of its length, or shorter where the heading names a time."""
    width = 6 if clock == "%H%M%S" else 4
    if not is_named:
        has_width = pc.equal(pc.utf8_length(texts), width).to_numpy(zero_copy_only=False)
        return int(weights[has_width].sum()) * 10 >= 9 * int(weights.sum())
    return width - 2 < longest <= width


def find_counts(texts: pa.StringArray, n_rows: pa.Array) -> tuple[str, ...]:
    """Return the counts since a day that numbers can be: of the last decades and not ahead; () if they are none.

    Nine rows in ten must be such. Days of a spreadsheet are of two calendars, four years apart, unless one of them
    would lie ahead.
    """
    this_year = datetime.now(UTC).year
    weights = n_rows.to_numpy()
    found = []
    for form in COUNTED:
        times = read_times(texts, form, "gregorian")
        latest = datetime.now(UTC) if form == "excel_1904" else datetime(this_year + 2, 1, 1, tzinfo=UTC)
        bounds = [np.datetime64(time.replace(tzinfo=None), "us").astype(np.int64) for time in
                  (datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC), latest)]  # fmt: skip
        moments = times.view(pa.int64()).fill_null(0).to_numpy()
        is_near = (moments >= bounds[0]) & (moments <= bounds[1])
        if len(weights) and weights[is_near].sum() * 10 >= 9 * weights.sum():
            found.append(form)
    return tuple(found)


def clash(first: str, second: str) -> bool:
    """Whether two formats differ in whether the day or the month comes first."""
    return first != second and first.replace("%m", "%#").replace("%d", "%m").replace("%#", "%d") == second


def is_zoned(form: str) -> bool:
    """Whether times of a format tell their zone."""
    return form in UNIX or "%z" in form
