"""Codes of reasons, and reasons gathered by code."""

from __future__ import annotations

from collections import Counter

import numpy as np

from muledetect.features import History, feature, registry
from muledetect.model.reason_codes import TYPOLOGIES, code_of


@feature(family="cards", unit="count", text="card payments {window}", window=("7d",))
def card_payments(history: History, window: int) -> np.ndarray:
    return history.incoming.count(window)


def test_every_registered_column_has_exactly_one_code_and_no_code_names_another_column() -> None:
    registered = {column for made in registry().features.values() for column in made.columns}
    named = Counter(column for typology in TYPOLOGIES.values() for column in typology.columns)
    assert set(named) == registered
    assert set(named.values()) == {1}


def test_every_code_says_what_speaks_against_and_what_for_the_account() -> None:
    sentences = [text for typology in TYPOLOGIES.values() for text in (typology.raises, typology.lowers)]
    assert len(set(sentences)) == 2 * len(TYPOLOGIES)
    assert all(text[0].isupper() and text.endswith(".") for text in sentences)


def test_a_column_of_the_bank_has_a_code_of_its_own_name() -> None:
    assert code_of("staff_rating") == code_of("staff_rating__window_7d") == "STAFF_RATING"
    assert code_of("x0") == "X0"


def test_a_registered_feature_of_others_has_the_code_of_its_family() -> None:
    larger = registry().add(card_payments)
    assert code_of("card_payments__window_7d", larger) == "CARDS"
    assert code_of("card_payments__window_7d") == "CARD_PAYMENTS"
    assert code_of("pass_through__window_7d", larger) == "PASS_THROUGH"
