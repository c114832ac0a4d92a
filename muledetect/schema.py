"""Every public table, declared once as data in `schema.toml`; validation, documentation and error messages
derive from it.

>>> TRANSFERS.column("amount").type
'money'
>>> [column.name for column in TRANSFERS.columns if column.required]
['transfer_id', 'time', 'source', 'target', 'amount']
"""

from __future__ import annotations

import difflib
import tomllib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, Literal

import pyarrow as pa

from muledetect.errors import DataError

Who = Literal["account", "holder", "account or holder"]
Type = Literal[
    "id", "hash", "time", "money", "category", "text", "bool", "int", "number", "share", "id_list", "reasons"
]

_REASON: Final = "code feature value peer_p99 contribution text peer_median peer_below peer_above".split()
REASON_TYPE: Final = pa.struct(
    [(name, pa.string() if name in ("code", "feature", "text") else pa.float64()) for name in _REASON]
)

ARROW_TYPES: Final[Mapping[str, pa.DataType]] = MappingProxyType(
    {
        **dict.fromkeys(("id", "hash", "category", "text"), pa.string()),
        **dict.fromkeys(("money", "int"), pa.int64()),
        **dict.fromkeys(("number", "share"), pa.float64()),
        "time": pa.timestamp("us", tz="UTC"),
        "bool": pa.bool_(),
        "id_list": pa.list_(pa.string()),
        "reasons": pa.list_(REASON_TYPE),
    }
)

UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {"time": "microseconds since 1970, UTC", "money": "minor units (satang, cents)", "share": "0 to 1"}
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, contract type, meaning, and the values that it may take.

    `who` says whose ids its cells are; with `who_if`, only in rows where the column named there has one of the values.
    `former` are names that the column had in earlier versions; for one version a table may still have them.
    """

    name: str
    type: Type
    meaning: str
    required: bool = False
    values: tuple[str, ...] = ()
    minimum: int | None = None
    who: Who | None = None
    who_if: tuple[str, tuple[str, ...]] | None = None
    former: tuple[str, ...] = ()

    @property
    def arrow_type(self) -> pa.DataType:
        """Arrow type of the column once it is read."""
        return ARROW_TYPES[self.type]

    @property
    def unit(self) -> str:
        """Unit in words; empty where the type has none."""
        return UNITS.get(self.type, "")


@dataclass(frozen=True, slots=True)
class Table:
    """One public table. `key` = the columns that make a row unique (empty: rows need not be unique).

    `event_time` is the column that says when a row happened; `known_ts` defaults to it where a table has both.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    event_time: str | None = None

    def column(self, name: str) -> Column:
        """Return the column of that name, or raise DataError with close matches."""
        for column in self.columns:
            if column.name == name:
                return column
        raise DataError(f"{self.name}: there is no column {name!r}.{did_you_mean(name, self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in their declared order."""
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that a table must have."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def arrow_schema(self) -> pa.Schema:
        """Arrow schema with every column of the contract."""
        return pa.schema([pa.field(column.name, column.arrow_type) for column in self.columns])

    def former_names(self, names: Iterable[str]) -> dict[str, str]:
        """Return the names among these that columns had in earlier versions, each with the name of today."""
        present = set(names)
        return {
            old: column.name
            for column in self.columns
            for old in column.former
            if old in present and column.name not in present
        }

    def with_present_names(self, table: pa.Table) -> pa.Table:
        """Return a table with the column names of today; warn (FutureWarning) where it had former ones."""
        former = self.former_names(table.column_names)
        for old, new in former.items():
            warnings.warn(
                f"{self.name}: column {old!r} is called {new!r} now; the next version does not read the old name.",
                FutureWarning,
                stacklevel=3,
            )
        return table.rename_columns([former.get(name, name) for name in table.column_names]) if former else table

    def empty(self) -> pa.Table:
        """Return a table of no rows with every column of the contract."""
        return self.arrow_schema.empty_table()

    def filled(self, **columns: Any) -> pa.Table:
        """Return columns (arrays of one length, times as microseconds) in the contract's order and types.

        Columns that are missing are null.
        """
        arrow, n = self.arrow_schema, len(next(iter(columns.values())))
        if unknown := set(columns) - set(arrow.names):
            raise KeyError(f"{self.name}: no such columns in the contract: {sorted(unknown)}")
        given = {name: v if isinstance(v, pa.Array | pa.ChunkedArray) else pa.array(v) for name, v in columns.items()}
        arrays = [given[f.name].cast(f.type) if f.name in given else pa.nulls(n, f.type) for f in arrow]
        return pa.table(arrays, schema=arrow)


def did_you_mean(name: str, known: tuple[str, ...] | list[str]) -> str:
    """Return `` Hint: did you mean ...?`` for the closest known name, or an empty string."""
    close = difflib.get_close_matches(name, known, n=1)
    return f" Hint: did you mean {close[0]!r}?" if close else ""


def read_declared(package: str, name: str) -> Any:
    """Return the data of a TOML file of ours, lists as tuples."""
    return _as_tuples(tomllib.loads(files(package).joinpath(name).read_text("utf-8")))


def _as_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_tuples(held) for key, held in value.items()}
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _tables(group: Mapping[str, Any]) -> Mapping[str, Table]:
    columns = {
        name: tuple(Column(column, **said) for column, said in one["columns"].items()) for name, one in group.items()
    }
    return MappingProxyType({name: Table(name, **{**one, "columns": columns[name]}) for name, one in group.items()})


