"""How well found rings fit the true ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import pair_confusion_matrix

from muledetect.clock import Moment, parse_time
from muledetect.errors import DataError
from muledetect.frames import takes_tables

_MATCH = 0.5


@dataclass(frozen=True, slots=True)
class RingMetrics:
    """Agreement of found and true rings.

    Attributes
    ----------
    bcubed_precision, bcubed_recall, bcubed_f1 : float
        Mean over accounts of the share of their found ring that is truly with them, and of their true ring that was
        found with them (Bagga and Baldwin 1998).
    pairwise_precision, pairwise_recall, pairwise_f1 : float
        Over pairs of accounts in one ring. NaN where there is no pair.
    adjusted_rand : float
    ring_recall, ring_precision : float
        Share of true rings that some found ring fits with Jaccard >= 0.5, and of found rings that fit some true one.
    purity : float
        Share of the members of found rings that belong to the true ring most common in theirs.
    n_true, n_found : int
        Rings of two or more accounts.
    """

    bcubed_precision: float
    bcubed_recall: float
    bcubed_f1: float
    pairwise_precision: float
    pairwise_recall: float
    pairwise_f1: float
    adjusted_rand: float
    ring_recall: float
    ring_precision: float
    purity: float
    n_true: int
    n_found: int


@takes_tables("found", "true")
def compare_rings(found: pa.Table, true: pa.Table, *, visible: Iterable[str] | None = None) -> RingMetrics:
    """Compare found with true rings, over all accounts that are in a ring of either kind.

    Parameters
    ----------
    found, true : table with `ring_id` and `account_id`
        Such as `ring_members` and `truth_rings`. An account in several rings of one table counts for the one to which
        it belongs most firmly if there is a column `membership`, else, and of equals, for its largest ring there (of
        equal ones, the first in the order of ids). An account in none is alone.
    visible : iterable of str, optional
        Accounts that the bank can see; other members do not count.

    Raises
    ------
    DataError
        If neither table has a member.
    """
    known = None if visible is None else set(visible)
    (ring_of_found, rings_found), (ring_of_true, rings_true) = _members(found, known), _members(true, known)
    accounts = sorted(set(ring_of_found) | set(ring_of_true))
    if not accounts:
        raise DataError("rings: neither the found nor the true rings have a member, so there is nothing to compare.")
    table = pd.DataFrame(
        {
            # an account in no ring stands alone under a name of its own
            "found": [("ring", ring_of_found[a]) if a in ring_of_found else ("alone", a) for a in accounts],
            "true": [("ring", ring_of_true[a]) if a in ring_of_true else ("alone", a) for a in accounts],
        }
    )
    found_code, true_code = (pd.factorize(table[name])[0] for name in ("found", "true"))
    cells = pd.DataFrame({"found": found_code, "true": true_code}).value_counts(sort=False).reset_index(name="n")
    n_found, n_true = np.bincount(found_code)[cells["found"]], np.bincount(true_code)[cells["true"]]
    n = cells["n"].to_numpy(dtype=np.float64)
    precision, recall = float((n**2 / n_found).sum() / n.sum()), float((n**2 / n_true).sum() / n.sum())
    pair_precision, pair_recall = _pairs(true_code, found_code)
    is_fit = (n / (n_found + n_true - n) >= _MATCH) & (n_found > 1) & (n_true > 1)
    return RingMetrics(
        bcubed_precision=precision,
        bcubed_recall=recall,
        bcubed_f1=_f1(precision, recall),
        pairwise_precision=pair_precision,
        pairwise_recall=pair_recall,
        pairwise_f1=_f1(pair_precision, pair_recall),
        adjusted_rand=float(adjusted_rand_score(true_code, found_code)),
        ring_recall=_share(cells["true"][is_fit].nunique(), rings_true),
        ring_precision=_share(cells["found"][is_fit].nunique(), rings_found),
        purity=_purity(cells, n_found),
        n_true=rings_true,
        n_found=rings_found,
    )


@takes_tables("found", "true")
def value_recall(found: pa.Table, true: pa.Table, *, shown: Iterable[str] | None = None) -> float:
    """Return the share of the true rings' value that found rings catch, each answering for one true ring.

    Parameters
    ----------
    found : table with `ring_id` and `account_id`
    true : table with `ring_id`, `account_id` and `value`
        Money of the ring that went through the account, minor units >= 0; accounts that the bank cannot see left out.
    shown : iterable of str, optional
        Found rings that count, such as the first so many of the list; by default all.

    Returns
    -------
    float
        Sum of the value of accounts that are in both rings of a pair, over the value of all. NaN without value.

    Notes
    -----
    Found and true rings are paired one to one so that the sum is largest (Kuhn 1955). Merging two rings thus loses
    the smaller one.
    """
    wanted, got = _frame(true, "ring_id", "account_id", "value"), _frame(found, "ring_id", "account_id")
    if shown is not None:
        got = got[got["ring_id"].isin(list(shown))]
    both = wanted.merge(got.drop_duplicates(), on="account_id", suffixes=("", "_found"))
    whole = float(wanted["value"].sum())
    if both.empty or not whole:
        return 0.0 if whole else float("nan")
    value = both.pivot_table(index="ring_id", columns="ring_id_found", values="value", aggfunc="sum", fill_value=0)
    rows, columns = linear_sum_assignment(-value.to_numpy())
    return float(value.to_numpy()[rows, columns].sum()) / whole


@takes_tables("truth_rings", "truth_transfers", "transfers")
def visible_rings(truth_rings: pa.Table, truth_transfers: pa.Table, transfers: pa.Table, as_of: Moment) -> pd.DataFrame:
    """Return the members of true rings that a bank could see at a moment, with the money that went through them.

    Parameters
    ----------
    truth_rings, truth_transfers, transfers : pyarrow.Table
        As schema.TRUTH_RINGS, TRUTH_TRANSFERS and TRANSFERS.
    as_of : Moment
        Exclusive.

    Returns
    -------
    DataFrame
        ring_id, account_id, role, value: the larger of what the account received and paid in transfers of the ring
        that stand in `transfers` before `as_of`, minor units. Members without any, and rings of one member, are out.
    """
    moment = pa.scalar(parse_time(as_of), pa.timestamp("us", tz="UTC"))
    seen = transfers.select(["transfer_id", "time", "source", "target", "amount"]).filter(
        pc.less(transfers["time"], moment)
    )
    of_ring = truth_transfers.select(["transfer_id", "ring_id"]).filter(pc.is_valid(truth_transfers["ring_id"]))
    ids = of_ring["transfer_id"].cast(pa.string())
    seen = seen.filter(pc.is_in(seen["transfer_id"].cast(pa.string()), value_set=pc.unique(ids)))
    flows = _frame(seen, "transfer_id", "source", "target", "amount")
    flows = flows.merge(_frame(of_ring, "transfer_id", "ring_id").drop_duplicates(), on="transfer_id")
    members = _frame(truth_rings, "ring_id", "account_id", "role").drop_duplicates(["ring_id", "account_id"])
    keys = pd.MultiIndex.from_frame(members[["ring_id", "account_id"]])
    sums = [flows.groupby(["ring_id", end])["amount"].sum().reindex(keys).fillna(0) for end in ("source", "target")]
    members["value"] = np.maximum(*(total.to_numpy() for total in sums)).astype(np.int64)
    members = members[members["value"] > 0]
    return members[members.groupby("ring_id")["account_id"].transform("size") > 1].reset_index(drop=True)


def _members(rings: pa.Table, known: set[str] | None) -> tuple[dict[str, str], int]:
    """Return the ring that each account counts for, and the number of rings of two or more."""
    missing = [name for name in ("ring_id", "account_id") if name not in rings.column_names]
    if missing:
        raise DataError(f"rings: the table lacks {missing}; it needs ring_id and account_id.")
    pairs = zip(rings["ring_id"].to_pylist(), rings["account_id"].to_pylist(), strict=True)
    has_membership = "membership" in rings.column_names
    membership = rings["membership"].to_pylist() if has_membership else [1.0] * len(rings)
    rows: dict[tuple[str, str], float] = {}
    for (ring, account), share in zip(pairs, membership, strict=True):
        key = (str(ring), str(account))
        if known is None or key[1] in known:
            rows[key] = max(rows.get(key, 0.0), float(share))
    sizes: dict[str, int] = {}
    for ring, _ in rows:
        sizes[ring] = sizes.get(ring, 0) + 1
    ring_of: dict[str, str] = {}
    for ring, account in sorted(rows, key=lambda row: (-rows[row], -sizes[row[0]], row[0], row[1])):
        ring_of.setdefault(account, ring)
    return ring_of, sum(size > 1 for size in sizes.values())


def _frame(table: pa.Table, *names: str) -> pd.DataFrame:
    return pd.DataFrame({name: table[name].to_pylist() for name in names})


def _pairs(true_code: npt.NDArray[np.int64], found_code: npt.NDArray[np.int64]) -> tuple[float, float]:
    (_, only_found), (only_true, both) = pair_confusion_matrix(true_code, found_code)
    return _share(float(both), float(both + only_found)), _share(float(both), float(both + only_true))


def _purity(cells: pd.DataFrame, n_found: npt.NDArray[np.int64]) -> float:
    rings = cells[n_found > 1]
    return _share(float(rings.groupby("found")["n"].max().sum()), float(rings["n"].sum()))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else float("nan")
