"""Loans: the sum comes at once and is often gone within the day; instalments follow every month."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.simulation.life.crowd import monthly
from muledetect.simulation.life.passing import goes_on
from muledetect.simulation.people import CODE
from muledetect.simulation.rhythm import EVENING, OFFICE, Span
from muledetect.simulation.streams import chance, pick_from
from muledetect.simulation.town import Act, Town, baht

_LOAN_WAYS: Final = {"known": 0.2, "goods": 0.25, "biller": 0.15, "elsewhere": 0.15, "company": 0.12, "stranger": 0.08,
                     "cash": 0.05}  # fmt: skip
#: Instalments of a tenth of the sum (choice).
_MONTHS: Final = 11


def loans(town: Town, rng: np.random.Generator) -> Act:
    """One account in ten repays an old loan; new ones come to one in fifty a month, and half are drained in a day."""
    people = town.people
    who = np.flatnonzero(people.is_private & people.is_own & (people.persona != CODE["dormant"]))
    start = np.where(rng.random(len(who)) < 0.1, -1, (rng.random(len(who)) / 0.02 * 30).astype(np.int64))
    borrows = start < town.rhythm.n_days
    who, start = who[borrows], start[borrows]
    n = len(who)
    firms = people.of("company")
    lenders = firms[chance(firms, 91, town.config.seed) < 0.05]
    lenders = lenders if len(lenders) else firms[:1]
    lender = lenders[pick_from(rng, np.cumsum(people.popularity[lenders]), n)]
    amount = np.minimum(baht(rng, n, 12_000, 0.9), (5 * people.income[who]).astype(np.int64)) // 100_000 * 100_000
    amount = np.maximum(amount, 200_000)
    calendar = monthly(rng.integers(1, 29, n))
    order = np.argsort(start, kind="stable")
    by_start = start[order]

    def plan(span: Span, rng: np.random.Generator) -> None:
        first, last = np.searchsorted(by_start, [span.first, span.last])
        new = order[first:last]
        moment = span.moments(rng, start[new], OFFICE)
        spends = np.flatnonzero(rng.random(len(new)) < 0.75)
        pots = np.full(len(new), -1, np.int64)
        pots[spends] = town.plan.new_pots(len(spends))
        town.pay(
            rng,
            "p2p_account",
            time=moment,
            source=lender[new],
            target=who[new],
            amount=amount[new],
            grain=1,
            pot_in=pots,
        )
        goes_on(
            town, rng, pots=pots[spends], source=who[new[spends]], moment=moment[spends], median_s=6 * 3600,
            spread=2.0, ways=_LOAN_WAYS, keep=rng.uniform(0, 0.3, len(spends)),
        )  # fmt: skip
        row, day = calendar.due(span)
        owes = (start[row] < day - 15) & (day < start[row] + _MONTHS * 31)
        row, day = row[owes], day[owes]
        town.pay(
            rng,
            "bill",
            time=span.moments(rng, day, EVENING),
            source=who[row],
            target=lender[row],
            amount=amount[row] // 10 + 100 * (row % 90),
            grain=1,
        )

    return plan
