"""A leakage audit: what tells the label by itself, as no honest feature of a mule does.

Behaviour overlaps: innocent people pass money on too. So a single column that sets half of the mules apart with hardly
any false positive is more likely to come from the label, from its investigation, or from a generator's bookkeeping.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import gammaincinv
from scipy.stats import beta, rankdata

from muledetect.arrays import BoolArray, Float32Array, Float64Array, Int32Array, Int64Array
from muledetect.clock import HOUR, MINUTE, SECOND
from muledetect.graph import Points, TransferGraph, build_graph
from muledetect.model.table import read_features
from muledetect.records import Dataset

#: A column leaks if it sets at least this share of the positives apart with at least this ratio of true to false
#: positive rate. Honest columns of simulated worlds stay below a third of each (docs/decisions/011).
LIMITS: Final = {0.3: 150.0, 0.5: 30.0, 0.8: 10.0}
#: Of fewer positive groups nothing is said.
FEWEST: Final = 10

# Both rates of a ratio are taken at the end of their exact one-sided interval of this error.
_CHANCE: Final = 0.001
# An id, or a place in a table, is correlated with the label from this distance of ROC-AUC to 1/2 on.
_ID_AUC: Final = 0.1
_ID_ERRORS: Final = 5.0
# Transfers that are looked at together; one account may have more.
_PIECE: Final = 1 << 20
# Column of a table of accounts beside its own.
_PLACE: Final = "place in the list"
# Half of the complaints' accounts may have been complained of only after the label was known.
_LATE_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Leak:
    """One finding.

    Attributes
    ----------
    column : str
        The feature, or table.column.
    check : str
        separates, order or after_label.
    statistic, limit : float
        What was measured, and from where on it is a finding.
    text : str
        A sentence with the numbers. It names no account.
    """

    column: str
    check: str
    statistic: float
    limit: float
    text: str


def audit_features(
    features: pa.Table | pd.DataFrame, y: npt.ArrayLike, *, groups: npt.ArrayLike | None = None
) -> list[Leak]:
    """Return the columns of a feature table that separate positives from negatives too well to be honest.

    For each column the rows are cut at every value from above and from below, and where it is (un)defined. With `c` the
    share of positives on one side and `f` that of negatives, a cut leaks if `c / f` reaches the limit for `c` in
    `LIMITS` even with `c` and `f` at the unfavourable ends of their exact one-sided 99.9% intervals (Clopper and
    Pearson for `c` over groups, Poisson for `f`).

    Parameters
    ----------
    features : pyarrow.Table or pandas.DataFrame
        Columns `account_id` and `as_of` are no features.
    y : array of shape (n,)
        1, 0, or NaN = unknown, left out.
    groups : array of shape (n,), optional
        Rings, persons: positives of one group count once in the error.

    Returns
    -------
    list of Leak
        The most telling first; empty below `FEWEST` positive groups. O(n log n) a column: 50,000 rows x 250 columns
        take some 5 s.
    """
    table = read_features(features)
    sought = np.asarray(y, dtype=np.float64)
    is_known = ~np.isnan(sought)
    group = np.arange(len(sought)) if groups is None else pd.factorize(np.asarray(groups))[0]
    return audit_columns(table.values[is_known], table.names, sought[is_known] == 1, group[is_known])


def audit_columns(values: Float32Array, names: Sequence[str], is_positive: BoolArray, group: Int64Array) -> list[Leak]:
    """Return what `audit_features` does, of float32[n_rows, n_columns] with known targets."""
    return _sorted(
        [
            _separates(name, column.astype(np.float64), is_positive, group)
            for name, column in zip(names, values.T, strict=True)
        ]
    )


def audit_records(
    dataset: Dataset, points: Points, y: npt.ArrayLike, *, groups: npt.ArrayLike | None = None
) -> list[Leak]:
    """Return what in the tables themselves tells the label.

    - Order: the account's id in alphabetical order, its length, and its row in the accounts table against the label.
    - Codes: the amount's last digits, the time of day, minute and second of own transfers, every column of accounts and
      holders, and the first letters of the id. Each value weighs by how much commoner it is among the positives of
      *other* groups than among negatives; an account's mean weight is then judged as a feature column.
    - Complaints about positives that were first filed after the label was known.

    Only what lies before each point is read. O(transfers of the labelled accounts). Nothing is found where nothing is
    defined.
    """
    sought = np.asarray(y, dtype=np.float64)
    is_known = ~np.isnan(sought) & (points.account >= 0)
    last = pd.DataFrame({"account": points.account, "as_of": points.as_of, "y": sought})[is_known]
    last["group"] = last["account"] if groups is None else pd.factorize(np.asarray(groups))[0][is_known]
    # one row an account: its last point, and whether it was ever positive
    one = last.groupby("account").agg(as_of=("as_of", "max"), y=("y", "max"), group=("group", "first")).reset_index()
    is_positive, group = one["y"].to_numpy() == 1, one["group"].to_numpy()
    if len(np.unique(group[is_positive])) < FEWEST or is_positive.all():
        return []
    found = [
        _separates(name, _weigh(one, codes), is_positive, group, sides=("a telling value",))
        for name, codes in (*_transfer_codes(build_graph(dataset), one), *_table_codes(dataset, one))
    ]
    for name, place in _places(dataset, one):
        found += [_separates(name, place, is_positive, group), _ordered(name, place, is_positive, group)]
    return _sorted([*found, _late_complaints(dataset, one)])


def _sorted(found: list[Leak | None]) -> list[Leak]:
    leaks = [leak for leak in found if leak is not None]
    return sorted(leaks, key=lambda leak: (-leak.statistic / leak.limit, leak.column))


def _separates(
    name: str,
    values: Float64Array,
    is_positive: BoolArray,
    group: Int64Array,
    sides: Collection[str] = ("a high value", "a low value", "a missing value"),
) -> Leak | None:
    """Return the most telling cut of the values that reaches its limit."""
    n_groups = len(np.unique(group[is_positive]))
    n_positive, n_negative = int(is_positive.sum()), int((~is_positive).sum())
    if n_groups < FEWEST or not n_negative:
        return None
    worst: Leak | None = None
    is_defined = ~np.isnan(values)
    high = np.where(is_defined, values, -np.inf)
    keys = {
        "a high value": high,
        "a telling value": high,
        "a low value": np.where(is_defined, -values, -np.inf),
        "a missing value": (~is_defined).astype(np.float64),
    }
    for side in sides:
        key = keys[side]
        order = np.argsort(-key, kind="stable")
        ordered = key[order]
        is_end = np.append(ordered[1:] != ordered[:-1], True)
        is_end &= ordered > (0 if side == "a missing value" else -np.inf)
        true = np.cumsum(is_positive[order])[is_end]
        false = np.flatnonzero(is_end) + 1 - true
        for share, limit in LIMITS.items():
            # bounds cost more than rates, and a rate below the limit has no bound above it
            cuts = np.flatnonzero((true >= share * n_positive) & (true * n_negative >= limit * false * n_positive))
            if not len(cuts):
                continue
            ratio = _least_ratio(true[cuts] / n_positive, n_groups, false[cuts], n_negative)
            best = int(np.argmax(ratio))
            if ratio[best] >= limit and (worst is None or ratio[best] / limit > worst.statistic / worst.limit):
                held, alarms = true[cuts[best]] / n_positive, false[cuts[best]] / n_negative
                worst = Leak(
                    name, "separates", float(ratio[best]), limit,
                    f"{name}: {side} holds {held:.0%} of the positives and {alarms:.2%} of the negatives; at least "
                    f"{ratio[best]:,.0f} times as many, and {limit:g} is the limit.",
                )  # fmt: skip
    return worst


def _least_ratio(coverage: Float64Array, n_groups: int, false: Int64Array, n_negative: int) -> Float64Array:
    """Return the ratio of true to false positive rate, both at the unfavourable end of their exact interval.

    Positives of a group are not independent: they count as so many as there are groups.
    """
    caught = coverage * n_groups
    least: Float64Array = beta.ppf(_CHANCE, caught, n_groups - caught + 1)
    most = gammaincinv(false + 1, 1 - _CHANCE) / n_negative
    ratio: Float64Array = least / most
    return ratio


def _ordered(name: str, place: Float64Array, is_positive: BoolArray, group: Int64Array) -> Leak | None:
    """Return a finding if the place is correlated with the label."""
    n_groups, n_negative = len(np.unique(group[is_positive])), int((~is_positive).sum())
    rank = rankdata(place)
    n_positive = int(is_positive.sum())
    auc = (float(rank[is_positive].sum()) / n_positive - (n_positive + 1) / 2) / n_negative
    error = np.sqrt((1 / n_groups + 1 / n_negative) / 12)
    distance = abs(auc - 0.5)
    if distance < _ID_AUC or distance < _ID_ERRORS * error:
        return None
    return Leak(
        name, "order", distance, _ID_AUC,
        f"{name}: its order tells positives from negatives with ROC-AUC {auc:.2f}; it should be 0.50.",
    )  # fmt: skip


class Codes(NamedTuple):
    """Which codes an account has, each once, with its share of all that the account has; `n` codes in all.

    `place` int32[n_pairs] is that of the account in a list, `code` int32[n_pairs], `share` float64[n_pairs].
    """

    place: Int32Array
    code: Int32Array
    share: Float64Array
    n: int


def _weigh(accounts: pd.DataFrame, codes: Codes) -> Float64Array:
    """Return each account's mean log ratio of its codes' shares among positives and negatives of other groups.

    An account counts 1 in all. A code that no other group has weighs 0, and so does an account without codes. Leaving
    out the own group moves weights by a hair, which would tell the label by itself; so they are cut down to whole
    multiples of a half, and below that to 0. O(pairs log pairs); some 60 bytes a pair.
    """
    is_positive = accounts["y"].to_numpy() == 1
    group = pd.factorize(accounts["group"])[0]
    pair, own = np.unique(group[codes.place].astype(np.int64) * codes.n + codes.code, return_inverse=True)
    least, ratio = 0.5 / is_positive.sum(), np.zeros(len(codes.place))
    for sign, is_side in ((1, is_positive), (-1, ~is_positive)):
        share = np.where(is_side[codes.place], codes.share, 0.0)
        total = np.bincount(codes.code, share, codes.n)[codes.code] - np.bincount(own, share, len(pair))[own]
        n_others = is_side.sum() - np.bincount(group, is_side)[group]
        ratio += sign * np.log(np.maximum(total, 0.0) / n_others[codes.place] + least)
    weight = np.bincount(codes.place, codes.share * ratio, len(accounts))
    cut: Float64Array = np.floor(np.maximum(weight, 0.0) * 2) / 2
    return cut


def _codes_of(place: npt.NDArray[np.integer[Any]], code: npt.NDArray[np.integer[Any]], n: int) -> Codes:
    """Return codes in the order of their accounts, from one row an occurrence."""
    pair, count = np.unique(place.astype(np.int64) * n + code, return_counts=True)
    whose = pair // n
    of_all = np.bincount(whose, count)[whose] if len(pair) else np.ones(0)
    return Codes(whose.astype(np.int32), (pair % n).astype(np.int32), count / of_all, n)


def _transfer_codes(graph: TransferGraph, accounts: pd.DataFrame) -> Iterator[tuple[str, Codes]]:
    """Yield digits of amount and time of the transfers of each account before its point.

    Some accounts are read together; 16 bytes for each code of an account are kept, of one kind of codes at a time.
    """
    kinds: dict[str, tuple[int, Callable[[Int32Array], Int64Array]]] = {
        "transfers.amount, last two digits": (100, lambda rows: graph.amount[rows] % 100),
        "transfers.amount, last four digits": (10_000, lambda rows: graph.amount[rows] % 10_000),
        "transfers.time, hour of the day": (24, lambda rows: graph.time[rows] // HOUR % 24),
        "transfers.time, minute": (60, lambda rows: graph.time[rows] // MINUTE % 60),
        "transfers.time, second": (60, lambda rows: graph.time[rows] // SECOND % 60),
    }
    for name, (n, code) in kinds.items():
        parts = [_codes_of(place, code(rows), n) for place, rows in _seen(graph, accounts)]
        place, codes, share = (np.concatenate(column) for column in list(zip(*parts, strict=True))[:3])
        yield name, Codes(place, codes, share, n)


def _seen(graph: TransferGraph, accounts: pd.DataFrame) -> Iterator[tuple[Int64Array, Int32Array]]:
    """Yield places of accounts and the transfers of each before its point, on both sides; some accounts at a time."""
    account, as_of = accounts["account"].to_numpy(), accounts["as_of"].to_numpy()
    sides = graph.outgoing, graph.incoming
    work = np.cumsum(sum(side.stop[account] - side.start[account] for side in sides))
    ends = np.unique([*np.searchsorted(work, np.arange(_PIECE, work[-1], _PIECE)), len(account)])
    for first, last in itertools.pairwise([0, *ends[ends > 0].tolist()]):
        found = []
        for side in sides:
            begin = side.start[account[first:last]]
            n = side.stop[account[first:last]] - begin
            place = np.repeat(np.arange(first, last), n)
            rows = side.transfer[np.arange(len(place)) + np.repeat(begin - (np.cumsum(n) - n), n)]
            is_seen = graph.time[rows] < as_of[place]
            found.append((place[is_seen], rows[is_seen]))
        yield np.concatenate([place for place, _ in found]), np.concatenate([rows for _, rows in found])


def _table_codes(dataset: Dataset, accounts: pd.DataFrame) -> Iterator[tuple[str, Codes]]:
    """Yield the values of every column of accounts and holders, missing ones included, and first letters of ids."""
    ids = dataset.account_ids.take(pa.array(accounts["account"].to_numpy())).to_pylist()
    for length in (1, 2, 3):
        yield (
            f"account_id, first {length} letter(s)",
            _codes_of(np.arange(len(ids)), *_numbered([t[:length] for t in ids])),
        )
    table = dataset.tables.get("accounts")
    if table is None:
        return
    place_of = {name: place for place, name in enumerate(ids)}
    known = table.to_pandas()
    known[_PLACE] = known["account_id"].map(place_of)
    known = known[known[_PLACE].notna()].astype({_PLACE: np.int64})
    yield from _columns("accounts", known, ("account_id", "holder_id"))
    holders = dataset.tables.get("holders")
    if holders is not None and "holder_id" in known:
        joined = known[[_PLACE, "holder_id"]].merge(holders.to_pandas(), on="holder_id")
        yield from _columns("holders", joined, ("holder_id",))


def _columns(name: str, rows: pd.DataFrame, keys: tuple[str, ...]) -> Iterator[tuple[str, Codes]]:
    for column in rows.columns:
        if column not in (*keys, _PLACE):
            values = rows[column].astype(str).where(rows[column].notna(), "missing")
            yield f"{name}.{column}", _codes_of(rows[_PLACE].to_numpy(), *_numbered(values))


def _numbered(values: Sequence[str] | pd.Series) -> tuple[Int64Array, int]:
    """Return a number for each text, and how many there are."""
    code, texts = pd.factorize(np.asarray(values, dtype=object))
    return code, max(1, len(texts))


def _places(dataset: Dataset, accounts: pd.DataFrame) -> Iterator[tuple[str, Float64Array]]:
    """Yield numbers of each account that only bookkeeping gives it."""
    ids = dataset.account_ids.take(pa.array(accounts["account"].to_numpy()))
    yield "account_id, in order", accounts["account"].to_numpy(dtype=np.float64)
    yield "account_id, its length", pc.utf8_length(ids).to_numpy().astype(np.float64)
    table = dataset.tables.get("accounts")
    if table is not None:
        row = pc.index_in(ids, table["account_id"].cast(pa.string()).combine_chunks())
        if not row.null_count:
            yield "accounts, its row", row.to_numpy().astype(np.float64)


def _late_complaints(dataset: Dataset, accounts: pd.DataFrame) -> Leak | None:
    """Return a finding if most complaints about positives came only after their label was known."""
    complaints, labels = (dataset.tables.get(name) for name in ("complaints", "labels"))
    if complaints is None or labels is None or not _has_times(complaints) or not _has_times(labels):
        return None
    filed, decided = _first_known(complaints, "target"), _first_known(labels.filter(_is_mule(labels)), "account_id")
    positive = accounts[accounts["y"] == 1]
    names = dataset.account_ids.take(pa.array(positive["account"].to_numpy())).to_pylist()
    times = pd.DataFrame({"as_of": positive["as_of"].to_numpy(), "filed": pd.Series(filed).reindex(names).to_numpy(),
                          "decided": pd.Series(decided).reindex(names).to_numpy()}).dropna()  # fmt: skip
    times = times[times["filed"] < times["as_of"]]
    if len(times) < FEWEST:
        return None
    late = float((times["filed"] >= times["decided"]).mean())
    if late < _LATE_SHARE:
        return None
    text = (
        f"complaints.known_ts: of {len(times):,} positives with a complaint before their point, {late:.0%} were first "
        "complained of when their label was known already; so complaints tell the label."
    )
    return Leak("complaints.known_ts", "after_label", late, _LATE_SHARE, text)


def _has_times(table: pa.Table) -> bool:
    return "known_ts" in table.column_names and table["known_ts"].null_count < len(table)


def _is_mule(labels: pa.Table) -> pa.ChunkedArray:
    return pc.equal(labels["label"].cast(pa.string()), "mule")


def _first_known(table: pa.Table, key: str) -> Mapping[str, int]:
    known = table.filter(pc.and_(pc.is_valid(table["known_ts"]), pc.is_valid(table[key])))
    times = pd.Series(known["known_ts"].cast(pa.int64()).to_numpy(), index=known[key].to_pylist(), dtype=np.int64)
    first = times.groupby(level=0).min()
    return {str(name): int(time) for name, time in first.items()}
