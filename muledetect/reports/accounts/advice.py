"""What speaks for an account, possible coercion, and what to do next, the least intrusive first: rules as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Int32Array, Int64Array
from muledetect.clock import DAY
from muledetect.facts import Snapshot
from muledetect.frames import frame_of
from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.material import Material
from muledetect.reports.pages import money_text, time_text, unit_words
from muledetect.reports.words import WORDS, Text, fill, read_words

#: Holds of more complaints are one sentence; the table says them one by one.
_MOST_HOLDS: Final = 3
#: How far back logins and payments of daily life are looked at.
RECENT: Final = 30 * DAY
USUAL: Final = 90 * DAY
#: So many other holders on one network are a house full of people or a public place; more is a hub.
_HOUSEFUL: Final = (5, 200)

_LOGIN: Final = ("device_hash", "ip_hash", "wifi_hash", "event", "remote_access", "emulator", "virtual_camera")

_SAID: Final = read_words("accounts/advice.toml")


def find_coercion(snapshot: Snapshot, codes: Int64Array) -> dict[str, list[dict[str, Any]]]:
    """Return possible coercion indicators of accounts (codes) from their logins; accounts without any are absent.

    A network shared with 5 to 200 other holders counts from 3 days on. O(sessions).
    """
    table = snapshot.tables.get("sessions")
    if table is None:
        return {}
    code = snapshot.graph.codes(table["account_id"]).astype(np.int64)
    time = table["time"].cast(pa.int64()).to_numpy()
    is_recent, is_listed = time >= snapshot.as_of - RECENT, np.isin(code, codes)
    known = table.select([name for name in _LOGIN if name in table.column_names])
    rows = np.flatnonzero(is_listed)
    every = frame_of(known.take(pa.array(rows))).assign(account=code[rows], time=time[rows], day=time[rows] // DAY)
    every = every.reindex(columns=[*_LOGIN, "account", "time", "day"])
    own = every[is_recent[rows]]
    counts = pd.DataFrame(index=pd.Index(np.unique(own["account"]), name="account"))
    for name in ("remote_access", "emulator", "virtual_camera"):
        counts[name] = own[own[name] == True].groupby("account").size()  # noqa: E712 (null is not true)
    counts["face_fail"] = own[own["event"] == "face_fail"].groupby("account").size()
    counts["new_devices"] = _new_devices(every, snapshot.as_of - RECENT)
    people = snapshot.facts.people.of_account[code[is_recent]]
    counts["sharers"], counts["days"] = _sharers(known.filter(pa.array(is_recent)), people, own)
    ids = snapshot.graph.account_ids.take(pa.array(counts.index.to_numpy(np.int64))).to_pylist()
    numbers = counts.fillna(0).astype(int).to_dict("records")
    found = ((name, list(_indicators(row))) for name, row in zip(ids, numbers, strict=True))
    return {name: indicators for name, indicators in found if indicators}


def _new_devices(logins: pd.DataFrame, since: int) -> pd.Series[int]:
    """Return of how many devices each account's first use is since then; its very first device is no change."""
    first = logins.dropna(subset=["device_hash"]).groupby(["account", "device_hash"])["time"].min()
    begun = logins.groupby("account")["time"].min().reindex(first.index.get_level_values("account")).to_numpy()
    is_new = (first >= since) & (first > begun)
    return is_new[is_new].groupby("account").size()


def _sharers(recent: pa.Table, people: Int32Array, own: pd.DataFrame) -> tuple[pd.Series[int], pd.Series[int]]:
    """Return the most other holders on one network of each account, and on how many days it was there."""
    parts = [pd.DataFrame({"account": [], "n": [], "days": []})]
    for name in {"wifi_hash", "ip_hash"} & set(recent.column_names):
        mine = own.dropna(subset=[name])
        rows = np.flatnonzero(pc.is_in(recent[name], pa.array(mine[name].unique().tolist(), pa.string())).to_numpy())
        everybody = pd.DataFrame({name: recent[name].take(pa.array(rows)).to_pylist(), "person": people[rows]})
        crowd = everybody.groupby(name)["person"].nunique() - 1
        days = mine.groupby(["account", name])["day"].nunique().rename("days").reset_index()
        parts.append(days.assign(n=days[name].map(crowd))[["account", "n", "days"]])
    networks = pd.concat(parts)
    shared = networks[networks["n"].between(*_HOUSEFUL) & (networks["days"] >= 3)]
    most = shared.sort_values(["n", "days"]).groupby("account").last()
    return most["n"], most["days"]


def _indicators(row: Mapping[Any, int]) -> Iterator[dict[str, Any]]:
    numbers = {
        "REMOTE_ACCESS": (row["remote_access"], 0),
        "LIVENESS": (row["face_fail"], row["virtual_camera"]),
        "EMULATOR": (row["emulator"], 0),
        "SHARED_PLACE": (row["sharers"], row["days"]),
        "NEW_DEVICES": (row["new_devices"], 0),
    }
    least = {"LIVENESS": 2, "NEW_DEVICES": 2}
    for code, (n, m) in numbers.items():
        if n >= least.get(code, 1) or (code == "LIVENESS" and m):
            yield {"code": code, "text": fill(_SAID["coercion"][code], n=f"{n:,}", m=f"{m:,}")}


