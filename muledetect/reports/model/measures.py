"""Sections on how good the model is: ranking, budgets, calibration, time to detect, money, rings."""

from __future__ import annotations

import math

import pandas as pd

from muledetect.evaluation.baselines import MODEL
from muledetect.reports.model.cells import (
    Fact,
    Section,
    Sources,
    as_count,
    as_number,
    at_budget,
    charts_of,
    figure_of,
    make_column,
    make_table,
    not_measured,
    not_watched,
    spread,
)
from muledetect.reports.model.words import METHODS, RING_FIGURES, Text, say, value_name
from muledetect.reports.words import WORDS


def ranking_section(sources: Sources) -> Section:
    """The ranking beside every baseline, with intervals."""
    title = say("Ranking beside baselines", "การจัดลำดับเทียบกับวิธีพื้นฐาน")
    table = sources.evaluation.tables.get("baselines")
    if table is None:
        return Section("ranking", title, lacking=not_measured())
    rates = [
        make_column(f"{en} at {at_budget(budget)}", f"{th} ที่ {at_budget(budget, 'th')}", "interval", f"{name}@{budget}")
        for budget in _shown_budgets(table, sources.evaluation.figures.get("budget", math.nan))
        for name, en, th in (
            ("precision", "Precision", "ความแม่นยำ"),
            ("recall", "Recall", "ความครบถ้วน"),
            ("value_recall", "Value recall", "ความครบถ้วนตามมูลค่า"),
        )
        if f"{name}@{budget}" in table
    ]
    shown = make_table(
        "baselines", say("Methods on the same accounts", "ทุกวิธีบนบัญชีชุดเดียวกัน"),
        [
            make_column("Method", "วิธี", "text", lambda row: METHODS.get(row["method"], row["method"])),
            make_column("Average precision", "ความแม่นยำเฉลี่ย", "interval", "average_precision low high", "number", 3),
            *rates, make_column("ROC-AUC", "ROC-AUC", "number", "roc_auc", "fixed", 3),
        ], table,
        say(
            "Value, low and high end of its 95% interval, from samples of whole rings and persons. With few rings the "
            "ends are far apart, and a method may lead by chance.",
            "ค่า และขอบล่างกับขอบบนของช่วง 95% โดยสุ่มทั้งกลุ่มและทั้งบุคคล เมื่อมีกลุ่มน้อย ช่วงจะกว้าง "
            "และวิธีหนึ่งอาจนำเพราะบังเอิญ",
        ),
    )  # fmt: skip
    return Section("ranking", title, sentences=_verdict(table), tables=[shown])


def _verdict(table: pd.DataFrame) -> list[Text]:
    """Say whether the model's interval lies above that of the best other method."""
    mine, others = table[table["method"] == MODEL], table[table["method"] != MODEL].dropna(subset="average_precision")
    if mine.empty or others.empty:
        return []
    best = others.sort_values("average_precision").iloc[-1]
    name = METHODS.get(best["method"], say(best["method"], best["method"]))
    row = mine.iloc[0]
    if row["low"] > best["high"]:
        return [
            say(
                f"Its average precision is above that of every other method, also at the ends of the intervals "
                f"(the next is: {name['en']}).",
                f"ความแม่นยำเฉลี่ยสูงกว่าทุกวิธีอื่น แม้เทียบที่ขอบของช่วงความเชื่อมั่น (วิธีถัดไปคือ {name['th']})",
            )
        ]
    if row["average_precision"] > best["average_precision"]:
        return [
            say(
                f"Its average precision is the highest, but its interval overlaps with that of: {name['en']}. The lead "
                "is not certain.",
                f"ความแม่นยำเฉลี่ยสูงที่สุด แต่ช่วงความเชื่อมั่นทับซ้อนกับวิธี {name['th']} จึงยังไม่แน่ว่านำจริง",
            )
        ]
    return [
        say(
            f"Another method ranks these accounts at least as well: {name['en']}. Where the intervals overlap, that "
            "may be chance.",
            f"มีวิธีอื่นที่จัดลำดับบัญชีชุดนี้ได้ดีเท่ากันหรือดีกว่า: {name['th']} หากช่วงความเชื่อมั่นทับซ้อนกัน อาจเป็นเพราะบังเอิญ",
        )
    ]


