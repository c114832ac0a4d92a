"""Puts a world together: people, rings, plans, ledger, traces in the bank's records, and what the bank learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect.clock import SECOND
from muledetect.errors import OptionError
from muledetect.schema import did_you_mean
from muledetect.simulate import tables as write
from muledetect.simulate.calls import place_calls
from muledetect.simulate.config import WorldConfig
from muledetect.simulate.crews import recruit
from muledetect.simulate.knowledge import hear_complaints, illicit_activity, investigate
from muledetect.simulate.ledger import Execution, execute
from muledetect.simulate.life import EVERYDAY
from muledetect.simulate.people import People, build_contacts, build_favourites, build_people
from muledetect.simulate.plan import CHANNEL, Plan
from muledetect.simulate.presence import open_sessions, settle_houses
from muledetect.simulate.rhythm import build_rhythm
from muledetect.simulate.scams import commit_scams
from muledetect.simulate.streams import Bool, stream
from muledetect.simulate.text import digit_text
from muledetect.simulate.town import Town
from muledetect.simulate.trades import TRADES

#: Channels that count towards an account's daily limit.
_LIMITED: Final = tuple(CHANNEL[name] for name in ("p2p_proxy", "p2p_account", "wallet", "vasp", "xborder"))


@dataclass(frozen=True, slots=True)
class World:
    """A simulated world.

    Attributes
    ----------
    tables : mapping of str to pyarrow.Table
        The public tables (`muledetect.schema.INPUTS`).
    truth_transfers : pyarrow.Table
        Truth about each illicit transfer that our bank sees: `transfer_id`, `kind` (victim, hop, exit, test,
        spend), `case_id`, `ring_id`.
    opening, final : int64[all accounts]
        Balances in satang before and after, in the ledger's own order, other banks included: their sums are equal.
    """

    config: WorldConfig
    tables: Mapping[str, pa.Table]
    truth_transfers: pa.Table
    opening: npt.NDArray[np.int64]
    final: npt.NDArray[np.int64]


def simulate(n_accounts: int = 2000, n_days: int = 120, seed: int = 0, **parameters: Any) -> dict[str, pa.Table]:
    """Simulate a bank with scam call centres around it and return every public table.

    Parameters
    ----------
    n_accounts : int
        Accounts held at our bank.
    n_days : int
        Length in days of local time.
    seed : int
        Same seed and parameters, same bytes.
    **parameters
        Any other parameter of `WorldConfig`, such as `start="2025-01-01"` or `mule_share=0.004`.

    Returns
    -------
    dict of str to pyarrow.Table
        transfers, accounts, holders, identifiers, sessions, complaints, calls, watchlists, labels, truth_rings, each
        with every column of `muledetect.schema` in contract types. `labels` holds what the bank knows at the end;
        the full truth is in `truth_rings`.

    Raises
    ------
    OptionError
        If a parameter is unknown, of the wrong type or out of range.

    Notes
    -----
    O(n log n) in the number of transfers, about 0.8 a day and account.

    Examples
    --------
    >>> tables = simulate(300, 30, seed=1)
    >>> tables["transfers"].column("amount").type
    DataType(int64)
    """
    return dict(simulate_world(_config(n_accounts, n_days, seed, parameters)).tables)


def _config(n_accounts: int, n_days: int, seed: int, parameters: dict[str, Any]) -> WorldConfig:
    known = [field.name for field in fields(WorldConfig)]
    for name in parameters:
        if name not in known:
            raise OptionError(f"simulate: there is no parameter {name!r}.{did_you_mean(name, known)}")
    return WorldConfig(n_accounts=n_accounts, n_days=n_days, seed=seed, **parameters)


def simulate_world(config: WorldConfig) -> World:
    """Simulate a world and return its tables together with the full truth."""
    rhythm = build_rhythm(config)
    people = build_people(config, rhythm)
    crime = recruit(config, people, rhythm)
    town = Town(config, rhythm, people, build_contacts(config, people), build_favourites(config, people), Plan())
    for behaviour in (*EVERYDAY, *TRADES):
        behaviour(town, stream(config.seed, behaviour.__name__))
    town.plan.only(lambda chunk: _lives(people, chunk))
    cases = commit_scams(town, crime)
    # Times that are made unique move by microseconds: a margin keeps the last ones inside the world.
    town.plan.only(lambda chunk: _is_open(people, chunk) & (chunk["time"] >= rhythm.start))
    town.plan.only(lambda chunk: chunk["time"] < rhythm.end - 10 * SECOND)
    done = execute(town.plan.columns(), people.opening, people.daily_limit, _LIMITED, town.plan.n_pots, rhythm.start)
    rows = _visible(people, done)
    activity = illicit_activity(rows, crime, len(people.persona), rhythm.end)
    houses = settle_houses(config, crime, len(people.persona))
    sessions, session_of = open_sessions(config, people, rhythm, rows, houses)
    complaints = hear_complaints(config, people, rhythm, rows, cases)
    labels = investigate(config, people, rhythm, rows, complaints, activity)
    calls = place_calls(config, people, town.contacts, rhythm, crime, cases)

    names = write.build_names(config, people, crime.n_centres)
    ids = _shuffled_ids(config, "transfer ids", len(rows["time"]), "")
    session_ids = _shuffled_ids(config, "session ids", len(sessions.time), "S")
    shown = _shown(people, rows)
    tables = {
        "transfers": write.transfers_table(config, people, names, rows, ids, sessions, session_ids, session_of),
        "accounts": write.accounts_table(config, people, names, done.final, rhythm, shown),
        "holders": write.holders_table(config, people, names, rhythm),
        "identifiers": write.identifiers_table(config, people, names, rhythm, sessions),
        "sessions": write.sessions_table(config, people, names, sessions, session_ids),
        "complaints": write.complaints_table(config, people, names, rows, ids, complaints, cases),
        "calls": write.calls_table(config, names, calls, rhythm),
        "watchlists": write.watchlists_table(config, names, crime, labels, sessions, rhythm),
        "labels": write.labels_table(names, labels),
        "truth_rings": write.truth_rings_table(names, crime, activity),
    }
    return World(config, tables, write.truth_transfers(rows, ids), people.opening, done.final)


def _lives(people: People, chunk: dict[str, npt.NDArray[Any]]) -> Bool:
    """Keep normal transfers of accounts that are in use at the time."""
    awake = np.ones(len(chunk["time"]), bool)
    for side in ("source", "target"):
        awake &= chunk["time"] >= people.active_from[chunk[side]]
    return awake


def _is_open(people: People, chunk: dict[str, npt.NDArray[Any]]) -> Bool:
    """Keep transfers before either end is closed."""
    is_open = np.ones(len(chunk["time"]), bool)
    for side in ("source", "target"):
        is_open &= chunk["time"] < people.closed_at[chunk[side]]
    return is_open


def _visible(people: People, done: Execution) -> dict[str, npt.NDArray[Any]]:
    """Transfers with one end at our bank; the others happened but nobody here saw them."""
    rows = done.transfers
    seen = people.is_own[rows["source"]] | people.is_own[rows["target"]]
    return {name: values[seen] for name, values in rows.items()}


def _shown(people: People, rows: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """Our accounts and the others that we met."""
    shown = people.is_own.copy()
    shown[rows["source"]] = True
    shown[rows["target"]] = True
    return np.flatnonzero(shown)


def _shuffled_ids(config: WorldConfig, name: str, n: int, prefix: str) -> pa.Array:
    return digit_text(stream(config.seed, name).permutation(n), 10, prefix)
