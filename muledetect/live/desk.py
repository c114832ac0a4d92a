"""A scorer and a policy together: each transfer gets an assessment and a decision, before it is booked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from muledetect.errors import OptionError
from muledetect.live.outflows import Outflows
from muledetect.live.policy import Decision, Policy, decide
from muledetect.live.types import AccountScore, Assessment, Booked


class Scorer(Protocol):
    """What the desk asks of a scorer; `LiveScorer` is one."""

    def score_many(self, transfers: Sequence[Mapping[str, Any]]) -> list[Assessment]:
        """Score transfers as of their times, before any of them is booked."""
        ...

    def book(self, transfer: Mapping[str, Any]) -> Booked:
        """Count a transfer."""
        ...

    def advance(self, event: Mapping[str, Any]) -> Booked:
        """Count a row of another table."""
        ...

    def swap(self, model: Any) -> None:
        """Answer by another model from now on."""
        ...


class Answer(NamedTuple):
    """What is said of one transfer."""

    assessment: Assessment
    decision: Decision


class Desk:
    """Scores with decisions; one thread at a time.

    Parameters
    ----------
    scorer : Scorer
    policy : Policy
    outflows : Outflows
        For drain rules; started from the records of the scorer.
    currency : str
        Of the scorer's amounts; a policy with amounts in another one is refused.
    """

    def __init__(self, scorer: Scorer, policy: Policy, outflows: Outflows, currency: str) -> None:
        if policy.window and policy.currency != currency:
            raise OptionError(
                f"policy: {policy.name!r} has amounts in {policy.currency}; the records are in "
                f"{currency or 'no stated currency'}. Choose the policy of their country, or write one as a file."
            )
        self.scorer, self.policy, self.currency = scorer, policy, currency
        self._outflows = outflows

    def score(self, transfers: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """Return an assessment and a decision for each transfer; nothing is booked."""
        found = self.scorer.score_many(transfers)
        return [Answer(one, self._decide(row, one)) for row, one in zip(transfers, found, strict=True)]

    def _decide(self, transfer: Mapping[str, Any], found: Assessment) -> Decision:
        return decide(self.policy, self._outflows.payment(transfer, _tier(found.payer), _tier(found.payee)))

    def book(self, transfer: Mapping[str, Any]) -> Booked:
        """Book a transfer."""
        booked = self.scorer.book(transfer)
        if booked.outcome == "accepted":
            self._outflows.book(transfer)
        return booked

    def advance(self, event: Mapping[str, Any]) -> Booked:
        """Take an event of another table."""
        return self.scorer.advance(event)


def _tier(score: AccountScore | None) -> str | None:
    return None if score is None else score.tier
