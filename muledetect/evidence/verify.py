"""Compute a pack again from a data set, and say which part differs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa

from muledetect.errors import DataError, MuleDetectError
from muledetect.evidence.archive import DIGESTS, changed_members
from muledetect.evidence.build import (
    CLOCKS,
    GIVEN,
    MANIFEST,
    MODEL,
    Given,
    Options,
    build_pack,
    running_versions,
)
from muledetect.facts import Snapshot
from muledetect.records import Dataset
from muledetect.records.intake import read_parquet
from muledetect.rings import RingTables
from muledetect.strict_json import StrictJsonError, parse_json


@dataclass(frozen=True)
class Verification:
    """What a verification found.

    Attributes
    ----------
    differing : tuple of str
        Members whose bytes are not those of the data set, that are missing, or that should not be there.
    n_members : int
        Members of the pack.
    notes : tuple of str
        What may be the reason: other versions, another data set, other input files.
    """

    differing: tuple[str, ...]
    n_members: int
    notes: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether every byte is as computed again."""
        return not self.differing

    def __repr__(self) -> str:
        said = "agrees" if self.agrees else f"{len(self.differing):,} members differ"
        return f"Verification({said}, {self.n_members:,} members)"


def verify_pack(
    members: Mapping[str, bytes], dataset: Dataset, inputs: Mapping[str, str] | None = None
) -> Verification:
    """Compute a pack again and compare every byte.

    Parameters
    ----------
    members : mapping of str to bytes
        As `read_archive` gives them.
    dataset : Dataset
        That the pack was made from; read with the same key if the pack is under pseudonyms.
    inputs : mapping of str to str, optional
        SHA-256 of the files of the data set by name, to say which differ.

    Raises
    ------
    DataError
        If the manifest or a given table cannot be read.

    Notes
    -----
    What the pack was given (scores, rings, holds, model) is held to the digests of the pack and taken as it is: whoever
    made a pack anew with other scores gives it other digests. Compare the digest of the file with the one that was
    printed when it was made.
    """
    changed = changed_members(members)
    if changed:
        return Verification(tuple(changed), len(members), ("the pack was changed after it was made",))
    try:
        manifest = parse_json(members[MANIFEST])
        options, given = _options(manifest["options"]), _given(members, manifest)
        versions, said, data_set = given.versions, given.inputs, manifest["data_set"]
        notes = [f"{name} is {now} here, and was {versions.get(name)}" for name, now in running_versions().items()
                 if versions.get(name) != now]  # fmt: skip
        notes += [f"input {name} is another file" for name, own in (inputs or {}).items() if said.get(name, own) != own]
        if dataset.fingerprint != data_set:
            notes.append("the data set is not the one that the pack was made from")
        again = _again(dataset, options, given)
    except MuleDetectError:
        raise
    except StrictJsonError as error:
        raise DataError(f"pack: its manifest cannot be used: {error}. Get the pack again.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError, pa.ArrowException) as error:
        raise DataError(f"pack: its manifest cannot be used: {type(error).__name__}. Get the pack again.") from error
    if isinstance(again, str):
        return Verification((MANIFEST,), len(members), (*notes, f"it cannot be computed again: {again}"))
    differing = sorted(name for name in {*again, *members} - {DIGESTS} if again.get(name) != members.get(name))
    return Verification(tuple(differing), len(members), tuple(notes))


def _again(dataset: Dataset, options: Options, given: Given) -> dict[str, bytes] | str:
    """Return the members of the pack made again, or why that cannot be done."""
    try:
        return build_pack(Snapshot(dataset, options.as_of), options, given)
    except MuleDetectError as error:
        return str(error)


def _options(said: Mapping[str, Any]) -> Options:
    """Return the options of a manifest; a value of another type is a TypeError."""
    options = Options(**{each.name: said[each.name] for each in fields(Options)})
    plain = Options("account", "", 0)
    for each in fields(Options):
        if type(getattr(options, each.name)) is not type(getattr(plain, each.name)):
            raise TypeError(each.name)
    return options


def _given(members: Mapping[str, bytes], manifest: Mapping[str, Any]) -> Given:
    tables = {name: _table(members, name) for name in GIVEN if name in manifest["given"]}
    rings = RingTables(**{name: tables[name] for name in ("rings", "ring_members", "ring_links")})
    model = parse_json(members[MODEL]) if MODEL in members else {}
    clocks = members[CLOCKS].decode() if CLOCKS in members else None
    states, inputs, versions = tables.get("hold_states"), dict(manifest["inputs"]), dict(manifest["versions"])
    return Given(tables["scores"], rings, states, model, clocks, inputs, versions)


def _table(members: Mapping[str, bytes], name: str) -> pa.Table:
    """Return a given table; a file that expands beyond all bounds is refused by the reader."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.parquet"
        path.write_bytes(members[f"tables/{name}.parquet"])
        return read_parquet(path, f"pack: table {name}")
