"""Write a report: an index, a case file an alert, a ring file a ring, the model report; all or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from markupsafe import Markup

from muledetect.clock import format_time
from muledetect.facts.accounts import PUBLIC_KINDS
from muledetect.outputs import new_folder
from muledetect.outputs.kinds import REPORT
from muledetect.progress import Progress, silent
from muledetect.records.write import put_text
from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.accounts.facts import TRANSFERS, account_cases
from muledetect.reports.drafts.goaml import to_goaml
from muledetect.reports.drafts.str_draft import draft_str
from muledetect.reports.drafts.words import ACCOUNT_FACTS, HOLDER_FACTS
from muledetect.reports.exports import put_csv
from muledetect.reports.material import Material
from muledetect.reports.model.report import ModelReport
from muledetect.reports.pages import Language, money_text, render, show_unit, time_text, two, unit_words
from muledetect.reports.rings.case import RingCase, ring_cases
from muledetect.reports.rings.drawing import chart_held, draw_flow, draw_network, waterfall
from muledetect.reports.words import NOT_MEMBERS, REASONS, WORDS, Text

#: A ring file lists so many members and so many accounts around.
MOST_MEMBERS: Final = 500
MOST_OTHERS: Final = 200
_MOST_SHARED: Final = 60
_ABOUT: Final = "report.json"
_ALERTS: Final = ("rank", "account_id", "probability", "tier", "codes", "ring_id", "role", "hold", "n_victims", "file")
_TIES: Final = ("complaint", "call", "network", "place", "cash_out", "script", "lists", "person")


def write_report(
    material: Material,
    output: str | Path,
    *,
    model_report: ModelReport | None = None,
    language: Language = "en",
    zone: str = "UTC",
    goaml: bool = False,
    progress: Progress = silent,
    overwrite: bool = False,
) -> dict[str, int]:
    """Write the pages of a report to the folder `output`; return the number of pages by kind.

    Parameters
    ----------
    material : Material
        From `gather_material`.
    output : path
        Becomes a folder of `index.html`, `accounts/`, `rings/`, CSV files of what they list, and `model.html` if a
        model report is given. An earlier report there is replaced, and notes that somebody put into it stay.
        Any other folder that is not empty is refused.
    model_report : ModelReport, optional
    language : "en" or "th"
        In which the pages open; each holds both.
    zone : str
        IANA time zone of the times shown.
    goaml : bool
        Also write a goAML-shaped draft of each case to `goaml/`.
    progress : callable
        Called with the stage in words and the fraction done.
    overwrite : bool
        Replace files of a report also if they are not ours, or were changed.

    Raises
    ------
    OptionError
        If language or zone are unknown; as OutputError if the folder holds what may not be replaced, see
        `muledetect.outputs`.

    Notes
    -----
    Pages appear together when all are written; an interrupted run leaves the old ones. File names are numbers by rank,
    so no account id stands in a path. O(transfers listed); one page is in memory at a time.
    """
    account_files = {name: f"accounts/{at:05d}.html" for at, name in enumerate(material.account_ids, 1)}
    ring_ids = material.rings.rings["ring_id"].to_pylist()
    ring_files = {name: f"rings/{at:04d}.html" for at, name in enumerate(ring_ids, 1)}
    shared = {
        "language": language,
        "zone": zone,
        "minor_units": material.minor_units,
        "version": version("muledetect"),
        "words": WORDS,
        "not_members": NOT_MEMBERS,
        "reasons": REASONS,
    }
    with new_folder(output, REPORT, overwrite=overwrite) as folder:
        rows = []
        for at, case in enumerate(account_cases(material, ring_files)):
            file = account_files[case.account_id]
            _put(folder / file, _account_page(material, case, account_files, file if goaml else None, shared))
            if goaml:
                _put(folder / _goaml_file(file), to_goaml(draft_str(case)))
            rows.append(_alert_row(case, file))
            progress("case files", (at + 1) / max(len(account_files), 1))
        for at, ring in enumerate(ring_cases(material, account_files)):
            _put(folder / ring_files[ring.ring.ring_id], _ring_page(material, ring, shared))
            progress("ring files", (at + 1) / max(len(ring_ids), 1))
        if model_report is not None:
            _put(folder / "model.html", _model_page(model_report, shared))
        _put(folder / "index.html", _index_page(material, rows, ring_files, model_report is not None, shared))
        _write_tables(material, rows, folder)
        counts = {"alerts": len(rows), "rings": len(ring_ids), "model": int(model_report is not None)}
        _put(folder / _ABOUT, json.dumps(_about(material, counts), indent=2) + "\n")
        progress("report", 1.0)
    return counts


def _write_tables(material: Material, alerts: list[dict[str, Any]], folder: Path) -> None:
    """Write what the index lists as CSV for spreadsheets, and the holds of all accounts."""
    currency = material.snapshot.currency or None
    listed = [{**row, "codes": " ".join(row["codes"])} for row in alerts]
    columns = {name: [row[name] for row in listed] for name in _ALERTS}
    columns["hold"] = pa.array(columns["hold"], pa.int64())
    put_csv(pa.table(columns), folder / "alerts.csv", currency=currency)
    put_csv(material.rings.rings, folder / "rings.csv", currency=currency)
    put_csv(material.rings.ring_members, folder / "ring_members.csv", currency=currency)
    put_csv(material.traces.holds, folder / "holds.csv", currency=currency)


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    put_text(text, path)


def _about(material: Material, counts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "made_by": f"muledetect {version('muledetect')}",
        "as_of": format_time(material.as_of),
        "data_set": material.snapshot.fingerprint,
        "model": material.model.get("config_hash"),
        "pages": dict(counts),
    }


def _goaml_file(file: str) -> str:
    return file.replace("accounts/", "goaml/").replace(".html", ".xml")


def _alert_row(case: AccountCase, file: str) -> dict[str, Any]:
    raising = [reason["code"] for reason in case.reasons if reason["contribution"] > 0]
    return {
        "account_id": case.account_id,
        "file": file,
        "rank": int(case.score["rank"]),
        "probability": case.score["probability"],
        "tier": case.score["tier"],
        "codes": raising[:3],
        "ring_id": case.ring.get("ring_id"),
        "ring_file": case.ring.get("file"),
        "role": case.ring.get("role"),
        "hold": case.hold,
        "n_victims": case.n_victims,
    }


def _account_page(
    material: Material, case: AccountCase, files: Mapping[str, str], goaml: str | None, shared: Mapping[str, Any]
) -> str:
    rows = case.transfers.to_dict("records")
    raising = [reason for reason in case.reasons if reason["contribution"] > 0]
    return render(
        "account",
        case=case,
        rows=rows,
        extra=[name for name in case.transfers.columns if name not in TRANSFERS],
        anchors={row["transfer_id"]: at for at, row in enumerate(rows)},
        raising=raising,
        lowering=[reason for reason in case.reasons if reason["contribution"] < 0],
        heaviest=max((reason["contribution"] for reason in raising), default=1.0),
        holds_total=case.hold,
        account=_facts(case.account, ACCOUNT_FACTS, case, shared["zone"]),
        holder=_facts(case.holder, HOLDER_FACTS, case, shared["zone"]),
        files={name: f"../{file}" for name, file in files.items() if name != case.account_id},
        fingerprint=material.snapshot.fingerprint,
        draft=draft_str(case, language=shared["language"], zone=shared["zone"]).rows(),
        goaml_file=None if goaml is None else _goaml_file(goaml),
        data={"zone": shared["zone"], "timeline": _timeline(case)},
        **shared,
    )


def _facts(record: Mapping[str, Any], named: Mapping[str, Text], case: AccountCase, zone: str) -> list[tuple[Any, Any]]:
    """Return the label and the value of what is on record; columns of the bank's own are called as they are."""
    written, unit = money_text(case.minor_units), show_unit(case.currency)
    shown: dict[str, Callable[[Any], Any]] = {
        "money": lambda value: Markup("{} {}").format(written(value), unit),
        "time": time_text(zone),
        "flag": lambda value: two(WORDS["yes" if value else "no"]),
    }
    return [
        (two(named[name]), shown.get(named[name]["kind"], str)(value))
        if name in named
        else (name.replace("_", " "), value)
        for name, value in record.items()
    ]


