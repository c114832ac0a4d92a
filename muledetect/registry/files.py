"""Files of registries, as police, regulators and banks exchange them: CSV and JSON, read as text and judged later.

Both hold the columns of table `registry` (`INPUTS["registry"]`); docs/registry.md shows the layout. Other columns are
not read, as lists often carry names of people. A file is refused as a whole if it is no such file: broken JSON, a key
twice, values in values, more than `MOST_BYTES`. A single row that breaks a rule is left out with its reason.

A text with an apostrophe in front of what a spreadsheet takes for a formula is read without it: `write_file` and other
careful programs put it there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from muledetect.arrays import Int64Array
from muledetect.clock import format_time
from muledetect.errors import DataError, OptionError
from muledetect.outputs import Output, new_file
from muledetect.records.intake import read_parquet
from muledetect.records.sources import open_tables
from muledetect.records.write import put_table, put_text
from muledetect.reports.exports import neutralise, put_csv
from muledetect.schema import INPUTS
from muledetect.strict_json import StrictJsonError, parse_json

FORMAT: Final = "muledetect-registry"
VERSION: Final = 1

#: Most bytes of one JSON file, which is read as a whole.
MOST_BYTES: Final = 256 << 20

COLUMNS: Final = INPUTS["registry"].names
_SUFFIXES: Final = (".csv", ".csv.gz", ".csv.zst", ".json", ".parquet")


class FileRows(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    table : pyarrow.Table
        Columns of the contract that it has, as text where the file is text.
    numbers : int64[n]
        Row of the file of each row, from 0.
    ragged : int64[m]
        Rows of the file with another number of fields than its headings.
    dropped : tuple of str
        Columns that are not read.
    """

    table: pa.Table
    numbers: Int64Array
    ragged: Int64Array
    dropped: tuple[str, ...]


def read_file(path: str | Path) -> FileRows:
    """Return the rows of a CSV, JSON or Parquet file.

    Raises
    ------
    DataError
        If it is none, or is broken.
    """
    place = Path(path)
    if not place.is_file():
        raise DataError(f"registry: there is no file {place.name!r}. Check the path.")
    name = place.name.lower()
    if name.endswith(".json"):
        return _from_json(place)
    if name.endswith(".parquet"):
        try:
            whole = read_parquet(place, place.name)
        except pa.ArrowException as error:
            raise DataError(f"registry: {place.name!r} cannot be read as Parquet. Export it again.") from error
        return _chosen(whole, np.arange(len(whole)), np.empty(0, np.int64))
    if name.endswith(_SUFFIXES):
        return _from_csv(place)
    raise DataError(f"registry: {place.name!r} ends in none of {', '.join(_SUFFIXES)}. Export it as CSV or JSON.")


def _from_csv(place: Path) -> FileRows:
    opened = open_tables({"registry": place})["registry"]
    if isinstance(opened, DataError):
        raise opened
    rows = pa.Table.from_batches(list(opened.batches()), opened.schema)
    ragged = np.array(opened.intake.ragged if opened.intake else [], np.int64)
    # ragged rows are no rows of the batches: the others keep their place in the file
    numbers = np.setdiff1d(np.arange(len(rows) + len(ragged)), ragged)
    found = _chosen(rows, numbers, ragged)
    plain = {
        name: pa.array(map(_plain, found.table[name].to_pylist()), pa.string()) for name in found.table.schema.names
    }
    return found._replace(table=pa.table(plain))


def _plain(text: str | None) -> str | None:
    """Return a text as it was before `neutralise`; a null for an empty cell."""
    if not text:
        return None
    return text[1:] if text[0] == "'" and neutralise(text[1:]) == text else text


def _from_json(place: Path) -> FileRows:
    if place.stat().st_size > MOST_BYTES:
        raise DataError(
            f"registry: {place.name!r} has more than {MOST_BYTES >> 20} MB. Split it, or export it as CSV, "
            "which is read piece by piece."
        )
    try:
        held = parse_json(place.read_bytes())
    except StrictJsonError as error:
        raise DataError(f"registry: {place.name!r} cannot be read: {error}. Export it again.") from error
    if not isinstance(held, dict) or held.get("format") != FORMAT or held.get("version") != VERSION:
        raise DataError(
            f'registry: {place.name!r} must be an object with "format": "{FORMAT}" and "version": {VERSION}. '
            "docs/registry.md shows the layout."
        )
    entries = held.get("entries")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f'registry: "entries" of {place.name!r} must be a list of objects.')
    columns = Counter(name for entry in entries for name in entry)
    if any(isinstance(value, list | dict) for entry in entries for value in entry.values()):
        raise DataError(f"registry: an entry of {place.name!r} holds a list or object. Values are texts and numbers.")
    shared = {"scheme": held["scheme"]} if isinstance(held.get("scheme"), str) else {}
    cells = {name: [_text(entry.get(name)) for entry in entries] for name in columns}
    for name, value in shared.items():
        cells[name] = [value if cell is None else cell for cell in cells.get(name, [None] * len(entries))]
    table = pa.table({name: pa.array(values, pa.string()) for name, values in cells.items()})
    return _chosen(table, np.arange(len(entries)), np.empty(0, np.int64))


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _chosen(rows: pa.Table, numbers: Int64Array, ragged: Int64Array) -> FileRows:
    if len(set(rows.column_names)) < len(rows.column_names):
        raise DataError("registry: two columns have one name. Name each column once.")
    missing = [name for name in ("subject_kind", "subject_id") if name not in rows.column_names]
    if missing and (len(rows) or rows.column_names):
        raise DataError(f"registry: the columns {missing} are missing. docs/registry.md shows the layout.")
    kept = [name for name in rows.column_names if name in COLUMNS]
    dropped = tuple(name for name in rows.column_names if name not in COLUMNS)
    return FileRows(rows.select(kept), numbers, ragged, dropped)


def write_file(table: pa.Table, path: str | Path, kind: Output, *, made_at: int, overwrite: bool = False) -> None:
    """Write rows as CSV, JSON or Parquet, as the name of the file ends.

    Parameters
    ----------
    table : pyarrow.Table
    path : path
    kind : Output
    made_at : int
        Moment that the rows are of, microseconds; equal rows give equal bytes.
    overwrite : bool
        Also replace what is not ours, or was changed.

    Raises
    ------
    OptionError
        If the name ends in something else; as OutputError if the place is none to write to.
    """
    place = Path(path)
    if place.suffix not in (".csv", ".json", ".parquet"):
        raise OptionError(f"output: {place.name!r} must end in .csv, .json or .parquet.")
    with new_file(place, kind, overwrite=overwrite) as unfinished:
        if place.suffix == ".csv":
            put_csv(table, unfinished)
        elif place.suffix == ".parquet":
            put_table(table, unfinished)
        else:
            head = {"format": FORMAT, "version": VERSION, "made_at": format_time(made_at)}
            entries = [_cells(row) for row in table.to_pylist()]
            put_text(json.dumps(head | {"entries": entries}, indent=1, ensure_ascii=False) + "\n", unfinished)


def _cells(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
    return {name: value for name, value in shown.items() if value is not None}
