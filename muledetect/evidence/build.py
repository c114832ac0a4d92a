"""Put a pack together: pages, tables, what they were made from, and how; the same input gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from muledetect import schema
from muledetect.clock import format_time
from muledetect.errors import DataError, OptionError
from muledetect.evidence.case import Case, Kind, find_case
from muledetect.evidence.cut import (
    cut_accounts,
    cut_complaints,
    cut_rings,
    cut_traces,
    cut_transfers,
    group_bystanders,
    outside_ids,
)
from muledetect.evidence.pages import case_pages
from muledetect.facts import Snapshot
from muledetect.frames import as_arrow
from muledetect.holds.clocks import read_clocks
from muledetect.reports.accounts.release import OF_AGE, release_evidence
from muledetect.reports.exports import put_csv
from muledetect.reports.material import Material, Standing, gather_material
from muledetect.reports.pages import Language
from muledetect.rings import RingTables
from muledetect.tracing import Traces, trace

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MODEL: Final = "model.json"
CLOCKS: Final = "clocks.json"
#: Tables that a pack was given and cannot compute: they are held to their digest, and all else is computed from them.
GIVEN: Final = ("scores", "rings", "ring_members", "ring_links", "hold_states")
_PACKAGES: Final = ("muledetect", "numpy", "pandas", "pyarrow", "lightgbm", "jinja2")


@dataclass(frozen=True)
class Options:
    """What a pack was asked for.

    Attributes
    ----------
    kind : "account", "ring" or "complaint"
    name : str
        Id of it; a pseudonym in a pack for exchange.
    as_of : int
        Exclusive moment, microseconds.
    k : int
        Others are shown in groups of at least so many accounts.
    is_exchange : bool
        The pack is for another bank or agency: under pseudonyms.
    pack : str
        Country pack of the clocks of holds.
    language, zone : str
        Of the pages.
    n_ranked : int
        Accounts that were scored at the moment.
    """

    kind: Kind
    name: str
    as_of: int
    k: int = 5
    is_exchange: bool = False
    pack: str = "none"
    language: Language = "en"
    zone: str = "UTC"
    n_ranked: int = 0


@dataclass(frozen=True, eq=False)
class Given:
    """What a pack cannot compute from the data set.

    Attributes
    ----------
    scores : pyarrow.Table
        As schema.SCORES, of the moment or also of others.
    rings : RingTables
    hold_states : pyarrow.Table, optional
        As schema.HOLD_STATES, of the moment.
    model : mapping
        `config_hash`, `target`, `pack` and `features` of the model that scored; may be empty.
    clocks : str, optional
        Text of the file of clocks under which the holds stand.
    inputs : mapping of str to str
        SHA-256 of each input file by its name.
    versions : mapping of str to str
        Of Python and packages; by default those that run.
    """

    scores: pa.Table
    rings: RingTables = field(default_factory=RingTables)
    hold_states: pa.Table | None = None
    model: Mapping[str, Any] = field(default_factory=dict)
    clocks: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def build_pack(snapshot: Snapshot, options: Options, given: Given) -> dict[str, bytes]:
    """Return the members of a pack by name, without `digests.txt`.

    Parameters
    ----------
    snapshot : Snapshot
        What the bank knew at `options.as_of`; read under pseudonyms for exchange.
    options : Options
    given : Given

    Raises
    ------
    DataError, OptionError
        If an option is out of range, the case is not there, or no subject was scored.

    Notes
    -----
    O(transfers) and O(complaints * methods * accounts reached), as for a report.
    """
    if options.k < 2:
        raise OptionError(f"pack: k must be 2 or more, as a group of one hides nobody; got {options.k}.")
    if "complaints" not in snapshot.tables:
        raise DataError("pack: the data set has no table complaints; a case begins with one.")
    traces = trace(snapshot, steps=True)
    case = find_case(snapshot, traces, options.kind, options.name, given.rings)
    tables, groups = _tables(snapshot, traces, case, options, given)
    if wrong := outside_ids(tables, case):
        raise DataError(f"pack: accounts outside the case stand in {', '.join(wrong)}; nothing was written.")
    members = case_pages(
        _material(snapshot, tables, given), case, n_ranked=options.n_ranked, language=options.language,
        zone=options.zone, is_exchange=options.is_exchange,
    )  # fmt: skip
    for name, table in tables.items():
        members |= table_members(name, table, snapshot.currency)
    if given.model:
        members[MODEL] = _json(given.model)
    if given.clocks is not None:
        members[CLOCKS] = given.clocks.encode()
    members[MANIFEST] = _json(_manifest(snapshot, options, given, case, tables, groups))
    return members


def _tables(
    snapshot: Snapshot, traces: Traces, case: Case, options: Options, given: Given
) -> tuple[dict[str, pa.Table], dict[str, int]]:
    """Return the tables of a case by name, and how others are grouped."""
    transfers = cut_transfers(snapshot, case)
    own = set(transfers["transfer_id"].to_pylist())
    rings = cut_rings(given.rings, case, own)
    bystanders, n_dropped = group_bystanders(snapshot, case, options.k)
    tables = {
        "case_accounts": cut_accounts(snapshot, case),
        "scores": _cut_scores(given.scores, case, options.as_of),
        "transfers": transfers,
        "bystanders": bystanders,
        "complaints": cut_complaints(snapshot, case),
        **cut_traces(traces, case, options.k),
        **{name: getattr(rings, name) for name in ("rings", "ring_members", "ring_links")},
    }
    if given.hold_states is not None:
        states = _cut_states(given.hold_states, case, is_exchange=options.is_exchange)
        tables |= {"hold_states": states, "release": _release(snapshot, states, own, is_exchange=options.is_exchange)}
    return tables, {"k": options.k, "groups": bystanders.num_rows, "transfers_not_shown": n_dropped}


def _material(snapshot: Snapshot, tables: Mapping[str, pa.Table], given: Given) -> Material:
    """Return what pages are made from: scores, rings and holds of the case, and what is said of the model."""
    standing = None
    if given.clocks is not None and "hold_states" in tables:
        standing = Standing(tables["hold_states"], read_clocks("clocks", given.clocks))
    rings = RingTables(**{name: tables[name] for name in ("rings", "ring_members", "ring_links")})
    scores = tables["scores"]
    material = gather_material(
        snapshot, scores, rings=rings, n_alerts=max(scores["rank"].to_pylist()), standing=standing
    )
    if not given.model:
        return material
    about = {name: given.model.get(name) for name in ("config_hash", "target", "pack")}
    return replace(material, model=about | {"n_features": len(given.model["features"])})


def _cut_states(states: pa.Table, case: Case, *, is_exchange: bool) -> pa.Table:
    """Return the holds in subjects that stem from a complaint of the case, or from a payment."""
    named = pc.is_in(states["account_id"], value_set=pa.array(case.subjects, pa.string()))
    asked = pc.is_in(states["complaint_id"], value_set=pa.array(case.complaints, pa.string()))
    own = states.filter(pc.and_(named, pc.or_(asked, states["complaint_id"].is_null()))).sort_by("hold_id")
    if is_exchange:  # who decided and why is free text, and may name people
        for column in ("decided_by", "why"):
            own = own.set_column(own.column_names.index(column), column, pa.array([""] * len(own), pa.string()))
    return own


def _cut_scores(scores: pa.Table, case: Case, as_of: int) -> pa.Table:
    """Return the scores of the subjects at the moment, with what the metadata of the table say."""
    table = as_arrow(scores, "scores")
    lacking = [name for name in schema.SCORES.names if name not in table.column_names]
    if lacking:
        raise DataError(f"scores: column(s) {', '.join(lacking)} are missing; give the table that `score` wrote.")
    named = pc.is_in(table["account_id"].cast(pa.string()), value_set=pa.array(case.subjects, pa.string()))
    at = pc.equal(table["as_of"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()), as_of)
    rows = (
        table.filter(pc.and_(named, at))
        .select(schema.SCORES.names)
        .sort_by([("rank", "ascending"), ("account_id", "ascending")])
    )
    if not rows.num_rows:
        raise OptionError("pack: no account of the case was scored at this moment. Score at the same as_of.")
    meta = {key: value for key, value in (table.schema.metadata or {}).items() if key.startswith(b"muledetect.")}
    return rows.cast(schema.SCORES.arrow_schema.with_metadata(meta)).combine_chunks()


def _release(snapshot: Snapshot, states: pa.Table, own: set[str], *, is_exchange: bool) -> pa.Table:
    """Return what speaks for release, with transfers of the case alone; the age of a holder stays at home."""
    found = release_evidence(snapshot, states)
    if is_exchange:
        found = found.filter(pc.invert(pc.is_in(found["code"], value_set=pa.array(OF_AGE))))
    cells = [[name for name in cell if name in own] for cell in found["transfers"].to_pylist()]
    at = found.column_names.index("transfers")
    return found.set_column(at, found.schema.field(at), pa.array(cells, found.schema.field(at).type))


def table_members(name: str, table: pa.Table, currency: str) -> dict[str, bytes]:
    """Return a table as Parquet, and as CSV in which no text can run as a formula."""
    # made anew, so that no trace of how the table came about (chunks, slices, buffers) is in the bytes
    file, plain = io.BytesIO(), pa.Table.from_pylist(table.to_pylist(), table.schema)
    pq.write_table(plain, file, compression="zstd")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        put_csv(plain, path, currency=currency or None)
        text = path.read_bytes()
    return {f"tables/{name}.parquet": file.getvalue(), f"tables/{name}.csv": text}


def running_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that make the bytes of a pack."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def _manifest(
    snapshot: Snapshot, options: Options, given: Given, case: Case, tables: Mapping[str, pa.Table],
    groups: Mapping[str, int],
) -> dict[str, Any]:  # fmt: skip
    shared = [{"table": name, "rows": len(table), "columns": table.column_names} for name, table in tables.items()]
    said = (
        f"muledetect pack DATASET --{options.kind} {options.name} --scores SCORES --as-of {format_time(options.as_of)}"
    )
    return {
        "format": FORMAT,
        "about": "Suspicion, not a finding. Internal: do not disclose to the customer.",
        "command": f"{said} --k {options.k}{' --pseudonymise KEYFILE' if options.is_exchange else ''}",
        "options": asdict(options),
        "versions": dict(given.versions) or running_versions(),
        "data_set": snapshot.fingerprint,
        "inputs": dict(sorted(given.inputs.items())),
        "model": None if not given.model else hashlib.sha256(_json(given.model)).hexdigest(),
        "clocks": None if given.clocks is None else hashlib.sha256(given.clocks.encode()).hexdigest(),
        "case": {"subjects": len(case.subjects), "complainants": len(case.complainants),
                 "recipients": len(case.recipients), "complaints": list(case.complaints)},
        "given": [name for name in GIVEN if name in tables],
        "bystanders": dict(groups),
        "shared": shared,
    }  # fmt: skip


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
