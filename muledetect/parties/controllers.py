"""Who or what controls accounts of several parties: devices, contacts, first payers, directors.

People who live together share phones and devices, and parents pay the first money into an account: only parties of
different households count. What hundreds use is a branch's tablet or a public desk, and controls nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from muledetect import schema
from muledetect.arrays import MISSING, NEVER, Int64Array
from muledetect.clock import DAY
from muledetect.facts import Snapshot
from muledetect.facts.columns import numbers, texts
from muledetect.frames import as_arrow
from muledetect.parties.families import MOST_SHARERS
from muledetect.parties.party import WORDS, Parties

#: Kinds of identifiers by which each kind of controller is known.
THINGS: Final = {"device": ("device", "imei", "sim"), "contact": ("phone", "email"), "director": ("director",)}
#: Households from which on a thing or a payer controls; companies of one director.
LEAST_HOUSEHOLDS: Final = {"device": 3, "contact": 3, "funder": 3, "director": 2}
#: What more parties than this share is public.
PUBLIC: Final = 200
#: The first money into an account counts so long after its opening.
FIRST_DAYS: Final = 30 * DAY
#: Who paid more accounts than this in all is a business.
MOST_PAYEES: Final = 100

_COLUMNS: Final = ("kind", "value", "item", "account", "time")


def find_controllers(snapshot: Snapshot, parties: Parties, scores: Any = None) -> Parties:
    """Return the parties with their controllers, the most suspicious first.

    Parameters
    ----------
    snapshot : Snapshot
        In which the parties were found.
    parties : Parties
    scores : table, optional
        `account_id`, `probability`: how many mules a controller is expected to have.

    Notes
    -----
    Two parties live together if they share an address that at most 30 parties have; for phones and e-mails, 200.
    O(identifiers + first transfers).
    """
    account_party = _party_of_accounts(snapshot, parties)
    parts = [*_things(snapshot), _funders(snapshot)]
    uses = pd.concat([part[list(_COLUMNS)] for part in parts], ignore_index=True)
    uses["party"] = account_party[uses["account"].to_numpy(np.int64)]
    uses = uses[uses["party"] >= 0].sort_values(["kind", "value", "account", "time", "item"])
    uses = uses.drop_duplicates(["kind", "value", "account"]).reset_index(drop=True)
    home = _households(snapshot, account_party, len(parties), MOST_SHARERS)
    # a dormitory's desk is on file for all who live there
    house = _households(snapshot, account_party, len(parties), PUBLIC)
    party = uses["party"].to_numpy(np.int64)
    uses["household"] = np.where(uses["kind"] == "contact", house[party], home[party])
    by_thing = uses.groupby(["kind", "value"], sort=False)
    n_households, n_parties = (by_thing[name].transform("nunique") for name in ("household", "party"))
    keep = (n_households >= uses["kind"].map(LEAST_HOUSEHOLDS)) & (n_parties <= PUBLIC)
    if not keep.any():
        return parties
    uses = uses[keep].assign(expected=_probability(snapshot, scores)[uses["account"][keep].to_numpy(np.int64)])
    return _with_tables(snapshot, parties, uses, account_party, has_scores=scores is not None)


def _party_of_accounts(snapshot: Snapshot, parties: Parties) -> Int64Array:
    members = parties.party_members
    code = snapshot.graph.codes(texts(members, "account_id"))
    number = pc.index_in(texts(members, "party_id"), value_set=texts(parties.parties, "party_id")).to_numpy()
    found = np.full(snapshot.graph.n_accounts, -1, np.int64)
    found[code[code >= 0]] = number[code >= 0]
    return found


def _things(snapshot: Snapshot) -> Iterator[pd.DataFrame]:
    """Yield what each account, or its holder, used or has on file."""
    yield pd.DataFrame({name: pd.Series(dtype=object if name in ("kind", "value", "item") else np.int64)
                        for name in _COLUMNS})  # fmt: skip
    for controller, kinds in THINGS.items():
        for kind in kinds:
            table = snapshot.identifiers(kind)
            value = texts(table, "value").to_pylist()
            yield pd.DataFrame({
                "kind": controller, "value": pd.Series(value, dtype=object), "item": pd.Series(value, dtype=object),
                "account": table["account"].to_numpy().astype(np.int64), "time": numbers(table, "since"),
            })  # fmt: skip
    sessions = snapshot.tables.get("sessions")
    if sessions is not None and "device_hash" in sessions.column_names:
        pairs = sessions.select(["account_id", "device_hash", "time"]).filter(pc.is_valid(sessions["device_hash"]))
        first = pairs.group_by(["account_id", "device_hash"], use_threads=False).aggregate([("time", "min")])
        value = texts(first, "device_hash").to_pylist()
        code = snapshot.graph.codes(first["account_id"]).astype(np.int64)
        yield pd.DataFrame({
            "kind": "device", "value": pd.Series(value, dtype=object), "item": pd.Series(value, dtype=object),
            "account": code, "time": numbers(first, "time_min"),
        })[code >= 0]  # fmt: skip


def _funders(snapshot: Snapshot) -> pd.DataFrame:
    """Return the first money into each account, from an account of a person: value is the payer."""
    graph, accounts = snapshot.graph, snapshot.accounts
    used = np.flatnonzero((graph.incoming.stop > graph.incoming.start) & (accounts.opened_at != MISSING))
    first = graph.incoming.transfer[graph.incoming.start[used]]
    payer = graph.source[first].astype(np.int64)
    age = graph.time[first] - accounts.opened_at[used]
    kind = accounts.kind[payer]
    personal = (kind < 0) | np.isin(kind, [schema.ACCOUNT_KINDS.index(name) for name in ("individual", "joint")])
    keep = snapshot.is_between_accounts[first] & (age >= 0) & (age <= FIRST_DAYS) & personal
    n_payees = {one: len(np.unique(graph.target[_paid(snapshot, one)])) for one in np.unique(payer[keep]).tolist()}
    keep &= np.array([n_payees.get(one, 0) <= MOST_PAYEES for one in payer.tolist()], np.bool_)
    ids = snapshot.tables["transfers"]["transfer_id"].take(pa.array(first[keep])).cast(pa.string())
    return pd.DataFrame({
        "kind": "funder", "value": pd.Series(graph.account_ids.take(pa.array(payer[keep])).to_pylist(), dtype=object),
        "item": pd.Series(ids.to_pylist(), dtype=object), "account": used[keep].astype(np.int64),
        "time": graph.time[first[keep]],
    })  # fmt: skip


def _paid(snapshot: Snapshot, account: int) -> Int64Array:
    out = snapshot.graph.outgoing
    return np.asarray(out.transfer[out.start[account] : out.stop[account]])


def _households(snapshot: Snapshot, account_party: Int64Array, n: int, most: int) -> Int64Array:
    """Return the household of each party: parties that share an address of at most `most`."""
    table = snapshot.identifiers("address")
    lives = pd.DataFrame(
        {"party": account_party[table["account"].to_numpy()], "value": texts(table, "value").to_pylist()}
    )
    lives = lives[lives["party"] >= 0].drop_duplicates()
    lives = lives[lives.groupby("value")["party"].transform("size") <= most]
    first = lives.groupby("value", sort=False)["party"].transform("first")
    bonds = coo_array((np.ones(len(lives), np.int8), (lives["party"], first)), shape=(n, n))
    return np.asarray(connected_components(bonds, directed=False)[1], np.int64)


def _probability(snapshot: Snapshot, scores: Any) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    found = np.zeros(snapshot.graph.n_accounts)
    if scores is not None:
        table = as_arrow(scores, "scores")
        code = snapshot.graph.codes(table["account_id"])
        found[code[code >= 0]] = table["probability"].to_numpy()[code >= 0]
    return found


def _with_tables(
    snapshot: Snapshot, parties: Parties, uses: pd.DataFrame, account_party: Int64Array, *, has_scores: bool
) -> Parties:
    # sums in order of size: no order of accounts shows in them
    uses = uses.sort_values(["kind", "value", "expected"])
    sums = uses.groupby(["kind", "value"], as_index=False).agg(
        n_parties=("party", "nunique"), n_households=("household", "nunique"), n_accounts=("account", "nunique"),
        expected=("expected", "sum"), first=("time", "min"), last=("time", "max"),
    )  # fmt: skip
    sums["controller_id"] = [_name(kind, value) for kind, value in zip(sums["kind"], sums["value"], strict=True)]
    sums = sums.sort_values(["expected", "n_households", "n_accounts", "controller_id"],
                            ascending=[False, False, False, True])  # fmt: skip
    names = texts(parties.parties, "party_id")
    payer = snapshot.graph.codes(pa.array(sums["value"].where(sums["kind"] == "funder"), pa.string()))
    own = np.where(payer >= 0, account_party[payer], -1)
    said = [{name: _sentence(row, name) for name in ("en", "th")} for row in sums.to_dict("records")]
    controllers = schema.CONTROLLERS.filled(
        **{name: pa.array(sums[name]) for name in ("controller_id", "kind", "value", "n_parties", "n_households",
                                                   "n_accounts")},
        party_id=names.take(pa.array(own, mask=own < 0)),
        expected_mules=pa.array(sums["expected"], mask=np.full(len(sums), not has_scores)),
        first_time=_times(sums["first"]),
        last_time=_times(sums["last"]),
        text=[one["en"] for one in said],
        text_th=[one["th"] for one in said],
    )  # fmt: skip
    rows = uses.merge(sums[["kind", "value", "controller_id"]], on=["kind", "value"])
    controlled = schema.CONTROLLED_ACCOUNTS.filled(
        controller_id=pa.array(rows["controller_id"], pa.string()),
        account_id=snapshot.graph.account_ids.take(pa.array(rows["account"].to_numpy())),
        party_id=names.take(pa.array(rows["party"].to_numpy())),
        item=pa.array(rows["item"], pa.string()),
        time=_times(rows["time"]),
    ).sort_by([("controller_id", "ascending"), ("account_id", "ascending")])
    return replace(parties, controllers=controllers, controlled_accounts=controlled)


def _times(moments: pd.Series) -> pa.Array:
    values = moments.to_numpy(np.int64)
    return pa.array(values, mask=(values == MISSING) | (values == NEVER))


def _name(kind: str, value: str) -> str:
    return "C" + hashlib.sha256(f"{kind} {value}".encode()).hexdigest()[:12]


def _sentence(row: Mapping[Any, Any], language: str) -> str:
    sentence: str = WORDS["controllers"][row["kind"]][language]
    for name in ("accounts", "parties", "households"):
        sentence = sentence.replace("{" + name + "}", f"{row[f'n_{name}']:,}")
    return sentence
