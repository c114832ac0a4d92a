"""What a pack is made from: scores, rings, holds and model in the names of the data set, and what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from muledetect import schema
from muledetect.clock import Moment
from muledetect.errors import OptionError
from muledetect.evidence.build import Given, Options
from muledetect.evidence.case import Kind
from muledetect.facts import Snapshot
from muledetect.frames import as_arrow
from muledetect.holds import hold_states
from muledetect.holds.clocks import clocks_text
from muledetect.model import MuleModel
from muledetect.model.store import config_hash
from muledetect.records import Dataset
from muledetect.records.pseudonyms import Pseudonyms, as_pseudonyms, looks_hidden, refuse_other_names
from muledetect.reports.pages import Language
from muledetect.rings import RingTables


def prepare_pack(
    dataset: Dataset,
    scores: Any,
    as_of: Moment,
    *,
    names: Mapping[Kind, str | None],
    rings: RingTables | None = None,
    model: MuleModel | None = None,
    holds: Any = None,
    pack: str = "none",
    k: int = 5,
    key: Pseudonyms | str | Path | None = None,
    language: Language = "en",
    zone: str = "UTC",
    inputs: Mapping[str, str] | None = None,
) -> tuple[Snapshot, Options, Given]:
    """Return the snapshot, the options and what is given of a pack, all in the names of the data set.

    Tables with plain ids get pseudonyms where a key is given; see `muledetect.pipeline.pack` for the parameters.
    """
    asked = [(kind, name) for kind, name in names.items() if name is not None]
    if len(asked) != 1:
        raise OptionError(f"pack: say one of account, ring and complaint; got {len(asked)} of them.")
    (kind, name), hidden, snapshot = asked[0], as_pseudonyms(key), Snapshot(dataset, as_of)
    own_scores, found = as_arrow(scores, "scores"), rings or RingTables()
    states = None if holds is None else hold_states(holds, snapshot.as_of, pack)
    if hidden is not None:
        first = dataset.account_ids.slice(0, 1)
        if not pc.all(looks_hidden(first)).as_py():
            raise OptionError(
                "pack: the data set has plain ids. Read it with the key (read_dataset(pseudonymise=key))."
            )
        if kind == "account":
            name = _hidden(hidden, pa.array([name]), schema.SCORES.name)[0].as_py()
        if kind == "ring":
            name = _hidden(hidden, pa.array([name]), schema.RINGS.name)[0].as_py()
        own_scores, found = _hide(hidden, own_scores, schema.SCORES), _hide_rings(hidden, found)
        states = None if states is None else _hide(hidden, states, schema.HOLD_STATES)
    for where, table in {"scores": own_scores, "rings": found.ring_members, "holds": states}.items():
        if table is not None:
            refuse_other_names(table["account_id"], dataset.account_ids, f"{where}: column 'account_id'")
    at = own_scores["as_of"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    n_ranked = int(pc.sum(pc.equal(at, snapshot.as_of)).as_py() or 0)
    options = Options(kind, name, snapshot.as_of, k, hidden is not None, Path(pack).stem, language, zone, n_ranked)
    clocks = None if holds is None else clocks_text(pack)
    return snapshot, options, Given(own_scores, found, states, _about(model), clocks, dict(inputs or {}))


def _about(model: MuleModel | None) -> dict[str, Any]:
    if model is None:
        return {}
    origin = getattr(model, "trained_on_", None)
    about = {"target": getattr(origin, "target", None), "pack": getattr(origin, "pack", None)}
    return {"config_hash": config_hash(model), **about, "features": list(model.feature_names_in_)}


def _hidden(key: Pseudonyms, ids: Any, where: str) -> Any:
    """Return ids as pseudonyms; those that are pseudonyms already stay."""
    seen = looks_hidden(ids)
    made = key.hide(pc.if_else(seen, pa.scalar(None, ids.type), ids), where)
    return pc.if_else(seen, ids, made)


def _hide(key: Pseudonyms, table: pa.Table, declared: schema.Table) -> pa.Table:
    """Return a table with pseudonyms for its accounts, and for its rings: a ring's id is a digest of its members."""
    names = [column.name for column in declared.columns if column.who is not None or column.name == "ring_id"]
    for name in names:
        if name in table.column_names:
            ids = table[name].cast(pa.string())
            table = table.set_column(table.column_names.index(name), name, _hidden(key, ids, f"{declared.name}.{name}"))
    return table


def _hide_rings(key: Pseudonyms, rings: RingTables) -> RingTables:
    return RingTables(
        rings=_hide(key, rings.rings, schema.RINGS),
        ring_members=_hide(key, rings.ring_members, schema.RING_MEMBERS),
        ring_links=_hide(key, rings.ring_links, schema.RING_LINKS),
    )
