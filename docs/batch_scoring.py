"""A night's run: check, score, rings, traces, drift, report; see docs/batch.md.

    python docs/batch_scoring.py DATASET --model MODEL --runs RUNS [--as-of 2025-04-15] [--accepted 2025-03-15]

Exit status: 0 done, or done before; 3 done, watch the model; 4 done, the model is off; 1 data or model are no good,
nothing was written; 2 usage; 5 another run is going on; 70 a failure that nobody foresaw, nothing was written.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import math
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from muledetect import pipeline
from muledetect.clock import DAY, parse_time
from muledetect.errors import DataError, MuleDetectError, OptionError
from muledetect.model.thresholds import AlertThreshold
from muledetect.records import Dataset, write_table, write_text

BAD_INPUT, USAGE, LOCKED, UNFORESEEN = 1, 2, 5, 70

#: Counts and times only: no id of an account, holder or transfer is ever logged.
log: Final = logging.getLogger("muledetect.batch")


class LockedError(MuleDetectError):
    """Another run holds the lock."""


@contextmanager
def locked(runs: Path) -> Iterator[None]:
    """Let one run at a time into the folder; the lock goes with the process, however that ends."""
    runs.mkdir(parents=True, exist_ok=True)
    with (runs / ".lock").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError("batch: another run is going on in this folder. Wait for it, or end it.") from error
        yield


@contextmanager
def whole_folder(place: Path) -> Iterator[Path]:
    """Yield a folder to write to; it becomes `place` in one step when the block ends, and goes if the block fails."""
    unfinished = place.with_name(f".{place.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    unfinished.mkdir()
    try:
        yield unfinished
        unfinished.replace(place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def stage(name: str, facts: dict[str, Any]) -> Iterator[None]:
    """Time a stage, and log that it is done."""
    began = time.perf_counter()
    yield
    facts["seconds"][name] = round(time.perf_counter() - began, 1)
    log.info("%s: done in %.1f s", name, facts["seconds"][name])


def refuse_bad_data(dataset: Dataset, as_of: int, most_rejected: float, oldest: float) -> None:
    """Stop before anything is scored if too many transfers were left out, or the newest of them are missing."""
    is_bad = pc.and_(
        pc.equal(dataset.rejects["severity"].cast(pa.string()), "reject"),
        pc.equal(dataset.rejects["table"].cast(pa.string()), "transfers"),
    )
    n_bad, n_read = pc.sum(is_bad).as_py() or 0, dataset.rows_read["transfers"]
    if n_bad > most_rejected * n_read:
        raise DataError(
            f"transfers: {n_bad:,} of {n_read:,} rows were rejected, and at most {most_rejected:.1%} may be. "
            "`muledetect check` says why."
        )
    times = dataset.transfers["time"].cast(pa.int64())
    newest = pc.max(times.filter(pc.less(times, as_of))).as_py()
    if newest is None or as_of - newest > oldest * DAY:
        raise DataError(f"transfers: none in the {oldest:g} days before the moment. Has the day's load come in?")


def run_before(place: Path) -> Path | None:
    """Return the latest complete run of an earlier day."""
    return max((path for path in place.parent.glob("[0-9]*") if path.name < place.name), default=None)


def alerts_of(scores: pa.Table, n_alerts: int, threshold: float, before: Path | None) -> pa.Table:
    """Return the highest scores from a threshold on; `is_new` where the run before had no alert for the account."""
    is_alert = pc.and_(pc.less_equal(scores["rank"], n_alerts), pc.greater_equal(scores["score"], threshold))
    alerts = scores.filter(is_alert)
    ids = alerts["account_id"].cast(pa.string())
    known = pq.read_table(before / "alerts.parquet")["account_id"].cast(pa.string()) if before else ids.slice(0, 0)
    return alerts.append_column("is_new", pc.invert(pc.is_in(ids, value_set=known.combine_chunks())))


def run(given: argparse.Namespace, place: Path, before: Path | None, facts: dict[str, Any]) -> int:
    """Write everything of a night to the folder `place`; return the exit status."""
    with stage("check", facts):
        dataset = pipeline.load(given.dataset)
        findings = pipeline.check(dataset, output=place / "rejects.parquet")
        refuse_bad_data(dataset, parse_time(given.as_of), given.most_rejected, given.oldest)
    with stage("score", facts):
        scores = pipeline.score(
            dataset, given.model, given.as_of, n_explained=given.alerts, output=place / "scores.parquet"
        )
        alerts = alerts_of(scores, given.alerts, threshold_of(given.threshold), before)
        write_table(alerts, place / "alerts.parquet")
    with stage("rings", facts):
        earlier = before / "rings" if before else None
        rings = pipeline.find_rings(dataset, scores, given.as_of, previous=earlier, output=place / "rings")
    if "complaints" in dataset.tables:
        with stage("trace", facts):
            facts["holds"] = len(pipeline.trace(dataset, given.as_of, output=place / "traces").holds)
    status, drift = 0, None
    if given.accepted:
        with stage("monitor", facts):
            drift = place / "drift"
            compared = pipeline.monitor(dataset, given.model, given.accepted, given.as_of, output=drift)
            facts["drift"], status = compared.worst, compared.exit_status
    with stage("report", facts):
        pipeline.report(
            dataset, scores, rings=rings, model=given.model, drift=drift, n_alerts=max(len(alerts), 1),
            time_zone=given.time_zone, output=place / "report",
        )  # fmt: skip
    facts |= {
        "as_of": given.as_of, "transfers": len(dataset.transfers), "left_out": len(dataset.rejects),
        "findings": len(findings), "accounts": len(scores), "alerts": len(alerts), "rings": len(rings),
        "new_alerts": pc.sum(alerts["is_new"]).as_py() or 0, "data": dataset.fingerprint,
        "muledetect": version("muledetect"),
    }  # fmt: skip
    write_text(place / "run.json", json.dumps(facts, indent=2) + "\n")
    return status


def refuse_bad_day(day: str) -> None:
    """Stop at what is no day: it names a folder."""
    try:
        is_day = date.fromisoformat(day).isoformat() == day
    except ValueError:
        is_day = False
    if not is_day:
        raise OptionError(f"batch: --as-of must be a day such as 2025-04-15; got {day!r}.")


def threshold_of(path: Path | None) -> float:
    """Return the score from which on an alert is raised; every score will do without a file."""
    return -math.inf if path is None else AlertThreshold.from_json(json.loads(path.read_text("utf-8"))).score


def options() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("dataset", type=Path)
    found.add_argument("--model", required=True, help="folder of a model, or starter")
    found.add_argument("--runs", type=Path, required=True, help="folder that gets one folder a day")
    found.add_argument("--as-of", default=f"{datetime.now(UTC):%Y-%m-%d}", help="exclusive day (UTC); default: today")
    found.add_argument("--accepted", help="day at which the model was accepted; drift since then is measured")
    found.add_argument("--alerts", type=int, default=200, help="most alerts; each gets reasons and a case file")
    found.add_argument("--threshold", type=Path, help="file that `muledetect threshold` wrote")
    found.add_argument("--most-rejected", type=float, default=0.01, help="share of the transfers")
    found.add_argument("--oldest", type=float, default=2.0, help="days that the newest transfer may lie back")
    found.add_argument("--time-zone", default="UTC", help="of the times in reports")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a night; say in the log what came of it, without the message of an error that nobody foresaw."""
    given = options().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    place = given.runs / given.as_of
    try:
        refuse_bad_day(given.as_of)
        with locked(given.runs):
            if place.exists():
                log.info("%s: done before, nothing to do", place.name)
                return 0
            facts: dict[str, Any] = {"seconds": {}}
            with whole_folder(place) as unfinished:
                status = run(given, unfinished, run_before(place), facts)
    except LockedError as error:
        log.error("%s", error)
        return LOCKED
    except OptionError as error:
        log.error("usage: %s", error)
        return USAGE
    except MuleDetectError as error:
        log.error("%s", error)
        return BAD_INPUT
    except Exception as error:  # its message may hold an id, and a nightly log is read by many
        log.error("a failure that nobody foresaw: %s", type(error).__name__)
        return UNFORESEEN
    log.info("done: %s", ", ".join(f"{name} {facts[name]}" for name in ("accounts", "alerts", "new_alerts", "rings")))
    return status


if __name__ == "__main__":
    sys.exit(main())
