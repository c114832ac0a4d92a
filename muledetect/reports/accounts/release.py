"""Evidence for the release of holds: what speaks for the holder, with transfers, signs of coercion first.

Only what was known before the moment counts. A sign is no finding, and no sign is none against anybody: a person reads
them and decides. What speaks against the holder stands in the case file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Int64Array
from muledetect.clock import DAY
from muledetect.evaluation import likely_victims
from muledetect.facts import Snapshot
from muledetect.records.currency import format_amount
from muledetect.reports.accounts.advice import DAILY, USUAL, find_coercion
from muledetect.reports.words import fill, read_words
from muledetect.schema import CHANNELS
from muledetect.tracing import Traces, trace

#: Table of evidence, by hold; `kind` is "coercion" or "holder". One row a sign, the weightiest kind first.
EVIDENCE: Final = pa.schema(
    dict.fromkeys(("hold_id", "account_id", "complaint_id", "kind", "code", "text_en", "text_th"), pa.string())
    | {"transfers": pa.list_(pa.string()), "as_of": pa.timestamp("us", tz="UTC")}
)
#: A sign shows at most so many transfers, the latest.
MOST_TRANSFERS: Final = 10
#: Choices of this project: from and to which age, in the calendar year, the words about age are said.
YOUNG: Final = 20
OLD: Final = 65
_KEPT: Final = 0.9
_LEAST_DAYS: Final = 30
_BEFORE: Final = 30 * DAY
_OLD_ACCOUNT: Final = 2

#: Signs that tell the age of a holder.
OF_AGE: Final = ("YOUNG_HOLDER", "OLD_HOLDER")

_SAID: Final = read_words("accounts/release.toml")


class Sign(NamedTuple):
    """One sign: its code, what fills its words, and the transfers that show it (positions)."""

    kind: str
    code: str
    values: Mapping[str, str] = MappingProxyType({})
    transfers: Int64Array = np.zeros(0, np.int64)


def release_evidence(snapshot: Snapshot, states: pa.Table) -> pa.Table:
    """Return what speaks for the release of each hold that stands, signs of coercion first.

    Parameters
    ----------
    snapshot : Snapshot
        What the bank knew at the moment.
    states : pyarrow.Table
        As `muledetect.holds.hold_states` gives them, of the same moment.

    Returns
    -------
    pyarrow.Table
        `EVIDENCE`, by hold; none of a hold for which the records say nothing, or whose account they do not have.

    Notes
    -----
    Complaints of the holds are traced again. O(transfers + their trace).
    """
    standing = states.filter(pc.greater(states["held"], 0)).sort_by("hold_id")
    rows = standing.select(["hold_id", "account_id", "complaint_id"]).to_pylist()
    codes = snapshot.graph.codes(standing["account_id"]).astype(np.int64)
    coerced = find_coercion(snapshot, np.unique(codes[codes >= 0]))
    traces = _traced(snapshot, {row["complaint_id"] for row in rows})
    known = _Known(snapshot, traces, frozenset(row["account_id"] for row in rows))
    ids = snapshot.tables["transfers"]["transfer_id"].cast(pa.string())
    found: list[dict[str, Any]] = []
    for row, code in zip(rows, codes.tolist(), strict=True):
        if code < 0:
            continue
        own = [{"kind": "coercion", "code": sign["code"], "text_en": sign["text"]["en"], "text_th": sign["text"]["th"],
                "transfers": []} for sign in coerced.get(row["account_id"], ())]  # fmt: skip
        hold = _Hold(known, code, row["account_id"], row["complaint_id"])
        for sign in (*_victim_signs(hold), *_holder_signs(hold)):
            text = fill(_SAID[sign.kind][sign.code], **sign.values)
            shown = ids.take(pa.array(np.unique(sign.transfers)[-MOST_TRANSFERS:], pa.int64())).to_pylist()
            own.append({"kind": sign.kind, "code": sign.code, "text_en": text["en"], "text_th": text["th"],
                        "transfers": shown})  # fmt: skip
        found += [row | sign | {"as_of": snapshot.as_of} for sign in own]
    columns = {each.name: pa.array([sign[each.name] for sign in found], each.type) for each in EVIDENCE}
    return pa.table(columns, schema=EVIDENCE)


def _traced(snapshot: Snapshot, complaints: set[str | None]) -> Traces:
    if "complaints" not in snapshot.tables:
        return Traces()
    counted = snapshot.complaints.complaint_id.filter(pa.array(snapshot.complaints.transfer >= 0))
    asked = [name for name in counted.to_pylist() if name in complaints]
    return trace(snapshot, complaint_ids=asked, steps=True)


@dataclass(frozen=True, eq=False)
class _Known:
    """What all holds share."""

    snapshot: Snapshot
    traces: Traces
    accounts: frozenset[str]

    @cached_property
    def is_named(self) -> BoolArray:
        """Which accounts a complaint names as paid."""
        found = np.zeros(self.snapshot.graph.n_accounts, np.bool_)
        payee = self.snapshot.complaints.payee
        found[payee[payee >= 0]] = True
        return found

    @cached_property
    def channel(self) -> Any:
        """Channel of each transfer as its place in CHANNELS; -1 without one."""
        table, n = self.snapshot.tables["transfers"], self.snapshot.graph.n_transfers
        if "channel" not in table.column_names:
            return np.full(n, -1)
        places = pc.index_in(table["channel"].cast(pa.string()), pa.array(CHANNELS))
        return places.fill_null(-1).to_numpy()

    @cached_property
    def victims(self) -> dict[str, tuple[int, bool]]:
        """What accounts paid to named ones, and whether they look like victims (who may be named themselves)."""
        graph = self.snapshot.graph
        named = graph.account_ids.take(pa.array(np.flatnonzero(self.is_named))).to_pylist()
        rows = likely_victims(self.snapshot, named)
        is_like = (rows["lost_share"] >= 0.5) & (rows["passed_share"] <= 0.2)
        return dict(zip(rows["account_id"], zip(rows["lost"], is_like, strict=True), strict=True))

    def column(self, table: str, key: str, name: str, wanted: Iterable[Any]) -> dict[str, Any]:
        """Return a column of a table by its key, of the wanted keys; empty without it."""
        found = self.snapshot.tables.get(table)
        if found is None or not {key, name} <= set(found.column_names):
            return {}
        names = pa.array([one for one in wanted if one is not None], pa.string())
        found = found.filter(pc.is_in(found[key].cast(pa.string()), value_set=names))
        column = found[name].cast(pa.int64()) if pa.types.is_timestamp(found[name].type) else found[name]
        return dict(zip(found[key].to_pylist(), column.to_pylist(), strict=True))

    @cached_property
    def opened(self) -> dict[str, Any]:
        return self.column("accounts", "account_id", "opened_at", self.accounts)

    @cached_property
    def holder(self) -> dict[str, Any]:
        return self.column("accounts", "account_id", "holder_id", self.accounts)

    @cached_property
    def birth_year(self) -> dict[str, Any]:
        return self.column("holders", "holder_id", "birth_year", self.holder.values())

    @cached_property
    def cleared(self) -> frozenset[str]:
        """Accounts whose latest label says that they are no mules."""
        table = self.snapshot.tables.get("labels")
        if table is None or "known_ts" not in table.column_names:
            return frozenset()
        mine = pc.is_in(table["account_id"].cast(pa.string()), value_set=pa.array(sorted(self.accounts), pa.string()))
        dated = table.filter(pc.and_(mine, table["known_ts"].is_valid()))
        # of one moment the label that sorts last counts, as in case files
        ordered = dated.sort_by([("known_ts", "ascending"), ("label", "ascending")])
        latest = dict(zip(ordered["account_id"].to_pylist(), ordered["label"].to_pylist(), strict=True))
        return frozenset(name for name, label in latest.items() if label == "not_mule")


@dataclass(frozen=True, eq=False)
class _Hold:
    """One hold, and the transfers of its account."""

    known: _Known
    code: int
    account_id: str
    complaint_id: str | None
    own: Int64Array = field(init=False)

    def __post_init__(self) -> None:
        found = self.known.snapshot.transfers_of(np.array([self.code], np.int32))[1]
        object.__setattr__(self, "own", np.unique(found))

    @cached_property
    def is_credit(self) -> BoolArray:
        """Which of its transfers came in."""
        return np.asarray(self.known.snapshot.graph.target[self.own] == self.code)

    @cached_property
    def other(self) -> Int64Array:
        """The other account of each of its transfers."""
        graph = self.known.snapshot.graph
        return np.where(self.is_credit, graph.source[self.own], graph.target[self.own]).astype(np.int64)

    @cached_property
    def disputed(self) -> int:
        """Position of the transfer that the complaint disputes; -1 if it does not count at the moment."""
        complaints = self.known.snapshot.complaints
        at = pc.index(complaints.complaint_id, pa.scalar(self.complaint_id, pa.string())).as_py()
        return int(complaints.transfer[at]) if at >= 0 else -1

    @cached_property
    def carried(self) -> Int64Array:
        """Credits that brought money of the complaint by some method, positions."""
        steps = self.known.traces.steps
        mine = steps.filter(
            pc.and_(
                pc.equal(steps["complaint_id"], self.complaint_id or ""), pc.equal(steps["target"], self.account_id)
            )
        )
        ids = self.known.snapshot.tables["transfers"]["transfer_id"].cast(pa.string()).take(pa.array(self.own))
        named = pc.is_in(ids, value_set=pa.array(mine["transfer_id"].to_pylist(), pa.string()))
        return np.asarray(self.own[named.to_numpy()])

    def money(self, amount: int) -> str:
        currency = self.known.snapshot.currency
        return f"{currency} {format_amount(amount, currency)}".strip()


def _victim_signs(hold: _Hold) -> Iterator[Sign]:
    """Yield what says that the holder may be a victim, or needs care."""
    snapshot, known = hold.known.snapshot, hold.known
    complaints = snapshot.complaints
    lost = complaints.transfer[(complaints.payer == hold.code) & (complaints.transfer >= 0)]
    n_lost = int((complaints.payer == hold.code).sum())
    if n_lost:
        yield Sign("coercion", "VICTIM_TOO", {"n": f"{n_lost:,}"}, lost.astype(np.int64))
    paid, is_like = known.victims.get(hold.account_id, (0, False))
    if is_like:
        to_named = hold.own[~hold.is_credit & known.is_named[hold.other] & (hold.other != hold.code)]
        yield Sign("coercion", "LIKE_A_VICTIM", {"amount": hold.money(int(paid))}, to_named)
    born = known.birth_year.get(str(known.holder.get(hold.account_id)))
    if born is not None:
        age = int(np.datetime64(snapshot.as_of, "us").astype("datetime64[Y]").astype(int)) + 1970 - born
        if age <= YOUNG or age >= OLD:
            yield Sign("coercion", OF_AGE[age >= OLD], {"n": f"{age}"})


def _holder_signs(hold: _Hold) -> Iterator[Sign]:
    """Yield what speaks for the holder."""
    snapshot, known = hold.known.snapshot, hold.known
    if hold.account_id in known.cleared:
        yield Sign("holder", "NOT_MULE")
    if hold.complaint_id is not None and hold.disputed < 0:
        yield Sign("holder", "NO_LONGER_COUNTS")
    yield from _of_the_money(hold)
    yield from _of_the_life(hold)
    opened = known.opened.get(hold.account_id)
    years = 0 if opened is None else (snapshot.as_of - opened) // (365 * DAY)
    if years >= _OLD_ACCOUNT:
        yield Sign("holder", "OLD_ACCOUNT", {"n": f"{years:,}"})
    if snapshot.serves_public[hold.code]:
        yield Sign("holder", "SERVES_PUBLIC")


def _of_the_money(hold: _Hold) -> Iterator[Sign]:
    """Yield what became of the complaint's money, and how the holder knew the complainant."""
    graph, known = hold.known.snapshot.graph, hold.known
    if hold.disputed < 0:
        return
    payer, begun = int(graph.source[hold.disputed]), graph.time[hold.disputed]
    time, with_payer = graph.time[hold.own], hold.other == payer
    back = hold.own[with_payer & ~hold.is_credit & (time > begun)]
    if payer != hold.code and len(back):
        yield Sign("holder", "RETURNED", {"amount": hold.money(int(graph.amount[back].sum()))}, back)
    share = _kept(hold)
    if share >= _KEPT and len(hold.carried):
        yield Sign("holder", "KEPT", {"share": f"{int(share * 100)}%"}, hold.carried)
    before = hold.own[with_payer & (time < begun - _BEFORE)]
    if payer != hold.code and len(before):
        yield Sign("holder", "KNOWN_PAYER", {"n": f"{len(before):,}"}, before)
    disputes = known.snapshot.complaints
    named = np.unique(disputes.transfer[(disputes.payee == hold.code) & (disputes.transfer >= 0)])
    others = known.is_named[hold.other] & (hold.other != hold.code)
    if len(named) == 1 and not others.any():
        yield Sign("holder", "SHORT_CONTACT", {}, named.astype(np.int64))


