"""Read what `evaluate`, `monitor` and `train` left in their folders, and refuse what is not of their shape."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from warnings import warn

import numpy as np
import pandas as pd

from muledetect.errors import DataError

Kind = Literal["text", "number", "flag"]

#: No report of ours comes near it.
_MOST_BYTES: Final = 64 << 20

#: A rate and its interval, all numbers.
_RATE: Final = ("", "_low", "_high")


def _columns(*, text: str = "", number: str = "", flag: str = "", rates: str = "") -> Mapping[str, Kind]:
    found: dict[str, Kind] = dict.fromkeys(text.split(), "text")
    found |= dict.fromkeys(number.split(), "number")
    found |= dict.fromkeys([f"{name}{end}" for name in rates.split() for end in _RATE], "number")
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
    "drift": _columns(text="subject measure grade", number="value chance watch alarm"),
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
    content, where = read_json(folder, "report.json", "evaluate"), "report.json"
    figures = mapping(content, "figures", where, "evaluate")
    wrong = [name for name, value in figures.items() if not _is_number(value)]
    if wrong:
        raise _malformed(where, f"figures {_named(wrong)} are no numbers", "evaluate")
    about = {str(name): str(value) for name, value in mapping(content, "about", where, "evaluate").items()}
    return EvaluationFiles(
        {name: np.nan if value is None else float(value) for name, value in figures.items()},
        _read_tables(_renamed(mapping(content, "tables", where, "evaluate")), TABLES, where, "evaluate"),
        texts(content, "notes", where, "evaluate"),
        about,
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
    where = "drift.json"
    content = read_json(folder, where, "monitor")
    sizes = [content.get(name) for name in ("n_a", "n_b")]
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in sizes):
        raise _malformed(where, "'n_a' and 'n_b' must be numbers of rows", "monitor")
    tables = {name: content.get(name, []) for name in DRIFT}
    worst = content.get("worst")
    if not isinstance(worst, str):
        raise _malformed(where, "'worst' must be a grade", "monitor")
    return DriftFiles(worst, int(content["n_a"]), int(content["n_b"]), _read_tables(tables, DRIFT, where, "monitor"))


def read_card(folder: str | Path) -> Mapping[str, Any] | None:
    """Read `card.json` of a model folder; None where the folder has none."""
    if not Path(folder).is_dir():
        raise DataError(f"model report: there is no model folder {Path(folder).name!r}; give the one `train` wrote.")
    return read_json(folder, "card.json", "train") if (Path(folder) / "card.json").is_file() else None


def read_json(folder: str | Path, name: str, command: str) -> dict[str, Any]:
    """Read a JSON object from a folder.

    Raises
    ------
    DataError
        If the file is not there, too large, no JSON, or something else than an object.
    """
    path = Path(folder) / name
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _malformed(name, f"it is larger than {_MOST_BYTES >> 20} MB", command)
        content = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except OSError as error:
        raise DataError(
            f"model report: {name} in {Path(folder).name!r} cannot be read ({error.strerror}); "
            f"give the folder that `{command}` wrote."
        ) from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise _malformed(name, "it is no JSON of ours", command) from error
    if not isinstance(content, dict):
        raise _malformed(name, f"it holds a {type(content).__name__}, not an object", command)
    return content


def texts(content: Mapping[str, Any], name: str, where: str, command: str) -> list[str]:
    """Return a list of sentences; an empty one where there is none."""
    found = content.get(name) or []
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise _malformed(where, f"{name!r} must be a list of sentences", command)
    return found


def mapping(content: Mapping[str, Any], name: str, where: str, command: str) -> dict[str, Any]:
    """Return an object, or an empty one where there is none."""
    found = content.get(name) or {}
    if not isinstance(found, dict):
        raise _malformed(where, f"{name!r} must be an object", command)
    return found


def rows(content: Mapping[str, Any], name: str, where: str, command: str) -> list[dict[str, Any]]:
    """Return a list of objects, or an empty one where there is none."""
    found = content.get(name) or []
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise _malformed(where, f"{name!r} must be a list of objects", command)
    return found


def _read_tables(
    content: Mapping[str, Any], shapes: Mapping[str, Mapping[str, Kind]], where: str, command: str
) -> dict[str, pd.DataFrame]:
    found, wrong = {}, []
    for name, shape in shapes.items():
        lines = rows(content, name, where, command)
        if not lines:
            continue
        lacking = [column for column in shape if any(column not in line for line in lines)]
        if lacking:
            wrong.append(f"table {name!r} lacks {_named(lacking)}")
            continue
        bad = [column for column, kind in shape.items() if not all(_fits(line[column], kind) for line in lines)]
        if bad:
            wrong.append(f"table {name!r} has values of another kind in {_named(bad)}")
            continue
        found[name] = _frame(lines, shape)
    if wrong:
        raise _malformed(where, "; ".join(wrong), command)
    return found


def _frame(lines: Sequence[Mapping[str, Any]], shape: Mapping[str, Kind]) -> pd.DataFrame:
    names = list(dict.fromkeys([*shape, *(name for line in lines for name in line)]))
    columns: dict[str, Any] = {}
    for name in names:
        values = [line.get(name) for line in lines]
        if shape.get(name) == "text" or shape.get(name) == "flag":
            columns[name] = pd.Series(values, dtype=object)
        elif all(_is_number(value) for value in values):
            columns[name] = pd.Series([np.nan if value is None else float(value) for value in values], dtype=float)
    return pd.DataFrame(columns)


def _fits(value: Any, kind: Kind) -> bool:
    if kind == "text":
        return isinstance(value, str)
    return value is None or isinstance(value, bool) if kind == "flag" else _is_number(value)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300)


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5:,} more"


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def _malformed(where: str, what: str, command: str) -> DataError:
    return DataError(f"model report: {where} cannot be used: {what}. Write it again with `{command}`.")
