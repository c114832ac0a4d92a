"""The page docs/data_needed.md, written from what `tables.py` measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

Rows = Sequence[Mapping[str, Any]]

#: What a table is used for, besides what is measured here.
USES: Final = {
    "accounts": "shows which accounts are your own, so that only they are ranked; which accounts have one holder; age "
    "and daily limit; kinds (shops, billers, exchanges) that get a notice and no hold; rates by kind and "
    "age",
    "holders": "rates by decade of birth and province, the holder in a case file; no feature and no ring uses it",
    "identifiers": "phones, devices and addresses that holders share; phone numbers that connect calls with victims",
    "sessions": "devices, networks and places that holders share; remote access, emulators and failed face scans as "
    "reasons",
    "complaints": "traces and holds (there are none without it); victims in case files; links between accounts that "
    "one victim paid; attribution",
    "watchlists": "listed accounts, devices, wallets and phone numbers as evidence for rings and attribution",
    "registry": "what police, regulators and banks say of accounts and people, in tiers, with a reliability and "
    "a clock: two columns, evidence for rings",
    "calls": "attribution only: who was called by whom shortly before paying",
    "labels": "training (without it: the starter model), distance to known mules, evaluation",
}


def write_page(results: Mapping[str, Any], output: Path) -> None:
    """Write the page; parts that were never measured are left out."""
    parts = [_head(results["facts"])]
    parts += [make(results[name]) for name, make in PARTS.items() if name in results]
    parts += [_uses(), _limits()]
    output.write_text("\n".join(parts), encoding="utf-8")


def _head(facts: Mapping[str, Any]) -> str:
    sizes, given = facts["transfers"], facts["options"]
    return f"""# What data is needed, and what each table adds

Made by `{command(facts)}`; do not edit.

One table is needed, `transfers`, with five columns: `transfer_id`, `time`, `source`, `target`, `amount`. Everything
else is optional. If it is missing, muledetect says so and goes on. This page measures what each table adds, on
simulated banks.

**How it was measured.** {facts["worlds"]} simulated banks of preset `thai_bank`, with {given["accounts"]:,} own
accounts, 120 days and {min(sizes):,} to {max(sizes):,} transfers each. {given["mules"]:.0%} of the accounts are
mules: five to twenty times the share in real banks, because fewer would measure nothing. A model learns from half of
the banks, at five moments, with the labels that these banks had at the end ({_and(facts["mules learnt from"])}
mules). It is tested on the other banks at two later moments, against the whole truth. Accounts that a bank had
already found by then are left out. In the two tests {_and(facts["positives"])} of {_and(facts["ranked"])} rows are
active mules, from {_and(facts["groups"])} rings and single holders. Then the two halves change places. The model is
the default one, `MuleModel()`, with target `active`.

**How to read the tables.** Figures are means over {given["seeds"]} seeds and both halves. Brackets are 95% intervals:
the rings of the test are drawn again {given["draws"]} times, with replacement; both rows of a change use the same
draws. The intervals do not show how much depends on which mules were there to learn from. *Spread* is the standard
deviation over seeds. *Measurable* means that the interval of the change does not contain 0 and that the change is
more than twice the spread. One comparison in twenty would look measurable by chance.

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

Tables used: `transfers` and `labels`. Columns are added one after another; each change is against the row above.

{markdown(part["rows"])}

{_said(part["rows"])} The columns have other uses, too. `terminal_id` links cards that were used at one machine.
`channel` says where money leaves (machines, shops, exchanges). Balances limit what can be held. `status` decides
which transfers count, and `reversal_of` shows which ones went back. No feature uses
`source_bank`, `target_bank` or `memo_hash`.
"""


def _tables(part: Mapping[str, Any]) -> str:
    return f"""## Further tables: who is found

One table at a time, together with `transfers` (all columns) and `labels`. Each change is against transfers and labels.

{markdown(part["alone"])}

Tables added one after another. Each change is against the row above.

{markdown(part["together"])}

{_said([*part["alone"], *part["together"][1:]])} No feature uses `holders` or `calls`, so they change no score.
"""


def _hard(part: Mapping[str, Any]) -> str:
    rows, groups = _and(part["facts"]["positives"]), _and(part["facts"]["groups"])
    return f"""### When criminals hide better

The same with preset `hard`. Its criminals wait, split amounts, imitate normal payments, buy old accounts and change
devices. {rows} rows are active mules, from {groups} rings and single holders.

{markdown(part["alone"])}

{markdown(part["together"])}

{_said([*part["alone"], *part["together"][1:]])}
"""


def _rings(part: Mapping[str, Any]) -> str:
    alone = [row for row in part["rows"] if " + " not in row["given"] and "scores" not in row["given"]]
    more = [alone[1], *(row for row in part["rows"] if row not in alone)]
    return f"""## Further tables: rings and call centres

{part["worlds"]} worlds with {part["rings"]} true rings. The search is at the end, around the scores of a model that
was trained at two thirds of the time on transfers and labels (in the last row: on all tables). *Value recall* is the
share of the rings' money that is found when as many rings are looked at as there are true ones; its change is against
transfers and labels. *Purity* is the share of a found ring's members that belong
to one and the same true ring. Figures are means over worlds with 95% intervals (Student's t).

Attributions to call centres are judged on the true rings, so that errors of the ring search do not count. The two
last columns show how many attributions of this grade or better name the right centre (Wilson intervals), and for
how many rings the right centre is named.

{markdown(_in_order(alone))}

Tables added one after another:

{markdown(_in_order(more))}

Purity is {_mean(alone[0]["purity"])} with transfers and labels and {_mean(part["rows"][-2]["purity"])} with all
tables: more evidence finds more members, and also brings in more accounts that belong to no ring.
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

All tables, but no feature that uses labels. The first column is the number of mule accounts with a label, drawn at
random; figures are means over draws, and *spread* is over draws. Other mules count as unknown and are left out of
training; all normal accounts stay. The first two rows learn nothing here. The starter model uses only the five
required columns.

{markdown(part["rows"], without=("columns",))}

Good probabilities need more labels than a good order does. With few labelled mules, `train` says that it could correct
only the average of the probabilities.
"""


def _history(part: Mapping[str, Any]) -> str:
    return f"""## How many days

Only so many days of transfers before each moment are used, in training (last three moments) and in the test (both
moments). Older transfers are deleted. No other table is used, and no feature that uses labels.

{markdown(part["rows"], without=("columns",))}

To train with target `active` you also need time *after* each moment: 7 days in which activity counts, and 30 days in
which fraud becomes known (options of `labels.targets`). So use moments at least 37 days before the end of the data.
"""


def _uses() -> str:
    lines = [f"| `{name}` | {text} |" for name, text in USES.items()]
    return "\n".join(["## What each table is used for", "", "| table | used for |", "|---|---|", *lines, ""])


def _limits() -> str:
    return """## Limits

A simulated bank is not a real one. How often its mules share devices, log in from unusual places or cause complaints
is set by parameters (`WorldConfig`), and its transfers may show more than yours do. A table without a measurable
effect here may still help you: run `muledetect train` and `muledetect evaluate` on your own data with and without it.
And a table can be useful without finding one more mule; see above what it is used for.
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
