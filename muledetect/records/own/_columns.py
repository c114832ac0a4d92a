"""`Columns`: what each column of a bank's own file is, as data that a person can read, correct and keep as TOML.

What only a person can know is "?" until somebody says it; `Columns.undecided` lists it, and nothing is imported before.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from muledetect import clock
from muledetect.errors import DataError, OptionError
from muledetect.outputs.kinds import COLUMNS
from muledetect.records.currency import exponent_of
from muledetect.records.files import FileForm as FileForm  # noqa: PLC0414 - a part of the mapping, offered with it
from muledetect.records.own._money import UNSURE
from muledetect.records.own._times import COUNTED, ISO, UNIX, Era, pattern_of
from muledetect.records.own._words import ACCOUNT_COLUMNS, SIDES
from muledetect.records.parse import check_zone
from muledetect.records.write import write_text
from muledetect.schema import INPUTS, Table, did_you_mean
from muledetect.visible import ESCAPE, make_visible

Ids: TypeAlias = Literal["column", "rows", "content"]
#: Thousands have the one of "." and "," that is not the decimal mark.
OTHER: Final = "other"
PairOn: TypeAlias = Literal["nothing", "time", "transfer_id"]
Paid: TypeAlias = Literal["minus", "plus", "cr_dr", "no_cr", "dr"]


@dataclass(frozen=True, slots=True)
class Times:
    """How times are written: the clock's zone, the era of years, and a format by column ("iso" where none is named)."""

    zone: str = ""
    era: Era | Literal["?"] = "gregorian"
    formats: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Amounts:
    """How amounts are written: currency, unit (major: baht, minor: satang), marks; whether debits carry a minus.

    `currency` must be named where there are amounts; transfers get it as a column. `thousands` may be "other": the one
    of "." and "," that is not the decimal mark. `places` is 3 or more where more digits stand behind the decimal mark
    than the currency has: with less, 13.880 is left out, as it may be 13880.
    `paid` says how a signed amount tells that money left the account: it is below zero
    ("minus") or above ("plus"), has Dr beside it as others have Cr ("cr_dr"), has no Cr ("no_cr"), or has Dr while
    others have nothing ("dr").
    """

    currency: str = ""
    unit: Literal["major", "minor", "?"] = "major"
    decimal: str = "."
    thousands: str = ""
    places: int = 0
    paid: Paid | Literal["?"] = "minus"
    debit_is_negative: bool = False

    @property
    def groups(self) -> str:
        """Return the mark between groups of thousands."""
        return (",", ".")[self.decimal != "."] if self.thousands == OTHER else self.thousands


@dataclass(frozen=True, slots=True)
class Accounts:
    """How accounts are named.

    `own_account` is the account whose statement a file is where no column holds it, or the place above the table that
    does, as "line 1 cell 2"; `remove` are signs to leave out of numbers; `missing` is what an account that a row does
    not name is called ("": reject the row); with `list_own` the accounts of statements become the table of accounts,
    so that only they are scored.
    """

    own_account: str = ""
    remove: str = ""
    missing: str = ""
    list_own: bool = False


