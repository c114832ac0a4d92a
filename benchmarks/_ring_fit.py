"""Fits the coefficients of rings/suspicion.py and rings/strength.py on the banks of _ring_sources.py; part of rings.py.

Each bank weighs as much as the others and has an intercept of its own. The page must measure other seeds: give `--fit`
a cache of its own, filled with another `_ring_sources.SEED`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from _ring_sources import Source
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from muledetect.clock import HOUR
from muledetect.facts import Facts, Snapshot
from muledetect.rings import suspicion as model
from muledetect.rings.account_evidence import gather_evidence, read_scores
from muledetect.rings.payments import learn_payments

#: Accounts with more counterparties are looked at only on their own evidence, as in the search.
MOST = 200


class _Case:
    """A bank, what is known of its accounts, and who is in a ring."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.snapshot = Snapshot(Facts(source.dataset, source.graph), source.as_of)
        self.scored = gather_evidence(self.snapshot, read_scores(source.scores, self.snapshot))
        self.code = source.graph.codes(source.true["account_id"].tolist())
        self.ring = pd.factorize(source.true["ring_id"])[0]
        self.everyone = np.arange(source.graph.n_accounts, dtype=np.int32)
        self.is_mule = np.isin(self.everyone, self.code)
        self.is_private = ~self.snapshot.serves_public
        self.known = model.own_suspicion(self.snapshot, self.scored)
        self.rate = model.share_of_mules(self.known, self.is_private)
        self.fits = learn_payments(self.snapshot, self.known, since=0, most=MOST)
        raised = model.with_payments(self.snapshot, self.scored, self.fits, self.known, self.rate)
        self.evidence = model.halfway(self.scored, raised)
        self.suspicion = model.own_suspicion(self.snapshot, raised)
        self.weights: Mapping[str, float] = {}

    def columns(self) -> pd.DataFrame:
        """The columns of every private account; those that are not around a suspect have their own only."""
        alone = model.own_columns(self.evidence, self.everyone, unscored=float(logit(self.rate)))
        table = pd.DataFrame(alone)
        around = model.around(self.snapshot, self.suspicion, since=0, most=MOST)
        near = model.look_around(self.snapshot, around, self.suspicion, self.fits, since=0, holding_time=72 * HOUR)
        self.weights = self.weights or model.learn_here(
            self.snapshot, self.evidence, near, self.known, since=0, most=MOST
        )
        found = model.columns(self.snapshot, self.evidence, near, self.suspicion, self.weights, self.rate)
        for name, values in found.items():
            table.loc[around, name] = values
        return table.fillna(0.0)[self.is_private]

    def pairs(self) -> pd.DataFrame:
        """The parts of the strength of each pair with a mule, once for each mule, and whether a ring has both."""
        known = self.is_mule.astype(float)
        around = model.around(self.snapshot, known, since=0, most=MOST)
        near = model.look_around(self.snapshot, around, known, self.fits, since=0, holding_time=72 * HOUR)
        source, target = around[near.pairs.source], around[near.pairs.target]
        rings: dict[int, set[int]] = {}
        for code, ring in zip(self.code.tolist(), self.ring.tolist(), strict=True):
            rings.setdefault(code, set()).add(ring)
        same = [bool(rings.get(a, set()) & rings.get(b, set())) for a, b in zip(source, target, strict=True)]
        table = pd.DataFrame(near.pairs.parts).assign(same=same)
        return pd.concat([table[self.is_mule[source]], table[self.is_mule[target]]])


def _fit(tables: list[pd.DataFrame], answers: list[np.ndarray], weights: list[np.ndarray]) -> dict[str, float]:
    names = tables[0].columns.astype(str).tolist()
    one_each = pd.get_dummies(np.repeat(np.arange(len(tables)), [len(table) for table in tables])).to_numpy(float)
    x = np.hstack([one_each, pd.concat(tables).to_numpy()])
    fitted = LogisticRegression(max_iter=5_000, fit_intercept=False)
    fitted.fit(x, np.concatenate(answers), sample_weight=np.concatenate(weights))
    n = len(tables)
    found = fitted.coef_[0].tolist()
    return {"intercept": sum(found[:n]) / n} | dict(zip(names, (round(value, 2) for value in found[n:]), strict=True))


def fit_coefficients(sources: Iterable[Source]) -> None:
    """Print the coefficients of pairs, and of the rounds in which suspicion travels."""
    cases = [_Case(source) for source in sources]
    pairs = [case.pairs() for case in cases]
    weights = [np.full(len(pair), 100 / len(pair)) for pair in pairs]
    print(
        "pairs",
        _fit([pair.drop(columns="same") for pair in pairs], [pair["same"].to_numpy() for pair in pairs], weights),
    )
    for number in range(model.ROUNDS):
        tables = [case.columns() for case in cases]
        answers = [case.is_mule[case.is_private] for case in cases]
        weights = [np.full(len(answer), 100 / answer.sum()) for answer in answers]
        found = _fit(tables, answers, weights)
        print("round", number + 1, found, flush=True)
        for case, table in zip(cases, tables, strict=True):
            odds = np.full(len(case.everyone), -np.inf)
            odds[table.index] = model.add_up({str(name): table[name].to_numpy() for name in table}, found)
            allowed, is_free = model.allowance(case.snapshot, case.scored)
            case.suspicion = expit(odds - model.excess(odds[is_free], allowed)) * case.is_private
