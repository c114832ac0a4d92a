"""Columns of a table as arrays: account codes, and moments with a mark where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import MISSING, Int64Array
from muledetect.clock import Duration, parse_duration
from muledetect.errors import OptionError


def codes_of(ids: Any, known: pa.StringArray) -> Int64Array:
    """Return the code of each id, int64[n_rows]; -1 where it is null or not known."""
    found = pc.index_in(ids.cast(pa.string()), value_set=known)
    return np.asarray(
        pc.fill_null(found, -1).to_numpy(zero_copy_only=False)
        if isinstance(found, pa.Array)
        else pc.fill_null(found, -1).to_numpy(),
        dtype=np.int64,
    )


def times_of(table: pa.Table, name: str) -> Int64Array:
    """Return a column of moments, int64[n_rows] microseconds; `MISSING` where it is null or there is no column."""
    if name not in table.column_names:
        return np.full(table.num_rows, MISSING)
    moments = table[name].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return np.asarray(pc.fill_null(moments, MISSING).to_numpy(), dtype=np.int64)


def length_of(name: str, duration: Duration) -> int:
    """Return a duration in microseconds; unlike `parse_duration`, it may be "0d"."""
    if str(duration).strip().rstrip("dhmsuinw") == "0":
        return 0
    try:
        return parse_duration(duration)
    except OptionError as error:
        raise OptionError(f"targets: option {name!r}: {error}") from error
