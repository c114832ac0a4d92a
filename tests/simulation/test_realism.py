from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")  # of the extra `notebook`
sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))

import _realism_crime as crime
import _realism_evasion as evasion
import _realism_life as life
import _realism_published as published
import realism
from _realism_world import WorldArrays, read_world

from muledetect.clock import DAY, MINUTE
from muledetect.simulation import world_config, write_world

pytestmark = pytest.mark.slow

FOREVER = np.iinfo(np.int64).max


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldArrays:
    folder = tmp_path_factory.mktemp("realism") / "world"
    config = world_config("thai_bank", n_accounts=800, n_days=40, seed=3, mule_share=0.03)
    write_world(config, folder)
    return read_world(folder, config)


def test_every_figure_names_sources_that_are_listed_and_every_source_is_used() -> None:
    figures = [*published.LIFE.values(), *published.CRIME.values()]
    assert {key for figure in figures for key in figure.sources} == set(published.SOURCES)
    assert all(figure.low < figure.high for figure in figures)


def test_a_figure_is_close_within_its_range_only() -> None:
    figure = published.Figure("what", "2", 1.0, 3.0, ".0f", ())
    assert [figure.verdict(ours) for ours in (1.0, 3.0, 0.9, 3.1)] == [
        "close",
        "close",
        "**apart**, lower",
        "**apart**, higher",
    ]


def test_the_exponent_of_a_power_law_is_found() -> None:
    drawn = np.random.default_rng(0).zipf(2.5, 50_000)
    found = life.fit_tail(drawn)
    assert abs(found.exponent - 2.5) < 0.1
    assert found.error < 0.1


def test_money_leaves_first_in_first_out() -> None:
    # 100 come at 0 and 50 at 10; 120 leave at 20 (100 after 20, 20 after 10), 30 stay; another account keeps 5
    rested, amount = crime._first_in_first_out(
        np.array([True, False, False, True]), np.array([0, 10, 20, 0]), np.array([100, 50, -120, 5])
    )
    assert list(zip(rested.tolist(), amount.tolist(), strict=True)) == [
        (20, 100),
        (10, 20),
        (FOREVER, 30),
        (FOREVER, 5),
    ]


def test_rows_that_tie_for_the_last_places_count_in_part() -> None:
    # 400 rows, so 2 places: one for the highest, the other shared by two of which one is a mule
    target, score = np.zeros(400), np.zeros(400)
    target[:2], score[:3] = 1, [3, 2, 2]
    assert evasion.recall_of_share(target, score, np.ones(400)) == pytest.approx(1.5 / 2)
    assert evasion.precision_of_share(target, score, np.ones(400)) == pytest.approx(1.5 / 2)


def test_recall_at_half_takes_the_lowest_threshold_that_is_still_right_every_second_time() -> None:
    target, score = np.array([1.0, 0, 1, 0, 0, 0, 1]), np.arange(7.0)[::-1]
    # right after 1, 2, 3 and 4 rows (1/1, 1/2, 2/3, 2/4); after 7 it is 3/7
    assert evasion.recall_at_half(target, score, np.ones(7)) == pytest.approx(2 / 3)
    assert evasion.recall_at_half(target, -score, np.ones(7)) == pytest.approx(1 / 3)
    assert evasion.recall_at_half(target, np.zeros(7), np.ones(7)) == 0


def test_worlds_are_pooled_by_rank_within_each() -> None:
    target = np.zeros(200)
    target[0] = 1
    high, low = np.arange(200)[::-1] + 1000.0, np.arange(200)[::-1] / 1000
    worlds = [
        evasion.Ranked(target, np.arange(200), dict.fromkeys(evasion.SHOWN, score), 1, {}) for score in (high, low)
    ]
    assert evasion.pool(worlds, n_draws=5)["ap"].tolist() == [1.0] * 4


def test_both_sections_are_written_of_a_small_world(world: WorldArrays) -> None:
    page = realism.life(world) + realism.crime(world)
    assert page.count("**apart**") + page.count("| close |") == len(published.LIFE) + len(published.CRIME)


def test_stolen_money_that_rested_is_what_came_in(world: WorldArrays) -> None:
    rested, amount = crime.holding_times(world)
    assert (amount > 0).all()
    assert (rested >= 0).all()
    fast = crime.speed(world)
    assert 0 < fast["15min"] <= fast["1h"] <= fast["24h"] <= 1
    assert (rested <= 15 * MINUTE).any()
    assert (rested > DAY).any()


def test_mules_are_no_honest_persons(world: WorldArrays) -> None:
    assert not (world.is_person & world.is_mule).any()
    assert crime.mules(world)["n"] == int((world.is_mule & world.is_own).sum()) > 0
