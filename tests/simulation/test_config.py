"""Parameters are checked when they are set, presets are worlds with names, settings are read from text."""

from __future__ import annotations

import numpy as np
import pytest

from muledetect.clock import DAY
from muledetect.errors import OptionError
from muledetect.simulation import PRESETS, TACTICS, WorldConfig, parse_settings, world_config
from muledetect.simulation.days import OFFICE, SPAN_DAYS, build_calendar
from muledetect.simulation.economy import monthly
from muledetect.simulation.streams import stream


def test_wrong_parameters_are_all_reported_at_once() -> None:
    with pytest.raises(OptionError, match=r"n_accounts must lie in .* n_days must lie in"):
        WorldConfig(n_accounts=1, n_days=1)
    with pytest.raises(OptionError, match="must be of type float, got str"):
        WorldConfig(mule_share="0.1")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="did you mean 'mule_share'"):
        world_config(mule_shar=0.1)
    with pytest.raises(OptionError, match=r"there is no preset 'hrad'.*did you mean 'hard'"):
        world_config("hrad")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"evasion": 1.5}, "evasion must lie in 0.0 to 1.0"),
        ({"waiting": float("nan")}, "waiting must lie in"),
        ({"holidays": ("04-31",)}, "holidays must be days such as"),
        ({"holidays": ("=1+1",)}, "holidays must be days such as"),
        ({"holidays": (4,)}, "holidays must be days such as"),
        ({"currency": "baht"}, "currency must be an ISO 4217 code"),
        ({"start": "2025-13-01"}, "start must be a date"),
        ({"start": "๒๐๒๕-01-01"}, "start must be a date"),
        ({"commission_low": 0.3, "commission_high": 0.1}, "commission_low must not exceed"),
        ({"new_mule_share": 0.9, "dormant_mule_share": 0.9}, "must not exceed 1"),
        ({"n_accounts": True}, "must be of type int, got bool"),
        ({"seed": -1}, "seed must lie in"),
    ],
)
def test_a_parameter_out_of_range_is_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        WorldConfig(**wrong)  # type: ignore[arg-type]


def test_a_start_in_another_era_is_an_error_of_its_own() -> None:
    with pytest.raises(OptionError, match="common era, got '2568-01-01'"):
        WorldConfig(start="2568-01-01")


def test_every_preset_is_a_valid_world_and_can_be_changed() -> None:
    assert set(PRESETS) == {"thai_bank", "small", "hard", "no_crime"}
    for name in PRESETS:
        assert world_config(name, seed=3).seed == 3
    assert world_config("no_crime").n_mules == 0
    natural = world_config("thai_bank")
    assert 0.001 <= natural.n_mules / natural.n_accounts <= 0.005
    assert world_config("hard").evasion > natural.evasion
    assert world_config("hard", evasion=0.0).evasion == 0.0


def test_every_tactic_follows_the_dial_unless_it_is_set() -> None:
    config = WorldConfig(evasion=0.6, waiting=0.1)
    assert {name: config.tactic(name) for name in TACTICS} == {**dict.fromkeys(TACTICS, 0.6), "waiting": 0.1}


def test_settings_are_read_as_the_type_of_their_parameter() -> None:
    settings = ["n_accounts=500", "evasion=1", "waiting=0.2", "currency=EUR", "holidays="]
    parameters = {"n_accounts": 500, "evasion": 1.0, "waiting": 0.2, "currency": "EUR", "holidays": ()}
    assert parse_settings(settings) == parameters
    assert world_config(**parameters).currency == "EUR"
    for wrong in ("evasion", "evasion=a lot", "no_such=1", "n_accounts=1e9x"):
        with pytest.raises(OptionError):
            parse_settings([wrong])


def test_weeks_cover_every_day_once() -> None:
    calendar = build_calendar(WorldConfig(n_days=40))
    spans = list(calendar.spans())
    assert [day for span in spans for day in range(span.first, span.last)] == list(range(40))
    assert all(span.last - span.first == SPAN_DAYS for span in spans[:-1])
    assert spans[-1].end == calendar.end


def test_monthly_events_happen_once_a_month_and_on_the_last_day_where_a_month_is_too_short() -> None:
    calendar = build_calendar(WorldConfig(n_days=59, start="2025-01-01"))  # January and February
    schedule = monthly(np.array([31, 5]))
    who, days = (np.concatenate(parts) for parts in zip(
        *(schedule.due(span) for span in calendar.spans()), strict=True))  # fmt: skip
    found = sorted(zip(who.tolist(), days.tolist(), strict=True))
    assert found == [(0, 30), (0, 58), (1, 4), (1, 35)]  # 31 January and 28 February; the fifths


def test_events_follow_the_rate_and_the_weights() -> None:
    calendar = build_calendar(WorldConfig(n_days=28, start="2025-02-03"))  # a Monday
    rng = stream(1, "test")
    days = np.concatenate([span.draw_events(rng, np.full(400, 0.5), calendar.working)[1] for span in calendar.spans()])
    counts = np.bincount(days, minlength=28)
    assert abs(counts[calendar.day_of_week < 5].mean() - 200) < 12
    assert abs(counts[calendar.day_of_week >= 5].mean() - 30) < 8
    moment = calendar.moments(rng, np.full(5000, 3), OFFICE)
    local_hour = (moment - calendar.start - 3 * DAY) // 3_600_000_000
    assert ((local_hour >= 0) & (local_hour < 24)).all()
    assert (local_hour < 7).mean() < 0.05


def test_holidays_are_rest_days_of_every_year() -> None:
    calendar = build_calendar(WorldConfig(n_days=800, start="2024-12-30", holidays=("12-31", "04-13")))
    found = np.datetime64("2024-12-30") + np.flatnonzero(calendar.is_holiday)
    assert found.astype(str).tolist() == ["2024-12-31", "2025-04-13", "2025-12-31", "2026-04-13", "2026-12-31"]
    assert set(calendar.working[calendar.is_holiday]) == {0.15}
