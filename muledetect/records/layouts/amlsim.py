"""IBM AMLSim: the files of its `outputs` folder, of the current release and of the older one with capital names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import DAY, parse_time
from muledetect.errors import OptionError
from muledetect.records.layouts._rows import (
    Reading,
    Texts,
    accounts_of,
    amounts_in,
    build_labels,
    distinct_rows,
    lookup,
    preset,
    read_flag,
)
from muledetect.records.layouts._spec import Files, Options, declared, layout
from muledetect.records.rejects import Fault

if TYPE_CHECKING:
    from muledetect.arrays import Int64Array  # numba comes with it, and an import needs none

FILES, VALUES = declared("amlsim")
TRANSACTIONS, MEMBERS, BOOK, ALERTED = FILES
#: AMLSim's way to say never: its day 1,000,000 lies in the year 4754.
_NEVER: Final = "^(2[3-9]|[3-9][0-9])[0-9]{2}-"
_PAID: Final = preset("transfers", {"channel": VALUES["channel"]}, keep=("is_sar", "ring_id"))
_BOOK: Final = preset("accounts", {"kind": VALUES["kind"]})
_MEMBERS: Final = preset("truth_rings", keep=("typology", "is_sar"))


@layout(
    "amlsim",
    files=FILES,
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
    first_day = _first_day(options.first_day)
    reading = Reading(files, amounts_in(options.currency))

    def adapt_transfers(texts: Texts, _: Int64Array) -> list[Fault]:
        texts["time"] = _dates(texts["time"], first_day)
        if "is_sar" in texts:
            texts.setdefault("ring_id", pa.nulls(len(texts["time"]), pa.string()))
        return read_flag(texts, "is_sar")

    def adapt_accounts(texts: Texts, _: Int64Array) -> list[Fault]:
        if "opened_at" in texts:
            texts["opened_at"] = texts["balance_at"] = _dates(texts["opened_at"], first_day)
        if "closed_at" in texts:
            closed = _dates(texts["closed_at"], first_day)
            texts["closed_at"] = pc.if_else(pc.match_substring_regex(closed, _NEVER), "", closed)
        return []

    paid = reading.take(TRANSACTIONS, _PAID, adapt_transfers)
    accounts = reading.take(BOOK, _BOOK, adapt_accounts)
    listed = reading.take(MEMBERS, _MEMBERS, _adapt_members)
    has_flags = "is_sar" in paid.column_names
    transfers = _with_banks(
        paid.select([name for name in paid.column_names if name not in ("is_sar", "ring_id")]), accounts
    )
    members = _members(listed, paid if has_flags else paid.slice(0, 0), is_listed=MEMBERS.name in files)
    tables = {"transfers": transfers}
    if members.num_rows:
        tables["truth_rings"] = members
    if BOOK.name in files:
        tables["accounts"] = accounts
    if has_flags or MEMBERS.name in files:
        illicit = paid.filter(paid["is_sar"]) if has_flags else paid.slice(0, 0)
        everyone = accounts_of(accounts["account_id"], transfers["source"], transfers["target"])
        in_rings = accounts_of(members["account_id"].filter(members["is_sar"]))
        mules = accounts_of(illicit["source"], illicit["target"]) if has_flags else in_rings
        tables["labels"] = build_labels(everyone, mules, illicit, unknown=in_rings)
    tables["rejects"] = reading.rejects()
    return tables


def _first_day(moment: str) -> int:
    start = parse_time(moment)
    if start % DAY:
        raise OptionError(f"first_day: must be a date; got {moment!r}. Write 2017-01-01.")
    return start


def _dates(texts: pa.StringArray, first_day: int) -> pa.StringArray:
    """Return times as they are written, and numbers of days since the first as dates."""
    is_days = pc.match_substring_regex(texts, "^-?[0-9]{1,6}$")
    days = pc.if_else(is_days, texts, pa.scalar(None, pa.string())).cast(pa.int32())
    dates = pc.add(days, first_day // DAY).cast(pa.int32()).view(pa.date32())
    return pc.coalesce(pc.strftime(dates.cast(pa.timestamp("s")), "%Y-%m-%d"), texts)


def _with_banks(transfers: pa.Table, accounts: pa.Table) -> pa.Table:
    if "bank_id" in accounts.column_names:
        for end in ("source", "target"):
            bank = lookup(transfers[end].combine_chunks(), accounts["account_id"], accounts["bank_id"])
            transfers = transfers.append_column(f"{end}_bank", bank)
    return transfers


def _adapt_members(texts: Texts, _: Int64Array) -> list[Fault]:
    texts["typology"] = pc.utf8_lower(texts["typology"])
    texts.setdefault("is_sar", pa.repeat(pa.scalar("false"), len(texts["typology"])))
    return read_flag(texts, "is_sar")


def _members(listed: pa.Table, flagged: pa.Table, *, is_listed: bool) -> pa.Table:
    """Return the members of every alert: as listed, or without a list the ends of its transfers (no alert: -1)."""
    names = {"ring_id": pa.string(), "account_id": pa.string(), "typology": pa.string(), "is_sar": pa.bool_()}
    parts = [pa.schema(list(names.items())).empty_table(), listed]
    if flagged.num_rows:
        alerted = flagged.filter(pc.not_equal(flagged["ring_id"], "-1"))
        parts += [
            alerted.select(["ring_id", end, "is_sar"]).rename_columns(["ring_id", "account_id", "is_sar"])
            for end in ("source", "target")
        ]
    everything = pa.concat_tables(parts, promote_options="default").select(list(names))
    members = distinct_rows(
        everything.slice(0, listed.num_rows) if is_listed else everything, ("ring_id", "account_id")
    )
    suspicious = accounts_of(everything["ring_id"].filter(everything["is_sar"]))
    is_sar = pc.is_in(members["ring_id"], value_set=suspicious)
    return members.set_column(members.column_names.index("is_sar"), "is_sar", is_sar)
