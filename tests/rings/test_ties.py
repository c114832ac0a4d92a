from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_worlds import AS_OF, START, times

from muledetect import schema
from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.errors import DataError, OptionError
from muledetect.evaluation import measure_ties
from muledetect.facts import Snapshot
from muledetect.records import read_dataset
from muledetect.rings import TieContext, Ties, family, find_ties, learn_weights
from muledetect.rings.ties import EVIDENCE
from muledetect.rings.ties.calls import join_calls
from muledetect.rings.ties.grades import WEAK, grade
from muledetect.rings.ties.statements import complaint

MEMBERS = pa.table({"ring_id": ["R1", "R1", "R2", "R2"], "account_id": ["m1", "m2", "n1", "n2"]})
OTHERS = 40


def tables(**changed: pa.Table) -> dict[str, pa.Table]:
    """Victims v0..v3 pay m1 and w0..w1 pay n1; the numbers of a centre call the former an hour before."""
    rows = [(f"v{k}", "m1", DAY + k * HOUR, 1_000) for k in range(4)]
    rows += [(f"w{k}", "n1", 2 * DAY + k * HOUR, 1_000) for k in range(2)]
    rows += [("m1", "m2", 3 * DAY, 900), ("n1", "n2", 3 * DAY, 900)]
    rows += [(f"p{k}", f"p{k + 1}", k * HOUR, 50) for k in range(OTHERS)]
    source, target, moment, amount = zip(*rows, strict=True)
    people = sorted({*source, *target})
    calls = [("box1", f"v{k}", DAY + (k - 1) * HOUR) for k in range(4)]
    # many others are called in the same hours, by others
    calls += [(f"friend{j}", f"p{j}", DAY + (k - 1) * HOUR + j * MINUTE) for k in range(4) for j in range(OTHERS)]
    return {
        "transfers": pa.table(
            {
                "transfer_id": [f"t{k}" for k in range(len(rows))], "time": times([START + m for m in moment]),
                "source": list(source), "target": list(target), "amount": pa.array(amount, pa.int64()),
            }
        ),
        "identifiers": pa.table(
            {
                "entity_id": people, "kind": ["phone"] * len(people), "value_hash": [f"#{name}" for name in people],
                "valid_from": times([START - DAY] * len(people)),
            }
        ),
        "complaints": pa.table(
            {
                "complaint_id": ["k0", "k1", "k2", "k3"],
                "known_ts": times([START + 5 * DAY] * 4),
                "transfer_id": ["t0", "t1", "t2", "t4"],
                "centre_id": pa.array(["C1", None, None, None], pa.string()),
            }
        ),
        "calls": pa.table(
            {
                "call_id": [f"c{k}" for k in range(len(calls))], "time": times([START + call[2] for call in calls]),
                "caller_hash": [call[0] for call in calls], "callee_hash": [f"#{call[1]}" for call in calls],
            }
        ),
        "watchlists": pa.table(
            {
                "list_id": ["L"], "kind": ["phone"], "value_hash": ["box1"], "centre_id": ["C1"], "category": ["x"],
                "reliability": [1.0], "valid_from": times([START]),
            }
        ),
    } | changed  # fmt: skip


def search(given: dict[str, pa.Table], as_of: int = AS_OF, members: pa.Table = MEMBERS, **options: Any) -> Ties:
    return find_ties(Snapshot(read_dataset(given), as_of), members, **({"half_life": "10000d"} | options))


def rows(found: Ties) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["ring_id"], row["centre_id"]): row for row in found.ring_ties.to_pylist()}


def test_calls_and_a_complaint_tie_a_ring_to_its_centre_and_to_no_other_ring() -> None:
    found = search(tables())
    ties = rows(found)
    assert set(ties) == {("R1", "C1")}
    tie = ties["R1", "C1"]
    # three called victims that dispute: 1.2, an hour before, of 8 that halve it
    best = 1.2 * 0.5 ** (1 / 8)
    # the fourth was called too and has not disputed: 0.5 of it
    calls = best * (1 + 0.7 + 0.49) + 0.5 * 0.5 ** (1 / 8) * 0.7**3
    assert tie["call"] == pytest.approx(calls, rel=1e-2)
    assert tie["complaint"] == pytest.approx(1.5, rel=1e-2)
    assert tie["log_odds"] == pytest.approx(tie["call"] + tie["complaint"], rel=1e-9)
    assert tie["grade"] == "moderate"
    assert tie["by_chance"] == pytest.approx(1 / 201)
    assert tie["lists"] == 0.0
    assert tie["network"] is None  # there are no sessions to look at, which is not the same as 0
    assert found.ring_ties.schema == schema.RING_TIES.arrow_schema


