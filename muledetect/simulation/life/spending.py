"""Shopping by QR code and card."""

from __future__ import annotations

import numpy as np

from muledetect.simulation.life.crowd import everybody, outsiders, purse
from muledetect.simulation.rhythm import SHOPPING, Span
from muledetect.simulation.streams import Float64, Int64
from muledetect.simulation.town import Act, Town, baht


def shopping(town: Town, _rng: np.random.Generator) -> Act:
    """Our people's trips to shops and stalls: mostly favourites, one or several payments a trip, now and then large.

    Amounts are log-normal. The mean of PromptPay transfers under 5,000 baht was 510 baht in December 2023 [1]_, with
    people's transfers in it; a purchase by QR is smaller: median 85 baht, one in 25 large (choice).

    References
    ----------
    .. [1] Bank of Thailand, Payment Insight, in: Bangkok Post, "PromptPay usage hits record high in 2023",
       bangkokpost.com/business/general/2775166
    """
    crowd = everybody(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        trips, day = crowd.moody_acts(span, rng, 0.16, span.rhythm.shopping)
        moment = span.moments(rng, day, SHOPPING)
        # A trip has 1.4 payments, some minutes apart: what makes people's payments come in bursts.
        count = np.minimum(rng.geometric(0.7, len(trips)), 6)
        row = np.repeat(np.arange(len(trips)), count)
        number = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        gap = (number * rng.uniform(60, 1_800, len(row)) * 1e6).astype(np.int64)
        who = trips[row]
        _buy(town, rng, who, shops_of(town, rng, who), moment[row] + gap, purse(town, who))

    return plan


def outside_customers(town: Town, _rng: np.random.Generator) -> Act:
    """People of other banks in our shops and at our stalls; there is more of them than the world holds (choice)."""
    crowd = outsiders(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        who, day = crowd.acts(span, rng, 0.5, span.rhythm.shopping)
        shop = town.favourites.draw(rng, who)
        ours = np.flatnonzero(town.people.is_own[shop])
        _buy(town, rng, who[ours], shop[ours], span.moments(rng, day[ours], SHOPPING), np.ones(len(ours)))

    return plan


def shops_of(town: Town, rng: np.random.Generator, who: Int64) -> Int64:
    """Return a shop for each one, three times out of four a favourite."""
    shop = town.favourites.draw(rng, who)
    other = np.flatnonzero(rng.random(len(who)) < 0.25)
    shop[other] = town.partner(rng, len(other), "shop", "stall", "goods")
    return shop


def _buy(town: Town, rng: np.random.Generator, who: Int64, shop: Int64, moment: Int64, purses: Float64) -> None:
    amount = baht(rng, len(who), 85 * purses, 0.95)
    large = np.flatnonzero(rng.random(len(who)) < 0.04)
    amount[large] = baht(rng, len(large), 1_800, 1.1)
    by_card = rng.random(len(who)) < 0.13
    for channel, part in (("card", np.flatnonzero(by_card)), ("qr_merchant", np.flatnonzero(~by_card))):
        town.pay(rng, channel, time=moment[part], source=who[part], target=shop[part], amount=amount[part])
