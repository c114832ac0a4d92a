"""IBM AMLworld: `*_Trans.csv`, `*_Patterns.txt`, `*_accounts.csv`, and the tables that others cut out of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.errors import DataError
from muledetect.records.currency import exponent_of
from muledetect.records.layouts._convert import convert_amounts
from muledetect.records.layouts._sources import Source, read_lines
from muledetect.records.layouts._spec import FileKind, Files, Options, layout
from muledetect.records.layouts._tables import (
    Gathering,
    IllicitSpans,
    accounts_of,
    build_labels,
    distinct_rows,
    join_rejects,
    read_kind,
)
from muledetect.records.layouts._values import parse_flag, parse_money, parse_times, translate
from muledetect.records.reasons import MISSING, NO_RATE, NOT_WHOLE, OTHER_CURRENCY, UNKNOWN_CURRENCY, UNREADABLE
from muledetect.schema import ACCOUNTS, HOLDERS, TRANSFERS

TRANSACTIONS: Final = FileKind(
    "transactions",
    {
        "time": ("Timestamp", "TransactionTimestamp"),
        "source_bank": ("From Bank", "from_bank_id", "FromBankID"),
        "source": ("Account", "from_account_id", "FromAccountID"),
        "target_bank": ("To Bank", "to_bank_id", "ToBankID"),
        "target": ("Account.1", "to_account_id", "ToAccountID"),
        "target_amount": ("Amount Received", "amount_received", "AmountReceived"),
        "target_currency": ("Receiving Currency", "receiving_currency", "ReceivingCurrency"),
        "amount": ("Amount Paid", "amount_paid", "AmountPaid"),
        "currency": ("Payment Currency", "payment_currency", "PaymentCurrency"),
        "format": ("Payment Format", "payment_format", "PaymentFormat"),
        "is_illicit": ("Is Laundering", "is_laundering", "IsLaundering"),
        "ring_id": ("PatternAttemptID",),
        "typology": ("PatternType",),
    },
    required=("time", "source_bank", "source", "target_bank", "target", "amount", "currency"),
    is_needed=True,
)
BOOK: Final = FileKind(
    "accounts",
    {
        "bank_id": ("Bank ID",),
        "number": ("Account Number",),
        "holder_id": ("Entity ID",),
        "holder_name": ("Entity Name",),
    },
    required=("bank_id", "number"),
)
PATTERNS: Final = FileKind("patterns", {}, suffix="atterns.txt")

#: Bitcoin has no ISO 4217 code; XBT is what the market writes, and the reader rejects it as unknown.
_CURRENCIES: Final = {
    "us dollar": "USD",
    "euro": "EUR",
    "bitcoin": "XBT",
    "yuan": "CNY",
    "yen": "JPY",
    "uk pound": "GBP",
    "australian dollar": "AUD",
    "canadian dollar": "CAD",
    "swiss franc": "CHF",
    "rupee": "INR",
    "ruble": "RUB",
    "brazil real": "BRL",
    "mexican peso": "MXN",
    "saudi riyal": "SAR",
    "shekel": "ILS",
}
_CHANNELS: Final = {
    "ach": "p2p_account",
    "wire": "p2p_account",
    "credit card": "card",
    "cash": "cash_counter",
    "bitcoin": "vasp",
}
_COMPANIES: Final = pa.array(["corporation", "partnership", "sole proprietorship"])
_NONE: Final = pa.scalar(None, pa.string())
_BITCOIN: Final = "XBT"
_BITCOIN_DECIMALS: Final = 8
_BEGIN: Final = "BEGIN LAUNDERING ATTEMPT - "
_END: Final = "END LAUNDERING ATTEMPT"
_RING_COLUMNS: Final = ("ring_id", "account_id", "typology", "is_sar")
_N_FIELDS: Final = 11


@layout(
    "amlworld",
    files=(TRANSACTIONS, BOOK, PATTERNS),
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
    paid = Gathering(TRANSFERS, ("payment_format", "target_amount", "target_currency"))
    spans = IllicitSpans()
    everyone: list[pa.Array] = []
    rings: list[pa.Table] = []
    illicit_ids: list[pa.Array] = []
    has_flags = False
    for text, numbers in read_kind(TRANSACTIONS, files[TRANSACTIONS.name], paid):
        mapped, faults = _map_transfers(text, pa.array(numbers).cast(pa.string()))
        everyone.append(accounts_of(mapped["source"], mapped["target"]))
        if "is_illicit" in mapped:
            has_flags = True
            known = pc.and_(pc.is_valid(mapped["time"]), pc.fill_null(mapped["is_illicit"], False))
            spans.add(mapped, known)
        if "ring_id" in mapped:
            rings.append(_ends_of(mapped))
        if options.currency:
            other = pc.not_equal(mapped["currency"], options.currency)
            faults.append(("currency", other, OTHER_CURRENCY))
        taken = paid.add(mapped, numbers, faults)
        if "is_illicit" in taken:
            illicit_ids.append(taken["transfer_id"].filter(taken["is_illicit"]))

    transfers = paid.finish()
    if options.convert_to:
        transfers = _in_one_currency(transfers, options.convert_to, paid)
    tables = {"transfers": transfers}
    if has_flags:
        kept = transfers["transfer_id"].combine_chunks()
        tables["truth_transfers"] = _truth_of([ids.filter(pc.is_in(ids, value_set=kept)) for ids in illicit_ids])
        illicit = spans.finish()
        tables["labels"] = build_labels(accounts_of(*everyone), accounts_of(illicit["account_id"]), illicit)
    book, people = Gathering(ACCOUNTS), Gathering(HOLDERS)
    if BOOK.name in files:
        _read_book(files[BOOK.name], book, people)
        tables |= {"accounts": book.finish(), "holders": distinct_rows(people.finish(), ("holder_id",))}
    for source in files.get(PATTERNS.name, ()):
        n_before = sum(pc.count_distinct(table["ring_id"]).as_py() for table in rings)
        rings.append(_read_patterns(Path(source), n_before))
    if rings:
        tables["truth_rings"] = distinct_rows(pa.concat_tables(rings), ("ring_id", "account_id"))
    tables["rejects"] = join_rejects(paid, book)
    return tables


def _in_one_currency(transfers: pa.Table, currency: str, paid: Gathering) -> pa.Table:
    """Return transfers in one currency; those of a currency without a rate go to the rejects, never one to one."""
    if "target_currency" in transfers.column_names:
        transfers = convert_amounts(transfers, currency)
    is_known = pc.equal(transfers["currency"], currency)
    lacking = transfers.filter(pc.invert(is_known))
    if len(lacking) == len(transfers) and len(lacking):
        named = ", ".join(sorted(pc.unique(lacking["currency"]).to_pylist())[:5])
        raise DataError(
            f"amlworld: no transfer shows a rate to {currency} of its currencies ({named}), so none can be converted. "
            "Keep one of them: --currency."
        )
    paid.take_out(lacking["transfer_id"].cast(pa.int64()).to_numpy(), "currency", NO_RATE)
    return transfers.filter(is_known)


def _truth_of(illicit_ids: list[pa.Array]) -> pa.Table:
    """Return the illicit transfers; the source says that they are, not what part they play."""
    ids = pa.chunked_array(illicit_ids, pa.string())
    return pa.table({"transfer_id": ids, "kind": pa.repeat(pa.scalar("illicit"), len(ids))})


def _account(bank: pa.StringArray, number: pa.StringArray) -> pa.StringArray:
    return pc.binary_join_element_wise(_bank(bank), number, ":")


def _bank(bank: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring_regex(bank, "^0+(.)", r"\1")


def _amounts(text: pa.StringArray, currency: pa.StringArray) -> pa.Int64Array:
    """Return minor units of each row's own currency; null where the currency is unknown."""
    amounts = pa.nulls(len(text), pa.int64())
    codes = pc.drop_null(pc.unique(currency)).to_pylist()
    for decimals in sorted({_decimals(code) for code in codes}):
        here = pc.is_in(currency, pa.array([code for code in codes if _decimals(code) == decimals], pa.string()))
        amounts = pc.if_else(here, parse_money(text, decimals), amounts)
    return amounts


