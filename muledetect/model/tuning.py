"""Searching parameters with Optuna (extra `tune`), judged by the held-out rows of the training set alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from sklearn.base import clone

from muledetect.errors import ModelError, OptionError
from muledetect.model.calibration import losses_when_calibrated
from muledetect.model.estimator import Features, MuleModel

#: The parameters that are searched, with their ranges; those of the defaults lie inside.
SPACE: Final[dict[str, tuple[float, float]]] = {
    "num_leaves": (4, 63),
    "min_child_samples": (5, 200),
    "learning_rate": (0.02, 0.1),
    "colsample_bytree": (0.05, 0.6),
    "subsample": (0.4, 1.0),
    "reg_lambda": (0.1, 100.0),
}
_WHOLE: Final = ("num_leaves", "min_child_samples")
_LINEAR: Final = ("subsample",)


def tune(
    X: Features,  # noqa: N803 (scikit-learn calls it X)
    y: Any,
    *,
    model: MuleModel | None = None,
    n_trials: int = 30,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
    **fitting: Any,
) -> MuleModel:
    """Return a model with the parameters that did best; not fitted.

    Each trial fits a single bag and is judged by the log loss of `held_out_` after calibration: the later slice of the
    training rows where there is one, folds otherwise. No row outside X has a say. The default parameters are the first
    trial, so that the result never does worse on the held-out rows than no tuning. Cost: `n_trials` fits of one bag.

    Parameters
    ----------
    X, y, **fitting : as in `MuleModel.fit` (as_of, groups, sample_weight)
    model : MuleModel, optional
        Its other parameters are kept.
    n_trials : int
        At least 1, the defaults included.
    seed : int
        Of the search; equal seeds give equal results.

    Raises
    ------
    OptionError
        If Optuna is not installed, or `n_trials` is below 1.
    ModelError
        If the rows leave nothing to judge by.
    """
    try:
        import optuna  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise OptionError("tune: Optuna is not installed. Run `pip install 'muledetect[tune]'`.") from error
    if n_trials < 1:
        raise OptionError(f"tune: n_trials must be at least 1; got {n_trials}.")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    base = model or MuleModel()
    tell = progress or (lambda _stage, _done: None)

    def loss(trial: Any) -> float:
        tell("tuning", trial.number / n_trials)
        chosen = {name: _suggest(trial, name) for name in SPACE}
        return _held_out_loss(clone(base).set_params(n_bags=1, **chosen).fit(X, y, leaks="ignore", **fitting))

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial({name: base.get_params()[name] for name in SPACE})
    study.optimize(loss, n_trials=n_trials)
    return clone(base).set_params(**study.best_params)  # type: ignore[no-any-return]


def _suggest(trial: Any, name: str) -> float:
    low, high = SPACE[name]
    if name in _WHOLE:
        return int(trial.suggest_int(name, int(low), int(high), log=True))
    return float(trial.suggest_float(name, low, high, log=name not in _LINEAR))


def _held_out_loss(model: MuleModel) -> float:
    if not hasattr(model, "held_out_"):
        raise ModelError(
            "tune: all rows of one class lie in one group, so no rows are left to judge by. Give more labels."
        )
    held = model.held_out_
    order = np.lexsort((held.weight, held.is_positive, held.score))
    weight = held.weight[order]
    return float(
        (losses_when_calibrated(held.score[order], held.is_positive[order], weight) * weight).sum() / weight.sum()
    )
