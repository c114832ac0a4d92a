"""Spark: the kernels of the local engine as tasks of a session that the user brings. See docs/scale.md.

Workers map a store that all machines see. Signals are computed by slices of time and features by shards of accounts;
no transfer goes through Spark, and nothing that has a row a transfer comes to the driver. Results are equal to those of
the local engine, bit for bit.

>>> import muledetect as md
>>> session = SparkSession.builder.getOrCreate()  # doctest: +SKIP
>>> spark = md.engine.Spark(session, work="/mnt/shared/work")  # doctest: +SKIP
>>> md.score("/mnt/shared/store", "starter", "2025-04-16", engine=spark)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.engine.spark.session import Run, Spark, open_run
    from muledetect.engine.spark.tables import prepare

__all__ = ["Run", "Spark", "open_run", "prepare"]

__getattr__, __dir__ = on_demand(__name__, {"session": "Run Spark open_run", "tables": "prepare"})
