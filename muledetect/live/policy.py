"""Policies: what a bank may do about a payment, as data of a country; a model never proposes more than they allow.

A policy is a JSON file of rules. A rule has a condition (`when`), an action, how long it stands, and the text of its
source; what is a choice of this project and no law stands under `choice`. The strongest action that fires is the
decision: allow, review, delay, hold. A hold is of an amount, never of an account.

>>> policy = load_policy("GB")
>>> found = decide(policy, Payment(time=0, amount=100, payer_tier="none", payee_tier="suspected"))
>>> found.action, found.rule, found.until == 72 * 3_600_000_000
('delay', 'payment_delay', True)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

from muledetect.clock import parse_duration
from muledetect.errors import OptionError
from muledetect.features.packs import named_text
from muledetect.score_basis import TIERS
from muledetect.strict_json import parse_json

Action = Literal["allow", "review", "delay", "hold"]
#: Weakest first.
ACTIONS: Final = get_args(Action)

#: Said with every decision.
NOTICE: Final = (
    "A decision is a proposal from suspicion, not a finding about a person. Do not disclose to the customer."
)

_TIERS: Final = tuple(name for name, _ in TIERS)
_FIELDS: Final = {"name", "when", "action", "hold_for", "text", "source", "choice"}
_CONDITIONS: Final = {
    "tier": {"kind", "side", "tier", "direction"},
    "drain": {"kind", "balance", "share", "within"},
    "traced": {"kind"},
}


class Payment(NamedTuple):
    """What the rules look at.

    Attributes
    ----------
    time, amount : int
        Microseconds; minor units.
    payer_tier, payee_tier : str, optional
        None for an account of another bank.
    balance : int, optional
        What is in the payer's account before the payment; None where no record states it: drain rules do not fire then.
    left : int
        What left the payer's account within `Policy.window` before the payment.
    """

    time: int
    amount: int
    payer_tier: str | None = None
    payee_tier: str | None = None
    balance: int | None = None
    left: int = 0


class Decision(NamedTuple):
    """What a policy allows for a payment, or for an amount that was traced.

    Attributes
    ----------
    action : "allow", "review", "delay" or "hold"
    amount : int
        Minor units that are delayed or held; 0 otherwise.
    until : int, optional
        End of the delay or hold, microseconds, exclusive.
    rule, text, source : str
        Rule that fired, its words, and where it comes from; "" for allow.
    fired : tuple of str
        All rules that fired, strongest first.
    """

    action: Action = "allow"
    amount: int = 0
    until: int | None = None
    rule: str = ""
    text: str = ""
    source: str = ""
    fired: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a policy; see the module. `hold_for` is in microseconds, 0 where the action has no end."""

    name: str
    when: Mapping[str, Any]
    action: Action
    hold_for: int
    text: str
    source: str
    choice: str

    def fits(self, payment: Payment) -> bool:
        """Whether the condition is met by a payment."""
        when = self.when
        if when["kind"] == "tier":
            found = payment.payee_tier if when["side"] == "payee" else payment.payer_tier
            is_outbound = payment.payer_tier is not None
            return _is_at_least(found, when["tier"]) and (is_outbound or when.get("direction") != "outbound")
        if when["kind"] == "drain" and payment.balance is not None:
            funds = payment.balance + payment.left
            return bool(funds >= when["balance"] and payment.left + payment.amount > when["share"] * funds)
        return False


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of a country or a bank.

    Attributes
    ----------
    name, currency : str
        `currency` is that of amounts in rules; "" where no rule has one.
    rules : tuple of Rule
        Strongest action first; of equals as they stand in the file.
    """

    name: str
    currency: str
    rules: tuple[Rule, ...]

    @property
    def window(self) -> int:
        """Length over which outflows are summed for drain rules, microseconds; 0 without such a rule."""
        return max(
            (parse_duration(rule.when["within"]) for rule in self.rules if rule.when["kind"] == "drain"), default=0
        )


def load_policy(name: str | Path) -> Policy:
    """Return the policy of a country pack, or that of a JSON file.

    Countries without hold rules of their own have that of "none": review, and nothing is delayed or held.

    Raises
    ------
    OptionError
        If there is no such pack or file, or the file is no policy.
    """
    text = named_text(name, resources.files(__package__).joinpath("policies"), what="policy")
    try:
        return read_policy(Path(name).stem, parse_json(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(f"policy: {Path(name).name!r} is none: {error}. docs/live.md shows the form.") from error


def read_policy(name: str, entry: Mapping[str, Any]) -> Policy:
    """Return a policy from the content of its file; raise `OptionError` where a rule is none."""
    rules = sorted(map(_read_rule, entry["rules"]), key=lambda rule: -ACTIONS.index(rule.action))
    windows = {rule.when["within"] for rule in rules if rule.when["kind"] == "drain"}
    if len(windows) > 1:
        raise OptionError(f"drain rules must share one window; got {sorted(windows)}")
    if windows and not entry["currency"]:
        raise OptionError("drain rules have an amount: 'currency' must say of what")
    return Policy(name, entry["currency"], tuple(rules))


def _read_rule(entry: Mapping[str, Any]) -> Rule:
    if unknown := set(entry) - _FIELDS:
        raise OptionError(f"a rule has no field {sorted(unknown)}; it has {sorted(_FIELDS)}")
    when, action = dict(entry["when"]), entry["action"]
    if when.get("kind") not in _CONDITIONS or set(when) - _CONDITIONS[when["kind"]]:
        raise OptionError(f"'when' of rule {entry['name']!r} must be one of {_CONDITIONS}; got {sorted(when)}")
    if action not in ACTIONS[1:]:
        raise OptionError(f"the action of rule {entry['name']!r} must be one of {ACTIONS[1:]}; got {action!r}")
    if when["kind"] == "tier" and (when["side"] not in ("payer", "payee") or when["tier"] not in _TIERS):
        raise OptionError(f"rule {entry['name']!r} needs a side, payer or payee, and a tier of {_TIERS}")
    if when["kind"] == "drain" and (type(when["balance"]) is not int or not 0 < when["share"] < 1):
        raise OptionError(f"rule {entry['name']!r} needs a balance in minor units and a share between 0 and 1")
    if (action in ("delay", "hold")) != ("hold_for" in entry):
        raise OptionError(f"rule {entry['name']!r}: a delay or hold needs 'hold_for', and no other action has it")
    hold_for = parse_duration(entry["hold_for"]) if "hold_for" in entry else 0
    texts = [str(entry[name]) for name in ("text", "source", "choice")]
    return Rule(str(entry["name"]), when, action, hold_for, *texts)


def decide(policy: Policy, payment: Payment) -> Decision:
    """Return what a policy allows for a payment that was asked for; a delay or hold is of the payment's amount.

    Parameters
    ----------
    policy : Policy
    payment : Payment
    """
    return _strongest((rule for rule in policy.rules if rule.fits(payment)), payment.time, payment.amount)


def decide_traced(policy: Policy, time: int, amount: int) -> Decision:
    """Return what a policy allows for money of a complaint that was traced to an account.

    Parameters
    ----------
    policy : Policy
    time : int
        Moment of the trace, microseconds.
    amount : int
        The smaller of what was traced and what is in the account, minor units.
    """
    fired = (rule for rule in policy.rules if rule.when["kind"] == "traced" and amount > 0)
    return _strongest(fired, time, amount)


def _strongest(rules: Iterable[Rule], time: int, amount: int) -> Decision:
    fired = tuple(rules)
    if not fired:
        return Decision()
    first, names = fired[0], tuple(rule.name for rule in fired)
    stands = first.action in ("delay", "hold")
    until = time + first.hold_for if stands else None
    return Decision(first.action, amount if stands else 0, until, first.name, first.text, first.source, names)


def _is_at_least(tier: str | None, wanted: str) -> bool:
    return tier in _TIERS and _TIERS.index(tier) <= _TIERS.index(wanted)
