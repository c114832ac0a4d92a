"""What the commands share: options, how a data set is read and an output refused, progress on the screen."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from typer import Argument, Option

from muledetect.progress import Progress
from muledetect.visible import make_visible

if TYPE_CHECKING:
    from muledetect.outputs import Output
    from muledetect.records import Dataset

#: An id may hold what rich takes for the name of a picture, such as `:bank:`.
err = Console(stderr=True, emoji=False)
#: A pipe or file has no width of its own; 120 columns hold every table.
out = Console(emoji=False, width=None if Console().is_terminal else 120)

AsOf = Annotated[str, Option("--as-of", help="Exclusive moment, ISO: 2025-03-01 or 2025-03-01T09:30Z.")]
Moments = Annotated[list[str], Option("--as-of", help="Moment to learn from; give it several times for more.")]
ModelFolder = Annotated[
    Path,
    Option(
        "--model", help="Folder of the model; for all but train also: starter, the one that ships with the package."
    ),
]
Memory = Annotated[
    str | None,
    Option(
        "--memory",
        help="Memory to take, such as 4GB; if not given, MULEDETECT_MEMORY, or half of the machine's.",
    ),
]
Overwrite = Annotated[
    bool,
    Option(
        "--overwrite",
        help="Replace an output also if muledetect did not write it, or it was changed; other files in it stay.",
    ),
]

Limit = Annotated[
    str | None,
    Option(
        "--memory",
        help="Most memory to take, such as 4GB: what has a row a transfer is kept in scratch files (in TMPDIR). If not "
        "given, MULEDETECT_MEMORY counts, else there is no limit.",
    ),
]
Engine = Annotated[
    Literal["local", "spark"],
    Option(
        "--engine",
        help="Where signals and features are computed: on this machine, or by the workers of Spark, which need a "
        "store. Results are the same.",
    ),
]
Work = Annotated[
    Path | None,
    Option(
        "--work", help="With --engine spark: folder that all machines see; a run that was interrupted goes on there."
    ),
]


@dataclass(frozen=True)
class Reading:
    """The data set that a command is given, how it is read, and whether the output may replace other files."""

    dataset: Annotated[Path, Argument(help="Folder of tables (Parquet, partitioned Parquet or CSV), or a store.")]
    currency: Annotated[
        str | None, Option(help="ISO 4217 code of the amounts; if not given, the one that the data set names.")
    ] = None
    money: Annotated[
        Literal["minor", "major"], Option(help="Are amounts minor units (satang, cents) or whole ones (baht)?")
    ] = "minor"
    source_tz: Annotated[str | None, Option(help="Zone of times that carry none, such as Asia/Bangkok.")] = None
    pseudonymise: Annotated[
        Path | None,
        Option(
            "--pseudonymise",
            metavar="KEYFILE",
            help="Write pseudonyms for account and holder ids, under a key that `key` made; `reveal` turns them back.",
        ),
    ] = None
    memory: Limit = None
    overwrite: Overwrite = False

    @contextmanager
    def opened(
        self, output: Path, kind: Output, *inputs: Path | None, may_be_empty: bool = False
    ) -> Iterator[tuple[Dataset, dict[str, Any]]]:
        """Refuse the output if need be, then read the data set; yield it, and what each step is told beside it."""
        from muledetect.inputs import load, read_source
        from muledetect.outputs import check_output

        with progress_bar() as progress:
            given = [path for path in (self.dataset, *inputs, self.pseudonymise) if path is not None]
            check_output(output, kind, inputs=given, overwrite=self.overwrite)
            read = read_source if may_be_empty else partial(load, memory=self.memory)
            dataset = read(
                self.dataset, progress=progress, currency=self.currency, money=self.money, source_tz=self.source_tz,
                pseudonymise=self.pseudonymise,
            )  # fmt: skip
            yield dataset, {"output": output, "overwrite": self.overwrite, "progress": progress}

    def engine(self, name: str, work: Path | None) -> Any:
        """Return what computes the step: None for this process."""
        from muledetect.errors import OptionError
        from muledetect.records.stored import is_store

        if name == "local" and work is not None:
            raise OptionError("work: it is used with --engine spark only.")
        if name == "local":
            return None
        if not is_store(self.dataset):
            raise OptionError(
                "engine: the workers of Spark read a store. Make one, `muledetect prepare DATASET --output STORE`, "
                "where all machines see it, and give it as the data set."
            )
        from muledetect.engine.spark import Spark

        return Spark(work=work, store=self.dataset).opened()


def reads(command: Callable[..., None], *, without: str = "") -> Callable[..., None]:
    """Return a command with the options of `Reading` around its own, `without` one; it gets them as one `Reading`."""
    hints = get_type_hints(Reading, include_extras=True)
    shared = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(Reading).parameters.items()
        if name != without
    ]
    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]

    def run(**given: Any) -> None:
        command(Reading(**{parameter.name: given.pop(parameter.name) for parameter in shared}), **given)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    dataset, *others = shared
    run.__signature__ = inspect.Signature([dataset, *own, *others])  # type: ignore[attr-defined]
    return run


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show stages on stderr while the block runs; gone afterwards, and silent where stderr is no terminal.

    The time is that of the stage. A stage at 0.0 does not know how far it is: its bar moves to and fro.
    """
    columns = (TextColumn("{task.description:<24}", markup=False), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        shown.add_task("starting", total=None)

        def show(stage: str, done: float) -> None:
            stage = make_visible(stage)  # it may hold the name of a file
            if shown.tasks[-1].description != stage:
                shown.remove_task(shown.tasks[-1].id)
                shown.add_task(stage, total=None)
            shown.update(shown.tasks[-1].id, completed=done, total=1.0 if done > 0 else None)

        yield show
