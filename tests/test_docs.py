"""What is written down is true: doctests, pages made from the code, links, docstrings of public names."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from lxml import etree
from typer.testing import CliRunner

import muledetect
from muledetect import cli
from muledetect.features.signals import describe_signals, signal_registry
from muledetect.records import read_dataset
from muledetect.schema import INPUTS, OUTPUTS, describe_tables

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import api  # noqa: E402
import commands  # noqa: E402
import concepts  # noqa: E402

MODULES = [
    "muledetect",
    *(module.name for module in pkgutil.walk_packages(muledetect.__path__, "muledetect.")),
]
PAGES = api.pages()


def public_callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every public function and class, and their public methods, with their names."""
    for name in api.MODULES:
        module = importlib.import_module(name)
        for public in module.__all__:
            value = getattr(module, public)
            is_ours = callable(value) and getattr(value, "__module__", "").startswith("muledetect")
            if is_ours and not (inspect.isclass(value) and issubclass(value, Exception)):
                yield f"{name}.{public}", value
                if inspect.isclass(value):
                    methods = {key: found for key, found in vars(value).items() if inspect.isfunction(found)}
                    yield from ((f"{name}.{public}.{key}", found) for key, found in methods.items() if key[0] != "_")


CALLABLES = dict(public_callables())


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_every_module_and_public_name_says_what_it_is(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for public in getattr(module, "__all__", []):
        value = getattr(module, public)
        if callable(value) and getattr(value, "__module__", "").startswith("muledetect"):
            assert value.__doc__, f"{name}.{public} has no docstring"


def test_the_page_of_tables_is_what_the_schema_says() -> None:
    assert (ROOT / "docs" / "tables.md").read_text("utf-8") == describe_tables()


def test_every_column_has_a_meaning() -> None:
    for table in (*INPUTS.values(), *OUTPUTS.values()):
        assert table.meaning
        assert all(column.meaning for column in table.columns)
        assert set(table.key) <= set(table.names)


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text("utf-8"))
    missing = [link for link in links if not link.startswith("http") and not (ROOT / link).exists()]
    assert links
    assert not missing


def test_the_page_of_signals_is_made_from_the_registry() -> None:
    made = describe_signals(signal_registry())
    assert (ROOT / "docs" / "signals.md").read_text("utf-8") == made, "write describe_signals(signal_registry()) there"


@pytest.mark.parametrize("page", sorted(PAGES), ids=str)
def test_the_reference_is_what_the_docstrings_say(page: str) -> None:
    committed = (api.FOLDER / page).read_text("utf-8")
    assert committed == PAGES[page], "run `python docs/api.py`"


def test_the_reference_has_no_page_of_a_module_that_is_gone() -> None:
    assert {path.name for path in api.FOLDER.iterdir()} == set(PAGES)


def test_every_public_package_is_in_the_reference() -> None:
    packages = {module.name for module in pkgutil.iter_modules(muledetect.__path__, "muledetect.") if module.ispkg}
    assert (packages | {"muledetect", "muledetect.pipeline"}) - {"muledetect.cli"} <= set(api.MODULES)


@pytest.mark.parametrize("name", api.MODULES)
def test_every_public_name_has_an_entry_that_says_something(name: str) -> None:
    """The entry is on the module's own page or on the one that it links to, and has more than a heading."""
    public, page = importlib.import_module(name).__all__, PAGES[f"{name}.md"]
    links = dict(re.findall(r"^\| \[`(\w+)`\]\(([^)]*)\) \| .+ \|$", page, re.MULTILINE))
    assert set(links) == set(public)
    for title, link in links.items():
        place, _, anchor = link.partition("#")
        titles = {anchor: title for title, anchor in api.anchors(PAGES[place or f"{name}.md"].splitlines())}
        assert anchor in titles, f"{name}.{title} leads nowhere"


