"""What each feature means, in plain loops over the transfers of one account; slow, simple and written apart."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.records import Dataset

NAN = math.nan


class Move(NamedTuple):
    """A transfer as seen from one account."""

    time: int
    other: str
    amount: int
    balance: int | None


@dataclass(frozen=True)
class Past:
    """All that is known of one account before `as_of`."""

    as_of: int
    tick: int
    credits: list[Move]
    debits: list[Move]
    opened_at: int | None = None
    balance: int | None = None
    balance_at: int | None = None
    daily_limit: int | None = None
    to_itself: tuple[int, ...] = ()  # times of transfers from the account to itself

    def recent(self, moves: list[Move], window: int) -> list[Move]:
        """Moves in the window; one shorter than the tick is as long as the tick."""
        return [move for move in moves if move.time >= self.as_of - max(window, self.tick)]

    def earlier(self, moves: list[Move], window: int) -> list[Move]:
        """Moves before the window."""
        return [move for move in moves if move.time < self.as_of - max(window, self.tick)]

    @property
    def moves(self) -> list[Move]:
        return sorted(self.credits + self.debits, key=lambda move: move.time)


def pasts(dataset: Dataset, as_of: int) -> Iterator[Past]:
    """The past of every account of a data set, in the order of its ids."""
    transfers = dataset.transfers.to_pylist()
    accounts = {row["account_id"]: row for row in dataset.tables["accounts"].to_pylist()}
    for account in dataset.account_ids.to_pylist():
        received: list[Move] = []
        paid: list[Move] = []
        to_itself: list[int] = []
        for row in transfers:
            time = stamp(row["time"])
            if time >= as_of:
                continue
            if row["source"] == row["target"]:
                if row["source"] == account:
                    to_itself.append(time)
                continue
            if row["target"] == account:
                received.append(Move(time, row["source"], row["amount"], row.get("target_balance_after")))
            if row["source"] == account:
                paid.append(Move(time, row["target"], row["amount"], row.get("source_balance_after")))
        known = accounts.get(account, {})
        moments = {name: stamp(known[name]) for name in ("opened_at", "balance_at") if known.get(name) is not None}
        yield Past(
            as_of, dataset.tick, received, paid, balance=known.get("balance"), daily_limit=known.get("daily_limit"),
            to_itself=tuple(to_itself), **moments,
        )  # fmt: skip


def stamp(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else NAN


def total(moves: list[Move]) -> int:
    return sum(move.amount for move in moves)


def both_sides(past: Past) -> list[tuple[str, list[Move]]]:
    return [("in", past.credits), ("out", past.debits)]


Values = dict[str, float]
ORACLES: dict[str, Callable[..., Values]] = {}


def oracle(function: Callable[..., Values]) -> Callable[..., Values]:
    ORACLES[function.__name__] = function
    return function


@oracle
def volume(past: Past, window: int) -> Values:
    into, out = past.recent(past.credits, window), past.recent(past.debits, window)
    return {
        "in_count": len(into),
        "out_count": len(out),
        "in_amount": total(into),
        "out_amount": total(out),
        "out_share": ratio(total(out), total(into) + total(out)),
    }


@oracle
def size(past: Past, window: int) -> Values:
    values = {}
    for side, moves in both_sides(past):
        amounts = [move.amount for move in past.recent(moves, window)]
        values[f"{side}_mean"] = statistics.fmean(amounts) if amounts else NAN
        values[f"{side}_max"] = max(amounts, default=NAN)
    return values


@oracle
def peak(past: Past, within: int) -> Values:
    best: dict[str, float] = {}
    when: dict[str, int] = {}
    for moment in sorted({move.time for move in past.moves}):
        end = moment + past.tick
        begin = end - max(within, past.tick)
        into = [move for move in past.credits if begin <= move.time < end]
        out = [move for move in past.debits if begin <= move.time < end]
        now = {
            "in_count": len(into),
            "out_count": len(out),
            "in_amount": total(into),
            "out_amount": total(out),
            "through_amount": min(total(into), total(out)),
            "in_counterparties": len({move.other for move in into}),
            "out_counterparties": len({move.other for move in out}),
        }
        for name, value in now.items():
            if value > 0 and value >= best.get(name, 0):
                best[name], when[name] = value, moment
    names = "in_count out_count in_amount out_amount through_amount in_counterparties out_counterparties".split()
    values = {f"peak_{name}": best.get(name, 0) for name in names}
    since = {f"since_peak_{name}": (past.as_of - when[name]) / 1e6 if name in when else NAN for name in names}
    return {**values, **since}


@oracle
def counterparties(past: Past, window: int) -> Values:
    values: Values = {}
    for side, moves in both_sides(past):
        recent = past.recent(moves, window)
        met_before = {move.other for move in past.earlier(moves, window)}
        amount = {other: sum(m.amount for m in recent if m.other == other) for other in {m.other for m in recent}}
        new = {other for other in amount if other not in met_before}
        once = {other for other in amount if sum(move.other == other for move in recent) == 1}
        whole = total(recent)
        values |= {
            f"{side}_counterparties": len(amount),
            f"{side}_new_counterparties": len(new),
            f"{side}_entropy": -sum(a / whole * math.log2(a / whole) for a in amount.values()) if recent else NAN,
            f"{side}_top_share": ratio(max(amount.values(), default=0), whole),
            f"{side}_new_share": ratio(sum(amount[other] for other in new), whole),
            f"{side}_one_off": len(once),
            f"{side}_one_off_share": ratio(sum(amount[other] for other in once), whole),
        }
    payers = {move.other for move in past.recent(past.credits, window)}
    paid = past.recent(past.debits, window)
    values["returned_share"] = ratio(total([move for move in paid if move.other in payers]), total(paid))
    return values


@oracle
def burst(past: Past, window: int) -> Values:
    width = max(window, past.tick)
    values = {}
    for side, moves in both_sides(past):
        recent = past.recent(moves, width)
        before = [move for move in past.earlier(moves, width) if move.time >= past.as_of - width - 90 * DAY]
        expected = len(before) * width / (90 * DAY), total(before) * width / (90 * DAY)
        values[f"{side}_burst"] = ratio(len(recent), len(recent) + expected[0])
        values[f"{side}_amount_burst"] = ratio(total(recent), total(recent) + expected[1])
    return values


@oracle
def gaps(past: Past, window: int) -> Values:
    values = {}
    for side, moves in both_sides(past):
        times = [move.time for move in past.recent(moves, window)]
        gap = [(later - sooner) / 1e6 for sooner, later in itertools.pairwise(times)]
        values[f"{side}_gap_median"] = statistics.median(gap) if gap else NAN
        mean = statistics.fmean(gap) if gap else NAN
        values[f"{side}_gap_variation"] = (statistics.pstdev(gap) / mean if mean else 0.0) if gap else NAN
    return values


@oracle
def follow_up(past: Past, window: int) -> Values:
    recent = past.recent(past.credits, window)
    waits = []
    for credit in recent:
        later = [debit.time - credit.time for debit in past.debits if debit.time >= credit.time]
        if later:
            waits.append(min(later))
    return {
        "follow_up_median": statistics.median(waits) / 1e6 if waits else NAN,
        "followed_share": ratio(sum(wait <= 5 * MINUTE for wait in waits), len(recent)),
    }


class Pair(NamedTuple):
    arrived: int
    left: int
    amount: int


def first_in_first_out(past: Past) -> list[Pair]:
    """Spend the oldest money first, tick by tick: credits of a tick arrive before its debits leave."""
    queue: list[list[int]] = []
    pairs = []
    for moment in sorted({move.time for move in past.moves}):
        queue += [[credit.time, credit.amount] for credit in past.credits if credit.time == moment]
        wanted = total([debit for debit in past.debits if debit.time == moment])
        while wanted and queue:
            moved = min(wanted, queue[0][1])
            pairs.append(Pair(queue[0][0], moment, moved))
            wanted -= moved
            queue[0][1] -= moved
            if not queue[0][1]:
                queue.pop(0)
    return pairs


def recent_pairs(past: Past, window: int) -> list[Pair]:
    return [pair for pair in first_in_first_out(past) if pair.arrived >= past.as_of - max(window, past.tick)]


@oracle
def pass_through(past: Past, window: int) -> Values:
    left = sum(pair.amount for pair in recent_pairs(past, window))
    return {"pass_through": ratio(left, total(past.recent(past.credits, window)))}


@oracle
def quick_pass(past: Past, within: int, window: int) -> Values:
    left = sum(pair.amount for pair in recent_pairs(past, window) if pair.left - pair.arrived <= within)
    return {"quick_pass": ratio(left, total(past.recent(past.credits, window)))}


@oracle
def holding_time(past: Past, window: int) -> Values:
    pairs = sorted(recent_pairs(past, window), key=lambda pair: pair.left - pair.arrived)
    # one entry a minor unit: the quantiles are then those of a plain list
    stays = np.repeat([(pair.left - pair.arrived) / 1e6 for pair in pairs], [pair.amount for pair in pairs])
    if not pairs:
        return {"holding_time_median": NAN, "holding_time_p90": NAN}
    return {
        "holding_time_median": stays[math.ceil(len(stays) / 2) - 1],
        "holding_time_p90": stays[-(-9 * len(stays) // 10) - 1],
    }


@oracle
def daily_rest(past: Past, window: int) -> Values:
    n_days = -(-window // DAY)
    rests, n_busy = [], 0
    for day in range(n_days):
        begin, end = past.as_of - (day + 1) * DAY, past.as_of - day * DAY
        into = total([move for move in past.recent(past.credits, window) if begin <= move.time < end])
        out = total([move for move in past.recent(past.debits, window) if begin <= move.time < end])
        n_busy += into > 0 or out > 0
        if into:
            rests.append(max(0, into - out) / into)
    return {
        "retained_mean": statistics.fmean(rests) if rests else NAN,
        "retained_spread": statistics.pstdev(rests) if rests else NAN,
        "zero_sweep": ratio(sum(rest < 0.05 for rest in rests), len(rests)),
        "busy_days": n_busy / n_days,
    }


@oracle
def gathering(past: Past, window: int) -> Values:
    into, out = past.recent(past.credits, window), past.recent(past.debits, window)
    net = [0]
    for moment in sorted({move.time for move in into + out}):
        net.append(
            net[-1]
            + total([move for move in into if move.time == moment])
            - total([move for move in out if move.time == moment])
        )
    largest = max((debit.amount for debit in out), default=0)
    gathered = []
    for debit in out:
        if debit.amount == largest:
            before = max((other.time for other in out if other.time < debit.time), default=-math.inf)
            gathered.append(sum(before < credit.time <= debit.time for credit in into))
    return {
        "turnover_over_range": total(into) / max(max(net) - min(net), largest) if into else NAN,
        "credits_before_largest_debit": max(gathered, default=NAN),
        "largest_debit_share": ratio(largest, total(out)),
    }


def stated_balance(past: Past) -> int | None:
    """The last statement, moved by what came and went since; several transfers of one tick state nothing."""
    since = 0
    is_dated = past.balance is not None and past.balance_at is not None and past.balance_at < past.as_of
    for tick in sorted({move.time for move in past.moves} | set(past.to_itself), reverse=True):
        if is_dated and past.balance_at >= tick:
            break
        came, left = ([move for move in side if move.time == tick] for side in (past.credits, past.debits))
        only = came + left
        if len(only) == 1 and tick not in past.to_itself and only[0].balance is not None:
            return max(0, only[0].balance + since)
        since += total(came) - total(left)
    return max(0, past.balance + since) if is_dated else None


@oracle
def turnover_over_balance(past: Past, window: int) -> Values:
    balance = stated_balance(past)
    if balance is None:
        return {"turnover_over_balance": NAN}
    moved = total(past.recent(past.credits, window)) + total(past.recent(past.debits, window))
    return {"turnover_over_balance": ratio(moved, moved + 2 * balance)}


@oracle
def ages(past: Past) -> Values:
    into, out = [move.time for move in past.credits], [move.time for move in past.debits]
    every = into + out
    return {
        "since_first": (past.as_of - min(every)) / 1e6 if every else NAN,
        "since_last_in": (past.as_of - max(into)) / 1e6 if into else NAN,
        "since_last_out": (past.as_of - max(out)) / 1e6 if out else NAN,
        "active_span": (max(every) - min(every)) / 1e6 if every else NAN,
        "in_before_out": (min(out) - min(into)) / 1e6 if into and out else NAN,
    }


@oracle
def account_age(past: Past) -> Values:
    is_open = past.opened_at is not None and past.opened_at < past.as_of
    return {"account_age": (past.as_of - past.opened_at) / 1e6 if is_open else NAN}


@oracle
def dormancy(past: Past, window: int) -> Values:
    recent, earlier = past.recent(past.moves, window), past.earlier(past.moves, window)
    sleep = recent[0].time - earlier[-1].time if recent and earlier else None
    received = total(past.recent(past.credits, window))
    before = [m for m in past.earlier(past.credits, window) if m.time >= past.as_of - window - 180 * DAY]
    woke = ratio(received, received + total(before)) if sleep is not None and sleep >= 90 * DAY else 0.0
    return {"sleep": NAN if sleep is None else sleep / 1e6, "wake_up": woke if recent else NAN}


@oracle
def longest_sleep(past: Past) -> Values:
    times = [move.time for move in past.moves]
    silences = [later - sooner for sooner, later in itertools.pairwise(times)]
    return {"longest_sleep": max(silences) / 1e6 if silences else NAN}


@oracle
def micro_test(past: Past) -> Values:
    if not past.credits:
        return {"micro_test": NAN, "in_jump": NAN}
    largest = max(move.amount for move in past.credits)
    moment = min(move.time for move in past.credits if 2 * move.amount >= largest)
    large = max(move.amount for move in past.credits if move.time == moment)
    tiny = [m for m in past.moves if moment - 72 * HOUR <= m.time < moment and m.amount * 100 <= large]
    received = total([move for move in past.credits if move.time < moment])
    return {"micro_test": float(bool(tiny)), "in_jump": large / (large + received)}


@oracle
def change(past: Past, window: int) -> Values:
    values = {}
    for side, moves in both_sides(past):
        recent = [move.amount for move in past.recent(moves, window)]
        earlier = [move.amount for move in past.earlier(moves, window)]
        if recent and earlier:
            now, then = statistics.fmean(recent), statistics.fmean(earlier)
            values[f"{side}_amount_change"] = now / (now + then)
        else:
            values[f"{side}_amount_change"] = NAN
        values[f"{side}_recent_share"] = ratio(sum(recent), sum(recent) + sum(earlier))
    return values


@oracle
def similar(past: Past, window: int) -> Values:
    values = {}
    for side, moves in both_sides(past):
        amounts = [move.amount for move in past.recent(moves, window)]
        most = max((sum(low <= a and 10 * a <= 11 * low for a in amounts) for low in amounts), default=0)
        values[f"{side}_similar"] = most
        values[f"{side}_similar_share"] = ratio(most, len(amounts))
        values[f"{side}_repeated_share"] = ratio(sum(amounts.count(a) > 1 for a in amounts), len(amounts))
    return values


@oracle
def round_amounts(past: Past, window: int) -> Values:
    values = {}
    for side, moves in both_sides(past):
        recent = past.recent(moves, window)
        n_round = sum(len(str(move.amount).rstrip("0")) <= 2 for move in recent)
        values[f"{side}_round_share"] = ratio(n_round, len(recent))
    return values


@oracle
def structuring(past: Past, threshold: int, window: int) -> Values:
    values: Values = {"below_count": 0}
    for side, moves in both_sides(past):
        recent = past.recent(moves, window)
        below = [move for move in recent if threshold * 9 / 10 <= move.amount < threshold]
        values[f"{side}_below"] = ratio(len(below), len(recent))
        values["below_count"] += len(below)
    return values


def hugging(past: Past, limit: int | None, utc: int, window: int) -> float:
    days: dict[object, int] = {}
    for move in past.recent(past.debits, window):
        local = datetime(1970, 1, 1) + timedelta(microseconds=move.time, minutes=utc)
        days[local.date()] = days.get(local.date(), 0) + move.amount
    if limit is None or not days:
        return NAN
    return sum(limit * 9 / 10 <= spent <= limit for spent in days.values()) / len(days)


@oracle
def limit_hugging(past: Past, limit: int, utc: int, window: int) -> Values:
    return {"limit_hugging": hugging(past, limit, utc, window)}


@oracle
def own_limit_hugging(past: Past, utc: int, window: int) -> Values:
    return {"own_limit_hugging": hugging(past, past.daily_limit, utc, window)}


@oracle
def night(past: Past, utc: int, window: int) -> Values:
    def share_at_night(moves: list[Move]) -> float:
        hours = [(datetime(1970, 1, 1) + timedelta(microseconds=move.time, minutes=utc)).hour for move in moves]
        return ratio(sum(hour in {22, 23, 0, 1, 2, 3, 4, 5} for hour in hours), len(hours))

    if past.tick > HOUR:
        return {"night_share": NAN, "night_change": NAN}
    recent = share_at_night(past.recent(past.moves, window))
    return {"night_share": recent, "night_change": recent - share_at_night(past.earlier(past.moves, window))}


def closeness(unit: str) -> float:
    """How far a column may be from its oracle: counts and flags not at all, sums of floats by rounding."""
    return 0.0 if unit in {"count", "flag"} else 1e-9


def assert_equal(name: str, unit: str, got: np.ndarray, expected: list[float]) -> None:
    """Compare one column with its oracle, point by point."""
    np.testing.assert_allclose(
        got, np.array(expected, float), rtol=closeness(unit), atol=closeness(unit), err_msg=name, strict=True
    )
