"""Tables from one form into another: files of other systems, pseudonyms, CSV and XLSX."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from muledetect.errors import DataError, OptionError
from muledetect.outputs import check_output, kinds, new_folder
from muledetect.progress import Progress
from muledetect.records import write_table
from muledetect.records.intake import read_parquet
from muledetect.records.pseudonyms import Pseudonyms, read_key
from muledetect.records.write import put_tables

if TYPE_CHECKING:
    from muledetect.records.own import Columns, Imported


def import_layout(
    layout: str, files: Iterable[str | Path], output: str | Path, *, overwrite: bool = False, **options: Any
) -> dict[str, pa.Table]:
    """Turn files of another tool into a data set in a folder; return its tables, and `rejects`.

    Parameters
    ----------
    layout : str
        amlsim, amlworld or synthfin.
    files : iterable of paths
    output : path
        Folder of the tables. Rows that were left out are written beside it, each with its reason.
    overwrite : bool
        Also replace what is not ours, or was changed.
    **options
        As for `muledetect.records.layouts.import_layout`.

    Raises
    ------
    DataError
        If the files are not those of the layout or hold no transfer; nothing is written then.
    """
    from muledetect.records import layouts

    given, beside = list(files), kinds.rejects_beside(output)
    check_output(output, kinds.DATASET, inputs=given, overwrite=overwrite)
    check_output(beside, kinds.REJECTS, inputs=given, overwrite=overwrite)
    tables = layouts.import_layout(layout, given, **options)
    rejects = tables.pop("rejects")
    if not tables["transfers"].num_rows:
        counts = [f"{found['counts']:,} {found['values']}" for found in rejects["reason"].value_counts().to_pylist()]
        raise DataError(
            f"import {layout}: no transfer is left of these files, so nothing was written; rows left out: "
            f"{', '.join(counts) or 'none'}. Check that they are the right files, whole."
        )
    with new_folder(output, kinds.DATASET, overwrite=overwrite) as unfinished:
        put_tables(tables, unfinished)
    write_table(rejects, beside, output=kinds.REJECTS, overwrite=overwrite)
    return {**tables, "rejects": rejects}


def import_own(
    files: Any,
    columns: Columns | str | Path,
    output: str | Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Imported:
    """Turn a bank's own files into a table of the data set in a folder, as a mapping of their columns says.

    Parameters
    ----------
    files : path or paths
    columns : Columns or path
        As `muledetect.records.own.suggest_columns` gave it and a person corrected it, or its TOML file.
    output : path
        Folder of the data set; its other tables stay. Rows that were left out are written beside it, with reasons.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
        Called with the stage in words and the fraction done.

    Raises
    ------
    DataError, OptionError
        If the mapping leaves something open or does not fit the files; nothing is written then.
    """
    from muledetect.records import own

    table = (columns if isinstance(columns, own.Columns) else own.read_columns(columns)).table
    beside = kinds.rejects_beside(output, table)
    check_output(output, kinds.imported_table(table), inputs=(files, columns), overwrite=overwrite)
    check_output(beside, kinds.REJECTS, inputs=(files, columns), overwrite=overwrite)
    done = own.import_own(files, columns, output, overwrite=overwrite, progress=progress)
    write_table(done.rejects, beside, output=kinds.REJECTS, overwrite=overwrite)
    return done


def reveal(
    source: str | Path, key: Pseudonyms | str | Path, output: str | Path, *, overwrite: bool = False
) -> dict[str, pa.Table]:
    """Turn the pseudonyms of a Parquet file, or of all in a folder, back into ids; return the tables by name.

    `key` is the one that the tables were written with, or its file; `output` becomes what `source` is, file or
    folder. `overwrite` also replaces what is not ours, or was changed.

    Raises
    ------
    DataError
        If a pseudonym is not of this key or was changed, or no table can be read there.
    """
    kind = kinds.REVEALED_TABLES if Path(source).is_dir() else kinds.REVEALED
    check_output(output, kind, inputs=(source, key), overwrite=overwrite)
    names = key if isinstance(key, Pseudonyms) else read_key(key)
    revealed = {name: names.reveal(table, name) for name, table in _stored_tables(source).items()}
    if kind.is_folder:
        with new_folder(output, kind, overwrite=overwrite) as unfinished:
            put_tables(revealed, unfinished)
    else:
        write_table(next(iter(revealed.values())), output, output=kind, overwrite=overwrite)
    return revealed


def export(source: str | Path, output: str | Path, *, currency: str | None = None, overwrite: bool = False) -> int:
    """Write `source`, a Parquet file or a folder of them, for Excel and other programs; return the number of rows.

    An `output` that ends in ".xlsx" gets one sheet a table, ".csv" one table, and a folder one CSV file a table.
    Amounts are whole units (baht) if the `currency` is given, else minor units (satang); their headings say which.
    `overwrite` also replaces what is not ours, or was changed. See `muledetect.reports.exports`.

    Raises
    ------
    DataError, OptionError
        If no table can be read there, `output` ends in something else, or a table does not fit into it.
    """
    from muledetect.reports.exports import put_csv, write_csv, write_xlsx

    kind = kinds.export_of(output)
    check_output(output, kind, inputs=(source,), overwrite=overwrite)
    tables, place = _stored_tables(source), Path(output)
    if place.suffix == ".xlsx":
        write_xlsx(tables, place, currency=currency, overwrite=overwrite)
    elif place.suffix == ".csv" and len(tables) == 1:
        write_csv(next(iter(tables.values())), place, currency=currency, overwrite=overwrite)
    elif place.suffix == "":
        with new_folder(place, kind, overwrite=overwrite) as unfinished:
            for name, table in tables.items():
                put_csv(table, unfinished / f"{name}.csv", currency=currency)
    else:
        raise OptionError(
            f"output: {place.name!r} cannot hold {len(tables):,} tables. Give a name that ends in .xlsx, one in .csv "
            "for one table, or one without an ending for a folder of CSV files."
        )
    return sum(len(table) for table in tables.values())


def _stored_tables(path: str | Path) -> dict[str, pa.Table]:
    place = Path(path)
    files = sorted(place.glob("[!._]*.parquet")) if place.is_dir() else [place]
    if not files:
        raise DataError(f"{place.name}: the folder has no Parquet file. Give one that a command wrote.")
    try:
        return {file.stem: read_parquet(file, file.name) for file in files}
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{place.name}: cannot be read as Parquet. Give a file or folder that a command wrote."
        ) from error


__all__ = ["export", "import_layout", "import_own", "reveal"]
