"""What each command and function writes: its kind, in words, and the names of its files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class Output:
    """What a command writes.

    Parameters
    ----------
    of : str
        Kind, in words: "scores", "report". An output is replaced by one of its own kind only.
    files : tuple of str
        Patterns of the names that a folder may get, such as "accounts/*.html"; none for a single file.
    adds : bool
        The folder's other files of ours stay, of whatever kind; else files of an earlier run that are not written
        again go.
    """

    of: str
    files: tuple[str, ...] = ()
    adds: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether a folder is written."""
        return bool(self.files)

    def may_write(self, name: str) -> bool:
        """Return whether a file of this name, relative and with "/", is one that the output may write."""
        parts = name.split("/")
        return any(_fits(parts, pattern.split("/")) for pattern in self.files)

    def stands_in_the_way(self, name: str) -> bool:
        """Return whether an entry of this name cannot stay beside the output, as it has one of its names."""
        parts = name.split("/")
        for pattern in self.files:
            wanted = pattern.split("/")
            shorter = min(len(parts), len(wanted))
            if _fits(parts[:shorter], wanted[:shorter]) and len(parts) >= len(wanted):
                return True
            if len(parts) < len(wanted) and _fits(parts, wanted[: len(parts)]):
                return True
        return False


def _fits(parts: list[str], pattern: list[str]) -> bool:
    return len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))


def _tables(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}.parquet" for name in names)


TABLE: Final = Output("a table")
TEXT: Final = Output("a text")
FEATURES: Final = Output("features")
REJECTS: Final = Output("rejected rows")
#: People correct it by hand: it is replaced only while it is as `columns` wrote it.
COLUMNS: Final = Output("a mapping of columns")
SCORES: Final = Output("scores")
THRESHOLD: Final = Output("a threshold")
TRACE: Final = Output("a trace")
GRAPH: Final = Output("a ring's graph")
GOAML: Final = Output("a goAML draft")
EXPORT: Final = Output("an export")
REVEALED: Final = Output("a revealed table")

WORLD: Final = Output("a simulated world", ("*.parquet", "world.json"))
DATASET: Final = Output("an imported data set", ("*.parquet",))
STORE: Final = Output(
    "a store",
    ("store.json", "*.parquet", "tables/*/part-*.parquet", "transfers/*/*.parquet", "mapped/*.arrow",
     "mapped/transfers/*.npy", "mapped/transfers/*.arrow", "rows/*.json", "rows/*.arrow", "rows/*.npy",
     "rows/transfers/*.parquet"),
)  # fmt: skip
#: Folders hold other names of a model's trees than ours, too: those stay.
MODEL: Final = Output("a model", ("manifest.json", "card.json", "card.md", f"trees-{'[0-9a-f]' * 16}.txt"))
EXPLANATION: Final = Output("an explanation", _tables("key_transfers", "suspicious_periods"))
RINGS: Final = Output(
    "rings",
    _tables(
        "rings", "ring_members", "ring_links", "ring_ties", "ring_others", "ring_transfers", "ring_events",
        "tie_evidence",
    ),
)  # fmt: skip
PARTIES: Final = Output(
    "parties", _tables("parties", "party_members", "party_evidence", "controllers", "controlled_accounts")
)
TRACES: Final = Output("traces", _tables("trace", "holds", "summary", "untraced", "steps"))
RECALLS: Final = Output("recalls", ("recalls.parquet", "camt056/*.xml"))
EXCHANGE_ITEMS: Final = Output("things to exchange")
EXCHANGE_FILE: Final = Output("a file of an exchange")
STATEMENTS: Final = Output("statements of an exchange")
MATCHES: Final = Output("matches of an exchange")
PROPOSALS: Final = Output("proposals to a registry")
DELTAS: Final = Output("changes of a registry")
ANSWERS: Final = Output("answers to recalls")
HOLD_RECORD: Final = Output("a record of holds")
HOLD_STATES: Final = Output("states of holds")
RELEASE: Final = Output("evidence for release")
PACK: Final = Output("an evidence pack")
EVALUATION: Final = Output("an evaluation", ("report.json", "*.parquet"))
REPLAY: Final = Output("a replay", ("replay.json", *_tables("decisions", "actions", "cases", "accounts", "layers")))
DRIFT: Final = Output("a drift", ("drift.json", *_tables("drift", "label_delays")))
REPORT: Final = Output(
    "a report",
    (
        "index.html", "model.html", "report.json", "alerts.csv", "rings.csv", "ring_members.csv", "holds.csv",
        "accounts/*.html", "rings/*.html", "goaml/*.xml",
    ),
)  # fmt: skip
EXPORTS: Final = Output("an export", ("*.csv",))
REVEALED_TABLES: Final = Output("revealed tables", ("*.parquet",))


def trace_of(output: str | Path | None) -> Output:
    """Return what `trace` writes: table `trace` alone to a name that ends in ".parquet", else a folder."""
    return TRACE if str(output).endswith(".parquet") else TRACES


def export_of(output: str | Path) -> Output:
    """Return what `export` writes: a file that ends in ".csv" or ".xlsx", else a folder."""
    return EXPORT if Path(output).suffix in (".csv", ".xlsx") else EXPORTS


def added_tables(of: str, names: Iterable[str]) -> Output:
    """Return tables that are added to a folder, whose other tables stay."""
    return Output(of, _tables(*names), adds=True)


def imported_table(table: str) -> Output:
    """Return what `import own` adds to a data set."""
    return added_tables("an imported table", [table])


def rejects_beside(folder: str | Path, table: str | None = None) -> Path:
    """Return where an import writes the rows that it left out: beside the folder of the data set."""
    place = Path(folder).absolute()  # "." has no name of its own
    return place.with_name(f"{place.name}{f'.{table}' if table else ''}.rejects.parquet")
