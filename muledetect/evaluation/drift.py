"""What changed between two periods: features, scores, reasons, calibration and the delay of labels.

A change alarms only if it is beyond its limit and beyond what samples of this size show by chance.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2, ks_2samp, norm

from muledetect.arrays import Float64Array
from muledetect.errors import OptionError
from muledetect.frames import takes_tables
from muledetect.markup import build_card, build_facts, build_table
from muledetect.model.table import read_features
from muledetect.outputs import new_folder
from muledetect.outputs.kinds import DRIFT
from muledetect.records.write import put_table, put_text

Features: TypeAlias = "pd.DataFrame | pa.Table"
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


#: PSI as risk departments read it (0.1 and 0.25); the others are of about the same size of change.
LIMITS: Final[Mapping[str, Limit]] = {
    "psi": Limit(0.1, 0.25),
    "missing": Limit(0.02, 0.1),
    "ks": Limit(0.1, 0.2),
    "wasserstein": Limit(0.1, 0.25),
    "reasons": Limit(0.05, 0.15),
    "calibration": Limit(math.log(1.25), math.log(2)),
    "delay": Limit(0.2, 0.4),
}


@dataclass(frozen=True, eq=False)
class Drift:
    """What `compare_periods` found.

    Attributes
    ----------
    checks : pandas.DataFrame
        One row a check: `subject`, `measure`, `value`, `chance` (what samples of this size stay under where nothing
        changed), `watch`, `alarm`, `grade`; the worst first.
    delays : pandas.DataFrame
        Days from the start of the activity to the label: one row a `share` of the labels, columns `a` and `b`.
    n_a, n_b : int
        Rows of both periods.
    """

    checks: pd.DataFrame
    delays: pd.DataFrame
    n_a: int
    n_b: int

    def __repr__(self) -> str:
        counts = ", ".join(f"{int((self.checks['grade'] == grade).sum()):,} {grade}" for grade in GRADES)
        return f"Drift({self.worst}: {len(self.checks):,} checks, {counts}; {self.n_a:,} and {self.n_b:,} rows)"

    def _repr_html_(self) -> str:
        names = ["subject", "measure", "value", "chance", "watch", "alarm", "grade"]
        rows = self.checks[names].head(_MOST_ROWS).to_numpy(dtype=object).tolist()
        facts = {"worst": self.worst, "rows before": self.n_a, "rows after": self.n_b}
        table = build_table(names, rows, n_rows=len(self.checks), right=names[2:6])
        return build_card("Drift between two moments", build_facts(facts), table)

    @property
    def worst(self) -> str:
        """The worst grade of all checks; `ok` without any."""
        return max(self.checks["grade"], key=GRADES.index, default="ok")

    @property
    def exit_status(self) -> int:
        """0 ok, 3 watch, 4 alarm."""
        return EXIT_STATUS[self.worst]

    def to_json(self) -> str:
        """Return everything as JSON; what is not defined is null."""
        tables = {name: json.loads(table.to_json(orient="records")) for name, table in self.tables().items()}
        return json.dumps({"worst": self.worst, "n_a": self.n_a, "n_b": self.n_b, **tables}, indent=2)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return `drift` and `label_delays`."""
        return {"drift": self.checks, "label_delays": self.delays}

    def write(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write `drift.json` and one table each to a folder: the old or the new one, whole."""
        with new_folder(folder, DRIFT, overwrite=overwrite) as unfinished:
            put_text(self.to_json(), unfinished / "drift.json")
            for name, table in self.tables().items():
                put_table(pa.Table.from_pandas(table, preserve_index=False), unfinished / f"{name}.parquet")


@takes_tables("labels_a", "labels_b")
def compare_periods(
    features_a: Features,
    features_b: Features,
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    *,
    probability_b: npt.ArrayLike | None = None,
    y_b: npt.ArrayLike | None = None,
    reasons_a: Sequence[Sequence[str]] | None = None,
    reasons_b: Sequence[Sequence[str]] | None = None,
    labels_a: pa.Table | None = None,
    labels_b: pa.Table | None = None,
    limits: Mapping[str, Limit] = LIMITS,
    chance: float = 0.01,
    n_draws: int = 200,
    seed: int = 0,
) -> Drift:
    """Compare period b with period a, the one that the model was accepted on.

    Parameters
    ----------
    features_a, features_b : tables of features
        The columns that both have are compared; `account_id` and `as_of` are not features.
    scores_a, scores_b : array of shape (n,)
        Raw scores of all rows.
    probability_b, y_b : array of shape (n_b,), optional
        Probabilities and matured targets (NaN: unknown) of period b, for calibration.
    reasons_a, reasons_b : sequence of sequences of str, optional
        Codes of the reasons of each alert.
    labels_a, labels_b : tables as `schema.LABELS`, optional
        For the delay from `activity_start` to `known_ts`.
    limits : mapping of str to Limit
    chance : float
        Probability that any check at all goes beyond its `chance` where nothing changed; shared among the checks.
    n_draws : int
        Permutations behind the chance of reasons and of the Wasserstein distance, which therefore is the largest
        value of the draws if the share is below 1 / n_draws.
    seed : int
        Of the permutations.

    Returns
    -------
    Drift

    Raises
    ------
    OptionError
        If a period has no rows or a limit is lacking.

    Notes
    -----
    PSI is sum((p - q) * ln(p / q)) over ten bins of equal mass in period a and one for what is missing; where nothing
    changed it is about (1 / n_a + 1 / n_b) times chi-square with one less than the bins degrees of freedom. Rows are
    taken as independent: accounts that a ring moves together change more than `chance` tells.
    O(n log n) a column.
    """
    a, b = read_features(features_a), read_features(features_b)
    score_a, score_b = (np.sort(np.asarray(s, dtype=np.float64)) for s in (scores_a, scores_b))
    if min(len(a.values), len(b.values), len(score_a), len(score_b)) == 0:
        raise OptionError("monitor: both periods need rows and scores; one has none. Choose a longer period.")
    lacking = sorted(set(LIMITS) - set(limits))
    if lacking:
        raise OptionError(f"monitor: limits for {', '.join(lacking)} are lacking; start from drift.LIMITS.")
    names = sorted(set(a.names) & set(b.names))
    share = chance / (2 * len(names) + 6)
    found: list[tuple[str, str, float, float]] = []
    for name in names:
        pair = (_of(a.values, a.names.index(name)), _of(b.values, b.names.index(name)))
        found += [(name, "psi", *_psi(*pair, share)), (name, "missing", *_missing(*pair, share))]
    found += [("score", "psi", *_psi(score_a, score_b, share)), ("score", "ks", *_ks(score_a, score_b, share))]
    found.append(("score", "wasserstein", *_wasserstein(score_a, score_b, share, n_draws, seed)))
    if reasons_a is not None and reasons_b is not None:
        found.append(("reasons", "reasons", *_reason_mix(reasons_a, reasons_b, share, n_draws, seed)))
    if probability_b is not None and y_b is not None:
        found.append(("probability", "calibration", *_calibration(probability_b, y_b, share)))
    delay_a, delay_b = _delays(labels_a), _delays(labels_b)
    if len(delay_a) and len(delay_b):
        found.append(("labels", "delay", *_ks(delay_a, delay_b, share)))
    shares = [0.1, 0.25, 0.5, 0.75, 0.9]
    curve = {name: np.quantile(d, shares) if len(d) else np.nan for name, d in (("a", delay_a), ("b", delay_b))}
    delays = pd.DataFrame({"share": shares, **curve})
    return Drift(_graded(found, limits), delays, len(a.values), len(b.values))


def _graded(found: Sequence[tuple[str, str, float, float]], limits: Mapping[str, Limit]) -> pd.DataFrame:
    checks = pd.DataFrame(found, columns=["subject", "measure", "value", "chance"])
    for name in ("watch", "alarm"):
        checks[name] = [getattr(limits[measure], name) for measure in checks["measure"]]
    size = checks["value"].abs()
    is_real = size > checks["chance"]
    rank = (is_real & (size > checks["watch"])).astype(int) + (is_real & (size > checks["alarm"])).astype(int)
    checks["grade"] = [GRADES[r] for r in rank]
    order = np.lexsort((checks["measure"], checks["subject"], -size.fillna(-1), -rank))
    return checks.iloc[order].reset_index(drop=True)


def _of(values: npt.NDArray[np.float32], position: int) -> Float64Array:
    return np.sort(values[:, position]).astype(np.float64)


def _psi(a: Float64Array, b: Float64Array, share: float) -> tuple[float, float]:
    present = a[~np.isnan(a)]
    edges = np.unique(np.quantile(present, np.linspace(0.1, 0.9, 9))) if len(present) else np.zeros(0)
    n_bins = len(edges) + 2
    # a value that many rows share stays whole, in the bin that begins with it; the last bin is for what is missing
    counts = [
        np.bincount(np.where(np.isnan(x), n_bins - 1, np.searchsorted(edges, x, "right")), minlength=n_bins)
        for x in (a, b)
    ]
    used = (counts[0] + counts[1]) > 0
    n_used = int(used.sum())
    # half a row in each bin, so that an empty one gives no infinity
    p, q = ((count[used] + 0.5) / (count.sum() + 0.5 * n_used) for count in counts)
    value = float(((p - q) * np.log(p / q)).sum())
    return value, float(chi2.ppf(1 - share, max(n_used - 1, 1)) * (1 / len(a) + 1 / len(b)))


def _missing(a: Float64Array, b: Float64Array, share: float) -> tuple[float, float]:
    n_a, n_b = int(np.isnan(a).sum()), int(np.isnan(b).sum())
    pooled = (n_a + n_b + 1) / (len(a) + len(b) + 2)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / len(a) + 1 / len(b)))
    return n_b / len(b) - n_a / len(a), float(norm.ppf(1 - share / 2) * spread)


def _ks(a: Float64Array, b: Float64Array, share: float) -> tuple[float, float]:
    # Smirnov's bound for two samples: sqrt(ln(2 / share) / 2 * (1 / n_a + 1 / n_b))
    bound = math.sqrt(math.log(2 / share) / 2 * (1 / len(a) + 1 / len(b)))
    return float(ks_2samp(a, b, method="asymp").statistic), bound


def _wasserstein(a: Float64Array, b: Float64Array, share: float, n_draws: int, seed: int) -> tuple[float, float]:
    """Return the distance in units of period a's spread, over at most 200 bins of equal mass of both periods."""
    both = np.concatenate([a, b])
    edges = np.unique(np.quantile(both, np.linspace(0, 1, 201)))
    if len(edges) < 2:
        return 0.0, 0.0
    count_a, count_b = (np.bincount(np.searchsorted(edges, x), minlength=len(edges)) for x in (a, b))
    spread = float(a.std()) or float(both.std())
    widths = np.diff(edges) / spread
    total = count_a + count_b
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(total, len(a), n_draws, method="marginals")

    def distance(counts: npt.NDArray[np.int64]) -> Any:
        gaps = np.cumsum(counts, axis=-1) / len(a) - np.cumsum(total - counts, axis=-1) / len(b)
        return (np.abs(gaps[..., :-1]) * widths).sum(axis=-1)

    return float(distance(count_a)), float(np.quantile(distance(drawn), 1 - share, method="higher"))


def _reason_mix(
    a: Sequence[Sequence[str]], b: Sequence[Sequence[str]], share: float, n_draws: int, seed: int
) -> tuple[float, float]:
    """Return the Jensen-Shannon divergence (bits) of the codes; chance from dealing whole alerts to the periods."""
    alerts = sorted([(sorted(set(codes)), 0) for codes in a] + [(sorted(set(codes)), 1) for codes in b])
    names = {code: n for n, code in enumerate(sorted({code for codes, _ in alerts for code in codes}))}
    period = np.array([p for _, p in alerts], dtype=np.int64)
    holds = np.zeros((len(alerts), len(names)))
    for n, (codes, _) in enumerate(alerts):
        holds[n, [names[code] for code in codes]] = 1

    def divergence(of: npt.NDArray[np.int64]) -> float:
        p, q = holds[of == 0].sum(axis=0), holds[of == 1].sum(axis=0)
        return float(jensenshannon(p, q, base=2) ** 2) if p.any() and q.any() else float("nan")

    rng = np.random.default_rng(seed)
    drawn = np.array([divergence(rng.permutation(period)) for _ in range(n_draws)])
    drawn = drawn[~np.isnan(drawn)]
    return divergence(period), float(np.quantile(drawn, 1 - share, method="higher")) if len(drawn) else float("nan")


def _calibration(probability: npt.ArrayLike, y: npt.ArrayLike, share: float) -> tuple[float, float]:
    """Return ln(observed / expected positives), half a positive added to both; chance from their binomial spread."""
    target, given = np.asarray(y, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    known = ~np.isnan(target)
    expected, observed = math.fsum(given[known]) + 0.5, float(target[known].sum()) + 0.5
    spread = math.sqrt(math.fsum(given[known] * (1 - given[known]))) / expected
    return math.log(observed / expected), float(norm.ppf(1 - share / 2) * max(spread, 1 / expected))


def _delays(labels: pa.Table | None) -> Float64Array:
    """Return sorted days from the start of the activity to the label, of labels that have both."""
    if labels is None or not {"known_ts", "activity_start"} <= set(labels.column_names):
        return np.zeros(0)
    times = labels.select(["known_ts", "activity_start"]).to_pandas().dropna()
    days = (times["known_ts"] - times["activity_start"]) / pd.Timedelta(days=1)
    return np.sort(days.to_numpy(dtype=np.float64))