@pytest.mark.parametrize("name", sorted(CALLABLES), ids=str)
def test_a_public_function_says_what_each_parameter_is(name: str) -> None:
    """One line if signature and line say everything; else a section that names all, or a text that does."""
    given = CALLABLES[name]
    doc = inspect.cleandoc(given.__doc__ or "")
    assert doc
    wanted = [p for p in inspect.signature(given).parameters if p not in {"self", "cls"} and not p.startswith("_")]
    section = re.search(
        r"^(?:Parameters|Attributes)\n-+\n(.*?)(?=^\w[^\n]*\n-{3,}\n|\Z)", doc, re.MULTILINE | re.DOTALL
    )
    if section is None and "\n" in doc:
        text = " ".join(doc.split()).replace("data set", "dataset")
        unsaid = [p for p in wanted if not re.search(rf"\b({p}|{p.replace('_', ' ')})s?\b", text)]
    else:
        heads = re.findall(r"^(\S.*)$", section[1] if section else "", re.MULTILINE)
        named = {part.strip().lstrip("*") for head in heads for part in head.split(" : ")[0].split(",")}
        unsaid = [p for p in wanted if section and p not in named]
    assert not unsaid, f"{name} does not say what {unsaid} are"


def test_the_page_of_commands_is_made_from_the_command_line() -> None:
    assert commands.PAGE.read_text("utf-8") == commands.page(), "run `python docs/commands.py`"


def test_every_command_is_documented_beside_its_function() -> None:
    page = commands.PAGE.read_text("utf-8")
    assert set(commands.commands()) == set(commands.PYTHON)
    for name, command in commands.commands().items():
        part = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
        assert part, name
        for option in command.params:
            assert f"`{option.name.upper() if option.param_type_name == 'argument' else option.opts[0]}`" in part[1]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it after a clone, with a file of another bank's columns."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "data").mkdir()
    (folder / "data" / "sample").symlink_to(ROOT / "data" / "sample")
    rows = [f"{place};{1 + place % 28:02d}.03.2025 {place % 24:02d}:15;A{place % 7};B{place % 5};1.{place:03d},50"
            for place in range(200)]  # fmt: skip
    (folder / "umsaetze.csv").write_text("\n".join(["Nr;Buchung;Auftraggeber;Empfänger;Betrag", *rows]), "utf-8")
    shutil.copy(ROOT / "tests" / "data" / "messages" / "camt029.xml", folder)
    (folder / "list.csv").write_text("tier,subject_kind,subject_id\ndark_grey,account,0012\n", "utf-8")
    (folder / "new_rows").mkdir()
    transfers = pq.read_table(ROOT / "data" / "sample" / "transfers.parquet")
    pq.write_table(transfers.slice(0, 50), folder / "new_rows" / "transfers.parquet")
    return folder


