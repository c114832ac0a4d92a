"""Complaints and watch lists against plain loops, drawn by hand, and kept from an account's own group."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from known import Known, Row, moment_in, rows_of, table_of
from strategies import transfers_table

from muledetect.clock import DAY, HOUR
from muledetect.features import Feature, taint
from muledetect.records import Dataset, read_dataset
from muledetect.testing import check_feature, random_world

FEATURES = [taint.complaint_taint, taint.watch_lists]
TYING = {"device", "ip", "wifi", "phone", "email", "address", "sim", "imei", "wallet"}


class Story:
    """All that complaints and lists tell a point of one group; `groups` is empty where nothing is kept apart."""

    def __init__(self, dataset: Dataset, as_of: int, groups: dict[str, int]) -> None:
        self.known, self.groups = Known(dataset, as_of), groups
        self.begin = as_of - max(30 * DAY, dataset.tick)
        self.moved = [row for row in self.known.transfers if row["source"] != row["target"]]
        self.lists = rows_of(dataset, "watchlists")
        self.sightings = self.known.sightings()

    def is_hidden(self, account: str, about: str) -> bool:
        return bool(self.groups) and self.groups[account] == self.groups[about]

    def names(self, complaint: Row, transfer: Row) -> bool:
        """One transfer up to the complaint agrees with all that it states; if several do, it names none."""
        if transfer["time"] > complaint["known_ts"]:
            return False
        if complaint["transfer_id"] is not None:
            return bool(complaint["transfer_id"] == transfer["transfer_id"])
        before = [row for row in self.known.transfers if row["time"] <= complaint["known_ts"]]
        fitting = [row for row in before if self.fits(complaint, row)]
        return len(fitting) == 1 and fitting[0] is transfer

    def fits(self, complaint: Row, transfer: Row) -> bool:
        same = all(complaint[column] in (None, transfer[column]) for column in ("amount", "time"))
        same = same and complaint["target"] == transfer["target"]
        return same and complaint["victim_account"] in (None, transfer["source"])

    def is_named(self, account: str, transfer: Row) -> bool:
        if self.is_hidden(account, transfer["target"]):
            return False
        return any(self.names(complaint, transfer) for complaint in self.known.complaints)

    def is_complained(self, account: str, about: str) -> bool:
        by_name = any(complaint["target"] == about for complaint in self.known.complaints)
        by_transfer = any(self.is_named("", row) for row in self.moved if row["target"] == about)
        return (by_name or by_transfer) and not self.is_hidden(account, about)

    def is_listed(self, account: str, about: str) -> bool:
        for entry in self.lists:
            since, until = max(entry["known_ts"], entry["valid_from"]), entry["valid_to"] or math.inf
            if since >= self.known.as_of or until <= self.begin:
                continue
            if entry["kind"] == "account" and entry["value_hash"] == about and not self.is_hidden(account, about):
                return True
            users = {
                who for kind, value, who, _ in self.sightings if (kind, value) == (entry["kind"], entry["value_hash"])
            }
            if entry["kind"] in TYING and self.known.person(about) in users and len(users) <= 20:
                return True
        return False

    def relayed(self, account: str, credit: Row) -> float:
        """Share of what the payer had got in 30 days up to the credit that complaints name."""
        width = self.known.as_of - self.begin
        got = [
            row
            for row in self.moved
            if row["target"] == credit["source"] and credit["time"] - width <= row["time"] <= credit["time"]
        ]
        named = sum(row["amount"] for row in got if self.is_named(account, row))
        return named / sum(row["amount"] for row in got) if named else 0.0

    def tell(self, account: str) -> dict[str, float]:
        recent = [row for row in self.moved if row["time"] >= self.begin]
        received = [row for row in recent if row["target"] == account]
        paid = [row for row in recent if row["source"] == account]
        named = [row for row in received if self.is_named(account, row)]
        relayed = sum(row["amount"] * self.relayed(account, row) for row in received if row not in named)
        listed = [row for row in received if self.is_listed(account, row["source"])]
        listed += [row for row in paid if self.is_listed(account, row["target"])]
        payees = {row["target"] for row in paid}

        def share(part: float, rows: list[Row]) -> float:
            whole = sum(row["amount"] for row in rows)
            return part / whole if whole else math.nan

        told = {
            "complained_credits": len(named),
            "complained_share": share(sum(row["amount"] for row in named), received),
            "relayed_complained_share": share(relayed, received),
            "complained_payees": sum(self.is_complained(account, payee) for payee in payees),
            "is_listed": float(self.is_listed(account, account)),
            "listed_share": share(sum(row["amount"] for row in listed), received + paid),
        }
        return {f"{name}__window_30d": value for name, value in told.items()}


class _Anybody(dict):
    """Groups that also hold nobody, whom nothing is hidden from."""

    def __missing__(self, key: str) -> int:
        return -1


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
@pytest.mark.slow
def test_taint_keeps_the_laws(feature: Feature) -> None:
    check_feature(feature, n_worlds=6)


@pytest.mark.parametrize("is_hidden", [False, True])
@pytest.mark.parametrize("seed", range(24))
def test_taint_equals_its_oracle(seed: int, is_hidden: bool) -> None:
    dataset = read_dataset(random_world(seed))
    as_of = moment_in(dataset, seed) + int(np.random.default_rng(seed).choice([0, 5 * DAY, 20 * DAY]))
    ids = dataset.account_ids.to_pylist()
    hide_groups = np.random.default_rng(seed + 1).integers(0, 4, len(ids)) * 7 if is_hidden else None
    groups = _Anybody(zip(ids, hide_groups.tolist(), strict=True)) if hide_groups is not None else {}
    story = Story(dataset, as_of, groups)
    got = table_of(dataset, as_of, FEATURES, hide_groups=hide_groups)
    for account in ids:
        for name, value in story.tell(account).items():
            assert got[name][account] == pytest.approx(value, rel=1e-6, abs=1e-6, nan_ok=True), (name, seed, account)


def asked(
    rows: list[tuple[str, str, int, int]], as_of: int, hide_groups: list[int] | None = None, **tables: pa.Table
) -> dict[str, dict[str, float]]:
    dataset = read_dataset({"transfers": transfers_table(rows), **tables}, currency="THB")
    groups = None if hide_groups is None else np.array(hide_groups)
    got = table_of(dataset, as_of, FEATURES, hide_groups=groups)
    return {name.removesuffix("__window_30d"): dict(values) for name, values in got.items()}


def complaints(known: int, **columns: list) -> pa.Table:
    n = len(columns["target"])
    when = pa.array([known] * n).cast(pa.timestamp("us", tz="UTC"))
    if "time" in columns:
        columns["time"] = pa.array(columns["time"]).cast(pa.timestamp("us", tz="UTC"))
    return pa.table({"complaint_id": [f"c{k}" for k in range(n)], "known_ts": when, **columns})


# v and w pay the collector a 600 and 200; a passes 400 on to b, who also gets 100 from w; b pays a
MOVES = [
    ("v", "a", HOUR, 600),
    ("w", "a", 2 * HOUR, 200),
    ("a", "b", 3 * HOUR, 400),
    ("w", "b", 4 * HOUR, 100),
    ("b", "a", 5 * HOUR, 50),
]


def test_complained_money_is_shared_out_pro_rata() -> None:
    told = complaints(6 * HOUR, target=["a"], amount=[600], time=[HOUR], victim_account=["v"])
    got = asked(MOVES, DAY, complaints=told)
    # a got 600 + 200 + 50, of it 600 named; when b paid a, b had got 500, of them none named
    assert got["complained_credits"]["a"] == 1
    assert got["complained_share"]["a"] == 600 / 850
    assert got["relayed_complained_share"]["a"] == 0
    # when a paid b 400, 600 of the 800 that a had got were named: 300 of b's 500
    assert got["complained_share"]["b"] == 0
    assert got["relayed_complained_share"]["b"] == pytest.approx(0.6)
    # complaints name a, whom v, w and b paid
    assert [got["complained_payees"][name] for name in "avwb"] == [0, 1, 1, 1]


def test_a_complaint_is_not_known_before_its_time() -> None:
    told = complaints(6 * HOUR, target=["a"], amount=[600], time=[HOUR], victim_account=["v"])
    assert asked(MOVES, 6 * HOUR, complaints=told)["complained_credits"]["a"] == 0
    assert asked(MOVES, 6 * HOUR + 1, complaints=told)["complained_credits"]["a"] == 1


def test_a_complaint_of_another_victim_names_no_transfer_but_the_account() -> None:
    told = complaints(6 * HOUR, target=["a"], amount=[600], time=[HOUR], victim_account=["w"])
    got = asked(MOVES, DAY, complaints=told)
    assert got["complained_credits"]["a"] == 0
    assert got["complained_payees"]["b"] == 1


def test_a_complaint_that_several_transfers_fit_names_none_of_them_but_the_account() -> None:
    told = complaints(6 * HOUR, target=["a"], amount=[600], time=[HOUR])
    got = asked([*MOVES, ("w", "a", HOUR, 600)], DAY, complaints=told)
    assert got["complained_credits"]["a"] == 0
    assert got["complained_payees"]["v"] == 1


def test_a_withdrawn_complaint_counts_until_its_withdrawal_was_known() -> None:
    told = complaints(6 * HOUR, target=["a"], amount=[600], time=[HOUR], status=["withdrawn"])
    told = told.append_column("status_ts", pa.array([8 * HOUR]).cast(pa.timestamp("us", tz="UTC")))
    assert asked(MOVES, 8 * HOUR, complaints=told)["complained_credits"]["a"] == 1
    assert asked(MOVES, 8 * HOUR + 1, complaints=told)["complained_credits"]["a"] == 0


def test_complaints_about_the_own_group_are_hidden_from_its_points_only() -> None:
    told = complaints(6 * HOUR, target=["a"], amount=[600], time=[HOUR], victim_account=["v"])
    got = asked(MOVES, DAY, hide_groups=[1, 1, 2, 3], complaints=told)  # a and b together, v, w
    for column in ("complained_credits", "complained_share", "relayed_complained_share", "complained_payees"):
        assert [got[column]["a"], got[column]["b"]] == [0, 0]
    assert got["complained_payees"]["v"] == 1


def test_an_account_deals_with_a_listed_one() -> None:
    times = [pa.array([moment]).cast(pa.timestamp("us", tz="UTC")) for moment in (0, 6 * HOUR, 2 * DAY)]
    names = ("valid_from", "known_ts", "valid_to")
    entry = {"list_id": ["l"], "kind": ["account"], "value_hash": ["a"], "category": ["mule"]}
    lists = pa.table({**entry, **dict(zip(names, times, strict=True))})
    got = asked(MOVES, DAY, watchlists=lists)
    # b exchanged 400 and 50 with a, and 100 with w
    assert got["listed_share"]["b"] == 450 / 550
    assert [got["is_listed"][name] for name in "ab"] == [1, 0]
    assert asked(MOVES, 6 * HOUR, watchlists=lists)["is_listed"]["a"] == 0
    assert asked(MOVES, 33 * DAY, watchlists=lists)["is_listed"]["a"] == 0
    hidden = asked(MOVES, DAY, hide_groups=[1, 1, 2, 3], watchlists=lists)
    assert [hidden["is_listed"]["a"], hidden["listed_share"]["b"], hidden["listed_share"]["v"]] == [0, 0, 1]


def test_without_tables_nothing_is_known() -> None:
    got = asked(MOVES, DAY)
    assert all(math.isnan(value) for values in got.values() for value in values.values())
