from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from small_world import SCORED_AT, TRAINED_AT, small_world

import muledetect as md
from muledetect.errors import DataError, FeatureError
from muledetect.features import extract, feature_names
from muledetect.graph import build_graph
from muledetect.labels import GroupFolds, every_account, find_targets, ring_groups

COLUMNS = ["in_count__window_7d", "out_amount__window_30d", "pass_through__window_24h"]


@pytest.fixture(scope="module")
def dataset() -> md.Dataset:
    return md.read_dataset(dict(small_world()))


@pytest.fixture(scope="module")
def frame(dataset: md.Dataset) -> pd.DataFrame:
    ids = dataset.account_ids.to_pylist()[:60]
    moments = pd.to_datetime([TRAINED_AT, SCORED_AT] * 30, utc=True)
    return pd.DataFrame({"account_id": ids, "as_of": moments}, index=range(100, 160))


def test_a_frame_of_points_gives_what_extract_gives(dataset: md.Dataset, frame: pd.DataFrame) -> None:
    made = md.FeatureExtractor(dataset, columns=COLUMNS).fit(frame)
    expected = extract(dataset, frame, COLUMNS).to_pandas()[COLUMNS].to_numpy()
    for points in (frame, pl.from_pandas(frame), frame.assign(as_of=[TRAINED_AT, SCORED_AT] * 30)):
        np.testing.assert_array_equal(made.transform(points), expected)
    assert made.get_feature_names_out().tolist() == COLUMNS
    assert (made.n_features_in_, made.feature_names_in_.tolist()) == (2, ["account_id", "as_of"])


def test_the_data_set_may_come_with_fit_instead(dataset: md.Dataset, frame: pd.DataFrame) -> None:
    late = md.FeatureExtractor(columns=COLUMNS).fit(dataset)
    np.testing.assert_array_equal(
        late.transform(frame), md.FeatureExtractor(dataset, columns=COLUMNS).fit_transform(frame)
    )
    with pytest.raises(DataError, match="no data set"):
        md.FeatureExtractor(columns=COLUMNS).fit(frame)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_output_can_be_a_data_frame_with_named_columns(dataset: md.Dataset, frame: pd.DataFrame, library: str) -> None:
    made = md.FeatureExtractor(dataset, columns=COLUMNS).set_output(transform=library)
    found = clone(made).fit_transform(frame)
    assert type(found).__module__.startswith(library)
    assert list(found.columns) == COLUMNS
    if isinstance(found, pd.DataFrame):
        assert found.index.equals(frame.index)


def test_families_pack_and_long_term_choose_the_columns(dataset: md.Dataset, frame: pd.DataFrame) -> None:
    made = md.FeatureExtractor(dataset, pack="TH", families=["flow"], long_term=True).fit(frame)
    assert made.get_feature_names_out().tolist() == feature_names(pack="TH", families=["flow"], long_term=True)
    with pytest.raises(FeatureError):
        md.FeatureExtractor(dataset, columns=["no_such_column"]).fit(frame)


def test_a_clone_has_the_same_options_shares_the_facts_and_is_not_fitted(
    dataset: md.Dataset, frame: pd.DataFrame
) -> None:
    made = md.FeatureExtractor(dataset, columns=COLUMNS, threads=1).fit(frame)
    copy = clone(made)
    assert copy.get_params() == made.get_params()
    assert copy.dataset is dataset
    assert copy._facts is made._facts
    with pytest.raises(Exception, match="not fitted"):
        copy.transform(frame)


def test_an_extractor_goes_to_another_process_and_is_fitted_again_there(
    dataset: md.Dataset, frame: pd.DataFrame
) -> None:
    made = md.FeatureExtractor(dataset, columns=COLUMNS[:1]).fit(frame)
    again = pickle.loads(pickle.dumps(made))  # noqa: S301
    np.testing.assert_array_equal(again.fit(frame).transform(frame), made.transform(frame))


def test_points_of_another_data_set_are_refused(dataset: md.Dataset) -> None:
    other = md.read_dataset(dict(small_world(seed=9)))
    points = every_account(other, SCORED_AT)
    for use in (lambda: extract(dataset, points, COLUMNS), lambda: extract(dataset, points[:3], COLUMNS)):
        with pytest.raises(DataError, match="another data set"):
            use()
    with pytest.raises(DataError, match="another data set"):
        md.FeatureExtractor(dataset, columns=COLUMNS).fit(points)


def test_frames_that_are_no_points_are_refused_and_say_what_is_missing(
    dataset: md.Dataset, frame: pd.DataFrame
) -> None:
    made = md.FeatureExtractor(dataset, columns=COLUMNS).fit(frame)
    with pytest.raises(DataError, match=r"columns \['as_of'\] are missing"):
        made.transform(frame[["account_id"]])
    with pytest.raises(DataError, match="'account_id' is null in 1 of 60"):
        made.transform(frame.assign(account_id=[None, *frame["account_id"][1:]]))
    unknown = made.transform(pd.DataFrame({"account_id": ["nobody"], "as_of": [SCORED_AT]}))
    assert unknown[0, 0] == 0


@pytest.mark.slow
def test_a_pipeline_is_cross_validated_with_whole_rings_on_one_side(dataset: md.Dataset) -> None:
    points = every_account(dataset, SCORED_AT)
    y = find_targets(dataset, build_graph(dataset), points, target="ever")
    known = np.flatnonzero(np.isfinite(y))
    frame = pd.DataFrame({"account_id": dataset.account_ids.take(points.account).to_pylist(),
                          "as_of": pd.Timestamp(SCORED_AT, tz="UTC")}).iloc[known]  # fmt: skip
    groups = ring_groups(dataset, points)[known]
    pipeline = make_pipeline(
        md.FeatureExtractor(dataset, pack="TH", families=["flow", "volume"]).set_output(transform="pandas"),
        LGBMClassifier(n_estimators=20, verbose=-1, random_state=0, n_jobs=1),
    )
    found = cross_val_score(
        pipeline, frame, y[known], groups=groups, cv=GroupFolds(3), scoring="average_precision", error_score="raise"
    )
    assert (found > 2 * np.mean(y[known])).all()
    linear = make_pipeline(
        md.FeatureExtractor(dataset, columns=COLUMNS[:2]), FunctionTransformer(np.log1p), LogisticRegression()
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        linear.fit(frame, y[known])
    assert linear.predict_proba(frame).shape == (len(known), 2)
