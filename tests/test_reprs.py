"""What notebooks show of results: every value escaped, no script, nothing fetched; plain reprs name no account."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import config_context
from sklearn.pipeline import make_pipeline

import muledetect as md
from muledetect import markup, schema
from muledetect.clock import parse_time
from muledetect.demo import Demo
from muledetect.evaluation import Drift, Evaluation, EvaluationReport, RingMetrics
from muledetect.model.fitted import TrainedOn
from muledetect.model.key_transfers import KEY_TRANSFERS, Explanation
from muledetect.records.dataset import Finding
from muledetect.reports import gather_material
from muledetect.tracing.traces import SUMMARY
from tests.small_world import SCORED_AT, small_model, small_world

#: Closes what it may stand in, and opens what would run or fetch.
HOSTILE = "\"'></td></bdi><script>alert(1)</script><img src=x onerror=alert(2)>&amp;{{7*7}}\u202e\x00"
AT = datetime(2025, 3, 1, tzinfo=UTC)
TAGS = set("div span table thead tbody tr th td bdi ul li details summary".split())


class Reader(HTMLParser):
    """Tags and their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def table(contract: schema.Table, **values: Any) -> pa.Table:
    """Return one row: the given values, null in the other columns."""
    return pa.Table.from_pylist([{name: values.get(name) for name in contract.names}], contract.arrow_schema)


def hostile_rings() -> md.rings.RingTables:
    return md.rings.RingTables(
        table(schema.RINGS, ring_id=HOSTILE, as_of=AT, n_accounts=1, score=1.5, stability=1.0, value_in=123_456,
              n_victims=2, first_time=AT, last_time=AT, recoverable=1_000_050),
        table(schema.RING_MEMBERS, ring_id=HOSTILE, account_id=HOSTILE, role=HOSTILE, layer=1, membership=0.5,
              is_seed=True),
        table(schema.RING_LINKS, ring_id=HOSTILE, source=HOSTILE, target=HOSTILE, kind="relay", weight=1.0,
              evidence=[HOSTILE]),
        table(schema.RING_TIES, ring_id=HOSTILE, centre_id=HOSTILE, grade="possible", log_odds=1.5, against=-0.0,
              evidence=[HOSTILE]),
        currency="THB",
    )  # fmt: skip


def hostile_traces() -> md.tracing.Traces:
    row = {"complaint_id": HOSTILE, "lost": 5_000, "in_accounts": 2_000, "left_bank": 3_000, "spent": 0,
           "not_followed": 0, "hold": 1_500}  # fmt: skip
    other = row | {"in_accounts": 1_000, "left_bank": 4_000}
    summary = pa.Table.from_pylist([row | {"method": "fifo"}, other | {"method": "libr"}], SUMMARY)
    holds = table(schema.HOLDS, complaint_id=HOSTILE, account_id=HOSTILE, bank_id=HOSTILE, hop=1, traced_low=1_000,
                  traced_high=2_000, available=1_500, is_stated=True, hold=1_500, shortfall=0, as_of=AT)  # fmt: skip
    return md.tracing.Traces(summary=summary, holds=holds, currency="THB")


def hostile_dataset() -> md.Dataset:
    transfers = pa.table({"transfer_id": ["t1"], "time": [AT], "source": [HOSTILE], "target": ["b"], "amount": [5],
                          HOSTILE: [HOSTILE]})  # fmt: skip
    read = md.read_dataset({"transfers": transfers})
    finding = Finding("warn", "transfers", HOSTILE, HOSTILE, 1, 0, HOSTILE)
    return md.Dataset(read.tables, read.account_ids, read.rejects, (finding,), read.rows_read, "THB", 1)


def hostile_explanation() -> Explanation:
    proof = {"account_id": HOSTILE, "as_of": AT, "code": HOSTILE, "order": 0, "transfer_id": HOSTILE}
    window = {"account_id": HOSTILE, "as_of": AT, "start": AT, "end": AT}
    return Explanation(pa.Table.from_pylist([proof], KEY_TRANSFERS), pa.Table.from_pylist([window]))


@cache
def fitted_model() -> md.MuleModel:
    random = np.random.default_rng(0)
    features = pa.table({HOSTILE: random.normal(size=60), "other": random.normal(size=60)})
    model = small_model(n_jobs=1).fit(features, np.arange(60) % 3 == 0, trained_on=TrainedOn("ever", HOSTILE))
    model.notes_.append(HOSTILE)
    return model


