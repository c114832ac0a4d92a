"""Rings as tables and as objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from muledetect import schema
from muledetect.errors import DataError, OptionError
from muledetect.records import write_tables, write_text

if TYPE_CHECKING:
    import networkx as nx

    from muledetect.rings.ties import Ties

#: Transfers between members, as `Ring.timeline` gives them.
TIMELINE: Final = pa.schema(
    [
        pa.field("ring_id", pa.string()),
        pa.field("time", pa.timestamp("us", tz="UTC")),
        pa.field("source", pa.string()),
        pa.field("target", pa.string()),
        pa.field("amount", pa.int64()),
        pa.field("transfer_id", pa.string()),
    ]
)

#: Names of the output tables.
TABLES: Final = ("rings", "ring_members", "ring_links", "ring_ties", "ring_others", "tie_evidence")


@dataclass(frozen=True, eq=False)
class Ring:
    """Accounts held together by links.

    Attributes
    ----------
    ring_id : str
    summary : dict
        The ring's row of schema.RINGS.
    members, links, ties, others : pyarrow.Table
        Its rows of schema.RING_MEMBERS, RING_LINKS, RING_TIES and RING_OTHERS.
    timeline : pyarrow.Table
        Transfers between members in the ring's active span, by time, shape `TIMELINE`.
    """

    ring_id: str
    summary: dict[str, Any]
    members: pa.Table
    links: pa.Table
    ties: pa.Table
    others: pa.Table
    timeline: pa.Table

    def __repr__(self) -> str:
        return (
            f"Ring({self.members.num_rows:,} members, {self.links.num_rows:,} links, {self.ties.num_rows:,} ties, "
            f"{self.timeline.num_rows:,} transfers)"
        )

    def __len__(self) -> int:
        return int(self.members.num_rows)

    def to_graphml(self, path: str | Path) -> None:
        """Write the ring for graph programs (Gephi, yEd, Cytoscape), atomically; lists become text."""
        import networkx as nx  # noqa: PLC0415 (0.2 s to import, needed by few)

        drawn = self.to_networkx()
        drawn.graph = {name: _plain(value) for name, value in drawn.graph.items()}
        for *_, traits in drawn.edges(data=True):
            traits.update({name: _plain(value) for name, value in traits.items()})
        write_text(path, "\n".join(nx.generate_graphml(drawn)) + "\n")

    def to_networkx(self) -> nx.MultiDiGraph:
        """Return a MultiDiGraph: nodes have role, tier, membership, is_seed; edges kind (= key), weight, evidence."""
        import networkx as nx  # noqa: PLC0415 (0.2 s to import, needed by few)

        drawn = nx.MultiDiGraph(**self.summary)
        for member in self.members.to_pylist():
            traits = {name: member[name] for name in ("role", "tier", "membership", "is_seed")}
            drawn.add_node(member["account_id"], **traits)
        for number, bond in enumerate(self.links.to_pylist()):
            traits = {name: bond[name] for name in ("kind", "weight", "evidence")}
            # one pair may have a link of a kind in each of several episodes
            again = drawn.has_edge(bond["source"], bond["target"], bond["kind"])
            key = f"{bond['kind']} {number}" if again else bond["kind"]
            drawn.add_edge(bond["source"], bond["target"], key=key, **traits)
        return drawn


def _plain(value: Any) -> Any:
    """Return what GraphML can hold: numbers, flags and text without the characters that XML forbids."""
    if isinstance(value, bool | int | float):
        return value
    text = " ".join(value) if isinstance(value, list) else str(value)
    return "".join(c for c in text if c.isprintable())


@dataclass(frozen=True, eq=False)
class RingTables:
    """The tables of a search for rings; iterating gives `Ring` objects, most suspicious first.

    Attributes
    ----------
    rings, ring_members, ring_links, ring_ties, ring_others, tie_evidence : pyarrow.Table
        As schema.RINGS, RING_MEMBERS, RING_LINKS, RING_TIES, RING_OTHERS and TIE_EVIDENCE say.
    ring_transfers : pyarrow.Table
        Transfers between members, shape `TIMELINE`; for reading, not part of the contract and not written.
    """

    rings: pa.Table = field(default_factory=schema.RINGS.empty)
    ring_members: pa.Table = field(default_factory=schema.RING_MEMBERS.empty)
    ring_links: pa.Table = field(default_factory=schema.RING_LINKS.empty)
    ring_ties: pa.Table = field(default_factory=schema.RING_TIES.empty)
    ring_others: pa.Table = field(default_factory=schema.RING_OTHERS.empty)
    tie_evidence: pa.Table = field(default_factory=schema.TIE_EVIDENCE.empty)
    ring_transfers: pa.Table = field(default_factory=TIMELINE.empty_table)

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The output tables by name."""
        return {name: getattr(self, name) for name in TABLES}

    def __len__(self) -> int:
        return int(self.rings.num_rows)

    def __repr__(self) -> str:
        return (
            f"RingTables({len(self):,} rings, {self.ring_members.num_rows:,} members, "
            f"{self.ring_links.num_rows:,} links, {self.ring_ties.num_rows:,} ties)"
        )

    def __iter__(self) -> Iterator[Ring]:
        return (self.ring(ring_id) for ring_id in self.rings["ring_id"].to_pylist())

    def ring(self, ring_id: str) -> Ring:
        """Return one ring.

        Raises
        ------
        OptionError
            If there is no such ring.
        """
        row = self.rings.filter(pc.equal(self.rings["ring_id"], ring_id))
        if not row.num_rows:
            raise OptionError(f"rings: there is no ring {ring_id!r}; the ids are in column 'ring_id' of table rings.")
        parts = [
            table.filter(pc.equal(table["ring_id"], ring_id))
            for table in (self.ring_members, self.ring_links, self.ring_ties, self.ring_others, self.ring_transfers)
        ]
        return Ring(ring_id, row.to_pylist()[0], *parts)

    def with_ties(self, ties: Ties) -> RingTables:
        """Return the same rings with ties that `find_ties` found for them."""
        return replace(self, ring_ties=ties.ring_ties, tie_evidence=ties.tie_evidence)

    def write(self, folder: str | Path) -> None:
        """Write the output tables as Parquet files of a folder, each one atomically."""
        write_tables(self.tables, folder)


def read_rings(folder: str | Path) -> RingTables:
    """Read the tables that `RingTables.write` wrote; `ring_transfers` stays empty.

    Raises
    ------
    DataError
        If a table is missing or has other columns.
    """
    tables = {}
    for name in TABLES:
        try:
            table = pq.read_table(Path(folder) / f"{name}.parquet")
            tables[name] = table.select(schema.OUTPUTS[name].names).cast(schema.OUTPUTS[name].arrow_schema)
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise DataError(
                f"rings: {name}.parquet in {Path(folder).name!r} cannot be read as table {name}; write it with `rings`."
            ) from error
    return RingTables(**tables)
