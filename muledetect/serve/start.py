"""From a data set, a model and a folder for the log to a service that is ready to run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa

from muledetect.clock import DAY, Moment, parse_time
from muledetect.errors import OptionError
from muledetect.facts import Snapshot
from muledetect.facts.columns import numbers
from muledetect.features._extraction import first_seen
from muledetect.inputs import Source, load, open_model
from muledetect.live.desk import Desk
from muledetect.live.finding import find_money
from muledetect.live.history import known_at
from muledetect.live.log import Sync
from muledetect.live.outflows import Outflows
from muledetect.live.policy import load_policy
from muledetect.live.ready import make_ready
from muledetect.live.scorer import LiveScorer
from muledetect.live.warm_up import warm_up
from muledetect.memory import need_of_state
from muledetect.model import MuleModel
from muledetect.model.sentences import Language
from muledetect.progress import Progress, silent
from muledetect.records import Dataset
from muledetect.serve.app import Limits, Service
from muledetect.serve.record import Record
from muledetect.serve.tokens import read_tokens


def open_service(
    dataset: Source,
    model: str | Path,
    *,
    log: str | Path,
    sync: Sync = "always",
    until: Moment | None = None,
    policy: str | Path | None = None,
    tokens: Path | None = None,
    decisions: Path | None = None,
    shadow: bool = False,
    language: Language = "en",
    busy: int | None = None,
    limits: Limits | None = None,
    memory: str | int | None = None,
    progress: Progress | None = None,
) -> Service:
    """Return a service that knows a data set, and what its log says was booked since.

    Parameters
    ----------
    dataset : path, Dataset or mapping of tables
        What the state begins with: the same at each start with one log.
    model : path
        Folder of a model of live columns, see `train(live=True)`; /reload reads it again.
    log : path
        Folder for the log and snapshots; made if it is not there.
    sync : "always", "interval" or "never"
        When an acknowledged row is on the disk, see `muledetect.live.log`.
    until : Moment, optional
        Begin with what was known before this moment only, as for a replay.
    policy : str or path, optional
        Country pack or JSON file; by default the pack of the model.
    tokens : path, optional
        File of tokens; without one every caller on this machine is let in.
    decisions : path, optional
        File that decisions other than allow are added to.
    shadow : bool
        Answer "allow" always; `decisions` says what would have been decided.
    language : "en" or "th"
        Of reasons.
    busy : int, optional
        Transfers in the look-back from which on an account is scored once an hour, see `LiveScorer`.
    limits : Limits, optional
    memory, progress
        As for every step, see `muledetect.pipeline`.

    Raises
    ------
    OptionError
        If the state does not fit in `memory`, `shadow` has no file of decisions, the policy has amounts in another
        currency, or a token file is not safe.
    ModelError
        If the model needs a column that is not live.
    DataError
        If the log is damaged or was begun with another data set.
    """
    if shadow and decisions is None:
        raise OptionError("serve: shadow mode only records, so it needs a file of decisions. Give --decisions FILE.")
    known = None if tokens is None else read_tokens(tokens)
    read = load(dataset, memory=memory, progress=progress)
    used = open_model(model, read)
    rules = load_policy(policy or used.trained_on_.pack or "none")
    read = read if until is None else known_at(read, parse_time(until))
    _refuse_state(read, used)
    last = read.transfers.select(["transfer_id", "time", "source", "target", "amount"])[-1:].to_pylist()
    bare, held = _without_rows(read), [read]
    del read
    scorer = LiveScorer(used, held.pop, language=language, log=log, sync=sync, busy=busy)
    outflows = Outflows(rules)
    if rules.window:
        outflows.start(_snapshot_of(scorer.state.to_dataset()))
    desk = Desk(scorer, rules, outflows, bare.currency)

    # so that no caller waits for what is compiled, read, laid out or computed at the first time
    (progress or silent)("loading kernels", 0.0)
    warm_up(scorer, rules)
    scorer.prepare(_first_moment(scorer.state.latest))
    scorer.score_many(last, explain=True)

    def lend() -> Callable[[], Dataset]:
        return scorer.state.lend()  # the state of the turn: that of a new day may have taken over

    def locate(**asked: str) -> dict[str, Any]:
        # in a thread of its own, so that scores go on while it traces; its turn with the state takes no time
        records = service.worker.put("call", [], lend).result()
        return find_money(_snapshot_of(records()), rules, **asked)

    one_at_a_time = Lock()

    def snapshot() -> None:
        # in a thread of its own, as `locate`; scores wait only until the events that came meanwhile are copied
        with one_at_a_time:
            for place, step in enumerate(service.worker.put("call", [], scorer.prepare_snapshot).result()):
                if place % 2:
                    service.worker.put("call", [], step).result()
                else:
                    step()

    def close() -> None:
        with one_at_a_time:
            scorer.snapshot()
            scorer.close()

    service = Service(
        desk, locate=locate, reload=lambda: make_ready(open_model(model, bare)), snapshot=snapshot, tokens=known,
        limits=limits or Limits(), record=None if decisions is None else Record(decisions), shadow=shadow, close=close,
    )  # fmt: skip
    return service


def _first_moment(latest: int) -> int:
    """Return from when payments will be: from now on, but in records that end a day ago or more from their end on."""
    now = time.time_ns() // 1_000
    return now if 0 < now - latest < DAY else latest


def _snapshot_of(records: Dataset) -> Snapshot:
    """Return what is known now: behind all transfers and complaints that are not dated after the machine's clock."""
    clocks = [numbers(records.transfers, "time")]
    if "complaints" in records.tables:
        clocks.append(numbers(records.tables["complaints"], "known_ts"))
    latest = max(int(clock.max(initial=0)) for clock in clocks)
    return Snapshot(records, min(latest, time.time_ns() // 1_000) + 1)


def _refuse_state(dataset: Dataset, model: MuleModel) -> None:
    """Stop before a state is made that a limit of memory does not hold: it cannot be in files."""
    limit, lookback = dataset.room.limit, model.trained_on_.lookback
    if limit is None:
        return
    moment = numbers(dataset.transfers, "time")
    since = first_seen(int(moment.max()), lookback, whole_days=True) if lookback else int(moment.min())
    n = int(np.count_nonzero(moment >= since))
    need = need_of_state(n, len(dataset.account_ids))
    if need > limit:
        raise OptionError(
            f"memory: the state of {n:,} transfers, with that of the next day beside it, takes about {need / 1e9:.1f} "
            f"GB; got {limit / 1e9:g} GB. Give that much, or train a model with a shorter look-back."
        )


def _without_rows(dataset: Dataset) -> Dataset:
    """Return what a data set says of itself, without the rows: a large bank is not held beside the state."""
    tables = {name: table.schema.empty_table() for name, table in dataset.tables.items()}
    return replace(dataset, tables=tables, account_ids=pa.array([], pa.string()))
