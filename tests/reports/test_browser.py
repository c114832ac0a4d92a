"""Pages in a real browser: they open from disk, answer mouse and keyboard, and let nothing in or out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, open_browser
from report_world import hostile, make_material
from selenium.webdriver import ActionChains, Keys

from muledetect.reports.write import write_report

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.filterwarnings("default")]  # selenium warns


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain") / "report"
    write_report(make_material(), folder, zone="Asia/Bangkok")
    return folder


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "report"
    write_report(make_material(hostile), folder)
    return folder


def pages(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.html"))


def test_hostile_text_in_every_field_does_nothing(browser: Browser, hostile_report: Path) -> None:
    assert len(pages(hostile_report)) == 14
    for path in pages(hostile_report):
        browser.open(path)
        use_everything(browser)
        assert browser.run("return window.hit") is None, path.name
        assert browser.run("return document.querySelectorAll('iframe, img, object, embed').length") == 0
        assert browser.messages() == [], path.name
        assert browser.requests() == [], path.name


def use_everything(browser: Browser) -> None:
    """Press, type and move everywhere, so that no script is left unused."""
    browser.run(
        """
        for (const button of document.querySelectorAll('button:not([data-does=print])')) button.click();
        for (const field of document.querySelectorAll('input')) {
          field.value = field.type === 'range' ? '500' : '<b>';
          field.dispatchEvent(new Event('input'));
        }
        for (const field of document.querySelectorAll('input[type=search]')) {
          field.value = ''; field.dispatchEvent(new Event('input'));
        }
        for (const box of document.querySelectorAll('[role=application]'))
          for (const key of ['ArrowRight', 'ArrowLeft', 'End', 'n', 'p', '+', '-', '0'])
            box.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
        for (const row of document.querySelectorAll('tr[tabindex]')) row.dispatchEvent(new Event('mouseenter'));
        if (window.ringNetwork) {
          window.ringNetwork.nodes().forEach((node) => node.emit('mouseover'));
          window.ringNetwork.edges().forEach((edge) => edge.emit('mouseover'));
        }
        """
    )


@pytest.mark.parametrize("page", ["index.html", "accounts/00001.html", "rings/0001.html"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_page_opens_quietly_and_fits_the_window(browser: Browser, report: Path, page: str, width: int) -> None:
    browser.open(report / page, width=width)
    assert browser.messages() == []
    assert browser.requests() == []
    assert browser.run("return document.documentElement.scrollWidth") <= width


def test_an_injected_script_or_style_is_refused(browser: Browser, report: Path) -> None:
    browser.open(report / "index.html")
    browser.run(
        "const made = document.createElement('img'); made.src = 'https://example.invalid/x'; document.body.append(made)"
    )
    refused = browser.run("try { document.body.innerHTML = '<b>'; return false } catch { return true }")
    assert refused
    assert any("Content Security Policy" in message for message in browser.messages())
    assert browser.requests() == [] or browser.run("return document.images[0].naturalWidth") == 0


def shown_rows(browser: Browser, table: str) -> list[str]:
    rows = "[...document.querySelectorAll(arguments[0] + ' tbody tr')].filter(row => !row.hidden)"
    return list(browser.run(f"return {rows}.map(row => row.cells[1].innerText)", table))


def test_the_index_searches_filters_and_sorts(browser: Browser, report: Path) -> None:
    browser.open(report / "index.html")
    everybody = shown_rows(browser, "#alert-table")
    assert everybody[:2] == ["gc", "gr1"]
    search = browser.find("[data-filters=alert-table] input[type=search]")
    search.send_keys("gr")
    assert shown_rows(browser, "#alert-table") == ["gr1", "gr2"]
    assert browser.text("[data-filters=alert-table] [data-count]") == "2 / 11"
    search.send_keys(Keys.BACKSPACE, Keys.BACKSPACE, "consolidator")
    assert "gc" not in shown_rows(browser, "#alert-table")
    search.clear()
    search.send_keys(" ", Keys.BACKSPACE)
    browser.find("select[data-column=tier] option[value=watch]").click()
    assert shown_rows(browser, "#alert-table") == ["kc", "kr1", "kr2", "kx"]
    browser.find("select[data-column=tier] option[value='']").click()
    browser.find("#alert-table thead th:nth-child(3) button").click()
    assert shown_rows(browser, "#alert-table")[-1] == "gc"
    browser.find("#alert-table thead th:nth-child(3) button").click()
    assert shown_rows(browser, "#alert-table")[0] == "gc"
    assert browser.find("#alert-table thead th:nth-child(3)").get_attribute("aria-sort") == "descending"


def test_links_lead_from_the_index_to_a_case_and_to_its_ring(browser: Browser, report: Path) -> None:
    browser.open(report / "index.html")
    browser.find("#alert-table tbody tr a").click()
    assert browser.text("h1").endswith("gc")
    browser.find("nav a:nth-of-type(2)").click()
    assert browser.text("h1").startswith("Ring")
    browser.find("#member-table a").click()
    assert browser.text("h1").startswith("Account")


def test_the_timeline_answers_keys_and_mouse(browser: Browser, report: Path) -> None:
    browser.open(report / "accounts/00001.html")
    chart = browser.find("#timeline-chart")
    chart.send_keys(Keys.HOME)
    first = browser.text("#timeline-readout")
    assert "employer" in first
    assert first.startswith("+1,0")
    chart.send_keys(Keys.ARROW_RIGHT)
    assert browser.text("#timeline-readout").startswith("\N{MINUS SIGN}750")
    over = browser.find("#timeline-chart .u-over")
    ActionChains(browser.driver).move_to_element(over).perform()
    assert browser.text("#timeline-readout") != first
    browser.find("[data-zoom=period]").click()
    assert browser.messages() == []


def test_the_network_answers_mouse_keys_and_time(browser: Browser, report: Path) -> None:
    browser.open(report / "rings/0001.html")
    at = browser.run("const p = ringNetwork.nodes('[kind=\"collector\"]')[0].renderedPosition(); return [p.x, p.y]")
    box = browser.find("#ring-network")
    browser.run("arguments[0].scrollIntoView({block: 'center'})", box)
    size = box.size
    ActionChains(browser.driver).move_to_element_with_offset(
        box, int(at[0] - size["width"] / 2), int(at[1] - size["height"] / 2)
    ).perform()
    shown = browser.text("#network-readout")
    assert "collector" in shown
    assert "received" in shown
    before = browser.run("return ringNetwork.zoom()")
    box.send_keys("+")
    assert browser.run("return ringNetwork.zoom()") > before
    box.send_keys("n")
    assert browser.run("return ringNetwork.elements('.linked').length") >= 1
    box.send_keys("0")
    browser.run("const s = document.getElementById('slider'); s.value = 0; s.dispatchEvent(new Event('input'))")
    n = browser.run("return ringNetwork.edges().length")
    assert browser.run("return ringNetwork.edges('.later').length") >= n - 1
    browser.find("#play").click()
    moved = (
        "return new Promise(done => { const at = () => Number(document.getElementById('slider').value);"
        " const look = () => at() > 20 ? done(true) : setTimeout(look, 20); look(); })"
    )
    assert browser.run(moved)
    browser.find("#play").click()
    browser.run("const s = document.getElementById('slider'); s.value = 1000; s.dispatchEvent(new Event('input'))")
    assert browser.run("return ringNetwork.edges('.later').length") == 0
    assert browser.messages() == []


def test_victims_stand_left_of_layers_left_of_exits(browser: Browser, report: Path) -> None:
    browser.open(report / "rings/0001.html")
    folded = browser.run("return ringNetwork.nodes().length")
    assert browser.run("return ringNetwork.nodes('[kind=\"victim\"]').length") == 0
    browser.find("#around").click()
    assert browser.run("return ringNetwork.nodes().length") > folded
    x = browser.run(
        "const of = (kind) => Math.max(...ringNetwork.nodes(`[kind=\"${kind}\"]`).map(n => n.position('x')));"
        "return [of('victim'), of('collector'), of('relay'), of('exit')]"
    )
    assert x == sorted(x)
    browser.find("#around").click()
    browser.run("ringNetwork.nodes('[kind=\"payers\"]').emit('tap')")
    assert browser.run("return new Promise(done => setTimeout(() => done(ringNetwork.nodes().length), 100))") > folded
    assert browser.messages() == []


def test_a_member_of_the_table_is_lifted_in_the_network(browser: Browser, report: Path) -> None:
    browser.open(report / "rings/0001.html")
    browser.find("#member-table tbody tr").send_keys("")
    browser.run("document.querySelector('#member-table tbody tr').focus()")
    assert browser.run("return ringNetwork.nodes('.linked').length") >= 2


def test_words_in_charts_follow_the_language_and_keep_the_zoom(browser: Browser, report: Path) -> None:
    browser.open(report / "accounts/00001.html")
    assert "victims" in browser.text("#timeline-chart .u-legend")
    browser.find("[data-zoom=period]").click()
    browser.find("[data-does=language]").click()
    assert "ผู้เสียหาย" in browser.text("#timeline-chart .u-legend")
    assert browser.run("return document.querySelectorAll('#timeline-chart .uplot').length") == 1


@pytest.mark.parametrize("page", ["index.html", "accounts/00001.html", "rings/0001.html"])
def test_the_language_is_one_press_away(browser: Browser, report: Path, page: str) -> None:
    browser.open(report / page)
    assert "Internal: do not disclose" in browser.text(".notice")
    browser.find("[data-does=language]").click()
    assert browser.text(".notice").startswith("ภายในเท่านั้น")
    assert browser.run("return document.documentElement.lang") == "th"
    visible = browser.run(
        "return [...document.querySelectorAll('main [lang=en]')].filter(e => e.getClientRects().length > 0).length"
    )
    assert visible == 0
    assert browser.messages() == []


def test_light_and_dark(browser: Browser, report: Path) -> None:
    browser.open(report / "index.html")
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = browser.run(paper)
    browser.find("[data-does=theme]").click()
    assert browser.run(paper) != light
    browser.find("[data-does=theme]").click()
    assert browser.run(paper) == light


def test_every_control_can_be_reached_by_keyboard_and_has_a_name(browser: Browser, report: Path) -> None:
    for page in ("index.html", "accounts/00001.html", "rings/0001.html"):
        browser.open(report / page)
        browser.find("body").send_keys(Keys.TAB)
        assert browser.run("return document.activeElement.className") == "skip"
        unnamed = browser.run(
            "return [...document.querySelectorAll('button, input, select, a, [role=application]')].filter(e =>"
            " e.tabIndex < 0 || !(e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)"
        )
        assert unnamed == []


def test_on_paper_the_notice_stays_and_the_tools_go(browser: Browser, report: Path) -> None:
    browser.open(report / "accounts/00001.html")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert browser.find(".notice").is_displayed()
        assert not browser.find(".tools").is_displayed()
        printed = browser.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert len(printed["data"]) > 20_000
