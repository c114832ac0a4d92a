"""Call centres and laundering offices do what the typologies say, each tactic of evasion turns one thing up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.clock import DAY, HOUR
from muledetect.simulation.config import TACTICS, WorldConfig
from muledetect.simulation.crime.evasion import wage_of
from muledetect.simulation.crime.laundering import plan_crime
from muledetect.simulation.crime.recruiting import COMPANY, DORMANT, NEW, OLD, STOLEN, UNWITTING, recruit
from muledetect.simulation.crime.rings import SHAPES, Crime, assign_houses, build_layout
from muledetect.simulation.crime.victims import SCAM_TYPES, Case
from muledetect.simulation.days import Calendar, build_calendar
from muledetect.simulation.economy import build_economy
from muledetect.simulation.people import CODE, NEVER, People, build_people
from muledetect.simulation.plan import CHANNEL, EXIT, HOP, KINDS, SPEND, TEST, VICTIM, Columns, open_ledger

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Underworld:
    """Crime without anybody else's life: what is planned, and what really happened."""

    config: WorldConfig
    calendar: Calendar
    people: People
    crime: Crime
    cases: tuple[Case, ...]
    done: Columns

    @property
    def mules(self) -> list[int]:
        """Accounts of ours that were recruited."""
        memberships = [member for ring in self.crime.rings for member in ring.memberships]
        return sorted(
            {member.account for member in memberships if not member.is_unwitting and self.people.is_own[member.account]}
        )


def play(config: WorldConfig, keep: Callable[[Crime], Crime] = lambda crime: crime) -> Underworld:
    calendar = build_calendar(config)
    people = build_people(config, calendar)
    crime = keep(recruit(config, people, calendar))
    economy = build_economy(config, calendar, people)
    cases = plan_crime(economy, crime)
    done = open_ledger(people, calendar).execute(economy.plan.take(calendar.end), economy.plan.n_pots)
    return Underworld(config, calendar, people, crime, cases, done)


@cache
def underworld(**parameters: float) -> Underworld:
    return play(WorldConfig(n_accounts=4000, n_days=90, seed=5, mule_share=0.05, **{"evasion": 0.0, **parameters}))  # type: ignore[arg-type]


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 2**40),
    n_accounts=st.integers(200, 1500),
    n_days=st.integers(14, 60),
    mule_share=st.sampled_from([0.002, 0.03, 0.1]),
    outside_share=st.floats(0.1, 1.0),
    evasion=st.floats(0, 1),
)
def test_rings_hire_exactly_the_configured_mules_within_the_world(
    seed: int, n_accounts: int, n_days: int, **more: float
) -> None:
    config = WorldConfig(n_accounts=n_accounts, n_days=n_days, seed=seed, **more)  # type: ignore[arg-type]
    calendar = build_calendar(config)
    people = build_people(config, calendar)
    crime = recruit(config, people, calendar)
    hired = {member.account for ring in crime.rings for member in ring.memberships if not member.is_unwitting}
    assert sum(bool(people.is_own[account]) for account in hired) == config.n_mules
    assert (people.mule_kind[sorted(hired)] > 0).all()
    assert not np.isin(people.mule_kind[sorted(hired)], [UNWITTING]).any()
    for ring in crime.rings:
        assert calendar.start < ring.start < ring.end < calendar.end
        assert 0 <= ring.centre < crime.n_centres
        assert 0 <= ring.office < crime.n_offices
        for member in ring.memberships:
            assert ring.start <= member.start < member.end <= ring.end
            assert 0 <= member.layer <= ring.depth
            assert member.is_unwitting or people.opened_at[member.account] < member.start


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**40), shape=st.sampled_from(SHAPES), size=st.integers(2, 14))
def test_every_place_of_a_shape_is_paid_and_pays_the_next_layer(seed: int, shape: str, size: int) -> None:
    layout = build_layout(np.random.default_rng(seed), shape, size)
    targets = {target for place in layout for target in place.onward}
    for number, place in enumerate(layout):
        assert (place.layer == 0) != (number in targets)
        assert all(layout[target].layer == place.layer + 1 for target in place.onward)
    depth = 1 + max(place.layer for place in layout)
    assert depth <= 5 + 2 * (shape == "cycle")


def payers(layout: tuple, number: int) -> int:  # type: ignore[type-arg]
    return sum(number in place.onward for place in layout)


