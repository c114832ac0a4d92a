"""Room with a limit of memory: sizes as people write them, arrays in files without a name, full disks."""

from __future__ import annotations

import dataclasses
import errno
import mmap
import os
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import numba
import numpy as np
import pyarrow as pa
import pytest

import muledetect as md
from muledetect import letting_go, mapped
from muledetect.errors import OptionError
from muledetect.facts.columns import group
from muledetect.features.signals import Past, build_past, signal_registry
from muledetect.graph import build_graph, graph_from_records
from muledetect.inputs import load
from muledetect.memory import HEAP, VARIABLE, Room, need_of_work, open_room, parse_memory
from muledetect.records import read_dataset
from muledetect.simulation import world_config, write_world
from muledetect.testing import random_world

FILES = Room(limit=10**9, least=0)


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 * 10**9), ("500 mb", 5 * 10**8), ("1.5GiB", 3 * 2**29), ("2g", 2 * 10**9), ("1000", 1000), (7, 7)],
)
def test_sizes_are_read_as_people_write_them(text: str | int, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "much", "0", "-1GB", "4 elephants", True])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="no size"):
        parse_memory(text)


def test_the_environment_counts_where_nothing_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert open_room() is HEAP
    monkeypatch.setenv(VARIABLE, "3GB")
    assert (open_room().limit, open_room("1GB").limit) == (3 * 10**9, 10**9)
    monkeypatch.setenv(VARIABLE, "lots")
    with pytest.raises(OptionError, match=VARIABLE):
        open_room()


def is_mapped(array: np.ndarray) -> bool:
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap) or (isinstance(array, memoryview) and isinstance(array.obj, mmap.mmap))


def test_without_a_limit_nothing_moves() -> None:
    array = np.arange(10)
    assert HEAP.keep(array) is array
    assert not is_mapped(HEAP.full(10**6, 0, np.int64))


def test_what_is_kept_holds_the_same_values_in_files() -> None:
    class Pair(NamedTuple):
        one: np.ndarray
        others: tuple[np.ndarray, str]

    pair = Pair(np.arange(6).reshape(2, 3), (np.array([np.nan, -0.0], np.float32), "text"))
    kept = FILES.keep(pair)
    assert isinstance(kept, Pair)
    assert kept.one.tobytes() == pair.one.tobytes()
    assert kept.others[0].tobytes() == pair.others[0].tobytes()
    assert kept.others[1] == "text"
    assert is_mapped(kept.one)
    assert is_mapped(kept.others[0])
    assert FILES.keep(kept.one) is kept.one  # not copied again
    assert FILES.keep({"a": pair.one})["a"].tolist() == pair.one.tolist()


def test_arrays_that_may_not_be_written_stay_so() -> None:
    array = np.arange(3)
    array.flags.writeable = False
    assert not FILES.keep(array).flags.writeable


def test_views_of_mapped_tables_are_not_copied() -> None:
    view = FILES.keep_table(pa.table({"a": [1, 2, 3]}))["a"].chunk(0).to_numpy()
    assert FILES.keep(view) is view
    array = FILES.keep(pa.array(["x", None, "long"]))
    assert array.to_pylist() == ["x", None, "long"]
    assert FILES.keep(array) is array


def test_what_arrow_or_a_kernel_made_moves() -> None:
    start, place = group(np.array([1, 0, 1], np.int32), 2)
    for array in (pa.compute.add(pa.array([1, 2, 3]), 1).to_numpy(), start, place):
        kept = FILES.keep(array)
        assert is_mapped(kept)
        assert kept.tolist() == array.tolist()


def test_values_are_taken_and_arrays_grow_in_files() -> None:
    taken = FILES.take(np.array([5, 6, 7]), np.array([2, 0, 2]))
    assert (is_mapped(taken), taken.tolist()) == (True, [7, 5, 7])
    assert FILES.longer(taken, 5).tolist() == [7, 5, 7, 0, 0]
    assert FILES.take(taken, np.zeros(0, np.int64)).tolist() == []


