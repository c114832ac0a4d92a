"""Keys by which the records of one person are found without names in clear: made by the bank, hashed with its key.

A holder's name, date of birth and document numbers become rows of table `identifiers`. A key is a spelling that stays
the same under the usual errors, and is then hashed with a secret (HMAC-SHA256): who has the tables and not the secret
can compare keys and cannot read or guess a name. Two banks that use one secret can compare their keys.

================ =============================================================================================
kind             what is hashed
================ =============================================================================================
`name`           all words, without titles and forms of companies, marks and case, in the order of the alphabet
`name_sound`     the sounds of all words, the same in Thai and in Latin letters
`given_sound`    the sound of the given name, which stays when somebody marries
`birth_date`     year, month and day
`id_number`      letters and digits of a document or registration number
`id_digits`      its two halves, each in the order of the digits, cut at two places: the same if two digits that
                 stand side by side were exchanged
`director`       the `id_number` of a company's director
================ =============================================================================================

>>> name_keys("นายสมชาย", "ใจดี")["name_sound"] == name_keys("SOMCHAI", "Jaidee")["name_sound"]
True
>>> name_keys("Mrs. Ann", "Li")["name"] == name_keys("Li", "Ann")["name"]
True
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import pyarrow as pa

from muledetect import schema
from muledetect.errors import DataError
from muledetect.frames import as_arrow

#: Kinds of `identifiers` that this module makes.
KINDS: Final = ("name", "name_sound", "given_sound", "birth_date", "id_number", "id_digits", "director")

#: Words that are no part of a name: titles, and forms of companies.
_NOT_A_NAME: Final = frozenset(
    "mr mrs ms miss mister dr prof khun master mme mlle herr frau "
    "co company ltd limited plc public inc incorporated corp corporation llc partnership group "
    "บริษัท จำกัด มหาชน บจก บมจ หจก ห้างหุ้นส่วน ห้างหุ้นส่วนจำกัด นาย นาง นางสาว นส คุณ ดร ดช ดญ เด็กชาย เด็กหญิง".split()
)
#: Thai titles stand before the name without a blank.
_THAI_TITLE: Final = re.compile(r"^(?:นางสาว|นาย|นาง|เด็กชาย|เด็กหญิง|น\.\s?ส\.|ด\.\s?ช\.|ด\.\s?ญ\.)\s*(?=[ก-ฮเแโใไ]{2})")
_WORD: Final = re.compile(r"[^\W_]+(?:[\u0e31\u0e33-\u0e3a\u0e47-\u0e4e]+[^\W_]*)*")

#: Sound of each consonant: `K` back, `T` front, `C` like ch, `S`, `P` lips, `F`, `M`, `N` all of n, ng, l, r, which
#: change places at the end of Thai syllables. Vowels, h, and w and y inside a word are not written in all spellings.
_SOUND: Final = {
    **dict.fromkeys("กขฃคฅฆkgqxc", "K"), **dict.fromkeys("ฎฏฐฑฒดตถทธtd", "T"), **dict.fromkeys("จฉชฌj", "C"),
    **dict.fromkeys("ซศษสsz", "S"), **dict.fromkeys("บปผพภpb", "P"), **dict.fromkeys("ฝฟf", "F"),
    **dict.fromkeys("มm", "M"), **dict.fromkeys("งณนรลฬnlr", "N"), **dict.fromkeys("วwv", "W"),
    **dict.fromkeys("ญยy", "Y"), **dict.fromkeys("อaeiou", "A"),
}  # fmt: skip
_SILENT_IN_THAI: Final = re.compile(r"(?:[ทตด]ร|[ก-ฮ])[\u0e34\u0e38]?\u0e4c")  # consonants under the mark of silence
_THAI_VOWELS: Final = re.compile(r"[\u0e30-\u0e3a\u0e40-\u0e4e]")
_LONG_VOWEL: Final = re.compile(r"(?<=[aeiou])r(?![aeiou])")  # Suchart, Porn


def name_keys(given: str, family: str = "") -> dict[str, str]:
    """Return the spellings of a name that are hashed, by kind; empty if no letter is in it.

    Parameters
    ----------
    given : str
        Given name, in Thai or Latin letters; of a company its whole name.
    family : str
        Family name; empty for a company, which has no `given_sound`.
    """
    first, last = _words(given), _words(family)
    words = [*first, *last]
    if not words:
        return {}
    keys = {"name": " ".join(sorted(words)), "name_sound": " ".join(sorted(filter(None, map(_sound, words))))}
    if first and last:
        keys["given_sound"] = " ".join(sorted(filter(None, map(_sound, first))))
    return {kind: key for kind, key in keys.items() if key}


def number_keys(number: str) -> dict[str, tuple[str, ...]]:
    """Return the spellings of a document or registration number that are hashed, by kind.

    Parameters
    ----------
    number : str
        Blanks, dashes and case do not count; the digits of every script do.
    """
    plain = "".join(_digit(sign) for sign in unicodedata.normalize("NFKC", number).upper() if sign.isalnum())
    if not plain:
        return {}
    if len(plain) < 8:  # of a short number too little is left
        return {"id_number": (plain,)}
    cuts = (len(plain) // 2, len(plain) // 2 - 1)
    halves = tuple(f"{cut}:{''.join(sorted(plain[:cut]))}-{''.join(sorted(plain[cut:]))}" for cut in cuts)
    return {"id_number": (plain,), "id_digits": halves}


def identity_keys(people: Any, secret: bytes) -> pa.Table:
    """Return rows of table `identifiers` for a table of people and companies in clear, which stays with the bank.

    Parameters
    ----------
    people : table
        `entity_id` (as `holder_id`) and `valid_from` (when the bank learnt it); of `given_name`, `family_name`,
        `birth_date` (date), `id_number`, `director_number` and `known_ts` what there is. Several rows a holder say
        what it was once called.
    secret : bytes
        Of the bank; the same for all tables that are compared, and for years. At least 32 bytes.

    Returns
    -------
    pyarrow.Table
        Columns entity_id, kind, value_hash, valid_from and known_ts; to be put below the other `identifiers`.

    Raises
    ------
    DataError
        If a column is missing or the secret is short.
    """
    table = as_arrow(people, "people")
    if missing := [name for name in ("entity_id", "valid_from") if name not in table.column_names]:
        raise DataError(f"people: columns {missing} are missing; each row says whose keys these are, and since when.")
    if len(secret) < 32:
        raise DataError(f"people: the secret must have at least 32 bytes; got {len(secret)}. Take random ones.")
    rows = [(row, kind, spelling) for row, one in enumerate(table.to_pylist()) for kind, spelling in _keys_of(one)]
    at = pa.array([row for row, _, _ in rows], pa.int64())
    known = table["known_ts" if "known_ts" in table.column_names else "valid_from"]
    return pa.table({
        "entity_id": table["entity_id"].cast(pa.string()).take(at),
        "kind": pa.array([kind for _, kind, _ in rows], pa.string()),
        "value_hash": pa.array([_hashed(secret, kind, spelling) for _, kind, spelling in rows], pa.string()),
        "valid_from": table["valid_from"].cast(schema.ARROW_TYPES["time"]).take(at),
        "known_ts": known.cast(schema.ARROW_TYPES["time"]).take(at),
    })  # fmt: skip


def _keys_of(person: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from name_keys(person.get("given_name") or "", person.get("family_name") or "").items()
    born = person.get("birth_date")
    if born is not None:
        yield "birth_date", date(born.year, born.month, born.day).isoformat()
    for kind, spellings in number_keys(person.get("id_number") or "").items():
        yield from ((kind, spelling) for spelling in spellings)
    for spelling in number_keys(person.get("director_number") or "").get("id_number", ()):
        yield "director", spelling


def _hashed(secret: bytes, kind: str, spelling: str) -> str:
    # a director is found by the number of the person
    of = "id_number" if kind == "director" else kind
    return hmac.new(secret, f"muledetect {of}\0{spelling}".encode(), hashlib.sha256).hexdigest()[:32]


def _digit(sign: str) -> str:
    value = unicodedata.digit(sign, None)
    return sign if value is None else str(value)


def _words(name: str) -> list[str]:
    plain = _THAI_TITLE.sub("", unicodedata.normalize("NFKC", name).strip())
    # accents of Latin letters go, marks of Thai ones are vowels and tones
    letters = unicodedata.normalize("NFD", plain.casefold())
    letters = "".join(sign for sign in letters if not "\u0300" <= sign <= "\u036f").replace("\u0e4d\u0e32", "\u0e33")
    words = _WORD.findall(unicodedata.normalize("NFC", letters).replace(".", "").replace("'", "").replace("-", ""))
    return [word for word in words if word not in _NOT_A_NAME]


def _sound(word: str) -> str:
    """Return the sound of a word of Thai or Latin letters; of other letters the word itself."""
    if re.search("[\u0e01-\u0e2e]", word):
        plain = _THAI_VOWELS.sub("", _SILENT_IN_THAI.sub("", word).replace("ทร", "ซ"))
        plain = re.sub("(?<!^)ญ", "น", re.sub("รร(?=[ก-ฮ])", "", plain))
    elif re.fullmatch("[a-z]+", word):
        plain = re.sub("^h[aeiou]*|(?<=n)g(?![aeiou])|(?<=^n)g", "", word.replace("ch", "j").replace("sh", "j"))
        plain = _LONG_VOWEL.sub("", plain)
    else:
        return word
    sounds = [_SOUND.get(sign, "") for sign in plain if sign not in "หฮh"]
    # vowels and half vowels are told at the beginning only
    kept = sounds[:1] + [sound for sound in sounds[1:] if sound not in "WYA"]
    if len(kept) > 1 and kept[-1] in "SC":
        kept[-1] = "T"  # s and ch end a Thai syllable as t
    return "".join(sound for at, sound in enumerate(kept) if at == 0 or sound != kept[at - 1])
