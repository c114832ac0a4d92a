"""Tables of Spark, by name or as DataFrames, made a store.

Workers write the rows as Parquet to a folder that the driver sees, too; the driver prepares the store of them in
bounded memory. Neither path nor format of a catalogue matters: what Spark can read (Delta, Hive, Iceberg, views), it
can give.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from muledetect.engine.making import prepare as prepare_store
from muledetect.engine.opened import Store
from muledetect.engine.spark.run import map_in_arrow
from muledetect.errors import DataError, EngineError
from muledetect.progress import Progress


def prepare(
    tables: Any,
    output: str | Path,
    *,
    session: Any,
    work: str | Path,
    memory: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **reading: Any,
) -> Store:
    """Make a store of tables of Spark.

    Parameters
    ----------
    tables : mapping of table name -> name of a Spark table, or DataFrame
        Such as {"transfers": "bank.payments"}. Any other source is read by the driver, as by `muledetect.prepare`.
    output : path
        Folder of the store.
    session : SparkSession
    work : path
        Folder that the driver and all workers see; the rows lie there until the store is made.
    memory, overwrite, progress, **reading
        As for `muledetect.prepare`.

    Raises
    ------
    DataError
        If a table is not known, or as for `muledetect.prepare`.
    EngineError
        If Spark gave up on a table.
    """
    with ExitStack() as stack:
        source = tables
        if isinstance(tables, Mapping) and any(_is_of_spark(table) for table in tables.values()):
            source = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tables-", dir=work)))
            for name, table in tables.items():
                if progress is not None:
                    progress(f"reading {name}", 0.0)
                _write(session, name, table, source / name)
        return prepare_store(
            source, output, memory=memory, overwrite=overwrite, progress=progress, **reading
        )  # fmt: skip


def _is_of_spark(table: Any) -> bool:
    return hasattr(table, "mapInArrow") or (isinstance(table, str) and not Path(table).exists())


def _write(session: Any, name: str, table: Any, folder: Path) -> None:
    from pyspark.errors import PySparkException  # noqa: PLC0415 - only where Spark is

    folder.mkdir()
    try:
        frame = session.table(table) if isinstance(table, str) else table
        rows = map_in_arrow(frame, _writer(str(folder)), "file string").collect()
    except PySparkException as error:
        known = "its logs say why" if not isinstance(table, str) else f"is there a table {table!r}? Its logs say more"
        raise EngineError(f"{name}: Spark could not read the table ({type(error).__name__}); {known}.") from error
    kept = {row["file"] for row in rows}
    if not kept:
        raise DataError(f"{name}: the table of Spark has no partition, so its columns are not known.")
    for path in folder.iterdir():  # of an attempt that Spark repeated
        if path.name not in kept:
            path.unlink()


def _writer(folder: str) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield _written(Path(folder), batches)

    return write


def _written(folder: Path, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch:
    """Write the rows of a partition to a file; its name begins with the number of the partition, for their order."""
    from pyspark import TaskContext  # noqa: PLC0415 - only where Spark is

    context = TaskContext.get()
    number = 0 if context is None else context.partitionId()
    path, writer = folder / f"part-{number:06d}-{uuid.uuid4().hex}.parquet", None
    for batch in batches:
        plain = _in_utc(batch)
        writer = writer or pq.ParquetWriter(path, plain.schema, compression="lz4")
        writer.write_batch(plain)
    if writer is None:
        return pa.RecordBatch.from_pydict({"file": pa.array([], pa.string())})
    writer.close()
    return pa.RecordBatch.from_pydict({"file": [path.name]})


def _in_utc(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch whose moments are written in UTC: Spark writes them in the session's zone."""
    columns = [
        column.cast(pa.timestamp("us", "UTC")) if pa.types.is_timestamp(column.type) and column.type.tz else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
