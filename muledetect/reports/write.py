"""Write a report: an index, a case file an alert, a ring file a ring, the model report; all or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from muledetect.clock import format_time, parse_time
from muledetect.facts.accounts import PUBLIC_KINDS
from muledetect.frames import frame_of
from muledetect.outputs import new_folder
from muledetect.outputs.kinds import REPORT
from muledetect.progress import Progress, silent
from muledetect.records.write import put_text
from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.accounts.facts import TRANSFERS, account_cases
from muledetect.reports.drafts.goaml import to_goaml
from muledetect.reports.drafts.str_draft import draft_str
from muledetect.reports.drafts.words import ACCOUNT_FACTS, HOLDER_FACTS
from muledetect.reports.drawn import add_bars
from muledetect.reports.exports import put_csv
from muledetect.reports.material import Material
from muledetect.reports.model.report import ModelReport
from muledetect.reports.pages import Language, money_text, render, show_unit, time_text, two, unit_words
from muledetect.reports.rings.case import RingCase, ring_cases
from muledetect.reports.rings.drawing import chart_held, draw_flow, draw_network, waterfall
from muledetect.reports.words import REASONS, WORDS, Text, read_words

#: A ring file lists so many members and so many accounts around.
MOST_MEMBERS: Final = 500
MOST_OTHERS: Final = 200
_MOST_SHARED: Final = 60
_MOST_PARTIES: Final = 60
#: Pairs of records whose evidence a case file shows.
MOST_BONDS: Final = 4
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
    page = partial(
        render, language=language, zone=zone, minor_units=material.minor_units, currency=material.currency,
        as_of=material.as_of, missing=material.missing, basis=material.basis, fingerprint=material.snapshot.fingerprint,
    )  # fmt: skip
    hold_zone = None if material.standing is None else material.standing.clocks.time_zone
    with new_folder(output, REPORT, overwrite=overwrite) as folder:
        rows = []
        for at, case in enumerate(account_cases(material, ring_files), 1):
            file = account_files[case.account_id]
            goaml_file = file.replace("accounts/", "goaml/").replace(".html", ".xml") if goaml else None
            facts = account_facts(case, account_files, language, zone)
            _put(
                folder / file,
                page("account", case=case, goaml_file=goaml_file, hold_zone=hold_zone, is_pack=False, **facts),
            )
            if goaml_file:
                _put(folder / goaml_file, to_goaml(draft_str(case)))
            rows.append(alert_row(case, file))
            progress("case files", at / len(account_files))
        for at, ring in enumerate(ring_cases(material, account_files), 1):
            _put(folder / ring_files[ring.ring.ring_id], page("ring", case=ring, **_ring_facts(material, ring, zone)))
            progress("ring files", at / len(ring_ids))
        if model_report is not None:
            drawn = {"zone": zone, "charts": list(model_report.charts)}
            _put(folder / "model.html", page("model", report=model_report, data=drawn))
        model_file = None if model_report is None else "model.html"
        facts = _index_facts(material, rows, ring_files)
        _put(folder / "index.html", page("index", alerts=rows, model_file=model_file, data={"zone": zone}, **facts))
        _write_tables(material, rows, folder)
        counts = {"alerts": len(rows), "rings": len(ring_ids), "model": int(model_report is not None)}
        about = {
            "made_by": f"muledetect {version('muledetect')}",
            "as_of": format_time(material.as_of),
            "data_set": material.snapshot.fingerprint,
            "model": material.model.get("config_hash"),
            "pages": counts,
        }
        _put(folder / "report.json", json.dumps(about, indent=2) + "\n")
        progress("report", 1.0)
    return counts


def _write_tables(material: Material, alerts: list[dict[str, Any]], folder: Path) -> None:
    """Write what the index lists as CSV for spreadsheets, and the holds of all accounts."""
    listed = [{**row, "codes": " ".join(row["codes"])} for row in alerts]
    columns = {name: [row[name] for row in listed] for name in _ALERTS}
    columns["hold"] = pa.array(columns["hold"], pa.int64())
    columns["probability"] = pa.array(columns["probability"], pa.float64())
    tables = {
        "alerts": pa.table(columns),
        "rings": material.rings.rings,
        "ring_members": material.rings.ring_members,
        "holds": material.traces.holds,
    }
    for name, table in tables.items():
        put_csv(table, folder / f"{name}.csv", currency=material.snapshot.currency or None)


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    put_text(text, path)


def alert_row(case: AccountCase, file: str) -> dict[str, Any]:
    """Return the row of a case in the list of alerts."""
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


def account_facts(case: AccountCase, files: Mapping[str, str], language: Language, zone: str) -> dict[str, Any]:
    """Return what the page of a case needs beside the case; `files` gives the page of each listed account."""
    rows = case.transfers.to_dict("records")
    raising = [reason for reason in case.reasons if reason["contribution"] > 0]
    return {
        "rows": rows,
        "extra": [name for name in case.transfers.columns if name not in TRANSFERS],
        "anchors": {row["transfer_id"]: at for at, row in enumerate(rows)},
        "raising": raising,
        "lowering": [reason for reason in case.reasons if reason["contribution"] < 0],
        "heaviest": max((reason["contribution"] for reason in raising), default=1.0),
        "account": _on_record(case.account, ACCOUNT_FACTS, case, zone),
        "holder": _on_record(case.holder, HOLDER_FACTS, case, zone),
        "files": {name: f"../{file}" for name, file in files.items() if name != case.account_id},
        "draft": draft_str(case, language=language, zone=zone).rows(),
        "bonds": _shown_bonds(case),
        "data": {"zone": zone, "timeline": _timeline(case)},
    }


def _shown_bonds(case: AccountCase) -> list[dict[str, Any]]:
    """Return why records of the account's party are one, those pairs first that hold the account's own record."""
    accounts = case.party.get("accounts", ())
    record = next((row["record"] for row in accounts if row["account_id"] == case.account_id), None)
    ordered = sorted(case.party.get("bonds", ()), key=lambda bond: record not in (bond["one"], bond["other"]))
    return [{**bond, "items": add_bars(bond["items"])} for bond in ordered[:MOST_BONDS]]


def _on_record(
    record: Mapping[str, Any], named: Mapping[str, Text], case: AccountCase, zone: str
) -> list[tuple[Any, Any]]:
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


def _ring_facts(material: Material, case: RingCase, zone: str) -> dict[str, Any]:
    flow, not_drawn = draw_flow(case)
    summary, left_out = case.ring.summary, money_text(material.minor_units)(not_drawn)
    drawn = draw_network(case, material.currency, material.minor_units)
    return {
        "n_seeds": int(case.members["is_seed"].sum()),
        "holding": [_duration(case.holding[name]) for name in ("median_s", "p90_s")],
        "first": parse_time(summary["first_time"]),
        "last": parse_time(summary["last_time"]),
        "flow": flow,
        "not_drawn": {language: f"{left_out} {unit}" for language, unit in unit_words(material.currency).items()},
        "members": case.members.nlargest(MOST_MEMBERS, "membership").sort_index().to_dict("records"),
        "most_parties": _MOST_PARTIES,
        "members_shown": f"{min(MOST_MEMBERS, len(case.members)):,}",
        "shared": case.shared.head(_MOST_SHARED).to_dict("records"),
        "ties": [_tie(tie) for tie in case.ties],
        "victims": case.victims.head(MOST_OTHERS).to_dict("records"),
        "others": case.others.head(MOST_OTHERS).to_dict("records"),
        "shape": case.shape.to_dict("records"),
        "typology": read_words("rings/words.toml")["typology"].get(summary["typology"]),
        "data": {"zone": zone, "network": drawn, "charts": [chart_held(case, material.minor_units)]},
    }


def _tie(tie: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tie with what each family of evidence adds to it, the weightiest first, and which are unknown."""
    families = [(name, tie[name]) for name in (*_TIES, "against") if tie[name]]
    return {
        **tie,
        "waterfall": waterfall(tie),
        "unknown": [name for name in _TIES if tie[name] is None],
        "families": sorted(families, key=lambda family: -abs(family[1])),
    }


