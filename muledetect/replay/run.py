"""Send the past through a scorer as it came, and say what would have been held, when, and how much of it was stolen."""

from __future__ import annotations

import json
import time as wall
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from muledetect.clock import DAY, Moment, format_time, parse_time
from muledetect.errors import OptionError
from muledetect.facts import Snapshot
from muledetect.facts.known import facts_of
from muledetect.inputs import Source, load, open_model
from muledetect.live.desk import Desk, Scorer
from muledetect.live.finding import find_money
from muledetect.live.history import Part, history, known_at
from muledetect.live.outflows import Outflows
from muledetect.live.policy import Policy, load_policy
from muledetect.live.scorer import LiveScorer
from muledetect.model import MuleModel
from muledetect.outputs import check_output, kinds, new_folder
from muledetect.progress import Progress, silent
from muledetect.records import Dataset
from muledetect.records.write import put_tables, put_text
from muledetect.replay.summary import Found
from muledetect.replay.tally import Tally
from muledetect.replay.targets import InProcess, Remote, Target, is_scored


def replay(
    dataset: Source,
    model: MuleModel | str | Path,
    *,
    begin: Moment | None = None,
    end: Moment | None = None,
    policy: str | Path | None = None,
    speed: float | None = None,
    url: str | None = None,
    token: str = "",
    output: str | Path | None = None,
    overwrite: bool = False,
    memory: str | int | None = None,
    progress: Progress | None = None,
) -> Found:
    """Send what happened from a moment on through a live scorer, in order of time, and count its decisions.

    History goes on as it was: nobody reacts to a hold. Stolen money counts as saved once, when it is stopped first;
    this takes for granted that a review confirms what the truth says, and releases the rest, before the hold ends.

    Parameters
    ----------
    dataset : Dataset, path or mapping of tables
        With truth_transfers and truth_money, decisions are held against the truth.
    model : MuleModel or path
        Of live columns, see `train(live=True)`. With `url` it only says where the replay begins.
    begin : Moment, optional
        First moment that is replayed; by default the day after the last that the model learnt from.
    end : Moment, optional
        Exclusive; by default all.
    policy : str or path, optional
        Country pack or JSON file; by default the pack of the model.
    speed : float, optional
        So many times as fast as history; by default as fast as it goes.
    url : str, optional
        Address of a service that knows what was known at `begin`; by default a scorer in this process.
    token : str
        Of the service.
    output : path, optional
        Folder for the tables and replay.json.
    overwrite, memory, progress
        As for every step, see `muledetect.pipeline`.

    Returns
    -------
    Found
        `tables`: decisions, actions, and with a truth cases, accounts and layers; `figures`.

    Raises
    ------
    OptionError
        If nothing happened from `begin` on, or the policy has amounts in another currency.
    """
    if output is not None:
        given = [path for path in (dataset, model) if isinstance(path, str | Path)]
        check_output(output, kinds.REPLAY, inputs=given, overwrite=overwrite)
    read = load(dataset, memory=memory, progress=progress)
    used = open_model(model, read)
    rules = load_policy(policy or used.trained_on_.pack or "none")
    first, last = _bounds(read, used, begin, end)
    target: Target = Remote(url, token) if url else _live(read, used, rules, first)
    tally = Tally(read, first, last)
    wait = _pace(first, speed)
    with closing(target):
        for part in history(read, first, last):
            for some in part.ticks() if speed else [part]:
                send(some, target, tally, wait)
            (progress or silent)("replay", (int(part.times[-1]) - first) / (last - first))
    found = tally.found()
    found.figures.update(
        begin=format_time(first), end=format_time(last), policy=None if url else rules.name, currency=read.currency,
    )  # fmt: skip
    if output is not None:
        write_replay(found, output, overwrite=overwrite)
    return found


def _live(dataset: Dataset, model: MuleModel, policy: Policy, begin: int) -> InProcess:
    """Return a live scorer in this process that knows what was known before a moment."""
    held = [known_at(dataset, begin)]
    scorer = LiveScorer(model, held.pop)  # the state takes its columns one by one
    return in_process(dataset, scorer.state.to_dataset, scorer, policy, begin)


def in_process(dataset: Dataset, known: Callable[[], Dataset], scorer: Scorer, policy: Policy, begin: int) -> InProcess:
    """Return a desk in this process; `known` returns what of the data set was known before a moment."""
    facts, outflows = facts_of(dataset), Outflows(policy)
    if policy.window:
        outflows.start(Snapshot(known(), begin))
    desk = Desk(scorer, policy, outflows, dataset.currency)

    def locate(complaint_id: str, time: int) -> dict[str, Any]:
        # a snapshot of the whole sees no more than one of what had come by then (law 1), and need not be built anew
        return find_money(Snapshot(facts, time + 1), policy, complaint_id=complaint_id)

    return InProcess(desk, locate)


def write_replay(found: Found, output: str | Path, *, overwrite: bool = False) -> None:
    """Write the tables and figures of a replay to a folder.

    Parameters
    ----------
    found : Found
    output : path
    overwrite : bool
        As for every step, see `muledetect.pipeline`.
    """
    with new_folder(output, kinds.REPLAY, overwrite=overwrite) as folder:
        put_tables(found.tables, folder)
        put_text(json.dumps(found.figures, indent=2) + "\n", folder / "replay.json")


def _bounds(dataset: Dataset, model: MuleModel, begin: Moment | None, end: Moment | None) -> tuple[int, int]:
    times = dataset.transfers["time"].cast("int64")
    latest = int(times[-1].as_py()) + 1
    learnt = max(model.training_as_of_, default=0)
    first = parse_time(begin) if begin is not None else (learnt // DAY + 1) * DAY
    last = min(parse_time(end), latest) if end is not None else latest
    if first >= last:
        raise OptionError(
            f"replay: no transfer from {format_time(first)} on and before {format_time(last)}; the data end at "
            f"{format_time(latest)}. Give an earlier --from, behind what the model learnt from."
        )
    return first, last


def send(part: Part, target: Target, tally: Tally, wait: Callable[[int], None] = lambda _: None) -> None:
    """Send a part once `wait` let its first moment pass, and count what came back in order of time."""
    wait(int(part.times[0]))
    answers = iter(target.take(part))
    for time, table, row in zip(part.times.tolist(), part.tables, part.rows, strict=True):
        if table == "transfers":
            tally.transfer(row, next(answers) if is_scored(row) else None, time)
        elif table == "complaints":
            tally.complaint(row["complaint_id"], time, target.locate(row["complaint_id"], time))


def _pace(begin: int, speed: float | None) -> Callable[[int], None]:
    """Return what waits until a moment of history comes, at so many times the speed of life."""
    if speed is None:
        return lambda _: None
    started = wall.monotonic()
    return lambda moment: wall.sleep(max(0.0, (moment - begin) / 1e6 / speed - (wall.monotonic() - started)))
