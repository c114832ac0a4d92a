"""Two banks that share scam offices: rings that each finds alone, and after an exchange of what both suspect.

    python benchmarks/exchange.py [--accounts 4000] [--mules 0.03] [--seeds 1,2]

A simulated bank is cut in two by chance: each sees the transfers with an end at its accounts, and of the other's
accounts only the id. Both score with the starter and find rings. Then each asks the other in files (accounts, devices,
phones, Wi-Fi and others), the matches become statements of table `registry`, and each finds rings again. Against the
truth, of each bank's own accounts that had been used by the moment: how many are in a ring, and how many of the members
are no mules. Pairs of rings: those that share a thing, and how many of them are of one office in truth. Prints
Markdown.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

import muledetect as md
from muledetect.exchange import answer, as_registry, finish, gather_items, request, ring_pseudonym, shared_rings
from muledetect.facts import Facts, Snapshot
from muledetect.records import Dataset, read_dataset
from muledetect.records.pseudonyms import Pseudonyms
from muledetect.rings import find_rings
from muledetect.simulation import simulate

N_DAYS: Final = 120
ASKED: Final = 100
BANKS: Final = ("A", "B")
#: What a bank knows of its own accounts only.
_OF_OWN: Final = (
    "holder_id",
    "opened_at",
    "closed_at",
    "balance",
    "balance_at",
    "daily_limit",
    "branch_id",
    "open_channel",
)


@dataclass(frozen=True, eq=False)
class Bank:
    """One of the two banks at the moment of the exchange."""

    dataset: Dataset
    own: set[str]
    scores: pa.Table
    key: Pseudonyms


def split(tables: Mapping[str, pa.Table], seed: int) -> dict[str, tuple[dict[str, pa.Table], set[str]]]:
    """Return what each of two banks sees of a simulated one, and which accounts it holds."""
    accounts = tables["accounts"]
    own = accounts.filter(accounts["is_own"])["account_id"].to_pylist()
    is_first = np.random.default_rng(seed).random(len(own)) < 0.5
    parts = {
        bank: {name for name, first in zip(own, is_first, strict=True) if first == (bank == "A")} for bank in BANKS
    }
    return {bank: (_seen(tables, mine), mine) for bank, mine in parts.items()}


def _seen(tables: Mapping[str, pa.Table], mine: set[str]) -> dict[str, pa.Table]:
    ids = pa.array(sorted(mine))

    def of(name: str, *columns: str) -> pa.Array:
        found = [pc.is_in(tables[name][column].cast(pa.string()), value_set=ids) for column in columns]
        return found[0] if len(found) == 1 else pc.or_(*found)

    transfers = tables["transfers"].filter(of("transfers", "source", "target"))
    pays, gets = (pc.is_in(transfers[side], value_set=ids) for side in ("source", "target"))
    for column, kept in (("source_balance_after", pays), ("target_balance_after", gets), ("session_id", pays),
                         ("device_hash", pays), ("ip_hash", pays)):  # fmt: skip
        transfers = _masked(transfers, column, kept)
    met = pa.array(sorted(mine | set(transfers["source"].to_pylist()) | set(transfers["target"].to_pylist())))
    accounts = tables["accounts"].filter(pc.is_in(tables["accounts"]["account_id"], value_set=met))
    is_mine = pc.is_in(accounts["account_id"], value_set=ids)
    for column in _OF_OWN:
        accounts = _masked(accounts, column, is_mine)
    accounts = accounts.set_column(accounts.column_names.index("is_own"), "is_own", is_mine)
    people = pa.array(sorted({name for name in accounts["holder_id"].to_pylist() if name}))
    named = pa.concat_arrays([ids, people])
    return {
        "transfers": transfers,
        "accounts": accounts,
        "holders": tables["holders"].filter(pc.is_in(tables["holders"]["holder_id"], value_set=people)),
        "identifiers": tables["identifiers"].filter(pc.is_in(tables["identifiers"]["entity_id"], value_set=named)),
        "sessions": tables["sessions"].filter(of("sessions", "account_id")),
        "complaints": tables["complaints"].filter(of("complaints", "victim_account", "target")),
        "labels": tables["labels"].filter(of("labels", "account_id")),
    }


def _masked(table: pa.Table, column: str, kept: pa.Array) -> pa.Table:
    cells = pc.if_else(kept, table[column], pa.scalar(None, table[column].type))
    return table.set_column(table.column_names.index(column), column, cells)


def exchanged(asks: str, banks: Mapping[str, Bank], items: Mapping[str, pa.Table], moment: int) -> pa.Table:
    """Return what one bank learns from the other, by files."""
    other = BANKS[asks == "A"]
    with tempfile.TemporaryDirectory() as folder:
        one, two = (Path(folder) / name for name in ("request.json", "answer.json"))
        request(items[asks], one, key=banks[asks].key, sender=asks, receiver=other, as_of=moment)
        answer(one, items[other], two, key=banks[other].key, receiver=other, as_of=moment)
        return finish(one, two, items[asks], key=banks[asks].key, received=moment)


def measure(bank: Bank, members: pa.Table, truth: pd.DataFrame) -> dict[str, float]:
    """Return how many of the bank's own used mules are in rings, and how many of its members there are no mules."""
    found = {name for name in members["account_id"].to_pylist() if name in bank.own}
    mules = set(truth["account_id"]) & bank.own
    hit = truth[truth["account_id"].isin(found & mules)]["ring_id"].nunique()
    return {"own mules": len(mules), "in rings": len(found & mules), "no mules in rings": len(found - mules),
            "true rings hit": hit}  # fmt: skip


