"""`prepare` makes a store of a data set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from muledetect.engine.build import Building
from muledetect.engine.columns import put_arrow
from muledetect.engine.full import telling_space
from muledetect.engine.memory import memory_limit
from muledetect.engine.opened import Store, open_store
from muledetect.engine.steps import at_step
from muledetect.errors import DataError
from muledetect.mapped import holding_at_most
from muledetect.outputs import check_output, kinds, new_folder, sha256
from muledetect.progress import Progress
from muledetect.records import Dataset
from muledetect.records.read import begin
from muledetect.records.reading import returning_memory
from muledetect.records.stored import (
    FORMAT,
    HEADER,
    REJECTS,
    digest_of,
    files_of,
    is_store,
)
from muledetect.records.write import put_table


@returning_memory()
def prepare(
    dataset: Any,
    output: str | Path,
    *,
    memory: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **reading: Any,
) -> Store:
    """Read and validate a data set of any size, and write it as a store, which every command takes instead.

    Rows are accepted and rejected exactly as by `read_dataset`, and the store holds the same data set. Transfers are
    never held in memory as a whole; ids, other values of text columns, and the tables beside the transfers are.

    Parameters
    ----------
    dataset : path, mapping or table
        As for `read_dataset`.
    output : path
        Folder of the store.
    memory : str, optional
        How much memory to take, such as "4GB"; `MULEDETECT_MEMORY` of the environment, or half of the machine's.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
        Called with the stage in words and the fraction done.
    **reading
        As for `read_dataset`.

    Raises
    ------
    DataError, OptionError
        As for `read_dataset`; nothing is written then.
    OSError
        If the disk is full; what stood there stays.
    """
    limit = memory_limit(memory)
    if is_store(dataset):
        raise DataError(f"{Path(dataset).name}: is a store already. Give the data set that it was made of.")
    place = check_output(output, kinds.STORE, inputs=[dataset, reading.get("pseudonymise")], overwrite=overwrite)
    with (
        new_folder(output, kinds.STORE, overwrite=overwrite) as folder,
        telling_space(folder),
        holding_at_most(limit),
    ):
        job = begin(partial(Building, folder=folder, memory=limit), dataset, progress=progress, **reading)
        put_store(job.finish(), job, folder)
    return open_store(place, verify=False)


def put_store(
    dataset: Dataset, job: Building, folder: Path, old_days: Mapping[str, tuple[int, str]] | None = None
) -> None:
    """Write what a store holds beside its transfers, plainly: to a folder that nobody reads yet.

    `old_days` are those of the store that this one takes the place of, to tell which ones changed.
    """
    others = {name: table for name, table in dataset.tables.items() if name != "transfers"}
    put_arrow(dataset.rejects, folder / REJECTS)
    put_table(dataset.rejects, folder / "rejects.parquet")
    put_table(pa.table({"account_id": dataset.account_ids}), folder / "account_ids.parquet")
    at_step("tables")
    days = job.parts.days
    changed_days = (
        [] if old_days is None else sorted(day for day in {*days, *old_days} if days.get(day) != old_days.get(day))
    )
    body = {
        "currency": dataset.currency,
        "tick": dataset.tick,
        "fingerprint": dataset.fingerprint,
        "n_transfers": len(dataset.transfers),
        "parted_by": job.parted_by,
        "columns": [dict(column) for column in job.columns],
        "tables": {name: len(table) for name, table in others.items()},
        "rows_read": dict(dataset.rows_read),
        "findings": [list(asdict(found).values()) for found in dataset.findings],
        "days": job.parts.days,
        "parts": job.parts.sums,
        "changed_days": list(changed_days),
        "files": {name: [(folder / name).stat().st_size, sha256(folder / name)] for name in files_of(folder)},
    }
    put_header(body, folder)


def put_header(body: dict[str, Any], folder: Path) -> None:
    """Write `store.json`."""
    said = {
        "format": FORMAT,
        "made_by": f"muledetect {version('muledetect')}",
        "sha256": digest_of(body),
        "store": body,
    }
    (folder / HEADER).write_text(json.dumps(said, indent=1, ensure_ascii=True) + "\n", "utf-8", newline="\n")
