"""The model report: facts of the files that the library writes, what is lacking said, hostile content harmless."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import Browser, open_browser
from report_world import PAYLOADS

from muledetect.errors import DataError
from muledetect.evaluation import (
    EvaluationReport,
    Period,
    budget_curve,
    compare_periods,
    compare_scores,
    detection_curve,
    measure_false_positives,
    measure_parts,
)
from muledetect.evaluation.baselines import MODEL
from muledetect.evaluation.calibration import calibration_intervals, calibration_over_time
from muledetect.model import MuleModel
from muledetect.model.card import NOT_FOR, USE
from muledetect.reports.model.charts import budget_charts, detection_chart, reliability_chart
from muledetect.reports.model.report import ModelReport, read_model_report
from muledetect.reports.model.words import card_text
from muledetect.reports.pages import render
from muledetect.reports.words import REASONS, WORDS

Change = Callable[[dict[str, Any]], None]


def measured(text: Callable[[str], str] = str) -> EvaluationReport:
    """An evaluation of 400 accounts, 40 of them mules in 20 rings, made by the library's own functions."""
    rng = np.random.default_rng(0)
    y = np.repeat([1.0, 0.0], [40, 360])
    ring = np.concatenate([np.repeat(np.arange(20), 2), np.arange(20, 380)])
    good = y * 2 + rng.normal(size=400)
    probability = np.clip(0.02 + 0.2 * y + rng.random(400) * 0.05, 0, 1)
    parts = pd.DataFrame({"part": "shape", "value": [text("cycle"), text("stack")] * 200, "row": range(400)})
    groups = pd.DataFrame({"group": "merchants", "row": range(100, 400)})
    scores = {"random": rng.random(400), text("rules only"): y + rng.normal(size=400), MODEL: good}
    money = rng.integers(1, 1000, 400).astype(float)
    days = np.repeat([1_740_787_200_000_000, 1_740_873_600_000_000], 200)
    curve = detection_curve(rng.integers(10, 3_000, 40), rng.random(40) < 0.7, ring[:40], n_draws=20)
    curve.insert(0, "what", "accounts")
    tables = {
        "baselines": compare_scores(y, scores, value=money, groups=ring, alerts=(10, 0.01), n_draws=20),
        "budget_curve": budget_curve(y, scores, value=money, groups=ring, budgets=[1, 4, 10, 20], n_draws=20),
        "reliability": calibration_intervals(y, probability, groups=ring, n_draws=20).bins,
        "calibration_over_time": calibration_over_time(y, probability, rng.permutation(days), n_draws=20),
        "detection_curve": curve,
        "typologies": measure_parts(y, good, parts, k=0.1, groups=ring, n_draws=20),
        "subgroups": measure_parts(y, good, parts.assign(part="kind"), k=0.1, probability=probability, n_draws=20),
        "false_positives": measure_false_positives(y, good, groups, k=0.1),
        "left_out": pd.DataFrame(
            {"value": [text("cycle")], "n_removed": 4, "n_test": 6, "recall_seen": 0.5, "recall_unseen": 0.25}
        ).assign(low=0.1, high=0.6),
        "ties": pd.DataFrame(
            {"grade": ["strong"], "n": 3, "n_right": 2, "precision": 2 / 3, "recall": 0.5, "n_rings": 4}
        ),
        "traces": pd.DataFrame({"method": ["fifo"], "found_share": [0.4], "innocent_per_million": [250_000.0]}),
    }
    figures = {
        "brier": 0.01, "calibration_error": 0.005, "calibration_error_low": 0.004, "calibration_error_high": 0.006,
        "budget": 0.01, "victims_n_likely": 9.0, "victims_n_alerted": 2.0, "detection_n_accounts": 40.0,
        "detection_n_detected": 30.0, "detection_n_rings": 20.0, "detection_n_rings_hit": 18.0,
        "detection_minutes_q25": 90.0, "detection_minutes_q50": 600.0, "detection_minutes_q75": float("nan"),
        "detection_transfers_q25": 2.0, "detection_transfers_q50": 5.0, "detection_transfers_q75": float("nan"),
        "detection_share_gone": 0.4, "detection_share_gone_low": 0.3, "detection_share_gone_high": 0.5,
        "detection_still_in_bank": 0.5, "detection_preventable": 0.6, "rings_purity": 0.8, "rings_n_true": 21.0,
    }  # fmt: skip
    about = {"as_of": "2025-05-01T00:00:00Z", "data_set": "f1", "model": "h1", "target": text("ever")}
    return EvaluationReport(figures, tables, (text("400 accounts."),), about)


