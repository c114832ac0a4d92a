"""Places that no output may take: inputs, keys, links, mount points, the folder that one stands in."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from muledetect.errors import OutputError
from muledetect.outputs.kinds import Output

#: How every file of a key begins, see `muledetect.records.pseudonyms`.
_KEY_HEAD: Final = b"muledetect-key-"
_MOUNTS: Final = Path("/proc/self/mountinfo")
#: Bytes of the hidden name beside an output, beyond the output's own.
_HIDDEN: Final = len("." + ".00000000.muledetect.tmp")


def refuse_place(place: Path, output: Output, inputs: Iterable[Any]) -> None:
    """Stop where nothing of ours may ever stand, whatever the caller says.

    That is: in an input, in place of one, or where a link, mount point, key or the wrong thing is; also where the
    folder cannot be written to.
    """
    name = place.name
    _refuse_inputs(place, output, inputs)
    if place.is_symlink():
        raise OutputError(f"output: {name!r} is a symbolic link. Give the place that it points to, or another.")
    if place.exists():
        mode = place.stat().st_mode
        if output.is_folder:
            _refuse_folder(place, mode)
        elif stat.S_ISDIR(mode):
            raise OutputError(f"output: {name!r} is a folder, and one file is written. Give the name of a file.")
        elif not stat.S_ISREG(mode):
            raise OutputError(f"output: {name!r} is a device, pipe or socket. Give the name of a file.")
        elif _begins_as_key(place):
            raise OutputError(f"output: {name!r} is a key, and a key is never replaced. Give another name.")
    elif output.is_folder and not name:
        raise OutputError("output: the root of all folders cannot be an output. Give a folder inside it.")
    _refuse_unwritable(place)


def _begins_as_key(place: Path) -> bool:
    with place.open("rb") as file:
        return file.read(len(_KEY_HEAD)) == _KEY_HEAD


def _refuse_folder(place: Path, mode: int) -> None:
    if not stat.S_ISDIR(mode):
        raise OutputError(f"output: {place.name!r} is a file, and a folder is written. Give another name.")
    here = Path.cwd()
    if place.samefile(here) or any(place.samefile(above) for above in here.parents):
        raise OutputError(
            "output: this is the folder that you are in, or one above it, and it would be replaced under you. "
            "Give a folder inside it."
        )
    real = _real(place)
    if os.path.ismount(place) or any(point == real or real in point.parents for point in _mount_points()):
        raise OutputError(
            f"output: {place.name or str(place)!r} is a mount point or holds one, which cannot be replaced as a whole. "
            "Give a folder inside it."
        )


def _refuse_inputs(place: Path, output: Output, inputs: Iterable[Any]) -> None:
    real = _real(place)
    for given in paths_in(inputs):
        read = _real(given)
        if read == real or _is_same(place, given):
            raise OutputError(f"output: {place.name!r} is an input of this command. Give another place.")
        if read in real.parents:
            raise OutputError(f"output: {place.name!r} lies in the input {given.name!r}. Give a place outside it.")
        if real in read.parents and output.stands_in_the_way(read.relative_to(real).as_posix()):
            raise OutputError(
                f"output: the input {given.name!r} in {place.name!r} would be replaced. Give another place."
            )


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return False


def paths_in(inputs: Any) -> Iterator[Path]:
    """Yield each path of inputs that may be tables and models in memory, paths, or mappings and lists of them."""
    if isinstance(inputs, str | os.PathLike):
        yield Path(inputs)
    elif isinstance(inputs, Mapping):
        yield from paths_in(list(inputs.values()))
    elif isinstance(inputs, list | tuple | set | frozenset):
        for given in inputs:
            yield from paths_in(given)


def _mount_points() -> list[Path]:
    """Return where file systems hang in; `os.path.ismount` does not see a folder mounted from the same disk."""
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:  # a system without /proc
        return []
    fields = [line.split()[4] for line in lines]
    return [Path(os.fsdecode(re.sub(rb"\\(\d{3})", lambda octal: bytes([int(octal[1], 8)]), at))) for at in fields]


def _refuse_unwritable(place: Path) -> None:
    """Make a nameless file where the output will be written: better an error now than after the work."""
    above = place.parent
    while not above.exists():
        above = above.parent
    if not above.is_dir():
        raise OutputError(f"output: {above.name!r} is a file, so nothing can be written in it. Give another place.")
    if len(os.fsencode(place.name)) + _HIDDEN > os.pathconf(above, "PC_NAME_MAX"):
        raise OutputError("output: the name is too long for this file system. Give a shorter one.")
    for folder in (above, place) if place.is_dir() else (above,):
        with tempfile.TemporaryFile(dir=folder):
            pass
