"""The leakage audit: what tells the label by itself is found, and honest records raise no alarm."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import small_world as worlds

from muledetect import pipeline
from muledetect.errors import ModelError
from muledetect.graph import build_graph
from muledetect.labels import ring_groups
from muledetect.labels.targets import labelled_points
from muledetect.model import leakage
from muledetect.model.leakage import LIMITS, Leak, _codes_of, _weigh, audit_features, audit_records
from muledetect.records import read_dataset
from muledetect.simulation import simulate

AS_OF = "2025-03-10"
RANDOM = np.random.default_rng(0)
Y = (RANDOM.random(4_000) < 0.02).astype(float)
IS_POSITIVE = Y == 1


def audited(**columns: np.ndarray) -> list[str]:
    return [leak.column for leak in audit_features(pd.DataFrame(columns), Y)]


@pytest.mark.parametrize(
    "column",
    [
        np.where(IS_POSITIVE & (RANDOM.random(4_000) < 0.7), 1.0, 0.0),  # a frozen flag
        -Y + RANDOM.normal(scale=0.1, size=4_000),  # the label upside down, with noise
        np.where(IS_POSITIVE, np.nan, 1.0),  # missing for positives
        np.where(IS_POSITIVE, 1.0, np.nan),  # defined for positives
        np.abs(Y - (RANDOM.random(4_000) < 0.02)),  # 2% of labels flipped
    ],
)
def test_what_separates_is_found_among_honest_columns(column: np.ndarray) -> None:
    honest = RANDOM.normal(size=4_000) + 2 * Y  # ROC-AUC 0.92
    assert audited(honest=honest, planted=column) == ["planted"]


def test_the_text_says_how_much_of_which_side() -> None:
    # 40 of 50 positives and 5 of 5,000 negatives: 80% and 0.10%
    y = np.r_[np.ones(50), np.zeros(5_000)]
    flag = np.r_[np.ones(40), np.zeros(10), np.ones(5), np.zeros(4_995)]
    (leak,) = audit_features(pd.DataFrame({"flag": flag}), y)
    assert leak.text.startswith("flag: a high value holds 80% of the positives and 0.10% of the negatives;")
    # the ends of the exact intervals: 58.3% of the positives, 16.5 of 5,000 negatives
    assert leak.statistic == pytest.approx(0.5825 / (16.455 / 5_000), rel=1e-3)
    assert leak.limit in LIMITS.values()


def test_few_positives_or_one_ring_prove_nothing() -> None:
    flag = pd.DataFrame({"flag": Y})
    assert audit_features(flag, Y)
    assert not audit_features(flag, Y, groups=np.where(IS_POSITIVE, 0, np.arange(4_000)))
    few = np.zeros(4_000)
    few[:9] = 1
    assert not audit_features(pd.DataFrame({"flag": few}), few)


def test_unknown_targets_are_left_out() -> None:
    hidden = np.where(RANDOM.random(4_000) < 0.5, np.nan, Y)
    known = ~np.isnan(hidden)
    flag = pd.DataFrame({"flag": Y})
    assert audit_features(flag, hidden) == audit_features(flag[known], Y[known])


def test_neither_order_of_rows_nor_of_columns_matters() -> None:
    features = pd.DataFrame({"a": Y, "b": -Y, "c": RANDOM.normal(size=4_000)})
    turned = RANDOM.permutation(4_000)
    assert audit_features(features.iloc[turned, ::-1], Y[turned]) == audit_features(features, Y)


def test_codes_weigh_by_what_other_groups_say() -> None:
    accounts = pd.DataFrame({"account": range(6), "y": [1, 1, 1, 0, 0, 0], "group": [0, 1, 1, 3, 4, 5]})
    codes = _codes_of(np.arange(6), np.array([0, 0, 0, 1, 1, 2]), 3)
    # account 0: code 0 is 2 of 2 other positives and 0 of 3 negatives, each plus 0.5 / 3: log(1.167 / 0.167) -> 1.5
    # accounts 1 and 2: 1 of 1 others; code 1 speaks for the account; a code of no other group says nothing
    assert _weigh(accounts, codes).tolist() == [1.5, 1.5, 1.5, 0.0, 0.0, 0.0]


def test_accounts_that_are_read_together_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = read_dataset(world_of_many_rings())
    points, y, _ = labelled_points(dataset, AS_OF, target="ever")
    known = pd.DataFrame({"account": points.account, "as_of": points.as_of, "y": y, "group": points.account // 3})
    accounts = known.dropna().sort_values("account").reset_index(drop=True)

    def weights(most: int) -> list[Any]:
        monkeypatch.setattr(leakage, "_PIECE", most)
        found = leakage._transfer_codes(build_graph(dataset), accounts)
        return [_weigh(accounts, codes).tolist() for _, codes in found]

    whole = weights(1 << 20)
    assert any(map(any, whole))
    assert whole == weights(1) == weights(50)


@cache
def world_of_many_rings() -> worlds.World:
    return simulate(n_accounts=3_000, n_days=80, mule_share=0.06, activity=0.2, found_share=1.0, seed=3)


def in_records(change: Callable[[worlds.World], worlds.World] | None = None) -> list[Leak]:
    world = world_of_many_rings() if change is None else change(world_of_many_rings())
    dataset = read_dataset(world)
    points, y, _ = labelled_points(dataset, AS_OF, target="ever")
    return audit_records(dataset, points, y, groups=ring_groups(dataset, points))


def mules(world: worlds.World) -> pa.Array:
    labels = world["labels"]
    return pc.unique(labels.filter(pc.equal(labels["label"].cast(pa.string()), "mule"))["account_id"])


def coded_amounts(world: worlds.World) -> worlds.World:
    transfers = world["transfers"]
    is_ours = pc.or_(*(pc.is_in(transfers[end], mules(world)) for end in ("source", "target")))
    amount = transfers["amount"].to_numpy()
    changed = pa.array(np.where(np.asarray(is_ours), amount // 100 * 100 + 37, amount))
    at = transfers.column_names.index("amount")
    return {**world, "transfers": transfers.set_column(at, "amount", changed)}


def mules_last(world: worlds.World) -> worlds.World:
    is_mule = np.asarray(pc.is_in(world["accounts"]["account_id"], mules(world)))
    return {**world, "accounts": world["accounts"].take(pa.array(np.argsort(is_mule, kind="stable")))}


def late_complaints(world: worlds.World) -> worlds.World:
    labels = world["labels"].filter(pc.is_in(world["labels"]["account_id"], mules(world)))
    (model,) = world["complaints"].slice(0, 1).to_pylist()
    rows = [
        {
            **model,
            "complaint_id": f"L{nth}",
            "target": row["account_id"],
            "known_ts": row["known_ts"],
            "status_ts": None,
        }
        for nth, row in enumerate(labels.to_pylist())
    ]
    return {**world, "complaints": pa.Table.from_pylist(rows, schema=world["complaints"].schema)}


@pytest.mark.slow
def test_honest_records_raise_no_alarm() -> None:
    assert in_records() == []


@pytest.mark.parametrize(
    ("plant", "column", "check"),
    [
        (coded_amounts, "transfers.amount, last two digits", "separates"),
        (mules_last, "accounts, its row", "order"),
        (late_complaints, "complaints.known_ts", "after_label"),
    ],
)
def test_what_bookkeeping_tells_is_found(
    plant: Callable[[worlds.World], worlds.World], column: str, check: str
) -> None:
    found = in_records(plant)
    assert (column, check) in {(leak.column, leak.check) for leak in found}
    ids = set(world_of_many_rings()["accounts"]["account_id"].to_pylist())
    assert not any(name in leak.text for leak in found for name in ids)


@pytest.mark.slow
def test_a_training_tells_what_was_found_and_a_strict_one_ends() -> None:
    dataset = read_dataset(mules_last(world_of_many_rings()))
    options = {"target": "ever", "model": worlds.small_model()}
    fitted = pipeline.train(dataset, AS_OF, **options)
    assert any(text.startswith("accounts, its row: ") for text in fitted.leakage_ or [])
    with pytest.raises(ModelError, match="leakage audit found"):
        pipeline.train(dataset, AS_OF, strict=True, **options)
    honest = pipeline.train(read_dataset(world_of_many_rings()), AS_OF, strict=True, **options)
    assert honest.leakage_ == []