def _decimals(code: str) -> int:
    return _BITCOIN_DECIMALS if code == _BITCOIN else exponent_of(code)


def _map_transfers(
    text: Mapping[str, pa.StringArray], row: pa.StringArray
) -> tuple[dict[str, pa.Array], list[tuple[str, pa.Array, str]]]:
    currency = translate(text["currency"], _CURRENCIES, None)
    amount = _amounts(text["amount"], currency)
    mapped: dict[str, pa.Array] = {
        "transfer_id": row,
        "time": parse_times(text["time"]),
        "source": _account(text["source_bank"], text["source"]),
        "target": _account(text["target_bank"], text["target"]),
        "amount": amount,
        "currency": currency,
        "source_bank": _bank(text["source_bank"]),
        "target_bank": _bank(text["target_bank"]),
    }
    # what rounds to nothing is no amount of this currency: AMLworld writes yen with two decimals
    vanished = pc.and_(pc.equal(amount, 0), pc.match_substring_regex(text["amount"], "[1-9]"))
    faults = [
        ("currency", pc.is_null(text["currency"]), MISSING),
        ("currency", pc.is_null(currency), UNKNOWN_CURRENCY),
        ("amount", vanished, NOT_WHOLE),
    ]
    if "format" in text:
        mapped |= {"channel": translate(text["format"], _CHANNELS, "other"), "payment_format": text["format"]}
    if "target_amount" in text and "target_currency" in text:
        mapped["target_currency"] = translate(text["target_currency"], _CURRENCIES, None)
        mapped["target_amount"] = _amounts(text["target_amount"], mapped["target_currency"])
    if "is_illicit" in text:
        mapped["is_illicit"] = parse_flag(text["is_illicit"])
        faults.append(("is_illicit", pc.is_null(mapped["is_illicit"]), UNREADABLE))
    if "ring_id" in text:
        mapped |= {"ring_id": text["ring_id"], "typology": _typology(text.get("typology", text["ring_id"]))}
    return mapped, faults


