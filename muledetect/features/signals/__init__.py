"""Signals: causal columns on transfers, each computed only from the transfer itself and earlier ones.

A signal is a pure function of a `Past`, with metadata; families, one file each. What a signal must never do: read a
later transfer, depend on names or on the order of rows, or return an amount of money other than as a ratio.

>>> from muledetect.features.signals import signal_names
>>> signal_names(families=["pairs"])
['is_new_payee', 'pair_age', 'since_reverse', 'returned_ratio']
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Final

import pyarrow as pa

from muledetect.clock import Duration
from muledetect.features.signals import (
    _extract,
    access,
    cycles,
    firsts,
    pairs,
    relay,
    scatter,
    senders,
    sessions,
    shapes,
)
from muledetect.features.signals._opening import Opening, count_on
from muledetect.features.signals._past import (
    LONGEST,
    LOOKBACK,
    MAX_DEGREE,
    MOST_CREDITS,
    MOST_TRANSFERS,
    Book,
    Past,
    Ties,
    build_past,
    is_earlier,
)
from muledetect.features.signals._slices import (
    compute_columns,
    compute_rows,
    compute_signal,
    compute_slice,
    fill_signals,
    slices_of,
)
from muledetect.features.signals._spec import Signal, SignalRegistry, describe_signals, signal
from muledetect.progress import Progress
from muledetect.records import Dataset

_BUILT_IN: Final = (
    pairs.fan,
    pairs.pairs,
    scatter.scatter_gather,
    shapes.bipartite,
    cycles.cycles,
    senders.senders,
    firsts.first_payments,
    relay.origins,
    relay.relay,
    access.access,
    sessions.session_flags,
)
_REGISTRY: Final = reduce(SignalRegistry.add, _BUILT_IN, SignalRegistry())


def signal_registry() -> SignalRegistry:
    """Return the built-in signals. Registries are frozen: `signal_registry().add(signal)` gives a larger one."""
    return _REGISTRY


def signal_names(families: Iterable[str] | None = None) -> list[str]:
    """Return the names of the signals, of the given families or of all."""
    return _REGISTRY.columns(families)


def extract_signals(
    dataset: Dataset,
    signals: Sequence[str | Signal] | None = None,
    *,
    lookback: Duration = "72h",
    ties: Ties | None = None,
    max_degree: int | None = MAX_DEGREE,
    threads: int | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Compute signals on every transfer.

    Parameters
    ----------
    dataset : Dataset
    signals : sequence of str or Signal, optional
        Column names, or signals (also unregistered ones); default: every registered signal.
    lookback : str or int
        How far back a transfer looks, at most 30 days; integers are microseconds.
    ties : {"strict", "simultaneous"}, optional
        May transfers of one tick follow each other? Default: "simultaneous" where the clock's tick is a second or
        longer, for then it hides their order.
    max_degree : int, optional
        Searches do not pass through an account with more transfers than this within the look-back; columns
        `..._left_out` count what was not followed. What rests on more than 4,096 transfers of one side of an account
        within the look-back is NaN; so are `origins` of a payer with more than 512 credits. None = exact.
    threads : int, optional
        Default: all cores. The result does not depend on it.
    progress : callable, optional
        Called with ("signals", share done).

    Returns
    -------
    pyarrow.Table
        `transfer_id`, `time`, `source`, `target`, `amount`, then one float32 column a signal; a row a transfer, in the
        order of `dataset.transfers`. A transfer from an account to itself has 0 counts and flags, NaN elsewhere.

    Raises
    ------
    FeatureError
        If a name is unknown or a signal returns another shape.
    OptionError
        If an option is out of range.

    Notes
    -----
    Linear in the number of transfers while `max_degree` is given. Memory: 4 bytes a transfer and column, and the packed
    books (56 bytes a transfer).
    """
    return _extract.extract(
        dataset,
        signals,
        _REGISTRY,
        lookback=lookback,
        ties=ties,
        max_degree=max_degree,
        threads=threads,
        progress=progress,
    )


__all__ = [
    "LONGEST",
    "LOOKBACK",
    "MAX_DEGREE",
    "MOST_CREDITS",
    "MOST_TRANSFERS",
    "Book",
    "Opening",
    "Past",
    "Signal",
    "SignalRegistry",
    "Ties",
    "build_past",
    "compute_columns",
    "compute_rows",
    "compute_signal",
    "compute_slice",
    "count_on",
    "describe_signals",
    "extract_signals",
    "fill_signals",
    "is_earlier",
    "signal",
    "signal_names",
    "signal_registry",
    "slices_of",
]
