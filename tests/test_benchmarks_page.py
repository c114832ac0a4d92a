"""The page of figures is made of what commands printed, and README holds no table of figures."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import benchmarks  # noqa: E402

STORED = sorted(path.stem for path in benchmarks.STORE.glob("*.json"))


def test_the_page_is_what_the_stored_figures_say() -> None:
    assert benchmarks.PAGE.read_text("utf-8") == benchmarks.page(), "run `python docs/benchmarks.py --page`"


@pytest.mark.parametrize("name", STORED)
def test_every_section_names_its_command_version_machine_packages_and_date(name: str) -> None:
    result = json.loads((benchmarks.STORE / f"{name}.json").read_text("utf-8"))
    title = f"## {benchmarks.SECTIONS[name].title}\n"
    section = benchmarks.page().partition(title)[2].partition("\n## ")[0]
    assert f"\n    {result['command']}\n" in section
    assert re.search(r"Version: muledetect \S+, commit [0-9a-f]{7}\S*\. Date: \d{4}-\d\d-\d\d\.", section)
    assert re.search(r"Machine: .*cores", section)
    assert "Packages: Python 3." in section
    assert result["printed"].strip().split("\n")[0] in section


def test_every_benchmark_has_a_section_or_a_page_of_its_own_and_no_other_is_named() -> None:
    scripts = {path.name for path in (ROOT / "benchmarks").glob("*.py") if not path.name.startswith("_")}
    named = {section.command.split()[1].removeprefix("benchmarks/") for section in benchmarks.SECTIONS.values()}
    own = {script for script, _ in benchmarks.OTHER_PAGES.values()}
    assert scripts | {"realism.py"} == named | own


@pytest.mark.parametrize("page", ["README.md", "benchmarks/README.md"])
def test_tables_of_figures_stand_on_the_page_only(page: str) -> None:
    rows = re.findall(r"^\|.*\|$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    figures = [row for row in rows if re.search(r"\d[.,]\d|\d ?%", re.sub(r"\(.*?\)", "", row))]
    assert not figures


def test_measuring_one_section_stores_what_its_command_printed_and_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def section(text: str) -> benchmarks.Section:
        return benchmarks.Section(text.title(), f"python -c 'print(\"| {text} |\")'", 1, "A table.")

    monkeypatch.setattr(benchmarks, "SECTIONS", {"one": section("one"), "two": section("two")})
    monkeypatch.setattr(benchmarks, "STORE", tmp_path)
    monkeypatch.setattr(benchmarks, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(sys, "argv", ["benchmarks.py", "one"])
    benchmarks.main()
    first = (tmp_path / "one.json").read_bytes()
    assert json.loads(first)["printed"] == "| one |\n"
    monkeypatch.setattr(sys, "argv", ["benchmarks.py", "two"])
    benchmarks.main()
    assert (tmp_path / "one.json").read_bytes() == first
    page = benchmarks.page(tmp_path)
    assert page.index("\n| one |\n") < page.index("\n| two |\n")
    assert "Not measured yet" not in page


def test_a_command_gets_an_empty_folder_that_is_removed_and_the_data_sets_that_it_names(tmp_path: Path) -> None:
    code = "import os, sys; print(sys.argv[1:], os.listdir(sys.argv[1]))"
    section = benchmarks.Section("Folders", f"python -c '{code}' FOLDER AMLSIM", 1, "Shows its arguments.")
    printed = benchmarks.measure(section, {"AMLSIM": str(tmp_path)})["printed"]
    folder, data, *listed = re.findall(r"'([^']*)'", printed)
    assert data == str(tmp_path)
    assert not listed
    assert not Path(folder).exists()
    with pytest.raises(SystemExit, match="--amlsim DIR"):
        benchmarks.measure(section, {})


def test_a_section_says_how_long_its_command_took_on_the_clock_and_of_processors() -> None:
    code = "import time; end = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
    measured = benchmarks.measure(benchmarks.Section("Busy", f"python -c '{code}'", 1, "Computes."), {})
    assert measured["processors"] >= 0.2
    said = benchmarks._origin(measured | {"seconds": 1_234.4, "processors": 2_345.4})[0]
    assert said.endswith(" Took 1,234 s, 2,345 s of processors.  ")


def test_a_command_that_fails_stores_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = benchmarks.Section("Broken", "python -c 'raise SystemExit(3)'", 1, "Fails.")
    monkeypatch.setattr(benchmarks, "SECTIONS", {"broken": broken})
    monkeypatch.setattr(benchmarks, "STORE", tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmarks.py", "broken"])
    with pytest.raises(subprocess.CalledProcessError):
        benchmarks.main()
    assert not list(tmp_path.iterdir())
    assert "| `broken` |" in benchmarks.page(tmp_path)
