"""How long a search for rings takes on a large random bank; part of rings.py."""

from __future__ import annotations

import resource
import time

import numpy as np
import pyarrow as pa

from muledetect.clock import DAY, HOUR
from muledetect.facts import Facts, Snapshot
from muledetect.graph import graph_from_arrays
from muledetect.records import Dataset
from muledetect.rings import find_rings, find_ties


def speed(n: int, m: int) -> None:
    """Time on a random bank with planted relays: 0.3% of accounts pass money on within the hour."""
    rng = np.random.default_rng(0)
    source = rng.integers(0, n, m, dtype=np.int32)
    target = ((source + 1 + rng.zipf(1.3, m) % (n - 1)) % n).astype(np.int32)
    moment = np.sort(rng.integers(0, 120 * DAY, m)) + 1_735_689_600_000_000
    mules = rng.choice(n, max(10, 3 * n // 1000), replace=False).astype(np.int32)
    hop = rng.integers(0, m - 50, 40 * len(mules))
    who = rng.choice(mules, len(hop))
    group = 10 * (np.searchsorted(np.sort(mules), who) // 10)
    target[hop] = who
    source[hop + 1] = who
    target[hop + 1] = np.sort(mules)[np.minimum(group + rng.integers(0, 10, len(hop)), len(mules) - 1)]
    amount = np.exp(rng.normal(11, 1.5, m)).astype(np.int64) + 1
    amount[hop + 1] = np.maximum(amount[hop] * 95 // 100, 1)
    ids = pa.array(np.char.mod("%010d", np.arange(n)).tolist(), pa.string())
    graph = graph_from_arrays(time=moment, source=source, target=target, amount=amount, account_ids=ids)
    transfers = pa.table({"transfer_id": pa.array(np.arange(m)).cast(pa.string())})
    calls = {
        "call_id": pa.array(np.arange(m // 4)).cast(pa.string()),
        "time": pa.array(np.sort(rng.choice(moment, m // 4))).cast(pa.timestamp("us", tz="UTC")),
        "caller_hash": pa.array(rng.integers(0, n, m // 4)).cast(pa.string()),
        "callee_hash": ids.take(pa.array(rng.integers(0, n, m // 4))),
    }
    calls["known_ts"] = calls["time"]
    disputed = hop[: len(mules) // 2]
    complaints = {
        "complaint_id": pa.array(np.arange(len(disputed))).cast(pa.string()),
        "known_ts": pa.array(moment[disputed] + HOUR).cast(pa.timestamp("us", tz="UTC")),
        "transfer_id": pa.array(disputed).cast(pa.string()),
        "victim_phone_hash": ids.take(pa.array(graph.source[disputed])),
        "centre_id": pa.array([f"C{k % 20}" for k in range(len(disputed))]),
    }
    lists = {
        "kind": ["phone"] * 200,
        "value_hash": [str(k) for k in range(200)],
        "centre_id": [f"C{k % 20}" for k in range(200)],
    }
    lists["known_ts"] = lists["valid_from"] = pa.array(np.full(200, moment[0])).cast(pa.timestamp("us", tz="UTC"))
    tables = {
        "transfers": transfers,
        "calls": pa.table(calls),
        "complaints": pa.table(complaints),
        "watchlists": pa.table(lists),
    }
    facts = Facts(Dataset(tables, ids, pa.table({}), (), {}, "", graph.tick), graph)
    probability = np.full(n, 1e-3)
    probability[mules] = rng.uniform(0.1, 1.0, len(mules))
    scores = pa.table({"account_id": ids, "score": probability, "probability": probability})
    find_rings(Snapshot(facts, int(moment[1000])), scores)  # compile
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    begin = time.perf_counter()
    snapshot = Snapshot(facts, int(moment[-1]) + 1)
    found = find_rings(snapshot, scores)
    middle = time.perf_counter()
    ties = find_ties(snapshot, found.ring_members)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{n:,} accounts, {m:,} transfers, {m // 4:,} calls: rings {middle - begin:.1f} s ({len(found):,}), "
          f"ties {done - middle:.1f} s ({ties.ring_ties.num_rows:,}); peak {peak:.1f} GB, {base:.1f} GB of it graph, "
          "calls and scores in memory before")  # fmt: skip
