"""Key transfers of reasons: own transfers before the point that show a code."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from small_world import SCORED_AT, small_world

from muledetect.clock import format_time, parse_time
from muledetect.errors import ModelError
from muledetect.graph import build_graph
from muledetect.model.key_transfers import KEY_TRANSFERS, find_key_transfers
from muledetect.model.reason_codes import TYPOLOGIES
from muledetect.records import read_dataset
from muledetect.schema import ARROW_TYPES

#: t1 to t3: two strangers pay m on one day, and m pays on within 10 minutes; t4, t5 before: a wage and a shop.
TRANSFERS = [
    ("t4", "job", "m", "2025-01-01T10:00:00Z", 900),
    ("t5", "m", "shop", "2025-01-05T10:00:00Z", 900),
    ("t6", "job", "m", "2025-01-31T10:00:00Z", 950),
    ("t7", "m", "shop", "2025-02-02T10:00:00Z", 950),
    ("t1", "v1", "m", "2025-04-01T10:00:00Z", 500),
    ("t2", "v2", "m", "2025-04-01T10:05:00Z", 300),
    ("t3", "m", "boss", "2025-04-01T10:10:00Z", 800),
    ("t9", "v3", "m", "2025-06-01T10:00:00Z", 9_000),
]


def scored(accounts: list[str], as_of: str, codes: list[str], contribution: float = 0.5) -> pa.Table:
    reasons = [{"code": code, "feature": "x", "value": 1.0, "peer_p99": 1.0, "contribution": contribution, "text": ""}
               for code in codes]  # fmt: skip
    return pa.table({
        "account_id": pa.array(accounts, pa.string()),
        "as_of": pa.array([parse_time(as_of)] * len(accounts), pa.timestamp("us", tz="UTC")),
        "score": pa.array(np.zeros(len(accounts))),
        "reasons": pa.array([reasons] * len(accounts), ARROW_TYPES["reasons"]),
    })  # fmt: skip


def shown(
    code: str, as_of: str = "2025-05-01", n: int = 10, rows: list[tuple[str, str, str, str, int]] = TRANSFERS
) -> list[str]:
    columns = dict(zip(("transfer_id", "source", "target", "time", "amount"), zip(*rows, strict=True), strict=True))
    dataset = read_dataset({"transfers": pa.table({name: list(column) for name, column in columns.items()})})
    found = find_key_transfers(dataset, build_graph(dataset), scored(["m"], as_of, [code]), n)
    assert found["order"].to_pylist() == list(range(len(found)))
    return [str(name) for name in found["transfer_id"].to_pylist()]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        # of t1 500 and of t2 300 left within the hour, by one debit
        ("PASS_THROUGH", ["t1", "t3", "t2"]),
        # the largest debit is t7, which spent t6
        ("COLLECT_AND_SWEEP", ["t7", "t6"]),
        ("FAN_IN", ["t1", "t2"]),
        # one payee a day: the last day
        ("FAN_OUT", ["t3"]),
        # the second wage and the second visit to the shop are not new
        ("NEW_COUNTERPARTIES", ["t4", "t5", "t3", "t1", "t2"]),
        # two wages, and of the debits 800 to 880 one, 900 to 990 two; equal in number, credits come first
        ("SIMILAR_AMOUNTS", ["t6", "t4"]),
        ("DORMANT_WAKE_UP", ["t1", "t2", "t3"]),
        ("NEW_ACCOUNT", ["t4", "t5", "t6", "t7", "t1", "t2", "t3"]),
        # nothing of its own to show: the largest of the last active week
        ("STAFF_RATING", ["t3", "t1", "t2"]),
    ],
)
def test_a_code_is_shown_by_the_transfers_that_make_it(code: str, expected: list[str]) -> None:
    assert shown(code) == expected
    assert shown(code, n=1) == expected[:1]


def test_a_suspicious_counterparty_is_shown_by_its_transfers_the_most_suspicious_first() -> None:
    columns = dict(
        zip(("transfer_id", "source", "target", "time", "amount"), zip(*TRANSFERS, strict=True), strict=True)
    )
    dataset = read_dataset({"transfers": pa.table({name: list(column) for name, column in columns.items()})})
    scores = scored(["m", "boss", "v1", "job", "v2"], "2025-05-01", ["SUSPICIOUS_COUNTERPARTIES"])
    place = scores.schema.get_field_index("score")
    scores = scores.set_column(place, "score", pa.array([1.0, 9.0, 5.0, -3.0, -3.0]))
    found = find_key_transfers(dataset, build_graph(dataset), scores).filter(pc.field("account_id") == "m")
    assert found["transfer_id"].to_pylist() == ["t3"]


def test_what_happens_at_or_after_the_point_is_never_shown() -> None:
    for code in TYPOLOGIES:
        assert "t3" not in shown(code, as_of="2025-04-01T10:10:00Z")
        assert "t9" not in shown(code, as_of="2025-06-01T10:00:00Z")
        past = [row for row in TRANSFERS if row[3] < "2025-04-01T10:10"]
        assert shown(code, as_of="2025-04-01T10:10:00Z") == shown(code, as_of="2025-04-01T10:10:00Z", rows=past)


def test_what_speaks_for_an_account_and_unknown_accounts_have_no_found() -> None:
    dataset = read_dataset({"transfers": small_world()["transfers"]})
    graph = build_graph(dataset)
    account = graph.account_ids[int(graph.target[0])].as_py()
    for scores in (scored([account], SCORED_AT, ["FAN_IN"], -0.5), scored(["nobody"], SCORED_AT, ["FAN_IN"]),
                   scored([account], SCORED_AT, [])):  # fmt: skip
        found = find_key_transfers(dataset, graph, scores)
        assert len(found) == 0
        assert found.schema == KEY_TRANSFERS


def test_found_are_always_own_transfers_before_the_point() -> None:
    dataset = read_dataset(dict(small_world()))
    graph = build_graph(dataset)
    accounts = graph.account_ids.to_pylist()
    codes = [*TYPOLOGIES, "STAFF_RATING"]
    found = find_key_transfers(dataset, graph, scored(accounts, SCORED_AT, codes), n=4)
    ids = dataset.transfers["transfer_id"].to_pylist()
    place = {name: position for position, name in enumerate(ids)}
    position = np.array([place[name] for name in found["transfer_id"].to_pylist()])
    account = graph.codes(found["account_id"])
    assert ((graph.source[position] == account) | (graph.target[position] == account)).all()
    assert (graph.time[position] < parse_time(SCORED_AT)).all()
    per_reason = found.group_by(["account_id", "code"]).aggregate([("transfer_id", "count_distinct"), ("order", "max")])
    assert (per_reason["transfer_id_count_distinct"].to_numpy() == per_reason["order_max"].to_numpy() + 1).all()
    assert max(per_reason["order_max"].to_pylist()) == 3
    # every account with a transfer to another before the point has each of its codes shown
    seen = graph.until(SCORED_AT)
    moved = seen.source != seen.target
    active = np.unique(np.concatenate([seen.source[moved], seen.target[moved]]))
    assert len(per_reason) == len(active) * len(codes)


def test_neither_the_order_of_rows_nor_the_names_of_accounts_change_a_key_transfer() -> None:
    new = {name: name if name == "m" else f"z{name[::-1]}" for row in TRANSFERS for name in row[1:3]}
    renamed = [(name, new[source], new[target], *rest) for name, source, target, *rest in TRANSFERS[::-1]]
    for code in TYPOLOGIES:
        assert shown(code, rows=renamed) == shown(code)


def test_a_graph_of_another_data_set_is_refused() -> None:
    dataset = read_dataset({"transfers": small_world()["transfers"]})
    graph = build_graph(dataset)
    with pytest.raises(ModelError, match=r"build_graph\(dataset\)"):
        find_key_transfers(dataset, graph.until(format_time(int(graph.time[-1]))), scored(["a"], SCORED_AT, ["FAN_IN"]))
    with pytest.raises(ModelError, match="1 or more"):
        find_key_transfers(dataset, graph, scored(["a"], SCORED_AT, ["FAN_IN"]), n=0)
