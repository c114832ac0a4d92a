"""Read a few rows that arrive: the rules of `read_dataset` for each row, without what only a whole data set shows."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa

from muledetect.errors import DataError
from muledetect.progress import silent
from muledetect.records.currency import decimals_of
from muledetect.records.join import join_accounts
from muledetect.records.parse import Options
from muledetect.records.reading import Reading, several_currencies
from muledetect.records.rejects import input_rows


class _Arriving(Reading):
    """A reading of one table that gives its rows in the order in which they came; no order, warnings or fingerprint."""

    def rows(self, name: str, table: pa.Table) -> tuple[pa.Table, pa.Table]:
        reader = self._reader(name)
        for batch in table.combine_chunks().to_batches():
            reader.read_batch(batch)
        self.readers[name] = reader
        if not self.is_currency_stated and reader.currencies:
            reader.stops.append(several_currencies(reader.currencies))
        if reader.stops:
            raise DataError("\n".join(dict.fromkeys(reader.stops)))
        self.accounts, code_of, _, _ = join_accounts(self.readers, self.accounts)
        if name != "transfers":
            return self._other(name), self.log.to_table()
        if code_of is not None:
            self._respell(code_of)
        rows = self._without_duplicates(name, self._gather(name))
        rows, causes = self._settled(rows, partial(input_rows, self.log.rows(name)))
        rows = self._leave_out(name, rows, causes)
        encoders = {**reader.encoders, "source": self.accounts, "target": self.accounts}
        plain = {
            column: encoders[column].take(rows[column].to_numpy().astype(np.int32)) if column in encoders
            else rows[column]
            for column in rows.column_names
        }  # fmt: skip
        return pa.table(plain), self.log.to_table()


def read_arriving(name: str, table: pa.Table, *, currency: str, now: int) -> tuple[pa.Table, pa.Table]:
    """Return the rows of a table that are accepted, in their order and with text as text, and the rejects.

    Parameters
    ----------
    name : str
        Table.
    table : pyarrow.Table
        At least one row, of the columns that the contract requires.
    currency : str
        Of the amounts; "" where it is not stated, and then no row may state one.
    now : int
        Moment after which a time is in the future, microseconds.

    Raises
    ------
    DataError
        If a column is of a type that the contract cannot read.
    """
    options = Options(currency, decimals_of(currency), "minor", ".", None, now)
    return _Arriving(options, None, silent, None, is_currency_stated=bool(currency)).rows(name, table)
