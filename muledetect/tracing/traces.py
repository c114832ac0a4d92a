"""What tracing found, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from muledetect import schema
from muledetect.markup import SUSPICION, build_card, build_facts, build_table
from muledetect.outputs import new_folder
from muledetect.outputs.kinds import TRACES
from muledetect.records.currency import format_amount, unit_of
from muledetect.records.write import put_tables

_MOST_ROWS: Final = 12
_RANGES: Final = "Ranges are over the tracing methods. Hold the amount, not the account."

#: Table `untraced`.
UNTRACED: Final = pa.schema(dict.fromkeys(("complaint_id", "reason"), pa.string()))

#: Table `summary`.
SUMMARY: Final = pa.schema(
    dict.fromkeys(("complaint_id", "method"), pa.string())
    | dict.fromkeys(("lost", "in_accounts", "left_bank", "spent", "not_followed", "hold"), pa.int64())
)

_TABLES: Final = ("trace", "holds", "summary", "untraced", "steps")


@dataclass(frozen=True, eq=False)
class Traces:
    """What tracing found.

    Attributes
    ----------
    trace : pyarrow.Table
        schema.TRACE: one row a complaint, method, account and place. The money of a complaint and method sums exactly
        to what it disputes.
    holds : pyarrow.Table
        schema.HOLDS: what to hold, one row a complaint and account, the smaller of pro rata and LIBR; with the range
        over the methods.
    summary : pyarrow.Table
        One row a complaint and method: `lost` = `in_accounts` + `left_bank` + `spent` + `not_followed`, minor units,
        and `hold`.
    untraced : pyarrow.Table
        Complaints without a trace, and why; one that is not known yet only if it was asked for.
    steps : pyarrow.Table
        schema.TRACE_STEPS: the way of the money, one row a complaint, method and transfer that carried some of it, by
        time; empty unless asked for.
    currency : str
        ISO 4217 code of all money; empty where it is not known.
    not_proposed : int
        Sum of the holds that were too small to propose, minor units; in `holds` they are 0.
    """

    trace: pa.Table = field(default_factory=schema.TRACE.empty)
    holds: pa.Table = field(default_factory=schema.HOLDS.empty)
    summary: pa.Table = field(default_factory=SUMMARY.empty_table)
    untraced: pa.Table = field(default_factory=UNTRACED.empty_table)
    steps: pa.Table = field(default_factory=schema.TRACE_STEPS.empty)
    currency: str = ""
    not_proposed: int = 0

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The output tables by name."""
        return {name: getattr(self, name) for name in _TABLES}

    def __repr__(self) -> str:
        n = pc.count_distinct(self.summary["complaint_id"]).as_py()
        return f"Traces({n:,} complaints, {self.holds.num_rows:,} holds, {self.untraced.num_rows:,} untraced)"

    def _repr_html_(self) -> str:
        held = self.holds.group_by("complaint_id").aggregate([("hold", "sum")])
        hold = dict(zip(*(column.to_pylist() for column in held.columns), strict=True))
        spans = [(name, how) for name in ("in_accounts", "left_bank", "spent") for how in ("min", "max")]
        cases = self.summary.group_by("complaint_id").aggregate([("lost", "max"), *spans])
        cases = cases.sort_by([("lost_max", "descending"), ("complaint_id", "ascending")])
        rows = [self._line(case, hold) for case in cases.slice(0, _MOST_ROWS).to_pylist()]
        titles = ["complaint", "lost", "still in accounts", "left the bank", "spent", "proposed hold"]
        facts = {
            "complaints": len(cases), "untraced": len(self.untraced), "accounts to hold in": _n_held(self.holds),
            f"holds, {unit_of(self.currency)}": format_amount(sum(hold.values()), self.currency),
            "too small to hold": format_amount(self.not_proposed, self.currency),
        }  # fmt: skip
        table = build_table(titles, rows, n_rows=len(cases), right=titles[1:])
        return build_card("Traces of complaints", build_facts(facts), table, note=f"{_RANGES} {SUSPICION}")

    def _line(self, case: Mapping[str, Any], hold: Mapping[str, int]) -> list[str]:
        shown = [case["complaint_id"], format_amount(case["lost_max"], self.currency)]
        for name in ("in_accounts", "left_bank", "spent"):
            ends = dict.fromkeys(format_amount(case[f"{name}_{how}"], self.currency) for how in ("min", "max"))
            shown.append(" to ".join(ends))
        return [*shown, format_amount(hold.get(case["complaint_id"], 0), self.currency)]

    def recoverable(self) -> pa.Table:
        """Return what may be held now by bank: `bank_id`, `n_accounts`, `hold`, minor units, largest first."""
        by_bank = self.holds.group_by("bank_id").aggregate([("account_id", "count_distinct"), ("hold", "sum")])
        named = by_bank.rename_columns({"account_id_count_distinct": "n_accounts", "hold_sum": "hold"})
        return named.sort_by([("hold", "descending"), ("bank_id", "ascending")])

    def write(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the tables as Parquet files of a folder: the old or the new one, whole."""
        with new_folder(folder, TRACES, overwrite=overwrite) as unfinished:
            put_tables(self.tables, unfinished)


def _n_held(holds: pa.Table) -> int:
    return int(pc.count_distinct(holds.filter(pc.greater(holds["hold"], 0))["account_id"]).as_py())