def budget_section(sources: Sources) -> Section:
    """What the model finds as the budget of alerts grows."""
    title = say("Budgets of alerts", "งบประมาณการแจ้งเตือน")
    curve = sources.evaluation.tables.get("budget_curve")
    if curve is None:
        return Section("budget", title, lacking=not_measured())
    mine = curve[curve["method"] == MODEL].sort_values("k")
    shown = make_table(
        "budgets", say("This model", "แบบจำลองนี้"),
        [
            make_column("Alerts", "จำนวนแจ้งเตือน", "number", "k"),
            make_column("Of all accounts", "ของบัญชีทั้งหมด", "percent", "share"),
            make_column("Right alerts", "แจ้งเตือนถูกต้อง", "interval", "precision"),
            make_column("Mules found", "บัญชีม้าที่พบ", "interval", "recall"),
            make_column("Illicit money found", "เงินผิดกฎหมายที่พบ", "interval", "value_recall"),
        ], mine.iloc[spread(len(mine), 10)],
    )  # fmt: skip
    caption = say(
        "The band is the 95% interval of this model; other methods are dashed, their intervals stand in the files.",
        "แถบสีคือช่วงความเชื่อมั่น 95% ของแบบจำลองนี้ เส้นประคือวิธีอื่น ซึ่งมีช่วงความเชื่อมั่นอยู่ในไฟล์ผลลัพธ์",
    )
    sentences = [] if mine["value_recall"].notna().any() else [
        say(
            "No value: nothing says how much illicit money an account got.",
            "ไม่มีมูลค่า เพราะไม่มีข้อมูลว่าบัญชีได้รับเงินผิดกฎหมายเท่าใด",
        )
    ]  # fmt: skip
    charts = [(name, caption) for name in sources.chart_ids if name.startswith("budget-")]
    return Section("budget", title, sentences=sentences, charts=charts, tables=[shown])


def reliability_section(sources: Sources) -> Section:
    """How far probabilities can be trusted."""
    title = say("Can probabilities be trusted", "ความน่าจะเป็นเชื่อถือได้เพียงใด")
    figures, bins = sources.evaluation.figures, sources.evaluation.tables.get("reliability")
    if bins is None:
        return Section("reliability", title, lacking=not_measured())
    facts = [
        Fact(
            say("Brier score", "คะแนน Brier"), "number", as_number(figures.get("brier")),
            say("0 is best", "ยิ่งใกล้ 0 ยิ่งดี"),
        ),
        Fact(
            say("Calibration error", "ค่าคลาดเคลื่อนการปรับเทียบ"), "interval", figure_of(figures, "calibration_error"),
            say("mean gap, bins of equal mass", "ช่องว่างเฉลี่ย กลุ่มขนาดเท่ากัน"),
        ),
    ]  # fmt: skip
    shown = make_table(
        "reliability", say("Bins of equal mass", "กลุ่มขนาดเท่ากัน"),
        [
            make_column("Accounts", "บัญชี", "number", "n"), make_column("Mules", "บัญชีม้า", "number", "n_positive"),
            make_column("Predicted", "คาดการณ์", "percent", "probability", digits=3),
            make_column("Observed", "เกิดขึ้นจริง", "interval", "observed", digits=3),
            make_column("Prediction in the interval", "คาดการณ์อยู่ในช่วง", "flag", "is_within"),
        ], bins,
    )  # fmt: skip
    caption = say(
        "Each point is a bin of accounts; the band is the 95% interval of what was observed. Points below the dashed "
        "line: fewer mules than predicted.",
        "แต่ละจุดคือกลุ่มบัญชี แถบสีคือช่วงความเชื่อมั่น 95% ของค่าที่เกิดขึ้นจริง จุดใต้เส้นประคือมีบัญชีม้าน้อยกว่าที่คาดการณ์",
    )
    return Section(
        "reliability", title, facts=facts, charts=charts_of(sources, "reliability", caption), tables=[shown],
        sentences=[
            say(
                "A small calibration error says little where mules are rare: look at the highest bins.",
                "เมื่อบัญชีม้ามีน้อย ค่าคลาดเคลื่อนที่ต่ำบอกอะไรได้ไม่มาก ให้ดูกลุ่มที่มีความน่าจะเป็นสูง",
            )
        ],
    )  # fmt: skip


