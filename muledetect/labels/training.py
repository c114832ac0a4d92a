"""The points that a model learns from: accounts with a known target at some moments, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from muledetect.arrays import Float64Array
from muledetect.clock import Duration, Moment
from muledetect.errors import DataError
from muledetect.facts import facts_of
from muledetect.graph import Points
from muledetect.labels.lookback import choose_lookback
from muledetect.labels.sampling import account_keys, sample_points
from muledetect.labels.targets import Target, Unlabelled, drop_unripe, every_account, labelled_points, refuse_one_class

if TYPE_CHECKING:
    from muledetect.records import Dataset

#: With a known target for a smaller part of the accounts, a model does not know the share of mules in the bank: among
#: those that were looked at it may be more than four times as large.
LABELLED: Final = 0.25


class TrainingPoints(NamedTuple):
    """What a model learns from.

    Attributes
    ----------
    points : Points
    y : float64[n_points]
        Targets, 0 or 1.
    weight : float64[n_points] or None
        Makes up for points that were not drawn.
    lookback : int
        How far back features may see, microseconds.
    is_prevalence_known : bool
        The share of mules among the points is about that of the bank.
    notes : list of str
        For the model's card.
    """

    points: Points
    y: Float64Array
    weight: Float64Array | None
    lookback: int
    is_prevalence_known: bool
    notes: list[str]


def training_points(
    dataset: Dataset,
    as_of: Moment | Iterable[Moment],
    *,
    target: Target = "active",
    known_by: Moment | None = None,
    unlabelled: Unlabelled = "unknown",
    lookback: Duration | None = None,
    max_rows: int | None = None,
) -> TrainingPoints:
    """Return the accounts with a known target at each moment.

    Parameters
    ----------
    dataset, as_of, target, known_by, unlabelled, lookback, max_rows
        As for `muledetect.train`.

    Raises
    ------
    DataError
        If no account has a known target, or all have the same.
    """
    moments = [as_of] if isinstance(as_of, str) or not isinstance(as_of, Iterable) else list(as_of)
    chosen = choose_lookback(dataset, moments, target=target, lookback=lookback)
    points, y, notes = labelled_points(
        dataset, moments, target=target, known_by=known_by, unlabelled=unlabelled, lookback=chosen.length
    )
    points, y, unripe = drop_unripe(points, y)
    if not len(points):
        raise DataError(
            f"train: no account has a known target at the given moments. {notes[0]} Give an earlier moment: the target "
            "'active' needs its horizon and the maturity of labels before the data end; see labels.targets."
        )
    refuse_one_class(y, target)
    n_accounts = len(every_account(dataset, sorted(set(points.as_of.tolist()))))
    notes = [*notes, *chosen.notes, *unripe, *_of_a_part(len(points), n_accounts)]
    weight = None
    if max_rows is not None:
        keys = account_keys(dataset, facts_of(dataset).graph, as_of=int(points.as_of.max()))
        rows, weight = sample_points(points, y, keys, max_rows=max_rows)
        notes.append(f"{len(rows):,} of {len(y):,} points were drawn; weights make up for the others.")
        points, y = points[rows], y[rows]
    return TrainingPoints(points, y, weight, chosen.length, _is_representative(len(points), n_accounts), notes)


def _is_representative(n_points: int, n_accounts: int) -> bool:
    return n_points >= LABELLED * n_accounts


def _of_a_part(n_points: int, n_accounts: int) -> list[str]:
    """Return what is to be said of a model that learns from a part of the accounts."""
    said = []
    if not _is_representative(n_points, n_accounts):
        said.append(
            f"Less than {LABELLED:.0%} of the accounts have a known target, so the share of mules among these is not "
            "that of the bank: tiers follow an alert budget, if no prevalence is given."
        )
    if n_points < n_accounts:
        said.append(
            f"Probabilities are those among the {n_points / n_accounts:.0%} of accounts with a known target. In the "
            f"whole bank they are too high, at most {n_accounts / n_points:.1f} times, if mules were found more "
            "often than other accounts were cleared; state a prevalence when you score."
        )
    return said
