"""Busy accounts have the scores of batch at moments of their own, and no more is computed than what changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from live_bank import arriving, bank, before, by_batch, micros, model
from test_live_equals_batch import NAMES, PLAN

from muledetect.clock import DAY, HOUR, SECOND
from muledetect.facts import Facts
from muledetect.features._extract import compute_columns
from muledetect.graph import Points
from muledetect.live import Assessment, LiveScorer, LiveState
from muledetect.live.hourly import Hourly, moment_of
from muledetect.live.intake import book_rows
from muledetect.records import read_dataset
from muledetect.testing import random_world
from muledetect.testing.worlds import renamed

MIDNIGHT = 1_741_651_200_000_000  # 2025-03-11

moments_of = np.vectorize(moment_of)


def shown(found: list[Assessment]) -> list[tuple[int, Any]]:
    """Time and score of each end that has one."""
    return [(whole.as_of, one) for whole in found for one in (whole.payer, whole.payee) if one is not None]


def assert_batch(found: list[Assessment]) -> int:
    """Scores are those of batch, with the look-back of the payment's day; return how many are as of a day before."""
    ids, n_before = bank().account_ids.to_pylist(), 0
    at = np.array([time for time, _ in shown(found)])
    as_of = np.array([time if one.as_of is None else one.as_of for time, one in shown(found)])
    account = np.array([ids.index(one.account_id) for _, one in shown(found)], np.int32)
    score = np.array([one.score for _, one in shown(found)])
    for days in range(3):
        rows = np.flatnonzero(at // DAY - as_of // DAY == days)
        expected = by_batch(Points(account[rows], as_of[rows]), days_less=days)[0]
        assert np.array_equal(expected, score[rows])
        n_before += len(rows) if days else 0
    return n_before


def test_moments_are_one_an_hour() -> None:
    first = MIDNIGHT + 17 * SECOND
    as_of = MIDNIGHT + np.arange(0, DAY, 60 * SECOND)
    found = moments_of(np.full(len(as_of), first), as_of)
    offset = int(found[-1] % HOUR)
    assert set(found.tolist()) == {MIDNIGHT + offset + hour * HOUR for hour in range(-1, 24)}
    assert (found <= as_of).all()
    assert (as_of - found < HOUR).all()
    assert moments_of(np.array([first]), found[-1:]).tolist() == found[-1:].tolist()


@pytest.mark.parametrize("step", [1, SECOND, 60 * SECOND])
def test_moments_are_spread_over_the_hour_even_if_first_transfers_are_close(step: int) -> None:
    found = moments_of(MIDNIGHT + np.arange(1_000) * step, np.full(1_000, MIDNIGHT + DAY - 1))
    counts = np.bincount(found % HOUR * 10 // HOUR, minlength=10)
    assert counts.min() > 60
    assert counts.max() < 140


def test_the_largest_accounts_are_scored_as_of_the_day_before() -> None:
    """Of accounts with 10, 11, 160 and 161 transfers at any time, and one that got its 161st on the day before."""

    counts, names = [10, 11, 160, 161, 161], ["a", "b", "c", "d", "e"]
    first = [MIDNIGHT - 2 * DAY + 17 * SECOND * number for number in range(1, 6)]
    rows = [
        {"source": name, "target": f"x{number % 9}", "time": moment + number * SECOND}
        for name, moment, n in zip(names, first, counts, strict=True)
        for number in range(n)
    ]
    rows[-1]["time"] = MIDNIGHT - DAY
    whole = [{**row, "transfer_id": f"{number}", "amount": 100} for number, row in enumerate(rows)]
    columns = {name: [row[name] for row in whole] for name in whole[0]}
    columns["time"] = pa.array(columns["time"], pa.timestamp("us", "UTC"))
    state = LiveState(Facts(read_dataset({"transfers": pa.table(columns)}, currency="THB")))

    points = Points(state.codes(names), np.full(5, MIDNIGHT + 5 * HOUR + 1))
    asked, is_busy = Hourly(10).asked(state, points)
    assert is_busy.tolist() == [False, True, True, True, True]
    own = moments_of(np.array(first), points.as_of)
    assert asked.as_of.tolist() == [points.as_of[0], own[1], own[2], MIDNIGHT - DAY, own[4]]
    none, is_busy = Hourly(10).asked(state, Points(np.array([-1, len(state.accounts)], np.int32), points.as_of[:2]))
    assert none.as_of.tolist() == points.as_of[:2].tolist()
    assert not is_busy.any()


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 64])
def test_busy_accounts_have_the_scores_of_batch_at_their_own_moments(step: int) -> None:
    rows, found, scorer = arriving(250 if step > 1 else 60), list[Assessment](), LiveScorer(model(), before(), busy=40)
    for low in range(0, len(rows), step):
        scorer.book_many(rows[low : low + step])
        found += scorer.score_many(rows[low : low + step])
    ids, time = bank().account_ids.to_pylist(), micros(bank().transfers)
    ends = np.stack([bank().transfers[name].combine_chunks().indices.to_numpy() for name in ("source", "target")])
    moments = set[int]()
    for at, one in shown(found):
        is_own = (ends == ids.index(one.account_id)) & (time >= at // DAY * DAY - 30 * DAY)
        first = time[is_own.any(axis=0)][:1] if is_own.any() else np.zeros(1, np.int64)
        moment = moment_of(int(first[0]), at)
        is_busy = int(is_own[:, time < moment].sum()) > 40
        assert one.as_of == (moment if is_busy and moment != at else None)
        moments |= {moment % HOUR} if is_busy else set()
    assert {one.as_of is None for _, one in shown(found)} == {True, False}
    assert len(moments) > 5
    assert_batch(found)


@pytest.mark.slow
def test_after_a_restart_busy_accounts_have_the_same_moments_and_scores(tmp_path: Path) -> None:
    rows = arriving(200)
    with LiveScorer(model(), before(), busy=30, log=tmp_path) as scorer:
        for low in range(0, 120, 7):
            scorer.book_many(rows[low : min(low + 7, 120)])
            scorer.score_many(rows[low : low + 7])
        scorer.snapshot()
        scorer.book_many(rows[120:])
        expected = scorer.score_many(rows)
    with LiveScorer(model(), before(), busy=30, log=tmp_path) as again:
        assert again.score_many(rows) == expected
    assert any(one.as_of is not None for _, one in shown(expected))


@pytest.mark.slow
def test_names_of_accounts_and_the_order_of_rows_change_no_moment_and_no_score() -> None:
    dataset = before()
    ids = dataset.account_ids.to_pylist()
    name_of = {old: f"x{new:05d}" for new, old in enumerate(np.random.default_rng(0).permutation(ids).tolist())}
    order = pa.array(np.random.default_rng(1).permutation(len(dataset.transfers)))
    tables = {**dataset.tables, "transfers": dataset.transfers.take(order)}
    other = read_dataset(renamed(tables, name_of), currency=dataset.currency)
    rows = arriving(150)
    for row in rows:
        name_of |= {one: one for one in (row["source"], row["target"]) if one not in name_of}
    found = [
        LiveScorer(model(), data, busy=30).score_many(some)
        for data, some in (
            (dataset, rows),
            (other, [{**row, "source": name_of[row["source"]], "target": name_of[row["target"]]} for row in rows]),
        )
    ]
    plain, new = (shown(one) for one in found)
    assert any(one.as_of is not None for _, one in plain)
    expected = [(at, one._replace(account_id=name_of[one.account_id])) for at, one in plain]
    assert [(at, tuple(one)) for at, one in new] == [(at, tuple(one)) for at, one in expected]


@pytest.mark.slow
def test_a_kept_score_gives_way_when_what_it_rests_on_changes() -> None:
    rows = arriving(200)
    late, rows = rows[::9], [row for at, row in enumerate(rows) if at % 9]
    events: list[dict[str, Any]] = []
    for number, row in enumerate(late):
        at = row["time"].isoformat()
        seen = {"table": "sessions", "session_id": f"late-{number}", "time": at, "device_hash": f"d{number}"}
        stated = {"table": "accounts", "account_id": row["source"], "balance": 5_000 + number, "balance_at": at}
        known = next(one for one in bank().tables["accounts"].to_pylist() if one["account_id"] == row["source"])
        events += [
            {**seen, "account_id": row["source"]},
            {k: v for k, v in {**known, **stated}.items() if v is not None},
        ]
    scorer, fresh = (LiveScorer(model(), before(), busy=20) for _ in range(2))
    scorer.book_many(rows)
    scorer.score_many(rows[-1:])  # the look-back of the last day is that of all questions from now on
    former = scorer.score_many(rows)
    assert scorer.score_many(rows) == former
    for row in late:
        scorer.book(row)
    fresh.book_many([*rows, *late])
    fresh.score_many(rows[-1:])
    assert scorer.score_many(rows) == fresh.score_many(rows) != former
    assert {one.outcome for one in scorer.advance_many(events)} == {"accepted"}
    again = LiveScorer(model(), before(), busy=20)
    again.book_many([*rows, *late])
    again.advance_many(events)
    again.score_many(rows[-1:])
    assert scorer.score_many(rows) == again.score_many(rows)


def test_what_changes_for_one_account_leaves_the_kept_scores_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, computed = arriving(60), list[int]()
    scorer = LiveScorer(model(), before(), busy=20)
    columns, asked = scorer.columns, [{**row, "time": rows[-1]["time"]} for row in rows]
    monkeypatch.setattr(scorer, "columns", lambda points: [computed.append(len(points)), columns(points)][1])

    def n_computed() -> int:
        computed.clear()
        scorer.score_many(asked)
        return sum(computed)

    scorer.book_many(rows)
    n_all, n_kept = n_computed(), n_computed()
    busy = next(one for _, one in shown(scorer.score_many(asked)) if one.as_of is not None)
    assert n_all - n_kept > 5
    late = {"table": "sessions", "session_id": "late", "time": "2025-03-01T00:00:00Z", "device_hash": "d"}
    scorer.advance({**late, "account_id": busy.account_id})
    assert n_computed() == n_kept + 1
    assert n_computed() == n_kept
    scorer.advance({"table": "accounts", "account_id": "new"})
    assert n_computed() == n_kept
    told = {"table": "complaints", "complaint_id": "n", "known_ts": "2025-03-01T00:00:00Z", "target": busy.account_id}
    scorer.advance({**told, "status": "open"})
    scorer.advance({**told, "status": "confirmed", "status_ts": told["known_ts"]})
    assert n_computed() == n_kept
    first = {**rows[0], "transfer_id": "late", "source": "a", "target": "b", "time": "2025-03-01T00:00:00Z"}
    scorer.book(first)  # strangers, so that no signal of others changes
    assert n_computed() == n_kept
    scorer.book({**first, "transfer_id": "later", "target": busy.account_id})
    assert n_kept < n_computed() < n_all


@pytest.mark.parametrize("seed", range(6))
def test_whatever_changes_at_a_point_is_told(seed: int) -> None:
    """Columns at all accounts and some moments, before and after late transfers, sessions, and what turns a row."""
    dataset = read_dataset(random_world(seed, n_accounts=12, n_transfers=200), currency="THB")
    random, n = np.random.default_rng(seed), len(dataset.account_ids)
    order = random.permutation(200)
    first = {**dataset.tables, "transfers": dataset.transfers.take(pa.array(np.sort(order[:100])))}
    first["sessions"] = dataset.tables["sessions"].slice(0, 2)
    state, told = LiveState(Facts(replace(dataset, tables=first))), list[tuple[int, int]]()
    state.on_change = lambda accounts, since: told.extend(zip(accounts.tolist(), since.tolist(), strict=True))
    moments = np.quantile(micros(dataset.transfers), [0.3, 0.6, 0.9, 1.0]).astype(np.int64) + 1
    points = Points(np.tile(np.arange(n, dtype=np.int32), len(moments)), np.repeat(moments, n))

    def columns() -> Any:
        return compute_columns(state.parts.history(points), len(NAMES), PLAN)

    def changes() -> Iterator[None]:
        for low in range(100, 200, 5):
            yield state.add_transfers(dataset.transfers.take(pa.array(order[low : low + 5])))
        for row in dataset.tables["sessions"].slice(2, 20).to_pylist():
            yield book_rows(state, "sessions", [{k: v for k, v in row.items() if v is not None}]) and None
        for row in dataset.tables["accounts"].to_pylist():
            stated = {"balance": 77, "balance_at": dataset.transfers["time"][50].as_py()}
            yield book_rows(state, "accounts", [{k: v for k, v in row.items() if v is not None} | stated]) and None

    known, n_changed, n_told = columns(), 0, 0
    for _ in changes():
        since = dict[int, int]()
        for account, moment in told:
            since[account] = min(moment, since.get(account, moment))
        may = np.array(
            [since.get(a, m) < m for a, m in zip(points.account.tolist(), points.as_of.tolist(), strict=True)]
        )
        found = columns()
        is_changed = (found.view(np.uint64) != known.view(np.uint64)).any(axis=1)
        assert not (is_changed & ~may).any()
        n_changed, n_told, known = n_changed + is_changed.sum(), n_told + may.sum(), found
        told.clear()
    assert 0 < n_changed <= n_told < len(points) * 30


@pytest.mark.parametrize("together", [1, 512])
def test_the_next_day_begins_with_the_scores_of_busy_accounts(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its first payments ask for is computed by the other thread, and is what batch says."""
    monkeypatch.setattr("muledetect.live.coming._TOGETHER", together)
    rows, computed = arriving(), list[Points]()
    day = int(rows[0]["time"].timestamp()) // 86_400 * DAY + DAY
    today = [row for row in rows if row["time"].timestamp() * 1e6 < day]
    first = [row for row in rows if day <= row["time"].timestamp() * 1e6 < day + HOUR]
    scorer, fresh = LiveScorer(model(), before(), busy=20), LiveScorer(model(), before(), busy=20)
    for low in range(0, len(today), 16):
        scorer.book_many(today[low : low + 16])
        if scorer._coming is not None:
            scorer._coming._work.result()
    scorer.begin_day(day)
    at_once = [{**row, "time": first[0]["time"]} for row in [*today, *first]]
    columns = scorer.columns
    monkeypatch.setattr(scorer, "columns", lambda points: [computed.append(points), columns(points)][1])
    found = scorer.score_many(at_once)
    fresh.book_many(today)
    assert found == fresh.score_many(at_once)
    as_of = np.concatenate([points.as_of for points in computed])
    last = int(today[-1]["time"].timestamp() * 1e6)
    assert (as_of > last).all() == (together == 1)  # all is computed whose moment has come
    assert {one.as_of == day - DAY for _, one in shown(found) if one.as_of is not None} == {True, False}
    assert assert_batch(found) > 10


def test_before_a_service_listens_busy_accounts_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, computed = arriving(300), list[Points]()
    scorer, plain = LiveScorer(model(), before(), busy=20), LiveScorer(model(), before(), busy=20)
    moment = int(rows[0]["time"].timestamp() * 1e6)
    scorer.prepare(moment)
    columns, asked = scorer.columns, [{**row, "time": rows[0]["time"]} for row in rows]
    monkeypatch.setattr(scorer, "columns", lambda points: [computed.append(points), columns(points)][1])
    found = scorer.score_many(asked)
    assert all((points.as_of == moment).all() for points in computed)
    assert any(one.as_of is not None for _, one in shown(found))
    assert found == plain.score_many(asked)
    scorer.prepare(moment + DAY)
    assert scorer.state.since == plain.state.since + DAY


def test_another_model_of_the_same_columns_leaves_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, computed = arriving(60), list[int]()
    scorer = LiveScorer(model(), before(), busy=20)
    columns, asked = scorer.columns, [{**row, "time": rows[0]["time"]} for row in rows]
    monkeypatch.setattr(scorer, "columns", lambda points: [computed.append(len(points)), columns(points)][1])
    scorer.score_many(asked)
    scorer.score_many(asked)
    scorer.swap(model())
    scorer.score_many(asked)
    scorer._hourly.answer([*scorer._ready.names, "other"])
    scorer.score_many(asked)
    first, second, third, fourth = computed
    assert first == fourth > second == third
