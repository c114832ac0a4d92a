"""What speaks for an account, possible coercion, and what to do next, the least intrusive first: rules as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Int64Array
from muledetect.clock import DAY
from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.material import Material
from muledetect.reports.pages import money_text, time_text

Text = Mapping[str, str]

#: Holds of more complaints are one sentence; the table says them one by one.
_MOST_HOLDS: Final = 3
#: How far back logins and payments of daily life are looked at.
RECENT: Final = 30 * DAY
USUAL: Final = 90 * DAY
#: So many other holders on one network are a house full of people or a public place; more is a hub.
_HOUSEFUL: Final = (5, 200)

_LOGIN: Final = ("device_hash", "ip_hash", "wifi_hash", "event", "remote_access", "emulator", "virtual_camera")

#: Indicators of possible coercion: code, sentence in each language; {n} and {m} are numbers.
COERCION: Final[Mapping[str, Text]] = {
    "REMOTE_ACCESS": {
        "en": "Remote-access software ran in {n} logins of the last 30 days: somebody else may have been in control.",
        "th": "มีโปรแกรมควบคุมระยะไกลทำงานอยู่ใน {n} ครั้งของการเข้าสู่ระบบใน 30 วันล่าสุด อาจมีผู้อื่นควบคุมเครื่อง",
    },
    "LIVENESS": {
        "en": "{n} failed face scans and {m} logins with a virtual camera in the last 30 days.",
        "th": "สแกนใบหน้าไม่ผ่าน {n} ครั้ง และใช้กล้องเสมือน {m} ครั้งใน 30 วันล่าสุด",
    },
    "EMULATOR": {
        "en": "{n} logins of the last 30 days came from an emulated device.",
        "th": "เข้าสู่ระบบจากอุปกรณ์จำลอง {n} ครั้งใน 30 วันล่าสุด",
    },
    "SHARED_PLACE": {
        "en": "On {m} of the last 30 days it used a network of {n} other holders: people may be housed together.",
        "th": "ใน {m} วันจาก 30 วันล่าสุด เข้าสู่ระบบจากเครือข่ายที่ผู้ถือบัญชีอื่นอีก {n} รายใช้ร่วมกัน อาจมีการกักให้อยู่รวมกัน",
    },
    "NEW_DEVICES": {
        "en": "{n} devices were used for the first time in the last 30 days: the account may have been handed on.",
        "th": "มีอุปกรณ์ที่ใช้ครั้งแรก {n} เครื่องใน 30 วันล่าสุด บัญชีอาจถูกส่งต่อให้ผู้อื่นใช้",
    },
}


def find_coercion(material: Material, codes: Int64Array) -> dict[str, list[dict[str, Any]]]:
    """Return possible coercion indicators of the listed accounts from their logins; accounts without any are absent.

    A network shared with 5 to 200 other holders counts from 3 days on. O(sessions).
    """
    table = material.dataset.tables.get("sessions")
    if table is None:
        return {}
    moment = pa.scalar(material.as_of, pa.timestamp("us", tz="UTC"))
    seen = table.select([name for name in ("account_id", "time", *_LOGIN) if name in table.column_names]).filter(
        pc.less(table["time"], moment)
    )
    code = material.graph.codes(seen["account_id"])
    time = seen["time"].cast(pa.int64()).to_numpy()
    is_listed = np.isin(code, codes)
    is_recent = time >= material.as_of - RECENT
    own = _sessions(seen, np.flatnonzero(is_listed & is_recent), code, time)
    counts = pd.DataFrame(index=pd.Index(np.unique(own["account"]), name="account"))
    for name in ("remote_access", "emulator", "virtual_camera"):
        counts[name] = own[own[name] == True].groupby("account").size()  # noqa: E712 (null is not true)
    counts["face_fail"] = own[own["event"] == "face_fail"].groupby("account").size()
    counts["new_devices"] = _new_devices(seen, code, time, is_listed, material.as_of - RECENT)
    counts["sharers"], counts["days"] = _sharers(material, seen, code, is_recent, own)
    ids = material.graph.account_ids.take(pa.array(counts.index.to_numpy(np.int64))).to_pylist()
    rows = counts.fillna(0).astype(int)
    numbers = [dict(zip(rows.columns, map(int, row), strict=True)) for row in rows.to_numpy()]
    found = ((name, list(_indicators(row))) for name, row in zip(ids, numbers, strict=True))
    return {name: indicators for name, indicators in found if indicators}


def _sessions(seen: pa.Table, rows: Int64Array, code: Any, time: Any) -> pd.DataFrame:
    taken = seen.take(pa.array(rows))
    frame = pd.DataFrame({"account": code[rows].astype(np.int64), "day": time[rows] // DAY})
    for name in _LOGIN:
        values = taken[name].to_pylist() if name in taken.column_names else [None] * len(frame)
        frame[name] = pd.Series(values, dtype=object)
    return frame


def _new_devices(seen: pa.Table, code: Any, time: Any, is_listed: Any, since: int) -> pd.Series[int]:
    rows = np.flatnonzero(is_listed)
    if "device_hash" not in seen.column_names:
        return pd.Series(dtype=int)
    frame = pd.DataFrame(
        {
            "account": code[rows].astype(np.int64),
            "time": time[rows],
            "device": seen["device_hash"].take(pa.array(rows)).to_pylist(),
        }
    )
    first = frame.dropna(subset=["device"]).groupby(["account", "device"])["time"].min()
    begun = frame.groupby("account")["time"].min()
    # the first device of all is how an account begins, not a change
    is_new = (first >= since) & (first > begun.reindex(first.index.get_level_values("account")).to_numpy())
    return is_new[is_new].groupby("account").size()


def _sharers(
    material: Material, seen: pa.Table, code: Any, is_recent: Any, own: pd.DataFrame
) -> tuple[pd.Series[int], pd.Series[int]]:
    """Return the most other holders on one network of each account, and on how many days it was there."""
    holder, parts = _holders(material), []
    for name in ("wifi_hash", "ip_hash"):
        if name not in seen.column_names:
            continue
        mine = own.dropna(subset=[name])
        used = pa.array(mine[name].unique().tolist(), pa.string())
        rows = np.flatnonzero(is_recent & pc.is_in(seen[name], used).to_numpy())
        everybody = pd.DataFrame({name: seen[name].take(pa.array(rows)).to_pylist(), "holder": holder[code[rows]]})
        crowd = everybody.groupby(name)["holder"].nunique() - 1
        days = mine.groupby(["account", name])["day"].nunique().rename("days").reset_index()
        parts.append(days.assign(n=days[name].map(crowd))[["account", "n", "days"]])
    networks = pd.concat([pd.DataFrame({"account": [], "n": [], "days": []}), *parts])
    shared = networks[networks["n"].between(*_HOUSEFUL) & (networks["days"] >= 3)]
    most = shared.sort_values(["n", "days"]).groupby("account").last()
    return most["n"], most["days"]


def _holders(material: Material) -> Int64Array:
    """Return a number for the holder of each account; an account without one counts as its own."""
    number = np.arange(material.graph.n_accounts + 1, dtype=np.int64)
    table = material.dataset.tables.get("accounts")
    if table is not None and "holder_id" in table.column_names:
        known = table.filter(pc.is_valid(table["holder_id"]))
        holder = known["holder_id"].cast(pa.string()).combine_chunks().dictionary_encode().indices.to_numpy()
        number[material.graph.codes(known["account_id"])] = len(number) + holder
    return number


def _indicators(row: Mapping[str, int]) -> Iterator[dict[str, Any]]:
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
            yield {"code": code, "text": fill(COERCION[code], n=f"{n:,}", m=f"{m:,}")}


#: What speaks for an account: sentence in each language.
EXCULPATORY: Final[Mapping[str, Text]] = {
    "NOT_MULE": {
        "en": "An investigation found it to be no mule, known since {when}.",
        "th": "เคยมีการตรวจสอบแล้วว่าไม่ใช่บัญชีม้า ทราบตั้งแต่ {when}",
    },
    "SALARY": {
        "en": "Payroll credits arrived {n} times in the last 90 days.",
        "th": "มีเงินเดือนเข้า {n} ครั้งใน 90 วันล่าสุด",
    },
    "DAILY_LIFE": {
        "en": "It paid bills, cards and shops {n} times in the last 90 days.",
        "th": "จ่ายบิล บัตร และร้านค้า {n} ครั้งใน 90 วันล่าสุด",
    },
    "OLD_ACCOUNT": {"en": "It was opened {n} years ago.", "th": "เปิดบัญชีมาแล้ว {n} ปี"},
    "SERVES_PUBLIC": {
        "en": "It is a {kind} account: many people pay it for ordinary reasons.",
        "th": "เป็นบัญชีประเภท {kind} ซึ่งมีผู้โอนเข้าด้วยเหตุผลปกติจำนวนมาก",
    },
    "VICTIM_TOO": {
        "en": "Its holder complained of a loss ({n}): the account may belong to a victim.",
        "th": "ผู้ถือบัญชีเคยแจ้งว่าสูญเงิน ({n} ครั้ง) อาจเป็นบัญชีของผู้เสียหาย",
    },
    "NO_COMPLAINT": {
        "en": "No complaint that the bank knew by this moment leads to it.",
        "th": "ไม่มีคำร้องเรียนที่ธนาคารทราบ ณ เวลานี้ที่เชื่อมโยงมาถึงบัญชีนี้",
    },
}
_DAILY: Final = ("bill", "card", "qr_merchant")
_PUBLIC: Final = ("company", "merchant", "biller", "wallet", "vasp", "government", "internal")


def find_exculpatory(material: Material, case: AccountCase) -> list[dict[str, Any]]:
    """Return what the records say for an account, beside the reasons that lower its score."""
    rows, facts = case.transfers, []
    recent = rows[rows["time"] >= case.as_of - USUAL]
    cleared = _cleared(material).get(case.account_id)
    if cleared is not None:
        facts.append(("NOT_MULE", {"when": (time_text("UTC")(cleared) or "")[:10]}))
    n_losses = int((material.disputes["victim"] == int(material.graph.codes([case.account_id])[0])).sum())
    if n_losses:
        facts.append(("VICTIM_TOO", {"n": f"{n_losses:,}"}))
    n_salaries = int(((recent["channel"] == "payroll") & recent["is_credit"]).sum())
    if n_salaries >= 2:
        facts.append(("SALARY", {"n": f"{n_salaries:,}"}))
    n_daily = int((recent["channel"].isin(_DAILY) & ~recent["is_credit"].astype(bool)).sum())
    if n_daily >= 5:
        facts.append(("DAILY_LIFE", {"n": f"{n_daily:,}"}))
    years = (case.as_of - case.account["opened_at"]) // (365 * DAY) if "opened_at" in case.account else 0
    if years >= 2:
        facts.append(("OLD_ACCOUNT", {"n": f"{years:,}"}))
    if case.account.get("kind") in _PUBLIC:
        facts.append(("SERVES_PUBLIC", {"kind": case.account["kind"]}))
    if "complaints" not in material.missing and case.traces.empty:
        facts.append(("NO_COMPLAINT", {}))
    return [{"code": code, "text": fill(EXCULPATORY[code], **numbers)} for code, numbers in facts]


def _cleared(material: Material) -> dict[str, int]:
    """Return when the bank knew of each account that it is no mule, as far as known before the moment."""
    table = material.dataset.tables.get("labels")
    if table is None or "known_ts" not in table.column_names:
        return {}
    rows = table.filter(pc.is_in(table["account_id"].cast(pa.string()), pa.array(material.account_ids, pa.string())))
    known = zip(
        rows["account_id"].to_pylist(),
        rows["label"].to_pylist(),
        rows["known_ts"].cast(pa.int64()).to_pylist(),
        strict=True,
    )
    latest: dict[str, tuple[int, str]] = {}
    for name, label, moment in known:
        if moment is not None and moment < material.as_of:
            latest[name] = max(latest.get(name, (moment, label)), (moment, label))
    return {name: moment for name, (moment, label) in latest.items() if label == "not_mule"}


class Action(NamedTuple):
    """A suggested action: when it applies, with the numbers of its sentence (None: not), and the sentence."""

    code: str
    applies: Callable[[AccountCase], Sequence[Mapping[str, str]]]
    text: Text


def _always(_case: AccountCase) -> list[dict[str, str]]:
    return [{}]


def _below_watch(case: AccountCase) -> list[dict[str, str]]:
    return [{}] if case.score["tier"] == "none" and case.traces.empty else []


def _has_coercion(case: AccountCase) -> list[dict[str, str]]:
    return [{}] if case.coercion else []


def _raised(case: AccountCase) -> list[dict[str, str]]:
    return [{}] if case.score["tier"] != "none" else []


def _went_elsewhere(case: AccountCase) -> list[dict[str, str]]:
    rows = case.transfers
    gone = rows[~rows["is_credit"].astype(bool) & (rows["traced_high"] > 0) & rows["other_bank"].notna()]
    banks = gone[gone["other_bank"] != case.account.get("bank_id")]["other_bank"].nunique()
    return [{"n": f"{banks:,}"}] if banks else []


def _few_holds(case: AccountCase) -> list[dict[str, str]]:
    holds = _holds(case)
    return holds if len(holds) <= _MOST_HOLDS else []


def _many_holds(case: AccountCase) -> list[dict[str, str]]:
    n = len(_holds(case))
    total = f"{money_text(case.minor_units)(int(case.traces['hold'].sum()))} {case.currency}" if n else ""
    return [{"amount": total, "n": f"{n:,}"}] if n > _MOST_HOLDS else []


def _holds(case: AccountCase) -> list[dict[str, str]]:
    if case.traces.empty:
        return []
    written, when = money_text(case.minor_units), time_text("UTC")
    held = case.traces[case.traces["hold"] > 0]
    return [
        {
            "amount": f"{written(row['hold'])} {case.currency}",
            "complaint": str(row["complaint_id"]),
            "until": f"{when(row['expires_at'])} UTC",
        }
        for row in held.to_dict("records")
    ]


#: Suggested actions, the least intrusive first. None of them closes or freezes an account.
ACTIONS: Final[tuple[Action, ...]] = (
    Action("READ", _always, {
        "en": "Read the timeline beside the reasons: does it fit what is known of the holder's life?",
        "th": "อ่านลำดับเวลาควบคู่กับเหตุผล สอดคล้องกับชีวิตปกติของผู้ถือบัญชีหรือไม่",
    }),
    Action("WAIT", _below_watch, {
        "en": "No measure now; look again at the next scoring.",
        "th": "ยังไม่ต้องดำเนินการ ตรวจดูอีกครั้งในรอบการให้คะแนนถัดไป",
    }),
    Action("WATCH", _raised, {
        "en": "Watch new credits for some days, and look at those that leave within the hour.",
        "th": "เฝ้าดูเงินเข้าใหม่สักระยะ โดยเฉพาะรายการที่ออกภายในหนึ่งชั่วโมง",
    }),
    Action("WELFARE", _has_coercion, {
        "en": "Possible coercion: if anybody speaks with the holder, let it be in person, alone and in a safe place.",
        "th": "อาจถูกบังคับ หากต้องพูดคุยกับผู้ถือบัญชี ควรพบตัวต่อตัว ตามลำพัง และในที่ปลอดภัย",
    }),
    Action("RECALL", _went_elsewhere, {
        "en": "Send recall messages to {n} other bank(s) that complaint money went on to.",
        "th": "ส่งข้อความขอเรียกคืนเงินไปยังธนาคารอื่น {n} แห่งที่เงินของผู้ร้องเรียนถูกโอนต่อไป",
    }),
    Action("HOLD", _few_holds, {
        "en": "Hold {amount} for complaint {complaint} until {until}: the amount, not the account.",
        "th": "ระงับเงิน {amount} สำหรับคำร้องเรียน {complaint} จนถึง {until}: ระงับเฉพาะจำนวนเงิน ไม่ใช่ทั้งบัญชี",
    }),
    Action("HOLD", _many_holds, {
        "en": "Hold {amount} for {n} complaints, as the table of complaint money says: the amount, not the account.",
        "th": "ระงับเงิน {amount} สำหรับคำร้องเรียน {n} เรื่องตามตารางเงินของผู้ร้องเรียน: ระงับเฉพาะจำนวนเงิน ไม่ใช่ทั้งบัญชี",
    }),
    Action("STR", _raised, {
        "en": "If a person's review confirms the suspicion, complete the draft report below.",
        "th": "หากเจ้าหน้าที่ตรวจสอบแล้วยืนยันข้อสงสัย ให้กรอกร่างรายงานธุรกรรมอันควรสงสัยด้านล่างให้ครบ",
    }),
)  # fmt: skip


def suggest_actions(case: AccountCase) -> list[dict[str, Any]]:
    """Return the actions that apply to a case, the least intrusive first."""
    return [
        {"code": action.code, "text": fill(action.text, **numbers)}
        for action in ACTIONS
        for numbers in action.applies(case)
    ]


def fill(text: Text, **numbers: str) -> dict[str, str]:
    """Put values into sentences; what a value holds is never read as a place for another."""
    return {
        language: re.sub(r"\{(\w+)\}", lambda place: numbers[place[1]], sentence) for language, sentence in text.items()
    }
