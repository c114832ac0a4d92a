"""Points from what people have: data frames of account ids and moments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import parse_time
from muledetect.errors import DataError
from muledetect.facts import Facts
from muledetect.graph import Points

#: Columns of a frame of points.
COLUMNS = ("account_id", "as_of")


def as_points(given: Any, facts: Facts) -> Points:
    """Return points coded for a data set.

    Parameters
    ----------
    given : Points, or a table of any library with the columns `account_id` and `as_of`
        `as_of` holds moments, or their ISO text; without a zone, UTC is meant. An account that the data set does not
        know has no history.
    facts : Facts
        Of the data set.

    Raises
    ------
    DataError
        If a column is missing or holds a null, or the points were made for another data set.
    """
    ours = facts.dataset.fingerprint
    if isinstance(given, Points):
        if given.fingerprint and ours and given.fingerprint != ours:
            raise DataError(
                "points: they were made for another data set, whose accounts have other codes. Make them again with "
                "`every_account` or `points_of` of this data set, or give a frame of account_id and as_of."
            )
        return given
    from muledetect.frames import as_arrow  # noqa: PLC0415 (imports pandas, which points of codes do not need)

    table = as_arrow(given, "points")
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise DataError(
            f"points: columns {missing} are missing; got {table.column_names}. Give both of {list(COLUMNS)}."
        )
    for name in COLUMNS:
        if table[name].null_count:
            raise DataError(f"points: column {name!r} is null in {table[name].null_count:,} of {len(table):,} rows.")
    return Points(facts.graph.codes(table["account_id"].cast(pa.string())), _moments(table["as_of"]), ours)


def _moments(column: pa.ChunkedArray) -> Any:
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        zoned = column.cast(pa.timestamp("us", tz=getattr(column.type, "tz", None) or "UTC"))
        return np.asarray(zoned.cast(pa.int64()).to_numpy(), np.int64)
    if pa.types.is_integer(column.type):
        return np.asarray(column.cast(pa.int64()).to_numpy(), np.int64)
    distinct = pc.unique(column).to_pylist()
    moment = np.array([parse_time(text) for text in distinct], np.int64)
    return moment[pc.index_in(column, value_set=pa.array(distinct, column.type)).to_numpy()]
