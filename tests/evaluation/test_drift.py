from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from muledetect.errors import OptionError
from muledetect.evaluation.distances import psi
from muledetect.evaluation.drift import ADVICE, LIMITS, Drift
from muledetect.evaluation.periods import Outcome, Period, _apart, compare_periods

N_REFERENCE = 10


def period(n: int, seed: int, *, phase: float = 0.0) -> Period:
    """Return rows of one bank; `phase` moves a column as the time of the month does."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"a": rng.lognormal(0, 2, n), "b": rng.poisson(1, n).astype(float), "c": rng.normal(0, 1, n)})
    table.loc[rng.random(n) < 0.1, "c"] = np.nan
    table["salary"] = rng.normal(3 * phase, 1, n)
    return Period(table, rng.normal(-3, 1, n))


def outcome(expected: float, n_high: int, n_low: int) -> Outcome:
    """Return mules of which some are among the highest 1 of 64 and the others among the highest half."""
    return Outcome(expected, (6.0,) * n_high + (1.0,) * n_low)


def reference(n: int, seed: int, **more: float) -> list[Period]:
    return [period(n, 100 * seed + k, **more) for k in range(N_REFERENCE)]


def grade(drift: Drift, subject: str, measure: str) -> str:
    return str(drift.checks.set_index(["subject", "measure"]).loc[(subject, measure), "grade"])


@pytest.mark.parametrize(("n", "n_reference"), [(40, 1), (400, 1), (40, N_REFERENCE), (400, N_REFERENCE)])
def test_periods_of_one_distribution_hardly_ever_alarm(n: int, n_reference: int) -> None:
    # at most 1 in 20 comparisons may alarm by chance; 6 of 40 has a probability below 2%
    drifts = [compare_periods(reference(n, seed)[:n_reference], period(n, 100 * seed + 99)) for seed in range(40)]
    assert sum(drift.worst == "alarm" for drift in drifts) <= 5


def test_what_moves_with_the_month_alarms_with_fixed_limits_only() -> None:
    # the third week of each month is another one: of ten reference periods three are such
    weeks = [period(500, k, phase=float(k % 4 == 2)) for k in range(N_REFERENCE)]
    new = period(500, 99, phase=1.0)
    fixed, own = compare_periods(weeks[:1], new), compare_periods(weeks, new)
    assert grade(fixed, "salary", "psi") == "alarm"
    assert grade(own, "salary", "psi") == "ok"
    assert set(fixed.checks["limits"]) == {"fixed"}
    assert set(own.checks["limits"]) == {"own"}
    # the same column broken is beyond any phase
    broken = new._replace(features=new.features.assign(salary=np.nan))  # type: ignore[union-attr]
    assert grade(compare_periods(weeks, broken), "salary", "missing") == "alarm"


@pytest.mark.parametrize("n_reference", [1, N_REFERENCE])
def test_each_planted_change_is_found_where_it_is(n_reference: int) -> None:
    new = period(3000, 99)
    table = new.features.assign(a=new.features["a"] * 10)  # type: ignore[union-attr]
    table.loc[table.index[:900], "b"] = np.nan
    drift = compare_periods(reference(3000, 0)[:n_reference], Period(table, np.asarray(new.scores) + 1))
    assert grade(drift, "a", "psi") == grade(drift, "b", "missing") == "alarm"
    assert grade(drift, "c", "psi") == grade(drift, "c", "missing") == "ok"
    assert {grade(drift, "score", m) for m in ("psi", "alerts")} == {"alarm"}
    assert (drift.worst, drift.exit_status) == ("alarm", 4)
    assert json.loads(drift.to_json())["worst"] == "alarm"
    assert drift.advice == [ADVICE[m] for m in ("psi", "missing", "alerts")]


def test_a_small_change_counts_nowhere_however_unusual_it_is() -> None:
    # with 50,000 rows a shift of 0.1 is far beyond chance and beyond the reference, but its PSI is 0.01
    new = period(50_000, 99)
    drift = compare_periods(reference(50_000, 1), new._replace(scores=np.asarray(new.scores) + 0.1))
    row = drift.checks.set_index(["subject", "measure"]).loc[("score", "psi")]
    assert row["value"] > 10 * row["usual"]
    assert row["grade"] == "ok"


def test_psi_is_the_sum_over_bins() -> None:
    # 90 and 10 rows beside 50 and 50 in two of four bins: bins that nobody uses do not count
    value, _ = psi(np.array([0, 90, 10, 0]), np.array([0, 50, 50, 0]), 0.01)
    p, q = np.array([90.5, 10.5]) / 101, np.array([50.5, 50.5]) / 101
    assert value == pytest.approx(float(((p - q) * np.log(p / q)).sum()))


def test_reference_periods_are_compared_with_those_that_do_not_overlap() -> None:
    far = {n: [m for m, other in enumerate(range(10)) if abs(m - n) > 3] for n in range(10)}
    assert _apart(list(range(10))) == list(far.items())  # type: ignore[arg-type]
    # with five only the nearest are left out
    assert _apart(list(range(5)))[2] == (2, [0, 4])  # type: ignore[arg-type]
    assert _apart([0]) == []  # type: ignore[list-item]


def test_drift_does_not_depend_on_the_order_of_rows() -> None:
    weeks, new = reference(300, 0), period(200, 99)
    codes = [["x", "y"], ["y"], ["z"]] * 20
    weeks = [week._replace(reasons=codes) for week in weeks]
    turned = np.random.default_rng(0).permutation(300)
    other = [
        Period(week.features.iloc[turned], np.asarray(week.scores)[turned], codes[::-1])  # type: ignore[union-attr]
        for week in weeks
    ]
    one, two = (compare_periods(side, new._replace(reasons=codes[:30])) for side in (weeks, other))
    pd.testing.assert_frame_equal(one.checks, two.checks, check_exact=True)


@pytest.mark.parametrize("n_reference", [1, N_REFERENCE])
def test_reasons_calibration_found_mules_channels_and_label_delay_alarm_when_they_change(n_reference: int) -> None:
    start = pd.Timestamp("2025-01-01", tz="UTC")

    def labels(days: float) -> pa.Table:
        known = [start + pd.Timedelta(days=days + n / 100) for n in range(100)]
        return pa.table({"known_ts": known, "activity_start": [start] * 100})

    usual = {
        "reasons": [["x"]] * 100,
        "labels": labels(3),
        "outcome": outcome(50.0, 30, 20),
        "transfers": {"card": 1000, "p2p": 500},
    }
    weeks = [week._replace(**usual) for week in reference(1000, 0)[:n_reference]]
    new = period(1000, 99)._replace(reasons=[["z"]] * 100, labels=labels(30), outcome=outcome(50.0, 15, 135))
    new = new._replace(transfers={"card": 1010, "wallet": 3})
    drift = compare_periods(weeks, new)
    for subject, measure in (
        ("reasons", "reasons"),
        ("labels", "calibration"),
        ("labels", "found"),
        ("labels", "delay"),
        ("channel p2p", "transfers"),
    ):
        assert grade(drift, subject, measure) == "alarm"
    assert grade(drift, "channel card", "transfers") == "ok"
    value = drift.checks.set_index(["subject", "measure"])["value"]
    assert value["labels", "found"] == pytest.approx(5 * (0.1 - 0.6))
    assert value["labels", "calibration"] == pytest.approx(math.log(150.5 / 50.5))
    assert drift.delays.loc[2, ["a", "b"]].tolist() == pytest.approx([3.495, 30.495])


def test_more_mules_found_is_no_alarm_and_few_labels_alone_are_none() -> None:
    weeks = [week._replace(outcome=outcome(20.0, 5, 5)) for week in reference(300, 0)]
    for new in (outcome(20.0, 10, 0), outcome(20.0, 0, 2)):
        assert grade(compare_periods(weeks, period(300, 99)._replace(outcome=new)), "labels", "found") == "ok"


def test_unequal_weeks_widen_the_limit_of_found_mules() -> None:
    even = [week._replace(outcome=outcome(40.0, 20, 20)) for week in reference(300, 0)]
    waves = [
        week._replace(outcome=outcome(40.0, 36 if k % 2 else 4, 4 if k % 2 else 36)) for k, week in enumerate(even)
    ]
    new = period(300, 99)._replace(outcome=outcome(40.0, 6, 34))
    assert [grade(compare_periods(weeks, new), "labels", "found") for weeks in (even, waves)] == ["alarm", "ok"]


def test_a_channel_that_swings_with_the_weeks_alarms_beyond_its_swing_only() -> None:
    weeks = [
        week._replace(transfers={"bill": 600 if k % 4 == 2 else 200, "card": 5000, "rare": 3})
        for k, week in enumerate(reference(300, 0))
    ]
    found = {n: compare_periods(weeks, period(300, 99)._replace(transfers={"bill": n, "card": 5000})) for n in (600, 5)}
    assert [grade(drift, "channel bill", "transfers") for drift in found.values()] == ["ok", "alarm"]
    # a channel of fewer than 1% of the transfers is not counted by itself
    assert "channel rare" not in set(found[5].checks["subject"])


def test_an_empty_period_and_a_lacking_limit_are_refused() -> None:
    one = period(10, 0)
    with pytest.raises(OptionError, match="needs rows"):
        compare_periods([one], Period(one.features[:0], np.zeros(0)))
    with pytest.raises(OptionError, match="no reference"):
        compare_periods([], one)
    with pytest.raises(OptionError, match="found are lacking"):
        compare_periods([one], one, limits={name: limit for name, limit in LIMITS.items() if name != "found"})
