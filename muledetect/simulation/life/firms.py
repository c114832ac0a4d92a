"""Firms: invoices, suppliers, and groups whose treasury empties its subsidiaries every night."""

from __future__ import annotations

import numpy as np

from muledetect.clock import DAY, HOUR
from muledetect.simulation.life.crowd import crowd_of, is_seen
from muledetect.simulation.life.jobs import find_jobs, is_subsidiary
from muledetect.simulation.plan import OF_BALANCE, OF_POT
from muledetect.simulation.rhythm import OFFICE, Span
from muledetect.simulation.town import Act, Town, baht


def invoices(town: Town, _rng: np.random.Generator) -> Act:
    """What keeps our employers solvent: other firms pay them, in all about twice their payroll, log-normally."""
    people = town.people
    jobs = find_jobs(town)
    firms = people.of("company", "platform", own=True)
    payroll = np.bincount(jobs.boss, jobs.wage, minlength=len(people.persona))
    rate = np.clip(0.15 + 0.05 * np.sqrt(payroll[firms] / 2_000_000), 0.15, 8.0)
    # A log-normal of spread 0.8 has a mean of 1.38 times its median; a month has some 22 working days.
    usual = (60_000 + 2.2 * payroll / 100) / 22 / 1.38
    median = np.zeros(len(payroll))
    median[firms] = usual[firms] / rate
    crowd = crowd_of(firms, rate)

    def plan(span: Span, rng: np.random.Generator) -> None:
        firm, day = crowd.acts(span, rng, 1.0, span.rhythm.working)
        town.pay(
            rng,
            "p2p_account",
            time=span.moments(rng, day, OFFICE),
            source=town.partner(rng, len(firm), "company"),
            target=firm,
            amount=baht(rng, len(firm), median[firm], 0.8),
        )

    return plan


def purchasing(town: Town, _rng: np.random.Generator) -> Act:
    """Our companies pay suppliers and service firms some percent of what they hold; shops elsewhere pay ours."""
    people = town.people
    firms = people.of("company", "platform", "temple", own=True)
    crowd = crowd_of(firms, np.full(len(firms), 0.3 * town.config.activity))

    def plan(span: Span, rng: np.random.Generator) -> None:
        firm, day = crowd.acts(span, rng, 1.0, span.rhythm.working)
        town.pay(
            rng,
            "p2p_account",
            time=span.moments(rng, day, OFFICE),
            source=firm,
            target=town.partner(rng, len(firm), "company", "goods", "shop"),
            mode=OF_BALANCE,
            share=rng.beta(1.0, 15.0, len(firm)),
        )

    return plan


def treasuries(town: Town, rng: np.random.Generator) -> Act:
    """Subsidiaries are swept to zero every night by their parent, which gives back in the morning what they need."""
    people = town.people
    firms = people.of("company")
    is_child = is_subsidiary(town, firms)
    child, parents = firms[is_child], firms[~is_child]
    parent = parents[rng.integers(0, len(parents), len(child))]
    seen = is_seen(town, child, parent)
    # A sweep of a firm elsewhere would take its whole unseen wealth.
    seen &= people.is_own[child]
    child, parent = child[seen], parent[seen]

    def plan(span: Span, rng: np.random.Generator) -> None:
        length = span.last - span.first
        row = np.repeat(np.arange(len(child)), length)
        day = np.tile(np.arange(span.first, span.last), len(child))
        night = span.rhythm.start + day * DAY + 22 * HOUR + rng.integers(0, HOUR, len(row))
        pots = town.plan.new_pots(len(row))
        town.pay(
            rng, "p2p_account", time=night, source=child[row], target=parent[row], mode=OF_BALANCE, grain=1,
            pot_in=pots,
        )  # fmt: skip
        town.pay(
            rng, "p2p_account", time=night + 9 * HOUR, source=parent[row], target=child[row], mode=OF_POT,
            pot_out=pots, share=rng.uniform(0.5, 1.0, len(row)),
        )  # fmt: skip

    return plan
