"""Rings are named after the shape in which money moves between their members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ring_worlds import AS_OF, START, Row, gang, gang_scores, make_world

from muledetect.clock import DAY, HOUR
from muledetect.facts import Snapshot
from muledetect.rings import find_rings, read_rings
from muledetect.rings.flows import measure_flows
from muledetect.rings.typology import find_typologies
from muledetect.schema import RINGS
from muledetect.testing.shapes import SHAPES, draw_shape

KNOWN = [shape for shape in SHAPES if shape != "random"]


def rows_of(shape: str, n_members: int, seed: int, *, step: int = 3 * HOUR, name: str = "m") -> list[Row]:
    random = np.random.default_rng(seed)
    steps = draw_shape(shape, n_members, random)
    return [
        (
            f"{name}{one.payer:02d}",
            f"{name}{one.payee:02d}",
            one.hop * step + int(random.integers(0, step // 2)),
            int(1_000_000 * one.share * random.uniform(0.9, 1.0)),
        )
        for one in steps
    ]


def name_all(
    rows: Sequence[Row], rings: Mapping[str, Sequence[str]] | None = None
) -> list[tuple[str | None, list[str]]]:
    """Return the typology of each ring (by default all accounts are one), and the ids of its transfers."""
    snapshot = Snapshot(make_world(rows, {"m00": 0.5}).dataset, AS_OF)
    graph = snapshot.graph
    rings = rings or {"R": graph.account_ids.to_pylist()}
    account = np.concatenate([graph.codes(list(own)) for own in rings.values()]).astype(np.int32)
    ring = np.repeat(np.arange(len(rings)), [len(own) for own in rings.values()])
    begin, end = np.full(len(ring), START), np.full(len(ring), AS_OF)
    names, shown = find_typologies(graph, measure_flows(snapshot, account, ring, begin, end), ring)
    ids = snapshot.tables["transfers"]["transfer_id"]
    return [(name, ids.take(pa.array(rows)).to_pylist()) for name, rows in zip(names, shown, strict=True)]


@pytest.mark.parametrize("shape", KNOWN)
def test_each_shape_is_named_and_all_its_transfers_are_shown(shape: str) -> None:
    for seed in range(8):
        rows = rows_of(shape, SHAPES[shape][0] + seed % 5, seed)
        ((name, shown),) = name_all(rows)
        assert name == shape, f"seed {seed}"
        assert sorted(shown) == [f"t{k:05d}" for k in range(min(len(rows), 30))]


@pytest.mark.parametrize("shape", KNOWN)
def test_a_clock_of_days_that_hides_the_order_names_the_same(shape: str) -> None:
    for seed in range(4):
        rows = [(*ends, 0, amount) for *ends, _, amount in rows_of(shape, SHAPES[shape][0] + seed % 5, seed)]
        ((name, shown),) = name_all(rows)
        assert (name, len(shown)) == (shape, len(rows)), f"seed {seed}"


@pytest.mark.parametrize("shape", KNOWN)
def test_payments_of_ordinary_life_between_members_are_not_shown(shape: str) -> None:
    for seed in range(4):
        rows = rows_of(shape, SHAPES[shape][0] + 2, seed)
        members = sorted({end for row in rows for end in row[:2]})
        random = np.random.default_rng(seed)
        lunch = [(*random.choice(members, 2, replace=False).tolist(), int(random.integers(0, 9 * DAY)), 900)
                 for _ in range(4)]  # fmt: skip
        ((name, shown),) = name_all([*rows, *lunch])
        pairs = {row[:2] for row in rows}
        assert name == shape, f"seed {seed}"
        if shape != "cycle":  # small change may come round, too
            assert {f"t{len(rows) + k:05d}" for k, row in enumerate(lunch) if row[:2] not in pairs}.isdisjoint(shown)


def test_names_and_the_order_of_rows_change_nothing_but_ties_among_equal_transfers() -> None:
    for seed in range(25):
        random = np.random.default_rng(seed)
        n, m = int(random.integers(3, 9)), int(random.integers(3, 25))
        source = random.integers(0, n, m)
        target = (source + random.integers(1, n, m)) % n
        moment, amount = random.integers(0, 4, m) * DAY, random.choice([100, 200, 5_000], m)
        rows = [
            (f"m{a:02d}", f"m{b:02d}", int(t), int(x))
            for a, b, t, x in zip(source, target, moment, amount, strict=True)
        ]
        number = random.permutation(n)
        renamed = [(f"m{number[int(a[1:])]:02d}", f"m{number[int(b[1:])]:02d}", t, x) for a, b, t, x in rows]
        ((name, _),), ((again, _),) = name_all(rows), name_all([renamed[k] for k in random.permutation(m)])
        assert name == again, f"seed {seed}"
        ((later, shown),) = name_all([(a, b, t + 3 * DAY, 7 * x) for a, b, t, x in rows])
        assert (later, shown) == name_all(rows)[0], f"seed {seed}"


def test_payments_in_any_order_may_lead_back_but_what_is_paid_straight_back_is_no_cycle() -> None:
    for order in ((1, 2, 3), (3, 2, 1), (2, 1, 3)):
        rows = [(a, b, day * DAY, 100) for (a, b), day in zip((("a", "b"), ("b", "c"), ("c", "a")), order, strict=True)]
        assert name_all(rows)[0][0] == "cycle"
    there_and_back = [("a", "b", 0, 100), ("b", "a", DAY, 100), ("b", "c", 2 * DAY, 100), ("c", "b", 3 * DAY, 100)]
    assert name_all(there_and_back)[0][0] != "cycle"


def test_a_chain_ends_where_the_next_payment_came_before() -> None:
    rows = [("a", "b", 3 * DAY, 100), ("b", "c", 4 * DAY, 100), ("c", "d", 2 * DAY, 100)]
    assert name_all(rows) == [("chain", ["t00000", "t00001"])]
    assert len(name_all([*rows[:2], ("c", "d", 5 * DAY, 100)])[0][1]) == 3


def test_payees_that_paid_before_they_were_paid_neither_gather_nor_scatter() -> None:
    steps = draw_shape("gather_scatter", 7, np.random.default_rng(0))
    rows = [(f"m{one.payer}", f"m{one.payee}", (5 - one.hop) * DAY, 1_000) for one in steps]
    assert name_all(rows)[0][0] != "gather_scatter"
    steps = draw_shape("scatter_gather", 7, np.random.default_rng(0))
    rows = [(f"m{one.payer}", f"m{one.payee}", (5 - one.hop) * DAY, 1_000) for one in steps]
    assert name_all(rows)[0][0] != "scatter_gather"


def test_an_account_of_two_rings_counts_in_each_by_its_payments_there() -> None:
    one, other = rows_of("cycle", 4, 0, name="a"), rows_of("fan_in", 5, 1, name="b")
    rows = [*one, *(("a00" if row[0] == "b01" else row[0], *row[1:]) for row in other)]
    rings = {"one": [f"a{k:02d}" for k in range(4)], "other": ["a00", "b00", "b02", "b03", "b04"]}
    found = name_all(rows, rings)
    assert [name for name, _ in found] == ["cycle", "fan_in"]
    assert [sorted(shown) for _, shown in found] == [
        [f"t{k:05d}" for k in range(4)],
        [f"t{k:05d}" for k in range(4, 8)],
    ]


def test_a_ring_that_only_a_phone_binds_has_no_typology_and_a_tangle_is_mixed() -> None:
    rows = [("m00", "x", 0, 100), ("m01", "x", 0, 100), ("m02", "x", 0, 100)]
    assert name_all(rows, {"R": ["m00", "m01", "m02"]}) == [(None, [])]
    everybody = [f"m{k:02d}" for k in range(5)]
    # amounts fall with time, so nothing that goes round or through is large
    tangle = [(a, b, 0, 10_000) for a, b in (("m00", "m01"), ("m02", "m03"), ("m04", "m01"), ("m03", "m00"))]
    assert name_all([*tangle, ("m02", "m04", DAY, 9_000)], {"R": everybody})[0][0] == "mixed"


def test_three_accounts_in_a_cycle_are_found_and_named() -> None:
    rows = [(a, b, k * HOUR, 90_000 - 900 * k) for k, (a, b) in enumerate([("p", "q"), ("q", "r"), ("r", "p")])]
    life = [(f"c{k}", f"s{k % 7}", k * HOUR, 5_000) for k in range(60)]
    world = make_world([*rows, *life], {"p": 0.9, "q": 0.9, "r": 0.9})
    found = find_rings(Snapshot(world.dataset, AS_OF), world.scores)
    assert found.rings["typology"].to_pylist() == ["cycle"]
    assert found.rings["typology_transfers"].to_pylist() == [["t00000", "t00001", "t00002"]]


def test_the_contract_names_the_shapes_that_are_looked_for() -> None:
    assert set(RINGS.column("typology").values) == {*KNOWN, "mixed"}


def test_a_ring_keeps_its_typology_where_others_are_not_shown() -> None:
    circle = [(a, b, k * HOUR, 90_000) for k, (a, b) in enumerate([("p", "q"), ("q", "r"), ("r", "p")])]
    rows = [*circle, *gang("g", 5 * DAY), *gang("h", 12 * DAY, 3)]
    world = make_world(rows, {**gang_scores("g", "h"), "p": 0.9, "q": 0.9, "r": 0.9})
    snapshot = Snapshot(world.dataset, AS_OF)
    columns = ["ring_id", "typology", "typology_transfers"]
    found = find_rings(snapshot, world.scores).rings.select(columns).to_pylist()
    assert sorted(row["typology"] for row in found) == ["cycle", "scatter_gather", "scatter_gather"]
    for n in (1, 2):
        assert find_rings(snapshot, world.scores, max_rings=n).rings.select(columns).to_pylist() == found[:n]


def test_rings_of_a_version_without_typologies_are_still_read(tmp_path: Path) -> None:
    rows = [(a, b, k * HOUR, 90_000) for k, (a, b) in enumerate([("p", "q"), ("q", "r"), ("r", "p")])]
    world = make_world(rows, {"p": 0.9, "q": 0.9, "r": 0.9})
    found = find_rings(Snapshot(world.dataset, AS_OF), world.scores)
    found.write(tmp_path / "rings")
    assert read_rings(tmp_path / "rings").rings.equals(found.rings)
    older = found.rings.drop_columns(["typology", "typology_transfers"])
    pq.write_table(older, tmp_path / "rings" / "rings.parquet")
    again = read_rings(tmp_path / "rings").rings
    assert again.select(older.column_names).equals(older)
    assert again["typology"].null_count == len(again) == 1
