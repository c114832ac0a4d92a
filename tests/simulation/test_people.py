"""People of a world: who they are, when their accounts live, what they hold, whom they know."""

from __future__ import annotations

import numpy as np
import pytest

from muledetect.simulation.config import WorldConfig
from muledetect.simulation.contacts import Contacts, build_contacts, build_favourites
from muledetect.simulation.days import build_calendar
from muledetect.simulation.people import CODE, NEVER, PERSONAS, People, build_people


@pytest.fixture(scope="module")
def config() -> WorldConfig:
    return WorldConfig(n_accounts=8000, n_days=120, seed=5)


@pytest.fixture(scope="module")
def people(config: WorldConfig) -> People:
    return build_people(config, build_calendar(config))


@pytest.fixture(scope="module")
def contacts(config: WorldConfig, people: People) -> Contacts:
    return build_contacts(config, people)


def test_every_persona_lives_even_in_the_smallest_world() -> None:
    config = WorldConfig(n_accounts=200, n_days=14)
    people = build_people(config, build_calendar(config))
    assert {PERSONAS[code] for code in people.persona} == set(PERSONAS)
    assert people.is_own.sum() == 200


def test_most_accounts_are_private_and_most_of_these_have_pay(people: People) -> None:
    own = people.is_own
    assert 0.9 < people.is_private[own].mean() < 0.95
    assert 0.3 < (people.persona[own] == CODE["salaried"]).mean() < 0.4
    assert (people.bank == 0).sum() == own.sum()


def test_the_order_of_accounts_tells_nothing(people: People) -> None:
    order = np.arange(len(people.persona))
    for column in (people.is_own, people.is_private, np.log1p(people.opening), people.opened_at):
        assert abs(np.corrcoef(order, column.astype(np.float64))[0, 1]) < 0.05


def test_accounts_live_from_opening_to_closing(config: WorldConfig, people: People) -> None:
    calendar = build_calendar(config)
    assert (people.closed_at > people.opened_at).all()
    assert (people.active_from >= np.where(people.opened_at >= calendar.start, people.opened_at, 0)).all()
    private = people.is_private & people.is_own
    is_new = people.opened_at >= calendar.start
    assert 0.03 < is_new[private].mean() < 0.12
    assert is_new[people.of("shop", own=True)].any()
    assert 0.005 < (people.closed_at[private] < calendar.end).mean() < 0.03
    for name in ("cash", "vasp", "wallet", "government", "biller"):
        assert (people.closed_at[people.of(name)] == NEVER).all()
        assert not is_new[people.of(name)].any()


def test_some_dormant_accounts_wake_and_the_others_sleep(config: WorldConfig, people: People) -> None:
    wakes = people.active_from[people.of("dormant")] < build_calendar(config).end
    assert 0.15 < wakes.mean() < 0.35


def test_balances_start_as_published_and_new_accounts_empty(config: WorldConfig, people: People) -> None:
    is_new = people.opened_at >= build_calendar(config).start
    own = people.is_own & people.is_private
    held = people.opening[own & ~is_new] / 100
    # Half of all depositors hold under 3,124 baht; 89% of accounts less than 50,000; the largest tenth most of it.
    assert 1_500 < np.median(held) < 4_500
    assert 0.85 < (held < 50_000).mean() < 0.95
    assert np.sort(held)[-len(held) // 10 :].sum() > 0.6 * held.sum()
    assert (people.opening[own & is_new] == 0).all()
    assert (people.opening >= 0).all()
    assert int(people.opening.astype(object).sum()) < 2**62


def test_incomes_have_a_heavy_tail_around_the_average_wage(people: People) -> None:
    pay = people.income[people.of("salaried", own=True)] / 100
    assert 14_000 < pay.mean() < 22_000
    assert pay.max() > 8 * np.median(pay)


def test_a_holder_of_several_accounts_is_one_person_of_one_household(people: People) -> None:
    first = people.holder
    assert (first[first] == first).all()
    joint = np.flatnonzero(first != np.arange(len(first)))
    assert len(joint) > 50
    assert (people.household[joint] == people.household[first[joint]]).all()
    assert (people.is_own[joint] == people.is_own[first[joint]]).all()
    assert people.is_private[joint].all()


def test_dormitories_hold_more_people_than_homes(people: People) -> None:
    size = np.bincount(people.household, minlength=people.household.max() + 1)
    rooms = size[people.household[people.is_dormitory]]
    homes = size[people.household[~people.is_dormitory]]
    assert np.median(rooms) > 3 * np.median(homes)


def test_contacts_are_people_and_favourites_are_shops(config: WorldConfig, people: People, contacts: Contacts) -> None:
    shops = build_favourites(config, people)
    assert contacts.member.dtype == shops.member.dtype == np.int32
    assert people.is_private[contacts.member].all()
    assert np.isin(people.persona[shops.member], [CODE[name] for name in ("shop", "stall", "goods")]).all()
    assert contacts.size.min() >= 3
    assert contacts.size.max() > 4 * np.median(contacts.size)


def test_half_of_the_contacts_live_near(people: People, contacts: Contacts) -> None:
    owner = np.repeat(np.arange(len(contacts.size)), contacts.size)
    assert 0.45 < (people.area[owner] == people.area[contacts.member]).mean() < 0.65


def test_draws_come_from_the_own_contacts_and_mostly_from_the_first(contacts: Contacts) -> None:
    who = np.full(2_000, 17)
    drawn = contacts.draw(np.random.default_rng(1), who)
    start, size = int(contacts.start[17]), int(contacts.size[17])
    assert set(drawn.tolist()) <= set(contacts.member[start : start + size].tolist())
    assert (drawn == contacts.member[start]).mean() > 1 / size
