"""Operations in a group in which to blind things: the prime-order subgroup of edwards25519, by libsodium.

A thing (a kind and a value) becomes a point whose logarithm nobody knows: two halves of its SHA-512 are each mapped to
the curve (Elligator 2, cofactor cleared), and added, so that points are spread evenly over the group. A blinding is a
multiplication with a secret scalar. libsodium multiplies only points of the subgroup in their one encoding: points off
the curve, of small order or on the twist are refused, so that nobody learns a bit of a scalar from them.

>>> a, point = scalar(b"a secret", b"purpose"), to_point("account", "0012")
>>> unblind(a, blind(a, point)) == point
True
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any, Final

from muledetect.errors import DataError, OptionError

if TYPE_CHECKING:
    from types import ModuleType

POINT_BYTES: Final = 32
#: Names the version of all of this in each hash: another version has other points.
_DOMAIN: Final = b"muledetect exchange 1: "


def derive(secret: bytes, purpose: bytes, *parts: bytes) -> bytes:
    """Return 64 bytes that only who has the secret can tell, for a purpose and some public parts."""
    text = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.digest(secret, _DOMAIN + purpose + b"\x00" + text, "sha512")


def scalar(secret: bytes, purpose: bytes, *parts: bytes) -> bytes:
    """Return a scalar of the group that only who has the secret can tell."""
    found: bytes = _sodium().crypto_core_ed25519_scalar_reduce(derive(secret, purpose, *parts))
    if not any(found):  # one in 2^252
        raise OptionError("exchange: the key gives the scalar 0 here. Make another key with `muledetect key`.")
    return found


def to_point(kind: str, value: str) -> bytes:
    """Return the point of a thing."""
    return point_of(hashlib.sha512(_DOMAIN + b"thing\x00" + f"{kind}\x1f{value}".encode()).digest())


def point_of(uniform: bytes) -> bytes:
    """Return the point that 64 even bytes are mapped to."""
    sodium = _sodium()
    one, other = (sodium.crypto_core_ed25519_from_uniform(half) for half in (uniform[:32], uniform[32:]))
    found: bytes = sodium.crypto_core_ed25519_add(one, other)
    return found


def blind(by: bytes, point: bytes) -> bytes:
    """Return a point times a scalar.

    Raises
    ------
    DataError
        If the point is none of the group.
    """
    from nacl.exceptions import CryptoError  # noqa: PLC0415 (an extra)

    try:
        found: bytes = _sodium().crypto_scalarmult_ed25519_noclamp(by, point)
    except (CryptoError, RuntimeError) as error:
        raise DataError("exchange: the file holds a point that is none of the group. Do not answer it.") from error
    return found


def unblind(by: bytes, point: bytes) -> bytes:
    """Return the point that `blind` was given."""
    return blind(_sodium().crypto_core_ed25519_scalar_invert(by), point)


def seal(key: bytes, text: bytes) -> bytes:
    """Return a text that only the key opens; each key seals one text only."""
    made: bytes = _sodium().crypto_aead_xchacha20poly1305_ietf_encrypt(text, None, bytes(24), key)
    return made


def unseal(key: bytes, sealed: bytes) -> bytes:
    """Return a sealed text.

    Raises
    ------
    DataError
        If it was sealed with another key, or changed.
    """
    from nacl.exceptions import CryptoError  # noqa: PLC0415 (an extra)

    try:
        found: bytes = _sodium().crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, None, bytes(24), key)
    except CryptoError as error:
        raise DataError("exchange: the answer was changed, or is of another request. Ask for it again.") from error
    return found


def _sodium() -> Any:
    try:
        import nacl.bindings as sodium  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise OptionError("exchange: PyNaCl is not installed. Run `pip install 'muledetect[exchange]'`.") from error
    made: ModuleType = sodium
    return made
