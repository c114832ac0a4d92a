"""The sections of the model report in their order, and those on the model itself: its card, drift, what made it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from muledetect.reports.model.cells import Cell, Section, as_text, make_fact, make_table
from muledetect.reports.model.files import DriftFiles, EvaluationFiles
from muledetect.reports.model.measures import SAID, Parts, Said, measured_sections
from muledetect.reports.model.words import NAMES, card_text, in_words, named, value_name
from muledetect.reports.words import fill, say

Card = Mapping[str, Any]

#: Rows of the drift table; the worst come first.
MOST_CHECKS: Final = 25


def write_sections(found: EvaluationFiles, drift: DriftFiles | None, card: Card | None) -> list[Section]:
    """Return what a model report says, in order."""
    parts = {
        "about": about(SAID["about"], card),
        **measured_sections(found),
        "drift": changes(SAID["drift"], drift),
        "leakage": leakage(SAID["leakage"], card),
        "made": made(SAID["made"], found, card),
        "notes": notes(SAID["notes"], found, card),
    }
    return [Section(name, SAID[name]["title"], **given) for name, given in parts.items()]


def about(said: Said, card: Card | None) -> Parts:
    """What the model is for, on what it was trained, and where it must not be used."""
    if card is None:
        return {"lacking": said["lacking"]}
    facts, use = said["facts"], card_text(str(card.get("use", "")))
    trained, held = (card.get(name) or {} for name in ("trained_on", "held_out"))
    moments = trained.get("moments") or []
    span = say(" \N{EN DASH} ".join(dict.fromkeys([*moments[:1], *moments[-1:]])))
    target = trained.get("target")
    shown = [
        make_fact(facts["n_rows"], trained.get("n_rows")),
        make_fact(facts["n_positives"], trained.get("n_positives")),
        make_fact(facts["target"], value_name(str(target)) if target else None),
        make_fact(facts["moments"], len(moments), note=span if moments else None),
        make_fact(facts["country_pack"], as_text(trained.get("country_pack"))),
    ]
    if held.get("average_precision") is not None:
        shown.append(make_fact(facts["average_precision"], held["average_precision"]))
    return {
        "sentences": [use] if use["en"] else [],
        "facts": shown,
        "tables": list(_clearing(said, card)),
        "lists": [(said[name], [card_text(text) for text in card.get(name) or []]) for name in ("not_for", "limits")],
    }


def _clearing(said: Said, card: Card) -> Iterator[Mapping[str, Any]]:
    """Yield below which score accounts may be cleared unseen, as a table."""
    rows = [
        row
        | {
            "blocks": value_name(str(row.get("blocks", ""))),
            "score": said["nobody"] if row.get("score") is None else as_text(row["score"]),
        }
        for row in card.get("clear_thresholds") or []
    ]
    if rows:
        yield make_table("clearing", said["tables"]["clearing"], rows)


def changes(said: Said, drift: DriftFiles | None) -> Parts:
    """What changed since the moment of acceptance."""
    if drift is None:
        return {"lacking": said["lacking"]}
    checks, delays = (drift.tables.get(name) for name in ("drift", "label_delays"))
    grades, tables = NAMES["grades"], []
    counted = {name: 0 if checks is None else list(checks["grade"]).count(name) for name in ("alarm", "watch", "ok")}
    figures = {"worst": named(grades, drift.worst), **counted, "n_a": drift.n_a, "n_b": drift.n_b}
    if checks is not None:
        worst = checks.head(MOST_CHECKS)
        rows = worst.assign(
            measure=in_words(worst["measure"], partial(named, NAMES["measures"])),
            grade=in_words(worst["grade"], partial(named, grades)),
        )
        words = said["tables"]["drift"]
        note = fill(words["note"], shown=f"{len(worst):,}", n=f"{len(checks):,}")
        tables.append(make_table("drift", words, rows, note=note))
    if delays is not None and delays[["a", "b"]].notna().any(axis=None):
        tables.append(make_table("label-delays", said["tables"]["label-delays"], delays))
    return {"facts": [make_fact(said["facts"][name], value) for name, value in figures.items()], "tables": tables}


def leakage(said: Said, card: Card | None) -> Parts:
    """What the audit for leakage found before training."""
    if card is None or card.get("leakage") is None:
        return {"lacking": said["lacking"]}
    if card["leakage"]:
        return {"lists": [(said["found"], [say(text) for text in card["leakage"]])]}
    return {"sentences": [said["nothing"]]}


def made(said: Said, found: EvaluationFiles, card: Card | None) -> Parts:
    """Parameters, versions, config hash, and what was evaluated."""
    known, names = card or {}, said["names"]
    evaluated: list[tuple[Cell, Cell]] = [(named(names, name), value) for name, value in found.about.items()]
    fingerprint = (known.get("trained_on") or {}).get("fingerprint")
    of_card = (("card_hash", known.get("config_hash")), ("trained_on", fingerprint))
    evaluated += [(names[name], as_text(value)) for name, value in of_card if value]
    tables = {"evaluated": evaluated}
    for name in ("parameters", "versions", "features"):
        tables[name] = [(key, as_text(value)) for key, value in (known.get(name) or {}).items()]
    shown = [
        make_table(
            name, said["tables"][name], [{"what": what, "value": value} for what, value in pairs],
            columns=said["columns"],
        )
        for name, pairs in tables.items()
        if pairs
    ]  # fmt: skip
    return {"tables": shown, "lacking": None if known else said["lacking"]}


def notes(said: Said, found: EvaluationFiles, card: Card | None) -> Parts:
    """Notes of the evaluation and of the training, as they were written."""
    lists = {"evaluation": found.notes, "training": (card or {}).get("notes") or []}
    return {"lists": [(said[name], [say(text) for text in texts]) for name, texts in lists.items() if texts]}
