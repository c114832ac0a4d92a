"""Where the money of each case truly was at a moment, from the table `truth_money`."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import Moment, parse_time
from muledetect.errors import DataError
from muledetect.frames import takes_tables
from muledetect.schema import TRUTH_MONEY

_PLACE: Final = ("case_id", "account_id", "place")


@takes_tables("truth_money")
def money_at(truth_money: pa.Table, as_of: Moment) -> pa.Table:
    """Return where the money of each case was just before a moment.

    Parameters
    ----------
    truth_money : pyarrow.Table
        Steps as `schema.TRUTH_MONEY`, in any order of rows.
    as_of : moment
        Exclusive: a payment at this very moment has not happened yet.

    Returns
    -------
    pyarrow.Table
        `case_id`, `account_id`, `place` {account, exit, spent} and `amount` (minor units, > 0), one row a case and
        place that has money, in order of the first three. The rows of a case sum to what its victims had paid before
        `as_of`. No rows if nobody had paid.

    Raises
    ------
    DataError
        If a column is missing, or one case has two amounts for one place and moment.

    Notes
    -----
    O(n log n) in the steps before `as_of`.

    Examples
    --------
    >>> steps = pa.table({
    ...     "case_id": ["c1", "c1", "c1"], "account_id": ["007", "007", "008"], "place": ["account"] * 3,
    ...     "time": pa.array([1_000, 2_000, 2_000]).cast(pa.timestamp("us", "UTC")), "amount": [500, 100, 400],
    ... })
    >>> money_at(steps, "1970-01-01T00:00:00.002Z").to_pylist()
    [{'case_id': 'c1', 'account_id': '007', 'place': 'account', 'amount': 500}]
    """
    missing = [name for name in TRUTH_MONEY.required if name not in truth_money.column_names]
    if missing:
        raise DataError(
            f"truth_money: the table lacks {', '.join(missing)}; it needs {', '.join(TRUTH_MONEY.required)}."
        )
    steps = truth_money.select(TRUTH_MONEY.required).cast(
        pa.schema([TRUTH_MONEY.arrow_schema.field(name) for name in TRUTH_MONEY.required])
    )
    moment = pa.scalar(parse_time(as_of), pa.int64()).cast(steps.schema.field("time").type)
    steps = steps.filter(pc.less(steps["time"], moment)).sort_by([(name, "ascending") for name in (*_PLACE, "time")])
    goes_on = _equal_next(steps, _PLACE)
    n_double = int((goes_on & _equal_next(steps, ("time",))).sum())
    if n_double:
        raise DataError(
            f"truth_money: {n_double:,} of {truth_money.num_rows:,} rows have the case, account, place and time of "
            "another one. Give each step once."
        )
    latest = steps.filter(pa.array(~goes_on))
    return latest.filter(pc.greater(latest["amount"], 0)).select([*_PLACE, "amount"])


def _equal_next(rows: pa.Table, names: tuple[str, ...]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return whether each row agrees with the next one in all of some columns; False for the last."""
    same = np.ones(max(len(rows) - 1, 0), np.bool_)
    for name in names:
        same &= pc.equal(rows[name][:-1], rows[name][1:]).to_numpy() if len(same) else same
    return np.append(same, np.zeros(min(len(rows), 1), np.bool_))
