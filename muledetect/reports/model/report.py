"""The model report: how far a model can be trusted, from what `evaluate`, `train` and `monitor` wrote.

>>> from muledetect.reports.model.report import read_model_report
>>> report = read_model_report("evaluation", "model", "drift")  # doctest: +SKIP
>>> [section.name for section in report.sections]  # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from muledetect.model import MuleModel
from muledetect.model.card import build_card
from muledetect.model.store import config_hash
from muledetect.reports.model.cells import Section
from muledetect.reports.model.charts import draw_charts
from muledetect.reports.model.files import EvaluationFiles, read_card, read_drift, read_evaluation
from muledetect.reports.model.measures import SAID
from muledetect.reports.model.sections import write_sections
from muledetect.reports.words import Text, fill

#: Positives below which the page warns before anything else.
FEW_POSITIVES: Final = 30


@dataclass(frozen=True, eq=False)
class ModelReport:
    """Everything that the page of a model shows.

    Attributes
    ----------
    figures : mapping of str to float
        Of the evaluation; NaN where not defined.
    tables : mapping of str to pandas.DataFrame
        Of the evaluation, and `drift` and `label_delays`; those without rows are not there.
    card : mapping
        The model card; empty where there is none.
    about : mapping of str to str
        Which moment, data set and model were evaluated.
    notes : sequence of str
        Of the evaluation.
    sections : sequence of Section
        In the order of the page; each says what it lacks.
    charts : sequence of mappings
        Lines that the page's script draws, as JSON values.
    warnings : sequence of mappings of language to text
        What a reader must know before anything else, such as a card of another model.
    """

    figures: Mapping[str, float]
    tables: Mapping[str, pd.DataFrame]
    card: Mapping[str, Any]
    about: Mapping[str, str]
    notes: Sequence[str]
    sections: Sequence[Section]
    charts: Sequence[Mapping[str, Any]]
    warnings: Sequence[Text]


def read_model_report(
    evaluation: str | Path, model: MuleModel | str | Path | None = None, drift: str | Path | None = None
) -> ModelReport:
    """Gather the facts of a model report.

    Parameters
    ----------
    evaluation : path
        Folder that `evaluate` wrote; its `report.json` is read.
    model : MuleModel or path, optional
        The model, or its folder, whose `card.json` is read.
    drift : path, optional
        Folder that `monitor` wrote; its `drift.json` is read.

    Returns
    -------
    ModelReport
        What is not there is said in its section.

    Raises
    ------
    DataError
        If a folder lacks its file, or a file is not of our shape.
    """
    files = read_evaluation(evaluation)
    moved = None if drift is None else read_drift(drift)
    card = _card_of(model)
    return ModelReport(
        figures=files.figures,
        tables={**files.tables, **({} if moved is None else moved.tables)},
        card=card or {},
        about=files.about,
        notes=files.notes,
        sections=write_sections(files, moved, card),
        charts=draw_charts(files.tables),
        warnings=_warnings(files, card),
    )


def _card_of(model: MuleModel | str | Path | None) -> Mapping[str, Any] | None:
    if model is None:
        return None
    if isinstance(model, MuleModel):
        # the versions of its training stand in its folder only
        return build_card(model, {}, config_hash(model))
    return read_card(model)


def _warnings(files: EvaluationFiles, card: Mapping[str, Any] | None) -> list[Text]:
    found: list[Text] = []
    evaluated, of_card = files.about.get("model"), None if card is None else card.get("config_hash")
    if evaluated and of_card and evaluated != of_card:
        found.append(SAID["warnings"]["other_model"])
    bins = files.tables.get("reliability")
    n_positive = math.nan if bins is None else float(bins["n_positive"].sum())
    if n_positive < FEW_POSITIVES:
        found.append(fill(SAID["warnings"]["few_mules"], n=f"{n_positive:,.0f}"))
    return found
