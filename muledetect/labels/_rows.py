"""Rows as a splitter gets them from scikit-learn: their moments, targets, groups and content."""

# ruff: noqa: N803 (scikit-learn calls it X)

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from muledetect.arrays import MISSING, BoolArray, Float64Array, Int64Array
from muledetect.clock import parse_time
from muledetect.errors import DataError
from muledetect.frames import as_arrow, is_frame
from muledetect.labels._columns import times_of

Positions = npt.NDArray[np.intp]
UInt64Array = npt.NDArray[np.uint64]

# The step of splitmix64 (Steele, Lea and Flood 2014).
_STEP = np.uint64(0x9E3779B97F4A7C15)


def row_hashes(X: Any, target: Float64Array | None, seed: int) -> UInt64Array:
    """Return a hash of the content of each row, of its target and of the seed; the name of its account is left out."""
    is_other = is_frame(X) and not isinstance(X, pd.DataFrame)
    table = as_arrow(X).to_pandas() if is_other else pd.DataFrame(X)
    content = [table[name] for name in table.columns if name != "account_id"]
    hashes: UInt64Array = np.full(len(table), seed, dtype=np.uint64)
    for column in [*content, *([] if target is None else [pd.Series(target)])]:
        hashes = mixed(hashes, pd.util.hash_pandas_object(column, index=False).to_numpy(dtype=np.uint64))
    return mixed(hashes)


def mixed(hashes: UInt64Array, more: npt.NDArray[Any] | int = 0) -> UInt64Array:
    """Return hashes of hashes, with `more` taken into them, uint64 of the same shape."""
    # the step keeps a hash of 0, which pandas leaves as it is, from staying 0
    stirred = np.asarray(pd.util.hash_array(np.asarray(hashes + _STEP, dtype=np.uint64)), dtype=np.uint64)
    return np.asarray(pd.util.hash_array(stirred + np.asarray(more, dtype=np.uint64)), dtype=np.uint64)


def moments_of_rows(X: Any, as_of: npt.ArrayLike | None, n_rows: int) -> Int64Array:
    """Return the moment of each row, int64[n_rows] microseconds: as given, or from the column `as_of` of a table."""
    if as_of is not None:
        given = np.asarray(as_of)
        known = given if given.dtype.kind in "iM" else np.array([parse_time(moment) for moment in given.tolist()])
        at = known.astype("datetime64[us]").astype(np.int64) if known.dtype.kind == "M" else known.astype(np.int64)
    elif isinstance(X, pd.DataFrame) and "as_of" in X.columns:
        at = times_of(pa.table({"as_of": pa.array(X["as_of"], from_pandas=True)}), "as_of")
    elif is_frame(X) and not isinstance(X, pd.DataFrame):
        at = times_of(as_arrow(X), "as_of")
    else:
        at = np.full(n_rows, MISSING)
    if len(at) != n_rows or (at == MISSING).any():
        raise DataError(
            f"split: {n_rows:,} rows need a moment each; got {int((at != MISSING).sum()):,} of {len(at):,}. "
            "Split a table with a column 'as_of', or give ForwardSplit(as_of=...) one for each row."
        )
    return at


def known_targets(y: Any, n_rows: int) -> Float64Array | None:
    """Return the target of each row, float64[n_rows]: 1, 0 or NaN; None where there is no y."""
    if y is None:
        return None
    try:
        target = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("split: y must hold 1, 0 or NaN (unknown); it holds no numbers.") from error
    if target.shape != (n_rows,) or not np.isin(target[~np.isnan(target)], (0, 1)).all():
        raise DataError(f"split: y must hold 1, 0 or NaN (unknown) for each of {n_rows:,} rows; got {target.shape}.")
    return target


def numbered(groups: Any, n_rows: int) -> Positions:
    """Return the group of each row counted from 0, int64[n_rows]; a row without a group is one of its own."""
    names = np.asarray(groups)
    if names.shape != (n_rows,):
        raise DataError(f"split: groups must name one group for each of {n_rows:,} rows; got shape {names.shape}.")
    group = pd.factorize(names)[0].astype(np.intp)
    is_alone = group < 0
    group[is_alone] = group.max(initial=-1) + 1 + np.arange(int(is_alone.sum()))
    return group


def check_sides(where: str, train: BoolArray, test: BoolArray, target: Float64Array | None) -> None:
    """Refuse a split with an empty side, or one on which a class is not known at all."""
    for side, mask in (("training", train), ("test", test)):
        counts = {"rows": mask.sum()}
        if target is not None:
            counts |= {"positive": (target[mask] == 1).sum(), "negative": (target[mask] == 0).sum()}
        if not all(counts.values()):
            got = ", ".join(f"{count:,} {name}" for name, count in counts.items())
            raise DataError(f"{where}: the {side} side has {got}; none may be 0. Give fewer splits or more data.")


def count_rows(X: Any) -> int:
    """Return the number of rows of a table, an array or a sequence."""
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)
