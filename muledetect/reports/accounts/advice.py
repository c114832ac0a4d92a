"""What speaks for an account, possible coercion, and what to do next, the least intrusive first: rules as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Int32Array, Int64Array
from muledetect.clock import DAY
from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.material import Material, frame_of
from muledetect.reports.pages import money_text, time_text, unit_words
from muledetect.reports.words import WORDS, Text

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
    table = material.snapshot.tables.get("sessions")
    if table is None:
        return {}
    code = material.graph.codes(table["account_id"]).astype(np.int64)
    time = table["time"].cast(pa.int64()).to_numpy()
    is_recent, is_listed = time >= material.as_of - RECENT, np.isin(code, codes)
    known = table.select([name for name in _LOGIN if name in table.column_names])
    rows = np.flatnonzero(is_listed)
    every = frame_of(known.take(pa.array(rows))).assign(account=code[rows], time=time[rows], day=time[rows] // DAY)
    every = every.reindex(columns=[*_LOGIN, "account", "time", "day"])
    own = every[is_recent[rows]]
    counts = pd.DataFrame(index=pd.Index(np.unique(own["account"]), name="account"))
    for name in ("remote_access", "emulator", "virtual_camera"):
        counts[name] = own[own[name] == True].groupby("account").size()  # noqa: E712 (null is not true)
    counts["face_fail"] = own[own["event"] == "face_fail"].groupby("account").size()
    counts["new_devices"] = _new_devices(every, material.as_of - RECENT)
    people = material.snapshot.facts.people.of_account[code[is_recent]]
    counts["sharers"], counts["days"] = _sharers(known.filter(pa.array(is_recent)), people, own)
    ids = material.graph.account_ids.take(pa.array(counts.index.to_numpy(np.int64))).to_pylist()
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
        "en": "It serves the public ({kind}): many people pay it for ordinary reasons.",
        "th": "เป็นบัญชีที่ให้บริการประชาชน ({kind}) ซึ่งมีผู้โอนเข้าด้วยเหตุผลปกติจำนวนมาก",
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


def find_exculpatory(material: Material, case: AccountCase, code: int) -> list[dict[str, Any]]:
    """Return what the records say for an account, beside the reasons that lower its score."""
    facts: list[tuple[str, dict[str, str | Text]]] = []
    recent = case.transfers[case.transfers["time"] >= case.as_of - USUAL]
    cleared = _cleared(material).get(case.account_id)
    if cleared is not None:
        facts.append(("NOT_MULE", {"when": (time_text("UTC")(cleared) or "")[:10]}))
    n_losses = int((material.disputes["victim"] == code).sum())
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
    if material.snapshot.serves_public[code]:
        is_public = material.snapshot.accounts.is_public[code]
        facts.append(("SERVES_PUBLIC", {"kind": WORDS[case.account["kind"] if is_public else "hub"]}))
    if "complaints" not in material.missing and case.traces.empty:
        facts.append(("NO_COMPLAINT", {}))
    return [{"code": name, "text": fill(EXCULPATORY[name], **values)} for name, values in facts]


def _cleared(material: Material) -> dict[str, int]:
    """Return when the bank knew of each listed account that it is no mule; its latest label counts."""
    table = material.snapshot.tables.get("labels")
    if table is None or "known_ts" not in table.column_names:
        return {}
    named = pc.is_in(table["account_id"].cast(pa.string()), pa.array(material.account_ids, pa.string()))
    rows = frame_of(table.filter(pc.and_(named, pc.is_valid(table["known_ts"]))))
    latest = rows.sort_values(["known_ts", "label"]).groupby("account_id").last()
    return {str(name): int(row["known_ts"]) for name, row in latest.iterrows() if row["label"] == "not_mule"}


#: What stands for the places of a sentence.
Numbers: TypeAlias = Mapping[str, "str | Text"]


class Action(NamedTuple):
    """A suggested action: when it applies, with the numbers of its sentence (None: not), and the sentence."""

    code: str
    applies: Callable[[AccountCase], Sequence[Numbers]]
    text: Text


def _always(_case: AccountCase) -> list[Numbers]:
    return [{}]


def _below_watch(case: AccountCase) -> list[Numbers]:
    return [{}] if case.score["tier"] == "none" and case.traces.empty else []


def _has_coercion(case: AccountCase) -> list[Numbers]:
    return [{}] if case.coercion else []


def _raised(case: AccountCase) -> list[Numbers]:
    return [{}] if case.score["tier"] != "none" else []


def _went_elsewhere(case: AccountCase) -> list[Numbers]:
    rows = case.transfers
    gone = rows[~rows["is_credit"].astype(bool) & (rows["traced_high"] > 0) & rows["other_bank"].notna()]
    banks = gone[gone["other_bank"] != case.account.get("bank_id")]["other_bank"].nunique()
    return [{"n": f"{banks:,}"}] if banks else []


def _few_holds(case: AccountCase) -> list[Numbers]:
    holds = _holds(case)
    return holds if len(holds) <= _MOST_HOLDS else []


def _many_holds(case: AccountCase) -> list[Numbers]:
    n = len(_holds(case))
    return [{"amount": _amount(case, int(case.traces["hold"].sum())), "n": f"{n:,}"}] if n > _MOST_HOLDS else []


def _amount(case: AccountCase, minor: int) -> Text:
    written = money_text(case.minor_units)(int(minor))
    return {language: f"{written} {unit}" for language, unit in unit_words(case.currency).items()}


def _holds(case: AccountCase) -> list[Numbers]:
    if case.traces.empty:
        return []
    when = time_text("UTC")
    held = case.traces[case.traces["hold"] > 0]
    return [
        {
            "amount": _amount(case, row["hold"]),
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


def fill(text: Text, **values: str | Text) -> dict[str, str]:
    """Put values, or words of both languages, into sentences; what a value holds is never read as another's place."""
    by_language = {
        language: {name: value if isinstance(value, str) else value[language] for name, value in values.items()}
        for language in text
    }
    return {
        language: re.sub(r"\{(\w+)\}", lambda place: by_language[language][place[1]], sentence)  # noqa: B023 (used at once)
        for language, sentence in text.items()
    }
