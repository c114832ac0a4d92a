"""Write a file or a folder so that its place holds the old one or the new one, and nothing that is not ours is lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from muledetect.errors import OutputError
from muledetect.outputs import _swap
from muledetect.outputs._manifest import (
    MANIFEST,
    PARTIAL,
    Manifest,
    Proof,
    entries,
    is_file,
    is_proved,
    note_of,
    read_manifest,
    sha256,
    write_manifest,
)
from muledetect.outputs._places import paths_in, refuse_place
from muledetect.outputs.kinds import Output

_MEND = "Choose another place, or move it away. To replace it all the same, say --overwrite (in Python overwrite=True)."


def check_output(
    path: str | os.PathLike[str], output: Output, *, inputs: Iterable[Any] = (), overwrite: bool = False
) -> Path:
    """Stop, before any work, if `output` must not or cannot be written to `path`; return the absolute path.

    What a killed process left beside the output or beside an input is put right first.

    Parameters
    ----------
    path : path
        Of the file or folder to write.
    output : Output
        What will be written.
    inputs : iterable
        Paths that are read, also in lists and mappings; anything else in it, such as tables in memory, is passed over.
    overwrite : bool
        Files of the names that will be written may be replaced although they are not ours or were changed.

    Raises
    ------
    OutputError
        If the place is one that no output may take, see the package, or what stands there is not ours.
    OSError
        If the place cannot be written to.

    Notes
    -----
    Reads what stands there once, to compare it with the manifest.
    """
    place = Path(os.path.abspath(path))
    inputs = list(inputs)
    missing = (known for known in paths_in(inputs) if not os.path.lexists(known))
    for left in [place, *(Path(os.path.abspath(known)) for known in missing)]:
        if left.name and left.parent.is_dir() and os.access(left.parent, os.W_OK):
            with _swap.locked(left.parent):
                _swap.recover(left)
    refuse_place(place, output, inputs)
    if output.is_folder:
        _survey(place, output, overwrite)
    else:
        _old_sums(place, output, overwrite)
    return place


@contextmanager
def new_file(path: str | os.PathLike[str], output: Output, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a place to write a file to, which becomes `path` when the block ends; an error leaves what was there.

    `output`, `overwrite` and the errors are those of `check_output`; folders above are made if need be.
    """
    place = check_output(path, output, overwrite=overwrite)
    with _folders_above(place):
        with _swap.locked(place.parent):
            unfinished = _swap.hidden_name(place)
            held = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            _swap.hold(held)
        try:
            yield unfinished
            os.fsync(held)
            _swap.at_step("written")
            with _swap.locked(place.parent):
                _replace_file(unfinished, place, output, overwrite)
        finally:
            unfinished.unlink(missing_ok=True)
            os.close(held)


def _replace_file(unfinished: Path, place: Path, output: Output, overwrite: bool) -> None:
    old, new = _old_sums(place, output, overwrite), sha256(unfinished)
    if place.exists():
        shutil.copymode(place, unfinished)
    _write_note(place, Proof(output.of, (*old, new)))
    _swap.at_step("noted")
    unfinished.replace(place)
    _swap.at_step("in place")
    _write_note(place, Proof(output.of, (new,)))
    _swap.sync(place.parent)


def _write_note(place: Path, proof: Proof) -> None:
    beside = _swap.hidden_name(place)
    try:
        write_manifest({place.name: proof}, beside)
        beside.replace(note_of(place))
    finally:
        beside.unlink(missing_ok=True)


def _old_sums(place: Path, output: Output, overwrite: bool) -> tuple[str, ...]:
    """Return the sums of the file that will be replaced, to be listed until it is; stop if it may not be."""
    manifest = read_manifest(note_of(place))
    if not place.exists():
        return ()
    proof = None if manifest is None else manifest.get(place.name)
    if not overwrite:
        if proof is None:
            raise OutputError(f"output: file {place.name!r} is there, and muledetect did not write it. {_MEND}")
        if proof.of != output.of:
            raise OutputError(f"output: file {place.name!r} holds {proof.of}, not {output.of}. {_MEND}")
        if not is_proved(place, proof):
            raise OutputError(f"output: file {place.name!r} was changed after muledetect wrote it. {_MEND}")
    return (sha256(place),) if is_proved(place, proof) else ()


