"""The full truth, in tables of its own that no feature reads."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from muledetect import schema
from muledetect.arrays import NEVER, BoolArray, Int64Array, sum_at
from muledetect.simulation.bank.findings import Activity
from muledetect.simulation.crime.rings import Crime
from muledetect.simulation.crime.victims import SCAM_TYPES, Case
from muledetect.simulation.economy import Economy
from muledetect.simulation.money_truth import PLACES
from muledetect.simulation.people import PERSONAS
from muledetect.simulation.plan import KINDS, NORMAL, SPEND, VICTIM, Columns, column
from muledetect.simulation.tables.ids import Ids, case_ids, categories, digit_text, ring_ids, take, times

#: How a mule came to be one, by `People.mule_kind`.
_RECRUITED: Final = ("", "new", "dormant", "old", "stolen", "company", "unwitting")


def truth_tables(
    economy: Economy, ids: Ids, crime: Crime, cases: tuple[Case, ...], activity: Activity, rows: Columns,
    flows: Columns, holdings: Columns, complained: Int64Array, shown: Int64Array,
) -> dict[str, pa.Table]:  # fmt: skip
    """Return every `truth_` table; `flows["row"]` points to `rows`, `complained` are the cases that the bank knows."""
    money = schema.INPUTS["truth_money"].filled(
        case_id=case_ids(holdings["case"]),
        account_id=take(ids.account, holdings["account"]),
        place=categories(PLACES, holdings["place"]),
        time=times(holdings["time"]),
        amount=holdings["amount"],
    )
    return {
        "truth_rings": _rings(ids, crime, activity),
        "truth_transfers": _transfers(ids, rows, flows),
        "truth_money": money,
        "truth_cases": _cases(ids, cases, rows, complained),
        "truth_accounts": _accounts(economy, ids, activity, rows, shown),
    }


def _rings(ids: Ids, crime: Crime, activity: Activity) -> pa.Table:
    """Members through which illicit money went; an account has one row a ring, its first membership."""
    rows = [
        (ring, member)
        for ring in crime.rings
        for member in {member.account: member for member in reversed(ring.memberships)}.values()
        if activity.is_mule[member.account]
    ]
    rows.sort(key=lambda pair: (pair[0].number, pair[1].layer, pair[1].start, pair[1].account))

    rings, members = [ring for ring, _ in rows], [member for _, member in rows]
    return schema.INPUTS["truth_rings"].filled(
        ring_id=ring_ids(column(rings, "number")),
        account_id=take(ids.account, column(members, "account")),
        role=pa.array([member.role for member in members], pa.string()),
        layer=column(members, "layer") + 1,
        centre_id=take(ids.centre, column(rings, "centre")),
        shape=pa.array([ring.shape for ring in rings], pa.string()),
        office_id=digit_text(column(rings, "office") + 1, 4, "OF"),
        used_from=times(column(members, "start")),
        used_until=times(column(members, "end")),
        is_unwitting=column(members, "is_unwitting").astype(bool),
    )


def _transfers(ids: Ids, rows: Columns, flows: Columns) -> pa.Table:
    """One row a visible transfer and case; tests, and what the account paid of its own, have no case."""
    carries = np.zeros(len(rows["time"]), bool)
    carries[flows["row"]] = True
    bare = np.flatnonzero(~carries & (rows["kind"] != NORMAL))
    row = np.concatenate([flows["row"], bare])
    case = np.concatenate([flows["case"], np.full(len(bare), -1)])
    amount = np.concatenate([flows["amount"], np.zeros(len(bare), np.int64)])
    order = np.lexsort((case, row))
    order = order[rows["number"][row[order]] >= 0]
    row, case, amount = row[order], case[order], amount[order]
    # Illicit money that normal life spent is spent.
    kind = np.where(rows["kind"][row] == NORMAL, SPEND, rows["kind"][row])
    return schema.INPUTS["truth_transfers"].filled(
        transfer_id=ids.transfer(rows["number"][row]),
        kind=categories(KINDS, kind),
        ring_id=ring_ids(rows["ring"][row].astype(np.int64)),
        case_id=case_ids(case),
        amount=pa.array(amount, mask=case < 0),
    )


def _cases(ids: Ids, cases: tuple[Case, ...], rows: Columns, complained: Int64Array) -> pa.Table:
    """Cases in which money was paid, in order of their number (which is their position)."""
    payments = rows["kind"] == VICTIM
    paid = sum_at(rows["amount"][payments], rows["case"][payments], len(cases))
    number = np.flatnonzero(paid)
    made = [cases[case] for case in number]
    return schema.INPUTS["truth_cases"].filled(
        case_id=case_ids(number),
        victim_account=take(ids.account, column(made, "victim")),
        ring_id=ring_ids(column(made, "ring")),
        centre_id=take(ids.centre, column(made, "centre")),
        scam_type=categories(SCAM_TYPES, column(made, "scam_type")),
        first_call=times(column(made, "first_call")),
        first_payment=times(column(made, "first_payment")),
        last_payment=times(column(made, "last_payment")),
        amount=paid[number],
        complained=np.isin(number, complained),
    )


def _accounts(economy: Economy, ids: Ids, activity: Activity, rows: Columns, shown: Int64Array) -> pa.Table:
    """What every account shown really is."""
    people = economy.people
    victim: BoolArray = np.zeros(len(people.persona), bool)
    victim[rows["source"][rows["kind"] == VICTIM]] = True
    mule, first = activity.is_mule[shown], activity.first[shown]
    return schema.INPUTS["truth_accounts"].filled(
        account_id=take(ids.account, shown),
        persona=categories(PERSONAS, people.persona[shown]),
        is_victim=victim[shown],
        is_mule=mule,
        recruited_as=categories(_RECRUITED, people.mule_kind[shown], ~mule),
        first_illicit=times(np.where(first == NEVER, 0, first), ~mule),
        last_illicit=times(activity.last[shown], ~mule),
    )
