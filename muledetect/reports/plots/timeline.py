"""What went in and out of an account before a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from muledetect.arrays import MISSING, BoolArray, Float64Array, Int32Array, Int64Array
from muledetect.clock import DAY, Duration, format_time, parse_duration
from muledetect.errors import OptionError
from muledetect.facts import Snapshot
from muledetect.graph import Points
from muledetect.model.suspicious_periods import find_periods
from muledetect.records.currency import unit_of
from muledetect.reports.plots._canvas import (
    BLUE,
    GREY,
    NOTE,
    ORANGE,
    YELLOW,
    axes_of,
    money,
    quiet,
    short_amount,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Shown before the suspicious period, where no `window` says more.
_BEFORE: Final = 14 * DAY
_EVER: Final = -(1 << 62)


class _Moved(NamedTuple):
    """An account's transfers before a moment, by time: microseconds, minor units, and what complaints dispute."""

    time: Int64Array
    amount: Int64Array
    is_credit: BoolArray
    balance: Float64Array
    is_disputed: BoolArray


def plot_timeline(
    snapshot: Snapshot,
    account_id: str,
    *,
    window: Duration | None = None,
    time_zone: str = "UTC",
    ax: Axes | None = None,
) -> Axes:
    """Draw an account's credits upwards and debits downwards over time, with its stated balance between them.

    The suspicious period (see `muledetect.model.suspicious_periods`) is shaded. A cross marks a transfer that a
    complaint disputes. The amounts' axis is linear up to the median amount and
    logarithmic beyond, so that everyday payments stay visible beside large ones.

    Parameters
    ----------
    snapshot : Snapshot
        What the bank knew before a moment; nothing else is drawn.
    account_id : str
    window : Duration, optional
        How far back; by default from two weeks before the suspicious period, or everything.
    time_zone : str
        In which times are shown, such as "Asia/Bangkok".
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    OptionError
        If the account is not in the data set, has no transfer to draw, the time zone is not known, or matplotlib is
        not installed.
    """
    moment, codes = snapshot.as_of, snapshot.graph.codes([account_id])
    if codes[0] < 0:
        raise OptionError("plot_timeline: the account is not in this data set.")
    first, last = (int(at[0]) for at in find_periods(snapshot.graph, Points(codes, np.array([moment]))))
    shown = first - _BEFORE if first < moment else _EVER
    since = shown if window is None else moment - parse_duration(window)
    moved = _moved(snapshot, codes, since)
    if not len(moved.time):
        raise OptionError("plot_timeline: the account has no transfer in this time. Give a longer window.")
    zone = _zone(time_zone)
    axes = axes_of(ax, 9.0, 4.2)
    _stems(axes, moved, snapshot.currency)
    if first < moment:
        axes.axvspan(*_dates([first, last]), color=YELLOW, alpha=0.15, linewidth=0, label="suspicious period")
    _axes(axes, moved, snapshot.currency, zone)
    axes.set_xlabel(f"time ({time_zone})")
    n_in, n_out = int(moved.is_credit.sum()), int((~moved.is_credit).sum())
    said = f"{n_in:,} credits, {n_out:,} debits before {format_time(moment).replace('T00:00:00Z', '')} · {NOTE}"
    title(axes, f"Account {account_id}", note=said)
    return quiet(axes, grid="y")


def _moved(snapshot: Snapshot, codes: Int32Array, since: int) -> _Moved:
    graph = snapshot.graph
    found = snapshot.transfers_of(codes, since)[1]
    n_own = np.count_nonzero(graph.source[found] == graph.target[found]) // 2  # to itself: on both sides
    is_credit = np.arange(len(found)) < np.count_nonzero(graph.target[found] == codes[0]) - n_own
    order = np.lexsort((found, graph.time[found]))
    rows, is_credit = found[order], is_credit[order]
    balance = np.full(len(rows), np.nan)
    for after, which in zip(snapshot.facts.balances, (~is_credit, is_credit), strict=True):
        if len(after):
            stated = after[rows[which]]
            balance[which] = np.where(stated == MISSING, np.nan, stated)
    return _Moved(graph.time[rows], graph.amount[rows], is_credit, balance, snapshot.is_disputed[rows])


def _stems(axes: Axes, moved: _Moved, currency: str) -> None:
    times = _dates(moved.time)
    signed = money(np.where(moved.is_credit, moved.amount, -moved.amount), currency)
    for which, colour, label, marker in (
        (moved.is_credit, BLUE, "credits", "^"),
        (~moved.is_credit, ORANGE, "debits", "v"),
    ):
        axes.vlines(times[which], 0, signed[which], color=colour, linewidth=1.1)
        axes.plot(times[which], signed[which], marker, color=colour, markersize=4, label=label)
    if moved.is_disputed.any():
        at = moved.is_disputed
        axes.plot(times[at], signed[at], "x", color="black", markersize=8, markeredgewidth=1.6, label="disputed")
    known = np.isfinite(moved.balance)
    if known.any():
        axes.step(times[known], money(moved.balance[known], currency), where="post", color=GREY, linewidth=1.1,
                  label="stated balance", zorder=1)  # fmt: skip


def _axes(axes: Axes, moved: _Moved, currency: str, zone: Any) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415 (an extra, slow to import)
    from matplotlib.ticker import FixedLocator  # noqa: PLC0415 (an extra, slow to import)

    locator = AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))  # type: ignore[no-untyped-call]
    axes.axhline(0, color="0.4", linewidth=0.8)
    amounts = money(moved.amount, currency)
    middle = float(np.median(amounts))
    axes.set_yscale("symlog", linthresh=middle, linscale=0.8)
    decades = 10.0 ** np.arange(np.ceil(np.log10(middle)), np.log10(amounts.max()) + 0.5)
    axes.yaxis.set_major_locator(FixedLocator([*-decades[::-1], 0.0, *decades]))
    axes.yaxis.set_minor_locator(FixedLocator([]))
    axes.yaxis.set_major_formatter(lambda amount, _: short_amount(abs(amount)))
    axes.set_ylabel(f"{unit_of(currency)}: received up, paid down")
    axes.margins(y=0.1)
    axes.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))


def _dates(microseconds: npt.ArrayLike) -> npt.NDArray[Any]:
    from matplotlib.dates import date2num  # noqa: PLC0415 (an extra, and slow to import)

    times = np.asarray(microseconds, np.int64).astype("datetime64[us]")
    return np.asarray(date2num(times))  # type: ignore[no-untyped-call]


def _zone(name: str) -> Any:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 (beside its use)

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise OptionError(f"plot_timeline: time zone {name!r} is not known. Write UTC or Asia/Bangkok.") from error