@pytest.mark.slow
def test_items_of_the_waterfall_add_up_to_the_tie() -> None:
    found = search(tables())
    items = found.tie_evidence.to_pandas()
    sums = items.groupby(["ring_id", "centre_id"])["counts"].sum()
    for key, tie in rows(found).items():
        assert sums[key] + tie["against"] == pytest.approx(tie["log_odds"])
    assert (items["counts"] <= items["log_odds"] + 1e-12).all()


@pytest.mark.slow
def test_one_family_alone_is_never_more_than_possible() -> None:
    no_names = tables()
    no_names["complaints"] = no_names["complaints"].drop_columns(["centre_id"])
    tie = rows(search(no_names, weights={"called_victim": 9.0}))["R1", "C1"]
    assert tie["log_odds"] == pytest.approx(3.5, rel=1e-2)  # the cap of calls
    assert tie["grade"] == "possible"


def test_old_evidence_counts_half_after_its_half_life() -> None:
    tie = rows(search(tables(), START + 35 * DAY, half_life="30d", families=(complaint,)))["R1", "C1"]
    # known at day 5, asked at day 35
    assert tie["complaint"] == pytest.approx(0.75)


@pytest.mark.slow
def test_victims_that_name_another_centre_speak_against() -> None:
    given = tables()
    given["complaints"] = given["complaints"].set_column(
        3, "centre_id", pa.array(["C2", "C2", "C1", None], pa.string())
    )
    ties = rows(search(given))
    assert ties["R1", "C2"]["against"] == 0.0
    assert ties["R1", "C1"]["against"] == -0.75


@pytest.mark.slow
def test_a_desk_that_calls_everybody_counts_little() -> None:
    given = tables()
    calls = given["calls"]
    n = 1_000
    many = pa.table(
        {
            "call_id": [f"d{k}" for k in range(n)], "time": times([START + DAY - k % 2 * HOUR + k for k in range(n)]),
            "caller_hash": ["box1"] * n, "callee_hash": [f"#stranger{k}" for k in range(n)],
        }
    )  # fmt: skip
    given["calls"] = pa.concat_tables([calls, many])
    # 500 strangers on each of the two days: a fifth of the weight
    assert rows(search(given))["R1", "C1"]["call"] < 0.25 * rows(search(tables()))["R1", "C1"]["call"]


def test_a_listed_member_a_listed_device_and_a_cell_speak_and_place_alone_says_little() -> None:
    given = tables()
    days = range(4, 8)
    given["sessions"] = pa.table(
        {
            "session_id": [f"s{k}" for k in days], "account_id": ["n2"] * 4,
            "time": times([START + k * DAY for k in days]), "device_hash": ["rack"] * 4, "cell_id": ["cell"] * 4,
        }
    )  # fmt: skip
    entries = [("account", "n1", "C3"), ("device", "rack", "C3"), ("cell", "cell", "C3"), ("cell", "cell", "C4")]
    given["watchlists"] = pa.table(
        {
            "list_id": ["L"] * 4, "kind": [e[0] for e in entries], "value_hash": [e[1] for e in entries],
            "centre_id": [e[2] for e in entries], "category": ["x"] * 4, "reliability": [1.0] * 4,
            "valid_from": times([START] * 4),
        }
    )  # fmt: skip
    ties = rows(search(given))
    tie = ties["R2", "C3"]
    assert [round(tie[name], 1) for name in ("lists", "network", "place")] == [3.0, 2.5, 0.8]
    assert tie["grade"] == "strong"
    assert ties["R2", "C4"]["grade"] == "none"
    assert grade(9.0, {"place": 5.0, "script": 4.0}, True, None) == "possible"


