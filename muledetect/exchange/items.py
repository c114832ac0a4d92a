"""What a bank puts into an exchange: suspected accounts, and the identifiers of their holders.

A thing is found at both banks only if both write it alike: account ids with the same form, identifiers hashed with the
same key (or not hashed at all: nothing of a value leaves the bank). Networks and addresses with many holders say little
and are left out: `sightings.CROWD`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Float64Array
from muledetect.errors import DataError, OptionError
from muledetect.facts import Snapshot
from muledetect.facts.sessions import KINDS
from muledetect.facts.sightings import CROWD
from muledetect.frames import as_arrow
from muledetect.records.intake import read_parquet

#: Bands of suspicion that may be told: name, and the least probability. An exact score is never told.
BANDS: Final = (("high", 0.75), ("medium", 0.5), ("low", 0.25))

#: Kinds of identifiers that may be exchanged, besides accounts. Cells and terminals are places of everybody.
IDENTIFIERS: Final = ("id_number", *(kind for kind in KINDS if kind not in ("cell", "terminal")))

DEFAULT_KINDS: Final = ("account", "device", "phone", "email", "imei", "wallet", "id_number", "wifi")

_TIME: Final = pa.timestamp("us", tz="UTC")
#: Table of things: one row a kind and value.
ITEMS: Final = pa.schema(
    [("kind", pa.string()), ("value", pa.string()), ("band", pa.string()), ("ring_id", pa.string()),
     ("first_seen", _TIME), ("last_seen", _TIME)]
)  # fmt: skip


def gather_items(
    snapshot: Snapshot,
    scores: Any,
    rings: Any = None,
    *,
    kinds: tuple[str, ...] = DEFAULT_KINDS,
    least: float = 0.5,
) -> pa.Table:
    """Return the things that this bank suspects at a moment.

    Parameters
    ----------
    snapshot : Snapshot
    scores : table of any library
        `account_id` and `probability`; or the path of its file.
    rings : table of any library, optional
        Table `ring_members`, or the folder that `rings` wrote: members count as suspected whatever their score;
        those at other banks, too.
    kinds : tuple of str
        What may be exchanged: "account", and kinds of identifiers.
    least : float
        Least probability of a suspected account.

    Returns
    -------
    pyarrow.Table
        `ITEMS`, by kind and value. An identifier has the best band and ring of the accounts whose holders used it;
        first and last seen are the first and last transfer of the account in the snapshot.
    """
    unknown = set(kinds) - {"account", *IDENTIFIERS}
    if unknown:
        raise OptionError(f"kinds: {sorted(unknown)} cannot be exchanged; choose of {('account', *IDENTIFIERS)}.")
    probability, ring = _suspected(snapshot, scores, rings, least)
    accounts = np.flatnonzero(probability > 0)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    ids = snapshot.graph.account_ids.take(pa.array(accounts)).to_pylist()
    spans = [_span(snapshot, code) for code in accounts.tolist()]
    if "account" in kinds:
        for code, name, span in zip(accounts.tolist(), ids, spans, strict=True):
            _add(found, "account", name, float(probability[code]), ring.get(code), span)
    of_account = dict(zip(accounts.tolist(), spans, strict=True))
    for kind, value, code in _used(snapshot, accounts, tuple(kind for kind in kinds if kind != "account")):
        _add(found, kind, value, float(probability[code]), ring.get(code), of_account[code])
    rows = [row | {"band": band_of(row["band"])} for _, row in sorted(found.items())]
    return pa.Table.from_pylist(rows, ITEMS)


def band_of(probability: float) -> str:
    """Return the band of a probability; the lowest one for less."""
    return next((name for name, least in BANDS if probability >= least), BANDS[-1][0])


def opened(given: Any, what: str) -> pa.Table:
    """Return a table of any library, or that of a Parquet file, which in a folder is called `what`."""
    if not isinstance(given, str | Path):
        return as_arrow(given, what)
    place = Path(given) / f"{what}.parquet" if Path(given).is_dir() else Path(given)
    try:
        return read_parquet(place, what)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{what}: {place.name!r} is no Parquet file that can be read. Give what a command wrote."
        ) from error


def _suspected(snapshot: Snapshot, scores: Any, rings: Any, least: float) -> tuple[Float64Array, dict[int, str]]:
    """Return the probability of each suspected account (0 for others), and the ring of each member."""
    table = opened(scores, "scores")
    if not {"account_id", "probability"} <= set(table.column_names):
        raise DataError("exchange: scores need the columns account_id and probability. Give the file `score` wrote.")
    graph, probability = snapshot.graph, np.zeros(snapshot.graph.n_accounts)
    code = graph.codes(table["account_id"].cast(pa.string()))
    value = np.nan_to_num(table["probability"].to_numpy())
    rows = np.flatnonzero((code >= 0) & (value >= least))
    np.maximum.at(probability, code[rows], value[rows])
    ring: dict[int, str] = {}
    if rings is not None:
        members = opened(rings, "ring_members")
        codes = graph.codes(members["account_id"].cast(pa.string()))
        pairs = sorted(zip(codes.tolist(), members["ring_id"].cast(pa.string()).to_pylist(), strict=True), reverse=True)
        ring = {account: name for account, name in pairs if account >= 0}
        members_of = np.array(sorted(ring), np.int64)
        probability[members_of] = np.maximum(probability[members_of], BANDS[1][1])
    return probability * ~snapshot.serves_public, ring


def _span(snapshot: Snapshot, code: int) -> tuple[int | None, int | None]:
    graph, times = snapshot.graph, []
    for index in (graph.incoming, graph.outgoing):
        start, stop = int(index.start[code]), int(index.stop[code])
        if stop > start:
            times += [int(graph.time[index.transfer[start]]), int(graph.time[index.transfer[stop - 1]])]
    return (min(times), max(times)) if times else (None, None)


def _used(snapshot: Snapshot, accounts: Any, kinds: tuple[str, ...]) -> list[tuple[str, str, int]]:
    """Return kind, value and account of what the holders of accounts were known to have used before the moment."""
    found: list[tuple[str, str, int]] = []
    wanted = set(accounts.tolist())
    for kind in kinds:
        pairs = users_of(snapshot, kind)
        for value, users in pairs.items():
            if len(users) <= CROWD:
                found += [(kind, value, code) for code in sorted(users & wanted)]
    return found


def users_of(snapshot: Snapshot, kind: str) -> dict[str, set[int]]:
    """Return the accounts that were known to have used each value of a kind: identifiers and sessions."""
    pairs: dict[str, set[int]] = {}
    known = snapshot.identifiers(kind)
    rows = list(zip(known["account"].to_pylist(), known["value"].to_pylist(), strict=True))
    sessions = snapshot.tables.get("sessions")
    column = f"{kind}_hash"
    if sessions is not None and column in sessions.column_names:
        kept = sessions.filter(pc.is_valid(sessions[column]))
        codes = snapshot.graph.codes(kept["account_id"].cast(pa.string()))
        rows += list(zip(codes.tolist(), kept[column].cast(pa.string()).to_pylist(), strict=True))
    for code, value in rows:
        if code is not None and code >= 0 and value is not None:
            pairs.setdefault(value, set()).add(code)
    return pairs


def _add(
    found: dict[tuple[str, str], dict[str, Any]], kind: str, value: str, probability: float, ring: str | None,
    span: tuple[int | None, int | None],
) -> None:  # fmt: skip
    row = found.setdefault((kind, value), {"kind": kind, "value": value, "band": 0.0, "ring_id": None,
                                           "first_seen": None, "last_seen": None})  # fmt: skip
    if (probability, ring or "") > (row["band"], row["ring_id"] or ""):
        row["ring_id"] = ring or row["ring_id"]
    row["band"] = max(row["band"], probability)
    row["first_seen"] = min((time for time in (row["first_seen"], span[0]) if time is not None), default=None)
    row["last_seen"] = max((time for time in (row["last_seen"], span[1]) if time is not None), default=None)
