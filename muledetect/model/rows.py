"""Training rows with a known target, in an order that neither names nor the order of the table decide."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from muledetect.arrays import BoolArray, Float32Array, Float64Array, Int64Array, UInt64Array
from muledetect.errors import ModelError
from muledetect.memory import HEAP, Room
from muledetect.model.calibration import MIN_POSITIVES
from muledetect.model.canonical import row_hashes
from muledetect.model.table import FeatureTable, moments


class Rows(NamedTuple):
    """Rows in canonical order; `position` is that in the table, `account` and `group` are numbers.

    Values of rows that are taken of these lie in the same `room`.
    """

    values: Float32Array
    is_positive: BoolArray
    weight: Float64Array | None
    as_of: Int64Array
    group: Int64Array
    hashes: UInt64Array
    position: Int64Array
    account: Int64Array
    room: Room = HEAP

    def take(self, rows: BoolArray | npt.NDArray[np.intp]) -> Rows:
        """Return some of the rows."""
        others = {name: getattr(self, name) for name in self._fields if name not in ("values", "room")}
        some: Any = {name: None if column is None else column[rows] for name, column in others.items()}
        return self._replace(values=taken(self.values, rows, 0, self.room), **some)

    def columns(self, wanted: BoolArray) -> Rows:
        """Return the rows with some of the columns; nothing is copied where all are wanted."""
        return self if wanted.all() else self._replace(values=taken(self.values, wanted, 1, self.room))

    @property
    def weights(self) -> Float64Array:
        """The weight of each row, 1 where none is given."""
        return np.ones(len(self.values)) if self.weight is None else self.weight

    @property
    def moments(self) -> tuple[int, ...]:
        """The moments of the rows, ascending."""
        return tuple(int(moment) for moment in np.unique(self.as_of))


def taken(values: Float32Array, wanted: BoolArray | npt.NDArray[np.intp], axis: int, room: Room) -> Float32Array:
    """Return some rows (axis 0) or columns (axis 1) of values, in the room."""
    places = np.flatnonzero(wanted) if wanted.dtype == np.bool_ else wanted
    shape = [*values.shape]
    shape[axis] = len(places)
    made: Float32Array = room.empty((shape[0], shape[1]), values.dtype)
    # what may raise would be gathered on the heap first
    np.take(values, places, axis=axis, out=made, mode="clip")
    return made


def known_targets(y: Any) -> tuple[BoolArray, BoolArray, npt.NDArray[Any]]:
    """Return which targets are known, bool[n]; which of these are positive; and their two values, the smaller first.

    Raises
    ------
    ModelError
        If there are not two.
    """
    target = column_or_1d(y, warn=True) if y is not None else None
    if target is None:
        raise ModelError("model: requires y to be passed, but the target y is None.")
    is_known = ~pd.isna(target)
    known = target[is_known]
    if known.dtype == object and all(isinstance(value, int | float) for value in known[:1]):
        known = known.astype(np.float64)
    if known.dtype.kind == "f" and np.isinf(known).any():
        raise ModelError("model: Input y contains infinity; it must be 1, 0 or NaN (unknown).")
    check_classification_targets(known)
    classes = np.unique(known)
    if len(classes) == 1:
        raise ModelError(
            f"model: y holds one class only ({classes[0]}); both positives and negatives are needed. "
            "Choose an earlier or later moment, or check the labels."
        )
    if len(classes) != 2:
        raise ModelError(
            f"Only binary classification is supported. The type of the target is not binary: "
            f"y holds {len(classes)} classes; it must be 1, 0 or NaN (unknown)."
        )
    return is_known, known == classes[1], classes


def training_rows(
    table: FeatureTable,
    is_known: BoolArray,
    is_positive: BoolArray,
    as_of: Any,
    groups: Any,
    sample_weight: Any,
    room: Room = HEAP,
) -> Rows:
    """Return the rows of known target, their values in the room; `is_positive` is that of these rows only.

    Raises
    ------
    ModelError
        If a weight is not finite or negative, or all are 0.
    """
    check_consistent_length(table.values, is_known, as_of, groups, sample_weight)
    moment = moments(as_of) if as_of is not None else table.as_of
    weight = None if sample_weight is None else column_or_1d(sample_weight).astype(np.float64)[is_known]
    if weight is not None and (not np.isfinite(weight).all() or (weight < 0).any() or not weight.sum() > 0):
        raise ModelError("model: sample_weight must be finite, not negative, and not zero in all rows.")
    values = table.values if is_known.all() else taken(table.values, is_known, 0, room)
    at = np.zeros(len(values), dtype=np.int64) if moment is None else moment[is_known]
    position = np.flatnonzero(is_known)
    account = position if table.account_id is None else number_groups(np.asarray(table.account_id)[is_known])
    whose = groups if groups is not None else table.account_id
    group = np.arange(len(values)) if whose is None else number_groups(np.asarray(whose)[is_known])
    hashes = row_hashes(values, is_positive.astype(np.int64), at, weight)
    rows = Rows(values, is_positive, weight, at, group, hashes, position, account, room)
    return rows.take(np.argsort(hashes, kind="stable"))


def later_rows(rows: Rows) -> tuple[BoolArray | None, str]:
    """Choose the latest moments with enough new positives for the calibrator, or say why there are none.

    A group that was positive before is left out there: its later rows say nothing about how the trees do on others.
    The trees keep at least half of the positive rows, and twice as many positive groups as the calibrator takes:
    starved trees cost more than a calibrator of folds.
    """
    at = np.unique(rows.as_of)
    if len(at) < 2:
        return None, "as all rows are of one moment"
    n_groups = int(rows.group.max()) + 1
    for first in at[:0:-1]:
        is_later = rows.as_of >= first
        was_positive = np.zeros(n_groups, dtype=bool)
        was_positive[rows.group[rows.is_positive & ~is_later]] = True
        is_new = is_later & ~was_positive[rows.group]
        n_new_groups = len(np.unique(rows.group[rows.is_positive & is_new]))
        n_kept = int(rows.is_positive[~is_later].sum())
        is_starved = 2 * n_kept < rows.is_positive.sum() or was_positive.sum() < 2 * n_new_groups
        if n_kept < MIN_POSITIVES or is_starved:
            break
        if int(rows.is_positive[is_new].sum()) >= MIN_POSITIVES and not rows.is_positive[is_new].all():
            return is_new, ""
    return None, f"as no later moments hold {MIN_POSITIVES} new positives after twice as many earlier ones"


def number_groups(groups: npt.NDArray[Any]) -> Int64Array:
    """Number groups from 0; a row without a group is one of its own."""
    codes = pd.factorize(groups)[0].astype(np.int64)
    is_alone = codes < 0
    codes[is_alone] = codes.max(initial=-1) + 1 + np.arange(int(is_alone.sum()))
    return codes
