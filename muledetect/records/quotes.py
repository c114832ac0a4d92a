"""Find the quotes of a CSV text that nothing closes, in bytes and in one pass."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

#: A cell over several lines is at most this many bytes long; a longer one is a quote that nothing closes.
MOST_CELL: Final = 1 << 20
_QUOTE, _LF, _CR, _ZERO, _NINE = 0x22, 0x0A, 0x0D, 0x30, 0x39


@njit(cache=True, nogil=True)
def _after_end(text: Any, at: Any) -> Any:
    """Return where the next line begins, given the place of a line end (or of the end of the text)."""
    if at >= text.size:
        return text.size
    if text[at] == _CR and at + 1 < text.size and text[at + 1] == _LF:
        return at + 2
    return at + 1


@njit(cache=True, nogil=True)
def _walk(text: Any, at: Any, delimiter: Any, digits: Any) -> Any:
    # One line from `at`: its end, its fields, and where a quoted cell begins that is open at the end (-1: none).
    # state: 0 a field begins, 1 in a plain cell, 2 in a quoted one, 3 behind a quote in a quoted one. digits[f] becomes
    # whether field f holds a digit.
    fields = 1
    opened = -1
    state = 0
    digits[:] = False
    while at < text.size:
        sign = text[at]
        if sign in (_LF, _CR):
            break
        if sign == _QUOTE:
            if state == 0:
                opened = at
                state = 2
            elif state == 2:
                state = 3
            elif state == 3:
                state = 2
        elif state == 2:
            if _ZERO <= sign <= _NINE and fields <= digits.size:
                digits[fields - 1] = True
        elif sign == delimiter:
            fields += 1
            state = 0
        else:
            if _ZERO <= sign <= _NINE and fields <= digits.size:
                digits[fields - 1] = True
            state = 1
        at += 1
    return at, fields, opened if state == 2 else -1


@njit(cache=True, nogil=True)
def _pass(text: Any, at: Any, delimiter: Any) -> Any:
    # As `_walk`, without a look at digits: what nearly every line goes through.
    fields = 1
    n_bytes = text.size
    while at < n_bytes:  # at the beginning of a field
        if text[at] == _QUOTE:
            opened = at
            at += 1
            while True:
                while at < n_bytes and text[at] != _QUOTE and text[at] != _LF and text[at] != _CR:
                    at += 1
                if at >= n_bytes or text[at] != _QUOTE:
                    return at, fields, opened
                at += 1
                if at >= n_bytes or text[at] != _QUOTE:
                    break
                at += 1
        while at < n_bytes and text[at] != delimiter and text[at] != _LF and text[at] != _CR:
            at += 1
        if at >= n_bytes or text[at] != delimiter:
            break
        fields += 1
        at += 1
    return at, fields, -1


@njit(cache=True, nogil=True)
def _is_like(found: Any, fields: Any, wanted: Any) -> Any:
    """Whether a line of `fields` fields has digits where `wanted` has them."""
    if fields != found.size:
        return False
    for field in range(found.size):  # noqa: SIM110 - a generator would not compile
        if wanted[field] and not found[field]:
            return False
    return True


@njit(cache=True, nogil=True)
def _follow(  # noqa: PLR0912 - one branch a state
    text: Any, at: Any, delimiter: Any, width: Any, wanted: Any, found: Any, is_end: Any
) -> Any:
    # Follow a row from `at` over line ends inside quotes. Returns where its last line ends if its quotes are good, -1
    # if one of them is a plain sign, -2 if the text ends before that is known. Every line is looked at twice at most:
    # a line that begins a quote by itself also ends the cell that it stands in.
    start = at
    fields = 1
    state = 0
    while at < text.size:
        sign = text[at]
        if state == 2:
            if sign == _QUOTE:
                state = 3
            elif sign in (_LF, _CR):
                following = _after_end(text, at)
                if at - start > MOST_CELL:
                    return -1
                if following < text.size:
                    _, n_fields, _ = _walk(text, following, delimiter, found)
                    if _is_like(found, n_fields, wanted):
                        return -1
                at = following - 1
        elif sign == _QUOTE:
            if state in (0, 3):
                state = 2
        elif sign in (_LF, _CR):
            return at if fields == width else -1
        elif sign == delimiter:
            fields += 1
            state = 0
        elif state == 3:
            return -1  # a cell goes on behind its quote
        else:
            state = 1
        at += 1
    if not is_end:
        return -2
    return at if state != 2 and fields == width else -1


@njit(cache=True, nogil=True)
def _escape(text: Any, at: Any, delimiter: Any, edits: Any, n_edits: Any) -> Any:
    # The cell that begins with a quote at `at` is plain text: put it into quotes of its own and double those inside.
    edits[n_edits] = at
    n_edits += 1
    while at < text.size and text[at] != delimiter and text[at] != _LF and text[at] != _CR:
        if text[at] == _QUOTE:
            edits[n_edits] = at
            n_edits += 1
        at += 1
    edits[n_edits] = at
    return at, n_edits + 1


@njit(cache=True, nogil=True)
def find_strays(text: Any, delimiter: Any, width: Any, is_end: Any, plain: Any, edits: Any) -> Any:
    # Where quotes are to be put in so that every quote is closed, how many cells that mends, and the end of what is
    # known. `plain` holds which fields of the last whole row have digits, also from the text before.
    at = 0
    n_edits = 0
    n_mended = 0
    whole = -1
    found = np.zeros(width, np.bool_)
    wanted = np.zeros(width, np.bool_)
    while at < text.size:
        end, fields, opened = _pass(text, at, delimiter)
        if opened < 0:
            if fields == width:
                whole = at
            at = _after_end(text, end)
            continue
        # A row inside of the cell would have digits where the whole row before has them.
        if whole >= 0:
            _walk(text, whole, delimiter, plain)
            whole = -1
        wanted[:] = plain
        if not wanted.any():
            _walk(text, at, delimiter, found)
            wanted[:] = found
            wanted[min(fields, width) - 1 :] = False
        last = _follow(text, at, delimiter, width, wanted, found, is_end)
        if last == -2 and text.size - at <= MOST_CELL:
            return at, n_edits, n_mended
        if last >= 0:
            at = _after_end(text, last)
            continue
        while opened >= 0:
            rest, n_edits = _escape(text, opened, delimiter, edits, n_edits)
            n_mended += 1
            if rest >= text.size or text[rest] != delimiter:
                end = rest
                break
            end, _, opened = _walk(text, rest + 1, delimiter, found)
        at = _after_end(text, end)
    if whole >= 0:
        _walk(text, whole, delimiter, plain)
    return at, n_edits, n_mended
