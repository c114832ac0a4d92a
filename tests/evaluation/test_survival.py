"""Detection curves: worked by hand, SciPy's estimate as oracle, bands of whole rings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf

from muledetect.errors import OptionError
from muledetect.evaluation import detection_curve


def test_accounts_that_were_never_found_stay_at_risk_until_nobody_looks() -> None:
    # at 1 one of four is found: 1/4; 2 is censored; at 3 one of the two left: 1 - 3/4 * 1/2 = 5/8; 4 is censored
    found = detection_curve([1, 2, 3, 4], [True, False, True, False])
    assert found["minutes"].tolist() == [0, 1, 3, 4]
    assert found["at_risk"].tolist() == [4, 4, 2, 1]
    assert found["share"].tolist() == pytest.approx([0, 1 / 4, 5 / 8, 5 / 8])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=12))
def test_shares_are_those_of_kaplan_and_meier(rows: list[tuple[int, bool]]) -> None:
    minutes, is_found = (np.array(column) for column in zip(*rows, strict=True))
    curve = detection_curve(minutes, is_found, n_draws=2)
    if not is_found.any():
        assert (curve["share"] == 0).all()
        return
    oracle = ecdf(CensoredData(uncensored=minutes[is_found], right=minutes[~is_found])).cdf
    np.testing.assert_allclose(
        curve["share"][curve["minutes"] > 0], oracle.evaluate(curve["minutes"])[curve["minutes"] > 0]
    )


def test_rings_that_are_found_together_widen_the_band() -> None:
    minutes = np.repeat([10.0, 20.0, 30.0, 40.0], 25)
    is_found = np.repeat([True, True, False, False], 25)
    alone = detection_curve(minutes, is_found).set_index("minutes").loc[20]
    in_rings = detection_curve(minutes, is_found, np.repeat(np.arange(4), 25)).set_index("minutes").loc[20]
    assert in_rings["share"] == alone["share"] == 0.5
    assert in_rings["high"] - in_rings["low"] > 2 * (alone["high"] - alone["low"])


def test_finding_nobody_or_all_is_not_certain() -> None:
    # Wilson, 0 of 10 and 10 of 10: z^2 / (n + z^2) = 3.8415 / 13.8415
    nobody = detection_curve(np.full(10, 5.0), np.zeros(10, bool))
    assert nobody[["minutes", "share", "low"]].to_numpy().tolist() == [[0, 0, 0], [5, 0, 0]]
    assert nobody["high"].tolist() == pytest.approx([0, 3.841459 / 13.841459])
    all_found = detection_curve(np.full(10, 5.0), np.ones(10, bool)).iloc[-1]
    assert (all_found["share"], all_found["high"]) == (1, 1)
    assert all_found["low"] == pytest.approx(1 - 3.841459 / 13.841459)


def test_the_band_does_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(3)
    minutes, is_found, ring = rng.integers(1, 9, 60), rng.random(60) < 0.6, rng.integers(0, 9, 60)
    turned = rng.permutation(60)
    one = detection_curve(minutes, is_found, ring, n_draws=50)
    assert one.equals(detection_curve(minutes[turned], is_found[turned], ring[turned], n_draws=50))


def test_nobody_gives_no_rows_and_wrong_columns_are_refused() -> None:
    assert detection_curve([], []).empty
    with pytest.raises(OptionError, match="equally long"):
        detection_curve([1, 2], [True])
    with pytest.raises(OptionError, match="1 such times"):
        detection_curve([1, -2], [True, True])
