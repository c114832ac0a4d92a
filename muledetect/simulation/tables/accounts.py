"""Who the bank's customers are: accounts, holders, and the identifiers that it has on file."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from muledetect.clock import DAY
from muledetect.simulation.bank.calls import phone_of
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.people import CODE, FIRST_BUSINESS, KIND_OF, NEVER, PERSONAS, People
from muledetect.simulation.rhythm import Rhythm
from muledetect.simulation.streams import Int64, UInt64, mix, stream
from muledetect.simulation.tables.names import Names, contract_table, take, words
from muledetect.simulation.tables.text import digit_text, hex_text, times

_OCCUPATIONS: Final = {
    "salaried": "employee", "student": "student", "pensioner": "retired", "gig": "transport", "seller": "trade",
    "stall": "trade", "irregular": "day_labour", "host": "trade", "landlord": "owner", "trader": "self_employed",
    "migrant": "day_labour", "agent": "trade", "second": "employee", "dormant": "other",
}  # fmt: skip


def accounts_table(
    config: WorldConfig, people: People, names: Names, final: Int64, rhythm: Rhythm, shown: Int64
) -> pa.Table:
    """Accounts `shown` (ours, and those of other banks that we met); of the others we know only the bank."""
    who = shown
    hidden = ~people.is_own[who]
    kinds = [KIND_OF.get(name, "individual") for name in PERSONAS]
    branch = people.area[who] * 2 + (mix(people.holder[who], 21, config.seed) % np.uint64(2)).astype(np.int64)
    by_app = mix(who, 22, config.seed) % np.uint64(100) < 55
    closed = people.closed_at[who]
    return contract_table(
        "accounts",
        {
            "account_id": take(names.account, who),
            "holder_id": take(names.holder, people.holder[who], hidden),
            "bank_id": take(names.bank, people.bank[who]),
            "opened_at": times(people.opened_at[who], hidden),
            "closed_at": times(np.where(closed == NEVER, 0, closed), hidden | (closed >= rhythm.end)),
            "kind": words(kinds, people.persona[who], hidden & (people.persona[who] < FIRST_BUSINESS)),
            "is_own": ~hidden,
            "balance": pa.array(final[who], mask=hidden),
            "balance_at": times(np.full(len(who), rhythm.end), hidden),
            "daily_limit": pa.array(people.daily_limit[who], mask=hidden),
            "branch_id": digit_text(branch, 5, "BR", hidden),
            "open_channel": words(["app", "branch"], np.where(by_app, 0, 1), hidden),
        },
    )


def holders_table(config: WorldConfig, people: People, names: Names, rhythm: Rhythm) -> pa.Table:
    """Holders of our accounts. Declared income is what people say, within a factor of two of the truth."""
    rng = stream(config.seed, "holders")
    who = np.unique(people.holder[people.is_own])
    n = len(who)
    persona = people.persona[who]
    company = persona >= FIRST_BUSINESS
    year = 1970 + rhythm.start // (365 * DAY)
    age = np.where(persona == CODE["pensioner"], rng.integers(60, 88, n), rng.integers(20, 62, n))
    age = np.where(persona == CODE["student"], rng.integers(18, 26, n), age)
    said = people.income[who] * np.exp(0.4 * rng.standard_normal(n))
    occupations = [_OCCUPATIONS.get(name, "company") for name in PERSONAS]
    # What people told the bank years ago need not be what they do now.
    told = np.where(~company & (rng.random(n) < 0.15), rng.integers(0, FIRST_BUSINESS, n), persona)
    registered = rhythm.start - (rng.gamma(1.5, 1800, n) * DAY).astype(np.int64)
    capital = np.maximum(np.round(people.income[who] * rng.uniform(0.5, 3, n), -7), 10**7)
    return contract_table(
        "holders",
        {
            "holder_id": take(names.holder, who),
            "birth_year": pa.array(year - age, mask=company),
            "declared_income": pa.array(np.round(said, -5).astype(np.int64), mask=company),
            "occupation": words(occupations, told, company),
            "province": digit_text(people.area[who] // 3 + 1, 4, "P"),
            "registered_at": times(registered, ~company),
            "capital": pa.array(capital.astype(np.int64), mask=~company),
            "kind": words(["person", "company"], company.astype(np.int64)),
        },
    )


def contacts_table(config: WorldConfig, people: People, names: Names, rhythm: Rhythm) -> pa.Table:
    """Identifiers on file from the start: phones, e-mails and addresses of private holders."""
    own = np.flatnonzero(people.is_own & people.is_private)
    first = np.unique(people.holder[own], return_index=True)[1]
    holders = own[first]
    known = np.minimum(people.opened_at[holders], rhythm.end - 1)
    family = (mix(people.household[holders], 53, config.seed) % np.uint64(100)) < 6
    email = mix(np.where(family, people.household[holders] + (1 << 40), people.holder[holders]), 51, config.seed)
    values = [phone_of(people, holders, config.seed), email, mix(people.household[holders], 52, config.seed)]
    return contract_table(
        "identifiers",
        {
            "entity_id": take(names.holder, np.tile(people.holder[holders], 3)),
            "kind": words(["phone", "email", "address"], np.repeat(np.arange(3), len(holders))),
            "value_hash": hex_text(np.concatenate(values)),
            "valid_from": times(np.tile(known, 3)),
            "known_ts": times(np.tile(known, 3)),
        },
    )


def devices_table(names: Names, account: Int64, device: UInt64, since: Int64) -> pa.Table:
    """Identifiers that show up on the way: devices of accounts from their first login on."""
    return contract_table(
        "identifiers",
        {
            "entity_id": take(names.account, account),
            "kind": pa.repeat(pa.scalar("device"), len(account)),
            "value_hash": hex_text(device),
            "valid_from": times(since),
            "known_ts": times(since),
        },
    )
