"""Suspicion columns against plain loops, and what training may read."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from known import Known

from muledetect.clock import DAY
from muledetect.features import Extraction, extract, extract_shards, extract_with, registry
from muledetect.features._extract import each_shard
from muledetect.features._extraction import Suspicion
from muledetect.features.suspicion import COLUMNS, bits_of
from muledetect.graph import Points, build_graph
from muledetect.labels import component_groups, every_account
from muledetect.model import MuleModel, extract_for, neighbours
from muledetect.model.fitted import TrainedOn
from muledetect.model.neighbours import extraction_of, score_shards, training_suspicion
from muledetect.model.rows import Rows
from muledetect.model.training import Learner
from muledetect.model.trees import Job
from muledetect.records import Dataset, read_dataset
from muledetect.simulation import simulate
from muledetect.testing import random_world


def plain(dataset: Dataset, bits: np.ndarray, account: int, as_of: int) -> dict[str, float]:
    """All columns of one account, by loops over its transfers."""
    graph, found = build_graph(dataset), {}
    for side, own, other in (("in", graph.target, graph.source), ("out", graph.source, graph.target)):
        deals: dict[int, list[int]] = {}
        for i in range(graph.n_transfers):
            if own[i] == account and other[i] != account and graph.time[i] < as_of:
                deals.setdefault(int(other[i]), []).append(int(graph.amount[i]))
        known = sorted((bits[b] for b in deals), reverse=True)
        amounts = {b: sum(deal) for b, deal in deals.items()}
        total, rare = sum(amounts.values()), {b: 1 / len(deal) for b, deal in deals.items()}
        found |= {
            f"{side}_suspicion_mean": np.mean(known) if known else math.nan,
            f"{side}_suspicion_by_amount": sum(bits[b] * a / total for b, a in amounts.items()) if known else math.nan,
            f"{side}_suspicion_of_rare": (
                sum(bits[b] * w for b, w in rare.items()) / sum(rare.values()) if known else math.nan
            ),
            f"{side}_suspicion_max": known[0] if known else math.nan,
            f"{side}_suspicion_second": known[1] if len(known) > 1 else 0.0 if known else math.nan,
            f"{side}_suspicious": float(sum(bit >= np.log2(100) for bit in known)),
        }
    return found | sharing(
        Known(dataset, as_of), dict(zip(dataset.account_ids.to_pylist(), bits, strict=True)), account
    )


def sharing(known: Known, bits: dict[str, float], account: int) -> dict[str, float]:
    """The columns of those that share a holder or an identifier with one account, by loops over who used what."""
    own = list(bits)[account]
    users: dict[tuple[str, str], set] = {}
    for kind, value, person, _ in known.sightings():
        if kind not in {"cell", "terminal"}:
            users.setdefault((kind, value), set()).add(person)
    people = {known.person(own)}.union(*(u for u in users.values() if known.person(own) in u and len(u) <= 20))

    def is_known(entry: str) -> bool:
        opened = known.accounts[entry]["opened_at"]
        used = any(entry in (row["source"], row["target"]) for row in known.transfers)
        return used or (opened is not None and opened < known.as_of)

    near = [bits[other] for other in bits if other != own and known.person(other) in people and is_known(other)]
    return {
        "shared_suspicion_mean": np.mean(near) if near else math.nan,
        "shared_suspicion_max": max(near, default=math.nan),
        "shared_suspicious": float(sum(bit >= np.log2(100) for bit in near)),
    }


@pytest.mark.parametrize("seed", range(4))
def test_suspicion_equals_plain_loops(seed: int) -> None:
    dataset = read_dataset(random_world(seed))
    times = dataset.transfers["time"].cast(pa.int64()).to_numpy()
    as_of = int(np.sort(times)[len(times) * 3 // 4])
    points = every_account(dataset, as_of)
    bits = np.random.default_rng(seed).choice([0.0, 1.0, 3.5, 7.0, 12.25], len(dataset.account_ids))

    def suspect(_: Extraction, moment: int) -> Suspicion:
        assert moment == as_of
        return Suspicion(bits[None], np.zeros(len(bits), np.int64))

    extraction = Extraction(dataset).with_suspicion(suspect)
    ((shard, values),) = extract_shards(extraction, points, list(COLUMNS), registry())
    for account, row in zip(shard.account, values, strict=True):
        told = plain(dataset, bits, int(account), as_of)
        np.testing.assert_allclose(row, [told[name] for name in COLUMNS], atol=2e-4)


def test_without_scores_suspicion_is_not_defined() -> None:
    dataset = read_dataset(random_world(0))
    table = extract(dataset, every_account(dataset, "2030-01-01"), list(COLUMNS))
    assert all(np.isnan(table[name].to_numpy()).all() for name in COLUMNS)


def test_bits_tell_the_share_that_is_as_high() -> None:
    np.testing.assert_allclose(bits_of(np.array([5.0, 1.0, 5.0, -2.0])), [1.0, np.log2(4 / 3), 1.0, 0.0])


@pytest.fixture(scope="module")
def world() -> Dataset:
    return read_dataset(simulate(n_accounts=900, n_days=80, seed=5, mule_share=0.06, evasion=0.2, least_mules=50))


NAMES = [
    "in_count__window_all",
    "out_count__window_all",
    "pass_through__window_24h",
    "in_amount__window_all",
    "in_beyond_pass__window_30d",
]


@pytest.mark.slow
def test_no_account_reads_a_score_of_trees_that_saw_its_label(world: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each set of trees is given a score of its own, so that every number that is read tells who gave it."""
    points = every_account(world, int(build_graph(world).time[-1]))
    groups = component_groups(world)[points.account]
    labelled = np.random.default_rng(1).random(groups.max() + 1) < 0.7
    y = np.where(labelled[groups], (np.random.default_rng(2).random(groups.max() + 1) < 0.3)[groups], np.nan)
    seen_by: list[set[int]] = []
    read: list[Suspicion] = []

    def grow(_: Learner, rows: Rows, jobs: list[Job], n_trees: int) -> list[str]:
        assert n_trees > 0
        seen_by.extend(set(rows.position[job.rows].tolist()) for job in jobs)
        return ["" for _ in jobs]

    def score(_: Learner, boosters: list[None], values: np.ndarray) -> np.ndarray:
        return np.repeat(4.0 ** np.arange(len(boosters))[:, None], len(values), axis=1)

    monkeypatch.setattr(Learner, "grow", grow)
    monkeypatch.setattr(Learner, "score", score)
    monkeypatch.setattr(neighbours, "pack_trees", lambda *_: None)
    monkeypatch.setattr(neighbours, "bits_of", lambda score: score)
    monkeypatch.setattr(neighbours, "Suspicion", lambda *given: read.append(Suspicion(*given)) or read[-1])
    features = extract(world, points, NAMES)
    training_suspicion(MuleModel(), Extraction(world), points, features, y, groups=groups)
    (found,) = read
    assert len(seen_by) == 6
    known = np.flatnonzero(~np.isnan(y))
    for row in known[:60]:
        view = found.bits[found.view[points.account[row]]]
        of_group = set(known[groups[known] == groups[row]].tolist())
        for other in range(len(points)):
            # the mean of some of 1, 4, 16, ... tells which of them it is of
            got = view[points.account[other]]
            makers = next(
                chosen for n in (1, 3) for chosen in combinations(range(6), n)
                if np.isclose(np.mean([4.0**nth for nth in chosen]), got)
            )  # fmt: skip
            for nth in makers:
                assert row not in seen_by[nth]
                assert not of_group & seen_by[nth]
                assert other not in seen_by[nth]
    assert len({tuple(sorted(seen)) for seen in seen_by}) == 6


