import json
import math

import numpy as np
import pytest
from scipy.stats import binom, norm

from muledetect.clock import DAY
from muledetect.errors import ModelError, OptionError
from muledetect.model.thresholds import AlertThreshold, alert_threshold, clear_threshold


def clustered(random, n_groups=250):
    """Mules of rings: size 1 to 4, a score that all share (standard normal in all) and a part of their own."""
    size = random.integers(1, 5, n_groups)
    group = np.repeat(np.arange(n_groups), size)
    return 0.9 * random.normal(size=n_groups)[group] + math.sqrt(0.19) * random.normal(size=len(group)), group


def test_at_most_the_stated_share_of_future_mules_is_cleared_at_the_stated_confidence_with_clustered_mules():
    """20 seeds x 20 draws; the true share below is norm.cdf(score); violations among 400 within binomial bounds."""
    violations = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        for _ in range(20):
            score, group = clustered(random)
            found = clear_threshold(score, np.ones(len(score), bool), groups=group, share=0.05, confidence=0.9)
            assert math.isfinite(found.score)
            violations += norm.cdf(found.score) > 0.05
    assert violations <= binom.ppf(0.99, 400, 0.1)


def test_single_mules_get_clopper_and_pearsons_bound():
    """P(Bin(500, 0.01) <= 0) = 0.0066, <= 1 is 0.040, <= 2 is 0.123: one may lie below, so the second is the cut."""
    found = clear_threshold(np.arange(500.0), np.ones(500, bool), share=0.01, confidence=0.95)
    assert found.score == 1.0
    assert found.cleared_share == 1 / 500
    assert found.expected_share == 2 / 501


def test_the_bound_of_single_mules_is_not_needlessly_careful():
    random = np.random.default_rng(0)
    over = [
        norm.cdf(clear_threshold(random.normal(size=500), np.ones(500, bool), share=0.02, confidence=0.9).score) > 0.02
        for _ in range(400)
    ]
    assert binom.ppf(0.001, 400, 0.03) <= sum(over) <= binom.ppf(0.99, 400, 0.1)


def test_too_few_mules_clear_nobody():
    found = clear_threshold([1.0, 2.0, 0.0], [True, True, False])
    assert found.score == -math.inf
    assert found.cleared_share == 0
    assert "too few" in found.text
    assert clear_threshold([1.0], [False]).score == -math.inf


def test_neither_the_order_of_rows_nor_names_of_groups_matter():
    random = np.random.default_rng(3)
    score, group = clustered(random)
    weight, positive = random.random(len(score)), random.random(len(score)) < 0.9
    order = random.permutation(len(score))
    names = random.permutation(group.max() + 1)
    one = clear_threshold(score, positive, weight, groups=group, share=0.05)
    assert one == clear_threshold(score[order], positive[order], weight[order], groups=names[group][order], share=0.05)


def test_a_mule_counts_once_as_a_new_alert():
    """At 5 from day 1 on: account 0 on day 1 only, account 1 on day 2; account 2 was above from the start."""
    score = [0, 0, 9, 6, 1, 9, 7, 5, 9]
    moment, account = np.repeat([0, DAY, 2 * DAY], 3), [0, 1, 2] * 3
    found = alert_threshold(score, moment, account, per_day=1)
    assert (found.score, found.alerts_per_day, found.n_days) == (1.0, 1.0, 2.0)
    assert alert_threshold(score, moment, account, per_day=0.4).score == math.inf
    assert alert_threshold([3, 1, 2], [0, 0, 0], [0, 1, 2], per_day=2).score == 2


def test_the_alert_threshold_agrees_with_counting_one_by_one():
    random = np.random.default_rng(5)
    for _ in range(30):
        score = random.integers(0, 12, (6, 8)).astype(float)

        def alerts(cut, score=score):
            above = score >= cut
            return int((above.any(axis=0) & ~above[0]).sum())

        kept = [cut for cut in range(12) if all(alerts(up) <= 2 for up in range(cut, 12))]
        moment, account = np.repeat(np.arange(6) * DAY, 8), np.tile(np.arange(8), 6)
        found = alert_threshold(score.ravel(), moment, account, per_day=0.4)
        assert alerts(found.score) == round(found.alerts_per_day * 5)
        assert alerts(found.score) <= 2
        assert not kept or alerts(min(kept)) <= alerts(found.score) or found.score >= min(kept)
        assert found.low <= found.high


def test_a_threshold_that_clears_nobody_is_plain_json():
    found = clear_threshold([1.0], [True]).to_json()
    assert found["score"] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_alert_thresholds_are_read_back_and_checked():
    alert = alert_threshold([3, 1, 2], [0, 0, 0], [0, 1, 2], per_day=2)
    assert AlertThreshold.from_json(json.loads(json.dumps(alert.to_json()))) == alert
    with pytest.raises(ModelError, match="cannot be read"):
        AlertThreshold.from_json({})


def test_options_out_of_range_are_named():
    with pytest.raises(OptionError, match="share"):
        clear_threshold([1.0], [True], share=0)
    with pytest.raises(OptionError, match="finite"):
        clear_threshold([math.nan], [True])
    with pytest.raises(OptionError, match="per_day"):
        alert_threshold([1.0], [0], [0], per_day=0)
