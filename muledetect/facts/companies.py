"""Companies behind accounts: registration, capital, and other companies of their directors.

What a company is and has counts from its registration on, where that is stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import MISSING, NEVER, BoolArray, Int64Array
from muledetect.facts.columns import numbers, texts
from muledetect.facts.sightings import HUB
from muledetect.graph import TransferGraph


class Companies(NamedTuple):
    """By account code; MISSING where the records say nothing.

    Attributes
    ----------
    is_company : bool[n_accounts]
        Its holder is a company.
    registered_at, capital : int64[n_accounts]
        Microseconds, minor units.
    start : int64[n_accounts + 1]
    met_at : int64[n]
        When it was known of each other company that it has a director of this one, by account and in order of time.
    director_since : int64[n_accounts]
        From when a director of this one is known; NEVER if none is.
    """

    is_company: BoolArray
    registered_at: Int64Array
    capital: Int64Array
    start: Int64Array
    met_at: Int64Array
    director_since: Int64Array


def read_companies(tables: Mapping[str, pa.Table], graph: TransferGraph) -> Companies | None:
    """Return the companies behind accounts; None without a table of holders that tells them. O(holders + accounts)."""
    holders, accounts = tables.get("holders"), tables.get("accounts")
    if holders is None or accounts is None or "kind" not in holders.column_names:
        return None
    ids = texts(holders, "holder_id")
    row = pc.index_in(texts(accounts, "holder_id"), value_set=ids, skip_nulls=True)
    of_account = np.full(graph.n_accounts, -1, np.int64)
    of_account[graph.codes(accounts["account_id"])] = pc.fill_null(row, -1).to_numpy(zero_copy_only=False)
    is_company = np.append(pc.fill_null(pc.equal(texts(holders, "kind"), "company"), False).to_numpy(False), False)
    registered = np.append(numbers(holders, "registered_at"), MISSING)
    capital = np.append(numbers(holders, "capital"), MISSING)
    start, met_at, director_since = _met(tables.get("identifiers"), ids, is_company)
    count = np.where(of_account >= 0, np.diff(start)[of_account], 0)
    own_start = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    place = np.arange(own_start[-1]) - np.repeat(own_start[:-1], count) + np.repeat(start[of_account], count)
    return Companies(
        np.asarray(is_company[of_account]), registered[of_account], capital[of_account], own_start, met_at[place],
        np.append(director_since, NEVER)[of_account],
    )  # fmt: skip


def _met(
    identifiers: pa.Table | None, ids: pa.StringArray, is_company: BoolArray
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return (start, time, since when a director is known) by holder; see `Companies`."""
    known = np.full(len(ids), NEVER)
    if identifiers is None:
        return np.zeros(len(ids) + 1, np.int64), np.zeros(0, np.int64), known
    rows = identifiers.filter(pc.equal(identifiers["kind"].cast(pa.string()), "director"))
    company = pc.fill_null(pc.index_in(texts(rows, "entity_id"), value_set=ids), -1).to_numpy(zero_copy_only=False)
    director = texts(rows, "value_hash").dictionary_encode().indices.to_numpy().astype(np.int64)
    since = np.maximum(numbers(rows, "known_ts"), numbers(rows, "valid_from"))
    company, director, since = (part[is_company[company]] for part in (company.astype(np.int64), director, since))
    np.minimum.at(known, company, since)
    first = np.lexsort((since, company, director))
    company, director, since = company[first], director[first], since[first]
    is_first = np.append(True, (np.diff(company) != 0) | (np.diff(director) != 0))[: len(company)]
    company, director, since = company[is_first], director[is_first], since[is_first]
    # of a director of very many, an agent for founders, only those count that were known before the 201st
    in_time = np.lexsort((since, director))
    company, director, since = company[in_time], director[in_time], since[in_time]
    begin = np.searchsorted(director, director)
    end = np.searchsorted(director, director, side="right")
    limit = np.where(end - begin > HUB, np.append(since, NEVER)[np.minimum(begin + HUB, len(since))], NEVER)
    keep = since < limit
    company, director, since = company[keep], director[keep], since[keep]
    # each company with each other one of the same director
    size = np.bincount(director)[director]
    begin = np.searchsorted(director, director)
    one = np.repeat(np.arange(len(company)), size)
    other = np.repeat(begin, size) + np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    one, other = one[one != other], other[one != other]
    who, whom, when = company[one], company[other], np.maximum(since[one], since[other])
    order = np.lexsort((when, whom, who))
    who, whom, when = who[order], whom[order], when[order]
    is_first = np.append(True, (np.diff(who) != 0) | (np.diff(whom) != 0))[: len(who)]
    who, when = who[is_first], when[is_first]
    in_time = np.lexsort((when, who))
    return np.searchsorted(who, np.arange(len(ids) + 1)), when[in_time], known
