"""Look-back: how far back the features of a model see, so that columns mean the same however long the record grows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from muledetect.clock import DAY, Duration, Moment, format_duration, parse_duration, parse_time
from muledetect.errors import OptionError
from muledetect.labels.targets import Target, moments_of

if TYPE_CHECKING:
    from muledetect.records import Dataset

#: Of the target "active". Mules are used for days or weeks; half a year shows how an account lived before.
LONGEST: Final = 180 * DAY

#: Below this the habits of an account can hardly be told from its last weeks.
_SHORT: Final = 28 * DAY


class Lookback(NamedTuple):
    """How far back features see, microseconds, and what a reader must know about it."""

    length: int
    notes: list[str]


def choose_lookback(
    dataset: Dataset, as_of: Moment | Iterable[Moment], *, target: Target, lookback: Duration | None = None
) -> Lookback:
    """Return the look-back of a model that learns at moments.

    The default is the shortest record that lies before one of the moments, in whole days: all rows, and later those
    that are scored, then see equally much. For "active" it is at most 180 days. "ever" asks for activity at any time
    before the moment, so nothing else bounds it.

    Parameters
    ----------
    dataset : Dataset
    as_of : moment or iterable of moments
        At which the model learns.
    target : "active" or "ever"
    lookback : duration, optional
        Instead of the default.

    Raises
    ------
    OptionError
        If it is not longer than 0.
    """
    times = dataset.transfers["time"]
    first = parse_time(times[0].as_py()) if len(times) else 0
    shortest = max(dataset.tick, min(moments_of(as_of), default=first) - first)
    shortest -= shortest % DAY if shortest > DAY else 0
    if lookback is None:
        length = shortest if target == "ever" else min(shortest, LONGEST)
    else:
        length = parse_duration(lookback)
        if length <= 0:
            raise OptionError(f"train: the look-back must be longer than 0; got {lookback!r}. Give one such as '90d'.")
    notes = [f"Features see {format_duration(length)} back from each moment."]
    if length > shortest:
        notes.append(
            f"The record before the earliest moment is only {format_duration(shortest)} long; its rows see less than "
            "the others."
        )
    if length < _SHORT:
        notes.append("The look-back is under four weeks, which hides the habits of accounts. Learn at later moments.")
    return Lookback(length, notes)
