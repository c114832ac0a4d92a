"""What all pictures share: axes to draw on, colours, and text that stays text."""

from __future__ import annotations

import textwrap
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from muledetect.errors import OptionError
from muledetect.evaluation import Evaluation
from muledetect.frames import as_arrow
from muledetect.records.currency import exponent_of
from muledetect.visible import cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's colours, told apart by all common kinds of colour vision; also by lightness where two meet.
BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
GREEN: Final = "#009E73"
YELLOW: Final = "#E69F00"
PINK: Final = "#CC79A7"
SKY: Final = "#56B4E9"
GREY: Final = "#8C8C8C"

#: Note under pictures of accounts.
NOTE: Final = "suspicion, not a finding"

#: Fonts that are asked, in this order, for letters that the font of the figure lacks.
_FALLBACKS: Final = (
    "Noto Sans Thai", "Noto Looped Thai", "Sarabun", "TH Sarabun New", "Loma", "Garuda", "Leelawadee UI", "Tahoma",
    "Thonburi", "Noto Sans", "Noto Sans Arabic", "Noto Sans Devanagari", "Noto Sans CJK JP", "Noto Sans CJK SC",
    "Arial Unicode MS",
)  # fmt: skip
#: Letters of a title to an inch.
_LETTERS: Final = 12
_NO_GLYPH: Final = "\N{WHITE SQUARE}"


def axes_of(ax: Axes | None, width: float = 7.0, height: float = 4.0) -> Axes:
    """Return the given axes, or those of a new figure of so many inches; without matplotlib, an error."""
    if ax is not None:
        return ax
    _need_matplotlib()
    import matplotlib.pyplot as plt  # noqa: PLC0415 (an extra, and slow to import)

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def _need_matplotlib() -> None:
    try:
        import matplotlib as mpl  # noqa: F401, PLC0415 (an extra, and slow to import)
    except ImportError as error:
        raise OptionError("plots: matplotlib is not installed. Run `pip install 'muledetect[report]'`.") from error


def table_of(evaluation: Any, name: str) -> pd.DataFrame:
    """Return a table of an evaluation, or the table that was given in its place, as a frame."""
    if isinstance(evaluation, Evaluation):
        return evaluation.tables.get(name, pd.DataFrame())
    return evaluation if isinstance(evaluation, pd.DataFrame) else as_arrow(evaluation).to_pandas()


def figure_of(ax: Axes) -> Figure:
    """Return the whole figure of some axes, also of those in a part of it."""
    figure: Figure = ax.figure.figure
    return figure


def as_text(value: object, most: int = 60) -> dict[str, Any]:
    """Return the arguments with which a value is drawn as it stands: `s`, no mathematics, fonts that have its letters.

    Every sign of it is seen. A longer text is cut in its middle, for ids often differ at the end; what no font has
    becomes a square.
    """
    text = cut(value, most, tail=most // 2)
    families, drawn = _fonts_for(text)
    return {"s": drawn, "parse_math": False, "fontfamily": families}


def title(ax: Axes, value: object, note: str = "") -> None:
    """Set a title flush left, and a note on how to read the picture below it, smaller."""
    said = as_text(value, 90)
    width = float(ax.get_position().width) * float(figure_of(ax).get_figwidth())
    said["s"] = "\n".join(textwrap.wrap(said["s"], max(int(width * _LETTERS), 20))[:2])
    ax.set_title(said.pop("s"), loc="left", fontsize="medium", fontweight="bold", pad=20 if note else 6, **said)
    if note:
        below = as_text(note, 120)
        ax.annotate(
            below.pop("s"), (0, 1), xytext=(0, 5), xycoords="axes fraction", textcoords="offset points",
            fontsize="small", alpha=0.75, **below,
        )  # fmt: skip


def legend(ax: Axes, **where: Any) -> None:
    """Draw a legend, the last drawn first; labels of data are given as `as_text` has them."""
    handles, labels = ax.get_legend_handles_labels()
    drawn = ax.legend(handles[::-1], labels[::-1], frameon=False, fontsize="small", **where)
    for text in drawn.get_texts():
        families, shown = _fonts_for(text.get_text())
        text.set_parse_math(False)
        text.set_fontfamily(families)
        text.set_text(shown)


def quiet(ax: Axes, *, grid: str = "") -> Axes:
    """Take the frame off but for the axes that are read; `grid` is "x", "y", "both" or empty."""
    ax.spines[["top", "right"]].set_visible(False)
    if grid:
        ax.grid(visible=True, axis=grid, color=GREY, alpha=0.25, linewidth=0.6)  # type: ignore[arg-type]
        ax.set_axisbelow(True)
    return ax


def money(amounts: npt.ArrayLike, currency: str) -> npt.NDArray[np.float64]:
    """Return minor units as whole units for drawing; of an unknown currency ("") they stay minor units."""
    return np.asarray(amounts, np.float64) / float(10 ** (exponent_of(currency) if currency else 0))


def short_amount(amount: float) -> str:
    """Return an amount with three digits and k, M or bn.

    >>> [short_amount(amount) for amount in (0, 950, 12_345, 2_500_000, -1e10)]
    ['0', '950', '12.3k', '2.5M', '-10bn']
    """
    for size, unit in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(amount) >= size * 0.9995:
            return f"{amount / size:.3g}{unit}"
    return f"{amount:.3g}"


def _fonts_for(text: str) -> tuple[list[str], str]:
    """Return font families that together have the letters of a text, and the text with squares for what they lack.

    A mark above or below a letter needs a font that has both.
    """
    _need_matplotlib()
    from matplotlib import font_manager, rcParams  # noqa: PLC0415 (an extra, and slow to import)

    families = [str(name) for name in rcParams["font.family"]]
    fonts = [_letters(font_manager.findfont(font_manager.FontProperties()))]
    missing = set(text) - fonts[0]
    for name in _FALLBACKS if missing else ():
        path = _installed().get(name)
        if path and missing & _letters(path):
            families.append(name)
            fonts.append(_letters(path))
            missing -= fonts[-1]
    drawn = ""
    for letter in text:
        needed = {letter, *drawn[-1:]} if unicodedata.category(letter).startswith("M") else {letter}
        drawn += letter if any(needed <= font for font in fonts) else _NO_GLYPH
    return families, drawn


@cache
def _installed() -> dict[str, str]:
    from matplotlib import font_manager  # noqa: PLC0415 (an extra, and slow to import)

    return {entry.name: entry.fname for entry in reversed(font_manager.fontManager.ttflist)}


@cache
def _letters(path: str) -> frozenset[str]:
    from matplotlib.ft2font import FT2Font  # noqa: PLC0415 (an extra, and slow to import)

    return frozenset(map(chr, FT2Font(path).get_charmap()))
