"""What lies at or after the moment, deleted or shuffled, changes no result, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from future import AS_OF, futures

from muledetect.facts import Snapshot
from muledetect.parties import find_controllers, find_parties
from muledetect.records import Dataset
from muledetect.reports.accounts.release import release_evidence
from muledetect.reports.material import gather_material
from muledetect.reports.write import write_report
from muledetect.rings import find_rings, find_ties
from muledetect.schema import HOLD_STATES, SCORES
from muledetect.tracing import locate, trace

pytestmark = pytest.mark.slow

Results = Mapping[str, pa.Table]


def rings(dataset: Dataset) -> Results:
    found = find_rings(Snapshot(dataset, AS_OF), futures().scores, min_suspicion=0.3)
    return {**found.tables, "ring_transfers": found.ring_transfers}


def ties(dataset: Dataset) -> Results:
    members = find_rings(Snapshot(futures().past, AS_OF), futures().scores, min_suspicion=0.3).ring_members
    return find_ties(Snapshot(dataset, AS_OF), members, n_shuffles=20).tables


def parties(dataset: Dataset) -> Results:
    snapshot = Snapshot(dataset, AS_OF)
    return find_controllers(snapshot, find_parties(snapshot, min_probability=0.5), futures().scores).tables


def traces(dataset: Dataset) -> Results:
    return trace(Snapshot(dataset, AS_OF), steps=True).tables


def first_minutes(dataset: Dataset) -> Results:
    snapshot = Snapshot(dataset, AS_OF)
    return {str(k): locate(snapshot, int(k)) for k in snapshot.complaints.disputed[:5]}


def pages(dataset: Dataset) -> Results:
    found = find_rings(Snapshot(futures().past, AS_OF), futures().scores, min_suspicion=0.3)
    snapshot = Snapshot(dataset, AS_OF)
    behind = find_controllers(snapshot, find_parties(snapshot, min_probability=0.5), futures().scores)
    with TemporaryDirectory() as place:
        material = gather_material(snapshot, ranked(), rings=found, parties=behind, n_alerts=10)
        write_report(material, Path(place) / "r")
        files = sorted(path for path in Path(place).rglob("*") if path.suffix in (".html", ".csv"))
        texts = [path.read_text(encoding="utf-8").replace(dataset.fingerprint, "FINGERPRINT") for path in files]
    names = [str(path.relative_to(place)) for path in files]
    return {name: pa.table({"line": text.splitlines()}) for name, text in zip(names, texts, strict=True)}


def release(dataset: Dataset) -> Results:
    held = trace(Snapshot(futures().past, AS_OF)).holds
    rows = [row for row in held.to_pylist() if row["hold"] > 0][:40]
    n = len(rows)
    states = HOLD_STATES.filled(
        hold_id=[f"H{at}" for at in range(n)], account_id=[row["account_id"] for row in rows],
        complaint_id=[row["complaint_id"] for row in rows], clock=["traced_amount"] * n, state=["held"] * n,
        amount=[1] * n, held=[1] * n, started_at=[AS_OF] * n, bank_until=[AS_OF] * n, expires_at=[AS_OF] * n,
        is_due=[False] * n, last_event=["held"] * n, decided_by=["d"] * n, why=["w"] * n, as_of=[AS_OF] * n,
    )  # fmt: skip
    return {"release": release_evidence(Snapshot(dataset, AS_OF), states)}


def ranked() -> pa.Table:
    """Return the scores as a model writes them, each of the first with a reason that names its key transfers."""
    few = futures().scores.sort_by([("score", "descending"), ("account_id", "ascending")]).slice(0, 40)
    reason = {
        "code": "PASS_THROUGH",
        "feature": "pass_through__window_7d",
        "value": 0.9,
        "contribution": 1.0,
        "text": "x",
    }
    return pa.Table.from_pylist(
        [row | {"as_of": AS_OF, "rank": place + 1, "tier": "watch", "reasons": [reason] if place < 10 else []}
         for place, row in enumerate(few.to_pylist())], SCORES.arrow_schema,
    )  # fmt: skip


#: Every result that is made of a snapshot; whoever adds one adds it here.
RESULTS: dict[str, Callable[[Dataset], Results]] = {
    "rings": rings, "ties": ties, "parties": parties, "traces": traces, "first_minutes": first_minutes,
    "pages": pages, "release": release,
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("future", ["whole", "other"])
def test_the_future_deleted_or_shuffled_changes_nothing(name: str, future: str) -> None:
    result = RESULTS[name]
    wanted, got = result(futures().past), result(getattr(futures(), future))
    assert wanted.keys() == got.keys()
    assert {table for table in wanted if not wanted[table].equals(got[table])} == set()


def test_the_bank_has_something_to_find_and_a_future_to_ignore() -> None:
    past, whole, other = futures().past, futures().whole, futures().other
    for name, result in RESULTS.items():
        assert sum(len(table) for table in result(past).values()) > 10, name
    tables = {name: (whole.tables[name], other.tables[name]) for name in whole.tables}
    assert {name for name, (one, two) in tables.items() if not one.equals(two)} >= {
        "transfers", "complaints", "watchlists", "registry", "identifiers", "calls", "sessions",
    }  # fmt: skip
    for name, table in past.tables.items():
        assert len(table) <= len(whole.tables[name])
    reversed_at = (
        whole.transfers["time"].cast(pa.int64()).to_numpy()[whole.transfers["reversal_of"].is_valid().to_numpy()]
    )
    assert set(np.unique(reversed_at >= AS_OF)) == {False, True}
