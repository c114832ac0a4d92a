"""Policies: what each country's rules say of a payment, and that nothing beyond them is ever proposed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muledetect.clock import DAY, HOUR
from muledetect.errors import OptionError
from muledetect.features.packs import NAMES, load_pack
from muledetect.live.outflows import Outflows
from muledetect.live.policy import (
    Decision,
    Payment,
    decide,
    decide_traced,
    load_policy,
    read_policy,
)

GUILT = ("guilty", "criminal", "fraudster", "thief", "is a mule")


@pytest.mark.parametrize("name", NAMES)
def test_each_rule_has_words_of_suspicion_and_says_what_is_law_and_what_is_choice(name: str) -> None:
    policy = load_policy(name)
    for rule in policy.rules:
        assert rule.choice
        assert rule.source or rule.action == "review"  # money is touched by a stated rule only
        assert not any(word in f"{rule.text} {rule.choice}".lower() for word in GUILT)
    if policy.window:
        assert policy.currency == load_pack(name).currency


def test_half_of_a_large_balance_in_a_day_is_held_in_singapore() -> None:
    policy = load_policy("SG")
    # 50,000 dollars were there; 20,000 have left; 5,000.01 more are over a half
    over = Payment(0, 500_001, "none", "none", balance=3_000_000, left=2_000_000)
    assert decide(policy, over)[:4] == ("hold", 500_001, DAY, "drain")
    assert decide(policy, over._replace(amount=500_000)).action == "allow"  # exactly a half
    assert decide(policy, over._replace(balance=2_999_999)).action == "allow"  # below 50,000 dollars
    assert decide(policy, over._replace(balance=None)).action == "allow"  # no record states the balance


def test_a_payment_is_delayed_in_the_uk_by_the_bank_of_the_payer_only() -> None:
    policy = load_policy("GB")
    payment = Payment(5, 700, "none", "suspected")
    assert decide(policy, payment)[:3] == ("delay", 700, 5 + 72 * HOUR)
    assert decide(policy, payment).fired == ("payment_delay", "suspected_payee")
    assert decide(policy, payment._replace(payer_tier=None)).action == "review"  # it comes from another bank
    assert decide(policy, payment._replace(payee_tier="watch")) == Decision()


def test_the_traced_amount_is_held_in_thailand_and_a_score_alone_holds_nothing() -> None:
    policy = load_policy("TH")
    assert decide_traced(policy, 0, 1_000)[:4] == ("hold", 1_000, DAY, "traced_amount")
    assert decide_traced(policy, 0, 0) == Decision()
    assert decide(policy, Payment(0, 10**12, "suspected", "suspected", 10**12, 10**12)).action == "review"
    assert decide_traced(load_policy("none"), 0, 1_000) == Decision()


TIERS = st.sampled_from([None, "none", "watch", "suspected"])


@given(
    st.sampled_from(NAMES),
    st.builds(Payment, st.integers(0, 2**50), st.integers(1, 2**60), TIERS, TIERS,
              st.none() | st.integers(-(2**60), 2**60), st.integers(0, 2**60)),
)  # fmt: skip
def test_no_decision_is_beyond_the_rules_of_the_pack(name: str, payment: Payment) -> None:
    policy = load_policy(name)
    found = decide(policy, payment)
    assert found.action in {"allow", *(rule.action for rule in policy.rules if rule.when["kind"] != "traced")}
    assert found.amount in (0, payment.amount)
    assert (found.until is None) == (found.action in ("allow", "review")) == (found.amount == 0)
    if found.until is not None:
        assert found.until - payment.time == max(r.hold_for for r in policy.rules if r.name == found.rule)
    assert (found.rule == "") == (found.action == "allow")


RULE: dict[str, Any] = {
    "name": "r", "when": {"kind": "tier", "side": "payee", "tier": "watch"}, "action": "review", "text": "t",
    "source": "s", "choice": "c",
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"action": "freeze"},
        {"action": "allow"},
        {"action": "hold"},
        {"hold_for": "2h"},
        {"action": "hold", "hold_for": "2 days"},
        {"when": {"kind": "score", "above": 0.9}},
        {"when": {"kind": "tier", "side": "bank", "tier": "watch"}},
        {"when": {"kind": "tier", "side": "payee", "tier": "black"}},
        {"when": {"kind": "drain", "balance": 5.0, "share": 0.5, "within": "24h"}},
        {"when": {"kind": "drain", "balance": 5, "share": 0.5, "within": "24h"}},
        {"wenn": 1},
    ],
)
def test_a_file_that_is_no_policy_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    assert read_policy("mine", {"currency": "", "rules": [RULE]}).rules
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"currency": "", "rules": [RULE | change]}))
    with pytest.raises(OptionError, match="policy"):
        load_policy(path)


def test_an_unknown_name_is_refused_with_a_hint() -> None:
    with pytest.raises(OptionError, match="did you mean 'TH'"):
        load_policy("THB")


def transfer(time: int, source: str, target: str, amount: int, **more: int) -> dict[str, Any]:
    return {"time": time, "source": source, "target": target, "amount": amount} | more


def test_outflows_of_a_day_are_summed_and_balances_follow_the_last_statement() -> None:
    flows = Outflows(load_policy("SG"))
    flows.book(transfer(0, "a", "b", 100, source_balance_after=900))
    flows.book(transfer(HOUR, "a", "b", 200))
    flows.book(transfer(2 * HOUR, "c", "a", 50))
    asked = transfer(3 * HOUR, "a", "b", 10)
    # 900 after the first, less 200, plus 50
    assert flows.payment(asked, None, None)[4:] == (750, 300)
    assert flows.payment(asked | {"source_balance_after": 5}, None, None).balance == 15
    assert flows.payment(asked | {"time": DAY + 1}, None, None).left == 200  # the first is a day ago
    assert flows.payment(transfer(0, "b", "a", 1), None, None)[4:] == (None, 0)  # nobody stated it
    flows.book(transfer(HOUR, "a", "b", 400) | {"status": "rejected"})
    assert flows.payment(asked, None, None).left == 300


def test_outflows_hold_the_window_only() -> None:
    flows = Outflows(load_policy("SG"))
    for number in range(2_000):
        flows.book(transfer(number * HOUR, f"a{number % 500}", "b", 1))
    assert sum(map(len, flows._left.values())) == len(flows._order) == 24
    assert Outflows(load_policy("none"))._window == 0