def test_shapes_are_what_they_are_called() -> None:
    for seed in range(20):
        drawn = {shape: build_layout(np.random.default_rng(seed), shape, 7) for shape in SHAPES}
        widths = {shape: np.bincount([place.layer for place in layout]).tolist() for shape, layout in drawn.items()}
        assert widths["fan_in"] == [6, 1]
        assert widths["fan_out"] == [1, 6]
        assert widths["scatter_gather"] == [1, 5, 1]
        gathers, waist, scatters = widths["gather_scatter"]
        assert waist == 1
        assert gathers >= 2
        assert scatters >= 2
        assert min(widths["bipartite"]) >= 2
        assert len(widths["stack"]) == 3
        assert min(widths["stack"]) >= 2
        assert len(widths["relay_chain"]) >= 3
        assert all(len(place.onward) <= 1 for place in drawn["relay_chain"])
        assert drawn["cycle"][-1].returns_to == 0
        assert all(payers(drawn["bipartite"], place.onward[0]) >= 2 for place in drawn["bipartite"] if place.onward)


def test_every_shape_is_recruited_and_accounts_are_burnt_and_replaced() -> None:
    world = underworld()
    assert {ring.shape for ring in world.crime.rings} == set(SHAPES)
    lives = np.array([member.end - member.start for ring in world.crime.rings for member in ring.memberships]) / DAY
    assert (lives <= 7).mean() > 0.75
    replaced = [
        place for ring in world.crime.rings for place in range(len(ring.layout)) if len(ring.members_at(place)) > 1
    ]
    assert len(replaced) > 10
    for ring in world.crime.rings:
        for place in range(len(ring.layout)):
            memberships = ring.members_at(place)
            assert all(before.end == after.start for before, after in pairwise(memberships))


def test_recruits_have_the_past_of_their_kind() -> None:
    world = underworld()
    people = world.people
    start = {
        member.account: min(s.start for r in world.crime.rings for s in r.memberships if s.account == member.account)
        for ring in world.crime.rings
        for member in ring.memberships
    }
    kinds = {kind: [a for a in start if people.mule_kind[a] == kind] for kind in (NEW, DORMANT, OLD, STOLEN, COMPANY)}
    assert all(kinds.values())
    for account, first in start.items():
        age = (first - people.opened_at[account]) / DAY
        kind = people.mule_kind[account]
        assert age > (200 if kind == DORMANT else 60 if kind == OLD else 0)
    assert all(people.active_from[account] == NEVER for account in kinds[STOLEN] + kinds[COMPANY])
    assert all(people.persona[account] == CODE["company"] for account in kinds[COMPANY])
    several = np.unique(people.holder[kinds[NEW]], return_counts=True)[1]
    assert several.max() >= 3
    shares = {kind: len(accounts) / len(start) for kind, accounts in kinds.items()}
    assert shares[NEW] + shares[STOLEN] == pytest.approx(0.30, abs=0.08)
    assert shares[DORMANT] == pytest.approx(0.25, abs=0.08)
    assert shares[COMPANY] == pytest.approx(0.05, abs=0.04)


def test_offices_serve_several_centres_and_rings_share_accounts() -> None:
    world = underworld()
    centres: dict[int, set[int]] = {}
    offices: dict[int, set[int]] = {}
    for ring in world.crime.rings:
        centres.setdefault(ring.office, set()).add(ring.centre)
        for account in ring.members:
            offices.setdefault(account, set()).add(ring.office)
    assert max(map(len, centres.values())) >= 2
    assert any(len(served) > 1 for served in offices.values())


@pytest.mark.parametrize("evasion", [0.0, 1.0])
def test_no_pot_and_no_ring_pays_on_more_than_came_in(evasion: float) -> None:
    world = underworld(evasion=evasion)
    done = world.done
    n_pots = int(max(done["pot_in"].max(), done["pot_out"].max())) + 1
    filled = np.zeros(n_pots, np.int64)
    for row in range(len(done["time"])):
        if done["pot_out"][row] >= 0:
            filled[done["pot_out"][row]] -= done["amount"][row]
            assert filled[done["pot_out"][row]] >= 0
        if done["pot_in"][row] >= 0:
            filled[done["pot_in"][row]] += done["amount"][row]
    for ring in world.crime.rings:
        mine = done["ring"] == ring.number
        stolen = done["amount"][mine & (done["kind"] == VICTIM)].sum()
        left = done["amount"][mine & np.isin(done["kind"], [EXIT, SPEND])].sum()
        assert left <= stolen
    passed_on = np.isin(done["kind"], [HOP, EXIT, SPEND])
    assert (done["pot_out"][passed_on] >= 0).all()
    assert (done["pot_in"][np.isin(done["kind"], [VICTIM, HOP])] >= 0).all()
    assert (done["case"][done["kind"] != TEST] >= 0).all()


