"""IBM AMLworld: `*_Trans.csv`, `*_Patterns.txt`, `*_accounts.csv`, and the tables that others cut out of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.errors import DataError
from muledetect.records.currency import exponent_of
from muledetect.records.layouts._rows import (
    Reading,
    Texts,
    accounts_of,
    amounts_in,
    build_labels,
    distinct_rows,
    preset,
    read_flag,
)
from muledetect.records.layouts._spec import Files, Options, declared, layout
from muledetect.records.lines import BROKEN
from muledetect.records.parse import mask_of, parse
from muledetect.records.reasons import MISSING, NO_RATE, NOT_WHOLE, OTHER_CURRENCY, UNKNOWN_CURRENCY, UNREADABLE
from muledetect.records.rejects import Fault
from muledetect.schema import Column

if TYPE_CHECKING:
    from muledetect.arrays import Int64Array  # numba comes with it, and an import needs none

FILES, VALUES = declared("amlworld")
TRANSACTIONS, BOOK, PATTERNS = FILES
_CURRENCIES: Final = VALUES["currency"]
_MONEY: Final = Column("amount", "money", "")
_BITCOIN: Final = "XBT"
_BITCOIN_DECIMALS: Final = 8
_BEGIN: Final = "BEGIN LAUNDERING ATTEMPT - "
_END: Final = "END LAUNDERING ATTEMPT"
_N_FIELDS: Final = 11
_EXTRA: Final = ("payment_format", "target_amount", "target_currency")
_TRUTH: Final = ("is_illicit", "ring_id", "typology")
_PAID: Final = preset("transfers", {"channel": VALUES["channel"]}, keep=(*_EXTRA, *_TRUTH))
_BOOK: Final = preset("accounts", {"kind": VALUES["kind"]})


@layout(
    "amlworld",
    files=FILES,
    source="IBM Transactions for Anti-Money Laundering (CDLA-Sharing-1.0); Altman et al. 2023, arXiv 2306.16424",
    has_currencies=True,
)
def read_amlworld(files: Files, options: Options) -> dict[str, pa.Table]:
    """IBM AMLworld: *_Trans.csv, and if there *_Patterns.txt and *_accounts.csv.

    An account is `bank:number`, the bank without leading zeros, which releases write or leave out. Times are UTC
    minutes, ids of transfers their row numbers. `amount` and `currency` are what the source paid; what the target got
    stays in the extra columns `target_amount` and `target_currency`. The data has fifteen currencies and a data set
    one: without `--currency` each transfer keeps its own and the reader picks and rejects; with it the others are
    rejected here; with `--convert-to` all amounts are turned into one, and transfers of a currency without a rate are
    rejected. Labels count illicit transfers in every
    currency; those that are kept stand in `truth_transfers`. Each pattern is a ring with its `typology`.
    """
    # Amounts come as minor units of the currency of their row.
    reading = Reading(files, replace(amounts_in(None), money="minor"))
    paid = reading.take(TRANSACTIONS, _PAID, _adapt_transfers)
    transfers = paid.select([name for name in paid.column_names if name not in _TRUTH])
    if options.currency:
        transfers = _only(transfers, options.currency, OTHER_CURRENCY, reading)
    elif options.convert_to:
        transfers = _in_one_currency(transfers, options.convert_to, reading)
    tables = {"transfers": transfers}
    if "is_illicit" in paid.column_names:
        illicit = paid.filter(paid["is_illicit"])
        ids = illicit["transfer_id"].filter(pc.is_in(illicit["transfer_id"], transfers["transfer_id"].combine_chunks()))
        tables["truth_transfers"] = pa.table({"transfer_id": ids, "kind": pa.repeat(pa.scalar("illicit"), len(ids))})
        mules = accounts_of(illicit["source"], illicit["target"])
        tables["labels"] = build_labels(accounts_of(paid["source"], paid["target"]), mules, illicit)
    if BOOK.name in files:
        accounts = reading.take(BOOK, _BOOK, _adapt_accounts)
        tables["accounts"] = accounts
        if "holder_id" in accounts.column_names:
            people = accounts.select(["holder_id", "kind"]).filter(pc.is_valid(accounts["holder_id"]))
            is_person = pc.equal(people["kind"], "individual")
            kind = pc.if_else(is_person, "person", people["kind"])
            tables["holders"] = distinct_rows(people.set_column(1, "kind", kind), ("holder_id",))
    rings = []
    if "ring_id" in paid.column_names:
        held = paid.filter(pc.is_valid(paid["ring_id"]))
        rings.append(_members(*(held[name] for name in ("ring_id", "typology", "source", "target"))))
    for source in files.get(PATTERNS.name, ()):
        n_before = sum(pc.count_distinct(table["ring_id"]).as_py() for table in rings)
        rings.append(_read_patterns(Path(source), n_before))
    if rings:
        tables["truth_rings"] = distinct_rows(pa.concat_tables(rings), ("ring_id", "account_id"))
    tables["rejects"] = reading.rejects()
    return tables


def _only(transfers: pa.Table, currency: str, reason: str, reading: Reading) -> pa.Table:
    """Return the transfers in a currency; the others go to the rejects."""
    is_known = pc.equal(transfers["currency"], currency)
    lacking = transfers["transfer_id"].filter(pc.invert(is_known)).cast(pa.int64()).to_numpy()
    reading.log.add("transfers", "currency", reason, "reject", lacking)
    return transfers.filter(is_known)


def _in_one_currency(transfers: pa.Table, currency: str, reading: Reading) -> pa.Table:
    """Return transfers in one currency; those of a currency without a rate go to the rejects, never one to one."""
    if "target_currency" in transfers.column_names:
        transfers = _convert_amounts(transfers, currency)
    named = sorted(pc.unique(transfers["currency"]).to_pylist())
    if named and currency not in named:
        raise DataError(
            f"amlworld: no transfer shows a rate to {currency} of its currencies ({', '.join(named[:5])}), so none can "
            "be converted. Keep one of them: --currency."
        )
    return _only(transfers, currency, NO_RATE, reading)


def _convert_amounts(transfers: pa.Table, currency: str) -> pa.Table:
    """Return transfers with `amount` in minor units of one currency, where a rate is known.

    The rate of a currency is the median of paid over got, or of got over paid, of the transfers between it and
    `currency` (see `target_amount` and `target_currency`). It is a rate of the whole file: fit for generators whose
    rates stand still, not for years of a market. Rows of a currency that was never exchanged keep it. An amount that
    would vanish becomes one minor unit. O(n log n).
    """
    table = transfers.combine_chunks()
    paid, got = (table[name].cast(pa.float64()).to_numpy() for name in ("amount", "target_amount"))
    paid_in, got_in = (pc.fill_null(table[name], "") for name in ("currency", "target_currency"))
    amount, code = table["amount"], table["currency"]
    for other in sorted(set(pc.unique(paid_in).to_pylist()) - {currency, ""}):
        out = pc.and_(pc.equal(paid_in, other), pc.equal(got_in, currency)).to_numpy()
        back = pc.and_(pc.equal(paid_in, currency), pc.equal(got_in, other)).to_numpy()
        seen = np.concatenate([got[out] / paid[out], paid[back] / got[back]])
        seen = seen[np.isfinite(seen) & (seen > 0)]
        if not len(seen):
            continue
        here = pc.equal(paid_in, other)
        converted = np.maximum(np.rint(paid * np.median(seen)), 1.0)
        fits = np.isfinite(converted) & (converted < 2.0**62)
        changed = pa.array(np.where(fits, converted, 1.0).astype(np.int64))
        here = pc.and_(here, pa.array(fits))
        amount, code = pc.if_else(here, changed, amount), pc.if_else(here, currency, code)
    return table.set_column(table.column_names.index("amount"), "amount", amount).set_column(
        table.column_names.index("currency"), "currency", code
    )


def _account(bank: pa.StringArray, number: pa.StringArray) -> pa.StringArray:
    return pc.binary_join_element_wise(_bank(bank), number, ":")


def _bank(bank: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring_regex(bank, "^0+(.)", r"\1")


def _code_of(currency: pa.StringArray) -> pa.StringArray:
    """Return the ISO code of a currency's name, null where it is none that we know."""
    place = pc.index_in(pc.utf8_lower(pc.utf8_trim_whitespace(currency)), pa.array(list(_CURRENCIES)))
    return pa.array(list(_CURRENCIES.values())).take(place)


