"""Scores of parties: calibrated, monotone, and what is known of one account tells of the others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import muledetect as md
from muledetect.errors import DataError
from muledetect.evaluation import learn_party_scores
from muledetect.parties import Parties, PartyCalibration, fit_party_scores, party_cases, score_parties
from muledetect.parties.scores import PartyCases


def parties_of(groups: list[list[str]]) -> Parties:
    names = [f"P{number}" for number in range(len(groups))]
    n = len(groups)
    parties = md.schema.PARTIES.filled(
        party_id=names, as_of=[0] * n, n_holders=[1] * n, n_accounts=[len(group) for group in groups],
        probability=[1.0] * n,
    )  # fmt: skip
    rows = [(name, account) for name, group in zip(names, groups, strict=True) for account in group]
    members = md.schema.PARTY_MEMBERS.filled(
        party_id=[row[0] for row in rows], account_id=[row[1] for row in rows], probability=[1.0] * len(rows)
    )
    return Parties(parties=parties, party_members=members)


def scores_of(**probability: float) -> pa.Table:
    return pa.table({"account_id": list(probability), "probability": list(probability.values())})


def test_an_account_alone_has_its_own_probability_as_score() -> None:
    found = parties_of([["a"], ["b"]])
    scored = score_parties(found, party_cases(found, scores_of(a=0.2, b=0.7)))
    assert scored.parties["party_id"].to_pylist() == ["P1", "P0"]
    assert scored.parties["score"].to_pylist() == pytest.approx([0.7, 0.2])
    assert scored.parties["rank"].to_pylist() == [1, 2]


def test_further_accounts_and_a_known_mule_make_a_party_more_suspicious() -> None:
    found = parties_of([["a"], ["b", "c"], ["d", "e"]])
    cases = party_cases(found, scores_of(a=0.3, b=0.3, c=0.3, d=0.3, e=0.99), known=["e"])
    rows = {row["party_id"]: row for row in score_parties(found, cases).parties.to_pylist()}
    # 1 - exp(-(h + h / 2)) with h = -log(0.7), and 0.3 with log-odds of 1 more: e itself is no news
    assert rows["P1"]["score"] == pytest.approx(1 - 0.7**1.5)
    assert rows["P2"]["score"] == pytest.approx(1 / (1 + np.exp(-(np.log(0.3 / 0.7) + 1.0))))
    assert [rows[name]["n_known"] for name in ("P0", "P1", "P2")] == [0, 0, 1]


def test_a_party_whose_accounts_are_all_known_or_not_scored_has_no_score() -> None:
    found = parties_of([["a"], ["b"], ["c"]])
    scored = score_parties(found, party_cases(found, scores_of(a=0.9, b=0.1), known=["a"])).parties
    assert dict(zip(scored["party_id"].to_pylist(), scored["score"].to_pylist(), strict=True)) == {
        "P0": None, "P1": pytest.approx(0.1), "P2": None,
    }  # fmt: skip


def test_the_calibration_is_learnt_from_cases() -> None:
    rng = np.random.default_rng(1)
    n = 60_000
    first, rest, known = rng.exponential(0.1, n), rng.exponential(0.05, n), rng.random(n) < 0.05
    truth = PartyCalibration(share=1.0, intercept=-1.0, slope=0.7, known=1.5)
    names = [f"P{k}" for k in range(n)]
    cases = PartyCases(names, first, rest, known, known.astype(np.int64), np.ones(n, np.bool_))
    target = (rng.random(n) < truth.scores(cases)).astype(np.float64)
    learnt = fit_party_scores([cases], [target])
    assert learnt.slope == pytest.approx(0.7, abs=0.1)
    assert learnt.known == pytest.approx(1.5, abs=0.3)
    assert learnt.intercept == pytest.approx(-1.0, abs=0.3)
    assert learnt.scores(cases).mean() == pytest.approx(target.mean(), abs=0.01)
    order = rng.permutation(n)
    mixed = PartyCases(names, first[order], rest[order], known[order], known[order].astype(np.int64), cases.is_scored)
    assert fit_party_scores([mixed], [target[order]]) == learnt


def test_few_cases_teach_nothing() -> None:
    found = parties_of([["a"], ["b"]])
    cases = party_cases(found, scores_of(a=0.2, b=0.7))
    assert fit_party_scores([cases], [np.array([0.0, 1.0])]) == PartyCalibration()
    assert fit_party_scores([], []) == PartyCalibration()


def test_scores_of_several_moments_are_refused() -> None:
    found = parties_of([["a"]])
    with pytest.raises(DataError, match="several scores"):
        party_cases(found, pa.table({"account_id": ["a", "a"], "probability": [0.1, 0.2]}))
    with pytest.raises(DataError, match="probability"):
        party_cases(found, pa.table({"account_id": ["a"]}))


def test_earlier_scores_must_be_of_an_earlier_moment() -> None:
    dataset = md.simulate(n_accounts=300, n_days=30, seed=1)
    snapshot = md.Snapshot(dataset, "2025-01-20")
    ids = dataset.account_ids[:4]
    for moments in (["2025-01-21T00:00:00Z"] * 3, ["2025-01-02T00:00:00Z", "2025-01-03T00:00:00Z"] * 2):
        times = pa.array(moments).cast(pa.timestamp("us", tz="UTC"))
        scores = pa.table({"account_id": ids[: len(moments)], "as_of": times, "probability": [0.1] * len(moments)})
        with pytest.raises(DataError, match="one moment before"):
            learn_party_scores(snapshot, [scores])
