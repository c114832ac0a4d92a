"""Compile before the first use what is compiled then: the kernels of features, rings, traces and live scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from muledetect.progress import Progress, silent

if TYPE_CHECKING:
    from muledetect.labels import Target


def warm_up(target: Target = "active", *, progress: Progress | None = None) -> None:
    """Compile the kernels, so that the first run is as fast as later ones; for the image of a container, say.

    Kernels are compiled where they are first used, here on a small simulated bank, and kept on disk by numba: beside
    the package, or in the folder that `NUMBA_CACHE_DIR` names. What is compiled already is only loaded.

    Let nothing else compile into the same folder meanwhile: a process that did so once ended with a segmentation fault.

    Parameters
    ----------
    target : "active" or "ever"
        Kernels of the columns of such a model; those of "ever" are a part of those of "active".
    progress : callable, optional
        Called with the stage in words and the fraction done.
    """
    from muledetect import pipeline, tracing
    from muledetect.evaluation.rules import rule_columns
    from muledetect.facts import Snapshot
    from muledetect.features import Extraction, extract_with, feature_names, registry
    from muledetect.features._extraction import Suspicion
    from muledetect.features.suspicion import COLUMNS
    from muledetect.labels import account_groups, every_account
    from muledetect.live import LiveScorer
    from muledetect.live.policy import load_policy
    from muledetect.live.warm_up import warm_up as warm_up_live
    from muledetect.model import MuleModel
    from muledetect.records import read_dataset
    from muledetect.simulation import simulate

    tell, as_of = progress or silent, "2025-02-10"
    tell("compiling", 0.0)
    dataset = read_dataset(simulate(n_accounts=500, n_days=40, seed=1, mule_share=0.1, start="2025-01-01"))
    points = every_account(dataset, as_of)
    extraction = Extraction(dataset, hide_groups=account_groups(dataset), lookback="60d")
    nobody = Suspicion(np.zeros((1, len(dataset.account_ids))), np.zeros(len(dataset.account_ids), np.int64))
    extract_with(extraction.with_suspicion(lambda _extraction, _as_of: nobody), points, list(COLUMNS))
    columns: dict[str, list[str]] = {}
    for name in dict.fromkeys([*feature_names(pack="TH", long_term=target == "ever"), *rule_columns("TH")]):
        columns.setdefault(registry().parse(name).feature, []).append(name)
    for n_done, names in enumerate(columns.values(), start=1):
        extract_with(extraction, points, names)
        tell("compiling", n_done / len(columns))
    snapshot = Snapshot(dataset, as_of)
    pipeline.find_rings(snapshot, pipeline.score(dataset, "starter", as_of, n_explained=1), window="all")
    tracing.trace(snapshot)
    small = MuleModel(n_estimators=2, n_jobs=1)
    model = pipeline.train(dataset, as_of, target="ever", lookback="30d", live=True, unlabelled="negative", model=small)
    warm_up_live(LiveScorer(model, dataset), load_policy("none"))


__all__ = ["warm_up"]
