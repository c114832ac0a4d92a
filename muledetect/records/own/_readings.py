"""How the times and amounts of columns are read: what their cells tell, what was stated, and "?" for the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.records.currency import EXPONENTS
from muledetect.records.own._columns import OTHER, Amounts, Paid, Times
from muledetect.records.own._formats import ERA_WORDS, clash, is_zoned
from muledetect.records.own._money import UNSURE, Marks, find_marks
from muledetect.records.own._profile import Profile
from muledetect.records.own._roles import Draft, is_midnight
from muledetect.records.own._times import ISO, Era, read_times
from muledetect.records.own._words import MONEY_SIGNS, SHARED_SIGNS, likely_zone

DateOrder: TypeAlias = Literal["day", "month"]


@dataclass(frozen=True, slots=True)
class Stated:
    """What the caller knows; None is found from the file, or stays "?"."""

    currency: str | None
    money: Literal["major", "minor"] | None
    source_tz: str | None
    decimal: str | None
    era: Era | None
    date_order: DateOrder | None


def suggest_times(draft: Draft, stated: Stated) -> Times:
    """Say how the times of a draft are written."""
    formats: dict[str, str] = {}
    eras: set[str] = set()
    is_naive = False
    for column in draft.table.columns:
        heading = draft.columns.get(column.name)
        if column.type != "time" or heading is None:
            continue
        if heading == UNSURE:
            formats |= _form_of_choice(draft, column.name, stated)
            continue
        date = draft.profiles[heading if isinstance(heading, str) else heading[0]]
        clock = draft.profiles[heading[1]].clock if isinstance(heading, tuple) else None
        form, why = _format_of(date, clock, stated)
        if form != ISO:
            formats[column.name] = form
        if why:
            draft.notes[f"times.{column.name}"] = why
        eras.add(_era_of(date))
        is_naive |= not is_zoned(form) and not _is_zoned(date)
    # What was stated stays, also where no column of times was found yet.
    zone = stated.source_tz or (UNSURE if is_naive else "")
    example = likely_zone(tuple(draft.profiles)) or "Asia/Bangkok"
    if zone == UNSURE:
        draft.notes["times.zone"] = f'no file says which clock wrote its times; such as "{example}", or "UTC"'
    named = [era for word, era in ERA_WORDS.items() if any(word in form for form in formats.values())]
    era = stated.era or (named[0] if named else UNSURE if "buddhist" in eras else "gregorian")
    if era == UNSURE:
        draft.notes["times.era"] = 'years such as 2568 look Buddhist: "buddhist" takes 543 off, "gregorian" does not'
    return Times(zone, era, formats)


def _form_of_choice(draft: Draft, name: str, stated: Stated) -> dict[str, str]:
    """Return the format of a time whose column a person must choose; "?" where columns differ in it."""
    dates = [profile for profile in draft.unused() if profile.is_moment or profile.counted]
    told = {profile.heading: _format_of(profile, None, stated)[0] for profile in dates}
    if not told or set(told.values()) == {ISO}:
        return {}
    if len(set(told.values())) == 1:
        return {name: next(iter(told.values()))}
    draft.notes[f"times.{name}"] = "the format of the column: " + ", ".join(
        f"{heading} has {form!r}" if form != UNSURE else f"{heading} has one that is not known"
        for heading, form in told.items()
    )
    return {name: UNSURE}


def _is_zoned(profile: Profile) -> bool:
    shown = profile.distinct.slice(0, 1000)
    return profile.formats == (ISO,) and bool(
        pc.all(pc.match_substring_regex(shown, "(Z|[+-][0-9]{2}:?[0-9]{2})$")).as_py()
    )


def _format_of(date: Profile, clock: str | None, stated: Stated) -> tuple[str, str]:
    """Return the format of times, `clock` the time of day beside the date, and why; "?" with all that fit."""
    forms = tuple(dict.fromkeys(_joined(form, date, clock) for form in date.formats or date.counted))
    if len(forms) > 1 and stated.date_order is not None:
        first = {"day": "%d", "month": "%m"}[stated.date_order]
        ordered = [form for form in forms if form.startswith(first)]
        forms, told = (tuple(ordered), "as stated") if ordered else (forms, "")
        if len(forms) == 1:
            return forms[0], told
    if len(forms) > 1:
        listed = " or ".join(f'"{form}"' for form in forms)
        why = "no day is above 12" if clash(*forms[:2]) else "the cells do not tell"
        return UNSURE, f"{why}, so it is {listed}"
    return (forms[0], "") if forms else (UNSURE, "the format was not recognised; write it in the letters of strftime")


def _joined(form: str, date: Profile, clock: str | None) -> str:
    if clock is None:
        return form
    if is_midnight(date):  # a date that a program wrote with a time of day of zeros
        for letter in ("%H", "%M", "%S"):
            form = form.replace(letter, "00")
        form = form.removesuffix(".%f")
    return f"{'%Y-%m-%d' if form == ISO else form} {clock}"


def _era_of(date: Profile) -> str:
    """Return the era that the years look like; most of them lie ahead of us where they are Buddhist."""
    if not date.formats:  # counts have no years
        return "gregorian"
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


def suggest_amounts(draft: Draft, stated: Stated, values: dict[str, dict[str, str]]) -> Amounts:
    """Say how the amounts of a draft are written; `values` has the codes for the bank's words of currencies."""
    names = [column.name for column in draft.table.columns if column.type == "money"]
    money = draft.held(*names, "debit", "credit", "balance_after")
    numbers = [column.name for column in draft.table.columns if column.type in ("number", "share", "int")]
    held = money or draft.held(*numbers)
    marks = _marks(held)
    decimal = stated.decimal or marks.decimal
    if decimal == UNSURE:
        draft.notes["amounts.decimal"] = 'amounts such as 1.234 do not tell it: "." or ","'
    thousands = marks.thousands if marks.thousands != decimal else ""
    if marks.decimal == UNSURE and not thousands:
        thousands = OTHER
    currency, why = _currency(draft, stated, values, money)
    if why:
        draft.notes["amounts.currency"] = why
    unit = stated.money or ("major" if marks.has_decimals or not money else _unit_of(held, currency))
    if unit == UNSURE:
        draft.notes["amounts.unit"] = 'no amount has decimals: whole units such as baht ("major") or satang ("minor")?'
    debit = draft.of("debit")
    is_negative = debit is not None and debit.marks.n_negative * 2 > debit.marks.n_numbers
    places = marks.places if marks.places > EXPONENTS.get(currency, 0) else 0
    return Amounts(currency, unit, decimal, thousands, places, _paid(draft), is_negative)  # type: ignore[arg-type]


