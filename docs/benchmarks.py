"""Makes docs/benchmarks.md, the page of figures.

    python docs/benchmarks.py [SECTION ...] [--amlsim DIR] [--synthfin DIR] [--folder DIR]

Each section runs one command and stores what it prints in docs/benchmarks/SECTION.json, with the machine, the versions
and the date. The page is made of these files. With section names only these run, and the figures of all others stay.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parent.parent
STORE: Final = ROOT / "docs" / "benchmarks"
PAGE: Final = ROOT / "docs" / "benchmarks.md"
#: Packages whose version matters for most sections.
PACKAGES: Final = ("numpy", "pandas", "pyarrow", "numba", "lightgbm", "scikit-learn")


class Section(NamedTuple):
    """One command and what it measures; `minutes` on two cores.

    AMLSIM and SYNTHFIN stand for folders of data sets, FOLDER for an empty one that is removed after the run.
    """

    title: str
    command: str
    minutes: float
    text: str
    packages: tuple[str, ...] = ()


SECTIONS: Final = {
    "features": Section(
        "Features: speed and memory",
        "python benchmarks/features.py --transfers 10e6 --repeat 3 --contenders duckdb,muledetect",
        8,
        "Time to compute all default features of 500,000 accounts from 10 million transfers, Parquet to Parquet. "
        "DuckDB only scans, sorts and writes the same columns: it shows what moving the data costs.",
        ("duckdb",),
    ),
    "features_shared": Section(
        "Features: beside polars and pandas",
        "python benchmarks/features.py --transfers 10e6",
        8,
        "60 columns that all three can compute. The benchmark stops unless they agree.",
        ("duckdb", "polars"),
    ),
    "features_growth": Section(
        "Features: how time grows",
        "python benchmarks/features.py --sizes 1,3,10,50 --contenders duckdb,muledetect",
        15,
        "The same job with 1 to 50 million transfers.",
        ("duckdb",),
    ),
    "signals": Section(
        "Signals: speed and memory",
        "python benchmarks/signals.py --full --shape sparse --sizes 1e6,10e6",
        6,
        "Every signal of the default set (72 h) on one thread and on two.",
    ),
    "signals_gfp": Section(
        "Signals: beside IBM's Graph Feature Preprocessor",
        "python benchmarks/signals.py --against-gfp --sizes 1e6 --gfp-transfers 1e5",
        10,
        "The same patterns on the same graphs: fan and degree, scatter-gather, cycles of up to six transfers in time "
        "order, one day. `pip install snapml` by hand first.",
    ),
    "signals_cold": Section(
        "Signals: the first run",
        "python benchmarks/signals.py --cold",
        1,
        "All signals with an empty and with a full cache of compiled code, imports included.",
    ),
    "startup": Section(
        "Commands: time before they work",
        "python benchmarks/startup.py --repeat 5",
        1.5,
        "The least of five fresh processes, on the clock and of the processor.",
        ("typer",),
    ),
    "score": Section(
        "Scoring a large bank",
        "python benchmarks/score.py --folder FOLDER --accounts 1000000 --days 31",
        25,
        "One million accounts, read, scored and explained in one process.",
    ),
    "scale": Section(
        "Scoring with a limit of memory",
        "python benchmarks/scale.py --folder FOLDER --accounts 100000 --days 31 --memory 2GB --prepare",
        8,
        "The same bank in memory and with `--memory`, from a store. *Own memory* is what the process holds; *pages of "
        "files* what the system keeps for it of its mapped files, and can take back.",
        ("duckdb",),
    ),
    "spark": Section(
        "The same scores on Spark",
        "python benchmarks/spark.py --folder FOLDER --accounts 40000 --days 31 --explain 1000",
        8,
        "One store scored by the local engine and by a local Spark session on the same two cores. *Of processors* "
        "counts Java and the Python workers, too; *parts* are what workers keep for the next step.",
        ("duckdb", "pyspark"),
    ),
    "daily": Section(
        "A day of a bank",
        "python benchmarks/daily.py --folder FOLDER --accounts 100000 --days 31 --memory 4GB --explain 1000",
        6,
        "*All rows*: prepare a store of all rows and score. *A day*: add the rows of the last day to a store of the "
        "days before, and score. Both give the same scores.",
        ("duckdb",),
    ),
    "store": Section(
        "A store: a data set that is prepared once",
        "python benchmarks/store.py --folder FOLDER --accounts 80000 --days 25 --memory 1GB",
        3,
        "A bank with all tables, read into memory, prepared as a store with a limit, and opened as a store.",
        ("duckdb",),
    ),
    "registry": Section(
        "Registries: what entries are worth, and what wrong ones cost",
        "python benchmarks/registry.py --accounts 2500",
        4,
        "Two simulated worlds, other banks list 40% of the mules, and of all entries 0, 10 or 30% are wrong.",
    ),
    "exchange": Section(
        "Two banks that exchange what both suspect",
        "python benchmarks/exchange.py --accounts 4000 --seeds 1,2,3,4",
        4,
        "Simulated banks cut in two: mules in rings that each finds alone, and after an exchange by files.",
        ("pynacl",),
    ),
    "live": Section(
        "Payments as they arrive",
        "python benchmarks/live.py --accounts 2000 --days 120 --busy 1000 --batches 1 16 64 --rates 1000 2000 3000 "
        "--seconds 2",
        2,
        "A scorer in one process, in micro-batches: booked and scored, without reasons. Rates and tails are those of "
        "the machine, too: it is shared, and takes up to twice as long on another day.",
    ),
    "service": Section(
        "Payments scored over HTTP",
        "python benchmarks/service.py --accounts 2000 --days 60 --callers 1 16 64 --rates 100 500 1000 --seconds 2",
        2,
        "`muledetect serve` in a process of its own, on the same machine as its callers. *Callers* send the next "
        "payment when they have the answer to the one before; *a second*: payments come at fixed moments. Rates and "
        "tails are those of the machine, too.",
        ("starlette", "uvicorn", "httptools", "uvloop"),
    ),
    "replay": Section(
        "Stolen money held in time",
        "python benchmarks/replay.py --accounts 2500 --days 7",
        5,
        "A model of live columns that learnt in one simulated bank, in a replay of a week of another: scores of each "
        "payment, those of the last midnight, the rules-only score (each tier with as many accounts as by the nightly "
        "model), and no scores. The payment is held for 24 hours where payer or payee is at least of the tier, and "
        'what a complaint traced. "suspected" is a probability of a half, "watch" one of a tenth: there, one busy '
        "innocent account makes hundreds of holds, so it is for people to look at. 5% of the accounts are mules at "
        "some time, far more than in a real bank. One week of one small bank a setting: differences of a few accounts "
        "say little.",
    ),
    "report": Section(
        "Pages for people",
        "python benchmarks/report.py --accounts 40000 --alerts 1000 --rings 100 --folder FOLDER --browser",
        8,
        "1,000 case files and up to 100 ring files, and how smoothly the picture of a large ring moves in a browser.",
    ),
    "simulate": Section(
        "The simulator",
        "python benchmarks/simulate.py --sizes 20000x120,100000x60",
        2,
        "A simulated bank written as Parquet. `copy` reads the transfers and writes them again as they are.",
    ),
    "panel": Section(
        "Detection on IBM AMLSim",
        "python benchmarks/panel.py --amlsim AMLSIM",
        3,
        "Who is found, beside plain LightGBM and rules, and what look-back and neighbours add. Brackets: 95%, rings "
        "drawn with replacement. Recall is at alerts for 0.5% of the ranked rows; layers are hops from the victim. A "
        "dash: the data do not say.",
    ),
    "panel_worlds": Section(
        "Detection on simulated banks",
        "python benchmarks/panel.py --worlds FOLDER",
        6,
        "The same, with the same configuration, at three levels of evasion and on the preset `hard`.",
    ),
    "panel_synthfin": Section(
        "Detection on synthfin",
        "python benchmarks/panel.py --synthfin SYNTHFIN --cache FOLDER",
        5,
        "The same on data of another maker.",
    ),
    "starter": Section(
        "The starter model on IBM AMLSim",
        "python benchmarks/starter.py --amlsim AMLSIM",
        5,
        "Average precision of the model that comes with the package on data that it never saw, beside rules and beside "
        "a model trained there.",
    ),
    "starter_synthfin": Section(
        "The starter model on synthfin",
        "python benchmarks/starter.py --synthfin SYNTHFIN",
        5,
        "The same on data of another maker.",
    ),
    "rings": Section(
        "Rings",
        "python benchmarks/rings.py --cache FOLDER --amlsim AMLSIM",
        7,
        "Rings found in banks of several makers, beside components, Leiden and flow peeling, which get the same "
        "scores: out of fold by ring, from the transfers only. *Five columns*: transfers only, on a day clock. The "
        "patterns of AMLworld lie among the honest accounts of a simulated bank; they are read beside AMLSIM. Flow "
        "peeling is written after the paper of FlowScope, not with its code.",
        ("graspologic-native",),
    ),
    "rings_stable": Section(
        "Rings: 5% of the transfers removed",
        "python benchmarks/rings.py --cache FOLDER --stable",
        5,
        "Five draws; the rings are compared with those of all transfers.",
    ),
    "rings_speed": Section(
        "Rings: speed",
        "python benchmarks/rings.py --speed",
        5,
        "One million accounts and 20 million transfers.",
    ),
    "ties": Section(
        "Which call centre a ring works for",
        "python benchmarks/ties.py --worlds 3",
        3,
        "How often a tie is right, by its grade and by the tables that a bank has. The last line counts ties that "
        "calls support although who was called was shuffled.",
    ),
    "parties": Section(
        "People behind accounts",
        "python benchmarks/parties.py --seeds 3",
        9,
        "Whether records of one person are joined and those of families and dormitories are not, beside a rule; and "
        "how many replacement accounts are found before their first illicit credit, people ranked instead of accounts.",
    ),
    "companies": Section(
        "Companies used as mules",
        "python benchmarks/companies.py --seeds 2",
        6,
        "Recall among companies with the columns of companies and without them, and how many honest young companies "
        "are alerted.",
    ),
    "trace": Section(
        "Traces: are they right",
        "python benchmarks/trace.py --truth --worlds 2",
        1,
        "Traced money beside the true place of the money, some hours after the last payment and at the end.",
    ),
    "trace_speed": Section(
        "Traces: speed",
        "python benchmarks/trace.py --speed",
        3,
        "10 million transfers and 10,000 complaints by all four methods, and the time of one complaint.",
    ),
    "trace_exact": Section(
        "Traces: are they exact",
        "python benchmarks/trace.py --exact",
        4,
        "Money is neither made nor lost in one million random disputes.",
    ),
    "promises": Section(
        "Promises of clearing, calibration and budgets",
        "python benchmarks/promises.py --seeds 6 --accounts 8000",
        8,
        "Limits are set on half of the rings; the other half, a month later, shows whether they hold.",
    ),
    "reasons": Section(
        "Are reasons true",
        "python benchmarks/reasons.py --presets thai_bank hard",
        10,
        "Reasons of found mules beside the truth of the simulated bank.",
    ),
    "nightly": Section(
        "One model, scored every week while the record grows",
        "python benchmarks/nightly.py --short",
        16,
        "Whether ranking and probabilities last, with the look-back and without; whether the monitor is quiet while "
        "nothing changes and loud when something does; and what a record costs that is shorter than the look-back. "
        "Three banks of 4,000 accounts, 10% of which are mules at some time, as few active mules would measure "
        "nothing.",
    ),
    "leakage": Section(
        "Leaks of labels into columns",
        "python benchmarks/leakage.py --worlds 1",
        8,
        "Planted leaks that are found, and false alarms in clean banks.",
    ),
    "label_reality": Section(
        "Missing, wrong and late labels",
        "python benchmarks/label_reality.py --accounts 3000 --presets thai_bank",
        6,
        "What labels that are not perfect cost.",
    ),
    "own_data": Section(
        "Importing a bank's own CSV",
        "python benchmarks/own_data.py --rows 3e6",
        2,
        "Semicolons, Windows-1252, date and time of day apart, amounts such as 1.234,56.",
    ),
    "pseudonyms": Section(
        "Pseudonyms",
        "python benchmarks/pseudonyms.py",
        2,
        "How long ids take to be hidden and revealed. Processor time.",
    ),
}
#: Benchmarks that write a page of their own.
OTHER_PAGES: Final = {
    "data_needed.md": ("tables.py", "what each further table, column, label and day adds"),
    "ablation.md": ("ablation.py", "what each family of features adds"),
    "realism.md": ("realism.py", "how real the simulated banks are"),
    "signals_and_gfp.md": ("signals.py", "signals beside IBM's Graph Feature Preprocessor, pattern by pattern"),
}  # fmt: skip


#: What a section says of itself if it began with a folder that was not empty.
REUSED: Final = "FOLDER held banks and scores of an earlier run."


def check_folders(section: Section, folders: dict[str, str | None]) -> None:
    """Stop where the command of a section needs a data set that was not given."""
    missing = [name for name in ("AMLSIM", "SYNTHFIN") if name in section.command.split() and not folders.get(name)]
    if missing:
        options = " and ".join(f"--{name.lower()} DIR" for name in missing)
        raise SystemExit(f"benchmarks: section {section.title!r} needs {options}.")


def measure(section: Section, folders: dict[str, str | None]) -> dict[str, Any]:
    """Run the command of a section; return what it printed, and where, when and with which versions."""
    check_folders(section, folders)
    started, before = time.perf_counter(), _processors()
    with tempfile.TemporaryDirectory() as empty:
        given = {"FOLDER": empty, **{name: folder for name, folder in folders.items() if folder}}
        run = [sys.executable, *(given.get(word) or word for word in shlex.split(section.command)[1:])]
        printed = subprocess.run(run, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    seconds, processors = time.perf_counter() - started, _processors() - before
    return {
        "command": section.command,
        "made": made(section.packages),
        "seconds": round(seconds, 1),
        "processors": round(processors, 1),
        "printed": printed,
        **({"note": REUSED} if folders.get("FOLDER") else {}),
    }


def _processors() -> float:
    """Return the seconds of processors of all commands that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def made(packages: tuple[str, ...] = ()) -> dict[str, str]:
    """Return what a figure needs to be understood later: version, commit, machine, packages, date."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run(
        [*git, "describe", "--always", "--dirty"], capture_output=True, text=True, check=True
    ).stdout
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "version": f"muledetect {version('muledetect')}, commit {commit.strip()}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB, load {os.getloadavg()[0]:.1f}",
        "packages": ", ".join([f"Python {platform.python_version()}"]
                              + [f"{name} {version(name)}" for name in (*PACKAGES, *packages)]),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }  # fmt: skip


def page(store: Path | None = None) -> str:
    """Return docs/benchmarks.md as the stored figures say."""
    store = store or STORE
    found = {name: json.loads((store / f"{name}.json").read_text("utf-8"))
             for name in SECTIONS if (store / f"{name}.json").exists()}  # fmt: skip
    lines = [
        "# Figures",
        "",
        "Made by [benchmarks.py](benchmarks.py): `python docs/benchmarks.py` measures everything again,",
        "`python docs/benchmarks.py NAME` one section. Each section says which command printed its figures, with which",
        "version, on which machine and when. All figures come from simulated banks or from public data made by other",
        "simulators. No figure is from a real bank. In commands, AMLSIM and SYNTHFIN stand for folders of data sets,",
        "and FOLDER for an empty one.",
        "",
        "Pages of their own: "
        + "; ".join(f"[{text}]({link})" for link, (_, text) in OTHER_PAGES.items() if (ROOT / "docs" / link).exists())
        + ".",
    ]
    for name, result in found.items():
        section = SECTIONS[name]
        lines += ["", f"## {section.title}", "", f"Section `{name}`. {section.text}", ""]
        lines += [f"    {result['command']}", "", *_origin(result), "", *_shown(result["printed"])]
    waiting = [name for name in SECTIONS if name not in found]
    if waiting:
        lines += ["", "## Not measured yet", "", "| section | command | minutes on two cores, about |", "|---|---|---|"]
        lines += [f"| `{name}` | `{SECTIONS[name].command}` | {SECTIONS[name].minutes:g} |" for name in waiting]
    return "\n".join(lines) + "\n"


def _origin(result: dict[str, Any]) -> list[str]:
    made_by = result["made"]
    took = f" Took {result['seconds']:,.0f} s" if result.get("seconds") else ""
    took += f", {result['processors']:,.0f} s of processors" if result.get("processors") else ""
    took += "." if took else ""
    note = f" {result['note']}" if result.get("note") else ""
    return [
        f"> Version: {made_by['version']}. Date: {made_by['date']}.{took}{note}  ",
        f"> Machine: {made_by['machine']}.  ",
        f"> Packages: {made_by['packages']}.",
    ]


def _shown(printed: str) -> list[str]:
    """Return what a command printed: tables in Markdown stay, everything else keeps its columns."""
    lines: list[str] = []
    for is_table, group in groupby(printed.split("\n"), lambda line: line.startswith("|")):
        block = "\n".join(group).strip("\n")
        if block:
            lines += ["", block] if is_table else ["", "```text", block, "```"]
    return lines[1:]


def main() -> None:
    """Measure some sections or all, and write the page."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    options.add_argument("--amlsim", help="folder of IBM AMLSim as a data set")
    options.add_argument("--synthfin", help="folder of synthfin-aml as a data set")
    options.add_argument("--folder", help="FOLDER of the commands: what it holds is used again")
    options.add_argument("--page", action="store_true", help="only write the page again")
    given = options.parse_args()
    unknown = [name for name in given.sections if name not in SECTIONS]
    if unknown:
        raise SystemExit(f"benchmarks: there is no section {unknown[0]!r}; choose of {', '.join(SECTIONS)}.")
    STORE.mkdir(exist_ok=True)
    wanted = [] if given.page else given.sections or list(SECTIONS)
    folders = {"AMLSIM": given.amlsim, "SYNTHFIN": given.synthfin, "FOLDER": given.folder}
    for name in wanted:
        check_folders(SECTIONS[name], folders)
    for name in wanted:
        print(f"{name}: {SECTIONS[name].command}", flush=True)
        result = measure(SECTIONS[name], folders)
        (STORE / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")
        PAGE.write_text(page(), "utf-8")
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
