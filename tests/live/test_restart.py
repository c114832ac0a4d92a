"""Nothing that was acknowledged is lost or doubled: a scorer that starts again is the one that was stopped."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_bank import arriving, before, model

from muledetect.clock import DAY
from muledetect.errors import DataError
from muledetect.live import LiveScorer
from muledetect.live.state import LiveState
from muledetect.records import read_dataset
from muledetect.testing import random_world

SESSION = {"table": "sessions", "session_id": "new", "time": "2025-03-11T00:00:00Z", "device_hash": "d"}


def assert_same(one: LiveState, other: LiveState) -> None:
    """Both hold the same rows in the same order, the same codes, and the same signals, bit for bit."""
    ours, theirs = one.to_dataset(), other.to_dataset()
    assert ours.account_ids.equals(theirs.account_ids)
    assert (one.since, one.tick, one.currency) == (other.since, other.tick, other.currency)
    for name, table in ours.tables.items():
        assert table.to_pylist() == theirs.tables[name].to_pylist()
    assert one.signal_values.tobytes() == other.signal_values.tobytes()


def grow(scorer: LiveScorer, rows: list[dict[str, Any]], step: int = 5) -> None:
    for low in range(0, len(rows), step):
        scorer.book_many(rows[low : low + step])
        scorer.score(rows[low])
    scorer.advance({**SESSION, "account_id": rows[0]["source"], "session_id": rows[0]["transfer_id"]})


def test_a_scorer_starts_again_from_its_log(tmp_path: Path) -> None:
    scorer = LiveScorer(model(), before(), log=tmp_path, sync="interval")
    grow(scorer, arriving(40))
    scorer.book(arriving(1)[0])  # a repeat, which needs no place in the log
    scorer.close()
    with LiveScorer(model(), before(), log=tmp_path) as again:
        assert_same(scorer.state, again.state)
        assert again.score(arriving(60)[-1]) == scorer.score(arriving(60)[-1])
        assert again.book(arriving(1)[0]).outcome == "duplicate"


@pytest.mark.slow
def test_a_scorer_starts_again_from_its_snapshot_and_the_log_behind_it(tmp_path: Path) -> None:
    scorer = LiveScorer(model(), before(), log=tmp_path)
    rows = arriving(120)
    grow(scorer, rows[:40])
    scorer.snapshot()
    grow(scorer, rows[40:80])
    scorer.snapshot()
    assert {path.name for path in tmp_path.iterdir()} == {"state-2", "events-2.log"}
    grow(scorer, rows[80:])
    scorer.close()
    with LiveScorer(model(), before(), log=tmp_path) as again:
        assert_same(scorer.state, again.state)
        assert again.begin_day(scorer.state.latest + 2 * DAY)
    with LiveScorer(model(), before(), log=tmp_path) as third:
        assert_same(again.state, third.state)


def test_a_log_of_another_data_set_is_refused(tmp_path: Path) -> None:
    LiveScorer(model(), before(), log=tmp_path).close()
    with pytest.raises(DataError, match="begun with another data set"):
        LiveScorer(model(), read_dataset(random_world(0), currency="THB"), log=tmp_path)


def test_a_damaged_snapshot_is_refused(tmp_path: Path) -> None:
    scorer = LiveScorer(model(), before(), log=tmp_path)
    scorer.snapshot()
    scorer.close()
    place = tmp_path / "state-1" / "signals.npy"
    content = bytearray(place.read_bytes())
    content[-3] ^= 1
    place.write_bytes(content)
    with pytest.raises(DataError, match=r"signals\.npy is missing or damaged"):
        LiveScorer(model(), before(), log=tmp_path)


def test_an_event_that_cannot_be_written_down_is_not_booked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with LiveScorer(model(), before(), log=tmp_path) as scorer:
        n_before = scorer.state.n_transfers
        with monkeypatch.context() as patched:
            patched.setattr("muledetect.live.log._write", full)
            with pytest.raises(OSError, match="No space left"):
                scorer.book(arriving(1)[0])
        assert scorer.state.n_transfers == n_before
        assert scorer.book(arriving(1)[0]).outcome == "accepted"


CHILD = textwrap.dedent(
    """
    import pickle, sys, time
    from pathlib import Path
    from muledetect.live import LiveScorer
    model, dataset, rows = pickle.loads(Path(sys.argv[1]).read_bytes())
    scorer = LiveScorer(model, dataset, log=sys.argv[2], sync=sys.argv[3])
    print("ready", flush=True)
    for k, row in enumerate(rows):
        if scorer.book(row).outcome == "accepted":
            print(row["transfer_id"], flush=True)
        if k % 7 == 6:
            scorer.snapshot()
    """
)


@pytest.mark.slow
def test_a_process_that_is_killed_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Killed 50 times; each start goes on with the rows from the first, so that what is booked comes again."""
    (tmp_path / "given").write_bytes(pickle.dumps((model(), before(), arriving(400))))
    random, acknowledged, folder = np.random.default_rng(5), list[str](), tmp_path / "log"
    for turn in range(50):
        sync = ("always", "interval", "never")[turn % 3]
        command = [sys.executable, "-c", CHILD, str(tmp_path / "given"), str(folder), sync]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        try:
            child.wait(float(random.exponential(0.4)))
        except subprocess.TimeoutExpired:
            child.kill()
        acknowledged += child.stdout.read().split()
        child.wait()
    assert len(acknowledged) == len(set(acknowledged)) > 100
    with LiveScorer(model(), before(), log=folder) as kept:
        pass
    n_first = LiveScorer(model(), before()).state.n_transfers
    booked = kept.state.to_dataset().transfers["transfer_id"].to_pylist()
    arrived = [row["transfer_id"] for row in arriving(400)]
    n_kept = kept.state.n_transfers - n_first
    # what was booked when the kill came may be there without having been acknowledged; each start books on from there
    assert set(acknowledged) <= set(booked)
    assert set(booked) >= set(arrived[:n_kept])
    assert len(booked) == len(set(booked))
    clean = LiveScorer(model(), before())
    clean.book_many(arriving(n_kept))
    assert_same(clean.state, kept.state)
