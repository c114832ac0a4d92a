"""Turn a batch of a bank's own columns into contract columns, with the faults of each row; nothing is guessed here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.errors import DataError
from muledetect.records import reasons
from muledetect.records.currency import EXPONENTS
from muledetect.records.files import Batch
from muledetect.records.own._columns import Columns
from muledetect.records.own._money import SAFE_PLACES, UNSURE, AmountCells, read_amounts
from muledetect.records.own._signs import may_be, plain_signs
from muledetect.records.own._times import BUDDHIST, COUNTED, ISO, number_texts, read_times
from muledetect.records.own._values import DIRECTIONS
from muledetect.records.own._words import ACCOUNT_COLUMNS, SIDES
from muledetect.records.parse import BoolArray, ColumnError, Options, check_currency, mask_of, parse
from muledetect.schema import Column, Type

#: A spreadsheet has written an account number as 1.23457E+11, and its last digits are gone.
_SPREADSHEET: Final = r"^[0-9][.,]?[0-9]*[Ee]\+[0-9]{1,3}$"
#: Formulas by which exports keep leading zeros in a spreadsheet: ="00123".
_FORMULA: Final = r'^="(.*)"$'
_NUMBERS: Final = ("money", "number", "share", "int")
#: Shares and counts have no minor unit, so any number of digits may stand behind their mark.
_ANY_PLACES: Final = 9
_ACCOUNTS: Final = frozenset([*ACCOUNT_COLUMNS, "entity_id"])
_NONE: Final = pa.scalar(None, pa.string())


@dataclass
class Converted:
    """A batch in contract columns; faults and doubts are (column, mask, reason), the first fault of a row counts.

    `currencies` holds by column of money what its cells name beside the amount (see `AmountCells`), `side` what the
    cells of `amount` say: "out", "in" or null. Of `n_times` times, `n_buddhist` lie 400 years ahead.
    """

    columns: dict[str, pa.Array] = field(default_factory=dict)
    faults: list[tuple[str, BoolArray, str]] = field(default_factory=list)
    doubts: list[tuple[str, BoolArray, str]] = field(default_factory=list)
    currencies: dict[str, pa.StringArray] = field(default_factory=dict)
    side: pa.StringArray | None = None
    is_out: BoolArray | None = None
    n_times: int = 0
    n_buddhist: int = 0


def convert(batch: Batch, mapping: Columns, options: Options) -> Converted:
    """Return a batch as columns of the contract.

    A column that has no meaning as a whole is a DataError: ids that were numbers or that a spreadsheet has rounded,
    times without a zone.
    """
    done = Converted()
    n_rows = len(batch.numbers)
    texts = {name: trimmed(cells, mapping) for name, cells in batch.columns.items()}
    for column in mapping.contract.columns:
        if column.name in mapping.columns or column.name in mapping.constants:
            is_side = mapping.is_statement and column.name == "amount"
            wanted = Column("amount", "money", column.meaning) if is_side else column
            done.columns[column.name] = _column(wanted, texts, mapping, options, done, n_rows)
    if mapping.is_statement:
        _take_sides(texts, mapping, options, done, n_rows)
    elif done.side is not None:
        done.faults.append(("amount", mask_of(pc.equal(done.side, "in")), reasons.CREDIT_SIDE))
    _compare_currencies(done, options)
    if mapping.accounts.missing:
        _name_missing(done, mapping)
    for name in mapping.rows.keep:
        if name not in done.columns:
            done.columns[name] = texts[name]
    return done


def trimmed(cells: pa.Array, mapping: Columns) -> pa.Array:
    """Return text without blanks around it and empty cells as null; other types as they are."""
    if cells.type != pa.string():
        return cells
    bare = pc.utf8_trim_whitespace(cells)
    return pc.if_else(pc.is_in(bare, value_set=pa.array(["", *mapping.file.nothing])), _NONE, bare)


def _column(
    column: Column, texts: Mapping[str, pa.Array], mapping: Columns, options: Options, done: Converted, n_rows: int
) -> pa.Array:
    """Return one contract column, noting faults; where its cells come from is the mapping's business."""
    if column.name in mapping.constants:
        value = pa.array([mapping.constants[column.name]])
        cells = pa.repeat((_ids(column.name, value, mapping) if column.name in _ACCOUNTS else value)[0], n_rows)
    elif column.type == "time":
        cells = _read_time(column, texts, mapping, done)
    elif column.type in _NUMBERS:
        cells = _read_number(column, texts[str(mapping.columns[column.name])], mapping, done)
    else:
        cells = _plain(column, texts[str(mapping.columns[column.name])], mapping)
    try:
        parsed = parse(column, cells, options)
    except ColumnError as error:
        heading = mapping.columns.get(column.name, "a constant")
        raise DataError(
            f"{mapping.table}: column {column.name!r}, from {heading!r}: {error}. See [times] and "
            "[amounts] of the mapping."
        ) from error
    if column.name == "currency" and options.currency:
        parsed = check_currency(parsed, options.currency)
    if column.type == "time" and column.name in mapping.columns:
        done.n_times += len(parsed.values) - parsed.values.null_count
        done.n_buddhist += parsed.n_buddhist
    done.faults += [(column.name, mask, reason) for mask, reason in parsed.faults]
    done.doubts += [(column.name, mask, reason) for mask, reason in parsed.doubts]
    values = parsed.values
    if column.name == "birth_year" and mapping.times.era == "buddhist":
        values = pc.if_else(pc.greater(values, 2400), pc.subtract(values, BUDDHIST), values)
    return values.cast(column.arrow_type) if values.type != column.arrow_type else values


