"""Draw docs/concepts.svg, the concepts in one picture: `python docs/concepts.py`.

Plain SVG without fonts, scripts or requests; colours follow the reader's light or dark theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

WIDTH: Final = 1120
HEIGHT: Final = 816

STYLE: Final = """
:root { --paper: #ffffff; --panel: #f6f8fa; --ink: #1f2328; --soft: #59636e; --line: #c3cad2; --blue: #1f6feb;
  --blue-soft: #ddebff; --orange: #bc4c00; --orange-soft: #ffe7d1; --green: #1a7f37; --green-soft: #d8f3df;
  --red: #cf222e; --violet: #8250df; --violet-soft: #efe5fd; }
@media (prefers-color-scheme: dark) { :root { --paper: #0d1117; --panel: #161b22; --ink: #e6edf3; --soft: #9aa4af;
  --line: #3d444d; --blue: #58a6ff; --blue-soft: #14305a; --orange: #f0883e; --orange-soft: #4a2a10; --green: #3fb950;
  --green-soft: #12381d; --red: #ff7b72; --violet: #bc8cff; --violet-soft: #35245a; } }
text { font-family: ui-sans-serif, system-ui, -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif;
  font-size: 14px; fill: var(--ink); }
.title { font-size: 17px; font-weight: 650; }
.soft { fill: var(--soft); font-size: 13px; }
.code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12.5px;
  fill: var(--soft); }
.panel { fill: var(--panel); stroke: var(--line); }
.flow { stroke: var(--soft); stroke-width: 2.2; fill: none; marker-end: url(#tip); }
.thin { stroke: var(--soft); stroke-width: 1.3; fill: none; }
"""


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start", colour: str = "") -> str:
    """Return a line of text."""
    style = f' style="fill: var(--{colour})"' if colour else ""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}"{style}>{escape(words)}</text>'


def lines(x: float, y: float, words: Sequence[str], kind: str = "soft", anchor: str = "start") -> str:
    """Return several lines of text, one below the other."""
    return "".join(text(x, y + 18 * place, line, kind, anchor) for place, line in enumerate(words))


def panel(x: float, y: float, width: float, height: float) -> str:
    """Return a box."""
    return f'<rect class="panel" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="10"/>'


def box(x: float, y: float, width: float, height: float, fill: str, stroke: str = "none", radius: float = 4) -> str:
    """Return a coloured rectangle."""
    line = f"var(--{stroke})" if stroke != "none" else "none"
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" '
        f'style="fill: var(--{fill}); stroke: {line}"/>'
    )


def chip(x: float, y: float, word: str, width: float, *, needed: bool = False) -> str:
    """Return a small label; the needed table is filled."""
    fill, stroke, colour = ("blue", "blue", "paper") if needed else ("paper", "line", "ink")
    return box(x, y, width, 24, fill, stroke, 12) + text(x + width / 2, y + 16.5, word, "", "middle", colour)


def arrow(path: str) -> str:
    """Return a line of the flow with a tip."""
    return f'<path class="flow" d="{path}"/>'


def stroke(path: str, colour: str, width: float = 2, dash: str = "", tip: str = "") -> str:
    """Return a coloured line."""
    dashed = f"; stroke-dasharray: {dash}" if dash else ""
    ended = f' marker-end="url(#{tip})"' if tip else ""
    return f'<path d="{path}" fill="none" style="stroke: var(--{colour}); stroke-width: {width:g}{dashed}"{ended}/>'


def dot(x: float, y: float, radius: float, fill: str, edge: str) -> str:
    """Return a circle."""
    style = f"fill: var(--{fill}); stroke: var(--{edge}); stroke-width: 1.8"
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" style="{style}"/>'


def diamond(x: float, y: float, edge: str) -> str:
    """Return a diamond."""
    style = f"fill: var(--paper); stroke: var(--{edge}); stroke-width: 1.8"
    return f'<path d="M{x - 8:g} {y:g}l8 -8 8 8 -8 8z" style="{style}"/>'


def edge(
    a: tuple[float, float], b: tuple[float, float], colour: str = "soft", width: float = 1.6, gap: float = 10
) -> str:
    """Return an arrow from one account to another that ends before its circle."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = (dx * dx + dy * dy) ** 0.5
    ux, uy = dx / length, dy / length
    path = f"M{a[0] + ux * gap:.1f} {a[1] + uy * gap:.1f}L{b[0] - ux * (gap + 4):.1f} {b[1] - uy * (gap + 4):.1f}"
    return stroke(path, colour, width, tip=f"tip-{colour}")


def tables() -> str:
    """Return what a bank has."""
    parts = [panel(24, 24, 318, 176), text(42, 52, "tables", "title"), text(324, 52, "yours", "soft", "end")]
    rows = [
        [("transfers", 86), ("accounts", 84), ("holders", 76)],
        [("identifiers", 92), ("sessions", 82), ("complaints", 96)],
        [("calls", 58), ("watchlists", 90), ("labels", 66)],
    ]
    for row, chips in enumerate(rows):
        x = 42.0
        for word, width in chips:
            parts.append(chip(x, 68 + 32 * row, word, width, needed=word == "transfers"))
            x += width + 8
    parts.append(text(42, 186, "transfers are enough to begin with", "soft"))
    return "".join(parts)


def dataset() -> str:
    """Return validation: rows read = accepted + rejected."""
    return "".join([
        panel(396, 24, 270, 176), text(414, 52, "data set", "title"), text(648, 52, "check", "code", "end"),
        box(414, 72, 196, 26, "green-soft", "green"), text(512, 90, "accepted", "", "middle"),
        box(614, 72, 34, 26, "orange-soft", "orange"), text(631, 90, "x", "", "middle", "orange"),
        lines(414, 124, ["No row is lost: each is accepted,", "or rejected with a reason", "and how to correct it."]),
    ])  # fmt: skip


def graph() -> str:
    """Return a small transfer graph."""
    a, b, c, d, e, f, g = (790, 78), (786, 140), (862, 106), (940, 68), (944, 128), (1022, 96), (1030, 156)
    pairs = [(a, c), (b, c), (c, d), (c, e), (d, f), (e, f), (e, g), (b, e)]
    hot = {(a, c), (b, c), (c, d), (c, e), (d, f), (e, f)}
    parts = [panel(720, 24, 376, 176), text(738, 52, "graph of transfers", "title")]
    parts += [edge(*pair, colour="blue" if pair in hot else "soft") for pair in pairs]
    parts += [dot(*place, 9, "blue-soft", "blue") for place in (a, b, c, d, e, f)] + [dot(*g, 9, "paper", "soft")]
    parts.append(text(738, 186, "accounts, and transfers in the order of time", "soft"))
    return "".join(parts)


NOW: Final = 792
AXIS: Final = 396
#: Moment on the axis, length of the arrow, and whether money comes in.
MOVED: Final = (
    (150, 26, True), (196, 18, False), (262, 20, True), (318, 24, False), (372, 16, True), (418, 22, False),
    (588, 54, True), (606, 46, True), (634, 46, False), (652, 42, False), (670, 38, False),
    (900, 34, True), (1010, 36, False),
)  # fmt: skip


def account() -> str:
    """Return one account over time: signals, a point with a feature, and two clocks."""
    parts = [
        panel(24, 236, 1072, 304),
        text(42, 264, "signals on transfers, features of accounts", "title"),
        text(42, 285, "one account over time; nothing looks ahead", "soft"),
        f'<rect x="{NOW}" y="248" width="{1084 - NOW}" height="280" rx="8" style="fill: url(#later)"/>',
        stroke(f"M60 {AXIS}H1080", "soft", 1.6, tip="tip-soft"),
        text(42, AXIS - 30, "in", "soft"), text(42, AXIS + 38, "out", "soft"),
        stroke(f"M{NOW} 248V528", "ink", 2, "6 4"),
        text(NOW + 10, 270, "as_of", "code", colour="ink"),
        text(NOW + 10, 289, "later: not seen", "soft"),
    ]  # fmt: skip
    for x, length, comes in MOVED:
        colour = "line" if x > NOW else ("blue" if comes else "orange")
        path = f"M{x} {AXIS - length - 4}V{AXIS - 6}" if comes else f"M{x} {AXIS + 4}V{AXIS + length - 2}"
        parts.append(stroke(path, colour, 3, tip=f"tip-{colour}"))
    parts += [
        f'<rect x="643.5" y="{AXIS + 1}" width="17" height="48" rx="8.5" fill="none" '
        'style="stroke: var(--violet); stroke-width: 1.8"/>',
        stroke("M581 336V326H652V336", "violet", 1.8),
        text(568, 317, "signal: a number on a transfer, from it and earlier ones", "", "end", "violet"),
        text(568, 335, "“passes on 94% of what came 9 min before”", "soft", "end"),
        stroke(f"M470 452V462H{NOW - 4}V452", "green", 1.8),
        dot(NOW, AXIS, 7, "green", "paper"),
        text(NOW + 14, AXIS + 28, "this account,", "", "start", "green"),
        text(NOW + 14, AXIS + 47, "at this moment", "", "start", "green"),
        text(460, 455, "feature: a number on an account,", "", "end", "green"),
        text(460, 473, "over a period that ends there", "soft", "end"),
        text(478, 480, "7 d", "code"),
        *clocks(),
    ]
    return "".join(parts)


def clocks() -> list[str]:
    """Return a complaint that is known in time and one that is not."""
    found = [text(42, 513, "two clocks", "", colour="red")]
    for happened, known, says in ((180, 300, "used"), (640, 868, "known later: not used yet")):
        found += [
            dot(happened, 508, 6, "red", "paper"),
            stroke(f"M{happened + 8} 508H{known - 9}", "red", 1.8, "4 4" if known > NOW else ""),
            diamond(known, 508, "red"),
            text(known + 15, 513.5, says, "soft"),
        ]
    found += [text(164, 531, "time: it happened", "soft"), text(294, 531, "known_ts: the bank knew", "soft")]
    return found


def model() -> str:
    """Return the model and its card."""
    parts = [panel(24, 562, 182, 216), text(42, 590, "model", "title"), text(188, 590, "train", "code", "end")]
    for x, y in ((62, 612), (112, 620), (160, 610)):
        parts += [
            stroke(f"M{x} {y}l-14 22M{x} {y}l14 22l-9 20m9 -20l10 20", "soft", 1.6),
            *(dot(x + dx, y + dy, 4, "blue-soft", "blue") for dx, dy in ((0, 0), (14, 22))),
            *(dot(x + dx, y + dy, 4, fill, rim) for dx, dy, fill, rim in (
                (-14, 22, "green-soft", "green"), (5, 42, "green-soft", "green"), (24, 42, "orange-soft", "orange"))),
        ]  # fmt: skip
    parts.append(lines(42, 694, ["trees, calibrated;", "audited for leaks;", "a folder of text", "with a card"]))
    return "".join(parts)


def scores() -> str:
    """Return a ranked list."""
    parts = [
        panel(252, 562, 216, 216),
        text(270, 590, "scores", "title"),
        text(450, 590, "score explain", "code", "end"),
    ]
    for place, (share, word) in enumerate(((0.83, "0.83"), (0.61, "0.61"), (0.34, "0.34"), (0.05, "0.05"))):
        y = 606 + 22 * place
        parts += [
            box(270, y, 128, 13, "line", radius=6.5),
            box(270, y, max(128 * share, 13), 13, "orange" if share > 0.3 else "green", radius=6.5),
            text(450, y + 11.5, word, "code", "end"),
        ]
    parts.append(
        lines(270, 712, ["a probability, reasons in", "words with their transfers,", "and what speaks for it"])
    )
    return "".join(parts)


def rings() -> str:
    """Return a ring by layers, with the call centre that it seems to work for."""
    parts = [panel(514, 562, 348, 216), text(532, 590, "rings", "title"), text(844, 590, "rings trace", "code", "end")]
    victims = [(556, 622), (548, 656), (560, 690)]
    first, second, exits = [(634, 640), (634, 676)], [(704, 628), (710, 660), (704, 692)], [(782, 644), (782, 680)]
    for victim, goal in zip(victims, (first[0], first[0], first[1]), strict=True):
        parts.append(edge(victim, goal, "blue", 1.8))
    for a, b in ((first[0], second[0]), (first[0], second[1]), (first[1], second[1]), (first[1], second[2])):
        parts.append(edge(a, b, "orange", 1.8))
    for a, b in ((second[0], exits[0]), (second[1], exits[0]), (second[2], exits[1])):
        parts.append(edge(a, b, "orange", 1.8))
    parts += [dot(*place, 8, "blue-soft", "blue") for place in victims]
    parts += [dot(*place, 9, "orange-soft", "orange") for place in (*first, *second)]
    parts += [box(x - 9, y - 9, 18, 18, "paper", "soft", 3) for x, y in exits]
    parts += [
        stroke("M634 686Q640 715 658 715", "violet", 1.8, "4 4"),
        diamond(668, 715, "violet"),
        text(799, 667, "exits", "soft"),
        text(682, 720, "evidence for a call centre", "soft", colour="violet"),
        text(556, 720, "victims", "soft", "middle"),
        lines(532, 746, ["traces: where each victim's money is, to the satang;", "hold the amount, not the account"]),
    ]  # fmt: skip
    return "".join(parts)


def reports() -> str:
    """Return what people get."""
    parts = [panel(908, 562, 188, 216), text(926, 590, "reports", "title"), text(1078, 590, "report", "code", "end")]
    for x, y in ((958, 606), (944, 614)):
        parts.append(box(x, y, 96, 74, "paper", "soft", 5))
    parts += [box(954, 624, 40, 6, "ink", radius=3), box(954, 638, 74, 4, "line"), box(954, 647, 66, 4, "line")]
    parts += [box(954, 660, 18, 20, "blue"), box(976, 667, 18, 13, "orange"), box(998, 655, 18, 25, "green")]
    parts.append(lines(926, 712, ["case and ring files;", "people decide:", "suspicion, never guilt"]))
    return "".join(parts)


def tip(name: str, colour: str, size: float) -> str:
    """Return the tip of an arrow."""
    return (
        f'<marker id="{name}" viewBox="0 0 10 10" refX="6" refY="5" markerWidth="{size}" markerHeight="{size}" '
        f'orient="auto"><path d="M0 0L10 5L0 10z" style="fill: var(--{colour})"/></marker>'
    )


def definitions() -> str:
    """Return the tips of arrows, and the hatching of what is not seen."""
    tips = [tip("tip", "soft", 5.5), tip("tip-soft", "soft", 5.5)]
    tips += [tip(f"tip-{colour}", colour, 4.4) for colour in ("blue", "orange", "line")]
    hatched = (
        '<pattern id="later" width="9" height="9" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="9" height="9" style="fill: var(--panel)"/>'
        '<path d="M0 0V9" style="stroke: var(--line); stroke-width: 1.6; opacity: .55"/></pattern>'
    )
    return f"<defs>{''.join(tips)}{hatched}</defs>"


FLOWS: Final = (
    "M344 112H390", "M668 112H714", "M908 202V230", "M115 542V570", "M208 681H246", "M470 681H508", "M864 681H902"
)  # fmt: skip
SAYS: Final = (
    "From tables to reports: tables, data set, graph of transfers, signals and features, model, scores, "
    "rings with call centres and traces, reports"
)


def picture() -> str:
    """Return the whole picture."""
    last = f'<g transform="translate(0 14)">{model()}{scores()}{rings()}{reports()}</g>'
    parts = [*map(arrow, FLOWS), tables(), dataset(), graph(), account(), last]
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="what">'
        f'<title id="what">{SAYS}</title><style>{STYLE}</style>{definitions()}'
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="14" style="fill: var(--paper)"/>{"".join(parts)}</svg>\n'
    )


if __name__ == "__main__":
    (Path(__file__).parent / "concepts.svg").write_text(picture(), encoding="utf-8")
