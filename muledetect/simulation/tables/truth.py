"""The full truth, in tables of its own that no feature reads."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from muledetect.simulation.bank.labels import Activity
from muledetect.simulation.crime import SCAM_TYPES, Case, Crime
from muledetect.simulation.people import NEVER, PERSONAS, People
from muledetect.simulation.plan import KINDS, NORMAL, SPEND, VICTIM, Columns
from muledetect.simulation.streams import Bool, Int64
from muledetect.simulation.tables.names import Names, case_names, contract_table, ring_names, take, words
from muledetect.simulation.tables.text import digit_text, times
from muledetect.simulation.truth import PLACES, Flows, Holdings

#: How a mule came to be one, by `People.mule_kind`.
_RECRUITED: Final = ("", "new", "dormant", "old", "stolen", "company", "unwitting")


def truth_tables(
    people: People, names: Names, crime: Crime, cases: tuple[Case, ...], activity: Activity, rows: Columns,
    flows: Flows, holdings: Holdings, complained: Int64, shown: Int64,
) -> dict[str, pa.Table]:  # fmt: skip
    """Return every `truth_` table. `rows` are those that `flows.row` points to, `complained` the cases heard of."""
    return {
        "truth_rings": _rings(names, crime, activity),
        "truth_transfers": _transfers(names, rows, flows),
        "truth_money": _money(names, holdings),
        "truth_cases": _cases(names, cases, rows, complained),
        "truth_accounts": _accounts(people, names, activity, rows, shown),
    }


def _rings(names: Names, crime: Crime, activity: Activity) -> pa.Table:
    """Seats of accounts through which illicit money went; an account has one row a ring, its first seat."""
    seats = [
        (ring, seat)
        for ring in crime.rings
        for seat in {seat.account: seat for seat in reversed(ring.seats)}.values()
        if activity.is_mule[seat.account]
    ]
    seats.sort(key=lambda pair: (pair[0].number, pair[1].tier, pair[1].start, pair[1].account))

    def column(values: list[int]) -> Int64:
        return np.array(values, np.int64)

    return contract_table(
        "truth_rings",
        {
            "ring_id": ring_names(column([ring.number for ring, _ in seats])),
            "account_id": take(names.account, column([seat.account for _, seat in seats])),
            "role": pa.array([seat.role for _, seat in seats], pa.string()),
            "layer": column([seat.tier + 1 for _, seat in seats]),
            "centre_id": take(names.centre, column([ring.centre for ring, _ in seats])),
            "shape": pa.array([ring.shape for ring, _ in seats], pa.string()),
            "office_id": digit_text(column([ring.office for ring, _ in seats]) + 1, 4, "OF"),
            "seat_start": times(column([seat.start for _, seat in seats])),
            "seat_end": times(column([seat.end for _, seat in seats])),
            "is_unwitting": pa.array([seat.is_unwitting for _, seat in seats], pa.bool_()),
        },
    )


def _transfers(names: Names, rows: Columns, flows: Flows) -> pa.Table:
    """One row a visible transfer and case; tests, and what the account paid of its own, have no case."""
    carries = np.zeros(len(rows["time"]), bool)
    carries[flows.row] = True
    bare = np.flatnonzero(~carries & (rows["kind"] != NORMAL))
    row = np.concatenate([flows.row, bare])
    case = np.concatenate([flows.case, np.full(len(bare), -1)])
    amount = np.concatenate([flows.amount, np.zeros(len(bare), np.int64)])
    order = np.lexsort((case, row))
    order = order[rows["number"][row[order]] >= 0]
    row, case, amount = row[order], case[order], amount[order]
    # Illicit money that normal life spent is spent.
    kind = np.where(rows["kind"][row] == NORMAL, SPEND, rows["kind"][row])
    return contract_table(
        "truth_transfers",
        {
            "transfer_id": names.transfer(rows["number"][row]),
            "kind": words(KINDS, kind),
            "ring_id": ring_names(rows["ring"][row].astype(np.int64)),
            "case_id": case_names(case),
            "amount": pa.array(amount, mask=case < 0),
        },
    )


def _money(names: Names, holdings: Holdings) -> pa.Table:
    return contract_table(
        "truth_money",
        {
            "case_id": case_names(holdings.case),
            "account_id": take(names.account, holdings.account),
            "place": words(PLACES, holdings.place),
            "time": times(holdings.time),
            "amount": holdings.amount,
        },
    )


def _cases(names: Names, cases: tuple[Case, ...], rows: Columns, complained: Int64) -> pa.Table:
    """Cases in which money was paid, in order of their number."""
    number = np.array([case.number for case in cases], np.int64)
    at = np.argsort(number, kind="stable")
    cases = tuple(cases[place] for place in at)
    paid = np.zeros(len(cases), np.int64)
    payments = rows["kind"] == VICTIM
    np.add.at(paid, np.searchsorted(number[at], rows["case"][payments]), rows["amount"][payments])
    cases = tuple(case for case, amount in zip(cases, paid, strict=True) if amount)
    number = np.array([case.number for case in cases], np.int64)

    def column(name: str) -> Int64:
        return np.array([getattr(case, name) for case in cases], np.int64)

    return contract_table(
        "truth_cases",
        {
            "case_id": case_names(number),
            "victim_account": take(names.account, column("victim")),
            "ring_id": ring_names(column("ring")),
            "centre_id": take(names.centre, column("centre")),
            "scam_type": words(SCAM_TYPES, column("scam_type")),
            "first_call": times(column("first_call")),
            "first_payment": times(column("first_payment")),
            "last_payment": times(column("last_payment")),
            "amount": paid[paid > 0],
            "complained": np.isin(number, complained),
        },
    )


def _accounts(people: People, names: Names, activity: Activity, rows: Columns, shown: Int64) -> pa.Table:
    """What every account shown really is."""
    victim: Bool = np.zeros(len(people.persona), bool)
    victim[rows["source"][rows["kind"] == VICTIM]] = True
    mule = activity.is_mule[shown]
    first = activity.first[shown]
    return contract_table(
        "truth_accounts",
        {
            "account_id": take(names.account, shown),
            "persona": words(list(PERSONAS), people.persona[shown]),
            "is_victim": victim[shown],
            "is_mule": mule,
            "recruited_as": words(_RECRUITED, people.mule_kind[shown], ~mule),
            "first_illicit": times(np.where(first == NEVER, 0, first), ~mule),
            "last_illicit": times(activity.last[shown], ~mule),
        },
    )
