"""The words of the field: what fraud teams read holds no private metaphor and no jargon that a plain word replaces."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: word -> what to write.
REPLACED = {
    r"dwell\w*": "holding time",
    r"nats?": "log-odds",
    r"scribes?": "what writes the table",
    r"purses?": "money at hand",
    r"open_books": "Snapshot",
    r"innocents": "false positives, or accounts that are no mules",
    r"kin": "accounts of the same group",
    r"heard": "known to the bank",
    r"TieScene|build_scene": "context",
    r"gather_knowledge": "evidence of an account",
    r"each row beside those above it": "tables added one after another",
}
#: a line with one of these marks names an old word on purpose
ON_PURPOSE = ("former", '"holding_time_', 'open_books": "facts', "false_positives", "customer_groups")


def pages() -> list[Path]:
    places = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "api").glob("*.md")]
    return [*places, *(ROOT / "muledetect").rglob("*.py")]


@pytest.mark.parametrize("word", REPLACED)
def test_no_page_and_no_module_uses_a_word_that_the_field_does_not(word: str) -> None:
    pattern = re.compile(rf"(?<![A-Za-z_])(?:{word})(?![A-Za-z])")
    found = [
        f"{page.relative_to(ROOT)}:{number}: {line.strip()[:90]}"
        for page in pages()
        for number, line in enumerate(page.read_text("utf-8").splitlines(), 1)
        if pattern.search(line) and not any(mark in line.lower() for mark in ON_PURPOSE)
    ]
    assert not found, f"write {REPLACED[word]!r} instead:\n" + "\n".join(found[:40])
