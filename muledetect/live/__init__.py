"""Scores of a payment as it arrives: a state that grows by one event, and a model that is asked before it is booked."""

from __future__ import annotations

from muledetect.live.types import AccountScore, Assessment, Booked, Outcome

__all__ = ["AccountScore", "Assessment", "Booked", "Outcome"]
