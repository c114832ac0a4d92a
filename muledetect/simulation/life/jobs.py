"""Who works for whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from muledetect.simulation.life.crowd import is_seen
from muledetect.simulation.people import CODE
from muledetect.simulation.streams import Bool, Int32, Int64, chance, pick, stream
from muledetect.simulation.town import Town


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs in which the worker or the employer is ours: int32[jobs] each; `wage` a month in satang, int64."""

    worker: Int32
    boss: Int32
    wage: Int64


def is_subsidiary(town: Town, firms: Int64) -> Bool:
    """Return which companies belong to a group with one treasury: a quarter (choice), always the same."""
    is_company = town.people.persona[firms] == CODE["company"]
    return np.asarray(is_company & (chance(firms, 95, town.config.seed) < 0.25))


def find_jobs(town: Town) -> Jobs:
    """Give every salaried person an employer; the same at every call. O(accounts)."""
    people = town.people
    rng = stream(town.config.seed, "jobs")
    workers = people.of("salaried")
    employers = people.of("company", "platform", "government")
    # What a subsidiary holds is swept away at night: its parent pays the wages.
    employers = employers[~is_subsidiary(town, employers)]
    weight = people.income[employers] ** 0.8
    # A tenth of all jobs are the state's (choice).
    state = people.persona[employers] == CODE["government"]
    weight[state] = 0.11 * weight[~state].sum() / state.sum()
    boss = employers[pick(rng, weight, len(workers))]
    seen = is_seen(town, workers, boss)
    wage = np.maximum(people.income[workers], 100_000).astype(np.int64)
    return Jobs(workers[seen].astype(np.int32), boss[seen].astype(np.int32), wage[seen])
