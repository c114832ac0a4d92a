"""The model card: what a model was trained on, for what, how it did, and where it must not be used.

`card.json` for programs and `card.md` for people say the same; both are written beside the model and never read to
score. Nothing in them names an account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from muledetect.clock import format_duration, format_time
from muledetect.errors import FeatureError
from muledetect.features import registry
from muledetect.model.fitted import FittedModel, names_of
from muledetect.model.options import kept_parameters
from muledetect.visible import make_visible

USE: Final = (
    "Rank accounts of a bank by how much their activity is consistent with that of money-mule accounts, for review by "
    "trained people. A score is a suspicion, never a finding."
)
NOT_FOR: Final = (
    "Closing or freezing accounts without review by a person; hold the amount, not the account.",
    "Decisions on credit, prices or employment.",
    "Telling a customer, or anybody outside the bank, that an account is suspected.",
    "Banks, countries or periods unlike those of the training without measuring there first (`muledetect evaluate`, "
    "`muledetect monitor`).",
)


def build_card(model: FittedModel, versions: Mapping[str, str], config_hash: str) -> dict[str, Any]:
    """Return the card of a fitted model as JSON values.

    Metrics are those of `held_out_`: training rows scored by trees that had not seen them, later ones where there were
    any. There are none for a model that could not keep any rows apart.
    """
    origin = model.trained_on_
    return {
        "use": USE,
        "not_for": list(NOT_FOR),
        "trained_on": {
            "fingerprint": origin.fingerprint,
            "target": origin.target,
            "country_pack": origin.pack,
            "currency": origin.currency,
            "prevalence": origin.prevalence,
            "is_prevalence_known": origin.is_prevalence_known,
            "clock_tick_us": origin.tick,
            "look_back": format_duration(origin.lookback) if origin.lookback else "the whole past",
            "moments": [format_time(moment) for moment in model.training_as_of_],
            "held_out_moments": [format_time(moment) for moment in model.calibration_as_of_],
            "n_rows": model.n_rows_,
            "n_positives": model.n_positives_,
        },
        "features": _families(names_of(model)),
        "parameters": kept_parameters(model.get_params()),
        "trees": int(model.n_trees_),
        "held_out": dict(model.held_out_metrics_),
        "clear_thresholds": list(model.clear_thresholds_),
        "class_prior": model.class_prior_,
        "fairness": list(model.fairness_),
        "leakage": model.leakage_,
        "notes": list(model.notes_),
        "limits": _limits(model),
        "versions": dict(versions),
        "config_hash": config_hash,
    }


def write_card(card: Mapping[str, Any]) -> str:
    """Return the card as Markdown; text from outside cannot add a heading, a link or HTML."""
    trained = card["trained_on"]
    lines = ["# Model card", "", _plain(card["use"]), "", "Not for:", "", *_list(card["not_for"]), ""]
    lines += ["## Trained on", "", *_list(f"{name}: {_value(value)}" for name, value in trained.items()), ""]
    lines += ["## How it did on rows that its trees had not seen", ""]
    held = card["held_out"]
    lines += (
        _list(f"{name}: {_value(value)}" for name, value in sorted(held.items())) if held else ["Nothing was held out."]
    )
    if card["class_prior"] is not None:
        lines += ["", "## Mules that are not labelled", "", *_list([card["class_prior"]["text"]])]
    lines += ["", "## Thresholds for clearing unseen", "", *_list(t["text"] for t in card["clear_thresholds"]), ""]
    lines += ["## Groups of accounts", "", *_table(card["fairness"]), ""]
    lines += ["## Leakage audit", "", *_audit(card["leakage"]), ""]
    lines += ["## Limits", "", *_list(card["limits"]), ""]
    lines += ["## Notes of the training", "", *_list(card["notes"]), ""]
    lines += ["## Columns by family", "", *_list(f"{name}: {n}" for name, n in card["features"].items()), ""]
    lines += ["## Parameters and versions", ""]
    lines += _list(f"{name}: {_value(v)}" for name, v in [*card["parameters"].items(), *card["versions"].items()])
    lines += _list([f"trees of each booster: {card['trees']}", f"config hash: {card['config_hash']}"])
    return "\n".join(lines) + "\n"


def _audit(found: list[str] | None) -> list[str]:
    return ["Not run."] if found is None else _list(found) or ["Nothing suspicious."]


def _families(names: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        try:
            family = registry().features[registry().parse(name).feature].family
        except FeatureError:
            family = "of the caller"
        found[family] = found.get(family, 0) + 1
    return dict(sorted(found.items()))


def _limits(model: FittedModel) -> list[str]:
    limits = ["Labels come from what investigations found; mules of a kind that was never found are not learnt."]
    if model.n_positives_ < 100:
        limits.append(f"Only {model.n_positives_:,} positive rows: read probabilities and metrics with great caution.")
    if len(model.training_as_of_) < 2:
        limits.append("Trained at one moment: nothing is known of how scores hold over time.")
    if not model.trained_on_.currency:
        limits.append("Columns of amounts are in the units of the training data.")
    return limits


def _list(items: Any) -> list[str]:
    return [f"- {_plain(item)}" for item in items]


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return ["Not measured."]
    names = list(rows[0])
    shown = [[_plain(_value(row[name])).replace("|", "/") for name in names] for row in rows]
    return [_row(names), _row(["---"] * len(names)), *map(_row, shown)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None or value == "" else str(value)


def _plain(text: Any) -> str:
    """Return text on one line that Markdown shows as it is."""
    line = make_visible(" ".join(str(text).split()))
    return "".join(f"&#{ord(sign)};" if sign in "<>&[]`*#!\\" else sign for sign in line)