@contextmanager
def new_folder(path: str | os.PathLike[str], output: Output, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder to write to, which becomes `path` when the block ends; an error leaves what was there.

    `output`, `overwrite` and the errors are those of `check_output`. Files of the folder that stay are linked into the
    new one, so no file is copied where the file system has links.
    """
    place = check_output(path, output, overwrite=overwrite)
    with _folders_above(place):
        with _swap.locked(place.parent):
            unfinished = _swap.hidden_name(place)
            unfinished.mkdir()
            held = os.open(unfinished / PARTIAL, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            _swap.hold(held)
        try:
            yield unfinished
            _replace_folder(unfinished, place, output, overwrite)
        finally:
            if _is_marked(unfinished, held):
                shutil.rmtree(unfinished)
            os.close(held)


def _is_marked(folder: Path, held: int) -> bool:
    """Return whether a folder is still the one that this process began: after the exchange it is the old one."""
    try:
        return os.path.samestat((folder / PARTIAL).lstat(), os.fstat(held))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _replace_folder(unfinished: Path, place: Path, output: Output, overwrite: bool) -> None:
    written = {name: path for name, path in entries(unfinished) if path.is_file()}
    strange = next((name for name in written if not output.may_write(name)), None)
    if strange is not None:
        raise ValueError(f"output {output.of!r}: {strange!r} is none of its files {output.files}. Declare it.")
    manifest = {}
    for name, path in written.items():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        manifest[name] = Proof(output.of, (sha256(path),))
    _swap.at_step("written")
    with _swap.locked(place.parent):
        _swap.recover(place)
        old = _survey(place, output, overwrite)
        gone: dict[str, Proof] = {}
        for name, (path, proof) in old.items():
            stays = name not in written and (output.adds or proof is None or proof.of != output.of)
            if stays and proof is not None:
                manifest[name] = proof
            is_linked = stays and _carry(path, unfinished / name)
            if proof is None and not is_linked and is_file(path):
                gone[name] = Proof("", (sha256(path),))
        if place.exists():
            shutil.copymode(place, unfinished)
        write_manifest(gone, unfinished / PARTIAL)
        write_manifest(manifest, unfinished / MANIFEST)
        _swap.sync(unfinished)
        _swap.at_step("complete")
        away = _swap.put_in_place(unfinished, place)
        is_gone = away is None or _swap.clear_away(away, place)
        _swap.at_step("cleared")
        (place / PARTIAL).unlink(missing_ok=True)
    if not is_gone and away is not None:
        raise OutputError(
            f"output: while {place.name!r} was written, somebody else wrote files of the same names into it. The new "
            f"output is in place; those files are kept in {away.name!r} beside it. Move them where they belong."
        )


def _survey(place: Path, output: Output, overwrite: bool) -> dict[str, tuple[Path, Proof | None]]:
    """Return each entry of a folder that will be replaced, with the proof of what is ours; stop if it may not be.

    A file that was changed has no proof: it is somebody else's now.
    """
    if not place.exists():
        return {}
    listed = read_manifest(place / MANIFEST)
    # Of a folder without a manifest the first entry is enough: it may be somebody's home, with millions of them.
    if listed == {} and not output.adds and not overwrite and any(True for _ in place.iterdir()):
        raise OutputError(
            f"output: folder {place.name!r} is not empty, and muledetect did not write it. {_MEND} Files of other "
            "names stay there."
        )
    manifest = listed or {}
    found = {
        name: (path, manifest[name] if is_proved(path, manifest.get(name)) else None) for name, path in entries(place)
    }
    if not overwrite and found:
        _refuse_folder(place.name, found, listed, output)
    return found


def is_ours(folder: Path, name: str) -> bool:
    """Return whether a file of a folder is as we wrote it."""
    proof = (read_manifest(folder / MANIFEST) or {}).get(name)
    return os.path.lexists(folder / name) and is_proved(folder / name, proof)


def _refuse_folder(
    name: str, found: Mapping[str, tuple[Path, Proof | None]], listed: Manifest | None, output: Output
) -> None:
    if listed is None:
        raise OutputError(f"output: folder {name!r}: {MANIFEST!r} in it cannot be read. {_MEND}")
    changed = sorted(file for file, (_, proof) in found.items() if proof is None and file in listed)
    if changed and not output.adds:
        raise OutputError(
            f"output: folder {name!r}: {len(changed):,} files were changed after muledetect wrote them (first: "
            f"{changed[0]!r}). {_MEND}"
        )
    for file, (_, proof) in found.items():
        if proof is not None and not output.adds and all(known.of != output.of for known in listed.values()):
            raise OutputError(f"output: folder {name!r} holds {proof.of}, not {output.of}. {_MEND}")
        if (proof is None or proof.of != output.of) and output.stands_in_the_way(file):
            whose = "it is not ours or was changed" if proof is None else f"it holds {proof.of}"
            raise OutputError(f"output: folder {name!r}: {file!r} would be replaced, and {whose}. {_MEND}")


def _carry(old: Path, new: Path) -> bool:
    """Let an entry stand in the new folder, too: linked, or copied where links are not to be had (returns False)."""
    new.parent.mkdir(parents=True, exist_ok=True)
    if old.is_dir() and not old.is_symlink():
        new.mkdir(exist_ok=True)
        return True
    try:
        os.link(old, new, follow_symlinks=False)
    except OSError:
        if not old.is_symlink() and not is_file(old):
            raise  # a pipe or socket cannot be copied
        shutil.copy2(old, new, follow_symlinks=False)
        return False
    return True


@contextmanager
def _folders_above(place: Path) -> Iterator[None]:
    """Make the folders above a place; those that were made go again if the block fails."""
    made = [above for above in place.parents if not above.exists()]
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for above in made:
            with suppress(OSError):  # somebody else uses it by now
                above.rmdir()
        raise