def right_pairs(
    matches: pa.Table, members: Mapping[str, pa.Table], banks: Mapping[str, Bank], truth: pd.DataFrame
) -> tuple[int, int]:
    """Return how many pairs of rings share a thing, and how many of them are mostly of one office."""
    office = truth.drop_duplicates("account_id").set_index("account_id")["office_id"].to_dict()

    def mostly(rows: pd.DataFrame) -> str | None:
        seen = Counter(office[name] for name in rows["account_id"] if name in office)
        return seen.most_common(1)[0][0] if seen else None

    of_ring = {bank: table.to_pandas().groupby("ring_id")[["account_id"]].apply(mostly).to_dict()
               for bank, table in members.items()}  # fmt: skip
    run = matches["run"][0].as_py() if len(matches) else ""
    named = {ring_pseudonym(banks["B"].key, run, ring): found for ring, found in of_ring["B"].items()}
    pairs = shared_rings(matches).to_pylist()
    right = [of_ring["A"].get(row["ring_id"]) is not None and
             of_ring["A"].get(row["ring_id"]) == named.get(row["their_ring"]) for row in pairs]  # fmt: skip
    return len(pairs), sum(right)


def run(seed: int, n_accounts: int, mule_share: float) -> list[dict[str, object]]:
    """Play one world; return a row a bank and search."""
    tables = simulate(n_accounts=n_accounts, n_days=N_DAYS, seed=seed, mule_share=mule_share)
    start = pc.min(tables["transfers"]["time"].cast(pa.int64())).as_py()
    moment = start + ASKED * 86_400_000_000
    truth = tables["truth_rings"].to_pandas()
    used = tables["truth_accounts"].to_pandas().set_index("account_id")["first_illicit"]
    began = used.reindex(truth["account_id"]).to_numpy()
    truth = truth[began < pd.Timestamp(moment, unit="us", tz="UTC")]
    banks = {}
    for bank, (seen, own) in split(tables, seed).items():
        dataset = read_dataset(seen)
        scores = md.score(dataset, md.load_starter(), moment, n_explained=0)
        banks[bank] = Bank(dataset, own, scores, Pseudonyms(bank.encode() * 64))
    alone = {bank: find_rings(Snapshot(one.dataset, moment), one.scores).ring_members for bank, one in banks.items()}
    items = {bank: gather_items(Snapshot(one.dataset, moment), one.scores, alone[bank]) for bank, one in banks.items()}
    rows: list[dict[str, object]] = []
    for bank, one in banks.items():
        matches = exchanged(bank, banks, items, moment)
        later = moment + 1_000_000
        registry = as_registry(matches, Snapshot(one.dataset, later))
        joined = read_dataset({**one.dataset.tables, "registry": registry})
        together = find_rings(Snapshot(Facts(joined), later), one.scores).ring_members
        kinds = Counter(matches["kind"].to_pylist())
        pairs = right_pairs(matches, alone, banks, truth) if bank == "A" else ("", "")
        base = {"seed": seed, "bank": bank, "things": len(items[bank]), "matches": sum(kinds.values()),
                "of them accounts": kinds["account"]}  # fmt: skip
        rows.append({**base, "search": "alone", **measure(one, alone[bank], truth), "pairs": "", "right": ""})
        rows.append(
            {**base, "search": "together", **measure(one, together, truth), "pairs": pairs[0], "right": pairs[1]}
        )
    return rows


def main() -> None:
    """Play the worlds and print a row a bank and search, and the sums."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, default=4_000, help="of both banks together")
    options.add_argument("--mules", type=float, default=0.03, help="share of the accounts")
    options.add_argument("--seeds", default="1,2")
    given = options.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, muledetect {version('muledetect')}")
    began = time.perf_counter()
    rows = [row for seed in given.seeds.split(",") for row in run(int(seed), given.accounts, given.mules)]
    table = pd.DataFrame(rows)
    print("\n| " + " | ".join(table.columns) + " |\n|" + "---|" * len(table.columns))
    for row in table.itertuples(index=False):
        print("| " + " | ".join(map(str, row)) + " |")
    sums = table.groupby("search", sort=False)[["own mules", "in rings", "no mules in rings", "true rings hit"]].sum()
    print(f"\n{sums.to_string()}\n\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
