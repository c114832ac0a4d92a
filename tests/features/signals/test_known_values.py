"""What is known of the first transfers is not computed again, and changes nothing of the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from muledetect.features import Extraction
from muledetect.features.signals import signal_registry
from muledetect.records import read_dataset
from muledetect.testing import random_world

LIVE = [made for made in signal_registry().signals.values() if not made.not_live]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95, 1.0])
def test_signals_that_know_their_first_values_give_the_same(seed: int, share: float) -> None:
    past = Extraction(read_dataset(random_world(seed, n_accounts=12, n_transfers=150)), threads=1).past
    time = past.graph.time
    n_known = int(np.searchsorted(time, time[int(share * (len(past) - 1))])) if share < 1 else len(past)
    whole = {made.name: made.compute(past) for made in LIVE}
    knowing = replace(past, known={name: values[:n_known] for name, values in whole.items()})
    assert [
        made.name for made in LIVE if not np.array_equal(made.compute(knowing), whole[made.name], equal_nan=True)
    ] == []
