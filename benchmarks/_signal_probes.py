"""The same few transfers put to the peer and to our signals: what both say, and what is right.

Printed by `python benchmarks/signals.py --probe` as the tables of docs/signals_and_gfp.md. Needs the peer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from _signal_graphs import arrays
from snapml import GraphFeaturePreprocessor

from muledetect.features.signals import Ties, build_past
from muledetect.features.signals.cycles import count_temporal_cycles
from muledetect.features.signals.pairs import fan
from muledetect.features.signals.scatter import scatter_gather
from muledetect.graph import graph_from_records

Row = tuple[int, int, float, float]  # source, target, seconds, amount
Answer = tuple[str, str, str, str]  # what is asked, the peer's answer, ours, the right one

SECOND = 1_000_000
WINDOW = 10
BINS = list(range(1, 60))
STATISTICS = {"degree": 1, "sum": 4, "variance": 8, "skew": 9, "kurtosis": 10}
_OFF = dict.fromkeys(("vertex_stats", "fan", "degree", "scatter-gather", "temp-cycle", "lc-cycle"), False)


def ask_peer(rows: Sequence[Row], batch: int, window: int, **chosen: Any) -> np.ndarray:
    """Return the peer's columns, batch after batch."""
    peer = GraphFeaturePreprocessor()
    peer.set_params(_OFF | {"num_threads": 1, "time_window": window} | chosen)
    table = np.array([[place, *row] for place, row in enumerate(rows)], dtype=np.float64)
    return np.vstack([peer.transform(table[i : i + batch])[:, 5:] for i in range(0, len(table), batch)])


def peer_pattern(name: str, rows: Sequence[Row], *, batch: int = 1, window: int = WINDOW) -> np.ndarray:
    """Return its histograms of a pattern, one column a size; in- and outgoing beside each other for fan and degree."""
    return ask_peer(rows, batch, window, **{name: True, f"{name}_tw": window, f"{name}_bins": BINS})


def peer_statistic(name: str, rows: Sequence[Row], *, graph_window: int = WINDOW, batch: int = 1) -> np.ndarray:
    """Return a statistic of the source's outgoing amounts."""
    chosen = {"vertex_stats": True, "vertex_stats_tw": WINDOW, "vertex_stats_cols": [4]}
    return ask_peer(rows, batch, graph_window, **chosen, vertex_stats_feats=[STATISTICS[name]])[:, 0]


def past_of(rows: Sequence[Row], ties: Ties = "strict", window: int = WINDOW) -> Any:
    """Return our view of rows that are sorted by time, source, target and amount, as the graph keeps them."""
    names = {number: f"{number:020d}" for row in rows for number in row[:2]}
    records = [(names[s], names[t], round(time * SECOND), round(amount)) for s, t, time, amount in rows]
    return build_past(graph_from_records(records), lookback=window * SECOND, ties=ties, max_degree=None, threads=1)


def ours(column: str, rows: Sequence[Row], ties: Ties = "strict") -> np.ndarray:
    """Return one of our columns of fan, or `cycles_<length>`, or `scatter_gather`."""
    past = past_of(rows, ties)
    if column.startswith("cycles_"):
        return count_temporal_cycles(past, 6)[:, int(column[-1]) - 2]
    made = scatter_gather if column == "scatter_gather" else fan
    return made.compute(past)[:, list(made.columns).index(column)]


def sizes(histogram: np.ndarray) -> str:
    """Return which sizes a row of a histogram holds."""
    held = [
        f"{place + 1}" + (f" (x{count:.0f})" if count > 1 else "") for place, count in enumerate(histogram) if count
    ]
    return " and ".join(held) or "none"


def of_batches() -> Iterator[Answer]:
    """A batch is inserted whole before it is answered."""
    rows = [(1, 2, 0, 5), (3, 2, 1, 5), (4, 2, 2, 5)]
    asked = "1→2 at 0 s, 3→2 at 1 s, 4→2 at 2 s: who paid 2 by the **first** transfer? Batch of {}"
    for batch in (1, 3):
        told = sizes(peer_pattern("fan", rows, batch=batch)[0, : len(BINS)])
        yield asked.format(batch), told, f"{ours('target_fan_in', rows)[0]:.0f}", "1"
    rows = [(1, 2, 0, 5), (2, 3, 1, 5), (3, 1, 2, 5)]
    asked = "1→2 at 0 s, 2→3 at 1 s, 3→1 at 2 s: cycles of three that the **first** transfer closes. Batch of {}"
    for batch in (1, 3):
        told = f"{peer_pattern('temp-cycle', rows, batch=batch)[0, 2]:.0f}"
        yield asked.format(batch), told, f"{ours('cycles_3', rows)[0]:.0f}", "0"


