"""Names that change in one step, and what a killed process left behind.

Beside a place `NAME` stands, while it is written, `.NAME.<8 hex>.muledetect.tmp`: the new file or folder. After the
exchange of names it is the old folder, until it is gone. Where a system cannot exchange names, the old folder is
`.NAME.<8 hex>.muledetect.old`.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from muledetect.outputs._manifest import MANIFEST, PARTIAL, entries, is_proved, read_manifest

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2
_RENAME_SWAP: Final = 2
_CANNOT: Final = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


def at_step(_name: str) -> None:
    """Hear of each step that has been done; a test ends the process there."""


def hold(descriptor: int) -> None:
    """Take the lock of a file or folder. A file system without locks has none, and no leftovers are cleaned up then."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time change names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        hold(descriptor)
        yield
    finally:
        os.close(descriptor)


def hidden_name(place: Path, ending: str = "tmp") -> Path:
    """Return a new hidden name beside a place."""
    return place.with_name(f".{place.name}.{secrets.token_hex(4)}.muledetect.{ending}")


def exchange(one: Path, other: Path) -> bool:
    """Let two entries change names in one step; return False, and do nothing, where the system cannot."""
    library = ctypes.CDLL(None, use_errno=True)
    first, second = os.fsencode(one), os.fsencode(other)
    try:
        if sys.platform == "darwin":
            failed = library.renamex_np(first, second, _RENAME_SWAP)
        else:
            failed = library.renameat2(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE)
    except AttributeError:  # an older C library
        return False
    if not failed:
        return True
    if ctypes.get_errno() in _CANNOT:
        return False
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(other))


def put_in_place(new: Path, place: Path) -> Path | None:
    """Give a complete new folder its name; return where the old folder is now, if there was one."""
    old: Path | None = None
    if not place.exists():
        new.rename(place)
    elif exchange(new, place):
        old = new
    else:
        old = hidden_name(place, "old")
        place.rename(old)
        at_step("moved away")
        try:
            new.rename(place)
        except OSError:
            old.rename(place)
            raise
    at_step("in place")
    sync(place.parent)
    return old


def sync(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clear_away(old: Path, place: Path) -> bool:
    """Remove the folder that a new one took the place of; return False if something stays in it.

    A file goes if it stands in the new folder, too, or if it is proved to be replaced: by the manifest of its folder,
    or by what the new folder's mark says. Any other file came in the last moment: it moves to the new folder, or stays
    if its name is taken there.
    """
    proofs = {**(read_manifest(old / MANIFEST) or {}), **(read_manifest(place / PARTIAL) or {})}
    is_empty = True
    for name, path in list(entries(old)):
        kept = place / name
        if path.is_dir() and not path.is_symlink():
            kept.mkdir(parents=True, exist_ok=True)
        elif _is_same(path, kept) or is_proved(path, proofs.get(name)):
            path.unlink(missing_ok=True)
        elif not os.path.lexists(kept):
            kept.parent.mkdir(parents=True, exist_ok=True)
            path.rename(kept)
        else:
            is_empty = False
    if is_empty:
        for mark in (MANIFEST, PARTIAL):
            (old / mark).unlink(missing_ok=True)
        for top, _folders, _files in os.walk(old, topdown=False):
            Path(top).rmdir()
    return is_empty


def _is_same(one: Path, other: Path) -> bool:
    if one.is_symlink() and other.is_symlink():
        return one.readlink() == other.readlink()
    return os.path.lexists(other) and os.path.samestat(one.lstat(), other.lstat())


def recover(place: Path) -> None:
    """Put right what a killed process left beside a place; what a living one is writing stays.

    The caller holds the lock of the folder.
    """
    try:
        names = [name for name in os.listdir(place.parent) if name.startswith(f".{place.name}.")]
    except (FileNotFoundError, NotADirectoryError):
        return
    left = re.compile(rf"\.{re.escape(place.name)}\.[0-9a-f]{{8}}\.muledetect\.(tmp|old)")
    found = [place.with_name(name) for name in sorted(names) if left.fullmatch(name)]
    new = [path for path in found if path.is_dir() and (path / PARTIAL).exists()]
    old = [path for path in found if path.is_dir() and path not in new]
    _complete(new, old, place)
    for path in new:
        if path.exists() and not _is_held(path / PARTIAL):
            shutil.rmtree(path)
    for path in old:
        if path.exists() and place.is_dir():
            clear_away(path, place)
    for path in found:
        if path.is_file() and not path.is_symlink() and not _is_held(path):
            path.unlink()
    if place.is_dir() and (place / PARTIAL).exists() and not _is_held(place / PARTIAL):
        (place / PARTIAL).unlink()


def _complete(new: list[Path], old: list[Path], place: Path) -> None:
    """Where a process died between two renames, do the second one, or take the first one back."""
    moved = [path for path in old if path.name.endswith(".old")]
    if os.path.lexists(place) or not moved:
        return
    complete = [path for path in new if (path / MANIFEST).exists() and not _is_held(path / PARTIAL)]
    if complete:
        put_in_place(complete[0], place)
    elif not any(map(_is_held, (path / PARTIAL for path in new))):
        moved[0].rename(place)


def _is_held(path: Path) -> bool:
    """Return whether a living process holds the lock of a file."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks: nobody can tell
        return True
    finally:
        os.close(descriptor)
    return False
