"""A scorer says what batch says, books by the rules of records, and refuses what it cannot compute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from live_bank import arriving, bank, before, by_batch, micros, model

from muledetect.clock import DAY, HOUR
from muledetect.errors import DataError, ModelError, OptionError
from muledetect.features import registry
from muledetect.features._extract import compute_columns, plan_of
from muledetect.graph import Points
from muledetect.live import LiveScorer
from muledetect.model.tiers import tiers_by_probability
from muledetect.records import reasons


@pytest.fixture
def scorer() -> LiveScorer:
    return LiveScorer(model(), before())


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 7, 64])
def test_assessments_are_the_scores_of_batch(scorer: LiveScorer, step: int) -> None:
    rows, found = arriving(400 if step > 1 else 60), []
    for low in range(0, len(rows), step):
        assert {one.outcome for one in scorer.book_many(rows[low : low + step])} == {"accepted"}
        found += scorer.score_many(rows[low : low + step])
    ids = bank().account_ids.to_pylist()
    for name in ("payer", "payee"):
        shown = [(whole.as_of, one) for whole in found if (one := getattr(whole, name)) is not None]
        points = Points(
            np.array([ids.index(one.account_id) for _, one in shown], np.int32), np.array([at for at, _ in shown])
        )
        score, probability = by_batch(points)
        assert np.array_equal(score, [one.score for _, one in shown])
        assert np.array_equal(probability, [one.probability for _, one in shown])
        assert list(tiers_by_probability(probability)) == [one.tier for _, one in shown]


@pytest.mark.slow
def test_what_is_booked_first_is_scored_as_if_one_by_one(scorer: LiveScorer) -> None:
    rows, one_by_one = arriving(60), LiveScorer(model(), before())
    scorer.book_many(rows)
    found = scorer.score_many(rows)
    for row, one in zip(rows, found, strict=True):
        asked = one_by_one.score(row, explain=False)
        assert one_by_one.book(row).outcome == "accepted"
        # an account that the first transfer brings is not known before it is booked
        assert asked.payer in (one.payer, None)
        assert asked.payee in (one.payee, None)


def test_a_bound_of_busy_accounts_is_a_number_of_transfers() -> None:
    with pytest.raises(OptionError, match="busy must be at least 1"):
        LiveScorer(model(), before(), busy=0)


def test_nothing_of_the_transfer_itself_is_seen(scorer: LiveScorer) -> None:
    row = arriving(1)[0]
    asked = scorer.score(row)
    assert scorer.score({**row, "amount": row["amount"] * 1_000}) == asked
    scorer.book(row)
    assert scorer.score(row) == asked
    assert asked.payer is None or len(asked.payer.reasons) in range(4)


def test_a_new_day_drives_out_what_lies_before_the_look_back(scorer: LiveScorer) -> None:
    first = scorer.state.since
    assert first is not None
    assert first % DAY == 0
    assert micros(scorer.state.to_dataset().transfers).min() >= first
    assert scorer.begin_day(int(micros(before().transfers)[-1]) + DAY)
    assert scorer.state.since == first + DAY
    assert micros(scorer.state.to_dataset().transfers).min() >= first + DAY
    assert not scorer.begin_day(int(micros(before().transfers)[-1]))


@pytest.mark.parametrize("together", [1, 512])
def test_the_next_day_is_made_ahead_and_takes_in_what_is_booked_meanwhile(
    together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muledetect.live.coming._TOGETHER", together)
    first = micros(before().transfers)[-1] // DAY * DAY
    rows, session = arriving(200), {"table": "sessions", "session_id": "s", "device_hash": "d"}
    ready, plain = LiveScorer(model(), before()), LiveScorer(model(), before())
    plain._look_ahead = lambda _: None  # type: ignore[method-assign]
    for scorer in (ready, plain):
        scorer.book_many(rows[:20])
        scorer._look_ahead(first + DAY - HOUR)
        if together > 1 and ready._coming is not None:
            ready._coming._work.result()  # what comes is booked at the turn
        scorer.book_many(rows[20:60])
        scorer.advance({**session, "account_id": rows[0]["source"], "time": "2025-03-01T00:00:00Z"})
        heard = {"table": "complaints", "complaint_id": "c", "known_ts": "2025-03-09T00:00:00Z"}
        scorer.advance({**heard, "target": rows[0]["target"], "status": "open"})
        scorer.advance({**heard, "target": rows[0]["target"], "status": "confirmed", "status_ts": heard["known_ts"]})
        if ready._coming is not None:
            ready._coming._work.result()
        scorer.book_many(rows[60:61])
    assert ready._coming is not None
    ready._coming._work.result()
    assert len(ready._coming._told) == (0 if together == 1 else 5)  # what the other thread has booked is not kept
    since = ready._coming.since
    for scorer in (ready, plain):
        assert scorer.begin_day(since + model().trained_on_.lookback)
        assert scorer.state.since == since
    ours, theirs = ready.state.to_dataset(), plain.state.to_dataset()
    assert {name: table.to_pylist() for name, table in ours.tables.items()} == {
        name: table.to_pylist() for name, table in theirs.tables.items()
    }
    assert ready.state.signal_values.tobytes() == plain.state.signal_values.tobytes()
    assert ready.score_many(rows[60:80]) == plain.score_many(rows[60:80])
    ready.close()


def test_a_time_in_the_future_drives_nothing_out(scorer: LiveScorer) -> None:
    n_before = scorer.state.n_transfers
    scorer.state.since = 2**60  # later than any clock
    row = {**arriving(1)[0], "time": "2250-01-01T00:00:00Z"}
    scorer.score(row)
    assert scorer.state.n_transfers == n_before


def test_an_event_from_before_the_look_back_is_accepted_and_not_kept(scorer: LiveScorer) -> None:
    n_before = scorer.state.n_transfers
    assert scorer.book({**arriving(1)[0], "time": "2024-12-01T00:00:00Z"}).outcome == "accepted"
    assert scorer.state.n_transfers == n_before


def test_a_row_that_comes_again_is_a_duplicate_and_another_of_its_id_is_rejected(scorer: LiveScorer) -> None:
    row = arriving(1)[0]
    twice = scorer.book_many([row, row, {**row, "amount": row["amount"] + 1}])
    assert [one.outcome for one in twice] == ["accepted", "duplicate", "rejected"]
    assert [one.reason for one in twice] == ["", reasons.DUPLICATE, reasons.DIFFERENT_CONTENT]
    assert scorer.book(row).outcome == "duplicate"
    assert scorer.state.n_transfers == LiveScorer(model(), before()).state.n_transfers + 1


def test_rows_that_break_a_rule_are_rejected_beside_good_ones(scorer: LiveScorer) -> None:
    good, *bad = arriving(4)
    bad = [{**bad[0], "amount": 0}, {**bad[1], "time": "yesterday"}, {**bad[2], "source": None}]
    found = scorer.book_many([bad[0], good, *bad[1:]])
    assert [one.outcome for one in found] == ["rejected", "accepted", "rejected", "rejected"]
    assert [one.column for one in found] == ["amount", "", "time", "source"]
    with pytest.raises(DataError, match=r"column 'amount': non-positive amount\. It cannot be scored"):
        scorer.score(bad[0])


def reversals() -> Iterator[tuple[dict[str, Any], str]]:
    """Reversals of one transfer in a row, and why each is rejected."""
    row = arriving(1)[0]
    back = {
        "transfer_id": "back 1", "reversal_of": row["transfer_id"], "source": row["target"], "target": row["source"],
        "amount": row["amount"] // 2 + 1, "time": bank().transfers["time"][-1].as_py(),
    }  # fmt: skip
    yield back, ""
    yield {**back, "transfer_id": "back 2"}, reasons.REVERSAL_EXCESS
    yield (
        {**back, "transfer_id": "back 3", "amount": 1, "source": row["target"], "target": "x"},
        reasons.REVERSAL_MISMATCH,
    )
    yield {**back, "transfer_id": "back 4", "reversal_of": "back 1", "amount": 1}, reasons.REVERSAL_CHAIN
    yield {**back, "transfer_id": "back 5", "amount": 1, "source": row["source"], "target": row["target"]}, ""
    yield {**back, "transfer_id": "back 6", "reversal_of": "never seen"}, ""


def test_reversals_are_held_against_their_originals(scorer: LiveScorer) -> None:
    scorer.book(arriving(1)[0])
    for row, reason in reversals():
        assert scorer.book(row).reason == reason
    booked = {row["transfer_id"]: row for row in scorer.state.to_dataset().transfers.to_pylist()[-20:]}
    original = arriving(1)[0]
    assert booked["back 5"]["source"] == original["target"]
    assert booked["back 5"]["channel"] == "reversal"
    assert scorer.book({**next(reversals())[0], "transfer_id": "back 5", "amount": 1}).outcome == "duplicate"


def test_events_of_other_tables_are_taken_and_told_anew(scorer: LiveScorer) -> None:
    account = bank().transfers["source"][0].as_py()
    at = "2025-03-11T00:00:00Z"
    session = {"table": "sessions", "session_id": "new", "account_id": account, "time": at, "device_hash": "d"}
    assert [scorer.advance(session).outcome for _ in range(2)] == ["accepted", "duplicate"]
    assert scorer.advance({**session, "device_hash": "e"}).reason == reasons.DIFFERENT_CONTENT
    heard = {"table": "complaints", "complaint_id": "new", "known_ts": at, "target": account, "status": "open"}
    n_before = len(scorer.state.tables["complaints"])
    assert scorer.advance(heard).outcome == "accepted"
    assert scorer.advance({**heard, "status": "withdrawn", "status_ts": at}).outcome == "accepted"
    assert len(scorer.state.tables["complaints"]) == n_before + 1
    assert scorer.state.to_dataset().tables["complaints"]["status"][-1].as_py() == "withdrawn"
    assert scorer.advance({"table": "gossip", "text": "no"}).outcome == "rejected"
    with pytest.raises(DataError, match="does not say its table"):
        scorer.advance({"session_id": "s"})


def test_a_session_is_seen_from_the_next_moment_on(scorer: LiveScorer) -> None:
    row = arriving(1)[0]
    known = scorer.state.codes([row["source"]])
    points = Points(
        np.repeat(known, 2).astype(np.int32), micros(pa.table({"time": [row["time"]]}))[0] + np.array([0, 1])
    )
    names = ["own_devices__window_30d"]

    def devices() -> Any:
        return compute_columns(scorer.state.parts.history(points), 1, plan_of(names, registry()))[:, 0]

    seen_before = devices()
    event = {"table": "sessions", "session_id": "n", "account_id": row["source"], "device_hash": "d"}
    scorer.advance({**event, "time": row["time"]})
    assert (devices() - seen_before).tolist() == [0, 1]


def test_accounts_of_other_banks_and_unknown_ones_get_no_score(scorer: LiveScorer) -> None:
    tables = bank().tables["accounts"].to_pylist()
    other = next(row["account_id"] for row in tables if row["is_own"] is False)
    own = next(row["account_id"] for row in tables if row["is_own"])
    row = {**arriving(1)[0], "source": other, "target": own}
    found = scorer.score(row)
    assert (found.payer, found.payee and found.payee.account_id) == (None, own)
    assert scorer.score({**row, "source": "nobody"}).payer is None


def test_a_model_of_columns_that_are_not_live_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match=r"train\(\.\.\., live=True\).*in_cycle__window_all: which lengths") as told:
        LiveScorer(model(live=False), before())
    assert "in_amount__window_7d" not in str(told.value)


def test_another_model_takes_over_and_one_of_another_look_back_is_refused(scorer: LiveScorer) -> None:
    scorer.swap(model())
    other = model().trained_on_
    changed = type(model()).__new__(type(model()))
    changed.__dict__ = {**model().__dict__, "trained_on_": type(other)(**{**_fields(other), "lookback": HOUR})}
    with pytest.raises(ModelError, match="another look-back"):
        scorer.swap(changed)


def _fields(origin: Any) -> dict[str, Any]:
    return {name: getattr(origin, name) for name in origin.__slots__}
