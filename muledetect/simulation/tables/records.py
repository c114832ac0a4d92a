"""What the bank has on file: accounts, holders, identifiers, transfers, sessions, calls, complaints, labels, lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect import schema
from muledetect.arrays import NEVER, Int64Array
from muledetect.clock import DAY
from muledetect.simulation.bank import watchlists
from muledetect.simulation.bank.calls import phone_of
from muledetect.simulation.bank.findings import LABELS, SOURCES, STATUSES
from muledetect.simulation.bank.sessions import EVENTS
from muledetect.simulation.companies import register
from muledetect.simulation.crime.victims import SCAM_TYPES
from muledetect.simulation.economy import Economy
from muledetect.simulation.people import CODE, FIRST_BUSINESS, KIND_OF, PERSONAS
from muledetect.simulation.plan import Columns, column, rows_at
from muledetect.simulation.streams import hash_bits, hash_choice, hash_uniform, stream
from muledetect.simulation.tables.ids import Ids, categories, digit_text, hex_text, take, times

#: Rows that are turned into text at once: bounds the memory of a span, whatever its length.
SLICE: Final = 500_000


def slices(n: int) -> Iterator[slice]:
    """Yield pieces of `SLICE` rows; one empty piece for no rows."""
    for first in range(0, max(n, 1), SLICE):
        yield slice(first, min(first + SLICE, n))


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
    return schema.INPUTS["accounts"].filled(
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
    capital = np.maximum(np.round(people.income[who] * rng.uniform(0.5, 3, n), -7), 10**7).astype(np.int64)
    register(economy, who, registered, capital)
    return schema.INPUTS["holders"].filled(
        holder_id=take(ids.holder, who),
        birth_year=pa.array(year - age, mask=company),
        declared_income=pa.array(np.round(said, -5).astype(np.int64), mask=company),
        occupation=categories(occupations, stated, company),
        province=digit_text(people.area[who] // 3 + 1, 4, "P"),
        registered_at=times(registered, ~company),
        capital=pa.array(capital, mask=~company),
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
    return schema.INPUTS["identifiers"].filled(
        entity_id=take(ids.holder, np.tile(people.holder[holders], 3)),
        kind=categories(["phone", "email", "address"], np.repeat(np.arange(3), len(holders))),
        value_hash=hex_text(np.concatenate(values)),
        valid_from=times(known),
        known_ts=times(known),
    )


def devices_table(ids: Ids, sessions: Columns) -> pa.Table:
    """Identifiers that show up on the way: devices of accounts from their first sessions on."""
    return schema.INPUTS["identifiers"].filled(
        entity_id=take(ids.account, sessions["account"]),
        kind=pa.repeat(pa.scalar("device"), len(sessions["account"])),
        value_hash=hex_text(sessions["device"]),
        valid_from=times(sessions["time"]),
        known_ts=times(sessions["time"]),
    )


def complaints_table(economy: Economy, ids: Ids, complaints: Columns) -> pa.Table:
    """Complaints with what the victim said; the bank knows the phone numbers of its own customers only."""
    people, seed = economy.people, economy.config.seed
    source, script, centre = complaints["source"], complaints["script"], complaints["names_centre"]
    status_known = complaints["status_known"]
    order = stream(seed, "complaint ids").permutation(len(source))
    return schema.INPUTS["complaints"].filled(
        complaint_id=digit_text(order, 7, "Q"),
        known_ts=times(complaints["known"]),
        victim_account=take(ids.account, source),
        victim_phone_hash=hex_text(phone_of(people, source, seed), ~people.is_own[source]),
        transfer_id=ids.transfer(complaints["number"]),
        target=take(ids.account, complaints["target"]),
        amount=complaints["amount"],
        time=times(complaints["time"]),
        scam_type=categories(SCAM_TYPES, complaints["scam_type"]),
        script_id=digit_text(script, 3, "S", script < 0),
        centre_id=take(ids.centre, centre, centre < 0),
        status=categories(STATUSES, complaints["status"]),
        status_ts=times(status_known, status_known < 0),
    )


def labels_table(ids: Ids, labels: Columns) -> pa.Table:
    """What the bank has found out about accounts; the full truth is in `truth_accounts`."""
    untimed = labels["activity_start"] < 0
    return schema.INPUTS["labels"].filled(
        account_id=take(ids.account, labels["account"]),
        label=categories(LABELS, labels["label"]),
        known_ts=times(labels["known"]),
        activity_start=times(labels["activity_start"], untimed),
        activity_end=times(labels["activity_end"], untimed),
        source=categories(SOURCES, labels["source"]),
        confidence=labels["confidence"],
    )


def watchlists_table(ids: Ids, entries: list[watchlists.Entry]) -> pa.Table:
    """Watch-list entries; accounts and cells by their id, everything else by its hash."""
    columns = {name: column(entries, name) for name in watchlists.Entry._fields if name not in ("value", "reliability")}
    value = np.array([entry.value for entry in entries], np.uint64)
    is_account, is_cell = columns["kind"] == watchlists.ACCOUNT, columns["kind"] == watchlists.CELL
    accounts = take(ids.account, np.where(is_account, value.astype(np.int64), 0))
    cells = take(ids.cell, np.where(is_cell, value.astype(np.int64), 0))
    shown = pc.if_else(pa.array(is_account), accounts, pc.if_else(pa.array(is_cell), cells, hex_text(value)))
    return schema.INPUTS["watchlists"].filled(
        list_id=categories(watchlists.LISTS, columns["list"]),
        kind=categories(watchlists.KINDS, columns["kind"]),
        value_hash=shown,
        centre_id=take(ids.centre, columns["centre"], columns["centre"] < 0),
        category=categories(watchlists.CATEGORIES, columns["category"]),
        reliability=np.array([entry.reliability for entry in entries], np.float64),
        valid_from=times(columns["since"]),
        valid_to=times(columns["until"], columns["until"] < 0),
        known_ts=times(columns["known"]),
    )


def transfers_table(
    economy: Economy, ids: Ids, rows: Columns, sessions: Columns, session_of: Int64Array, first_session: int
) -> pa.Table:
    """Transfers that our bank sees: those with one end here. Other banks' balances are unknown to us.

    `session_of` is a position in `sessions` or -1; the sessions' running numbers begin with `first_session`.
    """
    people, config = economy.people, economy.config
    source, target, number = rows["source"], rows["target"], rows["number"]
    no_session = session_of < 0
    session = np.where(no_session, 0, session_of)
    # People write the same few words again and again.
    memo = hash_bits((3000 * hash_uniform(number, 42, config.seed) ** 3).astype(np.int64), 41, config.seed)
    empty = len(sessions["time"]) == 0
    device, ip = (np.zeros(len(source), np.uint64) if empty else sessions[name][session] for name in ("device", "ip"))
    return schema.INPUTS["transfers"].filled(
        transfer_id=ids.transfer(number),
        time=times(rows["time"]),
        source=take(ids.account, source),
        target=take(ids.account, target),
        amount=rows["amount"],
        currency=pa.repeat(pa.scalar(config.currency), len(source)),
        channel=categories(schema.CHANNELS, rows["channel"]),
        source_bank=take(ids.bank, people.bank[source]),
        target_bank=take(ids.bank, people.bank[target]),
        source_balance_after=pa.array(rows["source_after"], mask=~people.is_own[source]),
        target_balance_after=pa.array(rows["target_after"], mask=~people.is_own[target]),
        terminal_id=take(ids.terminal, rows["terminal"], rows["terminal"] < 0),
        session_id=ids.session(np.where(no_session, -1, session_of + first_session)),
        device_hash=hex_text(device, no_session),
        ip_hash=hex_text(ip, no_session),
        memo_hash=hex_text(memo, hash_uniform(number, 43, config.seed) < 0.7),
        status=pa.repeat(pa.scalar("settled"), len(source)),
    )


def sessions_table(economy: Economy, ids: Ids, sessions: Columns) -> pa.Table:
    """Sessions with a position near the cell's area; a tenth of them lack one. `number` is their running number."""
    n_areas, seed = economy.people.n_areas, economy.config.seed
    unlocated = hash_uniform(sessions["number"], 71, seed) < 0.1
    # A made-up country: areas lie on a grid of a third of a degree, and a phone is where its cell's mast is.
    side = int(np.ceil(n_areas**0.5))
    north, east = stream(seed, "masts").normal(0, 0.05, (2, n_areas * 10))[:, sessions["cell"]]
    latitude = 10 + sessions["area"] // side / 3 + north
    longitude = 100 + sessions["area"] % side / 3 + east
    return schema.INPUTS["sessions"].filled(
        session_id=ids.session(sessions["number"]),
        account_id=take(ids.account, sessions["account"]),
        time=times(sessions["time"]),
        device_hash=hex_text(sessions["device"]),
        ip_hash=hex_text(sessions["ip"]),
        asn=sessions["asn"],
        cell_id=take(ids.cell, sessions["cell"], unlocated),
        wifi_hash=hex_text(sessions["wifi"], sessions["wifi"] == 0),
        latitude=pa.array(np.round(latitude, 3), mask=unlocated),
        longitude=pa.array(np.round(longitude, 3), mask=unlocated),
        event=categories(EVENTS, sessions["event"]),
        remote_access=sessions["is_remote"],
        emulator=sessions["is_emulated"],
        virtual_camera=sessions["is_virtual_camera"],
    )


def calls_table(economy: Economy, ids: Ids, calls: Columns) -> pa.Table:
    """Calls whose records had reached the bank by the world's end. `number` is their running number."""
    calls = rows_at(calls, calls["known"] < economy.calendar.end)
    return schema.INPUTS["calls"].filled(
        call_id=ids.call(calls["number"]),
        time=times(calls["time"]),
        caller_hash=hex_text(calls["caller"]),
        callee_hash=hex_text(calls["callee"]),
        duration_s=calls["duration"],
        caller_imei_hash=hex_text(calls["imei"], calls["imei"] == 0),
        cell_id=take(ids.cell, calls["cell"], calls["cell"] < 0),
        known_ts=times(calls["known"]),
    )