@pytest.mark.slow
def test_numbers_that_no_list_knows_become_a_centre_of_their_own() -> None:
    def busy() -> dict[str, pa.Table]:
        """A town of 4,000 others who are called, so that calls to three victims are no chance."""
        given = tables()
        n = 4_000
        town = {
            "call_id": [f"e{k}" for k in range(n)], "time": times([START + k * MINUTE for k in range(n)]),
            "caller_hash": [f"any{k}" for k in range(n)], "callee_hash": [f"#someone{k}" for k in range(n)],
        }  # fmt: skip
        return given | {"calls": pa.concat_tables([given["calls"], pa.table(town)])}

    given = busy()
    del given["watchlists"]
    given["complaints"] = given["complaints"].drop_columns(["centre_id"])
    found = rows(search(given))
    (inferred,) = {centre for _, centre in found if centre.startswith("inferred-")}
    tie = found["R1", inferred]
    # ascribed by company, not by a list: half of the weight, and never more than possible
    assert 1.0 < 2 * tie["call"] < 3.0
    assert tie["grade"] in ("none", "possible")
    # two victims that name a centre make it that one
    given = busy()
    del given["watchlists"]
    given["complaints"] = given["complaints"].set_column(3, "centre_id", pa.array(["C1", "C1", None, None]))
    assert rows(search(given))["R1", "C1"]["grade"] == "moderate"
    # a second number of the same box that a list knows makes it a known centre
    given = busy()
    calls = given["calls"].append_column(
        "caller_imei_hash", pa.array(["sim"] * 4 + [None] * (given["calls"].num_rows - 4))
    )
    first = pa.array(["box1", "box1", "box2", "box2", *calls["caller_hash"].to_pylist()[4:]])
    given["calls"] = calls.set_column(calls.column_names.index("caller_hash"), "caller_hash", first)
    assert set(rows(search(given))) == {("R1", "C1")}


@pytest.mark.slow
def test_the_future_changes_no_tie() -> None:
    cut = START + 4 * DAY
    given = tables()
    late = dict(given)
    late["calls"] = pa.concat_tables(
        [
            given["calls"],
            pa.table(
                {"call_id": ["z"], "time": times([cut]), "caller_hash": ["box1"], "callee_hash": ["#w0"]},
                schema=given["calls"].schema,
            ),
        ]
    )
    before = search({name: given[name] for name in ("transfers", "identifiers", "calls", "watchlists")}, cut)
    after = search(late, cut)
    shared = [name for name in schema.RING_TIES.names if name not in ("complaint", "script")]
    assert after.ring_ties.select(shared).equals(before.ring_ties.select(shared))


@pytest.mark.slow
def test_names_order_and_other_rings_change_no_tie() -> None:
    given = tables()
    plain = search(given)
    rng = np.random.default_rng(0)
    people = sorted({*given["transfers"]["source"].to_pylist(), *given["transfers"]["target"].to_pylist()})
    to = {str(name): f"z{place:03d}" for place, name in enumerate(rng.permutation(people))}

    def renamed(table: pa.Table, columns: tuple[str, ...]) -> pa.Table:
        for name in columns:
            at = table.column_names.index(name)
            table = table.set_column(at, name, pa.array([to.get(v, v) for v in table[name].to_pylist()], pa.string()))
        return table.take(pa.array(rng.permutation(table.num_rows)))

    other = {
        "transfers": renamed(given["transfers"], ("source", "target")),
        "identifiers": renamed(given["identifiers"], ("entity_id",)),
        **{name: renamed(given[name], ()) for name in ("complaints", "calls", "watchlists")},
    }
    members = renamed(MEMBERS.slice(0, 2), ("account_id",))
    assert rows(search(other, members=members)) == {key: row for key, row in rows(plain).items() if key[0] == "R1"}


@pytest.mark.slow
def test_shuffled_calls_make_no_tie_above_possible_in_most_worlds() -> None:
    given = tables()
    callee = given["calls"]["callee_hash"].to_pylist()
    hour = [(m - START) // HOUR for m in given["calls"]["time"].cast(pa.int64()).to_pylist()]
    firm = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        shuffled = list(callee)
        for h in set(hour):
            at = [k for k in range(len(hour)) if hour[k] == h]
            for k, j in zip(at, rng.permutation(at), strict=True):
                shuffled[k] = callee[j]
        mixed = given | {"calls": given["calls"].set_column(3, "callee_hash", pa.array(shuffled))}
        firm += any(row["grade"] in ("moderate", "strong") for row in rows(search(mixed, n_shuffles=50)).values())
    assert firm <= 1


@pytest.mark.slow
def test_weights_are_learnt_from_confirmed_pairs() -> None:
    found = search(tables())
    learnt = learn_weights(found, pa.table({"ring_id": ["R1"], "centre_id": ["C1"]}))
    # one confirmed pair with every kind and no other pair: (1 + .5) / 2 over (0 + .5) / 1
    assert learnt == pytest.approx(dict.fromkeys(("called_payer", "called_victim", "complaint"), np.log(1.5)))
    assert learn_weights(found, pa.table({"ring_id": ["R1"], "centre_id": ["C9"]}))["complaint"] == 0.0
    with pytest.raises(DataError, match="confirmed"):
        learn_weights(found, pa.table({"ring_id": ["R9"], "centre_id": ["C1"]}))


@given(
    st.dictionaries(st.sampled_from(["complaint", "call", "network", "place", "script", "lists"]), st.floats(0, 9)),
    st.booleans(),
    st.none() | st.floats(0, 1),
)
@settings(max_examples=200)
def test_firm_grades_need_two_families_and_one_that_carries(
    parts: dict[str, float], carries: bool, by_chance: float | None
) -> None:
    said = grade(sum(parts.values()), parts, carries, by_chance)
    if said in ("moderate", "strong"):
        assert carries
        assert sum(value > 0 for value in parts.values()) >= 2
        assert any(value > 0 and name not in WEAK for name, value in parts.items())
        assert by_chance is None or by_chance <= 0.05
    if sum(parts.values()) < 1:
        assert said == "none"


def test_precision_and_recall_by_grade() -> None:
    ties = pd.DataFrame(
        {
            "ring_id": ["A", "A", "B", "C"],
            "centre_id": ["C1", "C2", "C2", "inferred-1"],
            "grade": ["strong", "moderate", "possible", "strong"],
        }
    )
    members = pd.DataFrame({"ring_id": ["A", "B", "C"], "account_id": ["a", "b", "c"]})
    truth = pd.DataFrame({"account_id": ["a", "b", "c"], "centre_id": ["C1", "C2", "C1"]})
    found = measure_ties(ties, members, truth)
    assert found["precision"].tolist() == [1.0, 0.5, pytest.approx(2 / 3)]
    assert found["recall"].tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3])


