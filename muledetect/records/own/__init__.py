"""A bank's own files: say what their columns are, and import them into a data set.

`suggest_columns` looks at headings and cells and says what each column seems to be; a person reads, corrects and keeps
that as a TOML file; `import_own` does what the file says and nothing else. What only a person can know (the time zone,
whether the day or the month comes first, the Buddhist era) is "?" until it is said.

>>> import pandas as pd
>>> from muledetect.records.own import import_own, suggest_columns
>>> bank = pd.DataFrame({
...     "Buchungsdatum": ["28.02.2025", "28.02.2025"], "Uhrzeit": ["09:30:00", "09:31:10"],
...     "Auftraggeberkonto": ["0071", "0082"], "Empfängerkonto": ["0082", "0093"], "Betrag": ["1.500,00", "1.490,50"],
... })
>>> columns = suggest_columns(bank, currency="THB")
>>> columns.columns["time"], columns.columns["target"], columns.undecided
(('Buchungsdatum', 'Uhrzeit'), 'Empfängerkonto', ('times.zone',))
>>> imported = import_own(bank, columns.with_(times={"zone": "Asia/Bangkok"}))
>>> imported.rows["amount"].to_pylist(), str(imported.rows["time"][0].as_py())
([150000, 149050], '2025-02-28 02:30:00+00:00')
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.records.own._columns import Accounts, Amounts, Columns, FileForm, RowRules, Times, read_columns
    from muledetect.records.own._import import Imported, import_own
    from muledetect.records.own._suggest import suggest_columns

__all__ = [
    "Accounts",
    "Amounts",
    "Columns",
    "FileForm",
    "Imported",
    "RowRules",
    "Times",
    "import_own",
    "read_columns",
    "suggest_columns",
]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "_columns": "Accounts Amounts Columns FileForm RowRules Times read_columns",
        "_import": "Imported import_own",
        "_suggest": "suggest_columns",
    },
)
