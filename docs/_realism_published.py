"""Published figures that simulated ones are held against, each with the place where it was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Where a figure comes from; what was read of it stands in brackets.
SOURCES: Final = {
    "rail": "Bank of Thailand, Payment Insight for 2023, as told by bangkokpost.com/business/general/2775166 [article]",
    "small": "Bank of Thailand's Puey Ungphakorn Institute on PromptPay in June 2020, as told by "
    "aec.utcc.ac.th/en/thailand-promptpay-transfers-grow-sixfold-in-q2 [article]",
    "diary": "Foster, Greene, Stavins, 2024 Survey and Diary of Consumer Payment Choice, Federal Reserve Bank of "
    "Atlanta, 2025, atlantafed.org [summary]",
    "deposits": "Puey Ungphakorn Institute on deposits insured in June 2017, as told by "
    "bangkokpost.com/business/1820999 [article]; it counts depositors over all banks, we count accounts of one",
    "accounts": "Bank of Thailand, deposits at the end of 2022, as told by "
    "thethaiger.com/hot-news/economy/89-of-bank-accounts-in-thailand-hold-less-than-50000-baht [article]",
    "estonia": "Rendon de la Torre, Kalda, Kitt, Engelbrecht, On the topologic structure of economic complex networks, "
    "arXiv:1602.04352 [abstract: payments between companies have power-law degrees; exponents not read]",
    "scale-free": "Scale-free network, Wikipedia [article: exponents are typically between 2 and 3]",
    "shop": "Mizuno, Power law of customers' expenditures in convenience stores, arXiv:0802.0105 [abstract]",
    "log-normal": "Leibbrandt, How big is that payment?, Swift Institute, 2012 [summary: cash and interbank payments "
    "are log-normal]",
    "bursts": "Goh, Barabasi, Burstiness and memory in complex systems, EPL 81 (2008) 48002 [abstract: human activity "
    "is bursty and its memory weak; no figure for payments read]",
    "hours": "A card network on payments at more than 75% of New Zealand's terminals, 8-14 May 2017, "
    "m.scoop.co.nz/stories/BU1706/S00102 [press release]",
    "rest": "Trajectories through temporal networks, Applied Network Science 2021, 10.1007/s41109-021-00374-7, table 6 "
    "[table: mobile money of one country, last in first out]",
    "uk-mules": "Westmore, Owen, Following the Fraud: the role of money mules, RUSI, 2025, as told by "
    "thepaypers.com [article]",
    "police": "Royal Thai Police, March 2022 to November 2024, as told by nationthailand.com/news/general/40044170 "
    "[article]",
    "press": "Press on Thai gangs: chiangraitimes.com (400 to 12,000 baht an account, five or more a holder), "
    "bangkokpost.com/business/general/2951212 (7 to 13 accounts a holder) [not checked here]",
    "lives": "globalantiscam.org on laundering rings [not checked here]",
    "nation": "nationthailand.com 40038787 on closed mule accounts, layers and follow-up transfers [not checked here]",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A published figure, the range in which ours counts as close (a choice), and what to keep in mind.

    `form` is how ours is written; `sources` are keys of `SOURCES`.
    """

    what: str
    published: str
    low: float
    high: float
    form: str
    sources: tuple[str, ...]
    remark: str = ""

    def verdict(self, ours: float) -> str:
        """Return `close`, or `apart` with the direction."""
        if self.low <= ours <= self.high:
            return "close"
        return "**apart**, lower" if ours < self.low else "**apart**, higher"


