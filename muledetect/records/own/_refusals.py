"""Why no column of a file was taken for a role: which were looked at, and what spoke against each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from muledetect.records.own._columns import several
from muledetect.records.own._money import UNSURE
from muledetect.records.own._profile import Profile, shape_of
from muledetect.records.own._words import ACCOUNT_COLUMNS, is_barred

_MOST: Final = 12


def refusals(
    role: str,
    kind: str,
    profiles: Mapping[str, Profile],
    taken: Mapping[str, str | tuple[str, ...]],
    agrees: Callable[[Profile], bool],
) -> str:
    """Return each column that was looked at for a role with the reason against it.

    `kind` is the contract's type of the role, `taken` the columns that have roles already, `agrees` whether the cells
    of a column can be what the role asks for.
    """
    roles = {heading: name for name, given in taken.items() for heading in several(given) if heading != UNSURE}
    told = [
        f'"{heading}": {_against(role, kind, profile, roles.get(heading), agrees)}'
        for heading, profile in list(profiles.items())[:_MOST]
    ]
    more = f"; and {len(profiles) - _MOST} more columns" if len(profiles) > _MOST else ""
    return f"no column fits; looked at {'; '.join(told)}{more}"


def _against(role: str, kind: str, profile: Profile, taken_for: str | None, agrees: Callable[[Profile], bool]) -> str:
    if taken_for is not None:
        return f"is taken for {taken_for}"
    if not len(profile.distinct):
        return "is empty"
    if agrees(profile):
        if kind == "time":
            return "holds times of day, and no column holds their dates"
        return "its heading names something else" if is_barred(role, profile.heading) else "numbers the rows"
    return f"{_looks(role, kind, profile)} (such as {shape_of(str(profile.distinct[0]))!r})"


def _looks(role: str, kind: str, profile: Profile) -> str:
    """Return what the cells are instead."""
    if role in ACCOUNT_COLUMNS:
        is_money = profile.is_amount and profile.marks.has_decimals
        return "holds dates" if profile.is_moment else "holds amounts" if is_money else "holds no account numbers"
    if kind == "time":
        return "holds no dates in a form that is known"
    if kind in ("money", "number", "share", "int"):
        n_rows = f"{profile.marks.n_numbers:,} of {profile.n_filled:,}"
        return "holds dates" if profile.is_moment else f"holds amounts in {n_rows} rows only"
    return "holds other words"
