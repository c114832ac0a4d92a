# ruff: noqa: RUF001 (words of many scripts)
"""Every output x every text that hides something: nothing hidden comes through, and what is read stays readable."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unicodedata import category

import matplotlib as mpl
import networkx as nx
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from made_case import hostile_case
from markupsafe import Markup
from matplotlib import pyplot as plt
from matplotlib.text import Text as DrawnText
from report_world import make_material
from rich.console import Console
from rich.text import Text
from test_model_report import page, write_folders

import muledetect as md
from muledetect import cli, console, markup, schema
from muledetect.reports import draft_str, goaml_schema, to_goaml, write_csv, write_report, write_xlsx
from muledetect.reports.model.report import read_model_report
from muledetect.reports.pages import _environment, _json
from muledetect.reports.plots._canvas import as_text
from muledetect.visible import make_visible, read_visible, visible_message
from tests.strategies import any_text

mpl.use("agg")

#: Texts with a sign that is not seen, or that changes how others are seen.
HIDDEN = (
    "pay\u202e10", "a\u2066b", "a\u2028b", "a\u2029b", "a\u061cb", "pass\u00adword", "a\u180eb", "a\u3164", "a\ufe0fb",
    "a\U000e0041b", "a\u200bb", "a\u200db", "a\u200cb", "a\ufeff", "a\u2060b", "a\u115fb", "a\u1160b", "a\uffa0b",
    "a\u034fb",
    "a\U000e0100b", "a\u17b4b", "a\u2800b", "a\u00a0b", "a\u2009b", "a\ue000b", "a\ufdd0b", "a\U0010ffffb", "a\x1b[31m",
    "a\x00b", "a\x85b", "a\x7fb", "a\x0bb", "a\ufffcb", "\u0301a", "a" + "\u0301" * 10, "👨\u200d👩", "❤\ufe0f",
    "<U+202E>",
)  # fmt: skip
#: What makes a formula where a hidden sign stands before it.
FORMULAS = (
    "\u200b=cmd",
    "\u3164=1+1",
    "\ufeff+1",
    "\x00-2",
    "\r=1",
    "\t=1",
    "\u3000=1",
    "＝1",
    "\u2028@SUM(A1)",
    "\ufe0f=1",
    "\n=1",
)
READABLE = (
    "บัญชีที่ ๑ กำ น้ำ", "العربية", "می‌خواهم", "हिन्दी क्‍ष", "ශ්‍රී", "汉字　山田", "한국어", "Việt Nam", "😀👍🏽🇹🇭",
    "say 'x' & <y>",
)  # fmt: skip
#: Arrow, which most outputs come from, holds no half of a character; hand-made records and JSON may.
HALF = "a\ud800b"


def is_hidden(sign: str) -> bool:
    return (category(sign)[0] in "CZ" and sign not in " \u3000") or re.match(
        r"[\u034f\u115f-\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc\U000e0100-\U000e01ef]",
        sign,
    ) is not None


def hidden_in(shown: str, allowed: str = "") -> set[str]:
    """Return the hidden signs of an output; joiners are looked at in tests of their own."""
    return {ascii(sign) for sign in set(shown) - set(allowed) - set("\u200c\u200d") if is_hidden(sign)}


# One line of text in, all of the output out


def terminal(text: str) -> str:
    row = {"account_id": text, "as_of": 0, "score": 1.0, "probability": 0.5, "rank": 1, "tier": "suspected"}
    reason = {"code": "X", "feature": "x", "value": 1.0, "peer_p99": 1.0, "contribution": 1.0, "text": "y"}
    scores = pa.Table.from_pylist([{**row, "reasons": [reason]}], schema=schema.SCORES.arrow_schema)
    return printed(lambda out: console.show_scores(out, scores))


def terminal_line(text: str) -> str:
    return printed(lambda out: console.show_tables(out, {text: 1}, Path("folder")))


def terminal_value(text: str) -> str:
    return printed(lambda out: out.print(console.plain(OSError(text))))


def printed(show: Callable[[Console], None]) -> str:
    out = Console(file=io.StringIO(), width=400, emoji=cli.out._emoji)
    show(out)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().replace("\n", " ")


def page_cell(text: str) -> str:
    template = "<td>{{ x }}</td><b title='{{ x }}'>{{ x | id }}</b>{{ x | word }}{{ x | short }}"
    return html.unescape(_environment("UTC", 100).from_string(template).render(x=text))


def page_data(text: str) -> str:
    return str(json.loads(_json({text: [text, {"x": (text, 1)}]})))


def notebook(text: str) -> str:
    parts = [
        markup.build_table([text], [[text], [[text, 1]]]), markup.build_facts({text: text}), markup.build_list([text]),
        markup.build_details(text, markup.Html("x")), markup.escape_value(text),
    ]  # fmt: skip
    return html.unescape(markup.build_card(text, *parts, note=text))


def goaml(text: str) -> str:
    document = to_goaml(draft_str(hostile_case(text)))
    parsed = etree.fromstring(document.encode())
    etree.XMLSchema(etree.fromstring(goaml_schema().encode())).assertValid(parsed)
    return " ".join(element.text or "" for element in parsed.iter(etree.Element)).replace("\n", " ")


def draft_rows_on_a_page(text: str) -> str:
    template = "{% for english, thai, value in rows %}<p>{{ value }}</p>{% endfor %}"
    rows = draft_str(hostile_case(text)).rows()
    return html.unescape(_environment("UTC", 100).from_string(template).render(rows=rows))


def picture_text(text: str) -> str:
    return str(as_text(text)["s"])


def error_of_a_table(text: str) -> str:
    with pytest.raises(md.DataError) as caught:
        md.read_dataset({"transfers": pd.DataFrame({"time": [1]}), text: pd.DataFrame({"x": [1]})})
    return str(caught.value)


def error_of_an_option(text: str) -> str:
    with pytest.raises(md.OptionError) as caught:
        md.to_pandas(pa.table({"x": [1]}), table=text)
    return str(caught.value)


def error_of_a_command(text: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        shown = Console(file=io.StringIO(), width=400, emoji=cli.err._emoji)
        patch.setattr(cli, "err", shown)
        patch.setattr(cli, "app", lambda: _raise(md.DataError(f"transfers: 'x{text}' is missing")))
        patch.setattr("sys.argv", ["muledetect"])
        with pytest.raises(SystemExit, match="1"):
            cli.main()
        return str(shown.file.getvalue())  # type: ignore[attr-defined]


def _raise(error: Exception) -> None:
    raise error


#: Outputs that take any text, also half of a character, and are one line.
LINES: dict[str, Callable[[str], str]] = {
    "terminal: line": terminal_line, "terminal: value": terminal_value, "page: cell": page_cell,
    "page: data": page_data, "notebook": notebook, "goAML": goaml,
    "STR draft": draft_rows_on_a_page, "picture: text": picture_text,
    "error: option": error_of_an_option, "error: table": error_of_a_table, "error: command": error_of_a_command,
}  # fmt: skip
#: Those that show a text as Python writes it (`repr`), where its escapes stand instead of ours.
QUOTED = ("error: option", "error: table", "page: data")


@pytest.mark.parametrize("text", [*HIDDEN, *FORMULAS, HALF, "two\nlines"])
@pytest.mark.parametrize("output", LINES)
def test_nothing_hidden_comes_through(output: str, text: str) -> None:
    shown = LINES[output](text)
    assert hidden_in(shown, "\n\t" if output.startswith("error") else "") == set()
    assert "\u200d" not in shown
    assert "\u200c" not in shown
    if output == "error: command":
        assert " ".join(visible_message(f"x{text}").split()) in " ".join(shown.split())
    elif output == "picture: text" and not make_visible(text).isascii():
        assert len(shown) == len(make_visible(text))  # what no font of this machine has is a square there
    elif output not in QUOTED:
        assert make_visible(text) in shown
        assert "<U+003C>" not in shown or text == "<U+202E>"  # an escape is no escape of an escape


@pytest.mark.parametrize("text", READABLE)
@pytest.mark.parametrize("output", LINES)
def test_what_is_read_stays_as_it_is(output: str, text: str) -> None:
    shown = LINES[output](text)
    if output in QUOTED:
        shown = shown.replace("\\u200c", "\u200c").replace("\\u200d", "\u200d").replace("\\u3000", "\u3000")
        shown = shown.replace("\\'", "'")
    if output == "picture: text":  # what no font of this machine has is a square there
        assert len(shown) == len(text)
        return
    assert text in shown


# Tables in files


def csv_text(text: str, folder: Path) -> str:
    write_csv(pa.table({text: [text], "list": [[text]]}), folder / "x.csv")
    content = (folder / "x.csv").read_bytes().decode("utf-8-sig")
    heading, row = csv.reader(io.StringIO(content, newline=""), strict=True)
    assert len({heading[0], row[0], row[1]}) == 1
    return row[0]


def xlsx_text(text: str, folder: Path) -> str:
    write_xlsx({"t": pa.table({text: [text], "list": [[text]]})}, folder / "x.xlsx")
    (heading, _), row = openpyxl.load_workbook(folder / "x.xlsx").worksheets[0].iter_rows()
    assert {cell.data_type for cell in (heading, *row)} == {"s"}
    assert len({cell.value for cell in (heading, *row)}) == 1
    return str(row[0].value)


@pytest.mark.parametrize("text", [*HIDDEN, *READABLE])
@pytest.mark.parametrize("write", [csv_text, xlsx_text])
def test_tables_hide_nothing_and_lose_nothing(write: Callable[[str, Path], str], text: str, tmp_path: Path) -> None:
    cell = write(text, tmp_path)
    assert hidden_in(cell, "\r\n\t") == set()
    assert cell == make_visible(text, lines=True)
    assert read_visible(cell) == text


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("write", [csv_text, xlsx_text])
def test_no_formula_stands_behind_what_was_hidden(write: Callable[[str, Path], str], text: str, tmp_path: Path) -> None:
    cell = write(text, tmp_path)
    assert cell[0] in "'<"
    assert read_visible(cell).replace("'", "") == text
    assert hidden_in(cell, "\n\t") == set()


def test_lines_stay_in_cells(tmp_path: Path) -> None:
    assert csv_text("a\nb\r\nc\td", tmp_path) == "a\nb\r\nc\td"
    assert xlsx_text("a\nb\r\nc\td", tmp_path) == "a\nb\nc\td"


@pytest.mark.parametrize("name", ["a\u202eb", "x\x1b", "\u3164"])
def test_names_of_sheets_hide_nothing(name: str, tmp_path: Path) -> None:
    write_xlsx({name: pa.table({"x": [1]})}, tmp_path / "x.xlsx")
    assert openpyxl.load_workbook(tmp_path / "x.xlsx").sheetnames == [make_visible(name)]


@pytest.mark.parametrize("text", [*HIDDEN, *READABLE])
def test_graphml_can_be_read_and_holds_no_hidden_sign(text: str, tmp_path: Path) -> None:
    made = ring_of(text)
    made.to_graphml(tmp_path / "x.graphml")
    content = (tmp_path / "x.graphml").read_text("utf-8")
    assert hidden_in(content, "\n") == set()
    drawn = nx.read_graphml(tmp_path / "x.graphml", force_multigraph=True)
    assert {read_visible(name) for name in drawn.nodes} == {f"{text}1", f"{text}2"}
    assert {read_visible(traits["evidence"]) for *_, traits in drawn.edges(data=True)} == {f"{text} {text}"}


def ring_of(text: str) -> md.rings.Ring:
    """Return a ring of two accounts in which every text is this one."""
    at = pd.Timestamp("2025-03-01", tz="UTC")
    ring = {"ring_id": text, "as_of": at, "n_accounts": 2, "score": 1.0, "stability": 1.0, "value_in": 5,
            "probability": 0.9, "expected_value": 4, "n_victims": 1, "first_time": at, "last_time": at,
            "recoverable": 1}  # fmt: skip
    member = {"ring_id": text, "role": text, "layer": 1, "membership": 1.0, "is_seed": True}
    link = {
        "ring_id": text,
        "source": f"{text}1",
        "target": f"{text}2",
        "kind": text,
        "weight": 1.0,
        "evidence": [text] * 2,
    }
    members = [member | {"account_id": f"{text}{n}"} for n in (1, 2)]
    contracts = zip((schema.RINGS, schema.RING_MEMBERS, schema.RING_LINKS), ([ring], members, [link]), strict=True)
    tables = [
        pa.Table.from_pylist([{name: row.get(name) for name in contract.names} for row in rows], contract.arrow_schema)
        for contract, rows in contracts
    ]
    return md.rings.RingTables(*tables).ring(text)


@pytest.mark.parametrize("text", HIDDEN)
def test_pictures_hide_nothing(text: str) -> None:
    try:
        axes = md.plots.plot_feature(pa.table({text: [1.0, 2.0]}), [0, 1], text)
        drawn = [part.get_text() for part in axes.figure.findobj(DrawnText)]
    finally:
        plt.close("all")
    assert hidden_in(" ".join(drawn), "\n") == set()  # where a title is wrapped
    shown = make_visible(text)
    assert any(shown in part for part in drawn) or not shown.isascii()


@pytest.mark.parametrize("text", HIDDEN)
def test_a_ring_in_a_notebook_hides_nothing(text: str) -> None:
    shown = html.unescape(ring_of(text)._repr_html_())
    assert hidden_in(shown) == set()
    assert make_visible(text) in shown


# Whole reports: one name holds all of these texts

ALL = "|".join([*HIDDEN, *READABLE[1:], *FORMULAS])


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report of a bank whose every text has all of them, as if the reader of ids had let them through."""
    folder = tmp_path_factory.mktemp("hidden") / "report"
    with pytest.MonkeyPatch.context() as patch:
        for place in ("parse", "join"):
            patch.setattr(f"muledetect.records.{place}.plain_ids", lambda ids: ids)
        material = make_material(lambda name: f"{name}|{ALL}")
        write_report(material, folder, zone="Asia/Bangkok", goaml=True)
    return folder


