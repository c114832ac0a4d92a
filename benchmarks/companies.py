"""Are companies found that were bought or founded for their account, and are honest young ones left in peace?

    python benchmarks/companies.py [--accounts 15000] [--seeds 2]

Simulated banks with young companies on both sides (`young_company_share`). A model learns on one bank and ranks the
companies of another, with the columns of companies and without the table of holders, which these columns need. Recall
is that of companies in use as mules at the moment, at an alert budget of 1% (and 3%) of all companies; beside it the
share of honest young companies (account at most a year old) that are alerted.
"""

from __future__ import annotations

import argparse
import platform

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

import muledetect as md
from muledetect.clock import DAY, format_time, parse_time
from muledetect.model import MuleModel
from muledetect.simulation import simulate

FIRST_SEED = 81
START = parse_time("2025-01-01")
TRAINED_AT, RANKED_AT = (50, 60, 70), (60, 75, 90)
BUDGETS = (0.01, 0.03)


def world_of(n_accounts: int, seed: int) -> dict[str, pa.Table]:
    return simulate(n_accounts=n_accounts, n_days=110, seed=seed, activity=0.3, mule_share=0.02,
                    company_mule_share=0.35, young_company_share=0.3)  # fmt: skip


def bank_of(world: dict[str, pa.Table], *, with_holders: bool) -> md.Dataset:
    tables = {name: table for name, table in world.items() if not name.startswith("truth")}
    if not with_holders:
        del tables["holders"]
    return md.read_dataset(tables)


def companies_of(world: dict[str, pa.Table]) -> pd.DataFrame:
    """Return the companies' own accounts: account_id, opened (microseconds), first and last illicit transfer."""
    accounts = world["accounts"].filter(pc.field("is_own"))
    held = accounts.select(["account_id", "holder_id"]).to_pandas()
    held["opened"] = accounts["opened_at"].cast(pa.int64()).to_numpy()
    kinds = world["holders"].select(["holder_id", "kind"]).to_pandas()
    held = held.merge(kinds[kinds["kind"] == "company"], on="holder_id")
    truth = world["truth_accounts"]
    moments = truth.select(["account_id"]).to_pandas()
    for name in ("first_illicit", "last_illicit"):
        moments[name] = truth[name].cast(pa.int64()).to_pandas()
    return held.merge(moments, on="account_id", how="left")


def moment_of(day: int) -> str:
    return format_time(START + day * DAY)[:10]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=15_000)
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    print(f"{platform.machine()}, python {platform.python_version()}, pandas {pd.__version__}")
    rows = []
    for seed in range(FIRST_SEED, FIRST_SEED + 2 * args.seeds, 2):
        learnt, ranked = world_of(args.accounts, seed), world_of(args.accounts, seed + 1)
        companies = companies_of(ranked)
        for name, with_holders in (("with the columns", True), ("without", False)):
            model = md.train(bank_of(learnt, with_holders=with_holders), [moment_of(day) for day in TRAINED_AT],
                             model=MuleModel(n_jobs=1, random_state=seed))  # fmt: skip
            bank = bank_of(ranked, with_holders=with_holders)
            for day in RANKED_AT:
                now = START + day * DAY
                scores = md.score(bank, model, moment_of(day), n_explained=0).select(["account_id", "score"])
                there = companies[companies["opened"] < now].merge(scores.to_pandas(), on="account_id")
                in_use = (there["first_illicit"] < now + 7 * DAY) & (there["last_illicit"] >= now - 7 * DAY)
                is_honest = there["first_illicit"].isna()
                is_young = is_honest & (there["opened"] > now - 365 * DAY)
                order = np.argsort(-there["score"].to_numpy(), kind="stable")
                for budget in BUDGETS:
                    top = order[: max(1, round(budget * len(there)))]
                    rows.append({
                        "columns": name, "budget": budget, "companies": len(there), "in use": in_use.sum(),
                        "found": in_use.iloc[top].sum(), "alerts": len(top), "honest": is_honest.iloc[top].sum(),
                        "young": is_young.sum(), "young alerted": is_young.iloc[top].sum(),
                    })  # fmt: skip
    total = pd.DataFrame(rows).groupby(["budget", "columns"], sort=False).sum()
    print(f"\n{'budget':>7} {'':18}{'recall':>8}{'precision':>11}{'honest young alerted':>22}   of")
    for (budget, name), row in total.iterrows():
        young = f"{row['young alerted']:.0f} ({row['young alerted'] / row['young']:.2%})"
        shares = f"{row['found'] / row['in use']:8.1%}{row['found'] / row['alerts']:11.1%}"
        print(
            f"{budget:7.0%} {name:18}{shares}{young:>22}   {row['in use']:.0f} in use, {row['companies']:.0f} companies"
        )


if __name__ == "__main__":
    main()
