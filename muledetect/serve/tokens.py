"""Tokens of callers, from a file that only its owner may read; compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from pathlib import Path
from typing import Final

from muledetect.errors import OptionError

_SHORTEST: Final = 24


class Tokens:
    """Tokens that are known; only their digests are kept.

    Parameters
    ----------
    tokens : list of str
        No token at all lets every caller in.
    """

    def __init__(self, tokens: list[str]) -> None:
        self._digests = [_digest(token) for token in tokens]

    def __len__(self) -> int:
        return len(self._digests)

    def caller(self, header: str) -> int | None:
        """Return the number of the token in an Authorization header, or None; every token is compared."""
        kind, _, token = header.partition(" ")
        given = _digest(token.strip())
        found = None
        for number, digest in enumerate(self._digests):
            if hmac.compare_digest(digest, given):
                found = number
        return found if kind.lower() == "bearer" else None


def read_tokens(path: Path) -> Tokens:
    """Return the tokens of a file, see `token_lines`.

    Parameters
    ----------
    path : path
    """
    return Tokens(token_lines(path))


def token_lines(path: Path) -> list[str]:
    """Return the tokens of a file, one a line; blank lines and lines that begin with # are passed over.

    Parameters
    ----------
    path : path

    Raises
    ------
    OptionError
        If others than the owner may read or write the file, it holds no token, or a token is short or no ASCII.
    """
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if os.name == "posix" and mode & 0o077:
            raise OptionError(f"tokens: {path.name!r} may be read by others (mode {mode:03o}). Run chmod 600 on it.")
        lines = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines()]
    tokens = [line for line in lines if line and not line.startswith("#")]
    for number, line in enumerate(lines, 1):
        if line in tokens and (len(line) < _SHORTEST or not line.isascii() or " " in line):
            raise OptionError(
                f"tokens: line {number} of {path.name!r} is no token: {_SHORTEST} or more ASCII signs without blanks. "
                "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
    if not tokens or len(set(tokens)) != len(tokens):
        raise OptionError(f"tokens: {path.name!r} must hold one token or more, each once, one a line.")
    return tokens


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
