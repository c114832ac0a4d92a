"""What a `LiveScorer` answers: assessments of transfers, and what became of an event that was booked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

#: What became of an event: it counts, it is there already with the same content, or it was left out for a reason.
Outcome = Literal["accepted", "duplicate", "rejected"]


class AccountScore(NamedTuple):
    """Score of one account just before a transfer, or before the hour of it.

    Attributes
    ----------
    account_id : str
    score : float
        Log-odds of the trees; higher is more suspicious.
    probability : float
        By the model's calibrator, at the prevalence that it was trained at.
    tier : str
        By the probability, as `score_points` gives it where the prevalence is known: "none", "watch", ...
    reasons : tuple of str
        Sentences, the strongest first; empty if they were not asked for.
    as_of : int or None
        The moment that a busy account is scored as of, microseconds, see `LiveScorer`; None: that of the assessment.
    """

    account_id: str
    score: float
    probability: float
    tier: str
    reasons: tuple[str, ...] = ()
    as_of: int | None = None


class Assessment(NamedTuple):
    """What a model says of the two ends of a transfer, as of its time and before it is booked.

    Attributes
    ----------
    transfer_id : str
    as_of : int
        Time of the transfer, microseconds since 1970, UTC. Nothing at or after it was seen.
    payer, payee : AccountScore or None
        None for an account of another bank, and for one that the state does not know.
    model : str
        Short hash of the model.
    version : str
        Of muledetect, which computed the columns.
    """

    transfer_id: str
    as_of: int
    payer: AccountScore | None
    payee: AccountScore | None
    model: str
    version: str


#: Which assessments get reasons: all, none, or those of which it is true, asked with the place of the transfer.
Explain = bool | Callable[[int, Assessment], bool]


class Booked(NamedTuple):
    """What became of one event.

    Attributes
    ----------
    outcome : "accepted", "duplicate" or "rejected"
    reason : str
        Why it was left out, as in the rejects of a data set; "" if it was accepted.
    column : str
        Column that the reason is about; "" if it was accepted.
    """

    outcome: Outcome
    reason: str = ""
    column: str = ""
