"""Questions to a state, answered by the batch code over the small part of the bank that they read; see `around`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Final, Literal, TypeVar

import numba
import numpy as np
import pyarrow as pa

from muledetect.arrays import (
    MISSING,
    AnyArray,
    Float32Array,
    Float64Array,
    IndexArray,
    Int32Array,
    Int64Array,
    distinct,
    distinct_of,
    place_between,
)
from muledetect.clock import SECOND
from muledetect.errors import FeatureError
from muledetect.facts import Facts
from muledetect.facts.accounts import Accounts
from muledetect.facts.balances import Balances
from muledetect.facts.sessions import FACES, FLAGS, IN_SESSION, Sessions
from muledetect.features import Extraction, History
from muledetect.features._extract import Plan, compute_columns
from muledetect.features._history import Bounds, lay_out, side_of
from muledetect.features.signals import LOOKBACK, Opening, Signal, build_past
from muledetect.graph import Points, TransferGraph, graph_of_sorted
from muledetect.live.around import MEETING, Around, Indexes, count_both, of_points, of_transfers
from muledetect.live.lists import Lists
from muledetect.live.openings import Openings
from muledetect.live.rows import Growing, Rows
from muledetect.records import Dataset
from muledetect.records.encode import IdEncoder

T = TypeVar("T")

#: What is read of one transfer at a random place, in one piece: such a read waits for the memory once.
RECORD: Final = np.dtype(
    [("time", np.int64), ("amount", np.int64), *((name, np.int32) for name in ("source", "target", *MEETING))]
)

#: Facts that live columns may read.
_AT_HAND: Final = frozenset({"tables", "accounts", "balances", "sessions"})

#: Values of signals in a line of the processor's cache.
_IN_A_LINE: Final = 16


def add_records(records: Growing, rows: Rows, low: int) -> None:
    """Add what is read of the transfers from row `low` on, in one piece each; codes are -1 without their column."""
    new = records.extend(len(rows) - low)
    for name in RECORD.names or ():
        new[name] = rows[name][low:] if name in rows else -1


class LiveExtraction(Extraction):
    """An extraction over a part of the bank; signals of its transfers are those that the state holds."""

    def __init__(self, facts: Facts, values: Callable[[], Mapping[str, Float32Array]]) -> None:
        super().__init__(facts, threads=1)
        self._values = values

    def signal(self, column: str, beside: Collection[str] | None = None) -> Float32Array:  # noqa: ARG002 - all are known
        """Return a signal of the transfers of the part; NaN if it is not live, which no live column reads."""
        found = self._values().get(column)
        return np.full(self.graph.n_transfers, np.nan, np.float32) if found is None else found


@dataclass(frozen=True, eq=False, kw_only=True)
class LiveHistory(History):
    """A history over the rows of a state; signals are read there, of the entries alone.

    Attributes
    ----------
    rows : mapping of side -> int32[n_entries]
        The state's row of each entry.
    values : float32[n_transfers, n_columns]
        All signals of the state.
    names : tuple of str
        Of the columns of `values`.
    """

    rows: Mapping[str, Int32Array]
    values: Float32Array
    names: tuple[str, ...]

    def signals(
        self, side: Literal["in", "out"], columns: Sequence[str], beside: Collection[str] | None = None  # noqa: ARG002
    ) -> Float32Array:  # fmt: skip
        """Return signals of the entries of a side, float32[n_columns, n_entries]; NaN if one is not live."""
        found: Float32Array = _turned(self.values, self.rows[side], _places_of(tuple(columns), self.names))
        return found


@cache
def _places_of(wanted: tuple[str, ...], names: tuple[str, ...]) -> Int64Array:
    """Return the place of each wanted name among others, -1 if it is not there."""
    return np.array([names.index(name) if name in names else -1 for name in wanted], np.int64)


class PartFacts(Facts):
    """Facts of a part, made from the rows of a state; only those that live columns read, others are refused.

    The tables have columns and no rows, and there is no table of transfers: nothing else can be derived from them. What
    is known of accounts and sessions is that of the accounts of the points, whose codes come first.
    """

    def __init__(
        self, dataset: Dataset, graph: Callable[[], TransferGraph], *, accounts: Callable[[], Accounts],
        balances: Callable[[], Balances], sessions: Callable[[], Sessions | None],
    ) -> None:  # fmt: skip
        super().__init__(dataset, graph)
        self._accounts, self._balances, self._sessions = accounts, balances, sessions

    def once(self, key: Hashable, build: Callable[[], T]) -> T:
        """Return what is known, as `Facts`; refuse facts that are not at hand.

        Raises
        ------
        FeatureError
            If it is a fact that no live column may read.
        """
        if isinstance(key, str) and key not in _AT_HAND:
            raise FeatureError(f"live: the fact {key!r} is not at hand as a transfer arrives.")
        return super().once(key, build)

    @property
    def accounts(self) -> Accounts:
        """What the accounts table says of times and amounts."""
        return self.once("accounts", self._accounts)

    @property
    def balances(self) -> Balances:
        """Balances that transfers state."""
        return self.once("balances", self._balances)

    @property
    def sessions(self) -> Sessions | None:
        """Sessions of the accounts of the points."""
        return self.once("sessions", self._sessions)


def live_columns(history: LiveHistory, n_columns: int, plan: Plan) -> Float64Array:
    """Return the columns of a plan, as `compute_columns`.

    Raises
    ------
    FeatureError
        If a feature reads what is not at hand; it names the feature.
    """
    try:
        return compute_columns(history, n_columns, plan)
    except (IndexError, FeatureError):
        for step in plan:
            try:
                compute_columns(history, n_columns, [step])
            except (IndexError, FeatureError) as error:
                raise FeatureError(
                    f"live: feature {step.feature.name!r} reads what is not at hand as a transfer arrives ({error}). A "
                    "live column may read the transfers and sessions of its own account, live signals of these "
                    "transfers, and what the table of accounts says of that account, not of others. Register it with "
                    "not_live= and the reason, and train without it."
                ) from error
        raise


class Parts:
    """Takes parts of a state; it shares the state's tables, lists and signals.

    Parameters
    ----------
    tables : mapping of table name -> Rows
    accounts : IdEncoder
    paid, got : Lists
        Transfers by payer and by payee.
    to_self : Lists
        Transfers from an account to itself, by account.
    used : mapping of column name -> Lists
        Transfers by each column by which accounts meet.
    owned : mapping of table name -> Lists
        Rows by account.
    signals : sequence of Signal
    values : Growing
        The signals of all transfers.
    records : Growing
        All transfers, see `add_records`.
    left_out : Growing
        Which transfers scatter-gather shapes leave out.
    currency : str
    tick : int
    """

    def __init__(
        self,
        tables: Mapping[str, Rows],
        accounts: IdEncoder,
        *,
        paid: Lists,
        got: Lists,
        to_self: Lists,
        used: Mapping[str, Lists],
        owned: Mapping[str, Lists],
        signals: Sequence[Signal],
        values: Growing,
        records: Growing,
        left_out: Growing,
        currency: str,
        tick: int,
    ) -> None:
        self._tables, self._accounts = tables, accounts
        self._paid, self._got, self._to_self, self._used, self._owned = paid, got, to_self, used, owned
        self._signals, self._values, self._records, self._left_out = signals, values, records, left_out
        self._currency, self._tick = currency, tick
        self._deposit = -1  # code of the channel, where it is known
        self._place, self._ranks, self._met = (np.empty(0, np.int32) for _ in range(3))
        self.openings = Openings()

    def fill_openings(self, threads: int) -> None:
        """Count what all accounts had done before the look-back of signals, so that first payments need not."""
        time = self._tables["transfers"]["time"]
        if len(time):
            row = int(np.searchsorted(time, time[-1] - max(LOOKBACK, self._tick)))
            self.openings.fill(
                len(self._accounts), row, self._paid, self._got, self._columns,
                is_simultaneous=self._tick >= SECOND, threads=threads,
            )  # fmt: skip

    def signals_from(self, low: int) -> Float32Array:
        """Return the signals of the transfers from `low` on, which is the first of its tick.

        Parameters
        ----------
        low : int
            Row; the values of those before it are known.
        """
        lookback, indexes, columns = max(LOOKBACK, self._tick), self._indexes, self._columns
        if len(self._met) < len(self._accounts):
            self._met = np.zeros(2 * len(self._accounts), np.int32)
        around = of_transfers(indexes, low, lookback, self._tick, self._met)
        n_known = len(around.rows) - (len(columns[0]) - low)
        graph, codes, n_ends, known, at_hand = self._part(around.rows, n_known)
        opening = self._opening(low, lookback, codes, around, columns)
        is_counted = ~np.isnan(around.fans).all()
        if len(around.paid_over) or len(around.got_over) or is_counted:
            at_hand |= self._counts(indexes, low, lookback, n_known)
        if is_counted:
            at_hand |= {"target_fans": around.fans, "target_middles": around.middles}
        past = build_past(
            graph, threads=1, known=known, n_done=n_known, at_hand=at_hand, n_asked=n_ends, opening=opening
        )
        found, n_columns = np.empty((len(columns[0]) - low, len(self._names)), np.float32), 0
        for made in self._signals:
            n_columns += len(made.columns)
            found[:, n_columns - len(made.columns) : n_columns] = made.compute(past)[n_known:]
        return found

    def _part(
        self, rows: Int64Array, n_known: int
    ) -> tuple[TransferGraph, AnyArray, int, dict[str, Float32Array], dict[str, AnyArray]]:
        """Return some transfers as a graph without ids, the state's codes of its accounts, and what signals read.

        The first accounts are the ends of the transfers behind the first `n_known`; their number follows the codes.

        These are the values of the first `n_known` transfers, of signals that read them, and what is at hand, see
        `Past`. Signals read the values of credits of the ends of the transfers behind; others are NaN. Devices and
        terminals are those of the transfers behind; others have no code.
        """
        transfers, (names, places) = self._tables["transfers"], self._read_back
        if len(self._place) < len(self._accounts):
            self._place = np.zeros(2 * len(self._accounts), np.int32)
        channel = transfers["channel"] if "channel" in transfers else np.empty(0, np.int32)
        if self._deposit < 0 and len(channel):
            self._deposit = int(transfers.encoders["channel"].find_texts(["cash_deposit"])[0])
        time, source, target, amount, codes, n_ends, values, device, terminal, user = _gathered(
            rows, n_known, self._records.values, self._place, self._values.values, places, channel, self._deposit
        )
        graph = graph_of_sorted(
            time=time, source=source, target=target, amount=amount, account_ids=pa.nulls(len(codes), pa.string()),
            tick=self._tick,
        )  # fmt: skip
        at_hand = {"terminal_user": user}
        at_hand |= {
            name: one for name, one in (("device_hash", device), ("terminal_id", terminal)) if name in self._used
        }
        if "source_balance_after" in transfers:
            at_hand["source_balance_after"] = transfers["source_balance_after"].take(rows)
        return graph, codes, n_ends, {name: values[:, one] for name, one in names.items()}, at_hand

    def history(self, points: Points) -> LiveHistory:
        """Return what had happened to the accounts of some points before them, for live columns; codes are its own.

        Its accounts are those of the points, in order of their codes, and then the others. What is read of its graph is
        gathered when it is first asked for. O(transfers of the accounts).

        Parameters
        ----------
        points : Points
            With the state's codes; -1 for unknown accounts.
        """
        columns = self._columns
        if len(self._ranks) < len(self._accounts):
            self._ranks = np.full(2 * len(self._accounts), -1, np.int32)
        laid = lay_out(points, self._got.listed, self._paid.listed, columns, self._ranks)
        n_unknown = int(np.count_nonzero(laid.accounts[:1] < 0))  # they stand first, as one
        asked, place = laid.accounts[n_unknown:], (laid.local - n_unknown).astype(np.int32)
        part = _Part(self._paid, self._got, columns, asked, self._tick)
        facts = PartFacts(
            self._no_records,
            lambda: part.graph,
            accounts=lambda: self._accounts_of(asked),
            balances=lambda: self._balances_of(part.rows),
            sessions=lambda: self._sessions_of(asked),
        )
        values, names, own = self._values.values, self._names, Points(place, points.as_of)
        into, out = (
            side_of(one, own, laid.local, self._tick, partial(part.ends_of, one.account, one.transfer))
            for one in (laid.incoming, laid.outgoing)
        )
        return LiveHistory(
            points=own,
            extraction=LiveExtraction(facts, lambda: dict(zip(names, values[part.rows].T, strict=True))),
            local=laid.local,
            incoming=into,
            outgoing=out,
            n_others=laid.n_others[laid.local],
            bounds=(Bounds(*laid.incoming[:2]), Bounds(*laid.outgoing[:2])),
            rows={"in": laid.incoming.transfer, "out": laid.outgoing.transfer},
            values=values,
            names=names,
        )

    @property
    def _columns(self) -> tuple[AnyArray, AnyArray, AnyArray, AnyArray]:
        """Time, source, target and amount of all transfers, for reads at random places."""
        records = self._records.values
        return records["time"], records["source"], records["target"], records["amount"]

    @property
    def _indexes(self) -> Indexes:
        (time, source, target, _), records = self._columns, self._records.values
        used = {name: (records[name], lists) for name, lists in self._used.items()}
        left_out = self._left_out.values
        return Indexes(time, source, target, left_out, self._paid, self._got, self._to_self, used)

    def _opening(
        self, low: int, lookback: int, codes: AnyArray, around: Around, columns: tuple[AnyArray, ...]
    ) -> Opening:
        """Return what payers from row `low` on had done before the look-back, by the accounts of a part."""
        time = self._tables["transfers"]["time"]
        since = int(time[low]) - lookback
        held = self.openings.at(
            around.payers, int(np.searchsorted(time, since)), self._paid, self._got, columns,
            is_simultaneous=self._tick >= SECOND, place=self._place, n_places=len(codes),
        )  # fmt: skip
        is_over = np.zeros((2, len(codes)), np.bool_)
        for flags, accounts in zip(is_over, (around.paid_over, around.got_over), strict=True):
            if len(accounts):
                flags[self._place[accounts]] = True
        return Opening(since, *held, *is_over)

    def _counts(self, known: Indexes, low: int, lookback: int, n_known: int) -> dict[str, AnyArray]:
        """Return what `fan` counts of the transfers from row `low` on, behind some that are known."""
        found = count_both(known, low, lookback, n_known, is_simultaneous=self._tick >= SECOND)
        return dict(zip(("source_paid", "target_received"), found, strict=True))

    def _accounts_of(self, asked: Int32Array) -> Accounts:
        """Return what the accounts table says of accounts."""
        n = len(asked)
        table, lists = self._tables.get("accounts"), self._owned.get("accounts")
        found = {name: np.full(n, MISSING) for name in ("opened_at", "balance", "balance_at", "daily_limit")}
        if table is not None and lists is not None:
            row = lists.last(asked)
            for name in found.keys() & set(table.schema.names):
                found[name][row >= 0] = table[name][row[row >= 0]]
        found["balance_at"][found["balance"] == MISSING] = MISSING  # a moment without a balance says nothing
        no_code = np.full(n, -1, np.int32)
        return Accounts(
            no_code.astype(np.int8), np.ones(n, np.bool_), no_code, pa.nulls(n, pa.string()), found["opened_at"],
            found["balance"], found["balance_at"], found["daily_limit"],
        )  # fmt: skip

    def _balances_of(self, rows: Int64Array) -> Balances:
        transfers = self._tables["transfers"]
        names = ("source_balance_after", "target_balance_after")
        return Balances(*(transfers[name][rows] if name in transfers else np.zeros(0, np.int64) for name in names))

    def _sessions_of(self, asked: Int32Array) -> Sessions | None:
        """Return the sessions of accounts, as `facts.build_sessions`."""
        table, lists = self._tables.get("sessions"), self._owned.get("sessions")
        if table is None or lists is None:
            return None
        counts, rows = lists.counts(asked), lists.of(asked)
        owner, time = np.repeat(np.arange(len(asked)), counts), table["time"][rows]
        order = np.lexsort((time, owner))  # stable, as that of batch
        start, rows = np.append(0, np.cumsum(counts)), rows[order]
        coded = np.full((len(IN_SESSION), len(rows)), -1, np.int32)
        for number, name in enumerate(IN_SESSION.values()):
            if name in table:
                coded[number] = table.numbered(name, rows)
        flags = np.zeros(len(rows), np.uint8)
        for name, bit in FLAGS:
            if name in table:
                flags |= (table[name][rows] > 0) * np.uint8(bit)
        if "event" in table:
            known = table.encoders["event"].find_texts([name for name, _ in FACES])
            for code, (_, bit) in zip(known, FACES, strict=True):
                flags |= ((table["event"][rows] == code) & (code >= 0)) * np.uint8(bit)
        nowhere = np.full(len(rows), np.nan)
        latitude, longitude = (table[name][rows] if name in table else nowhere for name in ("latitude", "longitude"))
        return Sessions(start, order, time[order], coded, flags, latitude, longitude)

    @cached_property
    def _read_back(self) -> tuple[dict[str, slice], Int64Array]:
        """Places of the values that signals read of earlier transfers, and which of these are of each signal."""
        columns, places, n = dict[str, slice](), list[int](), 0
        for made in self._signals:
            if made.reads_known:
                columns[made.name] = slice(len(places), len(places) + len(made.columns))
                places += range(n, n + len(made.columns))
            n += len(made.columns)
        return columns, np.array(places, np.int64)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """All columns of signals."""
        return tuple(name for made in self._signals for name in made.columns)

    @cached_property
    def _no_records(self) -> Dataset:
        """The tables of the state but transfers, without rows."""
        none = np.empty(0, np.int64)
        tables = {name: rows.take(none) for name, rows in self._tables.items() if name != "transfers"}
        no_ids = pa.nulls(0, pa.string())
        return Dataset(tables, no_ids, pa.table({}), (), {}, currency=self._currency, tick=self._tick)


class _Part:
    """The transfers of some accounts as a graph: codes of these accounts come first, those of the others behind."""

    def __init__(self, paid: Lists, got: Lists, columns: Sequence[AnyArray], asked: Int32Array, tick: int) -> None:
        self._paid, self._got, self._columns, self._asked, self._tick = paid, got, columns, asked, tick

    @cached_property
    def _codes(self) -> Int32Array:
        """The state's code of each account."""
        _, source, target, _ = self._columns
        ends = distinct(np.concatenate([source[self._all], target[self._all]]))
        return np.concatenate([self._asked, np.setdiff1d(ends, self._asked)]).astype(np.int32)

    def _coded(self, accounts: AnyArray) -> Int32Array:
        order = np.argsort(self._codes)
        return order[np.searchsorted(self._codes, accounts, sorter=order)].astype(np.int32)

    @cached_property
    def _all(self) -> Int64Array:
        """The transfers in order of the state."""
        return of_points(self._paid, self._got, self._asked)

    @cached_property
    def _order(self) -> IndexArray:
        """Place in `_all` of each transfer of the graph."""
        time, source, target, amount = (column[self._all] for column in self._columns)
        return np.lexsort((amount, self._coded(target), self._coded(source), time))

    @cached_property
    def rows(self) -> Int64Array:
        """The state's row of each transfer of the graph."""
        return self._all[self._order]

    @cached_property
    def graph(self) -> TransferGraph:
        """Its transfers, without ids."""
        time, source, target, amount = (column[self.rows] for column in self._columns)
        return graph_of_sorted(
            time=time, source=self._coded(source), target=self._coded(target), amount=amount,
            account_ids=pa.nulls(len(self._codes), pa.string()), tick=self._tick,
        )  # fmt: skip

    def ends_of(self, accounts: Int32Array, rows: Int32Array) -> tuple[Int32Array, Int32Array]:
        """Return the codes of some accounts, and the places of some rows in the graph."""
        place = np.argsort(self._order)[np.searchsorted(self._all, rows)]
        return self._coded(accounts), place.astype(np.int32)


