"""Feature tables of any kind as one float32 matrix, with the columns that say whose row it is set aside."""

# ruff: noqa: N803 (scikit-learn calls it X)

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from muledetect.errors import ModelError
from muledetect.frames import arrow_or_pandas, is_frame
from muledetect.memory import HEAP, Room

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

#: Columns of a feature table that say whose row it is; they are never features.
POINT_COLUMNS: Final = ("account_id", "as_of")


class FeatureTable(NamedTuple):
    """Values of a feature table (NaN = not defined), and what it says of its points (None: nothing)."""

    values: Float32Array
    names: tuple[str, ...]
    account_id: npt.NDArray[Any] | None
    as_of: Int64Array | None


def is_table(X: object) -> bool:
    """Return whether `X` is a table with named columns, of any library."""
    return is_frame(X)


def read_features(X: pa.Table | pd.DataFrame, wanted: Sequence[str] | None = None, room: Room = HEAP) -> FeatureTable:
    """Read the wanted columns, or all but `account_id` and `as_of`, of a feature table, into the room.

    Raises
    ------
    ModelError
        If a wanted column is missing, or a column is not of numbers or holds an infinite one.
    """
    table = arrow_or_pandas(X, "features")
    present = list(table.column_names if isinstance(table, pa.Table) else table.columns)
    if len(set(present)) < len(present):
        raise ModelError(f"features: {len(present) - len(set(present))} column names occur twice; keep one of each.")
    names = [name for name in present if name not in POINT_COLUMNS] if wanted is None else list(wanted)
    _check_present(names, present)
    values: Float32Array = room.empty((len(table), len(names)), np.float32)
    for position, name in enumerate(names):
        values[:, position] = _numbers(table, name)
    check_finite(values, names)
    account_id = _column(table, "account_id") if "account_id" in present else None
    as_of = moments(_column(table, "as_of")) if "as_of" in present else None
    return FeatureTable(values, tuple(names), account_id, as_of)


def check_finite(values: Float32Array, names: Sequence[str]) -> None:
    """Refuse infinite numbers, which trees would take for ordinary large ones."""
    if not np.isinf(values).any():
        return
    for position, name in enumerate(names):
        n_infinite = int(np.isinf(values[:, position]).sum())
        if n_infinite:
            raise ModelError(
                f"features: column {name!r} holds infinity (or a number too large for float32) in {n_infinite:,} of "
                f"{len(values):,} rows. Use NaN for what is not defined."
            )


def moments(times: npt.ArrayLike | pd.Series[Any]) -> Int64Array:
    """Return moments as int64 microseconds; integers are taken as such.

    Raises
    ------
    ModelError
        If they are neither integers nor times, or one is missing.
    """
    column = pd.Series(np.asarray(times)) if not isinstance(times, pd.Series) else times
    if column.dtype.kind in "iu":
        return column.to_numpy(dtype=np.int64)
    try:
        parsed = pd.to_datetime(column, utc=True)
    except (ValueError, TypeError) as error:
        raise ModelError(f"features: 'as_of' must hold times or int microseconds; got {column.dtype}.") from error
    if parsed.isna().any():
        raise ModelError(f"features: 'as_of' is missing in {int(parsed.isna().sum()):,} of {len(parsed):,} rows.")
    return parsed.dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)


def _check_present(names: Sequence[str], present: Sequence[str]) -> None:
    missing = [name for name in names if name not in set(present)]
    if not missing:
        return
    close = difflib.get_close_matches(missing[0], present, n=1)
    hint = f" Hint: the table has {close[0]!r}." if close else ""
    raise ModelError(
        f"features: {len(missing)} of the {len(names)} columns that the model was trained on are missing "
        f"(first: {missing[0]!r}).{hint} Extract the features that model.feature_names_in_ lists."
    )


def _column(X: pa.Table | pd.DataFrame, name: str) -> npt.NDArray[Any]:
    if isinstance(X, pa.Table):
        return np.asarray(X[name].to_numpy())
    return np.asarray(X[name].dt.tz_convert(None) if getattr(X[name].dtype, "tz", None) else X[name])


def _numbers(X: pa.Table | pd.DataFrame, name: str) -> npt.NDArray[np.float32]:
    column = _column(X, name)
    try:
        if column.dtype.kind not in "biuf" and not isinstance(column.ravel()[:1].tolist(), list):
            raise TypeError
        with np.errstate(over="ignore"):
            return column.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"features: column {name!r} must hold numbers; it is {column.dtype}. Drop it or make it numeric."
        ) from error
