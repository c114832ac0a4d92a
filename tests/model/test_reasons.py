"""Codes of reasons, and reasons gathered by code."""

from __future__ import annotations

import time
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from muledetect.features import History, feature, feature_names, registry
from muledetect.model.peers import Peers, describe_peers
from muledetect.model.reason_codes import TYPOLOGIES, code_of
from muledetect.model.reasons import Reason, find_reasons
from muledetect.model.sentences import speaks_for, write_reason


@feature(family="cards", unit="count", text="card payments {window}", window=("7d",))
def card_payments(history: History, window: int) -> np.ndarray:
    return history.incoming.count(window)


def test_every_registered_column_has_exactly_one_code_and_no_code_names_another_column() -> None:
    registered = {column for made in registry().features.values() for column in made.columns}
    named = Counter(column for typology in TYPOLOGIES.values() for column in typology.columns)
    assert set(named) == registered
    assert set(named.values()) == {1}


def test_a_column_of_the_bank_has_a_code_of_its_own_name() -> None:
    assert code_of("staff_rating") == code_of("staff_rating__window_7d") == "STAFF_RATING"
    assert code_of("x0") == "X0"


def test_a_registered_feature_of_others_has_the_code_of_its_family() -> None:
    larger = registry().add(card_payments)
    assert code_of("card_payments__window_7d", larger) == "CARDS"
    assert code_of("card_payments__window_7d") == "CARD_PAYMENTS"
    assert code_of("pass_through__window_7d", larger) == "PASS_THROUGH"


NAMES = [
    "pass_through__window_24h",
    "quick_pass__within_1h__window_7d",
    "in_counterparties__window_7d",
    "account_age",
    "staff_rating",
]


def explain(
    values: list[list[float]], added: list[list[float]], n_reasons: int = 6, n_against: int = 0
) -> list[list[Reason]]:
    table = np.array(values, dtype=np.float32)
    return find_reasons(table, np.array(added), NAMES, describe_peers(table), n_reasons, n_against=n_against)


def codes(reasons: list[Reason]) -> list[str]:
    return [reason["code"] for reason in reasons]


def test_columns_of_one_code_are_one_reason_that_their_sum_ranks() -> None:
    # 0.3 + 0.4 of two columns of PASS_THROUGH outweigh 0.5 of FAN_IN
    (reasons,) = explain([[0.9, 0.8, 7.0, 1.0, 2.0]], [[0.3, 0.4, 0.5, -0.1, 0.0]])
    assert codes(reasons) == ["PASS_THROUGH", "FAN_IN"]
    assert reasons[0]["feature"] == "quick_pass__within_1h__window_7d"
    assert reasons[0]["contribution"] == pytest.approx(0.7)


def test_columns_that_pull_apart_are_weighed_against_each_other() -> None:
    # 0.3 - 0.4 = -0.1: the code lowers the score, and its column that does is shown
    (reasons,) = explain([[0.9, 0.8, 7.0, 1.0, 2.0]], [[0.3, -0.4, 0.5, 0.0, 0.0]], n_against=3)
    assert codes(reasons) == ["FAN_IN", "PASS_THROUGH"]
    assert reasons[1]["feature"] == "quick_pass__within_1h__window_7d"
    assert reasons[1]["contribution"] == pytest.approx(-0.1)


def test_what_lowers_the_score_comes_last_weightiest_first_and_says_that_it_speaks_for_the_account() -> None:
    (reasons,) = explain([[0.9, 0.8, 7.0, 90.0, 2.0]], [[-0.1, -0.1, 0.5, -0.7, -0.3]], n_against=2)
    assert codes(reasons) == ["FAN_IN", "NEW_ACCOUNT", "STAFF_RATING"]
    assert [reason["contribution"] for reason in reasons] == pytest.approx([0.5, -0.7, -0.3])
    assert [reason["text"].startswith(speaks_for("en")) for reason in reasons] == [False, True, True]
    said = "The account was opened 1.5 minutes ago; typical value of ordinary accounts: 1.5 minutes."
    assert reasons[1]["text"] == f"Speaks for the account: {said}"
    assert write_reason(reasons[1]) == said


