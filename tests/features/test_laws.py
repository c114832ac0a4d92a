"""The laws, held by everything that is registered."""

from __future__ import annotations

import re

import numpy as np
import pytest

from muledetect.clock import parse_duration
from muledetect.errors import FeatureError
from muledetect.features import Column, Feature, Points, extract, feature_names, load_pack, registry
from muledetect.features._spec import AMOUNTS, DURATIONS
from muledetect.features.packs import NAMES
from muledetect.graph import build_graph
from muledetect.labels import every_account
from muledetect.records import read_dataset
from muledetect.testing import check_feature, check_features, random_world

FEATURES = list(registry().features.values())


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
@pytest.mark.slow
def test_a_feature_keeps_the_laws_on_every_clock(feature: Feature) -> None:
    check_feature(feature, n_worlds=4, seed=100 + 4 * FEATURES.index(feature))


@pytest.mark.slow
def test_all_features_together_keep_the_laws() -> None:
    check_features(FEATURES, n_worlds=8)


@pytest.mark.parametrize("seed", [2, 3])
def test_every_column_is_computed_as_float64_in_the_order_asked_for(seed: int) -> None:
    dataset = read_dataset(random_world(seed))
    names = feature_names(pack="TH")
    table = extract(dataset, every_account(dataset, "2025-01-20"), names[::-1], pack="TH")
    assert table.column_names == ["account_id", "as_of", *names[::-1]]
    assert {str(table.schema.field(name).type) for name in names} == {"double"}
    assert table["account_id"].to_pylist() == dataset.account_ids.to_pylist()


def test_no_points_give_no_rows_with_every_column() -> None:
    dataset = read_dataset(random_world(2))
    nobody = Points(np.zeros(0, np.int32), np.zeros(0, np.int64))
    table = extract(dataset, nobody, feature_names())
    assert table.column_names == ["account_id", "as_of", *feature_names()]
    assert len(table) == 0


def test_one_column_alone_equals_the_same_column_among_all() -> None:
    dataset = read_dataset(random_world(5))
    points = every_account(dataset, "2025-01-20")
    whole = extract(dataset, points, pack="TH")
    graph = build_graph(dataset)
    for name in feature_names(pack="TH")[::7]:
        alone = extract(dataset, points, [name], graph=graph)
        assert str(alone[name].to_pylist()) == str(whole[name].to_pylist())


@pytest.mark.parametrize("pack", NAMES)
def test_a_name_recreates_its_computation(pack: str) -> None:
    for name in feature_names(pack=pack):
        assert registry().parse(name).name == name


@pytest.mark.parametrize("pack", NAMES)
def test_names_are_unique_and_say_what_they_measure(pack: str) -> None:
    names = feature_names(pack=pack)
    assert len(set(names)) == len(names)
    for name in names:
        says = registry().column(name)
        assert isinstance(says, Column)
        assert says.unit in {"count", "amount", "ratio", "seconds", "flag"}
        assert says.text.strip() == says.text
        assert says.text
        assert not re.search(r"[{}_]", says.text), name
        assert re.fullmatch(r"[a-z0-9_-]+", name)


def test_two_columns_of_one_pack_never_say_the_same() -> None:
    for pack in NAMES:
        texts = [registry().column(name).text for name in feature_names(pack=pack)]
        assert sorted(texts) == sorted(set(texts))


@pytest.mark.parametrize("pack", NAMES)
def test_thresholds_limits_and_clock_of_a_pack_are_in_its_columns(pack: str) -> None:
    names = feature_names(pack=pack)
    for threshold in load_pack(pack).thresholds:
        assert f"in_below__threshold_{threshold}__window_90d" in names
    for limit in load_pack(pack).limits:
        assert f"limit_hugging__limit_{limit}__utc_{load_pack(pack).utc_offset}__window_90d" in names
    assert f"night_share__utc_{load_pack(pack).utc_offset}__window_30d" in names


def test_fewer_than_270_columns_are_computed_by_default() -> None:
    assert all(len(feature_names(pack=pack)) < 270 for pack in NAMES)


def test_a_column_on_request_is_none_of_the_default_ones_but_can_be_named() -> None:
    name = "is_proximity_cut__window_30d"
    assert name not in feature_names()
    assert registry().parse(name).name == name


def test_packs_differ_only_in_columns_whose_parameters_come_from_the_pack() -> None:
    with_parameters = re.compile("threshold|limit|utc")
    plain = [[name for name in feature_names(pack=pack) if not with_parameters.search(name)] for pack in NAMES]
    assert all(names == plain[0] for names in plain)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_parameters_are_of_a_kind_that_the_laws_know(feature: Feature) -> None:
    assert set(feature.parameters) <= DURATIONS | AMOUNTS | {"utc"}
    for key in DURATIONS & feature.parameters.keys():
        values = feature.parameters[key]
        assert isinstance(values, tuple)
        assert all(parse_duration(value) > 0 for value in values)


def test_lasting_columns_look_at_the_whole_past() -> None:
    long_term = feature_names(pack="TH", long_term=True)
    assert set(long_term) < set(feature_names(pack="TH"))
    assert not [name for name in long_term if name.startswith("since_") or name == "account_age"]
    assert not [name for name in long_term if "__window_" in name and not name.endswith("__window_all")]
    assert {"active_span", "longest_sleep", "peak_in_amount__within_1h", "in_count__window_all"} <= set(long_term)


def test_families_part_the_columns() -> None:
    families = sorted({feature.family for feature in FEATURES})
    by_family = [name for family in families for name in feature_names(families=[family])]
    assert sorted(by_family) == sorted(feature_names())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("in_cuont__window_7d", "did you mean 'in_count'"),
        ("in_count", r"must name the parameters \['window'\]"),
        ("in_count__within_7d", "where window_<value> is expected"),
        ("in_count__window_7d__window_7d", "must name the parameters"),
        ("quick_pass__window_30d__within_1h", "where within_<value> is expected"),
    ],
)
def test_a_wrong_name_says_what_is_wrong_with_it(name: str, message: str) -> None:
    with pytest.raises(FeatureError, match=message):
        registry().parse(name)


def test_an_unknown_family_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(FeatureError, match=r"no family.*'flow'"):
        feature_names(families=["flwo"])


def test_a_name_cannot_be_taken_twice() -> None:
    with pytest.raises(FeatureError, match="registered already"):
        registry().add(FEATURES[0])


@pytest.mark.parametrize("name", feature_names(pack="TH"))
def test_a_window_that_nobody_registered_can_be_named(name: str) -> None:
    """Any duration may stand in a name; here 36 hours, not a multiple of anything."""
    other = re.sub(r"__window_\w+?$", "__window_36h", name)
    assert registry().parse(other).name == other


def test_windows_that_nobody_registered_are_computed() -> None:
    dataset = read_dataset(random_world(6))
    odd = [
        re.sub(r"__window_\w+?$", f"__window_{window}", name)
        for name in feature_names(pack="TH")
        for window in ("1us", "36h", "all")
    ]
    table = extract(dataset, every_account(dataset, "2025-01-20T03:04:05"), odd)
    assert len(table) == len(dataset.account_ids)
