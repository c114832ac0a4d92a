"""Clocks of holds: periods by the law of a country, in its zone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from muledetect.clock import HOUR, format_time, parse_duration, parse_time
from muledetect.errors import OptionError
from muledetect.features.packs import NAMES
from muledetect.holds import Clocks, load_clocks
from muledetect.live.policy import load_policy


def ends(pack: str, period: str, start: str) -> str:
    clocks = load_clocks(pack)
    return format_time(clocks.ends(period, parse_time(start)))


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("72h", "2025-03-28T10:00Z", "2025-03-31T10:00:00Z"),  # summer time begins between: hours are hours
        ("4 working days", "2025-03-07T18:30Z", "2025-03-14T00:00:00Z"),  # Friday; Monday to Thursday count
        (
            "7 working days",
            "2025-03-24T09:00Z",
            "2025-04-02T23:00:00Z",
        ),  # Tuesday to Wednesday, then midnight of summer
        ("31 calendar days", "2025-03-01T09:00Z", "2025-03-31T23:00:00Z"),  # 1 March is one, 31 March the last
        ("1 months", "2025-01-31T09:00Z", "2025-03-01T00:00:00Z"),  # February is shorter: its last day
        ("2 months", "2024-12-31T23:30Z", "2025-03-01T00:00:00Z"),
    ],
)
def test_periods_end_by_the_calendar_of_the_zone(period: str, start: str, end: str) -> None:
    assert ends("GB", period, start) == end


def test_the_day_is_that_of_the_zone() -> None:
    # 18:30 UTC is Saturday 8 March in Bangkok, so the first working day is Monday 10 March
    assert ends("TH", "1 working days", "2025-03-07T18:30Z") == "2025-03-10T17:00:00Z"
    assert ends("GB", "1 working days", "2025-03-07T18:30Z") == "2025-03-11T00:00:00Z"


@pytest.mark.parametrize("pack", NAMES)
def test_every_pack_says_where_its_clocks_come_from(pack: str) -> None:
    clocks = load_clocks(pack)
    assert (pack == "none") == (not clocks.clocks)
    for clock in clocks.clocks:
        assert len(clock.source) > 40
        assert clock.text
        assert re.search("[ก-๙]", clock.text_th)
        start = parse_time("2025-03-01")
        review, bank = clocks.ends(clock.review, start), clocks.ends(clock.bank, start)
        assert start < review <= bank
        assert not clock.police or clocks.ends(clock.police, start) > start


@pytest.mark.parametrize("pack", NAMES)
def test_every_hold_that_a_policy_proposes_has_a_clock_that_allows_it(pack: str) -> None:
    clocks = load_clocks(pack)
    for rule in load_policy(pack).rules:
        if rule.action in ("delay", "hold"):
            # whatever the day of the week: a hold of the policy ends within the bank's period
            for day in range(7):
                start = parse_time("2025-03-03T09:00Z") + day * 24 * HOUR
                assert start + rule.hold_for <= clocks.ends(clocks.clock(rule.name).bank, start)


def test_holidays_of_a_file_are_no_working_days(tmp_path: Path) -> None:
    path = written(tmp_path, holidays=["2025-03-10"])
    assert ends(str(path), "1 working days", "2025-03-07T10:00Z") == "2025-03-12T00:00:00Z"


def entry(**changed: Any) -> dict[str, Any]:
    clock = dict.fromkeys(("name", "text", "text_th", "source"), "c") | {"police": "", "powers": {}, "choice": ""}
    clock |= {"review": "24h", "bank": "72h"}
    return {"time_zone": "UTC", "era": "gregorian", "holidays": [], "clocks": [clock]} | changed


def written(folder: Path, **changed: Any) -> Path:
    path = folder / "own.json"
    path.write_text(json.dumps(entry(**changed)), "utf-8")
    return path


@pytest.mark.parametrize(
    "changed",
    [
        {"time_zone": "Asia/Nowhere"}, {"era": "julian"}, {"holidays": ["10.3.2025"]}, {"clocks": [{"name": "c"}]},
        {"more": 1}, {"clocks": [{**entry()["clocks"][0], "bank": "a week"}]},
        {"clocks": [{**entry()["clocks"][0], "powers": {"neighbour": ""}}]},
        {"clocks": [{**entry()["clocks"][0], "bank": ""}]},
    ],
)  # fmt: skip
def test_a_file_that_is_no_clocks_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        load_clocks(written(tmp_path, **changed))


def test_unknown_packs_and_clocks_are_refused_with_a_hint() -> None:
    with pytest.raises(OptionError, match="did you mean 'none'"):
        load_clocks("nope")
    with pytest.raises(OptionError, match="did you mean 'traced_amount'"):
        load_clocks("TH").clock("traced_amout")


def test_times_are_shown_in_the_zone_and_thai_years_are_marked() -> None:
    moment = parse_time("2025-12-31T18:30Z")
    assert load_clocks("TH").shown(moment) == "2026-01-01 01:30 +07"
    assert load_clocks("TH").shown(moment, "th") == "2569-01-01 01:30 +07 (พ.ศ.)"
    assert load_clocks("IN").shown(moment, "th") == "2026-01-01 00:00 +05:30"
    assert load_clocks("TH").shown(None) == "\N{EN DASH}"


def test_clocks_of_a_bank_are_taken_as_they_are(tmp_path: Path) -> None:
    own = load_clocks(written(tmp_path))
    assert isinstance(own, Clocks)
    assert load_clocks(own) is own
    assert own.ends(own.clock("c").bank, 0) == parse_duration("72h")
