"""Who is behind the accounts of a small random world, where they are and what they use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect.arrays import BoolArray, Int64Array
from muledetect.clock import DAY, HOUR, MINUTE

_EVENTS: Final = ("login", "login", "login", "face_ok", "face_fail", "device_bind")
_PLACES: Final = ((10.0, 100.0), (10.1, 100.0), (18.0, 99.0), (7.0, 101.0), (14.0, 103.0))
_FLAGS: Final = ("remote_access", "emulator", "virtual_camera")
_CHANNELS: Final = ("cash_atm", "cash_deposit", "card", "p2p_proxy", "p2p_proxy")


def with_people(world: Mapping[str, pa.Table], seed: int, tick: int) -> dict[str, pa.Table]:
    """Return the world with holders, identifiers, sessions, a watch list, a registry, and the rails of its transfers.

    The other columns stay as they are. Few devices, networks, cells, terminals: accounts share them. Sessions
    at, just before and far from transfers, and some on six days in a row.
    """
    random = np.random.default_rng(seed + 50_000)
    ids = world["accounts"]["account_id"].to_pylist()
    holders = [f"h{n}" for n in range(max(1, 3 * len(ids) // 4))]
    time = microseconds(world["transfers"]["time"])
    sessions = _sessions(random, time, ids, tick)
    accounts = world["accounts"]
    for name, values, known in (
        ("holder_id", random.choice(holders, len(ids)).tolist(), 0.85),
        ("branch_id", random.choice(["b1", "b2"], len(ids)).tolist(), 0.9),
        ("open_channel", random.choice(["app", "branch"], len(ids)).tolist(), 0.9),
    ):
        accounts = accounts.append_column(name, _some(random, values, known))
    together = microseconds(accounts["opened_at"]).copy()
    is_batch = random.random(len(ids)) < 0.6
    together[is_batch] = together[0] + random.integers(0, 30 * HOUR, is_batch.sum()) // tick * tick
    accounts = accounts.set_column(accounts.column_names.index("opened_at"), "opened_at", moments(together))
    return {
        **world,
        "transfers": _rails(random, world["transfers"], sessions),
        "accounts": accounts,
        "holders": _holders(np.random.default_rng(seed + 60_000), time, holders),
        "identifiers": pa.concat_tables(
            [
                _identifiers(random, time, holders, ids),
                _documents(time, holders),
                _directors(np.random.default_rng(seed + 70_000), time, holders),
            ]
        ),
        "sessions": sessions,
        "watchlists": _watchlists(random, time, ids),
        "registry": _registry(np.random.default_rng(seed + 55_000), time, len(holders), ids),
    }


def _sessions(random: np.random.Generator, time: Int64Array, ids: Sequence[str], tick: int) -> pa.Table:
    n, n_daily = 60, 24
    moment = random.choice(time, n) - random.choice([0, 0, 1, MINUTE, 30 * MINUTE, HOUR, DAY], n)
    device, ip, wifi, cell = (random.integers(0, most, n) for most in (5, 7, 4, 3))
    account = random.integers(0, len(ids), n)
    # few accounts on one network, day after day
    day = np.arange(n_daily) // 4
    moment[:n_daily] = np.sort(time)[len(time) // 6] + day * DAY + random.integers(0, 3 * HOUR, n_daily)
    account[:n_daily] = random.integers(0, 3, n_daily)
    ip[:n_daily] = 0
    place = np.array(_PLACES)[random.integers(0, len(_PLACES), n)]
    is_placed = random.random(n) < 0.8
    flags = {name: _some(random, (random.random(n) < 0.2).tolist(), 0.9) for name in _FLAGS}
    return pa.table(
        {
            "session_id": [f"s{number:03d}" for number in random.permutation(n)],
            "account_id": [ids[code] for code in account],
            "time": moments(moment // tick * tick),
            "device_hash": _some(random, [f"d{code}" for code in device], 0.9),
            "ip_hash": _some(random, [f"i{code}" for code in ip], 0.9),
            "cell_id": _some(random, [f"c{code}" for code in cell], 0.7),
            "wifi_hash": _some(random, [f"w{code}" for code in wifi], 0.6),
            "latitude": pa.array(place[:, 0], mask=~is_placed),
            "longitude": pa.array(place[:, 1], mask=~is_placed),
            "event": _some(random, random.choice(_EVENTS, n).tolist(), 0.9),
            **flags,
        }
    )


def _rails(random: np.random.Generator, transfers: pa.Table, sessions: pa.Table) -> pa.Table:
    """Name channel, terminal, session and device; a session may be another's, or come after the transfer."""
    n = len(transfers)
    columns = {
        "channel": pa.array(random.choice(_CHANNELS, n).tolist()),
        "terminal_id": _some(random, [f"m{code}" for code in random.integers(0, 2, n)], 0.6),
        "session_id": _some(random, random.choice(sessions["session_id"].to_pylist(), n).tolist(), 0.7),
        "device_hash": _some(random, [f"d{code}" for code in random.integers(0, 6, n)], 0.7),
    }
    for name, column in columns.items():
        transfers = transfers.append_column(name, column)
    return transfers


