"""The file of a pack: one changed byte is noticed wherever it stands, and nothing but a pack is read."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from evidence_world import packed

from muledetect.errors import DataError
from muledetect.evidence.archive import DIGESTS, changed_members, digests_of, read_archive, write_archive

SMALL = {"manifest.json": b"{}\n", "tables/a.csv": b"1,2\n", "pages/index.html": b"<p>"}


def is_noticed(path: Path, content: bytes) -> bool:
    path.write_bytes(content)
    try:
        return bool(changed_members(read_archive(path)))
    except DataError:
        return True


def test_members_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(write_archive(SMALL))
    found = read_archive(path)
    assert {name: found[name] for name in SMALL} == SMALL
    assert list(found) == sorted(found)
    assert changed_members(found) == []
    assert write_archive(dict(reversed(SMALL.items()))) == path.read_bytes()


def test_every_byte_of_a_small_pack_counts(tmp_path: Path) -> None:
    content = write_archive(SMALL)
    for place in range(len(content)):
        for change in (1, 0x20, 0x80):
            one = bytearray(content)
            one[place] ^= change
            assert is_noticed(tmp_path / "x.zip", bytes(one)), place


def test_a_changed_byte_of_a_real_pack_is_noticed(tmp_path: Path) -> None:
    content, random = packed(), np.random.default_rng(1)
    directory = content.rfind(b"PK\x05\x06") - 3_000  # entries of the directory, and its end
    places = [*random.integers(0, len(content), 60).tolist(), *random.integers(directory, len(content), 40).tolist()]
    for place in places:
        one = bytearray(content)
        one[place] ^= 1 << int(random.integers(8))
        assert is_noticed(tmp_path / "x.zip", bytes(one)), place


@pytest.mark.parametrize("change", ["cut", "longer", "in front", "twice"])
def test_bytes_around_a_pack_are_noticed(tmp_path: Path, change: str) -> None:
    content = write_archive(SMALL)
    changed = {"cut": content[:-1], "longer": content + b"\0", "in front": b"MZ" + content, "twice": content * 2}
    assert is_noticed(tmp_path / "x.zip", changed[change])


def test_a_member_that_was_replaced_with_its_checksum_is_named(tmp_path: Path) -> None:
    members = {**SMALL, DIGESTS: digests_of(SMALL)}
    for name in SMALL:
        other = {**members, name: members[name] + b"x"}
        assert changed_members(other) == [name]
    assert changed_members({name: content for name, content in members.items() if name != "tables/a.csv"}) == [
        "tables/a.csv"
    ]
    assert changed_members({**members, "tables/b.csv": b""}) == ["tables/b.csv"]
    assert changed_members({**members, DIGESTS: members[DIGESTS] + b"\n"}) != []


def hostile(kind: str) -> bytes:
    """Return an archive that no pack is."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo("tables/a.csv", (1980, 1, 1, 0, 0, 0))
        entry.create_system, entry.external_attr = 3, 0o100644 << 16
        if kind == "traversal":
            entry.filename = "../../etc/passwd.txt"
        elif kind == "absolute":
            entry.filename = "/tmp/a.csv"  # noqa: S108 (a name inside an archive)
        elif kind == "backslash":
            entry.filename = "tables\\a.csv"
        elif kind == "capitals":
            entry.filename = "tables/A.csv"
        elif kind == "link":
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        elif kind == "bomb":
            entry.compress_type = zipfile.ZIP_DEFLATED
        elif kind == "comment":
            archive.comment = b"hello"
        elif kind == "extra":
            entry.extra = b"\x99\x99\x00\x00"
        archive.writestr(entry, b"\0" * (50_000_000 if kind == "bomb" else 10))
        if kind == "duplicate":
            with pytest.warns(UserWarning, match="Duplicate"):
                archive.writestr(entry, b"other")
        if kind == "folder":
            archive.writestr(zipfile.ZipInfo("tables/"), b"")
    return file.getvalue()


KINDS = (
    "traversal",
    "absolute",
    "backslash",
    "capitals",
    "link",
    "bomb",
    "comment",
    "extra",
    "duplicate",
    "folder",
    "plain",
)


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_archives_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(hostile(kind))
    with pytest.raises(DataError, match="pack:"):
        read_archive(path)
    assert list(tmp_path.iterdir()) == [path]  # nothing was unpacked


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all", b"PK\x05\x06" + b"\0" * 18, b"\0" * 1000])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(DataError, match="pack:"):
        read_archive(tmp_path / "x.zip")


def test_random_bytes_never_end_in_another_error(tmp_path: Path) -> None:
    content, random = write_archive(SMALL), np.random.default_rng(7)
    for _ in range(300):
        one = bytearray(content)
        for place in random.integers(0, len(content), 8):
            one[int(place)] = int(random.integers(256))
        assert is_noticed(tmp_path / "x.zip", bytes(one)) or bytes(one) == content


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(DataError, match="there is no file"):
        read_archive("nowhere.zip")
