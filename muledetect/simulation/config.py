"""Parameters of a simulated world, their presets, and their check."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from types import MappingProxyType
from typing import Any, Final

from muledetect.errors import OptionError
from muledetect.schema import did_you_mean

#: What an evader does; each follows the dial `evasion` unless it is set by itself.
TACTICS: Final = (
    "splitting",
    "waiting",
    "camouflage",
    "salary_like",
    "old_accounts",
    "device_rotation",
    "pass_through",
)

_SHARES: Final = (
    *("new_mule_share", "dormant_mule_share", "stolen_share", "company_mule_share", "complaint_share"),
    "young_company_share",
    *("wrong_complaint_share", "found_share", "reviewed_share", "wrong_label_share", "evasion"),
    *("later_evasion", *TACTICS),
)

_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "n_accounts": (200, 2_000_000),
    "n_days": (14, 3650),
    "seed": (0, 2**63 - 1),
    "least_mules": (0, 100_000),
    "utc_offset_hours": (-12, 14),
    "outside_share": (0.1, 5.0),
    "median_holding_s": (1.0, 864_000.0),
    "holding_spread": (0.0, 5.0),
    "commission_low": (0.0, 0.5),
    "commission_high": (0.0, 0.5),
    "median_complaint_delay_h": (0.1, 2000.0),
    "change_day": (0, 3650),
    "activity": (0.01, 20.0),
    **dict.fromkeys(_SHARES, (0.0, 1.0)),
    "mule_share": (0.0, 0.1),
}

_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "int": (int,), "float": (int, float), "str": (str,), "float | None": (int, float, type(None)),
    "tuple[str, ...]": (tuple, list),
}  # fmt: skip


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
    holidays : tuple of str
        Days of the year ("MM-DD") on which offices rest and families give.
    currency : str
        ISO 4217 code written to every transfer.
    outside_share : float
        Accounts of other banks as a multiple of `n_accounts`. We see them only through their transfers with us.
    activity : float
        Multiplies how often people transfer in normal life.
    mule_share : float
        Mules among our accounts. Life has 0.001 to 0.004; the default is higher so that small worlds hold enough
        of them to learn from. 0 makes a world without crime.
    least_mules : int
        A world with crime has at least so many mules of ours, or 3% of its accounts if that is fewer; small worlds
        would otherwise have next to none.
    new_mule_share, dormant_mule_share : float
        Mules opened days before their use, and old accounts without any life; the rest are real old accounts that
        go on living.
    stolen_share : float
        New mules opened with a stolen identity: the holder never uses the account.
    company_mule_share : float
        Mules that are companies bought or founded for their accounts.
    young_company_share : float
        Honest companies and shops that opened their account in the last 300 days before the world or during it. Above
        0, company mules are young or on the shelf, companies have directors, and honest ones pay taxes and rent.
    median_holding_s, holding_spread : float
        Log-normal time that money rests in a mule account: median in seconds, standard deviation of the logarithm.
        The defaults give 28% gone within 15 min and half within an hour.
    commission_low, commission_high : float
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
    evasion : float
        How much the offices do to look normal, from 0 (nothing) to 1 (all they can).
    change_day, later_evasion : int and float, optional
        Rings that form on this day of the world (counted from 0) or later follow `later_evasion` instead of
        `evasion`. None: the offices never change their tactics.
    splitting, waiting, camouflage, salary_like, old_accounts, device_rotation, pass_through : float, optional
        One tactic of evasion by itself, 0 to 1; None follows `evasion`. Money goes on in smaller parts; it rests
        longer; mules spend like anybody; it comes in like pay, monthly and round; recruits are real old accounts;
        phones and networks change often; honest customers are talked into passing money on.
    """

    n_accounts: int = 2000
    n_days: int = 120
    seed: int = 0
    start: str = "2025-01-01"
    utc_offset_hours: int = 7
    holidays: tuple[str, ...] = ("01-01", "04-13", "04-14", "04-15", "05-01", "08-12", "12-05", "12-10", "12-31")
    currency: str = "THB"
    outside_share: float = 0.4
    activity: float = 1.0
    mule_share: float = 0.01
    least_mules: int = 30
    new_mule_share: float = 0.30
    dormant_mule_share: float = 0.25
    stolen_share: float = 0.15
    company_mule_share: float = 0.05
    young_company_share: float = 0.0
    median_holding_s: float = 3600.0
    holding_spread: float = 2.38
    commission_low: float = 0.08
    commission_high: float = 0.12
    complaint_share: float = 0.65
    median_complaint_delay_h: float = 30.0
    wrong_complaint_share: float = 0.12
    found_share: float = 0.75
    reviewed_share: float = 0.7
    wrong_label_share: float = 0.03
    evasion: float = 0.25
    change_day: int = 0
    later_evasion: float | None = None
    splitting: float | None = None
    waiting: float | None = None
    camouflage: float | None = None
    salary_like: float | None = None
    old_accounts: float | None = None
    device_rotation: float | None = None
    pass_through: float | None = None

    def __post_init__(self) -> None:
        """Check every parameter and report all that are wrong at once."""
        wrong = self._wrong_types() or self._wrong_values()
        if wrong:
            raise OptionError("simulate: " + "; ".join(wrong) + ". See WorldConfig for the meaning of each parameter.")
        object.__setattr__(self, "holidays", tuple(self.holidays))

    @property
    def n_mules(self) -> int:
        """Accounts of ours that rings recruit."""
        if self.mule_share == 0:
            return 0
        return max(round(self.mule_share * self.n_accounts), min(self.least_mules, round(0.03 * self.n_accounts)))

    def tactic(self, name: str) -> float:
        """Return how far one of `TACTICS` is turned up, 0 to 1."""
        own = getattr(self, name)
        return float(self.evasion if own is None else own)

    def on_day(self, day: float) -> WorldConfig:
        """Return the config that a ring follows which forms on a day of the world."""
        if self.later_evasion is None or day < self.change_day:
            return self
        return replace(self, evasion=self.later_evasion)

    def as_dict(self) -> dict[str, Any]:
        """Return all parameters as plain values, for JSON."""
        return asdict(self)

    def _wrong_types(self) -> list[str]:
        wrong = []
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, _KINDS[str(field.type)]):
                wrong.append(f"{field.name} must be of type {field.type}, got {type(value).__name__}")
        return wrong

    def _wrong_values(self) -> list[str]:
        wrong = [
            f"{name} must lie in {low} to {high}, got {getattr(self, name)}"
            for name, (low, high) in _RANGES.items()
            if getattr(self, name) is not None and not low <= getattr(self, name) <= high
        ]
        if self.commission_low > self.commission_high:
            low, high = self.commission_low, self.commission_high
            wrong.append(f"commission_low must not exceed commission_high, got {low} > {high}")
        if self.new_mule_share + self.dormant_mule_share + self.company_mule_share > 1:
            wrong.append("new_mule_share + dormant_mule_share + company_mule_share must not exceed 1")
        if not re.fullmatch(r"[A-Z]{3}", self.currency):
            wrong.append(f"currency must be an ISO 4217 code of three capitals, got {self.currency!r}")
        # 2024 is a leap year: every day of a year exists in it.
        wrong += [
            f"holidays must be days such as '04-13', got {day!r}"
            for day in self.holidays
            if not _is_day(f"2024-{day}" if isinstance(day, str) else "")
        ]
        if not _is_day(self.start):
            wrong.append(f"start must be a date such as 2025-01-01, got {self.start!r}")
        elif not 1990 <= int(self.start[:4]) <= 2100:
            wrong.append(f"start must lie in the years 1990 to 2100 of the common era, got {self.start!r}")
        return wrong


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