def files_of(report: Path, pattern: str) -> Iterator[tuple[str, str]]:
    found = sorted(report.glob(pattern))
    assert found, pattern
    for path in found:
        # files are read as they are: `newline` keeps what could be a line end
        yield path.name, path.read_bytes().decode("utf-8-sig")


def shown_by(text: str) -> str:
    """Return what a page shows and tells its scripts, without the scripts and styles of ours."""
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    shown = " ".join(_texts(json.loads(data[1]))) if data else ""
    bare = re.sub(r"<script.*?</script>|<style.*?</style>", "", text, flags=re.DOTALL)
    return f"{html.unescape(bare.replace('&nbsp;', ' '))} {shown}"  # the blanks of our own


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for name, value in data.items():
            yield name
            yield from _texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from _texts(value)


@pytest.mark.parametrize("pattern", ["index.html", "accounts/*.html", "rings/*.html"])
def test_pages_of_a_report_hide_nothing(report: Path, pattern: str) -> None:
    for name, content in files_of(report, pattern):
        shown = shown_by(content)
        assert hidden_in(shown, "\n") == set(), name
        assert f"|{make_visible(ALL)}" in shown, name
        assert not re.search("<U\\+003C>(?!U\\+202E>)", shown), name


@pytest.mark.parametrize("pattern", ["alerts.csv", "ring_members.csv", "holds.csv", "goaml/*.xml"])
def test_files_beside_the_pages_hide_nothing(report: Path, pattern: str) -> None:
    for name, content in files_of(report, pattern):
        assert hidden_in(content, "\r\n\t") == set(), name
        for text in HIDDEN:
            assert make_visible(f"|{text}") in html.unescape(content), (name, text)


