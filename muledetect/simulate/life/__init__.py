"""Normal life: what people and firms do with their money, honest lookalikes of every typology among it.

A behaviour draws once what lasts and returns an act that plans one span at a time; one file a concept.
"""

from typing import Final

from muledetect.simulate.life import (
    abroad,
    apps,
    cash,
    coins,
    collecting,
    credit,
    firms,
    friends,
    gigs,
    homes,
    large,
    own_money,
    pay,
    relatives,
    selling,
    spending,
)
from muledetect.simulate.life.cash import machines
from muledetect.simulate.town import Behaviour

__all__ = ["BEHAVIOURS", "machines"]

BEHAVIOURS: Final[tuple[Behaviour, ...]] = (
    pay.salaries, pay.pensions, pay.day_labour,
    spending.shopping, spending.outside_customers,
    friends.friends, friends.outside_friends, friends.dinners, friends.gifts,
    relatives.support, relatives.allowances,
    homes.bills, homes.subscriptions, homes.rents, homes.rents_go_on,
    cash.withdrawals, cash.deposits,
    apps.wallets, apps.exchanges, apps.marketplaces,
    selling.orders, selling.suppliers, selling.live_shows, selling.takings,
    gigs.riders, gigs.tips,
    collecting.savings_circles, collecting.organisers, collecting.appeals, collecting.donations,
    coins.coin_traders,
    abroad.migrants, abroad.remittance_agents, abroad.border_trade,
    firms.invoices, firms.purchasing, firms.treasuries,
    own_money.second_accounts, own_money.new_accounts, own_money.trials, own_money.savings, own_money.closings,
    large.purchases, large.outside_buyers, large.windfalls,
    credit.loans,
)  # fmt: skip
