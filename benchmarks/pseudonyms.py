"""How long ids take to be hidden and revealed, and tables to be exported. Processor time, seconds.

python benchmarks/pseudonyms.py [--ids 1000000] [--dataset FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from muledetect.records import read_dataset
from muledetect.records.pseudonyms import Pseudonyms
from muledetect.reports.exports import write_csv, write_xlsx


def timed(what: str, work: Callable[[], Any]) -> Any:
    """Run, print how long it took, and return the result."""
    started = time.process_time()
    result = work()
    print(f"{what:60} {time.process_time() - started:6.1f} s")
    return result


def exported(n_rows: int) -> pa.Table:
    """Return a table of texts, times, money and shares."""
    random = np.random.default_rng(1)
    return pa.table(
        {
            "account_id": [f"{number:010d}" for number in range(n_rows)],
            "time": pa.array(random.integers(0, 10**9, n_rows) * 10**6).cast(pa.timestamp("us", "UTC")),
            "amount": random.integers(1, 10**9, n_rows),
            "share": random.random(n_rows),
            "text": ["paid members, and has not disputed it"] * n_rows,
        }
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ids", type=int, default=1_000_000)
    parser.add_argument("--dataset", type=Path, help="folder to read with and without a key")
    asked = parser.parse_args()
    names, random = Pseudonyms(bytes(range(64))), np.random.default_rng(0)
    names.reveal(names.hide(["compiled"]))

    ids = pa.array([f"{number:010d}" for number in random.permutation(asked.ids)])
    hidden = timed(f"hide {asked.ids:,} ids", lambda: names.hide(ids))
    assert timed(f"reveal {asked.ids:,} ids", lambda: names.reveal(hidden)).equals(ids)
    few = ids.take(pa.array(random.integers(0, len(ids) // 10, 10 * len(ids))))
    timed(f"hide {len(few):,} rows of {len(ids) // 10:,} ids", lambda: names.hide(pa.chunked_array([few])))

    with tempfile.TemporaryDirectory() as folder:
        table = exported(asked.ids)
        timed(f"CSV of {len(table):,} rows, 5 columns", lambda: write_csv(table, f"{folder}/a.csv", currency="THB"))
        part = table.slice(0, len(table) // 10)
        timed(f"XLSX of {len(part):,} rows, 5 columns", lambda: write_xlsx({"t": part}, f"{folder}/a.xlsx"))
    if asked.dataset:
        read_dataset(asked.dataset)
        timed(f"read {asked.dataset}", lambda: read_dataset(asked.dataset))
        timed("the same with a key", lambda: read_dataset(asked.dataset, pseudonymise=names))


if __name__ == "__main__":
    main()
