"""What a family of evidence is: one pure function, one decorator, one shape of its result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from muledetect.errors import DataError, OptionError
from muledetect.graph import TransferGraph

if TYPE_CHECKING:
    from muledetect.records import Dataset

#: Columns of evidence: ring (number), centre (id), kind (a name of `Family.weights`), item (id or hash), time
#: (microseconds), strength (0 to 1, what the kind's weight is multiplied with).
EVIDENCE: Final = ("ring", "centre", "kind", "item", "time", "strength")


@dataclass(frozen=True, eq=False)
class TieScene:
    """What was known before `as_of`, of rings and of centres.

    Attributes
    ----------
    dataset : Dataset
        Side tables are not cut; a family cuts them at `as_of` itself.
    graph : TransferGraph
        Cut at `as_of`.
    members : DataFrame
        ring (number), account (code).
    payments : DataFrame
        ring, payer (code), phone (hash or None), transfer (position), time, is_disputed: transfers from outside to a
        member, the disputed ones and those of first-ever payers.
    complaints : DataFrame
        complaint_id, centre, script, ring, payer, time (of knowing): known, standing complaints about a member; ring
        is -1 where the payee is in no ring.
    listed : DataFrame
        kind, value, centre, reliability, since: entries of watch lists that name a centre, and numbers ascribed to one.
    since, as_of : int
        Microseconds.
    """

    dataset: Dataset
    graph: TransferGraph
    members: pd.DataFrame
    payments: pd.DataFrame
    complaints: pd.DataFrame
    listed: pd.DataFrame
    since: int
    as_of: int


@dataclass(frozen=True, slots=True)
class Family:
    """A family of evidence.

    Attributes
    ----------
    name : str
    function : callable
        TieScene -> DataFrame with the columns `EVIDENCE`.
    weights : dict
        Nats of one item of each kind.
    cap : float
        Most nats of the family.
    tables : tuple of str
        Without one of these it has nothing to look at, which is not the same as finding nothing.
    carries : tuple of str
        Kinds without which a tie is never moderate.
    """

    name: str
    function: Callable[[TieScene], pd.DataFrame]
    weights: dict[str, float]
    cap: float
    tables: tuple[str, ...]
    carries: tuple[str, ...] = ()

    def find(self, scene: TieScene) -> pd.DataFrame | None:
        """Return the evidence; None if a table that it needs is absent.

        Parameters
        ----------
        scene : TieScene

        Raises
        ------
        DataError
            If the function returns other columns, an unknown kind or a strength outside 0 to 1.
        """
        if any(table not in scene.dataset.tables for table in self.tables):
            return None
        found = self.function(scene)
        if tuple(found.columns) != EVIDENCE:
            raise DataError(f"ties {self.name!r}: returned columns {list(found.columns)}; return {list(EVIDENCE)}.")
        if not set(found["kind"]) <= set(self.weights) or not found["strength"].between(0, 1).all():
            raise DataError(f"ties {self.name!r}: kinds must be {list(self.weights)}, strengths lie in 0 to 1.")
        return found


def family(
    *, weights: dict[str, float], cap: float, tables: tuple[str, ...], carries: tuple[str, ...] = ()
) -> Callable[[Callable[[TieScene], pd.DataFrame]], Family]:
    """Turn a function of a `TieScene` into a `Family` of the function's name.

    Parameters
    ----------
    weights : dict of str to float
        Nats of one item of each kind of evidence.
    cap : float
        Most nats of the family.
    tables : tuple of str
        Without one of these it has nothing to look at.
    carries : tuple of str
        Kinds without which a tie is never moderate.

    Raises
    ------
    OptionError
        If the function takes anything but the scene.
    """

    def register(function: Callable[[TieScene], pd.DataFrame]) -> Family:
        taken = list(inspect.signature(function).parameters)
        if len(taken) != 1:
            raise OptionError(f"ties {function.__name__!r}: must take the scene only; takes {taken}.")
        return Family(function.__name__, function, weights, cap, tables, carries)

    return register


def evidence(rows: pd.DataFrame, kind: str | pd.Series, strength: float | pd.Series = 1.0) -> pd.DataFrame:
    """Put rows with ring, centre, item and time into the shape `EVIDENCE`; equal items count once, at their best."""
    shaped = rows.assign(kind=kind, strength=strength)[list(EVIDENCE)]
    return (
        shaped.sort_values(["strength", "time"], ascending=False, kind="stable")
        .drop_duplicates(["ring", "centre", "kind", "item"])
        .reset_index(drop=True)
    )
