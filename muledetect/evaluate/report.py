"""The parts of an evaluation as one JSON file and as tables."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa

from muledetect.records import write_table, write_text


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
    """

    figures: Mapping[str, float]
    tables: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> str:
        """Return figures, tables (a list of rows each) and notes as JSON; what is not defined is null."""
        content = {
            "figures": {name: value if math.isfinite(value) else None for name, value in self.figures.items()},
            "tables": {name: json.loads(_flat(t).to_json(orient="records")) for name, t in self.tables.items()},
            "notes": list(self.notes),
        }
        return json.dumps(content, indent=2)

    def write(self, folder: str | Path) -> None:
        """Write `report.json` and `<table>.parquet` for each table; each file is the old or the new one, whole."""
        for name, table in self.tables.items():
            write_table(pa.Table.from_pandas(_flat(table), preserve_index=False), Path(folder) / f"{name}.parquet")
        write_text(Path(folder) / "report.json", self.to_json())


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    return table if isinstance(table.index, pd.RangeIndex) else table.reset_index()