def test_rows_are_filtered_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muledetect.memory._PIECE", 2)
    table = pa.table({"a": ["x", None, "y", "z", "x"], "b": pa.array(["u", "v", "u", "w", "u"]).dictionary_encode()})
    is_kept = pa.chunked_array([[True, False, False], [True, True]])
    for some in (is_kept, pa.compute.invert(is_kept), pa.chunked_array([[False] * 5])):
        assert FILES.filter(table, some).equals(table.filter(some))
    assert FILES.filter(table.slice(0, 0), is_kept.slice(0, 0)).equals(table.slice(0, 0))


def test_columns_are_combined_one_by_one() -> None:
    part = pa.table(
        {"a": ["x", None, "y"], "b": pa.array(["u", "v", "u"]).dictionary_encode(), "c": [True, False, None]}
    )
    table = pa.concat_tables([part, part.slice(1)])
    for room in (HEAP, FILES):
        made = room.combine(table)
        assert made.equals(table)
        assert [column.num_chunks for column in made.columns] == [1, 1, 1]
    kept = FILES.combine(pa.table({"n": pa.chunked_array([[1, 2], [3]])}))["n"].chunk(0)
    assert mapped.is_mapped(kept.buffers()[1].address)
    assert FILES.combine(table.slice(0, 0)).equals(table.slice(0, 0))


def without_pages(past: Past) -> Past:
    """Return it without what threads tell each other, which may change at any time."""
    books = {name: getattr(past, name)._replace(pages=np.zeros(3, np.int64)) for name in ("paid", "received")}
    return dataclasses.replace(past, **books)


def test_the_parts_of_a_frozen_object_move_and_the_object_stays_what_it_is() -> None:
    past = build_past(graph_from_records([("a", "b", "2025-01-01", 5), ("b", "c", "2025-01-02", 4)]))
    kept = FILES.keep(past)
    assert is_mapped(kept.paid.time)
    assert kept.paid.pages is kept.received.pages is mapped.PAGES
    assert repr(without_pages(kept)) == repr(without_pages(past))


def test_a_table_is_read_from_its_file() -> None:
    table = pa.table({"a": ["x", None, "y"], "b": pa.array(["u", "v", "u"]).dictionary_encode(), "c": [1, 2, 3]})
    many = pa.concat_tables([table, table])
    assert FILES.keep_table(many).equals(many)
    assert FILES.keep_table(table.slice(0, 0)).equals(table.slice(0, 0))


def test_small_and_empty_arrays_need_no_file() -> None:
    assert not is_mapped(Room(limit=10**9).empty(10, np.int64))
    assert FILES.empty((0, 3), np.int64).shape == (0, 3)


def test_files_leave_nothing_behind(tmp_path: Path) -> None:
    room = Room(limit=10**9, folder=str(tmp_path), least=0)
    array = room.full(1000, 7, np.int64)
    table = room.keep_table(pa.table({"a": [1]}))
    assert list(tmp_path.iterdir()) == []
    assert (array.sum(), table["a"].to_pylist()) == (7000, [1])


def test_files_leave_nothing_behind_when_the_process_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, signal; from muledetect.memory import Room\n"
        "kept = Room(10**9, least=0).full(10**6, 1, 'int64'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert done.returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_that_says_how_much_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**6, 10**6, 0))
    with pytest.raises(OSError, match=r"need 8.0 GB more; set TMPDIR") as caught:
        FILES.empty(10**9, np.int64)
    assert caught.value.errno == errno.ENOSPC


def test_a_step_says_what_is_no_size_before_it_reads_anything() -> None:
    with pytest.raises(OptionError, match="memory"):
        md.score("no such folder", "starter", "2025-01-01", memory="a lot")


