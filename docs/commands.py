"""Write docs/commands.md, every command beside the Python function of the same name: `python docs/commands.py`.

Commands and their options are asked of the command line itself, parameters of the functions.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import typer

from muledetect import (
    cli,
    convert,
    demo,
    engine,
    exchange,
    facts,
    holds,
    messages,
    parties,
    pipeline,
    records,
    registry,
    replay,
    rings,
    serve,
    simulation,
    tracing,
    warm_up,
)
from muledetect.records.layouts import import_layout
from muledetect.records.own import suggest_columns

HEAD: Final = "| option | default | says | in Python |\n|---|---|---|---|"
PAGE: Final = Path(__file__).parent / "commands.md"

#: The same work in Python, after `import muledetect as md`; a test runs them in this order, but for `demo`,
#: `simulate` and `serve`.
PYTHON: Final = {
    "demo": 'md.demo.run_demo("muledetect-demo")',
    "warm-up": "from muledetect.warm_up import warm_up\n\nwarm_up()",
    "simulate": 'config = md.simulation.world_config("thai_bank", n_accounts=20_000, evasion=0.5, seed=1)\n'
    'md.simulation.write_world(config, "world")\n'
    'dataset = md.simulate(preset="small", seed=1)  # or in memory',
    "check": 'findings = md.pipeline.check("data/sample", output="rejects.parquet")',
    "prepare": 'store = md.prepare("data/sample", "store", memory="4GB")\n'
    "md.pipeline.check(store.path)  # every step takes the store, or its path",
    "update": 'store = md.engine.update("store", "new_rows")\nstore.header.changed_days',
    "columns": "from muledetect.records.own import suggest_columns\n\n"
    'suggest_columns("umsaetze.csv", source_tz="Asia/Bangkok", currency="THB").write("columns.toml")',
    "import": 'md.convert.import_own("umsaetze.csv", "columns.toml", "dataset")',
    "train": 'model = md.train("data/sample", "2025-03-01", target="ever", output="model")',
    "score": 'scores = md.score("data/sample", "model", "2025-04-01", output="scores.parquet")',
    "threshold": 'days = ["2025-04-01", "2025-04-02", "2025-04-03"]\n'
    'md.pipeline.threshold("data/sample", "model", days, per_day=5, output="threshold.json")',
    "explain": 'found = md.explain("data/sample", "scores.parquet", output="explained")',
    "rings": 'rings = md.find_rings("data/sample", "scores.parquet", "2025-04-01", output="rings")',
    "parties": 'parties = md.find_parties("data/sample", "scores.parquet", "2025-04-01", output="parties")',
    "trace": 'traces = md.trace("data/sample", "2025-04-01", output="traces")',
    "recall": 'recalls = md.pipeline.recall("data/sample", "2025-04-01", sender="AAAATHBK", output="recalls")',
    "answers": 'answers = md.messages.read_answers("camt029.xml", "recalls")',
    "registry-import": 'done = md.registry.import_registry(\n    "list.csv", "dataset", scheme="TH", sender="police", '
    'role="police", received="2025-03-01T08:00Z"\n)',
    "registry-export": 'md.registry.export_proposals(\n    "scores.parquet", "proposals.csv", scheme="TH", '
    'listed_by="our_bank"\n)',
    "registry-diff": 'md.registry.diff_registries(\n    "dataset", before_as_of="2025-03-01", '
    'after_as_of="2025-03-02", output="deltas.csv"\n)',
    "evaluate": 'evaluation = md.evaluate("data/sample", "model", "2025-04-01", output="evaluation")',
    "monitor": 'drift = md.pipeline.monitor("data/sample", "model", "2025-03-01", "2025-04-01", output="drift")\n'
    "drift.exit_status",
    "hold": 'when = {"time": "2025-03-28T10:00+07:00", "recorded": "2025-03-28T10:05+07:00"}\n'
    'who = {"decided_by": "fraud desk", "why": "traced to it"}\n'
    'what = {"account_id": "6582332921", "complaint_id": "Q0000009", "amount": 3_676_460, "clock": "traced_amount"}\n'
    'md.holds.add_event("holds.parquet", "held", pack="TH", **when, **who, **what)',
    "holds": 'states = md.holds.hold_states("holds.parquet", "2025-03-29", "TH")',
    "release": 'md.pipeline.release("data/sample", "holds.parquet", "2025-03-29", pack="TH")',
    "pack": 'md.pipeline.pack("data/sample", "scores.parquet", "2025-04-01", complaint="Q0000009", output="case.zip")',
    "verify": 'md.pipeline.verify("case.zip", "data/sample")',
    "report": 'md.report("data/sample", "scores.parquet", rings="rings", output="report")',
    "replay": 'md.train("data/sample", "2025-03-01", target="ever", live=True, output="live_model")\n'
    'found = md.replay.replay("data/sample", "live_model", begin="2025-03-24", policy="GB", output="replay")',
    "serve": "from muledetect.serve import open_service, serve_until_stopped, server_of\n\n"
    'service = open_service("data/sample", "live_model", log="log", policy="TH")\n'
    'serve_until_stopped(server_of(service, "127.0.0.1", 8080))',
    "key": 'from muledetect.records import new_key\n\nnew_key("secret.key")',
    "reveal": 'hidden = md.read_dataset("data/sample", pseudonymise="secret.key")\n'
    'md.score(hidden, "model", "2025-04-01", output="hidden.parquet")\n'
    'md.convert.reveal("hidden.parquet", "secret.key", "revealed.parquet")',
    "exchange-items": 'dataset = md.read_dataset("data/sample")\nsnapshot = md.Snapshot(dataset, "2025-04-01")\n'
    'items = md.exchange.gather_items(snapshot, "scores.parquet", "rings")',
    "exchange-request": 'md.exchange.request(\n    items, "request.json", key="secret.key", sender="bank_a", '
    'receiver="bank_b", as_of="2025-04-01"\n)',
    "exchange-answer": 'from muledetect.records import new_key\n\nnew_key("secret_b.key")\n'
    'md.exchange.answer(\n    "request.json", items, "answer.json", key="secret_b.key", receiver="bank_b", '
    'as_of="2025-04-02"\n)',
    "exchange-finish": 'matches = md.exchange.finish(\n    "request.json", "answer.json", items, "matches.parquet", '
    'key="secret.key", received="2025-04-03"\n)\nmd.exchange.shared_rings(matches)',
    "exchange-join": 'statements = md.exchange.as_registry(\n    matches, snapshot.at("2025-04-03"), '
    'output="statements.parquet"\n)',
    "export": 'md.convert.export("rings", "rings.xlsx", currency="THB")',
}

#: The function of each command, and those that its further keywords go to.
FUNCTIONS: Final[dict[str, tuple[Callable[..., Any], ...]]] = {
    "demo": (demo.run_demo,),
    "warm-up": (warm_up.warm_up,),
    "simulate": (simulation.write_world, simulation.WorldConfig),
    "check": (pipeline.check, records.read_dataset),
    "prepare": (engine.prepare, records.read_dataset),
    "update": (engine.update,),
    "columns": (suggest_columns,),
    "import": (convert.import_layout, import_layout, messages.import_messages),
    "train": (pipeline.train,),
    "score": (pipeline.score,),
    "threshold": (pipeline.threshold,),
    "explain": (pipeline.explain,),
    "rings": (pipeline.find_rings, rings.find_rings),
    "parties": (pipeline.find_parties, parties.find_parties),
    "trace": (pipeline.trace, tracing.trace),
    "recall": (pipeline.recall, tracing.trace),
    "answers": (messages.read_answers, records.write_table),
    "hold": (holds.add_event, holds.propose.traced_hold),
    "holds": (holds.hold_states, holds.propose_holds, records.write_table),
    "release": (pipeline.release,),
    "pack": (pipeline.pack,),
    "verify": (pipeline.verify,),
    "registry-import": (registry.import_registry,),
    "registry-export": (registry.export_proposals,),
    "registry-diff": (registry.diff_registries,),
    "exchange-items": (exchange.gather_items, facts.Snapshot, records.write_table),
    "exchange-request": (exchange.request,),
    "exchange-answer": (exchange.answer,),
    "exchange-finish": (exchange.finish,),
    "exchange-join": (exchange.as_registry, facts.Snapshot),
    "report": (pipeline.report,),
    "evaluate": (pipeline.evaluate,),
    "monitor": (pipeline.monitor,),
    "replay": (replay.replay,),
    "serve": (serve.open_service, serve.server_of),
    "key": (records.new_key,),
    "reveal": (convert.reveal,),
    "export": (convert.export,),
}

#: Options of reading, which `pipeline.load` takes; it gives what the other functions take as `dataset`.
READING: Final = ("currency", "money", "source_tz", "pseudonymise", "decimal", "delimiter")

#: Parameters that have another name than their option.
RENAMED: Final = {
    ("demo", "accounts"): "n_accounts", ("demo", "days"): "n_days",
    ("simulate", "accounts"): "n_accounts", ("simulate", "days"): "n_days", ("simulate", "settings"): "**parameters",
    ("simulate", "output"): "folder", ("simulate", "preset"): "preset",
    ("columns", "output"): "Columns.write", ("columns", "overwrite"): "Columns.write",
    ("import", "mapping"): "columns", ("train", "model"): "output",
    ("train", "work"): "engine=engine.Spark(work=...)", ("score", "work"): "engine=engine.Spark(work=...)",
    ("train", "tune"): "n_trials", ("train", "monotone"): "model=MuleModel(monotone=True)",
    ("score", "explain"): "n_explained", ("explain", "transfers"): "n_transfers",
    ("trace", "complaint"): "complaint_ids", ("trace", "method"): "methods",
    ("exchange-items", "kind"): "kinds", ("exchange-items", "output"): "write_table",
    ("exchange-request", "output"): "path", ("exchange-answer", "output"): "path",
    ("exchange-finish", "output"): "path",
    ("recall", "complaint"): "complaint_ids", ("recall", "method"): "methods", ("answers", "output"): "write_table",
    ("hold", "at"): "time", ("hold", "by"): "decided_by", ("hold", "account"): "account_id",
    ("hold", "complaint"): "complaint_id", ("hold", "transfer"): "transfer_id", ("holds", "output"): "write_table",
    ("holds", "traces"): "holds", ("holds", "language"): "Clocks.shown", ("release", "language"): "text_en, text_th",
    ("pack", "list_only"): "evidence.build_pack",
    ("evaluate", "truth"): "use_truth", ("report", "alerts"): "n_alerts",
    ("replay", "until"): "end", ("replay", "tokens"): "token", ("serve", "rate"): "Limits.per_second",
    ("serve", "queue"): "Limits.waiting",
    ("key", "keyfile"): "path", ("reveal", "keyfile"): "key", ("reveal", "table"): "source",
    ("reveal", "pseudonyms"): "Pseudonyms.reveal_all", ("export", "tables"): "source",
}  # fmt: skip


def commands() -> dict[str, Any]:
    """Return the commands of the command line by name."""
    return dict(typer.main.get_command(cli.app).commands)  # type: ignore[attr-defined]


def python_name(command: str, option: str) -> str:
    """Return what an option is in Python: a parameter of the function, of what it passes on to, or of reading.

    Raises
    ------
    KeyError
        If it is nothing.
    """
    renamed = RENAMED.get((command, option))
    if renamed:
        return renamed
    known = {name for function in FUNCTIONS[command] for name in inspect.signature(function).parameters}
    if option in known or option in READING:
        return option
    raise KeyError(f"{command}: say in RENAMED what {option!r} is in Python.")


def page() -> str:
    """Return docs/commands.md."""
    lines = [
        "# Commands, and the same in Python",
        "",
        "Made by `python docs/commands.py`; do not edit. The steps are functions of",
        "[`muledetect.pipeline`](api/muledetect.pipeline.md), those of every day also of `muledetect` itself. They",
        "take a `Dataset`, the path of a folder or a mapping of tables, and return what the command writes. Status:",
        "0 done, 1 bad input (the message says what, where, got and how to mend it), 2 usage, 130 interrupted.",
        "Outputs are the old ones or whole new ones at any moment.",
        "",
        "A data set of which no transfer is left (headings only, all rows rejected) is bad input: status 1 and the",
        "reasons. `check` then still shows its findings and writes the rejects. `export` and `reveal` make a table",
        "without rows from one.",
        "",
        "Files that expand to more than 100 times their size, or to more than 64 GiB, are refused (.gz, .zst, Parquet;",
        "all files of a folder together; the first 256 MiB are free). `MULEDETECT_MAX_EXPANSION` (times) and",
        "`MULEDETECT_MAX_EXPANDED` (GiB) in the environment raise the bound.",
        "",
        "The Python below follows `import muledetect as md`.",
        "",
        ", ".join(f"[`{name}`](#{name})" for name in commands()),
        "",
    ]
    for name, command in commands().items():
        lines += section(name, command)
    lines += reading_section()
    return "\n".join(lines).rstrip("\n") + "\n"


def section(name: str, command: Any) -> list[str]:
    """Return the lines of a command."""
    example, rest = example_of(command)
    lines = [f"## {name}", "", " ".join((command.help or "").split()), ""]
    lines += ["```sh", example, "```", "", "```python", PYTHON[name], "```", ""]
    lines += [rest, ""] if rest else []
    options = [option for option in command.params if option.name != "help"]
    reading = [option for option in options if is_of_reading(name, option)]
    lines += [HEAD, *(row(name, option) for option in options if option not in reading), ""]
    if reading:
        listed = ", ".join(f"`{option.opts[0]}`" for option in reading)
        lines += [f"Also [options of reading](#options-of-reading): {listed}.", ""]
    return lines


def is_of_reading(command: str, option: Any) -> bool:
    """Say whether an option is about how a data set is read."""
    return option.name in READING and "dataset" in inspect.signature(FUNCTIONS[command][0]).parameters


def reading_section() -> list[str]:
    """Return the lines of the options that many commands have."""
    found = {
        option.name: row(name, option)
        for name, command in commands().items()
        for option in command.params
        if is_of_reading(name, option)
    }
    lines = ["## Options of reading", "", "In Python the data set is read first, and given instead of its folder:", ""]
    lines += ["```python", 'dataset = md.read_dataset("data/sample", currency="THB", money="minor")', "```", ""]
    return [*lines, HEAD, *found.values()]


def example_of(command: Any) -> tuple[str, str]:
    """Return the example of a command's help, and what is said after it."""
    found = re.match(r"Example: `([^`]+)`\.?\s*(.*)", command.epilog or "", re.DOTALL)
    if found is None:
        raise ValueError(f"cli: {command.name!r} has no example in its help.")
    return found[1], found[2]


def row(command: str, option: Any) -> str:
    """Return the row of an option."""
    is_argument = option.param_type_name == "argument"
    shown = option.name.upper() if is_argument else option.opts[0]
    kind = choices(option)
    if option.multiple or option.nargs == -1:
        kind += " ..."
    cells = [f"`{shown}`{kind}", default(option), option.help or "", f"`{python_name(command, option.name)}`"]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def choices(option: Any) -> str:
    """Return the words that an option may be, or an empty text."""
    given = option.type_descriptor.annotation
    for part in (given, *get_args(given)):
        if get_origin(part) is Literal:
            return " " + " or ".join(f"`{word}`" for word in get_args(part))
    return ""


def default(option: Any) -> str:
    """Return the default of an option."""
    if option.required:
        return "*required*"
    if option.default is None or option.default is False or option.default == []:
        return ""
    return f"`{option.default}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
