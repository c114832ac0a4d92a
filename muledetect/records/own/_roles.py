"""Which column of a file plays which role: a heading proposes, its cells must agree, a person decides the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import pyarrow.compute as pc

from muledetect.records.currency import EXPONENTS
from muledetect.records.own._columns import several
from muledetect.records.own._money import UNSURE
from muledetect.records.own._profile import Profile
from muledetect.records.own._refusals import refusals
from muledetect.records.own._values import values_known
from muledetect.records.own._words import ACCOUNT_COLUMNS, MONEY_SIGNS, SIDES, is_barred, likeness, plain_heading
from muledetect.schema import Column, Table

_LEAST: Final = 50.0
#: Likeness of a heading that is one of the names of a role.
_SURE: Final = 90.0
#: Names of a status that as often are those of a part of a country.
_OTHER_STATES: Final = ("state", "estado", "stato")
#: Headings that banks give to the account of either side.
_EITHER_SIDE: Final = ("iban",)
#: Rows from which on it means something that an account comes again and again.
_FEW_ROWS: Final = 20


@dataclass
class Draft:
    """A mapping while it is drawn up; `above` are places above the table that may hold the account of a statement."""

    table: Table
    profiles: Mapping[str, Profile]
    above: list[str] = field(default_factory=list)
    own_account: str = ""
    columns: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def take(self, name: str, heading: str | tuple[str, ...], why: str) -> None:
        self.columns[name] = heading
        self.notes[f"columns.{name}"] = why

    def drop(self, *names: str) -> None:
        for name in names:
            self.columns.pop(name, None)
            self.notes.pop(f"columns.{name}", None)

    def of(self, name: str) -> Profile | None:
        heading = self.columns.get(name)
        return self.profiles.get(heading) if isinstance(heading, str) else None

    def held(self, *names: str) -> list[Profile]:
        return [profile for name in names if (profile := self.of(name)) is not None]

    def unused(self) -> list[Profile]:
        used = {name for given in self.columns.values() for name in several(given)}
        return [profile for name, profile in self.profiles.items() if name not in used]


def assign_roles(draft: Draft) -> None:
    """Give every role that a heading or the cells tell its column, and "?" to what is required beyond."""
    _assign(draft)
    if draft.table.name == "transfers":
        _settle_form(draft)
    _settle_required(draft)


def _assign(draft: Draft) -> None:
    """Give each role the column whose heading names it best, if its cells agree; the best match goes first."""
    roles: list[tuple[str, Column | None]] = [(column.name, column) for column in draft.table.columns]
    if draft.table.name == "transfers":
        roles += [(name, None) for name in SIDES]
    matches = []
    for place, (role, column) in enumerate(roles):
        for heading, profile in draft.profiles.items():
            score = likeness(role, heading)
            if score >= _LEAST and _agrees(role, column, profile):
                # Of two dates, the one with a time of day says more.
                score += 20 * (role == "time" and profile.has_clock)
                matches.append((-score, place, role, heading))
    for _, _, role, heading in sorted(matches):
        taken = [name for name in draft.columns.values() if name == heading]
        if role not in draft.columns and not taken:
            draft.take(role, heading, f'"{draft.profiles[heading].example}"')


def _agrees(role: str, column: Column | None, profile: Profile) -> bool:
    """Whether cells can be what the role asks for."""
    if not profile.n_filled:
        return False
    check = _ROLE_CHECKS.get(role) or _TYPE_CHECKS.get(column.type if column is not None else "id", _is_plain)
    return check(profile) and (column is None or not column.values or _has_words(column, profile))


def _is_plain(profile: Profile) -> bool:
    return not profile.is_moment and not (profile.is_amount and profile.marks.has_decimals)


def _is_currency(profile: Profile) -> bool:
    known = {*EXPONENTS, *MONEY_SIGNS}
    return all(text in known or text.lower() in known for text in profile.distinct.to_pylist()[:50])


def _has_words(column: Column, profile: Profile) -> bool:
    """Whether a column of declared values repeats a few, some of which are words that we know; rails have any names."""
    is_named = column.name == "channel" or (column.name == "status" and _names_status(profile))
    return profile.is_code and (is_named or values_known(column.name, column.values, profile) > 0)


_ROLE_CHECKS: Final[Mapping[str, Callable[[Profile], bool]]] = MappingProxyType(
    {
        **dict.fromkeys(ACCOUNT_COLUMNS, lambda profile: profile.is_id and _is_plain(profile)),
        **dict.fromkeys(("debit", "credit", "balance_after"), lambda profile: profile.is_amount),
        "direction": lambda profile: profile.is_code and values_known("direction", (), profile) == 1.0,
        "time": lambda profile: profile.is_moment or profile.clock is not None or bool(profile.counted),
        "currency": _is_currency,
        # Both sides of a transfer may have the same id.
        "transfer_id": lambda profile: (
            len(profile.distinct) * 2.5 >= min(profile.n_filled, 20_000) and not profile.is_moment
        ),
    }
)
_TYPE_CHECKS: Final[Mapping[str, Callable[[Profile], bool]]] = MappingProxyType(
    {
        "time": lambda profile: profile.is_moment or bool(profile.counted),
        "money": lambda profile: profile.is_amount and (profile.marks.has_decimals or not profile.is_moment),
        "bool": lambda profile: profile.is_code and len(profile.distinct) <= 4,
        **dict.fromkeys(("int", "number", "share"), lambda profile: profile.is_amount),
    }
)


def _settle_form(draft: Draft) -> None:
    """Decide between "from, to, amount" and "account, counterparty, signed amount"; drop what is of the other."""
    has = draft.columns.keys()
    is_signed = bool({"debit", "credit"} <= has or "direction" in has or _has_sides(draft))
    _ask_whose_account(draft, is_signed)
    if "account" in has and "counterparty" not in has and ("source" in has) != ("target" in has):
        other = "target" if "target" in has else "source"
        if is_signed:
            draft.take("counterparty", draft.columns[other], draft.notes[f"columns.{other}"])
            draft.drop(other)
        else:
            missing = "source" if other == "target" else "target"
            why = f"{draft.notes['columns.account']}; amounts have no sign, and the other side is the {other}"
            draft.take(missing, draft.columns["account"], why)
            draft.drop("account")
    if {"source", "target"} <= has and not ({"account", "counterparty"} <= has and is_signed):
        draft.drop(*SIDES)
    elif "account" in has or "counterparty" in has:
        draft.drop("source", "target", "source_bank", "target_bank", "source_balance_after", "target_balance_after")
        if {"debit", "credit"} <= has:
            draft.drop("amount", "direction")
        else:
            draft.drop("debit", "credit")
            _say_sides(draft)
    else:
        draft.drop(*SIDES)


def _has_sides(draft: Draft) -> bool:
    """Whether amounts tell by signs, or by Cr and Dr beside them, whether money left or came."""
    amount = draft.of("amount")
    if amount is None:
        return False
    marks = amount.marks
    return bool(marks.n_out or marks.n_in) or marks.n_negative * 20 > marks.n_numbers


def _say_sides(draft: Draft) -> None:
    """Let amounts that have signs, or Cr and Dr beside them, tell the side; a column of directions goes then."""
    amount = draft.of("amount")
    if amount is None or not (amount.marks.n_negative or amount.marks.n_out or amount.marks.n_in):
        return
    draft.drop("direction")
    words = "Dr: paid, Cr: received" if amount.marks.n_out or amount.marks.n_in else "below zero: paid, above: received"
    draft.notes["columns.amount"] += f"; {words}"


def _ask_whose_account(draft: Draft, is_signed: bool) -> None:
    """Ask whose account the only one of a signed statement is: its heading, such as IBAN, may say so of either.

    Payer and payee beside it are then names, or else a row would name three accounts.
    """
    account = draft.of("account")
    if account is None or not is_signed or "counterparty" in draft.columns:
        return
    others = [name for name in ("source", "target") if name in draft.columns]
    named = "".join(f', "{draft.columns[name]}"' for name in others)
    if not _repeats(account) and (others or plain_heading(account.heading) in _EITHER_SIDE):
        draft.drop("account", *others)
        why = f'no heading says whose accounts these are; perhaps: "{account.heading}"'
        draft.take("account", UNSURE, f"the account whose statement this is; {why}")
        draft.take("counterparty", UNSURE, f"the account of the other side; {why}{named}")
    elif len(others) == 2:
        draft.drop(*others)
        draft.take("counterparty", UNSURE, f"no heading says it; perhaps: {named[2:]}")


def _repeats(account: Profile) -> bool:
    """Whether a column of accounts holds few of them again and again, as statements do of their own account."""
    return account.n_rows >= _FEW_ROWS and account.n_distinct * 10 <= account.n_filled


def _settle_required(draft: Draft) -> None:
    """Fill what is required from the cells where only one column can be it; else leave "?" and name the choice."""
    _settle_time(draft)
    required = [name for name in draft.table.required if name != "transfer_id"]
    if draft.table.name == "transfers":
        is_statement = bool(draft.columns.keys() & {"account", "counterparty"})
        ends = ["account", "counterparty"] if is_statement else ["source", "target"]
        amounts = [] if {"debit", "credit"} <= draft.columns.keys() else ["amount"]
        required = ["time", *ends, *amounts]
        amount = draft.of("amount")
        if is_statement and amount and not _has_sides(draft) and "direction" not in draft.columns:
            draft.take("direction", UNSURE, "no amount is below zero, so a column must say whether money left or came")
    for name in required:
        if name not in draft.columns:
            _settle_one(draft, name)
    if draft.table.name == "transfers":
        _ask_own_account(draft)
        _ask_status(draft)
    if draft.table.name == "labels" and "known_ts" not in draft.columns:
        dates = ", ".join(f'"{profile.heading}"' for profile in draft.unused() if profile.is_moment)
        if dates:
            draft.take("known_ts", UNSURE, f"when the bank knew it, perhaps {dates}; without it delete this line")


def _ask_own_account(draft: Draft) -> None:
    """Offer the places above the table that may hold the account of the statement, if no column is known to."""
    if draft.columns.get("account", UNSURE) != UNSURE or "counterparty" not in draft.columns:
        return
    told = draft.notes.get("columns.account", "")
    if draft.above:
        draft.drop("account")
        draft.own_account = UNSURE
        draft.notes["accounts.own_account"] = (
            f"the account whose statement this is stands above the table, perhaps in {', '.join(draft.above)}: write "
            "that place, or the account; if a column holds it, delete this line and write account = under [columns]"
        )
    elif told:
        draft.notes["columns.account"] = (
            f"{told}; if no column holds it, delete this line and write own_account = with the account under [accounts]"
        )


def _ask_status(draft: Draft) -> None:
    """Ask about a column that is called status and was not taken: its rows may have failed."""
    for profile in draft.unused():
        if "status" not in draft.columns and profile.n_filled and _names_status(profile):
            draft.take(
                "status", UNSURE, f'perhaps: "{profile.heading}"; its words need a line each under [values.status]; '
                "without it all rows count as settled: then delete this line"
            )  # fmt: skip


def _names_status(profile: Profile) -> bool:
    plain = plain_heading(profile.heading)
    return likeness("status", profile.heading) > _SURE and plain not in _OTHER_STATES


def _settle_one(draft: Draft, name: str) -> None:
    column = draft.table.column(name) if name in draft.table.names else None
    fitting = [profile for profile in draft.unused() if _agrees(name, column, profile)]
    if name in ACCOUNT_COLUMNS:  # what never comes again in a hundred rows numbers the rows
        fitting = [profile for profile in fitting if profile.n_rows < 100 or profile.n_distinct < 0.99 * profile.n_rows]
    if name == "time":  # a time of day alone is none
        fitting = [profile for profile in fitting if profile.is_moment or profile.counted]
    if name == "amount":
        fitting = [profile for profile in fitting if profile.marks.has_decimals] or fitting
    kind = column.type if column is not None else "id"
    if len(fitting) == 1 and kind in ("time", "money") and not is_barred(name, fitting[0].heading):
        draft.take(name, fitting[0].heading, f'"{fitting[0].example}"; the only column that looks like it')
        return
    if fitting:
        choice = ", ".join(f'"{profile.heading}"' for profile in fitting[:8])
        draft.take(name, UNSURE, f"no heading says it; perhaps: {choice}")
        return
    why = refusals(name, kind, draft.profiles, draft.columns, lambda profile: _agrees(name, column, profile))
    if draft.table.name != "transfers":
        draft.constants[name] = UNSURE
        draft.notes[f"constants.{name}"] = f"if it is the same for all rows, write the value; {why}"
        return
    draft.take(name, UNSURE, why)


def _settle_time(draft: Draft) -> None:
    """Join date and time of day where they stand apart."""
    if draft.table.name not in ("transfers", "sessions", "calls", "complaints"):
        return
    held = draft.of("time")
    if held is None:
        moments = [profile for profile in draft.unused() if profile.is_moment and not profile.is_amount]
        if len(moments) != 1:
            return
        held = moments[0]
        draft.take("time", held.heading, f'"{held.example}"; the only column of dates')
    if held.clock and not held.is_moment:  # a time of day was named "time"; its date stands elsewhere
        dates = [profile for profile in draft.unused() if profile.is_moment]
        dates.sort(key=lambda profile: -likeness("time", profile.heading))
        if dates:
            _join(draft, dates[0], held)
        else:
            draft.drop("time")
        return
    if not held.has_clock or is_midnight(held):
        clocks = [profile for profile in draft.unused() if profile.clock and not profile.is_moment]
        named = [profile for profile in clocks if likeness("time", profile.heading) >= _LEAST]
        if len(named or clocks) == 1:
            _join(draft, held, (named or clocks)[0])


def _join(draft: Draft, date: Profile, of_day: Profile) -> None:
    draft.take("time", (date.heading, of_day.heading), f'"{date.example}" and "{of_day.example}"')


def is_midnight(profile: Profile) -> bool:
    return bool(pc.all(pc.match_substring_regex(profile.distinct, "[ T]00:00(:00([.,]0+)?)?$")).as_py())
