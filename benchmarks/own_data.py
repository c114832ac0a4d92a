"""How fast a bank's own CSV is imported, in how much memory: `python benchmarks/own_data.py --rows 3e6 [--statement]`.

The file is made first: semicolons, Windows-1252, date and time of day apart, 1.234,56. With `--statement` every
transfer stands in the statements of both its accounts, so the file has twice the rows.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from muledetect.records.own import import_own, suggest_columns


def make_export(path: Path, n_rows: int, is_statement: bool) -> None:
    """Write transfers of 90 days between 200,000 accounts."""
    random = np.random.default_rng(0)
    moment = pd.to_datetime(1.7355e9 + np.sort(random.integers(0, 90 * 86_400, n_rows)), unit="s")
    payer = random.integers(0, 200_000, n_rows)
    payee = (payer + random.integers(1, 199_999, n_rows)) % 200_000
    satang = random.integers(100, 10**7, n_rows)
    amount = pd.Series(satang).map(lambda value: f"{value / 100:,.2f}".translate(str.maketrans(".,", ",.")))
    ends = [pd.Series(codes).map("DE{:010d}".format) for codes in (payer, payee)]
    table = pd.DataFrame({"Buchungsdatum": moment.strftime("%d.%m.%Y"), "Uhrzeit": moment.strftime("%H:%M:%S")})
    if is_statement:
        paid = table.assign(Konto=ends[0], Gegenkonto=ends[1], Betrag="-" + amount)
        table = pd.concat([paid, table.assign(Konto=ends[1], Gegenkonto=ends[0], Betrag=amount)])
    else:
        memo = pd.Series(satang % 5_000).map("Zweck {}".format)
        named = {"Auftraggeberkonto": ends[0], "Empfängerkonto": ends[1], "Betrag": amount, "Verwendungszweck": memo}
        table = table.assign(**named)
    table.to_csv(path, sep=";", index=False, encoding="cp1252")


def peak_mb() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(folder: Path, n_rows: int, is_statement: bool) -> None:
    """Import the export and print seconds and memory."""
    columns = suggest_columns(folder / "export.csv", source_tz="Europe/Berlin", currency="EUR")
    before, started, busy = peak_mb(), time.perf_counter(), time.process_time()
    done = import_own(folder / "export.csv", columns, folder / "bank")
    assert done.rows_accepted == n_rows
    assert done.rows_read == n_rows * (1 + is_statement)
    print(
        f"{done.rows_read:,} rows, {(folder / 'export.csv').stat().st_size / 1e6:.0f} MB: "
        f"{time.perf_counter() - started:.1f} s ({time.process_time() - busy:.1f} s of processor), "
        f"{peak_mb() - before:.0f} MB more memory at the peak"
    )


def main() -> None:
    """Make in a process of its own, so that its memory does not count; then measure."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=float, default=3e6)
    arguments.add_argument("--statement", action="store_true")
    given = arguments.parse_args()
    n_rows = int(given.rows)
    with tempfile.TemporaryDirectory() as place:
        maker = mp.get_context("spawn").Process(
            target=make_export, args=(Path(place) / "export.csv", n_rows, given.statement)
        )
        maker.start()
        maker.join()
        measure(Path(place), n_rows, given.statement)


if __name__ == "__main__":
    main()
