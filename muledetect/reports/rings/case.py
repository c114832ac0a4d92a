"""What a ring file says, and the facts behind it: members, money, links, ties, and who is not a member."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import networkx as nx
import numpy as np
import pandas as pd
import pyarrow as pa

from muledetect.arrays import Int64Array
from muledetect.clock import DAY
from muledetect.reports.accounts.advice import fill
from muledetect.reports.material import Material
from muledetect.rings import Ring
from muledetect.rings.money import match_relayed_money

#: A ring of more members is drawn by groups of role and layer, and lists its firmest members.
MOST_DRAWN: Final = 2_000
#: Accounts around the ring that are drawn one by one; others are drawn together by what they are.
MOST_AROUND: Final = 60
#: Transfers that the page can play; of more, those of one pair and day are played as one.
MOST_PLAYED: Final = 20_000
#: Money counts as the ring's from so long before its first binding transfer to so long after its last.
MARGIN: Final = 3 * DAY
#: Money that stayed longer than this was not relayed.
LONGEST_DWELL: Final = 3 * DAY
#: Links that are tried one by one: what holds without them.
_MOST_TRIED: Final = 12


@dataclass(frozen=True, eq=False)
class RingCase:
    """Everything that a ring file shows; suspicion, not a finding.

    Times are int64 microseconds, money int64 minor units.

    Attributes
    ----------
    ring : Ring
        As found.
    members : pandas.DataFrame
        As schema.RING_MEMBERS, with `received`, `paid` (in the ring's span), `probability`, `rank`, `file` (page of the
        account), `kind`, `bank_id`; by layer and role, seeds first.
    span : tuple of int
        First and last moment of the transfers that are counted.
    money : mapping
        `from_victims`, `from_others`, `within`, `to_exits`, `to_others`: what moved in the span.
    dwell : mapping
        `median_s`, `p90_s`: how long money that was passed on within three days stayed at a member, by value, and
        `hops`: mean layer by value; NaN where nothing was passed on.
    nodes, flows : pandas.DataFrame
        What is drawn. Nodes: `name`, `label`, `column` (0 = payers, layers, last = receivers), `kind` (role of a
        member, relation of another), `n` (accounts that it stands for), `layer`. Flows: `source`, `target`
        (nodes), `amount`, `n`.
    plays : pandas.DataFrame
        Transfers to play by time: `time`, `source`, `target` (nodes), `amount`.
    is_summary : bool
        The ring is drawn by groups, for it has more than `MOST_DRAWN` members.
    shared : pandas.DataFrame
        Devices, networks, terminals and other things that members share: `kind`, `item`, `accounts` (list).
    binding : sequence of mapping
        Strongest links: `source`, `target`, `kinds`, `weight`, and `parts`: sizes of the parts without it.
    pivots : sequence of mapping
        Members without whom the ring falls apart: `account_id`, `parts`.
    ties : sequence of mapping
        As schema.RING_TIES, with `items`: its rows of schema.TIE_EVIDENCE, the weightiest first.
    against : sequence of mapping
        Evidence against the ring or its ties: `code`, `text` (language -> text).
    victims : pandas.DataFrame
        Complaints whose victim paid a member, latest first, as `Material.disputes`, with `victim_id` and `payee_id`.
    others : pandas.DataFrame
        As schema.RING_OTHERS, largest first.
    """

    ring: Ring
    members: pd.DataFrame
    span: tuple[int, int]
    money: Mapping[str, int]
    dwell: Mapping[str, float]
    nodes: pd.DataFrame
    flows: pd.DataFrame
    plays: pd.DataFrame
    is_summary: bool
    shared: pd.DataFrame
    binding: Sequence[Mapping[str, Any]]
    pivots: Sequence[Mapping[str, Any]]
    ties: Sequence[Mapping[str, Any]]
    against: Sequence[Mapping[str, Any]]
    victims: pd.DataFrame
    others: pd.DataFrame

    def __repr__(self) -> str:
        return f"RingCase({self.ring!r}, {len(self.nodes):,} nodes, {len(self.flows):,} flows)"


def ring_cases(
    material: Material, account_files: Mapping[str, str], *, n_rings: int | None = None
) -> Iterator[RingCase]:
    """Yield the case of each ring, most suspicious first; `account_files` gives the page of an account by its id."""
    tables = material.rings
    ids = tables.rings["ring_id"].to_pylist()[:n_rings]
    evidence = _by_tie(tables.tie_evidence)
    for ring_id in ids:
        yield _ring_case(material, tables.ring(ring_id), account_files, evidence)


def _ring_case(
    material: Material, ring: Ring, files: Mapping[str, str], evidence: Mapping[tuple[str, str], list[dict[str, Any]]]
) -> RingCase:
    graph = material.graph
    span = _span(material, ring)
    member_ids = ring.members["account_id"].to_pylist()
    codes = graph.codes(ring.members["account_id"]).astype(np.int64)
    rows = _transfers(material, codes, span)
    members = _members(material, ring, codes, rows, files)
    others = ring.others.to_pandas().sort_values(["received", "paid", "account_id"], ascending=[False, False, True])
    nodes, of_code = _nodes(material, members, others, rows)
    flows, plays = _flows(material, rows, of_code)
    ties = [row | {"items": evidence.get((row["ring_id"], row["centre_id"]), [])} for row in ring.ties.to_pylist()]
    bound = _bound(ring)
    return RingCase(
        ring=ring,
        members=members,
        span=span,
        money=_money(material, rows, codes, others),
        dwell=_dwell(material, codes, span, members),
        nodes=nodes,
        flows=flows,
        plays=plays,
        is_summary=len(members) > MOST_DRAWN,
        shared=_shared(ring),
        binding=_binding(bound),
        pivots=_pivots(bound),
        ties=ties,
        against=_against(material, ring, ties, member_ids),
        victims=_victims(material, codes),
        others=others.reset_index(drop=True),
    )


def _victims(material: Material, codes: Int64Array) -> pd.DataFrame:
    rows = material.disputes[material.disputes["payee"].isin(codes)]
    ids = material.graph.account_ids
    named = {f"{end}_id": ids.take(pa.array(rows[end], pa.int64())).to_pylist() for end in ("victim", "payee")}
    ordered = rows.assign(**named).sort_values(["time", "complaint_id"], ascending=[False, True])
    listed: pd.DataFrame = ordered.reset_index(drop=True)
    return listed


def _span(material: Material, ring: Ring) -> tuple[int, int]:
    first, last = (int(pd.Timestamp(ring.summary[name]).value // 1_000) for name in ("first_time", "last_time"))
    return first - MARGIN, min(last + MARGIN, material.as_of)


def _transfers(material: Material, codes: Int64Array, span: tuple[int, int]) -> Int64Array:
    """Return the positions of the members' transfers in the span, by time."""
    graph, parts = material.graph, []
    low, high = (int(at) for at in np.searchsorted(graph.time, span))
    for side in (graph.incoming, graph.outgoing):
        for code in codes[codes >= 0]:
            own = side.transfer[side.start[code] : side.stop[code]]
            begin, end = np.searchsorted(own, [low, high])
            parts.append(own[begin:end])
    return np.unique(np.concatenate([np.zeros(0, np.int64), *parts])).astype(np.int64)