#: Named worlds; a parameter given beside a preset overrides it.
PRESETS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "thai_bank": {"n_accounts": 50_000, "n_days": 180, "mule_share": 0.003, "least_mules": 0},
        "small": {"n_accounts": 2_000, "n_days": 120},
        "hard": {"n_accounts": 50_000, "n_days": 180, "mule_share": 0.002, "least_mules": 0, "evasion": 0.8,
                 "found_share": 0.5, "complaint_share": 0.45, "wrong_label_share": 0.08},
        "no_crime": {"n_accounts": 2_000, "n_days": 120, "mule_share": 0.0},
    }
)  # fmt: skip


def world_config(preset: str | None = None, **parameters: Any) -> WorldConfig:
    """Return the config of a preset with some parameters changed.

    Parameters
    ----------
    preset : str, optional
        One of `PRESETS`: `thai_bank` (life's prevalence, 0.3% mules), `small`, `hard` (evasion, fewer labels),
        `no_crime`.
    **parameters
        Fields of `WorldConfig`.

    Raises
    ------
    OptionError
        If the preset or a parameter is unknown, of the wrong type or out of range.
    """
    if preset is not None and preset not in PRESETS:
        raise OptionError(
            f"simulate: there is no preset {preset!r}; choose one of {', '.join(PRESETS)}."
            f"{did_you_mean(preset, list(PRESETS))}"
        )
    for name in parameters:
        _kind(name)
    return WorldConfig(**{**(PRESETS[preset] if preset else {}), **parameters})


def _kind(name: str) -> str:
    kinds = {field.name: str(field.type) for field in fields(WorldConfig)}
    if name not in kinds:
        raise OptionError(f"simulate: there is no parameter {name!r}.{did_you_mean(name, list(kinds))}")
    return kinds[name]


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Return parameters of `WorldConfig` from texts `name=value`; lists are separated by commas.

    Parameters
    ----------
    settings : sequence of str

    Raises
    ------
    OptionError
        If a text has no "=", or names no parameter, or a number cannot be read.

    Examples
    --------
    >>> parse_settings(["evasion=0.5", "holidays=01-01,12-31"])
    {'evasion': 0.5, 'holidays': ('01-01', '12-31')}
    """
    parameters: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise OptionError(f"simulate: a setting reads name=value, got {setting!r}.")
        kind = _kind(name)
        if kind.startswith("tuple"):
            parameters[name] = tuple(part for part in text.split(",") if part)
        elif kind == "str":
            parameters[name] = text
        else:
            try:
                parameters[name] = int(text) if kind == "int" else float(text)
            except ValueError:
                raise OptionError(f"simulate: {name} must be a number, got {text!r}.") from None
    return parameters
