"""Read a data set: open, parse, leave out, repair, order, and tell what was found.

>>> import pyarrow as pa
>>> transfers = pa.table({
...     "transfer_id": ["t1", "t2"], "time": ["2025-03-01T09:30:00Z", "2025-03-01T10:00:00Z"],
...     "source": ["007", "008"], "target": ["008", "009"], "amount": [150000, 0],
... })
>>> dataset = read_dataset({"transfers": transfers})
>>> dataset
Dataset(transfers=1; accounts=2, rejects=1, currency=not stated, tick=1min)
>>> dataset.findings[0].text.partition(". ")[0]
"transfers: column 'amount': non-positive amount; 1 of 2 rows (first: row 1)"
"""

from __future__ import annotations

import itertools
import time as wall
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from muledetect import clock
from muledetect.errors import DataError, OptionError
from muledetect.progress import Progress, silent
from muledetect.records.currency import EXPONENTS, decimals_of
from muledetect.records.dataset import Dataset
from muledetect.records.parse import Options, check_zone
from muledetect.records.pseudonyms import Pseudonyms, as_pseudonyms
from muledetect.records.reading import Reading, returning_memory, several_currencies
from muledetect.records.sources import TableSource, open_tables
from muledetect.records.stored import is_store, read_store, refuse_options

Money = Literal["minor", "major"]
Job = TypeVar("Job", bound=Reading)


@returning_memory()
def read_dataset(
    source: Any,
    *,
    currency: str | None = None,
    money: Money = "minor",
    source_tz: str | None = None,
    tick: str | int | None = None,
    tables: Iterable[str] | None = None,
    progress: Progress | None = None,
    decimal: Literal[".", ","] = ".",
    delimiter: str | None = None,
    now: clock.Moment | None = None,
    pseudonymise: Pseudonyms | str | Path | None = None,
) -> Dataset:
    """Read and validate all tables of a data set.

    Parameters
    ----------
    source : path, mapping or table
        A folder (tables.md says how tables are named) or a store that `prepare` made, or table name -> path or anything
        with an Arrow C stream (pyarrow, pandas, polars, DuckDB). One file or one table alone is taken as the transfers.
    currency : str, optional
        ISO 4217 code of the amounts; rows of another currency are rejected. If not given, the one that the transfers
        name; where they name none, it is not stated ("") and amounts stay plain minor units. No currency is assumed.
    money : "minor" or "major"
        Whether amounts are in minor units (satang, cents) or whole units such as baht, which are converted exactly; the
        currency says how many decimals that takes, so it must be known then.
    source_tz : str, optional
        Time zone of times that carry none, such as "Asia/Bangkok". Where clocks went back, the first pass is meant.
    tick : str or int, optional
        Resolution of the transfers' clock, as "1s" or microseconds. Found from the times if not given.
    tables : iterable of str, optional
        Tables to read; others are passed over. All by default.
    progress : callable, optional
        Called with the stage in words and the fraction done, 0 to 1.
    decimal : "." or ","
        Decimal mark of amounts that come as text.
    delimiter : str, optional
        Delimiter of CSV files. Found from the header row if not given.
    now : moment, optional
        Moment after which a time is in the future; the clock of the machine by default.
    pseudonymise : Pseudonyms or path, optional
        Key, or the file of one: ids of accounts and holders become pseudonyms (see `muledetect.records.pseudonyms`),
        and columns outside the contract, which may name people, are left out.

    Returns
    -------
    Dataset
        Accepted rows, rejects and findings; a row is always in exactly one of the first two.

    Raises
    ------
    DataError
        If the data set cannot be used as a whole; the message has all reasons, of all tables.
    OptionError
        If an option has a value that is not known.

    Notes
    -----
    Streams batches of 2^18 rows and keeps account ids as int32 codes, so memory stays near the size of the result.
    """
    reading: dict[str, Any] = {
        "currency": currency, "source_tz": source_tz, "tick": tick, "tables": tables, "delimiter": delimiter,
        "now": now, "pseudonymise": pseudonymise,
    }  # fmt: skip
    if is_store(source):
        refuse_options(
            **reading, money=None if money == "minor" else money, decimal=None if decimal == "." else decimal
        )
        return read_store(source, progress=progress)
    return begin(Reading, source, money=money, decimal=decimal, progress=progress, **reading).finish()


def begin(
    kind: Callable[..., Job],
    source: Any,
    *,
    currency: str | None = None,
    money: Money = "minor",
    source_tz: str | None = None,
    tick: str | int | None = None,
    tables: Iterable[str] | None = None,
    progress: Progress | None = None,
    decimal: Literal[".", ","] = ".",
    delimiter: str | None = None,
    now: clock.Moment | None = None,
    pseudonymise: Pseudonyms | str | Path | None = None,
) -> Job:
    """Return a reading of a kind whose tables have been read; options and errors are those of `read_dataset`."""
    names = as_pseudonyms(pseudonymise)
    options = _options(currency or "", money, source_tz, decimal, now)
    if tick is not None:
        tick = clock.parse_duration(tick)
    opened = open_tables(source, delimiter=delimiter)
    transfers = opened.get("transfers")
    if currency is None and isinstance(transfers, TableSource):
        opened["transfers"], named = _peek_currency(transfers)
        options = replace(options, currency=named, exponent=decimals_of(named))
    if money == "major" and not options.currency:
        raise OptionError(
            "money: 'major' needs the currency, which says how many decimals there are, and the transfers name none. "
            "State it with currency= (--currency)."
        )
    job = kind(options, tick, progress or silent, names, is_currency_stated=currency is not None)
    job.open(opened, tables)
    return job


def _peek_currency(transfers: TableSource) -> tuple[TableSource, str]:
    """Return the one currency that the first batch names, and the table with that batch still to be read."""
    if transfers.schema.names.count("currency") != 1:
        return transfers, ""
    batches = transfers.batches()
    seen = list(itertools.islice(batches, 1))
    column = seen[0].column("currency") if seen else pa.array([], pa.string())
    try:
        texts = {str(value).strip() for value in pc.unique(column).to_pylist() if value is not None}
    except UnicodeDecodeError as error:
        raise DataError("transfers: column 'currency' holds text that is not UTF-8. Export it as UTF-8.") from error
    named = sorted(texts & set(EXPONENTS))
    if len(named) > 1:
        raise DataError(several_currencies(named))
    # Taken out of the list, the first batch goes like the others once it is read.
    first = (seen.pop() for _ in range(len(seen)))
    return replace(transfers, batches=lambda: itertools.chain(first, batches)), named[0] if named else ""


def _options(currency: str, money: str, source_tz: str | None, decimal: str, now: clock.Moment | None) -> Options:
    if money not in ("minor", "major"):
        raise OptionError(f"money: {money!r} is neither 'minor' (satang) nor 'major' (baht).")
    if decimal not in (".", ","):
        raise OptionError(f"decimal: {decimal!r} is neither '.' nor ','.")
    if source_tz is not None:
        check_zone(source_tz, "source_tz")
    moment = clock.parse_time(now) if now is not None else wall.time_ns() // 1000
    return Options(currency, decimals_of(currency), money, decimal, source_tz, moment)