def card(text: Callable[[str], str] = str) -> dict[str, Any]:
    return {
        "use": text("Rank accounts."), "not_for": [text("Credit.")], "limits": [text("Few.")],
        "notes": [text("A note.")],
        "trained_on": {"n_rows": 100, "n_positives": 10, "target": text("ever"), "moments": ["2025-03-01T00:00:00Z"],
                       "country_pack": text("TH"), "fingerprint": "f0"},
        "held_out": {"average_precision": 0.7}, "leakage": [text("column x")], "config_hash": "h1",
        "parameters": {text("n_bags"): 3, "subsample": 0.8}, "versions": {"numpy": text("2.4")},
        "features": {"flow": 8},
        "clear_thresholds": [
            {"blocks": text("ring"), "share": 0.05, "confidence": 0.95, "score": None, "cleared_share": 0.0}
        ],
    }  # fmt: skip


def write_folders(folder: Path, text: Callable[[str], str] = str) -> tuple[Path, Path, Path]:
    """Write an evaluation, a model card and a drift as the library does; return their folders."""
    evaluation, model, drift = (folder / name for name in ("evaluation", "model", "drift"))
    measured(text).write(evaluation)
    model.mkdir()
    (model / "card.json").write_text(json.dumps(card(text)))
    rng = np.random.default_rng(1)
    sides = [pd.DataFrame({text("in_amount"): rng.normal(shift, 1, 300)}) for shift in (0, 3)]
    old, new = (Period(side, rng.random(300)) for side in sides)
    compare_periods([old], new).write(drift)
    return evaluation, model, drift


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return write_folders(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def report(folders: tuple[Path, Path, Path]) -> ModelReport:
    return read_model_report(*folders)


def page(report: ModelReport, language: Any = "en") -> str:
    data = {"zone": "UTC", "charts": list(report.charts)}
    return render("model", report=report, data=data, language=language, version="0", words=WORDS, reasons=REASONS)


def section(report: ModelReport, name: str) -> Any:
    return next(section for section in report.sections if section.name == name)


def table(report: ModelReport, name: str) -> Any:
    return next(table for section in report.sections for table in section.tables if table["id"] == name)


def test_all_that_the_library_writes_is_shown_and_nothing_is_lacking(report: ModelReport) -> None:
    assert [section.name for section in report.sections] == [
        "about", "ranking", "budget", "reliability", "over-time", "detection", "money", "rings", "typologies",
        "subgroups", "false_positives", "drift", "leakage", "made", "notes",
    ]  # fmt: skip
    assert [section.name for section in report.sections if section.lacking] == []
    assert report.warnings == []
    assert [chart["id"] for chart in report.charts] == [
        "budget-recall", "budget-value-recall", "budget-precision", "reliability", "calibration-over-time", "detection",
    ]  # fmt: skip
    shown = {name for section in report.sections for name, _ in section.charts}
    assert shown == {chart["id"] for chart in report.charts}


def test_figures_keep_their_intervals(report: ModelReport) -> None:
    gone = next(fact for fact in section(report, "detection").facts if fact.kind == "interval")
    assert gone.value == [0.4, 0.3, 0.5]
    hours = [fact.value for fact in section(report, "detection").facts if "hours" in fact.label["en"]]
    assert hours == [1.5, 10, None]  # 90 and 600 minutes; three quarters were never found
    methods = table(report, "baselines")["rows"]
    assert [row[0]["en"] for row in methods] == ["random", "rules only", "this model"]
    value = measured().tables["baselines"].loc[MODEL]
    assert methods[2][1] == pytest.approx([value["average_precision"], value["low"], value["high"]])
    assert table(report, "clearing")["rows"] == [
        [0.05, 0.95, {"en": "rings", "th": "กลุ่ม"}, {"en": "nobody", "th": "ไม่มีบัญชีใด"}, 0]
    ]
    assert table(report, "drift")["rows"][0][0] == "in_amount"


def test_the_budget_of_the_evaluation_is_among_those_that_are_compared(report: ModelReport) -> None:
    heads = [column["name"]["en"] for column in table(report, "baselines")["columns"]]
    assert "Precision at 10 alerts" in heads
    assert "Value recall at 1% of accounts" in heads


def test_each_row_has_a_cell_for_each_column(report: ModelReport) -> None:
    for part in report.sections:
        for shown in part.tables:
            assert {len(row) for row in shown["rows"]} == {len(shown["columns"])}
            for column, cells in zip(shown["columns"], zip(*shown["rows"], strict=True), strict=True):
                if column["kind"] == "interval":
                    assert all(isinstance(cell, list) and len(cell) == 3 for cell in cells)


def test_charts_are_json_with_null_for_what_is_not_defined(report: ModelReport) -> None:
    text = json.dumps(list(report.charts), allow_nan=False)
    assert json.loads(text) == list(report.charts)
    for chart in report.charts:
        assert set(chart) == {"id", "kind", "title", "x", "y", "series"}
        assert chart["x"]["scale"] in ("linear", "log", "time")
        assert chart["y"]["format"] in ("percent", "number")
        assert sum(line["is_main"] for line in chart["series"]) == 1
        for line in chart["series"]:
            assert set(line) == {"name", "x", "y", "low", "high", "points", "is_main", "dash"}
            lengths = {len(line[name]) for name in ("x", "y", "low", "high") if line[name] is not None}
            assert len(lengths) == 1
            if chart["x"]["scale"] == "log":
                assert min(line["x"]) > 0


def test_a_curve_of_detection_is_drawn_as_steps() -> None:
    # found at 60 and 180 minutes; a step keeps its height until just before the next
    curve = pd.DataFrame(
        {"what": "accounts", "minutes": [0.0, 60.0, 180.0], "share": [0.0, 0.5, 1.0], "low": 0.0, "high": 1.0}
    )
    line = detection_chart(curve)["series"][0]
    assert line["x"] == pytest.approx([0, 1, 1, 3, 3])
    assert line["x"] == sorted(set(line["x"]))
    assert line["y"] == [0, 0, 0.5, 0.5, 1]


def test_the_line_of_right_predictions_runs_from_the_least_to_the_largest() -> None:
    bins = pd.DataFrame({"probability": [0.0, 0.001, 0.1], "observed": [0.0, 0.002, 0.05]})
    drawn = reliability_chart(bins.assign(observed_low=0.0, observed_high=0.2))
    observed, predicted = drawn["series"]
    assert drawn["x"]["scale"] == "log"
    assert observed["x"] == pytest.approx([10, 1000])  # per 10,000 accounts; a prediction of 0 has no place
    assert observed["y"] == pytest.approx([20, 500])
    assert (predicted["x"][0], predicted["x"][-1]) == pytest.approx((10, 1000))
    assert predicted["x"] == predicted["y"]


def test_a_rate_without_numbers_has_no_chart() -> None:
    curve = budget_curve([1, 0, 0], {MODEL: [3, 2, 1]}, budgets=[1, 2], n_draws=5)
    assert [chart["id"] for chart in budget_charts(curve)] == ["budget-recall", "budget-precision"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("random", 0.1, 0.0, 0.2), (MODEL, 0.8, 0.7, 0.9)], "is above that of every other method"),
        ([("random", 0.1, 0.0, 0.8), (MODEL, 0.8, 0.7, 0.9)], "The lead is not certain"),
        ([("rules only", 0.9, 0.8, 1.0), (MODEL, 0.8, 0.7, 0.9)], "at least as well: rules only"),
    ],
)
def test_the_verdict_on_the_ranking_is_that_of_the_intervals(
    tmp_path: Path, rows: list[tuple[str, float, float, float]], said: str
) -> None:
    baselines = pd.DataFrame(rows, columns=["method", "average_precision", "low", "high"]).assign(roc_auc=0.5)
    EvaluationReport({}, {"baselines": baselines}).write(tmp_path)
    assert said in section(read_model_report(tmp_path), "ranking").sentences[0]["en"]