@numba.njit(cache=True, nogil=True)
def _turned(values, rows, places):  # type: ignore[no-untyped-def]
    """Return some columns of some rows, a column in one piece; NaN for a column at place -1."""
    found = np.empty((len(places), len(rows)), values.dtype)
    # reads at random places by themselves: the processor waits for many of them at once
    for k in range(0, values.shape[1] if len(places) else 0, _IN_A_LINE):
        for i in range(len(rows)):
            found[0, i] = values[rows[i], k]
    for i in range(len(rows)):  # a row at a time: its cells lie side by side
        row = values[rows[i]]
        for k in range(len(places)):
            found[k, i] = row[places[k]] if places[k] >= 0 else np.nan
    return found


@numba.njit(cache=True, nogil=True)
def _gathered(rows, n_known, records, place, values, places, channel, deposit):  # type: ignore[no-untyped-def]
    """Return the transfers of some rows with codes of their own, the state's codes, values, and what is at hand.

    The ends of the transfers behind the first `n_known` have the first codes; their number is returned behind the
    codes. Afterwards `place[c]` is the code of the state's account c, if it has one; elsewhere `place` holds anything.
    """
    n = len(rows)
    time, amount, source, target = (
        np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int32), np.empty(n, np.int32)
    )  # fmt: skip
    device, terminal = np.empty(n, np.int32), np.empty(n, np.int32)
    # reads at random places by themselves: the processor waits for many of them at once
    for i in range(n):
        time[i] = records[rows[i]].time
    for i in range(n):
        one = records[rows[i]]
        amount[i], source[i], target[i] = one.amount, one.source, one.target
        device[i], terminal[i] = one.device_hash, one.terminal_id
    codes, n_ends = _code(source, target, n_known, place)
    known = _values_of_credits(rows[:n_known], target, n_ends, values, places)
    _number(device, n_known)
    _number(terminal, n_known)
    user = source.copy()
    if len(channel) > 0 and deposit >= 0:
        for i in range(n):
            if terminal[i] >= 0 and channel[rows[i]] == deposit:
                user[i] = target[i]
    return time, source, target, amount, codes, n_ends, known, device, terminal, user


