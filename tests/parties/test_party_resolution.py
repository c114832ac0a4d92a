"""Records of one person are found; families, dormitories and chains are not."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

import muledetect as md
from muledetect.errors import OptionError
from muledetect.evaluation import measure_parties
from muledetect.parties import Parties, find_parties
from muledetect.parties.families import MOST_SHARERS
from muledetect.simulation import simulate
from muledetect.simulation.identities import with_identities

AS_OF = "2025-03-01"


def bank(held: Iterable[tuple[str, str, str]], n_others: int = 200, **holders: list[object]) -> md.Dataset:
    """Return a bank whose holders (of account `a-NAME` each) have identifiers (holder, kind, value), and others."""
    rows = [*held, *((f"other{k}", "phone", f"own{k}") for k in range(n_others))]
    names = list(dict.fromkeys(name for name, _, _ in rows))
    day = ["2025-01-01T00:00:00Z"]
    tables = {
        "transfers": pa.table({
            "transfer_id": ["t1"], "time": ["2025-02-01T00:00:00Z"], "source": [f"a-{names[0]}"],
            "target": [f"a-{names[1]}"], "amount": [100],
        }),
        "accounts": pa.table({
            "account_id": [f"a-{name}" for name in names], "holder_id": names, "opened_at": day * len(names),
        }),
        "identifiers": pa.table({
            "entity_id": [row[0] for row in rows], "kind": [row[1] for row in rows],
            "value_hash": [row[2] for row in rows], "valid_from": day * len(rows),
        }),
    }  # fmt: skip
    if holders:
        tables["holders"] = pa.table({"holder_id": names[: len(next(iter(holders.values())))], **holders})
    return md.read_dataset(tables, currency="THB", money="minor")


def person(who: str, /, **held: str) -> list[tuple[str, str, str]]:
    return [(who, kind, value) for kind, value in held.items()]


def groups(found: Parties) -> set[frozenset[str]]:
    members = found.party_members.to_pandas()
    return {frozenset(ids) for _, ids in members.groupby("party_id")["holder_id"] if len(ids) > 1}


def parties_of(dataset: md.Dataset, **options: float) -> set[frozenset[str]]:
    return groups(find_parties(md.Snapshot(dataset, AS_OF), **options))


def test_name_and_birth_and_phone_of_two_make_one_person() -> None:
    held = person("x", name="n", name_sound="s", given_sound="g", birth_date="b", phone="p")
    held += person("y", name="n", name_sound="s", given_sound="g", birth_date="b", phone="p")
    assert parties_of(bank(held)) == {frozenset("xy")}


def test_somebody_who_married_is_found_by_given_name_birth_and_phone() -> None:
    held = person("x", name="n1", name_sound="s1", given_sound="g", birth_date="b", phone="p")
    held += person("y", name="n2", name_sound="s2", given_sound="g", birth_date="b", phone="p")
    assert parties_of(bank(held)) == {frozenset("xy")}


def test_a_family_that_shares_everything_but_names_and_birth_is_not_one_person() -> None:
    held = []
    for who in "abcd":
        held += person(who, name=f"n{who}", name_sound=f"s{who}", given_sound=f"g{who}", birth_date=f"b{who}",
                       phone="p", email="e", address="home")  # fmt: skip
    assert parties_of(bank(held)) == set()


def test_contacts_alone_never_make_one_person() -> None:
    held = person("x", phone="p", email="e", address="h", device="d")
    held += person("y", phone="p", email="e", address="h", device="d")
    assert parties_of(bank(held)) == set()


def test_twins_are_two() -> None:
    held = person("x", name="n1", name_sound="s1", given_sound="g1", birth_date="b", phone="p", address="h")
    held += person("y", name="n2", name_sound="s2", given_sound="g2", birth_date="b", phone="p", address="h")
    assert parties_of(bank(held)) == set()


def test_a_dormitory_is_many_and_a_second_record_in_it_is_found() -> None:
    held = []
    for k in range(MOST_SHARERS + 20):
        held += person(f"d{k}", name=f"n{k}", name_sound=f"s{k}", given_sound=f"g{k % 9}", birth_date=f"b{k}",
                       address="dormitory", wifi="w")  # fmt: skip
    held += person("again", name="n3", name_sound="s3", given_sound="g3", birth_date="b3", address="dormitory")
    assert parties_of(bank(held)) == {frozenset({"d3", "again"})}


def test_a_phone_of_two_is_strong_and_of_thirty_weak() -> None:
    def weight(n: int) -> float:
        held = person("x", name="n", name_sound="s", birth_date="b", phone="p")
        held += person("y", name="n", name_sound="s", birth_date="b", phone="p")
        held += [(f"z{k}", "phone", "p") for k in range(n - 2)]
        found = find_parties(md.Snapshot(bank(held), AS_OF)).party_evidence.to_pandas()
        return float(found.loc[found["family"] == "phone", "log_odds"].iloc[0])

    strong, weak = weight(2), weight(30)
    assert strong > 10
    assert 0 < weak < 4


def test_a_common_name_counts_less_than_a_rare_one() -> None:
    def found(n: int) -> set[frozenset[str]]:
        held = person("x", name="n", name_sound="s", phone="p1", birth_date="b")
        held += person("y", name="n", name_sound="s", phone="p2", birth_date="b")
        held += [(f"z{k}", kind, value) for k in range(n) for kind, value in (("name", "n"), ("birth_date", "b"))]
        return {group & frozenset("xy") for group in parties_of(bank(held, 50))}

    assert found(0) == {frozenset("xy")}
    assert frozenset("xy") not in found(25)


def test_a_chain_does_not_make_one_person() -> None:
    """A is like B and B is like C, C like D; ends have nothing in common, and other births."""
    held = person("a", name="n1", birth_date="b1", phone="p1")
    held += [*person("b", name="n1", birth_date="b1", phone="p1"), ("b", "name", "n2"), ("b", "birth_date", "b2")]
    held += [*person("c", name="n2", birth_date="b2", phone="p3"), ("c", "name", "n3"), ("c", "birth_date", "b3")]
    held += person("d", name="n3", birth_date="b3", phone="p3")
    found = parties_of(bank(held))
    assert frozenset("abcd") not in found
    assert found  # the closest stay together


def test_a_person_and_a_company_are_never_one() -> None:
    held = person("x", name="n", birth_date="b", id_number="i", phone="p")
    held += person("y", name="n", birth_date="b", id_number="i", phone="p")
    assert parties_of(bank(held, kind=["person", "person"])) == {frozenset("xy")}
    assert parties_of(bank(held, kind=["person", "company"])) == set()


def test_exchanged_digits_of_a_number_and_one_name_are_one_person() -> None:
    held = person("x", name="n", name_sound="s", id_number="i1", id_digits="d")
    held += person("y", name="n", name_sound="s", id_number="i2", id_digits="d")
    assert parties_of(bank(held)) == {frozenset("xy")}


def test_the_evidence_of_a_pair_sums_to_its_log_odds_and_says_why_in_both_languages() -> None:
    held = person("x", name="n", name_sound="s", birth_date="b", phone="p", address="h")
    held += person("y", name="n", name_sound="s", birth_date="b", phone="p2", address="h")
    found = find_parties(md.Snapshot(bank(held), AS_OF))
    total = sum(found.party_evidence["log_odds"].to_pylist())
    (party,) = found.parties.filter(pa.compute.greater(found.parties["n_holders"], 1)).to_pylist()
    assert party["probability"] == pytest.approx(1 / (1 + np.exp(-total)))
    english, thai = found.explain(party["party_id"]), found.explain(party["party_id"], "th")
    assert any("same date of birth" in line for line in english)
    assert any("วันเกิดเดียวกัน" in line for line in thai)
    assert {"prior", "name", "birth", "phone", "address", "home"} == set(found.party_evidence["family"].to_pylist())
    with pytest.raises(OptionError, match="no party"):
        found.explain("P0")


def test_the_id_of_a_party_stays_when_a_later_record_joins() -> None:
    first = person("x", name="n", name_sound="s", birth_date="b", phone="p")
    later = person("y", name="n", name_sound="s", birth_date="b", phone="p")
    world = bank([*first, *later])
    opened = ["2025-01-01T00:00:00Z" if name != "a-y" else "2025-02-15T00:00:00Z"
              for name in world.tables["accounts"]["account_id"].to_pylist()]  # fmt: skip
    tables = dict(world.tables)
    at = tables["accounts"].column_names.index("opened_at")
    times = pa.array(opened).cast(pa.timestamp("us", tz="UTC"))
    tables["accounts"] = tables["accounts"].set_column(at, "opened_at", times)
    dataset = md.read_dataset(tables, currency="THB", money="minor")
    alone = find_parties(md.Snapshot(dataset, AS_OF)).party_members.to_pandas().set_index("holder_id")["party_id"]
    assert alone["x"] == alone["y"]
    only = md.read_dataset(bank(first).tables, currency="THB", money="minor")
    before = find_parties(md.Snapshot(only, AS_OF)).party_members.to_pandas().set_index("holder_id")["party_id"]
    assert before["x"] == alone["x"]


def test_an_account_that_its_holder_opens_later_is_not_known_yet_unless_it_was_used() -> None:
    later, used = "2025-03-05T00:00:00Z", "2025-02-20T00:00:00Z"
    dataset = md.read_dataset({
        "transfers": pa.table({
            "transfer_id": ["t1", "t2"], "time": ["2025-01-20T10:00:00Z", used], "source": ["a1", "x"],
            "target": ["x", "a4"], "amount": [100, 200],
        }),
        "accounts": pa.table({
            "account_id": ["a1", "a2", "a3", "a4", "a5", "a6"], "holder_id": ["h1", "h1", "h1", "h1", "h1", "h2"],
            "opened_at": ["2025-01-01T00:00:00Z", later, None, later, later, later],
        }),
        "sessions": pa.table({"session_id": ["s1", "s2"], "account_id": ["a5", "a2"], "time": [used, later]}),
    }, currency="THB", money="minor")  # fmt: skip
    found = find_parties(md.Snapshot(dataset, "2025-03-01"))
    assert found.party_members["account_id"].to_pylist() == ["a1", "a3", "a4", "a5"]
    assert found.parties["n_accounts"].to_pylist() == [4]
    after = find_parties(md.Snapshot(dataset, "2025-03-06"))
    assert sorted(after.party_members["account_id"].to_pylist()) == ["a1", "a2", "a3", "a4", "a5", "a6"]


def test_all_accounts_and_records_are_in_exactly_one_party() -> None:
    dataset = md.read_dataset(noisy_world()[0])
    found = find_parties(md.Snapshot(dataset, "2025-04-01"))
    members = found.party_members.to_pandas()
    own = dataset.tables["accounts"].to_pandas().query("is_own")
    assert sorted(members["account_id"].dropna()) == sorted(own["account_id"])
    assert members.dropna(subset="account_id").groupby("account_id")["party_id"].nunique().max() == 1
    assert members.dropna(subset="holder_id").groupby("holder_id")["party_id"].nunique().max() == 1
    assert set(members["party_id"]) == set(found.parties["party_id"].to_pylist())
    assert sum(found.parties["n_accounts"].to_pylist()) == len(own)


@cache
def noisy_world() -> tuple[dict[str, pa.Table], pa.Table]:
    tables, truth = with_identities(simulate(n_accounts=1500, n_days=30, seed=5, activity=0.2), seed=5)
    return {name: table for name, table in tables.items() if not name.startswith("truth")}, truth


@pytest.mark.slow
def test_records_with_errors_are_found_with_precision() -> None:
    tables, truth = noisy_world()
    found = measure_parties(find_parties(md.Snapshot(md.read_dataset(tables), "2025-02-01")), truth)
    assert found.n_true > 30
    assert found.precision >= 0.95
    assert found.recall >= 0.8


@pytest.mark.slow
def test_order_of_rows_and_names_change_nothing() -> None:
    tables, _ = noisy_world()
    plain = find_parties(md.Snapshot(md.read_dataset(tables), "2025-02-01"))
    rng = np.random.default_rng(3)
    shuffled = {name: table.take(rng.permutation(len(table))) for name, table in tables.items()}
    again = find_parties(md.Snapshot(md.read_dataset(shuffled), "2025-02-01"))
    assert all(plain.tables[name].equals(again.tables[name]) for name in plain.tables)

    def renamed(table: pa.Table, column: str) -> pa.Table:
        ids = [None if one is None else "z" + one[::-1] for one in table[column].to_pylist()]
        return table.set_column(table.column_names.index(column), column, pa.array(ids, pa.string()))

    holders = set(tables["holders"]["holder_id"].to_pylist())
    ids = [("z" + one[::-1]) if one in holders else one for one in tables["identifiers"]["entity_id"].to_pylist()]
    other = {
        **tables,
        **{name: renamed(tables[name], "holder_id") for name in ("accounts", "holders")},
        "identifiers": tables["identifiers"].set_column(0, "entity_id", pa.array(ids, pa.string())),
    }  # fmt: skip
    found = find_parties(md.Snapshot(md.read_dataset(other), "2025-02-01"))
    assert {frozenset("z" + one[::-1] for one in group) for group in groups(plain)} == groups(found)
    assert sorted(plain.party_evidence["log_odds"].to_pylist()) == sorted(found.party_evidence["log_odds"].to_pylist())


def test_options_out_of_range_are_refused() -> None:
    snapshot = md.Snapshot(bank(person("x", phone="p") + person("y", phone="p")), AS_OF)
    with pytest.raises(OptionError, match="duplicates"):
        find_parties(snapshot, duplicates=0.0)
    with pytest.raises(OptionError, match="min_probability"):
        find_parties(snapshot, min_probability=0.4)


def test_a_data_set_of_transfers_alone_has_no_parties() -> None:
    whole = bank(person("x", phone="p") + person("y", phone="p"))
    dataset = md.read_dataset({"transfers": whole.tables["transfers"]}, currency="THB", money="minor")
    assert len(find_parties(md.Snapshot(dataset, AS_OF))) == 0
