"""A scorer and a policy together: each transfer gets an assessment and a decision, before it is booked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from muledetect.errors import OptionError
from muledetect.live.outflows import Outflows
from muledetect.live.policy import Decision, Policy, decide
from muledetect.live.types import AccountScore, Assessment, Booked, Explain

Rows = Sequence[Mapping[str, Any]]


class Scorer(Protocol):
    """What the desk asks of a scorer; `LiveScorer` is one."""

    def score_many(self, transfers: Rows, *, explain: Explain = False) -> list[Assessment]:
        """Score transfers as of their times, with reasons where they are asked for."""
        ...

    def book_many(self, transfers: Rows) -> list[Booked]:
        """Count transfers."""
        ...

    def advance_many(self, events: Rows) -> list[Booked]:
        """Count rows of other tables."""
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

    Raises
    ------
    OptionError
        If the policy has amounts in another currency.
    """

    def __init__(self, scorer: Scorer, policy: Policy, outflows: Outflows, currency: str) -> None:
        if policy.window and policy.currency != currency:
            raise OptionError(
                f"policy: {policy.name!r} has amounts in {policy.currency}; the records are in "
                f"{currency or 'no stated currency'}. Choose the policy of their country, or write one as a file."
            )
        self.scorer, self.policy, self.currency = scorer, policy, currency
        self._outflows = outflows

    def score(self, transfers: Rows) -> list[Answer]:
        """Return an assessment and a decision for each transfer; nothing is booked.

        Reasons take some milliseconds, so only transfers that are not simply allowed have them.
        """
        decisions: dict[int, Decision] = {}

        def is_shown(place: int, found: Assessment) -> bool:
            decisions[place] = self._decide(transfers[place], found)
            return decisions[place].action != "allow"

        found = self.scorer.score_many(transfers, explain=is_shown)
        return [Answer(one, decisions[place]) for place, one in enumerate(found)]

    def book(self, transfers: Rows) -> list[Booked]:
        """Book transfers in their order; return what became of each."""
        booked = self.scorer.book_many(transfers)
        for row, one in zip(transfers, booked, strict=True):
            self._count(row, one)
        return booked

    def advance(self, events: Rows) -> list[Booked]:
        """Take events of other tables; return what became of each."""
        return self.scorer.advance_many(events)

    def book_and_score(self, transfers: Rows) -> list[Answer]:
        """Return what `score` would have said of each transfer just before it, and book all; without reasons.

        Only for transfers in order of time: a score sees nothing at or after its moment, so that all can be booked
        first, which is much faster.
        """
        booked = self.scorer.book_many(transfers)
        answers = []
        for row, one, outcome in zip(transfers, self.scorer.score_many(transfers), booked, strict=True):
            answers.append(Answer(one, self._decide(row, one)))
            self._count(row, outcome)
        return answers

    def _decide(self, transfer: Mapping[str, Any], found: Assessment) -> Decision:
        return decide(self.policy, self._outflows.payment(transfer, _tier(found.payer), _tier(found.payee)))

    def _count(self, transfer: Mapping[str, Any], booked: Booked) -> None:
        if booked.outcome == "accepted":
            self._outflows.book(transfer)


def _tier(score: AccountScore | None) -> str | None:
    return None if score is None else score.tier
