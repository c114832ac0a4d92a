"""Find money-mule accounts, their rings, and where the money is.

>>> import muledetect as md
>>> dataset = md.datasets.load_sample()  # or md.read_dataset("folder"), or of a dict of data frames
>>> model = md.train(dataset, "2025-03-15", target="ever")  # doctest: +SKIP
>>> scores = md.score(dataset, model, "2025-04-28")  # doctest: +SKIP
>>> rings = md.find_rings(dataset, scores, "2025-04-28")  # doctest: +SKIP
>>> traces = md.trace(dataset, "2025-04-28")  # doctest: +SKIP
>>> md.to_pandas(scores)  # doctest: +SKIP

Further parts are one level down: `md.features` (columns at points, features of your own), `md.labels` (targets and
splits), `md.rings`, `md.tracing`, `md.evaluation`, `md.reports`, `md.plots`, `md.simulation`, `md.records` (reading),
`md.pipeline` (all steps), `md.testing` (checks of your own parts).
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect import (
        datasets,
        engine,
        evaluation,
        exchange,
        facts,
        features,
        graph,
        labels,
        live,
        messages,
        model,
        parties,
        pipeline,
        records,
        registry,
        replay,
        reports,
        rings,
        schema,
        serve,
        simulation,
        testing,
        tracing,
    )
    from muledetect.engine import Store, open_store, prepare
    from muledetect.errors import DataError, FeatureError, ModelError, MuleDetectError, OptionError, OutputError
    from muledetect.facts import Snapshot
    from muledetect.features.extractor import FeatureExtractor
    from muledetect.frames import to_pandas, to_polars
    from muledetect.model import MuleModel, load_model, load_starter
    from muledetect.pipeline import evaluate, explain, find_parties, find_rings, report, score, simulate, trace, train
    from muledetect.records import Dataset, read_dataset
    from muledetect.reports import plots
    from muledetect.versions import show_versions

#: Version of the package.
__version__ = version("muledetect")

__all__ = [
    "DataError",
    "Dataset",
    "FeatureError",
    "FeatureExtractor",
    "ModelError",
    "MuleDetectError",
    "MuleModel",
    "OptionError",
    "OutputError",
    "Snapshot",
    "Store",
    "__version__",
    "evaluate",
    "explain",
    "find_parties",
    "find_rings",
    "load_model",
    "load_starter",
    "open_store",
    "prepare",
    "read_dataset",
    "report",
    "score",
    "show_versions",
    "simulate",
    "to_pandas",
    "to_polars",
    "trace",
    "train",
]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "engine": "Store open_store prepare",
        "errors": "DataError FeatureError ModelError MuleDetectError OptionError OutputError",
        "facts": "Snapshot",
        "features.extractor": "FeatureExtractor",
        "frames": "to_pandas to_polars",
        "model": "MuleModel load_model load_starter",
        "pipeline": "evaluate explain find_parties find_rings report score simulate trace train",
        "records": "Dataset read_dataset",
        "versions": "show_versions",
    },
    rooms="datasets engine evaluation evidence exchange facts features graph holds labels live messages model "
    "parties pipeline plots=reports.plots records registry replay reports rings schema serve "
    "simulation testing tracing",
    moved={
        "Columns": "records.own.Columns",
        "Imported": "records.own.Imported",
        "Points": "graph.Points",
        "Ring": "rings.Ring",
        "RingTables": "rings.RingTables",
        "Ties": "rings.Ties",
        "Traces": "tracing.Traces",
        "TransferGraph": "graph.TransferGraph",
        "build_graph": "graph.build_graph",
        "every_account": "labels.every_account",
        "extract": "features.extract",
        "extract_signals": "features.signals.extract_signals",
        "feature": "features.feature",
        "feature_names": "features.feature_names",
        "find_ties": "rings.find_ties",
        "find_transfer": "tracing.find_transfer",
        "from_networkx": "graph.from_networkx",
        "import_own": "records.own.import_own",
        "keep_ids": "rings.keep_ids",
        "learn_weights": "rings.learn_weights",
        "locate": "tracing.locate",
        "open_books": "facts.Snapshot",
        "plot_budget_curve": "reports.plots.plot_budget_curve",
        "plot_feature": "reports.plots.plot_feature",
        "plot_flow": "reports.plots.plot_flow",
        "plot_reasons": "reports.plots.plot_reasons",
        "plot_reliability": "reports.plots.plot_reliability",
        "plot_ring": "reports.plots.plot_ring",
        "plot_timeline": "reports.plots.plot_timeline",
        "points_of": "labels.points_of",
        "read_columns": "records.own.read_columns",
        "signal": "features.signals.signal",
        "signal_names": "features.signals.signal_names",
        "simulate_tables": "simulation.simulate",
        "suggest_columns": "records.own.suggest_columns",
        "targets": "labels.find_targets",
        "trace_money": "pipeline.trace",
        "write_features": "features.write_features",
    },
)
