"""Who the bank's customers are: accounts, holders, and the identifiers that it has on file."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import NEVER, Int64Array
from muledetect.clock import DAY
from muledetect.simulation.bank.calls import phone_of
from muledetect.simulation.economy import Economy
from muledetect.simulation.people import CODE, FIRST_BUSINESS, KIND_OF, PERSONAS
from muledetect.simulation.plan import Columns
from muledetect.simulation.streams import hash_bits, hash_choice, stream
from muledetect.simulation.tables.ids import Ids, categories, contract_table, digit_text, hex_text, take, times

_OCCUPATIONS: Final = {
    "salaried": "employee", "student": "student", "pensioner": "retired", "gig": "transport", "seller": "trade",
    "stall": "trade", "irregular": "day_labour", "host": "trade", "landlord": "owner", "trader": "self_employed",
    "migrant": "day_labour", "agent": "trade", "second": "employee", "dormant": "other",
}  # fmt: skip


def accounts_table(economy: Economy, ids: Ids, final: Int64Array, who: Int64Array) -> pa.Table:
    """Accounts `who` (ours, and those of other banks that we met); of the others we know only the bank."""
    people, seed, end = economy.people, economy.config.seed, economy.calendar.end
    hidden = ~people.is_own[who]
    kinds = [KIND_OF.get(name, "individual") for name in PERSONAS]
    by_branch = hash_choice(100, who, 22, seed) >= 55
    closed = people.closed_at[who]
    return contract_table(
        "accounts",
        account_id=take(ids.account, who),
        holder_id=take(ids.holder, people.holder[who], hidden),
        bank_id=take(ids.bank, people.bank[who]),
        opened_at=times(people.opened_at[who], hidden),
        closed_at=times(np.where(closed == NEVER, 0, closed), hidden | (closed >= end)),
        kind=categories(kinds, people.persona[who], hidden & (people.persona[who] < FIRST_BUSINESS)),
        is_own=~hidden,
        balance=pa.array(final[who], mask=hidden),
        balance_at=times(np.full(len(who), end), hidden),
        daily_limit=pa.array(people.daily_limit[who], mask=hidden),
        branch_id=digit_text(people.area[who] * 2 + hash_choice(2, people.holder[who], 21, seed), 5, "BR", hidden),
        open_channel=categories(["app", "branch"], by_branch.astype(np.int64), hidden),
    )


def holders_table(economy: Economy, ids: Ids) -> pa.Table:
    """Holders of our accounts. Declared income is what people say, within a factor of two of the truth."""
    people, start = economy.people, economy.calendar.start
    rng = stream(economy.config.seed, "holders")
    who = np.unique(people.holder[people.is_own])
    n = len(who)
    persona = people.persona[who]
    company = persona >= FIRST_BUSINESS
    year = 1970 + start // (365 * DAY)
    age = np.where(persona == CODE["pensioner"], rng.integers(60, 88, n), rng.integers(20, 62, n))
    age = np.where(persona == CODE["student"], rng.integers(18, 26, n), age)
    said = people.income[who] * np.exp(0.4 * rng.standard_normal(n))
    occupations = [_OCCUPATIONS.get(name, "company") for name in PERSONAS]
    # What people said to the bank years ago need not be what they do now.
    stated = np.where(~company & (rng.random(n) < 0.15), rng.integers(0, FIRST_BUSINESS, n), persona)
    registered = start - (rng.gamma(1.5, 1800, n) * DAY).astype(np.int64)
    capital = np.maximum(np.round(people.income[who] * rng.uniform(0.5, 3, n), -7), 10**7)
    return contract_table(
        "holders",
        holder_id=take(ids.holder, who),
        birth_year=pa.array(year - age, mask=company),
        declared_income=pa.array(np.round(said, -5).astype(np.int64), mask=company),
        occupation=categories(occupations, stated, company),
        province=digit_text(people.area[who] // 3 + 1, 4, "P"),
        registered_at=times(registered, ~company),
        capital=pa.array(capital.astype(np.int64), mask=~company),
        kind=categories(["person", "company"], company.astype(np.int64)),
    )


def contacts_table(economy: Economy, ids: Ids) -> pa.Table:
    """Identifiers on file from the start: phones, e-mails and addresses of private holders."""
    people, seed = economy.people, economy.config.seed
    own = np.flatnonzero(people.is_own & people.is_private)
    holders = own[np.unique(people.holder[own], return_index=True)[1]]
    household = people.household[holders]
    known = np.tile(np.minimum(people.opened_at[holders], economy.calendar.end - 1), 3)
    family = hash_choice(100, household, 53, seed) < 6
    email = hash_bits(np.where(family, household + (1 << 40), people.holder[holders]), 51, seed)
    values = [phone_of(people, holders, seed), email, hash_bits(household, 52, seed)]
    return contract_table(
        "identifiers",
        entity_id=take(ids.holder, np.tile(people.holder[holders], 3)),
        kind=categories(["phone", "email", "address"], np.repeat(np.arange(3), len(holders))),
        value_hash=hex_text(np.concatenate(values)),
        valid_from=times(known),
        known_ts=times(known),
    )


def devices_table(ids: Ids, sessions: Columns) -> pa.Table:
    """Identifiers that show up on the way: devices of accounts from their first sessions on."""
    return contract_table(
        "identifiers",
        entity_id=take(ids.account, sessions["account"]),
        kind=pa.repeat(pa.scalar("device"), len(sessions["account"])),
        value_hash=hex_text(sessions["device"]),
        valid_from=times(sessions["time"]),
        known_ts=times(sessions["time"]),
    )