def _ends_of(mapped: Mapping[str, pa.Array]) -> pa.Table:
    """Return both ends of the transfers that belong to a pattern."""
    in_ring = pc.and_(pc.is_valid(mapped["ring_id"]), pc.is_valid(mapped["source"]))
    rows = {name: mapped[name].filter(in_ring) for name in ("ring_id", "typology", "source", "target")}
    return _members(rows["ring_id"], rows["typology"], rows["source"], rows["target"])


def _members(ring: pa.Array, typology: pa.Array, source: pa.Array, target: pa.Array) -> pa.Table:
    columns = [
        pa.concat_arrays([ring, ring]),
        pa.concat_arrays([source, target]),
        pa.concat_arrays([typology, typology]),
        pa.repeat(pa.scalar(True), 2 * len(ring)),
    ]
    members = pa.table(columns, names=list(_RING_COLUMNS))
    return members.filter(pc.is_valid(members["account_id"]))


def _typology(text: pa.StringArray) -> pa.StringArray:
    """`GATHER-SCATTER:  Max 3-degree Fan-In` is `gather_scatter`."""
    shape = pc.replace_substring_regex(pc.utf8_lower(text), ":.*$", "")
    return pc.replace_substring(pc.utf8_trim_whitespace(shape), "-", "_")


def _read_patterns(path: Path, n_before: int) -> pa.Table:
    """Return the members of each pattern of a *_Patterns.txt; rings are numbered on in the order of the file.

    Raises
    ------
    DataError
        If a line is neither a begin, an end, nor a transfer inside of a pattern.
    """
    columns: list[tuple[str, ...]] = list(_pattern_lines(path, n_before))
    if not columns:
        raise DataError(f"{path.name}: there is no pattern. Expected lines 'BEGIN LAUNDERING ATTEMPT - ...'.")
    ring, typology, source_bank, source, target_bank, target = (
        pa.array(values, pa.string()) for values in zip(*columns, strict=True)
    )
    return _members(ring, _typology(typology), _account(source_bank, source), _account(target_bank, target))


def _pattern_lines(path: Path, n_before: int) -> Iterator[tuple[str, ...]]:
    n_patterns, typology = n_before, None
    for number, line in enumerate(read_lines(path), 1):
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


def _read_book(sources: tuple[Source, ...], book: Gathering, people: Gathering) -> None:
    for text, numbers in read_kind(BOOK, sources, book):
        mapped = {"account_id": _account(text["bank_id"], text["number"]), "bank_id": _bank(text["bank_id"])}
        if "holder_id" not in text:
            book.add(mapped, numbers)
            continue
        mapped["holder_id"] = text["holder_id"]
        names = text.get("holder_name", pa.nulls(len(numbers), pa.string()))
        words = pc.replace_substring_regex(pc.utf8_lower(names), " *#.*$", "")
        is_person = pc.equal(words, "individual")
        mapped["kind"] = pc.if_else(is_person, "individual", pc.if_else(pc.is_in(words, _COMPANIES), "company", _NONE))
        taken = book.add(mapped, numbers)
        kinds = translate(taken["kind"], {"individual": "person", "company": "company"}, None)
        people.add({"holder_id": taken["holder_id"], "kind": kinds}, numbers[: len(kinds)])