def test_a_limit_that_cannot_be_held_is_refused_before_the_work(tmp_path: Path) -> None:
    write_world(world_config("small", n_accounts=300, n_days=30), tmp_path / "bank")
    with pytest.raises(OptionError, match=r"read this folder takes about 0.6 GB; got 0.4 GB. Prepare it once"):
        md.score(tmp_path / "bank", "starter", "2025-01-20", memory="400MB")
    bank = read_dataset(tmp_path / "bank")
    with pytest.raises(OptionError, match=r"transfers of .* of one account, need about 0.6 GB; got 0.3 GB"):
        md.score(bank, "starter", "2025-01-20", memory="300MB")


def test_the_largest_account_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muledetect.memory._OF_ONE_ACCOUNT", 10**8)
    names = ["a", "b", "c", "a", "a", "b"]
    times = [f"2025-01-{day:02d}T08:00:00Z" for day in (1, 2, 3)]
    transfers = pa.table(
        {"transfer_id": ["1", "2", "3"], "time": times, "source": names[:3], "target": names[3:], "amount": [5, 6, 7]}
    )
    with pytest.raises(OptionError, match=r"3 transfers of 3 accounts, 3 of them of one account, need about 0.9 GB"):
        md.score(read_dataset({"transfers": transfers}), "starter", "2025-01-20", memory="800MB")


@pytest.mark.parametrize("name", ["cycles", "senders", "first_payments", "relay"])
@pytest.mark.parametrize("threads", [1, 2])
def test_signals_in_files_are_those_on_the_heap(monkeypatch: pytest.MonkeyPatch, name: str, threads: int) -> None:
    monkeypatch.setattr("muledetect.features.signals._past._PART_AT_RANDOM", 10**9)
    graph = build_graph(read_dataset(random_world(2)))
    compute = signal_registry().signals[name].compute
    found = compute(build_past(graph, threads=threads, room=FILES))
    assert mapped.is_mapped(found.__array_interface__["data"][0])
    np.testing.assert_array_equal(found, compute(build_past(graph, threads=threads)))


@numba.njit(nogil=True)
def give_way_and_count(pages, passed) -> None:  # type: ignore[no-untyped-def]
    letting_go.give_way(pages)
    passed[0] += 1


def test_the_thread_that_lets_go_of_pages_allocates_nothing(tmp_path: Path) -> None:
    program = (
        "import sys, tracemalloc; from muledetect.memory import Room\n"
        "kept = Room(10**9, sys.argv[1], least=0).full(1_000, 1, 'int64')\n"
        "for _ in range(100_000): tracemalloc.start(); tracemalloc.stop()\n"  # crashes threads that do
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == 0


def test_kernels_wait_while_pages_are_let_go() -> None:
    pages, passed = np.zeros(3, np.int64), np.zeros(1, np.int64)
    pages[letting_go.MUST_WAIT] = True
    thread = Thread(target=give_way_and_count, args=(pages, passed))
    thread.start()
    time.sleep(0.05)
    assert thread.is_alive()
    assert not passed[0]
    pages[letting_go.MUST_WAIT] = False
    thread.join(timeout=60)
    assert passed[0] == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says what a process holds")
def test_nobody_waits_after_pages_were_let_go(tmp_path: Path) -> None:
    """Also where the process holds more than the limit without any page of a file."""
    file, pages = Room(10**12, str(tmp_path), least=0).full(2**22, 7, np.uint8), np.zeros(3, np.int64)
    said = np.zeros(letting_go.SAID, np.uint8)
    begins, sizes = (np.array([one], np.int64) for one in (file.ctypes.data, file.nbytes))
    with Path("/proc/self/statm").open("rb", buffering=0) as statm:
        letting_go.load()(statm.fileno(), said, begins, sizes, 1.0, 0.3, 0.1, pages, 3)
    assert not pages[letting_go.MUST_WAIT]
    assert (file == 7).all()


def test_what_work_needs_grows_with_every_table() -> None:
    least = need_of_work(0, 0, 0)
    assert least < need_of_work(0, 10**6, 0) < need_of_work(10**8, 10**6, 0) < need_of_work(10**8, 10**6, 10**8)
    assert need_of_work(10**8, 10**6, 0) == need_of_work(10**8, 10**6, 0, 10**6) < need_of_work(10**8, 10**6, 0, 10**7)
    assert need_of_work(50_000_000, 2_600_000, 30_000_000) < 4 * 10**9
    assert need_of_work(200_000_000, 10_400_000, 121_000_000) < 8 * 10**9


@pytest.mark.parametrize(
    ("transfers", "accounts", "sessions", "own"),
    [
        (2_646_449, 137_782, 1_604_811, 547_700_000),
        (10_560_934, 551_157, 6_385_542, 698_700_000),
        (26_100_000, 1_380_000, 15_900_000, 1_050_100_000),
    ],
)
def test_what_work_needs_is_not_less_than_it_was_measured_to_take(
    transfers: int, accounts: int, sessions: int, own: int
) -> None:
    assert own < need_of_work(transfers, accounts, sessions) < 1.5 * own


def test_a_data_set_with_a_limit_keeps_it_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    bank = read_dataset(random_world(0))
    assert load(bank) is bank
    limited = load(bank, memory="2GB")
    monkeypatch.setenv(VARIABLE, "1GB")
    assert (limited.room.limit, load(limited).room.limit, load(bank).room.limit) == (2 * 10**9, 2 * 10**9, 10**9)
    assert limited == bank


def printed_by(code: str) -> int:
    """Return the number that a process of its own prints."""
    return int(subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE).stdout)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says what a process holds")
