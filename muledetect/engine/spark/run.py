"""Parts of work as tasks of Spark: the one place that hands work to a session.

A task gets the numbers of its parts and gives back one row for each. What is large goes to the folder of the run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, Final, Protocol

import pyarrow as pa

from muledetect import errors
from muledetect.engine.spark.work import Work, program
from muledetect.errors import EngineError, MuleDetectError
from muledetect.progress import Progress

#: How often it is looked how many parts are finished, seconds.
_EVERY: Final = 0.5
_ROW: Final = "part long, kind string, told string"


class Job(Protocol):
    """What workers do; it is pickled, so it holds names of files rather than arrays."""

    @property
    def work(self) -> Work:
        """Folder of the run."""

    @property
    def key(self) -> str:
        """Folder of its parts, by all that they are made of."""

    def compute(self, part: int, threads: int) -> None:
        """Compute a part and keep it in the folder."""


def run_parts(
    session: Any, job: Job, parts: list[int], *, threads: int | None, stage: str, progress: Progress | None
) -> None:
    """Let workers compute the parts that are not finished, the first ones first.

    Parameters
    ----------
    session : SparkSession
    job : Job
    parts : list of int
        In the order in which they should begin: the largest first, so that nobody waits for it at the end.
    threads : int, optional
        Of a task; default: the cores that Spark gives it.
    stage : str
        For `progress`.
    progress : callable, optional

    Raises
    ------
    EngineError
        If Spark gave up on a task.
    MuleDetectError
        What a worker raised: it is the same in each attempt.
    """
    done = job.work.done(job.key)
    waiting = [part for part in parts if part not in done]
    if not waiting:
        return
    numbers = session.range(0, len(waiting), 1, len(waiting))
    frame = map_in_arrow(numbers, _task(job, waiting, threads, program()), _ROW)
    with _told(job, len(parts), stage, progress), _in_plain_words(job.work):
        rows = frame.collect()
    for row in rows:
        if row["kind"]:
            raise getattr(errors, row["kind"], MuleDetectError)(row["told"])


def map_in_arrow(frame: Any, function: Callable[..., Iterator[pa.RecordBatch]], row: str) -> Any:
    """Return what a function makes of the batches of a DataFrame's partitions.

    Parameters
    ----------
    frame : DataFrame
    function : callable
    row : str
        Columns and types of what it makes.
    """
    with warnings.catch_warnings():
        # pyspark warns of pandas 3 wherever Arrow is used; no data frame of pandas is made here
        warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
        return frame.mapInArrow(function, row)


def _task(job: Job, waiting: list[int], threads: int | None, version: str) -> Callable[..., Iterator[pa.RecordBatch]]:
    def compute(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for position in batch.column(0).to_pylist():
                yield _one(job, waiting[position], threads or cores_of_task(), version)

    return compute


def _one(job: Job, part: int, threads: int, version: str) -> pa.RecordBatch:
    kind = told = ""
    try:
        if program() != version:
            raise EngineError(
                "spark: a worker has another version of muledetect, or of a package that figures rest on, than the "
                "driver. Install the same ones on all machines."
            )
        job.compute(part, threads)
    except MuleDetectError as error:  # another attempt would end the same way
        kind, told = type(error).__name__, str(error)
    return pa.RecordBatch.from_pydict({"part": [part], "kind": [kind], "told": [told]}, schema=_SCHEMA)


_SCHEMA: Final = pa.schema([("part", pa.int64()), ("kind", pa.string()), ("told", pa.string())])


def cores_of_task() -> int:
    """Return how many cores Spark gives to the task that asks; 1 where it does not say."""
    from pyspark import TaskContext  # noqa: PLC0415 - only where Spark is

    context = TaskContext.get()
    return 1 if context is None else max(1, context.cpus())


@contextmanager
def _told(job: Job, n_parts: int, stage: str, progress: Progress | None) -> Iterator[None]:
    """Tell how many parts are finished while the block runs."""
    if progress is None:
        yield
        return
    ended = Event()

    def look() -> None:
        while not ended.wait(_EVERY):
            progress(stage, len(job.work.done(job.key)) / n_parts)

    progress(stage, 0.0)
    thread = Thread(target=look, name="muledetect-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    progress(stage, 1.0)


@contextmanager
def _in_plain_words(work: Work) -> Iterator[None]:
    from pyspark.errors import PySparkException  # noqa: PLC0415 - only where Spark is

    try:
        yield
    except (PySparkException, OSError) as error:
        # the text of the worker's error may hold values of the bank's rows: only its kind is told
        if "No module named 'muledetect'" in str(error):
            raise EngineError(
                "spark: the workers do not have muledetect. Install the same version there as on the driver, with the "
                "same packages; docs/scale.md says how."
            ) from error
        raise EngineError(
            f"spark: the session gave up on a task ({type(error).__name__}); its logs say why. Parts that are finished "
            f"stay in the folder {work.folder.name!r}: the same command goes on from there."
        ) from error
