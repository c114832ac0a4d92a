"""IBM AMLSim: the files of its `outputs` folder, of the current release and of the older one with capital names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import parse_time
from muledetect.records.currency import exponent_of
from muledetect.records.layouts._sources import Source
from muledetect.records.layouts._spec import FileKind, Files, Options, layout
from muledetect.records.layouts._tables import (
    Gathering,
    IllicitSpans,
    accounts_of,
    build_labels,
    distinct_rows,
    join_rejects,
    lookup,
    read_kind,
)
from muledetect.records.layouts._values import (
    parse_days,
    parse_first_day,
    parse_flag,
    parse_money,
    parse_times,
    translate,
)
from muledetect.records.reasons import UNREADABLE
from muledetect.schema import ACCOUNTS, TRANSFERS, TRUTH_RINGS

_FLAGS: Final = ("is_sar", "is_fraud")

TRANSACTIONS: Final = FileKind(
    "transactions",
    {
        "transfer_id": ("tran_id", "TX_ID"),
        "time": ("tran_timestamp", "TIMESTAMP"),
        "source": ("orig_acct", "SENDER_ACCOUNT_ID"),
        "target": ("bene_acct", "RECEIVER_ACCOUNT_ID"),
        "amount": ("base_amt", "TX_AMOUNT"),
        "type": ("tx_type",),
        "is_sar": _FLAGS,
        "ring_id": ("alert_id",),
    },
    required=("transfer_id", "time", "source", "target", "amount"),
    unlike=("alert_type",),
    is_needed=True,
)
BOOK: Final = FileKind(
    "accounts",
    {
        "account_id": ("acct_id", "ACCOUNT_ID"),
        "balance": ("initial_deposit", "INIT_BALANCE"),
        "bank_id": ("bank_id",),
        "branch_id": ("branch_id",),
        "opened_at": ("open_dt",),
        "closed_at": ("close_dt",),
        "type": ("type", "ACCOUNT_TYPE"),
    },
    required=("account_id", "balance"),
    unlike=("alert_id",),
)
MEMBERS: Final = FileKind(
    "alert members",
    {
        "ring_id": ("alert_id",),
        "account_id": ("acct_id", "ACCOUNT_ID"),
        "typology": ("alert_type",),
        "is_sar": _FLAGS,
    },
    required=("ring_id", "account_id", "typology"),
    unlike=("tran_id", "tx_id"),
)
#: The alerted transfers once more; known so that the file may be given, and not read.
ALERTED: Final = FileKind(
    "alert transactions",
    {"transfer_id": ("tran_id", "TX_ID"), "typology": ("alert_type",)},
    required=("transfer_id", "typology"),
)

_CHANNELS: Final = {
    "transfer": "p2p_account",
    "wire": "p2p_account",
    "cash-in": "cash_deposit",
    "deposit": "cash_deposit",
    "cash-out": "cash_atm",
    "payment": "bill",
}
_KINDS: Final = {"i": "individual", "individual": "individual", "o": "company", "company": "company"}
#: Closing dates past this are AMLSim's way to say never (day 1,000,000 lies in the year 4754).
_NEVER: Final = parse_time("2300-01-01")

#: The generator counts in hundredths of a currency that it does not name.
_DECIMALS: Final = 2


@layout(
    "amlsim",
    files=(TRANSACTIONS, MEMBERS, BOOK, ALERTED),
    source="https://github.com/IBM/AMLSim (Apache-2.0), schema.json and scripts/convert_logs.py",
)
def read_amlsim(files: Files, options: Options) -> dict[str, pa.Table]:
    """IBM AMLSim: transactions.csv, and if there accounts.csv, alert_accounts.csv, sar_accounts.csv.

    Amounts are major units of a currency that the files do not name: hundredths are kept, and the column `currency`
    is written only if the currency is stated. Times are dates or day numbers from `first_day`. Every alert is a ring
    with `typology` and `is_sar`; the false alerts are rings with is_sar false. Mules are the accounts of SAR transfers;
    members of a SAR ring that made none are unknown (some typologies flag the ring and not its transfers). The SAR
    flags go only to `labels` and `truth_rings`; names and addresses are not imported.
    """
    first_day = parse_first_day(options.first_day)
    decimals = exponent_of(options.currency) if options.currency else _DECIMALS
    book = Gathering(ACCOUNTS)
    _read_accounts(files.get(BOOK.name, ()), book, first_day, decimals)
    accounts = book.finish()

    paid = Gathering(TRANSFERS)
    spans = IllicitSpans()
    alerts: list[pa.Table] = []
    has_flags = False
    for columns, numbers in read_kind(TRANSACTIONS, files[TRANSACTIONS.name], paid):
        mapped, faults = _map_transfers(columns, first_day, options.currency, decimals)
        taken = paid.add(_add_banks(mapped, accounts), numbers, faults)
        if "is_sar" in taken:
            has_flags = True
            spans.add(taken, taken["is_sar"])
            alerts.append(_alerts_in(taken))
    transfers = paid.finish()

    tables = {"transfers": transfers}
    rings = Gathering(TRUTH_RINGS)
    members = _read_members(files.get(MEMBERS.name, ()), rings, alerts)
    if members.num_rows:
        tables["truth_rings"] = members
    if BOOK.name in files:
        tables["accounts"] = accounts
    if has_flags or MEMBERS.name in files:
        illicit = spans.finish()
        everyone = accounts_of(accounts["account_id"], transfers["source"], transfers["target"])
        in_rings = members["account_id"].filter(members["is_sar"])
        seen, listed = accounts_of(illicit["account_id"]), accounts_of(in_rings)
        tables["labels"] = build_labels(everyone, seen if has_flags else listed, illicit, unknown=listed)
    tables["rejects"] = join_rejects(paid, book, rings)
    return tables


def _parse_moments(text: pa.StringArray, first_day: int) -> pa.TimestampArray:
    days = parse_days(text, first_day)
    return pc.coalesce(days, parse_times(pc.if_else(pc.is_null(days), text, pa.scalar(None, pa.string()))))


def _map_transfers(
    text: Mapping[str, pa.StringArray], first_day: int, currency: str | None, decimals: int
) -> tuple[dict[str, pa.Array], list[tuple[str, pa.Array, str]]]:
    mapped: dict[str, pa.Array] = {name: text[name] for name in ("transfer_id", "source", "target")}
    mapped["time"] = _parse_moments(text["time"], first_day)
    mapped["amount"] = parse_money(text["amount"], decimals)
    if currency is not None:
        mapped["currency"] = pa.repeat(currency, len(mapped["time"]))
    if "type" in text:
        mapped["channel"] = translate(text["type"], _CHANNELS, "other")
    faults = []
    if "is_sar" in text:
        mapped["is_sar"] = parse_flag(text["is_sar"])
        mapped["ring_id"] = text["ring_id"] if "ring_id" in text else pa.nulls(len(mapped["time"]), pa.string())
        faults.append(("is_sar", pc.is_null(mapped["is_sar"]), UNREADABLE))
    return mapped, faults


def _add_banks(mapped: dict[str, pa.Array], accounts: pa.Table) -> dict[str, pa.Array]:
    if "bank_id" in accounts.column_names:
        for end in ("source", "target"):
            mapped[f"{end}_bank"] = lookup(mapped[end], accounts["account_id"], accounts["bank_id"])
    return mapped


def _alerts_in(taken: Mapping[str, pa.Array]) -> pa.Table:
    """Return ring_id, account_id, is_sar of both ends of the alerted transfers (no alert: -1 or empty)."""
    alerted = pc.and_(pc.is_valid(taken["ring_id"]), pc.not_equal(taken["ring_id"], "-1"))
    alerted = pc.fill_null(alerted, False)
    ring, sar = (taken[name].filter(alerted) for name in ("ring_id", "is_sar"))
    ends = pa.concat_arrays([taken[end].filter(alerted) for end in ("source", "target")])
    return pa.table(
        {"ring_id": pa.concat_arrays([ring, ring]), "account_id": ends, "is_sar": pa.concat_arrays([sar, sar])}
    )


def _read_accounts(sources: tuple[Source, ...], book: Gathering, first_day: int, decimals: int) -> None:
    for text, numbers in read_kind(BOOK, sources, book):
        mapped: dict[str, pa.Array] = {
            name: text[name] for name in ("account_id", "bank_id", "branch_id") if name in text
        }
        mapped["balance"] = parse_money(text["balance"], decimals)
        if "type" in text:
            mapped["kind"] = translate(text["type"], _KINDS, None)
        if "opened_at" in text:
            mapped["opened_at"] = mapped["balance_at"] = _parse_moments(text["opened_at"], first_day)
        if "closed_at" in text:
            closed = _parse_moments(text["closed_at"], first_day)
            never = pc.greater(closed.view(pa.int64()), _NEVER)
            mapped["closed_at"] = pc.if_else(never, pa.scalar(None, closed.type), closed)
        book.add(mapped, numbers)


def _read_members(sources: tuple[Source, ...], rings: Gathering, alerts: list[pa.Table]) -> pa.Table:
    """Return the members of every alert: as listed, or without a list the ends of its transfers."""
    listed: list[pa.Table] = []
    for text, numbers in read_kind(MEMBERS, sources, rings):
        mapped: dict[str, pa.Array] = {"ring_id": text["ring_id"], "account_id": text["account_id"]}
        mapped["typology"] = pc.utf8_lower(text["typology"])
        mapped["is_sar"] = (
            parse_flag(text["is_sar"]) if "is_sar" in text else pa.repeat(pa.scalar(False), len(text["ring_id"]))
        )
        taken = rings.add(mapped, numbers, [("is_sar", pc.is_null(mapped["is_sar"]), UNREADABLE)])
        listed.append(pa.table(dict(taken)))
    names = {"ring_id": pa.string(), "account_id": pa.string(), "typology": pa.string(), "is_sar": pa.bool_()}
    none = pa.schema(list(names.items())).empty_table()
    seen = pa.concat_tables([none, *alerts], promote_options="default").select(list(names))
    members = pa.concat_tables([none, *listed]) if listed else seen
    members = distinct_rows(members, ("ring_id", "account_id"))
    everything = pa.concat_tables([none, *listed, seen]).filter(pc.field("is_sar"))
    is_sar = pc.is_in(members["ring_id"], value_set=accounts_of(everything["ring_id"]))
    return members.set_column(members.schema.get_field_index("is_sar"), "is_sar", is_sar)
