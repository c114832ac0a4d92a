"""Are records of one person found, families and dormitories left apart, and does it help to rank people?

    python benchmarks/parties.py [--parts pairs people] [--accounts 20000] [--seeds 2]

*pairs*: simulated holders get names, dates of birth and numbers; who has several accounts gets a record for each,
with errors (`muledetect.simulation.identities`). Precision and recall are over pairs of records, all worlds together;
wrong pairs are told apart by what the two share. Beside it: the rule "same name and date of birth, or same phone and
date of birth", joined in chains.

*people*: banks whose mules sell several accounts one after the other. A model learns; then, every five days, the same
number of accounts that are neither known nor alerted yet are alerted, by account and by party. Counted are replacement
accounts: mules of somebody whose other account was used before.
"""

from __future__ import annotations

import argparse
import platform
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import muledetect as md
from muledetect.clock import DAY, HOUR, format_time, parse_time
from muledetect.evaluation import known_at, learn_party_scores, measure_parties
from muledetect.model import MuleModel
from muledetect.parties import Parties, PartyCalibration, find_parties, party_cases, score_parties
from muledetect.simulation import simulate
from muledetect.simulation.identities import with_identities

FIRST_SEED = 61
START = parse_time("2025-01-01")
LOOKS = {"learn": (40, 50), "calibrate": (60, 65), "alert": tuple(range(70, 110, 5))}
PARTS = ("pairs", "people")
BUDGETS = (5, 10, 20)
CONDITIONS = {
    "all keys": (1.0, ()),
    "twice the errors": (2.0, ()),
    "no numbers": (1.0, ("id_number", "id_digits")),
    "no numbers, no dates of birth": (1.0, ("id_number", "id_digits", "birth_date")),
    "no names": (1.0, ("name", "name_sound", "given_sound")),
    "contacts only": (1.0, ("name", "name_sound", "given_sound", "birth_date", "id_number", "id_digits")),
}


def without(tables: dict[str, pa.Table], kinds: tuple[str, ...]) -> dict[str, pa.Table]:
    held = tables["identifiers"]
    left = held.filter(pc.invert(pc.is_in(held["kind"], value_set=pa.array(kinds, pa.string()))))
    return {name: table for name, table in tables.items() if not name.startswith("truth")} | {"identifiers": left}


def by_rule(found: Parties, identifiers: pa.Table) -> Parties:
    """Return parties by two rules and chains, of the same records."""
    held = identifiers.to_pandas()[["entity_id", "kind", "value_hash"]].drop_duplicates()
    members = found.party_members.to_pandas().dropna(subset=["holder_id"])[["holder_id"]].drop_duplicates()
    ids = pd.Index(members["holder_id"])
    born = held[held["kind"] == "birth_date"]
    first, second = [], []
    for kind in ("name", "phone"):
        both = held[held["kind"] == kind].merge(born, on="entity_id", suffixes=("", "_born"))
        for _, group in both.groupby(["value_hash", "value_hash_born"])["entity_id"]:
            code = ids.get_indexer(group)
            code = code[code >= 0]
            first += [code[0]] * max(len(code) - 1, 0) if len(code) else []
            second += code[1:].tolist()
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(ids), len(ids)))
    party = [f"P{number}" for number in connected_components(graph, directed=False)[1]]
    table = md.schema.PARTY_MEMBERS.filled(party_id=party, holder_id=list(ids), probability=[1.0] * len(ids))
    return Parties(party_members=table)


