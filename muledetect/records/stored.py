"""Open a store, the prepared form of a data set: columns are mapped from its files, not read. See docs/store.md.

`muledetect.engine` makes stores; `read_dataset` opens one wherever it is given the path of one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from muledetect.errors import DataError, OptionError
from muledetect.mapped import map_file
from muledetect.progress import Progress, silent
from muledetect.records.dataset import Dataset, Finding

HEADER: Final = "store.json"
FORMAT: Final = 1
#: What is mapped; all of it can be made again from the rest of the store.
MAPPED: Final = "mapped"
TRANSFERS: Final = f"{MAPPED}/transfers"
ACCOUNTS: Final = f"{MAPPED}/account_ids.arrow"
REJECTS: Final = f"{MAPPED}/rejects.arrow"
#: Columns of transfers that are of none of the kinds below, as Arrow batches.
OTHERS: Final = f"{TRANSFERS}/others.arrow"

#: Of a column: the numbers or codes; which cells are valid, packed bits; offsets and bytes of text; values by code.
NUMBERS, VALID, OFFSETS, BYTES, VALUES = ".npy", ".valid.npy", ".offsets.npy", ".bytes.npy", ".values.arrow"

_TIME: Final = pa.timestamp("us", tz="UTC")
_BLOCK: Final = 1 << 22


def is_store(source: Any) -> bool:
    """Return whether a source is the path of a store."""
    return isinstance(source, str | os.PathLike) and (Path(source) / HEADER).is_file()


@dataclass(frozen=True)
class Header:
    """What `store.json` says: everything of a data set but its rows, and the sums of all files.

    `columns` are those of the transfers in order, each with its kind: time, number, account, coded, text or other;
    `days` maps each day to the number and the sum of its rows, `parts` each Parquet file of transfers to the sum of its
    rows, `files` each file to its bytes and its SHA-256 sum; `changed_days` are those that the last update changed.
    """

    currency: str
    tick: int
    fingerprint: str
    n_transfers: int
    parted_by: str
    columns: tuple[Mapping[str, Any], ...]
    tables: Mapping[str, int]
    rows_read: Mapping[str, int]
    findings: tuple[Finding, ...]
    days: Mapping[str, tuple[int, str]]
    parts: Mapping[str, str]
    changed_days: tuple[str, ...]
    files: Mapping[str, tuple[int, str]]


def read_header(folder: Path) -> Header:
    """Return what a store says of itself; a header that is damaged or of another version is a DataError."""
    try:
        said = json.loads((folder / HEADER).read_text("utf-8"))
        version, body = said["format"], said["store"]
        sound = said["sha256"] == digest_of(body)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(folder, HEADER) from error
    if version != FORMAT:
        raise DataError(
            f"{folder.name}: a store of format {version}, and this version of muledetect reads format {FORMAT}. "
            "Prepare it again from its data set."
        )
    if not sound:
        raise _damaged(folder, HEADER)
    try:
        findings = tuple(Finding(*found) for found in body.pop("findings"))
        files = {name: (int(size), str(total)) for name, (size, total) in body.pop("files").items()}
        body |= {name: tuple(body[name]) for name in ("columns", "changed_days")}
        body["days"] = {day: (int(n_rows), str(total)) for day, (n_rows, total) in body["days"].items()}
        return Header(**body, findings=findings, files=files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder, HEADER) from error


def digest_of(body: Mapping[str, Any]) -> str:
    """Return the sum of the body of a header."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def _damaged(folder: Path, name: str, told: str = "is damaged") -> DataError:
    return DataError(
        f"{folder.name}: file {name!r} of the store {told}. Prepare it again: `muledetect prepare DATASET --output "
        f"{folder.name} --overwrite`."
    )


def check_files(
    folder: Path,
    header: Header,
    *,
    below: Iterable[str] = (MAPPED,),
    progress: Progress | None = None,
    sum_of: Callable[[Path], str] | None = None,
) -> None:
    """Stop if a file of a store is missing, too short, too long, or has another sum than when it was written.

    Sums are those of the files in the folders `below`; "" for all. `sum_of` gives them where they are known already.
    """
    find = sum_of or sum_of_file
    for name, (size, _) in header.files.items():
        place = folder / name
        if not place.is_file():
            raise _damaged(folder, name, "is missing")
        if place.stat().st_size != size:
            raise _damaged(folder, name, f"has {place.stat().st_size:,} bytes instead of {size:,}")
    starts = tuple(f"{part}/" if part else "" for part in below)
    wanted = [name for name in header.files if name.startswith(starts)]
    show, total, done = progress or silent, sum(header.files[name][0] for name in wanted) or 1, 0
    # Hashing lets go of the interpreter, so two files are read at a time.
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 4)) as pool:
        for name, found in zip(wanted, pool.map(lambda name: find(folder / name), wanted), strict=True):
            if found != header.files[name][1]:
                raise _damaged(folder, name)
            done += header.files[name][0]
            show("checking the store", done / total)


