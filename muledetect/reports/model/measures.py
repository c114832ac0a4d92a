"""Sections on how good the model is, and whom it finds and wrongs: from the tables and figures of an evaluation.

Each function takes the words of its section in `sections.toml`, and returns the parts of it that there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import pandas as pd

from muledetect.evaluation.baselines import MODEL
from muledetect.reports.model.cells import as_count, as_number, make_fact, make_table, spread
from muledetect.reports.model.files import EvaluationFiles
from muledetect.reports.model.words import NAMES, in_words, method_name, named, value_name
from muledetect.reports.words import WORDS, Text, fill, read_words

Said = Mapping[str, Any]
Parts = Mapping[str, Any]

SAID: Final = read_words("model/sections.toml")
_COMMON: Final = SAID["common"]


def ranking(said: Said, found: EvaluationFiles) -> Parts:
    """The ranking beside every baseline, with intervals."""
    table, words = found.tables["baselines"], said["tables"]["baselines"]
    *first, last = words["columns"]
    rates = [
        one | fill(one, budget=_budget_words(budget)) | {"from": f"{one['from']}@{budget}"}
        for budget in _shown_budgets(table, found.figures.get("budget", math.nan))
        for one in words["at_budgets"]
        if f"{one['from']}@{budget}" in table
    ]
    rows = table.assign(method=in_words(table["method"], lambda name: NAMES["methods"].get(name, name)))
    shown = make_table("baselines", words, rows, columns=[*first, *rates, last])
    return {"sentences": _verdict(said, table), "tables": [shown]}


def _verdict(said: Said, table: pd.DataFrame) -> list[Text]:
    """Say whether the model's interval lies above that of the best other method."""
    mine, others = table[table["method"] == MODEL], table[table["method"] != MODEL].dropna(subset="average_precision")
    if mine.empty or others.empty:
        return []
    best, row = others.sort_values("average_precision").iloc[-1], mine.iloc[0]
    leads = "leads" if row["average_precision"] > best["average_precision"] else "behind"
    return [fill(said["above" if row["low"] > best["high"] else leads], next=method_name(best["method"]))]


def _shown_budgets(table: pd.DataFrame, budget: float) -> list[str]:
    """Return the budgets that the table shows: the first, and that of the evaluation or else the last."""
    found = [str(name).removeprefix("recall@") for name in table if str(name).startswith("recall@")]
    found = [name for name in found if not name.endswith(("_low", "_high"))]
    wanted = f"{budget * 100:.4g}%" if budget < 1 else f"{budget:.4g}"
    chosen = [*found[:1], wanted if wanted in found else found[-1]] if found else []
    return list(dict.fromkeys(chosen))


def _budget_words(budget: str) -> Text:
    return fill(_COMMON["share_of_accounts" if budget.endswith("%") else "alerts"], n=budget)


def _budget_note(found: EvaluationFiles) -> Text | None:
    budget = found.figures.get("budget", math.nan)
    shown = _budget_words(f"{budget * 100:.4g}%" if budget < 1 else f"{budget:,.0f}")
    return None if math.isnan(budget) else fill(_COMMON["at_budget"], budget=shown)


def budget(said: Said, found: EvaluationFiles) -> Parts:
    """What the model finds as the budget of alerts grows."""
    curve = found.tables["budget_curve"]
    mine = curve[curve["method"] == MODEL].sort_values("k")
    return {
        "sentences": [] if mine["value_recall"].notna().any() else [said["no_value"]],
        "charts": [(f"budget-{rate}", said["caption"]) for rate in ("recall", "value-recall", "precision")],
        "tables": [make_table("budgets", said["tables"]["budgets"], mine.iloc[spread(len(mine), 10)])],
    }


def reliability(said: Said, found: EvaluationFiles) -> Parts:
    """How far probabilities can be trusted."""
    facts = said["facts"]
    return {
        "sentences": [said["rare"]],
        "facts": [
            make_fact(facts["brier"], found.figures.get("brier")),
            make_fact(facts["calibration_error"], _interval(found, "calibration_error")),
        ],
        "charts": [("reliability", said["caption"])],
        "tables": [make_table("reliability", said["tables"]["reliability"], found.tables["reliability"])],
    }


def _interval(found: EvaluationFiles, name: str) -> list[float | None]:
    return [as_number(found.figures.get(f"{name}{end}")) for end in ("", "_low", "_high")]


def over_time(said: Said, found: EvaluationFiles) -> Parts:
    """How calibration held at the watched moments."""
    table = found.tables["calibration_over_time"]
    name, moments = "calibration-moments", table.sort_values("as_of").iloc[spread(len(table), 12)]
    return {
        "charts": [("calibration-over-time", said["caption"])],
        "tables": [make_table(name, said["tables"][name], moments)],
    }


def detection(said: Said, found: EvaluationFiles) -> Parts:
    """How soon mules are found, in time, in transfers and in money."""
    facts = said["facts"]
    figures = {
        name.removeprefix("detection_"): value for name, value in found.figures.items() if name.startswith("detection_")
    }
    if "n_accounts" not in figures:
        return {"lacking": said["lacking"]}
    shown = [make_fact(facts["n_detected"], figures.get("n_detected"), n=as_count(figures["n_accounts"]))]
    if "n_rings" in figures:
        shown.append(make_fact(facts["n_rings_hit"], figures.get("n_rings_hit"), n=as_count(figures["n_rings"])))
    for quantile in ("q25", "q50", "q75"):
        minutes, transfers = (figures.get(f"{name}_{quantile}", math.nan) for name in ("minutes", "transfers"))
        note = said["not_reached"] if math.isnan(minutes) else fill(said["minutes"], n=f"{minutes:,.0f}")
        if not math.isnan(transfers):
            note = fill(said["transfers"], reached=note, n=f"{transfers:,.0f}")
        shown.append(make_fact(facts[quantile], minutes / 60, note=note))
    shown.append(make_fact(facts["share_gone"], _interval(found, "detection_share_gone")))
    return {"facts": shown, "charts": [("detection", said["caption"])]}


