"""Contract checks for kinds of links and families of evidence of your own: the laws of every built-in one.

>>> from muledetect.rings.links import payment
>>> check_link(payment, n_worlds=2)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from muledetect.arrays import Int64Array
from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.facts import Snapshot
from muledetect.rings.links import LinkKind, RingContext
from muledetect.rings.pairs import measure_dealings
from muledetect.rings.suspicion import Suspects
from muledetect.rings.ties import Family, TieContext
from muledetect.rings.ties.context import build_context
from muledetect.testing import worlds
from muledetect.testing.people import microseconds, moments
from muledetect.testing.worlds import random_world

_WINDOW: Final = 180 * DAY

#: Amounts are scaled by this; what weighs amounts may round.
_FACTOR: Final = 8
_ROUNDING: Final = 1e-3


class _Row(NamedTuple):
    """A link or an item of evidence: what it says, how strong, when; `what` is compared by name, `shown` is not."""

    what: tuple[Any, ...]
    shown: tuple[Any, ...]
    strength: float
    times: tuple[int, ...]


Find = Callable[[Snapshot, Mapping[str, str]], list[_Row]]


def check_link(kind: LinkKind, *, n_worlds: int = 20, seed: int = 0) -> None:
    """Hold a kind of link to the laws, in random small worlds of which every account is a suspect.

    The laws: no look-ahead (rows, statuses, ends and balances at or after the moment, deleted or changed, change
    nothing) · order of rows and names of accounts do not matter · shifting all times shifts the times of the links and
    nothing else · scaling all amounts changes no weight by more than rounding · the shape that `LinkKind.find` asks
    for, two different ends, and times in order and before the moment.

    Parameters
    ----------
    kind : LinkKind
        As `@link` makes it.
    n_worlds : int
        Number of random worlds; world `n` has seed `seed + n`. Four in a row have four different clocks.
    seed : int

    Raises
    ------
    AssertionError
        If a law is broken; it names the law, the kind, the world's seed and the two rows.
    DataError
        If the kind returns another shape.
    """

    def find(snapshot: Snapshot, name_of: Mapping[str, str]) -> list[_Row]:
        ids = [name_of.get(name, name) for name in snapshot.graph.account_ids.to_pylist()]
        found = []
        for row in kind.find(_ring_context(snapshot)).to_pylist():
            ends = tuple(sorted((ids[row["source"]], ids[row["target"]])))
            _hold(ends[0] != ends[1], f"law broken: two different ends; link {kind.name}: got an account twice")
            shown = tuple(sorted(row["evidence"]))
            found.append(_Row(ends, shown, row["weight"], (row["first_time"], row["last_time"])))
        return found

    _check(f"link {kind.name}", find, n_worlds, seed)


def check_evidence(family: Family, *, n_worlds: int = 20, seed: int = 0) -> None:
    """Hold a family of evidence to the laws, in random small worlds with two rings, victims, calls and lists.

    The laws: no look-ahead (rows, statuses, ends and balances at or after the moment, deleted or changed, change
    nothing) · order of rows and names of accounts do not matter · shifting all times shifts the times of the items and
    nothing else · scaling all amounts changes no strength by more than rounding · the shape that `Family.find` asks
    for, and times before the moment.

    Parameters
    ----------
    family : Family
        As `@family` makes it.
    n_worlds : int
        Number of random worlds; world `n` has seed `seed + n`. Four in a row have four different clocks.
    seed : int

    Raises
    ------
    AssertionError
        If a law is broken; it names the law, the family, the world's seed and the two rows.
    DataError
        If the family returns another shape.
    """

    def find(snapshot: Snapshot, name_of: Mapping[str, str]) -> list[_Row]:
        found = family.find(_tie_context(snapshot, name_of))
        rows = [] if found is None else found.to_dict("records")
        return [
            _Row((row["ring"], row["centre"], row["kind"], name_of.get(row["item"], row["item"])), (),
                 float(row["strength"]), (int(row["time"]),))
            for row in rows
        ]  # fmt: skip

    _check(f"evidence {family.name}", find, n_worlds, seed)


def _check(what: str, find: Find, n_worlds: int, seed: int) -> None:
    for number in range(seed, seed + n_worlds):
        plain = random_world(number)
        tick = worlds.read(plain).tick
        world = _with_centres(plain, number, tick)
        dataset = worlds.read(world, tick)
        # the end of every second world, else a moment of its second half
        time = np.sort(microseconds(dataset.transfers["time"]))
        place = np.random.default_rng(number + 10_000).integers(len(time) // 2, len(time)) if number % 2 else -1
        cut = int(time[place]) + 1
        base = find(Snapshot(dataset, cut), {})
        for row in base:
            in_order = list(row.times) == sorted(row.times) and row.times[-1] < cut
            _hold(in_order, f"law broken: times in order and before the moment; {what}, world {number}: got {row}")
        shifts = {"shift by a week": 7 * DAY}
        for law in worlds.laws(world, number, cuts=[cut], shifts=shifts, factors=[_FACTOR], scale="scale of amounts"):
            old_name = {new: old for old, new in law.name_of.items()}
            found = find(Snapshot(worlds.read(law.world, dataset.tick), cut + law.shift), old_name)
            _compare(f"law broken: {law.name}; {what}, world {number}", law, base, found)


def _compare(broken: str, law: worlds.Law, base: Sequence[_Row], found: Sequence[_Row]) -> None:
    # of simultaneous transfers of one amount any may be shown, so names may decide which
    shows = not law.name_of

    def key(row: _Row) -> tuple[Any, ...]:
        return str(row.what), row.times, str(row.shown) if shows else "", row.strength

    moved = [row._replace(times=tuple(moment - law.shift for moment in row.times)) for row in found]
    expected, got = sorted(base, key=key), sorted(moved, key=key)
    _hold(len(expected) == len(got), f"{broken}: expected {len(expected)} rows, got {len(got)}")
    for one, other in zip(expected, got, strict=True):
        is_equal = one.what == other.what and one.times == other.times and (not shows or one.shown == other.shown)
        is_equal &= abs(one.strength - other.strength) <= (0.0 if law.factor == 1 else _ROUNDING) * one.strength
        _hold(is_equal, f"{broken}: expected {one}, got {other}")


def _hold(is_held: bool, text: str) -> None:
    if not is_held:
        raise AssertionError(text)


def _ring_context(snapshot: Snapshot) -> RingContext:
    since, n = snapshot.as_of - _WINDOW, snapshot.graph.n_accounts
    account = np.arange(n, dtype=np.int32)
    n_counterparties = measure_dealings(snapshot, account, since).n_others
    suspects = Suspects(account, np.ones(n), np.ones(n, np.bool_), n_counterparties)
    return RingContext(snapshot, suspects, since, holding_time=3 * DAY, rest=10 * DAY)


def _tie_context(snapshot: Snapshot, name_of: Mapping[str, str]) -> TieContext:
    """Return the context of two rings of the first six accounts by their old names, of which one is in both."""
    ids = snapshot.graph.account_ids.to_pylist()
    code = np.argsort([name_of.get(name, name) for name in ids])[[0, 1, 2, 2, 3, 4, 5]]
    members = pd.DataFrame({"ring": np.array([0, 0, 0, 1, 1, 1, 1]), "account": code.astype(np.int64)})
    return build_context(snapshot, members, snapshot.as_of - _WINDOW)


def _with_centres(world: Mapping[str, pa.Table], seed: int, tick: int) -> dict[str, pa.Table]:
    """Return the world with what speaks of call centres, and with two accounts that wake late on one phone."""
    random = np.random.default_rng(seed + 60_000)
    ids = world["accounts"]["account_id"].to_pylist()
    latest = int(microseconds(world["transfers"]["time"]).max()) // tick * tick
    woken = latest + 100 * DAY + np.arange(2) * max(tick, 20 * MINUTE)
    wakes = {"transfer_id": ["t8000", "t8001"], "time": moments(woken), "source": ["late0", "late1"],
             "target": ids[:2], "amount": [100, 49_900]}  # fmt: skip
    phone = {"entity_id": ["late0", "late1"], "kind": ["imei"] * 2, "value_hash": ["b0"] * 2,
             "valid_from": moments(woken - DAY), "known_ts": moments(woken - HOUR)}  # fmt: skip
    opened = {"account_id": ["late0", "late1"], "opened_at": moments(woken - DAY), "balance": [0, 0],
              "balance_at": moments(woken), "daily_limit": [50_000] * 2}  # fmt: skip
    transfers = _added(world["transfers"], wakes)
    return {
        **world,
        "transfers": transfers,
        "accounts": _added(world["accounts"], opened),
        "identifiers": _added(world["identifiers"], phone),
        "complaints": _complaints(random, transfers),
        "watchlists": _lists(random, world["watchlists"]),
        "calls": _calls(random, microseconds(transfers["time"])),
    }


def _complaints(random: np.random.Generator, transfers: pa.Table) -> pa.Table:
    n = 24
    disputed = transfers.take(random.integers(0, len(transfers), n))
    known = microseconds(disputed["time"]) + random.integers(0, 5 * DAY, n)
    has_id = random.random(n) < 0.5
    return pa.table(
        {
            "complaint_id": [f"c{number:03d}" for number in random.permutation(n)],
            "known_ts": moments(known),
            "victim_account": disputed["source"],
            "transfer_id": pa.array(disputed["transfer_id"].to_pylist(), mask=~has_id),
            "target": disputed["target"],
            "amount": disputed["amount"],
            "centre_id": _some(random, ["C1", "C2"], n),
            "script_id": _some(random, ["s1", "s2", "s3"], n),
            "victim_phone_hash": _some(random, ["p0", "p1", "p2"], n),
            "status": _some(random, ["open", "confirmed", "withdrawn"], n),
            "status_ts": moments(known + random.integers(0, 20 * DAY, n)),
        }
    )


def _lists(random: np.random.Generator, lists: pa.Table) -> pa.Table:
    lists = lists.append_column("centre_id", _some(random, ["C1", "C2"], len(lists)))
    return lists.append_column("reliability", pa.array(random.choice([0.5, 0.9], len(lists))))


def _calls(random: np.random.Generator, time: Int64Array) -> pa.Table:
    n = 120
    called = random.choice(time, n) - random.choice([0, MINUTE, 5 * HOUR, 30 * HOUR], n)
    return pa.table(
        {
            "call_id": [f"k{number:03d}" for number in random.permutation(n)],
            "time": moments(called),
            "caller_hash": random.choice(["p0", "p1", "p2", "q0", "q1"], n).tolist(),
            "callee_hash": random.choice(["p0", "p1", "p2", "r0", "r1"], n).tolist(),
            "caller_imei_hash": _some(random, ["b0", "b1", "b2"], n),
            "known_ts": moments(called + random.choice([0, HOUR, 3 * DAY], n)),
        }
    )


def _some(random: np.random.Generator, values: Sequence[str], n: int) -> pa.Array:
    return pa.array(random.choice(values, n).tolist(), mask=random.random(n) >= 0.8)


def _added(table: pa.Table, rows: Mapping[str, Any]) -> pa.Table:
    """Return the table with rows that leave the other columns empty."""
    return pa.concat_tables([table, pa.table(dict(rows))], promote_options="permissive")
