"""The simulated world keeps its promises: conserved money, one truth, honest records, no giveaway."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lightgbm import LGBMClassifier
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import cross_val_predict

from muledetect import schema
from muledetect.errors import OptionError
from muledetect.records import read_dataset
from muledetect.simulate import World, WorldConfig, simulate, simulate_world
from muledetect.simulate.crews import SHAPES, recruit
from muledetect.simulate.people import build_people
from muledetect.simulate.rhythm import build_rhythm


@pytest.fixture(scope="module")
def world() -> World:
    return simulate_world(WorldConfig(n_accounts=4000, n_days=90, seed=5, mule_share=0.02))


@pytest.fixture(scope="module")
def transfers(world: World) -> pd.DataFrame:
    rows = world.tables["transfers"].to_pandas()
    truth = world.truth_transfers.to_pandas().rename(columns={"kind": "truth"})
    rows = rows.merge(truth, on="transfer_id", how="left")
    rows["is_illicit"] = rows["truth"].isin(["victim", "hop", "exit"])
    return rows


def digest(tables: dict[str, pa.Table]) -> str:
    seen = hashlib.sha256()
    for name in sorted(tables):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, tables[name].schema) as writer:
            writer.write_table(tables[name].combine_chunks())
        seen.update(sink.getvalue())
    return seen.hexdigest()


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert digest(simulate(300, 20, seed=4)) == digest(simulate(300, 20, seed=4))


def test_another_seed_gives_another_world() -> None:
    assert digest(simulate(300, 20, seed=4)) != digest(simulate(300, 20, seed=5))


def test_every_table_has_exactly_the_contract_columns_and_types(world: World) -> None:
    assert set(world.tables) == set(schema.INPUTS)
    for name, table in world.tables.items():
        assert table.schema.equals(schema.INPUTS[name].arrow_schema), name
        for column in schema.INPUTS[name].required:
            assert table[column].null_count == 0, (name, column)
        assert table.num_rows > 0, name


def test_the_reader_accepts_every_row(world: World) -> None:
    dataset = read_dataset(dict(world.tables))
    assert dataset.rejects.num_rows == 0
    assert dataset.tables["transfers"].num_rows == world.tables["transfers"].num_rows


@settings(deadline=None, max_examples=6, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**40),
    n_accounts=st.integers(200, 500),
    n_days=st.integers(14, 40),
    mule_share=st.sampled_from([0.0, 0.01, 0.05]),
    outside_share=st.floats(0.1, 2.0),
    activity=st.floats(0.1, 2.0),
)
def test_money_is_conserved_and_no_balance_falls_below_zero(
    seed: int, n_accounts: int, n_days: int, **more: float
) -> None:
    world = simulate_world(WorldConfig(n_accounts=n_accounts, n_days=n_days, seed=seed, **more))  # type: ignore[arg-type]
    assert int(world.opening.sum()) == int(world.final.sum())
    assert world.final.min() >= 0
    check_running_balances(world)


def check_running_balances(world: World) -> None:
    """Each balance of ours follows from the one before by exactly the amount, and ends at the account's balance."""
    rows = world.tables["transfers"].to_pandas()
    paid = rows[["time", "source", "source_balance_after", "amount"]].set_axis(
        ["time", "id", "after", "amount"], axis=1
    )
    got = rows[["time", "target", "target_balance_after", "amount"]].set_axis(["time", "id", "after", "amount"], axis=1)
    paid["amount"] *= -1
    moves = pd.concat([paid, got]).dropna(subset=["after"]).sort_values(["id", "time"])
    assert (moves["after"] >= 0).all()
    before = moves.groupby("id")["after"].shift(1)
    known = before.notna()
    assert (before[known] + moves["amount"][known] == moves["after"][known]).all()
    accounts = world.tables["accounts"].to_pandas().set_index("account_id")
    last = moves.groupby("id")["after"].last()
    assert (accounts.loc[last.index, "balance"] == last).all()


def test_running_balances_of_a_large_world_reconcile(world: World) -> None:
    check_running_balances(world)
    assert int(world.opening.sum()) == int(world.final.sum())


def test_other_banks_balances_are_unknown_and_every_transfer_touches_our_bank(world: World) -> None:
    rows = world.tables["transfers"].to_pandas()
    accounts = world.tables["accounts"].to_pandas()
    ours = set(accounts.loc[accounts["is_own"], "account_id"])
    assert (rows["source"].isin(ours) == rows["source_balance_after"].notna()).all()
    assert (rows["target"].isin(ours) == rows["target_balance_after"].notna()).all()
    assert (rows["source"].isin(ours) | rows["target"].isin(ours)).all()
    assert accounts["bank_id"].nunique() > 3


@pytest.mark.parametrize(
    ("table", "happened"),
    [("complaints", "time"), ("calls", "time"), ("identifiers", "valid_from"), ("watchlists", "valid_from"),
     ("labels", "activity_start"), ("labels", "activity_end")],
)  # fmt: skip
def test_nothing_is_known_before_it_happened_or_after_the_end(world: World, table: str, happened: str) -> None:
    rows = world.tables[table].to_pandas()
    there = rows[happened].notna()
    assert (rows["known_ts"][there] >= rows[happened][there]).all()
    assert rows["known_ts"].max() < world.tables["accounts"]["balance_at"].to_pandas().max()


def test_a_world_without_crime_has_no_truth() -> None:
    world = simulate_world(WorldConfig(n_accounts=300, n_days=20, mule_share=0.0))
    assert world.truth_transfers.num_rows == 0
    assert world.tables["truth_rings"].num_rows == 0
    assert "mule" not in world.tables["labels"]["label"].to_pylist()


