"""A simulated bank with scam call centres around it: sample tables with full truth.

>>> sorted(simulate(300, 30, seed=1))[:3]
['accounts', 'calls', 'complaints']
"""

from muledetect.simulate.config import WorldConfig
from muledetect.simulate.world import World, simulate, simulate_world

__all__ = ["World", "WorldConfig", "simulate", "simulate_world"]
