from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.records import Dataset, read_dataset

START = 1_735_689_600_000_000  # 2025-01-01
AS_OF = START + 30 * DAY

Row = tuple[str, str, int, int]  # source, target, microseconds after START, amount


class World(NamedTuple):
    dataset: Dataset
    scores: pa.Table


def times(moments: Sequence[int]) -> pa.Array:
    return pa.array(moments, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def make_world(rows: Sequence[Row], scores: dict[str, float], complaints: pa.Table | None = None) -> World:
    source, target, moment, amount = zip(*rows, strict=True)
    tables: dict[str, Any] = {
        "transfers": pa.table(
            {
                "transfer_id": [f"t{k:05d}" for k in range(len(rows))],
                "time": times([START + m for m in moment]),
                "source": list(source),
                "target": list(target),
                "amount": pa.array(amount, pa.int64()),
                "channel": ["xborder" if name.endswith("abroad") else "p2p_account" for name in target],
            }
        )
    }
    if complaints is not None:
        tables["complaints"] = complaints
    dataset = read_dataset(tables)
    table = pa.table(
        {
            "account_id": pa.array(list(scores), pa.string()),
            "score": pa.array(list(scores.values()), pa.float64()),
            "probability": pa.array(list(scores.values()), pa.float64()),
        }
    )
    return World(dataset, table)


def gang(name: str, start: int = 0, n_victims: int = 2) -> list[Row]:
    """Victims pay c, which splits the money over r1 and r2 within minutes; both pay x, which pays it abroad."""
    rows = []
    for k in range(n_victims):
        at = start + k * 3 * HOUR
        rows += [
            (f"{name}v{k}", f"{name}c", at, 100_000),
            (f"{name}c", f"{name}r1", at + 5 * MINUTE, 60_000),
            (f"{name}c", f"{name}r2", at + 6 * MINUTE, 38_000),
            (f"{name}r1", f"{name}x", at + 15 * MINUTE, 58_000),
            (f"{name}r2", f"{name}x", at + 16 * MINUTE, 37_000),
            (f"{name}x", f"{name}abroad", at + 30 * MINUTE, 94_000),
        ]
    return rows


def gang_scores(*names: str) -> dict[str, float]:
    return {f"{name}{member}": 0.9 for name in names for member in ("c", "r1", "r2", "x")}
