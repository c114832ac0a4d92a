"""Every public table, declared once as data; validation, documentation and error messages derive from it.

>>> TRANSFERS.column("amount").type
'money'
>>> [column.name for column in TRANSFERS.columns if column.required]
['transfer_id', 'time', 'source', 'target', 'amount']
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import pyarrow as pa

from muledetect.errors import DataError

Who = Literal["account", "holder", "account or holder"]
Type = Literal[
    "id", "hash", "time", "money", "category", "text", "bool", "int", "number", "share", "id_list", "reasons"
]

REASON_TYPE: Final = pa.struct(
    [
        pa.field("code", pa.string()),
        pa.field("feature", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("peer_p99", pa.float64()),
        pa.field("contribution", pa.float64()),
        pa.field("text", pa.string()),
        pa.field("peer_median", pa.float64()),
        pa.field("peer_below", pa.float64()),
        pa.field("peer_above", pa.float64()),
    ]
)

ARROW_TYPES: Final[Mapping[str, pa.DataType]] = MappingProxyType(
    {
        "id": pa.string(),
        "hash": pa.string(),
        "category": pa.string(),
        "text": pa.string(),
        "time": pa.timestamp("us", tz="UTC"),
        "money": pa.int64(),
        "bool": pa.bool_(),
        "int": pa.int64(),
        "number": pa.float64(),
        "share": pa.float64(),
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


def _req(name: str, type_: Type, meaning: str, **more: object) -> Column:
    return Column(name, type_, meaning, required=True, **more)  # type: ignore[arg-type]


def _by_name(*tables: Table) -> Mapping[str, Table]:
    return MappingProxyType({table.name: table for table in tables})


CHANNELS: Final = (
    "p2p_proxy p2p_account qr_merchant bill card cash_atm cash_counter cash_deposit wallet vasp xborder payroll fee "
    "reversal other"
).split()
ACCOUNT_KINDS: Final = tuple("individual joint company merchant biller wallet vasp government internal".split())
IDENTIFIER_KINDS: Final = tuple("phone email address device ip sim imei wifi wallet".split())

TRANSFERS: Final = Table(
    "transfers",
    "money that moved from one account to another; the one table that must be there",
    (
        _req("transfer_id", "id", "identifies the transfer; orders output rows, changes no result"),
        _req("time", "time", "when the money moved"),
        _req("source", "id", "account that paid", who="account"),
        _req("target", "id", "account that received", who="account"),
        _req("amount", "money", "what moved", minimum=1),
        Column("currency", "category", "ISO 4217 code; the reader's option where the column is absent"),
        Column("channel", "category", "rail that the transfer used", values=tuple(CHANNELS)),
        Column("source_bank", "id", "bank that holds the source account"),
        Column("target_bank", "id", "bank that holds the target account"),
        Column("source_balance_after", "money", "balance of the source just after the transfer"),
        Column("target_balance_after", "money", "balance of the target just after the transfer"),
        Column("terminal_id", "id", "ATM, counter or card terminal"),
        Column("session_id", "id", "login session in which the transfer was made"),
        Column("device_hash", "hash", "device that made the transfer"),
        Column("ip_hash", "hash", "network address that made the transfer"),
        Column("memo_hash", "hash", "memo text, hashed"),
        Column(
            "status",
            "category",
            "what became of it; rejected = no money moved",
            values=("settled", "rejected", "returned"),
        ),
        Column("reversal_of", "id", "transfer that this one reverses, in whole or in part"),
    ),
    key=("transfer_id",),
    event_time="time",
)

ACCOUNTS: Final = Table(
    "accounts",
    "accounts that the bank knows",
    (
        _req("account_id", "id", "identifies the account", who="account"),
        Column("holder_id", "id", "person or company that holds it", who="holder"),
        Column("bank_id", "id", "bank that keeps it"),
        Column("opened_at", "time", "when it was opened"),
        Column("closed_at", "time", "when it was closed"),
        Column("kind", "category", "what sort of account", values=ACCOUNT_KINDS),
        Column("is_own", "bool", "held at this bank; default: it appears here"),
        Column("balance", "money", "balance at balance_at"),
        Column("balance_at", "time", "moment of the balance"),
        Column("daily_limit", "money", "most that may leave in a day", minimum=1),
        Column("branch_id", "id", "branch that opened it"),
        Column("open_channel", "category", "how it was opened"),
    ),
    key=("account_id",),
)

HOLDERS: Final = Table(
    "holders",
    "people and companies behind accounts",
    (
        _req("holder_id", "id", "identifies the holder", who="holder"),
        Column("birth_year", "int", "year of birth, Gregorian"),
        Column("declared_income", "money", "income a month, as declared"),
        Column("occupation", "category", "occupation, as declared"),
        Column("province", "category", "province of residence"),
        Column("registered_at", "time", "when the company was registered"),
        Column("capital", "money", "registered capital of a company"),
        Column("kind", "category", "person or company", values=("person", "company")),
    ),
    key=("holder_id",),
)

IDENTIFIERS: Final = Table(
    "identifiers",
    "phones, devices and addresses that an account or holder used",
    (
        _req("entity_id", "id", "account or holder", who="account or holder"),
        _req("kind", "category", "what sort of identifier", values=IDENTIFIER_KINDS),
        _req("value_hash", "hash", "the identifier, hashed", who="account", who_if=("kind", ("wallet",))),
        _req("valid_from", "time", "first moment of use"),
        Column("valid_to", "time", "last moment of use"),
        Column("known_ts", "time", "when the bank could know it"),
    ),
    event_time="valid_from",
)

SESSIONS: Final = Table(
    "sessions",
    "logins and device events",
    (
        _req("session_id", "id", "identifies the session"),
        _req("account_id", "id", "account that logged in", who="account"),
        _req("time", "time", "when"),
        Column("device_hash", "hash", "device"),
        Column("ip_hash", "hash", "network address"),
        Column("asn", "int", "autonomous system of the network"),
        Column("cell_id", "id", "mobile cell"),
        Column("wifi_hash", "hash", "Wi-Fi network"),
        Column("latitude", "number", "degrees north"),
        Column("longitude", "number", "degrees east"),
        Column(
            "event",
            "category",
            "what happened",
            values=("login", "face_ok", "face_fail", "device_bind", "limit_change"),
        ),
        Column("remote_access", "bool", "remote-access software was running"),
        Column("emulator", "bool", "the device was emulated"),
        Column("virtual_camera", "bool", "the camera was virtual"),
    ),
    key=("session_id",),
    event_time="time",
)

COMPLAINTS: Final = Table(
    "complaints",
    "what victims reported",
    (
        _req("complaint_id", "id", "identifies the complaint"),
        _req("known_ts", "time", "when the bank learnt of it"),
        Column("victim_account", "id", "account that the victim paid from", who="account"),
        Column("victim_phone_hash", "hash", "phone of the victim"),
        Column("transfer_id", "id", "the disputed transfer; else target, amount and time"),
        Column("target", "id", "account that was paid", who="account"),
        Column("amount", "money", "loss", minimum=1),
        Column("time", "time", "when it was paid"),
        Column("scam_type", "category", "sort of scam"),
        Column("script_id", "id", "script that the caller used"),
        Column("centre_id", "id", "call centre that the case names"),
        Column("status", "category", "state of the case", values=("open", "confirmed", "withdrawn")),
        Column("status_ts", "time", "when the status was known; until then the case was open"),
    ),
    event_time="time",
)

CALLS: Final = Table(
    "calls",
    "phone calls to customers",
    (
        _req("call_id", "id", "identifies the call"),
        _req("time", "time", "when it began"),
        _req("caller_hash", "hash", "number that called"),
        _req("callee_hash", "hash", "number that was called"),
        Column("duration_s", "number", "length in seconds", minimum=0),
        Column("caller_imei_hash", "hash", "device of the caller"),
        Column("cell_id", "id", "cell of the caller"),
        Column("known_ts", "time", "when the bank could know it"),
    ),
    key=("call_id",),
    event_time="time",
)

WATCHLISTS: Final = Table(
    "watchlists",
    "identifiers that somebody listed",
    (
        _req("list_id", "id", "the list"),
        _req("kind", "category", "what is listed", values=(*IDENTIFIER_KINDS, "account", "cell", "terminal")),
        _req(
            "value_hash",
            "hash",
            "the identifier, hashed (an account: its id)",
            who="account",
            who_if=("kind", ("account", "wallet")),
        ),
        Column("centre_id", "id", "call centre that the entry names"),
        _req("category", "category", "why it is listed"),
        Column("reliability", "share", "how far the list can be trusted"),
        _req("valid_from", "time", "entry valid from"),
        Column("valid_to", "time", "entry valid to"),
        Column("known_ts", "time", "when the bank could know it"),
    ),
    event_time="valid_from",
)

LABELS: Final = Table(
    "labels",
    "what investigations found out about accounts",
    (
        _req("account_id", "id", "the account", who="account"),
        _req("label", "category", "the finding", values=("mule", "not_mule", "unknown")),
        Column("known_ts", "time", "when the bank knew it"),
        Column("activity_start", "time", "first illicit transfer"),
        Column("activity_end", "time", "last illicit transfer"),
        Column("source", "category", "who found it"),
        Column("confidence", "share", "how sure"),
    ),
    event_time="activity_start",
)

TRUTH_RINGS: Final = Table(
    "truth_rings",
    "simulated or investigated truth about rings; for evaluation only, never read by a feature",
    (
        _req("ring_id", "id", "the ring"),
        _req("account_id", "id", "its member", who="account"),
        Column("role", "category", "what the member does"),
        Column("layer", "int", "hops from the victims", former=("tier",)),
        Column("centre_id", "id", "call centre that it serves"),
        Column("shape", "category", "shape of the ring"),
        Column("office_id", "id", "laundering office that runs the ring"),
        Column("used_from", "time", "when the ring begins to use the member", former=("seat_start",)),
        Column("used_until", "time", "when the ring has done with the member", former=("seat_end",)),
        Column("is_unwitting", "bool", "an honest customer who was talked into passing money on"),
    ),
)

TRUTH_TRANSFERS: Final = Table(
    "truth_transfers",
    "truth about illicit transfers, one row a transfer and case; for evaluation only, never read by a feature",
    (
        _req("transfer_id", "id", "the transfer"),
        _req("kind", "category", "what it is in truth", values=("victim", "hop", "exit", "test", "spend", "illicit")),
        Column("ring_id", "id", "ring that it belongs to"),
        Column("case_id", "id", "case whose money it moves; null where it moves none"),
        Column("amount", "money", "money of this case in the transfer, at most its amount", minimum=1),
    ),
)

TRUTH_MONEY: Final = Table(
    "truth_money",
    "truth about where the money of each case is; for evaluation only, never read by a feature",
    (
        _req("case_id", "id", "the case"),
        _req("account_id", "id", "account that has the money, or to which it left", who="account"),
        _req(
            "place",
            "category",
            "still held in the account, converted by an exit to it, or spent there",
            values=("account", "exit", "spent"),
        ),
        _req("time", "time", "from when on; until the next row of the same case, account and place"),
        _req("amount", "money", "money of the case that is there; 0 = gone from here", minimum=0),
    ),
    key=("case_id", "account_id", "place", "time"),
    event_time="time",
)

TRUTH_CASES: Final = Table(
    "truth_cases",
    "truth about cases, one row a victim of a centre; for evaluation only, never read by a feature",
    (
        _req("case_id", "id", "identifies the case"),
        Column("victim_account", "id", "account that the victim paid from", who="account"),
        Column("ring_id", "id", "ring that was paid"),
        Column("centre_id", "id", "call centre that called"),
        Column("scam_type", "category", "sort of scam"),
        Column("first_call", "time", "when the victim was first called"),
        Column("first_payment", "time", "when the victim first paid"),
        Column("last_payment", "time", "when the victim last paid"),
        Column("amount", "money", "what the victim paid in all", minimum=0),
        Column("complained", "bool", "the victim reported it to the bank"),
    ),
    key=("case_id",),
)

TRUTH_ACCOUNTS: Final = Table(
    "truth_accounts",
    "truth about accounts and the people behind them; for evaluation only, never read by a feature",
    (
        _req("account_id", "id", "the account", who="account"),
        _req("persona", "category", "the sort of life that its holder leads"),
        Column("is_victim", "bool", "its holder was a victim"),
        Column("is_mule", "bool", "a ring used it"),
        Column(
            "recruited_as",
            "category",
            "what sort of mule; null for others",
            values=("new", "dormant", "old", "stolen", "company", "unwitting"),
        ),
        Column("first_illicit", "time", "first illicit transfer"),
        Column("last_illicit", "time", "last illicit transfer"),
    ),
    key=("account_id",),
)

INPUTS: Final = _by_name(
    TRANSFERS, ACCOUNTS, HOLDERS, IDENTIFIERS, SESSIONS, COMPLAINTS, CALLS, WATCHLISTS, LABELS, TRUTH_RINGS,
    TRUTH_TRANSFERS, TRUTH_MONEY, TRUTH_CASES, TRUTH_ACCOUNTS,
)  # fmt: skip

ROLES: Final = ("collector", "relay", "consolidator", "cash_out", "controller", "peripheral")

SCORES: Final = Table(
    "scores",
    "one row a scored point",
    (
        _req("account_id", "id", "the account", who="account"),
        _req("as_of", "time", "exclusive moment of the score"),
        _req("score", "number", "raw score, log-odds of the boosted trees"),
        _req("probability", "share", "calibrated probability"),
        _req("rank", "int", "1 = most suspicious"),
        _req("tier", "category", "proposal", values=("none", "watch", "suspected")),
        _req("reasons", "reasons", "why, for the rows that are shown"),
    ),
    key=("account_id", "as_of"),
)

RINGS: Final = Table(
    "rings",
    "one row a ring",
    (
        _req("ring_id", "id", "the ring"),
        _req("as_of", "time", "exclusive moment of the search"),
        _req("n_accounts", "int", "number of members"),
        _req("score", "number", "how suspicious the ring is"),
        _req("stability", "share", "share of repeated searches that keep the members together"),
        _req("value_in", "money", "received from outside the ring"),
        _req("n_victims", "int", "complaint victims that paid a member, as known by as_of"),
        _req("first_time", "time", "first transfer that binds it"),
        _req("last_time", "time", "last transfer that binds it"),
        _req("recoverable", "money", "relayed money not yet seen leaving the ring; an upper bound"),
    ),
    key=("ring_id",),
)

RING_MEMBERS: Final = Table(
    "ring_members",
    "who is in a ring",
    (
        _req("ring_id", "id", "the ring"),
        _req("account_id", "id", "the member", who="account"),
        _req("role", "category", "what it seems to do", values=ROLES),
        _req("layer", "int", "hops from the entry of the money, 1 = first", former=("tier",)),
        _req("membership", "share", "how firmly it belongs"),
        _req("is_seed", "bool", "the search began here"),
    ),
    key=("ring_id", "account_id"),
)

RING_LINKS: Final = Table(
    "ring_links",
    "why two members belong together",
    (
        _req("ring_id", "id", "the ring"),
        _req("source", "id", "one end", who="account"),
        _req("target", "id", "other end", who="account"),
        _req("kind", "category", "sort of link"),
        _req("weight", "number", "strength of the link"),
        _req("evidence", "id_list", "transfer ids or identifier hashes"),
    ),
)

RING_TIES: Final = Table(
    "ring_ties",
    "scored evidence between a ring and a call centre",
    (
        _req("ring_id", "id", "the ring"),
        _req("centre_id", "id", "the centre"),
        _req("grade", "category", "how strong", values=("none", "possible", "moderate", "strong")),
        _req("log_odds", "number", "sum of the evidence"),
        Column(
            "complaint", "number", "log-odds of victims that name the centre; null here and below = no table to look at"
        ),
        Column("call", "number", "log-odds of the centre's calls to victims before they paid"),
        Column("network", "number", "log-odds of devices and networks"),
        Column("place", "number", "log-odds of cells"),
        Column("cash_out", "number", "log-odds of wallets and terminals"),
        Column("script", "number", "log-odds of scripts"),
        Column("lists", "number", "log-odds of lists that name member and centre"),
        Column("person", "number", "log-odds of holders"),
        _req("against", "number", "log-odds against the tie, at most 0; 0 = no evidence against"),
        Column(
            "by_chance",
            "share",
            "share of shuffled worlds in which calls say as much; null = calls say nothing",
            former=("null_p",),
        ),
        _req("evidence", "id_list", "ids of the evidence, the weightiest first"),
    ),
    key=("ring_id", "centre_id"),
)

TIE_EVIDENCE: Final = Table(
    "tie_evidence",
    "each item of evidence of a tie: what a waterfall shows",
    (
        _req("ring_id", "id", "the ring"),
        _req("centre_id", "id", "the centre"),
        _req("family", "category", "family of evidence"),
        _req("kind", "category", "kind within the family"),
        _req("item", "id", "id or hash of the evidence"),
        _req("time", "time", "when it happened or became known"),
        _req("log_odds", "number", "weight after decay", former=("nats",)),
        _req("counts", "number", "what it adds to the log-odds, after diminishing and cap"),
    ),
)

RING_OTHERS: Final = Table(
    "ring_others",
    "who dealt with a ring and is not a member, and why not",
    (
        _req("ring_id", "id", "the ring"),
        _req("account_id", "id", "an account outside", who="account"),
        _req(
            "relation",
            "category",
            "what it is to the ring",
            values=("victim", "institution", "exit", "hub", "recipient", "payer"),
        ),
        _req("n_transfers", "int", "transfers with members"),
        _req("paid", "money", "paid to members"),
        _req("received", "money", "received from members"),
        _req("text", "text", "the relation in words"),
    ),
    key=("ring_id", "account_id"),
)

RING_EVENTS: Final = Table(
    "ring_events",
    "what became of rings since an earlier moment",
    (
        _req("ring_id", "id", "the ring now; of one that is gone, then"),
        Column("previous_id", "id", "the ring then; null where it is new"),
        _req(
            "event",
            "category",
            "what happened",
            values=("unchanged", "grown", "shrunk", "born", "merged", "split", "gone"),
        ),
    ),
)

TRACE: Final = Table(
    "trace",
    "where the money of a complaint is by one method, one row an account and place",
    (
        _req("complaint_id", "id", "the complaint"),
        _req("method", "category", "tracing rule", values=("fifo", "lifo", "pro_rata", "libr")),
        _req("as_of", "time", "exclusive moment of the trace"),
        _req("account_id", "id", "account that has the money, or to which it left", who="account"),
        _req("hop", "int", "accounts from the victim, 1 = paid by the victim"),
        _req("traced", "money", "money of the complaint that is there"),
        Column("available", "money", "balance of the account; null where the money is not in an account of the bank"),
        _req("hold", "money", "what may be held under this method: at most traced, at most available"),
        _req("shortfall", "money", "traced to the account and not there any more"),
        Column("exit_kind", "category", "how the money left; null = it is still in the account"),
        Column("expires_at", "time", "when the hold ends; null without a hold"),
    ),
)

TRACE_STEPS: Final = Table(
    "trace_steps",
    "the way of a complaint's money by one method, one row a transfer that carried some of it",
    (
        _req("complaint_id", "id", "the complaint"),
        _req("method", "category", "tracing rule", values=("fifo", "lifo", "pro_rata", "libr")),
        _req("transfer_id", "id", "the transfer"),
        _req("time", "time", "when the money moved"),
        _req("source", "id", "account that paid", who="account"),
        _req("target", "id", "account that received", who="account"),
        _req("amount", "money", "what moved in all"),
        _req("traced", "money", "money of the complaint in it"),
    ),
    key=("complaint_id", "method", "transfer_id"),
)

HOLDS: Final = Table(
    "holds",
    "what to hold: the smaller of pro rata and lowest intermediate balance",
    (
        _req("complaint_id", "id", "the complaint"),
        _req("account_id", "id", "account that has the money", who="account"),
        Column("bank_id", "id", "its bank"),
        _req("hop", "int", "accounts from the victim, 1 = paid by the victim"),
        _req("traced_low", "money", "smallest traced amount over the methods"),
        _req("traced_high", "money", "largest traced amount over the methods"),
        _req("available", "money", "balance of the account"),
        _req("is_stated", "bool", "the balance rests on a statement; else it is a lower bound from transfers"),
        _req("hold", "money", "amount to hold; holds of one account sum to at most its balance"),
        _req("shortfall", "money", "traced by the more cautious method and not there any more"),
        _req("as_of", "time", "exclusive moment of the trace"),
        Column("expires_at", "time", "when the hold ends; null without a hold"),
    ),
    key=("complaint_id", "account_id"),
)

REJECTS: Final = Table(
    "rejects",
    "rows that were not accepted, and why",
    (
        _req("table", "category", "table that the row came from"),
        _req("row", "int", "row number in that table as read, from 0"),
        _req("column", "category", "column that broke the rule"),
        _req("reason", "category", "which rule"),
        _req("severity", "category", "reject or repair", values=("reject", "repair")),
    ),
)

OUTPUTS: Final = _by_name(
    SCORES, RINGS, RING_MEMBERS, RING_LINKS, RING_TIES, TIE_EVIDENCE, RING_OTHERS, TRACE, TRACE_STEPS, HOLDS,
    REJECTS,
)  # fmt: skip


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
        "Made from `muledetect/schema.py`, where they are declared, by",
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
