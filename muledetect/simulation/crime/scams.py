"""Everything that the rings do, planned at once: tests, victims, layering, conversion."""

from __future__ import annotations

from muledetect.simulation.crime.exits import Exits
from muledetect.simulation.crime.laundering import Launderer, micro_tests
from muledetect.simulation.crime.rings import Crime
from muledetect.simulation.crime.steps import record
from muledetect.simulation.crime.victims import Bait, Case, deceive
from muledetect.simulation.streams import stream
from muledetect.simulation.town import Town


def commit_scams(town: Town, crime: Crime) -> tuple[Case, ...]:
    """Plan everything that the rings do; returns the cases. O(illicit transfers).

    Each ring draws from a stream of its own: rings do not disturb each other.
    """
    cases: list[Case] = []
    if not crime.rings:
        return ()
    bait, exits = Bait(town), Exits(town, crime.n_offices)
    for ring in crime.rings:
        rng = stream(town.config.seed, "ring", ring.number)
        tests = micro_tests(town, exits, rng, ring)
        payments, victims = deceive(town, rng, ring, bait, len(cases))
        steps = Launderer(town, exits, ring, rng).launder(payments)
        record(town.plan, rng, ring.number, tests + steps)
        cases += victims
    return tuple(cases)