@pytest.mark.slow
def test_the_python_of_the_commands_runs_as_written(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order; `demo` and `simulate` are of a size that other tests do not need; `serve` does not end by itself."""
    monkeypatch.chdir(workplace)
    names: dict[str, object] = {"md": muledetect}
    for name in (name for name in commands.PYTHON if name not in {"demo", "simulate", "serve"}):
        exec(compile(commands.PYTHON[name], f"<{name}>", "exec"), names)  # noqa: S102 (our own page)
    made = {path.name for path in workplace.iterdir()}
    assert made >= {
        "rejects.parquet", "columns.toml", "dataset", "model", "scores.parquet", "threshold.json", "explained", "rings",
        "traces", "evaluation", "drift", "report", "secret.key", "hidden.parquet", "revealed.parquet", "rings.xlsx",
    }  # fmt: skip
    scores, revealed = (pq.read_table(workplace / f"{name}.parquet") for name in ("scores", "revealed"))
    assert sorted(revealed["account_id"].to_pylist()) == sorted(scores["account_id"].to_pylist())


@pytest.mark.parametrize("name", sorted(commands.FUNCTIONS))
def test_a_default_of_the_command_line_is_that_of_python(name: str) -> None:
    for option in commands.commands()[name].params:
        if option.required or option.name in {"help", "engine", "output"} or option.default is None:
            continue
        named = commands.python_name(name, option.name)
        taken = [inspect.signature(function).parameters.get(named) for function in commands.FUNCTIONS[name]]
        known = [one.default for one in taken if one is not None and one.default is not one.empty]
        assert not known or known[0] in (option.default, str(option.default)), f"{option.name} has two defaults"


@pytest.mark.parametrize("name", sorted(commands.PYTHON))
def test_the_command_of_an_example_is_one_that_the_command_line_takes(name: str) -> None:
    example, _ = commands.example_of(commands.commands()[name])
    program, command, *arguments = shlex.split(example)
    assert (program, command) == ("muledetect", name)
    commands.commands()[name].make_context(name, arguments)  # raises on what it does not know


def test_the_picture_of_concepts_is_what_its_script_draws() -> None:
    drawn = (ROOT / "docs" / "concepts.svg").read_text("utf-8")
    assert drawn == concepts.picture(), "run `python docs/concepts.py`"
    assert etree.fromstring(drawn.encode()).tag.endswith("svg")
    assert not re.search(r"https?://(?!www\.w3\.org)", drawn), "a picture fetches nothing"


@pytest.mark.parametrize("path", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_the_pages_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
    missing = [link for link in links if not link.startswith("http") and not (path.parent / link).exists()]
    assert not missing


README = (ROOT / "README.md").read_text("utf-8")
STEPS = (ROOT / "docs" / "how_it_works.md").read_text("utf-8")
STORE = (ROOT / "docs" / "store.md").read_text("utf-8")


def block(mark: str) -> str:
    """Return the block of code that follows a mark in README.md, docs/how_it_works.md or docs/store.md."""
    found = re.findall(rf"^<!-- {mark} -->\n```\w+\n(.*?)^```$", README + STEPS + STORE, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"{len(found)} blocks are marked {mark!r}"
    return found[0]


def run_block(mark: str) -> set[str]:
    """Run the commands of a block in order, in the folder where we are; return which they were."""
    lines = [shlex.split(line, comments=True) for line in block(mark).splitlines()]
    for program, *arguments in lines:
        assert program == "muledetect"
        done = CliRunner().invoke(cli.app, arguments)
        assert done.exit_code in ({0, 3, 4} if arguments[0] == "monitor" else {0}), f"{arguments[0]}: {done.output}"
        written = "--model" if arguments[0] == "train" else "--output"
        assert Path(arguments[arguments.index(written) + 1 if written in arguments else 1]).exists()
    return {line[1] for line in lines}


@pytest.mark.slow
def test_the_commands_of_all_steps_run_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the sample, in order, in a folder that has nothing but what a clone has."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    done = run_block("run: commands")
    assert done > {"check", "train", "score", "threshold", "explain", "rings", "trace", "evaluate", "monitor"}
    assert {"index.html", "model.html"} <= {path.name for path in (tmp_path / "report").iterdir()}


@pytest.mark.slow
def test_a_file_of_a_bank_gets_to_pages_by_the_readme_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other names, semicolons, local times, decimal commas; no transfer and no satang is lost on the way."""
    transfers = pq.read_table(ROOT / "data" / "sample" / "transfers.parquet").to_pandas()
    local = transfers["time"].dt.tz_convert("Asia/Bangkok")
    exported = pd.DataFrame({
        "Buchungszeit": local.dt.strftime("%d.%m.%Y %H:%M:%S"), "Auftraggeber Konto": transfers["source"],
        "Empfänger Konto": transfers["target"], "Betrag": [f"{a // 100},{a % 100:02d}" for a in transfers["amount"]],
        "Referenz": transfers["transfer_id"],
    })  # fmt: skip
    exported.to_csv(tmp_path / "export.csv", sep=";", index=False, encoding="cp1252")
    monkeypatch.chdir(tmp_path)
    run_block("run: own")
    read = pq.read_table(tmp_path / "bank" / "transfers.parquet")
    assert read.num_rows == len(transfers)
    assert pc.sum(read["amount"]).as_py() == transfers["amount"].sum()
    assert set(read["transfer_id"].to_pylist()) == set(transfers["transfer_id"])
    assert (tmp_path / "report" / "index.html").exists()
    lists = {"accounts": ["account_id", "opened_at", "is_own"], "labels": ["account_id", "label", "known_ts"],
             "complaints": ["complaint_id", "known_ts", "victim_account", "target", "amount", "time"]}  # fmt: skip
    for name, columns in lists.items():
        write_list(name, columns, tmp_path)
    assert run_block("run: more") > {"trace", "train", "evaluate", "score"}
    for name in lists:
        assert pq.read_table(tmp_path / "bank" / f"{name}.parquet").num_rows > 0
    assert pq.read_table(tmp_path / "traces" / "holds.parquet").num_rows > 0
    run_block("run: excel")


def write_list(name: str, columns: list[str], folder: Path) -> None:
    """Write columns of a table of the sample as a bank's CSV: local times, amounts in baht."""
    table = pq.read_table(ROOT / "data" / "sample" / f"{name}.parquet").select(columns).to_pandas()
    if "is_own" in table:
        table = table[table["is_own"].astype(bool)]
    for column in table.select_dtypes("datetimetz"):
        table[column] = table[column].dt.tz_convert("Asia/Bangkok").dt.strftime("%Y-%m-%d %H:%M:%S")
    if "amount" in table:
        table["amount"] = [f"{amount // 100}.{amount % 100:02d}" for amount in table["amount"]]
    table.to_csv(folder / f"{name}.csv", index=False)


@pytest.mark.slow
def test_a_store_is_prepared_scored_and_updated_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transfers = pq.read_table(ROOT / "data" / "sample" / "transfers.parquet")
    cut = len(transfers) - 1000
    for name, rows in (("bank", transfers.slice(0, cut)), ("new_rows", transfers.slice(cut))):
        (tmp_path / name).mkdir()
        pq.write_table(rows, tmp_path / name / "transfers.parquet")
    monkeypatch.chdir(tmp_path)
    assert run_block("run: store") == {"prepare", "score", "update"}
    read = read_dataset({"transfers": transfers})
    assert read_dataset(tmp_path / "store").fingerprint == read.fingerprint


@pytest.mark.slow
def test_the_python_of_the_readme_runs_as_written() -> None:
    names: dict[str, Any] = {}
    exec(compile(block("run: python"), "<README.md>", "exec"), names)  # noqa: S102 (our own page)
    assert names["rings"].rings.num_rows > 1
    assert names["traces"].holds.num_rows > 0


@pytest.mark.slow
def test_the_call_of_a_victim_is_answered_as_written(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    names: dict[str, Any] = {}
    exec(compile(block("run: call"), "<how_it_works.md>", "exec"), names)  # noqa: S102 (our own page)
    assert names["likely"].num_rows >= 1


def test_the_pages_name_no_script_or_command_that_is_not_there() -> None:
    pages = [README, *(path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md"))]
    scripts = set(re.findall(r"python ((?:benchmarks|docs)/\w+\.py)", "".join(pages)))
    assert len(scripts) > 5
    assert not {script for script in scripts if not (ROOT / script).exists()}
    named = set(re.findall(r"(?:^|`)muledetect ([a-z]+(?:-[a-z]+)*)", "\n".join(pages), re.MULTILINE))
    assert len(named) > 10
    assert named <= set(commands.commands())
    options = {option for command in commands.commands().values() for param in command.params for option in param.opts}
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README + STEPS)) - {"--quiet"}
    assert told <= options


def test_the_readme_can_be_read_in_one_sitting() -> None:
    assert len(README.splitlines()) < 200


def test_every_notebook_is_in_the_readme() -> None:
    assert set(re.findall(r"\(notebooks/(\w+\.ipynb)\)", README)) == {
        path.name for path in (ROOT / "notebooks").glob("*.ipynb")
    }
