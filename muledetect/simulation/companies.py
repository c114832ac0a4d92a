"""Young companies, honest and bought for their accounts: a world has them if `young_company_share` is above 0.

Honest ones are founded with little capital and open their account soon, too; some never pay wages, and some send money
to an exchange. All draws come from streams of their own: a world without them stays as it is.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from muledetect import schema
from muledetect.arrays import BoolArray, Int64Array
from muledetect.clock import DAY, HOUR
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.days import OFFICE, Calendar
from muledetect.simulation.economy import Act, Actors, Economy, monthly
from muledetect.simulation.people import CODE, People
from muledetect.simulation.plan import OF_BALANCE
from muledetect.simulation.streams import hash_bits, hash_choice, hash_uniform, stream
from muledetect.simulation.tables.ids import Ids, hex_text, take, times

#: Personas that are companies of somebody.
OF_SOMEBODY: Final = ("company", "shop", "goods")
#: `People.mule_kind` of a company that an office bought or founded.
BOUGHT: Final = 5
#: Capital of a small company, satang; the least that the register asks for is the commonest.
_CAPITALS: Final = np.array([10_000_000, 20_000_000, 50_000_000, 100_000_000, 200_000_000], np.int64)
#: Shares of bought companies that are founded for it, of directors with a second company, and of honest companies that
#: pay taxes and rent, and that trade in coins (choices).
_FOUNDED, _SECOND, _PAYS_COSTS, _TRADES_COINS = 0.65, 0.12, 0.8, 0.08
_SALT: Final = 4100


def make_young(config: WorldConfig, people: People, calendar: Calendar) -> None:
    """Let a share of our companies and shops have opened their account in the last 300 days, or during the world."""
    if config.young_company_share == 0:
        return
    rng = stream(config.seed, "young companies")
    firms = people.of(*OF_SOMEBODY, own=True)
    young = firms[rng.random(len(firms)) < config.young_company_share]
    first, last = calendar.start - 300 * DAY, calendar.end - 20 * DAY
    opened = first + (rng.random(len(young)) * (last - first)).astype(np.int64)
    people.opened_at[young] = opened // DAY * DAY + rng.integers(HOUR, 11 * HOUR, len(young))
    people.active_from[young] = np.where(people.opened_at[young] >= calendar.start, people.opened_at[young], 0)
    people.opening[young] = np.minimum(people.opening[young], np.int64(50_000_000))
    people.opening[young[people.opened_at[young] >= calendar.start]] = 0


def company_costs(economy: Economy) -> Act:
    """Tax, rent and power of our companies, month by month; one in five pays them from another bank."""
    people, seed = economy.people, economy.config.seed
    firms = people.of(*OF_SOMEBODY, own=True)
    firms = firms[(people.mule_kind[firms] == 0) & (hash_uniform(firms, _SALT, seed) < _PAYS_COSTS)]
    if economy.config.young_company_share == 0 or not len(firms):
        return lambda _: None
    state, power = people.of("government"), economy.business(len(firms), "biller")
    landlord = economy.business(len(firms), "landlord", "company")
    schedule = monthly(economy.rng.integers(1, 29, len(firms)))
    coins = firms[hash_uniform(firms, _SALT + 6, seed) < _TRADES_COINS]
    traders = Actors.of(coins, np.full(len(coins), 0.2))

    def plan(week: Economy) -> None:
        firm, at = traders.acts(week, 1.0, week.calendar.working)
        share = week.rng.uniform(0.2, 0.9, len(firm))
        exchange = week.business(len(firm), "vasp")
        week.pay("vasp", week.moments(at, OFFICE), firm, exchange, mode=OF_BALANCE, share=share)
        row, day = schedule.due(week.span)
        when, n = week.moments(day, OFFICE), len(row)
        tax = (people.income[firms[row]] * week.rng.uniform(0.005, 0.03, n)).astype(np.int64)
        week.pay("bill", when, firms[row], state[week.rng.integers(0, len(state), n)], amount=tax)
        rent = (people.income[firms[row]] * 0.03).astype(np.int64) // 100_000 * 100_000 + 100_000
        other = landlord[row] != firms[row]
        week.pay("p2p_account", when[other] + HOUR, firms[row][other], landlord[row][other], amount=rent[other])
        week.pay("bill", when + 2 * HOUR, firms[row], power[row], amount=week.amounts(n, 2_500, 0.8))

    return plan


def is_young(economy: Economy, who: Int64Array) -> BoolArray:
    """Return which holders are companies whose account is at most a year older than the world, or bought ones."""
    people = economy.people
    firm = np.isin(people.persona[who], [CODE[name] for name in OF_SOMEBODY])
    recent = people.opened_at[who] > economy.calendar.start - 365 * DAY
    return np.asarray(firm & (recent | (people.mule_kind[who] == BOUGHT)))


def register(economy: Economy, who: Int64Array, registered: Int64Array, capital: Int64Array) -> None:
    """Set registration and capital of young companies, in place, where the world has any.

    Honest ones are registered weeks before their account, and so are most of the bought ones; the others of these are
    shelf companies of some years with the capital that they were given.
    """
    if economy.config.young_company_share == 0:
        return
    rng, people = stream(economy.config.seed, "registrations"), economy.people
    rows = np.flatnonzero(is_young(economy, who))
    opened = people.opened_at[who[rows]]
    founded = (people.mule_kind[who[rows]] != BOUGHT) | (rng.random(len(rows)) < _FOUNDED)
    age = np.where(founded, rng.exponential(25, len(rows)) + 2, rng.gamma(2.0, 500, len(rows)) + 200)
    registered[rows] = opened - (age * DAY).astype(np.int64)
    small = _CAPITALS[np.minimum(rng.geometric(0.4, len(rows)) - 1, len(_CAPITALS) - 1)]
    honest = people.mule_kind[who[rows]] != BOUGHT
    capital[rows] = small * np.where(honest, rng.choice([1, 1, 1, 5], len(rows)), 1)


def directors_table(economy: Economy, ids: Ids) -> pa.Table:
    """Directors of companies, as identifiers: one each, some of two; an office's people direct several bought ones."""
    people, seed = economy.people, economy.config.seed
    if economy.config.young_company_share == 0:
        return schema.INPUTS["identifiers"].empty()
    who = np.unique(people.holder[people.is_own])
    who = who[np.isin(people.persona[who], [CODE[name] for name in OF_SOMEBODY])]
    bought = people.mule_kind[who] == BOUGHT
    # straw men are few: one for every three companies, at random
    straw = (1 << 50) + hash_choice(max(1, int(bought.sum()) // 3), who, _SALT + 1, seed)
    partner = (1 << 51) + hash_choice(max(1, int(len(who) * _SECOND) // 2), who, _SALT + 2, seed)
    has_partner = hash_uniform(who, _SALT + 3, seed) < _SECOND
    director = np.where(bought & (hash_uniform(who, _SALT + 4, seed) < 0.7), straw, np.where(has_partner, partner, who))
    known = times(np.minimum(people.opened_at[who], economy.calendar.end - 1))
    return schema.INPUTS["identifiers"].filled(
        entity_id=take(ids.holder, who),
        kind=pa.repeat(pa.scalar("director"), len(who)),
        value_hash=hex_text(hash_bits(director, _SALT + 5, seed)),
        valid_from=known,
        known_ts=known,
    )
