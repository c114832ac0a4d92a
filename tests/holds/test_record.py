"""The record of holds grows and never changes; states follow from what was known before a moment."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import ended
from hold_worlds import BEGUN, held, later

from muledetect.clock import HOUR, format_time, parse_time
from muledetect.errors import DataError, OptionError, OutputError
from muledetect.holds import add_event, hold_states, read_record
from muledetect.schema import HOLD_EVENTS, HOLD_STATES


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "holds.parquet"


def state(record: Path | pa.Table, as_of: str, pack: str = "TH") -> dict[str, Any]:
    rows = hold_states(record, as_of, pack).to_pylist()
    assert len(rows) == 1
    return {name: value.isoformat()[:16] if hasattr(value, "isoformat") else value for name, value in rows[0].items()}


def test_a_hold_has_its_clock_from_the_pack(record: Path) -> None:
    assert held(record) == "H000001"
    found = state(record, "2025-02-28T10:01Z")
    assert found["state"] == "held"
    assert (found["amount"], found["held"]) == (100_000, 100_000)
    assert found["review_due"] == "2025-03-01T10:00"
    assert found["bank_until"] == found["expires_at"] == "2025-03-03T10:00"
    assert (found["police_until"], found["extended_until"], found["ended_at"]) == (None, None, None)
    assert (found["decided_by"], found["why"]) == ("desk 7", "traced to it")
    assert hold_states(record, BEGUN, "TH").num_rows == 0  # the moment is exclusive


def test_reviews_fall_due_and_are_done(record: Path) -> None:
    held(record)
    assert not state(record, "2025-03-01T10:00Z")["is_due"]
    assert state(record, "2025-03-01T10:01Z")["is_due"]
    later(record, "reviewed", "2025-03-01T12:00Z")
    assert not state(record, "2025-03-02T11:00Z")["is_due"]
    assert state(record, "2025-03-02T11:00Z")["review_due"] == "2025-03-02T12:00"


def test_a_hold_expires_by_itself(record: Path) -> None:
    held(record, until="2025-03-01T10:00Z")
    assert state(record, "2025-03-01T10:00Z")["state"] == "held"
    gone = state(record, "2025-03-01T10:01Z")
    assert (gone["state"], gone["held"], gone["ended_at"]) == ("expired", 0, "2025-03-01T10:00")
    later(record, "expired", "2025-03-01T10:05Z")
    assert state(record, "2025-03-02")["ended_at"] == "2025-03-01T10:05"


def test_the_longer_period_begins_with_its_event(record: Path) -> None:
    held(record, until="2025-03-01T10:00Z")
    later(record, "reported", "2025-03-01T09:00Z")
    found = state(record, "2025-03-02")
    assert found["police_until"] == found["expires_at"] == "2025-03-08T09:00"
    with pytest.raises(OptionError, match="begins once"):
        later(record, "reported", "2025-03-02T09:00Z")


def test_an_appeal_makes_a_review_due_and_waits_for_it(record: Path) -> None:
    held(record)
    later(record, "reviewed", "2025-03-01T09:00Z")
    later(record, "reported", "2025-03-01T09:30Z")
    later(record, "appealed", "2025-03-02T08:00Z")
    found = state(record, "2025-03-02T08:01Z")
    assert (found["state"], found["appealed_at"], found["review_due"]) == (
        "appealed",
        "2025-03-02T08:00",
        "2025-03-02T09:00",
    )
    later(record, "reviewed", "2025-03-02T08:30Z")
    assert state(record, "2025-03-02T09:00Z")["state"] == "held"


def test_money_is_released_in_parts(record: Path) -> None:
    held(record)
    later(record, "released", "2025-03-01T00:00Z", amount=40_000)
    assert (state(record, "2025-03-02")["state"], state(record, "2025-03-02")["held"]) == ("held", 60_000)
    with pytest.raises(OptionError, match="more is released than is held"):
        later(record, "released", "2025-03-01T01:00Z", amount=60_001)
    later(record, "released", "2025-03-01T02:00Z")
    gone = state(record, "2025-03-02")
    assert (gone["state"], gone["held"], gone["ended_at"]) == ("released", 0, "2025-03-01T02:00")


@pytest.mark.parametrize(
    ("begun", "event", "reason"),
    [
        ({"clock": "drain"}, None, "has no clock 'drain'"),
        ({"until": "2025-03-03T10:01Z"}, None, "when the bank's period ends, and no longer"),
        ({"pack": "none"}, None, "no hold can stand"),
        ({"complaint_id": None}, None, "name its complaint or its transfer"),
        ({"account_id": None}, None, "needs an account, an amount and a clock"),
        ({"time": "2025-02-28T17:00"}, None, "must say its zone"),
        ({"time": "2025-02-28"}, None, "must say its zone"),
        ({"time": "2568-02-28T17:00+07:00", "recorded": "2568-03-01T17:00+07:00"}, None, "a Buddhist one"),
        ({"recorded": "2025-02-28T09:00Z"}, None, "takes effect after it is written down"),
        ({"decided_by": "  "}, None, "say decided_by in 1"),
        ({"amount": 0}, None, "1 or more"),
        ({"power": "bank"}, None, "goes with extended"),
        ({}, ("extended", {"power": "bank", "until": "2025-03-03T10:01Z"}), "bank may extend it until"),
        ({}, ("extended", {"power": "agency", "until": "2025-03-09T10:00Z"}), "no power to"),
        ({}, ("extended", {"until": "2025-03-02T10:00Z"}), "by whose power"),
        ({}, ("extended", {"power": "court", "until": "2025-03-02T10:00Z"}), "already"),
        ({}, ("released", {"account_id": "m"}), "account_id is said with the event held only"),
        ({}, ("held", {"account_id": "m", "complaint_id": "q", "amount": 5}), "is not raised"),
        ({}, ("expired", {}), "end it with released"),
        ({}, ("reviewed", {"time": "2025-03-09T10:00Z"}), "the hold ended at"),
        ({}, ("reviewed", {"hold_id": "H000009"}), "is not in the record"),
        ({}, ("reviewed", {"hold_id": None}), "needs the hold"),
        ({}, ("reviewd", {}), "did you mean 'reviewed'"),
    ],
)  # fmt: skip
def test_what_the_clock_or_the_state_does_not_allow_is_refused(
    record: Path, begun: dict[str, Any], event: tuple[str, dict[str, Any]] | None, reason: str
) -> None:
    if event is None:
        with pytest.raises(OptionError, match=reason):
            held(record, **begun)
        assert not record.exists()
        return
    held(record, **begun)
    before = record.read_bytes()
    name, given = event
    with pytest.raises(OptionError, match=reason):
        later(record, name, **({"time": "2025-03-01T08:00Z"} | given))
    assert record.read_bytes() == before


def test_others_extend_as_far_as_the_pack_says(record: Path) -> None:
    given = {"pack": "GB", "clock": "consent", "complaint_id": None, "transfer_id": "t1"}
    held(record, **given)
    later(record, "reported", "2025-03-05T10:00Z", pack="GB")  # refused: 31 days, the first being 5 March
    assert state(record, "2025-03-06", "GB")["expires_at"] == "2025-04-04T23:00"
    with pytest.raises(OptionError, match="court may extend it until 2025-05-06 00:00"):
        later(record, "extended", "2025-04-01T10:00Z", pack="GB", power="court", until="2025-05-05T23:01Z")
    later(record, "extended", "2025-04-01T10:00Z", pack="GB", power="court", until="2025-05-05T23:00Z")
    assert state(record, "2025-04-02", "GB")["expires_at"] == "2025-05-05T23:00"


def test_a_bank_extends_within_its_period(record: Path) -> None:
    held(record, until="2025-03-01T10:00Z")
    later(record, "extended", "2025-03-01T09:00Z", power="bank", until="2025-03-03T10:00Z")
    assert state(record, "2025-03-02")["extended_until"] == "2025-03-03T10:00"


@pytest.mark.parametrize("seed", range(20))
def test_what_is_written_down_later_changes_no_state_of_the_past(record: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    begun, known = parse_time(BEGUN), parse_time(BEGUN)
    held(record, until=begun + 30 * HOUR)
    told: list[tuple[str, pa.Table]] = []
    for _ in range(12):
        # known some time after it took effect; so the order of effect is not the order of the record
        known += int(random.integers(1, 6 * HOUR))
        event = str(random.choice(["reported", "extended", "reviewed", "appealed", "released", "expired"]))
        more: dict[str, Any] = {"amount": int(random.integers(1, 40_000))} if event == "released" else {}
        if event == "extended":
            more = {"power": "bank", "until": begun + int(random.integers(30, 73)) * HOUR}
        time = known - int(random.integers(0, 8 * HOUR))
        moment = format_time(known)
        told.append((moment, hold_states(record, moment, "TH")))
        try:
            add_event(
                record, event, pack="TH", time=time, recorded=known, decided_by="d", why="w", hold_id="H000001", **more
            )
        except OptionError:
            continue
    for moment, then in told:
        assert hold_states(record, moment, "TH").equals(then)


def test_a_late_event_counts_from_when_it_was_known(record: Path) -> None:
    held(record, until="2025-03-01T10:00Z")
    later(record, "reported", "2025-03-01T09:00Z", recorded="2025-03-02T10:00Z")
    assert state(record, "2025-03-02T10:00Z")["state"] == "expired"
    assert state(record, "2025-03-02T10:01Z")["state"] == "held"


def test_equal_events_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        held(tmp_path / name)
        later(tmp_path / name, "reviewed", "2025-03-01T09:00Z")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("change", ["cell", "row", "order", "column"])
def test_a_changed_record_is_noticed(record: Path, change: str) -> None:
    held(record)
    later(record, "reviewed", "2025-03-01T09:00Z")
    later(record, "appealed", "2025-03-01T10:00Z")
    table = read_record(record)
    amounts = pa.array([100_001, None, None], pa.int64())
    changed = {
        "cell": lambda: table.set_column(table.column_names.index("amount"), "amount", amounts),
        "row": lambda: table.take([0, 2]),
        "order": lambda: table.take([0, 2, 1]),
        "column": lambda: table.drop_columns(["why"]),
    }[change]()
    with pytest.raises(DataError, match=r"missing"):
        read_record(changed)
    pq.write_table(changed, record)
    with pytest.raises(OutputError, match="changed"):
        later(record, "reviewed", "2025-03-01T11:00Z")
    with pytest.raises(DataError):
        later(record, "reviewed", "2025-03-01T11:00Z", overwrite=True)


def test_no_event_is_lost_when_many_write_at_once(record: Path) -> None:
    held(record)
    errors: list[Exception] = []

    def write(number: int) -> None:
        try:
            held(record, account_id=f"m{number}")
        except Exception as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(12)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not errors
    table = read_record(record)
    assert len(table) == 13
    assert len(set(table["hold_id"].to_pylist())) == 13


def test_the_record_goes_forward(record: Path) -> None:
    held(record, recorded="2025-03-01T00:00Z")
    with pytest.raises(OptionError, match="before the last event"):
        held(record, account_id="n")  # written down in February
    assert len(read_record(record)) == 1


def test_a_file_of_somebody_else_is_not_replaced(record: Path) -> None:
    record.write_text("mine")
    with pytest.raises(OutputError):
        held(record)
    with pytest.raises(DataError):
        held(record, overwrite=True)
    assert record.read_text() == "mine"


def test_states_and_events_have_the_types_of_the_contract(record: Path) -> None:
    held(record)
    assert read_record(record).schema.equals(HOLD_EVENTS.arrow_schema)
    assert hold_states(record, "2025-03-01", "TH").schema.equals(HOLD_STATES.arrow_schema)
    assert hold_states(record, "2025-01-01", "TH").schema.equals(HOLD_STATES.arrow_schema)


def test_the_commands_write_and_list(record: Path, tmp_path: Path) -> None:
    given = "--pack TH --by [red]desk[/] --why traced --account m-77 --complaint q --clock traced_amount --amount 5000"
    line = (
        "hold",
        record,
        "held",
        "--at",
        "2025-02-28T17:00+07:00",
        "--recorded",
        "2025-02-28T17:01+07:00",
        *given.split(),
    )
    status, said = ended(*line)
    assert status == 0, said
    assert "H000001" in said
    assert "desk" not in said
    status, said = ended("holds", record, "--pack", "TH", "--as-of", "2025-03-02", "--language", "th",
                         "--output", tmp_path / "states.parquet")  # fmt: skip
    assert status == 0, said
    assert "[red]desk[/]" in said
    assert "REVIEW OVERDUE" in said
    assert "2568-03-03" in said
    assert "1 holds stand; 1 reviews are overdue" in said
    assert pq.read_table(tmp_path / "states.parquet").num_rows == 1
    when = "--at 2025-03-09T10:00Z --recorded 2025-03-09T10:00Z --pack TH --hold H000001".split()
    status, said = ended("hold", record, "released", *when, "--by", "secret name", "--why", "secret reason")
    assert status == 2
    assert "the hold ended at 2025-03-03 17:00 +07" in " ".join(said.split())
    assert "secret" not in said
    assert "m-77" not in said


def test_before_the_first_hold_there_is_no_record(tmp_path: Path) -> None:
    missing = tmp_path / "holds.parquet"
    with pytest.raises(DataError, match=r"there is no file 'holds\.parquet'"):
        read_record(missing)
    events = read_record(missing, may_be_new=True)
    assert events.num_rows == hold_states(events, "2025-03-01", "TH").num_rows == 0
    assert not missing.exists()
