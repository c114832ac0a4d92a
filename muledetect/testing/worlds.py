"""Small random worlds, and the changes of a world that the laws of features speak of.

>>> world = random_world(0)
>>> sorted(world), world["transfers"].num_rows
(['accounts', 'complaints', 'holders', 'identifiers', 'labels', 'registry', 'sessions', 'transfers', 'watchlists'], 60)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import AnyArray, BoolArray
from muledetect.clock import DAY, HOUR, MINUTE, SECOND
from muledetect.records import Dataset, read_dataset
from muledetect.testing.people import microseconds, moments, with_people

_START: Final = 1_735_689_600 * SECOND  # 2025-01-01
_TICKS: Final = (1, SECOND, MINUTE, DAY)
_AMOUNTS: Final = (100, 2_500, 49_900, 50_000, 199_000, 1_234_567)
_MONEY: Final = frozenset(
    {"amount", "balance", "capital", "daily_limit", "source_balance_after", "target_balance_after"}
)
_ACCOUNT: Final = frozenset(
    {"source", "target", "account_id", "victim_account", "entity_id", "value_hash", "subject_id"}
)
#: When the bank could know a row of each table; rows of accounts are known in part, see `_DATED`.
_KNOWN: Final[Mapping[str, str]] = {
    "transfers": "time", "complaints": "known_ts", "labels": "known_ts", "identifiers": "known_ts", "sessions": "time",
    "watchlists": "known_ts", "registry": "known_ts", "calls": "known_ts",
}  # fmt: skip
#: What is shuffled among the rows that lie in the future.
_SHUFFLED: Final[Mapping[str, tuple[str, ...]]] = {
    "transfers": ("amount", "target", "terminal_id", "session_id", "device_hash"),
    "complaints": ("target", "transfer_id"),
    "labels": ("label",),
    "identifiers": ("entity_id", "value_hash"),
    "sessions": ("account_id", "device_hash", "ip_hash", "wifi_hash", "cell_id", "latitude", "event", "remote_access"),
    "watchlists": ("value_hash",),
    "registry": ("status", "reliability", "valid_to"),
    "calls": ("caller_hash", "callee_hash"),
}

#: What is unknown before its own moment: (column, the moment).
_DATED: Final = (
    ("balance", "balance_at"), ("balance_at", "balance_at"), ("opened_at", "opened_at"), ("status", "status_ts"),
    ("status_ts", "status_ts"), ("valid_to", "valid_to"), ("capital", "registered_at"),
    ("registered_at", "registered_at"),
)  # fmt: skip

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
        `transfers`, `accounts`, `holders`, `identifiers`, `sessions`, `watchlists`, `registry`, `complaints` and
        `labels`, as `read_dataset` takes them.
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
    return {name: _dated_later(table, cut, None, "open") for name, table in {**world, **known}.items()}


def with_other_future(world: World, cut: int, seed: int) -> World:
    """Return the world with what happened or was known from `cut` on shuffled, and balances from then on changed."""
    random = np.random.default_rng(seed + 20_000)
    changed: dict[str, pa.Table] = {}
    for name in (name for name in _KNOWN if name in world):
        is_known = _is_known(world, name, cut)
        future = world[name].filter(pa.array(~is_known))
        order = random.permutation(len(future))
        for column in (column for column in _SHUFFLED[name] if column in future.column_names):
            future = _with_column(future, column, future[column].take(order))
        changed[name] = pa.concat_tables([world[name].filter(pa.array(is_known)), future])
    return {name: _dated_later(table, cut, DAY, "confirmed") for name, table in {**world, **changed}.items()}


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
    return _replaced(world, frozenset(names), lambda column: _added(column, shift))


def scaled(world: World, factor: int) -> World:
    """Return the world with every amount of money multiplied."""
    return _replaced(world, _MONEY, lambda column: pc.multiply(column, factor))


def end_of(world: World) -> int:
    """Return a moment behind every moment of every table, microseconds; a whole day, so on every clock's tick."""
    columns = (table[field.name] for table in world.values() for field in table.schema
               if pa.types.is_timestamp(field.type))  # fmt: skip
    times = [pc.max(column.cast(pa.int64())).as_py() for column in columns]
    return int(max(time for time in times if time is not None) // DAY + 1) * DAY


class Law(NamedTuple):
    """A changed world, which must look like the base: before `cut`, under the old names, shifted and scaled back."""

    name: str
    world: World
    name_of: Mapping[str, str] = {}  # the new name of each account; the same where it is empty
    cut: int | None = None
    shift: int = 0
    factor: int = 1

    def read(self, tick: int) -> Dataset:
        """Read the world, with the clock of the base where what is left cannot tell it."""
        return read(self.world, tick if self.cut is not None or self.shift else None)


def laws(
    world: World, seed: int, *, cuts: Sequence[int], shifts: Mapping[str, int], factors: Sequence[int], scale: str
) -> Iterator[Law]:
    """Yield the changes of a world that change nothing: no future, another one, order, names, shifts, scales."""
    for cut in cuts:
        yield Law("no look-ahead: the future deleted", without_future(world, cut), cut=cut)
        yield Law("no look-ahead: the future changed", with_other_future(world, cut, seed), cut=cut)
    yield Law("order of rows", permuted(world, seed))
    ids = sorted(world["accounts"]["account_id"].to_pylist())
    names = [f"x{n:04d}" for n in np.random.default_rng(seed + 40_000).permutation(len(ids))]
    name_of = dict(zip(ids, names, strict=True))
    yield Law("names of accounts", renamed(world, name_of), name_of)
    for name, shift in shifts.items():
        yield Law(name, shifted(world, shift), shift=shift)
    for factor in factors:
        yield Law(scale, scaled(world, factor), factor=factor)


def any_shift(tick: int) -> int:
    """Return a shift that is no whole number of days, but of ticks, microseconds."""
    return max(1_000 * tick, (41 * DAY + 7 * HOUR + 13 * MINUTE) // tick * tick)


def read(world: World, tick: int | None = None) -> Dataset:
    """Read a world."""
    return read_dataset(world, currency="THB", tick=tick)


def check_equal(where: str, expected: AnyArray, got: AnyArray, rows: AnyArray | None = None) -> None:
    """Raise AssertionError at the first row that differs; NaN equals NaN. `rows` are the numbers to tell."""
    if not np.array_equal(got, expected, equal_nan=True):
        bad = int(np.flatnonzero(~((got == expected) | (np.isnan(got) & np.isnan(expected))))[0])
        raise AssertionError(
            f"law broken: {where} {bad if rows is None else rows[bad]}: expected {expected[bad]!r}, got {got[bad]!r}"
        )


def check_unit(unit: str, where: str, values: AnyArray) -> None:
    """Raise AssertionError unless known values are finite, counts whole and flags 0 or 1."""
    known = values[~np.isnan(values)]
    is_right = np.isfinite(known)
    if unit == "count":
        is_right &= (known >= 0) & (known == np.floor(known))
    elif unit == "flag":
        is_right &= (known == 0) | (known == 1)
    if not is_right.all():
        raise AssertionError(f"law broken: unit {unit}; {where}: got {known[~is_right][0]!r}")


def _is_known(world: World, name: str, cut: int) -> BoolArray:
    return np.asarray(microseconds(world[name][_KNOWN[name]]) < cut)


def _added(column: pa.ChunkedArray, delay: int) -> pa.ChunkedArray:
    return pc.add(column.cast(pa.int64()), delay).cast(column.type)


def _dated_later(table: pa.Table, cut: int, delay: int | None, status: str) -> pa.Table:
    """Change what the table says of moments from `cut` on: until then nobody knows. Without a delay it says nothing."""
    changed = table
    for column, clock in _DATED:
        if column in table.column_names and clock in table.column_names:
            is_later = pc.fill_null(pc.greater_equal(table[clock].cast(pa.int64()), cut), False)
            new = pa.scalar(None, table[column].type) if delay is None else None
            if column == "status":
                new = pa.scalar(status)
            elif new is None:
                new = _added(table[column], int(delay or 0))
            changed = _with_column(changed, column, pc.if_else(is_later, new, table[column]))
    return changed


def _with_column(table: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def _replaced(
    world: World, names: frozenset[str], change: Callable[[pa.ChunkedArray], pa.Array | pa.ChunkedArray]
) -> World:
    return {
        name: pa.table({of: change(table[of]) if of in names else table[of] for of in table.column_names})
        for name, table in world.items()
    }
