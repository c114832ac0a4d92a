"""Run a command in this process, as its own start would take most of the time."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from muledetect import cli


def ended(*arguments: object) -> tuple[int, str]:
    """Return the exit status of a command and what it printed."""
    said, given = io.StringIO(), sys.argv
    sys.argv = ["muledetect", *map(str, arguments)]
    try:
        with redirect_stdout(said), redirect_stderr(said), pytest.raises(SystemExit) as left:
            cli.main()
    finally:
        sys.argv = given
    return int(left.value.code or 0), said.getvalue()
