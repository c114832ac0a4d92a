"""Frames in, frames out: tables of any library as Arrow, and results as pandas or polars frames with good types.

Results of the library are Arrow tables, whatever library the input came from. `to_pandas` and `to_polars` turn them
into frames: ids are text, closed categories have all categories of the contract, times are in UTC to the microsecond,
money and counts are whole numbers.

>>> import pyarrow as pa
>>> found = pa.table({"ring_id": ["R1"], "account_id": ["007"], "role": ["relay"],
...                   "layer": pa.array([None], pa.int64()), "membership": [0.5], "is_seed": [True]})
>>> {name: str(dtype) for name, dtype in to_pandas(found).dtypes.items() if name != "ring_id"}
{'account_id': 'str', 'role': 'category', 'layer': 'Int64', 'membership': 'float64', 'is_seed': 'bool'}
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.errors import DataError, OptionError
from muledetect.schema import INPUTS, OUTPUTS, Table, did_you_mean
from muledetect.visible import has_half

P = ParamSpec("P")
T = TypeVar("T")

#: Types of pandas for text, and for whole numbers and flags of which some are not known.
_WITH_NULLS: Final[Mapping[pa.DataType, Any]] = {
    pa.bool_(): pd.BooleanDtype(),
    pa.int8(): pd.Int8Dtype(), pa.int16(): pd.Int16Dtype(), pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(), pa.uint16(): pd.UInt16Dtype(), pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(), pa.string(): pd.StringDtype(na_value=np.nan),
}  # fmt: skip

_WITHOUT_NULLS: Final[Mapping[pa.DataType, Any]] = {pa.string(): pd.StringDtype(na_value=np.nan)}

#: Names under which results carry tables of the contract.
_ALIASES: Final[Mapping[str, str]] = {"steps": "trace_steps"}


def as_arrow(given: Any, what: str = "table") -> pa.Table:
    """Return a table of any library as Arrow: pyarrow as it is, pandas, polars, DuckDB; `what` it is, for the error.

    Of the others, text comes as `string`, whatever it was coded as, and lists likewise; an index is left out. What is
    no table, has a column of several types, or a text with half of a character, is a DataError.
    """
    if isinstance(given, pa.Table):
        return given
    if isinstance(given, pa.RecordBatch):
        return pa.Table.from_batches([given])
    if isinstance(given, pd.DataFrame):
        return _plain_table(arrow_of_pandas(given, what))
    if not hasattr(given, "__arrow_c_stream__"):
        raise DataError(
            f"{what}: a {type(given).__name__} is no table. Give a pyarrow, pandas, polars (collected) or DuckDB table."
        )
    try:
        table = pa.table(given)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"{what}: {_MIXED}") from error
    return _plain_table(table)


def arrow_of_pandas(frame: pd.DataFrame, what: str) -> pa.Table:
    """Return a pandas frame as Arrow without its index; see `as_arrow` for `what` and the errors."""
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except UnicodeEncodeError as error:
        raise DataError(f"{what}: {_half_of(frame)}. {_WRONG_ENCODING}") from error
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"{what}: {_MIXED}") from error


_MIXED: Final = "a column holds values of several types. Make every column of one type."
_WRONG_ENCODING: Final = (
    "Such texts come from bytes that were read in another encoding than they have: read the source again with the "
    "right one."
)


def _half_of(frame: pd.DataFrame) -> str:
    """Return where the first half of a character stands, in words."""
    for place, name in enumerate(frame.columns):
        if has_half(name):
            return f"the name of column {place + 1} holds half of a character (a lone surrogate)"
        for row, value in enumerate(frame.iloc[:, place].tolist()):
            if has_half(value):
                return f"column {name!r} holds half of a character (a lone surrogate; first: row {row:,})"
    return "a text holds half of a character (a lone surrogate)"


def arrow_or_pandas(given: Any, what: str = "table") -> Any:
    """Return pandas frames and Arrow tables as they are, tables of other libraries as Arrow; see `as_arrow`."""
    return given if isinstance(given, pd.DataFrame) else as_arrow(given, what)


def takes_tables(*names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let the named arguments of a function be tables of any library; the function itself gets Arrow, or None."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        signature = inspect.signature(function)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            given = signature.bind(*args, **kwargs)
            for name in names:
                if given.arguments.get(name) is not None:
                    table, declared = as_arrow(given.arguments[name], name), _contract(name)
                    given.arguments[name] = declared.with_present_names(table) if declared else table
            return function(*given.args, **given.kwargs)

        return call

    return decorate


def is_frame(given: object) -> bool:
    """Return whether something is a table with named columns, of any library."""
    if isinstance(given, pd.DataFrame):
        return all(isinstance(name, str) for name in given.columns)
    return isinstance(given, pa.Table) or (hasattr(given, "__arrow_c_stream__") and hasattr(given, "columns"))


def to_pandas(result: Any, *, table: str | None = None) -> Any:
    """Return a result as a pandas frame, or one with several tables as a dict of frames by name.

    Parameters
    ----------
    result : pyarrow.Table, polars frame, mapping of tables, or an object with `tables`
        Such as scores, `Dataset`, `RingTables`, `Ring`, `Ties`, `Traces`, `Explanation`, `Evaluation`. A pandas frame
        stays as it is.
    table : str, optional
        Table of the contract that a single table is. By default the one that its columns fit best.

    Returns
    -------
    pandas.DataFrame or dict of str to pandas.DataFrame
        Ids and open categories as `str`, closed categories as `category` with all values of the contract (text where
        another value occurs), times as `datetime64[us, UTC]`, whole numbers as `int64` (`Int64` where some are null),
        flags as `bool` (`boolean` where some are null), lists as Python lists.

    Raises
    ------
    DataError, OptionError
        If it is no table, or there is no table of that name.
    """
    return _converted(result, table, _to_pandas)


def to_polars(result: Any, *, table: str | None = None) -> Any:
    """Return a result as a polars frame, or one with several tables as a dict of frames by name.

    Parameters
    ----------
    result, table
        As `to_pandas`; a polars frame stays as it is, and an index of pandas becomes a column.

    Returns
    -------
    polars.DataFrame or dict of str to polars.DataFrame
        Ids and open categories as `String`, closed categories as `Enum` with all values of the contract (`String` where
        another value occurs), times as `Datetime("us", "UTC")`, and the other types as they are in Arrow.

    Raises
    ------
    DataError, OptionError
        If it is no table, there is no table of that name, or polars is not installed.
    """
    try:
        import polars as pl  # noqa: PLC0415 (no dependency of the library)
    except ImportError as error:
        raise OptionError("frames: polars is not installed. Run `pip install polars`.") from error
    return _converted(result, table, partial(_to_polars, pl))


def frame_of(table: pa.Table) -> pd.DataFrame:
    """Return a table as a frame of Python objects, times as int64 microseconds; null is None."""
    columns: dict[str, Any] = {}
    for name in table.column_names:
        column = table[name]
        is_time = pa.types.is_timestamp(column.type)
        values = column.cast(pa.int64()) if is_time else column
        if values.null_count or not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
            columns[name] = pd.Series(values.to_pylist(), dtype=object)
        else:
            columns[name] = values.to_numpy().astype(np.float64 if pa.types.is_floating(values.type) else np.int64)
    return pd.DataFrame(columns)


def _converted(result: Any, table: str | None, convert: Callable[[Any, Table | None], Any]) -> Any:
    tables = result if isinstance(result, Mapping) else getattr(result, "tables", None)
    tables = tables() if callable(tables) else tables
    if isinstance(tables, Mapping):
        return {name: convert(part, _contract(_ALIASES.get(str(name), str(name)))) for name, part in tables.items()}
    if table is not None and _contract(table) is None:
        known = [*INPUTS, *OUTPUTS]
        raise OptionError(f"frames: there is no table {table!r}.{did_you_mean(table, known)}")
    return convert(result, _contract(table) if table else None)


def _contract(name: str) -> Table | None:
    return INPUTS.get(name) or OUTPUTS.get(name)


def _fitting(names: list[str]) -> Table | None:
    """Return the table of the contract with most of these columns, all that it requires among them."""
    present = set(names)
    fits = [one for one in (*OUTPUTS.values(), *INPUTS.values()) if present.issuperset(one.required)]
    return max(fits, key=lambda one: len(present & set(one.names)), default=None)


def _to_pandas(given: Any, contract: Table | None) -> pd.DataFrame:
    if isinstance(given, pd.DataFrame):
        return given
    table = _plain_table(as_arrow(given, "frames"))
    closed = _closed(table, contract or _fitting(table.column_names))
    return pd.DataFrame({name: _series(table[name], closed.get(name)) for name in table.column_names})


def _to_polars(pl: Any, given: Any, contract: Table | None) -> Any:
    if isinstance(given, pl.DataFrame):
        return given
    if isinstance(given, pd.DataFrame) and not isinstance(given.index, pd.RangeIndex):
        given = given.reset_index()
    table = _plain_table(as_arrow(given, "frames"))
    closed = _closed(table, contract or _fitting(table.column_names))
    return pl.DataFrame(table).with_columns(pl.col(name).cast(pl.Enum(values)) for name, values in closed.items())


def _series(column: pa.ChunkedArray, values: tuple[str, ...] | None) -> Any:
    if values is not None:
        codes = np.asarray(pc.fill_null(pc.index_in(column, pa.array(values)), -1).to_numpy(), np.int64)
        return pd.Categorical.from_codes(codes, categories=pd.Index(values))
    if pa.types.is_list(column.type):
        return pd.Series(column.to_pylist(), dtype=object)
    return column.to_pandas(types_mapper=(_WITH_NULLS if column.null_count else _WITHOUT_NULLS).get)


def _closed(table: pa.Table, contract: Table | None) -> dict[str, tuple[str, ...]]:
    """Return the columns of text whose contract lists all values, if the column holds no other."""
    found: dict[str, tuple[str, ...]] = {}
    for column in contract.columns if contract is not None else ():
        if column.values and column.name in table.column_names and pa.types.is_string(table[column.name].type):
            held = pc.unique(table[column.name]).drop_null()
            if set(held.to_pylist()) <= set(column.values):
                found[column.name] = column.values
    return found


def _plain_table(table: pa.Table) -> pa.Table:
    return pa.Table.from_arrays([_plain_column(column) for column in table.columns], names=table.column_names)


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        # Arrow decodes no dictionary of the views in which polars keeps text
        kind = pa.dictionary(kind.index_type, _plain(kind.value_type))
        parts = [pa.DictionaryArray.from_arrays(c.indices, c.dictionary.cast(kind.value_type)) for c in column.chunks]
        column = pa.chunked_array(parts, kind)
    wanted = _plain(kind)
    return column if wanted == kind else column.cast(wanted)  # Arrow breaks fields without any value when it casts


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the usual type of what may be coded otherwise: text, dictionaries, lists."""
    types = pa.types
    if types.is_dictionary(kind):
        return _plain(kind.value_type)
    if types.is_large_string(kind) or types.is_string_view(kind):
        return pa.string()
    if types.is_list(kind) or types.is_large_list(kind):
        return pa.list_(_plain(kind.value_type))
    if types.is_struct(kind):
        return pa.struct([pa.field(field.name, _plain(field.type)) for field in kind])
    return kind


__all__ = [
    "arrow_of_pandas",
    "arrow_or_pandas",
    "as_arrow",
    "frame_of",
    "is_frame",
    "takes_tables",
    "to_pandas",
    "to_polars",
]
