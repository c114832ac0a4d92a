"""Parties and their controllers as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from muledetect import schema
from muledetect.errors import OptionError
from muledetect.markup import SUSPICION, build_card, build_facts, build_table
from muledetect.outputs import new_folder
from muledetect.outputs.kinds import PARTIES
from muledetect.records.intake import read_parquet, reading_output
from muledetect.records.write import put_tables

#: What evidence is called, see `words.toml`.
WORDS: Final[Mapping[str, Any]] = schema.read_declared("muledetect.parties", "words.toml")

_MOST_ROWS: Final = 12


@dataclass(frozen=True, eq=False)
class Parties:
    """People and companies behind the records of holders.

    Attributes
    ----------
    parties : pyarrow.Table
        schema.PARTIES: one row a party, also of a single record; the most suspicious first where scores were given.
    party_members : pyarrow.Table
        schema.PARTY_MEMBERS: their records and accounts.
    party_evidence : pyarrow.Table
        schema.PARTY_EVIDENCE: of each pair of records that are one, the parts that sum to its log-odds.
    controllers, controlled_accounts : pyarrow.Table
        schema.CONTROLLERS and CONTROLLED_ACCOUNTS: who or what controls accounts of several parties.
    """

    parties: pa.Table = field(default_factory=schema.PARTIES.empty)
    party_members: pa.Table = field(default_factory=schema.PARTY_MEMBERS.empty)
    party_evidence: pa.Table = field(default_factory=schema.PARTY_EVIDENCE.empty)
    controllers: pa.Table = field(default_factory=schema.CONTROLLERS.empty)
    controlled_accounts: pa.Table = field(default_factory=schema.CONTROLLED_ACCOUNTS.empty)

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The output tables by name."""
        names = ("parties", "party_members", "party_evidence", "controllers", "controlled_accounts")
        return {name: getattr(self, name) for name in names}

    @property
    def n_joined(self) -> int:
        """Parties of more than one record."""
        return int(pc.sum(pc.greater(self.parties["n_holders"], 1)).as_py() or 0)

    def __len__(self) -> int:
        return int(self.parties.num_rows)

    def __repr__(self) -> str:
        return (
            f"Parties({len(self):,} parties, {self.n_joined:,} of several records, "
            f"{self.controllers.num_rows:,} controllers)"
        )

    def _repr_html_(self) -> str:
        facts = {"parties of several records": self.n_joined, "controllers": len(self.controllers)}
        names = ["party_id", "n_holders", "n_accounts", "probability", "score", "n_known"]
        titles = ["party", "records", "accounts", "one person or company", "score", "known mules"]
        lines = [list(row.values()) for row in self.parties.select(names).slice(0, _MOST_ROWS).to_pylist()]
        shown = build_table(titles, lines, n_rows=len(self), right=titles[1:])
        return build_card(f"{len(self):,} parties", build_facts(facts), shown, note=SUSPICION)

    def explain(self, party_id: str, language: str = "en") -> list[str]:
        """Return why the records of a party are one: a sentence a part, the strongest first, pair after pair.

        Parameters
        ----------
        party_id : str
        language : "en" or "th"

        Raises
        ------
        OptionError
            If there is no such party or language; a party of one record has no sentences.
        """
        if language not in ("en", "th"):
            raise OptionError(f"parties: language must be 'en' or 'th'; got {language!r}.")
        if not pc.any(pc.equal(self.parties["party_id"], party_id)).as_py():
            raise OptionError(f"parties: there is no party {party_id!r}; the ids are in column 'party_id'.")
        rows = self.party_evidence.filter(pc.equal(self.party_evidence["party_id"], party_id)).to_pylist()
        rows.sort(key=lambda row: (row["one"], row["other"], -abs(row["log_odds"]), row["family"]))
        column = "text" if language == "en" else "text_th"
        return [f"{row[column]} ({row['log_odds']:+.1f})" for row in rows]

    def write(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the tables as Parquet files of a folder: the old ones or the new ones, whole.

        Parameters
        ----------
        folder : str or Path
        overwrite : bool
            Replace a folder that this did not write.
        """
        with new_folder(folder, PARTIES, overwrite=overwrite) as unfinished:
            put_tables(self.tables, unfinished)


def read_parties(folder: str | Path) -> Parties:
    """Read the tables that `Parties.write` wrote.

    Parameters
    ----------
    folder : str or Path

    Raises
    ------
    DataError
        If a table is missing or has other columns.
    """
    tables = {}
    for name in Parties().tables:
        declared = schema.OUTPUTS[name]
        with reading_output(folder, name, "parties") as file:
            tables[name] = read_parquet(file, "parties").select(declared.names).cast(declared.arrow_schema)
    return Parties(**tables)
