"""Pairs of records: which are worth a look, and how likely each is one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from muledetect.arrays import BoolArray, Float64Array, Int8Array, Int64Array
from muledetect.parties.families import BLOCKS, FAMILIES, MOST_SHARERS, Family
from muledetect.parties.people import People
from muledetect.schema import IDENTIFIER_KINDS

_CODE: Final = {kind: code for code, kind in enumerate(IDENTIFIER_KINDS)}
#: Least log-odds of a part: what is impossible is only very unlikely, as records err.
_LEAST: Final = -30.0


@dataclass(frozen=True, eq=False)
class Compared:
    """Pairs of records and how they compare.

    Attributes
    ----------
    a, b : int64[n]
        Records, a < b.
    level : int8[n, n_families]
        Position in the family's levels; -1 where one of the two has nothing to compare.
    value : int64[n, n_families]
        The shared value that counts (code), -1 for none.
    n_sharers : int64[n, n_families]
        Records that have that value.
    weight : float64[n, n_families]
        Log-odds of one person against strangers.
    prior, home : float64[n]
        Log-odds before any evidence; what is taken off as people who live together look alike, at most 0.
    log_odds : float64[n]
        Their sum: `prior + weight.sum + home`.
    """

    a: Int64Array
    b: Int64Array
    level: Int8Array
    value: Int64Array
    n_sharers: Int64Array
    weight: Float64Array
    prior: Float64Array
    home: Float64Array
    log_odds: Float64Array

    def __len__(self) -> int:
        return len(self.a)

    @property
    def probability(self) -> Float64Array:
        """How likely each pair is one person."""
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(self.log_odds, -500, 500))))


class Comparer:
    """Compares pairs of the same records.

    Parameters
    ----------
    people : People
    duplicates : float
        Other records that a record is expected to have of the same person, on average.
    """

    def __init__(self, people: People, duplicates: float) -> None:
        self._people, self._duplicates = people, duplicates
        seen = people.seen
        self._n_sharers = seen.groupby(["kind", "value"], sort=False)["person"].transform("size").to_numpy(np.int64)
        self._seen = seen.assign(n_sharers=self._n_sharers)
        self._of_kind = {
            code: self._seen[self._seen["kind"] == code][["person", "value", "n_sharers"]] for code in _CODE.values()
        }
        n = len(people)
        self._has = np.zeros((n, len(_CODE)), np.bool_)
        self._has[seen["person"].to_numpy(), seen["kind"].to_numpy()] = True

    def candidates(self) -> tuple[Int64Array, Int64Array]:
        """Return the pairs that share a rare value of `BLOCKS`, each once. O(records * most sharers)."""
        parts = [np.zeros((0, 2), np.int64)]
        for block in BLOCKS:
            keys = self._of_kind[_CODE[block[0]]][["person", "value"]]
            for kind in block[1:]:
                keys = keys.merge(self._of_kind[_CODE[kind]][["person", "value"]], on="person", suffixes=("", "_too"))
                number = keys.groupby(["value", "value_too"], sort=False).ngroup()
                keys = keys.assign(value=number)[["person", "value"]]
            size = keys.groupby("value", sort=False)["person"].transform("size")
            keys = keys[(size >= 2) & (size <= MOST_SHARERS)]
            pairs = keys.merge(keys, on="value", suffixes=("_a", "_b"))
            pairs = pairs[pairs["person_a"] < pairs["person_b"]]
            parts.append(pairs[["person_a", "person_b"]].to_numpy(np.int64))
        both = np.unique(np.concatenate(parts), axis=0)
        sort = self._people.sort
        return both[:, 0][fits := _may_be_one(sort, both)], both[:, 1][fits]

    def compare(self, a: Int64Array, b: Int64Array, families: Sequence[Family] = FAMILIES) -> Compared:
        """Compare pairs of records. O(pairs * values of a record)."""
        n, n_people = len(a), len(self._people)
        shape = (n, len(families))
        level, value = np.full(shape, -1, np.int8), np.full(shape, -1, np.int64)
        sharers, weight = np.zeros(shape, np.int64), np.zeros(shape)
        at_home, nearest = np.zeros(n), np.full(n, np.iinfo(np.int64).max)
        for number, family in enumerate(families):
            level[:, number], value[:, number], sharers[:, number] = self._levels(family, a, b)
            for place, one in enumerate(family.levels):
                rows = np.flatnonzero(level[:, number] == place)
                common = np.maximum(sharers[rows, number] - 2, 0) / n_people if one.kinds else 0.0
                weight[rows, number] = np.log(one.same) - np.log(np.minimum(one.chance + common, 1.0))
                if not family.is_contact:
                    at_home[rows] += np.log(one.same / np.maximum(one.home, np.minimum(common, 1.0)))
                elif one.kinds:
                    nearest[rows] = np.minimum(nearest[rows], sharers[rows, number])
        prior = np.full(n, np.log(self._duplicates / max(n_people - 1, 1)))
        strangers = prior + _exact_sums(weight)
        # the rivals: someone of the same household, of whom there are as many as share the rarest contact
        lives_together = nearest <= MOST_SHARERS
        others = np.maximum(nearest - 1, 1).astype(np.float64)
        household = np.where(lives_together, np.log(self._duplicates / others) + at_home, np.inf)
        log_odds = -np.logaddexp(-np.maximum(strangers, _LEAST), -np.maximum(household, _LEAST))
        return Compared(a, b, level, value, sharers, weight, prior, log_odds - strangers, log_odds)

    def _levels(self, family: Family, a: Int64Array, b: Int64Array) -> tuple[Int8Array, Int64Array, Int64Array]:
        """Return the closest level of each pair, the rarest value shared there, and how many share it."""
        level, value = np.full(len(a), -1, np.int8), np.full(len(a), -1, np.int64)
        sharers = np.zeros(len(a), np.int64)
        birth = self._people.birth
        kinds = [_CODE[kind] for one in family.levels for kind in one.kinds]
        told = np.asarray(self._has[:, kinds].any(axis=1))
        comparable: BoolArray = np.asarray(told[a] & told[b])
        if family.name == "birth":
            comparable = comparable | np.isfinite(birth[a]) & np.isfinite(birth[b])
        for place, one in enumerate(family.levels):
            open_rows = np.flatnonzero(comparable & (level < 0))
            if one.name == "birth_year":
                level[open_rows[birth[a[open_rows]] == birth[b[open_rows]]]] = place
            elif not one.kinds:
                level[open_rows] = place
            else:
                shared = self._shared(one.kinds, a[open_rows], b[open_rows])
                rows = open_rows[shared["row"].to_numpy()]
                level[rows], value[rows], sharers[rows] = place, shared["value"], shared["n_sharers"]
        return level, value, sharers

    def _shared(self, kinds: tuple[str, ...], a: Int64Array, b: Int64Array) -> pd.DataFrame:
        """Return row, value, n_sharers of the rarest value that each pair shares; pairs that share none have no row."""
        pairs = pd.DataFrame({"row": np.arange(len(a)), "a": a, "b": b})
        parts = []
        for kind in kinds:
            held = self._of_kind[_CODE[kind]]
            of_a = pairs.merge(held, left_on="a", right_on="person")
            parts.append(of_a.merge(held[["person", "value"]], left_on=["b", "value"], right_on=["person", "value"]))
        both = pd.concat(parts, ignore_index=True)[["row", "value", "n_sharers"]]
        return both.sort_values(["row", "n_sharers", "value"]).drop_duplicates("row")


def _may_be_one(sort: Int8Array, pairs: Int64Array) -> Int64Array:
    """Return the pairs of which not one is a person and the other a company."""
    first, second = sort[pairs[:, 0]], sort[pairs[:, 1]]
    return np.flatnonzero((first == second) | (first < 0) | (second < 0))


def _exact_sums(weight: Float64Array) -> Float64Array:
    """Add the families in their order, so that no grouping of the sum shows."""
    total = np.zeros(len(weight))
    for column in weight.T:
        total = total + column
    return total
