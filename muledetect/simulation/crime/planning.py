"""Everything that the rings do, planned at once: tests, victims, layering, conversion."""

from __future__ import annotations

from muledetect.simulation.crime.exits import Exits
from muledetect.simulation.crime.laundering import Launderer, micro_tests
from muledetect.simulation.crime.rings import Crime
from muledetect.simulation.crime.steps import record
from muledetect.simulation.crime.victims import Case, VictimPool, plan_victims
from muledetect.simulation.economy import Economy
from muledetect.simulation.streams import stream


def plan_crime(economy: Economy, crime: Crime) -> tuple[Case, ...]:
    """Plan everything that the rings do; returns the cases. O(illicit transfers).

    Each ring draws from a stream of its own: rings do not disturb each other.
    """
    cases: list[Case] = []
    if not crime.rings:
        return ()
    victim_pool, exits = VictimPool(economy), Exits(economy, crime.n_offices)
    for ring in crime.rings:
        turn = economy.turn(stream(economy.config.seed, "ring", ring.number))
        tests = micro_tests(turn, exits, ring)
        payments, victims = plan_victims(turn, ring, victim_pool, len(cases))
        steps = Launderer(turn, exits, ring).launder(payments)
        record(economy.plan, turn.rng, ring.number, tests + steps)
        cases += victims
    return tuple(cases)
