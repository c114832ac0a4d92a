"""Every kind of link and every family of evidence obeys the public checks, and the checks find what breaks a law."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from test_disputed_transfers import AS_OF, START, times

from muledetect.clock import DAY
from muledetect.facts import Facts, Snapshot
from muledetect.records import read_dataset
from muledetect.rings import FAMILIES, KINDS, Family, LinkKind, RingContext, TieContext, family, find_ties, link
from muledetect.rings.links._spec import make_links
from muledetect.rings.ties import EVIDENCE
from muledetect.testing import check_evidence, check_link


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_of_link_obeys_the_laws(kind: LinkKind) -> None:
    check_link(kind, n_worlds=6)


@pytest.mark.slow
@pytest.mark.parametrize("one", FAMILIES, ids=lambda one: one.name)
def test_every_family_of_evidence_obeys_the_laws(one: Family) -> None:
    check_evidence(one, n_worlds=6)


def linked(context: RingContext, weight: float, moment: int, ends: list[int] | None = None) -> pa.Table:
    """Link two accounts; by default the ones with the first and the last transfer."""
    at, graph = np.array([moment]), context.snapshot.graph
    left, right = ends or (int(graph.source[0]), int(graph.target[graph.source != graph.source[0]][-1]))
    return make_links(context, np.array([left]), np.array([right]), np.array([weight]), at, at, pa.array(["x"]), 1)


def whole(snapshot: Snapshot) -> Facts:
    return snapshot._facts


@link()
def by_the_future(context: RingContext) -> pa.Table:
    """Weighs by the amounts of the whole record, so that a payment to come changes it."""
    total = whole(context.snapshot).graph.amount[context.snapshot.graph.n_transfers :].sum()
    return linked(context, 1.0 + float(total), context.since)


@link()
def by_name(context: RingContext) -> pa.Table:
    """Links the two accounts whose ids come first."""
    return linked(context, 1.0, context.since, [0, 1])


@link()
def by_amount(context: RingContext) -> pa.Table:
    """Weighs by the sum of all amounts, whatever the currency."""
    return linked(context, 1.0 + float(context.snapshot.graph.amount.sum()), context.since)


@link()
def by_calendar(context: RingContext) -> pa.Table:
    """Weighs by the day of the year."""
    return linked(context, 1.0 + context.snapshot.as_of // DAY % 365, context.since)


@link()
def of_now(context: RingContext) -> pa.Table:
    """Says that a link is of the moment itself, which is exclusive."""
    return linked(context, 1.0, context.snapshot.as_of)


@pytest.mark.parametrize(
    ("kind", "law"),
    [(by_the_future, "no look-ahead"), (by_name, "names of accounts"), (by_amount, "scale of amounts"),
     (by_calendar, "shift by a week"), (of_now, "before the moment")],
    ids=lambda one: getattr(one, "name", ""),
)  # fmt: skip
def test_a_link_that_breaks_a_law_is_found(kind: LinkKind, law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        check_link(kind, n_worlds=4)


def rumour(strength: float, moment: int, item: str = "x") -> pd.DataFrame:
    row = {"ring": 0, "centre": "C1", "kind": "rumour", "item": item, "time": moment, "strength": strength}
    return pd.DataFrame([row])[list(EVIDENCE)]


@family(weights={"rumour": 1.0}, cap=1.0, tables=())
def of_all_complaints(context: TieContext) -> pd.DataFrame:
    """Counts complaints that are still to come."""
    return rumour(1.0 / (1.0 + len(whole(context.snapshot).tables["complaints"])), context.since)


@family(weights={"rumour": 1.0}, cap=1.0, tables=())
def of_the_first_name(context: TieContext) -> pd.DataFrame:
    return rumour(1.0, context.since, str(context.snapshot.graph.account_ids[0]))


@family(weights={"rumour": 1.0}, cap=1.0, tables=())
def of_money(context: TieContext) -> pd.DataFrame:
    return rumour(1.0 / (1.0 + float(context.snapshot.graph.amount.sum())), context.since)


@pytest.mark.parametrize(
    ("one", "law"),
    [(of_all_complaints, "no look-ahead"), (of_the_first_name, "names of accounts"), (of_money, "scale of amounts")],
    ids=lambda one: getattr(one, "name", ""),
)
def test_evidence_that_breaks_a_law_is_found(one: Family, law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        check_evidence(one, n_worlds=4)


@pytest.mark.parametrize(("valid_to", "tied"), [(None, True), (AS_OF + DAY, True), (AS_OF - DAY, False)])
@pytest.mark.parametrize(("kind", "value"), [("account", "m"), ("phone", "box"), ("wallet", "w"), ("device", "d")])
def test_an_ended_entry_of_a_list_ties_no_ring(kind: str, value: str, valid_to: int | None, tied: bool) -> None:
    tables: dict[str, Any] = {
        "transfers": pa.table(
            {"transfer_id": ["t0", "t1"], "time": times([START + DAY, START + 2 * DAY]), "source": ["v", "m"],
             "target": ["m", "w"], "amount": [100, 90]}
        ),
        "identifiers": pa.table(
            {"entity_id": ["v"], "kind": ["phone"], "value_hash": ["#v"], "valid_from": times([START])}
        ),
        "calls": pa.table(
            {"call_id": ["k"], "time": times([START + DAY - 1]), "caller_hash": ["box"], "callee_hash": ["#v"]}
        ),
        "sessions": pa.table(
            {"session_id": ["s"], "account_id": ["m"], "time": times([START + DAY]), "device_hash": ["d"]}
        ),
        "watchlists": pa.table(
            {"list_id": ["L"], "kind": [kind], "value_hash": [value], "centre_id": ["C1"], "category": ["x"],
             "valid_from": times([START]), "valid_to": times([valid_to])}
        ),
    }  # fmt: skip
    members = pa.table({"ring_id": ["R"], "account_id": ["m"]})
    found = find_ties(Snapshot(read_dataset(tables, currency="THB"), AS_OF), members, n_shuffles=1)
    assert (found.ring_ties.num_rows > 0) == tied
