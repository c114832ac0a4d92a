"""The registry of a data set as it is stored, what of it stands at a moment, and what changed between two."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from muledetect.clock import Moment, format_time, parse_time
from muledetect.errors import DataError
from muledetect.facts.columns import numbers
from muledetect.facts.registry import ENTRY, spans
from muledetect.outputs import check_output, kinds
from muledetect.records import read_dataset
from muledetect.records.intake import read_parquet
from muledetect.registry.files import read_file, write_file
from muledetect.schema import INPUTS

#: What may change of an entry that stands.
_CHANGING: Final = ("status", "tier", "reliability", "valid_to", "centre_id", "reason")

_TIME: Final = pa.timestamp("us", tz="UTC")
#: Table of deltas: one row an entry that is not as it was.
DELTAS: Final = pa.schema(
    [("change", pa.string())]
    + [(name, pa.string()) for name in ENTRY]
    + [("tier_before", pa.string()), ("tier", pa.string())]
    + [("reliability_before", pa.float64()), ("reliability", pa.float64())]
    + [("known_ts", _TIME), ("valid_from", _TIME), ("valid_to", _TIME), ("what", pa.string()), ("reason", pa.string())]
)

State = dict[tuple[str | None, ...], dict[str, Any]]


def read_stored(path: str | Path) -> pa.Table:
    """Return a registry that an import wrote, with every column of the contract; empty if there is no such file."""
    place = Path(path)
    if not place.is_file():
        return INPUTS["registry"].empty()
    whole = read_parquet(place, place.name)
    missing = [name for name in INPUTS["registry"].required if name not in whole.column_names]
    if missing:
        raise DataError(f"registry: {place.name!r} lacks the columns {missing}. Give the file that an import wrote.")
    return INPUTS["registry"].filled(
        **{name: whole[name] for name in INPUTS["registry"].names if name in whole.column_names}
    )


def open_registry(source: str | Path | pa.Table, *, source_tz: str | None = None) -> pa.Table:
    """Return a registry: a table, the folder of a data set, or a file in the layout of table `registry`.

    Parameters
    ----------
    source : path or pyarrow.Table
        A file must state every column that the contract requires, as one that `registry-import` wrote does.
    source_tz : str, optional
        Zone of times that carry none.

    Raises
    ------
    DataError
        If there is no registry, or a row of it breaks a rule: a delta of a part would mislead.
    """
    if isinstance(source, pa.Table):
        rows: pa.Table = source
    else:
        place = Path(source)
        rows = read_file(place / "registry.parquet" if place.is_dir() else place).table
    tables = {"transfers": INPUTS["transfers"].empty(), "registry": rows}
    read = read_dataset(tables, source_tz=source_tz)
    bad = [row for row in read.rejects.to_pylist() if row["table"] == "registry" and row["severity"] == "reject"]
    if bad:
        raise DataError(
            f"registry: {len(bad):,} of {len(rows):,} rows break a rule (first: row {bad[0]['row']}, "
            f"{bad[0]['column']}: {bad[0]['reason']}). Import the file with "
            "`muledetect registry-import`, which leaves such rows out."
        )
    found = read.tables["registry"]
    return INPUTS["registry"].filled(**{name: found[name] for name in found.column_names})


def states_at(table: pa.Table, as_of: int, *, last: bool = False) -> State:
    """Return the entries that stand at a moment by `ENTRY`, each its statement that counts.

    With `last`, every entry with its last statement known before the moment, also one that was removed or has expired.
    """
    begins, until, _, entry, order = spans(table)
    if last:
        rows = order[numbers(table, "known_ts")[order] < as_of]
        rows = rows[np.append(np.diff(entry[rows]) != 0, True)[: len(rows)]]
    else:
        rows = np.flatnonzero((begins < as_of) & (as_of <= until))
    return {tuple(row[name] for name in ENTRY): row for row in table.take(pa.array(rows)).to_pylist()}


def diff_registries(
    before: str | Path | pa.Table,
    after: str | Path | pa.Table | None = None,
    *,
    before_as_of: Moment,
    after_as_of: Moment,
    source_tz: str | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
) -> pa.Table:
    """Return what changed of a registry between two moments, as the bank knew it at each.

    Parameters
    ----------
    before : path or table
        See `open_registry`.
    after : path or table, optional
        Another registry; the same one by default.
    before_as_of, after_as_of : Moment
        Exclusive.
    source_tz : str, optional
        Zone of times that carry none.
    output : path, optional
        File that ends in .csv, .json or .parquet.
    overwrite : bool
        Also replace what is not ours, or was changed.

    Returns
    -------
    pyarrow.Table
        `DELTAS`, one row an entry: "added"; "appealed", if it came under appeal; "changed", with the names of the
        columns in `what`; "removed" or "expired", if it no longer stands. Ordered by change and entry.
    """
    if output is not None:
        check_output(output, kinds.DELTAS, inputs=(before, after), overwrite=overwrite)
    old = open_registry(before, source_tz=source_tz)
    new = old if after is None else open_registry(after, source_tz=source_tz)
    first, second = parse_time(before_as_of), parse_time(after_as_of)
    stood, stands = states_at(old, first), states_at(new, second)
    ended = states_at(new, second, last=True)
    rows = [_delta("added", None, stands[key]) for key in stands.keys() - stood.keys()]
    for key in stood.keys() & stands.keys():
        what = [name for name in _CHANGING if stood[key][name] != stands[key][name]]
        is_appealed = stands[key]["status"] == "appealed" and "status" in what
        if what:
            rows.append(_delta("appealed" if is_appealed else "changed", stood[key], stands[key], ", ".join(what)))
    for key in stood.keys() - stands.keys():
        end = ended.get(key)
        has_expired = end is not None and end["status"] != "removed"
        rows.append(_delta("expired" if has_expired else "removed", stood[key], end or stood[key]))
    rows.sort(key=lambda row: (row["change"], *(row[name] or "" for name in ENTRY)))
    found = pa.Table.from_pylist(rows, DELTAS)
    if output is not None:
        write_file(found, output, kinds.DELTAS, made_at=second, overwrite=overwrite)
    return found


def _delta(
    change: str, before: dict[str, Any] | None, after: dict[str, Any], what: str | None = None
) -> dict[str, Any]:
    stated = {name: after[name] for name in DELTAS.names if name in after}
    was = {f"{name}_before": before[name] if before else None for name in ("tier", "reliability")}
    return stated | was | {"change": change, "what": what}


def history_of(table: pa.Table, as_of: int) -> dict[tuple[str, str], str]:
    """Return what a registry had said of each subject before a moment, in words: nothing is forgotten."""
    known = numbers(table, "known_ts")
    rows = table.take(pa.array(np.flatnonzero(known < as_of))).to_pylist()
    found: dict[tuple[str, str], list[str]] = {}
    for row in sorted(rows, key=lambda row: (row["known_ts"], row["status"], str(row["tier"]), str(row["listed_by"]))):
        day = format_time(parse_time(row["known_ts"]))[:10]
        tier, by = f" in {row['tier']}" if row["tier"] else "", f" by {row['listed_by']}" if row["listed_by"] else ""
        found.setdefault((row["subject_kind"], row["subject_id"]), []).append(f"{row['status']}{tier}{by} on {day}")
    return {key: "; ".join(texts) for key, texts in found.items()}
