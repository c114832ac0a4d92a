"""Every kernel against plain loops, in seeded worlds on every clock and in whatever hypothesis thinks of."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from oracles import ORACLES, Past, assert_equal, pasts
from strategies import Scene, scenes

from muledetect.clock import parse_duration
from muledetect.features import Feature, Pack, Registry, extract, registry
from muledetect.features._spec import DURATIONS
from muledetect.labels import every_account
from muledetect.records import read_dataset
from muledetect.testing import random_world

#: Families whose features look beyond one account; their oracles stand in files of their own.
BEYOND = {"patterns", "suspicion", "multihop", "neighbourhood", "proximity", "identity", "place", "taint",
          "company"}  # fmt: skip
FEATURES = [feature for feature in registry().features.values() if feature.family not in BEYOND]
PACK = Pack("test", "THB", (50_000, 200_000), (200_000,), 420, ())
SMALL = Pack("small", "THB", (5_000,), (5_000, 12_000), -330, ())


def names_of(feature: Feature, pack: Pack) -> list[str]:
    """Default columns of a feature, and the same over windows that nobody registered."""
    wanted = Registry({feature.name: feature}).names(pack, every=True)
    odd = [re.sub(r"__window_\w+?$", f"__window_{window}", name) for name in wanted for window in ("3s", "36h")]
    return list(dict.fromkeys(wanted + odd))


def parameters_of(name: str) -> dict[str, int]:
    given_text = dict(registry().parse(name).parameters)
    return {key: parse_duration(text) if key in DURATIONS else int(text) for key, text in given_text.items()}


@cache
def scene_of(seed: int) -> tuple[Scene, tuple[Past, ...]]:
    """A random world asked in its middle, at a transfer's very moment or between two."""
    dataset = read_dataset(random_world(seed))
    times = dataset.transfers["time"].cast("int64").to_numpy()
    random = np.random.default_rng(seed)
    as_of = int(random.choice(times)) + int(random.choice([0, 1, dataset.tick, 3_600_000_000]))
    return Scene(dataset, as_of), tuple(pasts(dataset, as_of))


def compare(scene: Scene, known: tuple[Past, ...], features: list[Feature], pack: Pack) -> None:
    names = [name for feature in features for name in names_of(feature, pack)]
    table = extract(scene.dataset, every_account(scene.dataset, scene.as_of), names, pack=pack)
    expected: dict[tuple[str, tuple[tuple[str, str], ...]], list[dict[str, float]]] = {}
    for name in names:
        call = registry().parse(name)
        key = (call.feature, call.parameters)
        if key not in expected:
            expected[key] = [ORACLES[call.feature](past, **parameters_of(name)) for past in known]
        unit = registry().column(name).unit
        assert_equal(name, unit, table[name].to_numpy(), [values[call.column] for values in expected[key]])


def test_every_feature_has_an_oracle_and_no_oracle_is_left_over() -> None:
    assert set(ORACLES) == {feature.name for feature in FEATURES}


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_an_oracle_tells_every_column_of_its_feature(feature: Feature) -> None:
    nothing = Past(as_of=0, tick=1, credits=[], debits=[])
    told = ORACLES[feature.name](nothing, **parameters_of(names_of(feature, PACK)[0]))
    assert set(told) == set(feature.columns)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_feature_equals_its_oracle_in_random_worlds(feature: Feature) -> None:
    for seed in range(12):
        scene, known = scene_of(seed)
        compare(scene, known, [feature], PACK)


@given(scene=scenes())
@settings(max_examples=60)
@pytest.mark.slow
def test_every_feature_equals_its_oracle_in_any_scene(scene: Scene) -> None:
    compare(scene, tuple(pasts(scene.dataset, scene.as_of)), FEATURES, SMALL)
