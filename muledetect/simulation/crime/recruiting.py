"""Laundering offices form rings and hire accounts: new, dormant, real old ones, stolen identities, companies."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.arrays import NEVER, Int64Array
from muledetect.clock import DAY, HOUR
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.crime.evasion import Tactics
from muledetect.simulation.crime.rings import CONTROLLER, PERIPHERAL, SHAPES, Crime, Membership, Ring, build_layout
from muledetect.simulation.days import Calendar
from muledetect.simulation.people import CODE, People
from muledetect.simulation.streams import pick, stream

#: `People.mule_kind`.
NEW, DORMANT, OLD, STOLEN, COMPANY, UNWITTING = 1, 2, 3, 4, 5, 6
#: How readily accounts of a persona are sold, others 0.7.
_EAGER: Final = {"student": 1.5, "irregular": 1.6, "gig": 1.4, "dormant": 0.2, "salaried": 0.8, "seller": 0.8}
_LIMITS: Final = np.array([20_000_000, 50_000_000, 200_000_000], np.int64)


def recruit(config: WorldConfig, people: People, calendar: Calendar) -> Crime:
    """Form rings until exactly the config's `n_mules` of our accounts are hired; changes their life in `people`.

    Accounts of other banks and honest customers who pass money on unwittingly come on top. O(accounts log accounts)
    once, then O(memberships).
    """
    wanted = config.n_mules
    if wanted == 0:
        return Crime((), 0, 0)
    n_centres = max(2, round(wanted / 30))
    n_offices = max(1, round(n_centres / 1.6))
    rng = stream(config.seed, "crews")
    for_sale = _ForSale(config, people, rng, n_offices)
    rings: list[Ring] = []
    order: list[str] = []
    while for_sale.n_ours < wanted:
        order = order or [str(shape) for shape in rng.permutation(list(SHAPES))]
        ring = _new_ring(rng, config, calendar, len(rings), order.pop(), n_centres, n_offices)
        _add_members(rng, for_sale, ring)
        rings.append(ring)
    _recruit_unwitting(config, people, for_sale, rings)
    _give_past(config, people, calendar, rings)
    return Crime(tuple(rings), n_centres, n_offices)


def _new_ring(
    rng: np.random.Generator, config: WorldConfig, calendar: Calendar, number: int, shape: str, n_centres: int,
    n_offices: int,
) -> Ring:  # fmt: skip
    layout = build_layout(rng, shape, 3 + int(min(rng.geometric(0.42) - 1, 9)))
    # Days to weeks, and never most of the world. A world is a window: some rings are at work when it begins or ends.
    length = min(float(np.exp(rng.normal(1.3, 0.9))), config.n_days * 0.4)
    begins = rng.uniform(-0.7 * length, config.n_days - max(1.0, 0.3 * length))
    start = calendar.start + int(max(begins, 0.1) * DAY)
    office = int(rng.integers(0, n_offices))
    return Ring(
        number=number,
        tactics=Tactics(config.on_day((start - calendar.start) / DAY)),
        shape=shape,
        layout=layout,
        # An office launders for several centres, and for others now and then.
        centre=int((office * 2 + rng.integers(0, 3)) % n_centres),
        second_centre=int(rng.integers(0, n_centres)),
        office=office,
        start=start,
        end=min(calendar.start + int((begins + length) * DAY), calendar.end) - HOUR,
        commission=float(rng.uniform(config.commission_low, config.commission_high)),
        commission_layer=int(rng.integers(0, 1 + max(place.layer for place in layout))),
    )


class _ForSale:
    """Accounts for sale, in the order in which they are sold."""

    def __init__(self, config: WorldConfig, people: People, rng: np.random.Generator, n_offices: int) -> None:
        self.people = people
        self.wanted = config.n_mules
        self.queues = {own: _for_sale(rng, people, own) for own in (True, False)}
        self.sold = {True: 0, False: 0}
        self.hired: list[int] = []
        self.is_hired = np.zeros(len(people.persona), bool)
        # Offices buy wherever people bank: mules pay across banks as often as anybody.
        self.own_odds = len(self.queues[True]) / (len(self.queues[True]) + len(self.queues[False]))
        self.controllers = [-1] * n_offices

    @property
    def n_ours(self) -> int:
        """Accounts of ours that are hired."""
        return self.sold[True]

    def hire(self, rng: np.random.Generator, taken: list[int]) -> int:
        """Return an account that is not in `taken`: a fresh one, or now and then one that another ring uses too."""
        again, own = rng.random() < 0.05, bool(rng.random() < self.own_odds)
        draw = rng.random()
        own &= self.n_ours < self.wanted
        used = [account for account in self.hired[-200:] if account not in taken]
        if used and (again or self.sold[own] == len(self.queues[own])):
            return used[int(draw * len(used))]
        account = int(self.queues[own][self.sold[own]])
        self.sold[own] += 1
        self.hired.append(account)
        self.is_hired[account] = True
        return account

    def controller(self, rng: np.random.Generator, office: int, taken: list[int]) -> int:
        """Return the account of an office in which its commissions meet."""
        if self.controllers[office] < 0:
            self.controllers[office] = self.hire(rng, taken)
        return self.controllers[office]


def _for_sale(rng: np.random.Generator, people: People, own: bool) -> Int64Array:
    """Private accounts in random order, poorer personas first more often than others."""
    weight = np.array([_EAGER.get(name, 0.7) for name in CODE])
    who = np.flatnonzero(people.is_private & (people.is_own == own) & (people.closed_at == NEVER))
    key = rng.exponential(1.0, len(who)) / weight[people.persona[who]]
    return np.asarray(who[np.argsort(key, kind="stable")], np.int64)


def _add_members(rng: np.random.Generator, for_sale: _ForSale, ring: Ring) -> None:
    """Give accounts to every place: each is used some days, then a fresh one replaces it while the ring goes on."""
    taken: list[int] = []
    for number, place in enumerate(ring.layout):
        if place.returns_to >= 0:
            continue
        for start, end in _periods(rng, ring):
            account = for_sale.hire(rng, taken)
            taken.append(account)
            ring.memberships.append(Membership(account, place.layer, place.role, start, end, place=number))
    if len(ring.layout) >= 5 and rng.random() < 0.3:
        account = for_sale.controller(rng, ring.office, taken)
        if account not in taken:
            ring.memberships.append(Membership(account, ring.depth, CONTROLLER, ring.start, ring.end))


def _periods(rng: np.random.Generator, ring: Ring) -> list[tuple[int, int]]:
    """Cut a ring's life into the periods of one place's accounts: most last one to seven days."""
    periods = []
    start = ring.start
    while start < ring.end:
        end = start + int(np.exp(rng.normal(np.log(3.0), 0.8)) * DAY)
        # Nobody buys an account for the last hours.
        end = end if end + DAY < ring.end else ring.end
        periods.append((start, end))
        start = end
    return periods


def _recruit_unwitting(config: WorldConfig, people: People, for_sale: _ForSale, rings: list[Ring]) -> None:
    """Find honest customers for each ring who will pass money on: a job, a refund, a favour."""
    honest = people.is_private & (people.active_from == 0) & (people.closed_at == NEVER) & ~for_sale.is_hired
    pool = np.flatnonzero(honest)
    for ring in rings:
        rng = stream(config.seed, "bystanders", ring.number)
        n = (
            int(rng.poisson(0.8 * ring.tactics.config.tactic("pass_through") * len(ring.layout)))
            if ring.depth > 1
            else 0
        )
        for account in dict.fromkeys(pool[rng.integers(0, len(pool), n)].tolist()):
            layer = int(rng.integers(1, ring.depth))
            ring.memberships.append(Membership(account, layer, PERIPHERAL, ring.start, ring.end, is_unwitting=True))
            people.mule_kind[account] = UNWITTING


def _give_past(config: WorldConfig, people: People, calendar: Calendar, rings: list[Ring]) -> None:
    """Give every hired account a history that fits how it was hired, as of its first use in any ring."""
    first: dict[int, tuple[Membership, int]] = {}
    for ring in rings:
        for member in ring.memberships:
            known = first.get(member.account)
            if not member.is_unwitting and (known is None or member.start < known[0].start):
                first[member.account] = member, ring.number
    n_of_holder = np.bincount(people.holder, minlength=len(people.holder))
    seller: dict[tuple[int, bool], int] = {}
    # Whose identity may be stolen: people who had an account before and are in no ring.
    innocent = people.is_private & (people.mule_kind == 0)
    honest = {own: np.flatnonzero(innocent & (people.is_own == own)) for own in (True, False)}
    for hired, ring_number in first.values():
        rng = stream(config.seed, "recruit", hired.account)
        tactics = rings[ring_number].tactics
        kind = _kind(rng, tactics.config)
        if kind == COMPANY and n_of_holder[hired.account] != 1:
            # A person with several accounts does not become a company.
            kind = OLD
        people.mule_kind[hired.account] = kind
        limit = _LIMITS[pick(rng, np.array([0.35, 0.45, 0.2]), 1)[0]]
        people.daily_limit[hired.account] = max(people.daily_limit[hired.account], limit)
        if kind == OLD:
            if people.persona[hired.account] == CODE["dormant"]:
                people.persona[hired.account] = CODE["irregular"]
            people.active_from[hired.account] = 0
            _was_open(rng, people, hired.account, hired.start - 60 * DAY)
        elif kind == DORMANT:
            _make_dormant(rng, tactics, people, calendar, hired)
        else:
            _make_new(rng, tactics, people, calendar, hired)
        if kind == STOLEN:
            people.holder[hired.account] = people.holder[int(rng.choice(honest[bool(people.is_own[hired.account])]))]
        if kind == NEW:
            _join_seller(rng, people, hired, ring_number, seller, n_of_holder)


def _kind(rng: np.random.Generator, config: WorldConfig) -> int:
    """Draw how an account comes to be a mule; an office that buys real old accounts needs the others less."""
    draw, is_stolen = rng.random(), rng.random() < config.stolen_share
    old_accounts = config.tactic("old_accounts")
    bought = draw / (1 - old_accounts) if old_accounts < 1 else np.inf
    edges = np.cumsum([config.new_mule_share, config.dormant_mule_share, config.company_mule_share])
    kinds = (STOLEN if is_stolen else NEW, DORMANT, COMPANY, OLD)
    return kinds[int(np.searchsorted(edges, bought, side="right"))]


def _was_open(rng: np.random.Generator, people: People, account: int, moment: int) -> None:
    """Make an account older than `moment` where it is not."""
    if people.opened_at[account] >= moment:
        opened = moment - int(rng.exponential(500) * DAY)
        people.opened_at[account] = opened // DAY * DAY - DAY + int(rng.integers(HOUR, 11 * HOUR))


def _make_poor(rng: np.random.Generator, people: People, account: int) -> None:
    people.persona[account] = CODE[str(rng.choice(["irregular", "gig", "student", "second"]))]
    people.activity_level[account] *= rng.uniform(0.2, 0.9)


def _make_dormant(
    rng: np.random.Generator, tactics: Tactics, people: People, calendar: Calendar, hired: Membership
) -> None:
    account, wakes = hired.account, int(rng.exponential(4) * DAY)
    _make_poor(rng, people, account)
    _was_open(rng, people, account, calendar.start - 200 * DAY)
    people.active_from[account] = hired.start - wakes if tactics.gets_normal_life(rng) else NEVER
    people.opening[account] = int(min(people.opening[account], rng.exponential(60_000)))


def _make_new(
    rng: np.random.Generator, tactics: Tactics, people: People, calendar: Calendar, hired: Membership
) -> None:
    """Open an account days before its use; one with a stolen identity, or of a company, makes no normal payments."""
    account, kind = hired.account, people.mule_kind[hired.account]
    age = rng.exponential(12) + 1.5 if kind != COMPANY else rng.gamma(2.0, 60) + 10
    opened = hired.start - int(age * DAY)
    people.opened_at[account] = opened // DAY * DAY + int(rng.integers(HOUR, 11 * HOUR))
    _make_poor(rng, people, account)
    lives = tactics.gets_normal_life(rng) and kind == NEW
    people.active_from[account] = people.opened_at[account] if lives else NEVER
    people.opening[account] = int(min(people.opening[account], rng.exponential(60_000)))
    if people.opened_at[account] >= calendar.start and people.is_own[account]:
        people.opening[account] = 0
    if kind == COMPANY:
        people.persona[account] = CODE["company"]
        people.holder[account] = account
        people.is_dormitory[account] = False
        people.popularity[account] = 0.01
        people.income[account] = float(np.exp(rng.normal(np.log(8e6), 0.8)))
        people.daily_limit[account] = 10**14


def _join_seller(
    rng: np.random.Generator, people: People, hired: Membership, ring: int, seller: dict[tuple[int, bool], int],
    n_of_holder: Int64Array,
) -> None:  # fmt: skip
    """Sellers sell several accounts at once, opened at one branch within days of each other."""
    account = hired.account
    key = (ring, bool(people.is_own[account]))
    joins = rng.random() < 0.55
    other = seller.setdefault(key, account)
    # A holder of several accounts keeps them: their other accounts must not lose their holder.
    if other == account or not joins or n_of_holder[account] != 1 or people.holder[account] != account:
        seller[key] = account
        return
    for column in (people.holder, people.area, people.household, people.is_dormitory):
        column[account] = column[other]
    # Opened on the same day unless that would be too late for its own use.
    if people.opened_at[other] < hired.start - DAY and people.opened_at[account] > 0:
        shift = int(people.opened_at[other]) // DAY * DAY + int(people.opened_at[account]) % DAY
        if people.active_from[account] == people.opened_at[account]:
            people.active_from[account] = shift
        people.opened_at[account] = shift
