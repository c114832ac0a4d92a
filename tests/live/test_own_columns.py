"""A column of one's own that reads more than live columns may is refused by name; one that keeps to it is batch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from live_bank import arriving, bank, before, micros, model

from muledetect.arrays import MISSING, Float64Array
from muledetect.errors import FeatureError
from muledetect.facts import Facts
from muledetect.features import Extraction, History, feature, registry
from muledetect.features._extract import extract_values, plan_of
from muledetect.graph import Points
from muledetect.live import LiveScorer, LiveState
from muledetect.live.parts import live_columns
from muledetect.live.policy import load_policy
from muledetect.live.warm_up import warm_up


@feature(family="own", unit="count", text="other accounts that were opened")
def own_others(history: History) -> Float64Array:
    """Read the table of accounts for accounts that are not those of the points."""
    opened = history.facts.accounts.opened_at[history.incoming.account]
    return np.full(len(history), np.count_nonzero(opened != MISSING), np.float64)


@feature(family="own", unit="count", text="complaints")
def own_complaints(history: History) -> Float64Array:
    """Read complaints, which are not those of one account."""
    return np.full(len(history), len(history.facts.complaints.transfer), np.float64)


@feature(family="own", unit="amount", text="daily limit of the account")
def own_limit(history: History) -> Float64Array:
    """Read of the table of accounts what it says of the account of the point."""
    rows = np.maximum(history.points.account, 0)
    limit = history.facts.accounts.daily_limit[rows].astype(np.float64)
    return np.where((history.points.account >= 0) & (limit != MISSING), limit, np.nan)


def asked() -> Points:
    """The accounts of the last transfers, at the end."""
    last = bank().transfers["source"].combine_chunks().indices.to_numpy()[-40:]
    accounts = np.unique(last).astype(np.int32)
    return Points(accounts, np.full(len(accounts), micros(bank().transfers)[-1] + 1))


def live(one: Any, points: Points) -> Float64Array:
    state, ids = LiveState(Facts(bank())), bank().account_ids
    known = Points(state.codes(ids.take(pa.array(points.account)).to_pylist()), points.as_of)
    names = ["in_amount__window_7d", one.name]
    return live_columns(state.parts.history(known), 2, plan_of(names, registry().add(one)))


@pytest.mark.parametrize("one", [own_others, own_complaints])
def test_a_column_that_reads_more_than_its_own_account_is_named(one: Any) -> None:
    with pytest.raises(FeatureError, match=rf"feature '{one.name}' reads .* may read .* Register it with not_live="):
        live(one, asked())


def test_a_column_that_reads_its_own_account_is_that_of_batch() -> None:
    names = ["in_amount__window_7d", "own_limit"]
    expected = extract_values(Extraction(bank(), threads=1), asked(), names, registry().add(own_limit))
    assert np.array_equal(live(own_limit, asked()), expected, equal_nan=True)
    assert not np.isnan(expected[:, 1]).all()


def test_such_a_column_is_refused_before_the_first_payment() -> None:
    scorer = LiveScorer(model(), before())
    names = [*scorer._ready.names[:-1], "own_others"]
    scorer._ready = scorer._ready._replace(plan=plan_of(names, registry().add(own_others)))
    with pytest.raises(FeatureError, match="own_others"):
        warm_up(scorer, load_policy("none"))
    with pytest.raises(FeatureError, match="own_others"):
        scorer.score(arriving(1)[0])


def test_a_model_with_such_a_column_does_not_take_over() -> None:
    scorer, row = LiveScorer(model(), before()), arriving(1)[0]
    expected, former = scorer.score(row), scorer._ready
    names = [*former.names[:-1], "own_others"]
    with pytest.raises(FeatureError, match="own_others"):
        scorer.swap(former._replace(names=names, plan=plan_of(names, registry().add(own_others))))
    assert scorer.score(row) == expected