def _timeline(case: AccountCase) -> dict[str, Any]:
    rows = case.transfers
    money = rows["amount"].to_numpy(np.float64) / case.minor_units
    groups = {"victim": "victim", "inferred_victim": "victim", "member": "member"} | dict.fromkeys(PUBLIC_KINDS, "exit")
    return {
        "times": (rows["time"] / 1_000_000).tolist(),
        "amounts": [str(amount) for amount in rows["amount"]],
        "credit": rows["is_credit"].astype(bool).tolist(),
        "kind": [groups.get(relation, "other") for relation in rows["relation"]],
        "key": [bool(codes) or high > 0 for codes, high in zip(rows["codes"], rows["traced_high"], strict=True)],
        "other": rows["other"].tolist(),
        "relation": [_word(relation) for relation in rows["relation"]],
        "channel": [_word(channel) for channel in rows["channel"]],
        "codes": [[dict(REASONS[code]) if code in REASONS else code for code in codes] for codes in rows["codes"]],
        "id": rows["transfer_id"].tolist(),
        "period": None if case.period is None else [moment / 1_000_000 for moment in case.period],
        "now": case.as_of / 1_000_000,
        "unit": case.minor_units,
        "currency": dict(unit_words(case.currency)),
        # amounts below this are drawn on a straight scale, those above on a logarithmic one
        "linear": float(np.median(money)) / 10 if len(money) else 1.0,
    }