def _read_time(column: Column, texts: Mapping[str, pa.Array], mapping: Columns, done: Converted) -> pa.Array:
    given = mapping.columns[column.name]
    form = mapping.times.formats.get(column.name, ISO)
    if isinstance(given, tuple) and len(given) == 2:
        date, of_day = texts[given[0]], texts[given[1]]
        if pa.types.is_timestamp(date.type):
            date = date.cast(pa.date32())
        cells = pc.binary_join_element_wise(date.cast(pa.string()), of_day.cast(pa.string()), " ")
    else:
        cells = texts[given if isinstance(given, str) else given[0]]
    if form in COUNTED and cells.type != pa.string() and not pa.types.is_timestamp(cells.type):
        cells = number_texts(cells)
    if form == ISO or cells.type != pa.string():
        return plain_signs(cells) if cells.type == pa.string() else cells
    era = "buddhist" if mapping.times.era == "buddhist" else "gregorian"
    times = read_times(cells, form, era)  # type: ignore[arg-type]
    done.faults.append((column.name, mask_of(cells.is_valid()) & mask_of(times.is_null()), reasons.UNREADABLE))
    return times


def _read_number(column: Column, cells: pa.Array, mapping: Columns, done: Converted) -> pa.Array:
    """Return plain digits; of money, the side and the currency beside it are put to use."""
    if cells.type != pa.string():
        return cells
    amounts = mapping.amounts
    if column.type != "money":
        return read_amounts(cells, amounts.decimal, amounts.groups, places=_ANY_PLACES).texts
    read = read_amounts(
        cells, amounts.decimal, amounts.groups, max(amounts.places, EXPONENTS.get(amounts.currency, SAFE_PLACES))
    )
    if read.currencies is not None:
        done.currencies[column.name] = read.currencies
    return read.texts if read.sides is None else _with_side(column.name, read, read.sides, mapping, done)


def _with_side(
    name: str, read: AmountCells, sides: pa.StringArray, mapping: Columns, done: Converted
) -> pa.StringArray:
    """Return amounts whose cells have Cr or Dr: a balance below zero for Dr, "?" where a word cannot stand."""
    if name in ("debit", "credit"):
        return pc.if_else(pc.fill_null(pc.equal(sides, "in" if name == "debit" else "out"), False), UNSURE, read.texts)
    if name != "amount":
        below = pc.binary_join_element_wise("-", read.texts, "")
        return pc.if_else(pc.fill_null(pc.equal(sides, "out"), False), below, read.texts)
    if mapping.amounts.paid in ("minus", "plus") and "direction" not in mapping.columns:
        return pc.if_else(sides.is_valid(), UNSURE, read.texts)
    done.side = sides
    return read.texts


def _compare_currencies(done: Converted, options: Options) -> None:
    """Note the rows whose amounts name another currency than the row or the mapping does."""
    held = done.columns.get("currency")
    rows = None if held is None else held.cast(pa.string()).fill_null(options.currency)
    for name, named in done.currencies.items():
        kinds = named.dictionary_encode()
        row = pa.repeat(options.currency, len(named)) if rows is None else rows
        differs = np.zeros(len(named), np.bool_)
        for kind in kinds.dictionary.to_pylist():
            fits = [code for code in pc.unique(row).to_pylist() if code is not None and may_be(kind, code)]
            differs |= mask_of(pc.and_not(pc.equal(named, kind), pc.is_in(row, value_set=pa.array(fits, pa.string()))))
        done.faults.append((name, differs, reasons.OTHER_CURRENCY))


def _plain(column: Column, cells: pa.Array, mapping: Columns) -> pa.Array:
    """Return text as the reader of the contract understands it; typed columns as they are."""
    if cells.type != pa.string():
        return cells
    if column.name in mapping.values:
        return _translated(cells, mapping.values[column.name])
    if column.type == "hash" and column.name in mapping.rows.hashed:
        return hash_texts(cells)
    if column.type in ("id", "hash"):
        return _ids(column.name, cells, mapping)
    return cells


def _translated(cells: pa.StringArray, pairs: Mapping[str, str]) -> pa.StringArray:
    place = pc.index_in(cells, value_set=pa.array([key for key in pairs if key != "*"], pa.string()))
    found = pa.array([value for key, value in pairs.items() if key != "*"], pa.string()).take(place)
    others = pa.scalar(pairs["*"]) if "*" in pairs else cells
    return pc.if_else(pc.is_null(cells), _NONE, pc.coalesce(found, others))


