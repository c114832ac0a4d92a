"""Plans wait for their week; the ledger executes them without making or losing money."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.clock import DAY
from muledetect.simulation.plan import CHANNEL, COLUMNS, FIXED, OF_BALANCE, UP_TO, Ledger, Plan

BY_HAND = CHANNEL["p2p_proxy"]


def ledger(balances: list[int], limits: list[int] | None = None) -> Ledger:
    n = len(balances)
    return Ledger(
        limits=np.array(limits or [10**12] * n, np.int64),
        balance=np.array(balances, np.int64),
        spent=np.zeros(n, np.int64),
        spent_day=np.full(n, -1, np.int64),
        first_midnight=0,
    )


def planned(*rows: dict[str, Any]) -> tuple[Plan, dict[str, np.ndarray]]:
    plan = Plan()
    plan.n_pots = 10
    for row in rows:
        plan.add(**{name: np.array([value]) for name, value in {"channel": BY_HAND, **row}.items()})
    return plan, plan.take(1 << 60)


def test_a_fixed_amount_that_is_not_covered_does_not_happen() -> None:
    money = ledger([500, 0])
    _, rows = planned(
        {"time": 1, "source": 0, "target": 1, "amount": 600, "mode": FIXED},
        {"time": 2, "source": 0, "target": 1, "amount": 400, "mode": FIXED},
    )
    done = money.execute(rows, 10)
    assert done["amount"].tolist() == [400]
    assert money.balance.tolist() == [100, 400]
    assert done["source_after"].tolist() == [100]
    assert done["target_after"].tolist() == [400]


def test_as_much_as_there_is_and_shares_of_the_balance() -> None:
    money = ledger([1000, 0, 0])
    _, rows = planned(
        {"time": 1, "source": 0, "target": 1, "share": 0.25, "mode": OF_BALANCE},  # 250 of 1000
        {"time": 2, "source": 0, "target": 2, "amount": 5000, "mode": UP_TO},  # the other 750
    )
    assert money.execute(rows, 10)["amount"].tolist() == [250, 750]


def test_a_pot_passes_on_what_really_came_less_what_stays() -> None:
    money = ledger([800, 10_000, 0])
    _, rows = planned(
        {"time": 1, "source": 0, "target": 1, "amount": 2000, "mode": UP_TO, "pot_in": 3},  # only 800 comes
        {"time": 2, "source": 1, "target": 2, "pot_out": 3, "keep": 0.25},  # 800 less a quarter
        {"time": 3, "source": 1, "target": 2, "pot_out": 3, "keep": 0.0},  # the rest of the pot
    )
    assert money.execute(rows, 10)["amount"].tolist() == [800, 600, 200]


def test_a_pot_is_remembered_from_week_to_week() -> None:
    money = ledger([800, 0, 0])
    _, first = planned({"time": 1, "source": 0, "target": 1, "amount": 500, "pot_in": 9})
    _, second = planned({"time": 2, "source": 1, "target": 2, "pot_out": 9})
    money.execute(first, 10)
    assert money.execute(second, 5_000)["amount"].tolist() == [500]


def test_the_daily_limit_counts_by_local_day_and_across_weeks() -> None:
    money = ledger([100_000, 0], limits=[1000, 0])
    rows = [{"time": moment, "source": 0, "target": 1, "amount": 700, "mode": UP_TO} for moment in (1, 2, DAY + 1)]
    assert money.execute(planned(rows[0])[1], 10)["amount"].tolist() == [700]
    assert money.execute(planned(rows[1], rows[2])[1], 10)["amount"].tolist() == [300, 700]


def test_planned_transfers_wait_for_their_time_and_never_share_a_moment() -> None:
    plan = Plan()
    for moment in (30, 10, 10, 20):
        plan.add(time=np.array([moment]), source=0, target=1, channel=BY_HAND)
    assert plan.take(20)["time"].tolist() == [10, 11]
    plan.add(time=np.array([5]), source=0, target=1, channel=BY_HAND)  # too late for its moment: follows the last one
    assert plan.take(25)["time"].tolist() == [12, 20]
    assert plan.take(100)["time"].tolist() == [30]
    assert plan.take(100)["time"].tolist() == []
    assert set(plan.take(100)) == set(COLUMNS)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_plan_conserves_money_and_keeps_balances_and_pots_above_zero(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 6))
    balances = data.draw(st.lists(st.integers(0, 10**6), min_size=n, max_size=n))
    account = st.integers(0, n - 1)
    rows = data.draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "time": st.integers(0, 3 * DAY),
                    "source": account,
                    "target": account,
                    "amount": st.integers(0, 2 * 10**6),
                    "share": st.floats(0, 1),
                    "keep": st.floats(0, 1),
                    "mode": st.sampled_from([FIXED, UP_TO, OF_BALANCE]),
                    "rounding": st.sampled_from([1, 100, 10_000]),
                    "pot_in": st.integers(-1, 4),
                    "pot_out": st.integers(-1, 4),
                }
            ),
            max_size=30,
        )
    )
    money = ledger(balances)
    if rows:
        done = money.execute(planned(*rows)[1], 10)
        assert (done["source_after"] >= 0).all()
        assert (done["amount"] >= 100).all()
        assert (np.diff(done["time"]) > 0).all()
    assert int(money.balance.sum()) == sum(balances)
    assert (money.balance >= 0).all()
    assert (money.left >= 0).all()
    assert (money.left <= money.filled).all()
