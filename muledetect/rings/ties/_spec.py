"""What a family of evidence is: one pure function, one decorator, one shape of its result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pandas as pd

from muledetect.errors import DataError, OptionError
from muledetect.facts import Snapshot

#: Columns of evidence: ring (number), centre (id), kind (a name of `Family.weights`), item (id or hash), time
#: (microseconds), strength (0 to 1, what the kind's weight is multiplied with).
EVIDENCE: Final = ("ring", "centre", "kind", "item", "time", "strength")

_TYPES: Final = {"ring": "int64", "time": "int64", "payer": "int64", "account": "int64", "since": "int64",
                 "strength": "float64", "reliability": "float64", "weight": "float64", "log_odds": "float64",
                 "counts": "float64", "n_accounts": "int64", "n_days": "int64", "is_disputed": "bool"}  # fmt: skip


@dataclass(frozen=True, eq=False)
class TieContext:
    """What was known of rings and of centres.

    Attributes
    ----------
    snapshot : Snapshot
        Everything in it is cut at the moment.
    members : DataFrame
        ring (number), account (code).
    payments : DataFrame
        ring, payer (code), phone (hash or None), transfer (position), time, is_disputed: transfers from outside to a
        member, the disputed ones and those of first-ever payers.
    complaints : DataFrame
        complaint_id, centre, script, ring, payer, phone, time (of knowing): complaints that count; ring is -1 where the
        payee is in no ring.
    listed : DataFrame
        kind, value, centre, reliability, since: entries of watch lists that name a centre, and numbers ascribed to one.
    calls : DataFrame
        call_id, time, callee, centre, weight: calls of those numbers.
    since : int
        Start of the window, microseconds.
    """

    snapshot: Snapshot
    members: pd.DataFrame
    payments: pd.DataFrame
    complaints: pd.DataFrame
    listed: pd.DataFrame
    calls: pd.DataFrame
    since: int


@dataclass(frozen=True, slots=True)
class Family:
    """A family of evidence.

    Attributes
    ----------
    name : str
    function : callable
        TieContext -> DataFrame with the columns `EVIDENCE`.
    weights : dict
        Log-odds of one item of each kind.
    cap : float
        Most log-odds of the family.
    tables : tuple of str
        Without one of these it has nothing to look at, which is not the same as finding nothing; "this or that": either
        of them will do.
    carries : tuple of str
        Kinds without which a tie is never moderate.
    """

    name: str
    function: Callable[[TieContext], pd.DataFrame]
    weights: dict[str, float]
    cap: float
    tables: tuple[str, ...]
    carries: tuple[str, ...] = ()

    def find(self, context: TieContext) -> pd.DataFrame | None:
        """Return the evidence; None if a table that it needs is absent.

        Parameters
        ----------
        context : TieContext

        Raises
        ------
        DataError
            If the function returns other columns, an unknown kind or a strength outside 0 to 1.
        """
        present = context.snapshot.tables.keys()
        if any(present.isdisjoint(table.split(" or ")) for table in self.tables):
            return None
        found = self.function(context)
        if tuple(found.columns) != EVIDENCE:
            raise DataError(f"ties {self.name!r}: returned columns {list(found.columns)}; return {list(EVIDENCE)}.")
        if not set(found["kind"]) <= set(self.weights) or not found["strength"].between(0, 1).all():
            raise DataError(f"ties {self.name!r}: kinds must be {list(self.weights)}, strengths lie in 0 to 1.")
        return found


def family(
    *, weights: dict[str, float], cap: float, tables: tuple[str, ...], carries: tuple[str, ...] = ()
) -> Callable[[Callable[[TieContext], pd.DataFrame]], Family]:
    """Turn a function of a `TieContext` into a `Family` of the function's name.

    Parameters
    ----------
    weights : dict of str to float
        Log-odds of one item of each kind of evidence.
    cap : float
        Most log-odds of the family.
    tables : tuple of str
        Without one of these it has nothing to look at; "this or that": either of them will do.
    carries : tuple of str
        Kinds without which a tie is never moderate.

    Raises
    ------
    OptionError
        If the function takes anything but the context.
    """

    def register(function: Callable[[TieContext], pd.DataFrame]) -> Family:
        taken = list(inspect.signature(function).parameters)
        if len(taken) != 1:
            raise OptionError(f"ties {function.__name__!r}: must take the context only; takes {taken}.")
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


def no_rows(*names: str) -> pd.DataFrame:
    """Return a frame of no rows with these columns."""
    return pd.DataFrame({name: pd.Series(dtype=_TYPES.get(name, "object")) for name in names})
