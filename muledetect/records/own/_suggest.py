"""Suggest what the columns of a bank's file are: by their headings in many languages, and by what their cells hold.

A heading proposes and the cells must agree; what neither tells stays "?", with what to choose from beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.errors import DataError, OptionError
from muledetect.records.files import (
    FileForm,
    Source,
    as_sources,
    headings_of,
    is_text,
    lines_above,
    name_of,
)
from muledetect.records.own._columns import Accounts, Columns, PairOn, RowRules
from muledetect.records.own._detect import detect_form, offers_above
from muledetect.records.own._profile import Profile, profiles_of
from muledetect.records.own._readings import DateOrder, Stated, suggest_amounts, suggest_times
from muledetect.records.own._roles import Draft, assign_roles
from muledetect.records.own._times import Era
from muledetect.records.own._values import suggest_values
from muledetect.records.own._words import ACCOUNT_COLUMNS, NOTHING, SIDES
from muledetect.schema import INPUTS, did_you_mean


def suggest_columns(
    files: Any,
    *,
    table: str = "transfers",
    currency: str | None = None,
    money: Literal["major", "minor"] | None = None,
    source_tz: str | None = None,
    decimal: Literal[".", ","] | None = None,
    era: Era | None = None,
    date_order: DateOrder | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> Columns:
    """Say what each column of a bank's own file seems to be, for a person to confirm.

    Parameters
    ----------
    files : path, sequence of paths, or table
        CSV (also .gz, .zst), Parquet, or a pandas, polars or pyarrow table. Files have the same columns; the first is
        looked at, up to 100,000 rows.
    table : str
        The table of the contract that the rows belong to.
    currency : str, optional
        ISO 4217 code of the amounts. Found where a column, a heading or the cells say it.
    money : "major" or "minor", optional
        Whether amounts are baht or satang. Amounts with decimals are baht.
    source_tz : str, optional
        Time zone of the clock that wrote the times, such as "Asia/Bangkok"; no file says it.
    decimal : "." or ",", optional
        Decimal mark. Found where some amount shows it; 1.234 alone does not.
    era : "gregorian" or "buddhist", optional
        How years count. Must be stated where they look Buddhist (2568).
    date_order : "day" or "month", optional
        Which comes first in dates such as 03/04/2025. Found where some day is above 12.
    encoding, delimiter : str, optional
        How the text is written. Found from the bytes.

    Returns
    -------
    Columns
        The mapping with its reasons. What is not known is "?"; see `Columns.undecided`.

    Raises
    ------
    DataError
        If the file cannot be read, has no rows, or its encoding or columns cannot be told.
    OptionError
        If an option is not known.
    """
    if table not in INPUTS:
        raise OptionError(f"table: there is no table {table!r}.{did_you_mean(table, list(INPUTS))}")
    if date_order not in (None, "day", "month"):
        raise OptionError(f"date_order: {date_order!r} is neither 'day' nor 'month'.")
    source = as_sources(files)[0]
    form, notes = FileForm(), dict[str, str]()
    if isinstance(source, Path) and is_text(source):
        form, notes = detect_form(source, encoding, delimiter)
    headings = headings_of(source, form)
    profiles, sample = profiles_of(source, form, headings)
    if not sample.num_rows:
        raise DataError(
            f"{name_of(source)}: has no rows that fit its headings, and without cells nobody can tell what the columns "
            "are. Export it again."
        )
    form, profiles, sample = _without_nothing(source, form, headings, profiles, sample)
    stated = Stated(currency, money, source_tz, decimal, era, date_order)
    draft = Draft(INPUTS[table], profiles, offers_above(lines_above(source, form)))
    draft.notes.update({f"file.{name}": why for name, why in notes.items()})
    assign_roles(draft)
    return _finish(draft, form, stated, sample, name_of(source))


def _without_nothing(
    source: Source, form: FileForm, headings: tuple[str, ...], profiles: dict[str, Profile], sample: pa.Table
) -> tuple[FileForm, dict[str, Profile], pa.Table]:
    """Look again without the texts that mean "no value", if there are some."""
    found = [
        text for text in NOTHING
        if any(pc.any(pc.equal(profile.distinct, text)).as_py() for profile in profiles.values())
    ]  # fmt: skip
    if not found or not is_text(source):
        return form, profiles, sample
    form = FileForm(form.encoding, form.delimiter, form.header, tuple(found))
    return form, *profiles_of(source, form, headings)


def _finish(draft: Draft, form: FileForm, stated: Stated, sample: pa.Table, name: str) -> Columns:
    times = suggest_times(draft, stated)
    values = _values(draft)
    amounts = suggest_amounts(draft, stated, values)
    unused = ", ".join(f'"{profile.heading}"' for profile in draft.unused())
    draft.notes["rows.keep"] = f"headings of columns to keep as they are; not used: {unused or 'none'}"
    rows = _rows(draft, sample)
    accounts = _accounts(draft)
    draft.notes[""] = (
        f"What the columns of {name} were taken for. Nothing has been imported yet.\n"
        'Replace each "?", correct what is wrong, and give this file to\n'
        "muledetect import own FILES --columns THIS_FILE --output DATASET"
    )
    names = ("time", *SIDES, *draft.table.names)
    columns = {name: draft.columns[name] for name in dict.fromkeys(names) if name in draft.columns}
    return Columns(
        draft.table.name, columns, draft.constants, values, form, times, amounts, accounts, rows, draft.notes
    )


def _values(draft: Draft) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name in list(draft.columns):
        profile = draft.of(name)
        column = draft.table.column(name) if name in draft.table.names else None
        if profile is None:
            continue
        pairs = suggest_values(name, column, profile)
        if pairs:
            found[name] = pairs
        lost = [text for text, value in pairs.items() if name == "status" and value == "rejected"]
        if lost:
            draft.notes["values.status"] = f"rows of these states do not count as money: {', '.join(lost)}"
    return found


def _rows(draft: Draft, sample: pa.Table) -> RowRules:
    hashed = []
    for column in draft.table.columns:
        profile = draft.of(column.name)
        if column.type == "hash" and profile is not None and not profile.is_hex:
            hashed.append(column.name)
    if hashed:
        draft.notes["rows.hashed"] = "text is replaced by 16 hexadecimal digits of its SHA-256; equal texts stay equal"
    is_transfers = draft.table.name == "transfers"
    ids = "rows" if is_transfers and "transfer_id" not in draft.columns else "column"
    if ids == "rows":
        draft.notes["rows.ids"] = (
            'no column identifies a row: "rows" makes ids of file name and row number, "content" makes one transfer of '
            "rows that say the same"
        )
    pair_on = _pair_on(draft, sample) if "account" in draft.columns else "nothing"
    return RowRules(ids, pair_on, hashed=tuple(hashed))  # type: ignore[arg-type]


def _pair_on(draft: Draft, sample: pa.Table) -> PairOn:
    """Say how the two rows of one transfer are known, where counterparties are accounts of the file, too."""
    account, counterparty = draft.of("account"), draft.of("counterparty")
    if account is None or counterparty is None:
        return "nothing"
    known = pa.array([_digits(text) for text in account.distinct.to_pylist()])
    others = pa.array([_digits(text) for text in sample.column(counterparty.heading).cast(pa.string()).to_pylist()])
    share = float(pc.mean(pc.is_in(others, value_set=known).cast(pa.float64())).as_py() or 0)
    if share == 0:
        return "nothing"
    transfer_id = draft.of("transfer_id")
    on: PairOn = "time"
    if transfer_id is not None and len(transfer_id.distinct) < 0.9 * min(transfer_id.n_filled, 20_000):
        on = "transfer_id"
    draft.notes["rows.pair_on"] = (
        f"{share:.0%} of the counterparties are accounts of the file, too: a transfer between two of them has two "
        f'rows, which become one where accounts, amount and {on.replace("_", " ")} agree; "nothing" counts both'
    )
    draft.notes["rows.pair_within"] = "how far the times of the two rows may lie apart"
    return on


def _digits(text: str | None) -> str:
    return "".join(sign for sign in text or "" if sign.isalnum())


def _accounts(draft: Draft) -> Accounts:
    held = draft.held(*ACCOUNT_COLUMNS)
    marks = [
        "".join(sorted({sign for text in p.distinct.to_pylist()[:2000] for sign in text if sign in "- ./"}))
        for p in held
    ]
    remove = "".join(sorted(set("".join(marks)))) if len(set(marks)) > 1 else ""
    if remove:
        draft.notes["accounts.remove"] = "signs that some columns of accounts have and others have not"
    # Remarks and sums in a thousand lines of a table have no accounts either.
    gaps = [profile for profile in held if profile.n_filled < 0.999 * profile.n_rows]
    own = draft.own_account
    is_statement = "account" in draft.columns or bool(own)
    if is_statement:
        draft.notes["accounts.list_own"] = (
            "the accounts whose statements these are become the table of accounts, if there is no other; only they are "
            "scored then"
        )
    if draft.table.name != "transfers" or not gaps:
        return Accounts(own, remove, list_own=is_statement)
    share = max(1 - profile.n_filled / profile.n_rows for profile in gaps)
    draft.notes["accounts.missing"] = (
        f"{share:.1%} of the rows name no other account (cash, fees): they get an account of this name; "
        '"" rejects them instead'
    )
    return Accounts(own, remove, "outside", is_statement)
