"""synthfin-aml: what its `to_csv` writes, or its two data frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.records.currency import exponent_of
from muledetect.records.layouts._sources import Source
from muledetect.records.layouts._spec import FileKind, Files, Options, layout
from muledetect.records.layouts._tables import (
    Gathering,
    IllicitSpans,
    accounts_of,
    build_labels,
    join_rejects,
    read_kind,
)
from muledetect.records.layouts._values import parse_flag, parse_money, parse_times, translate
from muledetect.records.reasons import UNREADABLE
from muledetect.schema import ACCOUNTS, TRANSFERS

TRANSACTIONS: Final = FileKind(
    "transactions",
    {
        "transfer_id": ("txn_id",),
        "time": ("timestamp",),
        "source": ("source_id",),
        "target": ("target_id",),
        "amount": ("amount",),
        "is_fraud": ("is_fraud",),
    },
    required=("time", "source", "target", "amount"),
    is_needed=True,
)
NODES: Final = FileKind(
    "nodes",
    {
        "account_id": ("agent_id",),
        "profile": ("profile",),
        "is_fraud": ("is_fraud",),
        "balance": ("initial_balance",),
    },
    required=("account_id", "is_fraud"),
)
#: Brokers and escrow agents are businesses in this simulator, with high honest turnover.
_KINDS: Final = {"retail": "individual", "merchant": "merchant", "p2p_broker": "company", "escrow": "company"}

#: The generator counts in hundredths of a currency that it does not name.
_DECIMALS: Final = 2


@layout(
    "synthfin",
    files=(TRANSACTIONS, NODES),
    source="https://pypi.org/project/synthfin-aml (MIT), generator.py of version 9.2.0",
)
def read_synthfin(files: Files, options: Options) -> dict[str, pa.Table]:
    """PyPI synthfin-aml: transactions.csv and nodes.csv, also as Parquet or data frames.

    Amounts are major units in floating point of a currency that the files do not name, rounded to hundredths, or to the
    minor unit of the currency that is stated; only then the column `currency` is written. Mules are the agents that
    the generator marks `is_fraud`; other agents that take part in its fraud chains (the first payer, the broker at the
    end) are not. There are no rings: the generator does not say which transfers belong to one chain.
    """
    decimals = exponent_of(options.currency) if options.currency else _DECIMALS
    paid = Gathering(TRANSFERS)
    spans = IllicitSpans()
    for text, numbers in read_kind(TRANSACTIONS, files[TRANSACTIONS.name], paid):
        mapped, faults = _map_transfers(text, pa.array(numbers).cast(pa.string()), options.currency, decimals)
        taken = paid.add(mapped, numbers, faults)
        if "is_fraud" in taken:
            spans.add(taken, taken["is_fraud"])
    transfers = paid.finish()

    book = Gathering(ACCOUNTS, ("profile",))
    tables = {"transfers": transfers}
    if NODES.name in files:
        start = pc.min(transfers["time"])
        mules = _read_nodes(files[NODES.name], book, start, decimals)
        accounts = book.finish()
        everyone = accounts_of(accounts["account_id"], transfers["source"], transfers["target"])
        tables |= {"accounts": accounts, "labels": build_labels(everyone, mules, spans.finish())}
    tables["rejects"] = join_rejects(paid, book)
    return tables


def _map_transfers(
    text: Mapping[str, pa.StringArray], row: pa.StringArray, currency: str | None, decimals: int
) -> tuple[dict[str, pa.Array], list[tuple[str, pa.Array, str]]]:
    mapped: dict[str, pa.Array] = {"transfer_id": text.get("transfer_id", row)}
    mapped["time"] = parse_times(text["time"])
    mapped |= {end: text[end] for end in ("source", "target")}
    mapped["amount"] = parse_money(text["amount"], decimals)
    if currency is not None:
        mapped["currency"] = pa.repeat(currency, len(row))
    if "is_fraud" not in text:
        return mapped, []
    mapped["is_fraud"] = parse_flag(text["is_fraud"])
    return mapped, [("is_fraud", pc.is_null(mapped["is_fraud"]), UNREADABLE)]


def _read_nodes(
    sources: tuple[Source, ...], book: Gathering, start: pa.TimestampScalar, decimals: int
) -> pa.StringArray:
    """Take the accounts in, with the balance before the first transfer, and return the mules among them."""
    mules: list[pa.Array] = []
    for text, numbers in read_kind(NODES, sources, book):
        mapped: dict[str, pa.Array] = {"account_id": text["account_id"], "is_fraud": parse_flag(text["is_fraud"])}
        if "profile" in text:
            mapped |= {"profile": text["profile"], "kind": translate(text["profile"], _KINDS, None)}
        if "balance" in text:
            mapped["balance"] = parse_money(text["balance"], decimals)
            mapped["balance_at"] = pa.repeat(start, len(numbers))
        taken = book.add(mapped, numbers, [("is_fraud", pc.is_null(mapped["is_fraud"]), UNREADABLE)])
        mules.append(taken["account_id"].filter(taken["is_fraud"]))
    return accounts_of(*mules)