def hostile_evaluation() -> Evaluation:
    table = pd.DataFrame({"average_precision": [0.2, 0.73], "low": [0.1, 0.6], "high": [0.3, np.nan]},
                         index=pd.Index(["rules", HOSTILE], name="method"))  # fmt: skip
    return Evaluation(table, 0.01, 0.02, (0.0, 0.03), [HOSTILE], RingMetrics(*[0.5] * 10, 1, 2), {HOSTILE: table},
                      detection={HOSTILE: 1.0})  # fmt: skip


def hostile_drift() -> Drift:
    check = {"subject": HOSTILE, "measure": "psi", "value": 0.3, "usual": 0.1, "watch": 0.1, "alarm": 0.25,
             "limits": "own", "grade": "alarm"}  # fmt: skip
    return Drift(pd.DataFrame([check]), pd.DataFrame(), 1_000, 2_000)


RESULTS = {
    "dataset": hostile_dataset,
    "rings": hostile_rings,
    "ring": lambda: hostile_rings().ring(HOSTILE),
    "traces": hostile_traces,
    "ties": lambda: md.rings.Ties(hostile_rings().ring_ties),
    "explanation": hostile_explanation,
    "model": fitted_model,
    "evaluation": hostile_evaluation,
    "drift": hostile_drift,
}
EMPTY = {"rings": md.rings.RingTables, "traces": md.tracing.Traces, "ties": md.rings.Ties, "model": md.MuleModel}


def html_of(result: Any) -> str:
    """Return what Jupyter shows: it asks for the bundle first."""
    bundle = result._repr_mimebundle_() if hasattr(result, "_repr_mimebundle_") else None
    return str(bundle["text/html"] if bundle else result._repr_html_())


@pytest.mark.parametrize("name", RESULTS)
def test_hostile_values_stay_text(name: str) -> None:
    page = Reader(html_of(RESULTS[name]()))
    assert {tag for tag, _ in page.tags} <= TAGS
    assert {key for _, given in page.tags for key in given} <= {"style", "scope"}
    assert not any("url(" in (value or "") for _, given in page.tags for value in given.values())
    assert not page.open
    assert "<script>alert(1)</script><img src=x onerror=alert(2)>&amp;{{7*7}}" in page.text
    assert "\u202e" not in page.text
    assert "\x00" not in page.text


@pytest.mark.parametrize("name", EMPTY)
def test_empty_results_are_shown_too(name: str) -> None:
    assert not Reader(html_of(EMPTY[name]())).open


@pytest.mark.parametrize("name", ["rings", "ring", "traces", "ties", "explanation", "model"])
def test_what_speaks_of_accounts_says_that_it_is_suspicion(name: str) -> None:
    assert "Suspicion, not a finding" in html_of(RESULTS[name]())


@pytest.mark.parametrize("name", RESULTS)
def test_the_plain_repr_is_short_and_names_no_account(name: str) -> None:
    shown = repr(RESULTS[name]())
    assert len(shown) < 400
    assert "script" not in shown


def test_money_is_shown_in_the_currency_and_as_minor_units_where_it_is_not_known() -> None:
    rings = hostile_rings()
    assert "value in, THB1,234.56" in Reader(html_of(rings.ring(HOSTILE))).text.replace(" · ", "").replace(
        "THB ", "THB"
    )
    assert "10,000.50" in html_of(rings)
    unknown = Reader(html_of(md.rings.RingTables(rings.rings))).text
    assert "recoverable, minor units" in unknown
    assert "1,000,050" in unknown


def test_traces_show_the_range_over_methods_and_the_hold() -> None:
    text = Reader(html_of(hostile_traces())).text
    assert "10.00 to 20.00" in text  # in accounts: 1,000 by libr, 2,000 by fifo
    assert "30.00 to 40.00" in text
    assert "15.00" in text


def test_long_tables_say_how_much_is_left_out() -> None:
    members = pa.concat_tables(
        table(schema.RING_MEMBERS, ring_id="r", account_id=f"{n:03d}", role="relay", layer=1, membership=0.5,
              is_seed=False)
        for n in range(30)
    )  # fmt: skip
    rings = table(schema.RINGS, ring_id="r", as_of=AT, n_accounts=30, score=1.0, stability=1.0, value_in=1, n_victims=0,
                  first_time=AT, last_time=AT, recoverable=0)  # fmt: skip
    text = Reader(html_of(md.rings.RingTables(rings, members).ring("r"))).text
    assert "011" in text
    assert "012" not in text
    assert "and 18 more" in text


