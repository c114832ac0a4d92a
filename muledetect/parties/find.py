"""From records of holders to parties: candidates, weights, clusters, and the reasons in words."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from muledetect import schema
from muledetect.arrays import MISSING, NEVER, Float64Array, Int64Array
from muledetect.errors import OptionError
from muledetect.facts import Snapshot
from muledetect.parties.clusters import find_clusters
from muledetect.parties.families import FAMILIES
from muledetect.parties.pairs import Compared, Comparer
from muledetect.parties.party import WORDS, Parties
from muledetect.parties.people import UNKNOWN, People, read_people
from muledetect.progress import Progress, silent

_SORTS: Final = ("person", "company")


def find_parties(
    snapshot: Snapshot,
    *,
    duplicates: float = 0.1,
    min_probability: float = 0.9,
    progress: Progress | None = None,
) -> Parties:
    """Find which records of holders are one person or company, as known at a moment.

    Parameters
    ----------
    snapshot : Snapshot
        With a table `accounts`; `holders`, `identifiers` and `sessions` say what records have in common.
    duplicates : float
        Other records of the same person that a record has, on average: of the bank, or of the banks that are compared.
    min_probability : float
        Two records bind if they are one person with at least this probability.
    progress : callable, optional
        Called with the stage in words and the fraction done.

    Returns
    -------
    Parties
        Without scores and controllers, see `score_parties` and `find_controllers`.

    Raises
    ------
    OptionError
        If an option is out of range.

    Notes
    -----
    Pairs that share a rare value are compared by family of evidence (`families.FAMILIES`): log-odds after Fellegi and
    Sunter, a common value counting less. There are two rivals: the two are strangers that look alike, or they live
    together, which explains all contacts. The log-odds of one person are `-log(exp(-strangers) + exp(-household))`. A
    party holds if each member matches half of the others, see `clusters`. O(records * (values + most sharers)).
    """
    if not 0 < duplicates < 10:
        raise OptionError(f"parties: duplicates must lie between 0 and 10; got {duplicates}.")
    if not 0.5 <= min_probability < 1:
        raise OptionError(f"parties: min_probability must be at least 0.5 and below 1; got {min_probability}.")
    tell = progress or silent
    tell("records", 0.0)
    people = read_people(snapshot)
    comparer = Comparer(people, duplicates)
    tell("pairs", 0.3)
    compared = comparer.compare(*comparer.candidates())
    least = float(np.log(min_probability / (1 - min_probability)))
    tell("parties", 0.7)
    party = find_clusters(comparer, compared.a, compared.b, compared.log_odds, least, len(people))
    inside = np.flatnonzero((party[compared.a] == party[compared.b]) & (compared.log_odds > 0))
    fit = np.where(np.bincount(party)[party] == 1, 1.0, 0.0)
    for side in (compared.a, compared.b):
        np.maximum.at(fit, side[inside], compared.probability[inside])
    names = _names(people, party)
    return Parties(
        parties=_parties(snapshot, people, party, fit, names),
        party_members=_members(snapshot, people, party, fit, names),
        party_evidence=_evidence(people, compared, inside, party, names),
    )


def _names(people: People, party: Int64Array) -> list[str]:
    """Name each party by its record that was known first: the name stays when others join."""
    rows = pd.DataFrame({"party": party, "since": people.since, "id": people.id.to_pylist(), "own": people.is_holder})
    first = rows.sort_values(["party", "since", "id"], kind="stable").drop_duplicates("party")
    return [
        "P" + hashlib.sha256(f"{'holder' if own else 'account'} {name}".encode()).hexdigest()[:12]
        for name, own in zip(first["id"], first["own"], strict=True)
    ]


def _parties(snapshot: Snapshot, people: People, party: Int64Array, fit: Float64Array, names: list[str]) -> pa.Table:
    n = len(names)
    accounts = people.of_account[people.of_account >= 0]
    probability, since = np.ones(n), np.full(n, NEVER)
    np.minimum.at(probability, party, fit)
    np.minimum.at(since, party, people.since)
    sort = np.full(n, UNKNOWN, np.int8)
    np.maximum.at(sort, party, people.sort)
    kinds = pa.array([*_SORTS, None], pa.string())
    table = schema.PARTIES.filled(
        party_id=pa.array(names, pa.string()),
        as_of=np.full(n, snapshot.as_of),
        kind=kinds.take(pa.array(np.where(sort < 0, len(_SORTS), sort))),
        n_holders=np.bincount(party, minlength=n),
        n_accounts=np.bincount(party[accounts], minlength=n),
        probability=probability,
        since=pa.array(since, mask=since == NEVER),
    )
    return table.sort_by("party_id")


def _members(snapshot: Snapshot, people: People, party: Int64Array, fit: Float64Array, names: list[str]) -> pa.Table:
    account = np.flatnonzero(people.of_account >= 0)
    person = people.of_account[account].astype(np.int64)
    bare = np.setdiff1d(np.arange(len(people)), person)
    person = np.concatenate([person, bare])
    account = np.concatenate([account, np.full(len(bare), MISSING)])
    since = people.since[person]
    table = schema.PARTY_MEMBERS.filled(
        party_id=pa.array(names, pa.string()).take(pa.array(party[person])),
        holder_id=people.id.take(pa.array(person, mask=~people.is_holder[person])),
        account_id=snapshot.graph.account_ids.take(pa.array(account, mask=account < 0)),
        probability=fit[person],
        since=pa.array(since, mask=since == NEVER),
    )
    return table.sort_by([("party_id", "ascending"), ("holder_id", "ascending"), ("account_id", "ascending")])


def _evidence(
    people: People, compared: Compared, rows: Int64Array, party: Int64Array, names: list[str]
) -> pa.Table:  # fmt: skip
    """Return the parts of the log-odds of each pair of `rows`."""
    ids = people.id.to_pylist()
    found: list[dict[str, Any]] = []
    for row in rows.tolist():
        one, other = sorted((ids[compared.a[row]], ids[compared.b[row]]))
        pair = {"party_id": names[party[compared.a[row]]], "one": one, "other": other}
        found.append(pair | _part("prior", "prior", compared.prior[row]))
        for number, family in enumerate(FAMILIES):
            level = int(compared.level[row, number])
            if level >= 0:
                value, n = int(compared.value[row, number]), int(compared.n_sharers[row, number])
                part = _part(family.name, family.levels[level].name, compared.weight[row, number], n)
                found.append(pair | part | ({"item": people.hashes[value].as_py(), "n_sharers": n} if n else {}))
        if compared.home[row]:
            found.append(pair | _part("home", "home", compared.home[row]))
    if not found:
        return schema.PARTY_EVIDENCE.empty()
    columns = {name: [one.get(name) for one in found] for name in schema.PARTY_EVIDENCE.names}
    keys = ("party_id", "one", "other", "family")
    return schema.PARTY_EVIDENCE.filled(**columns).sort_by([(key, "ascending") for key in keys])


def _part(family: str, kind: str, log_odds: float, n: int = 0) -> dict[str, Any]:
    words = WORDS["evidence"][kind]
    return {
        "family": family, "kind": kind, "log_odds": float(log_odds),
        "text": words["en"].replace("{n}", f"{n:,}"), "text_th": words["th"].replace("{n}", f"{n:,}"),
    }  # fmt: skip
