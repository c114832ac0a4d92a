"""The parts of an evaluation as one JSON file and as tables."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from muledetect.clock import Moment
from muledetect.evaluation.by_part import measure_parts, subgroup_parts, typology_parts
from muledetect.evaluation.calibration import calibration_intervals
from muledetect.evaluation.innocents import guard_innocents, innocent_groups
from muledetect.outputs import new_folder
from muledetect.outputs.kinds import EVALUATION
from muledetect.records.write import put_table, put_text


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """What was measured.

    Attributes
    ----------
    figures : mapping of str to float
        Single numbers, such as those of `summarise_detection`.
    tables : mapping of str to pandas.DataFrame
        Such as `baselines`, `typologies`, `subgroups`, `innocents`, `evasion`, `reliability`; an index is a column.
    notes : tuple of str
        On what it was measured, in plain sentences.
    about : mapping of str to str
        Which moment, data set and model: `as_of`, `data_set` (fingerprint), `model` (config hash), `target`.
    """

    figures: Mapping[str, float]
    tables: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...] = field(default=())
    about: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"EvaluationReport({len(self.figures):,} figures, {len(self.tables):,} tables)"

    def to_json(self) -> str:
        """Return about, figures, tables (a list of rows each) and notes as JSON; what is not defined is null."""
        content = {
            "about": dict(self.about),
            "figures": {name: value if math.isfinite(value) else None for name, value in self.figures.items()},
            "tables": {name: json.loads(_flat(t).to_json(orient="records")) for name, t in self.tables.items()},
            "notes": list(self.notes),
        }
        return json.dumps(content, indent=2)

    def write(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write `report.json` and `<table>.parquet` for each table to a folder: the old or the new one, whole."""
        with new_folder(folder, EVALUATION, overwrite=overwrite) as unfinished:
            for name, table in self.tables.items():
                put_table(pa.Table.from_pandas(_flat(table), preserve_index=False), unfinished / f"{name}.parquet")
            put_text(self.to_json(), unfinished / "report.json")


def measure_by_part(
    tables: Mapping[str, pa.Table],
    account_ids: npt.ArrayLike,
    as_of: Moment,
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    k: float,
    groups: npt.ArrayLike | None = None,
) -> dict[str, pd.DataFrame]:
    """Return what the tables of a data set allow to measure: typologies, subgroups, innocents, reliability.

    Parameters
    ----------
    tables : mapping of name to table
        Of the data set, those of the truth included; a measure whose tables are lacking is an empty table.
    account_ids, y, score, probability : array of shape (n,)
    as_of : Moment
        Exclusive moment of the scores.
    k : int or float below 1
        Alerts, or the share of all rows.
    groups : array of shape (n,), optional
        Blocks of the bootstrap.
    """
    of_typology = typology_parts(account_ids, tables.get("truth_rings"), tables.get("truth_accounts"))
    of_subgroup = subgroup_parts(account_ids, as_of, tables.get("accounts"), tables.get("holders"))
    innocents = innocent_groups(
        account_ids,
        accounts=tables.get("accounts"),
        truth_accounts=tables.get("truth_accounts"),
        complaints=tables.get("complaints"),
        transfers=tables.get("transfers"),
        truth_transfers=tables.get("truth_transfers"),
    )
    return {
        "typologies": measure_parts(y, score, of_typology, k=k, groups=groups),
        "subgroups": measure_parts(y, score, of_subgroup, k=k, probability=probability, groups=groups),
        "innocents": guard_innocents(y, score, innocents, k=k, blocks=groups),
        "reliability": calibration_intervals(y, probability, groups=groups).bins,
    }


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    return table if isinstance(table.index, pd.RangeIndex) else table.reset_index()