def money(said: Said, found: EvaluationFiles) -> Parts:
    """What of the money could still be saved, and what innocent money holds would touch."""
    facts = [
        make_fact(said["facts"][name], _interval(found, f"detection_{name}"))
        for name in ("preventable", "still_in_bank")
        if f"detection_{name}" in found.figures
    ]
    traces = found.tables.get("traces")
    if traces is None:
        return {"facts": facts, "lacking": None if facts else said["lacking"]}
    rows = traces.assign(method=in_words(traces["method"], lambda name: value_name(name.replace(" ", "_"))))
    return {"facts": facts, "tables": [make_table("traces", said["tables"]["traces"], rows)]}


def rings(said: Said, found: EvaluationFiles) -> Parts:
    """How well found rings fit the true ones, and how right ties are."""
    tables, ties = [], found.tables.get("ties")
    figures = [
        {"label": label, "value": found.figures[f"rings_{name}"]}
        for name, label in NAMES["ring_figures"].items()
        if f"rings_{name}" in found.figures
    ]
    if figures:
        tables.append(make_table("ring-figures", said["tables"]["ring-figures"], figures))
    if ties is not None:
        rows = ties.assign(grade=in_words(ties["grade"], partial(_at_least, said)))
        tables.append(make_table("ties", said["tables"]["ties"], rows))
    return {"tables": tables, "lacking": None if tables else said["lacking"]}


def _at_least(said: Said, grade: str) -> Text | str:
    word = WORDS.get(grade, grade)
    return fill(said["or_stronger"], grade=word) if grade in WORDS and grade != "strong" else word


def typologies(said: Said, found: EvaluationFiles) -> Parts:
    """Recall of each layer and typology, and of typologies that training never saw."""
    layers, table, left = (found.tables.get(name) for name in ("layers", "typologies", "left_out"))
    tables = []
    if layers is not None:
        rows = layers.assign(layer=in_words(layers["layer"], value_name))
        tables.append(make_table("layers", said["tables"]["layers"], rows, note=_budget_note(found)))
    if table is not None:
        rows = _with_names(table[table["n_positive"] > 0])
        tables.append(make_table("typologies", said["tables"]["typologies"], rows, note=_budget_note(found)))
    if left is not None:
        rows = left.assign(value=in_words(left["value"], value_name))
        tables.append(make_table("left-out", said["tables"]["left-out"], rows))
    lacking = said["none_left_out"] if tables else said["lacking"]
    return {"tables": tables, "lacking": lacking if left is None else None}


def _with_names(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of parts with their words in place of their names."""
    return table.assign(
        part=in_words(table["part"], partial(named, NAMES["parts"])), value=in_words(table["value"], value_name)
    )


def subgroups(said: Said, found: EvaluationFiles) -> Parts:
    """Wrong alerts by group of customers; bands of age by age, everything else by name."""
    table = found.tables["subgroups"]
    rate, ages = table["false_positive_rate"], list(NAMES["ages"])
    most = rate[~table["is_few"].astype(bool)].max()
    places = [
        (part, ages.index(value) if value in ages else -1, value)
        for part, value in zip(table["part"], table["value"], strict=True)
    ]
    order = sorted(range(len(places)), key=places.__getitem__)
    rows = _with_names(table.assign(of_most=rate / most if most > 0 else None).iloc[order])
    shown = make_table("subgroups", said["tables"]["subgroups"], rows, note=_budget_note(found))
    return {"sentences": [said["above"]], "tables": [shown]}


def false_positives(said: Said, found: EvaluationFiles) -> Parts:
    """False positives by customer group, held against their caps."""
    table, figures = found.tables["false_positives"], found.figures
    rows = table.assign(group=in_words(table["group"], partial(named, NAMES["groups"])))
    n_alerted, n_likely = as_count(figures.get("victims_n_alerted")), figures.get("victims_n_likely")
    facts = []
    if "within_caps_n_alerts" in figures:
        recall = f"{figures.get('within_caps_recall', 0.0):.0%}"
        facts.append(make_fact(said["facts"]["within_caps"], figures["within_caps_n_alerts"], recall=recall))
    if n_likely:
        facts.append(make_fact(said["facts"]["n_likely"], n_likely, n=n_alerted))
    return {
        "facts": facts,
        "tables": [make_table("false_positives", said["tables"]["false_positives"], rows, note=_budget_note(found))],
    }


_SECTIONS: Final[Mapping[str, Callable[[Said, EvaluationFiles], Parts]]] = {
    "ranking": ranking, "budget": budget, "reliability": reliability, "over-time": over_time, "detection": detection,
    "money": money, "rings": rings, "typologies": typologies, "subgroups": subgroups,
    "false_positives": false_positives,
}  # fmt: skip


def measured_sections(found: EvaluationFiles) -> dict[str, Parts]:
    """Return the parts of each section on what was measured, in order; what a section lacks where its table is not."""
    return {
        name: build(SAID[name], found)
        if "needs" not in SAID[name] or SAID[name]["needs"] in found.tables
        else {"lacking": SAID[name]["lacking"]}
        for name, build in _SECTIONS.items()
    }