def test_what_is_not_there_is_said_and_how_to_get_it(tmp_path: Path) -> None:
    EvaluationReport({}, {}).write(tmp_path)
    found = read_model_report(tmp_path)
    lacking = {part.name: part.lacking["en"] for part in found.sections if part.lacking}
    assert set(lacking) == {part.name for part in found.sections} - {"notes"}
    assert "--watch" in lacking["detection"]
    assert "--drift" in lacking["drift"]
    assert "--rings" in lacking["rings"]
    assert "Traceback" not in page(found)
    assert found.charts == []


def test_a_model_folder_without_card_is_no_error(tmp_path: Path, folders: tuple[Path, Path, Path]) -> None:
    found = read_model_report(folders[0], tmp_path)
    assert section(found, "about").lacking is not None
    with pytest.raises(DataError, match="no model folder 'gone'"):
        read_model_report(folders[0], tmp_path / "gone")


def test_a_card_of_another_model_is_noticed(tmp_path: Path, folders: tuple[Path, Path, Path]) -> None:
    (tmp_path / "card.json").write_text(json.dumps(card() | {"config_hash": "h2"}))
    found = read_model_report(folders[0], tmp_path)
    assert ["another model" in warning["en"] for warning in found.warnings] == [True]


def test_few_mules_are_said_first(tmp_path: Path) -> None:
    bins = calibration_intervals([1, 0, 0, 0], [0.2, 0.1, 0.1, 0.1], n_draws=5).bins
    EvaluationReport({}, {"reliability": bins}).write(tmp_path)
    assert read_model_report(tmp_path).warnings[0]["en"].startswith("Only 1 mules are in the test")


