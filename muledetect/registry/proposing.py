"""What this bank proposes to a registry: accounts that a score suspects, in the lowest tier of the scheme, never above.

A score is no finding about a person. So a proposal has the status "proposed", which no registry holds: an officer of
the bank looks at the account and lists it, or does not. Nothing here takes a tier, and `write_proposals` refuses rows
in any other than the lowest.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import Moment, parse_time, to_datetime
from muledetect.errors import DataError, OptionError
from muledetect.frames import as_arrow
from muledetect.outputs import check_output
from muledetect.outputs.kinds import PROPOSALS
from muledetect.records.intake import read_parquet
from muledetect.registry.files import write_file
from muledetect.registry.history import history_of, open_registry
from muledetect.registry.importing import entry_id
from muledetect.registry.schemes import Scheme, load_scheme
from muledetect.schema import INPUTS
from muledetect.score_basis import read_basis

PROPOSED: Final = "proposed"
#: Tier of the scores from which on an account is proposed.
SUSPECTED: Final = "suspected"
#: Reasons of a score that are told, the strongest.
_MOST_REASONS: Final = 5

_TIME: Final = pa.timestamp("us", tz="UTC")
#: Columns of proposals: those of table `registry`, and what registries had said of the account before.
TABLE: Final = pa.schema([*INPUTS["registry"].arrow_schema, pa.field("history", pa.string())])


def propose(
    scores: Any,
    *,
    scheme: str | Path | Scheme,
    listed_by: str,
    as_of: Moment | None = None,
    registry: pa.Table | None = None,
) -> pa.Table:
    """Return proposals for the accounts that a score suspects.

    Parameters
    ----------
    scores : table of any library
        As `score` made them, with tiers.
    scheme : str, path or Scheme
        See `load_scheme`.
    listed_by : str
        Id of this bank in the scheme.
    as_of : Moment, optional
        Which moment of the scores; the latest by default.
    registry : pyarrow.Table, optional
        Table `registry`: what it had said of an account by then stands in `history`, so that whoever was removed after
        an appeal is not listed again unseen.

    Returns
    -------
    pyarrow.Table
        `TABLE`, in order of the score. `tier` is the lowest of the scheme, `reliability` the probability of the score,
        null where the prevalence of the bank is unknown; `reason` the sentences of the score; `valid_to` when the
        proposal expires.

    Raises
    ------
    DataError
        If the scores have no tiers, or none of the moment.
    """
    used = scheme if isinstance(scheme, Scheme) else load_scheme(scheme)
    table = as_arrow(scores, "scores")
    missing = {"account_id", "as_of", "score", "tier"} - set(table.column_names)
    if missing:
        raise DataError(f"scores: columns {sorted(missing)} are missing. Give the file that `score` wrote.")
    basis = read_basis(table)
    made_at = table["as_of"].cast(_TIME).cast(pa.int64())
    moment = pc.max(made_at).as_py() if as_of is None else parse_time(as_of)
    if moment is None or not pc.any(pc.equal(made_at, moment)).as_py():
        raise DataError("scores: there is none of this moment. Leave as_of out for the latest, or score at it.")
    is_wanted = pc.and_(pc.equal(made_at, moment), pc.equal(table["tier"].cast(pa.string()), SUSPECTED))
    rows = table.filter(is_wanted).sort_by([("score", "descending"), ("account_id", "ascending")]).to_pylist()
    known = history_of(registry, moment) if registry is not None else {}
    is_level_known = basis is None or basis.source != "unknown"
    return pa.Table.from_pylist([_proposal(row, used, listed_by, moment, known, is_level_known) for row in rows], TABLE)


def _proposal(
    row: dict[str, Any], scheme: Scheme, listed_by: str, moment: int, known: dict[tuple[str, str], str], is_level: bool
) -> dict[str, Any]:
    time, tier, account = to_datetime(moment), scheme.lowest, row["account_id"]
    reasons = [reason["text"] for reason in (row.get("reasons") or [])[:_MOST_REASONS] if reason["text"]]
    return {
        "scheme": scheme.name, "entry_id": entry_id(scheme.name, listed_by, "account", account),
        "subject_kind": "account", "subject_id": account, "status": PROPOSED, "tier": tier.name,
        "reliability": row.get("probability") if is_level else None,
        "valid_from": time, "known_ts": time, "listed_by": listed_by, "is_own": True,
        "valid_to": None if tier.expires_after is None else time + timedelta(microseconds=tier.expires_after),
        "reason": ". ".join(reasons) or None, "history": known.get(("account", account)),
    }  # fmt: skip


def export_proposals(
    scores: Any,
    output: str | Path,
    *,
    scheme: str | Path | Scheme,
    listed_by: str,
    as_of: Moment | None = None,
    registry: str | Path | pa.Table | None = None,
    overwrite: bool = False,
) -> pa.Table:
    """Propose as `propose` does, and write the proposals to a file; return them.

    Parameters
    ----------
    scores : table of any library, or path
        As `score` made them.
    output : path
        Ends in .csv, .json or .parquet.
    scheme, listed_by, as_of
        As for `propose`.
    registry : path or pyarrow.Table, optional
        A registry, or the data set that holds one.
    overwrite : bool
        Also replace what is not ours, or was changed.
    """
    used = scheme if isinstance(scheme, Scheme) else load_scheme(scheme)
    check_output(output, PROPOSALS, inputs=(scores, registry), overwrite=overwrite)
    held = None if registry is None else open_registry(registry)
    table = read_parquet(Path(scores), "scores") if isinstance(scores, str | Path) else scores
    found = propose(table, scheme=used, listed_by=listed_by, as_of=as_of, registry=held)
    write_proposals(found, output, scheme=used, overwrite=overwrite)
    return found


def write_proposals(
    proposals: pa.Table, path: str | Path, *, scheme: str | Path | Scheme, overwrite: bool = False
) -> None:
    """Write proposals to a file that ends in .csv, .json or .parquet.

    Parameters
    ----------
    proposals : pyarrow.Table
        As `propose` made them; an officer may have left rows out.
    path : path
    scheme : str, path or Scheme
    overwrite : bool
        Also replace what is not ours, or was changed.

    Raises
    ------
    OptionError
        If a row is in another tier than the lowest of the scheme, or is no proposal; nothing is written then.
    """
    used = scheme if isinstance(scheme, Scheme) else load_scheme(scheme)
    check_output(path, PROPOSALS, overwrite=overwrite)
    for name, only in (("tier", used.lowest.name), ("status", PROPOSED), ("scheme", used.name)):
        others = set(proposals[name].to_pylist()) - {only}
        if others:
            raise OptionError(
                f"proposals: column {name!r} must be {only!r}; got {sorted(map(str, others))}. A score proposes the "
                "lowest tier; only people list in a higher one, in the registry itself."
            )
    times = proposals["known_ts"].cast(pa.int64()).to_pylist()
    write_file(proposals, path, PROPOSALS, made_at=max(times, default=0), overwrite=overwrite)
