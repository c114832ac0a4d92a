"""Country packs: thresholds, limits and clocks of a country as data files, never as code.

>>> load_pack("TH").thresholds
(5000000, 20000000)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from muledetect.errors import OptionError
from muledetect.schema import did_you_mean

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

NAMES: Final = ("TH", "SG", "GB", "EU", "IN", "KR", "none")


@dataclass(frozen=True, slots=True)
class Pack:
    """What a country's rules make launderers avoid, in minor units of its currency.

    Attributes
    ----------
    name, currency : str
    thresholds : tuple of int
        Amounts from which a single transfer draws attention.
    limits : tuple of int
        Amounts that an account may move, or hold, in a day.
    utc_offset : int
        Standard local time in minutes east of UTC.
    sources : tuple of str
        Where each figure comes from.
    """

    name: str
    currency: str
    thresholds: tuple[int, ...]
    limits: tuple[int, ...]
    utc_offset: int
    sources: tuple[str, ...]

    def values(self, field: str) -> tuple[str, ...]:
        """Return the values of one field as texts that can stand in a column name."""
        value = getattr(self, field)
        return tuple(str(entry) for entry in (value if isinstance(value, tuple) else (value,)))


def load_pack(name: str) -> Pack:
    """Return the country pack of that name.

    Raises
    ------
    OptionError
        If there is none; the names are in `NAMES`.
    """
    if name not in NAMES:
        raise OptionError(
            f"pack: there is no country pack {name!r}; choose of {list(NAMES)}.{did_you_mean(name, NAMES)}"
        )
    entry = json.loads(resources.files(__package__).joinpath(f"{name}.json").read_text("utf-8"))
    return Pack(
        name=name,
        currency=entry["currency"],
        thresholds=tuple(entry["thresholds"]),
        limits=tuple(entry["limits"]),
        utc_offset=entry["utc_offset"],
        sources=tuple(entry["sources"]),
    )


def named_text(
    name: str | Path,
    folder: Traversable,
    *,
    what: str,
    names: tuple[str, ...] = NAMES,
    kinds: tuple[str, str] = ("country pack", "packs"),
) -> str:
    """Return the text of a JSON file that ships under a name, or of one of the user's own.

    Parameters
    ----------
    name : str or path
        One of `names`, or a file that ends in .json.
    folder : Traversable
        Of the files that ship; a name without one has that of "none".
    what : str
        What an error is about.
    names : tuple of str
    kinds : tuple of str
        What such a name is called, and several of them.

    Raises
    ------
    OptionError
        If there is no such name or file.
    """
    if str(name) in names:
        shipped = folder.joinpath(f"{name}.json")
        return (shipped if shipped.is_file() else folder.joinpath("none.json")).read_text("utf-8")
    if Path(name).suffix == ".json" and Path(name).is_file():
        return Path(name).read_text("utf-8")
    raise OptionError(
        f"{what}: {str(name)!r} is no {kinds[0]} and no JSON file; {kinds[1]} are {', '.join(names)}."
        f"{did_you_mean(str(name), names)}"
    )
