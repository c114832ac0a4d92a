"""Proximity to known mules against plain loops, and the proof that nobody sees the labels of its own ring."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from muledetect.clock import DAY, HOUR
from muledetect.features import extract, proximity
from muledetect.features.signals import MAX_DEGREE
from muledetect.graph import Points
from muledetect.labels import every_account
from muledetect.records import Dataset, read_dataset
from muledetect.testing import check_feature, random_world

NAMES = [f"{column}__window_30d" for column in proximity.proximity.columns]


class Move(NamedTuple):
    time: int
    source: str
    target: str
    amount: int


def moves_of(dataset: Dataset, as_of: int, window: int) -> list[Move]:
    table = dataset.transfers
    columns = (table["time"].cast("int64"), *(table[name] for name in ("source", "target", "amount")))
    every = (Move(*row) for row in zip(*(column.to_pylist() for column in columns), strict=True))
    return [move for move in every if as_of - window <= move.time < as_of and move.source != move.target]


def known_mules(dataset: Dataset, as_of: int) -> set[str]:
    labels = dataset.tables["labels"]
    rows = zip(
        labels["account_id"].to_pylist(),
        labels["label"].to_pylist(),
        labels["known_ts"].cast("int64").to_pylist(),
        strict=True,
    )
    return {account for account, label, known in rows if label == "mule" and known < as_of}


def oracle(moves: list[Move], account: str, mules: set[str], most: int) -> list[float]:
    """`mules` are those that the account may see."""
    credits_of, debits_of = (
        lambda a: [(m.source, m) for m in moves if m.target == a],
        lambda a: [(m.target, m) for m in moves if m.source == a],
    )
    shares, near, met, is_cut, quickest = [], [], set(), False, math.inf
    for side in (credits_of, debits_of):
        mine = side(account)
        total = sum(move.amount for _, move in mine)
        share, walk = 0.0, 0.0
        for other, move in mine:
            weight = move.amount / total
            if other in mules:
                share += weight
                walk += weight
                met.add(other)
                quickest = min(quickest, 0 if side is credits_of else math.inf)
                continue
            theirs = side(other)
            if len(theirs) > most:
                is_cut = True
                continue
            behind = sum(m.amount for third, m in theirs if third in mules) / max(1, sum(m.amount for _, m in theirs))
            walk += weight * 0.85 * behind
            if side is credits_of:
                gaps = [move.time - m.time for third, m in theirs if third in mules and m.time <= move.time]
                quickest = min([quickest, *gaps])
        shares.append(share if mine else math.nan)
        near.append(0.85 * walk if mine else math.nan)
    seconds = quickest / 1e6 if quickest < math.inf else math.nan
    return [*shares, *near, len(met), seconds, float(is_cut)]


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("has_groups", [False, True], ids=["alone", "in groups"])
def test_proximity_equals_its_oracle(seed: int, has_groups: bool) -> None:
    dataset = read_dataset(random_world(seed))
    random = np.random.default_rng(seed)
    as_of = int(random.choice(dataset.transfers["time"].cast("int64").to_numpy())) + 5 * DAY + HOUR
    ids = dataset.account_ids.to_pylist()
    group = random.integers(0, 3, len(ids)) if has_groups else np.arange(len(ids))
    table = extract(dataset, every_account(dataset, as_of), NAMES, hide_groups=group if has_groups else None)
    moves, mules = moves_of(dataset, as_of, 30 * DAY), known_mules(dataset, as_of)
    for row, account in enumerate(ids):
        seen = {other for other in mules if group[ids.index(other)] != group[row] and other != account}
        got = [table[name][row].as_py() for name in NAMES]
        got = [math.nan if value is None else value for value in got]
        np.testing.assert_allclose(
            got, oracle(moves, account, seen, MAX_DEGREE), rtol=1e-9, atol=1e-9, err_msg=f"{NAMES} {seed} {row}"
        )


def test_proximity_obeys_the_laws() -> None:
    check_feature(proximity.proximity, n_worlds=8)


def relabelled(world: dict[str, pa.Table], accounts: set[str], label: str | None) -> dict[str, pa.Table]:
    """The world with other labels, or none, of some accounts."""
    labels = world["labels"]
    is_meant = [account in accounts for account in labels["account_id"].to_pylist()]
    if label is None:
        return {**world, "labels": labels.filter(pa.array([not meant for meant in is_meant]))}
    new = [label if meant else old for meant, old in zip(is_meant, labels["label"].to_pylist(), strict=True)]
    return {**world, "labels": labels.set_column(labels.column_names.index("label"), "label", pa.array(new))}


@pytest.mark.parametrize("label", ["mule", "not_mule", None])
@pytest.mark.parametrize("seed", range(6))
def test_no_label_of_the_own_ring_reaches_a_point(seed: int, label: str | None) -> None:
    world = random_world(seed)
    dataset = read_dataset(world)
    as_of = int(dataset.transfers["time"].cast("int64").to_numpy().max()) + 20 * DAY
    group = np.random.default_rng(seed).integers(0, 3, len(dataset.account_ids))
    base = extract(dataset, every_account(dataset, as_of), NAMES, hide_groups=group)
    for ring in range(3):
        members = {dataset.account_ids[int(code)].as_py() for code in np.flatnonzero(group == ring)}
        changed = read_dataset(relabelled(world, members, label))
        asked = Points(np.flatnonzero(group == ring).astype(np.int32), np.full(int((group == ring).sum()), as_of))
        own = extract(changed, asked, NAMES, hide_groups=group)
        assert own.equals(base.take(pa.array(asked.account))) or all(
            np.array_equal(own[name].to_numpy(), base.take(pa.array(asked.account))[name].to_numpy(), equal_nan=True)
            for name in NAMES
        )


@pytest.mark.parametrize("seed", range(6))
def test_the_own_label_never_counts(seed: int) -> None:
    world = random_world(seed)
    dataset = read_dataset(world)
    as_of = int(dataset.transfers["time"].cast("int64").to_numpy().max()) + 20 * DAY
    base = extract(dataset, every_account(dataset, as_of), NAMES)
    for row, account in enumerate(dataset.account_ids.to_pylist()):
        for label in ("mule", None):
            changed = read_dataset(relabelled(world, {account}, label))
            own = extract(changed, every_account(changed, as_of), NAMES)
            for name in NAMES:
                np.testing.assert_array_equal(own[name].to_numpy()[row], base[name].to_numpy()[row])


def test_without_labels_nothing_is_known() -> None:
    world = {name: table for name, table in random_world(1).items() if name != "labels"}
    dataset = read_dataset(world)
    table = extract(dataset, every_account(dataset, "2025-02-01"), NAMES)
    assert all(np.isnan(table[name].to_numpy()).all() for name in NAMES)
