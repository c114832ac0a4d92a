"""What a comparison of periods found: checks with their limits and grades, and what to do about them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pandas as pd
import pyarrow as pa

from muledetect.markup import build_card, build_facts, build_list, build_table
from muledetect.outputs import new_folder
from muledetect.outputs.kinds import DRIFT
from muledetect.records.write import put_table, put_text

Grade = Literal["ok", "watch", "alarm"]

GRADES: Final = ("ok", "watch", "alarm")
_MOST_ROWS: Final = 12

#: Exit status of each grade, for schedulers.
EXIT_STATUS: Final[Mapping[str, int]] = {"ok": 0, "watch": 3, "alarm": 4}


@dataclass(frozen=True, slots=True)
class Limit:
    """From where on a measure is to be watched and from where it is an alarm."""

    watch: float
    alarm: float


#: Changes below these are small, however unusual. PSI as risk departments read it (0.1 and 0.25); the others are of
#: about the same size of change.
LIMITS: Final[Mapping[str, Limit]] = {
    "psi": Limit(0.1, 0.25),
    "missing": Limit(0.02, 0.1),
    "alerts": Limit(math.log(1.5), math.log(2.5)),
    "reasons": Limit(0.05, 0.15),
    "transfers": Limit(math.log(1.5), math.log(2)),
    "found": Limit(0.5, 1.0),
    "calibration": Limit(math.log(1.25), math.log(2)),
    "delay": Limit(0.2, 0.4),
}

#: What to do where a measure is not ok.
ADVICE: Final[Mapping[str, str]] = {
    "psi": "psi: look at the source of the column, and at what changed in the bank. If the score moved, find a new "
    "threshold.",
    "missing": "missing: ask whether a source of data stopped or began; scores without it are not those of the model.",
    "alerts": "alerts: another number of accounts scores high. Read some of the new alerts, then find a new threshold.",
    "reasons": "reasons: the highest scores rest on other behaviour. Read some alerts: a new scheme, or a new error?",
    "transfers": "transfers: a channel has many more transfers than usual, or fewer. Ask whether a source of data "
    "stopped or began; until it is mended, scores are not those of the model.",
    "found": "found: the mules that the bank has found since had scored lower than those before. Train again with the "
    "newest labels, and look at those that were missed.",
    "calibration": "calibration: do not read probabilities as such; give a prevalence, or train again.",
    "delay": "delay: labels take another time. Measure only what is ripe, and train with a later `known_by`.",
}


@dataclass(frozen=True, eq=False)
class Drift:
    """What `compare_periods` found.

    Attributes
    ----------
    checks : pandas.DataFrame
        One row a check: `subject`, `measure`, `value`, `usual` (median size among the reference periods themselves),
        `watch` and `alarm` (sizes of `value` beyond which it has that grade), `limits` ("own": at least what the spread
        of the reference periods allows; "fixed": there are too few of them for a spread), `grade`; the worst first.
    delays : pandas.DataFrame
        Days from the start of the activity to the label: one row a `share` of the labels, columns `a` (reference) and
        `b`.
    n_a, n_b : int
        Rows of the reference periods together, and of the new one.
    notes : tuple of str
        What was compared with what, and which false alarms to expect.
    """

    checks: pd.DataFrame
    delays: pd.DataFrame
    n_a: int
    n_b: int
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        counts = ", ".join(f"{int((self.checks['grade'] == grade).sum()):,} {grade}" for grade in GRADES)
        return f"Drift({self.worst}: {len(self.checks):,} checks, {counts}; {self.n_a:,} and {self.n_b:,} rows)"

    def _repr_html_(self) -> str:
        names = ["subject", "measure", "value", "usual", "watch", "alarm", "grade"]
        rows = self.checks[names].head(_MOST_ROWS).to_numpy(dtype=object).tolist()
        facts = {"worst": self.worst, "rows before": self.n_a, "rows after": self.n_b}
        table = build_table(names, rows, n_rows=len(self.checks), right=names[2:6])
        return build_card("Drift", build_facts(facts), table, build_list([*self.advice, *self.notes]))

    @property
    def worst(self) -> str:
        """The worst grade of all checks; `ok` without any."""
        return max(self.checks["grade"], key=GRADES.index, default="ok")

    @property
    def exit_status(self) -> int:
        """0 ok, 3 watch, 4 alarm."""
        return EXIT_STATUS[self.worst]

    @property
    def advice(self) -> list[str]:
        """What to do, one sentence a measure that is not ok."""
        raised = set(self.checks.loc[self.checks["grade"] != "ok", "measure"])
        return [text for measure, text in ADVICE.items() if measure in raised]

    def to_json(self) -> str:
        """Return everything as JSON; what is not defined is null."""
        tables = {name: json.loads(table.to_json(orient="records")) for name, table in self.tables().items()}
        said = {"worst": self.worst, "n_a": self.n_a, "n_b": self.n_b, "notes": self.notes, "advice": self.advice}
        return json.dumps({**said, **tables}, indent=2)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return `drift` and `label_delays`."""
        return {"drift": self.checks, "label_delays": self.delays}

    def write(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write `drift.json` and one table each to a folder: the old or the new one, whole."""
        with new_folder(folder, DRIFT, overwrite=overwrite) as unfinished:
            put_text(self.to_json(), unfinished / "drift.json")
            for name, table in self.tables().items():
                put_table(pa.Table.from_pandas(table, preserve_index=False), unfinished / f"{name}.parquet")