def over_time_section(sources: Sources) -> Section:
    """How calibration held at the watched moments."""
    title = say("Calibration over time", "การปรับเทียบตามเวลา")
    table = sources.evaluation.tables.get("calibration_over_time")
    if table is None:
        return Section("over-time", title, lacking=not_watched())
    shown = make_table(
        "calibration-moments", say("Moments", "เวลา"),
        [
            make_column("Moment", "เวลา", "time", "as_of"), make_column("Accounts", "บัญชี", "number", "n"),
            make_column("Mules", "บัญชีม้า", "number", "n_positive"),
            make_column("Predicted", "คาดการณ์", "percent", "probability", digits=3),
            make_column("Observed", "เกิดขึ้นจริง", "percent", "observed", digits=3),
            make_column("Observed / predicted", "เกิดขึ้นจริง / คาดการณ์", "interval", "ratio", "number", 2),
        ], table.sort_values("as_of").iloc[spread(len(table), 12)],
    )  # fmt: skip
    caption = say(
        "1: as many mules as predicted. Below 1: probabilities are too high.",
        "1 หมายถึงมีบัญชีม้าเท่าที่คาดการณ์ ต่ำกว่า 1 หมายถึงความน่าจะเป็นสูงเกินจริง",
    )
    return Section("over-time", title, charts=charts_of(sources, "calibration-over-time", caption), tables=[shown])


def detection_section(sources: Sources) -> Section:
    """How soon mules are found, in time, in transfers and in money."""
    title = say("Time to detect", "เวลาจนกว่าจะตรวจพบ")
    figures = sources.evaluation.figures
    if "detection_n_accounts" not in figures:
        return Section("detection", title, lacking=not_watched())
    facts = [
        Fact(
            say("Accounts found", "บัญชีที่พบ"), "number", as_number(figures.get("detection_n_detected")),
            say(
                f"of {as_count(figures['detection_n_accounts'])} that got illicit money",
                f"จาก {as_count(figures['detection_n_accounts'])} บัญชีที่ได้รับเงินผิดกฎหมาย",
            ),
        )
    ]  # fmt: skip
    if "detection_n_rings" in figures:
        facts.append(
            Fact(
                say("Rings with an alert", "กลุ่มที่มีการแจ้งเตือน"), "number",
                as_number(figures.get("detection_n_rings_hit")),
                say(
                    f"of {as_count(figures['detection_n_rings'])}",
                    f"จาก {as_count(figures['detection_n_rings'])} กลุ่ม",
                ),
            )
        )  # fmt: skip
    for quantile, en, th in (
        ("q25", "A quarter", "หนึ่งในสี่"),
        ("q50", "Half", "ครึ่งหนึ่ง"),
        ("q75", "Three quarters", "สามในสี่"),
    ):
        minutes, transfers = (
            figures.get(f"detection_{name}_{quantile}", math.nan) for name in ("minutes", "transfers")
        )
        hours = None if math.isnan(minutes) else minutes / 60
        note = say("not reached", "ยังไม่ถึง") if hours is None else say(f"{minutes:,.0f} minutes", f"{minutes:,.0f} นาที")
        if not math.isnan(transfers):
            note = say(f"{note['en']}, {transfers:,.0f} transfers", f"{note['th']} {transfers:,.0f} รายการโอน")
        facts.append(Fact(say(f"{en} found within, hours", f"พบ{th}ภายใน (ชั่วโมง)"), "number", hours, note))
    facts.append(
        Fact(
            say("Money gone by then", "เงินที่ออกไปแล้วในเวลานั้น"), "interval", figure_of(figures, "detection_share_gone"),
            say("of what found accounts had received", "ของเงินที่บัญชีที่พบเคยได้รับ"),
        )
    )  # fmt: skip
    caption = say(
        "Share found by each hour after the first illicit credit (Kaplan-Meier), with 95% bands from samples of whole "
        "rings. Nobody can be found between two watched moments.",
        "สัดส่วนที่พบภายในแต่ละชั่วโมงหลังเงินผิดกฎหมายเข้าครั้งแรก (Kaplan-Meier) พร้อมช่วงความเชื่อมั่น 95% "
        "จากการสุ่มทั้งกลุ่ม ระหว่างเวลาที่เฝ้าดูสองครั้งไม่มีใครถูกพบได้",
    )
    return Section("detection", title, facts=facts, charts=charts_of(sources, "detection", caption))