def test_the_model_report_hides_nothing(tmp_path: Path) -> None:
    folders = write_folders(tmp_path, lambda text: f"{text}|{ALL}|")
    shown = shown_by(page(read_model_report(*folders)))
    assert hidden_in(shown, "\n") == set()
    assert shown.count(f"|{make_visible(ALL)}|") > 10
    assert not re.search("<U\\+003C>(?!U\\+202E>)", shown)


def test_a_model_report_with_half_of_a_sign_is_refused(tmp_path: Path) -> None:
    folders = write_folders(tmp_path, lambda text: f"{text}@@")
    for path in tmp_path.rglob("*.json"):
        path.write_text(path.read_text("utf-8").replace("@@", "\\ud800"), "utf-8")  # as another program may write it
    with pytest.raises(md.DataError, match="no text in UTF-8"):
        read_model_report(*folders)


# Any text


@cache
def _cell() -> Any:
    return _environment("UTC", 100).from_string("<td>{{ x }}</td>")


@given(any_text())
@pytest.mark.slow
def test_any_text_can_be_had_back_from_every_output(text: str) -> None:
    assert read_visible(Text.from_markup(console.plain(text)).plain) == text
    assert read_visible(json.loads(_json([text]))[0]) == text
    if text != "":
        cell = _cell().render(x=text)
        assert read_visible(html.unescape(cell.removeprefix("<td>").removesuffix("</td>"))) == text
    bare = markup.escape_value(text).removeprefix("<bdi>").removesuffix("</bdi>")
    whole = make_visible(text)
    if len(whole) <= markup.MOST_CHARACTERS:
        assert read_visible(html.unescape(bare)) == text
    element = etree.fromstring(to_goaml(draft_str(hostile_case(text or "x"))).encode())
    assert read_visible(element.findtext(".//transactionnumber") or "") == f"{text or 'x'}1"


@given(any_text(max_size=6), st.integers(2, 40))
def test_an_id_is_shortened_without_cutting_what_belongs_together(text: str, most: int) -> None:
    shown = _environment("UTC", 100).from_string("{{ x | short }}").render(x=text * 8)
    assert hidden_in(html.unescape(shown)) == set()
    drawn = str(as_text(text * 8, most)["s"])
    assert len(drawn) <= most
    assert Markup("{}").format(make_visible(drawn)).unescape() == drawn or "<U+" in drawn
