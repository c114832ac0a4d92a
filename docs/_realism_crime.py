"""How crime looks, against the truth tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from _realism_world import NEVER, WorldArrays, moments, texts

from muledetect.arrays import Int64Array
from muledetect.clock import DAY, HOUR, MINUTE

Float64 = npt.NDArray[np.float64]


def holding_times(world: WorldArrays, *, own_only: bool = True) -> tuple[Int64Array, Int64Array]:
    """Return how long each part of victims' money rested in an account, us, and how much it was.

    First in, first out per case and account, from the steps of `truth_money`; money that never left rests for ever
    (the largest int64).
    """
    table = world.dataset.tables["truth_money"]
    held = table.filter(pc.equal(table["place"].cast("string"), "account"))
    code = world.graph.codes(held["account_id"]).astype(np.int64)
    case = pd.factorize(texts(held["case_id"]))[0]
    time, amount = moments(held["time"]), held["amount"].to_numpy()
    order = np.lexsort((time, code, case))
    code, case, time, amount = code[order], case[order], time[order], amount[order]
    if own_only:
        kept = (code >= 0) & world.is_own[code]
        code, case, time, amount = code[kept], case[kept], time[kept], amount[kept]
    is_first = np.ones(len(code), bool)
    is_first[1:] = (np.diff(code) != 0) | (np.diff(case) != 0)
    change = np.where(is_first, amount, np.diff(amount, prepend=0))
    return _first_in_first_out(is_first, time, change)


def _first_in_first_out(is_first: np.ndarray, time: Int64Array, change: Int64Array) -> tuple[Int64Array, Int64Array]:
    rested: list[tuple[int, int]] = []
    waiting: list[list[int]] = []
    forever = np.iinfo(np.int64).max
    for begins, moment, step in zip(is_first.tolist(), time.tolist(), change.tolist(), strict=True):
        if begins:
            rested += [(forever, left) for _, left in waiting]
            waiting = []
        if step > 0:
            waiting.append([moment, step])
        while step < 0:
            arrived, left = waiting[0]
            part = min(left, -step)
            rested.append((moment - arrived, part))
            step += part  # noqa: PLW2901 (what is still to be matched)
            waiting[0][1] -= part
            if not waiting[0][1]:
                waiting.pop(0)
    rested += [(forever, left) for _, left in waiting]
    both = np.array(rested, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def speed(world: WorldArrays) -> dict[str, float]:
    """Return the shares of victims' money that left our mule accounts within some times of its arrival."""
    time, amount = holding_times(world)
    whole = max(amount.sum(), 1)
    return {
        name: float(amount[time <= within].sum() / whole)
        for name, within in (("15min", 15 * MINUTE), ("1h", HOUR), ("24h", DAY), ("7d", 7 * DAY))
    }


def mules(world: WorldArrays) -> dict[str, Any]:
    """Return how many mules we have, for how long they are used, and how they came to be mules."""
    truth = world.dataset.tables["truth_accounts"]
    code = world.graph.codes(truth["account_id"])
    is_ours = world.is_own[code] & world.is_mule[code]
    first, last = (moments(truth[name])[is_ours] for name in ("first_illicit", "last_illicit"))
    life = (last - first) / DAY
    accounts = world.dataset.tables["accounts"]
    account = world.graph.codes(accounts["account_id"])
    opened = np.full(len(world.graph.account_ids), NEVER)
    opened[account] = moments(accounts["opened_at"])
    age = (first - opened[code[is_ours]]) / DAY
    holder = np.full(len(world.graph.account_ids), "", object)
    holder[account] = texts(accounts["holder_id"])
    holders = pd.Series(holder[code[is_ours]])
    per_holder = holders[holders != ""].value_counts()
    recruited = pd.Series(texts(truth["recruited_as"])[is_ours]).value_counts(normalize=True)
    n = int(is_ours.sum())
    return {
        "n": n,
        "prevalence": n / max(int(world.is_own.sum()), 1),
        "within_a_day": float((life <= 1).mean()) if n else float("nan"),
        "within_a_week": float((life <= 7).mean()) if n else float("nan"),
        "median_life_days": float(np.median(life)) if n else float("nan"),
        "younger_than_90d": float((age < 90).mean()) if n else float("nan"),
        "accounts_per_holder": float(per_holder.mean()) if len(per_holder) else float("nan"),
        "most_accounts_of_a_holder": int(per_holder.max()) if len(per_holder) else 0,
        "recruited_as": {name: float(recruited[name]) for name in sorted(recruited.index)},
    }


