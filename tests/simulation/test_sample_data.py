"""The committed sample is what its documented command makes."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from muledetect import schema
from muledetect.simulation import simulate

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@pytest.mark.slow
def test_the_sample_is_what_the_command_in_its_readme_makes() -> None:
    assert "--accounts 900 --days 105 --seed 7" in (SAMPLE / "README.md").read_text(encoding="utf-8")
    for name, table in simulate(n_accounts=900, n_days=105, seed=7).items():
        assert pq.read_table(SAMPLE / f"{name}.parquet").equals(table), name


def test_the_sample_has_every_table_and_stays_under_five_megabytes() -> None:
    files = {path.stem: path.stat().st_size for path in SAMPLE.glob("*.parquet")}
    assert set(files) == set(schema.INPUTS) - {"registry"}  # comes from outside the bank
    assert sum(files.values()) < 5_000_000
