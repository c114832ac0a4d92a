"""What the cells of a column look like: times, amounts, account numbers, a few codes, or text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from unicodedata import category

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.records.files import FileForm, Source, read_batches
from muledetect.records.own._formats import find_clock, find_counts, find_formats
from muledetect.records.own._money import Marks, find_marks
from muledetect.records.own._times import ISO, number_texts
from muledetect.records.own._words import likeness

#: Rows that are looked at; what they do not show is found when all are imported.
SAMPLE_ROWS: Final = 100_000
_DISTINCT: Final = 20_000
#: A column may hold some other cells: sums, remarks.
_MOST: Final = 0.9
_FEW: Final = 60
_ID: Final = r"^[\pL\pN=\"'][\pL\pN@.:/+_*\-]*( [\pL\pN][\pL\pN@.:/+_*\-]*)*\"?$"
_ISO_DATE: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_HEX: Final = r"^[0-9a-fA-F]{16,}$"


@dataclass(frozen=True, slots=True)
class Profile:
    """One column of a sample: distinct texts, commonest first, how many rows have each, and what they can be read as.

    `formats` are of dates; `counted` of times that are numbers, which only a heading can tell from other numbers.
    """

    heading: str
    n_rows: int
    n_filled: int
    distinct: pa.StringArray
    weights: pa.Int64Array
    formats: tuple[str, ...]
    counted: tuple[str, ...]
    has_clock: bool
    clock: str | None
    marks: Marks
    is_amount: bool
    is_id: bool
    is_hex: bool

    @property
    def n_distinct(self) -> float:
        """Number of different cells; where only some of them are held, all are taken to differ."""
        return len(self.distinct) if len(self.distinct) < _DISTINCT else self.n_filled

    @property
    def is_moment(self) -> bool:
        """Whether cells are dates, with or without a time of day."""
        return bool(self.formats)

    @property
    def is_code(self) -> bool:
        """Whether cells repeat a few values."""
        return 0 < len(self.distinct) <= _FEW and (len(self.distinct) <= 12 or len(self.distinct) * 5 < self.n_filled)

    @property
    def example(self) -> str:
        """Return the shape of the commonest cell, or the value itself where it is a time or an amount."""
        if not len(self.distinct):
            return "(empty)"
        first = str(self.distinct[0])
        if self.is_amount and self.marks.has_decimals:
            return str(max(self.distinct.slice(0, 50).to_pylist(), key=len))
        return first if self.is_moment or self.clock else shape_of(first)


def shape_of(text: str) -> str:
    """Return the shape of a text without its content, for messages that must not tell account numbers.

    >>> shape_of("DE12-345 Müller")
    'AA99-999 Aaaaaa'
    """
    plain = "".join(sign for sign in text if category(sign)[0] != "M")  # accents, vowels above and below
    digits = re.sub(r"\d", "9", plain)
    upper = re.sub(r"[^\W\d_]", lambda letter: "A" if letter[0].isupper() else "a", digits)
    return upper if len(upper) <= 40 else f"{upper[:37]}..."


def profiles_of(source: Source, form: FileForm, headings: tuple[str, ...]) -> tuple[dict[str, Profile], pa.Table]:
    """Return the profile of every column, by heading, and the sample that they were made from."""
    batch = next((part for part in read_batches(source, form, headings) if len(part.numbers)), None)
    held = {} if batch is None else {name: column.slice(0, SAMPLE_ROWS) for name, column in batch.columns.items()}
    sample = pa.table(held or {name: pa.array([], pa.string()) for name in headings})
    return {name: _profile(name, sample.column(name).combine_chunks()) for name in headings}, sample


def _profile(heading: str, cells: pa.Array) -> Profile:
    kind = cells.type
    is_typed_time = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    is_typed_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    texts = pc.utf8_trim_whitespace(number_texts(cells) if is_typed_number else cells.cast(pa.string()))
    distinct, weights = _commonest(texts.filter(pc.not_equal(texts, "")))
    formats = (ISO,) if is_typed_time else () if is_typed_number else _formats(distinct, weights)
    names_time = likeness("time", heading) > 0
    if not names_time:  # six bare digits are as well an account
        formats = tuple(form for form in formats if not form.startswith("%y%m%d"))
    clock = None if formats else find_clock(distinct.slice(0, 500), weights.slice(0, 500), names_time)
    marks = _typed_marks(cells) if is_typed_number else find_marks(distinct, weights.to_pylist())
    n_shown = int(pc.sum(weights).as_py() or 0)
    is_amount = is_typed_number or marks.n_numbers >= _MOST * n_shown
    is_id = _share(distinct, weights, _ID) >= _MOST and _share(distinct, weights, r"\pN") >= 0.8
    return Profile(
        heading, len(cells), len(cells) - cells.null_count, distinct, weights, formats,
        find_counts(distinct, weights) if names_time and not formats else (),
        pa.types.is_timestamp(kind) or any("%H" in form or "%I" in form or form == ISO for form in formats),
        clock if names_time or not is_typed_number else None, marks, is_amount and len(distinct) > 0, is_id,
        _share(distinct, weights, _HEX) == 1.0,
    )  # fmt: skip


def _commonest(texts: pa.StringArray) -> tuple[pa.StringArray, pa.Int64Array]:
    """Return the distinct texts, the commonest first, and the rows that have each."""
    counted = pc.value_counts(texts)
    order = pc.array_sort_indices(counted.field("counts"), order="descending").slice(0, _DISTINCT)
    return counted.field("values").take(order), counted.field("counts").take(order)


def _share(distinct: pa.StringArray, weights: pa.Int64Array, pattern: str) -> float:
    """Return the share of rows whose text has the pattern."""
    n_rows = pc.sum(weights).as_py()
    if not n_rows:
        return 0.0
    return float(pc.sum(weights.filter(pc.match_substring_regex(distinct, pattern))).as_py() or 0) / float(n_rows)


def _formats(distinct: pa.StringArray, weights: pa.Int64Array) -> tuple[str, ...]:
    n_rows = pc.sum(weights).as_py() or 0
    good = tuple(form for form, n_read in find_formats(distinct, weights) if n_read >= _MOST * n_rows)
    is_iso = not good and _share(distinct, weights, rf"{_ISO_DATE}([T ][0-9].*)?$") >= _MOST
    return (ISO,) if is_iso else good


def _typed_marks(cells: pa.Array) -> Marks:
    numbers = cells.cast(pa.float64(), safe=False).drop_null()
    has_decimals = bool(pc.any(pc.not_equal(numbers, pc.floor(numbers))).as_py())
    n_negative = int(pc.sum(pc.less(numbers, 0)).as_py() or 0)
    return Marks(".", "", len(numbers), n_negative, has_decimals, len(numbers) * has_decimals)
