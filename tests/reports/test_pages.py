"""Pages: every value escaped, a policy that lets nothing in or out, libraries as released."""

from __future__ import annotations

import base64
import hashlib
import html
import html.parser
import json
import re
from pathlib import Path

import pytest
from markupsafe import Markup
from report_world import PAYLOADS, hostile, make_material

import muledetect.reports
from muledetect.errors import OptionError
from muledetect.model.reason_codes import TYPOLOGIES
from muledetect.reports.pages import _id, money_text, render, shorten, time_text
from muledetect.reports.words import REASONS, WORDS, read_words
from muledetect.reports.write import write_report
from muledetect.schema import RINGS
from muledetect.visible import read_visible

ROOM = Path(muledetect.reports.__file__).parent

#: SHA-256 of the released files; vendor/README.md says of which releases.
RELEASED = {
    "cytoscape.min.js": "71fa9ebec21a7ca2c40cff6aacc30d1f6464e363662ad4b2c197e1adc770cd94",
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}


class _Page(html.parser.HTMLParser):
    """What a browser would find in a page: elements, attributes, scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self._open: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag if tag in self.texts else None
        if self._open:
            self.texts[self._open].append("")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open][-1] += data

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._open = None


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The pages of a bank whose every text is hostile."""
    folder = tmp_path_factory.mktemp("pages") / "report"
    write_report(make_material(hostile), folder, goaml=True)
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in sorted(folder.rglob("*.html"))}


@pytest.fixture(scope="module")
def plain_pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages") / "report"
    write_report(make_material(), folder, goaml=True)
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in sorted(folder.rglob("*.html"))}


def shape(text: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(tag, tuple(sorted(attrs))) for tag, attrs in _Page(text).elements]


def test_hostile_text_makes_no_element_and_no_attribute(pages: dict[str, str], plain_pages: dict[str, str]) -> None:
    assert list(pages) == list(plain_pages)
    allowed = {tag for text in plain_pages.values() for tag, _ in _Page(text).elements}
    for name, text in pages.items():
        found = _Page(text).elements
        assert {tag for tag, _ in found} <= allowed, name
        names = {attribute for _, attrs in found for attribute in attrs}
        assert not {attribute for attribute in names if attribute.startswith("on") or attribute == "style"}, name


def test_the_index_has_the_same_elements_whatever_the_names(pages: dict[str, str], plain_pages: dict[str, str]) -> None:
    assert shape(pages["index.html"]) == shape(plain_pages["index.html"])


def test_links_lead_to_pages_of_the_report_only(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        for tag, attrs in _Page(text).elements:
            for attribute in ("href", "src"):
                if attribute in attrs:
                    target = attrs[attribute] or ""
                    assert tag == "a", (name, tag)
                    assert re.fullmatch(
                        r"#[\w-]+|(\.\./)?((accounts|rings|goaml)/\d+\.(html|xml)|index\.html(#rings)?)", target
                    )


def test_nothing_is_loaded_from_elsewhere(pages: dict[str, str]) -> None:
    for text in pages.values():
        page = _Page(text)
        assert not [
            tag for tag, _ in page.elements if tag in ("link", "iframe", "img", "object", "embed", "base", "form")
        ]
        assert not re.search(r"@import|url\(\s*['\"]?(?!data:)", "".join(page.texts["style"]))


def test_the_policy_allows_just_the_scripts_and_styles_that_are_there(pages: dict[str, str]) -> None:
    for text in pages.values():
        page = _Page(text)
        policy = next(attrs["content"] or "" for tag, attrs in page.elements if attrs.get("http-equiv"))
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert rules["default-src"] == "'none'"
        assert rules["base-uri"] == rules["form-action"] == "'none'"
        assert rules["require-trusted-types-for"] == "'script'"
        assert "unsafe" not in policy
        opened = [attrs for tag, attrs in page.elements if tag == "script"]
        scripts = [script for attrs, script in zip(opened, page.texts["script"], strict=True) if "type" not in attrs]
        assert rules["script-src"].split() == [_digest(script) for script in scripts]
        assert rules["style-src"].split() == [_digest(style) for style in page.texts["style"]]


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_data_of_scripts_is_json_that_no_value_leaves(pages: dict[str, str]) -> None:
    for text in pages.values():
        block = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
        assert block is not None
        assert not set("<>&") & set(block[1])
        assert isinstance(json.loads(block[1]), dict)


def test_each_page_says_that_it_is_internal_and_a_suspicion(pages: dict[str, str]) -> None:
    for text in pages.values():
        assert text.count("Internal: do not disclose to the customer") >= 2
        assert text.count("ห้ามเปิดเผยต่อลูกค้า") >= 2
        assert "not a finding" in text


def test_no_page_calls_anybody_guilty(plain_pages: dict[str, str]) -> None:
    for text in plain_pages.values():
        shown = re.sub(r"<script.*?</script>|<style.*?</style>", "", text, flags=re.DOTALL).lower()
        assert not re.search(r"criminal|guilty|fraudster|launderer|culprit", shown)


def test_pages_are_small(pages: dict[str, str]) -> None:
    assert max(len(text.encode()) for name, text in pages.items() if name.startswith("accounts/")) < 1_500_000


def test_every_label_stands_in_both_languages(plain_pages: dict[str, str]) -> None:
    for name, text in plain_pages.items():
        english, thai = (len(re.findall(f'<span lang="{language}">[^<]', text)) for language in ("en", "th"))
        assert english == thai > 20, name
    for words in (WORDS, REASONS):
        assert all(text["en"].strip() and re.search(r"[\u0e00-\u0e7f]|nats", text["th"]) for text in words.values())


def test_every_typology_has_a_name() -> None:
    assert set(TYPOLOGIES) <= set(REASONS)


def test_every_typology_of_a_ring_has_a_name_and_a_sentence_and_its_page_shows_them(
    plain_pages: dict[str, str],
) -> None:
    shapes, said = RINGS.column("typology").values, read_words("rings/words.toml")["typology"]
    assert set(shapes) == set(said) <= set(WORDS)
    page = next(text for text in plain_pages.values() if said["scatter_gather"]["en"] in text)
    assert said["scatter_gather"]["th"] in page
    assert page.count(f">{WORDS['scatter_gather']['en']}<") >= 2


def test_libraries_are_the_released_files() -> None:
    for name, digest in RELEASED.items():
        content = (ROOM / "vendor" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest, name
        assert b"</script" not in content.lower()
    for name in ("cytoscape", "uPlot"):
        assert "Permission is hereby granted" in (ROOM / "vendor" / f"{name}.LICENSE.txt").read_text("utf-8")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_ids_show_each_sign_they_hold(payload: str) -> None:
    page = Markup("{}").format(_id(payload))
    assert page.striptags().isprintable()
    assert read_visible(html.unescape(re.findall('title="([^"]*)"', page)[0])) == payload
    assert len(shorten(payload)) <= 18


def test_money_is_exact_for_any_size() -> None:
    assert money_text(100)(9_223_372_036_854_775_807) == "92,233,720,368,547,758.07"
    assert money_text(1)(1_000) == "1,000"
    assert money_text(1000)(-1) == "-0.001"
    assert money_text(100)(None) is None


def test_times_are_of_the_zone_and_years_of_the_common_era() -> None:
    assert time_text("Asia/Bangkok")(1_740_787_200_000_000) == "2025-03-01 07:00:00"
    with pytest.raises(OptionError, match="no time zone"):
        time_text("Mars/Olympus")


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(OptionError, match="neither 'en' nor 'th'"):
        render("index", language="fr")  # type: ignore[arg-type]
