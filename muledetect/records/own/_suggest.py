"""Suggest what the columns of a bank's file are: by their headings in many languages, and by what their cells hold.

A heading proposes and the cells must agree; what neither tells stays "?", with what to choose from beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.errors import OptionError
from muledetect.records.currency import EXPONENTS
from muledetect.records.own._columns import Accounts, Amounts, Columns, PairOn, RowRules, Times
from muledetect.records.own._file import FileForm, Source, as_sources, detect_form, headings_of, is_text, name_of
from muledetect.records.own._money import UNSURE, Marks, find_marks
from muledetect.records.own._profile import Profile, profiles_of
from muledetect.records.own._roles import Draft, assign_roles, is_midnight
from muledetect.records.own._times import ISO, Era, clash, read_times
from muledetect.records.own._values import suggest_values
from muledetect.records.own._words import ACCOUNT_COLUMNS, MONEY_SIGNS, SIDES, likely_zone
from muledetect.schema import INPUTS, did_you_mean

DateOrder = Literal["day", "month"]

#: Texts that stand for "no value" where they are all of a cell.
_NOTHING: Final = (
    "-", "--", "n/a", "N/A", "NA", "#N/A", "NULL", "null", "None", "none", "nan", "NaN", "0000-00-00", "00.00.0000",
    "31.12.9999", "9999-12-31", "31/12/9999", "12/31/9999", "99991231", "ไม่ระบุ",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stated:
    """What the caller knows; None is found from the file, or stays "?"."""

    currency: str | None
    money: Literal["major", "minor"] | None
    source_tz: str | None
    decimal: str | None
    era: Era | None
    date_order: DateOrder | None


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
        If the file cannot be read, or its encoding or columns cannot be told.
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
    form, profiles, sample = _without_nothing(source, form, headings, profiles, sample)
    stated = Stated(currency, money, source_tz, decimal, era, date_order)
    draft = Draft(INPUTS[table], profiles)
    draft.notes.update({f"file.{name}": why for name, why in notes.items()})
    assign_roles(draft)
    return _finish(draft, form, stated, sample, name_of(source))


def _without_nothing(
    source: Source, form: FileForm, headings: tuple[str, ...], profiles: dict[str, Profile], sample: pa.Table
) -> tuple[FileForm, dict[str, Profile], pa.Table]:
    """Look again without the texts that mean "no value", if there are some."""
    found = [
        text for text in _NOTHING
        if any(pc.any(pc.equal(profile.distinct, text)).as_py() for profile in profiles.values())
    ]  # fmt: skip
    if not found or not is_text(source):
        return form, profiles, sample
    form = FileForm(form.encoding, form.delimiter, form.header, tuple(found))
    return form, *profiles_of(source, form, headings)


def _finish(draft: Draft, form: FileForm, stated: Stated, sample: pa.Table, name: str) -> Columns:
    times = _times(draft, stated)
    values = _values(draft)
    amounts = _amounts(draft, stated, values)
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


def _times(draft: Draft, stated: Stated) -> Times:
    formats: dict[str, str] = {}
    eras: set[str] = set()
    is_naive = False
    for column in draft.table.columns:
        heading = draft.columns.get(column.name)
        if column.type != "time" or heading in (None, UNSURE):
            continue
        date = draft.profiles[heading if isinstance(heading, str) else heading[0]]
        form, why = _format_of(date, stated)
        if isinstance(heading, tuple):
            form = _joined(form, date, draft.profiles[heading[1]])
        if form != ISO:
            formats[column.name] = form
        if why:
            draft.notes[f"times.{column.name}"] = why
        eras.add(_era_of(date))
        is_naive |= "%z" not in form and not _is_zoned(date)
    zone = (stated.source_tz or UNSURE) if is_naive else ""
    example = likely_zone(tuple(draft.profiles)) or "Asia/Bangkok"
    if zone == UNSURE:
        draft.notes["times.zone"] = f'no file says which clock wrote its times; such as "{example}", or "UTC"'
    era = stated.era or (UNSURE if "buddhist" in eras else "gregorian")
    if era == UNSURE:
        draft.notes["times.era"] = 'years such as 2568 look Buddhist: "buddhist" takes 543 off, "gregorian" does not'
    return Times(zone, era, formats)


def _is_zoned(profile: Profile) -> bool:
    shown = profile.distinct.slice(0, 1000)
    return profile.formats == (ISO,) and bool(
        pc.all(pc.match_substring_regex(shown, "(Z|[+-][0-9]{2}:?[0-9]{2})$")).as_py()
    )


def _format_of(date: Profile, stated: Stated) -> tuple[str, str]:
    forms = date.formats
    if len(forms) == 2 and clash(*forms):
        if stated.date_order is None:
            return UNSURE, f'no day is above 12, so it is "{forms[0]}" or "{forms[1]}"'
        first = "%d" if stated.date_order == "day" else "%m"
        return next(
            form for form in forms if form.index(first) < form.index("%m" if first == "%d" else "%d")
        ), "as stated"
    return (forms[0], "") if forms else (UNSURE, "the format was not recognised")


def _joined(form: str, date: Profile, of_day: Profile) -> str:
    if form == UNSURE:
        return form
    if is_midnight(date):  # a date that a program wrote with a time of day of zeros
        for letter in ("%H", "%M", "%S"):
            form = form.replace(letter, "00")
        form = form.removesuffix(".%f")
    day = "%Y-%m-%d" if form == ISO else form
    return f"{day} {of_day.clock}"


def _era_of(date: Profile) -> str:
    """Return the era that the years look like; most of them lie ahead of us where they are Buddhist."""
    form = next((form for form in date.formats if form != ISO), None)
    if form is None:
        years = (
            pc.extract_regex(date.distinct, r"^(?P<y>[0-9]{4})").flatten()[0] if len(date.distinct) else pa.array([])
        )
    else:
        years = pc.year(read_times(date.distinct, form, "gregorian")).cast(pa.string())
    this_year = datetime.now(UTC).year
    numbers = [int(year) for year in pc.drop_null(years).to_pylist() if year]
    is_short = form is not None and "%y" in form
    ahead = [year for year in numbers if year > this_year + (10 if is_short else 400)]
    return "buddhist" if len(ahead) * 2 > len(numbers) else "gregorian"


def _money_columns(draft: Draft) -> list[Profile]:
    names = ("debit", "credit", "balance_after")
    money = [column.name for column in draft.table.columns if column.type == "money"]
    return [profile for name in (*money, *names) if (profile := draft.of(name)) is not None]


def _number_columns(draft: Draft) -> list[Profile]:
    numbers = [column.name for column in draft.table.columns if column.type in ("number", "share", "int")]
    return [profile for name in numbers if (profile := draft.of(name)) is not None]


def _amounts(draft: Draft, stated: Stated, values: dict[str, dict[str, str]]) -> Amounts:
    money = _money_columns(draft)
    held = money or _number_columns(draft)
    marks = _marks(held)
    decimal = stated.decimal or marks.decimal
    if decimal == UNSURE:
        draft.notes["amounts.decimal"] = 'amounts such as 1.234 do not tell it: "." or ","'
    thousands = marks.thousands if marks.thousands != decimal else ""
    if stated.decimal and marks.decimal == UNSURE and not thousands:
        thousands = {",": ".", ".": ","}[stated.decimal]
    currency, why = _currency(draft, stated, values) if money else ("THB", "")
    draft.notes["amounts.currency"] = why
    unit = stated.money or ("major" if marks.has_decimals or not money else _unit_of(held, currency))
    if unit == UNSURE:
        draft.notes["amounts.unit"] = 'no amount has decimals: whole units such as baht ("major") or satang ("minor")?'
    debit = draft.of("debit")
    is_negative = debit is not None and debit.marks.n_negative * 2 > debit.marks.n_numbers
    return Amounts(currency, unit, decimal, thousands, is_negative)  # type: ignore[arg-type]


def _marks(columns: list[Profile]) -> Marks:
    typed = [profile.marks for profile in columns]
    if len(columns) == 1 or not columns:
        return typed[0] if typed else Marks(".", "", 0, 0, False, 0)
    # A column that tells nothing by itself follows the others.
    return find_marks(pa.concat_arrays([profile.distinct for profile in columns]))


def _unit_of(columns: list[Profile], currency: str) -> str:
    if EXPONENTS.get(currency) == 0:  # yen and dong have no smaller unit
        return "major"
    heads = " ".join(profile.heading.casefold() for profile in columns)
    if any(word in heads for word in ("satang", "สตางค์", "cents", "minor", "pence")):
        return "minor"
    return "major" if any(word in heads for word in ("baht", "บาท", "major")) else UNSURE


def _currency(draft: Draft, stated: Stated, values: dict[str, dict[str, str]]) -> tuple[str, str]:
    profile = draft.of("currency")
    if profile is not None:
        found = [values.get("currency", {}).get(text, text) for text in profile.distinct.to_pylist()]
        chosen = stated.currency or found[0]
        several = len(set(found)) > 1
        return chosen, f"rows of {', '.join(sorted(set(found) - {chosen})[:5])} are rejected" if several else ""
    if stated.currency:
        return stated.currency, ""
    for money in _money_columns(draft):
        for text in (money.heading, *money.distinct.to_pylist()[:3]):
            code = _code_in(text)
            if code is not None:
                return code, f'as "{money.heading}" says'
    return UNSURE, 'no column says it; the ISO code, such as "THB"'


def _code_in(text: str) -> str | None:
    """Return the currency that a heading or an amount names by a sign, or by a code in brackets or at its end."""
    words = re.findall(r"[^\W\d_]+", text)
    for sign, code in MONEY_SIGNS.items():
        if sign in text if not sign.isascii() else sign in [word.lower() for word in words]:
            return code
    ends = [*words[:1], *words[-1:]] if re.search(r"\d", text) else words[-1:]
    return next((word for word in [*re.findall(r"[(\[]([A-Z]{3})[)\]]", text), *ends] if word in EXPONENTS), None)


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
    held = [profile for name in ACCOUNT_COLUMNS if (profile := draft.of(name)) is not None]
    marks = [
        "".join(sorted({sign for text in p.distinct.to_pylist()[:2000] for sign in text if sign in "- ./"}))
        for p in held
    ]
    remove = "".join(sorted(set("".join(marks)))) if len(set(marks)) > 1 else ""
    if remove:
        draft.notes["accounts.remove"] = "signs that some columns of accounts have and others have not"
    # Remarks and sums in a thousand lines of a table have no accounts either.
    gaps = [profile for profile in held if profile.n_filled < 0.999 * profile.n_rows]
    is_statement = "account" in draft.columns
    if is_statement:
        draft.notes["accounts.list_own"] = (
            "the accounts whose statements these are become the table of accounts, if there is no other; only they are "
            "scored then"
        )
    if draft.table.name != "transfers" or not gaps:
        return Accounts(remove, list_own=is_statement)
    share = max(1 - profile.n_filled / profile.n_rows for profile in gaps)
    draft.notes["accounts.missing"] = (
        f"{share:.1%} of the rows name no other account (cash, fees): they get an account of this name; "
        '"" rejects them instead'
    )
    return Accounts(remove, "outside", is_statement)
