"""Young companies: on request, on both sides, and records of one person under several ids."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from muledetect.clock import DAY
from muledetect.simulation import simulate
from muledetect.simulation.identities import with_identities

pytestmark = pytest.mark.slow

OPTIONS = {"n_accounts": 2500, "n_days": 40, "seed": 4, "activity": 0.2, "mule_share": 0.03, "company_mule_share": 0.4}


@cache
def world(share: float) -> dict[str, pa.Table]:
    return simulate(young_company_share=share, **OPTIONS)


def test_without_young_companies_nobody_has_a_director() -> None:
    assert "director" not in world(0.0)["identifiers"]["kind"].to_pylist()


def test_honest_and_bought_companies_are_young_and_small_alike() -> None:
    tables = world(0.4)
    accounts = tables["accounts"].select(["account_id", "holder_id"]).to_pandas()
    holders = tables["holders"].select(["holder_id", "kind", "capital"]).to_pandas()
    holders["registered"] = tables["holders"]["registered_at"].cast(pa.int64()).to_pandas()
    truth = tables["truth_accounts"].select(["account_id", "is_mule", "persona"]).to_pandas()
    rows = accounts.merge(holders[holders["kind"] == "company"]).merge(truth)
    start = tables["transfers"]["time"][0].as_py().timestamp() * 1e6
    young = rows[rows["registered"] > start - 365 * DAY]
    mules, honest = young[young["is_mule"]], young[~young["is_mule"]]
    assert len(mules) >= 5
    assert len(honest) >= 20
    assert (honest["capital"] <= np.median(mules["capital"])).mean() > 0.25
    assert (rows[rows["is_mule"]]["registered"] < start - 365 * DAY).any()  # some were on the shelf


def test_a_director_of_several_companies_is_no_proof() -> None:
    tables = world(0.4)
    rows = tables["identifiers"].to_pandas()
    rows = rows[rows["kind"] == "director"]
    n_companies = rows.groupby("value_hash")["entity_id"].transform("nunique")
    several = set(rows["entity_id"][n_companies > 1])
    accounts = tables["accounts"].to_pandas()
    mules = set(tables["truth_accounts"].to_pandas().query("is_mule")["account_id"])
    of_mule = accounts["account_id"].isin(mules) & accounts["holder_id"].isin(several)
    of_honest = ~accounts["account_id"].isin(mules) & accounts["holder_id"].isin(several)
    assert of_mule.sum() >= 3
    assert of_honest.sum() >= 3


def test_honest_companies_pay_the_state() -> None:
    tables = world(0.4)
    state = tables["accounts"].filter(pc.equal(tables["accounts"]["kind"], "government"))["account_id"]
    paid = tables["transfers"].filter(pc.is_in(tables["transfers"]["target"], value_set=state.combine_chunks()))
    assert len(set(paid["source"].to_pylist())) > 50


def test_records_of_one_person_keep_all_accounts_and_have_new_holders() -> None:
    before = world(0.0)
    after, truth = with_identities(before, seed=2)
    person = dict(zip(truth["holder_id"].to_pylist(), truth["person_id"].to_pylist(), strict=True))
    old = dict(zip(*(before["accounts"][name].to_pylist() for name in ("account_id", "holder_id")), strict=True))
    new = dict(zip(*(after["accounts"][name].to_pylist() for name in ("account_id", "holder_id")), strict=True))
    assert {account: None if holder is None else person[holder] for account, holder in new.items()} == old
    assert len(set(new.values())) > len(set(old.values())) + 50
    assert set(after["holders"]["holder_id"].to_pylist()) == {holder for holder in new.values() if holder}
    again, _ = with_identities(before, seed=2)
    assert all(after[name].equals(again[name]) for name in after)
    other, _ = with_identities(before, seed=2, errors=0.0)
    assert after["identifiers"] != other["identifiers"]
