"""Groups of accounts, such as kinds and ages, and how often held-out rows of each were caught or wrongly shown."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from muledetect.arrays import Float64Array, Int64Array
from muledetect.clock import Moment, parse_time
from muledetect.errors import OptionError
from muledetect.frames import takes_tables
from muledetect.model.fitted import HeldOut
from muledetect.records import Dataset

#: Rows below which a rate is marked as resting on few.
FEW: Final = 30
#: Share of the rows that raise an alert, for the rates of the card.
ALERTED: Final = 0.01

_AGES: Final = ((30, "under 30 d"), (90, "30-90 d"), (365, "90-365 d"), (1826, "1-5 y"), (np.inf, "over 5 y"))


def subgroup_rates(
    held: HeldOut, account_ids: npt.NDArray[Any], as_of: Int64Array, dataset: Dataset
) -> list[dict[str, Any]]:
    """Return the rates of each subgroup among the held-out rows of the latest moment, as JSON values for the card.

    `account_ids` and `as_of` are those of the held-out rows. Empty where the data set says nothing about accounts.
    """
    accounts = dataset.tables.get("accounts")
    if accounts is None:
        return []
    is_latest = as_of == as_of.max()
    is_positive, shown = held.is_positive[is_latest], shown_share(held.score[is_latest], ALERTED)
    parts = subgroup_parts(account_ids[is_latest], int(as_of.max()), accounts, dataset.tables.get("holders"))
    found: list[dict[str, Any]] = []
    for (part, value), row in parts.groupby(["part", "value"], sort=True)["row"]:
        at = row.to_numpy(dtype=np.int64)
        line = {"part": part, "value": value, "n": len(at), "n_positive": int(is_positive[at].sum())}
        for name, counted in (("recall", is_positive[at]), ("false_positive_rate", ~is_positive[at])):
            rate = np.sort(shown[at][counted]).sum() / counted.sum() if counted.any() else None
            line[name] = None if rate is None else float(rate)
        found.append({**line, "is_few": len(at) < FEW})
    return found


@takes_tables("accounts", "holders")
def subgroup_parts(
    account_ids: npt.ArrayLike, as_of: Moment, accounts: pa.Table | None, holders: pa.Table | None = None
) -> pd.DataFrame:
    """Return which rows belong to which subgroup: columns `part`, `value`, `row`; an unknown value is `unknown`.

    `kind`, `open_channel` and `age` (since opening, at `as_of`) come from the accounts; `birth_decade` and `province`
    from their holders. An account that is opened later is of unknown age.

    Parameters
    ----------
    account_ids : array of shape (n,)
        Account of each row.
    as_of : Moment
    accounts, holders : pyarrow.Table or None
        As schema.ACCOUNTS and HOLDERS.
    """
    rows = pd.DataFrame({"account_id": np.asarray(account_ids, dtype=object)})
    if accounts is None:
        return long_parts(rows[[]])
    rows = rows.merge(accounts.to_pandas().drop_duplicates("account_id"), on="account_id", how="left")
    if holders is not None and "holder_id" in rows:
        known = holders.select([n for n in ("holder_id", "birth_year", "province") if n in holders.column_names])
        rows = rows.merge(known.to_pandas().drop_duplicates("holder_id"), on="holder_id", how="left")
    if "opened_at" in rows:
        opened = pd.to_datetime(rows["opened_at"], utc=True)
        days = (pd.Timestamp(parse_time(as_of), unit="us", tz="UTC") - opened) / pd.Timedelta(days=1)
        bands = pd.cut(days, [0, *(end for end, _ in _AGES)], labels=[name for _, name in _AGES], right=False)
        rows["age"] = bands.astype(object)
    if "birth_year" in rows:
        rows["birth_decade"] = [f"{int(y) // 10 * 10}s" if pd.notna(y) else None for y in rows["birth_year"]]
    names = [name for name in ("kind", "age", "open_channel", "birth_decade", "province") if name in rows]
    return long_parts(rows[names].astype(object).where(rows[names].notna(), "unknown"))


def long_parts(columns: pd.DataFrame) -> pd.DataFrame:
    """Return one row a column and row: `part` (the column), `value` (its text) and `row` (its position)."""
    lines = [
        pd.DataFrame({"part": name, "value": columns[name].astype(str), "row": np.arange(len(columns))})
        for name in columns
    ]
    empty = pd.DataFrame({"part": pd.Series(dtype=object), "value": pd.Series(dtype=object)})
    empty["row"] = pd.Series(dtype=np.int64)
    return pd.concat(lines, ignore_index=True) if lines else empty


def shown_share(score: Float64Array, k: float, weight: Float64Array | None = None) -> Float64Array:
    """Return the part in which each row is among the k highest scores, float64[n], 0 to 1; ties share. O(n log n).

    A row of weight 2 stands for two rows, both for `k` as a number and for `k` as a share.
    """
    if not k > 0:
        raise OptionError(f"metrics: k must be a number of alerts or a share of rows, above 0; got {k}.")
    levels, level = np.unique(-score, return_inverse=True)
    mass = np.bincount(level, weights=weight, minlength=len(levels)).astype(np.float64)
    n_shown = np.ceil(k * mass.sum() - 1e-9) if k < 1 else np.floor(k)
    room = np.clip(n_shown - (np.cumsum(mass) - mass), 0, mass)
    part = np.divide(room, mass, out=np.zeros(len(mass)), where=mass > 0)
    return np.asarray(part[level], dtype=np.float64)