def of_clocks() -> Iterator[Answer]:
    """Times are cut to 32 bits."""
    for start, name in ((0, "0"), (2**31 - 2, "2^31 - 2"), (4_100_000_000, "4,100,000,000 (in 2099)")):
        rows = [(1, 2, start, 5), (3, 2, start + 1, 5), (4, 2, start + 2, 5)]
        told = sizes(peer_pattern("fan", rows)[2, : len(BINS)])
        asked = f"three payers of 2, one a second, from {name} on: fan-in of the last"
        yield asked, told, _last("target_fan_in", rows), "3"


def of_gaps() -> Iterator[Answer]:
    """What is too old leaves only after the answer, and the window of statistics is not its own."""
    rows = [(1, 2, 0, 5), (1, 3, 1, 5), (1, 4, 1000, 5)]
    asked = "1→2 at 0 s, 1→3 at 1 s, 1→4 at 1000 s, window 10 s: outgoing transfers of 1 at the last"
    yield f"{asked} (vertex statistics)", f"{peer_statistic('degree', rows)[2]:.0f}", _last("source_paid", rows), "1"
    between = [*rows[:2], (7, 8, 999, 5), rows[2]]
    asked = "the same, with a transfer of strangers at 999 s"
    yield asked, f"{peer_statistic('degree', between)[3]:.0f}", _last("source_paid", between), "1"
    rows = [(1, 2, 0, 5), (7, 8, 30, 5), (1, 3, 50, 5)]
    asked = (
        "1→2 at 0 s, 7→8 at 30 s, 1→3 at 50 s, window of statistics 10 s, of the graph 100 s: outgoing transfers of 1"
    )
    yield asked, f"{peer_statistic('degree', rows, graph_window=100)[2]:.0f}", _last("source_paid", rows), "1"


def of_moments() -> Iterator[Answer]:
    """A variance below some 1e-5 of the squared mean is taken for none."""
    for paid in ((1, 2, 4), (50_000, 52_000, 48_000), (300, 301, 302), (4_990_000, 4_995_000, 4_999_000)):
        rows = [(1, 2 + place, place, amount) for place, amount in enumerate(paid)]
        amounts = np.array(paid, dtype=np.float64)
        centred = amounts - amounts.mean()
        variance = float((centred**2).mean())
        kurtosis = float((centred**4).mean()) / variance**2
        told = ", ".join(f"{peer_statistic(name, rows)[2]:.4g}" for name in ("variance", "kurtosis"))
        asked = f"1 pays {paid[0]:,}, {paid[1]:,} and {paid[2]:,}: variance, kurtosis"
        yield asked, told, "not offered", f"{variance:.4g}, {kurtosis:.4g}"


def of_order() -> Iterator[Answer]:
    """Scatter-gather is sought in the graph of the window, whatever came first."""
    forth = [(1, 2, 0, 5), (1, 3, 1, 5), (2, 9, 2, 5), (3, 9, 3, 5)]
    back = [(2, 9, 0, 5), (1, 2, 1, 5), (1, 3, 2, 5), (3, 9, 3, 5)]
    for name, rows, right in (
        ("1→2, 1→3, 2→9, 3→9", forth, "2"),
        ("2→9, 1→2, 1→3, 3→9: 2 paid before it was paid", back, "1, itself alone (no shape)"),
    ):
        told = sizes(peer_pattern("scatter-gather", rows)[3])
        yield f"{name}: middles at the last transfer", told, _last("scatter_gather", rows), right
    rows = [(1, 1, 0, 5), (1, 3, 1, 5), (1, 2, 2, 5), (2, 3, 3, 5)]
    told = sizes(peer_pattern("scatter-gather", rows)[3])
    asked = "1→1, 1→3, 1→2, 2→3: middles at the last transfer, is 1 a middle of its own?"
    yield asked, told, _last("scatter_gather", rows), "1 (no shape)"