def test_every_row_belongs_to_a_case_of_its_own_ring() -> None:
    world = underworld(evasion=0.5)
    ring_of = np.array([case.ring for case in world.cases])
    assert [case.number for case in world.cases] == list(range(len(world.cases)))
    known = world.done["case"] >= 0
    assert (ring_of[world.done["case"][known]] == world.done["ring"][known]).all()
    for case in world.cases:
        assert case.first_call < case.first_payment <= case.last_payment
        assert 0 <= case.scam_type < len(SCAM_TYPES)
    victims = np.array([case.victim for case in world.cases])
    assert not np.isin(world.people.mule_kind[victims], [NEW, DORMANT, OLD, STOLEN, COMPANY]).any()
    rings = {victim: {case.ring for case in world.cases if case.victim == victim} for victim in victims.tolist()}
    assert any(len(paid) > 1 for paid in rings.values())


def left_within(done: Columns, seconds: int) -> float:
    """Share of the money received by mules that had left again within some seconds, first in first out in its pot."""
    inflow = np.flatnonzero((done["pot_in"] >= 0) & np.isin(done["kind"], [VICTIM, HOP]))
    queues: dict[int, list[list[int]]] = {}
    in_time = 0
    for row in range(len(done["time"])):
        left = int(done["amount"][row])
        for draw in queues.get(int(done["pot_out"][row]), []):
            part = min(left, draw[1])
            in_time += part * (done["time"][row] - draw[0] <= seconds * 1_000_000)
            draw[1] -= part
            left -= part
        if done["pot_in"][row] >= 0:
            queues.setdefault(int(done["pot_in"][row]), []).append([int(done["time"][row]), int(done["amount"][row])])
    return float(in_time / done["amount"][inflow].sum())


def test_careless_money_leaves_as_fast_as_in_life() -> None:
    done = underworld().done
    assert 0.22 < left_within(done, 15 * 60) < 0.38
    assert 0.42 < left_within(done, 3600) < 0.60
    assert left_within(done, 7 * 86_400) < 0.99


def parts_per_batch(world: Underworld) -> float:
    hops = world.done["kind"] == HOP
    return float(np.unique(world.done["pot_out"][hops], return_counts=True)[1].mean())


def quickness(world: Underworld) -> float:
    return -left_within(world.done, 3600)


def purchases(world: Underworld) -> float:
    return float((world.done["kind"] == SPEND).sum())


def wages(world: Underworld) -> float:
    """Share of hops by payroll, or of exactly the receiver's fixed pay."""
    done = world.done
    hops = np.flatnonzero(done["kind"] == HOP)
    pay = np.array([wage_of(int(account), world.config.seed) for account in done["target"][hops]])
    return float(((done["channel"][hops] == CHANNEL["payroll"]) | (done["amount"][hops] == pay)).mean())


def old_share(world: Underworld) -> float:
    return float((world.people.mule_kind[world.mules] == OLD).mean())


def phone_changes(world: Underworld) -> float:
    houses = assign_houses(world.config, world.crime, len(world.people.persona))
    turns = houses.change_hours > 0
    return float(((houses.end - houses.start)[turns] / HOUR / houses.change_hours[turns]).sum())


def unwitting_money(world: Underworld) -> float:
    done = world.done
    helped = world.people.mule_kind == UNWITTING
    hops = done["kind"] == HOP
    return float(done["amount"][hops & helped[done["source"]]].sum() / done["amount"][hops].sum())


MEASURES: dict[str, Callable[[Underworld], float]] = {
    "splitting": parts_per_batch,
    "waiting": quickness,
    "camouflage": purchases,
    "salary_like": wages,
    "old_accounts": old_share,
    "device_rotation": phone_changes,
    "pass_through": unwitting_money,
}


@pytest.mark.parametrize("tactic", TACTICS)
def test_a_tactic_shows_more_the_further_it_is_turned_up(tactic: str) -> None:
    shown = [MEASURES[tactic](underworld(**{tactic: dial})) for dial in (0.0, 0.5, 1.0)]
    assert shown[0] < shown[1] < shown[2]
    if tactic in ("camouflage", "salary_like", "device_rotation", "pass_through"):
        assert shown[0] == pytest.approx(0, abs=0.005)


