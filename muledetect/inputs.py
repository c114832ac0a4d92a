"""What the steps of the pipeline are given: a data set, a model, scores or rings, in memory or by their path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from muledetect.clock import Moment, format_time, parse_time
from muledetect.engine.opened import Store
from muledetect.errors import DataError, OptionError
from muledetect.frames import as_arrow
from muledetect.memory import Room, give_back, need_of_reading, need_of_work, open_room
from muledetect.progress import Progress
from muledetect.records import Dataset
from muledetect.records.intake import read_parquet
from muledetect.records.pseudonyms import refuse_other_names
from muledetect.records.stored import is_store

# Rooms are imported where they are needed: a command waits for no other.
if TYPE_CHECKING:
    from muledetect.facts import Snapshot
    from muledetect.model import MuleModel
    from muledetect.parties import Parties
    from muledetect.rings import RingTables

#: A data set: as it was read, a store, the path of the folder of one, or table name -> path or table of any library.
Source = Dataset | Store | str | Path | Mapping[str, Any]

#: Names the model that ships with the package; a folder of this name is given as "./starter".
STARTER: Final = "starter"


def load(
    dataset: Source, *, memory: str | int | None = None, progress: Progress | None = None, **reading: Any
) -> Dataset:
    """Return a data set as it is, or read it from its folder or from a mapping of table name to path or table.

    Parameters
    ----------
    dataset : Dataset, Store, path or mapping of tables
    memory : str or int, optional
        Such as "4GB": what is derived of the data set is kept in scratch files, and so are the tables that are read
        here. Default: the environment's `MULEDETECT_MEMORY`, else no limit; see `muledetect.memory`.
    progress : callable, optional
        Called with the stage in words and the fraction done, 0 to 1.
    **reading
        As for `read_dataset`.

    Raises
    ------
    DataError
        If no transfer is left, or the data set cannot be read at all.
    """
    if isinstance(dataset, Dataset) and dataset.room.limit is not None and memory is None:
        room = dataset.room
    else:
        room = open_room(memory)
    is_read = not isinstance(dataset, Dataset | Store) and not is_store(dataset)
    if room.limit is not None and is_read:
        _refuse_reading(room.limit, dataset)
    read = _in_room(read_source(dataset, progress=progress, **reading), room, is_ours=is_read)
    if not read.transfers.num_rows:
        n_read = read.rows_read.get("transfers", 0)
        causes = [found.text for found in read.findings if found.table == "transfers" and found.severity != "error"]
        said = [
            f"transfers: no row is left of {n_read:,} read, so there is nothing to work with. See each row and its "
            "reason with `muledetect check DATASET --output rejects.parquet`.",
            *causes,
        ]
        raise DataError("\n".join(said))
    return read


def read_source(dataset: Source, **reading: Any) -> Dataset:
    """Return a data set as `load`, also if no transfer is left of it."""
    from muledetect.records import read_dataset

    if isinstance(dataset, Store):
        return dataset.dataset
    return dataset if isinstance(dataset, Dataset) else read_dataset(dataset, **reading)


def _refuse_reading(limit: int, source: Any) -> None:
    """Stop before Parquet files are read that do not fit; what other files take is not known before."""
    if not isinstance(source, str | Path) or not Path(source).is_dir():
        return
    need = need_of_reading(sum(file.stat().st_size for file in Path(source).rglob("*.parquet")))
    if need > limit:
        raise OptionError(
            f"memory: to read this folder takes about {need / 1e9:.1f} GB; got {limit / 1e9:g} GB. Prepare it once "
            "with `muledetect prepare DATASET --output STORE`, which takes less, and give the store."
        )


def _refuse_work(limit: int, dataset: Dataset) -> None:
    n_sessions = len(dataset.tables.get("sessions", ()))
    n_of_one = _most_of_one(dataset)
    need = need_of_work(dataset.transfers.num_rows, len(dataset.account_ids), n_sessions, n_of_one)
    if need > limit:
        raise OptionError(
            f"memory: {dataset.transfers.num_rows:,} transfers of {len(dataset.account_ids):,} accounts, {n_of_one:,} "
            f"of them of one account, need about {need / 1e9:.1f} GB; got {limit / 1e9:g} GB. Give that much, or a "
            "data set of a shorter time."
        )


def _most_of_one(dataset: Dataset) -> int:
    """Return how many transfers the account has that has most."""
    n = np.zeros(len(dataset.account_ids), np.int32)
    for name in ("source", "target"):
        for chunk in dataset.transfers[name].chunks:
            np.add.at(n, chunk.indices.to_numpy(), 1)
    return int(n.max(initial=0))


def _in_room(dataset: Dataset, room: Room, *, is_ours: bool) -> Dataset:
    """Return a data set whose facts and signals are kept in a room, and so are the tables, if they are ours to move."""
    if room.limit is None or dataset.room.limit == room.limit:
        return dataset
    _refuse_work(room.limit, dataset)
    tables = {name: room.keep_table(table) for name, table in dataset.tables.items()} if is_ours else dataset.tables
    moved = replace(dataset, tables=tables, room=room)
    give_back()
    return moved


def open_snapshot(
    dataset: Source | Snapshot,
    as_of: Moment | None = None,
    progress: Progress | None = None,
    memory: str | int | None = None,
) -> Snapshot:
    """Return a snapshot as it is, or that of a data set at a moment; a snapshot has its own."""
    from muledetect.facts import Snapshot

    if not isinstance(dataset, Snapshot):
        if as_of is None:
            raise OptionError("as_of: say at which moment; only a Snapshot has one of its own.")
        return Snapshot(load(dataset, memory=memory, progress=progress), as_of)
    if as_of is not None and parse_time(as_of) != dataset.as_of:
        raise OptionError(
            f"as_of: the snapshot is of {format_time(dataset.as_of)}; got {as_of}. Leave as_of out, or take another "
            "snapshot."
        )
    return dataset


def open_model(model: MuleModel | str | Path, dataset: Dataset) -> MuleModel:
    """Return a model as it is, read from its folder, or the one that ships with the package and fits the data set."""
    from muledetect.model import MuleModel, load_model, load_starter

    if isinstance(model, MuleModel):
        return model
    return load_starter(dataset.tick) if str(model) == STARTER else load_model(model)


def open_scores(scores: Any, account_ids: pa.Array | None = None) -> pa.Table:
    """Return scores of any library, or from their file, as Arrow; refuse pseudonyms where the ids are none."""
    if not isinstance(scores, str | Path):
        table = as_arrow(scores, "scores")
    else:
        try:
            table = read_parquet(Path(scores), "scores")
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(
                f"scores: {Path(scores).name!r} is no Parquet file that can be read; write it with `score`."
            ) from error
    return table if account_ids is None else _of_same_names(table, account_ids, "scores")


def open_rings(
    rings: RingTables | str | Path | None, account_ids: pa.Array | None = None, what: str = "rings"
) -> RingTables | None:
    """Return rings as they are or from their folder; refuse pseudonyms where the ids are none."""
    from muledetect.rings import read_rings

    found = read_rings(rings) if isinstance(rings, str | Path) else rings
    if found is not None and account_ids is not None:
        _of_same_names(found.ring_members, account_ids, f"{what}: ring_members")
    return found


def open_parties(parties: Parties | str | Path | None) -> Parties | None:
    """Return parties as they are or from their folder."""
    from muledetect.parties import read_parties

    return read_parties(parties) if isinstance(parties, str | Path) else parties


def _of_same_names(table: pa.Table, account_ids: pa.Array, where: str) -> pa.Table:
    """Refuse ids of a table where the account ids are pseudonyms, and the other way round."""
    if "account_id" in table.column_names:
        refuse_other_names(table["account_id"], account_ids, f"{where}: column 'account_id'")
    return table