def of_names() -> Iterator[Answer]:
    """Accounts pass through a double."""
    for start, name in ((7, "7"), (2**53, "2^53")):
        rows = [(1, start, 0, 5), (2, start + 1, 1, 5)]
        told = sizes(peer_pattern("fan", rows)[1, : len(BINS)])
        asked = f"1 pays account {name}, 2 pays account {name} + 1: fan-in of the second"
        yield asked, told, _last("target_fan_in", rows), "1"


def of_ties() -> Iterator[Answer]:
    """Within one second the order of rows decides."""
    rows = [(1, 2, 0, 5), (1, 3, 0, 5)]
    for name, given, which in (("1→2, 1→3", rows, 0), ("1→3, 1→2", rows[::-1], 1)):
        told = sizes(peer_pattern("fan", given)[which, len(BINS) :])
        strict, loose = (ours("source_fan_out", rows, ties)[0] for ties in ("strict", "simultaneous"))
        asked = f"{name}, both at 0 s, rows in this order: fan-out of 1 at 1→2"
        yield asked, told, f"{strict:.0f} strict, {loose:.0f} simultaneous", "the same for both orders"


def of_definitions() -> Iterator[Answer]:
    """No flaws: both are right, each by its own definition."""
    rows = [(1, 2, 0, 5), (1, 2, 1, 5), (2, 1, 2, 5)]
    told = f"{peer_pattern('temp-cycle', rows)[2, 1]:.0f}"
    yield (
        "1→2, 1→2, 2→1: cycles of two at the last",
        told,
        _last("cycles_2", rows),
        "1 path of accounts, 2 of transfers",
    )
    rows = [(1, 2, 0, 5), (1, 3, 10, 5)]
    told = sizes(peer_pattern("fan", rows)[1, len(BINS) :])
    asked = "1→2 at 0 s, 1→3 at 10 s, window 10 s: fan-out of 1"
    yield asked, told, _last("source_fan_out", rows), "windows (t - w, t] and [t - w, t)"
    rows = [(1, 2, 0, 5), (2, 1, 10, 5)]
    told = f"{peer_pattern('temp-cycle', rows)[1, 1]:.0f}"
    yield "1→2 at 0 s, 2→1 at 10 s, window 10 s: cycles of two", told, _last("cycles_2", rows), "[t - w, t) for both"


def _last(column: str, rows: Sequence[Row]) -> str:
    return f"{ours(column, rows)[-1]:.0f}"


def shares_that_differ(n: int = 20_000) -> Iterator[str]:
    """Say how many rows of a random sparse graph differ from batches of one: in those of 128, of 2,048, in one."""
    given = arrays("sparse", 1_000_000)
    seconds = (given["time"] - given["time"][0]) // SECOND
    rows = list(zip(given["source"][:n], given["target"][:n], seconds[:n], given["amount"][:n], strict=True))
    bins = [1, 2, 3, 4, 5]
    groups: dict[str, dict[str, Any]] = {
        name: {name: True, f"{name}_tw": 86_400, f"{name}_bins": bins}
        for name in ("fan", "degree", "scatter-gather", "temp-cycle")
    }
    sums = {"vertex_stats_tw": 86_400, "vertex_stats_cols": [4], "vertex_stats_feats": [1, 4]}
    groups["statistics"] = {"vertex_stats": True, **sums}
    for name, chosen in groups.items():
        alone = ask_peer(rows, 1, 86_400, **chosen)
        shares = [(ask_peer(rows, batch, 86_400, **chosen) != alone).any(axis=1).mean() for batch in (128, 2048, n)]
        yield f"| {name} | " + " | ".join(f"{share:.1%}" for share in shares) + " |"