def test_pages_of_files_are_let_go_and_what_was_written_stays() -> None:
    """A process that fills 800 MB of files under a limit of 400 MB never holds much more, and reads all of it again."""
    code = (
        "import numpy as np, time; from muledetect.memory import Room\n"
        "room, kept, most = Room(400_000_000), [], 0\n"
        "held = lambda: int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        "for n in range(40):\n"
        "    kept.append(room.full(2_500_000, n, np.int64)); time.sleep(0.1); most = max(most, held())\n"
        "assert all((array == n).all() for n, array in enumerate(kept))\n"
        "print(most)"
    )
    assert printed_by(code) < 400_000_000


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says what a process holds")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lets pages go")
def test_what_is_read_once_is_let_go_and_stays_what_it_was() -> None:
    array = Room(limit=10**12).full(2**26, 7, np.uint8)
    before = mapped.resident()
    mapped.let_go(array[10:-10])
    assert before - mapped.resident() > 0.9 * array.nbytes
    assert (array == 7).all()
    mapped.let_go(np.zeros(2**22, np.uint8))  # in no file: nothing to do


def flags_of(address: int) -> set[str]:
    """Return what the system says of the mapping that holds an address, two letters each."""
    is_here = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, *rest = line.split()
        if "-" in first and not first.endswith(":"):
            low, high = (int(part, 16) for part in first.split("-"))
            is_here = low <= address < high
        elif first == "VmFlags:" and is_here:
            return set(rest)
    raise AssertionError("mapped nowhere")


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="no large pages")
def test_with_a_limit_a_page_fault_brings_small_pages(tmp_path: Path) -> None:
    """A large page is 2 MiB: faults would bring gigabytes in milliseconds."""
    (tmp_path / "file").write_bytes(bytes(2**22))
    with (tmp_path / "file").open("rb") as file:
        before = np.frombuffer(mapped.map_file(file), np.uint8)
    assert "nh" in flags_of(Room(limit=10**12).full(2**22, 7, np.uint8).ctypes.data)
    with mapped.holding_at_most(10**12):
        assert "nh" in flags_of(before.ctypes.data)