def sum_of_file(path: Path) -> str:
    """Return the SHA-256 sum of a file, which is read and not mapped."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_store(folder: str | Path, *, verify: bool = True, progress: Progress | None = None) -> Dataset:
    """Return the data set of a store: what `read_dataset` gave when it was prepared, with columns mapped from files.

    Parameters
    ----------
    folder : path
    verify : bool
        Compare the sums of all mapped files; without it only their sizes.
    progress : callable, optional
        Called with the stage in words and the fraction done.

    Raises
    ------
    DataError
        If a file is missing or damaged, or the store is of another version.

    Notes
    -----
    O(1) memory in the number of transfers: the system reads pages of files when they are used, and drops them again
    when memory is short.
    """
    place = Path(folder)
    header = read_header(place)
    check_files(place, header, progress=progress) if verify else None
    account_ids = map_table(place / ACCOUNTS)["account_id"].chunk(0)
    tables = {"transfers": map_transfers(place, header.columns, header.n_transfers, account_ids)}
    tables |= {name: map_table(place / MAPPED / f"{name}.arrow") for name in header.tables}
    return Dataset(
        tables, account_ids, map_table(place / REJECTS), header.findings, header.rows_read, header.currency,
        header.tick, header.fingerprint,
    )  # fmt: skip


def refuse_options(**given: Any) -> None:
    """Stop where a store is to be read in another way than it was prepared."""
    changed = [name for name, value in given.items() if value is not None]
    if changed:
        raise OptionError(
            f"{changed[0]}: a store was read when it was prepared, and stays so. Give the option to `muledetect "
            "prepare`, and the store without it."
        )


def map_table(path: Path) -> pa.Table:
    """Return an uncompressed Arrow file as a table over its pages."""
    with path.open("rb") as file:
        return pa.ipc.open_file(pa.py_buffer(map_file(file))).read_all()


def map_numbers(path: Path) -> tuple[pa.Buffer, np.dtype[Any], int]:
    """Return the cells of a one-dimensional .npy file as a buffer over its pages, their type and number."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, _, kind = np.lib.format.read_array_header_1_0(file)
        start = file.tell()
        if not shape[0]:
            return pa.py_buffer(b""), kind, 0
        return pa.py_buffer(map_file(file)).slice(start, shape[0] * kind.itemsize), kind, shape[0]


def map_transfers(
    folder: Path, columns: tuple[Mapping[str, Any], ...], n: int, account_ids: pa.StringArray
) -> pa.Table:
    """Return the transfers of a store as a table over its pages; the kernels' columns are one chunk each."""
    others = map_table(folder / OTHERS) if (folder / OTHERS).is_file() else None
    made = {}
    for column in columns:
        name, stem = column["name"], f"{folder / TRANSFERS}/{column['name']}"
        if column["kind"] == "other":
            assert others is not None  # noqa: S101 - the header lists the file, so it was checked
            made[name] = others[name]
        else:
            made[name] = _KINDS[column["kind"]](stem, n, account_ids)
    return pa.table(made)


def _valid(stem: str) -> pa.Buffer | None:
    path = Path(f"{stem}{VALID}")
    return map_numbers(path)[0] if path.is_file() else None


def _map_plain(stem: str, n: int, kind: pa.DataType) -> pa.Array:
    buffer, found, _ = map_numbers(Path(f"{stem}{NUMBERS}"))
    return pa.Array.from_buffers(kind or pa.from_numpy_dtype(found), n, [_valid(stem), buffer])


def _map_account(stem: str, n: int, account_ids: pa.StringArray) -> pa.Array:
    return pa.DictionaryArray.from_arrays(_map_plain(stem, n, pa.int32()), account_ids, safe=False)


def _map_coded(stem: str, n: int, _: pa.StringArray) -> pa.Array:
    values = map_table(Path(f"{stem}{VALUES}"))["value"].chunk(0)
    kind = pa.from_numpy_dtype(map_numbers(Path(f"{stem}{NUMBERS}"))[1])
    return pa.DictionaryArray.from_arrays(_map_plain(stem, n, kind), values, safe=False)


def _map_text(stem: str, n: int, _: pa.StringArray) -> pa.Array:
    offsets, kind, _n = map_numbers(Path(f"{stem}{OFFSETS}"))
    text = map_numbers(Path(f"{stem}{BYTES}"))[0]
    wide = pa.large_string() if kind == np.int64 else pa.string()
    return pa.Array.from_buffers(wide, n, [_valid(stem), offsets, text])


_KINDS: Final[Mapping[str, Callable[[str, int, pa.StringArray], pa.Array]]] = {
    "time": lambda stem, n, _: _map_plain(stem, n, _TIME),
    "number": lambda stem, n, _: _map_plain(stem, n, pa.int64()),
    "account": _map_account,
    "coded": _map_coded,
    "text": _map_text,
}


def files_of(folder: Path) -> Iterator[str]:
    """Yield the names of the files of a store but its header, sorted."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.name.startswith(".") and name != HEADER:
            yield name


__all__ = ["Header", "check_files", "is_store", "read_header", "read_store"]
