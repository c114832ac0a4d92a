"""Signals: causal columns on transfers, each computed only from the transfer itself and earlier ones.

A signal is a pure function of a `Past`, with metadata; families, one file each. What a signal must never do: read a
later transfer, depend on names or on the order of rows, or return an amount of money other than as a ratio.

>>> from muledetect.features.signals import signal_names
>>> signal_names(families=["pairs"])
['is_new_payee', 'pair_age', 'since_reverse', 'returned_ratio']
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Final

from muledetect.features.signals import pairs
from muledetect.features.signals._past import (
    LONGEST,
    LOOKBACK,
    MAX_DEGREE,
    Book,
    Float32Array,
    Past,
    Ties,
    build_past,
)
from muledetect.features.signals._spec import Signal, SignalRegistry, signal

_BUILT_IN: Final = (pairs.fan, pairs.pairs)
_REGISTRY: Final = reduce(SignalRegistry.add, _BUILT_IN, SignalRegistry())


def signal_registry() -> SignalRegistry:
    """Return the built-in signals. Registries are frozen: `signal_registry().add(signal)` gives a larger one."""
    return _REGISTRY


def signal_names(families: Iterable[str] | None = None) -> list[str]:
    """Return the names of the signals, of the given families or of all."""
    return _REGISTRY.columns(families)


__all__ = [
    "LONGEST",
    "LOOKBACK",
    "MAX_DEGREE",
    "Book",
    "Float32Array",
    "Past",
    "Signal",
    "SignalRegistry",
    "Ties",
    "build_past",
    "signal",
    "signal_names",
    "signal_registry",
]