def wrong_pairs(found: Parties, truth: pa.Table, tables: dict[str, pa.Table]) -> dict[str, int]:
    """Return wrong pairs by what the two persons share: an address of few, of more than 30, or none."""
    rows = found.party_members.to_pandas().dropna(subset=["holder_id"])[["party_id", "holder_id"]].drop_duplicates()
    rows = rows.merge(truth.to_pandas(), on="holder_id")
    pairs = rows.merge(rows, on="party_id")
    pairs = pairs[(pairs["holder_id_x"] < pairs["holder_id_y"]) & (pairs["person_id_x"] != pairs["person_id_y"])]
    homes = tables["identifiers"].to_pandas().query("kind == 'address'")[["entity_id", "value_hash"]].drop_duplicates()
    size = homes.groupby("value_hash")["entity_id"].nunique()
    of = homes.groupby("entity_id")["value_hash"].agg(set).to_dict()
    counts = {"family": 0, "dormitory": 0, "others": 0}
    for row in pairs.to_dict("records"):
        shared = of.get(row["holder_id_x"], set()) & of.get(row["holder_id_y"], set())
        least = min((size[value] for value in shared), default=0)
        counts["others" if not least else "family" if least <= 30 else "dormitory"] += 1
    return counts


def measure_pairs(n_accounts: int, n_seeds: int) -> None:
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + n_seeds):
        world = simulate(n_accounts=n_accounts, n_days=40, seed=seed, activity=0.2)
        n_home = world["identifiers"].filter(pc.equal(world["identifiers"]["kind"], "address"))
        size = n_home.to_pandas().groupby("value_hash")["entity_id"].nunique()
        print(f"seed {seed}: {(size.between(2, 30)).sum():,} homes of 2 to 30, {(size > 30).sum():,} of more")
        for name, (errors, dropped) in CONDITIONS.items():
            tables, truth = with_identities(world, seed=seed, errors=errors)
            kept = without(tables, dropped)
            found = find_parties(md.Snapshot(md.read_dataset(kept), "2025-02-09"))
            contenders = {"": found}
            if not dropped:
                contenders[", by rule"] = by_rule(found, kept["identifiers"])
            for suffix, one in contenders.items():
                result = measure_parties(one, truth)
                counted = {"found": result.n_found, "true": result.n_true, "right": result.n_right}
                rows.setdefault(name + suffix, []).append(counted | wrong_pairs(one, truth, kept))
    print(f"\n{'':38}{'pairs':>7}{'precision':>11}{'recall':>8}   wrong: {'family':>7}{'dormitory':>11}{'others':>8}")
    for name, parts in rows.items():
        total = pd.DataFrame(parts).sum()
        precision = total["right"] / total["found"] if total["found"] else float("nan")
        print(f"{name:38}{int(total['true']):7,}{precision:11.3f}{total['right'] / total['true']:8.3f}"
              f"          {int(total['family']):7}{int(total['dormitory']):11}{int(total['others']):8}")  # fmt: skip


def measure_people(n_accounts: int, n_seeds: int) -> None:
    parts: dict[tuple[int, str], list[pd.DataFrame]] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + n_seeds):
        world = simulate(n_accounts=n_accounts, n_days=110, seed=seed, activity=0.2, mule_share=0.03,
                         new_mule_share=0.8, dormant_mule_share=0.1, evasion=0.5)  # fmt: skip
        tables, truth = with_identities(world, seed=seed)
        dataset = md.read_dataset(without(tables, ()))
        days = {name: [START + day * DAY for day in at] for name, at in LOOKS.items()}
        model = md.train(dataset, [format_time(one)[:10] for one in days["learn"]], known_by=days["alert"][0],
                         model=MuleModel(n_jobs=1))  # fmt: skip
        replacements = replacements_of(world, tables, truth, days["alert"][0])
        earlier = [md.score(dataset, model, moment, n_explained=0) for moment in days["calibrate"]]
        looks = [look(dataset, model, moment, earlier) for moment in days["alert"]]
        print(f"seed {seed}: {len(replacements)} replacement accounts; {looks[-1].learnt}")
        for n_alerts in BUDGETS:
            for name in looks[0].orders:
                alerted = alerts(looks, name, n_alerts)
                found = replacements.assign(alerted=replacements["account_id"].map(alerted))
                parts.setdefault((n_alerts, name), []).append(found)
    print(f"\n{len(LOOKS['alert'])} looks, one every five days")
    print(
        f"{'alerts a look':>13} {'ranked by':18}{'found':>8}{'before the first credit':>25}{'median hours before':>21}"
    )
    for (n_alerts, name), found in parts.items():
        rows = pd.concat(found)
        before = rows[rows["alerted"] < rows["first"]]
        hours = (before["first"] - before["alerted"]).median() / HOUR if len(before) else float("nan")
        shares = f"{rows['alerted'].notna().mean():8.1%}{len(before) / len(rows):25.1%}"
        print(f"{n_alerts:13} {name:18}{shares}{hours:21.0f}   of {len(rows)}")


