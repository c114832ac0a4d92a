"""People and companies behind the accounts of a report, as its pages say them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import MISSING
from muledetect.errors import DataError
from muledetect.evaluation import known_at
from muledetect.facts import Snapshot
from muledetect.frames import frame_of
from muledetect.parties import Parties
from muledetect.records.pseudonyms import refuse_other_names
from muledetect.reports.words import say

_PARTY: Final = ("party_id", "kind", "n_holders", "n_accounts", "probability", "since", "rank", "n_known")
_CONTROLLER: Final = ("controller_id", "kind", "value")


def gather_parties(
    snapshot: Snapshot, found: Parties, scores: pa.Table, account_ids: Iterable[str], *, is_probability: bool
) -> dict[str, dict[str, Any]]:
    """Return the party of each account, as its page says it; accounts of one party have the same one.

    Parameters
    ----------
    snapshot : Snapshot
        What the bank knew.
    found : Parties
        Of the same moment.
    scores : pyarrow.Table
        schema.SCORES of the moment, of all accounts.
    account_ids : iterable of str
        Accounts that have a page, or are members of a ring.
    is_probability : bool
        The scores are probabilities of this bank; else parties have a rank only.

    Returns
    -------
    dict
        By account id, also of the other accounts of these parties, what schema.PARTIES says, times as int64
        microseconds, `score` (None where it is no probability), `n_ranked` (parties with a rank), and

        - `accounts`: `account_id`, `record`, `opened_at`, `rank`, `tier`, `is_known` (the bank knows it to be a mule);
        - `bonds`: pairs of records, the most likely first: `one`, `other`, `log_odds`, `probability`, and `items`,
          what adds up to the log-odds: `text` by language, `item`, `counts`;
        - `controllers`: `controller_id`, `kind`, `value`, `text` by language, `is_own` (an account of this party pays),
          and `accounts`, as schema.CONTROLLED_ACCOUNTS, those of the party first.

        A party of one record, one account and no controller says nothing, and is left out.

    Raises
    ------
    DataError
        If the parties are of another moment, or name accounts that the data set does not have.

    Notes
    -----
    O(parties + scores + controlled accounts), and O(evidence of the parties of these accounts).
    """
    if set(pc.unique(found.parties["as_of"].cast(pa.int64())).to_pylist()) - {snapshot.as_of}:
        raise DataError(
            "report: the parties are of another moment than the scores; search for parties at the scores' as_of, or "
            "choose it with as_of (--as-of)."
        )
    members = found.party_members
    known = snapshot.facts.dataset.account_ids
    refuse_other_names(pc.drop_null(members["account_id"]), known, "parties: party_members: column 'account_id'")
    wanted = pc.is_in(members["account_id"], value_set=pa.array(sorted(account_ids), pa.string()), skip_nulls=True)
    ids = pc.unique(members["party_id"].filter(wanted))
    n_ranked = len(found.parties) - found.parties["rank"].null_count
    parties: dict[str, dict[str, Any]] = {}
    for row in _rows(found.parties, ids):
        score = row["score"] if is_probability else None
        kept = {name: row[name] for name in _PARTY} | {"score": score, "n_ranked": n_ranked}
        parties[row["party_id"]] = kept | {"accounts": [], "bonds": [], "controllers": []}
    for row in _accounts(snapshot, members.filter(pc.is_in(members["party_id"], value_set=ids)), scores):
        parties[row.pop("party_id")]["accounts"].append(row)
    for party_id, bond in _bonds(found.party_evidence, ids):
        parties[party_id]["bonds"].append(bond)
    for party_id, controller in _controllers(found, ids):
        parties[party_id]["controllers"].append(controller)
    told = [party for party in parties.values()
            if len(party["accounts"]) > 1 or party["n_holders"] > 1 or party["controllers"]]  # fmt: skip
    return {row["account_id"]: party for party in told for row in party["accounts"]}


def _rows(table: pa.Table, party_ids: pa.Array) -> list[dict[Any, Any]]:
    return frame_of(table.filter(pc.is_in(table["party_id"], value_set=party_ids))).to_dict("records")


def _accounts(snapshot: Snapshot, members: pa.Table, scores: pa.Table) -> list[dict[str, Any]]:
    """Return the accounts of parties by their party, the highest rank first."""
    listed = members.filter(pc.is_valid(members["account_id"]))
    ids = listed["account_id"].combine_chunks()
    row = pc.index_in(ids, value_set=scores["account_id"].combine_chunks())
    rank, tier = (scores[name].take(row).to_pylist() for name in ("rank", "tier"))
    is_known = pc.is_in(ids, value_set=known_at(snapshot)).to_pylist()
    code = snapshot.graph.codes(ids)
    if n_unknown := int((code < 0).sum()):
        counted = "1 account is" if n_unknown == 1 else f"{n_unknown:,} accounts are"
        raise DataError(f"parties: {counted} not in this data set; search for parties in the data set that was scored.")
    opened = snapshot.accounts.opened_at[code]
    found = [
        {
            "party_id": member["party_id"], "account_id": member["account_id"],
            "record": member["holder_id"] or member["account_id"],
            "opened_at": moment if MISSING < moment < snapshot.as_of else None,
            "rank": rank[at], "tier": tier[at], "is_known": is_known[at],
        }
        for at, (member, moment) in enumerate(zip(listed.to_pylist(), opened.tolist(), strict=True))
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one["rank"] is None, one["rank"], one["account_id"]))


def _bonds(evidence: pa.Table, party_ids: pa.Array) -> list[tuple[str, dict[str, Any]]]:
    """Return each pair of records of these parties with what it rests on: first of all, then for, then against."""
    pairs: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in _rows(evidence, party_ids):
        item = {"text": say(row["text"], row["text_th"]), "item": row["item"], "counts": row["log_odds"]}
        pairs.setdefault((row["party_id"], row["one"], row["other"]), []).append(item | {"family": row["family"]})
    found = []
    for (party_id, one, other), items in pairs.items():
        items.sort(key=lambda item: (item["family"] != "prior", item["family"] == "home", -item["counts"]))
        total = float(np.sum([item["counts"] for item in items]))
        share = float(1 / (1 + np.exp(-total)))
        found.append((party_id, {"one": one, "other": other, "log_odds": total, "probability": share, "items": items}))
    return sorted(found, key=lambda pair: (-pair[1]["log_odds"], pair[1]["one"], pair[1]["other"]))


def _controllers(found: Parties, party_ids: pa.Array) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield who controls accounts of each of these parties, the most suspicious first, with all the accounts."""
    inside = set(party_ids.to_pylist())
    held: dict[str, list[dict[Any, Any]]] = {}
    for row in frame_of(found.controlled_accounts).to_dict("records"):
        held.setdefault(row.pop("controller_id"), []).append(row)
    for row in found.controllers.to_pylist():
        accounts = held.get(row["controller_id"], [])
        about = {name: row[name] for name in _CONTROLLER} | {"text": say(row["text"], row["text_th"])}
        for party_id in sorted(inside & {row["party_id"], *(account["party_id"] for account in accounts)}):
            ordered = sorted(accounts, key=lambda account: account["party_id"] != party_id)
            yield party_id, about | {"is_own": row["party_id"] == party_id, "accounts": ordered}
