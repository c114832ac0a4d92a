"""Replay: the past sent through a live scorer, as it came; what would have been held, and how much of it was stolen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.replay.run import replay, write_replay
    from muledetect.replay.summary import Found

__all__ = ["Found", "replay", "write_replay"]

__getattr__, __dir__ = on_demand(__name__, {"run": "replay write_replay", "summary": "Found"})
