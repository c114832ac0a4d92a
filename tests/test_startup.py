"""A command imports what it needs and nothing else; packages give their names when they are asked for."""

from __future__ import annotations

import ast
import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import muledetect
from muledetect import versions

#: Each takes a tenth of a second or more, or is needed by few.
HEAVY = frozenset(
    "cryptography graspologic_native jinja2 lightgbm matplotlib networkx numba numpy optuna pandas pyarrow "
    "scipy.optimize scipy.sparse scipy.spatial scipy.stats sklearn xlsxwriter".split()
)

#: Command -> its exit status, and what it may import of these.
NEEDED = {
    "--help": (0, ""),
    "check --help": (0, ""),
    "import --help": (0, ""),
    "report --help": (0, ""),
    "no-such-command": (2, ""),
    "check {bank} --output {out}/rejects.parquet": (0, "pandas pyarrow numba"),
    "columns {export} --output {out}/columns.toml": (0, "pandas pyarrow"),
    "import own {export} --columns {mapping} --output {out}/own": (0, "pandas pyarrow numba"),
    "import amlsim {bank} --output {out}/amlsim": (1, "pandas pyarrow"),
    "key {out}/secret.key": (0, "pyarrow cryptography"),
    "reveal {key} p-nothing": (1, "pandas pyarrow numba cryptography"),
    "export {bank}/transfers.parquet --output {out}/transfers.csv": (0, "pandas pyarrow"),
    "export {bank}/transfers.parquet --output {out}/transfers.xlsx": (0, "pandas pyarrow xlsxwriter"),
    "trace {bank} --as-of 2025-01-20 --output {out}/trace.parquet": (0, "pandas pyarrow numba"),
    "explain {bank} --scores {bank}/none.parquet --output {out}/explained": (1, "pandas pyarrow numba"),
    "simulate {out}/world --preset small --accounts 300 --days 30": (0, "pandas pyarrow numba"),
}

EXPORT = """Datum,Auftraggeberkonto,Empfängerkonto,Betrag
2025-02-28 09:30:00,DE0071,DE0082,1500.00
2025-02-28 09:31:10,DE0082,DE0093,1490.50
2025-02-28 09:32:00,DE0093,DE0104,1480.25
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a small bank, an export with its mapping, and a key."""
    folder = tmp_path_factory.mktemp("startup")
    names = {"bank": "bank", "export": "export.csv", "mapping": "columns.toml", "key": "a.key"}
    places = {key: folder / name for key, name in names.items()}
    tables = muledetect.simulation.simulate(n_accounts=300, n_days=30, seed=1)
    places["bank"].mkdir()
    for name in ("transfers", "accounts", "complaints"):
        muledetect.records.write_table(tables[name], places["bank"] / f"{name}.parquet")
    places["export"].write_text(EXPORT, "utf-8")
    found = muledetect.records.own.suggest_columns(
        places["export"], source_tz="Europe/Berlin", currency="EUR", money="major"
    )
    found.write(places["mapping"])
    muledetect.records.new_key(places["key"])
    return places


def run(code: str) -> tuple[int, set[str]]:
    """Return the exit status of some code in a fresh Python, and the heavy modules that it imported."""
    tell = f"""
import atexit, sys
atexit.register(lambda: print(*(name for name in {sorted(HEAVY)!r} if name in sys.modules), file=sys.stderr))
"""
    done = subprocess.run([sys.executable, "-c", tell + code], capture_output=True, text=True, check=False)
    return done.returncode, set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "command", [pytest.param(name, marks=pytest.mark.slow if "{" in name else []) for name in NEEDED]
)
def test_a_command_imports_only_what_it_needs(command: str, places: dict[str, Path], tmp_path: Path) -> None:
    arguments = command.format(**places, out=tmp_path).split()
    status, found = run(f"sys.argv[1:] = {arguments!r}; from muledetect import cli; cli.main()")
    wanted, needed = NEEDED[command]
    assert status == wanted
    assert found <= {*needed.split(), *(["numpy"] if needed else [])}


@pytest.mark.parametrize("module", ["muledetect", "muledetect.records", "muledetect.cli", "muledetect.reports"])
def test_an_import_alone_brings_nothing_heavy(module: str) -> None:
    assert run(f"import {module}") == (0, set())


LAZY = [
    module.name
    for module in [
        pkgutil.ModuleInfo(None, "muledetect", True),  # type: ignore[arg-type]
        *pkgutil.walk_packages(muledetect.__path__, "muledetect."),
    ]
    if module.ispkg and "on_demand" in Path(importlib.import_module(module.name).__file__ or "").read_text("utf-8")
]


def test_there_are_lazy_packages() -> None:
    assert {"muledetect", "muledetect.records", "muledetect.model", "muledetect.evaluation"} <= set(LAZY)