def test_without_a_number_of_them_nothing_that_lowers_the_score_is_given() -> None:
    assert codes(explain([[0.9, 0.8, 7.0, 90.0, 2.0]], [[-0.1, -0.1, 0.5, -0.7, -0.3]])[0]) == ["FAN_IN"]


def test_an_undefined_column_counts_in_its_code_but_is_never_shown() -> None:
    # pass_through is undefined: its 0.6 stays in the sum of 0.7, and the next column is shown
    reasons, alone = explain(
        [[np.nan, 0.8, 7.0, 1.0, 2.0], [np.nan, np.nan, 7.0, 1.0, 2.0]],
        [[0.6, 0.1, 0.5, 0.0, 0.0], [0.6, 0.1, 0.5, 0.0, 0.0]],
    )
    assert codes(reasons) == ["PASS_THROUGH", "FAN_IN"]
    assert reasons[0]["feature"] == "quick_pass__within_1h__window_7d"
    assert reasons[0]["contribution"] == pytest.approx(0.7)
    assert codes(alone) == ["FAN_IN"]  # nothing of PASS_THROUGH can be shown, so the next code takes its place


def test_a_row_that_nothing_raises_has_no_reasons() -> None:
    assert explain([[0.9, 0.8, 7.0, 1.0, 2.0]], [[0.0, 0.0, 0.0, 0.0, 0.0]], n_against=3) == [[]]


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.float64, (4, 5), elements=st.floats(-2, 2)),
    arrays(np.float32, (4, 5), elements=st.sampled_from([0.0, 1.0, 5.0, np.nan])),
    st.permutations(range(4)),
    st.permutations(range(5)),
    st.integers(0, 4),
)
def test_reasons_are_those_of_a_loop_whatever_the_order_of_rows_and_columns(
    added: np.ndarray, values: np.ndarray, rows: list[int], columns: list[int], n_reasons: int
) -> None:
    peers = Peers(np.arange(5.0), np.arange(5.0) + 1)
    found = find_reasons(values, added, NAMES, peers, n_reasons, n_against=n_reasons)
    turned = find_reasons(
        values[rows][:, columns], added[rows][:, columns], [NAMES[column] for column in columns],
        Peers(peers.median[columns], peers.p99[columns]), n_reasons, n_against=n_reasons,
    )  # fmt: skip
    assert turned == [found[row] for row in rows]
    for row, reasons in enumerate(found):
        raising = looped(added[row], values[row], 1)[:n_reasons]
        lowering = looped(added[row], values[row], -1)[:n_reasons]
        assert [(reason["code"], reason["contribution"]) for reason in reasons] == [
            (code, pytest.approx(total, abs=1e-12)) for total, code in raising + lowering
        ]


def looped(added: np.ndarray, values: np.ndarray, sign: int) -> list[tuple[float, str]]:
    totals: dict[str, float] = defaultdict(float)
    shown = set()
    for column, name in sorted(enumerate(NAMES), key=lambda pair: pair[1]):
        totals[code_of(name)] += added[column]
        if sign * added[column] > 0 and not np.isnan(values[column]):
            shown.add(code_of(name))
    kept = [(total, code) for code, total in totals.items() if sign * total > 0 and code in shown]
    return sorted(kept, key=lambda pair: (-sign * pair[0], pair[1]))


def test_ten_thousand_rows_are_explained_within_seconds() -> None:
    random = np.random.default_rng(0)
    names = feature_names()
    values = random.random((10_000, len(names)), dtype=np.float32)
    peers = describe_peers(values[:100])
    begun = time.process_time()
    found = find_reasons(values, random.normal(size=values.shape), names, peers, 6, n_against=3)
    assert time.process_time() - begun < 60
    assert all(found)
