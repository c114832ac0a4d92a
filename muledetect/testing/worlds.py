"""Small random worlds, and the changes of a world that the laws of features speak of.

>>> world = random_world(0)
>>> sorted(world), world["transfers"].num_rows
(['accounts', 'complaints', 'holders', 'identifiers', 'labels', 'sessions', 'transfers', 'watchlists'], 60)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect.arrays import BoolArray
from muledetect.clock import DAY, HOUR, MINUTE, SECOND
from muledetect.testing.people import with_people

_START: Final = 1_735_689_600 * SECOND  # 2025-01-01
_TICKS: Final = (1, SECOND, MINUTE, DAY)
_AMOUNTS: Final = (100, 2_500, 49_900, 50_000, 199_000, 1_234_567)
_MONEY: Final = frozenset({"amount", "balance", "daily_limit", "source_balance_after", "target_balance_after"})
_ACCOUNT: Final = frozenset({"source", "target", "account_id", "victim_account", "entity_id", "value_hash"})
#: When the bank could know a row of each table; rows of accounts are known in part, see `without_future`.
_KNOWN: Final[Mapping[str, str]] = {
    "transfers": "time",
    "complaints": "known_ts",
    "labels": "known_ts",
    "identifiers": "known_ts",
    "sessions": "time",
    "watchlists": "known_ts",
    "calls": "known_ts",
}
#: What is shuffled among the rows that lie in the future.
_SHUFFLED: Final[Mapping[str, tuple[str, ...]]] = {
    "transfers": ("amount", "target", "terminal_id", "session_id", "device_hash"),
    "complaints": ("target", "transfer_id"),
    "labels": ("label",),
    "identifiers": ("entity_id", "value_hash"),
    "sessions": ("account_id", "device_hash", "ip_hash", "wifi_hash", "cell_id", "latitude", "event", "remote_access"),
    "watchlists": ("value_hash",),
    "calls": ("caller_hash", "callee_hash"),
}

World = Mapping[str, pa.Table]


def random_world(seed: int, *, n_accounts: int = 8, n_transfers: int = 60) -> dict[str, pa.Table]:
    """Return tables of a small random world: bursts, ties, hubs, parallel and self-transfers, every clock.

    Parameters
    ----------
    seed : int
        Equal seeds give equal worlds; the clock's tick is a microsecond, second, minute and day in turn.
    n_accounts, n_transfers : int

    Returns
    -------
    dict of str -> pyarrow.Table
        `transfers`, `accounts`, `holders`, `identifiers`, `sessions`, `watchlists`, `complaints` and `labels`, as
        `read_dataset` takes them.
    """
    random = np.random.default_rng(seed)
    tick = int(_TICKS[seed % len(_TICKS)])
    scale = int(random.choice([HOUR, DAY, 30 * DAY, 200 * DAY]))
    bursts = random.integers(0, scale, size=6)
    time = bursts[random.integers(0, 6, n_transfers)] + random.integers(0, [10 * MINUTE, scale][seed % 2], n_transfers)
    target = random.integers(0, n_accounts, n_transfers)
    is_tied = random.random(n_transfers) < 0.3  # at the same moment as another transfer, and to the same account
    time, target = np.where(is_tied, [np.roll(time, 1), np.roll(target, 1)], [time, target])
    time = _START + time // tick * tick
    ids = np.array([f"{code:03d}" for code in random.permutation(900)[:n_accounts] + 100])
    weight = random.dirichlet(np.full(n_accounts, 0.7))
    balance = pa.array(random.integers(0, 10**6, n_transfers), mask=random.random(n_transfers) >= 0.5)
    transfers = pa.table(
        {
            "transfer_id": [f"t{n:04d}" for n in random.permutation(n_transfers)],
            "time": moments(time),
            "source": ids[random.choice(n_accounts, n_transfers, p=weight)],
            "target": ids[target],
            "amount": random.choice(_AMOUNTS, n_transfers),
            "source_balance_after": balance,
            "target_balance_after": balance,
        }
    )
    accounts = pa.table(
        {
            "account_id": ids,
            "opened_at": moments(_START + random.integers(-(10**15), 10**13, n_accounts)),
            "balance": random.integers(0, 10**6, n_accounts),
            "balance_at": moments(_START + random.integers(0, scale, n_accounts)),
            "daily_limit": random.choice([50_000, 200_000], n_accounts),
        }
    )
    world = {"transfers": transfers, "accounts": accounts, **_findings(random, transfers, ids)}
    return with_people(world, seed, tick)


def _findings(random: np.random.Generator, transfers: pa.Table, ids: npt.NDArray[np.str_]) -> dict[str, pa.Table]:
    """Return complaints about some transfers and labels of some accounts, known up to ten days later."""
    disputed = transfers.take(random.permutation(len(transfers))[: len(transfers) // 10])
    time = microseconds(disputed["time"])
    complaints = pa.table(
        {
            "complaint_id": [f"c{n:03d}" for n in range(len(disputed))],
            "known_ts": moments(time + random.integers(0, 10 * DAY, len(disputed))),
            "victim_account": disputed["source"],
            "transfer_id": pa.array(
                [entry if n % 3 else None for n, entry in enumerate(disputed["transfer_id"].to_pylist())], pa.string()
            ),
            "target": disputed["target"],
            "amount": disputed["amount"],
            "time": disputed["time"],
        }
    )
    labelled = ids[: len(ids) // 2]
    start = random.choice(microseconds(transfers["time"]), len(labelled))
    labels = pa.table(
        {
            "account_id": labelled,
            "label": random.choice(["mule", "not_mule"], len(labelled)),
            "known_ts": moments(start + random.integers(0, 10 * DAY, len(labelled))),
            "activity_start": moments(start),
        }
    )
    return {"complaints": complaints, "labels": labels}


def without_future(world: World, cut: int) -> World:
    """Return the world as the bank knew it just before `cut`."""
    known = {name: world[name].filter(pa.array(_is_known(world, name, cut))) for name in _KNOWN if name in world}
    known = {name: _ends(_statuses(table, cut, "open", None), cut, lambda _: None) for name, table in known.items()}
    return {**world, **known, **_accounts(world, cut, lambda column: pa.nulls(len(column), column.type))}


def with_other_future(world: World, cut: int, seed: int) -> World:
    """Return the world with what happened or was known from `cut` on shuffled, and balances from then on changed."""
    random = np.random.default_rng(seed + 20_000)
    changed: dict[str, pa.Table] = {}
    for name in (name for name in _KNOWN if name in world):
        is_known = _is_known(world, name, cut)
        future = world[name].filter(pa.array(~is_known))
        order = random.permutation(len(future))
        for column in (column for column in _SHUFFLED[name] if column in future.column_names):
            position = future.column_names.index(column)
            future = future.set_column(position, column, future[column].take(order))
        whole = pa.concat_tables([world[name].filter(pa.array(is_known)), future])
        whole = _statuses(whole, cut, "confirmed", DAY)
        changed[name] = _ends(whole, cut, lambda end: None if end is None else end + DAY)
    later = _accounts(world, cut, lambda column: pa.array(column.cast(pa.int64()).to_numpy() + DAY).cast(column.type))
    return {**world, **changed, **later}


def permuted(world: World, seed: int) -> World:
    """Return the world with the rows of every table in another order."""
    random = np.random.default_rng(seed + 30_000)
    return {name: table.take(random.permutation(len(table))) for name, table in world.items()}


def renamed(world: World, name_of: Mapping[str, str]) -> World:
    """Return the world with other account ids."""

    def rename(column: pa.ChunkedArray) -> pa.Array:
        return pa.array([name_of.get(entry, entry) for entry in column.to_pylist()], pa.string())

    return _replaced(world, _ACCOUNT, rename)


def shifted(world: World, shift: int) -> World:
    """Return the world with every moment of every table moved."""
    names = {field.name for table in world.values() for field in table.schema if pa.types.is_timestamp(field.type)}
    return _replaced(world, frozenset(names), lambda column: _moved(column, shift))


def scaled(world: World, factor: int) -> World:
    """Return the world with every amount of money multiplied."""

    def scale(column: pa.ChunkedArray) -> pa.Array:
        return pa.array([None if entry is None else entry * factor for entry in column.to_pylist()], pa.int64())

    return _replaced(world, _MONEY, scale)


def end_of(world: World) -> int:
    """Return a moment behind every moment of every table, microseconds; a whole day, so on every clock's tick."""
    times = [
        int(microseconds(table[field.name].drop_null()).max())
        for table in world.values()
        for field in table.schema
        if pa.types.is_timestamp(field.type) and len(table[field.name].drop_null())
    ]
    return (max(times) // DAY + 1) * DAY


def moments(time: npt.NDArray[np.integer]) -> pa.Array:
    """Return microseconds since 1970 as Arrow timestamps, UTC."""
    return pa.array(time.astype(np.int64)).cast(pa.timestamp("us", tz="UTC"))


def microseconds(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return Arrow timestamps as microseconds since 1970."""
    return np.asarray(column.cast(pa.int64()).to_numpy())


def _is_known(world: World, name: str, cut: int) -> BoolArray:
    return np.asarray(microseconds(world[name][_KNOWN[name]]) < cut)


def _moved(column: pa.ChunkedArray, shift: int) -> pa.Array:
    times = [None if entry is None else entry + shift for entry in column.cast(pa.int64()).to_pylist()]
    return pa.array(times, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def _ends(table: pa.Table, cut: int, change: Callable[[int | None], int | None]) -> pa.Table:
    """Change the ends that lie at `cut` or later: until then nobody knows that they will come."""
    if "valid_to" not in table.column_names:
        return table
    ends = table["valid_to"].cast(pa.int64()).to_pylist()
    times = [end if end is not None and end < cut else change(end) for end in ends]
    changed = pa.array(times, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    return table.set_column(table.column_names.index("valid_to"), "valid_to", changed)


def _statuses(table: pa.Table, cut: int, status: str, delay: int | None) -> pa.Table:
    """Change the statuses that were known at `cut` or later, and delay or drop the moments when they were."""
    if "status_ts" not in table.column_names:
        return table
    states, moments_of = [], []
    for state, moment in zip(table["status"].to_pylist(), table["status_ts"].cast(pa.int64()).to_pylist(), strict=True):
        is_later = moment is not None and moment >= cut
        states.append(status if is_later else state)
        moments_of.append(moment if not is_later else None if delay is None else moment + delay)
    columns = {
        "status": pa.array(states, pa.string()),
        "status_ts": pa.array(moments_of, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
    }
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def _accounts(world: World, cut: int, change: Callable[[pa.ChunkedArray], pa.Array]) -> World:
    """Change what the accounts table says of moments from `cut` on: the balance then, and accounts opened then."""
    accounts = world["accounts"]
    for dated, date in (("balance", "balance_at"), ("balance_at", "balance_at"), ("opened_at", "opened_at")):
        is_known = microseconds(world["accounts"][date]) < cut
        changed = change(accounts[dated]).to_pylist()
        kept = [
            old if known else new
            for old, new, known in zip(accounts[dated].to_pylist(), changed, is_known, strict=True)
        ]
        accounts = accounts.set_column(accounts.column_names.index(dated), dated, pa.array(kept, accounts[dated].type))
    return {"accounts": accounts}


def _replaced(
    world: World, names: frozenset[str], change: Callable[[pa.ChunkedArray], pa.Array | pa.ChunkedArray]
) -> World:
    return {
        table: pa.table({name: change(column) if name in names else column for name, column in _columns(entry)})
        for table, entry in world.items()
    }


def _columns(table: pa.Table) -> list[tuple[str, pa.ChunkedArray]]:
    return [(name, table[name]) for name in table.column_names]
