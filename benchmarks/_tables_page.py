"""The page docs/data_needed.md, written from what `tables.py` measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

Rows = Sequence[Mapping[str, Any]]

#: What a table is read for, besides what is measured here.
USES: Final = {
    "accounts": "says which accounts are yours, so that only they are ranked; the holder behind several accounts, "
    "age, daily limit; kinds (shops, billers, exchanges) that get a notice and no hold; rates by kind and age",
    "holders": "no feature and no ring reads it; rates by decade of birth and province, the holder in a case file",
    "identifiers": "phones, devices, addresses that holders share; numbers by which calls are joined to victims",
    "sessions": "devices, networks, cells that holders share; remote access, emulators, failed face scans as reasons",
    "complaints": "traces and holds (there are none without it), victims in case files, links between those whom one "
    "victim paid, ties",
    "watchlists": "listed accounts, devices, wallets and numbers as evidence for rings and ties",
    "calls": "ties only: who was called by whom shortly before paying",
    "labels": "training (without it: the starter model), nearness to known mules, evaluation",
}


def write_page(results: Mapping[str, Any], output: Path) -> None:
    """Write the page; parts that were never measured are left out."""
    parts = [_head(results["facts"])]
    parts += [make(results[name]) for name, make in PARTS.items() if name in results]
    parts += [_uses(), _limits()]
    output.write_text("\n".join(parts), encoding="utf-8")


def _head(facts: Mapping[str, Any]) -> str:
    sizes, given = facts["transfers"], facts["options"]
    return f"""# What data is needed, and what each further table buys

Made by `{command(facts)}`; do not edit.

Needed: one table, `transfers`, with five columns: `transfer_id`, `time`, `source`, `target`, `amount`. Everything
else is optional, and its absence is reported, never an error. This page measures what it is worth, on simulated banks.

{facts["worlds"]} worlds of preset `thai_bank`, {given["accounts"]:,} own accounts and 120 days each,
{min(sizes):,} to {max(sizes):,} transfers, {given["mules"]:.0%} of the accounts mules (five to twenty times life's
share: fewer would say nothing). Half of the worlds learns from what its banks had found by the end, at five moments
({_and(facts["mules learnt from"])} mules). The others are ranked at two later moments of their own against the whole
truth, without accounts that their banks had found by then ({_and(facts["positives"])} of {_and(facts["ranked"])} rows
are active mules, of {_and(facts["groups"])} rings, holders and loners). Then the other way round. The model is
`MuleModel()` as it is, target `active`.

Figures are means over {given["seeds"]} seeds and both ways. Brackets: 95% intervals from {given["draws"]} draws of the
ranked rings with replacement, of changes from the same draws for both rows; they do not hold the luck of which mules
were there to learn from. *Spread*: standard deviation over seeds. *Measurable*: the interval of the change leaves
out 0, and the change is more than twice the spread. One comparison in twenty would look measurable by chance.

{facts["machine"]}; {facts["versions"]}.
"""


def command(facts: Mapping[str, Any]) -> str:
    """Return the command line that made the page."""
    given = facts["options"]
    return (
        f"python benchmarks/tables.py --folder DIR --accounts {given['accounts']} --worlds {facts['worlds']} "
        f"--ring-worlds {given['ring_worlds']}"
    )


def _columns(part: Mapping[str, Any]) -> str:
    return f"""## Columns of transfers

Each row adds columns to those above it; changes are against the row above. No further table but `labels`.

{markdown(part["rows"])}

{_said(part["rows"])} `terminal_id` also makes ring links of cards used at one machine, `channel` says where money
leaves (machines, shops, exchanges), and balances bound what can be held. `source_bank`, `target_bank` and `memo_hash`
are read by no feature; `status` and `reversal_of` decide which transfers count.
"""


def _tables(part: Mapping[str, Any]) -> str:
    return f"""## Further tables: who is found

One table beside all columns of transfers and `labels`; changes are against transfers and labels alone.

{markdown(part["alone"])}

Ever more tables; changes are against the row above.

{markdown(part["together"])}

{_said([*part["alone"], *part["together"][1:]])} `holders` and `calls` are read by no feature: they change no score.
"""


def _hard(part: Mapping[str, Any]) -> str:
    rows, groups = _and(part["facts"]["positives"]), _and(part["facts"]["groups"])
    return f"""### Where offices hide