def _members(
    material: Material, ring: Ring, codes: Int64Array, rows: Int64Array, files: Mapping[str, str]
) -> pd.DataFrame:
    graph, found = material.graph, ring.members.to_pandas().drop(columns="ring_id")
    amount = graph.amount[rows]
    for name, side in (("received", graph.target), ("paid", graph.source)):
        sums = pd.Series(amount).groupby(side[rows].astype(np.int64)).sum()
        found[name] = sums.reindex(codes).fillna(0).to_numpy(dtype=np.int64)
    scored = material.scores.set_index("account_id")[["probability", "rank"]]
    found = found.join(scored, on="account_id")
    found["file"] = pd.Series([files.get(name) for name in found["account_id"]], dtype=object)
    found["code"] = codes
    ordered = found.sort_values(
        ["layer", "role", "is_seed", "received", "account_id"], ascending=[True, True, False, False, True]
    )
    listed: pd.DataFrame = ordered.reset_index(drop=True)
    return listed


def _nodes(
    material: Material, members: pd.DataFrame, others: pd.DataFrame, rows: Int64Array
) -> tuple[pd.DataFrame, Int64Array]:
    """Return what is drawn, and the node of each account (by code), -1 for none.

    Members stand one by one, or by role and layer in a large ring; victims and the accounts that most money came from
    or went to one by one; the rest together, by what they are to the ring.
    """
    graph = material.graph
    of_code = np.full(graph.n_accounts, -1, np.int64)
    found: list[dict[str, Any]] = []
    last = int(members["layer"].max()) + 1
    shown = members.assign(
        group=members["role"] + " " + members["layer"].astype(str)
        if len(members) > MOST_DRAWN
        else members["account_id"]
    )
    for name, part in shown.groupby("group", sort=False):
        of_code[part["code"].to_numpy(np.int64)] = len(found)
        row = part.iloc[0]
        label = str(name) if len(members) <= MOST_DRAWN else f"{len(part):,} {row['role'].replace('_', '-')}"
        found.append(
            {
                "name": str(name),
                "label": label,
                "column": int(row["layer"]),
                "kind": row["role"],
                "n": len(part),
                "layer": int(row["layer"]),
            }
        )
    around = _around(material, others, rows, of_code)
    for _, part in around.groupby(["kind", "pays", "name"], sort=False):
        kind, pays, name = part.iloc[0][["kind", "pays", "name"]]
        of_code[part["code"].to_numpy(np.int64)] = len(found)
        label = str(name) if len(part) == 1 else f"{len(part):,} {kind}"
        found.append(
            {"name": str(name), "label": label, "column": 0 if pays else last, "kind": kind, "n": len(part), "layer": 0}
        )
    return pd.DataFrame(found), of_code