DAILY: Final = ("bill", "card", "qr_merchant")


def find_exculpatory(material: Material, case: AccountCase, code: int) -> list[dict[str, Any]]:
    """Return what the records say for an account, beside the reasons that lower its score."""
    recent, is_public = (
        case.transfers[case.transfers["time"] >= case.as_of - USUAL],
        material.snapshot.accounts.is_public,
    )
    is_credit, cleared = recent["is_credit"].astype(bool), _cleared(material).get(case.account_id)
    n_salaries = int(((recent["channel"] == "payroll") & is_credit).sum())
    n_daily = int((recent["channel"].isin(DAILY) & ~is_credit).sum())
    n_losses = int((material.disputes["victim"] == code).sum())
    years = (case.as_of - case.account["opened_at"]) // (365 * DAY) if "opened_at" in case.account else 0
    kind = WORDS[case.account["kind"] if is_public[code] else "hub"]
    facts: dict[str, tuple[Any, dict[str, str | Text]]] = {
        "NOT_MULE": (cleared is not None, {"when": (time_text("UTC")(cleared) or "")[:10]}),
        "VICTIM_TOO": (n_losses, {"n": f"{n_losses:,}"}),
        "SALARY": (n_salaries >= 2, {"n": f"{n_salaries:,}"}),
        "DAILY_LIFE": (n_daily >= 5, {"n": f"{n_daily:,}"}),
        "OLD_ACCOUNT": (years >= 2, {"n": f"{years:,}"}),
        "SERVES_PUBLIC": (material.snapshot.serves_public[code], {"kind": kind}),
        "NO_COMPLAINT": ("complaints" not in material.missing and case.traces.empty, {}),
    }
    return [
        {"code": name, "text": fill(_SAID["exculpatory"][name], **values)}
        for name, (is_so, values) in facts.items()
        if is_so
    ]


def _cleared(material: Material) -> dict[str, int]:
    """Return when the bank knew of each listed account that it is no mule; its latest label counts."""
    table = material.snapshot.tables.get("labels")
    if table is None or "known_ts" not in table.column_names:
        return {}
    named = pc.is_in(table["account_id"].cast(pa.string()), pa.array(material.account_ids, pa.string()))
    rows = frame_of(table.filter(pc.and_(named, pc.is_valid(table["known_ts"]))))
    latest = rows.sort_values(["known_ts", "label"]).groupby("account_id").last()
    return {str(name): int(row["known_ts"]) for name, row in latest.iterrows() if row["label"] == "not_mule"}


def suggest_actions(case: AccountCase) -> list[dict[str, Any]]:
    """Return the actions that apply to a case, the least intrusive first. None closes or freezes an account."""
    is_raised, n_banks = case.score["tier"] != "none", _banks_reached(case)
    applies = {
        "READ": True,
        "WAIT": not is_raised and case.traces.empty,
        "WATCH": is_raised,
        "WELFARE": len(case.coercion) > 0,
        "RECALL": n_banks > 0,
    }
    first = [_action(code, n=f"{n_banks:,}") for code, does_apply in applies.items() if does_apply]
    return [*first, *_holds(case), *([_action("STR")] if is_raised else [])]


def _action(code: str, *, said: str = "", **values: str | Text) -> dict[str, Any]:
    return {"code": code, "text": fill(_SAID["actions"][said or code], **values)}


def _banks_reached(case: AccountCase) -> int:
    """Return to how many other banks complaint money went on."""
    rows = case.transfers
    gone = rows[~rows["is_credit"].astype(bool) & (rows["traced_high"] > 0) & rows["other_bank"].notna()]
    return int(gone[gone["other_bank"] != case.account.get("bank_id")]["other_bank"].nunique())


def _holds(case: AccountCase) -> list[dict[str, Any]]:
    """Return the holds of a case one by one; where there are many, as one sentence."""
    held = case.traces[case.traces["hold"] > 0]
    written, when, unit = money_text(case.minor_units), time_text("UTC"), unit_words(case.currency)

    def amount(minor: int) -> dict[str, str]:
        return {language: f"{written(minor)} {unit[language]}" for language in unit}

    if len(held) > _MOST_HOLDS:
        return [_action("HOLD", said="HOLDS", amount=amount(int(held["hold"].sum())), n=f"{len(held):,}")]
    return [
        _action(
            "HOLD", amount=amount(int(row["hold"])), complaint=str(row["complaint_id"]),
            until=f"{when(row['expires_at'])} UTC",
        )
        for row in held.to_dict("records")
    ]  # fmt: skip
