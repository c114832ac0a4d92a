"""The command line: arguments in, steps of the pipeline, tables out. No logic lives here.

One file a stage. Rooms are imported when a command asks for them (`md.pipeline`): they take a second, and --help need
not wait.
"""

from __future__ import annotations

import errno
import gc
import signal
import sys
from typing import Final, NoReturn

from rich.markup import escape

from muledetect.cli.app import app
from muledetect.command import err, out
from muledetect.console import plain
from muledetect.errors import MuleDetectError, OptionError, OutputError
from muledetect.visible import has_half

# In this order --help lists the commands.
from muledetect.cli import start, records, scoring, cases, holds  # isort: skip
from muledetect.cli import evidence, people, registry, exchange, live, tables  # isort: skip

__all__ = [
    "app",
    "cases",
    "err",
    "evidence",
    "exchange",
    "holds",
    "live",
    "main",
    "out",
    "people",
    "records",
    "registry",
    "scoring",
    "start",
    "tables",
]

INTERRUPTED: Final = 128 + signal.SIGINT
#: So many new objects are made before Python looks for dead ones. Imports make many that live on, and to look through
#: them at each 700, as Python does by itself, takes a sixth of a short command.
_NEW_OBJECTS: Final = 50_000


def main() -> None:
    """Run the command line; exit status 0 done, 1 bad input, 2 usage, 130 interrupted."""
    gc.set_threshold(_NEW_OBJECTS)
    try:
        _refuse_undecoded(sys.argv[1:])
        app()
    except OptionError as error:
        is_output = isinstance(error, OutputError)
        err.print(f"[bold red]{'error' if is_output else 'usage'}:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1 if is_output else 2)
    except MuleDetectError as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except OSError as error:
        place = f" at {error.filename}" if error.filename else ""
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        mend = "Free some space there." if is_full else "Choose a place that you may read and write."
        err.print(f"[bold red]error:[/] files: {plain(error.strerror or error)}{plain(place)}. {mend}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as status:
        if status.code == INTERRUPTED:  # typer's answer to an interrupt inside a command
            _interrupted()
        raise


def _interrupted() -> NoReturn:
    err.print("interrupted; outputs are the old ones or whole new ones.")
    sys.exit(INTERRUPTED)


def _refuse_undecoded(arguments: list[str]) -> None:
    for place, argument in enumerate(arguments, 1):
        if has_half(argument):
            raise OptionError(
                f"command line: argument {place}, {argument}, holds bytes that are not UTF-8. Write it in UTF-8; where "
                "it is the name of a file or folder, rename that first."
            )
