"""Data sets larger than memory: a store on disk whose columns are mapped, made in bounded memory. See docs/store.md.

>>> import tempfile, pyarrow as pa
>>> from muledetect.engine import prepare
>>> transfers = pa.table({
...     "transfer_id": ["t1"], "time": ["2025-03-01T09:30:00Z"], "source": ["007"], "target": ["008"], "amount": [150],
... })
>>> with tempfile.TemporaryDirectory() as folder:
...     store = prepare({"transfers": transfers}, f"{folder}/store")
...     store.dataset
Dataset(transfers=1; accounts=2, rejects=0, currency=not stated, tick=1min)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.engine.making import prepare
    from muledetect.engine.opened import Store, open_store
    from muledetect.engine.spark import Spark
    from muledetect.engine.updating import update

__all__ = ["Spark", "Store", "open_store", "prepare", "update"]

__getattr__, __dir__ = on_demand(
    __name__, {"making": "prepare", "opened": "Store open_store", "spark": "Spark", "updating": "update"}
)