@dataclass(frozen=True, slots=True)
class RowRules:
    """Where ids come from, and how the two rows of one transfer in the statements of both accounts become one.

    `ids` is "column", "rows" (file and row number) or "content" (rows that say the same are one transfer). `pair_on` is
    "nothing", "time" (same accounts, amount and time, at most `pair_within` apart) or "transfer_id".
    """

    ids: Ids = "column"
    pair_on: PairOn | Literal["?"] = "nothing"
    pair_within: str = "0s"
    hashed: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a bank's own file are; build it with `suggest_columns` or `read_columns`.

    Attributes
    ----------
    table : str
        The table of the contract that the file's rows belong to.
    columns : mapping of str to str or tuple of str
        Contract column -> the file's heading. A time may have two, date and time of day. For transfers, `account`,
        `counterparty` and `debit`, `credit`, `direction` or a signed `amount` may stand for `source` and `target`.
    constants : mapping of str to str
        Contract column -> one value for all rows.
    values : mapping of str to mapping of str to str
        Contract column -> the bank's value -> the contract's; "*" stands for all others.
    file, times, amounts, accounts, rows
        How cells are written; see the classes.
    notes : mapping of str to str
        Why each thing was suggested; comments of the TOML file, no part of the meaning.
    """

    table: str
    columns: Mapping[str, str | tuple[str, ...]]
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    file: FileForm = field(default_factory=FileForm)
    times: Times = field(default_factory=Times)
    amounts: Amounts = field(default_factory=Amounts)
    accounts: Accounts = field(default_factory=Accounts)
    rows: RowRules = field(default_factory=RowRules)
    notes: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def undecided(self) -> tuple[str, ...]:
        """Places that still hold "?", as "section.name"."""
        return tuple(
            f"{section}.{name}" if section else name for section, name, value in self._entries() if value == UNSURE
        )

    @property
    def contract(self) -> Table:
        """The table of the contract."""
        return INPUTS[self.table]

    @property
    def is_statement(self) -> bool:
        """Whether rows are about an account and its counterparty instead of from one account to another."""
        is_named = "account" in self.columns or "account" in self.constants or bool(self.accounts.own_account)
        return is_named and self.table == "transfers"

    def uses(self, *kinds: str) -> bool:
        """Whether a column of one of these contract types comes from the file, or is a constant."""
        named = {*self.columns, *self.constants}
        types = {column.type for column in self.contract.columns if column.name in named}
        return bool(types & set(kinds)) or ("money" in kinds and bool(named & {"debit", "credit", "balance_after"}))

    def headings(self) -> tuple[str, ...]:
        """Return every heading of the file that is used, once."""
        used = [name for given in self.columns.values() for name in several(given) if name != UNSURE]
        return tuple(dict.fromkeys([*used, *self.rows.keep]))

    def with_(self, **changes: Any) -> Columns:
        """Return a copy with changes; those of a section are given as a mapping, as in `with_(times={"zone": "UTC"})`.

        A mapping changes the entries that it names and leaves the others; None takes an entry out.

        Raises
        ------
        OptionError
            If something is not known.
        """
        held = self._sections()
        for name, change in changes.items():
            if name not in held:
                raise OptionError(f"columns: there is no section {name!r}.{did_you_mean(name, list(held))}")
            held[name] = _changed(held[name], change)
        return replace(_from_sections(held, "columns"), notes=self.notes)

    def write(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the mapping as TOML with its reasons as comments; a file that was changed is replaced if told so."""
        write_text(path, self.to_toml(), output=COLUMNS, overwrite=overwrite)

    def to_toml(self) -> str:
        """Return the mapping as TOML text, reasons as comments."""
        lines = [f"# {_in_toml(line)}" for line in self.notes.get("", "").splitlines()]
        shown = ""
        for section, name, value in self._entries():
            if section != shown:
                lines += ["", f"[{section}]"]
                lines += [f"# {_in_toml(line)}" for line in self.notes.get(section, "").splitlines()]
                shown = section
            place = f"{section}.{name}" if section else name
            why = _in_toml(" ".join(self.notes.get(place, "").split()))
            is_bare = name.replace("_", "").replace("-", "").isalnum() and name.isascii()
            lines.append(f"{name if is_bare else _text(name)} = {_text(value)}" + (f"  # {why}" if why else ""))
        return "\n".join(lines).strip() + "\n"

    def __repr__(self) -> str:
        return self.to_toml().rstrip()

    def _sections(self) -> dict[str, Any]:
        """Return the mapping as nested plain data, in the order of the TOML file."""
        held: dict[str, Any] = {"table": self.table, "columns": dict(self.columns), "constants": dict(self.constants)}
        held["times"] = {"zone": self.times.zone, "era": self.times.era, **self.times.formats}
        for name in ("amounts", "accounts", "rows", "file"):
            held[name] = asdict(getattr(self, name))
        held["values"] = {name: dict(pairs) for name, pairs in self.values.items()}
        return held

    def _entries(self) -> Iterator[tuple[str, str, Any]]:
        for section, held in self._sections().items():
            if not isinstance(held, Mapping):
                yield "", section, held
            elif section == "values":
                for column, pairs in held.items():
                    yield from ((f"values.{column}", name, value) for name, value in pairs.items())
            else:
                yield from ((section, name, value) for name, value in held.items() if self._matters(section, name))

    def _matters(self, section: str, name: str) -> bool:
        """Whether an entry says anything about this table; the others are left out of the file."""
        if section in _KINDS_OF and self.table != "transfers" and not self.uses(*_KINDS_OF[section]):
            return False
        if section == "rows" and name not in ("hashed", "keep"):
            return self.table == "transfers" and (name == "ids" or self.is_statement)
        if section == "amounts":
            is_signed = self.is_statement and not {"debit", "direction"} & self.columns.keys()
            told = {"debit_is_negative": "debit" in self.columns, "places": self.amounts.places > 0}
            return told.get(name, name != "paid" or is_signed or self.amounts.paid != "minus")
        if section == "accounts":
            names_any = bool({*self.columns, *self.constants} & {*ACCOUNT_COLUMNS, "entity_id"})
            told = {"remove": names_any, "list_own": self.is_statement, "missing": self.table == "transfers"}
            return told.get(name, bool(self.accounts.own_account))
        return True


#: Contract types that a section is about.
_KINDS_OF: Final = {"times": ("time",), "amounts": ("money", "number", "share", "int")}


