"""How normal life looks: degrees, amounts, rhythm, balances."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from _realism_world import WorldArrays
from scipy.special import zeta
from scipy.stats import skew

from muledetect.arrays import BoolArray, Int64Array
from muledetect.clock import DAY, HOUR
from muledetect.features import extract
from muledetect.labels import every_account

Float64 = npt.NDArray[np.float64]

#: Money that comes to a person or leaves him over the instant rail, whatever names the other side.
INSTANT: Final = ("p2p_proxy", "p2p_account", "qr_merchant")
_WEEK: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Tail(NamedTuple):
    """A discrete power law `p(x) ~ x ** -exponent` from `least` on, its standard error and what lies in the tail."""

    exponent: float
    error: float
    least: int
    n: int
    distance: float


def fit_tail(values: Int64Array, candidates: int = 60) -> Tail:
    """Fit the tail of counts by maximum likelihood, where it begins by the least Kolmogorov-Smirnov distance.

    References
    ----------
    Clauset, Shalizi & Newman, Power-law distributions in empirical data, SIAM Review 51 (2009), arXiv:0706.1062;
    the exponent is their approximation (3.7) for counts.
    """
    ordered = np.sort(values[values > 0])
    best = Tail(float("nan"), float("nan"), 0, 0, float("inf"))
    for least in np.unique(np.quantile(ordered, np.linspace(0.3, 0.99, candidates)).astype(np.int64)):
        tail = ordered[ordered >= least]
        if len(tail) < 50 or tail[-1] == least:
            break
        exponent = 1 + len(tail) / float(np.log(tail / (least - 0.5)).sum())
        levels, counts = np.unique(tail, return_counts=True)
        observed = 1 - np.cumsum(counts) / len(tail)
        expected = zeta(exponent, levels + 1) / zeta(exponent, least)
        distance = float(np.abs(observed - expected).max())
        if distance < best.distance:
            error = (exponent - 1) / np.sqrt(len(tail))
            best = Tail(exponent, float(error), int(least), len(tail), distance)
    return best


def degrees(world: WorldArrays) -> dict[str, Int64Array]:
    """Return the number of different payers and payees of each of our accounts that has any, over the whole world."""
    graph, found = world.graph, {}
    for side, own, other in (("in", graph.target, graph.source), ("out", graph.source, graph.target)):
        pairs = np.unique(own.astype(np.int64) * len(graph.account_ids) + other)
        counts = np.bincount(pairs // len(graph.account_ids), minlength=len(graph.account_ids))[world.is_own]
        found[side] = counts[counts > 0].astype(np.int64)
    return found


def counterparties_a_month(world: WorldArrays) -> Float64:
    """Return, for each person's account and full month of 30 days with any transfer, how many it dealt with."""
    graph = world.graph
    month = (graph.time - graph.time[0]) // (30 * DAY)
    is_full = month < world.config.n_days // 30
    n = len(graph.account_ids)
    met = []
    for own, other in ((graph.source, graph.target), (graph.target, graph.source)):
        chosen = is_full & world.is_person[own] & ~world.is_illicit
        met.append((month[chosen] * n + own[chosen]) * n + other[chosen])
    owner = np.unique(np.concatenate(met)) // n
    return np.unique(owner, return_counts=True)[1].astype(np.float64)


def payments_a_month(world: WorldArrays) -> tuple[pd.Series[float], float]:
    """Return payments of a person a month by channel, and the number of persons' accounts that paid at all."""
    pays = world.is_person[world.graph.source] & ~world.is_illicit
    n_payers = len(np.unique(world.graph.source[pays]))
    counts = pd.Series(world.channel[pays]).value_counts().sort_index() / (max(n_payers, 1) * world.n_months)
    return counts.rename_axis("channel"), float(n_payers)


def amounts(world: WorldArrays) -> pd.DataFrame:
    """Return quantiles in whole units by channel of honest transfers, and the spread of the logarithm."""
    honest = ~world.is_illicit
    money = pd.DataFrame({"channel": world.channel[honest], "amount": world.graph.amount[honest] / 100})
    grouped = money.groupby("channel", sort=True)["amount"]
    found = grouped.quantile([0.1, 0.5, 0.9, 0.99]).unstack()
    found.columns = [f"p{round(100 * q)}" for q in found.columns]
    found.insert(0, "transfers", grouped.size())
    found["mean"] = grouped.mean()
    found["log_spread"] = np.log(money["amount"]).groupby(money["channel"]).std()
    return found


def instant_payments(world: WorldArrays) -> dict[str, float]:
    """Return mean amount, share below 5,000 and the mean of those, of honest transfers over the instant rail."""
    chosen = np.isin(world.channel, INSTANT) & ~world.is_illicit
    amount = world.graph.amount[chosen] / 100
    small = amount < 5_000
    return {
        "mean": float(amount.mean()),
        "small_share": float(small.mean()),
        "small_mean": float(amount[small].mean()),
        "log_skew": float(skew(np.log(amount))),
    }