def _around(material: Material, others: pd.DataFrame, rows: Int64Array, of_code: Int64Array) -> pd.DataFrame:
    """Return the accounts around: `code`, `kind`, `pays` (more than it gets), `name` (own, or of a group)."""
    graph = material.graph
    known = dict(
        zip(graph.codes(pa.array(others["account_id"], pa.string())).tolist(), others["relation"], strict=True)
    )
    source, target, amount = (
        graph.source[rows].astype(np.int64),
        graph.target[rows].astype(np.int64),
        graph.amount[rows],
    )
    paid = pd.Series(amount).groupby(source).sum()
    got = pd.Series(amount).groupby(target).sum()
    codes = np.unique(np.concatenate([source, target]))
    codes = codes[of_code[codes] < 0]
    frame = pd.DataFrame({"code": codes})
    frame["paid"], frame["got"] = (sums.reindex(codes).fillna(0).to_numpy() for sums in (paid, got))
    frame["kind"] = [
        known.get(code, "recipient" if got_ > 0 else "payer")
        for code, got_ in zip(codes.tolist(), frame["got"], strict=True)
    ]
    frame["pays"] = frame["paid"] > frame["got"]
    frame["name"] = graph.account_ids.take(pa.array(codes)).to_pylist()
    size = np.maximum(frame["paid"], frame["got"])
    order = frame.assign(size=size, is_other=frame["kind"] != "victim").sort_values(
        ["is_other", "size", "name"], ascending=[True, False, True]
    )
    together = order.index[MOST_AROUND:]
    frame.loc[together, "name"] = [
        f"other {kind} {'in' if pays else 'out'}"
        for kind, pays in zip(frame.loc[together, "kind"], frame.loc[together, "pays"], strict=True)
    ]
    return frame.loc[order.index]