def test_lived_in_accounts_grow_with_camouflage() -> None:
    alive = []
    for dial in (0.0, 0.5, 1.0):
        world = underworld(camouflage=dial)
        bought = np.flatnonzero(np.isin(world.people.mule_kind, [NEW, DORMANT]))
        alive.append(float((world.people.active_from[bought] < NEVER).mean()))
    assert alive[0] == 0
    assert alive[0] < alive[1] < alive[2]
    assert alive[2] == 1


def test_housed_accounts_stay_around_their_time_in_a_ring() -> None:
    world = underworld(evasion=0.5)
    houses = assign_houses(world.config, world.crime, len(world.people.persona))
    housed = np.flatnonzero(houses.office >= 0)
    assert np.isin(housed, [account for ring in world.crime.rings for account in ring.members]).all()
    assert 0.3 < np.isin(world.mules, housed).mean() < 0.7
    assert (houses.start[housed] < houses.end[housed]).all()
    assert not (world.people.mule_kind[housed] == UNWITTING).any()


def test_the_same_seed_plans_the_same_crime() -> None:
    config = WorldConfig(n_accounts=1000, n_days=40, seed=7, evasion=0.5)
    first, second = play(config), play(config)
    assert first.cases == second.cases
    for name, values in first.done.items():
        np.testing.assert_array_equal(values, second.done[name], name)


def test_a_ring_does_not_disturb_another() -> None:
    config = WorldConfig(n_accounts=2000, n_days=60, seed=7, evasion=0.5, mule_share=0.02)
    everyone = play(config)
    alone = play(config, lambda crime: replace(crime, rings=crime.rings[-1:]))
    number = alone.crime.rings[0].number
    columns = ("time", "source", "target", "kind", "channel")
    mine = everyone.done["ring"] == number
    # The ledger may refuse a payment of somebody whom another ring has emptied: a few rows may differ.
    rows = [set(zip(*(world.done[name].tolist() for name in columns), strict=True)) for world in (everyone, alone)]
    theirs = set(zip(*(everyone.done[name][mine].tolist() for name in columns), strict=True))
    assert len(theirs & rows[1]) > 0.9 * len(rows[1])


def test_no_crime_recruits_and_plans_nothing() -> None:
    world = play(WorldConfig(n_accounts=300, n_days=20, mule_share=0.0))
    assert world.crime == Crime((), 0, 0)
    assert world.cases == ()
    assert len(world.done["time"]) == 0
    assert not world.people.mule_kind.any()


def test_money_goes_out_by_every_way_and_cards_meet_at_the_border() -> None:
    world = underworld()
    done = world.done
    out = done["kind"] == EXIT
    used = set(done["channel"][out].tolist())
    assert {CHANNEL[name] for name in ("vasp", "cash_atm", "wallet", "xborder", "qr_merchant")} <= used
    drawn = out & (done["channel"] == CHANNEL["cash_atm"])
    assert (done["terminal"][drawn] // 4 >= world.people.n_areas - 2).all()
    cards = {machine: set(done["source"][drawn & (done["terminal"] == machine)].tolist())
             for machine in np.unique(done["terminal"][drawn]).tolist()}  # fmt: skip
    assert max(map(len, cards.values())) >= 5
    assert set(done["kind"].tolist()) <= set(range(1, len(KINDS)))


def test_rings_follow_other_tactics_from_the_day_of_a_change_on() -> None:
    plain, changed = underworld(evasion=0.0), underworld(evasion=0.0, change_day=45, later_evasion=1.0)
    start = build_calendar(plain.config).start
    dials = {(ring.start - start >= 45 * DAY, ring.tactics.config.evasion) for ring in changed.crime.rings}
    assert dials == {(False, 0.0), (True, 1.0)}
    # who formed earlier does all as if nothing came later
    early = [number for number, ring in enumerate(plain.crime.rings) if ring.start - start < 45 * DAY]
    for number in early:
        assert changed.crime.rings[number].memberships == plain.crime.rings[number].memberships
    never = underworld(evasion=0.0, change_day=90, later_evasion=1.0)
    assert [ring.memberships for ring in never.crime.rings] == [ring.memberships for ring in plain.crime.rings]
