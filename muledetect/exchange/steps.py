"""The three steps of an exchange: a request, its answer, and what the one who asked learns.

Bank A asks, bank B answers, and A learns which of its things B also suspects, with B's band, ring and times of these.

1. `request`: A blinds the point of each of its things, `a H(x)`, and sends them, sorted, with points of nothing
   between.
2. `answer`: B multiplies each by its own secret, `b a H(x)`. Of its own things it sends a tag and what it tells,
   sealed under a key; both are hashes of `b H(y)`.
3. `finish`: A takes its own blinding away, `b H(x)`, and so has the tags and keys of its own things, and of no others.

Secrets `a` and `b` are made of each bank's key file and of this one run: equal inputs give equal bytes, and two runs
cannot be held against each other. What each side learns is told in docs/exchange.md.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from muledetect.clock import Duration, Moment, parse_duration, parse_time, to_datetime
from muledetect.errors import DataError, OptionError
from muledetect.exchange.files import MOST, check_name, head, read_message, write_message
from muledetect.exchange.group import blind, derive, point_of, scalar, seal, to_point, unblind, unseal
from muledetect.exchange.items import BANDS, ITEMS, opened
from muledetect.outputs import check_output
from muledetect.outputs.kinds import EXCHANGE_FILE, MATCHES
from muledetect.progress import Progress, silent
from muledetect.records.pseudonyms import Pseudonyms, as_pseudonyms
from muledetect.records.write import write_table
from muledetect.strict_json import parse_json

#: What is told of a matched thing.
PAYLOAD: Final = ("band", "ring", "first_seen", "last_seen")
#: All sealed texts are of this length, so that none tells what is in it.
_PAYLOAD_BYTES: Final = 128
_SMALLEST: Final = 64
_RING: Final = re.compile(r"x-[0-9a-f]{20}")

_TIME: Final = pa.timestamp("us", tz="UTC")
#: Table of matches: own columns, then what the partner told.
TABLE: Final = pa.schema(
    [*ITEMS, pa.field("partner", pa.string()), pa.field("run", pa.string()), pa.field("known_ts", _TIME),
     *(pa.field(f"their_{name}", _TIME if name.endswith("seen") else pa.string()) for name in PAYLOAD)]
)  # fmt: skip

Key = Pseudonyms | str | Path
Things = dict[tuple[str, str], dict[str, Any]]


def request(
    items: Any, path: str | Path, *, key: Key, sender: str, receiver: str, as_of: Moment,
    stands_for: Duration = "7d", pad: bool = True, overwrite: bool = False, progress: Progress | None = None,
) -> str:  # fmt: skip
    """Write a request: the blinded things of this bank. Return the name of the run.

    Parameters
    ----------
    items : table of any library, or path
        `ITEMS`, see `gather_items`; only kind and value are used.
    path : path
        File for the partner.
    key : Pseudonyms or path
        Of a key file of this bank; `finish` needs it again. It never leaves the bank.
    sender, receiver : str
        This bank, and the partner.
    as_of : Moment
        When it is made.
    stands_for : duration
        How long the partner may answer.
    pad : bool
        Add points of nothing up to the next power of two, at least 64, so that the file does not tell how many
        things the bank suspects.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
        Called with the stage in words and the fraction done.

    Raises
    ------
    OptionError
        If there are too many things, or PyNaCl is not installed; as OutputError if the place is none to write to.
    """
    made_at, secret = parse_time(as_of), _secret(key)
    check_name(sender, "sender")
    check_name(receiver, "receiver")
    check_output(path, EXCHANGE_FILE, overwrite=overwrite)
    things = _things(items)
    run = derive(secret, b"run", _digest(things), sender.encode(), receiver.encode(), str(made_at).encode())[:16].hex()
    points = list(_blinded(things, secret, run, progress or silent))
    wanted = _padded(len(points)) if pad else len(points)
    points += [
        point_of(derive(secret, b"padding", run.encode(), str(place).encode())) for place in range(wanted - len(points))
    ]
    message = head("request", run, sender, receiver, made_at, made_at + parse_duration(stands_for))
    write_message(message | {"points": sorted(points)}, path, EXCHANGE_FILE, overwrite=overwrite)
    return run


def answer(
    request: str | Path, items: Any, path: str | Path, *, key: Key, receiver: str, as_of: Moment,
    tell: tuple[str, ...] = PAYLOAD, most: int = 20_000, stands_for: Duration = "7d", pad: bool = True,
    overwrite: bool = False, progress: Progress | None = None,
) -> int:  # fmt: skip
    """Answer a request of another bank; return how many points it held.

    Parameters
    ----------
    request : path
        File of the partner.
    items : table of any library
        `ITEMS` of this bank: what it suspects, and what it tells of that.
    path : path
        File for the partner.
    key : Pseudonyms or path
        Of a key file of this bank. Nothing else is kept.
    receiver : str
        This bank, as the request names it.
    as_of : Moment
        When it is made: a request that has expired is refused.
    tell : tuple of str
        What is told of a match, of "band", "ring", "first_seen", "last_seen".
    most : int
        Most points that are answered: whoever asks could ask about guessed accounts.
    stands_for : duration
        How long the partner may read the answer.
    pad : bool
        Add tags of nothing, as `request` does.
    overwrite, progress
        As for `request`.

    Raises
    ------
    DataError
        If the request is damaged, for somebody else, too long, has expired, or holds what is no point.
    """
    now, secret, show = parse_time(as_of), _secret(key), progress or silent
    if unknown := set(tell) - set(PAYLOAD):
        raise OptionError(f"tell: {sorted(unknown)} cannot be told; choose of {PAYLOAD}.")
    check_output(path, EXCHANGE_FILE, inputs=(request,), overwrite=overwrite)
    asked = read_message(request, "request", receiver=check_name(receiver, "receiver"), now=now)
    if len(asked["points"]) > most:
        raise DataError(
            f"exchange: the request holds {len(asked['points']):,} points, more than {most:,}. Ask the partner why, or "
            "raise the bound (--most): who asks about many accounts may be guessing."
        )
    things = _things(items)
    by = scalar(secret, b"answer", asked["sha256"].encode(), _digest(things), ",".join(sorted(tell)).encode())
    points = []
    for place, point in enumerate(asked["points"]):
        points.append(blind(by, point))
        if place % 512 == 0:
            show("answering", place / len(asked["points"]))
    tags = dict(_told(things, by, secret, asked["run"], tell))
    wanted = _padded(len(tags)) if pad else len(tags)
    for place in range(wanted - len(tags)):
        nothing = derive(secret, b"no tag", asked["sha256"].encode(), str(place).encode())
        tags[nothing[:32]] = seal(nothing[32:], bytes(_PAYLOAD_BYTES))
    message = head("answer", asked["run"], receiver, asked["from"], now, now + parse_duration(stands_for))
    message |= {"request_sha256": asked["sha256"], "points": points, "tags": sorted(tags),
                "sealed": [tags[tag] for tag in sorted(tags)]}  # fmt: skip
    write_message(message, path, EXCHANGE_FILE, overwrite=overwrite)
    return len(points)


def finish(
    request: str | Path, answer: str | Path, items: Any, path: str | Path | None = None, *, key: Key,
    received: Moment, overwrite: bool = False, progress: Progress | None = None,
) -> pa.Table:  # fmt: skip
    """Return which of this bank's things the partner suspects, too, and what it tells of them.

    Parameters
    ----------
    request, answer : path
        File that this bank sent, and the file that it got.
    items : table of any library
        The things that were asked about, the same as in `request`.
    path : path, optional
        Parquet file of the matches.
    key : Pseudonyms or path
        Of the key file that the request was made with.
    received : Moment
        When the answer came: matches are known from then on.
    overwrite, progress
        As for `request`.

    Returns
    -------
    pyarrow.Table
        `TABLE`, by kind and value. `their_ring` is a pseudonym that holds in this run only.

    Raises
    ------
    DataError
        If the answer is of another request, was changed, or has expired; or if the things or the key are others than
        those of the request.
    """
    now, secret, show = parse_time(received), _secret(key), progress or silent
    if path is not None:
        check_output(path, MATCHES, inputs=(request, answer), overwrite=overwrite)
    asked = read_message(request, "request", receiver=None, now=0)
    got = read_message(answer, "answer", receiver=asked["from"], now=now)
    is_ours = hmac.compare_digest(got["request_sha256"], asked["sha256"]) and hmac.compare_digest(
        got["run"], asked["run"]
    )
    if not is_ours or got["from"] != asked["to"] or len(got["points"]) != len(asked["points"]):
        raise DataError(
            "exchange: the answer is of another request, or of another bank. Give the two that belong together."
        )
    place_of = {point: place for place, point in enumerate(asked["points"])}
    sealed_of = dict(zip(got["tags"], got["sealed"], strict=True)) if len(got["tags"]) == len(got["sealed"]) else None
    if sealed_of is None:
        raise DataError("exchange: the answer has not as many tags as sealed texts. Ask for it again.")
    things, own = _things(items), scalar(secret, b"request", asked["run"].encode())
    rows = []
    for (kind, value), point in zip(things, _blinded(things, secret, asked["run"], show), strict=True):
        if point not in place_of:
            raise DataError(
                "exchange: the things or the key are not those of the request. Give those it was made with."
            )
        tag, lock = _tag_and_key(unblind(own, got["points"][place_of[point]]), kind, value)
        if tag in sealed_of:
            rows.append(things[kind, value] | _opened(lock, sealed_of[tag]))
    known = {"partner": got["from"], "run": got["run"], "known_ts": to_datetime(now)}
    found = pa.Table.from_pylist([row | known for row in rows], TABLE)
    if path is not None:
        write_table(found, path, output=MATCHES, overwrite=overwrite)
    return found


def ring_pseudonym(key: Key, run: str, ring_id: str) -> str:
    """Return the name under which this bank told a ring in a run, to find the ring that a partner asks about.

    Parameters
    ----------
    key : Pseudonyms or path
        Of the key file that the answer was made with.
    run : str
        Name of the run, as in the request.
    ring_id : str
    """
    return _pseudonym(_secret(key), run, ring_id)


def _pseudonym(secret: bytes, run: str, ring_id: str) -> str:
    return f"x-{derive(secret, b'ring', run.encode(), ring_id.encode())[:10].hex()}"


def _secret(key: Key) -> bytes:
    found = as_pseudonyms(key)
    if found is None:
        raise OptionError("exchange: give a key file. Make one with `muledetect key`.")
    return derive(found.key, b"key")


def _things(items: Any) -> Things:
    """Return the rows of a table of things by kind and value, sorted."""
    table = opened(items, "items")
    missing = [name for name in ITEMS.names if name not in table.column_names]
    if missing:
        raise DataError(f"items: columns {missing} are missing. Give what `exchange-items` wrote.")
    rows = {(str(row["kind"]), str(row["value"])): row for row in table.select(ITEMS.names).to_pylist()}
    if len(rows) < len(table):
        raise DataError("items: a kind and value stands twice. Give what `exchange-items` wrote.")
    if len(rows) > MOST:
        raise OptionError(f"items: {len(rows):,} things are more than {MOST:,}. Suspect fewer.")
    return dict(sorted(rows.items()))


def _digest(things: Things) -> bytes:
    rows = [[str(cell) for cell in row.values()] for row in things.values()]
    return hashlib.sha256(json.dumps(rows).encode()).digest()


def _blinded(things: Mapping[tuple[str, str], Any], secret: bytes, run: str, progress: Progress) -> list[bytes]:
    by, found = scalar(secret, b"request", run.encode()), []
    for place, (kind, value) in enumerate(things):
        found.append(blind(by, to_point(kind, value)))
        if place % 512 == 0:
            progress("blinding", place / len(things))
    return found


def _padded(n: int) -> int:
    return max(_SMALLEST, 1 << (n - 1).bit_length()) if n else _SMALLEST


def _tag_and_key(point: bytes, kind: str, value: str) -> tuple[bytes, bytes]:
    both = derive(point, b"tag and key", kind.encode(), value.encode())
    return both[:32], both[32:]


def _told(things: Things, by: bytes, secret: bytes, run: str, tell: tuple[str, ...]) -> Any:
    """Yield the tag of each thing and what is told of it, sealed."""
    for (kind, value), row in things.items():
        tag, lock = _tag_and_key(blind(by, to_point(kind, value)), kind, value)
        ring = row["ring_id"]
        name = None if ring is None else _pseudonym(secret, run, ring)
        times = {name: None if row[name] is None else row[name].strftime("%Y-%m-%d") for name in PAYLOAD[2:]}
        said = {"band": row["band"], "ring": name, **times}
        text = json.dumps({part: said[part] for part in PAYLOAD if part in tell}, separators=(",", ":")).encode()
        yield tag, seal(lock, text.ljust(_PAYLOAD_BYTES))


def _opened(lock: bytes, sealed: bytes) -> dict[str, Any]:
    """Return what a partner tells of a thing; nulls where that is damaged.

    It is no error: whoever sealed it wrongly on purpose would see from the complaint that there was a match.
    """
    nothing: dict[str, Any] = {f"their_{name}": None for name in PAYLOAD}
    try:
        said = parse_json(unseal(lock, sealed))
        days = {name: _day(said.get(name)) for name in PAYLOAD[2:]}
        band, ring = said.get("band"), said.get("ring")
    except (DataError, OptionError, ValueError, AttributeError, TypeError, RecursionError):
        return nothing
    is_band, is_ring = band in {name for name, _ in BANDS}, isinstance(ring, str) and bool(_RING.fullmatch(ring))
    return {"their_band": band if is_band else None, "their_ring": ring if is_ring else None,
            **{f"their_{name}": day for name, day in days.items()}}  # fmt: skip


def _day(text: str | None) -> datetime | None:
    return None if text is None else datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
