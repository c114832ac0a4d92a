"""What a ring file says, and the facts behind it: members, money, links, ties, and who is not a member."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import networkx as nx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import DAY
from muledetect.frames import frame_of
from muledetect.reports.material import Material
from muledetect.reports.network import Network, gather, ring_network, ring_transfers
from muledetect.reports.words import fill, read_words
from muledetect.rings import Ring
from muledetect.rings.money import match_relayed_money

#: A ring of more members is drawn by groups of role and layer, and lists its members of the highest membership.
MOST_DRAWN: Final = 2_000
#: Accounts before the ring, and behind it, that are drawn one by one; others are drawn together by what they are.
MOST_AROUND: Final = 30
#: Transfers that the page can play; of more, those of one pair and day are played as one.
MOST_PLAYED: Final = 20_000
#: Money that stayed longer than this was not relayed.
LONGEST_HOLDING: Final = 3 * DAY
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
    holding : mapping
        `median_s`, `p90_s`: how long money that was passed on within three days stayed at a member, by value, and
        `layer`: mean layer by value; NaN where nothing was passed on.
    network : Network
        What is drawn.
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
    shape : pandas.DataFrame
        The transfers that show the ring's typology, by time: `transfer_id`, `time`, `source`, `target`, `amount`.
    parties : sequence of mapping
        People and companies behind members who have several accounts, those with most members first: as
        `gather_parties` gives them, with `members` and `others`: its accounts (`account_id`, `file`) inside and outside
        the ring.
    controllers : sequence of mapping
        Who or what controls accounts of several parties of the ring: `kind`, `value`, `text`, `n_parties`, and
        `accounts` (`account_id`, `file`) that are members.
    """

    ring: Ring
    members: pd.DataFrame
    span: tuple[int, int]
    money: Mapping[str, int]
    holding: Mapping[str, float]
    network: Network
    plays: pd.DataFrame
    is_summary: bool
    shared: pd.DataFrame
    binding: Sequence[Mapping[str, Any]]
    pivots: Sequence[Mapping[str, Any]]
    ties: Sequence[Mapping[str, Any]]
    against: Sequence[Mapping[str, Any]]
    victims: pd.DataFrame
    others: pd.DataFrame
    shape: pd.DataFrame
    parties: Sequence[Mapping[str, Any]]
    controllers: Sequence[Mapping[str, Any]]

    def __repr__(self) -> str:
        return f"RingCase({self.ring!r}, {len(self.network.nodes):,} nodes, {len(self.network.flows):,} flows)"


def ring_cases(
    material: Material, account_files: Mapping[str, str], *, n_rings: int | None = None
) -> Iterator[RingCase]:
    """Yield the case of each ring, most suspicious first; `account_files` gives the page of an account by its id."""
    tables = material.rings
    evidence = _by_tie(tables.tie_evidence)
    for ring_id in tables.rings["ring_id"].to_pylist()[:n_rings]:
        yield _ring_case(material, tables.ring(ring_id), account_files, evidence)


def _ring_case(
    material: Material, ring: Ring, files: Mapping[str, str], evidence: Mapping[tuple[str, str], list[dict[str, Any]]]
) -> RingCase:
    moved, span = ring_transfers(ring, material.snapshot)
    members = _members(material, ring, moved, files)
    others = ring.others.to_pandas().sort_values(["received", "paid", "account_id"], ascending=[False, False, True])
    network, plays = _drawn(ring, moved)
    ties = [row | {"items": evidence.get((row["ring_id"], row["centre_id"]), [])} for row in ring.ties.to_pylist()]
    bound = _bound(ring)
    inside = set(members["account_id"])
    behind = {party["party_id"]: party for name in sorted(inside) if (party := material.parties.get(name))}
    return RingCase(
        ring=ring,
        members=members,
        span=span,
        money=_money(moved, inside, dict(zip(others["account_id"], others["relation"], strict=True))),
        holding=_holding(material, members, span),
        network=network,
        plays=plays,
        is_summary=len(members) > MOST_DRAWN,
        shared=_shared(ring),
        binding=_binding(bound),
        pivots=_pivots(bound),
        ties=ties,
        against=_against(material, ring, ties, len(members)),
        victims=_victims(material, members),
        others=others.reset_index(drop=True),
        shape=_shape(material, ring),
        parties=_parties(behind, inside, files),
        controllers=_controllers(behind, inside, files),
    )


