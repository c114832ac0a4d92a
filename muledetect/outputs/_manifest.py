"""The manifest that proves that we wrote an output."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

#: Manifest of a folder, in it.
MANIFEST: Final = ".muledetect.json"
#: Stands in a folder that is being written, and is locked by its writer.
PARTIAL: Final = ".muledetect.partial"

_FORMAT: Final = 1
_MOST_BYTES: Final = 64 << 20


@dataclass(frozen=True)
class Proof:
    """What a manifest says of one file: its kind, and the sums of which it has one (two while it is replaced)."""

    of: str
    sums: tuple[str, ...]


#: File name, relative to the manifest's folder and with "/" -> what proves that it is ours.
Manifest = Mapping[str, Proof]


def note_of(place: Path) -> Path:
    """Return where the manifest of a single file stands."""
    return place.with_name(f".{place.name}{MANIFEST}")


def read_manifest(path: Path) -> Manifest | None:
    """Return what a manifest says; nothing if there is none, None if the file of its name is no manifest."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except IsADirectoryError:
        return None
    try:
        content = json.loads(text)
        if len(text) > _MOST_BYTES or content["format"] != _FORMAT:
            return None
        return {
            str(name): Proof(str(entry["of"]), tuple(map(str, entry["sha256"])))
            for name, entry in content["files"].items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def write_manifest(files: Manifest, path: Path) -> None:
    """Write a manifest to a file that does not exist, or that may be replaced."""
    content = {
        "made_by": f"muledetect {version('muledetect')}",
        "format": _FORMAT,
        "about": "muledetect replaces these files while they are as listed here, and no others.",
        "files": {name: {"of": files[name].of, "sha256": list(files[name].sums)} for name in sorted(files)},
    }
    with path.open("w", encoding="utf-8", newline="\n", errors="surrogatepass") as file:
        json.dump(content, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


#: What a file looks like from outside -> its sum: the files of an output are looked at before, at and after the change
#: of names, and read once.
_sums: dict[tuple[int, ...], str] = {}
_MOST_SUMS: Final = 200_000


def sha256(path: Path) -> str:
    """Return the SHA-256 sum of a file; it is read once as long as the file stays as it is."""
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if key not in _sums:
            if len(_sums) >= _MOST_SUMS:
                _sums.clear()
            _sums[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _sums[key]


def is_file(path: Path) -> bool:
    """Return whether a path is a plain file, and no link to one."""
    return stat.S_ISREG(path.lstat().st_mode)


def is_proved(path: Path, proof: Proof | None) -> bool:
    """Return whether a file is the one that the proof speaks of."""
    return proof is not None and is_file(path) and sha256(path) in proof.sums


def entries(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and path of each file, link and empty folder below a folder; links are not followed.

    Our own manifest and mark of an unfinished folder are left out.
    """
    for top, folders, files in os.walk(folder, onerror=_raise):
        here = Path(top)
        links = [name for name in folders if (here / name).is_symlink()]
        for name in sorted([*files, *links]):
            path = here / name
            if here != folder or name not in (MANIFEST, PARTIAL):
                yield path.relative_to(folder).as_posix(), path
        if not files and not folders and here != folder:
            yield here.relative_to(folder).as_posix(), here


def _raise(error: OSError) -> None:
    raise error
