"""Peer-to-peer coin traders: strangers' money in, an exchange paid minutes later, or the reverse."""

from __future__ import annotations

import numpy as np

from muledetect.simulation.life.crowd import crowd_of
from muledetect.simulation.plan import OF_POT, UP_TO
from muledetect.simulation.rhythm import EVENING, Span
from muledetect.simulation.town import Act, Town, baht, later


def coin_traders(town: Town, _rng: np.random.Generator) -> Act:
    """A handful of trades a day, each passed on within the hour with a margin of two percent."""
    people = town.people
    who = people.of("trader", own=True)
    crowd = crowd_of(who, np.minimum(1.1 * people.liveliness[who], 8))

    def plan(span: Span, rng: np.random.Generator) -> None:
        trader, day = crowd.acts(span, rng, 1.0, span.rhythm.even)
        n = len(trader)
        moment, pots = span.moments(rng, day, EVENING), town.plan.new_pots(n)
        amount, exchange = baht(rng, n, 5_500, 1.2), town.partner(rng, n, "vasp")
        buys = rng.random(n) < 0.7
        b, s = np.flatnonzero(buys), np.flatnonzero(~buys)
        town.hand_over(
            rng, time=moment[b], source=town.strangers(rng, len(b)), target=trader[b], amount=amount[b], mode=UP_TO,
            pot_in=pots[b],
        )  # fmt: skip
        town.pay(
            rng, "vasp", time=later(rng, moment[b], 2400, 1.9), source=trader[b], target=exchange[b], mode=OF_POT,
            pot_out=pots[b], share=rng.uniform(0.8, 1.0, len(b)), keep=0.02,
        )  # fmt: skip
        town.pay(
            rng, "vasp", time=moment[s], source=exchange[s], target=trader[s], amount=amount[s], pot_in=pots[s]
        )  # fmt: skip
        town.hand_over(
            rng, time=later(rng, moment[s], 2400, 1.9), source=trader[s], target=town.strangers(rng, len(s)),
            mode=OF_POT, pot_out=pots[s], keep=0.02,
        )  # fmt: skip

    return plan
