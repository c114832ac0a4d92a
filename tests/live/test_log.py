"""The log keeps every record that was acknowledged, and tells a torn end from damage."""

from __future__ import annotations

from concurrent.futures import wait
from pathlib import Path
from threading import Event

import pytest

from muledetect.errors import DataError, OptionError
from muledetect.live import log as room
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


def test_under_interval_nobody_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, n_begun = Event(), Event(), list[int]()

    def slow(_: int) -> None:
        n_begun.append(1)
        begun.set()
        assert go_on.wait(30)

    monkeypatch.setattr(room, "INTERVAL", 0.0)
    with Log(tmp_path / "events.log", sync="interval") as log:
        monkeypatch.setattr(room.os, "fsync", slow)
        for record in RECORDS:  # each would wait for ever
            log.append(record)
        assert begun.wait(30)
        assert n_begun == [1]  # one after the other
        assert list(log.read()) == RECORDS
        go_on.set()
    assert len(n_begun) == 2  # at the end once more, for what came meanwhile


def test_records_that_do_not_get_onto_the_disk_are_told_at_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(room, "INTERVAL", 0.0)
    path = tmp_path / "events.log"
    with Log(path, sync="interval") as log:
        with monkeypatch.context() as patch:
            patch.setattr(room.os, "fsync", broken)
            log.append(b"one")
            wait([log._syncing])  # type: ignore[list-item]
            with pytest.raises(OSError, match="the disk is gone"):
                log.append(b"two")
        log.append(b"three")
    assert records(path) == [b"one", b"three"]


def test_an_unknown_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="sync must be one of"):
        Log(tmp_path / "events.log", sync="sometimes")  # type: ignore[arg-type]
