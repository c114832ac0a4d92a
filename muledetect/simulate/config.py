"""Parameters of a simulated world, checked when they are set."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from muledetect.clock import parse_time
from muledetect.errors import OptionError

_SHARES = (
    "mule_share",
    "new_mule_share",
    "dormant_mule_share",
    "complaint_share",
    "wrong_complaint_share",
    "found_share",
    "reviewed_share",
    "wrong_label_share",
)


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """What a simulated world looks like.

    Parameters
    ----------
    n_accounts : int
        Accounts held at our bank, 200 to 2,000,000. Accounts of other banks come on top (`outside_share`).
    n_days : int
        Length of the world in days of local time, 14 to 3,650.
    seed : int
        Same seed and same other parameters, same bytes.
    start : str
        First local day, ISO date.
    utc_offset_hours : int
        Local time minus UTC; all rhythms follow local time.
    currency : str
        ISO 4217 code written to every transfer.
    outside_share : float
        Accounts of other banks as a multiple of `n_accounts`. We see them only through their transfers with us.
    mule_share : float
        Mules among our accounts. Life has 0.001 to 0.004; the default is higher so that small worlds hold enough
        of them to learn from. 0 makes a world without crime.
    least_mules : int
        A world with crime has at least so many mules of ours, or 3% of its accounts if that is fewer; small worlds
        would otherwise have next to none.
    new_mule_share, dormant_mule_share : float
        Mules opened days before their use, and old accounts without any life; the rest are real old accounts that
        go on living.
    median_dwell_s, dwell_spread : float
        Log-normal time that money rests in a mule account: median in seconds, standard deviation of the logarithm.
        The defaults give 28% gone within 15 min and half within an hour.
    skim_low, skim_high : float
        Share that a laundering office keeps.
    complaint_share : float
        Victims who complain at all.
    median_complaint_delay_h : float
        Median hours from the last payment to the complaint (log-normal, 20 min to 60 d).
    wrong_complaint_share : float
        Complaints about honest transfers, as a share of all complaints.
    found_share : float
        Mules that an investigation will ever find; of them, some are found only after the world's end.
    reviewed_share : float
        Honest accounts that the bank has looked at and calls `not_mule`; the others have no label.
    wrong_label_share : float
        Honest accounts wrongly called `mule`, as a share of the mules found.
    activity : float
        Multiplies how often people transfer in normal life.
    """

    n_accounts: int = 2000
    n_days: int = 120
    seed: int = 0
    start: str = "2025-01-01"
    utc_offset_hours: int = 7
    currency: str = "THB"
    outside_share: float = 0.4
    mule_share: float = 0.01
    least_mules: int = 30
    new_mule_share: float = 0.30
    dormant_mule_share: float = 0.25
    median_dwell_s: float = 3600.0
    dwell_spread: float = 2.38
    skim_low: float = 0.08
    skim_high: float = 0.12
    complaint_share: float = 0.65
    median_complaint_delay_h: float = 30.0
    wrong_complaint_share: float = 0.12
    found_share: float = 0.75
    reviewed_share: float = 0.7
    wrong_label_share: float = 0.03
    activity: float = 1.0

    def __post_init__(self) -> None:
        """Check every parameter and report all that are wrong at once."""
        wrong = self._wrong_types() or self._wrong_values()
        if wrong:
            raise OptionError("simulate: " + "; ".join(wrong) + ". See WorldConfig for the meaning of each parameter.")

    @property
    def n_mules(self) -> int:
        """Accounts of ours that rings recruit."""
        if self.mule_share == 0:
            return 0
        return max(round(self.mule_share * self.n_accounts), min(self.least_mules, round(0.03 * self.n_accounts)))

    def _wrong_types(self) -> list[str]:
        wrong = []
        for field in fields(self):
            value = getattr(self, field.name)
            kind = {"int": int, "float": (int, float), "str": str}[str(field.type)]
            if isinstance(value, bool) or not isinstance(value, kind):  # type: ignore[arg-type]
                wrong.append(f"{field.name} must be of type {field.type}, got {type(value).__name__}")
        return wrong

    def _wrong_values(self) -> list[str]:
        ranges = {
            "n_accounts": (200, 2_000_000),
            "n_days": (14, 3650),
            "seed": (0, 2**63 - 1),
            "least_mules": (0, 100_000),
            "utc_offset_hours": (-12, 14),
            "outside_share": (0.1, 5.0),
            "median_dwell_s": (1.0, 864_000.0),
            "dwell_spread": (0.0, 5.0),
            "skim_low": (0.0, 0.5),
            "skim_high": (0.0, 0.5),
            "median_complaint_delay_h": (0.1, 2000.0),
            "activity": (0.01, 20.0),
            **dict.fromkeys(_SHARES, (0.0, 1.0)),
            "mule_share": (0.0, 0.1),
        }
        wrong = [
            f"{name} must lie in {low} to {high}, got {getattr(self, name)}"
            for name, (low, high) in ranges.items()
            if not low <= getattr(self, name) <= high
        ]
        if self.skim_low > self.skim_high:
            wrong.append(f"skim_low must not exceed skim_high, got {self.skim_low} > {self.skim_high}")
        if self.new_mule_share + self.dormant_mule_share > 1:
            wrong.append("new_mule_share + dormant_mule_share must not exceed 1")
        if not re.fullmatch(r"[A-Z]{3}", self.currency):
            wrong.append(f"currency must be an ISO 4217 code of three capitals, got {self.currency!r}")
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", self.start):
            wrong.append(f"start must be a date such as 2025-01-01, got {self.start!r}")
        else:
            parse_time(self.start)
        return wrong
