"""Columns of companies, drawn by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import muledetect as md
from muledetect.features import Registry, extract, load_pack, registry
from muledetect.labels import every_account

AS_OF = "2025-03-31T00:00:00Z"
OF_FAMILY = Registry({name: one for name, one in registry().features.items() if one.family == "company"})
COLUMNS = OF_FAMILY.names(load_pack("none"), every=True)


def bank(
    transfers: list[tuple[str, str, str, int, str]], directors: list[tuple[str, str, str]] | None = None,
    **holders: list[object],
) -> md.Dataset:  # fmt: skip
    """Return a bank of company c (account k), company d (account l), and person p (account q)."""
    told: dict[str, list[object]] = {
        "holder_id": ["c", "d", "p"], "kind": ["company", "company", "person"],
        "registered_at": ["2025-01-01T00:00:00Z", "2020-01-01T00:00:00Z", None], "capital": [100_000, None, None],
    }  # fmt: skip
    tables = {
        "transfers": pa.table({
            "transfer_id": [f"t{number}" for number in range(len(transfers))],
            "time": [f"{row[0]}Z" for row in transfers], "source": [row[1] for row in transfers],
            "target": [row[2] for row in transfers], "amount": [row[3] for row in transfers],
            "channel": [row[4] for row in transfers],
        }),
        "accounts": pa.table({
            "account_id": ["k", "l", "q", "tax"], "holder_id": ["c", "d", "p", None],
            "opened_at": ["2025-01-11T00:00:00Z"] * 4, "kind": ["company", "company", "individual", "government"],
        }),
        "holders": pa.table(told | holders),
    }  # fmt: skip
    if directors is not None:
        tables["identifiers"] = pa.table({
            "entity_id": [row[0] for row in directors], "kind": ["director"] * len(directors),
            "value_hash": [row[1] for row in directors], "valid_from": [f"{row[2]}Z" for row in directors],
        })  # fmt: skip
    return md.read_dataset(tables, currency="THB", money="minor")


def columns_of(dataset: md.Dataset, account: str, as_of: str = AS_OF) -> dict[str, float | None]:
    table = extract(dataset, every_account(dataset, as_of), COLUMNS)
    (row,) = table.filter(pa.compute.equal(table["account_id"], account)).to_pylist()
    return {name: None if row[name] is None or np.isnan(row[name]) else row[name] for name in COLUMNS}


PAID = ("2025-03-20T10:00:00", "x", "k", 300_000, "p2p_proxy")


def test_age_capital_and_wait_of_a_company() -> None:
    found = columns_of(bank([PAID]), "k")
    assert found["company_age"] == 89 * 86_400
    assert found["company_capital"] == 100_000
    assert found["company_wait"] == 10 * 86_400
    assert found["director_companies"] is None


def test_people_and_data_sets_without_holders_have_no_value() -> None:
    dataset = bank([PAID, ("2025-03-20T10:00:00", "x", "q", 5, "p2p_proxy")], [("c", "r", "2025-01-01T00:00:00")])
    assert set(columns_of(dataset, "q").values()) == {None}
    tables = {name: table for name, table in dataset.tables.items() if name != "holders"}
    assert set(columns_of(md.read_dataset(tables, currency="THB", money="minor"), "k").values()) == {None}


def test_before_its_registration_nothing_is_known_of_a_company() -> None:
    found = columns_of(bank([PAID]), "k", "2024-12-31T00:00:00Z")
    assert found["company_age"] is None
    assert found["company_capital"] is None


def test_an_account_older_than_its_company_did_not_wait() -> None:
    dataset = bank([PAID], registered_at=["2025-02-01T00:00:00Z", None, None])
    assert columns_of(dataset, "k")["company_wait"] is None


def test_other_companies_of_a_director_count_once_and_when_they_are_known() -> None:
    directors = [("c", "r1", "2025-01-01T00:00:00"), ("c", "r2", "2025-01-01T00:00:00"),
                 ("d", "r1", "2025-03-01T00:00:00"), ("d", "r2", "2025-03-05T00:00:00"),
                 ("p", "r1", "2025-01-01T00:00:00")]  # fmt: skip
    dataset = bank([PAID], directors)
    assert [columns_of(dataset, account)["director_companies"] for account in "kl"] == [1, 1]
    assert columns_of(dataset, "k", "2025-03-01T00:00:00Z")["director_companies"] == 0
    assert columns_of(dataset, "k", "2025-03-01T00:00:01Z")["director_companies"] == 1


def test_later_companies_of_a_director_of_very_many_change_nothing() -> None:
    """The moment is before the 201st company: what is founded later cannot tell."""
    tables = dict(bank([PAID], [("c", "r", "2025-01-01T00:00:00"), ("d", "r", "2025-01-02T00:00:00")]).tables)
    names = [f"e{number}" for number in range(400)]
    more = pa.table({"holder_id": names, "kind": ["company"] * 400})
    tables["holders"] = pa.concat_tables([tables["holders"].select(["holder_id", "kind"]), more])
    later = pa.array(["2025-04-02T00:00:00Z"] * 400).cast(pa.timestamp("us", tz="UTC"))
    rows = pa.table({"entity_id": names, "kind": ["director"] * 400, "value_hash": ["r"] * 400, "valid_from": later})
    held = tables["identifiers"].select(rows.column_names).cast(rows.schema)
    tables["identifiers"] = pa.concat_tables([held, rows])
    dataset = md.read_dataset(tables, currency="THB", money="minor")
    assert columns_of(dataset, "k")["director_companies"] == 1
    assert columns_of(dataset, "k", "2025-04-03T00:00:00Z")["director_companies"] == 1  # all others came at once


def test_no_director_row_at_all_is_no_error() -> None:
    assert columns_of(bank([PAID], [("c", "r", "2025-01-01T00:00:00")]), "l")["director_companies"] is None


def test_turnover_against_capital_and_age() -> None:
    found = columns_of(bank([PAID, ("2025-02-01T10:00:00", "x", "k", 590_000, "p2p_proxy")]), "k")
    assert found["capital_turnover__window_30d"] == 300_000 / 400_000
    assert found["company_day_amount__window_30d"] == 300_000 / 30
    assert columns_of(bank([PAID], registered_at=["2025-03-19T00:00:00Z", None, None]), "k")[
        "company_day_amount__window_30d"
    ] == pytest.approx(300_000 / 12)
    assert columns_of(bank([PAID]), "l")["capital_turnover__window_30d"] is None  # no capital is stated


def test_money_that_goes_to_an_exchange_within_a_day() -> None:
    transfers = [PAID, ("2025-03-20T12:00:00", "k", "v", 120_000, "vasp"),
                 ("2025-03-20T13:00:00", "k", "y", 60_000, "p2p_proxy"),
                 ("2025-03-21T11:00:00", "k", "v", 90_000, "vasp")]  # fmt: skip
    found = columns_of(bank(transfers), "k")
    # the last 90,000 left 25 hours after they came
    assert found["company_exchange_share__window_30d"] == 120_000 / 300_000
    (week,) = [extract(bank(transfers), every_account(bank(transfers), AS_OF), ["company_exchange_share__window_7d"])]
    assert np.isnan(week["company_exchange_share__window_7d"].to_numpy()).all()


def test_costs_and_payees_that_come_back() -> None:
    transfers = [PAID]
    for day, payee, amount, channel in (
        ("2025-01-20", "w1", 100, "payroll"), ("2025-02-20", "w1", 100, "payroll"),
        ("2025-03-20", "w1", 100, "payroll"), ("2025-03-21", "tax", 200, "p2p_account"),
        ("2025-03-22", "once", 500, "p2p_account"), ("2025-03-05", "twice", 50, "p2p_account"),
        ("2025-03-25", "twice", 50, "p2p_account"),
    ):  # fmt: skip
        transfers.append((f"{day}T10:00:00", "k", payee, amount, channel))
    found = columns_of(bank(transfers), "k")
    assert found["company_cost_share__window_90d"] == pytest.approx(500 / 1100)
    assert found["company_regular_payees__window_90d"] == 1  # `twice` is of one month


def test_no_column_of_companies_is_live() -> None:
    assert len(COLUMNS) == 9
    assert not set(COLUMNS) & set(md.features.feature_names(live=True))