def test_a_step_holds_its_limit_with_files_that_have_none_and_busy_threads() -> None:
    """Files that are mapped without a limit count while a step has one; threads that never wait do not hinder it."""
    code = (
        "import numpy as np, tempfile, threading, time\n"
        "from muledetect.mapped import holding_at_most, map_file, resident\n"
        "def work():\n"
        "    while not done: pass\n"
        "done, kept, most = False, [], 0\n"
        "threads = [threading.Thread(target=work) for _ in range(2)]\n"
        "[thread.start() for thread in threads]\n"
        "with holding_at_most(400_000_000):\n"
        "    for n in range(40):\n"
        "        with tempfile.TemporaryFile() as file:\n"
        "            file.truncate(20_000_000)\n"
        "            kept.append(np.frombuffer(map_file(file, is_written=True), np.int64))\n"
        "        kept[-1][:] = n; time.sleep(0.1); most = max(most, resident())\n"
        "done = True\n"
        "assert all((array == n).all() for n, array in enumerate(kept))\n"
        "print(most)"
    )
    assert printed_by(code) < 400_000_000


#: For a process of its own: by how many bytes its own memory grew while `work` ran.
GROWTH = """
import threading, time
from dataclasses import replace
import numpy as np, pyarrow as pa
from muledetect.facts import Snapshot
from muledetect.mapped import resident
from muledetect.memory import Room
from muledetect.records import read_dataset
from muledetect.rings import payments
from muledetect.rings.communities import find_communities

def grown(work):
    before, found, done = resident(with_files=False), [0], []
    def watch():
        while not done:
            found.append(resident(with_files=False))
            time.sleep(0.002)
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        work()
    finally:
        done.append(True)
        thread.join()
    return max(found) - before
"""

LEARNING = """
def bank(n):
    random, n_accounts = np.random.default_rng(1), n // 20 + 50
    source = random.integers(0, n_accounts, n)
    target = (source + random.integers(1, n_accounts, n)) % n_accounts
    ids = pa.array([f"{k:07d}" for k in range(n_accounts)])
    time = pa.array(1_735_689_600_000_000 + np.arange(n) * 10**6).cast(pa.timestamp("us", tz="UTC"))
    columns = {"transfer_id": pa.array(np.arange(n)).cast(pa.string()), "time": time, "source": ids.take(source),
               "target": ids.take(target), "amount": pa.array(random.integers(1, 10**6, n))}
    return Snapshot(replace(read_dataset({"transfers": pa.table(columns)}), room=Room(2 * 10**9)), "2026-01-01")

def learn(snapshot):
    known = np.random.default_rng(2).random(snapshot.graph.n_accounts) ** 8
    n_pairs.append(len(payments.learn_payments(snapshot, known, since=0, most=200).source))

n_pairs, payments.MOST_PAIRS = [], 5_000
learn(bank(5_000))  # compiles the kernels
large = bank(2_000_000)
large.is_between_accounts
print(grown(lambda: learn(large)))
assert n_pairs[-1] > 1_900_000
"""

SEARCH = """
def search(n_edges):
    random, n = np.random.default_rng(1), n_edges // 5
    one, other = np.divmod(random.integers(0, n * n, n_edges), n)
    key = np.unique((np.minimum(one, other) * n + np.maximum(one, other))[one != other])
    left, right = np.divmod(key, n)
    weight, traits = random.random(len(left)), (random.random(n),)
    find_communities(left, right, weight, traits, resolution=0.035)

search(1_000)
print(grown(lambda: search(80_000)))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says what a process holds")
def test_what_rings_learn_from_payments_lies_in_files() -> None:
    """Two million pairs of accounts take 140 bytes each in files while they are learnt from, and few on the heap."""
    assert printed_by(GROWTH + LEARNING) < 150_000_000


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says what a process holds")
def test_the_search_of_one_component_takes_memory_in_proportion_to_its_edges() -> None:
    assert printed_by(GROWTH + SEARCH) < 80_000 * 1_200
