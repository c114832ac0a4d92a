"""Planned illicit transfers of one ring, before they are written into the plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from muledetect.simulation.plan import CHANNEL, NO_CAP, Plan, grains
from muledetect.simulation.streams import Int64


@dataclass(slots=True)
class Step:
    """One planned illicit transfer; `pot_in` is set once it is known with what else the money is passed on.

    `place` is where in the ring's layout the money arrives, -1 where it leaves the ring.
    """

    time: int
    source: int
    target: int
    channel: str
    mode: int
    kind: int
    case: int
    amount: int = int(NO_CAP)
    share: float = 1.0
    keep: float = 0.0
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
    channels = np.array([CHANNEL[step.channel] for step in steps])
    grain: Int64 = np.ones(len(steps), np.int64)
    for name in sorted({step.channel for step in steps}):
        chosen = channels == CHANNEL[name]
        grain[chosen] = grains(rng, name, int(chosen.sum()))
    plan.add(
        time=np.array([step.time for step in steps]),
        source=np.array([step.source for step in steps]),
        target=np.array([step.target for step in steps]),
        amount=np.array([step.amount for step in steps]),
        share=np.array([step.share for step in steps]),
        keep=np.array([step.keep for step in steps]),
        mode=np.array([step.mode for step in steps]),
        channel=channels,
        grain=grain,
        pot_in=np.array([step.pot_in for step in steps]),
        pot_out=np.array([step.pot_out for step in steps]),
        terminal=np.array([step.terminal for step in steps]),
        kind=np.array([step.kind for step in steps]),
        case=np.array([step.case for step in steps]),
        ring=ring,
    )
