"""A store keeps the table `registry` as it was read, and grows with new statements as if it had been made of all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

import muledetect as md
from muledetect import engine
from muledetect.facts import Facts, Snapshot
from muledetect.testing.worlds import end_of, random_world, read
from tests.stores import content

NOW = "2030-01-01"


def test_a_store_with_a_registry_answers_as_the_data_set_does(tmp_path: Path) -> None:
    world = random_world(5)
    store = engine.prepare(world, tmp_path / "store", now=NOW, currency="THB")
    moment = end_of(world)
    wanted, got = (
        Snapshot(Facts(data), moment).registered for data in (read(world), md.open_store(store.path).dataset)
    )
    assert np.array_equal(wanted, got)
    assert wanted.max() > 0


def test_a_store_that_gets_statements_later_is_the_store_of_all_of_them(tmp_path: Path) -> None:
    world = random_world(6)
    registry = world["registry"]
    first = {**world, "registry": registry.slice(0, 10)}
    engine.prepare(first, tmp_path / "grown", now=NOW, currency="THB")
    engine.update(md.open_store(tmp_path / "grown"), {"transfers": world["transfers"].slice(0, 0),
                                                      "registry": registry.slice(10)}, now=NOW)  # fmt: skip
    engine.prepare({**world, "registry": pa.concat_tables([registry.slice(0, 10), registry.slice(10)])},
                   tmp_path / "whole", now=NOW, currency="THB")  # fmt: skip
    assert content(tmp_path / "grown") == content(tmp_path / "whole")
