"""A data set to try things on.

>>> from muledetect.datasets import load_sample
>>> dataset = load_sample()
>>> dataset.currency, dataset.transfers.num_rows > 100_000, "labels" in dataset.tables
('THB', True, True)
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from muledetect.records import Dataset


@cache
def load_sample() -> Dataset:
    """Return a small simulated bank with mules, complaints, labels and the whole truth: the same one at each call.

    2,000 accounts, 1 January to 30 April 2025, made in two or three seconds and then kept in memory. It has more mules
    than a real bank, so that a model learns something from it: do not read its figures as those of a bank.

    Returns
    -------
    Dataset
        Tables `transfers`, `accounts`, `holders`, `identifiers`, `sessions`, `calls`, `complaints`, `watchlists`,
        `labels` and, for evaluation, `truth_rings` and others. Train at 2025-03-15 and score at 2025-04-28, say.
    """
    from muledetect.records import read_dataset
    from muledetect.simulation import simulate

    return read_dataset(simulate(n_accounts=2_000, n_days=120, seed=7, mule_share=0.04, found_share=0.9))


__all__ = ["load_sample"]
