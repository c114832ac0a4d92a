"""Rings by construction have the shape that they are named after."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from muledetect.errors import OptionError
from muledetect.testing.shapes import SHAPES, draw_shape


@pytest.mark.parametrize("shape", SHAPES)
def test_all_members_take_part_and_pay_on_only_what_they_got_before(shape: str) -> None:
    least = SHAPES[shape][0]
    for seed in range(60):
        n_members = least + seed % 7
        steps = draw_shape(shape, n_members, np.random.default_rng(seed))
        assert {end for step in steps for end in (step.payer, step.payee)} == set(range(n_members))
        got: dict[int, int] = {}
        for step in sorted(steps, key=lambda step: step.hop):
            assert step.payer != step.payee
            assert step.hop == 0 or got[step.payer] < step.hop
            got[step.payee] = min(got.get(step.payee, step.hop), step.hop)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "random"])
def test_no_money_is_made_on_the_way(shape: str) -> None:
    for seed in range(20):
        steps = draw_shape(shape, SHAPES[shape][0] + seed % 7, np.random.default_rng(seed))
        of_hop = Counter[int]()
        for step in steps:
            of_hop[step.hop] += step.share
        assert np.allclose(list(of_hop.values()), 1.0)


def test_layers_of_a_stack_and_sides_of_a_bipartite_ring_have_two_members_or_more() -> None:
    for shape, n_layers in (("bipartite", 2), ("stack", 3)):
        for seed in range(60):
            steps = draw_shape(shape, 2 * n_layers + seed % 7, np.random.default_rng(seed))
            layer = {step.payer: step.hop for step in steps} | {step.payee: step.hop + 1 for step in steps}
            assert len(Counter(layer.values())) == n_layers
            assert min(Counter(layer.values()).values()) >= 2


def test_an_unknown_shape_and_too_few_members_are_refused() -> None:
    random = np.random.default_rng(0)
    with pytest.raises(OptionError, match="there is no shape 'star'"):
        draw_shape("star", 5, random)
    with pytest.raises(OptionError, match="stack needs 6 members or more; got 5"):
        draw_shape("stack", 5, random)
