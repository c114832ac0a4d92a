"""The world written down as the public tables of `muledetect.schema`."""

from muledetect.simulation.tables.accounts import accounts_table, contacts_table, devices_table, holders_table
from muledetect.simulation.tables.events import calls_table, part_of, sessions_table, slices, transfers_table
from muledetect.simulation.tables.knowledge import complaints_table, labels_table, watchlists_table
from muledetect.simulation.tables.names import Names, build_names
from muledetect.simulation.tables.truth import truth_tables

__all__ = [
    "Names",
    "accounts_table",
    "build_names",
    "calls_table",
    "complaints_table",
    "contacts_table",
    "devices_table",
    "holders_table",
    "labels_table",
    "part_of",
    "sessions_table",
    "slices",
    "transfers_table",
    "truth_tables",
    "watchlists_table",
]
