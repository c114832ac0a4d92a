"""Scores of a payment as it arrives: a state that grows by one event, and a model that is asked before it is booked.

>>> from muledetect.live import LiveScorer
>>> scorer = LiveScorer(model, dataset)  # doctest: +SKIP
>>> scorer.score(transfer).payee  # doctest: +SKIP
>>> scorer.book(transfer)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.live.scorer import LiveScorer
    from muledetect.live.state import LiveState
    from muledetect.live.types import AccountScore, Assessment, Booked

__all__ = ["AccountScore", "Assessment", "Booked", "LiveScorer", "LiveState"]

__getattr__, __dir__ = on_demand(
    __name__, {"scorer": "LiveScorer", "state": "LiveState", "types": "AccountScore Assessment Booked"}
)
