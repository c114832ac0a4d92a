"""Normal life: what people and firms do with their money, honest lookalikes of every typology among it.

A behaviour draws once what lasts and returns an act that plans one span at a time; one file a concept.

The rates are set so that a private account has some 25 transfers a month in and out. Users made 538 digital payments
each in 2023, 45 a month, spread over three mobile or internet accounts a user [1]_; United States consumers made 45.6
payments a month, cash among them [2]_. PromptPay transfers under 5,000 baht had a mean of 510 baht [1]_. Degrees have
heavy tails in real banks too [3]_. Shares and rates without a source are choices of this project.

References
----------
.. [1] Bank of Thailand, Payment Insight 2023, in: Bangkok Post, "PromptPay usage hits record high in 2023",
   bangkokpost.com/business/general/2775166. Three accounts: 136 million accounts over some 45 million adults (choice).
.. [2] K. Foster, C. Greene and J. Stavins, "2023 Survey and Diary of Consumer Payment Choice", Federal Reserve Bank of
   Atlanta, doi.org/10.29338/rdr2024-01.
.. [3] A. Saxena et al., "The Banking Transactions Dataset and its Comparative Analysis with Scale-free Networks",
   arXiv 2109.10703: 1.6 million customers of one bank.
"""

from typing import Final

from muledetect.simulation.companies import company_costs
from muledetect.simulation.economy import Behaviour
from muledetect.simulation.life import apps, collecting, friends, homes, large, own_money, pay, selling, spending

#: The name of a behaviour is the name of its random stream, and the order is the order of planning: both are part of
#: what a seed means.
BEHAVIOURS: Final[tuple[Behaviour, ...]] = (
    pay.salaries, pay.pensions, pay.day_labour,
    spending.shopping, spending.outside_customers,
    friends.friends, friends.outside_friends, friends.dinners, friends.gifts,
    friends.support, friends.allowances,
    homes.bills, homes.subscriptions, homes.rents, homes.rents_go_on,
    spending.withdrawals, spending.deposits,
    apps.wallets, apps.exchanges, apps.marketplaces,
    selling.orders, selling.suppliers, selling.live_shows, selling.takings,
    pay.riders, pay.tips,
    collecting.savings_circles, collecting.organisers, collecting.appeals, collecting.donations,
    apps.coin_traders,
    apps.migrants, apps.remittance_agents, apps.border_trade,
    pay.invoices, pay.purchasing, pay.treasuries,
    own_money.second_accounts, own_money.new_accounts, own_money.trials, own_money.savings, own_money.closings,
    large.purchases, large.outside_buyers, large.windfalls,
    large.loans,
    company_costs,
)  # fmt: skip
