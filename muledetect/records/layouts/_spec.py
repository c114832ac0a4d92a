"""The registry of layouts: one decorator, one shape, and files recognised by their columns.

A layout is a pure function `(files, options) -> tables`. It is told which file is of which kind; tables come back in
contract types, and `rejects` names each row that is in no table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from muledetect import schema
from muledetect.errors import DataError, OptionError
from muledetect.records.currency import exponent_of
from muledetect.records.files import SUFFIXES, FileForm, Source, as_sources, headings_of, name_of
from muledetect.schema import did_you_mean


def columns_of(source: Source) -> tuple[str, ...]:
    """Return the headings of a file of rows; none of plain text, which a layout reads itself."""
    if isinstance(source, Path) and source.suffix.lower() == ".txt":
        return ()
    return headings_of(source, FileForm())


@dataclass(frozen=True, slots=True)
class FileKind:
    """One kind of file of a layout: our column names, each with the names that releases of the tool gave it.

    A file is of this kind if it has every column of `required` and none of `unlike`. A kind without columns is plain
    text, recognised by the end of its name, `suffix`.
    """

    name: str
    columns: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    suffix: str = ""
    is_needed: bool = False

    def match(self, found: tuple[str, ...]) -> dict[str, str]:
        """Return the names in the file of those of our columns that it has."""
        lower = {name.lower(): name for name in found}
        matched = {}
        for ours, theirs in self.columns.items():
            name = next((lower[alias.lower()] for alias in theirs if alias.lower() in lower), None)
            if name is not None:
                matched[ours] = name
        return matched

    def fits(self, source: Source, found: tuple[str, ...]) -> bool:
        """Whether a source with these columns is of this kind."""
        if not self.columns:
            return isinstance(source, Path) and source.name.endswith(self.suffix)
        lower = {name.lower() for name in found}
        return bool(found) and set(self.required) <= set(self.match(found)) and not lower & set(self.unlike)


_DECLARED: Final = schema.read_declared("muledetect.records.layouts", "layouts.toml")


def declared(layout: str) -> tuple[tuple[FileKind, ...], Mapping[str, Mapping[str, str]]]:
    """Return the kinds of file of a layout of ours, and what their values are here, by column."""
    kinds = _DECLARED[layout]["files"].items()
    return tuple(FileKind(name, **given) for name, given in kinds), _DECLARED[layout]["values"]


#: The files of each kind, in the order of their names.
Files = Mapping[str, tuple[Source, ...]]


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller chose.

    A currency to keep, or None for the layout's own way; the first day of day numbers, ISO text; a currency to turn
    all amounts into.
    """

    currency: str | None = None
    first_day: str = "2017-01-01"
    convert_to: str | None = None


LayoutFunction = Callable[[Files, Options], dict[str, pa.Table]]


@dataclass(frozen=True, slots=True)
class Layout:
    """A registered layout: its function, the files that it reads, and where they come from."""

    name: str
    function: LayoutFunction
    files: tuple[FileKind, ...]
    source: str
    has_currencies: bool = False

    @property
    def meaning(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]


#: Every layout by its name, as `muledetect import` takes it.
LAYOUTS: Final[dict[str, Layout]] = {}


def layout(
    name: str, *, files: tuple[FileKind, ...], source: str, has_currencies: bool = False
) -> Callable[[LayoutFunction], LayoutFunction]:
    """Register a function as the layout `name`; `has_currencies` if its files can hold several.

    Raises
    ------
    OptionError
        If the name is taken.
    """

    def register(function: LayoutFunction) -> LayoutFunction:
        if name in LAYOUTS:
            raise OptionError(f"layout: the name {name!r} is taken. Choose another.")
        LAYOUTS[name] = Layout(name, function, files, source, has_currencies)
        return function

    return register


def import_layout(
    name: str,
    files: str | Path | Iterable[str | Path] | Mapping[str, Any],
    *,
    currency: str | None = None,
    first_day: str = "2017-01-01",
    convert_to: str | None = None,
) -> dict[str, pa.Table]:
    """Turn the files of another tool into tables of the contract.

    Parameters
    ----------
    name : str
        A layout of `LAYOUTS`.
    files : path, iterable of paths, or mapping
        Files, or folders whose fitting files are taken. A mapping gives tables in memory (pyarrow, pandas, polars) by
        kind of file.
    currency : str, optional
        ISO 4217 code. Files without currencies are taken to be in it; of files with several, only transfers in it are
        kept and the rest is rejected. Without it, every transfer keeps its own, or has none.
    first_day : str
        Date of day 0 where a file counts days.
    convert_to : str, optional
        ISO 4217 code. Turn all amounts into it, at the rates that transfers between two currencies show; only for
        layouts of several currencies.

    Returns
    -------
    dict of str to pyarrow.Table
        Tables in contract types, at least `transfers`; and `rejects` (schema.REJECTS). For each table that a file
        fills row by row, rows read = rows returned + rows rejected. Row numbers count over the files of one kind.

    Raises
    ------
    DataError
        If a file is of no kind that the layout knows, one that it needs is missing, or one is damaged.
    OptionError
        If the layout or the currency is unknown.
    """
    if name not in LAYOUTS:
        known = list(LAYOUTS)
        raise OptionError(f"import: there is no layout {name!r}; known: {', '.join(known)}.{did_you_mean(name, known)}")
    if currency is not None:
        exponent_of(currency)
    if convert_to is not None:
        exponent_of(convert_to)
    if convert_to is not None and currency is not None:
        raise OptionError("import: 'currency' keeps one currency and 'convert_to' all of them; give one of the two.")
    chosen = LAYOUTS[name]
    if convert_to is not None and not chosen.has_currencies:
        raise OptionError(f"import: {name!r} has one currency, nothing to convert; leave 'convert_to' out.")
    return check_tables(chosen.function(sort_files(chosen, files), Options(currency, first_day, convert_to)))


