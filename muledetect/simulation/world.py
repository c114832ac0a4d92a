"""Puts a world together: people, rings, plans, ledger, the bank's records, and what the bank learns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import BoolArray, Int64Array
from muledetect.clock import SECOND
from muledetect.outputs import new_folder
from muledetect.outputs.kinds import WORLD
from muledetect.progress import Progress, silent
from muledetect.records.write import put_text, tables_in
from muledetect.simulation.bank.calls import CallMaker
from muledetect.simulation.bank.findings import illicit_activity, make_complaints, make_labels
from muledetect.simulation.bank.sessions import SessionMaker
from muledetect.simulation.bank.watchlists import make_entries
from muledetect.simulation.companies import directors_table, make_young
from muledetect.simulation.config import WorldConfig, world_config
from muledetect.simulation.crime.laundering import plan_crime
from muledetect.simulation.crime.recruiting import recruit
from muledetect.simulation.crime.rings import Crime, assign_houses, members
from muledetect.simulation.crime.victims import Case
from muledetect.simulation.days import Span, build_calendar
from muledetect.simulation.economy import Act, Economy, build_economy
from muledetect.simulation.life import BEHAVIOURS
from muledetect.simulation.money_truth import follow_money
from muledetect.simulation.people import build_people
from muledetect.simulation.plan import NORMAL, Columns, Ledger, open_ledger, rows_at, stacked
from muledetect.simulation.streams import stream
from muledetect.simulation.table_writer import Put, Sample, TableWriter
from muledetect.simulation.tables import records
from muledetect.simulation.tables.ids import build_ids
from muledetect.simulation.tables.truth import truth_tables

#: Times that are made unique move by microseconds: a margin keeps the last ones inside the world.
_MARGIN: Final = 10 * SECOND


@dataclass(frozen=True, slots=True)
class Balances:
    """Money before and after, `opening` and `final`: int64 satang by account in the ledger's order, other banks too.

    The sums are equal: nothing is made and nothing lost.
    """

    opening: Int64Array
    final: Int64Array


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


def simulate_world(config: WorldConfig, progress: Progress | None = None) -> World:
    """Simulate a world into memory, with balances beside the tables."""
    pieces: dict[str, list[pa.Table]] = {}
    balances = _play(config, lambda name, table: pieces.setdefault(name, []).append(table), progress or silent)
    return World(config, {name: pa.concat_tables(parts).combine_chunks() for name, parts in pieces.items()}, balances)


def write_world(
    config: WorldConfig, folder: str | Path, progress: Progress | None = None, *, overwrite: bool = False
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
    progress : callable, optional
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

            _play(config, count, progress or silent)
        made = {"made_by": f"muledetect {version('muledetect')}", "parameters": config.as_dict(), "rows": rows}
        put_text(json.dumps(made, indent=2) + "\n", unfinished / "world.json")
    return rows


def _play(config: WorldConfig, put: Put, progress: Progress) -> Balances:
    """Simulate a world week by week, and hand its tables over piece by piece."""
    calendar = build_calendar(config)
    people = build_people(config, calendar)
    make_young(config, people, calendar)
    crime = recruit(config, people, calendar)
    economy = build_economy(config, calendar, people)
    seed = config.seed
    acts = [(behaviour.__name__, behaviour(economy.turn(stream(seed, behaviour.__name__)))) for behaviour in BEHAVIOURS]
    cases = plan_crime(economy, crime)
    ids = build_ids(config, people, crime.n_centres)
    sample_size = max(2_000, config.n_accounts // 200)
    writer = TableWriter(
        economy,
        ids,
        session_maker=SessionMaker(economy, assign_houses(config, crime, len(people.persona))),
        call_maker=CallMaker(economy, cases),
        put=put,
        is_ring_account=np.isin(np.arange(len(people.persona)), members(crime)),
        is_visible=people.is_own.copy(),
        honest=Sample(sample_size, seed),
        sessions=Sample(sample_size, seed + 1),
    )
    put("identifiers", records.contacts_table(economy, ids))
    put("identifiers", directors_table(economy, ids))
    ledger = open_ledger(people, calendar)
    opening = ledger.balance.copy()
    for span, executed in _weeks(economy, acts, ledger):
        writer.write_week(span, executed)
        progress("simulating", span.last / calendar.n_days)
    for name, table in _last_tables(writer, crime, cases, ledger.balance).items():
        put(name, table)
    return Balances(opening, ledger.balance)


def _weeks(economy: Economy, acts: Sequence[tuple[str, Act]], ledger: Ledger) -> Iterator[tuple[Span, Columns]]:
    """Yield each week with the transfers that happened in it.

    A week is executed when the next one is planned: an act may reach back into the week before its own.
    """
    spans = list(economy.calendar.spans())
    _plan(economy, acts, spans[0])
    for span, following in zip_longest(spans, spans[1:]):
        if following is not None:
            _plan(economy, acts, following)
        planned = economy.plan.take(span.end if following is not None else span.end - _MARGIN)
        yield span, ledger.execute(_possible(economy, planned), economy.plan.n_pots)


def _plan(economy: Economy, acts: Sequence[tuple[str, Act]], span: Span) -> None:
    for name, act in acts:
        act(economy.turn(stream(economy.config.seed, name, span.number + 1), span))


def _possible(economy: Economy, planned: Columns) -> Columns:
    """Keep transfers inside the world, between open accounts, and in normal life between accounts in use."""
    people, moment = economy.people, planned["time"]
    keep: BoolArray = moment >= economy.calendar.start
    for side in ("source", "target"):
        keep &= moment < people.closed_at[planned[side]]
        keep &= (planned["kind"] != NORMAL) | (moment >= people.active_from[planned[side]])
    return rows_at(planned, keep)


def _last_tables(
    writer: TableWriter, crime: Crime, cases: tuple[Case, ...], final: Int64Array
) -> Mapping[str, pa.Table]:
    """Return what is only known at the end: what the bank has learnt, the accounts that it has seen, and the truth."""
    economy, ids = writer.economy, writer.ids
    n_accounts = len(economy.people.persona)
    rows = stacked(writer.ring_transfers)
    illicit = rows_at(rows, (rows["kind"] != NORMAL) & (rows["number"] >= 0))
    activity = illicit_activity(illicit, crime, n_accounts, economy.calendar.end)
    complaints = make_complaints(economy, cases, illicit, writer.honest.rows)
    labels = make_labels(economy, illicit, complaints, activity)
    entries = make_entries(economy, crime, cases, labels, writer.sessions.rows)
    flows, holdings = follow_money(rows, n_accounts)
    shown = np.flatnonzero(writer.is_visible)
    complained = np.unique(complaints["case"][complaints["case"] >= 0])
    return {
        "accounts": records.accounts_table(economy, ids, final, shown),
        "holders": records.holders_table(economy, ids),
        "complaints": records.complaints_table(economy, ids, complaints),
        "labels": records.labels_table(ids, labels),
        "watchlists": records.watchlists_table(ids, entries),
        **truth_tables(economy, ids, crime, cases, activity, rows, flows, holdings, complained, shown),
    }
