"""What rings do here, learnt from scores that are wrong about half of the members."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from ring_worlds import AS_OF, START, World, make_world

from muledetect.clock import DAY, HOUR
from muledetect.evaluation import average_precision
from muledetect.facts import Snapshot
from muledetect.mapped import is_mapped
from muledetect.memory import HEAP, Room
from muledetect.rings.account_evidence import AccountEvidence, gather_evidence, read_scores
from muledetect.rings.pairs import NO_FITS, Fits
from muledetect.rings.payments import every_nth, find_first_payments, learn_payments
from muledetect.rings.suspicion import allowance, own_suspicion, share_of_mules, with_payments

Rows = list[tuple[str, str, int, int]]


def fans(seed: int = 1) -> tuple[Rows, dict[str, float], set[str]]:
    """A bank of 1,500 people whose friends they pay at any amount, and 30 fans of equal payments among eight of them.

    Half of the members have a score of 0.6, so have 3 of 100 others.
    """
    random = np.random.default_rng(seed)
    rows: Rows = []
    for _ in range(9_000):
        payer, payee = random.integers(0, 1_500, 2).tolist()
        if payer != payee:
            amount = int(random.lognormal(9, 1))
            rows.append((f"p{payer}", f"p{payee}", int(random.integers(0, 29 * DAY)), amount))
    members = random.permutation(1_500)[:240].reshape(30, 8).tolist()
    for hub, *others in members:
        begin, amount = int(random.integers(0, 27 * DAY)), int(random.lognormal(9, 1))
        for place, one in enumerate(others):
            ends = (f"p{one}", f"p{hub}") if place < 4 else (f"p{hub}", f"p{one}")
            rows.append((*ends, begin + place * HOUR, int(amount * random.uniform(0.97, 1.03))))
    mules = {f"p{one}" for ring in members for one in ring}
    chance = {f"p{k}": 0.5 if f"p{k}" in mules else 0.03 for k in range(1_500)}
    scores = {name: 0.6 if random.random() < share else 0.02 for name, share in chance.items()}
    return rows, scores, mules


def learn(world: World) -> tuple[Snapshot, AccountEvidence, np.ndarray, Fits]:
    snapshot = Snapshot(world.dataset, AS_OF)
    evidence = gather_evidence(snapshot, read_scores(world.scores, snapshot))
    known = own_suspicion(snapshot, evidence)
    return snapshot, evidence, known, learn_payments(snapshot, known, since=START, most=200)


@pytest.fixture(scope="module")
def world() -> tuple[World, set[str]]:
    rows, scores, mules = fans()
    return make_world(rows, scores), mules


def test_members_that_score_low_are_told_by_what_they_paid(world: tuple[World, set[str]]) -> None:
    bank, mules = world
    snapshot, evidence, known, fits = learn(bank)
    raised = with_payments(snapshot, evidence, fits, known, share_of_mules(known, ~snapshot.serves_public))
    is_mule = np.array([name in mules for name in snapshot.graph.account_ids.to_pylist()], float)
    low = evidence.probability < 0.1
    before, after = (average_precision(is_mule, found.probability) for found in (evidence, raised))
    assert after > before + 0.1
    assert average_precision(is_mule[low], raised.probability[low]) > 2 * is_mule[low].mean()
    allowed, is_free = allowance(snapshot, evidence)
    assert raised.probability[is_free].sum() <= allowed + 1e-6


def test_neither_names_nor_the_order_of_rows_change_what_is_learnt(world: tuple[World, set[str]]) -> None:
    rows, scores, _ = fans()
    other = {name: f"q{hash_of(name)}" for name in scores}
    renamed = make_world(
        [(other[a], other[b], time, amount) for a, b, time, amount in rows[::-1]],
        {other[name]: score for name, score in scores.items()},
    )
    one, two = learn(world[0]), learn(renamed)
    found = [
        {(ids[a], ids[b]): value for a, b, value in zip(fits.source, fits.target, fits.value, strict=True)}
        for fits, ids in ((fits, snapshot.graph.account_ids.to_pylist()) for snapshot, _, _, fits in (one, two))
    ]
    assert found[1] == {(other[a], other[b]): value for (a, b), value in found[0].items()}


def hash_of(name: str) -> int:
    return int(name[1:]) * 7_919 % 10_007


def test_first_payments_are_counted_around_each_on_four_sides() -> None:
    rows = [
        ("a", "b", 10 * DAY, 1_000), ("a", "b", 20 * DAY, 9_000),  # only the first of a pair counts
        ("a", "c", 11 * DAY, 1_100), ("d", "a", 9 * DAY, 5_000), ("e", "a", 11 * DAY, 1_000),
        ("b", "f", 12 * DAY, 1_000), ("g", "b", 9 * DAY, 1_000), ("a", "h", 14 * DAY, 1_000), ("b", "a", 25 * DAY, 10),
    ]  # fmt: skip
    snapshot = Snapshot(make_world(rows, {}).dataset, AS_OF)
    pairs = find_first_payments(snapshot, since=START, most=200)
    a, b = snapshot.graph.codes(["a", "b"]).tolist()
    row = pairs.columns[(pairs.source == a) & (pairs.target == b)][0]
    assert row[1] == 2
    assert row[2] == 10 * DAY
    assert row[5] == 1
    # to c, but not to h on the fifth day; from d before, but not from e a day later; b to f; g to b
    assert row[[6, 9, 12, 15]].tolist() == [1, 1, 1, 1]
    assert row[[7, 10, 13, 16]].tolist() == [1, 0, 1, 1]
    assert row[[8, 14, 17]] == pytest.approx([np.log(1.1), 0, 0], abs=1e-6)
    assert not len(find_first_payments(snapshot, since=START, most=1).source)


def test_few_pairs_or_scores_of_nobody_teach_nothing(world: tuple[World, set[str]]) -> None:
    rows, scores, _ = fans()
    assert learn(make_world(rows[:1_000], scores))[3] is NO_FITS
    nobody = make_world(rows, dict.fromkeys(scores, 0.001))
    snapshot, evidence, known, fits = learn(nobody)
    raised = with_payments(snapshot, evidence, fits, known, 0.001)
    assert np.nanmax(raised.probability) < 0.002


def test_every_nth_row_in_the_order_of_hashes_is_that_of_a_sort(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    contents = random.integers(0, 2**64, 1_000, np.uint64)
    contents[random.integers(0, 1_000, 300)] = contents[0]  # rows that are alike
    monkeypatch.setattr("muledetect.rings.payments.PIECE", 16)
    monkeypatch.setattr("muledetect.arrays.PIECE", 7)
    for rows in (contents, contents[:0], contents[:1]):
        for n in (1, 3, 2_000):
            assert every_nth(rows, n, HEAP).tolist() == np.argsort(rows, kind="stable")[::n].tolist()


def test_with_more_pairs_than_trees_may_see_they_still_tell_members(
    world: tuple[World, set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bank, mules = world
    snapshot, _, _, whole = learn(bank)
    monkeypatch.setattr("muledetect.rings.payments.MOST_PAIRS", len(whole.source) // 2)
    fits = learn(bank)[3]
    assert (fits.source.tolist(), fits.target.tolist()) == (whole.source.tolist(), whole.target.tolist())
    is_mule = np.array([name in mules for name in snapshot.graph.account_ids.to_pylist()])
    both = is_mule[fits.source] & is_mule[fits.target]
    assert average_precision(both.astype(float), fits.odds) > 5 * both.mean()
    assert 0.5 < np.corrcoef(fits.value, whole.value)[0, 1] < 1.0


def test_pieces_and_files_change_nothing_of_what_is_learnt(
    world: tuple[World, set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, scores = world[0]
    whole = learn(world[0])[3]
    monkeypatch.setattr("muledetect.arrays.PIECE", 1_000)
    monkeypatch.setattr("muledetect.rings.payments.PIECE", 1_000)
    limited = learn(World(replace(dataset, room=Room(10**9, least=0)), scores))[3]
    for field in fields(Fits):
        one, other = (getattr(fits, field.name) for fits in (whole, limited))
        assert one.tobytes() == other.tobytes()
        assert is_mapped(other.ctypes.data)