def _word(name: str | None) -> Any:
    return dict(WORDS[name]) if name and name in WORDS else (name or "")


def _ring_page(material: Material, case: RingCase, shared: Mapping[str, Any]) -> str:
    flow, not_drawn = draw_flow(case)
    summary, left_out = case.ring.summary, money_text(material.minor_units)(not_drawn)
    ties = [
        {
            **tie,
            "waterfall": waterfall(tie),
            "unknown": [name for name in _TIES if tie[name] is None],
            "families": _families(tie),
        }
        for tie in case.ties
    ]
    return render(
        "ring",
        case=case,
        as_of=material.as_of,
        currency=material.currency,
        n_seeds=int(case.members["is_seed"].sum()),
        holding=[_duration(case.holding[name]) for name in ("median_s", "p90_s")],
        first=_microseconds(summary["first_time"]),
        last=_microseconds(summary["last_time"]),
        flow=flow,
        not_drawn={language: f"{left_out} {unit}" for language, unit in unit_words(material.currency).items()},
        members=case.members.nlargest(MOST_MEMBERS, "membership").sort_index().to_dict("records"),
        members_shown=f"{min(MOST_MEMBERS, len(case.members)):,}",
        shared=case.shared.head(_MOST_SHARED).to_dict("records"),
        ties=ties,
        victims=case.victims.head(MOST_OTHERS).to_dict("records"),
        others=case.others.head(MOST_OTHERS).to_dict("records"),
        data={
            "zone": shared["zone"],
            "network": draw_network(case, material.currency, material.minor_units),
            "charts": [chart_held(case, material.minor_units)],
        },
        **shared,
    )


def _families(tie: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return what each family of evidence adds to a tie, the weightiest first."""
    found = [(name, tie[name]) for name in (*_TIES, "against") if tie[name]]
    return sorted(found, key=lambda family: -abs(family[1]))


def _microseconds(moment: Any) -> int:
    return int(pd.Timestamp(moment).value // 1_000)


def _duration(seconds: float) -> str:
    if seconds != seconds:  # noqa: PLR0124 (NaN)
        return "\N{EN DASH}"
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def _model_page(report: ModelReport, shared: Mapping[str, Any]) -> str:
    return render("model", report=report, data={"zone": shared["zone"], "charts": list(report.charts)}, **shared)


def _index_page(
    material: Material,
    alerts: list[dict[str, Any]],
    ring_files: Mapping[str, str],
    has_model: bool,
    shared: Mapping[str, Any],
) -> str:
    holds = material.traces.holds
    return render(
        "index",
        as_of=material.as_of,
        currency=material.currency,
        n_ranked=material.n_ranked,
        n_suspected=sum(row["tier"] == "suspected" for row in alerts),
        n_complaints=len(set(material.traces.summary["complaint_id"].to_pylist())),
        hold_total=sum(holds["hold"].to_pylist()),
        missing=material.missing,
        alerts=alerts,
        rings=_ring_rows(material, ring_files),
        model_file="model.html" if has_model else None,
        data={"zone": shared["zone"]},
        **shared,
    )


def _ring_rows(material: Material, ring_files: Mapping[str, str]) -> list[dict[str, Any]]:
    best: dict[str, dict[str, Any]] = {}
    for tie in material.rings.ring_ties.to_pylist():  # the strongest come first
        best.setdefault(tie["ring_id"], tie)
    members: dict[str, list[str]] = {}
    for row in material.rings.ring_members.select(["ring_id", "account_id"]).to_pylist():
        members.setdefault(row["ring_id"], []).append(row["account_id"])
    found = []
    for row in material.rings.rings.to_pylist():
        tie = best.get(row["ring_id"], {})
        found.append(
            row
            | {
                "file": ring_files[row["ring_id"]],
                "first": _microseconds(row["first_time"]),
                "last": _microseconds(row["last_time"]),
                "centre_id": tie.get("centre_id"),
                "grade": tie.get("grade", ""),
                "find": " ".join(
                    [row["ring_id"], tie.get("centre_id") or "", *members.get(row["ring_id"], [])[:2_000]]
                ),
            }
        )
    return found