@pytest.mark.parametrize("name", LAZY)
def test_a_lazy_package_gives_python_what_type_checkers_see(name: str) -> None:
    module = importlib.import_module(name)
    tree = ast.parse(Path(module.__file__ or "").read_text("utf-8"))
    typed = next(node for node in tree.body if isinstance(node, ast.If))
    for_checkers = {
        (alias.asname or alias.name, node.module, alias.name)
        for node in typed.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if not inspect.ismodule(getattr(module, alias.asname or alias.name))
    }
    call = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", "") == "on_demand"
    )
    places = ast.literal_eval(call.args[1])
    for_python = {
        (entry.partition("=")[0], f"{name}.{place}", entry.rpartition("=")[2])
        for place, listed in places.items()
        for entry in listed.split()
    }
    assert for_python == for_checkers
    assert {public for public, *_ in for_python} <= set(module.__all__)


@pytest.mark.parametrize("name", LAZY)
def test_every_public_name_is_there_listed_and_the_same_each_time(name: str) -> None:
    module = importlib.import_module(name)
    assert set(module.__all__) <= set(dir(module))
    for public in module.__all__:
        assert getattr(module, public) is getattr(module, public)


def test_an_import_of_all_names_gives_all_names() -> None:
    names: dict[str, object] = {}
    exec("from muledetect import *", names)  # noqa: S102 (what is tested)
    assert set(muledetect.__all__) <= set(names)


def test_a_name_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="module 'muledetect' has no attribute 'score_all'"):
        muledetect.score_all  # noqa: B018
    with pytest.raises(ImportError, match="score_all"):
        exec("from muledetect import score_all")  # noqa: S102


def test_what_comes_from_a_lazy_package_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(muledetect.read_dataset)) is muledetect.read_dataset  # noqa: S301
    assert pickle.loads(pickle.dumps(muledetect.MuleModel)) is muledetect.MuleModel  # noqa: S301


def test_modules_are_attributes_after_an_import_of_the_package() -> None:
    code = "import muledetect as md; assert md.features.registry() and md.plots is md.reports.plots"
    status, found = run(code)
    assert status == 0
    assert "numba" in found


def test_the_top_offers_the_steps_of_every_day_and_the_parts_below() -> None:
    assert {"read_dataset", "train", "score", "find_rings", "trace", "evaluate", "report", "datasets", "rings",
            "show_versions", "plots", "features", "MuleModel", "DataError"} <= set(dir(muledetect))  # fmt: skip
    assert not set(dir(muledetect)) & {"annotations", "on_demand", "TYPE_CHECKING", *MOVED}
    assert len(muledetect.__all__) < 30
    for step in ("train", "score", "explain", "find_rings", "trace", "evaluate", "report", "simulate"):
        assert getattr(muledetect, step) is getattr(muledetect.pipeline, step)


def moved(package: str) -> dict[str, str]:
    """Return the old names of a package or module, and where each is now."""
    return inspect.getclosurevars(importlib.import_module(package).__getattr__).nonlocals["moved"] or {}


MOVED = moved("muledetect")
OLD_NAMES = [(package, name) for package in [*LAZY, "muledetect.pipeline"] for name in moved(package)]


@pytest.mark.parametrize(("package", "name"), OLD_NAMES)
def test_an_old_name_works_and_the_warning_tells_the_new_one(package: str, name: str) -> None:
    with pytest.warns(DeprecationWarning, match=rf"{package}.{name} is now (\S+);") as caught:
        value = getattr(importlib.import_module(package), name)
    module, _, new = str(caught[0].message).split(" is now ")[1].partition(";")[0].rpartition(".")
    assert value is getattr(importlib.import_module(module), new)
    assert caught[0].filename == __file__


def test_nothing_but_a_module_has_the_name_of_a_module_of_its_package() -> None:
    both = []
    for name in ["muledetect", *(m.name for m in pkgutil.walk_packages(muledetect.__path__, "muledetect.") if m.ispkg)]:
        package = importlib.import_module(name)
        found = {module.name for module in pkgutil.iter_modules(package.__path__)}
        named = {part: getattr(package, part, None) for part in found}
        both += [
            f"{name}.{part}" for part, value in named.items() if inspect.isroutine(value) or inspect.isclass(value)
        ]
    assert not both


def test_versions_are_shown_without_a_path_or_the_name_of_a_user(capsys: pytest.CaptureFixture[str]) -> None:
    muledetect.show_versions()
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown["muledetect"] == muledetect.__version__
    assert shown["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert {"numpy", "pandas", "lightgbm", "matplotlib", "optuna"} <= set(shown)
    assert not [line for line in shown.values() if "/" in line or "\\" in line or Path.home().name in line.split()]


def test_an_extra_that_is_not_installed_is_shown_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def version(name: str) -> str:
        if name == "optuna":
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(versions, "version", version)
    muledetect.show_versions()
    assert "optuna              not installed (tune)" in capsys.readouterr().out.splitlines()
