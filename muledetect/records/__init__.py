"""Read, validate and write tables: `read_dataset` gives a `Dataset`, and no input row is lost on the way.

Rows that break a rule are in `Dataset.rejects` with the reason; a data set that makes no sense as a whole (account
numbers read as numbers, times without a zone) raises `DataError` once, with everything that is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.records.dataset import Dataset, Finding
    from muledetect.records.pseudonyms import Pseudonyms, new_key, read_key
    from muledetect.records.read import read_dataset
    from muledetect.records.write import write_table, write_tables, write_text

__all__ = [
    "Dataset",
    "Finding",
    "Pseudonyms",
    "new_key",
    "read_dataset",
    "read_key",
    "write_table",
    "write_tables",
    "write_text",
]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "dataset": "Dataset Finding",
        "pseudonyms": "Pseudonyms new_key read_key",
        "read": "read_dataset",
        "write": "write_table write_tables write_text",
    },
)
