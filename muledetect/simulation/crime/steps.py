"""Planned illicit transfers of one ring, before they are written into the plan."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from muledetect.simulation.plan import CHANNEL, FIXED, NO_CAP, Plan, rounding_steps


@dataclass(slots=True)
class Step:
    """One planned illicit transfer; `pot_in` is set when its batch is known.

    `place` is where in the ring's layout the money arrives, -1 where it leaves the ring.
    """

    time: int
    source: int
    target: int
    channel: str
    kind: int
    case: int
    amount: int = int(NO_CAP)
    share: float = 1.0
    keep: float = 0.0
    mode: int = FIXED
    pot_out: int = -1
    pot_in: int = -1
    terminal: int = -1
    place: int = -1


def by_hand(rng: np.random.Generator) -> str:
    """Return the channel by which somebody pays another person: by phone number or by account number."""
    return "p2p_proxy" if rng.random() < 0.65 else "p2p_account"


def record(plan: Plan, rng: np.random.Generator, ring: int, steps: list[Step]) -> None:
    """Add a ring's steps to the plan, rounded as each channel's honest users round."""
    if not steps:
        return
    rounding = np.ones(len(steps), np.int64)
    for name in sorted({step.channel for step in steps}):
        chosen = [row for row, step in enumerate(steps) if step.channel == name]
        rounding[chosen] = rounding_steps(rng, name, len(chosen))
    same = [field.name for field in fields(Step) if field.name not in ("channel", "place")]
    columns = {name: np.array([getattr(step, name) for step in steps]) for name in same}
    plan.add(channel=np.array([CHANNEL[step.channel] for step in steps]), rounding=rounding, ring=ring, **columns)
