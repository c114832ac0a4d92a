"""The whole truth about a data set changes nothing that is found in it: it is there to measure with, not to look at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest

from muledetect.facts import Snapshot
from muledetect.features import extract, registry
from muledetect.graph import build_graph
from muledetect.labels import every_account, find_targets
from muledetect.records import Dataset, read_dataset
from muledetect.rings import FAMILIES, find_rings, find_ties
from muledetect.rings.links import KINDS
from muledetect.schema import INPUTS
from muledetect.testing import random_world
from muledetect.tracing import trace

TRUTHS = [name for name in INPUTS if name.startswith("truth_")]
MOMENTS = ["2025-01-05", "2025-03-01", "2026-01-01"]


def truth_of(world: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """Every truth table in full, about accounts and transfers of the world and about some that it does not have."""
    accounts = [*world["accounts"]["account_id"].to_pylist(), "elsewhere"]
    n, moment = len(accounts), world["transfers"]["time"][0].as_py()
    transfers = [*world["transfers"]["transfer_id"].to_pylist(), "unseen"]
    is_mule = [place % 2 == 0 for place in range(n)]
    columns = {
        "truth_rings": {"ring_id": ["r1"] * n, "account_id": accounts, "role": ["relay"] * n, "layer": range(n),
                        "centre_id": ["c"] * n, "shape": ["chain"] * n, "office_id": ["o"] * n,
                        "used_from": [moment] * n, "used_until": [moment] * n, "is_unwitting": is_mule},
        "truth_transfers": {"transfer_id": transfers, "kind": ["hop"] * len(transfers),
                            "ring_id": ["r1"] * len(transfers), "case_id": ["k1"] * len(transfers),
                            "amount": [1] * len(transfers)},
        "truth_money": {"case_id": ["k1"] * n, "account_id": accounts, "place": ["account"] * n, "time": [moment] * n,
                        "amount": range(n)},
        "truth_cases": {"case_id": [f"k{place}" for place in range(n)], "victim_account": accounts,
                        "ring_id": ["r1"] * n, "centre_id": ["c"] * n, "scam_type": ["loan"] * n,
                        "first_call": [moment] * n, "first_payment": [moment] * n, "last_payment": [moment] * n,
                        "amount": range(n), "complained": is_mule},
        "truth_accounts": {"account_id": accounts, "persona": ["shop"] * n, "is_victim": is_mule, "is_mule": is_mule,
                           "recruited_as": ["old" if mule else None for mule in is_mule],
                           "first_illicit": [moment] * n, "last_illicit": [moment] * n},
    }  # fmt: skip
    return {
        name: pa.table([pa.array(columns[name][field.name], field.type) for field in INPUTS[name].arrow_schema],
                       schema=INPUTS[name].arrow_schema)
        for name in TRUTHS
    }  # fmt: skip


def with_and_without_truth(seed: int) -> tuple[Dataset, Dataset]:
    world = random_world(seed)
    return read_dataset(world), read_dataset({**world, **truth_of(world)})


def test_every_truth_table_is_read_whole() -> None:
    plain, told = with_and_without_truth(1)
    assert set(told.tables) == set(plain.tables) | set(TRUTHS)
    assert told.rejects.equals(plain.rejects)
    for name, table in truth_of(random_world(1)).items():
        assert told.tables[name].equals(table)


def test_accounts_that_only_the_truth_knows_are_no_accounts_of_the_data_set() -> None:
    plain, told = with_and_without_truth(2)
    assert told.account_ids.equals(plain.account_ids)
    assert every_account(told, MOMENTS).account.tolist() == every_account(plain, MOMENTS).account.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_no_feature_reads_the_truth(seed: int) -> None:
    plain, told = with_and_without_truth(seed)
    computed = [extract(dataset, every_account(dataset, MOMENTS), pack="TH") for dataset in (plain, told)]
    assert computed[0].column_names == computed[1].column_names
    for name in computed[0].column_names:
        np.testing.assert_array_equal(computed[0][name].to_numpy(), computed[1][name].to_numpy(), err_msg=name)


@pytest.mark.parametrize("target", ["active", "ever"])
def test_no_target_reads_the_truth(target: str) -> None:
    plain, told = with_and_without_truth(3)
    points = every_account(plain, MOMENTS)
    given = [
        find_targets(dataset, build_graph(dataset), points, target=target, recent="60d", horizon="60d", maturity="0d")  # type: ignore[arg-type]
        for dataset in (plain, told)
    ]
    assert np.isfinite(given[0]).any()
    np.testing.assert_array_equal(given[0], given[1])


def test_no_ring_reads_the_truth() -> None:
    plain, told = with_and_without_truth(4)
    ids = plain.account_ids
    scores = pa.table({"account_id": ids, "score": np.linspace(0, 1, len(ids)), "probability": np.full(len(ids), 0.9)})
    found = [
        find_rings(Snapshot(dataset, "2026-01-01"), scores, window="999d", holding_time="30d")
        for dataset in (plain, told)
    ]
    assert found[0].rings.num_rows
    for name, table in found[0].tables.items():
        assert found[1].tables[name].equals(table), name
    ties = [
        find_ties(Snapshot(dataset, "2026-01-01"), found[0].ring_members, n_shuffles=5) for dataset in (plain, told)
    ]
    assert ties[0].ring_ties.equals(ties[1].ring_ties)
    traces = [trace(Snapshot(dataset, "2026-01-01")) for dataset in (plain, told)]
    assert traces[0].trace.equals(traces[1].trace)


def test_nothing_registered_asks_for_the_truth() -> None:
    asked = {feature.name: feature.tables for feature in registry().features.values()}
    asked |= {kind.name: kind.tables for kind in KINDS}
    asked |= {kin.name: kin.tables for kin in FAMILIES}
    assert not {name for name, tables in asked.items() if set(tables) & set(TRUTHS)}
