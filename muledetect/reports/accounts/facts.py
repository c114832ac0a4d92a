"""Facts of account case files: records read again for each alert, nothing drawn yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect import schema
from muledetect.arrays import Int64Array
from muledetect.frames import frame_of
from muledetect.graph import TransferGraph
from muledetect.model.sentences import write_reason
from muledetect.reports.accounts.advice import find_coercion, find_exculpatory, suggest_actions
from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.accounts.holds import holds_of
from muledetect.reports.accounts.moved import Moved, follow_money
from muledetect.reports.material import Material
from muledetect.reports.pages import LANGUAGES, is_known

#: Transfers of one account that its case file lists at most, beside key transfers and those of its suspicious period.
MOST_TRANSFERS: Final = 200
#: Of the suspicious period so many are listed, the latest.
MOST_OF_PERIOD: Final = 300
#: Of those that carried complaint money so many, the ones with most of it.
MOST_CARRIED: Final = 200
#: Likely victims that a case file lists.
MOST_VICTIMS: Final = 100
#: Complaints that a case file lists, those with most money at the account.
MOST_COMPLAINTS: Final = 100
#: Links to other members that say why an account is in its ring.
_MOST_WHY: Final = 8
_WHY: Final = ("kind", "weight", "evidence")

#: What a kind of account is called as the other side of a transfer; a person's account, or an unknown one, is nothing.
_KINDS: Final = np.array(["" if kind in ("individual", "joint") else kind for kind in (*schema.ACCOUNT_KINDS, "")])

#: Columns of the listed transfers that are ours; others are the data set's own.
TRANSFERS: Final = (
    "transfer_id", "time", "is_credit", "other", "other_bank", "amount", "channel", "balance", "relation", "codes",
    "traced_low", "traced_high", "terminal_id",
)  # fmt: skip
_SCORE: Final = ("score", "probability", "rank", "tier")
VICTIMS: Final = (
    "account_id", "kind", "complaint_ids", "n_transfers", "amount", "first_time", "last_time", "scam_type",
)  # fmt: skip


def account_cases(material: Material, ring_files: Mapping[str, str]) -> Iterator[AccountCase]:
    """Yield the case of each listed alert, in order of rank; `ring_files` gives the page of each ring by its id."""
    codes = material.graph.codes(pa.array(material.account_ids, pa.string())).astype(np.int64)
    key_transfers = _key_transfers(material)
    moved = follow_money(material)
    periods = _periods(material)
    positions = [
        _chosen(material, code, key_transfers.get(name, {}), periods.get(name), moved)
        for name, code in zip(material.account_ids, codes, strict=True)
    ]
    every = np.unique(np.concatenate([np.zeros(0, np.int64), *(chosen for chosen, _, _ in positions)]))
    frame = frame_of(material.snapshot.tables["transfers"].take(pa.array(every))).set_axis(every)
    frame["source_code"] = material.graph.source[every].astype(np.int64)
    accounts = _records(material, "accounts", "account_id", material.account_ids)
    for record in accounts.values():
        if "balance_at" not in record:  # nobody knows of which moment such a balance is
            record.pop("balance", None)
    holders = _records(material, "holders", "holder_id", (row.get("holder_id") for row in accounts.values()))
    rings = _memberships(material, ring_files)
    coercion = find_coercion(material.snapshot, codes)
    held = holds_of(material)
    scores: Sequence[Mapping[Any, Any]] = material.scores.to_dict("records")
    for row, code, (chosen, n_all, is_whole) in zip(scores, codes, positions, strict=True):
        name = row["account_id"]
        account, ring = accounts.get(name, {}), rings.get(name, {})
        victims = _victims(material, int(code))
        traces, by_method = moved.by_complaint(name), moved.by_method(name)
        listed = traces.head(MOST_COMPLAINTS)
        case = AccountCase(
            account_id=name,
            as_of=material.as_of,
            currency=material.currency,
            minor_units=material.minor_units,
            score={name: row[name] for name in _SCORE} | {"n_ranked": material.n_ranked},
            model=material.model,
            missing=material.missing,
            account=account,
            holder=holders.get(account.get("holder_id"), {}),
            reasons=_reasons(material, row["reasons"] or [], key_transfers.get(name, {})),
            period=periods.get(name),
            is_period_whole=is_whole,
            transfers=_own(material, frame, chosen, int(code), key_transfers.get(name, {}), victims, ring, moved),
            n_transfers=n_all,
            victims=victims.head(MOST_VICTIMS),
            n_victims=len(victims),
            traces=listed,
            n_complaints=len(traces),
            hold=int(traces["hold"].sum()),
            by_method=by_method[by_method["complaint_id"].isin(set(listed["complaint_id"]))],
            recoverable=moved.recoverable(traces["complaint_id"]),
            ring={key: value for key, value in ring.items() if key != "members"},
            exculpatory=(),
            actions=(),
            coercion=coercion.get(name, ()),
            holds=None if held is None else held.get(name, ()),
            party=material.parties.get(name, {}),
        )
        case = replace(case, exculpatory=find_exculpatory(material, case, int(code)))
        yield replace(case, actions=suggest_actions(case))


def _key_transfers(material: Material) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for row in material.explanation.key_transfers.select(["account_id", "code", "transfer_id"]).to_pylist():
        found.setdefault(row["account_id"], {}).setdefault(row["code"], []).append(row["transfer_id"])
    return found


def _periods(material: Material) -> dict[str, tuple[int, int]]:
    table = material.explanation.suspicious_periods
    start, end = (table[name].cast(pa.int64()).to_pylist() for name in ("start", "end"))
    return dict(zip(table["account_id"].to_pylist(), zip(start, end, strict=True), strict=True))


def _reasons(
    material: Material, reasons: Iterable[dict[str, Any]], key_transfers: Mapping[str, list[str]]
) -> list[dict[str, Any]]:
    """Return the reasons of an alert, with their sentences in both languages and the transfers that show them."""
    currency = material.snapshot.currency
    return [
        reason
        | {
            "text": {language: write_reason(reason, language, currency) for language in LANGUAGES},
            "key_transfers": key_transfers.get(reason["code"], []) if reason["contribution"] > 0 else [],
        }
        for reason in reasons
    ]


def _records(material: Material, name: str, key: str, wanted: Iterable[str | None]) -> dict[str | None, dict[str, Any]]:
    """Return the rows of a table by key; times as int, unknown values left out."""
    table = material.snapshot.tables.get(name)
    if table is None or key not in table.column_names:
        return {}
    keys = pa.array(sorted(set(filter(None, wanted))), pa.string())
    rows = frame_of(table.filter(pc.is_in(table[key].cast(pa.string()), keys))).to_dict("records")
    return {row[key]: {str(name): value for name, value in row.items() if is_known(value)} for row in rows}


def _chosen(
    material: Material, code: int, key_transfers: Mapping[str, list[str]], period: tuple[int, int] | None, moved: Moved
) -> tuple[Int64Array, int, bool]:
    """Return the positions of the listed transfers, how many there are, and whether the whole period is listed."""
    every = np.unique(material.snapshot.transfers_of(np.array([code], np.int32))[1])
    shown = moved.places(transfer for transfers in key_transfers.values() for transfer in transfers)
    carried = moved.most_carried(every, MOST_CARRIED)
    time = material.graph.time[every]
    first, last = period or (0, -1)
    inside = every[(time >= first) & (time <= last)]
    chosen = np.unique(np.concatenate([every[-MOST_TRANSFERS:], inside[-MOST_OF_PERIOD:], shown, carried]))
    is_whole = period is not None and bool(np.isin(inside, chosen, assume_unique=True).all())
    return chosen, len(every), is_whole


def _own(
    material: Material, frame: pd.DataFrame, chosen: Int64Array, code: int, key_transfers: Mapping[str, list[str]],
    victims: pd.DataFrame, ring: Mapping[str, Any], moved: Moved,
) -> pd.DataFrame:  # fmt: skip
    rows = frame.loc[chosen]
    is_credit = (rows["source_code"] != code).to_numpy()
    of: dict[str, list[str]] = {}
    for reason, transfers in key_transfers.items():
        for transfer in transfers:
            of.setdefault(transfer, []).append(reason)
    found = pd.DataFrame(
        {
            "transfer_id": rows["transfer_id"],
            "time": rows["time"],
            "is_credit": is_credit,
            "other": np.where(is_credit, rows["source"], rows["target"]),
            "other_bank": _side(rows, is_credit, "source_bank", "target_bank"),
            "amount": rows["amount"],
            "channel": rows.get("channel"),
            "terminal_id": rows.get("terminal_id"),
            "balance": _side(rows, is_credit, "target_balance_after", "source_balance_after"),
        }
    )
    known = dict(zip(victims["account_id"], victims["kind"], strict=True))
    members = ring.get("members", frozenset())
    kinds = _KINDS[material.snapshot.accounts.kind[material.graph.codes(pa.array(found["other"], pa.string()))]]
    found["relation"] = [
        _relation(other, known, members, kind) for other, kind in zip(found["other"], kinds.tolist(), strict=True)
    ]
    found["codes"] = [of.get(transfer, []) for transfer in found["transfer_id"]]
    found["traced_low"], found["traced_high"] = moved.range_of(chosen, rows["amount"].to_numpy(np.int64))
    contract = {*schema.TRANSFERS.names, "source_code"}
    extra = [name for name in rows.columns if name not in contract]
    return pd.concat([found, rows[extra]], axis=1).reset_index(drop=True)


def _side(rows: pd.DataFrame, is_credit: Any, of_credit: str, of_debit: str) -> Any:
    none = pd.Series(None, index=rows.index, dtype=object)
    return np.where(is_credit, rows.get(of_credit, none), rows.get(of_debit, none))


def _relation(other: str, victims: Mapping[str, str], members: frozenset[str], kind: str) -> str:
    if other in victims:
        return "victim" if victims[other] == "confirmed" else "inferred_victim"
    return "member" if other in members else kind


def _victims(material: Material, code: int) -> pd.DataFrame:
    """Return who seems to have lost money to an account: complainants first, then those inferred, largest first."""
    graph, disputes = material.graph, material.disputes
    mine = disputes[disputes["payee"] == code]
    paid = graph.incoming.transfer[graph.incoming.start[code] : graph.incoming.stop[code]].astype(np.int64)
    payers = graph.source[paid].astype(np.int64)
    confirmed = np.isin(paid, mine["transfer"].to_numpy(np.int64))
    inferred = material.is_victim[payers] & ~np.isin(payers, mine["victim"].to_numpy(np.int64))
    if not (confirmed | inferred).any():
        return pd.DataFrame({name: pd.Series(dtype=object) for name in VICTIMS})
    named = {
        int(at): (complaint, kind)
        for at, complaint, kind in zip(mine["transfer"], mine["complaint_id"], mine["scam_type"], strict=True)
    }
    chosen = np.flatnonzero(confirmed | inferred)
    found: dict[tuple[str, str], list[int]] = {}
    for name, at in zip(graph.account_ids.take(pa.array(payers[chosen])).to_pylist(), chosen.tolist(), strict=True):
        found.setdefault((name, "confirmed" if confirmed[at] else "inferred"), []).append(int(paid[at]))
    rows = [_victim(graph, key, transfers, named) for key, transfers in found.items()]
    ordered = sorted(rows, key=lambda row: (row["kind"], -row["amount"], row["account_id"]))
    return pd.DataFrame(ordered, columns=list(VICTIMS))


def _victim(
    graph: TransferGraph, key: tuple[str, str], transfers: list[int], named: Mapping[int, tuple[str, str | None]]
) -> dict[str, Any]:
    complaints = [named[at] for at in transfers if at in named]
    return {
        "account_id": key[0],
        "kind": key[1],
        "complaint_ids": sorted({complaint for complaint, _ in complaints}),
        "n_transfers": len(transfers),
        "amount": int(graph.amount[transfers].sum()),
        "first_time": int(graph.time[transfers[0]]),
        "last_time": int(graph.time[transfers[-1]]),
        "scam_type": next((kind for _, kind in complaints if kind is not None), None),
    }


def _memberships(material: Material, ring_files: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return what each listed member is to its ring (the one that it belongs to most firmly), and why."""
    tables = material.rings
    listed = set(material.account_ids)
    members = tables.ring_members.to_pylist()
    of_ring: dict[str, set[str]] = {}
    for row in members:
        of_ring.setdefault(row["ring_id"], set()).add(row["account_id"])
    found: dict[str, dict[str, Any]] = {}
    for row in sorted(members, key=lambda row: (-row["membership"], row["ring_id"])):
        if row["account_id"] in listed:
            ring = {name: row[name] for name in ("ring_id", "role", "layer", "membership", "is_seed")}
            fellows = of_ring[row["ring_id"]]
            ring |= {"n_accounts": len(fellows), "members": frozenset(fellows), "why": []}
            found.setdefault(row["account_id"], ring | {"file": ring_files.get(row["ring_id"])})
    for bond in tables.ring_links.to_pylist():  # the strongest come first
        for end, other in (("source", "target"), ("target", "source")):
            ring = found.get(bond[end], {})
            if ring.get("ring_id") == bond["ring_id"] and len(ring["why"]) < _MOST_WHY:
                ring["why"].append({"other": bond[other]} | {name: bond[name] for name in _WHY})
    return found