def _changed(held: Any, change: Any) -> Any:
    if not (isinstance(held, Mapping) and isinstance(change, Mapping)):
        return change
    merged = {**held, **{name: _changed(held.get(name), value) for name, value in change.items()}}
    return {name: value for name, value in merged.items() if value is not None}


def several(given: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return headings as a tuple, also a single one."""
    return (given,) if isinstance(given, str) else tuple(given)


def _text(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return _in_toml(json.dumps(value, ensure_ascii=False))


def _in_toml(text: str) -> str:
    """Return a text with what hides in it as TOML writes it: a person sees it, and the same text is read again."""
    return ESCAPE.sub(lambda escape: f"\\U{int(escape[1], 16):08X}", make_visible(text))


def read_columns(path: str | Path) -> Columns:
    """Read a mapping that `Columns.write` wrote, or a person.

    Parameters
    ----------
    path : str or Path
        A TOML file.

    Raises
    ------
    DataError
        If the file is not there or is no TOML.
    OptionError
        If it names a section, table, column, zone or format that is not known.
    """
    place = Path(path)
    try:
        held = tomllib.loads(place.read_text("utf-8-sig"))
    except OSError as error:
        raise DataError(
            f"columns: there is no file {place}. Make one with `muledetect columns FILE --output {place}`."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"columns: {place.name} is no TOML: {error}. Text stands in quotes.") from error
    return _from_sections(held, place.name)


def _from_sections(held: Mapping[str, Any], where: str) -> Columns:
    known = ("table", "columns", "constants", "times", "amounts", "accounts", "rows", "file", "values")
    _only_known(held, known, where, "section")
    if held.get("table") not in INPUTS:
        got = held.get("table")
        raise OptionError(f"{where}: table: {got!r} is none.{did_you_mean(str(got), list(INPUTS))}")
    for section in known[1:]:
        if not isinstance(held.get(section, {}), Mapping):
            raise OptionError(f"{where}: {section!r} must be a section [{section}] of names and values.")
    times = dict(held.get("times", {}))
    columns = {
        name: given if isinstance(given, str) else tuple(given) for name, given in held.get("columns", {}).items()
    }
    mapping = Columns(
        held["table"],
        columns,
        {name: str(value) for name, value in held.get("constants", {}).items()},
        {
            name: {str(key): str(value) for key, value in pairs.items()}
            for name, pairs in held.get("values", {}).items()
        },
        _section(FileForm, held.get("file", {}), f"{where}: [file]"),
        Times(times.pop("zone", ""), times.pop("era", "gregorian"), times),
        _section(Amounts, held.get("amounts", {}), f"{where}: [amounts]"),
        _section(Accounts, held.get("accounts", {}), f"{where}: [accounts]"),
        _section(RowRules, held.get("rows", {}), f"{where}: [rows]"),
    )
    _check(mapping, where)
    return mapping


def _section(kind: Any, held: Mapping[str, Any], where: str) -> Any:
    default = kind()
    _only_known(held, [found.name for found in fields(kind)], where, "entry")
    given: dict[str, Any] = {}
    for name, value in held.items():
        wanted = type(getattr(default, name))
        made = tuple(map(str, value)) if wanted is tuple and isinstance(value, list | tuple) else value
        if type(made) is not wanted:
            raise OptionError(f"{where} {name}: must be {_KINDS[wanted]}; got {value!r}.")
        given[name] = made
    return kind(**given)


_KINDS: Final = {str: "text in quotes", int: "a whole number", bool: "true or false", tuple: "a list of texts"}


def _only_known(held: Mapping[str, Any], known: Any, where: str, what: str) -> None:
    for name in held:
        if name not in known:
            raise OptionError(f"{where}: there is no {what} {name!r}.{did_you_mean(name, list(known))}")


def _check(mapping: Columns, where: str) -> None:
    """Raise an OptionError for the first entry that is not known; "?" passes."""
    table = mapping.contract
    sides = tuple(SIDES) if table.name == "transfers" else ()
    for section, names in (("columns", mapping.columns), ("constants", mapping.constants), ("values", mapping.values)):
        _only_known(names, (*table.names, *sides), f"{where}: [{section}]", f"column of {table.name}")
    both = sorted(set(mapping.columns) & set(mapping.constants))
    if both:
        raise OptionError(f"{where}: {both[0]!r} stands under [columns] and [constants]. Leave one out.")
    if mapping.accounts.own_account and "account" in {*mapping.columns, *mapping.constants}:
        raise OptionError(f"{where}: 'account' and [accounts] own_account say the same. Leave one out.")
    _only_known(mapping.times.formats, _time_columns(table), f"{where}: [times]", f"time of {table.name}")
    _check_choices(mapping, where)
    for form in mapping.times.formats.values():
        if form not in (ISO, UNSURE, *COUNTED):
            pattern_of(form)
    for name, given in mapping.columns.items():
        n_given = len(several(given))
        if not 1 <= n_given <= (2 if name in _time_columns(table) else 1):
            raise OptionError(
                f"{where}: [columns] {name}: is {n_given} columns; only a time has two, date and time of day."
            )


def _check_choices(mapping: Columns, where: str) -> None:
    times, amounts, rows = mapping.times, mapping.amounts, mapping.rows
    choices = (
        ("times", "era", times.era, get_args(Era)),
        ("amounts", "unit", amounts.unit, ("major", "minor")),
        ("amounts", "decimal", amounts.decimal, (".", ",")),
        ("amounts", "thousands", amounts.thousands, ("", ".", ",", "'", "\u2019", " ", OTHER)),
        ("amounts", "paid", amounts.paid, get_args(Paid)),
        ("rows", "ids", rows.ids, get_args(Ids)),
        ("rows", "pair_on", rows.pair_on, get_args(PairOn)),
    )
    for section, name, value, known in choices:
        if value not in (*known, UNSURE):
            listed = ", ".join(map(repr, known))
            raise OptionError(f"{where}: [{section}] {name}: {value!r} is none of {listed}.")
    if amounts.decimal == amounts.thousands:
        raise OptionError(f"{where}: [amounts] decimal and thousands are both {amounts.decimal!r}. They must differ.")
    if amounts.currency not in ("", UNSURE):
        exponent_of(amounts.currency)
    if rows.pair_within != "0s":
        clock.parse_duration(rows.pair_within)
    if times.zone not in ("", UNSURE):
        check_zone(times.zone, f"{where}: [times] zone")


def _time_columns(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if column.type == "time")


def check_complete(mapping: Columns, where: str) -> None:
    """Raise an OptionError that lists everything undecided or missing, if there is something."""
    stops = [
        f'{place} is still "?"; {_ASK.get(place.split(".")[-1], "say which it is")}' for place in mapping.undecided
    ]
    stops += _lacking(mapping)
    if stops:
        raise OptionError("\n".join(f"{where}: {stop}." for stop in stops))


_ASK: Final = {
    "zone": "say which clock wrote the times, such as \"Asia/Bangkok\" (--source-tz)",
    "era": "years look Buddhist (543 ahead): \"buddhist\" takes 543 off, \"gregorian\" leaves them (--era)",
    "currency": "give the ISO code of the amounts, such as \"THB\" (--currency)",
    "unit": "are amounts whole units such as baht (\"major\") or satang (\"minor\")? (--money)",
    "decimal": "is the decimal mark \".\" or \",\"? (--decimal)",
    "paid": "some amounts have Cr or Dr beside them and some not: those without are paid (\"no_cr\") or received "
    "(\"dr\"), or every one must have a word (\"cr_dr\")",
    "time": "does the day or the month come first? Write the format, such as %d/%m/%Y %H:%M (--date-order)",
}  # fmt: skip


def _lacking(mapping: Columns) -> list[str]:
    table, named = mapping.contract, {*mapping.columns, *mapping.constants}
    lacking = []
    if mapping.uses("money") and not mapping.amounts.currency:
        lacking.append(f"amounts.currency is not there; {_ASK['currency']}")
    if table.name != "transfers":
        missing = [name for name in table.required if name not in named]
        said = f"is required for {table.name}; give a column, or one value under [constants]"
        return lacking + [f"{name!r} {said}" for name in missing]
    if mapping.is_statement:
        ways = {"amount"} <= named or {"debit", "credit"} <= named
        lacking += [] if "counterparty" in named else ["'counterparty' is required beside 'account'"]
        lacking += [] if ways else ["give 'amount' (signed, or with 'direction'), or 'debit' and 'credit'"]
        lacking += [f"{name!r} cannot stand beside 'account'" for name in ("source", "target") if name in named]
    else:
        lacking += [f"{name!r} is required" for name in ("source", "target", "amount") if name not in named]
        lacking += [
            f"{name!r} needs 'account' beside it, or own_account under [accounts]" for name in SIDES if name in named
        ]
    lacking += [] if "time" in named else ["'time' is required"]
    if mapping.rows.ids == "column" and "transfer_id" not in named:
        lacking.append('there is no \'transfer_id\'; under [rows] write ids = "rows" or "content"')
    form = mapping.times.formats.get("time", ISO)
    is_naive = form != ISO and form not in UNIX and "%z" not in form
    if "time" in mapping.columns and not mapping.times.zone and is_naive:
        lacking.append(f"times.zone is empty; {_ASK['zone']}")
    return lacking
