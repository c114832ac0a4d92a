"""JSON that others wrote: what two programs could read differently is refused.

>>> parse_json('{"action": "hold", "action": "allow"}')
Traceback (most recent call last):
muledetect.strict_json.StrictJsonError: the key 'action' stands twice in one object
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

_MOST: Final = 2**63 - 1


class StrictJsonError(ValueError):
    """A text is no strict JSON; the message says why, in words that follow "it is refused:"."""


def parse_json(content: bytes | str) -> Any:
    """Return what strict JSON holds: no key twice, no number that is not finite, no half of a character.

    Parameters
    ----------
    content : bytes or str
        Bytes are UTF-8.

    Raises
    ------
    StrictJsonError
        If it is none. The message holds at most 40 characters of the content.
    """
    try:
        text = content if isinstance(content, str) else content.decode()
        found = _DECODER.decode(text)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()  # a half of a surrogate pair is no text
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise StrictJsonError(f"it is no text in UTF-8 ({error.reason})") from error
    except RecursionError as error:
        raise StrictJsonError("it is nested too deep") from error
    except json.JSONDecodeError as error:
        raise StrictJsonError(f"it is no JSON (line {error.lineno}, column {error.colno}: {error.msg})") from error
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise StrictJsonError(f"the key {key[:40]!r} stands twice in one object")
        found[key] = value
    return found


def _whole_of(digits: str) -> int:
    # the length comes first: Python takes long to read a number of a million digits
    if len(digits) > len(str(-_MOST)) or abs(int(digits)) > _MOST:
        raise StrictJsonError(f"a whole number of {len(digits):,} digits does not fit in 64 bits")
    return int(digits)


def _float_of(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        _no_number(digits[:40])
    return value


def _no_number(digits: str) -> NoReturn:
    raise StrictJsonError(f"{digits} is no finite number")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_once, parse_int=_whole_of, parse_float=_float_of, parse_constant=_no_number
)
