"""Which tier a score proposes: by its probability where the prevalence is known, else by a budget of alerts.

A budget takes the highest scores of each moment. Equal scores share a tier, also where the budget ends.

References
----------
Iglewicz and Hoaglin (1993), How to detect and handle outliers, ASQC (modified z-score, 3.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from muledetect.arrays import Float64Array, Int64Array
from muledetect.errors import DataError, OptionError
from muledetect.model.prevalence import parse_share

#: Probabilities from which a tier is proposed. A score never proposes more than "suspected": the graver tiers come
#: from tables and people.
TIERS: Final = (("suspected", 0.5), ("watch", 0.1))

#: Budget that nobody stated: this share of the accounts, at least so many, and at most as many as `score` explains and
#: `report` writes case files of by default: a proposal without a reason is of no use.
BUDGET: Final = 0.005
LEAST_BUDGET: Final = 10
MOST_BUDGET: Final = 200

#: The first third of a budget is "suspected": with probabilities a third to two thirds are (decision 042).
SUSPECTED: Final = 1 / 3

#: An account whose score lies no more than so many robust standard deviations above the median is an ordinary one.
ORDINARY: Final = 3.5

Source = Literal["unknown", "training", "stated", "estimated"]

_KEY: Final = "muledetect."
_THAI: Final[dict[Source, str]] = {
    "unknown": "ไม่ทราบสัดส่วนบัญชีม้าในธนาคาร",
    "training": "สัดส่วนบัญชีม้าเท่ากับในข้อมูลที่ใช้สอน",
    "stated": "สัดส่วนบัญชีม้า {share} ตามที่ระบุ",
    "estimated": "สัดส่วนบัญชีม้า {share} ประเมินจากบัญชีม้าที่ทราบแล้ว",
}
_ENGLISH: Final[dict[Source, str]] = {
    "unknown": "prevalence unknown",
    "training": "prevalence as in the training",
    "stated": "prevalence {share} as stated",
    "estimated": "prevalence {share}, estimated from known mules",
}


@dataclass(frozen=True, slots=True)
class Basis:
    """What probabilities and tiers of a table `scores` rest on; kept in the metadata of its schema.

    Attributes
    ----------
    source : "unknown", "training", "stated" or "estimated"
        Where the prevalence comes from. `unknown`: probabilities are those of the data that the model comes from.
    prevalence : float or None
        Share of mules among the accounts; None if unknown, or if an old model does not tell that of its training.
    budget : int or None
        So many alerts the tiers were made for; None: they follow probability.
    is_bound : bool
        The estimate is the known mules alone: there are at least so many.
    """

    source: Source
    prevalence: float | None = None
    budget: int | None = None
    is_bound: bool = False

    @property
    def text(self) -> str:
        """The same in one plain sentence, without its full stop."""
        share = "" if self.prevalence is None else f"{'at least ' * self.is_bound}{self.prevalence:.2%}"
        tiers = "probability" if self.budget is None else f"an alert budget of {self.budget:,} accounts"
        end = "; probabilities are not those of your bank" if self.source == "unknown" else ""
        return f"{_ENGLISH[self.source].format(share=share)}: tiers follow {tiers}{end}"

    @property
    def thai(self) -> str:
        """The sentence in Thai."""
        share = "" if self.prevalence is None else f"{'อย่างน้อย ' * self.is_bound}{self.prevalence:.2%}"
        tiers = "ความน่าจะเป็น" if self.budget is None else f"โควตาการแจ้งเตือน {self.budget:,} บัญชี"
        end = " ค่าความน่าจะเป็นไม่ใช่ของธนาคารนี้" if self.source == "unknown" else ""
        return f"{_THAI[self.source].format(share=share)}: ระดับเป็นไปตาม{tiers}{end}"

    def to_metadata(self) -> dict[str, str]:
        """Return metadata of an Arrow schema."""
        share = "unknown" if self.source == "unknown" else "" if self.prevalence is None else repr(self.prevalence)
        found = {"prevalence": share, "prevalence_source": self.source, "note": self.text}
        found |= {} if self.budget is None else {"budget": str(self.budget)}
        found |= {"prevalence_is_bound": "true"} if self.is_bound else {}
        return {f"{_KEY}{name}": value for name, value in found.items()}


def read_basis(table: Any) -> Basis | None:
    """Return what the scores of a table rest on; None where it does not say, as after a way through pandas.

    Parameters
    ----------
    table : pyarrow.Table
        As `score` gave it.

    Raises
    ------
    DataError
        If its metadata were changed.
    """
    told = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()
            if key.startswith(_KEY.encode())}  # fmt: skip
    source = told.get(f"{_KEY}prevalence_source")
    if source is None:
        return None
    try:
        share, budget = told[f"{_KEY}prevalence"], told.get(f"{_KEY}budget")
        number = None if share in ("", "unknown") else float(share)
        is_sound = source in get_args(Source) and (number is None or 0 <= number <= 1)
        found = Basis(source, number, None if budget is None else int(budget), f"{_KEY}prevalence_is_bound" in told)
    except (KeyError, ValueError) as error:
        raise DataError(f"scores: the metadata {_KEY}* cannot be read. Score again.") from error
    if not is_sound or (found.budget or 0) < 0:
        raise DataError(f"scores: the metadata {_KEY}* are not what `score` writes. Score again.")
    return found


def tiers_by_probability(probability: Float64Array) -> npt.NDArray[np.str_]:
    """Return the tier of each probability."""
    conditions = [probability >= limit for _, limit in TIERS]
    return np.select(conditions, [name for name, _ in TIERS], default="none")


def tiers_by_budget(
    score: Float64Array, as_of: Int64Array, budget: float | str | None = None
) -> tuple[npt.NDArray[np.str_], int]:
    """Return the tier of each score by a budget of alerts at each moment, and the budget as a number of accounts.

    Parameters
    ----------
    score : float64[n]
        Of all accounts of the bank.
    as_of : int64[n]
        Moment of each.
    budget : float or str, optional
        Alerts, or below 1 the share of the accounts, also as "0.5%". Then every account above the median may be one.
        Default: 0.5% of the accounts, at least 10 and at most 200; of these only such as no ordinary account scores.

    Raises
    ------
    OptionError
        If the budget is no number above 0.
    """
    found, most = np.full(len(score), "none", dtype="<U9"), 0
    wanted = None if budget is None else parse_share(budget, "budget")
    for moment in np.unique(as_of):
        rows = np.flatnonzero(as_of == moment)
        values = score[rows]
        n_alerts = _default_budget(len(rows)) if wanted is None else _stated_budget(wanted, len(rows))
        least = ordinary_score(values) if wanted is None else float(np.median(values))
        rank = np.searchsorted(np.sort(-values), -values, side="left") + 1
        is_alert = (rank <= n_alerts) & (values > least)
        is_first = rank <= math.ceil(n_alerts * SUSPECTED)
        found[rows[is_alert]] = "watch"
        found[rows[is_alert & is_first]] = "suspected"
        most = max(most, n_alerts)
    return found, most


def ordinary_score(score: Float64Array) -> float:
    """Return the highest score that an ordinary account has: the median and `ORDINARY` robust standard deviations.

    The deviation is 1.4826 times the median distance from the median; where that is 0, because half of the scores are
    equal, 1.2533 times the mean distance (Iglewicz and Hoaglin).
    """
    median = float(np.median(score))
    distance = np.abs(score - median)
    spread = 1.4826 * float(np.median(distance)) or 1.2533 * math.fsum(distance) / len(score)
    return median + ORDINARY * spread


def _default_budget(n: int) -> int:
    return min(max(math.ceil(BUDGET * n), LEAST_BUDGET), MOST_BUDGET)


def _stated_budget(budget: float, n: int) -> int:
    if budget >= 1 and budget != int(budget):
        raise OptionError(f"budget: must be a whole number of alerts, or below 1 a share of accounts; got {budget:g}.")
    return int(budget) if budget >= 1 else math.ceil(budget * n)


__all__ = ["TIERS", "Basis", "ordinary_score", "read_basis", "tiers_by_budget", "tiers_by_probability"]