def _flows(material: Material, rows: Int64Array, of_code: Int64Array) -> tuple[pd.DataFrame, pd.DataFrame]:
    graph = material.graph
    plays = pd.DataFrame(
        {
            "time": graph.time[rows],
            "source": of_code[graph.source[rows]],
            "target": of_code[graph.target[rows]],
            "amount": graph.amount[rows],
        }
    )
    plays = plays[plays["source"] != plays["target"]].reset_index(drop=True)
    pairs = plays.groupby(["source", "target"], sort=True)
    flows = pairs.agg(amount=("amount", "sum"), n=("amount", "size")).reset_index()
    if len(plays) > MOST_PLAYED:
        by_day = plays.assign(time=plays["time"] // DAY * DAY)
        plays = by_day.groupby(["time", "source", "target"], sort=True)["amount"].sum().reset_index()
    return flows, plays


def _money(material: Material, rows: Int64Array, codes: Int64Array, others: pd.DataFrame) -> dict[str, int]:
    graph = material.graph
    is_in = np.zeros(graph.n_accounts, np.bool_)
    is_in[codes[codes >= 0]] = True
    pays, gets = is_in[graph.source[rows]], is_in[graph.target[rows]]
    kinds = {
        name: _of_kind(material, others, relations)
        for name, relations in (("victims", ("victim",)), ("exits", ("exit", "institution")))
    }
    amount = graph.amount[rows]
    from_victims = gets & ~pays & kinds["victims"][graph.source[rows]]
    to_exits = pays & ~gets & kinds["exits"][graph.target[rows]]
    chosen = {
        "from_victims": from_victims,
        "from_others": gets & ~pays & ~from_victims,
        "within": pays & gets,
        "to_exits": to_exits,
        "to_others": pays & ~gets & ~to_exits,
    }
    return {name: int(amount[which].sum()) for name, which in chosen.items()}


def _of_kind(material: Material, others: pd.DataFrame, relations: Sequence[str]) -> Any:
    which = np.zeros(material.graph.n_accounts + 1, np.bool_)
    ids = others.loc[others["relation"].isin(relations), "account_id"]
    which[material.graph.codes(pa.array(ids, pa.string()))] = True
    return which[:-1]


def _dwell(material: Material, codes: Int64Array, span: tuple[int, int], members: pd.DataFrame) -> dict[str, float]:
    """Return how long relayed money stayed at members, by value, and through how many it went."""
    graph = material.graph.until(span[1])
    known = np.unique(codes[codes >= 0]).astype(np.int32)
    relayed = match_relayed_money(graph, known, since=span[0], holding_time=LONGEST_DWELL)
    went = relayed.is_debit & (relayed.partner >= 0)
    stayed = (graph.time[relayed.transfer[went]] - graph.time[relayed.partner[went]]) / 1_000_000
    money = relayed.amount[went].astype(np.float64)
    received = members["received"].to_numpy(np.float64)
    hops = float(np.average(members["layer"], weights=received)) if received.sum() else float("nan")
    return {"median_s": _weighted(stayed, money, 0.5), "p90_s": _weighted(stayed, money, 0.9), "hops": hops}


def _weighted(values: Any, weights: Any, share: float) -> float:
    if not len(values):
        return float("nan")
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) >= share * weights.sum()
    return float(values[order][int(np.argmax(reached))])


