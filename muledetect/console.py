"""What the command line prints: results of the pipeline as tables for a terminal. Every value is made harmless."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from muledetect.outputs.kinds import rejects_beside
from muledetect.visible import make_visible

# Results come from elsewhere: what is printed here needs no room of the library.
if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from muledetect.engine import Store
    from muledetect.evaluation import Drift, Evaluation
    from muledetect.evidence import Verification
    from muledetect.holds import Clocks
    from muledetect.messages import ImportedMessages, Recalls
    from muledetect.model import MuleModel
    from muledetect.model.key_transfers import Explanation
    from muledetect.model.thresholds import AlertThreshold
    from muledetect.parties import Parties
    from muledetect.pipeline import Demo
    from muledetect.records import Dataset
    from muledetect.records.own import Columns, Imported
    from muledetect.registry import ImportedRegistry
    from muledetect.replay import Found as Replayed
    from muledetect.rings import RingTables
    from muledetect.tracing import Traces

#: Stands above every list of accounts.
NOTICE = "Suspicion, not a finding. Internal: do not disclose to the customer. Review before any measure."

#: So many changed days are listed; `store.json` has all.
_MOST_DAYS = 20

_SEVERITY = {"error": "bold red", "reject": "red", "repair": "yellow", "warn": "cyan"}


def plain(value: object) -> str:
    r"""Return a value as text that a terminal shows and neither obeys nor takes for markup; no tag may follow it.

    >>> print(plain("[red]a[/] \x1b[31mb"))
    \[red]a\[/] <U+001B>[31mb
    """
    # `escape` doubles a backslash at the end, against a tag that may follow; none follows here
    return escape(f"{make_visible(value)} ")[:-1]


def show_demo(out: Console, result: Demo) -> None:
    """Print the whole demo: data, model, scores, rings, metrics; at the end in five lines what was found, and where."""
    out.rule("1 · data of the bank that is looked at")
    show_read(out, result.dataset)
    out.rule("2 · model, learnt on another bank")
    show_model(out, result.model, result.folder / "model")
    out.rule("3 · accounts to look at first")
    show_scores(out, result.scores, n_rows=5)
    out.rule("4 · rings")
    show_rings(out, result.rings)
    out.rule("5 · how good is it, against the whole truth of the simulated world")
    show_evaluation(out, result.evaluation)
    out.rule("in short")
    for line in _in_short(result):
        out.print(plain(line), soft_wrap=True)


def _in_short(result: Demo) -> list[str]:
    """Return in five lines what was found and where to look."""
    found, folder = result.evaluation, result.folder
    curve = found.tables["budget_curve"]
    n_alerts = math.ceil(found.budget * len(result.scores) - 1e-9)
    at = curve[(curve["method"] == curve["method"].iloc[-1]) & (curve["k"] == n_alerts)].iloc[0]
    best, plainly = (found.table.loc[name] for name in (found.table.index[-1], "plain LightGBM"))
    most = found.within_caps
    caps = found.tables["false_positives"]["cap"]
    cap = f"its cap of false alerts ({caps.min():.0%} to {caps.max():.0%} of the group)"
    kept = f"no number of alerts keeps every group within {cap}"
    if most.get("n_alerts"):
        kept = f"{most['n_alerts']:,.0f} alerts keep every group within {cap} and find {most['recall']:.0%} of mules"
    return [
        f"Mules: {n_alerts:,} alerts find {at['recall']:.0%} of {found.n_positive:,} mules "
        f"[95%: {at['recall_low']:.0%} to {at['recall_high']:.0%}]; {at['precision']:.0%} of the alerts are right. "
        f"Average precision {best['average_precision']:.2f}, of plain LightGBM {plainly['average_precision']:.2f}.",
        f"Honest customers: {kept}.",
        f"Rings and money: {len(result.rings):,} rings found. Of the money of new cases, "
        f"{found.detection['preventable']:.0%} could still have been held or stopped at the first alert.",
        f"Look at: {folder / 'report' / 'index.html'} (accounts and rings), {folder / 'report' / 'model.html'} (how "
        f"good the model is), {folder / 'traces'} (where the money is).",
        f"Files: {folder / 'scores.parquet'}, {folder / 'rings'}, {folder / 'model'}; the bank is in "
        f"{folder / 'data'}, the one it learnt from in {folder / 'training_data'}.",
    ]


def show_read(out: Console, dataset: Dataset) -> None:
    """Print what was read of each table."""
    from muledetect.clock import format_duration  # noqa: PLC0415 (brings numpy, which --help need not wait for)

    rejected = {found["values"]: found["counts"] for found in dataset.rejects["table"].value_counts().to_pylist()}
    accepted = {name: table.num_rows for name, table in dataset.tables.items()}
    rows = [(name, n, accepted.get(name, 0), rejected.get(name, 0)) for name, n in dataset.rows_read.items()]
    _print_table(out, {"table": "", "rows read": ",", "accepted": ",", "rejected": ","}, rows)
    out.print(
        f"{len(dataset.account_ids):,} accounts · {dataset.currency or 'currency not stated'} · the clock ticks every "
        f"{format_duration(dataset.tick)}"
    )


def show_check(out: Console, dataset: Dataset, findings: pd.DataFrame, rejects: Path) -> None:
    """Print the findings of a check."""
    show_read(out, dataset)
    _print_findings(out, zip(findings["severity"], findings["n_rows"], findings["text"], strict=True))
    out.print(f"{dataset.rejects.num_rows:,} rejected or repaired rows in {plain(rejects)}")


def show_store(out: Console, store: Store, folder: Path) -> None:
    """Print what a store holds, and the findings of reading."""
    show_read(out, store.dataset)
    findings = store.dataset.findings
    _print_findings(out, ((found.severity, found.n_rows, found.text) for found in findings))
    out.print(f"{store!r} in {plain(folder)}")


def show_changed_days(out: Console, store: Store) -> None:
    """Print the days that the last update of a store changed."""
    days = store.header.changed_days
    rows = [(day, f"{store.header.days[day][0]:,}" if day in store.header.days else "0") for day in days[-_MOST_DAYS:]]
    if rows:
        _print_table(out, {"day (UTC) that changed": "", "transfers now": ""}, rows)
    more = f", the last {_MOST_DAYS} above" if len(days) > _MOST_DAYS else ""
    out.print(f"{len(days):,} days changed{more}")


def _print_findings(out: Console, findings: Iterable[tuple[str, int, str]]) -> None:
    rows = [(Text(severity, _SEVERITY[severity]), n_rows, text) for severity, n_rows, text in findings]
    if rows:
        _print_table(out, {"severity": "", "rows": ",", "finding": ""}, rows)
    else:
        out.print("Nothing to report.")


def show_tables(out: Console, rows: Mapping[str, int], folder: Path) -> None:
    """Print the number of rows of the tables that were written."""
    _print_table(out, {"table": "", "rows": ","}, rows.items())
    out.print(f"written to {plain(folder)}")


def show_columns(out: Console, found: Columns, files: Iterable[Path], path: Path) -> None:
    """Print what each column was taken for, what a person must still say, and the next command."""
    rows = [
        (name, given if isinstance(given, str) else list(given), found.notes.get(f"columns.{name}", ""))
        for name, given in found.columns.items()
    ]
    _print_table(out, {f"{found.table}: ours": "", "yours": "", "looks like": ""}, rows)
    times = ", ".join(f"{name} {form}" for name, form in found.times.formats.items())
    zone = found.times.zone or "in the cells"
    if found.uses("time"):
        out.print(plain(f"times: {times or 'as they are'} · zone {zone} · {found.times.era} years"))
    if found.uses("money"):
        money = found.amounts
        said = f"amounts: {money.currency or 'no currency'}, {money.unit} units, decimal mark {money.decimal!r}"
        out.print(plain(said + (f", thousands {money.thousands!r}" if money.thousands else "")))
    form = found.file
    out.print(plain(f"file: {form.encoding}, delimiter {form.delimiter!r}, headings in line {form.header}"))
    for place, why in found.notes.items():
        if place in _REMARKS and why:
            out.print(f"· {plain(place)}: {plain(why)}")
    if found.undecided:
        out.print(f'[bold]To be decided in {plain(path)}, where it says "?":[/]')
        for place in found.undecided:
            out.print(f"  {plain(place)}: {plain(found.notes.get(place, 'say what it is'))}")
    listed = " ".join(str(file) for file in files)
    out.print(f"Nothing was imported. Read {plain(path)}, correct it, then:")
    out.print(f"muledetect import own {plain(listed)} --columns {plain(path)} --output DATASET", soft_wrap=True)


#: Remarks of a mapping that a person should read before the file.
_REMARKS = (
    "file.header accounts.missing accounts.remove rows.ids rows.pair_on rows.hashed rows.keep values.status"
).split()


def show_import(out: Console, done: Imported, folder: Path) -> None:
    """Print what became of every row of an import."""
    counts = (done.table, done.rows_read, done.rows_accepted, done.rejects.num_rows)
    _print_table(out, {"table": "", "rows read": ",", "accepted": ",", "left out": ","}, [counts])
    _print_findings(out, [(found.severity, found.n_rows, found.text) for found in done.findings])
    for note in done.notes:
        out.print(f"· {plain(note)}")
    left_out = rejects_beside(folder, done.table)
    out.print(f"written to {plain(folder)}; what was left out, and why, in {plain(left_out)}", soft_wrap=True)
    if done.table == "transfers":
        out.print(f"next: muledetect check {plain(folder)}", soft_wrap=True)


def show_messages(out: Console, done: ImportedMessages, folder: Path) -> None:
    """Print what became of every row of an import of messages, and which elements were not read."""
    counts = ("transfers", done.rows_read, done.rows_accepted, done.rejects.num_rows)
    _print_table(out, {"table": "", "rows read": ",", "accepted": ",", "left out": ","}, [counts])
    _print_findings(out, [(found.severity, found.n_rows, found.text) for found in done.findings])
    if done.n_accounts:
        out.print(f"{done.n_accounts:,} accounts whose statements these are stand in accounts.parquet.")
    _print_table(out, {"not read": "", "times": ","}, done.dropped.items())
    left_out = rejects_beside(folder)
    out.print(f"written to {plain(folder)}; what was left out, and why, in {plain(left_out)}", soft_wrap=True)
    out.print(f"next: muledetect check {plain(folder)}", soft_wrap=True)


def show_parties(out: Console, found: Parties, n_rows: int = 5) -> None:
    """Print the most suspicious parties, or the largest ones without scores, and the first controllers."""
    rows = sorted(found.parties.to_pylist(), key=lambda row: (row["rank"] or len(found) + 1, -row["n_holders"]))
    shown = [
        [row["party_id"], row["n_holders"], row["n_accounts"], row["probability"]]
        + ([] if row["score"] is None else [row["score"], row["n_known"]])
        for row in rows[:n_rows]
    ]
    columns = {"party": "", "records": ",", "accounts": ",", "one person or company": ".0%"}
    is_scored = found.parties["rank"].null_count < len(found)
    # an account without a score ranks last: the first rows have one if any has
    _print_table(out, columns | ({"score": ".3f", "known mules": ","} if is_scored else {}), shown)
    out.print(f"{found.n_joined:,} parties of several records")
    for row in found.controllers.slice(0, n_rows).to_pylist():
        out.print(f"{row['controller_id']}: {row['text']}")


def show_recalls(out: Console, drafted: Recalls, folder: Path) -> None:
    """Print what was drafted for which bank, and why transfers were left out."""
    rows = drafted.table.to_pylist()
    by_bank = Counter(row["bank_id"] for row in rows if row["left_out"] is None)
    _print_table(out, {"bank": "", "transfers": ","}, sorted(by_bank.items()))
    reasons = Counter(row["left_out"] for row in rows if row["left_out"] is not None)
    if reasons:
        _print_table(out, {"left out": "", "transfers": ","}, sorted(reasons.items()))
    out.print(f"{len(drafted.drafts):,} drafts in {plain(folder)}. Nothing was sent: an officer decides.")


def show_answers(out: Console, found: pa.Table, path: Path) -> None:
    """Print how many recalls were answered how."""
    rows = found.to_pylist()
    _print_table(out, {"answer": "", "transfers": ","}, sorted(Counter(row["status"] for row in rows).items()))
    strange = sum(row["complaint_id"] is None for row in rows)
    other = sum(row["is_from_asked_bank"] is False for row in rows)
    if strange:
        out.print(f"· {strange:,} answers name no recall of these.")
    if other:
        out.print(f"· {other:,} answers came from another bank than the one that was asked.")
    out.print(f"answers in {plain(path)}")


def show_registry(out: Console, done: ImportedRegistry, folder: Path) -> None:
    """Print what an import of lists added, and what it left out."""
    for found in done.findings:
        out.print(f"· {found.n_rows:,} rows {'left out' if found.severity == 'reject' else 'mended'}: "
                  f"{plain(found.column)}: {plain(found.reason)}")  # fmt: skip
    if done.dropped:
        out.print(f"· columns that are not read: {', '.join(map(plain, done.dropped))}")
    out.print(
        f"{done.rows_added:,} of {done.rows_read:,} rows are new, {done.rows_known:,} say nothing new, "
        f"{done.rows_removed:,} entries were removed; {len(done.table):,} statements in {plain(folder)}"
    )


def show_items(out: Console, found: pa.Table, path: Path) -> None:
    """Print how many things of each kind were gathered."""
    _print_table(out, {"kind": "", "suspected": ","}, sorted(Counter(found["kind"].to_pylist()).items()))
    out.print(f"{len(found):,} things in {plain(path)}; they stay with the bank")


def show_matches(out: Console, found: pa.Table, rings: pa.Table, path: Path) -> None:
    """Print how many things match, and which rings share them."""
    _print_table(out, {"kind": "", "matches": ","}, sorted(Counter(found["kind"].to_pylist()).items()))
    for row in rings.to_pylist()[:10]:
        out.print(f"· ring {plain(row['ring_id'])} and theirs, {plain(row['their_ring'])}, share {row['n_things']:,} "
                  f"things: {plain(row['kinds'])}")  # fmt: skip
    out.print(f"{len(found):,} matches in {plain(path)}. A match is a suspicion of two banks, no finding.")


def show_proposals(out: Console, found: pa.Table, path: Path) -> None:
    """Print how many accounts are proposed, in which tier."""
    tiers = Counter(found["tier"].to_pylist())
    _print_table(out, {"tier": "", "proposed": ","}, sorted(tiers.items()))
    listed = sum(text is not None for text in found["history"].to_pylist())
    if listed:
        out.print(f"· a registry has spoken of {listed:,} of them before: read the column history.")
    out.print(f"{len(found):,} proposals in {plain(path)}. An officer decides; nothing was listed.")


def show_deltas(out: Console, found: pa.Table, path: Path) -> None:
    """Print how many entries changed how."""
    _print_table(out, {"change": "", "entries": ","}, sorted(Counter(found["change"].to_pylist()).items()))
    out.print(f"{len(found):,} changes in {plain(path)}")


def show_model(out: Console, model: MuleModel, folder: Path) -> None:
    """Print what a reader must know of a training."""
    for note in model.notes_:
        out.print(f"· {plain(note)}")
    out.print(f"{len(model.feature_names_in_)} features · model in {plain(folder)}")


def show_scores(out: Console, scores: pa.Table, n_rows: int = 10) -> None:
    """Print the highest scores with their reasons; no probability where it is not that of the bank."""
    from muledetect.model.tiers import read_basis  # noqa: PLC0415 (brings numpy, which --help need not wait for)

    out.print(f"[italic]{NOTICE}[/]")
    basis = read_basis(scores)
    columns = {"rank": "d", "account_id": "", "probability": ".1%", "tier": ""}
    if basis is not None and basis.source == "unknown":
        del columns["probability"]
    rows = [
        (*(row[name] for name in columns), _strongest(row["reasons"])) for row in scores.slice(0, n_rows).to_pylist()
    ]
    shown = {"account" if name == "account_id" else name: form for name, form in columns.items()}
    _print_table(out, shown | {"reasons": ""}, rows, lines=True)
    if basis is not None:
        tiers = Counter(scores["tier"].to_pylist())
        out.print(f"{plain(basis.text)}: {tiers['suspected']:,} suspected, {tiers['watch']:,} to watch.")


def _strongest(reasons: list[dict[str, Any]], n_raising: int = 4) -> list[str]:
    """Return the weightiest reasons that raise a score, and the weightiest that speaks for the account."""
    raising = [f"· {reason['text']}" for reason in reasons if reason["contribution"] > 0]
    lowering = [f"· {reason['text']}" for reason in reasons if reason["contribution"] < 0]
    return [*raising[:n_raising], *lowering[:1]]


def show_threshold(out: Console, found: AlertThreshold) -> None:
    """Print from which score on alerts arise, and how many a day."""
    between = "" if found.low is None else f" [{found.low:.1f}, {found.high:.1f}]"
    out.print(
        f"Alert from score {found.score:.4f} on. That gave {found.alerts_per_day:.1f}{between} new alerts a day over "
        f"{found.n_days:.0f} days; the budget is {found.per_day:g}."
    )


def show_explanation(out: Console, found: Explanation, n_rows: int = 10) -> None:
    """Print the suspicious periods of the highest, and the transfers that show each reason."""
    shown: dict[tuple[str, object], dict[str, list[str]]] = {}
    for row in found.key_transfers.to_pylist():
        of_point = shown.setdefault((row["account_id"], row["as_of"]), {})
        of_point.setdefault(row["code"], []).append(row["transfer_id"])
    rows = []
    for row in found.suspicious_periods.slice(0, n_rows).to_pylist():
        listed = [
            f"{code}: {', '.join(ids[:3])}{' ...' if len(ids) > 3 else ''}"
            for code, ids in shown.get((row["account_id"], row["as_of"]), {}).items()
        ]
        rows.append((row["account_id"], f"{row['start']:%-d %b %H:%M} to {row['end']:%-d %b %H:%M}", listed))
    _print_table(out, {"account": "", "suspicious window (UTC)": "", "transfers that show it": ""}, rows, lines=True)


def show_rings(out: Console, found: RingTables, n_rows: int = 5) -> None:
    """Print the rings with the most illicit money to be expected, and what the list can and cannot bear."""
    roles: dict[str, list[str]] = {}
    for member in found.ring_members.to_pylist():
        roles.setdefault(member["ring_id"], []).append(member["role"].replace("_", "-"))
    unit = 10 ** _decimals(found.currency)
    rows = [
        (
            row["ring_id"], row["probability"], row["n_accounts"], row["n_victims"], row["value_in"] / unit,
            row["recoverable"] / unit, f"{row['first_time']:%-d %b} to {row['last_time']:%-d %b}",
            (row["typology"] or "no shape").replace("_", "-")
            + ": " + ", ".join(f"{n} {role}" for role, n in Counter(roles[row["ring_id"]]).most_common()),
        )
        for row in found.rings.slice(0, n_rows).to_pylist()
    ]  # fmt: skip
    received = f"received, {found.currency or 'minor units'}"
    columns = {"ring": "", "probability": ".0%", "accounts": ",", "known victims": ",", received: ",.0f"}
    columns["still there, at most"] = ",.0f"
    _print_table(out, {**columns, "active": "", "typology: roles": ""}, rows)
    if len(found) > n_rows:
        out.print(f"and {len(found) - n_rows:,} more")
    for note in found.notes:
        out.print(note)
    tied = [row for row in found.ring_ties.to_pylist() if row["grade"] != "none"]
    if tied:
        order = {row["ring_id"]: place for place, row in enumerate(found.rings.to_pylist())}
        tied.sort(key=lambda row: (order[row["ring_id"]], -row["log_odds"], row["centre_id"]))
        names = ("ring_id", "centre_id", "grade", "log_odds")
        rows = [(*(row[name] for name in names), _families(row)) for row in tied[: 2 * n_rows]]
        columns = {"ring": "", "call centre": "", "tie": "", "log-odds": ".1f", "evidence (log-odds by family)": ""}
        _print_table(out, columns, rows)


def _decimals(currency: str) -> int:
    from muledetect.records.currency import decimals_of  # noqa: PLC0415 (brings pyarrow, which --help need not wait for)

    return decimals_of(currency)


def _families(row: dict[str, Any]) -> str:
    names = ("complaint", "call", "network", "place", "cash_out", "script", "lists", "person", "against")
    return ", ".join(f"{name.replace('_', '-')} {row[name]:.1f}" for name in names if row[name])


def show_traces(out: Console, found: Traces, n_rows: int = 8) -> None:
    """Print what became of the money by method, and the largest holds."""
    unit = 10 ** _decimals(found.currency)
    sums = found.summary.to_pandas().groupby("method", sort=False).sum(numeric_only=True)
    columns = {f"method, {found.currency or 'minor units'}": ""}
    columns |= {name.replace("_", " "): ",.0f" for name in sums.columns}
    _print_table(out, columns, [(method, *(row / unit)) for method, row in sums.iterrows()])
    largest = found.holds.sort_by([("hold", "descending"), ("complaint_id", "ascending"), ("account_id", "ascending")])
    rows = [
        (
            row["complaint_id"], row["account_id"], row["bank_id"] or "",
            f"{row['traced_low'] / unit:,.0f} to {row['traced_high'] / unit:,.0f}",
            f"{row['available'] / unit:,.0f}{'' if row['is_stated'] else ' at least'}", row["hold"] / unit,
        )
        for row in largest.slice(0, n_rows).to_pylist()
        if row["hold"] > 0
    ]  # fmt: skip
    columns = {"complaint": "", "account": "", "bank": "", "traced, over the methods": ">", "in the account": ">"}
    _print_table(out, {**columns, "hold": ",.0f"}, rows)
    if found.not_proposed:
        out.print(f"Holds that are too small to propose: {found.not_proposed / unit:,.0f} in all.")
    out.print("Hold the amount, not the account. A trace is a calculation, not a finding about a person.")


def show_holds(
    out: Console, states: pa.Table, proposed: pa.Table | None, clocks: Clocks, language: str, n_rows: int = 40
) -> None:
    """Print holds that stand, the most urgent first, then how many ended, and what may be held and is not."""
    rows = states.to_pylist()
    standing = sorted(
        (row for row in rows if row["ended_at"] is None), key=lambda row: (row["expires_at"], row["hold_id"])
    )
    columns = {"hold, account": "", "state": "", "held, minor units": ",", "clock": "", f"{clocks.time_zone}": "",
               "latest entry, by, why": ""}  # fmt: skip
    shown = []
    for row in standing[:n_rows]:
        named = [
            name for name in ("review_due", "police_until", "extended_until", "expires_at") if row[name] is not None
        ]
        times = [f"{name.replace('_', ' ')}: {_when(row[name], clocks, language)}" for name in named]
        state = [row["state"], "REVIEW OVERDUE"] if row["is_due"] else [row["state"]]
        entry = [row["last_event"], row["decided_by"], row["why"]]
        shown.append(([row["hold_id"], row["account_id"]], state, row["held"], row["clock"], times, entry))
    _print_table(out, columns, shown, lines=True)
    ended = Counter(row["state"] for row in rows if row["ended_at"] is not None)
    n_due = sum(row["is_due"] for row in standing)
    more = f", of which {n_rows:,} are shown" if len(standing) > n_rows else ""
    out.print(
        f"{len(standing):,} holds stand{more}; {n_due:,} reviews are overdue, "
        f"{sum(row['state'] == 'appealed' for row in standing):,} appeals wait, "
        f"{sum(row['extended_until'] is not None for row in standing):,} are extended; {ended['released']:,} were "
        f"released, {ended['expired']:,} expired."
    )
    if proposed is not None:
        columns = {"may be held": "", "clock": "", "minor units": ",", "until": ""}
        lines = [(row["account_id"] or row["transfer_id"], row["clock"], row["amount"],
                  _when(row["until"], clocks, language)) for row in proposed.slice(0, n_rows).to_pylist()]  # fmt: skip
        _print_table(out, columns, lines)
        out.print(f"{len(proposed):,} proposals. A person decides; write it down with `muledetect hold`.")


def _when(moment: Any, clocks: Clocks, language: str) -> str:
    return clocks.shown(None if moment is None else round(moment.timestamp() * 1_000_000), language)


def show_shared(out: Console, content: bytes) -> None:
    """Print what a pack holds: tables with their columns, pages, and how others are grouped."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        n_pages = sum(name.startswith("pages/") for name in archive.namelist())
    rows = [(each["table"], each["rows"], ", ".join(each["columns"])) for each in manifest["shared"]]
    _print_table(out, {"shared": "", "rows": ",", "columns": ""}, rows)
    case, groups = manifest["case"], manifest["bystanders"]
    names = "pseudonyms" if manifest["options"]["is_exchange"] else "plain ids"
    out.print(
        f"{n_pages:,} pages. Accounts of the case: {case['subjects']:,} subjects, {case['complainants']:,} "
        f"complainants, {case['recipients']:,} recipients, by {names}. Others: {groups['groups']:,} groups of at least "
        f"{groups['k']} accounts; {groups['transfers_not_shown']:,} transfers are not shown."
    )


def show_verification(out: Console, found: Verification) -> None:
    """Print whether a pack agrees, and what differs."""
    for name in found.differing[:40]:
        out.print(f"[red]differs[/] {plain(name)}")
    if len(found.differing) > 40:
        out.print(f"and {len(found.differing) - 40:,} more")
    for note in found.notes:
        out.print(f"· {plain(note)}")
    said = "every byte agrees" if found.agrees else f"{len(found.differing):,} differ"
    out.print(f"{found.n_members:,} members: {said}.")


def show_release(out: Console, found: pa.Table, language: str, n_rows: int = 60) -> None:
    """Print what speaks for the release of each hold, signs of coercion first."""
    rows = [(row["hold_id"], row["kind"], row[f"text_{language}"], f"{len(row['transfers']):,}")
            for row in found.slice(0, n_rows).to_pylist()]  # fmt: skip
    _print_table(out, {"hold": "", "of": "", "says": "", "transfers": ">"}, rows)
    out.print("No sign is none against anybody. A person reads them, and decides.")


def show_report(out: Console, pages: Mapping[str, int], folder: Path) -> None:
    """Print what a report holds and where it begins."""
    out.print(f"[italic]{NOTICE}[/]")
    out.print(
        f"{pages['alerts']:,} case files, {pages['rings']:,} ring files{', the model report' if pages['model'] else ''}"
    )
    out.print(f"open {plain(folder / 'index.html')}")


def show_evaluation(out: Console, result: Evaluation) -> None:
    """Print a model's metrics next to the baselines: those of the first budget, and at half a percent of accounts."""
    for note in result.notes:
        out.print(f"· {plain(note)}")
    shown = [name for name in result.table.columns[3:] if name.endswith(("@100", "@0.5%")) or name == "roc_auc"]
    shown = [name for name in shown if not name.startswith("value_")]  # no room for them on 80 columns
    rows = [
        (method, f"{row['average_precision']:.3f} [{row['low']:.2f}, {row['high']:.2f}]", *row[shown])
        for method, row in result.table.iterrows()
    ]
    columns = {"method": "", "average precision [95%]": ">", **{name.replace("_", " "): ".3f" for name in shown}}
    _print_table(out, columns, rows)
    out.print(
        f"Brier score {result.brier:.5f} · calibration error {result.calibration_error:.5f} "
        f"[{result.calibration_interval[0]:.5f}, {result.calibration_interval[1]:.5f}]"
    )
    _show_layers(out, result)
    _show_false_positives(out, result)
    if result.victims.get("n_likely"):
        out.print(
            f"Likely victims of the alerted accounts: {result.victims['n_likely']:,.0f}. "
            f"{result.victims['n_alerted']:,.0f} of them are alerted themselves."
        )
    _show_detection(out, result.detection)
    if result.rings is not None:
        ring = result.rings
        out.print(
            f"rings: {ring.n_found} found, {ring.n_true} true · recall at Jaccard 0.5 {ring.ring_recall:.2f}, "
            f"precision {ring.ring_precision:.2f} · B-cubed F1 {ring.bcubed_f1:.2f} · purity {ring.purity:.2f}"
        )


def _show_layers(out: Console, result: Evaluation) -> None:
    table = result.tables.get("layers")
    if table is None or not len(table):
        return
    rows = [
        (
            row["layer"], row["n_positive"], f"{row['recall']:.2f} [{row['recall_low']:.2f}, {row['recall_high']:.2f}]",
            "few accounts" if row["is_few"] else "",
        )
        for row in table.to_dict("records")
    ]  # fmt: skip
    out.print(f"Mules found by hops from the victims, at {_budget(result)}:")
    columns = {"hops": "", "mules": ",", "found [95%]": ">"}
    if any(few for *_, few in rows):
        _print_table(out, columns | {"": ""}, rows)
    else:
        _print_table(out, columns, [row[:-1] for row in rows])


def _budget(result: Evaluation) -> str:
    return f"{result.budget:.2%} of accounts" if result.budget < 1 else f"{result.budget:,.0f} accounts"


def _show_false_positives(out: Console, result: Evaluation) -> None:
    table = result.tables.get("false_positives")
    if table is None or not len(table):
        return
    rows = [
        (
            row["group"], row["n"], f"{row['rate']:.2%} [{row['low']:.2%}, {row['high']:.2%}]", row["cap"],
            "within" if row["passes"] else "above its cap",
        )
        for row in table[table["n"] > 0].to_dict("records")
    ]  # fmt: skip
    if not rows:
        return
    out.print(f"False positives by customer group, at {_budget(result)}:")
    _print_table(out, {"group": "", "accounts": ",", "alerted [95%]": ">", "cap": ".0%", "": ""}, rows)
    most = result.within_caps
    if most.get("n_alerts"):
        out.print(
            f"Every group stays within its cap up to {most['n_alerts']:,.0f} alerts ({most['share']:.2%} of accounts): "
            f"{most['precision']:.0%} of them are mules, and they are {most['recall']:.0%} of all mules."
        )
    elif most:
        out.print("No budget keeps every group within its cap: the highest score of all is of an honest customer.")


def _show_detection(out: Console, found: Mapping[str, float]) -> None:
    if not found.get("n_accounts"):
        return
    hours = found["minutes_q50"] / 60
    soon = (
        f"Half of all were alerted within {hours:,.1f} h of their first such credit. " if math.isfinite(hours) else ""
    )
    gone = ""
    if found["n_detected"]:
        gone = f"When they were alerted, {found['share_gone']:.0%} of what they had received was gone. "
    there = ""
    if math.isfinite(found["still_in_bank"]):
        there = (
            f"At the first alert of each new case, {found['still_in_bank']:.0%} of the stolen money was still there."
        )
    out.print(
        f"Time to detect: {found['n_detected']:,.0f} of {found['n_accounts']:,.0f} accounts that received illicit "
        f"money were alerted. {soon}{gone}{there}"
    )


def show_replay(out: Console, found: Replayed, n_rows: int = 12) -> None:
    """Print what would have been decided, and what the truth says of it."""
    said, unit = found.figures, 10 ** _decimals(found.figures["currency"])
    currency = said["currency"] or "minor units"
    out.print(
        f"{said['begin']} to {said['end']}: {said['n_transfers']:,} transfers, {said['n_decisions']:,} decisions other "
        "than allow"
    )
    money = [name for name in ("amount", "stolen", "innocent", "saved") if name in found.tables["actions"].column_names]
    rows = [
        (row["subject"], row["action"], row["rule"], row["n"], *(row[name] / unit for name in money))
        for row in found.tables["actions"].slice(0, n_rows).to_pylist()
    ]
    columns = {"of": "", "decision": "", "rule": "", "n": ",", **{f"{name}, {currency}": ",.0f" for name in money}}
    _print_table(out, columns, rows)
    if "layers" not in found.tables:
        out.print("The data set has no truth_transfers and truth_money, so nobody can say what of it was stolen.")
        return
    _show_saved(out, found, unit, currency)
    out.print("Saved: if a review before the end of each hold confirms what was stolen. Nobody reacts to a hold here.")


def _show_saved(out: Console, found: Replayed, unit: int, currency: str) -> None:
    said = found.figures
    rows = [
        ("no mule" if row["layer"] is None else str(row["layer"]), row["n_accounts"], row["n_detected"],
         *("-" if row[name] is None else f"{row[name]:,.0f}" for name in ("seconds_q25", "seconds_q50", "seconds_q75")),
         row["saved"] / unit, row["innocent"] / unit)
        for row in found.tables["layers"].to_pylist()
    ]  # fmt: skip
    columns = {
        "hops from victims": "",
        "got stolen money": ",",
        "seen": ",",
        "seconds: 25%": ">",
        "50%": ">",
        "75%": ">",
    }
    _print_table(out, columns | {f"saved, {currency}": ",.0f", "innocent held": ",.0f"}, rows)
    share = "" if said["share_saved"] is None else f" ({said['share_saved']:.1%})"
    each = "no innocent money was held"
    if said["saved_per_innocent"] is not None:
        each = f"{said['saved_per_innocent']:,.2f} for each unit of innocent money held"
    out.print(f"Saved {said['saved'] / unit:,.0f} of {said['at_stake'] / unit:,.0f} {currency}{share}: {each}.")


def show_drift(out: Console, found: Drift, n_rows: int = 15) -> None:
    """Print the worst checks, what to do, and how the verdict came about."""
    columns = {"subject": "", "measure": "", "value": ".3f"}
    columns |= {"usual": ".3f", "watch": ".3f", "alarm": ".3f", "limits": "", "grade": ""}
    _print_table(out, columns, found.checks[list(columns)].head(n_rows).itertuples(index=False))
    counts = found.checks["grade"].value_counts()
    shown = ", ".join(f"{counts.get(grade, 0):,} {grade}" for grade in ("ok", "watch", "alarm"))
    out.print(f"{len(found.checks):,} checks: {shown}; in all: {found.worst}")
    for line in (*found.advice, *found.notes):
        out.print(plain(line))


def _print_table(
    out: Console, columns: Mapping[str, str], rows: Iterable[Iterable[Any]], *, lines: bool = False
) -> None:
    """Print a table of columns, each with the format of its cells; those with one stand to the right.

    A list fills a cell line by line, and all but `Text` is made harmless.
    """
    table = Table(show_lines=lines)
    for name, form in columns.items():
        table.add_column(name, justify="right" if form else "left")
    for row in rows:
        table.add_row(*(_cell(cell, form) for cell, form in zip(row, columns.values(), strict=True)))
    out.print(table)


def _cell(cell: Any, form: str) -> str | Text:
    if isinstance(cell, Text):
        return cell
    return "\n".join(map(plain, cell)) if isinstance(cell, list) else plain(format(cell, form))
