"""How well traces find money that is truly still there, and what innocent money their holds would touch."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import Moment
from muledetect.errors import DataError
from muledetect.evaluation.money import money_at
from muledetect.frames import takes_tables
from muledetect.tracing import Traces

#: The row of the proposed holds.
PROPOSED = "proposed hold"


@takes_tables("complaints", "truth_transfers", "truth_money")
def measure_traces(
    traces: Traces, complaints: pa.Table, truth_transfers: pa.Table, truth_money: pa.Table, as_of: Moment
) -> pd.DataFrame:
    """Compare traces with the truth about the money of the complained cases.

    Parameters
    ----------
    traces : Traces
        Of `as_of`.
    complaints, truth_transfers, truth_money : pyarrow.Table
        As schema.COMPLAINTS (with `transfer_id`), TRUTH_TRANSFERS and TRUTH_MONEY.
    as_of : Moment
        Exclusive.

    Returns
    -------
    DataFrame
        Index method, and "proposed hold" for table holds. Columns, minor units: lost (disputed), there (truly still in
        accounts that the trace reached or not, at this bank), found (of that, traced to the right account; for the
        proposed hold, held), found_share, saved (of the holds, truly stolen), innocent (of the holds, not stolen money
        of any case), innocent_per_million (of saved).

    Raises
    ------
    DataError
        If the complaints have no `transfer_id`.

    Notes
    -----
    A complaint belongs to the case whose money its transfer moved. Money of a case counts as there where `truth_money`
    says so, for accounts that any trace or hold names or that hold it in truth; accounts of other banks are left to
    them. O(rows).
    """
    if "transfer_id" not in complaints.column_names:
        raise DataError("traces: complaints need a transfer_id to be matched with cases.")
    case_of = _cases(complaints, truth_transfers)
    there = money_at(truth_money, as_of)
    there = there.filter(pc.equal(there["place"].cast(pa.string()), "account")).to_pandas()
    there = there.astype({"case_id": object, "account_id": object})
    stolen = there.groupby("account_id")["amount"].sum()
    trace = traces.trace.to_pandas()
    at_other_banks = set(trace.loc[trace["exit_kind"] == "other_bank", "account_id"])
    cases = {case_of[complaint] for complaint in set(trace["complaint_id"]) if complaint in case_of}
    mine = there[there["case_id"].isin(cases) & ~there["account_id"].isin(at_other_banks)]
    lost = int(traces.summary.to_pandas().drop_duplicates("complaint_id")["lost"].sum())
    rows = {}
    held_here = trace[trace["exit_kind"].isna()]
    parts = [(str(name), rows_of, rows_of["traced"]) for name, rows_of in held_here.groupby("method")]
    holds = traces.holds.to_pandas()
    parts.append((PROPOSED, holds, holds["hold"]))
    for name, claims, amount in parts:
        said = claims.assign(case=claims["complaint_id"].map(case_of), amount=amount)
        by_case = (
            said.dropna(subset=["case"]).groupby(["case", "account_id"])["amount"].sum().rename("said").reset_index()
        )
        by_case = by_case.astype({"case": object, "account_id": object})
        joined = mine.merge(by_case, left_on=["case_id", "account_id"], right_on=["case", "account_id"], how="left")
        found = int(joined[["amount", "said"]].fillna(0).min(axis=1).sum())
        held = claims.groupby("account_id")["hold"].sum()
        saved = int(pd.concat([held, stolen.reindex(held.index).fillna(0)], axis=1).min(axis=1).sum())
        innocent = int(held.sum()) - saved
        truly = int(mine["amount"].sum())
        rows[name] = {
            "lost": lost,
            "there": truly,
            "found": found,
            "found_share": found / truly if truly else float("nan"),
            "saved": saved,
            "innocent": innocent,
            "innocent_per_million": innocent / saved * 1e6 if saved else float("nan"),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def _cases(complaints: pa.Table, truth_transfers: pa.Table) -> dict[str, str]:
    moved = truth_transfers.filter(
        pc.and_(pc.is_valid(truth_transfers["case_id"]), pc.equal(truth_transfers["kind"].cast(pa.string()), "victim"))
    )
    case_of = dict(zip(moved["transfer_id"].to_pylist(), moved["case_id"].to_pylist(), strict=True))
    pairs = zip(complaints["complaint_id"].to_pylist(), complaints["transfer_id"].to_pylist(), strict=True)
    return {complaint: case_of[transfer] for complaint, transfer in pairs if transfer in case_of}
