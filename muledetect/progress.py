"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

#: Called with the stage in words and the fraction done, 0 to 1; 0.0 where that is not known.
Progress = Callable[[str, float], None]


def silent(_stage: str, _done: float) -> None:
    """Tell nobody."""
