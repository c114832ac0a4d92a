"""Writing a report: all pages or none, the same bytes each time, no account in a path, an earlier report replaced."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from report_world import AS_OF, hostile, make_material, make_tables, make_world, material_of

from muledetect.clock import format_time
from muledetect.errors import OptionError
from muledetect.outputs import MANIFEST
from muledetect.records.pseudonyms import Pseudonyms
from muledetect.reports.write import write_report


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_report_has_an_index_a_page_an_alert_and_a_page_a_ring(tmp_path: Path) -> None:
    pages = write_report(make_material(), tmp_path / "report", goaml=True)
    assert pages == {"alerts": 11, "rings": 2, "model": 0}
    assert len(list((tmp_path / "report" / "accounts").glob("*.html"))) == 11
    assert len(list((tmp_path / "report" / "rings").glob("*.html"))) == 2
    assert len(list((tmp_path / "report" / "goaml").glob("*.xml"))) == 11
    mark = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert mark["as_of"] == format_time(AS_OF)
    assert list(tmp_path.iterdir()) == [tmp_path / "report"]


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_report(make_material(), tmp_path / name, goaml=True)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_no_account_stands_in_a_path(tmp_path: Path) -> None:
    write_report(make_material(hostile), tmp_path / "report", goaml=True)
    for path in (tmp_path / "report").rglob("*"):
        assert (
            path.name in ("accounts", "rings", "goaml", "index.html", "report.json", MANIFEST)
            or path.stem.isdigit()
            or path.suffix == ".csv"
        )


@pytest.mark.slow
def test_an_earlier_report_is_replaced_whole(tmp_path: Path) -> None:
    write_report(make_material(), tmp_path / "report", goaml=True)
    write_report(make_material(n_alerts=2), tmp_path / "report")
    assert len(list((tmp_path / "report" / "accounts").glob("*.html"))) == 2
    assert not (tmp_path / "report" / "goaml").exists()
    assert list(tmp_path.iterdir()) == [tmp_path / "report"]


def test_a_folder_of_something_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "thesis.txt").write_text("mine", "utf-8")
    with pytest.raises(OptionError, match="is not empty, and muledetect did not write it"):
        write_report(make_material(), tmp_path / "report")
    assert [path.name for path in tmp_path.rglob("*")] == ["report", "thesis.txt"]


def test_an_interrupted_run_leaves_the_old_report(tmp_path: Path) -> None:
    write_report(make_material(), tmp_path / "report")
    before = content(tmp_path / "report")

    def stop(stage: str, _done: float) -> None:
        if stage == "ring files":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_report(make_material(n_alerts=2), tmp_path / "report", progress=stop)
    assert content(tmp_path / "report") == before
    assert list(tmp_path.iterdir()) == [tmp_path / "report"]


@pytest.mark.slow
def test_under_pseudonyms_no_page_and_no_table_holds_an_account_a_holder_or_a_name(tmp_path: Path) -> None:
    people = set(make_tables()["accounts"]["account_id"].to_pylist())

    def marked(text: str) -> str:
        return f"{text}-SECRET" if text in people or text.startswith(("h ", "name ")) else text

    world = make_world(marked, key=Pseudonyms(bytes(range(64))))
    material = material_of(world, rings=world.rings)
    assert len(material.account_ids) == 11
    write_report(material, tmp_path / "report", goaml=True)
    for path in (tmp_path / "report").rglob("*"):
        assert "SECRET" not in path.name
        assert path.is_dir() or b"SECRET" not in path.read_bytes(), path.name


def test_an_unknown_zone_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no time zone"):
        write_report(make_material(), tmp_path / "report", zone="Mars/Olympus")
    assert not list(tmp_path.iterdir())