def _shared(ring: Ring) -> pd.DataFrame:
    """Return what members share, the most widely shared first."""
    rows: dict[tuple[str, str], set[str]] = {}
    for bond in ring.links.to_pylist():
        if bond["kind"].startswith("shared_"):
            for item in bond["evidence"]:
                rows.setdefault((bond["kind"].removeprefix("shared_"), item), set()).update(
                    (bond["source"], bond["target"])
                )
    listed = sorted(rows.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    return pd.DataFrame(
        [{"kind": kind, "item": item, "accounts": sorted(accounts)} for (kind, item), accounts in listed],
        columns=["kind", "item", "accounts"],
    )


def _bound(ring: Ring) -> nx.Graph:
    """Return one edge a pair of members, with the sum of their links' weights and their kinds."""
    drawn = nx.Graph()
    drawn.add_nodes_from(ring.members["account_id"].to_pylist())
    for bond in ring.links.to_pylist():
        pair = (bond["source"], bond["target"])
        before = drawn.get_edge_data(*pair, default={"weight": 0.0, "kinds": set()})
        drawn.add_edge(*pair, weight=before["weight"] + bond["weight"], kinds=before["kinds"] | {bond["kind"]})
    return drawn


def _binding(bound: nx.Graph) -> list[dict[str, Any]]:
    """Return the strongest links, each with the sizes of the parts that the ring falls into without it."""
    strongest = sorted(bound.edges(data=True), key=lambda edge: (-edge[2]["weight"], *sorted(edge[:2])))[:_MOST_TRIED]
    bridges = {frozenset(edge) for edge in nx.bridges(bound)}
    found = []
    for source, target, traits in strongest:
        parts = (
            _parts(nx.restricted_view(bound, [], [(source, target)])) if frozenset((source, target)) in bridges else []
        )
        found.append(
            {
                "source": source,
                "target": target,
                "kinds": sorted(traits["kinds"]),
                "weight": traits["weight"],
                "parts": parts,
            }
        )
    return found


def _pivots(bound: nx.Graph) -> list[dict[str, Any]]:
    """Return the members without whom the ring falls apart, those first that leave the smallest largest part."""
    cut = sorted(nx.articulation_points(bound))
    tried = sorted(cut, key=lambda name: (-bound.degree(name), name))[:_MOST_TRIED]
    found = [{"account_id": name, "parts": _parts(nx.restricted_view(bound, [name], []))} for name in tried]
    return sorted(found, key=lambda row: (row["parts"][0], row["account_id"]))


def _parts(graph: nx.Graph) -> list[int]:
    return sorted((len(part) for part in nx.connected_components(graph)), reverse=True)


def _by_tie(table: pa.Table) -> dict[tuple[str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    times = table["time"].cast(pa.int64()).to_pylist()
    for row, time in zip(table.to_pylist(), times, strict=True):
        found.setdefault((row["ring_id"], row["centre_id"]), []).append(row | {"time": time})
    return {key: sorted(rows, key=lambda row: (row["family"], -row["counts"])) for key, rows in found.items()}


#: Evidence against: sentence in each language.
AGAINST: Final[Mapping[str, Mapping[str, str]]] = {
    "OTHER_CENTRE": {
        "en": "Victims of this ring name other centres than {centre} ({nats} nats against that tie).",
        "th": "ผู้เสียหายของกลุ่มนี้ระบุศูนย์อื่นที่ไม่ใช่ {centre} ({nats} nats คัดค้านความเชื่อมโยงนี้)",
    },
    "BY_CHANCE": {
        "en": "Calls of {centre} say as much in {share} of shuffled worlds: they may be chance.",
        "th": "สายโทรจาก {centre} ให้ผลเท่ากันใน {share} ของการสุ่มสลับ อาจเป็นเรื่องบังเอิญ",
    },
    "UNSTABLE": {
        "en": "Repeated searches keep the members together in only {share} of cases.",
        "th": "การค้นหาซ้ำพบสมาชิกอยู่ร่วมกันเพียง {share} ของครั้งทั้งหมด",
    },
    "FEW_SEEDS": {
        "en": "Only {n} of {m} members are suspicious by their own evidence; the others are inferred from them.",
        "th": "มีสมาชิกเพียง {n} จาก {m} บัญชีที่น่าสงสัยจากหลักฐานของตนเอง ที่เหลืออนุมานจากบัญชีเหล่านั้น",
    },
    "NO_VICTIM": {
        "en": "No complaint that the bank knew by this moment leads to a member.",
        "th": "ไม่มีคำร้องเรียนที่ธนาคารทราบ ณ เวลานี้ที่นำไปสู่สมาชิก",
    },
}


def _against(
    material: Material, ring: Ring, ties: Sequence[Mapping[str, Any]], members: Sequence[str]
) -> list[dict[str, Any]]:
    found: list[tuple[str, dict[str, str]]] = []
    n_seeds = sum(ring.members["is_seed"].to_pylist())
    if ring.summary["stability"] < 0.5:
        found.append(("UNSTABLE", {"share": f"{ring.summary['stability']:.0%}"}))
    if n_seeds * 2 < len(members):
        found.append(("FEW_SEEDS", {"n": f"{n_seeds:,}", "m": f"{len(members):,}"}))
    if "complaints" not in material.missing and not ring.summary["n_victims"]:
        found.append(("NO_VICTIM", {}))
    for tie in ties:
        if tie["against"] < 0:
            found.append(("OTHER_CENTRE", {"centre": tie["centre_id"], "nats": f"{tie['against']:.1f}"}))
        if tie["by_chance"] is not None and tie["by_chance"] > 0.05:
            found.append(("BY_CHANCE", {"centre": tie["centre_id"], "share": f"{tie['by_chance']:.0%}"}))
    return [{"code": code, "text": fill(AGAINST[code], **values)} for code, values in found]