def _amounts(texts: pa.StringArray, currency: pa.StringArray) -> pa.Int64Array:
    """Return minor units of each row's own currency; null where the currency is unknown, or the text no amount."""
    amounts = pa.nulls(len(texts), pa.int64())
    codes = pc.drop_null(pc.unique(currency)).to_pylist()
    for decimals in sorted({_decimals(code) for code in codes}):
        here = pc.is_in(currency, pa.array([code for code in codes if _decimals(code) == decimals], pa.string()))
        cells = pc.if_else(here, texts, pa.scalar(None, pa.string()))
        read = parse(_MONEY, cells, replace(amounts_in(None), exponent=decimals))
        for mask, _ in read.faults:
            read.values = pc.if_else(pa.array(mask), pa.scalar(None, pa.int64()), read.values)
        amounts = pc.coalesce(read.values, amounts)
    return amounts


def _decimals(code: str) -> int:
    return _BITCOIN_DECIMALS if code == _BITCOIN else exponent_of(code)


def _adapt_transfers(texts: Texts, numbers: Int64Array) -> list[Fault]:
    for end in ("source", "target"):
        texts[end] = _account(texts[f"{end}_bank"], texts[end])
        texts[f"{end}_bank"] = _bank(texts[f"{end}_bank"])
    currency, written = _code_of(texts["currency"]), texts["amount"]
    amount = _amounts(written, currency)
    # what rounds to nothing is no amount of this currency: AMLworld writes yen with two decimals
    vanished = pc.and_(pc.equal(amount, 0), pc.match_substring_regex(written, "[1-9]"))
    faults = [
        ("currency", mask_of(pc.is_null(texts["currency"])), MISSING),
        ("currency", mask_of(pc.is_null(currency)), UNKNOWN_CURRENCY),
        ("amount", mask_of(vanished), NOT_WHOLE),
        ("amount", mask_of(pc.is_null(amount)), UNREADABLE),
    ]
    texts |= {"transfer_id": pa.array(numbers).cast(pa.string()), "amount": amount, "currency": currency}
    if "payment_format" in texts:
        texts["channel"] = texts["payment_format"]
    if "target_amount" in texts and "target_currency" in texts:
        texts["target_currency"] = _code_of(texts["target_currency"])
        texts["target_amount"] = _amounts(texts["target_amount"], texts["target_currency"])
    if "ring_id" in texts:
        texts["typology"] = _typology(texts.get("typology", texts["ring_id"]))
    return faults + read_flag(texts, "is_illicit")


