"""Boosted trees with a calibrator, reasons in words, and a folder of text to keep them in.

>>> from muledetect.model import MuleModel, load_model
>>> model = MuleModel().fit(table, y, groups=groups)  # doctest: +SKIP
>>> model.predict_proba(later_table)[:, 1]  # doctest: +SKIP
>>> model.save("model")  # doctest: +SKIP

Do not tune it on the period that it is judged on, and do not read `decision_function` as a probability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.model.estimator import MuleModel
    from muledetect.model.loading import load_model, load_starter
    from muledetect.model.neighbours import extract_for

__all__ = ["MuleModel", "extract_for", "load_model", "load_starter"]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "estimator": "MuleModel",
        "loading": "load_model load_starter",
        "neighbours": "extract_for",
    },
)
