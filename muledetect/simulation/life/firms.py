"""Firms: invoices, suppliers, and groups whose treasury empties its subsidiaries every night."""

from __future__ import annotations

import numpy as np

from muledetect.clock import DAY, HOUR
from muledetect.simulation.days import OFFICE
from muledetect.simulation.economy import Act, Actors, Economy
from muledetect.simulation.life.pay import find_jobs, is_subsidiary
from muledetect.simulation.plan import OF_BALANCE


def invoices(economy: Economy) -> Act:
    """What keeps our employers solvent: other firms pay them, in all about twice their payroll, log-normally."""
    people = economy.people
    jobs = find_jobs(economy)
    firms = people.of("company", "platform", own=True)
    payroll = np.bincount(jobs.boss, jobs.wage, minlength=len(people.persona))
    rate = np.clip(0.15 + 0.05 * np.sqrt(payroll[firms] / 2_000_000), 0.15, 8.0)
    # A log-normal of spread 0.8 has a mean of 1.38 times its median; a month has some 22 working days.
    usual = (60_000 + 2.2 * payroll / 100) / 22 / 1.38
    median = np.zeros(len(payroll))
    median[firms] = usual[firms] / rate
    actors = Actors.of(firms, rate)

    def plan(week: Economy) -> None:
        firm, day = actors.acts(week, 1.0, week.calendar.working)
        when = week.moments(day, OFFICE)
        payer = week.business(len(firm), "company")
        week.pay("p2p_account", when, payer, firm, amount=week.amounts(len(firm), median[firm], 0.8))

    return plan


def purchasing(economy: Economy) -> Act:
    """Our companies pay suppliers and service firms some percent of what they hold; shops elsewhere pay ours."""
    people = economy.people
    firms = people.of("company", "platform", "temple", own=True)
    actors = Actors.of(firms, np.full(len(firms), 0.3 * economy.config.activity))

    def plan(week: Economy) -> None:
        firm, day = actors.acts(week, 1.0, week.calendar.working)
        when = week.moments(day, OFFICE)
        payee = week.business(len(firm), "company", "goods", "shop")
        week.pay("p2p_account", when, firm, payee, mode=OF_BALANCE, share=week.rng.beta(1.0, 15.0, len(firm)))

    return plan


def treasuries(economy: Economy) -> Act:
    """Subsidiaries are swept to zero every night by their parent, which gives back in the morning what they need."""
    people = economy.people
    firms = people.of("company")
    is_child = is_subsidiary(economy, firms)
    child, parents = firms[is_child], firms[~is_child]
    parent = parents[economy.rng.integers(0, len(parents), len(child))]
    seen = economy.is_visible(child, parent)
    # A sweep of a firm elsewhere would take its whole unseen wealth.
    seen &= people.is_own[child]
    child, parent = child[seen], parent[seen]

    def plan(week: Economy) -> None:
        length = week.span.last - week.span.first
        row = np.repeat(np.arange(len(child)), length)
        day = np.tile(np.arange(week.span.first, week.span.last), len(child))
        night = week.calendar.start + day * DAY + 22 * HOUR + week.rng.integers(0, HOUR, len(row))
        pots = week.plan.new_pots(len(row))
        week.pay("p2p_account", night, child[row], parent[row], mode=OF_BALANCE, rounding=1, pot_in=pots)
        share = week.rng.uniform(0.5, 1.0, len(row))
        week.pay("p2p_account", night + 9 * HOUR, parent[row], child[row], pot_out=pots, share=share)

    return plan
