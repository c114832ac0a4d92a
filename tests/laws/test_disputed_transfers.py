"""Rings, ties, traces, features and pages name the same disputed transfers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pytest

from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.facts import Snapshot
from muledetect.features import extract
from muledetect.graph import Points
from muledetect.records import Dataset, read_dataset
from muledetect.reports.material import gather_material
from muledetect.rings import RingTables, find_rings, find_ties
from muledetect.schema import SCORES
from muledetect.tracing import trace

START: Final = 1_735_689_600_000_000  # 2025-01-01
AS_OF: Final = START + 20 * DAY
HEARD: Final = AS_OF - 5 * DAY

#: What each victim says of its payment to the collector, `t-<name>`, and when. It pays on its own day and amount.
SAYS: Final[dict[str, dict[str, Any]]] = {
    "by_id": {"transfer_id": "t-by_id"},
    "by_content": {"amount": True, "time": True},
    "by_accounts": {},
    "to_several": {},  # it paid twice, and does not say which
    "of_several": {"time": True},  # it paid twice, and says when
    "not_there": {"transfer_id": "nowhere"},
    "wrong_victim": {"victim_account": "by_id", "amount": True, "time": True},
    "wrong_amount": {"amount": 1},
    "heard_later": {"transfer_id": "t-heard_later", "known_ts": AS_OF},
    "withdrawn": {"transfer_id": "t-withdrawn", "status": "withdrawn", "status_ts": AS_OF - DAY},
    "withdrawn_later": {"transfer_id": "t-withdrawn_later", "status": "withdrawn", "status_ts": AS_OF},
    "withdrawn_some_time": {"transfer_id": "t-withdrawn_some_time", "status": "withdrawn"},
    "confirmed": {"transfer_id": "t-confirmed", "status": "confirmed", "status_ts": AS_OF - DAY},
    "silent": {"known_ts": None},
}  # fmt: skip
DISPUTED: Final = {"by_id", "by_content", "by_accounts", "of_several", "withdrawn_later", "confirmed"}


def times(moments: list[int | None]) -> pa.Array:
    return pa.array(moments, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


@cache
def bank() -> Dataset:
    """Return a ring whose collector `c` every victim paid; a number of centre C1 called each an hour before."""
    rows, paid = [], {}
    for day, name in enumerate(SAYS):
        paid[name] = (START + day * DAY, 100_000 + day)
        moments = [START + day * DAY, START + day * DAY + 2 * HOUR][: 1 + ("several" in name)]
        rows += [(f"t-{name}" if k == 0 else f"again-{name}", name, "c", at, 100_000 + day)
                 for k, at in enumerate(moments)]  # fmt: skip
        for k, (source, target) in enumerate((("c", "r1"), ("c", "r2"), ("r1", "x"), ("r2", "x"))):
            rows.append((f"{name}-{k}", source, target, START + day * DAY + (5 + 5 * k) * MINUTE, 45_000))
    ids, source, target, at, amount = zip(*rows, strict=True)
    claims = {name: {"known_ts": HEARD, "victim_account": name} | says for name, says in SAYS.items()}
    told = [name for name in claims if claims[name]["known_ts"]]

    def column(what: str) -> list[Any]:
        return [claims[name].get(what) for name in told]

    def stated(what: str, place: int) -> list[int | None]:
        return [paid[name][place] if claims[name].get(what) is True else claims[name].get(what) for name in told]

    return read_dataset(
        {
            "transfers": pa.table(
                {"transfer_id": ids, "time": times(list(at)), "source": source, "target": target,
                 "amount": pa.array(amount, pa.int64())}
            ),
            "complaints": pa.table(
                {"complaint_id": [f"q-{name}" for name in told], "known_ts": times(column("known_ts")),
                 "victim_account": pa.array(column("victim_account"), pa.string()), "target": ["c"] * len(told),
                 "transfer_id": pa.array(column("transfer_id"), pa.string()), "time": times(stated("time", 0)),
                 "amount": pa.array(stated("amount", 1), pa.int64()), "status": pa.array(column("status"), pa.string()),
                 "status_ts": times(column("status_ts"))}
            ),
            "identifiers": pa.table(
                {"entity_id": list(SAYS), "kind": ["phone"] * len(SAYS), "value_hash": [f"#{n}" for n in SAYS],
                 "valid_from": times([START - DAY] * len(SAYS))}
            ),
            "calls": pa.table(
                {"call_id": list(SAYS), "time": times([paid[name][0] - HOUR for name in SAYS]),
                 "caller_hash": ["box"] * len(SAYS), "callee_hash": [f"#{name}" for name in SAYS]}
            ),
            "watchlists": pa.table(
                {"list_id": ["L"], "kind": ["phone"], "value_hash": ["box"], "centre_id": ["C1"], "category": ["x"],
                 "valid_from": times([START - DAY])}
            ),
        },
        currency="THB",
    )  # fmt: skip


def scores() -> pa.Table:
    ids = ["c", "r1", "r2", "x"]
    return pa.Table.from_pylist(
        [{"account_id": name, "as_of": AS_OF, "score": 0.9, "probability": 0.9, "rank": place + 1, "tier": "suspected",
          "reasons": []} for place, name in enumerate(ids)], SCORES.arrow_schema,
    )  # fmt: skip


@cache
def found_rings() -> RingTables:
    found = find_rings(Snapshot(bank(), AS_OF), scores())
    assert found.ring_members["account_id"].to_pylist() == ["c", "r1", "r2", "x"]
    return found


def by_rings() -> set[str]:
    others = found_rings().ring_others.to_pylist()
    victims = {row["account_id"] for row in others if row["relation"] == "victim"}
    assert found_rings().rings["n_victims"].to_pylist() == [len(victims)]
    return victims


def by_ties() -> set[str]:
    items = find_ties(Snapshot(bank(), AS_OF), found_rings().ring_members, n_shuffles=1).tie_evidence.to_pylist()
    return {row["item"] for row in items if row["kind"] == "called_victim"}


def by_traces() -> set[str]:
    steps = trace(Snapshot(bank(), AS_OF), methods=("fifo",), steps=True).steps.to_pylist()
    first = {step["complaint_id"]: step for step in reversed(steps)}
    return {step["source"] for step in first.values()}


def by_features() -> set[str]:
    """Ask what is known at the moment of the payments up to each day's end: one more is disputed, or not."""
    name, seen = "complained_credits__window_all", [0]
    for day in range(len(SAYS)):
        is_past = pa.compute.less(bank().transfers["time"], times([START + (day + 1) * DAY])[0])
        past = read_dataset(dict(bank().tables) | {"transfers": bank().transfers.filter(is_past)}, currency="THB")
        points = Points(Snapshot(past, AS_OF).graph.codes(["c"]), np.array([AS_OF]))
        seen.append(int(extract(past, points, [name])[name][0].as_py()))
    return {victim for victim, grown in zip(SAYS, np.diff(seen), strict=True) if grown}


def by_pages() -> set[str]:
    material = gather_material(Snapshot(bank(), AS_OF), scores())
    ids = material.graph.account_ids
    return {ids[code].as_py() for code in material.disputes["victim"].tolist()}


@pytest.mark.slow
@pytest.mark.parametrize("room", [by_rings, by_ties, by_traces, by_features, by_pages])
def test_every_room_names_the_same_disputed_transfers(room: Callable[[], set[str]]) -> None:
    assert room() == DISPUTED


def test_a_complaint_that_means_no_transfer_still_names_the_account() -> None:
    known = Snapshot(bank(), AS_OF).complaints
    named = {name.removeprefix("q-") for name in known.complaint_id.to_pylist()}
    assert named == set(SAYS) - {"heard_later", "withdrawn", "withdrawn_some_time", "silent"}
    assert set(known.payee.tolist()) == set(Snapshot(bank(), AS_OF).graph.codes(["c"]).tolist())
