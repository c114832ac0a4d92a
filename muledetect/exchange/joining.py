"""What two banks make of matches: evidence for the next search of rings, and which of their rings belong together.

A match says that another bank suspects the same account, or somebody who uses the same thing. It becomes a statement of
table `registry` about accounts of this data set, with a reliability and the moment of receipt; `registry-import` brings
it in, and scores and rings read it as they read any other registry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa

from muledetect.clock import Duration, parse_duration
from muledetect.errors import OptionError
from muledetect.exchange.items import BANDS, opened, users_of
from muledetect.facts import Snapshot
from muledetect.facts.sightings import CROWD
from muledetect.outputs import check_output
from muledetect.outputs.kinds import STATEMENTS
from muledetect.records import write_table
from muledetect.schema import INPUTS

#: Scheme of the statements, of which the tiers are the bands; and the tier where none is told.
SCHEME: Final = "exchange"
LOWEST: Final = BANDS[-1][0]

#: Reliability of a band: about the share of accounts of that probability that are mules. For an unknown band the least.
BAND_RELIABILITY: Final[Mapping[str | None, float]] = MappingProxyType(
    {"high": 0.85, "medium": 0.6, "low": 0.35, None: 0.35}
)

#: What is left of it where the match is a thing, not the account itself: who else uses it may be another person. More
#: than this brings people of one home or shop into rings, see decision 061.
KIND_SHARE: Final[Mapping[str, float]] = MappingProxyType(
    {"account": 1.0, "id_number": 1.0, **dict.fromkeys(("device", "imei", "sim", "phone", "email", "wallet"), 0.4),
     **dict.fromkeys(("wifi", "ip", "address"), 0.15)}
)  # fmt: skip


def as_registry(
    matches: Any,
    snapshot: Snapshot,
    *,
    bands: Mapping[str | None, float] = BAND_RELIABILITY,
    kinds: Mapping[str, float] = KIND_SHARE,
    stands_for: Duration = "90d",
    output: str | Path | None = None,
    overwrite: bool = False,
) -> pa.Table:
    """Return matches as statements of table `registry` about accounts of a data set.

    Parameters
    ----------
    matches : table of any library
        As `finish` wrote them.
    snapshot : Snapshot
        At the moment of receipt: who was known by then to have used a thing.
    bands, kinds : mapping of str to float
        Reliability of each band, and the share of it that is left for each kind of thing. Ask the partner how many of
        its accounts of a band were mules.
    stands_for : duration
        How long a statement stands.
    output : path, optional
        Parquet file of the statements, which `registry-import` takes with scheme `exchange`.
    overwrite : bool
        Also replace what is not ours, or was changed.

    Returns
    -------
    pyarrow.Table
        `INPUTS["registry"]`: a matched account, and each account whose holder used a matched thing of at most 20
        accounts, one entry an account and match. Reliability is band x kind.
    """
    if output is not None:
        check_output(output, STATEMENTS, inputs=(matches,), overwrite=overwrite)
    table, graph = opened(matches, "matches"), snapshot.graph
    ids, rows = graph.account_ids, []
    users: dict[str, dict[str, set[int]]] = {}
    for match in table.to_pylist():
        kind, value = match["kind"], match["value"]
        if kind not in kinds:
            raise OptionError(f"exchange: say in `kinds` how far matches of kind {kind!r} are trusted.")
        if kind == "account":
            accounts = {int(graph.codes(pa.array([value]))[0])} - {-1}
        else:
            accounts = users.setdefault(kind, users_of(snapshot, kind)).get(value, set())
        if len(accounts) <= CROWD:
            reliability = bands.get(match["their_band"], min(bands.values())) * kinds[kind]
            rows += [_statement(match, ids[code].as_py(), reliability, stands_for) for code in sorted(accounts)]
    rows.sort(key=lambda row: (row["entry_id"], row["subject_id"], -row["reliability"]))
    found = pa.Table.from_pylist(rows, INPUTS["registry"].arrow_schema)
    if output is not None:
        write_table(found, output, output=STATEMENTS, overwrite=overwrite)
    return found


def _statement(match: dict[str, Any], account: str, reliability: float, stands_for: Duration) -> dict[str, Any]:
    known, thing = match["known_ts"], hashlib.sha256(f"{match['kind']}\x1f{match['value']}".encode()).hexdigest()[:12]
    return {
        "scheme": SCHEME, "entry_id": f"{match['run']}-{thing}", "subject_kind": "account", "subject_id": account,
        "status": "listed", "tier": match["their_band"] or LOWEST, "reliability": reliability, "valid_from": known,
        "known_ts": known, "valid_to": known + timedelta(microseconds=parse_duration(stands_for)),
        "listed_by": match["partner"], "is_own": False,
        "reason": f"the bank suspects the same {match['kind']}",
    }  # fmt: skip


def shared_rings(matches: Any) -> pa.Table:
    """Return which rings of this bank and of a partner share things.

    Parameters
    ----------
    matches : table of any library
        As `finish` wrote them.

    Returns
    -------
    pyarrow.Table
        `ring_id`, `partner`, `their_ring`, `n_things`, `kinds`: one row a pair of rings, the most things first.
    """
    pairs: dict[tuple[str, str, str], list[str]] = {}
    for match in opened(matches, "matches").to_pylist():
        if match["ring_id"] is not None and match["their_ring"] is not None:
            pairs.setdefault((match["ring_id"], match["partner"], match["their_ring"]), []).append(match["kind"])
    rows = [
        {"ring_id": ring, "partner": partner, "their_ring": theirs, "n_things": len(kinds),
         "kinds": ", ".join(sorted(set(kinds)))}
        for (ring, partner, theirs), kinds in sorted(pairs.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    ]  # fmt: skip
    types = dict.fromkeys(("ring_id", "partner", "their_ring"), pa.string()) | {
        "n_things": pa.int64(),
        "kinds": pa.string(),
    }
    return pa.Table.from_pylist(rows, pa.schema(types))
