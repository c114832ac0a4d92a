from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from muledetect.evaluation import measure_layers

# m1 is in two rings, in the first of them one hop from the victims
RINGS = pa.table(
    {
        "ring_id": ["r1", "r1", "r1", "r1", "r2", "r2", "r2"],
        "account_id": ["m1", "m2", "m3", "m4", "m1", "m5", "m6"],
        "layer": [1, 2, 3, 4, 5, 1, None],
    }
)
ACCOUNTS = ["h1", "m1", "m2", "m3", "m4", "m5", "m6", "h2"]
Y = np.array([0.0, 1, 1, 1, 1, 1, 1, 0])
SCORE = np.array([0.5, 0.9, 0.1, 0.8, 0.2, 0.3, 0.7, 0.0])


def test_recall_is_that_of_each_layer_at_the_alerts_of_the_whole_bank() -> None:
    # three alerts: m1 (layer 1), m3 (layer 3) and m6, whose layer nobody knows
    found = measure_layers(Y, SCORE, ACCOUNTS, RINGS, k=3).set_index("layer")
    assert found.index.tolist() == ["1", "2", "3+"]
    assert found["n_positive"].tolist() == [2, 1, 2]
    assert found["recall"].tolist() == [0.5, 0.0, 0.5]
    assert (found["recall_low"] <= found["recall"]).all()
    assert (found["recall"] <= found["recall_high"]).all()


def test_an_account_that_is_not_sought_counts_in_no_layer() -> None:
    y = np.where(np.array(ACCOUNTS) == "m2", 0.0, np.where(np.array(ACCOUNTS) == "m5", np.nan, Y))
    found = measure_layers(y, SCORE, ACCOUNTS, RINGS, k=3)
    assert dict(zip(found["layer"], found["n_positive"], strict=True)) == {"1": 1, "3+": 2}


def test_order_and_names_of_accounts_do_not_matter() -> None:
    groups = np.array([0, 1, 1, 1, 1, 2, 2, 3])
    wanted = measure_layers(Y, SCORE, ACCOUNTS, RINGS, k=3, groups=groups)
    order = np.array([5, 2, 7, 0, 6, 1, 3, 4])
    renamed = RINGS.set_column(
        1, "account_id", pa.array([f"z{10 - int(a[1])}" for a in RINGS["account_id"].to_pylist()])
    )
    names = [f"z{10 - int(a[1])}" if a[0] == "m" else a for a in ACCOUNTS]
    found = measure_layers(Y[order], SCORE[order], [names[i] for i in order], renamed, k=3, groups=groups[order])
    assert found.equals(wanted)


@pytest.mark.parametrize("rings", [None, RINGS.drop_columns(["layer"])])
def test_where_no_table_knows_layers_there_are_no_rows(rings: pa.Table | None) -> None:
    found = measure_layers(Y, SCORE, ACCOUNTS, rings, k=3)
    assert len(found) == 0
    assert "recall_low" in found
