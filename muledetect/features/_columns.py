"""What a column of a feature or of a signal means."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

Unit = Literal["count", "amount", "ratio", "seconds", "flag"]

#: Columns that are computed only when they are named.
ON_REQUEST: Final = ("on request",)

NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class Column(NamedTuple):
    """The `unit` of a column and its meaning, `text`; `{window}` and other parameters in it are filled in.

    `tells_when` marks a column that measures how long ago something was. `only` are the windows (or other parameter
    values) over which the column is computed by default, if not over all that the feature declares. `not_live` says why
    the column cannot be computed as each transfer arrives; empty: it can, see `muledetect.live`.
    """

    unit: Unit
    text: str
    tells_when: bool = False
    only: tuple[str, ...] = ()
    not_live: str = ""
