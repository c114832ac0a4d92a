"""Halves of characters (lone surrogates) and bytes that are not UTF-8: refused everywhere, with the place."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import networkx as nx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import muledetect as md
from muledetect.errors import DataError, OptionError
from muledetect.graph import from_networkx, graph_from_records
from muledetect.records.own import read_columns
from muledetect.reports import write_csv, write_xlsx

HALF = "a\ud800b"
AT = datetime(2025, 3, 1, tzinfo=UTC)


def transfers(**columns: list[Any]) -> pa.Table:
    return pa.table(
        {"transfer_id": ["t1", "t2"], "time": [AT, AT], "source": ["a", "b"], "target": ["b", "c"], "amount": [5, 6]}
        | columns
    )


def frame(**columns: list[Any]) -> pd.DataFrame:
    """Return a frame with these columns as Python objects: the text type of pandas takes no half."""
    given = {name: pd.Series(values, dtype=object) for name, values in columns.items()}
    return transfers().to_pandas().assign(**given)


def not_utf8() -> pa.StringArray:
    """Return text that Arrow takes for valid without looking."""
    held = pa.array([b"a", b"\xff"], pa.binary())
    return pa.StringArray.from_buffers(2, *held.buffers()[1:])


@pytest.mark.parametrize("column", ["transfer_id", "source", "channel", "currency", "memo", "time"])
def test_half_of_a_character_in_a_frame_names_column_and_row(column: str) -> None:
    given = frame(**{column: ["x", HALF]})
    with pytest.raises(DataError, match=f"transfers: .*column '{column}' holds half of a character .*first: row 1"):
        md.read_dataset({"transfers": given})


def test_the_error_is_one_of_types_where_it_is_one_of_types() -> None:
    with pytest.raises(DataError, match="several types"):
        md.read_dataset({"transfers": frame(memo=["x", 5])})


def test_a_heading_with_half_of_a_character_is_named_by_its_place() -> None:
    given = transfers().to_pandas()
    given.columns = pd.Index([*given.columns[:-1], HALF], dtype=object)
    with pytest.raises(DataError, match="the name of column 5 holds half of a character"):
        md.read_dataset(given)


@pytest.mark.parametrize(
    "use", [md.to_polars, lambda given: write_csv(given, "x.csv"), lambda given: write_xlsx({"x": given}, "x.xlsx")]
)
def test_results_and_exports_refuse_it_alike(
    use: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"column 'x' holds half of a character .*first: row 0"):
        use(pd.DataFrame({"x": pd.Series([HALF], dtype=object)}))
    assert not list(tmp_path.iterdir())


def test_a_graph_refuses_ids_with_halves() -> None:
    drawn = nx.MultiDiGraph()
    drawn.add_edge("a", HALF, time=5, amount=5)
    with pytest.raises(DataError, match="1 of 2 ids hold half of a character"):
        from_networkx(drawn)
    with pytest.raises(DataError, match="1 of 2 ids hold half of a character"):
        graph_from_records([("a", HALF, 5, 5)])


@pytest.mark.parametrize("name", [HALF, "\udcff"])
def test_names_of_tables_and_options_are_shown_with_their_code(name: str) -> None:
    shown = ascii(name).strip("'").replace("\\", "\\\\")
    with pytest.raises(DataError, match=f"no table '{shown}'"):
        md.read_dataset({name: transfers()})
    with pytest.raises(OptionError, match=f"currency: '{shown}'"):
        md.read_dataset(transfers(), currency=name)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_file_whose_name_is_not_utf8_is_told_so(kind: str, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    if kind == "parquet":
        pq.write_table(transfers(), tmp_path / "x")
        (tmp_path / "x").rename(folder / "transfers.parquet")
    else:
        (folder / "transfers.csv").write_text("transfer_id,time,source,target,amount\n")
    for source in (folder, folder / f"transfers.{kind}"):
        with pytest.raises(DataError, match=r"the name of .*<U\+DCFF>.* holds bytes that are not UTF-8. Rename"):
            md.read_dataset(source)


@pytest.mark.parametrize("part", [b"memo=\xff", b"memo=%FF", b"%FF=x"])
def test_a_folder_of_a_partition_must_be_utf8(part: bytes, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bank/transfers/" + part))
    folder.mkdir(parents=True)
    pq.write_table(transfers(), tmp_path / "x")
    (tmp_path / "x").rename(folder / "a.parquet")
    with pytest.raises(DataError, match="holds bytes that are not UTF-8"):
        md.read_dataset(tmp_path / "bank")


@pytest.mark.parametrize("coded", [False, True])
@pytest.mark.parametrize("column", ["source", "source_bank", "session_id", "currency", "memo"])
def test_text_that_is_not_utf8_stops_whatever_the_column(column: str, coded: bool) -> None:
    bad: Any = not_utf8()
    if coded:
        bad = pa.DictionaryArray.from_arrays(pa.array([0, 1]), bad)
    given = transfers().drop_columns([column] if column == "source" else [])
    with pytest.raises(DataError, match="UTF-8"):
        md.read_dataset({"transfers": given.append_column(column, bad)})


@pytest.mark.parametrize("column", ["holder_id", "open_channel", "holder_name"])
def test_text_of_other_tables_that_is_not_utf8_stops_too(column: str) -> None:
    accounts = pa.table({"account_id": ["a", "b"]}).append_column(column, not_utf8())
    with pytest.raises(DataError, match=rf"accounts: (text|column '{column}').*UTF-8"):
        md.read_dataset({"transfers": transfers(), "accounts": accounts})


def test_lists_of_text_are_looked_at_too() -> None:
    lists = pa.ListArray.from_arrays([0, 1, 2], not_utf8())
    with pytest.raises(DataError, match="UTF-8"):
        md.read_dataset({"transfers": transfers().append_column("memos", lists)})


def test_a_mapping_with_an_escaped_half_is_no_toml(tmp_path: Path) -> None:
    (tmp_path / "columns.toml").write_text('[columns]\nsource = "\\ud800"\n')
    with pytest.raises(DataError):
        read_columns(tmp_path / "columns.toml")


@pytest.mark.parametrize("arguments", [["check", "\udcff"], ["trace", "x", "--complaint", "q\udcff"], ["\udcff"]])
def test_an_argument_that_is_not_utf8_is_wrong_usage(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "muledetect.cli", *arguments], capture_output=True, cwd=tmp_path, check=False, text=True
    )
    assert done.returncode == 2
    assert "<U+DCFF>, holds bytes that are not UTF-8" in done.stderr
    assert "Traceback" not in done.stderr
