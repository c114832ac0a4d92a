from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from muledetect.errors import OptionError
from muledetect.evaluation.drift import Drift, _psi, compare_periods


def period(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"a": rng.lognormal(0, 2, n), "b": rng.poisson(1, n).astype(float), "c": rng.normal(0, 1, n)})
    table.loc[rng.random(n) < 0.1, "c"] = np.nan
    return table, rng.normal(-3, 1, n)


def grade(drift: Drift, subject: str, measure: str) -> str:
    return str(drift.checks.set_index(["subject", "measure"]).loc[(subject, measure), "grade"])


@pytest.mark.parametrize("n", [40, 400])
def test_periods_of_one_distribution_hardly_ever_alarm(n: int) -> None:
    # the chance of any false finding is 1% a pair; 3 of 40 has a probability below 1%
    worst = []
    for seed in range(40):
        (a, score_a), (b, score_b) = period(n, 2 * seed), period(n, 2 * seed + 1)
        worst.append(compare_periods(a, b, score_a, score_b, n_draws=500).worst)
    assert sum(name != "ok" for name in worst) <= 2


def test_each_planted_change_is_found_where_it_is() -> None:
    (a, score_a), (b, score_b) = period(3000, 0), period(3000, 1)
    b["a"] *= 10
    b.loc[b.index[:900], "b"] = np.nan
    drift = compare_periods(a, b, score_a, score_b + 1)
    assert grade(drift, "a", "psi") == grade(drift, "b", "missing") == "alarm"
    assert grade(drift, "c", "psi") == grade(drift, "c", "missing") == "ok"
    assert {grade(drift, "score", m) for m in ("psi", "ks", "wasserstein")} == {"alarm"}
    assert (drift.worst, drift.exit_status) == ("alarm", 4)
    assert json.loads(drift.to_json())["worst"] == "alarm"


def test_psi_is_the_sum_over_bins() -> None:
    # a: 90 zeros, 10 ones; b: 50 and 50; the edges of ten bins are 0 and (at 90%) 0.1, so two bins are in use
    value, _ = _psi(np.repeat([0.0, 1.0], [90, 10]), np.repeat([0.0, 1.0], [50, 50]), 0.01)
    p, q = np.array([90.5, 10.5]) / 101, np.array([50.5, 50.5]) / 101
    assert value == pytest.approx(float(((p - q) * np.log(p / q)).sum()))


def test_drift_does_not_depend_on_the_order_of_rows() -> None:
    (a, score_a), (b, score_b) = period(300, 0), period(200, 1)
    codes = [["x", "y"], ["y"], ["z"]] * 20
    turned = np.random.default_rng(0).permutation(300)
    one = compare_periods(a, b, score_a, score_b, reasons_a=codes, reasons_b=codes[:30])
    other = compare_periods(a.iloc[turned], b, score_a[turned], score_b, reasons_a=codes[::-1], reasons_b=codes[:30])
    pd.testing.assert_frame_equal(one.checks, other.checks, check_exact=True)


def test_reasons_calibration_and_label_delay_alarm_when_they_change() -> None:
    (a, score_a), (b, score_b) = period(1000, 0), period(1000, 1)
    start = pd.Timestamp("2025-01-01", tz="UTC")

    def labels(days: float) -> pa.Table:
        known = [start + pd.Timedelta(days=days + n / 100) for n in range(100)]
        return pa.table({"known_ts": known, "activity_start": [start] * 100})

    drift = compare_periods(
        a, b, score_a, score_b, probability_b=np.full(1000, 0.05), y_b=np.r_[np.ones(150), np.zeros(850)],
        reasons_a=[["x"]] * 100, reasons_b=[["z"]] * 100, labels_a=labels(3), labels_b=labels(30),
    )  # fmt: skip
    for subject, measure in (("reasons", "reasons"), ("probability", "calibration"), ("labels", "delay")):
        assert grade(drift, subject, measure) == "alarm"
    assert drift.delays.loc[2, ["a", "b"]].tolist() == pytest.approx([3.495, 30.495])


def test_an_empty_period_is_refused() -> None:
    a, score = period(10, 0)
    with pytest.raises(OptionError, match="both periods"):
        compare_periods(a, a[:0], score, score[:0])