def agreement(n_worlds: int = 300) -> Iterator[str]:
    """Compare all that both say, on small random graphs, one transfer a batch, no two at one time."""
    same, asked = Counter[str](), Counter[str]()
    for seed in range(n_worlds):
        rows, window = _world(seed)
        past = past_of(rows, window=window)
        fans, cycles = fan.compute(past), count_temporal_cycles(past, 6)
        for name, columns in (("fan", (3, 0)), ("degree", (4, 1))):
            told = peer_pattern(name, rows, window=window)
            for side, column, part in zip(("in", "out"), columns, np.hsplit(told, 2), strict=True):
                size = np.where(part.any(axis=1), part.argmax(axis=1) + 1, 1)  # it is silent about a fan of one
                own = np.array([row[0] == row[1] for row in rows])
                _count(f"{name}-{side}", size == np.where(own, 1, fans[:, column]), same, asked)
        told = peer_pattern("temp-cycle", rows, window=window)[:, 1:6]
        is_simple = len({row[:2] for row in rows}) == len(rows)
        kind = f"cycles, {'no' if is_simple else 'with'} parallel transfers"
        _count(kind, (told == cycles).all(axis=1), same, asked)
        _count(f"{kind}, GFP against paths of accounts", (told == _ways(rows, window)).all(axis=1), same, asked)
        rows = _layers(seed)
        told = peer_pattern("scatter-gather", rows, window=1000)
        gathered = scatter_gather.compute(past_of(rows, window=1000))
        largest = np.array([max(np.flatnonzero(row) + 1, default=0) for row in told])
        is_same = (np.where(gathered[:, 0] > 1, gathered[:, 0], 0) == largest) & (gathered[:, 1] == told.sum(axis=1))
        _count("scatter-gather, first scattered, then gathered", is_same, same, asked)
    for name, count in sorted(asked.items()):
        yield f"{name}: {same[name]:,} of {count:,} rows the same"


def _count(name: str, is_same: np.ndarray, same: Counter[str], asked: Counter[str]) -> None:
    same[name] += int(is_same.sum())
    asked[name] += len(is_same)


def _world(seed: int) -> tuple[list[Row], int]:
    """Return 5 to 40 transfers at even seconds and a window of odd length, so that nothing lies on its border."""
    random = np.random.default_rng(seed)
    n, n_accounts = int(random.integers(5, 40)), int(random.integers(3, 9))
    times = np.sort(random.choice(np.arange(2, 200, 2), n, replace=False))
    ends = random.integers(0, n_accounts, (n, 2))
    rows = [(int(s), int(t), int(time), 5.0) for (s, t), time in zip(ends, times, strict=True)]
    if seed % 2:
        rows = list({row[:2]: row for row in rows[::-1]}.values())
        rows.sort(key=lambda row: row[2])
    return rows, int(random.choice([21, 61, 1001]))


def _layers(seed: int) -> list[Row]:
    """Return transfers from three accounts to five others, and then from these to two more."""
    random = np.random.default_rng(seed)
    n = int(random.integers(3, 20))
    scattered = [(int(random.integers(0, 3)), int(random.integers(3, 8)), time, 5.0) for time in range(n)]
    return scattered + [(int(random.integers(3, 8)), int(random.integers(8, 10)), n + k, 5.0) for k in range(n)]


def _ways(rows: Sequence[Row], window: int) -> np.ndarray:
    """Count different rings of two to six accounts that each transfer closes, by a plain search."""
    counts = np.zeros((len(rows), 5))
    for place, (source, target, now, _) in enumerate(rows):
        met: set[tuple[int, ...]] = set()
        paths: list[tuple[tuple[int, ...], float]] = [((target,), -1.0)] if source != target else []
        while paths:
            path, last = paths.pop()
            for payer, payee, time, _ in rows[:place]:
                if payer != path[-1] or not max(last, now - window - 1) < time:
                    continue
                if payee == source:
                    met.add(path)
                elif payee not in path and len(path) < 5:
                    paths.append(((*path, payee), time))
        for path in met:
            counts[place, len(path) - 1] += 1
    return counts


#: Every group of questions, with its title.
GROUPS: tuple[tuple[str, Callable[[], Iterator[Answer]]], ...] = (
    ("Look-ahead inside a batch", of_batches),
    ("Times above 2^31", of_clocks),
    ("Windows that keep transfers that are too old", of_gaps),
    ("Variance and kurtosis", of_moments),
    ("Scatter-gather and order", of_order),
    ("Account numbers above 2^53", of_names),
    ("Transfers at the same time", of_ties),
    ("Other definitions", of_definitions),
)


def probe() -> None:
    """Print everything."""
    for title, answers in GROUPS:
        print(f"\n## {title}\n\n| asked | GFP | ours | right |\n|---|---|---|---|")
        for answer in answers():
            print("| " + " | ".join(answer) + " |")
    print("\n## Batches on a random graph\n")
    print("| columns | 128 | 2,048 | 20,000 |\n|---|---|---|---|")
    print("\n".join(shares_that_differ()))
    print("\n## Agreement\n")
    print("\n".join(agreement()))
