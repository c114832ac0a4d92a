"""Pages of a pack in a real browser: they open from disk, are quiet, and hostile text in them does nothing."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from evidence_world import AS_OF, hostile, make_world, open_browser

from muledetect import pipeline
from muledetect.clock import HOUR
from muledetect.holds import add_event

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.filterwarnings("default")]  # selenium warns


def test_hostile_text_in_every_field_of_a_pack_does_nothing(tmp_path: Path) -> None:
    world = make_world(hostile)
    payload = "<script>window.hit=1</script>"
    add_event(
        tmp_path / "holds", "held", pack="TH", time=AS_OF - HOUR, recorded=AS_OF - HOUR, decided_by=payload,
        why=payload, account_id=hostile("gc"), complaint_id=hostile("q0"), clock="traced_amount", amount=100,
    )  # fmt: skip
    content = pipeline.pack(
        world.dataset,
        world.scores,
        AS_OF,
        account=hostile("gc"),
        rings=world.rings,
        holds=tmp_path / "holds",
        pack="TH",
    )
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path / "pack")
    pages = sorted((tmp_path / "pack").rglob("*.html"))
    assert len(pages) == 2
    with open_browser() as browser:
        for page in pages:
            for width in (390, 1280):
                browser.open(page, width=width)
                assert browser.run("return window.hit") is None
                assert browser.messages() == []
                assert browser.requests() == []
                assert browser.run("return document.documentElement.scrollWidth") <= width
        browser.open(pages[0])
        assert payload in browser.text("#holds ~ dl")
        browser.open(pages[1])
        browser.find("#alert-table tbody tr a").click()
        assert browser.text("h1").startswith("Account")
