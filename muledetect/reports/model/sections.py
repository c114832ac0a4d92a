"""The sections of the model report in their order, and those on the model itself: its card, drift, what made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from muledetect.reports.model.cells import (
    CARD,
    Cell,
    Fact,
    Section,
    Sources,
    as_number,
    as_text,
    make_column,
    make_table,
)
from muledetect.reports.model.files import mapping, rows, texts
from muledetect.reports.model.groups import false_positives_section, subgroups_section, typologies_section
from muledetect.reports.model.measures import (
    budget_section,
    detection_section,
    money_section,
    over_time_section,
    ranking_section,
    reliability_section,
    rings_section,
)
from muledetect.reports.model.words import GRADES, MEASURES, Text, card_text, named, say, value_name

#: Rows of the drift table; the worst come first.
MOST_CHECKS: Final = 25

_ABOUT: Final[Mapping[str, Text]] = {
    "as_of": say("as of (exclusive)", "ณ เวลา (ไม่รวม)"),
    "data_set": say("data set", "ชุดข้อมูล"),
    "model": say("config hash of the model", "แฮชการตั้งค่าของแบบจำลอง"),
    "target": say("target", "เป้าหมาย"),
}


def about_section(sources: Sources) -> Section:
    """What the model is for, on what it was trained, and where it must not be used."""
    title = say("What it is, and its limits", "แบบจำลองนี้คืออะไร และมีข้อจำกัดใด")
    card = sources.card
    if card is None:
        return Section(
            "about", title, lacking=say(
                "The model was not given, or its folder has no card; give --model with the folder that `train` wrote.",
                "ไม่ได้ระบุแบบจำลอง หรือโฟลเดอร์ไม่มีบัตรแบบจำลอง ให้ระบุ --model เป็นโฟลเดอร์ที่ `train` เขียน",
            ),
        )  # fmt: skip
    trained = mapping(card, "trained_on", CARD, "train")
    moments = texts(trained, "moments", CARD, "train")
    facts = [
        Fact(say("Training rows", "แถวที่ใช้ฝึก"), "number", as_number(trained.get("n_rows"))),
        Fact(say("Of them positive", "ในจำนวนนี้เป็นบัญชีม้า"), "number", as_number(trained.get("n_positives"))),
        Fact(say("Target", "เป้าหมาย"), "text", value_name(str(trained["target"])) if trained.get("target") else None),
        Fact(say("Moments of training", "เวลาที่ใช้ฝึก"), "number", len(moments), _span(moments)),
        Fact(say("Country pack", "ชุดค่าประเทศ"), "text", as_text(trained.get("country_pack"))),
    ]
    held = mapping(card, "held_out", CARD, "train")
    if held.get("average_precision") is not None:
        note = say("on rows its trees had not seen", "บนแถวที่ต้นไม้ไม่เคยเห็น")
        facts.append(
            Fact(say("Average precision", "ความแม่นยำเฉลี่ย"), "number", as_number(held["average_precision"]), note)
        )
    lists = [
        (say("Not for", "ห้ามใช้เพื่อ"), [card_text(text) for text in texts(card, "not_for", CARD, "train")]),
        (say("Limits", "ข้อจำกัด"), [card_text(text) for text in texts(card, "limits", CARD, "train")]),
    ]
    use = card_text(str(card.get("use", "")))
    sentences = [use] if use["en"] else []
    return Section("about", title, sentences=sentences, facts=facts, tables=_clearing(card), lists=lists)


def _clearing(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return below which score accounts may be cleared unseen, as a table."""
    thresholds = rows(card, "clear_thresholds", CARD, "train")
    if not thresholds:
        return []
    return [
        make_table(
            "clearing", say("Clearing accounts without review", "การปล่อยบัญชีโดยไม่ตรวจ"),
            [
                make_column("Mules missed, at most", "บัญชีม้าที่หลุด ไม่เกิน", "percent", "share"),
                make_column("Confidence", "ความเชื่อมั่น", "percent", "confidence"),
                make_column("Independent units", "ถือว่าเป็นอิสระต่อกัน", "text",
                            lambda row: value_name(str(row.get("blocks", "")))),
                make_column("Clear below the score", "ปล่อยเมื่อคะแนนต่ำกว่า", "text", _clear_below),
                make_column("Of all accounts", "ของบัญชีทั้งหมด", "percent", "cleared_share"),
            ], thresholds,
        )
    ]  # fmt: skip


def _clear_below(row: Mapping[Any, Any]) -> Text | str | None:
    return say("nobody", "ไม่มีบัญชีใด") if row.get("score") is None else as_text(row["score"])


