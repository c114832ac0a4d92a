"""Tokens come from a file that only its owner can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from muledetect.errors import OptionError
from muledetect.serve.tokens import read_tokens

TOKENS = ["correct-horse-battery-staple", "another-token-of-good-length"]


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "tokens"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_each_token_of_a_file_is_known_by_its_number(tmp_path: Path) -> None:
    tokens = read_tokens(written(tmp_path, f"# of the switch\n{TOKENS[0]}\n\n{TOKENS[1]}\n"))
    assert [tokens.caller(f"Bearer {token}") for token in TOKENS] == [0, 1]
    assert tokens.caller("bearer " + TOKENS[1]) == 1
    assert tokens.caller(TOKENS[0]) is None
    assert tokens.caller(f"Bearer {TOKENS[0][:-1]}") is None
    assert not any(token in repr(vars(tokens)) for token in TOKENS)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(OptionError, match="chmod 600"):
        read_tokens(written(tmp_path, TOKENS[0], mode))


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "short\n", "two words of a good length each\n", "ü" * 30, f"{TOKENS[0]}\n" * 2]
)
def test_a_file_without_good_tokens_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    with pytest.raises(OptionError) as found:
        read_tokens(written(tmp_path, text))
    assert not text.strip() or text.strip() not in str(found.value)