def hash_texts(cells: pa.StringArray) -> pa.StringArray:
    """Return 16 hexadecimal digits of the SHA-256 of each text; equal texts get equal digits in every table."""
    coded = cells.dictionary_encode()
    digests = [hashlib.sha256(text.encode()).hexdigest()[:16] for text in coded.dictionary.to_pylist()]
    return pa.array(digests, pa.string()).take(coded.indices)


def _ids(name: str, cells: pa.StringArray, mapping: Columns) -> pa.StringArray:
    if pc.any(pc.match_substring_regex(cells, _SPREADSHEET)).as_py():
        heading = mapping.columns.get(name)
        raise DataError(
            f"{mapping.table}: column {name!r}, from {heading!r}: holds numbers such as 1.23457E+11; a spreadsheet has "
            "rounded them and their digits are lost. Export again without opening the file in one."
        )
    cells = pc.replace_substring_regex(cells, _FORMULA, r"\1")
    if name in _ACCOUNTS:
        for sign in mapping.accounts.remove:
            cells = pc.replace_substring(cells, sign, "")
    return cells


def _take_sides(
    texts: Mapping[str, pa.Array], mapping: Columns, options: Options, done: Converted, n_rows: int
) -> None:
    """Turn account, counterparty and what left or came into source, target and a positive amount."""

    def read(name: str, kind: Type) -> pa.Array:
        column = Column(name, kind, SIDES[name])
        return _column(column, texts, mapping, options, done, n_rows)

    def has(name: str) -> bool:
        return name in mapping.columns or name in mapping.constants

    amount, is_out, is_known = _signed(read, mapping, done)
    account, counterparty = read("account", "id"), read("counterparty", "id")
    if mapping.accounts.missing:
        counterparty = pc.fill_null(counterparty, mapping.accounts.missing)
    out = pa.array(is_out)
    # Where no side is known, the row is a reject already; either order will do.
    done.columns["source"] = pc.if_else(out, account, counterparty)
    done.columns["target"] = pc.if_else(out, counterparty, account)
    done.columns["amount"] = amount
    done.faults.append(("amount", is_known & mask_of(pc.less_equal(amount, 0)), reasons.NOT_POSITIVE))
    done.is_out = is_out
    if has("balance_after"):
        balance = read("balance_after", "money")
        nothing = pa.scalar(None, pa.int64())
        done.columns["source_balance_after"] = pc.if_else(out, balance, nothing)
        done.columns["target_balance_after"] = pc.if_else(out, nothing, balance)
    banks = {name: read(name, "id") for name in ("account_bank", "counterparty_bank") if has(name)}
    if banks:
        empty = pa.nulls(n_rows, pa.string())
        own, other = banks.get("account_bank", empty), banks.get("counterparty_bank", empty)
        done.columns["source_bank"] = pc.if_else(out, own, other)
        done.columns["target_bank"] = pc.if_else(out, other, own)


def _signed(
    read: Callable[[str, Type], pa.Array], mapping: Columns, done: Converted
) -> tuple[pa.Int64Array, BoolArray, BoolArray]:
    """Return what moved, whether it left the account, and whether the row says so."""
    if "debit" in mapping.columns:
        debit, credit = (
            pc.if_else(pc.equal(side, 0), None, side) for side in (read("debit", "money"), read("credit", "money"))
        )
        debit = pc.negate(debit) if mapping.amounts.debit_is_negative else debit
        left, came = mask_of(debit.is_valid()), mask_of(credit.is_valid())
        done.faults.append(("amount", left == came, reasons.NO_SIDE))
        return pc.coalesce(debit, credit), left, left != came
    amount, paid = done.columns["amount"], mapping.amounts.paid
    side = pa.nulls(len(amount), pa.string()) if done.side is None else done.side
    if "direction" in mapping.columns:
        direction = read("direction", "category").cast(pa.string())
        known = mask_of(pc.is_in(direction, value_set=pa.array(DIRECTIONS)))
        done.faults.append(("direction", ~known, reasons.UNREADABLE))
        done.faults.append(("direction", mask_of(pc.not_equal(side, direction)), reasons.NO_SIDE))
        return amount, mask_of(pc.equal(direction, "out")), known
    if paid in ("minus", "plus"):
        is_out = pc.less(amount, 0) if paid == "minus" else pc.greater(amount, 0)
        return pc.abs(amount), mask_of(is_out), mask_of(amount.is_valid())
    unmarked = {"no_cr": "out", "dr": "in"}.get(paid)
    side = side if unmarked is None else side.fill_null(unmarked)
    known = mask_of(side.is_valid())
    done.faults.append(("amount", mask_of(amount.is_valid()) & ~known, reasons.NO_SIDE))
    return amount, mask_of(pc.equal(side, "out")), known


def _name_missing(done: Converted, mapping: Columns) -> None:
    """Give accounts that a row does not name a name, unless it names none at all."""
    if mapping.is_statement or not {"source", "target"} <= done.columns.keys():
        return
    source, target = done.columns["source"], done.columns["target"]
    done.columns["source"] = pc.if_else(target.is_valid(), pc.fill_null(source, mapping.accounts.missing), source)
    done.columns["target"] = pc.if_else(source.is_valid(), pc.fill_null(target, mapping.accounts.missing), target)
