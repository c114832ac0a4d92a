"""How long a command takes before it works: `python benchmarks/startup.py [--against REVISION]`.

Each command runs in fresh processes: one that does not count, which fills the caches of bytecode and compiled code,
then `--repeat` that do. Printed are the least time on the clock and the least time of the processor, of all threads.
With `--against`, the same commands run from a worktree of that revision in turn with those of this one.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUN = "from muledetect.cli import main; main()"
#: What is run -> the seconds that it may take on an idle core.
WANTED = {
    "muledetect --help": 0.4,
    "muledetect check --help": 0.4,
    "import muledetect": 0.5,
    "muledetect check data/sample": 1.5,
    "muledetect key": None,
    "muledetect export": None,
    "muledetect columns": None,
    "muledetect import own": None,
}
EXPORT = """Date,Payer account,Payee account,Amount
2025-02-28 09:30:00,DE0071,DE0082,1500.00
2025-02-28 09:31:10,DE0082,DE0093,1490.50
2025-02-28 09:32:00,DE0093,DE0104,1480.25
"""


def code_of(what: str, place: Path) -> str:
    """Return the Python that a process runs, its files in `place`."""
    given = {
        "muledetect check data/sample": f"check {ROOT}/data/sample --output {place}/rejects.parquet",
        "muledetect key": f"key {place}/{time.monotonic_ns()}.key",
        "muledetect export": f"export {ROOT}/data/sample/accounts.parquet --output {place}/accounts.csv",
        "muledetect columns": (
            f"columns {place}/export.csv --output {place}/columns.toml --source-tz UTC --currency EUR --money major"
        ),
        "muledetect import own": (
            f"import own {place}/export.csv --columns {place}/columns.toml --output {place}/{time.monotonic_ns()}"
        ),
    }.get(what, what.removeprefix("muledetect "))
    return what if what.startswith("import") else f"import sys; sys.argv[1:] = {given.split()!r}; {RUN}"


def run(code: str, sources: Path) -> tuple[float, float]:
    """Return the seconds on the clock and of the processor that a fresh process took."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(sources)}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=sources, stdout=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(trees: dict[str, Path], n_repeats: int) -> None:
    """Print a row a command: wanted, and clock and processor for each tree."""
    heads = "".join(f" {name} | {name}, processor |" for name in trees)
    print(f"| | wanted |{heads}\n|---|---|{'---|---|' * len(trees)}")
    with tempfile.TemporaryDirectory() as given:
        places = {name: Path(given) / str(at) for at, name in enumerate(trees)}  # a tree replaces its own files only
        for place in places.values():
            place.mkdir()
            (place / "export.csv").write_text(EXPORT, "utf-8")
        for what, wanted in WANTED.items():
            times: dict[str, list[tuple[float, float]]] = {name: [] for name in trees}
            for _ in range(n_repeats + 1):
                for name, sources in trees.items():
                    times[name].append(run(code_of(what, places[name]), sources))
            cells = [f"{min(column):.2f} s" for of_tree in times.values() for column in zip(*of_tree[1:], strict=True)]
            print(f"| `{what}` | {f'{wanted} s' if wanted else ''} | {' | '.join(cells)} |")


def main() -> None:
    """Say where this runs, and measure this tree, and another if one was given."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeat", type=int, default=7)
    arguments.add_argument("--against", metavar="REVISION", help="of git, measured in the same run")
    given = arguments.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pandas", "pyarrow", "numba", "typer"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"Python {platform.python_version()}, {packages}\n")
    if given.against is None:
        measure({"now": ROOT}, given.repeat)
        return
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "tree"
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "--detach", "-q", other, given.against], check=True)
        try:
            measure({given.against: other, "now": ROOT}, given.repeat)
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", other], check=True)


if __name__ == "__main__":
    main()