The same with preset `hard`, whose offices wait, split, camouflage, buy old accounts and change devices ({rows} rows
are active mules, of {groups} rings, holders and loners).

{markdown(part["alone"])}

{markdown(part["together"])}

{_said([*part["alone"], *part["together"][1:]])}
"""


def _rings(part: Mapping[str, Any]) -> str:
    alone = [row for row in part["rows"] if " + " not in row["given"] and "scores" not in row["given"]]
    more = [alone[1], *(row for row in part["rows"] if row not in alone)]
    return f"""## Further tables: rings and call centres

{part["worlds"]} worlds, {part["rings"]} true rings, searched at the end around scores of a model that was trained at
two thirds of the time on transfers and labels alone (the very last row: on all tables). *Value recall*: share of the
rings' money that is caught by as many candidates as there are true rings; its change is against transfers and labels.
Means over worlds, 95% intervals by Student's t. Ties to call centres are sought for the true rings, so that they are
judged by themselves: how many ties of that grade or a firmer one name a true centre (Wilson intervals), and of how many
rings a true centre is named.

{markdown(_in_order(alone))}

Ever more tables:

{markdown(_in_order(more))}

Purity is {_mean(alone[0]["purity"])} with transfers and labels and {_mean(part["rows"][-2]["purity"])} with all tables:
more evidence also draws in accounts that are in no ring of the truth.
"""


def _mean(text: str) -> str:
    return text.partition(" ")[0]


def _in_order(rows: Rows) -> Rows:
    """Return the rows with the change beside what has changed, and sums of tables by the last that was added."""
    order = ("given", "value recall", "change", "purity")
    found = []
    for row in rows:
        tables = row["given"].split(" + ")
        named = {**row, "given": tables[0] if len(tables) == 1 else f"+ {tables[-1]}"}
        found.append({name: named.get(name, "") for name in dict.fromkeys((*order, *row))})
    return found


def _labels(part: Mapping[str, Any]) -> str:
    return f"""## How many labelled mules

All tables, but no column that reads labels. So many mule accounts of the learning worlds are labelled, drawn at random
(means over draws; *spread*: over draws); the other mules are unknown and left out; negatives stay. The first two rows
learn nothing here; the starter model reads nothing but the five required columns.

{markdown(part["rows"], without=("columns",))}

Probabilities need more than ranks do: with few positives `train` says that only the prior was corrected.
"""


def _history(part: Mapping[str, Any]) -> str:
    return f"""## How many days

Transfers of so many days before each moment, in training and when ranking, at the last three moments of training and
both of ranking; no table but transfers, no column that reads labels. What is older is not there at all.

{markdown(part["rows"], without=("columns",))}

For training, the target `active` also needs time after its moment: 7 days in which activity counts and 30 in which
labels ripen (options of `labels.targets`). So the first moment lies at least 37 days before the end of the data.
"""


def _uses() -> str:
    lines = [f"| `{name}` | {text} |" for name, text in USES.items()]
    return "\n".join(["## What each table is read for", "", "| table | read for |", "|---|---|", *lines, ""])


def _limits() -> str:
    return """## Limits

A simulated bank is no bank. Its mules share devices, log in from odd places and are complained about as often as its
parameters say (`WorldConfig`), and its transfers may tell more than yours do. Where a table shows nothing measurable
here it may still matter to you: run `muledetect train` and `evaluate` on your own data with and without it. And a table
can be worth having without finding one more mule; see above what it is read for.
"""


PARTS: Final = {
    "columns": _columns, "tables": _tables, "hard": _hard, "rings": _rings, "labels": _labels, "history": _history
}  # fmt: skip


def markdown(rows: Rows, without: Sequence[str] = ()) -> str:
    """Return a Markdown table; columns that no row has are left out."""
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in without]
    lines = ["| " + " | ".join("" if name == "given" else name for name in names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row.get(name, "")) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _said(rows: Rows) -> str:
    """Return in words which rows changed anything measurably."""
    words = {"yes": "Measurably better", "no": "Nothing measurable", "it costs": "Measurably worse"}
    named = {verdict: [row["given"] for row in rows if row.get("measurable") == verdict] for verdict in words}
    return " ".join(
        f"{words[verdict]}: {', '.join(dict.fromkeys(found))}." for verdict, found in named.items() if found
    )


def _and(numbers: Sequence[int]) -> str:
    return " and ".join(f"{number:,}" for number in numbers)
