"""The file of a pack: a ZIP archive with one spelling, so that every byte of it counts.

Members stand in the order of their names, stored and not compressed, with a fixed time. `digests.txt` has the SHA-256
of every other member, as `sha256sum` writes it. A file is read only if writing its members again gives the same bytes:
so a link, a second member of one name, a path that leads elsewhere, a compressed member (a bomb), a comment, bytes in
front, between or behind, and a changed bit of the directory are all refused by one rule.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from muledetect.errors import DataError

DIGESTS: Final = "digests.txt"
#: A pack has at most so many bytes and members.
MOST_BYTES: Final = 1 << 30
MOST_MEMBERS: Final = 20_000

_NAME: Final = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*\.[a-z]+")
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE: Final = 0o100644 << 16
_MEND: Final = "Get the pack again from whoever made it."


def write_archive(members: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a pack with these members and their digests; equal members give equal bytes."""
    if not all(_NAME.fullmatch(name) for name in members):
        raise DataError("pack: a member has a name that no pack has.")
    every = {**members, DIGESTS: digests_of(members)}
    return _zipped(every)


def digests_of(members: Mapping[str, bytes]) -> bytes:
    """Return the text of `digests.txt`."""
    lines = [f"{hashlib.sha256(members[name]).hexdigest()}  {name}\n" for name in sorted(members) if name != DIGESTS]
    return "".join(lines).encode()


def _zipped(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system, entry.external_attr = 3, _PLAIN_FILE
            archive.writestr(entry, members[name])
    return file.getvalue()


def read_archive(path: str | Path) -> dict[str, bytes]:
    """Return the members of a pack by name, `digests.txt` included; nothing is unpacked to disk.

    Parameters
    ----------
    path : path

    Raises
    ------
    DataError
        If the file is no pack, is too large, was changed in its directory, or holds anything that `write_archive` does
        not write. A member whose content was changed is found too: by its checksum.
    """
    name = Path(path).name
    try:
        size = Path(path).stat().st_size
        if size > MOST_BYTES:
            raise DataError(f"pack: {name!r} has {size:,} bytes, more than the {MOST_BYTES:,} that a pack may have.")
        content = Path(path).read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise DataError(f"pack: there is no file {name!r}. Give the file that `muledetect pack` wrote.") from error
    try:
        members = _members(content)
        is_ours = DIGESTS in members and _zipped(members) == content
    except DataError:
        raise
    except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, EOFError, NotImplementedError, RuntimeError,
            OverflowError, OSError) as error:  # fmt: skip
        raise DataError(f"pack: {name!r} was changed, or is no pack: {type(error).__name__}. {_MEND}") from error
    if not is_ours:
        raise DataError(
            f"pack: {name!r} was changed outside its members, or is no pack: its bytes are not those that its members "
            f"give. {_MEND}"
        )
    return members


def _members(content: bytes) -> dict[str, bytes]:
    """Return the members of an archive; nothing is read that is not stored as it is."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_MEMBERS:
            raise DataError(
                f"pack: it has {len(entries):,} members, more than the {MOST_MEMBERS:,} that a pack may have."
            )
        for entry in entries:
            if not _NAME.fullmatch(entry.filename) or entry.external_attr != _PLAIN_FILE:
                raise DataError(f"pack: a member is no plain file with a name of a pack. {_MEND}")
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise DataError(f"pack: a member is compressed, and no member of a pack is. {_MEND}")
        if sum(entry.file_size for entry in entries) > len(content):
            raise DataError(f"pack: its members have more bytes than the file. {_MEND}")
        if len({entry.filename for entry in entries}) < len(entries):
            raise DataError(f"pack: two members have one name. {_MEND}")
        return {entry.filename: archive.read(entry) for entry in entries}


def changed_members(members: Mapping[str, bytes]) -> list[str]:
    """Return the members that are not as `digests.txt` says, that it does not name, or that it misses."""
    said: dict[str, str] = {}
    for line in members[DIGESTS].decode("utf-8", "replace").splitlines():
        digest, _, name = line.partition("  ")
        said[name] = digest
    own = {name: hashlib.sha256(content).hexdigest() for name, content in members.items() if name != DIGESTS}
    changed = {name for name in {*said, *own} if said.get(name) != own.get(name)}
    if not changed and members[DIGESTS] != digests_of(members):
        changed.add(DIGESTS)
    return sorted(changed)