def _identifiers(random: np.random.Generator, time: Int64Array, holders: Sequence[str], ids: Sequence[str]) -> pa.Table:
    n = 30
    entities = [*holders, *ids, "stranger"]
    kind = random.choice(["phone", "email", "address", "device", "ip", "sim", "wifi", "wallet"], n)
    start = random.choice(time, n) - random.choice([0, DAY, 400 * DAY], n)
    end = moments(start + random.integers(1, 90 * DAY, n), random.random(n) < 0.5)
    return pa.table(
        {
            "entity_id": random.choice(entities, n).tolist(),
            "kind": kind.tolist(),
            "value_hash": [f"{name[0]}{code}" for name, code in zip(kind, random.integers(0, 3, n), strict=True)],
            "valid_from": moments(start),
            "valid_to": end,
            "known_ts": moments(start + random.choice([0, HOUR, 5 * DAY], n)),
        }
    )


def _holders(random: np.random.Generator, time: Int64Array, holders: Sequence[str]) -> pa.Table:
    """Return people and companies, some registered while the world goes on."""
    n = len(holders)
    registered = random.choice(time, n) - random.choice([0, 30 * DAY, 900 * DAY], n)
    return pa.table(
        {
            "holder_id": list(holders),
            "kind": _some(random, random.choice(["company", "company", "person"], n).tolist(), 0.9),
            "registered_at": moments(registered, random.random(n) < 0.8),
            "capital": _some(random, random.choice([10_000, 2_500_000], n).tolist(), 0.8),
        }
    )


def _directors(random: np.random.Generator, time: Int64Array, holders: Sequence[str]) -> pa.Table:
    n = 8
    start = random.choice(time, n)
    return pa.table(
        {
            "entity_id": random.choice(list(holders), n).tolist(),
            "kind": ["director"] * n,
            "value_hash": [f"r{code}" for code in random.integers(0, 3, n)],
            "valid_from": moments(start),
            "valid_to": moments(start, np.zeros(n, np.bool_)),
            "known_ts": moments(start + random.choice([0, HOUR, 5 * DAY], n)),
        }
    )


def _watchlists(random: np.random.Generator, time: Int64Array, ids: Sequence[str]) -> pa.Table:
    n = 12
    letters = {"device": "d", "ip": "i", "phone": "p", "wifi": "w", "cell": "c", "terminal": "m", "wallet": "w"}
    kind = random.choice(["account", "account", *letters], n).tolist()
    start = random.choice(time, n) - random.choice([0, DAY, 100 * DAY], n)
    values = [
        str(random.choice(ids)) if name == "account" else f"{letters[name]}{random.integers(0, 3)}" for name in kind
    ]
    end = moments(start + random.integers(1, 120 * DAY, n), random.random(n) < 0.6)
    return pa.table(
        {
            "list_id": [f"l{number}" for number in range(n)],
            "kind": kind,
            "value_hash": values,
            "category": ["infrastructure"] * n,
            "valid_from": moments(start),
            "valid_to": end,
            "known_ts": moments(start + random.choice([0, HOUR, 20 * DAY], n)),
        }
    )


def _documents(time: Int64Array, holders: Sequence[str]) -> pa.Table:
    """Return the official number of each holder; the last two have the same."""
    n = len(holders)
    start = np.sort(time)[np.arange(n) * len(time) // n]
    return pa.table(
        {
            "entity_id": list(holders),
            "kind": ["id_number"] * n,
            "value_hash": [f"o{min(number, n - 2)}" for number in range(n)],
            "valid_from": moments(start),
            "valid_to": moments(start, np.ones(n, np.bool_)),
            "known_ts": moments(start),
        }
    )


def _registry(random: np.random.Generator, time: Int64Array, n_holders: int, ids: Sequence[str]) -> pa.Table:
    """Return entries with up to three statements each: listed, then appealed, removed or listed anew; some at once."""
    n = 24
    entry = random.integers(0, n // 3, n)
    of_account = (entry % 2 == 0).tolist()
    subject = [ids[code % len(ids)] if is_one else f"o{code % n_holders}"
               for code, is_one in zip(entry.tolist(), of_account, strict=True)]  # fmt: skip
    start = random.choice(time, n) - random.choice([0, DAY, 30 * DAY], n)
    known = start + random.choice([0, 0, HOUR, 20 * DAY], n)
    return pa.table(
        {
            "scheme": random.choice(["none", "TH"], n).tolist(),
            "entry_id": [f"e{code}" for code in entry],
            "subject_kind": ["account" if is_one else "person" for is_one in of_account],
            "subject_id": subject,
            "status": random.choice(["listed", "listed", "appealed", "removed"], n).tolist(),
            "tier": _some(random, ["suspected"] * n, 0.8),
            "reliability": _some(random, random.choice([0.2, 0.5, 0.9], n).tolist(), 0.7),
            "valid_from": moments(start),
            "valid_to": moments(start + random.integers(1, 120 * DAY, n), random.random(n) < 0.6),
            "known_ts": moments(known),
            "is_own": _some(random, (random.random(n) < 0.2).tolist(), 0.8),
            "centre_id": _some(random, ["C1", "C2"] * (n // 2), 0.4),
        }
    )


def _some(random: np.random.Generator, values: Sequence[object], share: float) -> pa.Array:
    """Return the values, about a `share` of them known."""
    known = (random.random(len(values)) < share).tolist()
    return pa.array([value if is_known else None for value, is_known in zip(values, known, strict=True)])


def moments(time: npt.NDArray[np.integer], missing: BoolArray | None = None) -> pa.Array:
    """Return microseconds since 1970 as Arrow timestamps, UTC; null where missing."""
    return pa.array(time.astype(np.int64), mask=missing).cast(pa.timestamp("us", tz="UTC"))


def microseconds(column: pa.ChunkedArray) -> Int64Array:
    """Return Arrow timestamps as microseconds since 1970."""
    return np.asarray(column.cast(pa.int64()).to_numpy())