def shop_tail(world: WorldArrays) -> float:
    """Return Hill's exponent of the largest tenth of honest QR payments: P(more than x) falls as x ** -exponent."""
    amount = np.sort(world.graph.amount[(world.channel == "qr_merchant") & ~world.is_illicit])
    tail = amount[-max(len(amount) // 10, 2) :]
    return float((len(tail) - 1) / np.log(tail[1:] / tail[0]).sum())


class Bursts(NamedTuple):
    """Medians over persons: burstiness (Goh & Barabasi, and corrected for few events), memory, and how many persons."""

    plain: float
    corrected: float
    memory: float
    n: int


def bursts(world: WorldArrays, least: int = 30) -> Bursts:
    """Return how bursty the payments of persons with at least `least` of them are.

    `B = (s - m) / (s + m)` of the times between payments, s their standard deviation and m their mean: -1 regular, 0
    random, 1 bursty. The correction is that of Kim & Jo, arXiv:1604.01125; memory is the correlation of successive
    times.
    """
    order, start, stop = _by_person(world)
    found = []
    for first, last in zip(start, stop, strict=True):
        if last - first < least:
            continue
        gap = np.diff(world.graph.time[order[first:last]]).astype(np.float64)
        ratio, n = gap.std() / gap.mean(), last - first
        corrected = (np.sqrt(n + 1) * ratio - np.sqrt(n - 1)) / ((np.sqrt(n + 1) - 2) * ratio + np.sqrt(n - 1))
        found.append(((ratio - 1) / (ratio + 1), corrected, np.corrcoef(gap[:-1], gap[1:])[0, 1]))
    if not found:
        return Bursts(float("nan"), float("nan"), float("nan"), 0)
    plain, corrected, memory = np.median(np.array(found), axis=0)
    return Bursts(float(plain), float(corrected), float(memory), len(found))


def _by_person(world: WorldArrays) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return payments grouped by person in order of time, and where each group starts and stops."""
    pays = np.flatnonzero(world.is_person[world.graph.source] & ~world.is_illicit)
    order = pays[np.argsort(world.graph.source[pays], kind="stable")]
    edges = np.flatnonzero(np.diff(world.graph.source[order], prepend=-1, append=-1))
    return order, edges[:-1], edges[1:]


def rhythm(world: WorldArrays) -> dict[str, Any]:
    """Return shares of honest payments of persons by local hour, by day of the week, and what stands out in them."""
    pays = world.is_person[world.graph.source] & ~world.is_illicit
    local = world.local[pays]
    hour, day = local // HOUR % 24, local // DAY
    weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
    shops = np.isin(world.channel[pays], ("qr_merchant", "card"))
    spent = world.graph.amount[pays]
    saturday = shops & (weekday == 5) & (hour >= 10) & (hour < 17)
    by_hour = np.bincount(hour, minlength=24) / len(hour)
    of_month = (day.astype("datetime64[D]") - day.astype("datetime64[D]").astype("datetime64[M]")).astype(int) + 1
    flush = (of_month >= 26) | (of_month <= 5)
    per_day = pd.Series(day).value_counts()
    is_flush = pd.Series(flush, index=day).groupby(level=0).first()
    return {
        "by_hour": by_hour,
        "by_weekday": dict(zip(_WEEK, np.bincount(weekday, minlength=7) / len(weekday), strict=True)),
        "night": float(by_hour[:6].sum()),
        "quietest": int(by_hour.argmin()),
        "busiest": int(by_hour.argmax()),
        "saturday_spending": float(spent[saturday].sum() / max(spent[shops].sum(), 1)),
        "payday": float(per_day[is_flush[is_flush].index].mean() / per_day[is_flush[~is_flush].index].mean()),
    }


def balances(world: WorldArrays) -> dict[str, float]:
    """Return how the final balances of persons at our bank spread, honest or not, in whole units."""
    accounts = world.dataset.tables["accounts"]
    code = world.graph.codes(accounts["account_id"])
    is_private = world.is_own[code] & (world.kind[code] == "individual")
    money = accounts["balance"].to_numpy()[is_private] / 100
    ordered = np.sort(money)[::-1]
    return {
        "under_500": float((money < 500).mean()),
        "median": float(np.median(money)),
        "under_50000": float((money < 50_000).mean()),
        "top_tenth": float(ordered[: max(len(ordered) // 10, 1)].sum() / max(ordered.sum(), 1)),
        "gini": float(1 - 2 * (np.cumsum(ordered[::-1]) / ordered.sum()).mean() + 1 / len(ordered)),
    }


_GATHERED: Final = (
    "peak_in_counterparties__within_24h",
    "quick_pass__within_24h__window_all",
    "quick_pass__within_1h__window_all",
    "holding_time_median__window_all",
)


def collectors(world: WorldArrays) -> tuple[pd.DataFrame, float]:
    """Return how many of our accounts look like a collector, and how many of those are honest.

    One row a speed: five payers or more within a day, and more than half of all money received gone within a day (an
    hour) of its arrival. The second value is the median over persons of how long half of their money rests, hours.
    """
    end = int(world.graph.time[-1]) + world.graph.tick
    points = every_account(world.dataset, end)
    features = extract(world.dataset, points, _GATHERED, graph=world.graph)
    payers, day, hour = (features[name].to_numpy() for name in _GATHERED[:3])
    rows = []
    for name, looks in (
        ("five payers within a day", payers >= 5),
        ("and half of all gone within a day", (payers >= 5) & (day > 0.5)),
        ("and half of all gone within an hour", (payers >= 5) & (hour > 0.5)),
    ):
        rows.append(_honest_among(name, looks, world.is_mule[points.account]))
    rest = features["holding_time_median__window_all"].to_numpy()[world.is_person[points.account]] / 3600
    return pd.DataFrame(rows).set_index("looks"), float(np.nanmedian(rest))


def _honest_among(name: str, looks: BoolArray, is_mule: BoolArray) -> dict[str, Any]:
    n = int(looks.sum())
    return {"looks": name, "accounts": n, "honest": float((~is_mule[looks]).mean()) if n else float("nan")}
