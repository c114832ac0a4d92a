"""Rings as tables and as objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from muledetect import schema
from muledetect.errors import OptionError
from muledetect.markup import SUSPICION, Html, build_card, build_details, build_facts, build_table
from muledetect.outputs import new_folder
from muledetect.outputs.kinds import GRAPH, RINGS
from muledetect.records.currency import format_amount, unit_of
from muledetect.records.intake import read_parquet, reading_output
from muledetect.records.write import put_tables, write_text
from muledetect.visible import make_visible

if TYPE_CHECKING:
    import networkx as nx

    from muledetect.rings.ties import Ties

#: Transfers between members, as `Ring.timeline` gives them.
TIMELINE: Final = pa.schema(
    {"ring_id": pa.string(), "time": pa.timestamp("us", tz="UTC"), "source": pa.string(), "target": pa.string(),
     "amount": pa.int64(), "transfer_id": pa.string()}
)  # fmt: skip

_MONEY: Final = {"value in": "value_in", "recoverable": "recoverable"}
_SPAN: Final = {"active from": "first_time", "to": "last_time", "as of": "as_of"}
_MOST_ROWS: Final = 12

#: Of each kind of link: links found, how often they are right by chance, how often they are, and what a link counts.
NULL: Final = pa.schema(
    {"kind": pa.string(), "n_links": pa.int64(), "by_chance": pa.float64(), "observed": pa.float64(),
     "factor": pa.float64()}
)  # fmt: skip

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
    currency : str
        ISO 4217 code of its money; empty where it is not known.
    """

    ring_id: str
    summary: dict[str, Any]
    members: pa.Table
    links: pa.Table
    ties: pa.Table
    others: pa.Table
    timeline: pa.Table
    currency: str = ""

    def __repr__(self) -> str:
        return (
            f"Ring({self.members.num_rows:,} members, {self.links.num_rows:,} links, {self.ties.num_rows:,} ties, "
            f"{self.timeline.num_rows:,} transfers)"
        )

    def _repr_html_(self) -> str:
        about, unit = self.summary, unit_of(self.currency)
        facts = {"members": len(self), "victims": about["n_victims"]}
        facts |= {name: about[name] for name in ("score", "stability")}
        facts |= {f"{text}, {unit}": format_amount(about[name], self.currency) for text, name in _MONEY.items()}
        span = {text: about[name] for text, name in _SPAN.items()} | {"all times": "UTC"}
        ties = self.ties.select(["centre_id", "grade", "log_odds"]).to_pylist()
        shown = build_table(["call centre", "tie", "log-odds"], [list(tie.values()) for tie in ties[:_MOST_ROWS]],
                            n_rows=len(ties))  # fmt: skip
        return build_card(
            f"Ring {self.ring_id}", build_facts(facts), build_facts(span), self._members_html(),
            build_details(f"{len(ties):,} ties to call centres", shown), note=SUSPICION,
        )  # fmt: skip

    def _members_html(self) -> Html:
        names = ["layer", "role", "account_id", "membership", "is_seed"]
        order = [("layer", "ascending"), ("membership", "descending"), ("account_id", "ascending")]
        first = self.members.sort_by(order).slice(0, _MOST_ROWS).select(names).to_pylist()
        titles = ["layer", "role", "account", "membership", "seed"]
        return build_table(titles, [list(row.values()) for row in first], n_rows=len(self))

    @property
    def tables(self) -> dict[str, pa.Table]:
        """Its tables by name."""
        return {
            "ring_members": self.members, "ring_links": self.links, "ring_ties": self.ties,
            "ring_others": self.others, "ring_transfers": self.timeline,
        }  # fmt: skip

    def __len__(self) -> int:
        return int(self.members.num_rows)

    def to_graphml(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the ring for graph programs (Gephi, yEd, Cytoscape), atomically; lists become text."""
        import networkx as nx  # noqa: PLC0415 (0.2 s to import, needed by few)

        drawn = self.to_networkx()
        shown = nx.MultiDiGraph(**_shown(drawn.graph))
        for name, traits in drawn.nodes(data=True):
            shown.add_node(make_visible(name), **_shown(traits))
        for source, target, key, traits in drawn.edges(keys=True, data=True):
            shown.add_edge(make_visible(source), make_visible(target), make_visible(key), **_shown(traits))
        write_text(path, "\n".join(nx.generate_graphml(shown)) + "\n", output=GRAPH, overwrite=overwrite)

    def to_networkx(self) -> nx.MultiDiGraph:
        """Return a MultiDiGraph: nodes have role, layer, membership, is_seed; edges kind (= key), weight, evidence."""
        import networkx as nx  # noqa: PLC0415 (0.2 s to import, needed by few)

        drawn = nx.MultiDiGraph(**self.summary)
        for member in self.members.to_pylist():
            traits = {name: member[name] for name in ("role", "layer", "membership", "is_seed")}
            drawn.add_node(member["account_id"], **traits)
        for number, bond in enumerate(self.links.to_pylist()):
            traits = {name: bond[name] for name in ("kind", "weight", "evidence")}
            # one pair may have a link of a kind in each of several episodes
            again = drawn.has_edge(bond["source"], bond["target"], bond["kind"])
            key = f"{bond['kind']} {number}" if again else bond["kind"]
            drawn.add_edge(bond["source"], bond["target"], key=key, **traits)
        return drawn


def _shown(traits: Mapping[str, Any]) -> dict[str, Any]:
    """Return traits as GraphML can hold them: numbers, flags, and text in which all can be seen."""
    return {
        name: value
        if isinstance(value, bool | int | float)
        # GraphML knows the type of a trait by its exact class
        else "".join(make_visible(" ".join(value) if isinstance(value, list) else value))
        for name, value in traits.items()
    }


@dataclass(frozen=True, eq=False)
class RingTables:
    """The tables of a search for rings; iterating gives `Ring` objects, most suspicious first.

    Attributes
    ----------
    rings, ring_members, ring_links, ring_ties, ring_others, tie_evidence : pyarrow.Table
        As schema.RINGS, RING_MEMBERS, RING_LINKS, RING_TIES, RING_OTHERS and TIE_EVIDENCE say.
    ring_transfers : pyarrow.Table
        Transfers between members, shape `TIMELINE`; for reading, not part of the contract and not written.
    currency : str
        ISO 4217 code of all money; empty where it is not known, as after `read_rings`.
    n_weaker, min_precision : int, float
        Groups that are not shown, as each is a ring with less probability than this.
    ring_kinds : pyarrow.Table
        What each kind of link counted in this data set, see `weigh_kinds`; empty after `read_rings`.
    """

    rings: pa.Table = field(default_factory=schema.RINGS.empty)
    ring_members: pa.Table = field(default_factory=schema.RING_MEMBERS.empty)
    ring_links: pa.Table = field(default_factory=schema.RING_LINKS.empty)
    ring_ties: pa.Table = field(default_factory=schema.RING_TIES.empty)
    ring_others: pa.Table = field(default_factory=schema.RING_OTHERS.empty)
    tie_evidence: pa.Table = field(default_factory=schema.TIE_EVIDENCE.empty)
    ring_transfers: pa.Table = field(default_factory=TIMELINE.empty_table)
    currency: str = ""
    n_weaker: int = 0
    min_precision: float = 0.0
    ring_kinds: pa.Table = field(default_factory=NULL.empty_table)

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The output tables by name."""
        return {name: getattr(self, name) for name in TABLES}

    @property
    def notes(self) -> list[str]:
        """What the list can and cannot bear, in plain sentences: precision, groups left out, kinds that say nothing."""
        found = []
        if len(self):
            expected = sum(sorted(self.rings["probability"].to_pylist()))
            found.append(f"of {len(self):,} rings, {expected:,.1f} are expected to be right")
        elif not self.n_weaker:
            found.append("no ring: nothing binds three suspicious accounts together beyond what chance brings about")
        if self.n_weaker:
            found.append(
                f"{self.n_weaker:,} weaker groups not shown: each a ring with less than {self.min_precision:g}"
            )
        for row in self.ring_kinds.to_pylist():
            if row["factor"] == 0:
                found.append(f"links of kind {row['kind']} count nothing here: they do not go beyond chance")
        return found

    def __len__(self) -> int:
        return int(self.rings.num_rows)

    def __repr__(self) -> str:
        return (
            f"RingTables({len(self):,} rings, {self.ring_members.num_rows:,} members, "
            f"{self.ring_links.num_rows:,} links, {self.ring_ties.num_rows:,} ties)"
        )

    def _repr_html_(self) -> str:
        facts = {"members": len(self.ring_members), "links": len(self.ring_links)}
        facts |= {"ties to call centres": len(self.ring_ties)}
        if len(self):
            facts |= {"as of": self.rings["as_of"][0].as_py()}
        names = ["ring_id", "n_accounts", "n_victims", "score", "value_in", "recoverable", "first_time", "last_time"]
        unit = unit_of(self.currency)
        titles = ["ring", "accounts", "victims", "score", *(f"{text}, {unit}" for text in _MONEY)]
        titles += ["from, UTC", "to, UTC"]
        lines = self.rings.select(names).slice(0, _MOST_ROWS).to_pylist()
        for line in lines:
            line |= {name: format_amount(line[name], self.currency) for name in _MONEY.values()}
        shown = build_table(titles, [list(line.values()) for line in lines], n_rows=len(self), right=titles[4:6])
        return build_card(f"{len(self):,} rings", build_facts(facts), shown, note=SUSPICION)

    def __iter__(self) -> Iterator[Ring]:
        return (self.ring(ring_id) for ring_id in self.rings["ring_id"].to_pylist())

    def ring(self, ring_id: str) -> Ring:
        """Return one ring.

        Parameters
        ----------
        ring_id : str
            As in table `rings`.

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
        return replace(Ring(ring_id, row.to_pylist()[0], *parts), currency=self.currency)

    def with_ties(self, ties: Ties) -> RingTables:
        """Return the same rings with ties that `find_ties` found for them."""
        return replace(self, ring_ties=ties.ring_ties, tie_evidence=ties.tie_evidence)

    def write(self, folder: str | Path, *, events: pa.Table | None = None, overwrite: bool = False) -> None:
        """Write the output tables as Parquet files of a folder; the schema of `rings` holds the notes as metadata.

        Parameters
        ----------
        folder : str or Path
            Holds the old tables or the new ones, whenever the process ends.
        events : pyarrow.Table, optional
            What `keep_ids` says became of each ring, to be written as well.
        overwrite : bool
            Replace a folder that this did not write.
        """
        tables = self.tables | ({} if events is None else {"ring_events": events})
        tables["rings"] = self.rings.replace_schema_metadata({"muledetect.notes": "\n".join(self.notes)})
        with new_folder(folder, RINGS, overwrite=overwrite) as unfinished:
            put_tables(tables, unfinished)


def read_rings(folder: str | Path) -> RingTables:
    """Read the tables that `RingTables.write` wrote; `ring_transfers` stays empty.

    Parameters
    ----------
    folder : str or Path

    Raises
    ------
    DataError
        If a table is missing or has other columns.
    """
    tables = {}
    for name in TABLES:
        declared = schema.OUTPUTS[name]
        with reading_output(folder, name, "rings") as file:
            table = declared.with_present_names(read_parquet(file, "rings"))
            tables[name] = _complete(declared, table).select(declared.names).cast(declared.arrow_schema)
    return RingTables(**tables)


def _complete(declared: schema.Table, table: pa.Table) -> pa.Table:
    """Return the table with the columns, null, that older versions did not write and no row must have."""
    for column in declared.columns:
        if not column.required and column.name not in table.column_names:
            table = table.append_column(
                column.name, pa.nulls(len(table), declared.arrow_schema.field(column.name).type)
            )
    return table