@numba.njit(cache=True, nogil=True)
def _code(source, target, n_known, place):  # type: ignore[no-untyped-def]
    """Give accounts codes of their own in both columns; return the codes before, and how many the first ones are."""
    codes, n_codes, n_ends = np.empty(2 * len(source), np.int32), 0, 0
    for low, high in ((n_known, len(source)), (0, n_known)):
        for ends in (source, target):
            for i in range(low, high):
                c = ends[i]
                code = place[c]
                if not (0 <= code < n_codes and codes[code] == c):
                    code, n_codes = n_codes, n_codes + 1
                    codes[code], place[c] = c, code
                ends[i] = code
        n_ends = n_codes if low == n_known else n_ends
    return codes[:n_codes].copy(), n_ends


@numba.njit(cache=True, nogil=True)
def _values_of_credits(rows, target, n_ends, values, places):  # type: ignore[no-untyped-def]
    """Return some columns of the rows that are credits of the first accounts; NaN for other rows."""
    known = np.full((len(rows), len(places)), np.nan, values.dtype)
    wanted = np.flatnonzero(target[: len(rows)] < n_ends)
    # reads at random places by themselves, as above
    for k in range(0, values.shape[1] if len(places) else 0, _IN_A_LINE):
        for i in wanted:
            known[i, 0] = values[rows[i], k]
    for i in wanted:
        row = values[rows[i]]
        for k in range(len(places)):
            known[i, k] = row[places[k]]
    return known


@numba.njit(cache=True, nogil=True)
def _number(code, n_known) -> None:  # type: ignore[no-untyped-def]
    """Turn codes into their places among those behind the first `n_known`; -1 for others."""
    wanted = distinct_of(code[n_known:])
    may_be = np.zeros(1_024, np.bool_)
    for one in wanted:
        may_be[one & 1_023] = True
    for i in range(len(code)):
        if code[i] >= 0:
            code[i] = place_between(wanted, 0, len(wanted), code[i]) if may_be[code[i] & 1_023] else -1
