"""Sections on whom the model finds and whom it wrongs: typologies, false positives by customer group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from muledetect.reports.model.cells import (
    Column,
    Fact,
    Section,
    Sources,
    as_count,
    as_number,
    budget_note,
    make_column,
    make_table,
    not_measured,
)
from muledetect.reports.model.words import AGES, GROUPS, PARTS, named, say, value_name

_PART: Final[Sequence[Column]] = (
    make_column("By", "แยกตาม", "text", lambda row: named(PARTS, row["part"])),
    make_column("Value", "ค่า", "text", lambda row: value_name(row["value"])),
)
_FEW: Final = make_column("Few accounts", "จำนวนน้อย", "flag", "is_few")


def typologies_section(sources: Sources) -> Section:
    """Recall of each typology, and of typologies that training never saw."""
    title = say("By typology", "แยกตามรูปแบบ")
    table, left = (sources.evaluation.tables.get(name) for name in ("typologies", "left_out"))
    tables = []
    if table is not None:
        tables.append(
            make_table(
                "typologies", say("Recall at the budget", "ความครบถ้วนที่งบประมาณ"),
                [
                    *_PART, make_column("Mules", "บัญชีม้า", "number", "n_positive"),
                    make_column("", "", "bar", "recall"), make_column("Found", "ที่พบ", "interval", "recall"), _FEW,
                ], table[table["n_positive"] > 0], budget_note(sources),
            )
        )  # fmt: skip
    if left is not None:
        tables.append(
            make_table(
                "left-out", say("A shape that training never saw", "รูปแบบที่การฝึกไม่เคยเห็น"),
                [
                    make_column("Shape left out", "รูปแบบที่ตัดออก", "text", lambda row: value_name(row["value"])),
                    make_column("Left out of training", "ตัดออกจากการฝึก", "number", "n_removed"),
                    make_column("In test", "ในชุดทดสอบ", "number", "n_test"),
                    make_column("Found when seen", "ที่พบเมื่อเคยเห็น", "percent", "recall_seen"),
                    make_column("Found when never seen", "ที่พบเมื่อไม่เคยเห็น", "interval", "recall_unseen low high"),
                ], left,
            )
        )  # fmt: skip
    lacking = None
    if not tables:
        lacking = say("Not measured: it needs truth_rings.", "ยังไม่ได้วัด เพราะต้องมี truth_rings")
    elif left is None:
        lacking = say(
            "Shapes that training never saw: not measured, run `evaluate --leave-one-out`.",
            "รูปแบบที่การฝึกไม่เคยเห็น: ยังไม่ได้วัด ให้ใช้ `evaluate --leave-one-out`",
        )
    return Section("typologies", title, tables=tables, lacking=lacking)


def subgroups_section(sources: Sources) -> Section:
    """Wrong alerts by group of customers."""
    title = say("Groups of customers", "กลุ่มลูกค้า")
    table = sources.evaluation.tables.get("subgroups")
    if table is None:
        return Section(
            "subgroups",
            title,
            lacking=say("Not measured: it needs the table accounts.", "ยังไม่ได้วัด เพราะต้องมีตาราง accounts"),
        )
    most = table.loc[~table["is_few"].astype(bool), "false_positive_rate"].max()
    share = table["false_positive_rate"] / most if most > 0 else None
    gap = []
    if {"calibration_gap", "calibration_gap_low", "calibration_gap_high"} <= set(table.columns):
        gap = [make_column("Observed less predicted", "เกิดขึ้นจริงลบคาดการณ์", "interval", "calibration_gap", digits=2)]
    shown = make_table(
        "subgroups", say("Alerted without being a mule, and mules found", "ถูกแจ้งเตือนทั้งที่ไม่ใช่บัญชีม้า และบัญชีม้าที่พบ"),
        [
            *_PART, make_column("Accounts", "บัญชี", "number", "n"),
            make_column("Mules", "บัญชีม้า", "number", "n_positive"), make_column("", "", "bar", "share"),
            make_column("Alerted, not a mule", "ถูกแจ้งเตือนทั้งที่ไม่ใช่บัญชีม้า", "interval", "false_positive_rate"),
            make_column("Mules found", "บัญชีม้าที่พบ", "interval", "recall"), *gap, _FEW,
        ], sorted(table.assign(share=share).to_dict("records"), key=place_of_part), budget_note(sources),
    )  # fmt: skip
    return Section(
        "subgroups", title, tables=[shown],
        sentences=[
            say(
                "A group whose interval lies wholly above the others carries more than its share of wrong alerts; ask "
                "why before the model is used.",
                "กลุ่มที่ช่วงความเชื่อมั่นสูงกว่ากลุ่มอื่นทั้งช่วงรับภาระการแจ้งเตือนผิดมากเกินส่วน ควรหาสาเหตุก่อนใช้แบบจำลอง",
            )
        ],
    )  # fmt: skip


def false_positives_section(sources: Sources) -> Section:
    """False positives by customer group, held against their caps."""
    title = say("False positives by customer group", "การแจ้งเตือนผิดตามกลุ่มลูกค้า")
    table, figures = sources.evaluation.tables.get("false_positives"), sources.evaluation.figures
    if table is None:
        return Section("false_positives", title, lacking=not_measured())
    shown = make_table(
        "false_positives", say("Alerted without being a mule", "ถูกแจ้งเตือนทั้งที่ไม่ใช่บัญชีม้า"),
        [
            make_column("Group", "กลุ่ม", "text", lambda row: named(GROUPS, row["group"])),
            make_column("Accounts", "บัญชี", "number", "n"),
            make_column("Alerted", "ถูกแจ้งเตือน", "interval", "rate low high", digits=2),
            make_column("Cap", "เพดาน", "percent", "cap"),
            make_column("Within its cap", "ไม่เกินเพดาน", "flag", "passes"),
            make_column("Whole interval on that side", "ทั้งช่วงอยู่ฝั่งนั้น", "flag", "is_sure"),
        ], table, budget_note(sources),
    )  # fmt: skip
    facts = []
    if figures.get("victims_n_likely"):
        facts = [
            Fact(
                say("Likely victims of the alerted", "ผู้ที่อาจเสียหายจากบัญชีที่แจ้งเตือน"), "number",
                as_number(figures["victims_n_likely"]),
                say(f"{as_count(figures.get('victims_n_alerted'))} of them alerted themselves",
                    f"ในจำนวนนี้ {as_count(figures.get('victims_n_alerted'))} รายถูกแจ้งเตือนเอง"),
            )
        ]  # fmt: skip
    return Section("false_positives", title, facts=facts, tables=[shown])


def place_of_part(row: Mapping[Any, Any]) -> tuple[str, int, str]:
    """Return the place of a part among others: bands of age by age, everything else by name."""
    value = str(row["value"])
    return str(row["part"]), list(AGES).index(value) if value in AGES else -1, value
