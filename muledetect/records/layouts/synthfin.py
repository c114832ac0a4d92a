"""synthfin-aml: what its `to_csv` writes, or its two data frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.records.layouts._rows import Reading, Texts, accounts_of, amounts_in, build_labels, preset, read_flag
from muledetect.records.layouts._spec import Files, Options, declared, layout
from muledetect.records.rejects import Fault

if TYPE_CHECKING:
    from muledetect.arrays import Int64Array  # numba comes with it, and an import needs none

FILES, VALUES = declared("synthfin")
TRANSACTIONS, NODES = FILES
_PAID: Final = preset("transfers", keep=("is_fraud",))
_BOOK: Final = preset("accounts", VALUES, keep=("profile", "is_fraud"))


@layout(
    "synthfin",
    files=FILES,
    source="https://pypi.org/project/synthfin-aml (MIT), generator.py of version 9.2.0",
)
def read_synthfin(files: Files, options: Options) -> dict[str, pa.Table]:
    """PyPI synthfin-aml: transactions.csv and nodes.csv, also as Parquet or data frames.

    Amounts are major units in floating point of a currency that the files do not name, rounded to hundredths, or to the
    minor unit of the currency that is stated; only then the column `currency` is written. Mules are the agents that
    the generator marks `is_fraud`; other agents that take part in its fraud chains (the first payer, the broker at the
    end) are not. There are no rings: the generator does not say which transfers belong to one chain.
    """
    reading = Reading(files, amounts_in(options.currency))
    paid = reading.take(TRANSACTIONS, _PAID, _adapt_transfers)
    transfers = paid.select([name for name in paid.column_names if name != "is_fraud"])
    tables = {"transfers": transfers}
    if NODES.name in files:
        book = reading.take(NODES, _BOOK, _adapt_nodes)
        accounts = book.drop_columns("is_fraud")
        if "balance" in accounts.column_names:  # what the account held before the first transfer
            start = pa.repeat(pc.min(transfers["time"]), accounts.num_rows)
            accounts = accounts.add_column(accounts.column_names.index("balance") + 1, "balance_at", start)
        everyone = accounts_of(accounts["account_id"], transfers["source"], transfers["target"])
        mules = accounts_of(book["account_id"].filter(book["is_fraud"]))
        illicit = paid.filter(paid["is_fraud"]) if "is_fraud" in paid.column_names else paid.slice(0, 0)
        tables |= {"accounts": accounts, "labels": build_labels(everyone, mules, illicit)}
    tables["rejects"] = reading.rejects()
    return tables


def _adapt_transfers(texts: Texts, numbers: Int64Array) -> list[Fault]:
    texts.setdefault("transfer_id", pa.array(numbers).cast(pa.string()))
    return read_flag(texts, "is_fraud")


def _adapt_nodes(texts: Texts, _: Int64Array) -> list[Fault]:
    if "profile" in texts:
        texts["kind"] = texts["profile"]
    return read_flag(texts, "is_fraud")
