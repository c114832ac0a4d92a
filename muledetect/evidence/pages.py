"""Pages of a case: the case files of its subjects, without anybody who is not of the case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pandas as pd

from muledetect import schema
from muledetect.evidence.case import Case
from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.accounts.facts import account_cases
from muledetect.reports.accounts.release import OF_AGE
from muledetect.reports.material import Material
from muledetect.reports.pages import Language, render
from muledetect.reports.write import account_facts, alert_row

#: What an exchange pack says of a subject and its holder.
_SHARED: Final = {"account": ("account_id", "bank_id", "kind", "opened_at", "is_own"), "holder": ("kind",)}


def case_pages(
    material: Material, case: Case, *, n_ranked: int, language: Language, zone: str, is_exchange: bool
) -> dict[str, bytes]:
    """Return the pages by name: an index, and a case file of each subject that was scored.

    Parameters
    ----------
    material : Material
        Gathered from the scores of the subjects.
    case : Case
    n_ranked : int
        Accounts that were scored at the moment.
    language : "en" or "th"
        In which pages open.
    zone : str
        Time zone of the times shown.
    is_exchange : bool
        For another bank or agency: without draft report, and with the least of what is known of holders.
    """
    shown: dict[str, Any] = {
        "language": language, "zone": zone, "minor_units": material.minor_units, "currency": material.currency,
        "as_of": material.as_of, "missing": material.missing, "basis": material.basis,
        "fingerprint": material.snapshot.fingerprint,
    }  # fmt: skip
    files = {name: f"accounts/{at:05d}.html" for at, name in enumerate(material.account_ids, 1)}
    hold_zone = None if material.standing is None else material.standing.clocks.time_zone
    sizes = dict(zip(*(material.rings.rings[name].to_pylist() for name in ("ring_id", "n_accounts")), strict=True))
    pages, rows = {}, []
    for whole in account_cases(replace(material, n_ranked=n_ranked), {}):
        own = only_of_case(whole, case, is_exchange=is_exchange)
        if own.ring:  # members outside the case count
            own = replace(own, ring={**own.ring, "n_accounts": sizes[own.ring["ring_id"]]})
        facts = account_facts(own, files, language, zone)
        if is_exchange:
            facts["draft"] = []
        page = render("account", case=own, goaml_file=None, hold_zone=hold_zone, is_pack=True, **facts, **shown)
        pages[f"pages/{files[own.account_id]}"] = page.encode()
        rows.append(alert_row(own, files[own.account_id]) | {"ring_id": None})
    index = render("index", alerts=rows, model_file=None, rings=[], n_ranked=n_ranked, data={"zone": zone},
                   n_suspected=sum(row["tier"] == "suspected" for row in rows), n_complaints=len(case.complaints),
                   hold_total=sum(row["hold"] for row in rows), **shown)  # fmt: skip
    return {**pages, "pages/index.html": index.encode()}


def only_of_case(whole: AccountCase, case: Case, *, is_exchange: bool) -> AccountCase:
    """Return a case file without accounts outside the case, and without columns of the bank's own."""
    inside, complaints = set(case.roles), set(case.complaints)
    rows = whole.transfers[whole.transfers["other"].isin(inside)].reset_index(drop=True)
    rows = rows[[name for name in rows.columns if name in _OWN_COLUMNS]].assign(balance=None, terminal_id=None)
    listed = set(rows["transfer_id"])
    victims = whole.victims[whole.victims["account_id"].isin(inside) & (whole.victims["kind"] == "confirmed")]
    kept = [[name for name in ids if name in complaints] for ids in victims["complaint_ids"]]
    victims = victims.assign(complaint_ids=pd.Series(kept, index=victims.index, dtype=object))
    traces = whole.traces[whole.traces["complaint_id"].isin(complaints)]
    ring = dict(whole.ring)
    if ring:
        ring["why"] = [link | {"evidence": [name for name in link["evidence"] if name in listed]}
                       for link in ring["why"] if link["other"] in inside]  # fmt: skip
    return replace(
        whole,
        account=_declared(whole.account, schema.ACCOUNTS, _SHARED["account"] if is_exchange else None),
        holder=_declared(whole.holder, schema.HOLDERS, _SHARED["holder"] if is_exchange else None),
        reasons=[_of(reason, "key_transfers", listed) for reason in whole.reasons],
        is_period_whole=False,
        transfers=rows,
        victims=victims,
        n_victims=len(victims),
        traces=traces,
        n_complaints=len(traces),
        hold=int(traces["hold"].sum()),
        by_method=whole.by_method[whole.by_method["complaint_id"].isin(complaints)],
        recoverable=whole.recoverable.iloc[:0],
        ring=ring,
        actions=[action for action in whole.actions if action["code"] not in ("HOLD", "RECALL")],
        holds=None
        if whole.holds is None
        else [_of_hold(hold, listed, is_exchange=is_exchange) for hold in whole.holds],
    )  # fmt: skip


_OWN_COLUMNS: Final = frozenset(
    ("transfer_id", "time", "is_credit", "other", "other_bank", "amount", "channel", "balance", "relation", "codes",
     "traced_low", "traced_high", "terminal_id")
)  # fmt: skip


def _declared(record: Mapping[str, Any], table: schema.Table, names: Sequence[str] | None) -> dict[str, Any]:
    allowed = table.names if names is None else names
    return {name: value for name, value in record.items() if name in allowed}


def _of_hold(hold: Mapping[str, Any], listed: set[str], *, is_exchange: bool) -> dict[str, Any]:
    signs = [sign for sign in hold["evidence"] if not (is_exchange and sign["code"] in OF_AGE)]
    return dict(hold) | {"evidence": [_of(sign, "transfers", listed) for sign in signs]}


def _of(found: Mapping[str, Any], name: str, listed: set[str]) -> dict[str, Any]:
    """Return a reason or sign that shows transfers of the case alone."""
    return dict(found) | {name: [transfer for transfer in found[name] if transfer in listed]}