def knowledge(world: WorldArrays) -> dict[str, float]:
    """Return what of the mules the bank knows at the end, how late, and how often it is wrong."""
    labels = world.dataset.tables["labels"]
    code = world.graph.codes(labels["account_id"])
    is_said = (texts(labels["label"]) == "mule") & (code >= 0)
    is_right = is_said & world.is_mule[code] & world.is_own[code]
    truth = world.dataset.tables["truth_accounts"]
    first = np.full(len(world.graph.account_ids), NEVER)
    first[world.graph.codes(truth["account_id"])] = moments(truth["first_illicit"])
    delay = (moments(labels["known_ts"]) - first[code])[is_right] / DAY
    n_mules = int((world.is_mule & world.is_own).sum())
    return {
        "found": len(np.unique(code[is_right])) / max(n_mules, 1),
        "median_delay_days": float(np.median(delay)) if len(delay) else float("nan"),
        "p90_delay_days": float(np.quantile(delay, 0.9)) if len(delay) else float("nan"),
        "wrong": float((is_said & ~world.is_mule[code]).sum() / max(is_said.sum(), 1)),
    }


def victims(world: WorldArrays) -> dict[str, float]:
    """Return what victims lost, in whole units, and how they complained."""
    cases = world.dataset.tables["truth_cases"]
    lost = cases["amount"].to_numpy() / 100
    complaints = world.dataset.tables["complaints"]
    known, victim = moments(complaints["known_ts"]), world.graph.codes(complaints["victim_account"])
    last = pd.Series(moments(cases["last_payment"]), index=world.graph.codes(cases["victim_account"]))
    last = last[last.index >= 0].groupby(level=0).max()
    about = np.isin(victim, last.index)
    delay = (known[about] - last.reindex(victim[about]).to_numpy()) / HOUR
    delay = delay[delay > 0]
    payments = _payments(world)
    return {
        "cases": float(len(lost)),
        "mean": float(lost.mean()),
        "median": float(np.median(lost)),
        "p90": float(np.quantile(lost, 0.9)),
        "largest": float(lost.max()),
        "payments": float(payments),
        "complained": float(pc.fill_null(cases["complained"], False).to_numpy().mean()),
        "median_delay_hours": float(np.median(delay)) if len(delay) else float("nan"),
        "within_a_day": float((delay <= 24).mean()) if len(delay) else float("nan"),
        "not_a_victim": float((~about).mean()),
    }


def _payments(world: WorldArrays) -> float:
    """Return the mean number of payments of a case that our bank saw."""
    truth = world.dataset.tables["truth_transfers"]
    case = texts(truth["case_id"])[texts(truth["kind"]) == "victim"]
    return float(pd.Series(case).value_counts().mean())


def layers(world: WorldArrays) -> dict[str, Any]:
    """Return the layers of the rings' members, the moves that follow a victim's payment, and where the money went."""
    rings = world.dataset.tables["truth_rings"]
    layer = pd.Series(rings["layer"].to_numpy()).value_counts(normalize=True).sort_index()
    truth = world.dataset.tables["truth_transfers"]
    kind = texts(truth["kind"])
    amount = pc.fill_null(truth["amount"], 0).to_numpy()
    n_victims = int((kind == "victim").sum())
    deepest = pd.Series(rings["layer"].to_numpy()).groupby(texts(rings["ring_id"])).max()
    out = kind == "exit"
    ids = world.dataset.transfers["transfer_id"].cast(pa.string()).combine_chunks()
    row = pc.index_in(truth["transfer_id"].cast(pa.string()), value_set=ids).to_numpy()[out].astype(np.int64)
    exits = pd.Series(amount[out]).groupby(world.channel[row]).sum()
    return {
        "layers": {int(name): float(value) for name, value in layer.items()},
        "layers_of_a_ring": float(deepest.mean()),
        "moves_per_payment": float(np.isin(kind, ("hop", "exit")).sum() / max(n_victims, 1)),
        "exits": {str(name): float(value) for name, value in (exits / max(exits.sum(), 1)).items()},
        "n_rings": len(deepest),
    }
