"""Normal life plans within its week, for accounts that exist, and holds honest lookalikes of what mules do."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from muledetect.clock import DAY
from muledetect.simulation import simulate
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.days import Span, build_calendar
from muledetect.simulation.economy import Behaviour, Economy, build_economy, monthly
from muledetect.simulation.life import BEHAVIOURS
from muledetect.simulation.life.pay import last_working_days
from muledetect.simulation.people import build_people
from muledetect.simulation.plan import OF_BALANCE, Columns, Plan, stacked
from muledetect.simulation.streams import stream

#: Four weeks with a holiday, a month's end and a month's first days in them.
CONFIG = WorldConfig(n_accounts=3000, n_days=35, seed=3, start="2025-04-07", mule_share=0.0, young_company_share=0.1)


@cache
def economy() -> Economy:
    calendar = build_calendar(CONFIG)
    return build_economy(CONFIG, calendar, build_people(CONFIG, calendar))


def plan_of(behaviour: Behaviour) -> list[tuple[Span, Columns]]:
    """What a behaviour plans by itself, span by span, in the order of planning."""
    stage = replace(economy(), plan=Plan())
    name = behaviour.__name__
    act = behaviour(stage.turn(stream(CONFIG.seed, name)))
    weeks = []
    for span in stage.calendar.spans():
        stage.plan.chunks.clear()
        act(stage.turn(stream(CONFIG.seed, name, span.number + 1), span))
        if stage.plan.chunks:
            weeks.append((span, stacked(stage.plan.chunks)))
    return weeks


@pytest.fixture(scope="module")
def honest() -> dict[str, pd.DataFrame]:
    tables = simulate(n_accounts=3000, n_days=42, seed=2, mule_share=0.0)
    return {name: tables[name].to_pandas() for name in ("transfers", "accounts")}


def test_names_of_behaviours_are_unique() -> None:
    assert len({behaviour.__name__ for behaviour in BEHAVIOURS}) == len(BEHAVIOURS)


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.__name__)
def test_a_behaviour_plans_possible_transfers_of_its_week(behaviour: Behaviour) -> None:
    weeks = plan_of(behaviour)
    assert weeks
    n = len(economy().people.persona)
    for span, rows in weeks:
        # An act may reach back one week: the span before its own is executed after it has planned.
        assert rows["time"].min() >= span.start - 7 * DAY
        for side in ("source", "target"):
            assert rows[side].min() >= 0
            assert rows[side].max() < n
        assert (rows["amount"] > 0).all()
        assert ((rows["share"] > 0) & (rows["share"] <= 1.0 + 1e-9)).all()
        assert ((rows["keep"] >= 0) & (rows["keep"] < 1)).all()
        assert (economy().people.is_own[rows["source"]] | economy().people.is_own[rows["target"]]).mean() > 0.6


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.__name__)
def test_a_behaviour_plans_the_same_twice(behaviour: Behaviour) -> None:
    for (_, first), (_, second) in zip(plan_of(behaviour), plan_of(behaviour), strict=True):
        for name, values in first.items():
            np.testing.assert_array_equal(values, second[name], err_msg=name)


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.__name__)
def test_only_money_that_came_is_passed_on_by_whom_it_came_to(behaviour: Behaviour) -> None:
    for _, rows in plan_of(behaviour):
        passes, fills = rows["pot_out"] >= 0, rows["pot_in"] >= 0
        holder = dict(zip(rows["pot_in"][fills].tolist(), rows["target"][fills].tolist(), strict=True))
        assert all(
            holder.get(pot, source) == source
            for pot, source in zip(rows["pot_out"][passes].tolist(), rows["source"][passes].tolist(), strict=True)
        )
        assert set(rows["pot_in"][fills].tolist()) >= set(holder)
        first = pd.Series(rows["time"][fills]).groupby(rows["pot_in"][fills]).min()
        went = pd.Series(rows["time"][passes]).groupby(rows["pot_out"][passes]).max()
        assert (went > first.reindex(went.index).fillna(0)).all()


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.__name__)
def test_the_unseen_wealth_of_other_banks_is_never_shared_out(behaviour: Behaviour) -> None:
    people = economy().people
    for _, rows in plan_of(behaviour):
        assert people.is_own[rows["source"][(rows["mode"] == OF_BALANCE) & (rows["pot_out"] < 0)]].all()


def test_a_month_falls_due_once_and_on_its_last_day_where_it_is_too_short() -> None:
    calendar = build_calendar(WorldConfig(start="2025-01-01", n_days=90))
    schedule = monthly(np.array([31, 1, 28, 15]))
    due = [schedule.due(span) for span in calendar.spans()]
    row = np.concatenate([rows for rows, _ in due])
    day = np.concatenate([days for _, days in due])
    assert sorted(day[row == 0].tolist()) == [30, 58, 89]
    assert sorted(day[row == 2].tolist()) == [27, 58, 86]
    assert np.bincount(row).tolist() == [3, 3, 3, 3]


def test_pay_days_at_week_ends_move_to_the_working_day_before() -> None:
    calendar = build_calendar(WorldConfig(start="2025-01-01", n_days=30))
    pays = last_working_days(calendar)
    # The 25th and 26th of January 2025 are a week-end; the world's first day is a holiday with none before it.
    assert pays[[23, 24, 25, 26]].tolist() == [23, 23, 23, 26]
    assert pays[0] == 0


def test_nobody_pays_before_the_account_is_opened_or_after_it_is_closed(honest: dict[str, pd.DataFrame]) -> None:
    accounts = honest["accounts"].set_index("account_id")
    rows = honest["transfers"]
    for side in ("source", "target"):
        opened = rows[side].map(accounts["opened_at"])
        closed = rows[side].map(accounts["closed_at"])
        assert not (rows["time"] < opened).any()
        assert not (rows["time"] > closed).any()


def test_honest_accounts_collect_from_many_and_pass_it_on_at_once(honest: dict[str, pd.DataFrame]) -> None:
    accounts, rows = honest["accounts"], honest["transfers"]
    private = set(accounts.loc[accounts["is_own"] & (accounts["kind"] == "individual"), "account_id"])
    rows = rows.assign(day=rows["time"].dt.floor("D"))
    received = rows[rows["target"].isin(private)].groupby(["target", "day"])
    paid = rows[rows["source"].isin(private)].groupby(["source", "day"])["amount"].sum()
    days = pd.DataFrame({"payers": received["source"].nunique(), "received": received["amount"].sum()})
    days["share"] = paid.reindex(days.index).fillna(0) / days["received"]
    collects = days[days["payers"] >= 10]
    assert collects.index.get_level_values(0).nunique() > 0.01 * len(private)
    passes = (days["received"] > 1_000_000) & days["share"].between(0.7, 1.05)
    assert days.index.get_level_values(0)[passes].nunique() > 0.05 * len(private)


def test_young_accounts_are_tested_filled_and_emptied_honestly(honest: dict[str, pd.DataFrame]) -> None:
    accounts, rows = honest["accounts"].set_index("account_id"), honest["transfers"]
    age = rows["time"] - rows["target"].map(accounts["opened_at"])
    young = rows[age < pd.Timedelta(days=14)]
    tested = young.loc[young["amount"] < 10_000].groupby("target")["time"].min()
    filled = young.loc[young["amount"] > 1_000_000].groupby("target")["time"].max()
    both = tested.index.intersection(filled.index)
    assert (filled[both] > tested[both]).sum() > 0.1 * young["target"].nunique()


def test_amounts_and_counterparties_are_those_of_retail_payments(honest: dict[str, pd.DataFrame]) -> None:
    accounts, rows = honest["accounts"], honest["transfers"]
    assert 10_000 < rows["amount"].median() < 50_000
    quick = rows[rows["channel"].isin(["p2p_proxy", "p2p_account", "qr_merchant"]) & (rows["amount"] < 500_000)]
    # The mean of PromptPay transfers under 5,000 baht was 510 baht in December 2023.
    assert 40_000 < quick["amount"].mean() < 65_000
    private = accounts.loc[accounts["is_own"] & (accounts["kind"] == "individual"), "account_id"]
    month = rows[rows["time"] >= rows["time"].max() - pd.Timedelta(days=30)]
    ends = np.concatenate([month[["source", "target"]].to_numpy(), month[["target", "source"]].to_numpy()])
    met = pd.DataFrame(ends, columns=["account", "other"]).groupby("account")["other"].nunique()
    met = met[met.index.isin(private)]
    assert 5 <= met.median() <= 20
    assert met.quantile(0.99) > 4 * met.median()
