"""Files of others hold strict JSON: whatever two programs could read differently is refused, by every reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muledetect.errors import MuleDetectError
from muledetect.holds.clocks import clocks_text, load_clocks
from muledetect.live.policy import load_policy
from muledetect.registry.schemes import load_scheme
from muledetect.strict_json import StrictJsonError, parse_json

_WHOLE = st.integers(-(2**63) + 1, 2**63 - 1)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_VALUES = st.recursive(
    st.none() | st.booleans() | _WHOLE | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(_VALUES, st.booleans())
def test_what_json_can_hold_comes_back(value: Any, is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    assert parse_json(text) == value
    assert parse_json(text.encode()) == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no JSON"),
        ('{"a": 1,}', r"no JSON \(line 1, column"),
        (b'{"a": "\xff"}', "no text in UTF-8"),
        ('{"a": "\\udc00"}', "no text in UTF-8"),
        ('{"b": [{"a": 1, "c": 2, "a": 1}]}', "the key 'a' stands twice in one object"),
        ("[NaN]", "NaN is no finite number"),
        ("[-1e999]", "-1e999 is no finite number"),
        ("[9223372036854775808]", "a whole number of 19 digits does not fit in 64 bits"),
        ("[" + "9" * 5_000 + "]", "a whole number of 5,000 digits does not fit"),
        ("[" * 100_000, "nested too deep|no JSON"),
    ],
)
def test_what_is_not_strict_is_refused(content: str | bytes, message: str) -> None:
    with pytest.raises(StrictJsonError, match=message):
        parse_json(content)


def _policy() -> str:
    return json.dumps({"currency": "", "rules": []})


def _scheme() -> str:
    return json.dumps({"tiers": []})


@pytest.mark.parametrize(
    ("load", "text"),
    [(load_policy, _policy()), (load_scheme, _scheme()), (load_clocks, clocks_text("TH"))],
    ids=["policy", "scheme", "clocks"],
)
def test_a_file_of_rules_with_a_key_twice_is_refused(load: Callable[[Path], Any], text: str, tmp_path: Path) -> None:
    first = next(iter(json.loads(text)))
    path = tmp_path / "own.json"
    path.write_text(text.replace("{", f'{{"{first}": 1, ', 1))
    with pytest.raises(MuleDetectError, match=f"the key '{first}' stands twice"):
        load(path)
