"""What two records are compared by, and how much each comparison counts.

For two records of one person `same` is how often a comparison comes out so; for two strangers `chance` is the least
share that has the value in common, to which the data set adds what is common in it; `home` is the share among people
who live together. The weights are `log(same / chance)` and `log(same / home)`, after Fellegi and Sunter [1]_; a common
value counts less [2]_. The figures are choices of this project; `docs/parties.md` says how to put others.

References
----------
.. [1] I. P. Fellegi and A. B. Sunter, A theory for record linkage, JASA 64 (1969).
.. [2] W. E. Winkler, Frequency-based matching in the Fellegi-Sunter model, US Census Bureau (1989).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Level:
    """One way in which a comparison comes out.

    Attributes
    ----------
    name : str
        Key of its words.
    kinds : tuple of str
        Kinds of `identifiers` of which a value is shared; none: no value is shared.
    same, chance, home : float
        How often it is so with one person, two strangers, and two who live together.
    """

    name: str
    kinds: tuple[str, ...]
    same: float
    chance: float
    home: float


@dataclass(frozen=True, slots=True)
class Family:
    """A family of evidence: the levels from the closest on, the last of which shares nothing.

    Attributes
    ----------
    name : str
    levels : tuple of Level
    is_contact : bool
        People who live together share it as one person does: between these two it says nothing.
    """

    name: str
    levels: tuple[Level, ...]
    is_contact: bool = False


def _contact(name: str, kinds: tuple[str, ...], same: float, chance: float) -> Family:
    # what somebody has now need not be what it had: that nothing is shared says little
    return Family(name, (Level(name, kinds, same, chance, same), Level(f"{name}_differs", (), 1 - same, 1.0, 1 - same)),
                  is_contact=True)  # fmt: skip


FAMILIES: Final = (
    Family("name", (
        Level("name", ("name",), 0.80, 1e-5, 0.004),
        Level("name_sound", ("name_sound",), 0.12, 1e-4, 0.004),
        Level("given_sound", ("given_sound",), 0.05, 1e-3, 0.004),
        Level("name_differs", (), 0.03, 1.0, 0.99),
    )),
    Family("birth", (
        Level("birth_date", ("birth_date",), 0.92, 5e-5, 0.012),
        Level("birth_year", (), 0.06, 0.02, 0.06),
        Level("birth_differs", (), 0.02, 1.0, 0.92),
    )),
    Family("number", (
        Level("id_number", ("id_number",), 0.70, 1e-8, 1e-4),
        Level("id_digits", ("id_digits",), 0.15, 1e-6, 1e-3),
        Level("number_differs", (), 0.15, 1.0, 1.0),
    )),
    _contact("phone", ("phone", "sim"), 0.5, 1e-5),
    _contact("email", ("email",), 0.5, 1e-6),
    _contact("address", ("address",), 0.5, 1e-5),
    _contact("device", ("device", "imei"), 0.3, 1e-5),
    _contact("wallet", ("wallet",), 0.3, 1e-6),
    _contact("network", ("ip", "wifi"), 0.2, 1e-3),
    _contact("director", ("director",), 0.8, 1e-5),
)  # fmt: skip

#: Kinds of which one shared value, and kinds of which two together, make a pair worth a look.
BLOCKS: Final = (
    ("id_number",), ("id_digits",), ("name",), ("name_sound",), ("phone",), ("email",), ("address",), ("device",),
    ("sim",), ("imei",), ("wallet",), ("birth_date", "given_sound"), ("birth_date", "address"),
    ("birth_date", "name_sound"), ("given_sound", "address"), ("name_sound", "address"),
)  # fmt: skip

#: A value, or two together, that more records share than this makes no pair by itself: a dormitory's address, a
#: shop's phone, a common name.
MOST_SHARERS: Final = 30
