"""Read what `evaluate`, `monitor` and `train` left in their folders, and refuse what is not of their shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from warnings import warn

import numpy as np
import pandas as pd

from muledetect.errors import DataError
from muledetect.strict_json import StrictJsonError, parse_json

Kind = Literal["text", "number", "flag"]
Shape = Mapping[str, Literal["an object", "a list of sentences", "a list of objects"]]

#: No report of ours comes near it.
_MOST_BYTES: Final = 64 << 20
#: Which command writes a file.
_COMMANDS: Final = {"report.json": "evaluate", "drift.json": "monitor", "card.json": "train"}
#: Parts of the files; each may be lacking.
_EVALUATION: Final[Shape] = {
    "figures": "an object", "tables": "an object", "notes": "a list of sentences", "about": "an object",
}  # fmt: skip
_CARD: Final[Shape] = {
    "trained_on": "an object", "held_out": "an object", "not_for": "a list of sentences",
    "limits": "a list of sentences", "clear_thresholds": "a list of objects", "leakage": "a list of sentences",
    "parameters": "an object", "versions": "an object", "features": "an object", "notes": "a list of sentences",
}  # fmt: skip


def _is_list_of(kind: type, found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(entry, kind) for entry in found)


_SHAPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "an object": lambda found: isinstance(found, dict),
    "a list of sentences": partial(_is_list_of, str),
    "a list of objects": partial(_is_list_of, dict),
}


def _columns(*, text: str = "", number: str = "", flag: str = "", rates: str = "") -> Mapping[str, Kind]:
    """Return the kind of each column; a rate has an interval."""
    found: dict[str, Kind] = dict.fromkeys(text.split(), "text")
    found |= dict.fromkeys(number.split(), "number")
    found |= dict.fromkeys([f"{name}{end}" for name in rates.split() for end in ("", "_low", "_high")], "number")
    return found | dict.fromkeys(flag.split(), "flag")


#: Tables of an evaluation that the report shows, and the columns that it reads; others are left alone.
TABLES: Final[Mapping[str, Mapping[str, Kind]]] = {
    "baselines": _columns(text="method", number="average_precision low high roc_auc"),
    "budget_curve": _columns(text="method", number="k share", rates="precision recall value_recall"),
    "reliability": _columns(number="n n_positive probability", rates="observed", flag="is_within"),
    "calibration_over_time": _columns(
        number="as_of n n_positive observed probability error error_low error_high", rates="ratio"
    ),
    "detection_curve": _columns(text="what", number="minutes at_risk share low high"),
    "layers": _columns(text="layer", number="n_positive", rates="recall", flag="is_few"),
    "typologies": _columns(text="part value", number="n n_positive", rates="recall", flag="is_few"),
    "subgroups": _columns(text="part value", number="n n_positive", rates="recall false_positive_rate", flag="is_few"),
    "false_positives": _columns(text="group", number="n n_alerted rate low high cap", flag="passes is_sure"),
    "left_out": _columns(text="value", number="n_removed n_test recall_seen recall_unseen low high"),
    "ties": _columns(text="grade", number="n n_right precision recall n_rings"),
    "traces": _columns(text="method", number="found_share innocent_per_million"),
}
#: Former name of a table -> its name.
_FORMER: Final = {"innocents": "false_positives"}
#: Tables of a comparison of two moments.
DRIFT: Final[Mapping[str, Mapping[str, Kind]]] = {
    "drift": _columns(text="subject measure grade", number="value usual watch alarm"),
    "label_delays": _columns(number="share a b"),
}


class EvaluationFiles(NamedTuple):
    """What an evaluation folder holds; a table that is lacking or has no rows is not there."""

    figures: Mapping[str, float]
    tables: Mapping[str, pd.DataFrame]
    notes: Sequence[str]
    about: Mapping[str, str]


class DriftFiles(NamedTuple):
    """What a folder of `monitor` holds."""

    worst: str
    n_a: int
    n_b: int
    tables: Mapping[str, pd.DataFrame]


def read_evaluation(folder: str | Path) -> EvaluationFiles:
    """Read `report.json` of an evaluation folder: it is one file, so all of it is of one run."""
    content = _read(folder, "report.json", _EVALUATION)
    figures = content.get("figures") or {}
    wrong = [name for name, value in figures.items() if not _fits(value, "number")]
    if wrong:
        raise _malformed("report.json", f"figures {_named(wrong)} are no numbers")
    return EvaluationFiles(
        {name: np.nan if value is None else float(value) for name, value in figures.items()},
        _read_tables(_renamed(content.get("tables") or {}), TABLES, "report.json"),
        content.get("notes") or [],
        {name: str(value) for name, value in (content.get("about") or {}).items()},
    )


def _renamed(tables: Mapping[str, Any]) -> dict[str, Any]:
    for former in _FORMER.keys() & tables.keys():
        warn(
            f"report.json: table {former!r} is now called {_FORMER[former]!r}. Evaluate again: the former name is not "
            "read for long.",
            FutureWarning,
            stacklevel=4,
        )
    return {_FORMER.get(name, name): table for name, table in tables.items()}


def read_drift(folder: str | Path) -> DriftFiles:
    """Read `drift.json` of a folder of `monitor`."""
    content = _read(folder, "drift.json", {})
    worst, n_a, n_b = (content.get(name) for name in ("worst", "n_a", "n_b"))
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in (n_a, n_b)):
        raise _malformed("drift.json", "'n_a' and 'n_b' must be numbers of rows")
    if not isinstance(worst, str):
        raise _malformed("drift.json", "'worst' must be a grade")
    return DriftFiles(worst, content["n_a"], content["n_b"], _read_tables(content, DRIFT, "drift.json"))


def read_card(folder: str | Path) -> Mapping[str, Any] | None:
    """Read `card.json` of a model folder; None where the folder has none."""
    if not Path(folder).is_dir():
        raise DataError(f"model report: there is no model folder {Path(folder).name!r}; give the one `train` wrote.")
    if not (Path(folder) / "card.json").is_file():
        return None
    card = _read(folder, "card.json", _CARD)
    _check(card.get("trained_on") or {}, {"moments": "a list of sentences"}, "card.json")
    return card


def _read(folder: str | Path, name: str, shape: Shape) -> dict[str, Any]:
    """Read a JSON object with parts of a shape from a folder."""
    path = Path(folder) / name
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _malformed(name, f"it is larger than {_MOST_BYTES >> 20} MB")
        content = parse_json(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"model report: {name} in {Path(folder).name!r} cannot be read ({error.strerror}); "
            f"give the folder that `{_COMMANDS[name]}` wrote."
        ) from error
    except StrictJsonError as error:
        raise _malformed(name, str(error)) from error
    if not isinstance(content, dict):
        raise _malformed(name, f"it holds a {type(content).__name__}, not an object")
    _check(content, shape, name)
    return content


def _check(content: Mapping[str, Any], shape: Shape, where: str) -> None:
    """Refuse parts that are there and of another shape."""
    wrong = [name for name, wanted in shape.items() if content.get(name) and not _SHAPES[wanted](content[name])]
    if wrong:
        raise _malformed(where, "; ".join(f"{name!r} must be {shape[name]}" for name in wrong))


def _read_tables(
    content: Mapping[str, Any], tables: Mapping[str, Mapping[str, Kind]], where: str
) -> dict[str, pd.DataFrame]:
    _check(content, dict.fromkeys(tables, "a list of objects"), where)
    found = {name: content[name] for name in tables if content.get(name)}
    wrong = [what for name, lines in found.items() for what in _wrong_columns(name, lines, tables[name])]
    if wrong:
        raise _malformed(where, "; ".join(wrong))
    return {name: _frame(lines, tables[name]) for name, lines in found.items()}


def _wrong_columns(table: str, lines: Sequence[Mapping[str, Any]], shape: Mapping[str, Kind]) -> Iterator[str]:
    lacking = [column for column in shape if any(column not in line for line in lines)]
    if lacking:
        yield f"table {table!r} lacks {_named(lacking)}"
        return
    bad = [column for column, kind in shape.items() if not all(_fits(line[column], kind) for line in lines)]
    if bad:
        yield f"table {table!r} has values of another kind in {_named(bad)}"


def _frame(lines: Sequence[Mapping[str, Any]], shape: Mapping[str, Kind]) -> pd.DataFrame:
    names = dict.fromkeys([*shape, *(name for line in lines for name in line)])
    columns: dict[str, Any] = {}
    for name in names:
        values = [line.get(name) for line in lines]
        if shape.get(name) in ("text", "flag"):
            columns[name] = pd.Series(values, dtype=object)
        elif all(_fits(value, "number") for value in values):
            columns[name] = pd.Series([np.nan if value is None else float(value) for value in values], dtype=float)
    return pd.DataFrame(columns)


def _fits(value: Any, kind: Kind) -> bool:
    if kind == "text":
        return isinstance(value, str)
    is_flag = isinstance(value, bool)
    is_number = isinstance(value, int | float) and not is_flag and abs(value) < 1e300
    return value is None or (is_flag if kind == "flag" else is_number)


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5:,} more"


def _malformed(where: str, what: str) -> DataError:
    return DataError(f"model report: {where} cannot be used: {what}. Write it again with `{_COMMANDS[where]}`.")