def check_tables(tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Return what a layout gave, or raise a DataError if a column is not of its contract type."""
    declared = {**schema.INPUTS, "rejects": schema.REJECTS}
    for name, table in tables.items():
        if name not in declared:
            raise DataError(
                f"import: the layout returned {name!r}, which is no table.{did_you_mean(name, [*declared])}"
            )
        for column in declared[name].columns:
            if column.name not in table.column_names:
                if column.required:
                    raise DataError(f"{name}: the layout returned no column {column.name!r}.")
            elif table.schema.field(column.name).type != column.arrow_type:
                got = table.schema.field(column.name).type
                raise DataError(f"{name}: the layout returned {column.name!r} as {got}; expected {column.arrow_type}.")
    for name in ("transfers", "rejects"):
        if name not in tables:
            raise DataError(f"import: the layout returned no {name!r}.")
    return tables


def sort_files(
    layout: Layout, files: str | Path | Iterable[str | Path] | Mapping[str, Any]
) -> dict[str, tuple[Source, ...]]:
    """Return the sources of each kind; names decide only their order. See `import_layout` for what it raises."""
    if isinstance(files, Mapping):
        return _sort_tables(layout, files)
    given = [Path(files)] if isinstance(files, str | Path) else [Path(file) for file in files]
    sorted_: dict[str, list[Source]] = {}
    passed_over: list[Path] = []
    for path, is_from_folder in _expand(given):
        columns = columns_of(path)
        kind = next((kind for kind in layout.files if kind.fits(path, columns)), None)
        if kind is not None:
            sorted_.setdefault(kind.name, []).append(path)
        elif is_from_folder:
            passed_over.append(path)
        else:
            raise _unknown(layout, path, columns)
    _need(layout, sorted_, passed_over)
    return {kind: tuple(sources) for kind, sources in sorted_.items()}


def _sort_tables(layout: Layout, tables: Mapping[str, Any]) -> dict[str, tuple[Source, ...]]:
    kinds = {kind.name: kind for kind in layout.files}
    sorted_: dict[str, tuple[Source, ...]] = {}
    for name, given in tables.items():
        if name not in kinds:
            raise DataError(f"{layout.name}: there is no kind of file {name!r}.{did_you_mean(name, list(kinds))}")
        source = as_sources(given)[0]
        columns = columns_of(source)
        if not kinds[name].fits(source, columns):
            raise _lacking(layout, kinds[name], source, columns)
        sorted_[name] = (source,)
    _need(layout, sorted_, [])
    return sorted_


def _expand(given: Iterable[Path]) -> list[tuple[Path, bool]]:
    found: dict[Path, bool] = {}
    for path in given:
        if path.is_dir():
            inside = (entry for entry in path.iterdir() if entry.is_file() and entry.name.lower().endswith(SUFFIXES))
            for entry in inside:
                found.setdefault(entry, True)
        else:
            found |= dict.fromkeys(as_sources(path), False)
    return sorted(found.items())


def _need(layout: Layout, found: Mapping[str, object], passed_over: list[Path]) -> None:
    for kind in layout.files:
        if kind.is_needed and kind.name not in found:
            close = [(path, columns_of(path)) for path in passed_over]
            close.sort(key=lambda item: -len(kind.match(item[1])))
            if close and kind.match(close[0][1]):
                raise _lacking(layout, kind, *close[0])
            raise DataError(f"{layout.name}: no file of {kind.name} was given; it has the columns {_listed(kind)}.")


def _unknown(layout: Layout, path: Path, columns: tuple[str, ...]) -> DataError:
    tabular = [kind for kind in layout.files if kind.columns]
    if not columns:
        ends = " or ".join(kind.suffix for kind in layout.files if kind.suffix) or "none"
        return DataError(f"{path.name}: is no file of {layout.name}; text files that it knows end in: {ends}.")
    return _lacking(layout, max(tabular, key=lambda kind: len(kind.match(columns))), path, columns)


def _lacking(layout: Layout, kind: FileKind, source: Source, columns: tuple[str, ...]) -> DataError:
    lacking = [column for column in kind.required if column not in kind.match(columns)]
    names = [kind.columns[column][0] for column in lacking]
    hint = next((hint for name in names if (hint := did_you_mean(name, list(columns)))), "")
    return DataError(
        f"{name_of(source)}: is no file of {layout.name}; as {kind.name} it lacks {', '.join(map(repr, names))}; found "
        f"{', '.join(columns)}; expected {_listed(kind)}.{hint}"
    )


def _listed(kind: FileKind) -> str:
    return ", ".join(kind.columns[column][0] for column in kind.required) or f"(text) *{kind.suffix}"
