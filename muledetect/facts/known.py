"""`Facts`: what the records say, each thing derived once, with the span in which the bank knew it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from threading import RLock
from typing import Any, Final, TypeVar

import pyarrow as pa

from muledetect.arrays import BoolArray, Int8Array, Int64Array
from muledetect.facts.accounts import Accounts, exit_places, has_channel, read_accounts
from muledetect.facts.balances import Balances, Ledger, read_balances
from muledetect.facts.companies import Companies, read_companies
from muledetect.facts.complaints import Complaints, Disputes, index_disputes, match_complaints
from muledetect.facts.lists import ListedAccounts, Lists, index_lists, read_lists
from muledetect.facts.lookback import drop_before, first_event
from muledetect.facts.matching import Reversals, find_reversals
from muledetect.facts.registry import RegisteredAccounts, Registry, index_registry, read_registry
from muledetect.facts.sessions import Sessions
from muledetect.facts.sightings import People, Seen, find_sightings, number_people
from muledetect.graph import TransferGraph, build_graph
from muledetect.memory import Room
from muledetect.records import Dataset

T = TypeVar("T")

#: Tables that signals read.
_OF_SIGNALS: Final = ("transfers", "sessions")

_FACTS: Final[dict[int, Facts]] = {}
_LOCK: Final = RLock()


class Facts:
    """The graph of a data set and all facts about it, each computed when it is first asked for; safe with threads.

    What is here holds the whole data set, also what happened after a moment. `Snapshot` cuts it at one moment; features
    compare the spans with the moments of their points.

    Parameters
    ----------
    dataset : Dataset
    graph : TransferGraph or callable, optional
        Of the same data set; saves building it again. A function is called when the graph is first asked for.

    Attributes
    ----------
    signals_from : Facts
        With the same transfers and sessions, often these facts themselves: signals are kept there.
    """

    def __init__(self, dataset: Dataset, graph: TransferGraph | Callable[[], TransferGraph] | None = None) -> None:
        self.dataset = dataset
        self._graph = build_graph(dataset) if graph is None else graph if callable(graph) else self.room.keep(graph)
        self.signals_from = self
        self._known: dict[Hashable, Any] = {}
        self._lock = RLock()

    def __repr__(self) -> str:
        return f"Facts({self.graph!r})"

    @property
    def graph(self) -> TransferGraph:
        """Who paid whom when."""
        if callable(self._graph):
            self._graph = self._graph()
        return self._graph

    @property
    def room(self) -> Room:
        """Where arrays with a row a transfer are kept."""
        return self.dataset.room

    @property
    def tables(self) -> Mapping[str, pa.Table]:
        """The tables, whole, without those that hold the truth: nothing that detects may see it."""
        return self.once("tables", lambda: visible_tables(self.dataset))

    @property
    def accounts(self) -> Accounts:
        """What the accounts table says."""
        return self.once("accounts", lambda: read_accounts(self.tables.get("accounts"), self.graph))

    @property
    def balances(self) -> Balances:
        """Balances that transfers state."""
        return self.once("balances", lambda: read_balances(self._transfers, self.graph.n_transfers, self.room))

    def ledger(self, graph: TransferGraph) -> Ledger:
        """What tells balances, for `graph`: the whole one, or one cut at a moment."""
        transfers = (graph.time, graph.amount, graph.source, graph.target, graph.incoming, graph.outgoing)
        stated = (*self.balances, self.accounts.balance, self.accounts.balance_at)
        return Ledger(*transfers, *map(_read_only, stated))

    @property
    def complaints(self) -> Complaints:
        """Complaints with their transfers."""
        return self.once(
            "complaints", lambda: match_complaints(self.tables.get("complaints"), self._transfers, self.graph)
        )

    @property
    def disputes(self) -> Disputes:
        """Complaints by transfer and by payee."""
        return self.once("disputes", lambda: index_disputes(self.complaints, self.graph))

    @property
    def lists(self) -> Lists | None:
        """Entries of watch lists; None without the table."""
        return self.once("lists", lambda: read_lists(self.tables.get("watchlists"), self.graph))

    @property
    def seen(self) -> Seen:
        """Who is behind the accounts, sessions by account, and who was seen on what."""
        return self.once("seen", lambda: find_sightings(self.graph, self.tables, self.room))

    @property
    def sessions(self) -> Sessions | None:
        """Sessions by account, as in `seen`; None without the table."""
        return self.seen.sessions

    @property
    def people(self) -> People:
        """Who is behind each account; cheaper than `seen` where the rest is not needed."""
        return self.once("people", lambda: number_people(self.graph, self.tables, self.room)[0])

    @property
    def companies(self) -> Companies | None:
        """Companies behind accounts; None without a table of holders that tells them."""
        return self.once("companies", lambda: read_companies(self.tables, self.graph))

    @property
    def listed_accounts(self) -> ListedAccounts | None:
        """Entries of watch lists by account, also through what its holder used; None without the table."""
        return self.once("listed accounts", lambda: index_lists(self.lists, self.seen, self.graph))

    @property
    def registry(self) -> Registry | None:
        """Statements of registries with the spans in which they count; None without the table."""
        return self.once("registry", lambda: read_registry(self.tables.get("registry"), self.graph))

    @property
    def registered_accounts(self) -> RegisteredAccounts | None:
        """Statements of registries by account, also through its holder; None without the table."""
        return self.once("registered accounts", lambda: index_registry(self.registry, self.graph, self.tables))

    @property
    def reversals(self) -> Reversals:
        """Reversals and when transfers were reversed."""
        return self.once("reversals", lambda: find_reversals(self._transfers, self.graph))

    @property
    def exit_place(self) -> Int8Array | None:
        """Code of `PLACES` by the channel of each transfer; None if transfers have no channel."""
        return self.once("exit_place", lambda: exit_places(self._transfers, self.graph.n_transfers, self.room))

    @property
    def is_cash_in(self) -> BoolArray | None:
        """Which transfers are cash deposits: they come from a machine; None if transfers have no channel."""
        return self.once("is_cash_in", lambda: has_channel(self._transfers, self.graph.n_transfers, ("cash_deposit",)))

    def since(self, moment: int) -> Facts:
        """Return the facts without events before a moment (microseconds); see `facts.lookback`. O(rows)."""
        earliest = self.once("first event", lambda: first_event(self.dataset, self.graph))
        if earliest is None or moment <= earliest:
            return self
        made = Facts(*drop_before(self.dataset, self.graph, moment))
        if all(len(made.tables.get(name, ())) == len(self.tables.get(name, ())) for name in _OF_SIGNALS):
            made.signals_from = self.signals_from  # nothing that they read has fallen out
        return made

    def once(self, key: Hashable, build: Callable[[], T]) -> T:
        """Return `build()`, computed by whoever asks first; `key` is hashable, such as a module's function."""
        with self._lock:
            if key not in self._known:
                self._known[key] = self.room.keep(build())
            found: T = self._known[key]
            return found

    def has(self, key: Hashable) -> bool:
        """Return whether `once` has something for a key."""
        with self._lock:
            return key in self._known

    def take(self, key: Hashable) -> Any:
        """Return what `once` has for a key, which it has; it is not kept any longer."""
        with self._lock:
            return self._known.pop(key)

    @property
    def _transfers(self) -> pa.Table:
        return self.dataset.transfers


def facts_of(dataset: Dataset, graph: TransferGraph | None = None) -> Facts:
    """Return the facts of a data set, the same object for as long as the data set lives.

    Parameters
    ----------
    dataset : Dataset
    graph : TransferGraph, optional
        Of the data set; saves building it again where there are no facts yet.
    """
    with _LOCK:
        if id(dataset) not in _FACTS:
            # a twin of the data set: facts that hold the data set itself would keep it alive
            _FACTS[id(dataset)] = Facts(replace(dataset), graph)
            weakref.finalize(dataset, _FACTS.pop, id(dataset))
        return _FACTS[id(dataset)]


def visible_tables(dataset: Dataset) -> Mapping[str, pa.Table]:
    """Return the tables without those that hold the truth: no signal or feature, not even a stranger's, may see it."""
    return {name: table for name, table in dataset.tables.items() if not name.startswith("truth_")}


def _read_only(values: Int64Array) -> Int64Array:
    """Return a view for reading: kernels are compiled for one kind of array, and Arrow's are mostly read-only."""
    view = values.view()
    view.flags.writeable = False
    return view