def test_every_shape_of_ring_is_recruited() -> None:
    config = WorldConfig(n_accounts=4000, n_days=90, seed=5, mule_share=0.03)
    rhythm = build_rhythm(config)
    crime = recruit(config, build_people(config, rhythm), rhythm)
    assert {ring.shape for ring in crime.rings} == set(SHAPES)
    for ring in crime.rings:
        assert 2 <= len(ring.members) <= SHAPES[ring.shape][1]


def test_a_mule_never_passes_on_more_illicit_money_than_it_received(world: World, transfers: pd.DataFrame) -> None:
    illicit = transfers[transfers["truth"].isin(["victim", "hop", "exit", "spend"])]
    accounts = world.tables["accounts"].to_pandas()
    members = set(world.tables["truth_rings"]["account_id"].to_pylist())
    ours = sorted(members & set(accounts.loc[accounts["is_own"], "account_id"]))
    received = illicit.groupby("target")["amount"].sum().reindex(ours, fill_value=0)
    passed_on = illicit.groupby("source")["amount"].sum().reindex(ours, fill_value=0)
    assert (passed_on <= received).all()
    assert passed_on.sum() > 0.6 * received.sum()


def test_labels_are_late_incomplete_and_mostly_right(world: World) -> None:
    labels = world.tables["labels"].to_pandas()
    accounts = world.tables["accounts"].to_pandas()
    members = set(world.tables["truth_rings"]["account_id"].to_pylist())
    ours = members & set(accounts.loc[accounts["is_own"], "account_id"])
    found = set(labels.loc[labels["label"] == "mule", "account_id"])
    assert 0.3 < len(found & ours) / len(ours) < 0.85
    assert len(found - ours) <= 0.15 * len(found)
    assert (labels["label"] == "not_mule").sum() > 0.4 * accounts["is_own"].sum()
    delay = labels.loc[labels["label"] == "mule", "known_ts"] - labels.loc[labels["label"] == "mule", "activity_start"]
    assert delay.median() > pd.Timedelta("1D")


def test_a_single_illicit_transfer_looks_like_a_normal_one(transfers: pd.DataFrame) -> None:
    """Cents, clock, id, channel and missing values against normal transfers of the same channels: a coin toss."""
    illicit = transfers[transfers["is_illicit"]]
    normal = transfers[~transfers["is_illicit"]]
    wanted = illicit["channel"].value_counts() * 3
    matched = [normal[normal["channel"] == name].sample(n, random_state=1, replace=True) for name, n in wanted.items()]
    rows = pd.concat([illicit, *matched]).sample(frac=1, random_state=2)
    moment = rows["time"].astype("datetime64[us, UTC]").astype("int64")
    columns = {
        "cents": rows["amount"] % 100,
        "microsecond": moment % 1_000_000,
        "second": moment // 1_000_000 % 60,
        "minute": moment // 60_000_000 % 60,
        "id": rows["transfer_id"].astype("int64"),
        "channel": rows["channel"].astype("category").cat.codes,
        "memo": rows["memo_hash"].isna(),
        "session": rows["session_id"].isna(),
        "terminal": rows["terminal_id"].isna(),
    }
    model = LGBMClassifier(n_estimators=40, num_leaves=7, verbose=-1, n_jobs=1, random_state=0)
    guess = cross_val_predict(model, pd.DataFrame(columns), rows["is_illicit"], cv=4, method="predict_proba")[:, 1]
    assert 0.4 < roc_auc_score(rows["is_illicit"], guess) < 0.6


def test_no_one_number_finds_the_mules(world: World, transfers: pd.DataFrame) -> None:
    accounts = world.tables["accounts"].to_pandas().query("is_own").set_index("account_id")
    is_mule = accounts.index.isin(world.tables["truth_rings"]["account_id"].to_pylist())
    received, sent = transfers.groupby("target"), transfers.groupby("source")
    numbers = {
        "in": received["amount"].sum(),
        "out": sent["amount"].sum(),
        "in_degree": received["source"].nunique(),
        "out_degree": sent["target"].nunique(),
        "largest_in": received["amount"].max(),
        "age": -accounts["opened_at"].astype("int64"),
        "ratio": -(1 - sent["amount"].sum() / received["amount"].sum()).abs(),
        "vasp": transfers[transfers["channel"] == "vasp"].groupby("source")["amount"].sum(),
    }
    for name, values in numbers.items():
        column = values.reindex(accounts.index).fillna(values.min()).to_numpy(np.float64)
        assert average_precision_score(is_mule, column) < 0.25, name


def test_dwell_is_fast_for_many_and_slow_for_some(transfers: pd.DataFrame) -> None:
    illicit = transfers[transfers["is_illicit"]]
    leaving = {
        name: np.sort(group.to_numpy())
        for name, group in illicit[illicit["truth"] != "victim"].groupby("source")["time"]
    }
    rests = []
    for target, moment in zip(illicit["target"], illicit["time"].to_numpy(), strict=True):
        if target in leaving:
            place = np.searchsorted(leaving[target], moment, side="right")
            if place < len(leaving[target]):
                rests.append((leaving[target][place] - moment) / np.timedelta64(1, "m"))
    rest = np.array(rests)
    assert 0.1 < (rest < 15).mean() < 0.5
    assert 0.3 < (rest < 60).mean() < 0.75
    assert (rest > 24 * 60).mean() > 0.01


def test_wrong_parameters_are_all_reported_at_once() -> None:
    with pytest.raises(OptionError, match=r"n_accounts must lie in .* n_days must lie in"):
        WorldConfig(n_accounts=1, n_days=1)
    with pytest.raises(OptionError, match="must be of type float, got str"):
        WorldConfig(mule_share="0.1")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="did you mean 'mule_share'"):
        simulate(300, 20, mule_shar=0.1)
