"""Features as a scikit-learn transformer: a data frame of points in, a matrix of features out.

>>> import muledetect as md
>>> from lightgbm import LGBMClassifier
>>> from sklearn.pipeline import make_pipeline
>>> pipeline = make_pipeline(md.FeatureExtractor(dataset), LGBMClassifier())  # doctest: +SKIP
>>> pipeline.fit(points, y)  # points: a data frame of account_id and as_of  # doctest: +SKIP
"""

# ruff: noqa: N803 (scikit-learn calls it X)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from muledetect.arrays import Float64Array, Int64Array
from muledetect.clock import Duration
from muledetect.errors import DataError
from muledetect.facts import Facts
from muledetect.features._extract import choose, extract_values
from muledetect.features._extraction import Extraction
from muledetect.features._points import COLUMNS, as_points
from muledetect.features._spec import Feature
from muledetect.features.packs import Pack
from muledetect.records import Dataset


class FeatureExtractor(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn points, rows of `account_id` and `as_of`, into features that were known at each of them.

    It learns nothing from points: fitting it on training rows only, or on all, gives the same features, and no row
    sees what comes at or after its own `as_of`.

    Parameters
    ----------
    dataset : Dataset, optional
        The records. Without it, `fit` takes the data set instead of points. Clones share it, and the graph, facts and
        signals that were made of it.
    pack : str or Pack
        Country pack that gives thresholds and local time.
    families : sequence of str, optional
        Only features of these families, such as "flow"; all by default.
    columns : sequence of str or Feature, optional
        Only these columns, or features (also unregistered ones).
    long_term : bool
        Only columns that keep their value when an account falls silent.
    hide_groups : int64[n_accounts], optional
        Group of each account, such as its ring; labels and complaints of a point's own group are hidden from it, as a
        training set needs. See `muledetect.labels.account_groups`.
    lookback : duration, optional
        A point sees no event earlier than so long before it, see `extract`; no limit by default.
    threads : int, optional
        All cores by default; the result does not depend on it.

    Attributes
    ----------
    n_features_in_ : int
        2.
    feature_names_in_ : array of str
        `account_id`, `as_of`.

    Notes
    -----
    O(history of each point), after O(transfers) once a data set, or once a moment where there is a look-back.
    `set_output(transform="pandas")` or "polars" gives named columns. The matrix is
    float64; NaN where a feature says nothing.
    """

    def __init__(
        self,
        dataset: Dataset | None = None,
        *,
        pack: str | Pack = "none",
        families: Sequence[str] | None = None,
        columns: Sequence[str | Feature] | None = None,
        long_term: bool = False,
        hide_groups: Int64Array | None = None,
        lookback: Duration | None = None,
        threads: int | None = None,
    ) -> None:
        self.dataset = dataset
        self.pack = pack
        self.families = families
        self.columns = columns
        self.long_term = long_term
        self.hide_groups = hide_groups
        self.lookback = lookback
        self.threads = threads

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn gives y
        """Choose the columns and derive the facts of the data set, once.

        Parameters
        ----------
        X : points, or Dataset
            Points are checked and not learnt from; a data set where the constructor got none.
        y : ignored

        Raises
        ------
        DataError
            If there is no data set, or the points are not of this one.
        FeatureError, OptionError
            If a column, family or country pack is unknown.
        """
        from muledetect.features import registry  # noqa: PLC0415 - the registry of the package that this is part of

        dataset = X if isinstance(X, Dataset) else self.dataset
        if dataset is None:
            raise DataError("FeatureExtractor: no data set; give one to the constructor, or to `fit`.")
        known, names = choose(self.columns, registry(), self.pack)
        if self.columns is None:
            names = known.names(self._pack(), self.families, long_term=self.long_term)
        self._registry, self._names = known, names
        if self._facts is None or self._facts.dataset is not dataset:
            self._facts = Facts(dataset)
        self._extraction = Extraction(
            self._facts, hide_groups=self.hide_groups, lookback=self.lookback, threads=self.threads
        )
        if X is not dataset:
            as_points(X, self._facts)
        self.n_features_in_, self.feature_names_in_ = len(COLUMNS), np.array(COLUMNS, dtype=object)
        return self

    def transform(self, X: Any) -> Float64Array:
        """Return the features of points, float64[n_points, n_features], in the order of the points.

        Parameters
        ----------
        X : Points, or a table of any library with `account_id` and `as_of`

        Raises
        ------
        DataError
            If the points are of another data set, or a column is missing.
        """
        check_is_fitted(self)
        points = as_points(X, self._extraction.facts)
        return extract_values(self._extraction, points, self._names, self._registry)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[Any]:  # noqa: ARG002
        """Return the names of the columns; each recreates its computation. `input_features` is not used."""
        check_is_fitted(self)
        return np.array(self._names, dtype=object)

    _facts: Facts | None = None

    def _pack(self) -> Pack:
        from muledetect.features.packs import load_pack  # noqa: PLC0415

        return load_pack(self.pack) if isinstance(self.pack, str) else self.pack

    def __sklearn_clone__(self) -> Self:
        copy = type(self)(**self.get_params(deep=False))
        copy._facts = self._facts
        output = getattr(self, "_sklearn_output_config", None)
        if output is not None:
            copy._sklearn_output_config = dict(output)
        return copy

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_names")

    def __getstate__(self) -> dict[str, Any]:
        # what was fitted can be derived again; facts hold a lock, and the registry holds functions
        return {name: value for name, value in super().__getstate__().items() if name not in _FITTED}


#: What `fit` sets. It does not go along to another process: fit again there, nothing was learnt.
_FITTED = ("_facts", "_extraction", "_registry", "_names", "n_features_in_", "feature_names_in_")