_DECLARED: Final = read_declared("muledetect", "schema.toml")
INPUTS: Final = _tables(_DECLARED["inputs"])
OUTPUTS: Final = _tables(_DECLARED["outputs"])
(
    TRANSFERS, ACCOUNTS, HOLDERS, IDENTIFIERS, SESSIONS, COMPLAINTS, CALLS, WATCHLISTS, REGISTRY, LABELS,
    TRUTH_RINGS, TRUTH_TRANSFERS, TRUTH_MONEY, TRUTH_CASES, TRUTH_ACCOUNTS,
) = INPUTS.values()  # fmt: skip
(
    SCORES, RINGS, RING_MEMBERS, RING_LINKS, RING_TIES, TIE_EVIDENCE, RING_OTHERS, TRACE, TRACE_STEPS, HOLDS,
    PARTIES, PARTY_MEMBERS, PARTY_EVIDENCE, CONTROLLERS, CONTROLLED_ACCOUNTS, REJECTS,
    HOLD_EVENTS, HOLD_STATES,
) = OUTPUTS.values()  # fmt: skip
RING_EVENTS: Final = _tables(_DECLARED["others"])["ring_events"]

CHANNELS: Final = TRANSFERS.column("channel").values
ACCOUNT_KINDS: Final = ACCOUNTS.column("kind").values
IDENTIFIER_KINDS: Final = IDENTIFIERS.column("kind").values
ROLES: Final = RING_MEMBERS.column("role").values


_SPELLING: Final = (
    "Ids (types id and hash) are text, and each has one spelling, in all tables alike. Left out: signs without width,",
    "control signs, blanks at both ends. Full-width letters and the digits of every script become ASCII; letters with",
    "accents are composed (NFC). Blanks inside become one. Leading zeros, case and dashes stay. Of accounts, two",
    "things more, if they make two ids of the data set one: blanks inside ids of letters and digits (`DE44 1002`), and",
    "`.0` behind digits (`71.0`) where no id has another digit behind a point, are left out of all such ids. `check`",
    "tells how many ids were spelt anew and how many joined another.",
)


def describe_tables() -> str:
    """Return docs/tables.md: every table and column in Markdown."""
    lines = [
        "# Tables",
        "",
        "Made from `muledetect/schema.toml`, where they are declared, by",
        "`python -c 'from muledetect.schema import *; print(describe_tables(), end=\"\")'`.",
        "",
        "Only `transfers` is required, and of each table only the columns marked *. Others are kept and ignored.",
        "",
        *_SPELLING,
    ]
    for title, tables in (("Input", INPUTS), ("Output", OUTPUTS)):
        lines += ["", f"## {title}"]
        for table in tables.values():
            lines += ["", f"### {table.name}", "", f"{table.meaning[0].upper()}{table.meaning[1:]}.", ""]
            lines += ["| column | type | meaning |", "|---|---|---|"]
            lines += [
                f"| `{c.name}`{'*' if c.required else ''} | {_type_in_words(c)} | {c.meaning} |" for c in table.columns
            ]
    return "\n".join(lines) + "\n"


def _type_in_words(column: Column) -> str:
    words = f"{column.type}, {column.unit}" if column.unit else column.type
    if column.who:
        words += f" of an {column.who}" if column.who.startswith("a") else f" of a {column.who}"
    if column.who_if:
        words += f" where {column.who_if[0]} is {' or '.join(column.who_if[1])}"
    return f"{words}: {', '.join(column.values)}" if column.values else words
