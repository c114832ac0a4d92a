"""The registry of signals: the shape of features, over transfers instead of points."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import get_args

import numpy as np

from muledetect.arrays import Float32Array
from muledetect.errors import FeatureError
from muledetect.features._columns import NAME, Column, Unit
from muledetect.features.signals._past import Past


@dataclass(frozen=True, slots=True)
class Signal:
    """A registered signal: a pure function of a `Past`, and what is known of its columns.

    Parameters
    ----------
    name, family : str
    function : callable
        Of a `Past`.
    columns : mapping of column name -> Column
    tables : tuple of str
        Tables besides transfers that it reads.
    reach : int, optional
        A transfer's value rests on nothing earlier than so many look-backs before it; None: no bound.
    not_live : str
        Why it cannot be computed as each transfer arrives; empty: it can.
    reads_known : bool
        It rests on its own values of earlier transfers, see `Past.known`, and leaves these as they are.
    """

    name: str
    family: str
    function: Callable[[Past], Float32Array]
    columns: Mapping[str, Column]
    tables: tuple[str, ...] = ()
    reach: int | None = None
    not_live: str = ""
    reads_known: bool = False

    def compute(self, past: Past) -> Float32Array:
        """Return float32[n_transfers, n_columns]; a transfer from an account to itself has 0 counts, NaN elsewhere.

        Parameters
        ----------
        past : Past
            From `build_past`.

        Raises
        ------
        FeatureError
            If the function returns another shape or type.
        """
        values = self.function(past)
        values = values[:, None] if values.ndim == 1 else values
        if values.shape != (len(past), len(self.columns)) or values.dtype != np.float32:
            raise FeatureError(
                f"signal {self.name!r}: expected float32 {(len(past), len(self.columns))} (transfers, columns); got "
                f"{values.dtype} {values.shape}. Return one value a transfer, or one column for each of "
                f"{list(self.columns)}."
            )
        if self.name in past.known and not self.reads_known:  # one that does begins with them
            known = past.known[self.name]
            values[: len(known)] = known
        if len(past.paid.time) < len(past):  # some are from an account to itself, and stand in no book
            is_self = past.paid_at < 0
            for place, column in enumerate(self.columns.values()):
                values[is_self, place] = 0 if column.unit in {"count", "flag"} else np.nan
        return values


@dataclass(frozen=True)
class SignalRegistry:
    """All known signals by name. Frozen: `add` returns a larger one."""

    signals: Mapping[str, Signal] = field(default_factory=dict)

    def add(self, signal: Signal) -> SignalRegistry:
        """Return a registry that also has `signal`.

        Raises
        ------
        FeatureError
            If its name or one of its columns is taken.
        """
        taken = set(self.signals) & {signal.name} | set(self.columns()) & signal.columns.keys()
        if taken:
            raise FeatureError(f"signal {signal.name!r}: {sorted(taken)} are registered already; choose other names.")
        return SignalRegistry({**self.signals, signal.name: signal})

    def columns(self, families: Iterable[str] | None = None) -> list[str]:
        """Return every column, of the given families or of all."""
        wanted = None if families is None else set(families)
        known = {signal.family for signal in self.signals.values()}
        if (wanted or set()) - known:
            raise FeatureError(
                f"signals: there is no family {sorted((wanted or set()) - known)}; families are {sorted(known)}."
            )
        return [
            column
            for signal in self.signals.values()
            if wanted is None or signal.family in wanted
            for column in signal.columns
        ]

    def of_column(self, column: str) -> Signal:
        """Return the signal that makes a column.

        Raises
        ------
        FeatureError
            If there is none; a close match is suggested.
        """
        for signal in self.signals.values():
            if column in signal.columns:
                return signal
        close = difflib.get_close_matches(column, self.columns(), n=1)
        raise FeatureError(
            f"signals: no signal makes a column {column!r}." + (f" Hint: did you mean {close[0]!r}?" if close else "")
        )


def describe_signals(registry: SignalRegistry) -> str:
    """Return docs/signals.md: every signal, what its columns say, and how they are computed."""
    lines = [
        "# Signals",
        "",
        "A signal is a number on one transfer, made from this transfer and earlier ones only.",
        "`muledetect.features.signals.extract_signals` computes them. This page is made from the code; do not edit it.",
        "",
        "The *payer* (s) is the account that pays, the *payee* (t) the account that receives. The *look-back* is how",
        "far back a signal looks, 72 hours by default: a transfer at time T uses those from T - look-back to T.",
        "Transfers with the same time are one *tick*. Where times are finer than a second, a transfer does not use",
        "others of its own tick (ties are *strict*). Where they are whole seconds or coarser, it does (ties are",
        "*simultaneous*). O(...) is the cost of computing.",
        "",
    ]
    for made in registry.signals.values():
        lines += [f"## `{made.name}` ({made.family})", "", "| column | unit | meaning |", "|---|---|---|"]
        lines += [f"| `{column}` | {entry.unit} | {entry.text} |" for column, entry in made.columns.items()]
        needs = f" Needs {', '.join(made.tables)}." if made.tables else ""
        lines += ["", inspect.cleandoc(made.function.__doc__ or "") + needs, ""]
    return "\n".join(lines)


def signal(
    *,
    family: str,
    columns: Mapping[str, Column] | None = None,
    unit: Unit | None = None,
    text: str = "",
    tables: tuple[str, ...] = (),
    reach: int | None = None,
    not_live: str = "",
    reads_known: bool = False,
) -> Callable[[Callable[[Past], Float32Array]], Signal]:
    """Turn a function of a `Past` into a `Signal`; it stays unregistered until a registry adds it.

    Parameters
    ----------
    family : str
    columns : mapping of column name -> Column
        For a function that makes several. Amounts of money are no unit of a signal:
        give them as a ratio of the transfer's own amount.
    unit, text : str
        Unit and meaning of a single column, named like the function.
    tables : tuple of str
        Tables besides transfers that it reads; without them its value is NaN.
    reach : int, optional
        A transfer's value rests on nothing earlier than so many look-backs before it: a large bank is then computed by
        slices of time. 1 for earlier transfers within the look-back, 2 if it also reads what was so before those.
        Default: no bound.
    not_live : str
        Why it cannot be computed as each transfer arrives, see `muledetect.live`. Empty: it can, see
        `muledetect.live.around` for which earlier transfers it may read.
    reads_known : bool
        It rests on its own values of earlier transfers, which it takes from `Past.known` and returns as they are.

    Raises
    ------
    FeatureError
        If a name or unit does not fit.
    """

    def register(function: Callable[[Past], Float32Array]) -> Signal:
        name = function.__name__
        named = dict(columns or ({name: Column(unit, text)} if unit else {}))
        if not named:
            raise FeatureError(f"signal {name!r}: give its unit and text, or its columns.")
        for column, entry in named.items():
            if not NAME.fullmatch(column):
                raise FeatureError(f"signal {name!r}: column {column!r} must be lower_case_words, single underscores.")
            if entry.unit not in get_args(Unit) or entry.unit == "amount":
                raise FeatureError(
                    f"signal {name!r}: unit {entry.unit!r} of {column!r} must be count, ratio, seconds or flag."
                )
        if len(inspect.signature(function).parameters) != 1:
            raise FeatureError(f"signal {name!r}: must take the past and nothing else.")
        return Signal(name, family, function, MappingProxyType(named), tables, reach, not_live, reads_known)

    return register
