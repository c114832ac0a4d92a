"""Clocks: how long a hold may stand, and when somebody must look at it, as data of a country.

A JSON file names a zone and its clocks. A clock begins with the hold. The bank's period runs from then; the police's
period runs from the event `reported`, where the clock has one. `powers` says who else may extend, and by how much at a
time ("" = as the order says). What is a choice of this project and no law stands under `choice`.

A period is a length such as "72h"; or "7 working days", which end with the last of the days after the first day; or "31
calendar days", which end with the last of the days, the first day being one; or "2 months", the same day later. Days
are those of the zone. Working days are Monday to Friday without the `holidays` of the file. The packs list no holidays,
so a period that has some ends too early: money is released rather than held too long. Give a file of your own with
them.

>>> clocks = load_clocks("TH")
>>> clock = clocks.clock("traced_amount")
>>> clocks.ends(clock.bank, 0) == 72 * 3_600_000_000
True
>>> clocks.shown(1_740_787_200_000_000), clocks.shown(1_740_787_200_000_000, "th")
('2025-03-01 07:00 +07', '2568-03-01 07:00 +07 (พ.ศ.)')
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from muledetect.clock import parse_duration, parse_time, to_datetime
from muledetect.errors import OptionError
from muledetect.features.packs import named_text
from muledetect.records.parse import check_zone
from muledetect.schema import did_you_mean
from muledetect.strict_json import parse_json

#: Who may extend a hold beside the bank.
POWERS: Final = ("police", "court", "agency")

_FIELDS: Final = {"name", "text", "text_th", "review", "bank", "police", "powers", "source", "choice"}
_FILE: Final = {"time_zone", "era", "holidays", "clocks"}
_PERIOD: Final = re.compile(r"(\d{1,4}) (working days|calendar days|months)")
#: Thailand counts 543 years more.
_BUDDHIST: Final = 543
_WEEK: Final = 5


@dataclass(frozen=True, slots=True)
class Clock:
    """One clock.

    Attributes
    ----------
    name : str
        That of the rule of the live policies, where one proposes such holds.
    text, text_th : str
        What it is for, in English and Thai.
    review : str
        Length until somebody must have looked at the hold; also after an appeal.
    bank, police : str
        Periods; "" where there is none.
    powers : mapping of str to str
        Who may extend, and the longest extension at a time; "" = no limit is stated.
    source, choice : str
        Where the periods come from, and what is a choice of this project.
    """

    name: str
    text: str
    text_th: str
    review: str
    bank: str
    police: str
    powers: Mapping[str, str]
    source: str
    choice: str


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks of a country or a bank.

    Attributes
    ----------
    name, time_zone : str
        The zone is an IANA name: days begin and end in it, and times are shown in it.
    era : "gregorian" or "buddhist"
        How years are shown in Thai.
    holidays : frozenset of date
    clocks : tuple of Clock
    """

    name: str
    time_zone: str
    era: Literal["gregorian", "buddhist"]
    holidays: frozenset[date]
    clocks: tuple[Clock, ...]

    def clock(self, name: str) -> Clock:
        """Return the clock of that name; raise `OptionError` where the pack has none: no hold beyond the pack."""
        for clock in self.clocks:
            if clock.name == name:
                return clock
        names = [clock.name for clock in self.clocks]
        raise OptionError(
            f"holds: the pack {self.name!r} has no clock {name!r}, so no hold can stand on it; it has {names}."
            f"{did_you_mean(name, names)}"
        )

    def ends(self, period: str, start: int) -> int:
        """Return when a period that begins at `start` ends (exclusive); both microseconds."""
        match = _PERIOD.fullmatch(period)
        if match is None:
            return start + parse_duration(period)
        n, first = int(match[1]), self._local(start).date()
        if match[2] == "months":
            return self._midnight(_months_later(first, n) + timedelta(days=1))
        if match[2] == "calendar days":
            return self._midnight(first + timedelta(days=n))
        day = first
        while n:
            day += timedelta(days=1)
            n -= day.weekday() < _WEEK and day not in self.holidays
        return self._midnight(day + timedelta(days=1))

    def shown(self, moment: int | None, language: str = "en") -> str:
        """Return a moment as people of the country write it, to the minute; Buddhist years are marked."""
        if moment is None:
            return "\N{EN DASH}"
        local = self._local(moment)
        zone = local.strftime("%z")
        zone = zone[:3] if zone.endswith("00") else f"{zone[:3]}:{zone[3:]}"
        rest = f"{local:%m-%d %H:%M} {zone}"
        if self.era == "buddhist" and language == "th":
            return f"{local.year + _BUDDHIST}-{rest} (พ.ศ.)"
        return f"{local.year:04d}-{rest}"

    def _local(self, moment: int) -> datetime:
        return to_datetime(moment).astimezone(ZoneInfo(self.time_zone))

    def _midnight(self, day: date) -> int:
        return parse_time(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.time_zone)))


def _months_later(day: date, n: int) -> date:
    """Return the same day n months later, or the last of that month where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + n, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def load_clocks(pack: str | Path | Clocks) -> Clocks:
    """Return the clocks of a country pack, or those of a JSON file.

    Parameters
    ----------
    pack : str, path or Clocks
        A name such as "TH"; a pack of "none" has no clock, so nothing can be held under it.

    Raises
    ------
    OptionError
        If there is no such pack or file, or the file holds no clocks.
    """
    return pack if isinstance(pack, Clocks) else read_clocks(Path(pack).stem, clocks_text(pack))


def clocks_text(pack: str | Path) -> str:
    """Return the text of the file of a country pack's clocks, or of a JSON file; errors as `load_clocks`."""
    return named_text(pack, resources.files(__package__).joinpath("countries"), what="pack")


def read_clocks(name: str, text: str) -> Clocks:
    """Return the clocks that the text of a file holds; raise `OptionError` where it holds none."""
    try:
        return _read(name, parse_json(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise OptionError(f"pack: {name!r} has no clocks: {error}. docs/holds.md shows the form.") from error


def _read(name: str, entry: Mapping[str, Any]) -> Clocks:
    if set(entry) != _FILE:
        raise ValueError(f"it must have the fields {sorted(_FILE)}; got {sorted(entry)}")
    zone, era = str(entry["time_zone"]), entry["era"]
    check_zone(zone, "time_zone")
    if era not in ("gregorian", "buddhist"):
        raise ValueError(f"'era' must be gregorian or buddhist; got {era!r}")
    holidays = frozenset(date.fromisoformat(day) for day in entry["holidays"])
    found = Clocks(name, zone, era, holidays, tuple(map(_read_clock, entry["clocks"])))
    for clock in found.clocks:
        for period in (clock.review, clock.bank, clock.police, *clock.powers.values()):
            if period and _PERIOD.fullmatch(period) is None:
                parse_duration(period)
    return found


def _read_clock(entry: Mapping[str, Any]) -> Clock:
    if set(entry) != _FIELDS:
        raise ValueError(f"a clock must have the fields {sorted(_FIELDS)}; got {sorted(entry)}")
    if unknown := set(entry["powers"]) - set(POWERS):
        raise ValueError(f"'powers' may name {POWERS}; got {sorted(unknown)}")
    if not entry["review"] or not entry["bank"]:
        raise ValueError(f"clock {entry['name']!r} needs the lengths 'review' and 'bank'")
    return Clock(**{**entry, "powers": dict(entry["powers"])})
