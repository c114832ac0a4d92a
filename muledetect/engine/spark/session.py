"""`Spark`: the session that a user brings, and where its workers find records and put results."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import weakref
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from muledetect.engine.opened import Store, open_store
from muledetect.errors import DataError, OptionError
from muledetect.memory import parse_memory
from muledetect.progress import Progress
from muledetect.records import Dataset
from muledetect.records.stored import is_store

if TYPE_CHECKING:
    from muledetect.engine.spark.shards import Counts, SparkRunner

#: Of `pyspark`; earlier versions have other Arrow calls.
LEAST_VERSION: Final = 4

#: Where one of these is set, somebody has said where Spark is, and which Python its workers run.
_CONFIGURED: Final = frozenset({"PYSPARK_PYTHON", "SPARK_REMOTE", "SPARK_CONF_DIR", "SPARK_HOME"})


@dataclass(frozen=True)
class Spark:
    """A Spark session to compute on, and what its workers need.

    Parameters
    ----------
    session : SparkSession, optional
        Yours: local, YARN, Kubernetes, EMR, Databricks, Spark Connect. Default: the active one, or one of the
        environment's configuration.
    work : path, optional
        Folder that the driver and all workers see at the same place, for what workers are given and what they finished:
        an interrupted run goes on from there. Default, for a session on one machine only: a temporary folder.
    store : path, optional
        Store of the data set, where a step gets the data set itself. It, too, lies where all workers see it.
    threads : int, optional
        Of a task; default: the cores that Spark gives to one (`spark.task.cpus`).
    fit : int, optional
        Transfers of a slice of time.
    """

    session: Any = None
    work: str | Path | None = None
    store: str | Path | None = None
    threads: int | None = None
    fit: int | None = None

    def opened(self) -> Spark:
        """Return it with a session.

        Raises
        ------
        OptionError
            If pyspark is not installed, or too old.
        """
        try:
            import pyspark  # noqa: PLC0415 - an extra
            from pyspark.sql import SparkSession  # noqa: PLC0415
        except ImportError as error:
            raise OptionError(
                "engine: 'spark' needs pyspark 4 or later, and Java 17 or 21. Install: pip install 'muledetect[spark]'."
            ) from error
        if int(pyspark.__version__.split(".")[0]) < LEAST_VERSION:
            raise OptionError(f"engine: 'spark' needs pyspark 4 or later; got {pyspark.__version__}.")
        if self.session is not None:
            return self
        if not _CONFIGURED & os.environ.keys():  # a session on this machine: workers are of this environment, too
            os.environ["PYSPARK_PYTHON"] = sys.executable
        return replace(self, session=SparkSession.builder.getOrCreate())


@dataclass
class Run:
    """A step on Spark: its store, its runner, and what is removed at the end.

    Attributes
    ----------
    store : Store
    runner : SparkRunner
    """

    store: Store
    runner: SparkRunner

    def close(self) -> None:
        """Remove the parts of a step that has ended well. After an error they stay, and the same step goes on."""
        for key in self.runner.counts.keys:
            self.runner.work.forget(key)


def open_run(engine: Any, dataset: Any, *, memory: str | int | None = None, progress: Progress | None = None) -> Run:
    """Return a run of a step on Spark.

    Parameters
    ----------
    engine : Spark or SparkSession
    dataset : Store, path, mapping or Dataset
        A store; or a folder of Parquet, or table name -> name of a Spark table or DataFrame, which a store is made of
        first; or, with `Spark.store`, the data set in that store.
    memory : str or int, optional
        Most memory of each process, on the driver and on workers.
    progress : callable, optional

    Raises
    ------
    DataError
        If the store is not that of the data set.
    OptionError
        If pyspark is missing, or there is no folder that all machines see.
    """
    from muledetect.engine.spark.bank import Bank  # noqa: PLC0415 - after pyspark was looked for
    from muledetect.engine.spark.tables import prepare  # noqa: PLC0415

    spark = (engine if isinstance(engine, Spark) else Spark(engine)).opened()
    from muledetect.engine.spark.shards import SLICE, Counts, SparkRunner  # noqa: PLC0415
    from muledetect.engine.spark.work import OURS, Work  # noqa: PLC0415

    counts, base = Counts(), spark.work
    if base is None:
        if not is_on_one_machine(spark.session):
            raise OptionError(
                "work: say which folder the driver and all workers see, such as one on a network disk: --work FOLDER, "
                "or md.engine.Spark(session, work=FOLDER)."
            )
        base = _until_gone(counts, tempfile.mkdtemp(prefix="muledetect-"))
    work = Work(Path(base).absolute() / OURS)
    work.folder.mkdir(parents=True, exist_ok=True)
    store = _store_of(spark, dataset)
    if store is None:
        made = _until_gone(counts, tempfile.mkdtemp(prefix="prepared-", dir=work.folder))
        store = prepare(
            dataset, f"{made}/store", session=spark.session, work=work.folder, progress=progress,
            memory=None if memory is None else str(memory),
        )  # fmt: skip
    limit = dataset.room.limit if isinstance(dataset, Dataset) and memory is None else parse_memory(memory)
    bank = Bank(str(Path(store.path).absolute()), store.header.fingerprint, limit)
    fit = SLICE if spark.fit is None else spark.fit
    return Run(store, SparkRunner(spark.session, bank, work, spark.threads, fit, counts))


def _until_gone(counts: Counts, folder: str) -> str:
    """Return a folder that is removed when the last runner that shares these counts is gone."""
    weakref.finalize(counts, shutil.rmtree, folder, ignore_errors=True)
    return folder


def is_on_one_machine(session: Any) -> bool:
    """Return whether the workers of a session run on the driver's machine."""
    try:
        return str(session.conf.get("spark.master", "")).startswith("local")
    except Exception:
        return False


def _store_of(spark: Spark, dataset: Any) -> Store | None:
    """Return the store that is given; None if one is to be made."""
    if isinstance(dataset, Store):
        return dataset
    if is_store(dataset):
        return open_store(dataset)
    if not isinstance(dataset, Dataset):
        return None
    if spark.store is None or not is_store(spark.store):
        raise DataError(
            "spark: workers read a store, not a data set in memory. Make one, `md.prepare(DATASET, STORE)`."
        )
    store = open_store(spark.store, verify=False)
    if store.header.fingerprint != dataset.fingerprint:
        raise DataError(f"spark: the store {store.path.name!r} is that of another data set.")
    return store