def test_a_family_of_ones_own_can_be_passed_and_is_checked() -> None:
    @family(weights={"hunch": 1.0}, cap=1.0, tables=())
    def hunch(context: TieContext) -> pd.DataFrame:
        row = {"ring": 0, "centre": "C7", "kind": "hunch", "item": "x", "time": context.snapshot.as_of, "strength": 1.0}
        return pd.DataFrame([row])[list(EVIDENCE)]

    @family(weights={"hunch": 1.0}, cap=1.0, tables=())
    def wrong(context: TieContext) -> pd.DataFrame:
        return pd.DataFrame({"ring": [0]})

    # one nat, less the victim that names another centre
    assert rows(search(tables(), families=(hunch,)))["R1", "C7"]["log_odds"] == pytest.approx(0.25)
    with pytest.raises(DataError, match="wrong"):
        search(tables(), families=(wrong,))
    with pytest.raises(OptionError, match="kind of evidence"):
        search(tables(), weights={"rumour": 1.0})
    with pytest.raises(DataError, match="account_id"):
        search(tables(), members=pa.table({"ring_id": ["R1"]}))


@given(st.integers(0, 2**16))
@settings(deadline=None, max_examples=25)
def test_a_call_is_joined_with_the_first_payment_to_each_ring_within_a_day(seed: int) -> None:
    random = np.random.default_rng(seed)
    phones = [f"#{k}" for k in range(4)]
    paid = pd.DataFrame(
        {
            "ring": random.integers(0, 3, 30), "transfer": np.arange(30), "time": random.permutation(30) * 5 * HOUR,
            "payer": random.integers(0, 9, 30), "is_disputed": random.random(30) < 0.5,
            "phone": pd.Series(random.choice([*phones, None], 30), dtype="object"),
        }
    )  # fmt: skip
    calls = pd.DataFrame(
        {
            "call_id": [f"c{k}" for k in range(20)], "time": random.integers(0, 30, 20) * 5 * HOUR,
            "callee": random.choice([*phones, "#other"], 20), "centre": "C", "weight": 0.5,
        }
    )  # fmt: skip
    expected = []
    for call_id, time, callee in zip(calls["call_id"], calls["time"], calls["callee"], strict=True):
        for ring in range(3):
            to_ring = paid[(paid["ring"] == ring) & (paid["phone"] == callee)]
            soon = to_ring[(to_ring["time"] >= time) & (to_ring["time"] <= time + DAY)]
            if len(soon):
                first = soon.loc[soon["time"].idxmin()]
                kind = "called_victim" if first["is_disputed"] else "called_payer"
                strength = 0.5 * 0.5 ** ((first["time"] - time) / (8 * HOUR))
                expected.append((call_id, ring, first["payer"], kind, pytest.approx(strength)))
    found = join_calls(paid, calls)
    rows_found = [tuple(row) for row in found[["call_id", "ring", "payer", "kind", "strength"]].itertuples(index=False)]
    assert sorted(rows_found) == sorted(expected, key=lambda row: row[:2])
    assert found["ring"].is_monotonic_increasing
