"""Names, dates of birth and numbers for the holders of a simulated bank, and records of one person under several ids.

The world itself stays as it is: this takes its tables and returns others. Every holder gets hashed keys
(`muledetect.records.identity_keys`). A person with several accounts gets a record of its own for each account, written
down anew: in the other script or spelling, with a letter or two digits exchanged, with the name after a marriage, with
another document, phone or address. The rates are choices of this project.

>>> from muledetect.simulation import simulate
>>> tables, truth = with_identities(simulate(n_accounts=300, n_days=30, seed=1), seed=1)
>>> truth.column_names
['holder_id', 'person_id']
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from muledetect import schema
from muledetect.records.identity_keys import identity_keys
from muledetect.simulation.streams import stream

#: Syllables in Thai, and how they are written in Latin letters.
_SYLLABLES: Final = (
    ("สม", "som"), ("ชาย", "chai chay"), ("ศักดิ์", "sak"), ("ศรี", "sri see"), ("วิ", "wi vi"), ("ชัย", "chai"),
    ("ธน", "thana tana"), ("พล", "phon pol"), ("พร", "phon porn"), ("ทิพย์", "thip tip"), ("กมล", "kamon kamol"),
    ("สุ", "su"), ("ดา", "da"), ("นี", "ni nee"), ("รัตน์", "rat"), ("จิต", "chit jit"), ("อรุณ", "arun aroon"),
    ("มา", "ma"), ("ลี", "li lee"), ("ณรงค์", "narong"), ("กิจ", "kit kij"), ("เพ็ญ", "phen pen"), ("แก้ว", "kaeo kaew"),
    ("บุญ", "bun boon"), ("ทอง", "thong tong"), ("ใจ", "chai jai"), ("ดี", "di dee"), ("งาม", "ngam"), ("ปัญ", "pan"),
    ("ยา", "ya"), ("ภา", "pha pa"), ("โชค", "chok"), ("ไพ", "phai pai"), ("โรจน์", "rot roj"), ("ฤดี", "rudi rudee"),
)  # fmt: skip
_N_GIVEN: Final = 800
#: A contact with more holders than this is no family's.
_FAMILY: Final = 6

#: How often somebody of a family is a twin of another one, or has the given name of another one.
_TWIN, _NAMESAKE = 0.02, 0.01

#: How often a new record of the same person differs. A bank finds equal numbers by itself: few are left equal.
_LATIN, _TYPO, _MARRIED, _SWAPPED_DATE, _WRONG_YEAR = 0.3, 0.06, 0.05, 0.03, 0.02
_NO_NUMBER, _OTHER_NUMBER, _EXCHANGED = 0.15, 0.35, 0.25
_NEW_CONTACT: Final = {"phone": 0.4, "email": 0.5, "address": 0.35}


@dataclass(frozen=True, slots=True)
class _Person:
    given: tuple[int, ...]
    family: tuple[int, ...]
    born: date
    number: str


def with_identities(
    tables: Mapping[str, pa.Table], *, seed: int = 0, errors: float = 1.0, secret: bytes = bytes(32)
) -> tuple[dict[str, pa.Table], pa.Table]:
    """Return the tables with keys of identities and with several records of one person, and who is who.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        Of `simulate`.
    seed : int
    errors : float
        Multiplies how often a new record differs; 0 to 2.
    secret : bytes
        Of the keys.

    Returns
    -------
    dict of str to pyarrow.Table
        With other `accounts`, `holders` and `identifiers`.
    pyarrow.Table
        `holder_id`, `person_id` of all holders: those of one person have one `person_id`.
    """
    rng = stream(seed, "identities")
    records = _records(tables)
    people = _people(rng, tables, records)
    clear, contacts = [], []
    for record in records.to_dict("records"):
        person = people[record["person"]]
        seen = person if record["number"] == 0 else _written_anew(rng, person, errors)
        clear.append(_in_clear(rng, seen, record, errors if record["number"] else 0.0))
    contacts = _contacts(rng, tables["identifiers"], records, errors)
    keys = identity_keys(pa.Table.from_pylist(clear, _CLEAR), secret)
    years = [one["birth_date"].year if one["birth_date"] else None for one in clear]
    identifiers = pa.concat_tables([contacts, _complete(keys)])
    changed = {
        "accounts": _accounts(tables["accounts"], records),
        "holders": _holders(tables["holders"], records, years),
        "identifiers": identifiers,
    }
    truth = pa.table({"holder_id": pa.array(records["holder"], pa.string()),
                      "person_id": pa.array(records["person"], pa.string())})  # fmt: skip
    return {**tables, **changed}, truth


_CLEAR: Final = pa.schema({
    "entity_id": pa.string(), "given_name": pa.string(), "family_name": pa.string(), "birth_date": pa.date32(),
    "id_number": pa.string(), "valid_from": pa.timestamp("us", tz="UTC"),
})  # fmt: skip


def _records(tables: Mapping[str, pa.Table]) -> pd.DataFrame:
    """Return one row a record: person (the old holder), holder (the new id), number, account, is_company, since."""
    accounts = tables["accounts"].select(["account_id", "holder_id", "opened_at"]).to_pandas()
    accounts = accounts[accounts["holder_id"].notna()].sort_values(["holder_id", "opened_at", "account_id"])
    kinds = tables["holders"].select(["holder_id", "kind"]).to_pandas().set_index("holder_id")["kind"]
    number = accounts.groupby("holder_id").cumcount()
    old = accounts["holder_id"]
    is_company = (old.map(kinds) == "company").to_numpy()
    holder = np.where((number == 0) | is_company, old, old + "-" + number.astype(str))
    found = pd.DataFrame({
        "person": old.to_numpy(), "holder": holder, "number": number.to_numpy(),
        "account": accounts["account_id"].to_numpy(), "is_company": is_company,
        "since": accounts["opened_at"].to_numpy(),
    })  # fmt: skip
    return found.drop_duplicates("holder").reset_index(drop=True)


def _people(rng: np.random.Generator, tables: Mapping[str, pa.Table], records: pd.DataFrame) -> dict[str, _Person]:
    """Draw everybody; who shares an address with few others mostly has their family name."""
    given = [_word(rng, int(rng.integers(2, 4))) for _ in range(_N_GIVEN)]
    rank = 1.0 / np.arange(3, _N_GIVEN + 3)
    ids = tables["identifiers"].filter(pa.compute.equal(tables["identifiers"]["kind"], "address")).to_pandas()
    size = ids.groupby("value_hash")["entity_id"].transform("nunique")
    home = dict(zip(ids["entity_id"][size <= _FAMILY], ids["value_hash"][size <= _FAMILY], strict=True))
    years = tables["holders"].select(["holder_id", "birth_year"]).to_pandas().set_index("holder_id")["birth_year"]
    family: dict[str, tuple[int, ...]] = {}
    relative: dict[str, _Person] = {}
    found = {}
    for name in records["person"].unique():
        own = _word(rng, int(rng.integers(3, 5)))
        if name in home and rng.random() < 0.85:
            own = family.setdefault(home[name], own)
        year = years.get(name)
        born = date(1980 if year is None or np.isnan(year) else int(year), 1, 1) + timedelta(int(rng.integers(0, 365)))
        number = "".join(map(str, rng.integers(0, 10, 13)))
        person = _Person(given[int(rng.choice(_N_GIVEN, p=rank / rank.sum()))], own, born, number)
        other, draw = relative.get(home.get(name, "")), rng.random()
        if other is not None and draw < _TWIN:
            person = replace(person, born=other.born, family=other.family)
        elif other is not None and draw < _TWIN + _NAMESAKE:
            person = replace(person, given=other.given, family=other.family)
        found[name] = person
        if name in home:
            relative[home[name]] = person
    return found


def _word(rng: np.random.Generator, n: int) -> tuple[int, ...]:
    return tuple(rng.integers(0, len(_SYLLABLES), n).tolist())


def _written_anew(rng: np.random.Generator, person: _Person, errors: float) -> _Person:
    family, born, number = person.family, person.born, person.number
    if rng.random() < _MARRIED * errors:
        family = _word(rng, int(rng.integers(3, 5)))
    draw = rng.random() / max(errors, 1e-9)
    if draw < _SWAPPED_DATE and born.day <= 12:
        born = date(born.year, born.day, born.month)
    elif draw < _SWAPPED_DATE + _WRONG_YEAR:
        born = born.replace(year=born.year + int(rng.choice([-10, -1, 1, 10])), day=min(born.day, 28))
    draw = rng.random() / max(errors, 1e-9)
    if draw < _OTHER_NUMBER:
        number = "".join(map(str, rng.integers(0, 10, 13)))
    elif draw < _OTHER_NUMBER + _EXCHANGED:
        at = int(rng.integers(0, 12))
        number = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    return replace(person, family=family, born=born, number=number)


def _in_clear(rng: np.random.Generator, person: _Person, record: Mapping[Any, Any], errors: float) -> dict[str, Any]:
    is_latin = rng.random() < _LATIN * errors
    words = [_spelt(rng, word, is_latin) for word in (person.given, person.family)]
    if rng.random() < _TYPO * errors:
        which = int(rng.integers(0, 2))
        at = int(rng.integers(0, len(words[which]) - 1))
        words[which] = words[which][:at] + words[which][at + 1] + words[which][at] + words[which][at + 2 :]
    is_company = record["is_company"]
    return {
        "entity_id": record["holder"], "given_name": " ".join(words) if is_company else words[0],
        "family_name": None if is_company else words[1], "birth_date": None if is_company else person.born,
        "id_number": None if rng.random() < _NO_NUMBER else person.number, "valid_from": record["since"],
    }  # fmt: skip


def _spelt(rng: np.random.Generator, word: tuple[int, ...], is_latin: bool) -> str:
    if not is_latin:
        return "".join(_SYLLABLES[part][0] for part in word)
    return "".join(str(rng.choice(_SYLLABLES[part][1].split())) for part in word).capitalize()


def _contacts(rng: np.random.Generator, identifiers: pa.Table, records: pd.DataFrame, errors: float) -> pa.Table:
    """Return the identifiers, those of the first record also for the others of the person, unless they are new ones."""
    later = records[records["number"] > 0]
    held = identifiers.to_pandas()
    copies = held[held["kind"].isin(list(_NEW_CONTACT))].merge(later, left_on="entity_id", right_on="person")
    is_new = rng.random(len(copies)) < errors * copies["kind"].map(_NEW_CONTACT).to_numpy()
    new = [f"{value:016x}" for value in rng.integers(1 << 62, (1 << 63) - 1, len(copies))]
    copies["value_hash"] = np.where(is_new, new, copies["value_hash"])
    copies["entity_id"] = copies["holder"]
    copies["valid_from"] = copies["known_ts"] = np.maximum(copies["valid_from"], copies["since"])
    return _complete(pa.Table.from_pandas(pd.concat([held, copies[held.columns]]), preserve_index=False))


def _complete(table: pa.Table) -> pa.Table:
    return schema.IDENTIFIERS.filled(**{name: table[name] for name in table.column_names})


def _accounts(accounts: pa.Table, records: pd.DataFrame) -> pa.Table:
    new = dict(zip(records["account"], records["holder"], strict=True))
    held = [new.get(account, holder) for account, holder in
            zip(accounts["account_id"].to_pylist(), accounts["holder_id"].to_pylist(), strict=True)]  # fmt: skip
    return accounts.set_column(accounts.column_names.index("holder_id"), "holder_id", pa.array(held, pa.string()))


def _holders(holders: pa.Table, records: pd.DataFrame, years: list[int | None]) -> pa.Table:
    place = {name: at for at, name in enumerate(holders["holder_id"].to_pylist())}
    told = holders.take(pa.array([place[name] for name in records["person"]]))
    for name, values, kind in (("holder_id", records["holder"], pa.string()), ("birth_year", years, pa.int64())):
        told = told.set_column(told.column_names.index(name), name, pa.array(values, kind))
    return told