@pytest.mark.slow
def test_too_few_groups_give_no_second_stage(world: Dataset) -> None:
    points = every_account(world, int(build_graph(world).time[-1]))
    groups = component_groups(world)[points.account]
    y = (groups == groups[0]).astype(np.float64)
    features = extract(world, points, NAMES)
    table, notes = training_suspicion(MuleModel(), Extraction(world), points, features, y, groups=groups)
    assert table is features
    assert notes[0].startswith("Neighbours: left out")


@pytest.mark.slow
def test_scores_are_those_of_the_columns_and_own_columns_are_computed_once(
    world: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = build_graph(world)
    end = int(graph.time[-1])
    trained = every_account(world, end - 10 * DAY)
    truth = world.tables["truth_accounts"]
    mules = graph.codes(truth["account_id"].filter(truth["is_mule"]))
    y = np.isin(trained.account, mules).astype(np.float64)
    groups = trained.account.astype(np.int64)
    extraction = Extraction(world, lookback="30d")
    table, notes = training_suspicion(
        MuleModel(n_estimators=20), extraction, trained, extract_with(extraction, trained, NAMES), y, groups=groups
    )
    assert not notes
    model = MuleModel(n_estimators=20).fit(
        table, y, groups=groups, leaks="ignore", trained_on=TrainedOn("ever", lookback=30 * DAY)
    )
    assert model.second_texts_
    bank = every_account(world, [end - 5 * DAY, end])
    alone = [score_shards(model, extraction_of(model, world), bank[bank.as_of == at]) for at in np.unique(bank.as_of)]
    assert np.array_equal(np.concatenate(alone), model.decision_function(extract_for(model, world, bank)))
    elsewhere = Points(np.setdiff1d(np.arange(graph.n_accounts), bank.account)[:3].astype(np.int32), np.full(3, end))
    everyone = Points(np.append(bank.account, elsewhere.account), np.append(bank.as_of, elsewhere.as_of))
    told = model.decision_function(extract_for(model, world, everyone))
    asked: list[int] = []

    def counted(extraction: Extraction, points: Points, names: list[str], *given: Any, **more: Any) -> Any:
        asked.extend([len(points)] * (NAMES[0] in names))
        return each_shard(extraction, points, names, *given, **more)

    monkeypatch.setattr(neighbours, "each_shard", counted)
    assert np.array_equal(score_shards(model, extraction_of(model, world), everyone), told)
    assert len(elsewhere) == 3
    assert sum(asked) == len(everyone)
    some = everyone[np.random.default_rng(0).permutation(len(everyone))[:40]]
    some = some[np.argsort(some.as_of, kind="stable")]
    wanted = dict(zip(zip(everyone.account, everyone.as_of, strict=True), told, strict=True))
    found = score_shards(model, extraction_of(model, world), some)
    assert found.tolist() == [wanted[point] for point in zip(some.account, some.as_of, strict=True)]
