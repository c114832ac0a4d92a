"""Sentences of reasons: each column in both languages, whole, in words that a customer could be told."""

from __future__ import annotations

import re
import string
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muledetect.errors import OptionError
from muledetect.features import load_pack, registry
from muledetect.model.peers import Standing
from muledetect.model.reason_codes import GENERAL, PARTS, TYPOLOGIES
from muledetect.model.sentences import Language, write_reason, write_sentence

LANGUAGES = get_args(Language)
#: Every column with every value of its parameters, those on request too.
COLUMNS = [name for pack in ("TH", "none") for name in registry().names(load_pack(pack), every=True)]
SENTENCES = {column: sentences for typology in TYPOLOGIES.values() for column, sentences in typology.columns.items()}
JARGON = re.compile(
    r"\b(bits?|entropy|p99|FIFO|Gini|log-odds|nats?|hops?|in_|out_|median|quantile|percentile|coefficient|tier|dwell|"
    r"ratio|flag|proxy|graph|node|edge|ego|fan-?in|fan-?out|guilty|criminal|fraudster|launder\w*|thief|scammer)\b",
    re.IGNORECASE,
)
GUILT = re.compile("ผิดจริง|คนร้าย|มิจฉาชีพ|อาชญากร|ฟอกเงิน|โจร|ฉ้อโกง")
PEERS = (
    None, Standing(0.2, 0.6), Standing(np.nan, 0.6), Standing(np.nan, np.nan), Standing(0.2, 0.6, 0.997, 0.003),
    Standing(0.5, 0.9, 0.1, 0.8), Standing(0.4, 0.9, 0.5, 0.4),
)  # fmt: skip


def test_every_registered_column_has_a_sentence_in_both_languages_and_no_other_has() -> None:
    registered = {column for made in registry().features.values() for column in made.columns}
    assert set(SENTENCES) == registered
    for sentences in (*SENTENCES.values(), GENERAL):
        assert set(LANGUAGES) <= set(sentences)
        assert {key.removeprefix("en") for key in sentences if key.startswith("en")} == {
            key.removeprefix("th") for key in sentences if key.startswith("th")
        }


def test_every_flag_has_a_sentence_for_no() -> None:
    flags = {c for made in registry().features.values() for c, says in made.columns.items() if says.unit == "flag"}
    assert flags == {column for column in flags if {"en_0", "th_0"} <= set(SENTENCES[column])}
    assert flags


def test_both_languages_have_the_same_parts_and_a_sentence_in_thai_is_thai() -> None:
    assert set(PARTS["en"]) == set(PARTS["th"]) - {"THB"}
    for sentences in SENTENCES.values():
        for key, text in sentences.items():
            if key != "shown":
                assert bool(re.search("[ก-๙]", text)) == key.startswith("th"), text
                assert not text.endswith(".") or text.endswith("น.")


def test_both_languages_of_a_column_say_the_same_values() -> None:
    for column, sentences in SENTENCES.items():
        for key in (key for key in sentences if key.startswith("en")):
            told = [
                {name.lower() for _, name, _, _ in string.Formatter().parse(text) if name} - {"s"}
                for text in (sentences[key], sentences[f"th{key[2:]}"])
            ]
            assert told[0] == told[1], column


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_whole_and_without_jargon(language: Language) -> None:
    for column in dict.fromkeys(COLUMNS):
        for value in (0.0, 0.0004, 0.4, 0.94, 1.0, 3.0, 7_777.7):
            for peers in PEERS:
                said = write_sentence(column, value, peers, language, "THB")
                assert not re.search(r"[{}_]|nan|  |\.\.|; *$", said), said
                assert not JARGON.search(said), said
                assert not GUILT.search(said), said
                assert (said[0].isupper() or said[0].isdigit()) == (language == "en"), said
                assert said.endswith(".") or language == "th"