def _adapt_accounts(texts: Texts, _: Int64Array) -> list[Fault]:
    texts["account_id"] = _account(texts["bank_id"], texts["account_id"])
    texts["bank_id"] = _bank(texts["bank_id"])
    if "holder_id" in texts:
        names = texts.get("holder_name", pa.nulls(len(texts["bank_id"]), pa.string()))
        texts["kind"] = pc.replace_substring_regex(names, " *#.*$", "")
    return []


def _members(ring: pa.Array, typology: pa.Array, source: pa.Array, target: pa.Array) -> pa.Table:
    """Return both ends of the transfers of patterns."""
    ends = [
        pa.table({"ring_id": ring, "account_id": end, "typology": typology, "is_sar": pa.repeat(True, len(ring))})
        for end in (source, target)
    ]
    return pa.concat_tables(ends).filter(pc.field("account_id").is_valid())


def _typology(text: pa.StringArray) -> pa.StringArray:
    """`GATHER-SCATTER:  Max 3-degree Fan-In` is `gather_scatter`."""
    shape = pc.replace_substring_regex(pc.utf8_lower(text), ":.*$", "")
    return pc.replace_substring(pc.utf8_trim_whitespace(shape), "-", "_")


def _read_patterns(path: Path, n_before: int) -> pa.Table:
    """Return the members of each pattern of a *_Patterns.txt; rings are numbered on in the order of the file."""
    columns: list[tuple[str, ...]] = list(_pattern_lines(path, n_before))
    if not columns:
        raise DataError(f"{path.name}: there is no pattern. Expected lines 'BEGIN LAUNDERING ATTEMPT - ...'.")
    ring, typology, source_bank, source, target_bank, target = (
        pa.array(values, pa.string()) for values in zip(*columns, strict=True)
    )
    return _members(ring, _typology(typology), _account(source_bank, source), _account(target_bank, target))


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for line in stream:
                yield line.rstrip("\r\n")
    except BROKEN as error:
        raise DataError(
            f"{path.name}: the file cannot be read; it is damaged, or not UTF-8. Export it again."
        ) from error


def _pattern_lines(path: Path, n_before: int) -> Iterator[tuple[str, ...]]:
    n_patterns, typology = n_before, None
    for number, line in enumerate(_lines(path), 1):
        if line.startswith(_BEGIN):
            typology = line.removeprefix(_BEGIN)
        elif line.startswith(_END):
            n_patterns, typology = n_patterns + 1, None
        elif line.strip():
            fields = line.split(",")
            if typology is None or len(fields) != _N_FIELDS:
                raise DataError(
                    f"{path.name}: line {number} is no transfer of {_N_FIELDS} fields between '{_BEGIN}...' and "
                    f"'{_END}...'. Give the *_Patterns.txt that belongs to the transactions."
                )
            yield str(n_patterns), typology, *fields[1:5]