class Look(NamedTuple):
    """What one moment shows: accounts in the order of each ranking, and those that are known."""

    moment: int
    orders: dict[str, list[str]]
    known: set[str]
    learnt: PartyCalibration


def look(dataset: md.Dataset, model: MuleModel, moment: int, earlier: list[pa.Table]) -> Look:
    snapshot = md.Snapshot(dataset, moment)
    scores, known = md.score(dataset, model, moment, n_explained=0), known_at(snapshot)
    found = find_parties(snapshot)
    cases, learnt = party_cases(found, scores, known), learn_party_scores(snapshot, earlier)
    orders = {
        "account": by_account(scores),
        "party, defaults": by_party(score_parties(found, cases), scores),
        "party, learnt": by_party(score_parties(found, cases, learnt), scores),
    }
    return Look(moment, orders, set(known.to_pylist()), learnt)


def alerts(looks: list[Look], name: str, n_alerts: int) -> dict[str, int]:
    """Return when each account is alerted: the highest that are neither known nor alerted yet."""
    done: dict[str, int] = {}
    for one in looks:
        fresh = [account for account in one.orders[name] if account not in done and account not in one.known]
        done |= dict.fromkeys(fresh[:n_alerts], one.moment)
    return done


def replacements_of(
    world: dict[str, pa.Table], tables: dict[str, pa.Table], truth: pa.Table, since: int
) -> pd.DataFrame:
    """Return mules of people with another account that was used before; their first illicit credit is after `since`."""
    held = tables["accounts"].select(["account_id", "holder_id", "is_own"]).to_pandas().query("is_own")
    held = held.merge(truth.to_pandas(), on="holder_id")
    illicit = world["truth_transfers"].to_pandas().query("kind in ('victim', 'hop')")
    paid = world["transfers"].select(["transfer_id", "target"]).to_pandas()
    paid = paid.assign(first=world["transfers"]["time"].cast(pa.int64()).to_numpy()).merge(illicit, on="transfer_id")
    rows = held.merge(paid.groupby("target")["first"].min(), left_on="account_id", right_index=True)
    rows["earliest"] = rows.groupby("person_id")["first"].transform("min")
    return rows[(rows["first"] > rows["earliest"]) & (rows["first"] >= since)][["account_id", "first"]]


def by_account(scores: pa.Table) -> list[str]:
    found: list[str] = scores.sort_by([("probability", "descending"), ("account_id", "ascending")])[
        "account_id"
    ].to_pylist()
    return found


def by_party(found: Parties, scores: pa.Table) -> list[str]:
    rank = found.parties.select(["party_id", "rank"]).to_pandas().dropna()
    members = found.party_members.select(["party_id", "account_id"]).to_pandas().dropna()
    rows = members.merge(rank, on="party_id").merge(scores.select(["account_id", "probability"]).to_pandas())
    ordered: list[str] = rows.sort_values(["rank", "probability"], ascending=[True, False])["account_id"].tolist()
    return ordered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    print(f"{platform.machine()}, python {platform.python_version()}, pandas {pd.__version__}")
    if "pairs" in args.parts:
        measure_pairs(args.accounts, args.seeds)
    if "people" in args.parts:
        measure_people(min(args.accounts, 12_000), args.seeds)


if __name__ == "__main__":
    main()
