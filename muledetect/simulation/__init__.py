"""A simulated bank with scam call centres around it: sample tables with full truth.

>>> sorted(simulate(n_accounts=300, n_days=30, seed=1))[:3]
['accounts', 'calls', 'complaints']
"""

from muledetect.simulation.config import PRESETS, TACTICS, WorldConfig, parse_settings, world_config
from muledetect.simulation.world import Balances, World, simulate, simulate_world, write_world

__all__ = [
    "PRESETS",
    "TACTICS",
    "Balances",
    "World",
    "WorldConfig",
    "parse_settings",
    "simulate",
    "simulate_world",
    "world_config",
    "write_world",
]