def test_a_fitted_model_has_a_card_without_its_folder(folders: tuple[Path, Path, Path]) -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(200) < 0.3).astype(float)
    model = MuleModel(n_estimators=5, n_bags=1).fit(pd.DataFrame({"a": y + rng.normal(size=200)}), y)
    found = read_model_report(folders[0], model)
    assert found.card["trained_on"]["n_rows"] == 200
    assert section(found, "about").lacking is None


def change(folder: Path, name: str, how: Change) -> None:
    path = folder / name
    content = json.loads(path.read_text())
    how(content)
    path.write_text(json.dumps(content))


MALFORMED: Mapping[str, Change] = {
    "lacks 'recall'": lambda c: c["tables"]["budget_curve"][3].pop("recall"),
    "another kind in 'share'": lambda c: c["tables"]["budget_curve"][0].update(share="much"),
    "another kind in 'method'": lambda c: c["tables"]["baselines"][0].update(method=3),
    "another kind in 'is_few'": lambda c: c["tables"]["subgroups"][0].update(is_few="no"),
    "'typologies' must be a list of objects": lambda c: c["tables"].update(typologies=[1]),
    "'tables' must be an object": lambda c: c.update(tables=[1]),
    "figures 'brier' are no numbers": lambda c: c["figures"].update(brier="0.1"),
    "'notes' must be a list of sentences": lambda c: c.update(notes=[{}]),
    "'about' must be an object": lambda c: c.update(about="x"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_evaluation_is_refused(tmp_path: Path, what: str) -> None:
    measured().write(tmp_path)
    change(tmp_path, "report.json", MALFORMED[what])
    with pytest.raises(DataError, match=rf"report\.json cannot be used: .*{re.escape(what)}.*`evaluate`"):
        read_model_report(tmp_path)


def test_all_that_is_wrong_with_tables_is_said_at_once(tmp_path: Path) -> None:
    measured().write(tmp_path)
    change(tmp_path, "report.json", lambda c: c["tables"].update(ties=[{}], traces=[{}]))
    with pytest.raises(DataError, match=r"'ties' lacks .* and 1 more; table 'traces' lacks"):
        read_model_report(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[" * 100_000, '{"figures": {"a": NaN}}', '{"figures": {"a": 1e999}}', "\xff"]
)
def test_what_is_no_json_of_ours_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"report\.json cannot be used"):
        read_model_report(tmp_path)


def test_a_wrong_folder_is_said(tmp_path: Path, folders: tuple[Path, Path, Path]) -> None:
    with pytest.raises(DataError, match=r"report\.json in .* cannot be read .* that `evaluate` wrote"):
        read_model_report(tmp_path)
    with pytest.raises(DataError, match=r"drift\.json in .* that `monitor` wrote"):
        read_model_report(folders[0], None, tmp_path)
    (tmp_path / "drift.json").write_text('{"worst": "ok", "n_a": -1, "n_b": 2}')
    with pytest.raises(DataError, match="numbers of rows"):
        read_model_report(folders[0], None, tmp_path)


@pytest.mark.parametrize("field", ["not_for", "trained_on", "parameters", "clear_thresholds", "leakage", "held_out"])
def test_a_malformed_card_is_refused(tmp_path: Path, folders: tuple[Path, Path, Path], field: str) -> None:
    (tmp_path / "card.json").write_text(json.dumps(card() | {field: "x"}))
    with pytest.raises(DataError, match=rf"card\.json cannot be used: '{field}' .*`train`"):
        read_model_report(folders[0], tmp_path)


def test_numbers_that_are_not_there_are_dashes(tmp_path: Path) -> None:
    measured().write(tmp_path)

    def forget(content: dict[str, Any]) -> None:
        content["figures"] = dict.fromkeys(content["figures"])
        for rows in content["tables"].values():
            for row in rows:
                row.update({name: None for name, value in row.items() if isinstance(value, int | float)})

    change(tmp_path, "report.json", forget)
    found = read_model_report(tmp_path)
    json.dumps(list(found.charts), allow_nan=False)
    assert re.search(r"\bnan\b", re.sub(r"<(script|style).*?</\1>", "", page(found), flags=re.DOTALL)) is None


def test_the_sentences_that_every_card_has_are_known_in_thai() -> None:
    assert all(card_text(sentence)["th"] != sentence for sentence in (USE, *NOT_FOR))


def test_every_text_stands_in_both_languages(report: ModelReport) -> None:
    text = page(report)
    english, thai = (len(re.findall(f'<span lang="{language}">[^<]', text)) for language in ("en", "th"))
    assert english == thai > 100
    for part in report.sections:
        assert re.search("[\u0e00-\u0e7f]", part.title["th"])
        for shown in part.tables:
            assert all(re.search("[\u0e00-\u0e7f]|^$|AUC", column["name"]["th"]) for column in shown["columns"])


class _Elements(HTMLParser):
    """Names of elements and of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {(tag, name) for name, _ in [*attrs, ("", None)]}


@pytest.fixture(scope="module", params=range(0, len(PAYLOADS), 4))
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelReport:
    def spoil(name: str) -> str:
        return f"{name}{''.join(PAYLOADS[request.param : request.param + 4])}"

    return read_model_report(*write_folders(tmp_path_factory.mktemp("hostile"), spoil))


def test_hostile_names_make_no_element_and_no_attribute(report: ModelReport, hostile: ModelReport) -> None:
    assert _Elements(page(hostile)).found <= _Elements(page(report)).found
    assert not [name for _, name in _Elements(page(hostile)).found if name == "style" or name.startswith("on")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # selenium's, not ours
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_opens_quietly_and_draws_its_charts(
    browser: Browser, report: ModelReport, tmp_path: Path, width: int
) -> None:
    (tmp_path / "model.html").write_text(page(report), encoding="utf-8")
    browser.open(tmp_path / "model.html", width=width)
    assert browser.messages() == []
    assert browser.requests() == []
    assert browser.run("return document.documentElement.scrollWidth") <= width
    drawn = browser.run(
        "return [...document.querySelectorAll('[data-chart]')].map(box => box.querySelectorAll('canvas').length)"
    )
    assert drawn == [1] * len(report.charts)


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_hostile_names_do_nothing_in_a_browser(browser: Browser, hostile: ModelReport, tmp_path: Path) -> None:
    (tmp_path / "model.html").write_text(page(hostile, "th"), encoding="utf-8")
    browser.open(tmp_path / "model.html")
    browser.run("for (const button of document.querySelectorAll('button:not([data-does=print])')) button.click()")
    assert browser.run("return window.hit") is None
    assert browser.messages() == []
    assert browser.requests() == []
