"""The files of an exchange, and what is refused of them.

Each is one JSON object: a head that says what it is, whose, for whom, of which version and until when, and lists of
equal things in base64. Whatever a file holds, no more is made of it than its head allows.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from pathlib import Path
from typing import Any, Final

from muledetect.clock import format_time, parse_time
from muledetect.errors import DataError, OptionError
from muledetect.outputs import Output, new_file
from muledetect.records.write import put_text
from muledetect.strict_json import StrictJsonError, parse_json

FORMAT: Final = "muledetect-exchange"
VERSION: Final = 1
#: The group and the hashes of this version; another one cannot be read by mistake.
SUITE: Final = "edwards25519 subgroup, SHA-512, Elligator 2 twice, XChaCha20-Poly1305"

#: Most things of a file, and most bytes.
MOST: Final = 1_000_000
MOST_BYTES: Final = 512 << 20

#: Names of banks in the heads.
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEAD: Final = {"format", "version", "suite", "step", "run", "from", "to", "made_at", "expires_at"}
_LISTS: Final = {"request": {"points"}, "answer": {"points", "tags", "sealed"}}
_FIELDS: Final = {"request": set[str](), "answer": {"request_sha256"}}


def check_name(name: str, what: str) -> str:
    """Return the name of a bank; raise OptionError if it is none."""
    if not _NAME.fullmatch(name):
        raise OptionError(f"{what}: must be 1 to 64 letters, digits, dots, dashes or underscores; got {name!r}.")
    return name


def head(step: str, run: str, sender: str, receiver: str, made_at: int, expires_at: int) -> dict[str, Any]:
    """Return the head of a file."""
    return {"format": FORMAT, "version": VERSION, "suite": SUITE, "step": step, "run": run, "from": sender,
            "to": receiver, "made_at": format_time(made_at), "expires_at": format_time(expires_at)}  # fmt: skip


def write_message(message: dict[str, Any], path: str | Path, kind: Output, *, overwrite: bool = False) -> None:
    """Write a file of an exchange: its head, and lists of bytes as base64."""
    shown = {name: [base64.b64encode(entry).decode() for entry in value] if isinstance(value, list) else value
             for name, value in message.items()}  # fmt: skip
    with new_file(path, kind, overwrite=overwrite) as unfinished:
        put_text(json.dumps(shown, indent=0) + "\n", unfinished)


def read_message(path: str | Path, step: str, *, receiver: str | None, now: int) -> dict[str, Any]:
    """Return a file of an exchange with its lists as bytes, and the hash of the file as `sha256`.

    Parameters
    ----------
    path : path
    step : "request" or "answer"
    receiver : str, optional
        This bank: a file for another one is refused. None reads a file that this bank made.
    now : int
        Moment at which it is read, microseconds: one that has expired is refused.

    Raises
    ------
    DataError
        If it is no such file, too large, for somebody else, or has expired.
    """
    place = Path(path)
    if not place.is_file():
        raise DataError(f"exchange: there is no file {place.name!r}. Check the path.")
    if place.stat().st_size > MOST_BYTES:
        raise DataError(f"exchange: {place.name!r} has more than {MOST_BYTES >> 20} MB. No {step} is so large.")
    content = place.read_bytes()
    try:
        held = parse_json(content)
    except StrictJsonError as error:
        raise DataError(f"exchange: {place.name!r}: {error}. Ask for it again.") from error
    wanted = _HEAD | _LISTS[step] | _FIELDS[step]
    if not isinstance(held, dict) or set(held) != wanted:
        raise DataError(f"exchange: {place.name!r} is no {step}: it must hold {', '.join(sorted(wanted))}.")
    said = {"format": FORMAT, "version": VERSION, "suite": SUITE, "step": step}
    said |= {} if receiver is None else {"to": receiver}
    for name, value in said.items():
        if held[name] != value or type(held[name]) is not type(value):
            raise DataError(f"exchange: {name!r} of {place.name!r} must be {value!r}; got {held[name]!r:.80}.")
    _check_head(held, place.name, now)
    sizes = {"points": 32, "tags": 32, "sealed": None}
    lists = {name: _entries(held[name], name, place.name, sizes[name]) for name in _LISTS[step]}
    return {**held, **lists, "sha256": hashlib.sha256(content).hexdigest()}


def _check_head(held: dict[str, Any], where: str, now: int) -> None:
    texts = ("run", "from", "to", "made_at", "expires_at", *(_FIELDS[held["step"]]))
    if not all(isinstance(held[name], str) for name in texts) or not re.fullmatch(r"[0-9a-f]{32}", held["run"]):
        raise DataError(f"exchange: the head of {where!r} is damaged. Ask for it again.")
    check_name(held["from"], "from")
    try:
        until = parse_time(held["expires_at"])
    except OptionError as error:
        raise DataError(f"exchange: 'expires_at' of {where!r} is no time. Ask for it again.") from error
    if now >= until:
        raise DataError(f"exchange: {where!r} expired at {held['expires_at']}. Ask for a new one.")


def _entries(given: Any, name: str, where: str, n_bytes: int | None) -> list[bytes]:
    if not isinstance(given, list) or not all(isinstance(entry, str) for entry in given):
        raise DataError(f"exchange: {name!r} of {where!r} must be a list of texts.")
    if len(given) > MOST:
        raise DataError(f"exchange: {name!r} of {where!r} has more than {MOST:,} entries. Split the request.")
    try:
        found = [base64.b64decode(entry, validate=True) for entry in given]
    except (binascii.Error, ValueError) as error:
        raise DataError(f"exchange: {name!r} of {where!r} is no base64. Ask for it again.") from error
    sizes = {len(entry) for entry in found}
    if sizes - ({n_bytes} if n_bytes else sizes) or len(sizes) > 1:
        raise DataError(f"exchange: entries of {name!r} of {where!r} have other lengths than they must have.")
    if len(set(found)) < len(found):
        raise DataError(f"exchange: {name!r} of {where!r} holds an entry twice. Do not answer it.")
    return found
