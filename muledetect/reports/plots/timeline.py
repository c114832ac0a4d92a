"""What went in and out of an account before a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import DAY, Duration, Moment, format_time, parse_duration, parse_time
from muledetect.errors import OptionError
from muledetect.graph import Points, TransferGraph, build_graph
from muledetect.model.spells import suspicious_windows
from muledetect.records import Dataset
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

Int64Array = npt.NDArray[np.int64]
#: Shown before the suspicious window, where no `window` says more.
_BEFORE: Final = 14 * DAY
_EVER: Final = -(1 << 62)


class _Moved(NamedTuple):
    """An account's transfers before a moment, by time: microseconds, minor units, and what complaints dispute."""

    time: Int64Array
    amount: Int64Array
    is_credit: npt.NDArray[np.bool_]
    balance: npt.NDArray[np.float64]
    is_disputed: npt.NDArray[np.bool_]


def plot_timeline(
    dataset: Dataset,
    account_id: str,
    as_of: Moment,
    *,
    window: Duration | None = None,
    time_zone: str = "UTC",
    graph: TransferGraph | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw an account's credits upwards and debits downwards over time, with its stated balance between them.

    The suspicious window (see `muledetect.model.spells.suspicious_windows`) is shaded. A cross marks a transfer that a
    complaint, known by then and not withdrawn, disputes. The amounts' axis is linear up to the median amount and
    logarithmic beyond, so that everyday payments stay visible beside large ones.

    Parameters
    ----------
    dataset : Dataset
    account_id : str
    as_of : Moment
        Nothing at this moment or later is drawn, and no complaint that became known then.
    window : Duration, optional
        How far back; by default from two weeks before the suspicious window, or everything.
    time_zone : str
        In which times are shown, such as "Asia/Bangkok".
    graph : TransferGraph, optional
        Of `build_graph(dataset)`, where many pictures are drawn.
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
    moment = parse_time(as_of)
    whole = build_graph(dataset) if graph is None else graph
    code = int(whole.codes([account_id])[0])
    if code < 0:
        raise OptionError("plot_timeline: the account is not in this data set.")
    first, last = (
        int(at[0]) for at in suspicious_windows(whole, Points(np.array([code], np.int32), np.array([moment])))
    )
    shown = first - _BEFORE if first < moment else _EVER
    since = shown if window is None else moment - parse_duration(window)
    moved = _moved(dataset, whole, code, since, moment)
    if not len(moved.time):
        raise OptionError("plot_timeline: the account has no transfer in this time. Give a longer window.")
    zone = _zone(time_zone)
    axes = axes_of(ax, 9.0, 4.2)
    _stems(axes, moved, dataset.currency)
    if first < moment:
        axes.axvspan(*_dates([first, last]), color=YELLOW, alpha=0.15, linewidth=0, label="suspicious window")
    _axes(axes, moved, dataset.currency, zone)
    axes.set_xlabel(f"time ({time_zone})")
    n_in, n_out = int(moved.is_credit.sum()), int((~moved.is_credit).sum())
    said = f"{n_in:,} credits, {n_out:,} debits before {format_time(moment).replace('T00:00:00Z', '')} · {NOTE}"
    title(axes, f"Account {account_id}", note=said)
    return quiet(axes, grid="y")


def _moved(dataset: Dataset, graph: TransferGraph, code: int, since: int, moment: int) -> _Moved:
    sides = []
    for side in (graph.incoming, graph.outgoing):
        rows = side.transfer[side.start[code] : side.stop[code]].astype(np.int64)
        sides.append(rows[(graph.time[rows] >= since) & (graph.time[rows] < moment)])
    rows = np.concatenate(sides)
    is_credit = np.arange(len(rows)) < len(sides[0])
    order = np.lexsort((rows, graph.time[rows]))
    rows, is_credit = rows[order], is_credit[order]
    table = dataset.transfers.take(pa.array(rows))
    balance = np.full(len(rows), np.nan)
    for name, which in (("target_balance_after", is_credit), ("source_balance_after", ~is_credit)):
        if name in table.column_names:
            balance[which] = table[name].cast(pa.float64()).to_numpy()[which]
    ids = table["transfer_id"].cast(pa.string())
    return _Moved(graph.time[rows], graph.amount[rows], is_credit, balance, _disputed(dataset, ids, moment))


def _disputed(dataset: Dataset, ids: pa.ChunkedArray, moment: int) -> npt.NDArray[np.bool_]:
    table = dataset.tables.get("complaints")
    if table is None or "transfer_id" not in table.column_names:
        return np.zeros(len(ids), np.bool_)
    stands = pc.less(table["known_ts"].cast(pa.int64()), moment)
    if "status" in table.column_names:
        stands = pc.and_(stands, pc.fill_null(pc.not_equal(table["status"].cast(pa.string()), "withdrawn"), True))
    named = pc.drop_null(table.filter(stands)["transfer_id"].cast(pa.string()))
    return np.asarray(pc.is_in(ids, value_set=named.combine_chunks()).to_numpy(), np.bool_)


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
