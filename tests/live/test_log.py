"""The log keeps every record that was acknowledged, and tells a torn end from damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from muledetect.errors import DataError, OptionError
from muledetect.live.log import Log

RECORDS = [b"one", b"", b"three" * 50, bytes(range(256))]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "events.log"
    with Log(path) as log:
        for record in RECORDS:
            log.append(record)
    return path


def records(path: Path) -> list[bytes]:
    with Log(path) as log:
        return list(log.read())


@pytest.mark.parametrize("sync", ["always", "interval", "never"])
def test_records_come_back_in_order_and_more_can_follow(tmp_path: Path, sync: str) -> None:
    path = tmp_path / "events.log"
    for record in RECORDS:
        with Log(path, sync=sync) as log:  # type: ignore[arg-type]
            list(log.read())
            log.append(record)
    assert records(path) == RECORDS


def test_reading_begins_at_the_position_that_a_snapshot_names(written: Path) -> None:
    with Log(written) as log:
        end = log.end
        log.append(b"later")
        assert list(log.read(end)) == [b"later"]


def test_a_file_cut_anywhere_keeps_the_whole_records_and_tells_what_was_cut(written: Path) -> None:
    whole = written.read_bytes()
    for size in range(len(whole)):
        written.write_bytes(whole[:size])
        with Log(written) as log:
            kept = list(log.read())
            assert kept == RECORDS[: len(kept)]
            assert size < 17 or size - log.n_cut == log.end
            log.append(b"next")
        assert records(written) == [*kept, b"next"]


def test_a_damaged_byte_before_the_last_record_is_an_error_and_changes_nothing(written: Path) -> None:
    whole = written.read_bytes()
    for place in range(17, len(whole) - 256 - 12):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        written.write_bytes(damaged)
        with pytest.raises(DataError, match="damaged at byte"), Log(written) as log:
            list(log.read())
        assert written.read_bytes() == bytes(damaged)


def test_another_file_is_refused(tmp_path: Path) -> None:
    for content in (b"something else that is long enough", b"short"):
        (tmp_path / "events.log").write_bytes(content)
        with pytest.raises(DataError, match="no log of muledetect"):
            Log(tmp_path / "events.log")
        assert (tmp_path / "events.log").read_bytes() == content


def test_an_unknown_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="sync must be one of"):
        Log(tmp_path / "events.log", sync="sometimes")  # type: ignore[arg-type]
