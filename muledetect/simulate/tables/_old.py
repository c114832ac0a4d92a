"""The world written down as the public tables of `muledetect.schema`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect import schema
from muledetect.clock import DAY
from muledetect.simulate.calls import BOXES, LINES, Calls, box_of, line_of, phone_of
from muledetect.simulate.config import WorldConfig
from muledetect.simulate.crews import Crime
from muledetect.simulate.knowledge import MULE, Activity, Complaints, Labels
from muledetect.simulate.people import CODE, FIRST_BUSINESS, KIND_OF, NEVER, PERSONAS, People
from muledetect.simulate.plan import NORMAL
from muledetect.simulate.presence import Sessions, house_marks
from muledetect.simulate.rhythm import Rhythm
from muledetect.simulate.scams import SCAM_TYPES, Case
from muledetect.simulate.streams import Bool, Int64, UInt64, mix, stream
from muledetect.simulate.text import digit_text, hex_text, times

_OCCUPATIONS: Final = {
    "salaried": "employee", "student": "student", "pensioner": "retired", "gig": "transport", "seller": "trade",
    "stall": "trade", "irregular": "day_labour", "host": "trade", "landlord": "owner", "trader": "self_employed",
    "migrant": "day_labour", "agent": "trade", "second": "employee", "dormant": "other",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Names:
    """Ids of a world. Numbers are shuffled, so that no id tells a role, an order or a time."""

    account: pa.Array
    holder: pa.Array
    terminal: pa.Array
    cell: pa.Array
    bank: pa.Array
    centre: pa.Array


def build_names(config: WorldConfig, people: People, n_centres: int) -> Names:
    """Return shuffled ids for everything that has one."""
    rng = stream(config.seed, "names")
    n = len(people.persona)
    return Names(
        account=digit_text(_distinct(rng, n, 10**10), 10),
        holder=digit_text(_distinct(rng, n, 10**8), 8, "H"),
        terminal=digit_text(_distinct(rng, people.n_areas * 4, 10**6), 6, "T"),
        cell=digit_text(_distinct(rng, people.n_areas * 10, 10**7), 7, "C"),
        bank=digit_text(np.arange(6), 3, "B"),
        centre=digit_text(np.arange(max(n_centres, 1)) + 1, 3, "CC"),
    )


def _distinct(rng: np.random.Generator, n: int, below: int) -> Int64:
    """Return `n` distinct numbers below `below` in random order."""
    numbers = np.unique(rng.integers(0, below, n + n // 10 + 16))
    while len(numbers) < n:
        numbers = np.unique(np.concatenate([numbers, rng.integers(0, below, n)]))
    return np.asarray(rng.permutation(numbers)[:n], np.int64)


def take(names: pa.Array, position: npt.NDArray[Any], missing: Bool | None = None) -> pa.Array:
    """Return names at positions; null where missing."""
    safe = position if missing is None else np.where(missing, 0, position)
    return names.take(pa.array(safe.astype(np.int64), mask=missing))


def words(values: tuple[str, ...] | list[str], position: npt.NDArray[Any], missing: Bool | None = None) -> pa.Array:
    """Return words of a list at positions."""
    return take(pa.array(list(values), pa.string()), position, missing)


def _table(name: str, columns: dict[str, Any]) -> pa.Table:
    """Put columns in contract order; those that are missing are null."""
    n = len(next(iter(columns.values())))
    contract = schema.INPUTS[name].arrow_schema
    arrays = [
        pa.chunked_array([_cast(columns[field.name], field.type)])
        if field.name in columns
        else pa.chunked_array([pa.nulls(n, field.type)])
        for field in contract
    ]
    return pa.table(arrays, schema=contract)


def _cast(values: Any, kind: pa.DataType) -> pa.Array:
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return array.cast(kind)


def transfers_table(
    config: WorldConfig, people: People, names: Names, rows: dict[str, npt.NDArray[Any]], ids: pa.Array,
    sessions: Sessions, session_ids: pa.Array, session_of: Int64,
) -> pa.Table:  # fmt: skip
    """Transfers that our bank sees: those with one end here. Other banks' balances are unknown to us."""
    rng = stream(config.seed, "memos")
    source, target = rows["source"], rows["target"]
    own_source, own_target = people.is_own[source], people.is_own[target]
    no_session = session_of < 0
    session = np.where(no_session, 0, session_of)
    no_memo = rng.random(len(source)) < 0.7
    # People write the same few words again and again.
    memo = mix((3000 * rng.random(len(source)) ** 3).astype(np.int64), 41, config.seed)
    empty = len(sessions.time) == 0
    seen = {"device": sessions.device, "ip": sessions.ip}
    hashes = {name: np.zeros(len(source), np.uint64) if empty else values[session] for name, values in seen.items()}
    return _table(
        "transfers",
        {
            "transfer_id": ids,
            "time": times(rows["time"]),
            "source": take(names.account, source),
            "target": take(names.account, target),
            "amount": rows["amount"],
            "currency": pa.repeat(pa.scalar(config.currency), len(source)),
            "channel": words(schema.CHANNELS, rows["channel"]),
            "source_bank": take(names.bank, people.bank[source]),
            "target_bank": take(names.bank, people.bank[target]),
            "source_balance_after": pa.array(rows["source_after"], mask=~own_source),
            "target_balance_after": pa.array(rows["target_after"], mask=~own_target),
            "terminal_id": take(names.terminal, rows["terminal"], rows["terminal"] < 0),
            "session_id": take(session_ids, session_of, no_session),
            "device_hash": hex_text(hashes["device"], no_session),
            "ip_hash": hex_text(hashes["ip"], no_session),
            "memo_hash": hex_text(memo, no_memo),
            "status": pa.repeat(pa.scalar("settled"), len(source)),
        },
    )


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
    return _table(
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
            "branch_id": digit_text(branch, 4, "BR", hidden),
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
    return _table(
        "holders",
        {
            "holder_id": take(names.holder, who),
            "birth_year": pa.array(year - age, mask=company),
            "declared_income": pa.array(np.round(said, -5).astype(np.int64), mask=company),
            "occupation": words(occupations, told, company),
            "province": digit_text(people.area[who] // 3 + 1, 2, "P"),
            "registered_at": times(registered, ~company),
            "capital": pa.array(capital.astype(np.int64), mask=~company),
            "kind": words(["person", "company"], company.astype(np.int64)),
        },
    )


def identifiers_table(
    config: WorldConfig, people: People, names: Names, rhythm: Rhythm, sessions: Sessions
) -> pa.Table:
    """Phones, e-mails and addresses of holders; devices of accounts from their first login on."""
    own = np.flatnonzero(people.is_own & people.is_private)
    first = np.unique(people.holder[own], return_index=True)[1]
    holders = own[first]
    known = np.minimum(people.opened_at[holders], rhythm.end - 1)
    family = (mix(people.household[holders], 53, config.seed) % np.uint64(100)) < 6
    email = mix(np.where(family, people.household[holders] + (1 << 40), people.holder[holders]), 51, config.seed)
    entity = [people.holder[holders]] * 3
    hashes = [
        phone_of(people, holders, config.seed),
        email,
        mix(people.household[holders], 52, config.seed),
    ]
    pair = mix(sessions.account, sessions.device)
    begins = np.sort(np.unique(pair, return_index=True)[1])
    n = len(holders)
    kinds = np.repeat(np.arange(4), [n, n, n, len(begins)])
    since = np.concatenate([known, known, known, sessions.time[begins]])
    entities = pa.concat_arrays(
        [take(names.holder, np.concatenate(entity)), take(names.account, sessions.account[begins])]
    )
    return _table(
        "identifiers",
        {
            "entity_id": entities,
            "kind": words(["phone", "email", "address", "device"], kinds),
            "value_hash": hex_text(np.concatenate([*hashes, sessions.device[begins]])),
            "valid_from": times(since),
            "known_ts": times(since),
        },
    )


def sessions_table(config: WorldConfig, people: People, names: Names, sessions: Sessions, ids: pa.Array) -> pa.Table:
    """Sessions with a position near the cell's area; a tenth of them lack one."""
    rng = stream(config.seed, "positions")
    n = len(sessions.time)
    unlocated = rng.random(n) < 0.1
    # A made-up country: areas lie on a grid of a third of a degree, and a phone is where its cell's mast is.
    side = int(np.ceil(people.n_areas**0.5))
    north, east = (rng.normal(0, 0.05, people.n_areas * 10)[sessions.cell] for _ in range(2))
    latitude = 10 + sessions.area // side / 3 + north
    longitude = 100 + sessions.area % side / 3 + east
    kinds = ["login", "face_ok", "face_fail", "device_bind", "limit_change"]
    return _table(
        "sessions",
        {
            "session_id": ids,
            "account_id": take(names.account, sessions.account),
            "time": times(sessions.time),
            "device_hash": hex_text(sessions.device),
            "ip_hash": hex_text(sessions.ip),
            "asn": sessions.asn,
            "cell_id": take(names.cell, sessions.cell, unlocated),
            "wifi_hash": hex_text(sessions.wifi, sessions.wifi == 0),
            "latitude": pa.array(np.round(latitude, 3), mask=unlocated),
            "longitude": pa.array(np.round(longitude, 3), mask=unlocated),
            "event": words(kinds, sessions.event),
            "remote_access": sessions.is_remote,
            "emulator": sessions.is_emulated,
            "virtual_camera": sessions.is_virtual_camera,
        },
    )


def calls_table(config: WorldConfig, names: Names, calls: Calls, rhythm: Rhythm) -> pa.Table:
    """Calls whose records had reached the bank by the world's end."""
    keep = np.flatnonzero(calls.known < rhythm.end)
    rng = stream(config.seed, "call ids")
    return _table(
        "calls",
        {
            "call_id": digit_text(rng.permutation(len(keep)), 10, "K"),
            "time": times(calls.time[keep]),
            "caller_hash": hex_text(calls.caller[keep]),
            "callee_hash": hex_text(calls.callee[keep]),
            "duration_s": calls.duration[keep],
            "caller_imei_hash": hex_text(calls.imei[keep], calls.imei[keep] == 0),
            "cell_id": take(names.cell, calls.cell[keep], calls.cell[keep] < 0),
            "known_ts": times(calls.known[keep]),
        },
    )


def complaints_table(
    config: WorldConfig, people: People, names: Names, rows: dict[str, npt.NDArray[Any]], ids: pa.Array,
    complaints: Complaints, cases: tuple[Case, ...],
) -> pa.Table:  # fmt: skip
    """Complaints with what the victim said; the scam type is often told wrongly."""
    rng = stream(config.seed, "complaint words")
    n, position = len(complaints.transfer), complaints.transfer
    centre = np.array([case.centre for case in cases] or [0], np.int64)
    scam = np.array([case.scam_type for case in cases] or [0], np.int64)
    wrong = complaints.case < 0
    case = np.where(wrong, 0, complaints.case)
    told = np.where(wrong | (rng.random(n) < 0.15), rng.integers(0, len(SCAM_TYPES), n), scam[case])
    # A centre reads from two or three scripts a scam type, some of which circulate among centres.
    script = told * 10 + (mix(centre[case], told, rng.integers(0, 2, n), 61) % np.uint64(6)).astype(np.int64)
    victim = rows["source"][position].astype(np.int64)
    return _table(
        "complaints",
        {
            "complaint_id": digit_text(rng.permutation(n), 7, "Q"),
            "known_ts": times(complaints.known),
            "victim_account": take(names.account, victim),
            "victim_phone_hash": hex_text(phone_of(people, victim, config.seed), ~people.is_own[victim]),
            "transfer_id": ids.take(pa.array(position)),
            "target": take(names.account, rows["target"][position]),
            "amount": rows["amount"][position],
            "time": times(rows["time"][position]),
            "scam_type": words(SCAM_TYPES, told),
            "script_id": digit_text(script, 3, "S", rng.random(n) < 0.5),
            "centre_id": take(names.centre, centre[case], ~complaints.names_centre | wrong),
            "status": words(["open", "confirmed", "withdrawn"], complaints.status),
        },
    )


def labels_table(names: Names, labels: Labels) -> pa.Table:
    """What the bank knows of accounts; the full truth is in `truth_rings`."""
    untimed = labels.activity_start < 0
    return _table(
        "labels",
        {
            "account_id": take(names.account, labels.account),
            "label": words(["mule", "not_mule", "unknown"], labels.label),
            "known_ts": times(labels.known),
            "activity_start": times(labels.activity_start, untimed),
            "activity_end": times(labels.activity_end, untimed),
            "source": words(["complaint", "police", "review"], labels.source),
            "confidence": labels.confidence,
        },
    )


def truth_rings_table(names: Names, crime: Crime, activity: Activity) -> pa.Table:
    """Members through which illicit money went, with role and tier; ids of rings are shuffled."""
    rows = []
    for ring in crime.rings:
        depth = len(ring.tiers)
        first_tier = {account: tier for tier in range(depth - 1, -1, -1) for account in ring.tiers[tier]}
        for account, tier in first_tier.items():
            if activity.is_mule[account]:
                rows.append((ring.number, account, _role(ring.tiers, tier), tier + 1, ring.centre))
    ring_of, account_of, role, tier_of, centre = (
        np.array([row[place] for row in rows]) if rows else np.zeros(0, np.int64) for place in range(5)
    )
    return _table(
        "truth_rings",
        {
            "ring_id": digit_text(ring_of.astype(np.int64) + 1, 4, "R"),
            "account_id": take(names.account, account_of),
            "role": pa.array(role.tolist(), pa.string()),
            "tier": tier_of.astype(np.int64),
            "centre_id": take(names.centre, centre),
        },
    )


def _role(tiers: list[list[int]], tier: int) -> str:
    if tier == 0:
        return "collector"
    if tier == len(tiers) - 1:
        return "cash_out"
    return "consolidator" if len(tiers[tier]) < len(tiers[tier - 1]) else "relay"


def watchlists_table(
    config: WorldConfig, names: Names, crime: Crime, labels: Labels, sessions: Sessions, rhythm: Rhythm
) -> pa.Table:  # fmt: skip
    """Three lists: the bank's own, the police's and the telecom regulator's; each with late and wrong entries."""
    rng = stream(config.seed, "watch lists")
    office_centre = {ring.office: ring.centre for ring in crime.rings}
    first_of = {office: min(r.start for r in crime.rings if r.office == office) for office in office_centre}
    entries: list[tuple[str, str, int, int, str, float, int]] = []  # list, kind, hash or account, centre, category ...
    for account, known in zip(labels.account[labels.label == MULE], labels.known[labels.label == MULE], strict=True):
        if rng.random() < 0.5:
            entries.append(("L1", "account", int(account), -1, "mule", 0.8, int(known)))
    for office, kind, hashes in house_marks(config, crime, rhythm):
        for value in hashes:
            if office in first_of and rng.random() < 0.12:
                since = first_of[office] + int(rng.exponential(15) * DAY)
                entries.append(("L2", kind, int(value), office_centre[office], "infrastructure", 0.7, since))
    entries += _listed_numbers(config, rng, crime)
    innocents = rng.integers(0, max(len(sessions.time), 1), max(2, len(entries) // 12))
    for position in innocents if len(sessions.time) else []:
        since = rhythm.start + int(rng.random() * config.n_days * DAY)
        kind = str(rng.choice(["device", "ip", "account"]))
        value = {"device": sessions.device, "ip": sessions.ip, "account": sessions.account}[kind][position]
        entries.append(("L2", kind, int(value), -1, "reported", 0.4, since))
    entries = sorted((entry for entry in entries if entry[6] < rhythm.end), key=lambda entry: (entry[6], entry[2]))
    is_account = np.array([entry[1] == "account" for entry in entries], bool)
    value = np.array([entry[2] for entry in entries], np.uint64)
    hashed = hex_text(value)
    accounts = take(names.account, np.where(is_account, value, 0).astype(np.int64))
    centre = np.array([entry[3] for entry in entries], np.int64)
    since_all = np.array([entry[6] for entry in entries], np.int64)
    return _table(
        "watchlists",
        {
            "list_id": pa.array([entry[0] for entry in entries], pa.string()),
            "kind": pa.array([entry[1] for entry in entries], pa.string()),
            "value_hash": pc.if_else(pa.array(is_account), accounts, hashed),
            "centre_id": take(names.centre, centre, (centre < 0) | (rng.random(len(centre)) < 0.4)),
            "category": pa.array([entry[4] for entry in entries], pa.string()),
            "reliability": np.array([entry[5] for entry in entries], np.float64),
            "valid_from": times(since_all),
            "known_ts": times(since_all),
        },
    )


def _listed_numbers(
    config: WorldConfig, rng: np.random.Generator, crime: Crime
) -> list[tuple[str, str, int, int, str, float, int]]:
    """Some of the centres' numbers and SIM boxes, listed days after they were first used."""
    entries = []
    for ring in crime.rings:
        for week in range(ring.start // (7 * DAY), ring.end // (7 * DAY) + 1):
            lines = np.flatnonzero(rng.random(LINES) < 0.10)
            one = np.full(len(lines), ring.centre)
            numbers: UInt64 = line_of(one, lines, np.full(len(lines), week), config.seed)
            for value in numbers:
                since = max(ring.start, week * 7 * DAY) + int(rng.exponential(6) * DAY)
                entries.append(("L3", "phone", int(value), ring.centre, "call_centre", 0.75, since))
        if rng.random() < 0.15:
            box = box_of(np.array([ring.centre]), np.array([int(rng.integers(0, BOXES))]), config.seed)
            since = ring.start + int(rng.exponential(20) * DAY)
            entries.append(("L3", "imei", int(box[0]), ring.centre, "call_centre", 0.85, since))
    return entries


def truth_transfers(rows: dict[str, npt.NDArray[Any]], ids: pa.Array) -> pa.Table:
    """Illicit transfers that our bank sees: id, what it is, its case and ring (an extra table, truth only)."""
    chosen = np.flatnonzero(rows["kind"] != NORMAL)
    case = rows["case"][chosen]
    kinds = ["normal", "victim", "hop", "exit", "test", "spend"]
    return pa.table(
        {
            "transfer_id": ids.take(pa.array(chosen)),
            "kind": words(kinds, rows["kind"][chosen]),
            "case_id": digit_text(np.maximum(case, 0).astype(np.int64) + 1, 6, "V", case < 0),
            "ring_id": digit_text(rows["ring"][chosen].astype(np.int64) + 1, 4, "R"),
        }
    )