def _kept(hold: _Hold) -> float:
    """Return the smallest share, over the methods, of the complaint's money that came in and is still there."""
    traces, mine = hold.known.traces, hold.complaint_id or ""
    steps, rows = traces.steps, traces.trace
    came = steps.filter(pc.and_(pc.equal(steps["complaint_id"], mine), pc.equal(steps["target"], hold.account_id)))
    here = rows.filter(pc.and_(pc.equal(rows["complaint_id"], mine), pc.equal(rows["account_id"], hold.account_id)))
    here = here.filter(here["exit_kind"].is_null())
    sums = [dict.fromkeys(came["method"].to_pylist(), 0) for _ in range(2)]
    for total, table in zip(sums, (came, here), strict=True):
        for method, traced in zip(table["method"].to_pylist(), table["traced"].to_pylist(), strict=True):
            total[method] = total.get(method, 0) + traced
    return min((sums[1][method] / total for method, total in sums[0].items() if total), default=0.0)


def _of_the_life(hold: _Hold) -> Iterator[Sign]:
    """Yield what the account did before and beside."""
    graph, known = hold.known.snapshot.graph, hold.known
    time = graph.time[hold.own]
    first = graph.time[hold.carried].min() if len(hold.carried) else hold.known.snapshot.as_of
    is_before = time < first
    with_named = known.is_named[hold.other] & (hold.other != hold.code)
    days = np.unique(time[is_before] // DAY)
    if len(days) >= _LEAST_DAYS and not with_named[is_before].any():
        span = int(days[-1] - days[0]) + 1
        yield Sign("holder", "HONEST_HISTORY", {"n": f"{len(days):,}", "m": f"{span:,}"}, hold.own[is_before])
    recent, channel = time >= known.snapshot.as_of - USUAL, known.channel[hold.own]
    pay = hold.own[recent & hold.is_credit & (channel == CHANNELS.index("payroll"))]
    if len(pay) >= 2:
        yield Sign("holder", "SALARY", {"n": f"{len(pay):,}"}, pay)
    daily = hold.own[recent & ~hold.is_credit & np.isin(channel, [CHANNELS.index(name) for name in DAILY])]
    if len(daily) >= 5:
        yield Sign("holder", "DAILY_LIFE", {"n": f"{len(daily):,}"}, daily)
