"""Sections on whom the model finds and whom it wrongs: typologies, groups of customers, innocents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muledetect.reports.model.cells import (
    Fact,
    Section,
    Sources,
    as_count,
    as_flag,
    as_number,
    budget_note,
    ends_of,
    make_column,
    make_table,
    not_measured,
    rate_of,
)
from muledetect.reports.model.words import AGES, GROUPS, PARTS, named, say, value_name


def typologies_section(sources: Sources) -> Section:
    """Recall of each typology, and of typologies that training never saw."""
    title = say("By typology", "แยกตามรูปแบบ")
    table, left = (sources.evaluation.tables.get(name) for name in ("typologies", "left_out"))
    tables = []
    if table is not None:
        known = table[table["n_positive"] > 0]
        lines = [
            [named(PARTS, row["part"]), value_name(row["value"]), as_number(row["n_positive"]), row["recall"],
             rate_of(row, "recall"), as_flag(row["is_few"])]
            for row in known.to_dict("records")
        ]  # fmt: skip
        tables.append(
            make_table(
                "typologies", say("Recall at the budget", "ความครบถ้วนที่งบประมาณ"),
                [
                    *_part_columns(), make_column("Mules", "บัญชีม้า", "number"), make_column("", "", "bar"),
                    make_column("Found", "ที่พบ", "interval"), _few_column(),
                ], lines, budget_note(sources),
            )
        )  # fmt: skip
    if left is not None:
        lines = [
            [value_name(row["value"]), as_number(row["n_removed"]), as_number(row["n_test"]),
             as_number(row["recall_seen"]), ends_of(row, "recall_unseen", "low", "high")]
            for row in left.to_dict("records")
        ]  # fmt: skip
        tables.append(
            make_table(
                "left-out", say("A shape that training never saw", "รูปแบบที่การฝึกไม่เคยเห็น"),
                [
                    make_column("Shape left out", "รูปแบบที่ตัดออก", "text"),
                    make_column("Left out of training", "ตัดออกจากการฝึก", "number"),
                    make_column("In test", "ในชุดทดสอบ", "number"),
                    make_column("Found when seen", "ที่พบเมื่อเคยเห็น", "percent"),
                    make_column("Found when never seen", "ที่พบเมื่อไม่เคยเห็น", "interval"),
                ], lines,
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
    has_gap = {"calibration_gap", "calibration_gap_low", "calibration_gap_high"} <= set(table.columns)
    lines = [
        [
            named(PARTS, row["part"]), value_name(row["value"]), as_number(row["n"]), as_number(row["n_positive"]),
            min(row["false_positive_rate"] / most, 1.0) if most > 0 else None, rate_of(row, "false_positive_rate"),
            rate_of(row, "recall"), *([rate_of(row, "calibration_gap")] if has_gap else []), as_flag(row["is_few"]),
        ]
        for row in sorted(table.to_dict("records"), key=place_of_part)
    ]  # fmt: skip
    gap = [make_column("Observed less promised", "เกิดขึ้นจริงลบคาดการณ์", "interval", digits=2)] if has_gap else []
    shown = make_table(
        "subgroups", say("Alerted without being a mule, and mules found", "ถูกแจ้งเตือนทั้งที่ไม่ใช่บัญชีม้า และบัญชีม้าที่พบ"),
        [
            *_part_columns(), make_column("Accounts", "บัญชี", "number"), make_column("Mules", "บัญชีม้า", "number"),
            make_column("", "", "bar"), make_column("Innocent but alerted", "ผู้บริสุทธิ์ที่ถูกแจ้งเตือน", "interval"),
            make_column("Mules found", "บัญชีม้าที่พบ", "interval"), *gap, _few_column(),
        ], lines, budget_note(sources),
    )  # fmt: skip
    return Section(
        "subgroups", title, tables=[shown],
        said=[
            say(
                "A group whose interval lies wholly above the others carries more than its share of wrong alerts; ask "
                "why before the model is used.",
                "กลุ่มที่ช่วงความเชื่อมั่นสูงกว่ากลุ่มอื่นทั้งช่วงรับภาระการแจ้งเตือนผิดมากเกินส่วน ควรหาสาเหตุก่อนใช้แบบจำลอง",
            )
        ],
    )  # fmt: skip


def innocents_section(sources: Sources) -> Section:
    """Innocent groups held against their caps."""
    title = say("Innocents against their caps", "ผู้บริสุทธิ์เทียบกับเพดาน")
    table, figures = sources.evaluation.tables.get("innocents"), sources.evaluation.figures
    if table is None:
        return Section("innocents", title, lacking=not_measured())
    lines = [
        [
            named(GROUPS, row["group"]), as_number(row["n"]), ends_of(row, "rate", "low", "high"),
            as_number(row["cap"]), as_flag(row["passes"]), as_flag(row["is_sure"]),
        ]
        for row in table.to_dict("records")
    ]  # fmt: skip
    shown = make_table(
        "innocents", say("Alerted without being a mule", "ถูกแจ้งเตือนทั้งที่ไม่ใช่บัญชีม้า"),
        [
            make_column("Group", "กลุ่ม", "text"), make_column("Accounts", "บัญชี", "number"),
            make_column("Alerted", "ถูกแจ้งเตือน", "interval", digits=2), make_column("Cap", "เพดาน", "percent"),
            make_column("Within its cap", "ไม่เกินเพดาน", "flag"),
            make_column("Whole interval on that side", "ทั้งช่วงอยู่ฝั่งนั้น", "flag"),
        ], lines, budget_note(sources),
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
    return Section("innocents", title, facts=facts, tables=[shown])


def place_of_part(row: Mapping[Any, Any]) -> tuple[str, int, str]:
    """Return the place of a part among others: bands of age by age, everything else by name."""
    value = str(row["value"])
    return str(row["part"]), list(AGES).index(value) if value in AGES else -1, value


def _part_columns() -> list[dict[str, Any]]:
    return [make_column("By", "แยกตาม", "text"), make_column("Value", "ค่า", "text")]


def _few_column() -> dict[str, Any]:
    return make_column("Few accounts", "จำนวนน้อย", "flag")
