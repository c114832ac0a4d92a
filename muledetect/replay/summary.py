"""The tables and figures of a replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import SECOND
from muledetect.evaluation.survival import QUANTILES, survival_quantiles

_MONEY: Final = ["stolen", "innocent", "saved"]
_STOPS: Final = ("delay", "hold")
_TIME: Final = pa.timestamp("us", tz="UTC")


class Found(NamedTuple):
    """What a replay found: its tables by name, and the figures of `replay.json`."""

    tables: dict[str, pa.Table]
    figures: dict[str, Any]


def without_truth(decisions: pa.Table, figures: dict[str, Any]) -> Found:
    """Return what can be said where nobody knows the truth: what would have been held, and how much."""
    shown = decisions.drop_columns(["layer", *_MONEY])
    return Found({"decisions": shown, "actions": _actions(shown, [])}, figures)


def against_truth(
    decisions: pa.Table, figures: dict[str, Any], stake: Mapping[str, int], saved: Mapping[str, int],
    first: Sequence[tuple[str, int]], layers: Mapping[str, int], flagged: Mapping[str, Sequence[int]], end: int,
) -> Found:  # fmt: skip
    """Return decisions beside the truth: by action, case, account and layer.

    Parameters
    ----------
    decisions : pyarrow.Table
    figures : dict
        Of the replay itself; those of the truth are added.
    stake, saved : mapping of case id to minor units
        What could still be stopped, and what was.
    first : sequence of (account id, microseconds)
        When accounts of the bank first got stolen money.
    layers : mapping of account id to int
        Hops from the victims.
    flagged : mapping of account id to microseconds
        Moments of its decisions, ascending.
    end : int
        End of the replay: an account without a decision is censored there.
    """
    accounts = _accounts(first, layers, flagged, end)
    cases = pa.table({
        "case_id": pa.array(sorted(stake), pa.string()),
        "at_stake": pa.array([stake[case] for case in sorted(stake)], pa.int64()),
        "saved": pa.array([saved.get(case, 0) for case in sorted(stake)], pa.int64()),
    })  # fmt: skip
    stops = decisions.filter(pc.is_in(decisions["action"], pa.array(_STOPS)))
    sums = {name: pc.sum(stops[name]).as_py() or 0 for name in _MONEY}
    total = pc.sum(cases["at_stake"]).as_py() or 0
    figures |= {
        "n_cases": len(cases), "at_stake": total, "saved": sums["saved"], "share_saved": _ratio(sums["saved"], total),
        "innocent_held": sums["innocent"], "saved_per_innocent": _ratio(sums["saved"], sums["innocent"]),
        **_waits(accounts),
    }  # fmt: skip
    tables = {"decisions": decisions, "actions": _actions(decisions, _MONEY), "cases": cases, "accounts": accounts,
              "layers": _layers(accounts, stops)}  # fmt: skip
    return Found(tables, figures)


def _actions(decisions: pa.Table, money: list[str]) -> pa.Table:
    sums = [("amount", "count"), *((name, "sum") for name in ["amount", *money])]
    found = decisions.group_by(["subject", "action", "rule"], use_threads=False).aggregate(sums)
    names = {"amount_count": "n", **{f"{name}_sum": name for name in ["amount", *money]}}
    found = found.rename_columns([names.get(name, name) for name in found.column_names])
    order = ["subject", "action", "rule", "n", "amount", *money]
    return found.select(order).sort_by([(name, "ascending") for name in order[:3]])


def _accounts(
    first: Sequence[tuple[str, int]], layers: Mapping[str, int], flagged: Mapping[str, Sequence[int]], end: int
) -> pa.Table:
    seen = [next((time for time in flagged.get(account, ()) if time >= since), None) for account, since in first]
    waited = [((end if at is None else at) - since) / SECOND for (_, since), at in zip(first, seen, strict=True)]
    return pa.table({
        "account_id": pa.array([account for account, _ in first], pa.string()),
        "layer": pa.array([layers.get(account) for account, _ in first], pa.int64()),
        "first_credit": pa.array([since for _, since in first], pa.int64()).cast(_TIME),
        "seen_at": pa.array(seen, pa.int64()).cast(_TIME),
        "is_detected": pa.array([at is not None for at in seen], pa.bool_()),
        "seconds": pa.array(waited, pa.float64()),
    })  # fmt: skip


def _waits(accounts: pa.Table) -> dict[str, Any]:
    """Return how many accounts were seen, and quantiles of the seconds that took; None where they are not reached."""
    found = accounts["is_detected"].to_numpy()
    times = survival_quantiles(accounts["seconds"].to_numpy(), found)
    waits = {f"seconds_q{int(100 * q)}": None if np.isnan(t) else t for q, t in zip(QUANTILES, times, strict=True)}
    return {"n_accounts": len(accounts), "n_detected": int(found.sum()), **waits}


def _layers(accounts: pa.Table, stops: pa.Table) -> pa.Table:
    """Return time to detect and money by layer of the account that the money is in; null is no known mule."""
    rows, known = [], {layer for table in (accounts, stops) for layer in table["layer"].drop_null().to_pylist()}
    for layer in [*sorted(known), None]:
        here, held = (table.filter(_equals(table["layer"], layer)) for table in (accounts, stops))
        rows.append({"layer": layer, **_waits(here), **{name: pc.sum(held[name]).as_py() or 0 for name in _MONEY}})
    kinds = {name: pa.float64() if name.startswith("seconds") else pa.int64() for name in rows[0]}
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()})


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _equals(values: pa.ChunkedArray, value: int | None) -> pa.ChunkedArray:
    return pc.is_null(values) if value is None else pc.fill_null(pc.equal(values, value), False)
