"""Rows of a file that are no records of it: headings again, totals and balances carried forward."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.records.own._words import TOTALS

BoolArray = npt.NDArray[np.bool_]

_TOTAL: Final = rf"(?i)^({'|'.join(TOTALS)})\s*[:.]?$"


def find_headings(columns: Mapping[str, pa.Array]) -> BoolArray | None:
    """Return the rows that say the headings again, as where two exports were put together; None where none does."""
    found: BoolArray | None = None
    for heading, cells in columns.items():
        if cells.type != pa.string():
            return None
        # The headings of columns that repeat one are numbered.
        names = pa.array([heading, re.sub(r"\.[0-9]+$", "", heading)])
        same = pc.is_in(pc.utf8_trim_whitespace(cells), value_set=names).to_numpy(zero_copy_only=False)
        found = same if found is None else found & (same | cells.is_null().to_numpy(zero_copy_only=False))
        if not found.any():
            return None
    return found


def find_totals(columns: Mapping[str, pa.Array], rows: BoolArray) -> BoolArray:
    """Return which of some rows have a cell that says "total" or the like."""
    found = np.zeros(len(rows), np.bool_)
    places = np.flatnonzero(rows)
    if len(places):
        for cells in columns.values():
            if cells.type == pa.string():
                texts = pc.utf8_trim_whitespace(cells.take(pa.array(places)))
                found[places] |= pc.match_substring_regex(texts, _TOTAL).fill_null(False).to_numpy(zero_copy_only=False)
    return found