def _paid(draft: Draft) -> Paid | Literal["?"]:
    """Say how amounts tell that money left the account: by their signs, or by Cr and Dr beside them."""
    amount = draft.of("amount")
    if amount is None or not (amount.marks.n_out or amount.marks.n_in):
        return "minus"
    n_bare = amount.marks.n_numbers - amount.marks.n_out - amount.marks.n_in
    if not n_bare or "direction" in draft.columns:
        return "cr_dr"
    found = "Cr" if not amount.marks.n_out else "Dr" if not amount.marks.n_in else "Cr or Dr"
    choices = {"Cr": '"no_cr" (they are paid) or ', "Dr": '"dr" (they came in) or '}.get(found, '"no_cr" or "dr" or ')
    draft.notes["amounts.paid"] = f'{n_bare:,} amounts have no {found} beside them: {choices}"cr_dr" (leave them out)'
    return UNSURE


def _marks(columns: list[Profile]) -> Marks:
    if not columns:
        return Marks(".", "", 0, 0, False, 0)
    if len(columns) == 1:
        return columns[0].marks
    # A column that tells nothing by itself follows the others.
    weights = [weight for profile in columns for weight in profile.weights.to_pylist()]
    return find_marks(pa.concat_arrays([profile.distinct for profile in columns]), weights)


def _unit_of(columns: list[Profile], currency: str) -> str:
    if EXPONENTS.get(currency) == 0:  # yen and dong have no smaller unit
        return "major"
    heads = " ".join(profile.heading.casefold() for profile in columns)
    if any(word in heads for word in ("satang", "สตางค์", "cents", "minor", "pence")):
        return "minor"
    return "major" if any(word in heads for word in ("baht", "บาท", "major")) else UNSURE


def _currency(draft: Draft, stated: Stated, values: dict[str, dict[str, str]], money: list[Profile]) -> tuple[str, str]:
    """Return the currency of amounts and why; what was stated stays whatever the columns."""
    profile = draft.of("currency")
    found = [] if profile is None else profile.distinct.to_pylist()
    named = [values.get("currency", {}).get(text, text) for text in found]
    named += [code for column in money for code in column.marks.currencies if code in EXPONENTS]
    named = list(dict.fromkeys(named))
    if len(named) > 1 and not stated.currency:
        listed = ", ".join(f'"{code}"' for code in named[:8])
        return UNSURE, f"rows are of several currencies: {listed}; rows of others than the one named are left out"
    if stated.currency or named:
        chosen = stated.currency or named[0]
        others = sorted(set(named) - {chosen})[:5]
        return chosen, f"rows of {', '.join(others)} are left out" if others else ""
    for column in money:
        for text in (column.heading, *column.distinct.to_pylist()[:3]):
            code = _code_in(text)
            if code is not None:
                return code, f'as "{column.heading}" says'
    shared = next((sign for column in money for sign in column.marks.currencies if sign in SHARED_SIGNS), None)
    if shared is not None:
        listed = ", ".join(f'"{code}"' for code in SHARED_SIGNS[shared][:8])
        return UNSURE, f"several currencies have the sign {shared} of the amounts: {listed}"
    if not money and draft.table.name != "transfers":
        return Amounts().currency, ""
    return UNSURE, 'no column says it; the ISO code, such as "THB"'


def _code_in(text: str) -> str | None:
    """Return the currency that a heading or an amount names by a sign, or by a code in brackets or at its end."""
    words = re.findall(r"[^\W\d_]*\$|[^\W\d_]+", text)
    for sign, code in MONEY_SIGNS.items():
        if sign in text if not sign.isascii() else sign in [word.lower() for word in words]:
            return code
    ends = [*words[:1], *words[-1:]] if re.search(r"\d", text) else words[-1:]
    return next((word for word in [*re.findall(r"[(\[]([A-Z]{3})[)\]]", text), *ends] if word in EXPONENTS), None)
