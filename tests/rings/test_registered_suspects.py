"""An entry of a registry is evidence by its reliability, in suspicion and in ties."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from muledetect.rings.account_evidence import AccountEvidence
from muledetect.rings.suspicion import OWN, add_up, listing, own_columns


def evidence(registered: list[float], *, listed: bool = False, probability: float = np.nan) -> AccountEvidence:
    n = len(registered)
    none = np.zeros(n, np.bool_)
    return AccountEvidence(np.full(n, probability), np.zeros(n, np.int64), none, none | listed, np.array(registered))


def test_an_account_of_which_nothing_else_is_known_has_the_probability_of_its_entry() -> None:
    found = evidence([0.3, 0.5, 0.75, 0.9])
    own = expit(add_up(own_columns(found, np.arange(4, dtype=np.int32)), OWN))
    assert own == pytest.approx([0.3, 0.5, 0.75, 0.9], abs=0.01)


def test_who_is_not_registered_gains_nothing_and_more_reliability_is_never_less() -> None:
    reliability = [0.0, 0.001, 0.01, 0.2, 0.5, 0.99, 1.0]
    weight = listing(evidence(reliability))
    assert weight[0] == 0
    assert weight[1] > 0
    assert (np.diff(weight) >= 0).all()


def test_of_a_watch_list_and_a_registry_the_larger_counts() -> None:
    assert listing(evidence([0.0, 0.1, 0.95], listed=True)).tolist()[:2] == [1, 1]
    assert listing(evidence([0.95], listed=True))[0] > 1