def drift_section(sources: Sources) -> Section:
    """What changed since the moment of acceptance."""
    title = say("Drift", "การเปลี่ยนแปลงของข้อมูล")
    drift = sources.drift
    if drift is None:
        return Section(
            "drift", title, lacking=say(
                "Not given: compare two moments with `monitor` and give its folder as --drift.",
                "ไม่ได้ระบุ ให้เทียบสองช่วงเวลาด้วย `monitor` แล้วระบุโฟลเดอร์เป็น --drift",
            ),
        )  # fmt: skip
    checks = drift.tables.get("drift")
    counts = {} if checks is None else checks["grade"].value_counts().to_dict()
    facts = [
        Fact(say("Worst grade", "ระดับแย่ที่สุด"), "text", named(GRADES, drift.worst)),
        *(Fact(GRADES[name], "number", int(counts.get(name, 0))) for name in ("alarm", "watch", "ok")),
        Fact(say("Accounts before", "บัญชีก่อน"), "number", drift.n_a),
        Fact(say("Accounts after", "บัญชีหลัง"), "number", drift.n_b),
    ]
    tables = []
    if checks is not None:
        worst = checks.head(MOST_CHECKS)
        tables.append(
            make_table(
                "drift", say("The largest changes", "การเปลี่ยนแปลงที่มากที่สุด"),
                [
                    make_column("Column", "คอลัมน์", "text", "subject"),
                    make_column("Measure", "ตัววัด", "text", lambda row: named(MEASURES, row["measure"])),
                    make_column("Value", "ค่า", "number", "value"),
                    make_column("By chance up to", "จากความบังเอิญไม่เกิน", "number", "chance"),
                    make_column("Watch from", "เฝ้าดูตั้งแต่", "number", "watch"),
                    make_column("Alarm from", "เตือนภัยตั้งแต่", "number", "alarm"),
                    make_column("Grade", "ระดับ", "text", lambda row: named(GRADES, row["grade"])),
                ], worst,
                say(
                    f"{len(worst):,} of {len(checks):,} checks, the worst first.",
                    f"{len(worst):,} จาก {len(checks):,} รายการ แย่ที่สุดก่อน",
                ),
            )
        )  # fmt: skip
    delays = drift.tables.get("label_delays")
    if delays is not None and delays[["a", "b"]].notna().any(axis=None):
        tables.append(
            make_table(
                "label-delays", say("Days from activity to label", "จำนวนวันจากการกระทำถึงป้ายกำกับ"),
                [
                    make_column("Share of labels", "สัดส่วนป้ายกำกับ", "percent", "share"),
                    make_column("Before", "ก่อน", "number", "a"), make_column("After", "หลัง", "number", "b"),
                ], delays,
            )
        )  # fmt: skip
    return Section("drift", title, facts=facts, tables=tables)


def leakage_section(sources: Sources) -> Section:
    """What the audit for leakage found before training."""
    title = say("Leakage audit", "การตรวจสอบข้อมูลรั่ว")
    card = sources.card
    if card is None or card.get("leakage") is None:
        return Section("leakage", title, lacking=say("Not run, or no card.", "ไม่ได้ตรวจ หรือไม่มีบัตรแบบจำลอง"))
    found = texts(card, "leakage", CARD, "train")
    if found:
        heading = say("Found before training", "สิ่งที่พบก่อนการฝึก")
        return Section("leakage", title, lists=[(heading, [say(text, text) for text in found])])
    return Section("leakage", title, sentences=[say("Nothing suspicious was found.", "ไม่พบสิ่งผิดปกติ")])


def made_section(sources: Sources) -> Section:
    """Parameters, versions, config hash, and what was evaluated."""
    card = sources.card or {}
    found: list[tuple[Cell, Cell]] = [(named(_ABOUT, name), value) for name, value in sources.evaluation.about.items()]
    if card.get("config_hash"):
        found.append((say("config hash of the card", "แฮชการตั้งค่าในบัตร"), as_text(card["config_hash"])))
    trained = mapping(card, "trained_on", CARD, "train")
    if trained.get("fingerprint"):
        found.append((say("data set of training", "ชุดข้อมูลที่ใช้ฝึก"), as_text(trained["fingerprint"])))
    parts = [("evaluated", say("Evaluated", "สิ่งที่ประเมิน"), found)]
    for name, title in (
        ("parameters", say("Parameters", "พารามิเตอร์")),
        ("versions", say("Versions", "รุ่นซอฟต์แวร์")),
        ("features", say("Columns by family", "จำนวนคอลัมน์ตามหมวด")),
    ):
        content = mapping(card, name, CARD, "train")
        parts.append((name, title, [(key, as_text(value)) for key, value in content.items()]))
    columns = [
        make_column("What", "รายการ", "text", lambda pair: pair[0]),
        make_column("Value", "ค่า", "text", lambda pair: pair[1]),
    ]
    tables = [make_table(name, title, columns, pairs) for name, title, pairs in parts if pairs]
    lacking = None if card else say("The card is not there.", "ไม่มีบัตรแบบจำลอง")
    title = say("Parameters, versions and hashes", "พารามิเตอร์ รุ่น และแฮช")
    return Section("made", title, tables=tables, lacking=lacking)


def notes_section(sources: Sources) -> Section:
    """Notes of the evaluation and of the training, as they were written."""
    lists = []
    for heading, found in (
        (say("Of the evaluation", "ของการประเมิน"), list(sources.evaluation.notes)),
        (say("Of the training", "ของการฝึก"), texts(sources.card or {}, "notes", CARD, "train")),
    ):
        if found:
            lists.append((heading, [say(text, text) for text in found]))
    return Section("notes", say("Notes", "หมายเหตุ"), lists=lists)


def _span(moments: Sequence[str]) -> Text | None:
    if not moments:
        return None
    shown = moments[0] if len(moments) == 1 else f"{moments[0]} \N{EN DASH} {moments[-1]}"
    return say(shown, shown)


_Build = Callable[[Sources], Section]
#: What a model report says, in this order.
SECTIONS: Final[tuple[_Build, ...]] = (
    about_section, ranking_section, budget_section, reliability_section, over_time_section, detection_section,
    money_section, rings_section, typologies_section, subgroups_section, false_positives_section, drift_section,
    leakage_section, made_section, notes_section,
)  # fmt: skip