def _duration(seconds: float) -> str:
    if seconds != seconds:  # noqa: PLR0124 (NaN)
        return "\N{EN DASH}"
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def _index_facts(material: Material, alerts: list[dict[str, Any]], ring_files: Mapping[str, str]) -> dict[str, Any]:
    return {
        "n_ranked": material.n_ranked,
        "n_suspected": sum(row["tier"] == "suspected" for row in alerts),
        "n_complaints": len(set(material.traces.summary["complaint_id"].to_pylist())),
        "hold_total": sum(material.traces.holds["hold"].to_pylist()),
        "rings": _ring_rows(material, ring_files),
    }


def _ring_rows(material: Material, ring_files: Mapping[str, str]) -> list[Mapping[Any, Any]]:
    best: dict[str, dict[str, Any]] = {}
    for tie in material.rings.ring_ties.to_pylist():  # the strongest come first
        best.setdefault(tie["ring_id"], tie)
    members: dict[str, list[str]] = {}
    for row in material.rings.ring_members.select(["ring_id", "account_id"]).to_pylist():
        members.setdefault(row["ring_id"], []).append(row["account_id"])
    rows: list[Mapping[Any, Any]] = []
    for row in frame_of(material.rings.rings).to_dict("records"):
        ring_id, tie = row["ring_id"], best.get(row["ring_id"], {})
        centre, listed = tie.get("centre_id"), members.get(ring_id, [])[:2_000]
        found = {"file": ring_files[ring_id], "centre_id": centre, "grade": tie.get("grade", "")}
        rows.append(row | found | {"find": " ".join([ring_id, centre or "", *listed])})
    return rows
