"""Schemes of registries: tiers, who may set which, and how long an entry stands; data of a country, never code.

>>> scheme = load_scheme("TH")
>>> scheme.lowest.name, [tier.name for tier in scheme.tiers_of("police")]
('light_brown', ['dark_grey', 'light_grey'])
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal, get_args

from muledetect.clock import parse_duration
from muledetect.errors import OptionError
from muledetect.features.packs import named_text
from muledetect.strict_json import parse_json

NAMES: Final = ("TH", "GB", "SG", "exchange", "none")

Role = Literal["regulator", "police", "bank"]
ROLES: Final = get_args(Role)

_FIELDS: Final = {"title", "tiers", "source", "choice"}
_TIER_FIELDS: Final = {"name", "set_by", "text", "expires_after"}


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier of a scheme.

    Attributes
    ----------
    name, text : str
    set_by : tuple of str
        Who may list a subject in it, of `ROLES`.
    expires_after : int, optional
        How long an entry stands at most, microseconds; None: until it is removed.
    """

    name: str
    text: str
    set_by: tuple[str, ...]
    expires_after: int | None


@dataclass(frozen=True, slots=True)
class Scheme:
    """A registry's tiers, and where they come from.

    Attributes
    ----------
    name, title : str
    tiers : tuple of Tier
        The heaviest first.
    source, choice : str
        Where the tiers come from, and what of them is a choice of this project.
    """

    name: str
    title: str
    tiers: tuple[Tier, ...]
    source: str
    choice: str

    @property
    def lowest(self) -> Tier:
        """The one tier that may be proposed by a score."""
        return self.tiers[-1]

    def tier(self, name: str | None) -> Tier | None:
        """Return the tier of that name; None if there is none."""
        return next((tier for tier in self.tiers if tier.name == name), None)

    def tiers_of(self, role: Role) -> list[Tier]:
        """Return the tiers that a role may set."""
        return [tier for tier in self.tiers if role in tier.set_by]


def load_scheme(name: str | Path) -> Scheme:
    """Return a scheme that ships with the package, or that of a JSON file.

    Parameters
    ----------
    name : str or path
        One of `NAMES`, or a file that ends in .json.

    Raises
    ------
    OptionError
        If there is no such scheme or file, or the file is no scheme.
    """
    text = named_text(name, resources.files(__package__), what="scheme", names=NAMES, kinds=("scheme", "schemes"))
    try:
        return read_scheme(Path(name).stem, parse_json(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(f"scheme: {Path(name).name!r} is none: {error}. docs/registry.md shows the form.") from error


def read_scheme(name: str, entry: Mapping[str, Any]) -> Scheme:
    """Return a scheme from the content of its file; raise `OptionError` where it is none."""
    if unknown := set(entry) - _FIELDS:
        raise OptionError(f"a scheme has no field {sorted(unknown)}; it has {sorted(_FIELDS)}")
    tiers = tuple(map(_read_tier, entry["tiers"]))
    names = [tier.name for tier in tiers]
    if not tiers or len(set(names)) < len(names):
        raise OptionError(f"a scheme needs tiers of different names; got {names}")
    if "bank" not in tiers[-1].set_by:
        raise OptionError(f"banks must be able to set the lowest tier; {names[-1]!r} is set by {tiers[-1].set_by}")
    return Scheme(name, str(entry["title"]), tiers, str(entry["source"]), str(entry["choice"]))


def _read_tier(entry: Mapping[str, Any]) -> Tier:
    if unknown := set(entry) - _TIER_FIELDS:
        raise OptionError(f"a tier has no field {sorted(unknown)}; it has {sorted(_TIER_FIELDS)}")
    roles = tuple(entry["set_by"])
    if not roles or set(roles) - set(ROLES):
        raise OptionError(f"'set_by' of tier {entry['name']!r} must be some of {ROLES}; got {roles}")
    stands = entry.get("expires_after", "all")
    return Tier(str(entry["name"]), str(entry["text"]), roles, None if stands == "all" else parse_duration(stands))