def test_every_parameter_of_a_column_is_said() -> None:
    for column in dict.fromkeys(COLUMNS):
        given_by = dict(registry().parse(column).parameters)
        for language in LANGUAGES:
            text = SENTENCES[registry().parse(column).column][language].lower()
            for name in given_by.keys() - {"utc"}:  # the clock of the country goes without saying
                assert "{when}" in text if name == "window" else f"{{{name}}}" in text, column


@pytest.mark.parametrize(
    ("column", "value", "peers", "english"),
    [
        (
            "quick_pass__within_1h__window_7d", 0.94, Standing(0.05, 0.31, 0.997, 0.003),
            "In the 7 days before, 94% of the money received had left again within 1 hour; "
            "among comparable accounts 99 of 100 stay at or below 31%.",
        ),
        # 2 to the 1.38 is 2.6
        (
            "out_entropy__window_7d", 1.38, Standing(1.0, 2.0, 0.7, 0.2),
            "In the 7 days before, the money paid was spread as if 2.6 payees had received equal parts; "
            "higher than for 70% of comparable accounts (typical value: 2).",
        ),
        # 0.75 / 0.25 = 3
        (
            "in_burst__window_7d", 0.75, Standing(0.5, 0.9, 0.55, 0.44),
            "In the 7 days before, the account received 3 times as many transfers as its own 90 days before that let "
            "expect; this is usual among comparable accounts (typical value: 1.0 times).",
        ),
        ("in_count__window_24h", 1.0, None, "In the 24 hours before, the account received 1 transfer."),
        ("in_amount__window_all", 61_200_050.0, None, "So far, the account received 612,000.50 THB in all."),
        (
            "account_age", 86_400.0, Standing(8.64e6, 1e9, 0.03, 0.97),
            "The account was opened 1 day ago; lower than for 97% of comparable accounts (typical value: 100 days).",
        ),
        (
            "micro_test", 0.0, Standing(0.0, 1.0, 0.0, 0.25),
            "No tiny transfer came in the 72 hours before the first large sum; the same is true of 75% of comparable "
            "accounts.",
        ),
        ("staff_rating", 2.5, Standing(1.0, 2.0), "Staff rating is 2.5; among ordinary accounts 99 of 100 stay at or "
                                                  "below 2."),
        ("in_below__threshold_5000000__window_90d", 0.5, None,
         "In the 90 days before, 50% of the incoming transfers were just under 50,000 THB."),
    ],
)  # fmt: skip
def test_sentences_by_hand(column: str, value: float, peers: Standing | None, english: str) -> None:
    assert write_sentence(column, value, peers, "en", "THB") == english


def test_a_sentence_in_thai_by_hand() -> None:
    said = write_sentence("in_amount__window_7d", 61_200_000.0, Standing(1e6, 2e6, 1.0, 0.0), "th", "THB")
    assert said == "ในช่วง 7 วันก่อนหน้า บัญชีรับเงินรวม 612,000 บาท; ในกลุ่มบัญชีลักษณะใกล้เคียงกัน 99 ใน 100 บัญชีมีค่าไม่เกิน 20,000 บาท"


def test_without_a_currency_amounts_are_minor_units() -> None:
    assert "received 61,200,000 minor units" in write_sentence("in_amount__window_7d", 61_200_000.0)


def test_a_reason_that_says_nothing_of_peers_is_still_a_sentence() -> None:
    reason = {"feature": "in_count__window_7d", "value": 25.0}
    assert write_reason(reason) == "In the 7 days before, the account received 25 transfers."
    assert write_reason(reason | {"peer_p99": 12.0, "peer_below": None}).endswith("99 of 100 stay at or below 12.")


def test_another_language_is_refused() -> None:
    with pytest.raises(OptionError, match="en, th"):
        write_sentence("in_count__window_7d", 1.0, None, "fr")  # type: ignore[arg-type]


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_share_that_is_not_all_is_never_said_to_be_all(value: float, below: float) -> None:
    said = write_sentence("pass_through__window_7d", value, Standing(0.0, 1.0, below, 1 - below))
    assert ("100% of the money" in said) == (value == 1)
    assert (" 0% of the money" in said) == (value == 0)