#: What normal life is held against.
LIFE: Final = {
    "payments": Figure(
        "payments of a person a month",
        "45 digital ones a user in Thailand; 48 of any kind in the US",
        22,
        60,
        ".1f",
        ("rail", "diary"),
        "ours are of one account of one bank; people have several accounts, and the less used ones count here",
    ),
    "instant_mean": Figure(
        "mean of an instant payment, baht",
        "2,385 (130 billion over 54.5 million, a day)",
        1_200,
        4_800,
        ",.0f",
        ("rail",),
        "ours includes transfers by account number, also large ones of companies",
    ),
    "small_share": Figure("instant payments below 5,000 baht", "82% in 2020, rising", 0.80, 0.97, ".0%", ("small",)),
    "small_mean": Figure("mean of those below 5,000, baht", "510 to 570", 340, 850, ",.0f", ("rail",)),
    "shop_tail": Figure(
        "tail exponent of one purchase",
        "2.5 in convenience stores",
        1.5,
        3.5,
        ".2f",
        ("shop",),
        "the largest tenth of QR payments; shops of all kinds have larger sales than convenience stores",
    ),
    "log_skew": Figure(
        "skewness of the logarithm of instant payments",
        "0: log-normal",
        -0.75,
        0.75,
        ".2f",
        ("log-normal",),
        "a mixture of many kinds of payment",
    ),
    "in_tail": Figure(
        "tail exponent of the number of payers",
        "2 to 3",
        1.8,
        3.3,
        ".2f",
        ("estonia", "scale-free"),
    ),
    "out_tail": Figure(
        "tail exponent of the number of payees",
        "2 to 3",
        1.8,
        3.3,
        ".2f",
        ("estonia", "scale-free"),
        "the published network is of companies; most of ours are people, who pay fewer others",
    ),
    "burstiness": Figure(
        "burstiness of a person's payments",
        "above 0",
        0.1,
        0.6,
        ".2f",
        ("bursts",),
        "0 = random, 1 = all in bursts; corrected for few payments",
    ),
    "memory": Figure("memory of successive times", "weak", -0.15, 0.15, ".2f", ("bursts",)),
    "quietest": Figure("quietest hour begins at (local)", "3 (cards)", 2, 4, ".0f", ("hours",)),
    "saturday": Figure(
        "shop spending on Saturdays, 10:00 to 17:00",
        "11.5%",
        0.06,
        0.16,
        ".1%",
        ("hours",),
        "another country; equal spending at all hours would give 4.2%",
    ),
    "under_500": Figure(
        "persons' accounts below 500 baht",
        "a third of depositors",
        0.2,
        0.45,
        ".0%",
        ("deposits",),
        "we simulate few accounts that are almost empty",
    ),
    "median": Figure(
        "median balance, baht",
        "3,124",
        1_000,
        10_000,
        ",.0f",
        ("deposits",),
        "deposits have grown since 2017; the published median includes unused accounts at other banks",
    ),
    "under_50000": Figure(
        "persons' accounts below 50,000 baht",
        "88.9%",
        0.80,
        0.95,
        ".0%",
        ("accounts",),
    ),
    "top_tenth": Figure(
        "the richest tenth's share of persons' balances",
        "93%",
        0.8,
        0.97,
        ".0%",
        ("deposits",),
        "fixed deposits and the very rich are not simulated",
    ),
    "rest": Figure(
        "median holding time in a person's account, hours",
        "21 to 24 for saving and transfers; 0.1 for bills; 59 to 276 for small use",
        10,
        300,
        ",.0f",
        ("rest",),
        "ours first in, first out: median over persons of the median by amount",
    ),
}

#: What crime is held against.
CRIME: Final = {
    "prevalence": Figure(
        "mules among our accounts", "0.1% to 0.4%: a choice, no count is published", 0.001, 0.004, ".2%", ()
    ),
    "15min": Figure(
        "stolen money gone within 15 minutes",
        "28%",
        0.20,
        0.36,
        ".0%",
        ("uk-mules",),
        "by value, so a few large cases decide; with evasion, criminals wait longer",
    ),
    "1h": Figure("stolen money gone within an hour", "more than half", 0.45, 0.65, ".0%", ("uk-mules",), "likewise"),
    "loss_mean": Figure(
        "mean loss of a case, baht", "104,600 (77.36 billion over 739,494)", 52_000, 210_000, ",.0f", ("police",)
    ),
    "within_a_week": Figure("mules used for a week or less", "most", 0.5, 1.0, ".0%", ("lives",)),
    "younger_than_90d": Figure("mules younger than 90 days at first use", "about 30%", 0.2, 0.45, ".0%", ("nation",)),
    "per_holder": Figure(
        "mule accounts a holder",
        "7 to 13 over all banks",
        1.0,
        4.0,
        ".1f",
        ("press",),
        "the range allows that one bank sees only its own part of a holder's accounts",
    ),
    "layers": Figure("layers of a ring", "three and more", 2.5, 5.0, ".1f", ("nation",)),
    "moves": Figure(
        "moves that follow a victim's payment",
        "at least 5 for most mule accounts",
        3,
        20,
        ".1f",
        ("nation",),
        "those that our bank sees",
    ),
}
