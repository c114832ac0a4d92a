"""Lists that grow hold what was added, however much comes at once and however often they are laid out anew."""

from __future__ import annotations

import numpy as np
import pytest

from muledetect.live.lists import Lists


@pytest.mark.parametrize("n_first", [0, 3, 9_000])
@pytest.mark.parametrize("n_keys", [1, 40, 5_000])
@pytest.mark.parametrize("at_once", [1_000, 60_000])
def test_lists_hold_all_rows_whatever_comes_at_once(n_first: int, n_keys: int, at_once: int) -> None:
    key = np.random.default_rng(n_keys).integers(-1, n_keys, n_first + 60_000).astype(np.int32)
    lists = Lists(key[:n_first], n_keys)
    for low in range(n_first, len(key), at_once):
        lists.add(key[low : low + at_once], np.arange(low, low + at_once))
    assert lists.counts(np.arange(n_keys)).tolist() == np.bincount(key[key >= 0], minlength=n_keys).tolist()
    for one in range(0, n_keys, 1 + n_keys // 50):
        assert lists.of(np.array([one])).tolist() == np.flatnonzero(key == one).tolist()


def test_each_list_can_move_once_before_all_are_laid_out_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    key = np.random.default_rng(0).integers(0, 900, 60_000).astype(np.int32)
    lists = Lists(key, 900)
    monkeypatch.setattr(lists, "_lay_out", lambda: pytest.fail("laid out anew"))
    lists.add(np.arange(900, dtype=np.int32), np.arange(len(key), len(key) + 900))
    assert lists.of(np.array([7])).tolist() == [*np.flatnonzero(key == 7).tolist(), len(key) + 7]
