"""Find money-mule accounts, their rings, and where the money is.

>>> import muledetect as md
>>> dataset = md.read_dataset(md.simulate_tables(n_accounts=400, n_days=60, seed=1))
>>> points = md.every_account(dataset, "2025-03-01")
>>> md.extract(dataset, points, ["pass_through__window_7d"]).column_names
['account_id', 'as_of', 'pass_through__window_7d']

The straight line from a folder to scored accounts and rings is in `muledetect.pipeline`, one function a command.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.errors import DataError, FeatureError, ModelError, MuleDetectError, OptionError, OutputError
    from muledetect.facts import Snapshot
    from muledetect.features import extract, feature, feature_names, write_features
    from muledetect.features.signals import extract_signals, signal, signal_names
    from muledetect.frames import to_pandas, to_polars
    from muledetect.graph import Points, TransferGraph, build_graph, from_networkx
    from muledetect.labels.targets import every_account, points_of, targets
    from muledetect.model import MuleModel, load_model, load_starter
    from muledetect.records import Dataset, read_dataset
    from muledetect.records.own import Columns, Imported, import_own, read_columns, suggest_columns
    from muledetect.reports.plots import (
        plot_budget_curve,
        plot_feature,
        plot_flow,
        plot_reasons,
        plot_reliability,
        plot_ring,
        plot_timeline,
    )
    from muledetect.rings import Ring, RingTables, Ties, find_rings, find_ties, keep_ids, learn_weights
    from muledetect.simulation import simulate as simulate_tables
    from muledetect.tracing import Traces, find_transfer, locate
    from muledetect.tracing.complaints import trace

#: Version of the package.
__version__ = version("muledetect")

__all__ = [
    "Columns",
    "DataError",
    "Dataset",
    "FeatureError",
    "Imported",
    "ModelError",
    "MuleDetectError",
    "MuleModel",
    "OptionError",
    "OutputError",
    "Points",
    "Ring",
    "RingTables",
    "Snapshot",
    "Ties",
    "Traces",
    "TransferGraph",
    "__version__",
    "build_graph",
    "every_account",
    "extract",
    "extract_signals",
    "feature",
    "feature_names",
    "find_rings",
    "find_ties",
    "find_transfer",
    "from_networkx",
    "import_own",
    "keep_ids",
    "learn_weights",
    "load_model",
    "load_starter",
    "locate",
    "plot_budget_curve",
    "plot_feature",
    "plot_flow",
    "plot_reasons",
    "plot_reliability",
    "plot_ring",
    "plot_timeline",
    "points_of",
    "read_columns",
    "read_dataset",
    "signal",
    "signal_names",
    "simulate_tables",
    "suggest_columns",
    "targets",
    "to_pandas",
    "to_polars",
    "trace",
    "write_features",
]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "errors": "DataError FeatureError ModelError MuleDetectError OptionError OutputError",
        "facts": "Snapshot",
        "features": "extract feature feature_names write_features",
        "features.signals": "extract_signals signal signal_names",
        "frames": "to_pandas to_polars",
        "graph": "Points TransferGraph build_graph from_networkx",
        "labels.targets": "every_account points_of targets",
        "model": "MuleModel load_model load_starter",
        "records": "Dataset read_dataset",
        "records.own": "Columns Imported import_own read_columns suggest_columns",
        "reports.plots": "plot_budget_curve plot_feature plot_flow plot_reasons plot_reliability plot_ring "
        "plot_timeline",
        "rings": "Ring RingTables Ties find_rings find_ties keep_ids learn_weights",
        "simulation": "simulate_tables=simulate",
        "tracing": "Traces find_transfer locate trace",
    },
)
