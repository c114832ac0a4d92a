"""What a manifest proves, and what a crafted or damaged one cannot do."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muledetect.errors import OutputError
from muledetect.outputs import MANIFEST, Output, check_output, is_ours, new_folder

RINGS = Output("rings", ("*.txt", "sub/*.txt", "deep/er/[0-9].txt"))


@pytest.mark.parametrize(
    ("name", "may_write", "in_the_way"),
    [
        ("a.txt", True, True),
        ("sub/a.txt", True, True),
        ("notes.md", False, False),
        ("more/a.txt", False, False),  # "*" stands for no "/"
        ("sub", False, True),  # a file where a folder is needed
        ("sub/notes.md", False, False),
        ("a.txt/inside", False, True),  # a folder where a file is needed
        ("deep", False, True),
        ("deep/er/x.txt", False, False),
        ("deep/er/1.txt", True, True),
        ("A.TXT", False, False),
    ],
)
def test_names_are_matched_part_by_part(name: str, may_write: bool, in_the_way: bool) -> None:
    assert RINGS.may_write(name) == may_write
    assert RINGS.stands_in_the_way(name) == in_the_way


def test_a_file_that_an_output_did_not_declare_is_a_fault_of_the_program(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Declare it"), new_folder(tmp_path / "out", RINGS) as new:
        (new / "other.csv").write_text("x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"format": 2, "files": {}}', '{"format": 1}', '{"format": 1, "files": []}',
     '{"format": 1, "files": {"a.txt": 1}}', '{"format": 1, "files": {"a.txt": {"of": "rings"}}}', "[" * 100_000,
     "\x00\xff"],
)  # fmt: skip
def test_a_damaged_manifest_proves_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MANIFEST).write_bytes(text.encode("latin-1"))
    (tmp_path / "out" / "a.txt").write_text("mine")
    for output in (RINGS, Output("rings", ("*.txt",), adds=True)):
        with pytest.raises(OutputError, match="cannot be read"):
            check_output(tmp_path / "out", output)


def test_a_crafted_manifest_cannot_reach_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "victim.txt").write_text("mine")
    digest = hashlib.sha256(b"mine").hexdigest()
    names = ("../victim.txt", str(tmp_path / "victim.txt"), "link", "sub/../../victim.txt")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "victim.txt")
    content = {"format": 1, "files": {name: {"of": "rings", "sha256": [digest]} for name in names}}
    (tmp_path / "out" / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(OutputError, match="were changed"):
        check_output(tmp_path / "out", RINGS)
    with new_folder(tmp_path / "out", RINGS, overwrite=True) as new:
        (new / "a.txt").write_text("new")
    assert (tmp_path / "victim.txt").read_text() == "mine"
    assert (tmp_path / "out" / "link").is_symlink()  # no link is ever ours


@given(st.binary(max_size=200), st.binary(max_size=200))
@pytest.mark.slow
def test_a_file_is_ours_exactly_while_it_has_the_bytes_that_were_written(
    tmp_path_factory: pytest.TempPathFactory, written: bytes, now: bytes
) -> None:
    folder = tmp_path_factory.mktemp("out") / "out"
    with new_folder(folder, RINGS) as new:
        (new / "a.txt").write_bytes(written)
    (folder / "a.txt").write_bytes(now)
    assert is_ours(folder, "a.txt") == (written == now)
    assert not is_ours(folder, "b.txt")


@pytest.mark.parametrize("name", ["", "/"])
def test_the_root_is_no_output(name: str) -> None:
    with pytest.raises(OutputError):
        check_output(Path("/") / name, RINGS, overwrite=True)


def test_a_name_too_long_is_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="too long"):
        check_output(tmp_path / ("x" * 250), RINGS)


def test_devices_are_no_output() -> None:
    with pytest.raises(OutputError, match="is a device, pipe or socket"):
        check_output("/dev/null", Output("scores"), overwrite=True)