def _parties(behind: Mapping[str, Any], inside: set[str], files: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the parties of several accounts, those with most members first."""
    found = []
    for party in behind.values():
        listed: dict[str, list[Any]] = {"members": [], "others": []}
        for account in party["accounts"]:
            name = account["account_id"]
            listed["members" if name in inside else "others"].append(_with_file(name, files))
        if len(party["accounts"]) > 1:
            found.append({**party, **listed})
    return sorted(found, key=lambda row: (-len(row["members"]), row["rank"] is None, row["rank"], row["party_id"]))


def _controllers(behind: Mapping[str, Any], inside: set[str], files: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return who controls members of several parties, those of most parties first."""
    found = {}
    for controller in (one for party in behind.values() for one in party["controllers"]):
        ours = [account for account in controller["accounts"] if account["account_id"] in inside]
        n_parties = len({account["party_id"] for account in ours})
        if n_parties > 1:
            about = {name: controller[name] for name in ("kind", "value", "text")}
            accounts = [_with_file(name, files) for name in sorted(account["account_id"] for account in ours)]
            found[controller["controller_id"]] = about | {"n_parties": n_parties, "accounts": accounts}
    return sorted(found.values(), key=lambda row: (-row["n_parties"], row["kind"], row["value"]))


def _with_file(name: str, files: Mapping[str, str]) -> dict[str, str | None]:
    return {"account_id": name, "file": files.get(name)}


def _shape(material: Material, ring: Ring) -> pd.DataFrame:
    transfers = material.snapshot.tables["transfers"]
    shown = pa.array(ring.summary["typology_transfers"] or [], transfers["transfer_id"].type)
    columns = ["transfer_id", "time", "source", "target", "amount"]
    of_members = material.snapshot.transfers_of(material.graph.codes(ring.members["account_id"]))[1]
    rows = transfers.select(columns).take(pa.array(np.unique(of_members)))
    listed = frame_of(rows.filter(pc.is_in(rows["transfer_id"], value_set=shown)))
    return listed.sort_values(["time", "transfer_id"], ignore_index=True)


def _victims(material: Material, members: pd.DataFrame) -> pd.DataFrame:
    rows = material.disputes[material.disputes["payee"].isin(material.graph.codes(members["account_id"]))]
    ids = material.graph.account_ids
    named = {f"{end}_id": ids.take(pa.array(rows[end], pa.int64())).to_pylist() for end in ("victim", "payee")}
    ordered = rows.assign(**named).sort_values(["time", "complaint_id"], ascending=[False, True])
    listed: pd.DataFrame = ordered.reset_index(drop=True)
    return listed


def _members(material: Material, ring: Ring, moved: pd.DataFrame, files: Mapping[str, str]) -> pd.DataFrame:
    found = ring.members.to_pandas().drop(columns="ring_id")
    for name, end in (("received", "target"), ("paid", "source")):
        sums = moved.groupby(end)["amount"].sum()
        found[name] = found["account_id"].map(sums).fillna(0).astype(np.int64)
    found = found.join(material.scores.set_index("account_id")[["probability", "rank"]], on="account_id")
    found["file"] = pd.Series([files.get(name) for name in found["account_id"]], dtype=object)
    ordered = found.sort_values(
        ["layer", "role", "is_seed", "received", "account_id"], ascending=[True, True, False, False, True]
    )
    listed: pd.DataFrame = ordered.reset_index(drop=True)
    return listed


def _drawn(ring: Ring, moved: pd.DataFrame) -> tuple[Network, pd.DataFrame]:
    """Return what is drawn of a ring and the money around it, and the transfers to play."""
    whole = ring_network(ring, moved)
    network, of_node = gather(whole, most=MOST_DRAWN if len(ring) <= MOST_DRAWN else 0, most_around=MOST_AROUND)
    node = pd.Series(of_node.to_numpy(), index=whole.nodes["name"])
    plays = moved.assign(**{end: moved[end].map(node) for end in ("source", "target")})
    plays = plays[moved["source"] != moved["target"]]
    plays = plays[plays["source"] != plays["target"]].reset_index(drop=True)
    if len(plays) > MOST_PLAYED:
        by_day = plays.assign(time=plays["time"] // DAY * DAY)
        plays = by_day.groupby(["time", "source", "target"], sort=True)["amount"].sum().reset_index()
    return network, plays.astype(np.int64)


def _money(moved: pd.DataFrame, members: set[str], relation: Mapping[str, str]) -> dict[str, int]:
    pays, gets = moved["source"].isin(members), moved["target"].isin(members)
    is_lost = gets & ~pays & (moved["source"].map(relation) == "victim")
    is_gone = pays & ~gets & moved["target"].map(relation).isin(["exit", "institution"])
    chosen = {
        "from_victims": is_lost,
        "from_others": gets & ~pays & ~is_lost,
        "within": pays & gets,
        "to_exits": is_gone,
        "to_others": pays & ~gets & ~is_gone,
    }
    return {name: int(moved.loc[which, "amount"].sum()) for name, which in chosen.items()}


def _holding(material: Material, members: pd.DataFrame, span: tuple[int, int]) -> dict[str, float]:
    """Return how long relayed money stayed at members, by value, and through how many it went."""
    graph = material.graph.until(span[1])
    codes = np.unique(graph.codes(members["account_id"])).astype(np.int32)
    relayed = match_relayed_money(graph, codes, since=span[0], holding_time=LONGEST_HOLDING)
    went = relayed.is_debit & (relayed.partner >= 0)
    stayed = (graph.time[relayed.transfer[went]] - graph.time[relayed.partner[went]]) / 1_000_000
    order = np.argsort(stayed, kind="stable")
    reached = np.cumsum(relayed.amount[went][order].astype(np.float64))
    median, late = (
        float(stayed[order][np.argmax(reached >= share * reached[-1])]) if len(order) else np.nan
        for share in (0.5, 0.9)
    )
    received = members["received"].to_numpy(np.float64)
    layer = float(np.average(members["layer"], weights=received)) if received.sum() else np.nan
    return {"median_s": median, "p90_s": late, "layer": layer}


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
    return pd.DataFrame([(*what, sorted(by)) for what, by in listed], columns=["kind", "item", "accounts"])


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
        is_bridge = frozenset((source, target)) in bridges
        parts = _parts(nx.restricted_view(bound, [], [(source, target)])) if is_bridge else []
        ends = {"source": source, "target": target}
        found.append(ends | {"kinds": sorted(traits["kinds"]), "weight": traits["weight"], "parts": parts})
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


_SAID: Final = read_words("rings/words.toml")


def _against(material: Material, ring: Ring, ties: Sequence[Mapping[str, Any]], n_members: int) -> list[dict[str, Any]]:
    found: list[tuple[str, dict[str, str]]] = []
    n_seeds = sum(ring.members["is_seed"].to_pylist())
    if ring.summary["stability"] < 0.5:
        found.append(("UNSTABLE", {"share": f"{ring.summary['stability']:.0%}"}))
    if n_seeds * 2 < n_members:
        found.append(("FEW_SEEDS", {"n": f"{n_seeds:,}", "m": f"{n_members:,}"}))
    if "complaints" not in material.missing and not ring.summary["n_victims"]:
        found.append(("NO_VICTIM", {}))
    for tie in ties:
        if tie["against"] < 0:
            found.append(("OTHER_CENTRE", {"centre": tie["centre_id"], "against": f"{tie['against']:.1f}"}))
        if tie["by_chance"] is not None and tie["by_chance"] > 0.05:
            found.append(("BY_CHANCE", {"centre": tie["centre_id"], "share": f"{tie['by_chance']:.0%}"}))
    return [{"code": code, "text": fill(_SAID["against"][code], **values)} for code, values in found]
