from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muledetect.clock import MINUTE
from muledetect.evaluation.detection import detect_accounts, detect_cases, summarise_detection
from muledetect.evaluation.evasion import Ranked, evasion_curve
from muledetect.evaluation.report import EvaluationReport
from muledetect.evaluation.survival import survival_quantiles


def at(*minutes: int) -> pa.Array:
    return pa.array([m * MINUTE for m in minutes], pa.int64()).cast(pa.timestamp("us", "UTC"))


# v pays 100 to m at minute 10; m passes 60 to n at minute 20; v pays 50 more to m at minute 40
TRANSFERS = pa.table(
    {"transfer_id": ["1", "2", "3"], "source": ["v", "m", "v"], "target": ["m", "n", "m"], "time": at(10, 20, 40)}
)
TRUTH = pa.table({"transfer_id": ["1", "2", "3"], "kind": ["victim", "hop", "victim"], "amount": [100, 60, 50]})
MONEY = pa.table(
    {
        "case_id": ["c"] * 4,
        "account_id": ["m", "m", "n", "m"],
        "place": ["account"] * 4,
        "time": at(10, 20, 20, 40),
        "amount": [100, 40, 60, 90],
    }
)
IDS = ["m", "n", "o"]
SERIES = [(30 * MINUTE, IDS, [0.9, 0.1, 0.2]), (5 * MINUTE, IDS, [0.9, 0.1, 0.2]), (50 * MINUTE, IDS, [0.3, 0.1, 0.9])]


def test_an_alert_counts_from_the_first_credit_on() -> None:
    # the alert of minute 5 is before the credit; at minute 30 m has got 100, in two transfers, and 60 are gone
    found = detect_accounts(SERIES, TRANSFERS, TRUTH, MONEY, k=1).set_index("account_id")
    m, n = found.loc["m"], found.loc["n"]
    assert (m["is_detected"], m["minutes"], m["n_transfers"], m["received"]) == (True, 20, 2, 100)
    assert (m["still_there"], m["share_gone"]) == (40, pytest.approx(0.6))
    assert (n["is_detected"], n["minutes"], n["still_there"]) == (False, 30, 60)


def test_what_was_there_and_what_came_later_could_be_saved() -> None:
    # at minute 30 all 100 are still in accounts of the bank, and 50 come later
    cases = detect_cases(SERIES, MONEY, k=1)
    assert cases.to_dict("records") == [
        {"case_id": "c", "paid": 150, "seen_at": 30 * MINUTE, "is_detected": True}
        | {"still_there": 100, "paid_later": 50, "preventable": 150}
    ]
    figures = summarise_detection(detect_accounts(SERIES, TRANSFERS, TRUTH, MONEY, k=1), cases)
    assert (figures["n_accounts"], figures["n_detected"]) == (2, 1)
    assert figures["still_in_bank"] == pytest.approx(100 / 150)
    assert (figures["minutes_q50"], figures["preventable"]) == (20, 1)
    assert np.isnan(figures["minutes_q75"])


def test_money_in_another_bank_cannot_be_held_here() -> None:
    # at minute 30 the case has 40 in m and 60 in n; without n among the scored accounts only 40 are this bank's
    own = [(moment, ["m", "o"], [0.9, 0.1]) for moment, _, _ in SERIES]
    case = detect_cases(own, MONEY, k=1).to_dict("records")[0]
    assert (case["still_there"], case["paid_later"], case["preventable"]) == (40, 50, 90)


def test_nothing_is_saved_where_nobody_is_alerted_in_time() -> None:
    cases = detect_cases(SERIES[1:2], MONEY, k=1)
    assert cases[["is_detected", "preventable"]].to_numpy().tolist() == [[False, 0]]


def test_censored_times_move_the_quantiles_as_kaplan_and_meier_say() -> None:
    # survival: 3/4 at 1; at 3 two are at risk: 3/4 * 1/2 = 3/8; 4 is censored
    assert survival_quantiles([1, 2, 3, 4], [True, False, True, False]) == pytest.approx([1, 3, np.nan], nan_ok=True)
    assert np.isnan(survival_quantiles([1.0], [False])).all()


def test_a_rising_dial_shows_what_is_kept() -> None:
    y = [1, 0, 0, 0]
    curve = evasion_curve(lambda score: Ranked(y, score), {1.0: [0.5, 0.9, 0.1, 0.1], 0.0: [0.9, 0.5, 0.1, 0.1]}, k=1)
    assert curve["dial"].tolist() == [0.0, 1.0]
    assert curve["kept"].tolist() == [1.0, 0.5]
    assert curve["recall"].tolist() == [1.0, 0.0]


def test_a_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    table = pd.DataFrame({"recall": [0.5, np.nan]}, index=pd.Index(["a", "b"], name="method"))
    EvaluationReport({"x": 1.5, "y": float("nan")}, {"baselines": table}, ("a note",)).write(tmp_path)
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["figures"] == {"x": 1.5, "y": None}
    assert content["tables"]["baselines"] == [{"method": "a", "recall": 0.5}, {"method": "b", "recall": None}]
    assert pq.read_table(tmp_path / "baselines.parquet").column_names == ["method", "recall"]
