"""Puts a world together: people, rings, plans, ledger, traces in the bank's records, and what the bank learns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect.clock import SECOND
from muledetect.outputs import new_folder
from muledetect.outputs.kinds import WORLD
from muledetect.records.write import put_text, tables_in
from muledetect.simulation import tables as write
from muledetect.simulation.bank.calls import build_callers
from muledetect.simulation.bank.complaints import hear_complaints
from muledetect.simulation.bank.labels import illicit_activity, investigate
from muledetect.simulation.bank.presence import build_presence
from muledetect.simulation.bank.watchlists import list_marks
from muledetect.simulation.circles import build_contacts, build_favourites
from muledetect.simulation.config import WorldConfig, world_config
from muledetect.simulation.crime import Case, Crime, commit_scams, recruit, settle_houses
from muledetect.simulation.ledger import Ledger, open_ledger
from muledetect.simulation.life import BEHAVIOURS
from muledetect.simulation.people import People, build_people
from muledetect.simulation.plan import NORMAL, Columns, Plan
from muledetect.simulation.rhythm import Rhythm, Span, build_rhythm
from muledetect.simulation.scribe import Put, Scribe, appoint_scribe
from muledetect.simulation.streams import Bool, stream
from muledetect.simulation.town import Act, Town
from muledetect.simulation.truth import follow_money

Tell = Callable[[str, float], None]

#: Times that are made unique move by microseconds: a margin keeps the last ones inside the world.
_MARGIN: Final = 10 * SECOND


@dataclass(frozen=True, slots=True)
class Balances:
    """Money before and after, `opening` and `final`: int64 satang by account in the ledger's order, other banks too.

    The sums are equal: nothing is made and nothing lost.
    """

    opening: npt.NDArray[np.int64]
    final: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class World:
    """A simulated world in memory: its config, the tables of `muledetect.schema.INPUTS`, and all balances."""

    config: WorldConfig
    tables: Mapping[str, pa.Table]
    balances: Balances


def simulate(preset: str | None = None, **parameters: Any) -> dict[str, pa.Table]:
    """Simulate a bank with scam call centres around it and return every public table.

    Parameters
    ----------
    preset : str, optional
        One of `PRESETS`; without it the defaults of `WorldConfig` hold.
    **parameters
        Fields of `WorldConfig`, such as `n_accounts=2000`, `n_days=120`, `seed=0` or `evasion=0.5`; they override the
        preset's.

    Returns
    -------
    dict of str to pyarrow.Table
        Every table of `muledetect.schema.INPUTS` with every column in contract types. `labels` holds what the bank
        knows at the end; the full truth is in the tables whose names begin with `truth_`.

    Raises
    ------
    OptionError
        If a preset or parameter is unknown, of the wrong type or out of range.

    Notes
    -----
    O(n log n) in the number of transfers, about 0.8 a day and account. All tables are in memory, roughly 700 bytes a
    transfer; `write_world` needs no more than a week's.

    Examples
    --------
    >>> tables = simulate(n_accounts=300, n_days=30, seed=1)
    >>> tables["transfers"].column("amount").type
    DataType(int64)
    """
    return dict(simulate_world(world_config(preset, **parameters)).tables)


def simulate_world(config: WorldConfig, tell: Tell | None = None) -> World:
    """Simulate a world into memory, with balances beside the tables."""
    pieces: dict[str, list[pa.Table]] = {}
    balances = _play(config, lambda name, table: pieces.setdefault(name, []).append(table), tell)
    return World(config, {name: pa.concat_tables(parts).combine_chunks() for name, parts in pieces.items()}, balances)


def write_world(
    config: WorldConfig, folder: str | Path, tell: Tell | None = None, *, overwrite: bool = False
) -> dict[str, int]:
    """Simulate a world into Parquet files of a folder, week by week; return the number of rows by table.

    Memory: a week of transfers and a little an account; measured 1.2 GB for 100,000 accounts and 8.4 GB for 2 million.
    The folder appears when it is complete, with the same rows, in the same order, as `simulate` returns; `world.json`
    beside them tells the parameters.

    Parameters
    ----------
    config : WorldConfig
        From `world_config`.
    folder : str or Path
    tell : callable, optional
        Called with the stage in words and the fraction done, 0 to 1.
    overwrite : bool
        Replace files of the same names also if they are not ours, or were changed.

    Raises
    ------
    OutputError
        If the folder holds what may not be replaced, see `muledetect.outputs`.
    """
    rows: dict[str, int] = {}
    with new_folder(folder, WORLD, overwrite=overwrite) as unfinished:
        with tables_in(unfinished) as put:

            def count(name: str, table: pa.Table) -> None:
                rows[name] = rows.get(name, 0) + len(table)
                put(name, table)

            _play(config, count, tell)
        made = {"made_by": f"muledetect {version('muledetect')}", "parameters": config.as_dict(), "rows": rows}
        put_text(json.dumps(made, indent=2) + "\n", unfinished / "world.json")
    return rows


def _play(config: WorldConfig, put: Put, tell: Tell | None = None) -> Balances:
    """Let a world happen, week by week, and hand its tables over piece by piece."""
    rhythm = build_rhythm(config)
    people = build_people(config, rhythm)
    crime = recruit(config, people, rhythm)
    contacts = build_contacts(config, people)
    town = Town(config, rhythm, people, contacts, build_favourites(config, people), Plan())
    acts = [(behaviour.__name__, behaviour(town, stream(config.seed, behaviour.__name__))) for behaviour in BEHAVIOURS]
    cases = commit_scams(town, crime)
    presence = build_presence(config, people, rhythm, settle_houses(config, crime, len(people.persona)))
    callers = build_callers(config, people, contacts, rhythm, cases)
    names = write.build_names(config, people, crime.n_centres)
    members = [account for ring in crime.rings for account in ring.members]
    scribe = appoint_scribe(config, people, rhythm, names, presence, callers, put, members)
    put("identifiers", write.contacts_table(config, people, names, rhythm))
    ledger = open_ledger(people, rhythm)
    opening = ledger.balance.copy()
    for span, done in _weeks(town, acts, ledger):
        scribe.week(span, done)
        if tell is not None:
            tell("simulating", span.last / rhythm.n_days)
    _write_the_rest(scribe, crime, cases, ledger)
    return Balances(opening, ledger.balance)


def _weeks(town: Town, acts: Sequence[tuple[str, Act]], ledger: Ledger) -> Iterator[tuple[Span, Columns]]:
    """Yield each week with the transfers that happened in it.

    A week is executed when the next one is planned: an act may reach back into the week before its own.
    """
    spans = list(town.rhythm.spans())
    _plan(town, acts, spans[0])
    for span, following in zip_longest(spans, spans[1:]):
        if following is not None:
            _plan(town, acts, following)
        planned = town.plan.take(span.end if following is not None else span.end - _MARGIN)
        yield span, ledger.execute(_possible(town.people, planned, town.rhythm), town.plan.n_pots)


def _plan(town: Town, acts: Sequence[tuple[str, Act]], span: Span) -> None:
    for name, act in acts:
        act(span, stream(town.config.seed, name, span.number + 1))


def _possible(people: People, planned: Columns, rhythm: Rhythm) -> Columns:
    """Keep transfers inside the world, between open accounts, and in normal life between accounts in use."""
    moment = planned["time"]
    keep: Bool = moment >= rhythm.start
    for side in ("source", "target"):
        keep &= moment < people.closed_at[planned[side]]
        keep &= (planned["kind"] != NORMAL) | (moment >= people.active_from[planned[side]])
    return {name: values[keep] for name, values in planned.items()}


def _write_the_rest(scribe: Scribe, crime: Crime, cases: tuple[Case, ...], ledger: Ledger) -> None:
    """Write what is only known at the end: what the bank learned, whom it met, and the truth."""
    config, people, rhythm, names = scribe.config, scribe.people, scribe.rhythm, scribe.names
    rows = scribe.watched_rows()
    visible = (rows["kind"] != NORMAL) & (rows["number"] >= 0)
    illicit = {name: values[visible] for name, values in rows.items()}
    activity = illicit_activity(illicit, crime, len(people.persona), rhythm.end)
    complaints = hear_complaints(config, people, rhythm, cases, illicit, scribe.honest.rows)
    labels = investigate(config, people, rhythm, illicit, complaints, activity)
    entries = list_marks(config, people, crime, cases, labels, scribe.sessions.rows, rhythm)
    flows, holdings = follow_money(rows, len(people.persona))
    shown = np.flatnonzero(scribe.is_met)
    complained = np.unique(complaints.case[complaints.case >= 0])
    tables = {
        "accounts": write.accounts_table(config, people, names, ledger.balance, rhythm, shown),
        "holders": write.holders_table(config, people, names, rhythm),
        "complaints": write.complaints_table(config, people, names, complaints),
        "labels": write.labels_table(names, labels),
        "watchlists": write.watchlists_table(names, entries),
        **write.truth_tables(people, names, crime, cases, activity, rows, flows, holdings, complained, shown),
    }
    for name, table in tables.items():
        scribe.put(name, table)