def money_section(sources: Sources) -> Section:
    """What of the money could still be saved, and what innocent money holds would touch."""
    title = say("Money that can still be saved", "เงินที่ยังป้องกันได้")
    figures, traces = sources.evaluation.figures, sources.evaluation.tables.get("traces")
    facts = [
        Fact(label, "interval", figure_of(figures, f"detection_{name}"), note)
        for name, label, note in (
            (
                "preventable", say("Preventable value", "มูลค่าที่ป้องกันได้"),
                say("of all that victims paid: still in the bank at the alert, or paid later",
                    "ของเงินทั้งหมดที่ผู้เสียหายจ่าย: ยังอยู่ในธนาคารเมื่อแจ้งเตือน หรือจ่ายหลังจากนั้น"),
            ),
            (
                "still_in_bank", say("Still in the bank", "ยังอยู่ในธนาคาร"),
                say("of all that victims paid, at the first alert", "ของเงินทั้งหมดที่ผู้เสียหายจ่าย เมื่อแจ้งเตือนครั้งแรก"),
            ),
        )
        if f"detection_{name}" in figures
    ]  # fmt: skip
    tables = []
    if traces is not None:
        tables = [
            make_table(
                "traces", say("Tracing of complaints", "การติดตามเงินของผู้ร้องเรียน"),
                [
                    make_column("Method", "วิธี", "text", lambda row: value_name(row["method"].replace(" ", "_"))),
                    make_column("Of the money truly there, found", "พบจากเงินที่ยังอยู่จริง", "percent", "found_share"),
                    make_column("Innocent money held per million saved", "เงินผู้บริสุทธิ์ที่ถูกระงับต่อหนึ่งล้านที่กันไว้ได้", "number",
                                "innocent_per_million"),
                ], traces,
                say("No score plays a part in tracing.", "การติดตามเงินไม่ใช้คะแนน"),
            )
        ]  # fmt: skip
    lacking = None if facts or tables else not_watched()
    return Section("money", title, facts=facts, tables=tables, lacking=lacking)


def rings_section(sources: Sources) -> Section:
    """How well found rings fit the true ones, and how right ties are."""
    title = say("Rings and ties", "กลุ่มและความเชื่อมโยง")
    figures, ties = sources.evaluation.figures, sources.evaluation.tables.get("ties")
    found = [
        {"label": label, "value": figures[f"rings_{name}"]}
        for name, label in RING_FIGURES.items()
        if f"rings_{name}" in figures
    ]
    tables = []
    if found:
        columns = [make_column("Figure", "ตัวชี้วัด", "text", "label"), make_column("Value", "ค่า", "number", "value")]
        tables.append(make_table("ring-figures", say("Found rings", "กลุ่มที่พบ"), columns, found))
    if ties is not None:
        tables.append(
            make_table(
                "ties", say("Ties to call centres", "ความเชื่อมโยงกับศูนย์คอลเซ็นเตอร์"),
                [
                    make_column("Grade", "ระดับ", "text", lambda row: _at_least(row["grade"])),
                    make_column("Ties", "จำนวน", "number", "n"), make_column("Right", "ถูกต้อง", "number", "n_right"),
                    make_column("Precision", "ความแม่นยำ", "percent", "precision"),
                    make_column("Rings tied to a true centre", "กลุ่มที่โยงกับศูนย์จริงได้", "percent", "recall"),
                ], ties,
            )
        )  # fmt: skip
    lacking = None if tables else say(
        "Not measured: give the folder of found rings (`evaluate --rings`) and a data set with truth_rings.",
        "ยังไม่ได้วัด ให้ระบุโฟลเดอร์ของกลุ่มที่พบ (`evaluate --rings`) และชุดข้อมูลที่มี truth_rings",
    )  # fmt: skip
    return Section("rings", title, tables=tables, lacking=lacking)


def _shown_budgets(table: pd.DataFrame, budget: float) -> list[str]:
    """Return the budgets that the table shows: the first, and that of the evaluation or else the last."""
    found = [str(name).removeprefix("recall@") for name in table if str(name).startswith("recall@")]
    found = [name for name in found if not name.endswith(("_low", "_high"))]
    wanted = f"{budget * 100:.4g}%" if budget < 1 else f"{budget:.4g}"
    chosen = [*found[:1], wanted if wanted in found else found[-1]] if found else []
    return list(dict.fromkeys(chosen))


def _at_least(grade: str) -> Text | str:
    word = WORDS.get(grade)
    if word is None or grade == "strong":
        return word or grade
    return say(f"{word['en']} or stronger", f"{word['th']}ขึ้นไป")