def test_a_dataset_counts_what_was_left_out_and_names_absent_tables() -> None:
    transfers = pa.table({"transfer_id": ["a", "b", "c"], "time": [AT] * 3, "source": ["x"] * 3, "target": ["y"] * 3,
                          "amount": [5, 0, 7]})  # fmt: skip
    text = Reader(md.read_dataset({"transfers": transfers})._repr_html_()).text
    assert "transfers215 of 18" in text  # 2 rows, 1 left out, no currency stated: 5 of 18 columns
    assert "not given accounts, holders, identifiers, sessions, complaints, and 4 more" in text


@pytest.mark.slow
def test_results_of_the_library_carry_its_currency() -> None:
    dataset = md.read_dataset(dict(small_world()))
    labels = dataset.tables["labels"]
    mules = labels.filter(pa.compute.equal(labels["label"], "mule"))["account_id"]
    scores = pa.table({"account_id": mules, "score": np.ones(len(mules)), "probability": np.full(len(mules), 0.9)})
    found = md.rings.find_rings(md.Snapshot(dataset, SCORED_AT), scores)
    assert len(found)
    assert found.currency == next(iter(found)).currency == "THB"
    assert md.tracing.trace(md.Snapshot(dataset, SCORED_AT)).currency == "THB"


def test_a_model_says_whether_and_on_what_it_was_trained() -> None:
    assert repr(md.MuleModel(n_bags=2)) == "MuleModel(n_bags=2)"
    assert "not fitted" in html_of(md.MuleModel())
    shown = repr(fitted_model())
    assert shown.startswith(
        "MuleModel(n_bags=2, n_estimators=20, n_jobs=1), fitted on 60 rows, 20 of them positive; 2 features"
    )


def test_scikit_learn_still_shows_its_diagram_and_plain_text() -> None:
    assert "MuleModel" in make_pipeline(md.MuleModel())._repr_html_()
    with config_context(display="text"):
        assert "text/html" not in md.MuleModel()._repr_mimebundle_()


def test_values_are_cut_and_put_on_one_line() -> None:
    assert markup.escape_value("x" * 10**6) == f"<bdi>{'x' * (markup.MOST_CHARACTERS - 1)}…</bdi>"
    assert markup.escape_value("a\nb\tc") == "<bdi>a&lt;U+000A&gt;b&lt;U+0009&gt;c</bdi>"
    assert markup.escape_value(-0.0) == "0"
    assert markup.escape_value([1, 2, 3, 4, 5, 6, 7]) == "1, 2, 3, 4, 5, and 2 more"
    assert markup.escape_value("บัญชี") == "<bdi>บัญชี</bdi>"


def test_an_evaluation_shows_each_method_with_its_interval() -> None:
    text = Reader(html_of(hostile_evaluation())).text
    assert "rules0.20 [0.10, 0.30]" in text
    assert "0.73" in text
    assert repr(hostile_evaluation()) == "Evaluation(2 methods, average precision of the last 0.73, 1 more tables)"
    assert repr(hostile_drift()) == "Drift(alarm: 1 checks, 0 ok, 0 watch, 1 alarm; 1,000 and 2,000 rows)"
    assert repr(EvaluationReport({"x": 1.0}, {})) == "EvaluationReport(1 figures, 0 tables)"


@pytest.mark.slow
def test_what_holds_other_results_is_short_and_names_no_account() -> None:
    dataset = md.read_dataset(dict(small_world()))
    accounts = dataset.account_ids.to_pylist()
    scores = pa.Table.from_pylist(
        [{"account_id": name, "as_of": parse_time(SCORED_AT), "score": 1.0, "probability": 0.9, "rank": 1,
          "tier": "suspected", "reasons": []} for name in accounts[:3]],
        schema.SCORES.arrow_schema,
    )  # fmt: skip
    material = gather_material(md.Snapshot(dataset, SCORED_AT), scores)
    demo = Demo(Path("x"), dataset, md.MuleModel(), scores, md.rings.RingTables(), hostile_evaluation())
    for result in (md.Snapshot(dataset, SCORED_AT), material, demo):
        shown = repr(result)
        assert len(shown) < 700
        assert not any(name in shown for name in accounts)
