"""What our bank sees and knows: sessions, calls, complaints, labels and watch lists of small worlds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from muledetect.clock import DAY, HOUR, MINUTE, SECOND
from muledetect.simulation.bank import watchlists
from muledetect.simulation.bank.calls import CallMaker, hub_number, line_of, n_hubs, phone_of
from muledetect.simulation.bank.findings import (
    MULE,
    NOT_MULE,
    OPEN,
    UNKNOWN,
    Activity,
    illicit_activity,
    make_complaints,
    make_labels,
)
from muledetect.simulation.bank.sessions import (
    DEVICE_BIND,
    FACE_FAIL,
    FACE_OK,
    LIMIT_CHANGE,
    LOGIN,
    SessionMaker,
)
from muledetect.simulation.bank.watchlists import Entry, make_entries
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.crime.laundering import plan_crime
from muledetect.simulation.crime.recruiting import recruit
from muledetect.simulation.crime.rings import Crime, Houses, assign_houses, members
from muledetect.simulation.crime.victims import Case
from muledetect.simulation.days import TALKING, Calendar, Span, build_calendar
from muledetect.simulation.economy import Economy, build_economy
from muledetect.simulation.people import FIRST_BUSINESS, People, build_people
from muledetect.simulation.plan import CHANNEL, NORMAL, VICTIM, Columns, open_ledger, rows_at, stacked
from muledetect.simulation.streams import stream

pytestmark = pytest.mark.slow


@dataclass
class Bank:
    """A world with simple normal life, and all that its bank sees and knows; `spans` holds the pieces."""

    config: WorldConfig
    calendar: Calendar
    people: People
    crime: Crime
    cases: tuple[Case, ...]
    houses: Houses
    spans: list[tuple[Span, Columns, Columns, Any, Any, Columns]]
    rows: Columns
    sessions: Columns
    session_of: Any
    calls: Columns
    activity: Activity
    complaints: Columns
    labels: Columns
    entries: Columns


def live(config: WorldConfig) -> Bank:
    """People pay shops and each other at random, crime does what it does, and the bank watches."""
    calendar = build_calendar(config)
    people = build_people(config, calendar)
    crime = recruit(config, people, calendar)
    economy = build_economy(config, calendar, people)
    cases = plan_crime(economy, crime)
    houses = assign_houses(config, crime, len(people.persona))
    session_maker = SessionMaker(economy, houses)
    call_maker = CallMaker(economy, cases)
    ledger = open_ledger(people, calendar)
    spans = []
    n_rows = 0
    for span in calendar.spans():
        plan_everyday(economy.turn(stream(config.seed, "test", span.number), span))
        done = ledger.execute(possible(people, economy.plan.take(span.end), calendar), economy.plan.n_pots)
        seen = people.is_own[done["source"]] | people.is_own[done["target"]]
        rows = {name: values[seen] for name, values in done.items()}
        rows["number"] = n_rows + np.arange(int(seen.sum()))
        n_rows += int(seen.sum())
        sessions, session_of = session_maker.sessions_of(span, rows)
        spans.append((span, rows, sessions, session_of, session_maker.new_devices(sessions), call_maker.calls_of(span)))
    rows = {name: np.concatenate([part[1][name] for part in spans]) for name in spans[0][1]}
    sessions = stacked([part[2] for part in spans])
    firsts = np.cumsum([0, *(len(part[2]["time"]) for part in spans)])
    places = [np.where(part[3] < 0, -1, part[3] + first) for part, first in zip(spans, firsts, strict=False)]
    illicit = rows_at(rows, rows["kind"] != NORMAL)
    private = people.is_private[rows["target"]] & people.is_own[rows["source"]]
    by_hand = np.isin(rows["channel"], [CHANNEL["p2p_proxy"], CHANNEL["p2p_account"]])
    honest = rows_at(rows, np.flatnonzero((rows["kind"] == NORMAL) & private & by_hand)[::7])
    activity = illicit_activity(illicit, crime, len(people.persona), calendar.end)
    complaints = make_complaints(economy, cases, illicit, honest)
    labels = make_labels(economy, illicit, complaints, activity)
    some = {name: sessions[name][::11] for name in ("account", "device", "ip", "time")}
    made = make_entries(economy, crime, cases, labels, some)
    entries = {name: np.array([getattr(entry, name) for entry in made]) for name in Entry._fields}
    return Bank(
        config,
        calendar,
        people,
        crime,
        cases,
        houses,
        spans,
        rows,
        sessions,
        np.concatenate(places),
        stacked([part[5] for part in spans]),
        activity,
        complaints,
        labels,
        entries,
    )


def plan_everyday(week: Economy) -> None:
    private = np.flatnonzero(week.people.is_private)
    who, day = week.span.draw_events(week.rng, 0.4 * week.people.activity_level[private], week.calendar.shopping)
    source, moment = private[who], week.moments(day, TALKING)
    shops = week.rng.random(len(who)) < 0.5
    shop = week.business(int(shops.sum()), "shop")
    week.pay("qr_merchant", moment[shops], source[shops], shop, amount=week.amounts(len(shop), 200.0, 1.0))
    friend = week.contacts.draw(week.rng, source[~shops])
    week.pay_person(moment[~shops], source[~shops], friend, amount=week.amounts(len(friend), 1500.0, 1.6))


def possible(people: People, planned: Columns, calendar: Calendar) -> Columns:
    keep = planned["time"] >= calendar.start
    for side in ("source", "target"):
        keep &= planned["time"] < people.closed_at[planned[side]]
        keep &= (planned["kind"] != NORMAL) | (planned["time"] >= people.active_from[planned[side]])
    return rows_at(planned, keep)


@pytest.fixture(scope="module")
def bank() -> Bank:
    """A world with many mules, enough for shares."""
    return live(WorldConfig(n_accounts=4000, n_days=120, seed=3, mule_share=0.03, evasion=0.5))


@pytest.fixture(scope="module")
def rare() -> Bank:
    """A world with as few mules as in life."""
    return live(WorldConfig(n_accounts=15_000, n_days=90, seed=8, mule_share=0.003, least_mules=0, evasion=0.3))


@pytest.fixture(scope="module")
def innocent() -> Bank:
    """A world without crime."""
    return live(WorldConfig(n_accounts=3000, n_days=90, seed=2, mule_share=0.0, wrong_complaint_share=0.9))


def arrays_of(bank: Bank) -> list[Any]:
    records = (bank.sessions, bank.calls, bank.complaints, bank.labels, bank.entries)
    return [bank.session_of, *(values for record in records for values in record.values())]


def test_the_same_seed_gives_the_same_arrays_and_another_seed_others() -> None:
    first, second, third = (
        arrays_of(live(WorldConfig(n_accounts=300, n_days=21, seed=seed, mule_share=0.05))) for seed in (4, 4, 5)
    )
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
    assert not all(np.array_equal(one, other) for one, other in zip(first, third, strict=True))


@settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**40),
    n_accounts=st.integers(200, 400),
    n_days=st.integers(14, 40),
    evasion=st.sampled_from([0.0, 0.5, 1.0]),
    mule_share=st.sampled_from([0.0, 0.01, 0.06]),
    wrong_complaint_share=st.sampled_from([0.0, 0.3, 1.0]),
    outside_share=st.floats(0.1, 2.0),
)
def test_nothing_is_known_before_it_happened_or_after_the_end(
    seed: int, n_accounts: int, n_days: int, **more: float
) -> None:
    bank = live(WorldConfig(n_accounts=n_accounts, n_days=n_days, seed=seed, **more))  # type: ignore[arg-type]
    end = bank.calendar.end
    complaints, labels, entries, calls = bank.complaints, bank.labels, bank.entries, bank.calls
    assert (complaints["known"] > complaints["time"]).all()
    assert (complaints["known"] < end).all()
    timed = labels["activity_start"] >= 0
    assert np.array_equal(timed, labels["label"] == MULE)
    assert (labels["activity_start"][timed] <= labels["activity_end"][timed]).all()
    assert (labels["activity_end"][timed] < labels["known"][timed]).all()
    assert (labels["known"] < end).all()
    assert (entries["known"] >= entries["since"]).all()
    assert (entries["known"] < end).all()
    assert ((entries["until"] == -1) | (entries["until"] > entries["known"])).all()
    assert (calls["known"] >= calls["time"]).all()
    for record, moments in ((complaints, complaints["known"]), (entries, entries["known"]), (calls, calls["time"])):
        assert (np.diff(moments) >= 0).all(), type(record)


def test_a_transfers_session_belongs_to_the_paying_account_and_begins_before_it(bank: Bank) -> None:
    made = np.flatnonzero(bank.session_of >= 0)
    place = bank.session_of[made]
    assert len(made) > 0.5 * len(bank.session_of)
    assert (bank.sessions["account"][place] == bank.rows["source"][made]).all()
    wait = bank.rows["time"][made] - bank.sessions["time"][place]
    assert wait.min() > 0
    assert np.median(wait) < 2 * MINUTE
    assert not np.isin(bank.rows["channel"][made], [CHANNEL["cash_atm"], CHANNEL["payroll"]]).any()


def test_sessions_lie_within_their_span_and_the_accounts_life(bank: Bank) -> None:
    people = bank.people
    for span, _, sessions, session_of, _, calls in bank.spans:
        assert (np.diff(sessions["time"]) >= 0).all()
        assert (sessions["time"] >= span.start - 100 * SECOND).all()
        assert (sessions["time"] < span.end + 6 * SECOND).all()
        opens = np.zeros(len(sessions["time"]), bool)
        opens[session_of[session_of >= 0]] = True
        lone = ~opens & np.isin(sessions["event"], [FACE_FAIL, LIMIT_CHANGE])
        assert (sessions["time"][lone] >= span.start).all()
        assert (calls["time"] >= span.start).all()
        assert (calls["time"] < span.end).all()
    assert people.is_own[bank.sessions["account"]].all()
    used = bank.sessions["time"] >= people.opened_at[bank.sessions["account"]]
    early = np.unique(bank.sessions["account"][~used])
    # Only where a transfer itself came before the opening was noted.
    first_paid = {account: bank.rows["time"][bank.rows["source"] == account].min() for account in early}
    assert all(first_paid[account] <= people.opened_at[account] for account in early)
    assert (bank.sessions["time"] - 6 * SECOND < people.closed_at[bank.sessions["account"]]).all()


def test_a_device_is_on_file_from_its_first_login_and_bound_seconds_after_it(bank: Bank) -> None:
    account, device, since = (
        np.concatenate([part[4][name] for part in bank.spans]) for name in ("account", "device", "time")
    )
    assert len({*zip(account.tolist(), device.tolist(), strict=True)}) == len(account)
    sessions = bank.sessions
    logins = zip(sessions["account"].tolist(), sessions["device"].tolist(), strict=True)
    firsts: dict[tuple[int, int], int] = {}
    for pair, moment in zip(logins, sessions["time"].tolist(), strict=True):
        firsts.setdefault(pair, moment)
    on_file = dict(zip(zip(account.tolist(), device.tolist(), strict=True), since.tolist(), strict=True))
    # Spans overlap by the seconds that a session opens before its transfer.
    assert firsts.keys() == on_file.keys()
    assert max(abs(firsts[key] - on_file[key]) for key in firsts) < 2 * MINUTE
    binds = np.flatnonzero(sessions["event"] == DEVICE_BIND)
    assert len(binds) > 50
    for place in binds[:200].tolist():
        wait = sessions["time"][place] - on_file[sessions["account"][place], sessions["device"][place]]
        assert SECOND <= wait < 6 * SECOND


def test_large_payments_of_people_need_a_face(bank: Bank) -> None:
    made = np.flatnonzero(bank.session_of >= 0)
    event = bank.sessions["event"][bank.session_of[made]]
    large = bank.rows["amount"][made] >= 5_000_000
    private = bank.people.is_private[bank.rows["source"][made]]
    assert (event[large & private] == FACE_OK).all()
    assert (event[~private] != FACE_OK).all()
    assert 0 < (event[~large & private] == FACE_OK).mean() < 0.05


def test_no_one_number_about_sessions_finds_the_mules(rare: Bank) -> None:
    sessions, n = rare.sessions, len(rare.people.persona)
    ours = rare.people.is_own & rare.people.is_private
    is_mule = rare.activity.is_mule[ours]
    assert 0.001 < is_mule.mean() < 0.005

    def count(mask: Any) -> Any:
        return np.bincount(sessions["account"][mask], minlength=n)

    numbers = {str(code): count(sessions["event"] == code) for code in (LOGIN, FACE_OK, FACE_FAIL, DEVICE_BIND)}
    for name in ("is_remote", "is_emulated", "is_virtual_camera"):
        numbers[name] = count(sessions[name])
    total = np.maximum(count(slice(None)), 1)
    numbers |= {f"{name} rate": values / total for name, values in numbers.items()}
    for name in ("device", "ip", "wifi", "cell"):
        pairs = np.unique(np.stack([sessions["account"], sessions[name].astype(np.int64)]), axis=1)
        _, place, users = np.unique(pairs[1], return_inverse=True, return_counts=True)
        numbers[f"{name}s"] = np.bincount(pairs[0], minlength=n)
        numbers[f"users of {name}s"] = np.bincount(pairs[0], users[place], n)
        widest = np.zeros(n, np.int64)
        np.maximum.at(widest, pairs[0], users[place])
        numbers[f"most users of a {name}"] = widest
    numbers["area"] = np.bincount(sessions["account"], sessions["area"], n) / total
    numbers["distance"] = np.bincount(
        sessions["account"], np.abs(sessions["area"] - rare.people.area[sessions["account"]]), n
    )
    for name, values in numbers.items():
        for sign in (1, -1):
            assert average_precision_score(is_mule, sign * values[ours]) <= 0.25, name


def test_honest_people_also_change_share_and_emulate_phones(innocent: Bank) -> None:
    sessions = innocent.sessions
    pairs = np.unique(
        np.stack([innocent.people.holder[sessions["account"]], sessions["device"].astype(np.int64)]), axis=1
    )
    assert np.unique(pairs[1], return_counts=True)[1].max() >= 3
    assert np.bincount(pairs[0]).max() >= 4
    assert sessions["is_remote"].any()
    assert sessions["is_emulated"].any()
    assert (sessions["event"] == DEVICE_BIND).any()


def test_whether_a_session_is_recorded_does_not_depend_on_the_payer(bank: Bank) -> None:
    by_app = bank.people.is_own[bank.rows["source"]] & np.isin(
        bank.rows["channel"], [CHANNEL["p2p_proxy"], CHANNEL["p2p_account"]]
    )
    missing = bank.session_of < 0
    mule = bank.activity.is_mule[bank.rows["source"]]
    assert abs(missing[by_app & mule].mean() - missing[by_app & ~mule].mean()) < 0.02


def test_phones_of_a_house_turn_as_often_as_it_says() -> None:
    config = WorldConfig(n_accounts=300, n_days=28, seed=1, mule_share=0.0)
    calendar = build_calendar(config)
    people = build_people(config, calendar)
    n = len(people.persona)
    own = np.flatnonzero(people.is_own & people.is_private & (people.active_from == 0))[:80]
    never, always = np.full(n, -1, np.int64), np.zeros(n, np.int64)
    office, turn = never.copy(), always.copy()
    office[own], turn[own[:40]] = 0, 24
    houses = Houses(office, always + calendar.start, always + calendar.end, turn)
    session_maker = SessionMaker(build_economy(config, calendar, people), houses)
    sessions = stacked([session_maker.sessions_of(span, no_rows())[0] for span in calendar.spans()])
    housed = np.isin(sessions["account"], own)
    phones = np.array([len(np.unique(sessions["device"][sessions["account"] == account])) for account in own])
    assert np.median(phones[:40]) >= 5
    assert np.median(phones[40:]) <= 3
    # They meet in the house's Wi-Fi; those whose phones turn hide from it more often.
    _, users = np.unique(sessions["wifi"][housed], return_counts=True)
    assert users.max() > 0.3 * housed.sum()


def no_rows() -> Columns:
    empty = np.zeros(0, np.int64)
    return dict.fromkeys(("time", "source", "amount", "channel", "kind"), empty)


def test_a_span_without_anything_is_empty() -> None:
    config = WorldConfig(n_accounts=200, n_days=14, seed=1, mule_share=0.0, activity=0.01)
    calendar = build_calendar(config)
    people = build_people(config, calendar)
    people.activity_level[:] = 0
    people.opened_at[:] = calendar.start - DAY
    n = len(people.persona)
    none = Houses(np.full(n, -1), np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64))
    session_maker = SessionMaker(build_economy(config, calendar, people), none)
    sessions, session_of = session_maker.sessions_of(next(calendar.spans()), no_rows())
    assert len(sessions["time"]) == len(session_of) == 0
    assert len(session_maker.new_devices(sessions)["device"]) == 0


def lines_of(bank: Bank, centres: Any, weeks: Any) -> Any:
    """Return all numbers of some centres in some weeks."""
    centre, week, line = (grid.ravel() for grid in np.meshgrid(centres, weeks, np.arange(24)))
    return line_of(centre, line, week, bank.config.seed)


def test_centres_call_their_victims_before_they_pay(bank: Bank) -> None:
    ours = [case for case in bank.cases if bank.people.is_own[case.victim] and case.first_call > bank.calendar.start]
    phones = phone_of(bank.people, np.array([case.victim for case in ours]), bank.config.seed)
    called = 0
    calls = bank.calls
    for case, phone in zip(ours, phones, strict=True):
        between = (calls["time"] >= case.first_call) & (calls["time"] < case.last_payment)
        week = case.first_call // (7 * DAY)
        numbers = lines_of(bank, np.array([case.centre]), np.array([week, week + 1]))
        called += bool(np.isin(calls["caller"][between & (calls["callee"] == phone)], numbers).any())
    assert 0.55 < called / len(ours) < 0.9


def test_cold_calls_grow_with_the_cases_and_honest_desks_call_as_many(bank: Bank, innocent: Bank) -> None:
    weeks = np.arange(bank.calendar.start // (7 * DAY) - 1, bank.calendar.end // (7 * DAY) + 1)
    from_centres = np.isin(bank.calls["caller"], lines_of(bank, np.arange(bank.crime.n_centres), weeks)).sum()
    ours = sum(bool(bank.people.is_own[case.victim]) for case in bank.cases)
    assert 40 * ours < from_centres < 75 * ours
    calls = innocent.calls
    hubs = hub_number(np.arange(n_hubs(innocent.people)), np.zeros(1, np.int64), innocent.config.seed)
    of_hubs = np.isin(calls["caller"], hubs)
    _, called = np.unique(calls["caller"][of_hubs], return_counts=True)
    assert called.max() > 200
    assert (calls["imei"][of_hubs] == 0).mean() > 0.3
    own = np.unique(phone_of(bank.people, np.flatnonzero(bank.people.is_own), bank.config.seed))
    assert np.isin(bank.calls["callee"], own).all()


def test_complaints_are_about_transfers_that_happened(bank: Bank) -> None:
    complaints = bank.complaints
    for name in ("source", "target", "amount", "time"):
        assert (bank.rows[name][complaints["number"]] == complaints[name]).all(), name
    kind, case = bank.rows["kind"][complaints["number"]], bank.rows["case"][complaints["number"]]
    assert (kind[complaints["case"] >= 0] == VICTIM).all()
    assert (case[complaints["case"] >= 0] == complaints["case"][complaints["case"] >= 0]).all()
    assert (kind[complaints["case"] < 0] == NORMAL).all()
    assert len(np.unique(complaints["number"])) == len(complaints["number"])


def test_complaints_come_late_and_some_are_wrong_or_never_made(bank: Bank) -> None:
    complaints = bank.complaints
    true = complaints["case"] >= 0
    seen = np.unique(bank.rows["case"][bank.rows["kind"] == VICTIM])
    heard = np.unique(complaints["case"][true])
    assert 0.45 < len(heard) / len(seen) < 0.75
    assert 0.08 < (~true).mean() < 0.2
    last = {case.number: case.last_payment for case in bank.cases}
    hours = np.array(
        [(k - last[c]) / HOUR for k, c in zip(complaints["known"][true], complaints["case"][true], strict=True)]
    )
    assert 12 < np.median(hours) < 60
    assert (hours > 24 * 7).mean() > 0.05
    ids = complaints["names_centre"][true] >= 0
    assert 0.05 < ids.mean() < 0.3
    centre = np.array([case.centre for case in bank.cases])[complaints["case"][true]]
    assert (complaints["names_centre"][true][ids] == centre[ids]).mean() > 0.75
    assert (complaints["status"][complaints["known"] > bank.calendar.end - DAY] == OPEN).all()


def test_a_status_is_known_after_its_complaint_and_before_the_end_and_open_ones_have_no_moment(bank: Bank) -> None:
    complaints = bank.complaints
    settled = complaints["status"] != OPEN
    assert settled.any()
    assert (complaints["status_known"][~settled] == -1).all()
    assert (complaints["status_known"][settled] > complaints["known"][settled]).all()
    assert (complaints["status_known"][settled] < bank.calendar.end).all()
    days = (complaints["status_known"] - complaints["known"])[settled] / DAY
    assert 5 < np.median(days) < 20


def test_labels_are_late_incomplete_and_partly_wrong(bank: Bank) -> None:
    labels = bank.labels
    mule = bank.activity.is_mule & bank.people.is_own
    called = labels["account"][labels["label"] == MULE]
    share_found = mule[called].sum() / mule.sum()
    assert 0.5 < share_found < bank.config.found_share + 0.1
    assert 0 < (~mule[called]).mean() < 0.08
    delay = (labels["known"] - labels["activity_start"])[labels["label"] == MULE]
    assert 2 * DAY < np.median(delay) < 25 * DAY
    assert {MULE, NOT_MULE, UNKNOWN} == set(labels["label"].tolist())
    assert bank.people.is_own[labels["account"]].all()
    assert (np.diff(labels["account"]) > 0).all()


def test_the_wrongly_accused_had_money_of_a_mule_or_a_quarrel(bank: Bank) -> None:
    labels, rows = bank.labels, bank.rows
    wrong = (labels["label"] == MULE) & ~bank.activity.is_mule[labels["account"]]
    quarrels = {(t, m) for t, m in zip(bank.complaints["target"], bank.complaints["time"], strict=True)}
    assert wrong.any()
    for account, moment in zip(labels["account"][wrong], labels["activity_start"][wrong], strict=True):
        paid = (rows["target"] == account) & (rows["time"] == moment)
        assert paid.sum() == 1
        assert bank.activity.is_mule[rows["source"][paid]].all() or (account, moment) in quarrels


def test_only_accounts_that_a_ring_uses_are_mules_in_truth(bank: Bank) -> None:
    is_mule = bank.activity.is_mule
    assert np.isin(np.flatnonzero(is_mule), members(bank.crime)).all()
    victims = np.unique(bank.rows["source"][bank.rows["kind"] == VICTIM])
    recruited = np.isin(victims, members(bank.crime))
    assert not is_mule[victims[~recruited]].any()
    assert (bank.activity.first[is_mule] <= bank.activity.last[is_mule]).all()


def test_watch_lists_hold_true_and_mistaken_entries_of_every_list(bank: Bank) -> None:
    entries = bank.entries
    assert set(entries["list"].tolist()) == {0, 1, 2}
    accounts = entries["value"][entries["kind"] == watchlists.ACCOUNT].astype(np.int64)
    assert (accounts < len(bank.people.persona)).all()
    right = np.isin(accounts, members(bank.crime)).mean()
    assert 0.7 < right < 1
    assert (entries["category"] == watchlists.REPORTED).mean() > 0.02
    assert (entries["centre"] < bank.crime.n_centres).all()
    assert ((entries["reliability"] > 0) & (entries["reliability"] <= 1)).all()
    cells = entries["value"][entries["kind"] == watchlists.CELL].astype(np.int64)
    assert (cells < bank.people.n_areas * 10).all()


def test_listed_numbers_devices_and_networks_are_really_used(bank: Bank) -> None:
    entries, sessions = bank.entries, bank.sessions
    used = {
        watchlists.PHONE: bank.calls["caller"],
        watchlists.WIFI: sessions["wifi"],
        watchlists.IP: sessions["ip"],
        watchlists.DEVICE: sessions["device"],
    }
    for kind, values in used.items():
        listed = entries["value"][entries["kind"] == kind]
        # A small world may list no network at all.
        assert len(listed) == 0 or np.isin(listed, values).any(), kind
    assert np.isin([watchlists.PHONE, watchlists.DEVICE], entries["kind"]).all()


def test_a_world_without_crime_has_quarrels_but_neither_victims_nor_mules(innocent: Bank) -> None:
    assert (innocent.complaints["case"] == -1).all()
    assert len(innocent.complaints["case"]) > 0
    assert not (innocent.labels["label"] == MULE).any()
    assert not innocent.activity.is_mule.any()
    assert (innocent.entries["category"] == watchlists.REPORTED).all()
    assert (innocent.entries["centre"] == -1).all()
    assert (innocent.people.persona[innocent.complaints["target"]] < FIRST_BUSINESS).all()
