"""What an evaluation found: shown in a notebook, written as one JSON file and as tables."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from muledetect.evaluation.rings import RingMetrics
from muledetect.markup import build_card, build_details, build_facts, build_list, build_table
from muledetect.outputs import new_folder
from muledetect.outputs.kinds import EVALUATION
from muledetect.records.write import put_table, put_text

#: Metrics of each method that a notebook shows.
_SHOWN: Final = ("average_precision", "precision@0.5%", "recall@0.5%", "precision@1%", "recall@1%")


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """What was measured.

    Attributes
    ----------
    figures : mapping of str to float
        Single numbers, such as those of `summarise_detection`.
    tables : mapping of str to pandas.DataFrame
        Such as `baselines`, `typologies`, `subgroups`, `false_positives`, `reliability`; an index is a column.
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


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a model did at a moment after its training, on rings that it had not seen.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a method, baselines first; see `muledetect.evaluation.compare_baselines`.
    brier, calibration_error : float
        Of the model's probabilities.
    calibration_interval : tuple of float
        95%, from drawing rings whole.
    notes : list of str
        On what it was measured.
    rings : RingMetrics, optional
        Where the data set has true rings.
    tables : mapping of str to pandas.DataFrame
        `layers`, `typologies`, `subgroups`, `false_positives` and `reliability` at `budget`, see
        `muledetect.evaluation.measure_by_part`; `budget_curve`; with watched moments `calibration_over_time` and
        `detection_curve`; with found rings `ties`; `traces` where the truth about money is known; `left_out` where
        asked for.
    budget : float
        Alerts: a number, or below 1 a share of the accounts.
    detection : mapping of str to float
        Time to detect and value still there; see `muledetect.evaluation.watch.Detection`. Empty without `watched`.
    within_caps : mapping of str to float
        The largest budget at which every customer group stays within its cap: `n_alerts`, `share` of the accounts, and
        `precision` and `recall` there, each with `_low` and `_high`. `n_alerts` alone where it is 0.
    victims : mapping of str to float
        Likely victims of the alerted accounts, how many of them are alerted themselves, and how well they are
        recognised; see `muledetect.evaluation.count_alerted_victims`.
    about : mapping of str to str
        As `muledetect.evaluation.EvaluationReport`.
    """

    table: pd.DataFrame
    brier: float
    calibration_error: float
    calibration_interval: tuple[float, float]
    notes: list[str]
    rings: RingMetrics | None = None
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    budget: float = 0.01
    detection: Mapping[str, float] = field(default_factory=dict)
    within_caps: Mapping[str, float] = field(default_factory=dict)
    victims: Mapping[str, float] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_positive(self) -> int:
        """Positives that were measured."""
        bins = self.tables.get("reliability")
        return 0 if bins is None else int(bins["n_positive"].sum())

    def __repr__(self) -> str:
        best = float(self.table["average_precision"].iloc[-1]) if len(self.table) else float("nan")
        return (
            f"Evaluation({len(self.table):,} methods, average precision of the last {best:.2f}, "
            f"{len(self.tables):,} more tables)"
        )

    def _repr_html_(self) -> str:
        low, high = self.calibration_interval
        facts: dict[str, object] = {"Brier score": self.brier, "calibration error": self.calibration_error}
        facts |= {"its 95% interval": f"{low:.3g} to {high:.3g}"}
        names = [name for name in _SHOWN if name in self.table]
        rows = [[method, *(_with_interval(line, name) for name in names)] for method, line in self.table.iterrows()]
        titles = ["method", *(name.replace("_", " ").replace("@", " at ") for name in names)]
        parts = {"largest budget within caps": self.within_caps, "detection": self.detection}
        parts["rings"] = asdict(self.rings) if self.rings is not None else {}
        more = [
            build_details(part, build_facts({name.replace("_", " "): value for name, value in figures.items()}))
            for part, figures in parts.items()
        ]
        return build_card(
            "Evaluation", build_facts(facts), build_table(titles, rows, right=titles[1:]), *more,
            build_facts({"more tables": ", ".join(self.tables) or None}),
            build_details(f"{len(self.notes):,} notes", build_list(self.notes)),
            note="Brackets: 95% intervals from drawing whole rings.",
        )  # fmt: skip

    def write(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write `report.json` and one table a part to a folder; see `EvaluationReport`."""
        low, high = self.calibration_interval
        figures = {"brier": self.brier, "calibration_error": self.calibration_error, "budget": self.budget}
        figures |= {"calibration_error_low": low, "calibration_error_high": high}
        figures |= {f"within_caps_{name}": value for name, value in self.within_caps.items()}
        figures |= {f"victims_{name}": value for name, value in self.victims.items()}
        figures |= {f"detection_{name}": value for name, value in self.detection.items()}
        if self.rings is not None:
            figures |= {f"rings_{name}": float(value) for name, value in asdict(self.rings).items()}
        tables = {"baselines": self.table, **self.tables}
        EvaluationReport(figures, tables, tuple(self.notes), self.about).write(folder, overwrite=overwrite)


def _with_interval(line: pd.Series[float], name: str) -> str:
    ends = ("low", "high") if name == "average_precision" else (f"{name}_low", f"{name}_high")
    low, high = (float(line.get(end, np.nan)) for end in ends)
    return f"{float(line[name]):.2f}" + ("" if np.isnan(low) else f" [{low:.2f}, {high:.2f}]")


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    return table if isinstance(table.index, pd.RangeIndex) else table.reset_index()
