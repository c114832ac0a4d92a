from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from muledetect.evaluation.by_part import (
    leave_one_typology_out,
    measure_parts,
    ratio_interval,
    subgroup_parts,
    typology_parts,
)
from muledetect.model import MuleModel


def parts(values: list[str], part: str = "kind") -> pd.DataFrame:
    return pd.DataFrame({"part": part, "value": values, "row": range(len(values))})


def test_a_part_is_measured_at_the_budget_of_the_whole_bank() -> None:
    # the two highest of the bank are rows 0 (a mule, a) and 3 (no mule, b)
    found = measure_parts(
        [1, 1, 0, 0, 0, 1],
        [0.9, 0.1, 0.2, 0.8, 0.1, 0.3],
        parts(["a", "a", "a", "b", "b", "b"]),
        k=2,
        probability=np.full(6, 0.5),
    ).set_index("value")
    assert found["recall"].tolist() == [0.5, 0.0]
    assert found["false_positive_rate"].tolist() == [0.0, 0.5]
    assert found.loc["a", "calibration_gap"] == pytest.approx(2 / 3 - 0.5)
    assert found["is_few"].all()


def test_parts_do_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(0)
    y, score = (rng.random(200) < 0.2).astype(float), rng.random(200).round(2)
    names, rings = rng.choice(["a", "b"], 200), rng.integers(0, 50, 200)
    turned = rng.permutation(200)
    one = measure_parts(y, score, parts(list(names)), k=20, groups=rings)
    other = measure_parts(y[turned], score[turned], parts(list(names[turned])), k=20, groups=rings[turned])
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_a_rate_of_nothing_is_not_certain() -> None:
    # Wilson, 0 of 10: z^2 / (n + z^2) = 3.8415 / 13.8415
    low, high = ratio_interval(np.zeros(10), np.ones(10))
    assert (low, high) == pytest.approx((0.0, 3.841459 / 13.841459))
    assert np.isnan(ratio_interval(np.zeros(0), np.zeros(0))).all()


def test_one_block_alone_tells_nothing_of_the_spread() -> None:
    # Wilson, half of 1: 0.5 * (1 -+ sqrt(1 - 1 / (1 + z^2))), z^2 = 3.841459
    low, high = ratio_interval(np.array([1.0, 0.0]), np.ones(2), np.zeros(2))
    half = 0.5 * (3.841459 / 4.841459) ** 0.5
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half))
    assert np.isnan(ratio_interval(np.array([-0.5, 0.2]), np.ones(2), np.zeros(2))).all()  # a gap is no share


def test_one_block_more_or_less_widens_the_interval_of_blocks() -> None:
    hit = np.repeat([1.0, 0.0, 1.0, 0.0], 25)
    alone = ratio_interval(hit, np.ones(100))
    in_blocks = ratio_interval(hit, np.ones(100), np.repeat(np.arange(4), 25))
    assert in_blocks[1] - in_blocks[0] > 2 * (alone[1] - alone[0])


def test_an_account_of_two_rings_counts_for_both_shapes() -> None:
    rings = pa.table({"account_id": ["x", "x", "z"], "shape": ["cycle", "fan_in", "cycle"], "layer": [1, 2, None]})
    found = typology_parts(["x", "y"], rings)
    assert found.to_dict("records") == [
        {"part": "shape", "value": "cycle", "row": 0},
        {"part": "shape", "value": "fan_in", "row": 0},
        {"part": "layer", "value": "1", "row": 0},
        {"part": "layer", "value": "2", "row": 0},
    ]


def test_subgroups_say_unknown_where_nothing_is_known() -> None:
    opened = pa.array(["2025-01-01T00:00Z", None], pa.string()).cast(pa.timestamp("us", "UTC"))
    accounts = pa.table({"account_id": ["x", "y"], "holder_id": ["h", None], "kind": ["a", None], "opened_at": opened})
    holders = pa.table({"holder_id": ["h"], "birth_year": [1987]})
    found = subgroup_parts(["x", "y", "z"], "2025-02-05", accounts, holders)
    values = found.pivot_table(index="row", columns="part", values="value", aggfunc="first")
    assert values.loc[0].to_dict() == {"age": "30-90 d", "birth_decade": "1980s", "kind": "a"}
    assert (values.loc[[1, 2]] == "unknown").all(axis=None)


def test_a_typology_that_training_never_saw_is_recalled_less() -> None:
    rng = np.random.default_rng(0)
    n = 600
    typology = np.array(["no", "one", "two"])[rng.choice(3, n, p=[0.8, 0.1, 0.1])]
    y = (typology != "no").astype(float)
    table = pd.DataFrame({"a": (typology == "one") + rng.normal(0, 0.2, n), "b": (typology == "two") * 1.0})
    rows = pd.DataFrame({"part": "shape", "value": typology, "row": range(n)})
    found = leave_one_typology_out(
        table, y, rows, table, y, rows, k=0.25, model=MuleModel(n_estimators=20, n_bags=1)
    ).set_index("value")
    assert found.index.tolist() == ["one", "two"]
    assert (found["recall_seen"] > 0.9).all()
    assert (found["recall_unseen"] < 0.5).all()
    assert found["n_removed"].tolist() == [int((typology == name).sum()) for name in ("one", "two")]
