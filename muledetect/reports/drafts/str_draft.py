"""Fields of a suspicious transaction report, drafted from a case: facts of the records, and blanks for the officer.

The draft says what the records say and nothing about a person. What only an officer can say is a blank, named in
`BLANKS`: who reports, why it is suspicious in their words, what was done and decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from muledetect.clock import HOUR
from muledetect.errors import OptionError
from muledetect.facts.matching import match_first_in_first_out
from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.drafts.sentences import write_grounds, write_rows
from muledetect.reports.drafts.words import ACCOUNT_FACTS, HOLDER_FACTS, Wording, exact, known, whole_of
from muledetect.reports.pages import LANGUAGES, Language, time_text
from muledetect.reports.words import Text

#: At most so many transfers are listed; how many there are in all is said beside them.
MOST_REPORTED: Final = 200


class Total(NamedTuple):
    """Transfers of one direction: how many, what they sum up to, with how many other accounts."""

    n: int
    amount: Decimal
    n_others: int


class Reported(NamedTuple):
    """A transfer to be reported; `why` is the first of complaint, reason, period that holds."""

    transfer_id: str
    time: int
    is_credit: bool
    other: str
    other_bank: str | None
    amount: Decimal
    channel: str | None
    relation: str | None
    codes: tuple[str, ...]
    traced_low: Decimal | None
    traced_high: Decimal | None
    terminal_id: str | None
    why: str


class Counterparty(NamedTuple):
    """Another account in the transfers to be reported."""

    account_id: str
    bank_id: str | None
    relation: str | None
    n_in: int
    amount_in: Decimal
    n_out: int
    amount_out: Decimal
    first_time: int
    last_time: int


class Victim(NamedTuple):
    """An account that seems to have lost money to the subject account."""

    account_id: str
    complaint_ids: tuple[str, ...]
    scam_type: str | None
    n_transfers: int
    amount: Decimal | None
    first_time: int | None
    last_time: int | None


class Indicator(NamedTuple):
    """A reason code and the sentence of fact that stands for it."""

    code: str
    fact: str


class Hold(NamedTuple):
    """What is proposed to be held on the subject account for one complaint."""

    complaint_id: str
    hold: Decimal | None
    shortfall: Decimal | None
    expires_at: int | None


@dataclass(frozen=True)
class StrDraft:
    """Fields of a suspicious transaction report: facts, and blanks for the officer; a draft, never a submission.

    Times are microseconds since 1970 UTC; amounts are exact decimals of the currency; what is not known is None.

    Attributes
    ----------
    account_id, as_of, currency
        As in the case.
    language, zone : str
        Of `grounds` and of the values of `rows`.
    account, holder : mapping
        The facts named in `ACCOUNT_FACTS` and `HOLDER_FACTS` that are known.
    period : tuple of int, optional
        The suspicious period; without one, from the first to the last transfer to be reported.
    received, sent : Total
        All transfers of the period that the case holds.
    left_within_hour : Decimal
        Money received in the period that left in it at most an hour later, first in, first out.
    transfers : tuple of Reported
        Transfers to be reported, by time: those of complaints, those that show a reason, those of the period. Where
        there are more than fit, complaints come first, then what shows a reason, then the largest.
    reportable_in, reportable_out : Total
        All transfers to be reported, also those that did not fit.
    counterparties : tuple of Counterparty
        The accounts on their other side, the largest sum first.
    confirmed, inferred : tuple of Victim
        Confirmed by a complaint, and inferred from the way in which they paid.
    indicators, speaks_for : tuple of Indicator
        What raises the suspicion, and what speaks for the account.
    holds : tuple of Hold
        Proposed, per complaint.
    grounds : tuple of str
        Sentences of fact.
    coercion : tuple of str
        Sentences about possible coercion of the holder.
    """

    account_id: str
    as_of: int
    currency: str
    language: Language
    zone: str
    account: Mapping[str, Any]
    holder: Mapping[str, Any]
    period: tuple[int, int] | None
    received: Total
    sent: Total
    left_within_hour: Decimal
    transfers: tuple[Reported, ...]
    reportable_in: Total
    reportable_out: Total
    counterparties: tuple[Counterparty, ...]
    confirmed: tuple[Victim, ...]
    inferred: tuple[Victim, ...]
    indicators: tuple[Indicator, ...]
    speaks_for: tuple[Indicator, ...]
    holds: tuple[Hold, ...]
    grounds: tuple[str, ...]
    coercion: tuple[str, ...]

    @property
    def n_reportable(self) -> int:
        """How many transfers there are to be reported, also those that did not fit."""
        return self.reportable_in.n + self.reportable_out.n

    def rows(self) -> list[tuple[str, str, str | None]]:
        """Return label in English, label in Thai and value of each field, None for a blank of the officer.

        Values are texts as the records have them: who shows them makes them visible (see `muledetect.visible`).
        """
        return list(write_rows(self, Wording(self.language, self.zone, self.currency)))


def draft_str(
    case: AccountCase, *, language: Language = "en", zone: str = "UTC", most: int = MOST_REPORTED
) -> StrDraft:
    """Return the fields of a suspicious transaction report that the records of a case can fill.

    Parameters
    ----------
    case : AccountCase
    language : "en" or "th"
        Language of the sentences.
    zone : str
        IANA time zone of the times in sentences.
    most : int
        At most so many transfers are listed.

    Raises
    ------
    OptionError
        If the language or zone is unknown, `most` is negative, or minor units are no power of ten.
    """
    if language not in LANGUAGES:
        raise OptionError(f"STR draft: language {language!r} is neither 'en' nor 'th'.")
    if most < 0:
        raise OptionError(f"STR draft: most is {most}; give 0 or more transfers.")
    time_text(zone)  # an unknown zone is told even where no time is written
    wording, money = Wording(language, zone, case.currency), partial(exact, minor_units=case.minor_units)
    transfers = sorted(_transfers(case, money), key=lambda one: (one.time, one.transfer_id))
    reported = [one for one in transfers if one.why]
    period = case.period or ((reported[0].time, reported[-1].time) if reported else None)
    inside = [one for one in transfers if period and period[0] <= one.time <= period[1]]
    totals = (_total(chosen, money, is_credit=side) for chosen in (inside, reported) for side in (True, False))
    received, sent, reportable_in, reportable_out = totals
    raising, lowering = (
        [
            Indicator(str(reason["code"]), reason["text"].get(language) or "")
            for reason in found
            if known(reason.get("code"))
        ]
        for found in _by_sign(case.reasons)
    )
    draft = StrDraft(
        account_id=str(case.account_id),
        as_of=int(case.as_of),
        currency=str(case.currency),
        language=language,
        zone=zone,
        account=_facts(case.account, ACCOUNT_FACTS, money),
        holder=_facts(case.holder, HOLDER_FACTS, money),
        period=None if period is None else (int(period[0]), int(period[1])),
        received=received,
        sent=sent,
        left_within_hour=_left_within(inside, HOUR, money),
        transfers=_fitting(reported, most),
        reportable_in=reportable_in,
        reportable_out=reportable_out,
        counterparties=_counterparties(reported, money),
        confirmed=_victims(case, "confirmed", money),
        inferred=_victims(case, "inferred", money),
        indicators=tuple(raising),
        speaks_for=(*lowering, *(Indicator(*said) for said in _texts(case.exculpatory, language))),
        holds=tuple(
            Hold(
                str(row["complaint_id"]),
                money(row.get("hold")),
                money(row.get("shortfall")),
                _int(row.get("expires_at")),
            )
            for row in case.traces.to_dict("records")
        ),
        grounds=(),
        coercion=tuple(wording.sentence("coercion", text=text) for _, text in _texts(case.coercion, language)),
    )
    return replace(draft, grounds=tuple(write_grounds(draft, case, wording)))


Money: TypeAlias = Callable[[Any], Any]


def _text(value: Any) -> str | None:
    return None if known(value) is None else str(value)


def _int(value: Any) -> int | None:
    return None if known(value) is None else int(value)


def _facts(row: Mapping[str, Any], named: Mapping[str, Text], money: Money) -> dict[str, Any]:
    typed: dict[str, Callable[[Any], Any]] = {"money": money, "time": int, "number": int, "flag": bool}
    given = {column: known(row.get(column)) for column in named}
    return {
        column: typed.get(named[column]["kind"], str)(value) for column, value in given.items() if value is not None
    }


def _by_sign(reasons: Iterable[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Return the reasons that raise the score, and those that lower it; one without a contribution raises it."""
    sides: tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]] = ([], [])
    for reason in reasons:
        contribution = known(reason.get("contribution"))
        sides[contribution is not None and contribution <= 0].append(reason)
    return sides


def _texts(facts: Iterable[Mapping[str, Any]], language: Language) -> Iterator[tuple[str, str]]:
    """Yield the code and the text of facts that have any."""
    for fact in facts:
        texts, code = fact.get("text") or {}, fact.get("code") or ""
        text = texts.get(language) or texts.get("en") or code
        if text:
            yield str(code), str(text)


def _transfers(case: AccountCase, money: Money) -> Iterator[Reported]:
    """Yield the transfers of a case, each with why it is to be reported; empty where it is not."""
    raising, _ = _by_sign(case.reasons)
    key = {str(transfer_id) for reason in raising for transfer_id in reason.get("key_transfers") or ()}
    codes = {reason.get("code") for reason in raising}
    first, last = case.period or (1, 0)
    for row in case.transfers.to_dict("records"):
        transfer_id, time = str(row["transfer_id"]), int(row["time"])
        other_bank, channel, relation, terminal_id = (
            _text(row.get(name)) for name in ("other_bank", "channel", "relation", "terminal_id")
        )
        shown = tuple(code for code in row["codes"] if code in codes)
        high = money(row["traced_high"])
        of_complaint = (high is not None and high > 0) or relation == "victim"
        yield Reported(
            transfer_id=transfer_id, time=time, is_credit=bool(row["is_credit"]), other=str(row["other"]),
            other_bank=other_bank, amount=money(int(row["amount"])), channel=channel, relation=relation, codes=shown,
            traced_low=money(row["traced_low"]), traced_high=high, terminal_id=terminal_id,
            why="complaint" if of_complaint
            else "reason" if shown or transfer_id in key
            else "period" if first <= time <= last
            else "",
        )  # fmt: skip


def _fitting(reported: Sequence[Reported], most: int) -> tuple[Reported, ...]:
    rank = ("complaint", "reason", "period").index
    first = sorted(reported, key=lambda one: (rank(one.why), one.amount.copy_negate(), one.time, one.transfer_id))
    return tuple(sorted(first[:most], key=lambda one: (one.time, one.transfer_id)))


def _total(transfers: Iterable[Reported], money: Money, *, is_credit: bool) -> Total:
    chosen = [one for one in transfers if one.is_credit == is_credit]
    return Total(len(chosen), money(sum(map(_minor, chosen))), len({one.other for one in chosen}))


def _minor(one: Reported) -> int:
    return whole_of(one.amount)[0]


def _left_within(inside: Sequence[Reported], length: int, money: Money) -> Decimal:
    """Return what left at most `length` after it came, first in, first out."""
    sides = [[one for one in inside if one.is_credit == is_credit] for is_credit in (True, False)]
    time = [np.array([one.time for one in side], np.int64) for side in sides]
    amount = [np.array([*map(_minor, side)], np.int64) for side in sides]
    begin, came, went = (np.array([n], np.int64) for n in (0, len(sides[0]), len(sides[1])))
    _, _, credit, debit, moved = match_first_in_first_out(
        begin, came, time[0], amount[0], begin, went, time[1], amount[1]
    )
    left: Decimal = money(sum(moved[time[1][debit] - time[0][credit] <= length].tolist()))
    return left


def _counterparties(reported: Sequence[Reported], money: Money) -> tuple[Counterparty, ...]:
    by_other: dict[str, list[Reported]] = {}
    for one in sorted(reported, key=lambda one: one.other):
        by_other.setdefault(one.other, []).append(one)
    ranked = sorted(by_other.items(), key=lambda dealings: -sum(map(_minor, dealings[1])))
    return tuple(_counterparty(other, dealings, money) for other, dealings in ranked)


def _counterparty(other: str, dealings: Sequence[Reported], money: Money) -> Counterparty:
    came, went = (_total(dealings, money, is_credit=is_credit) for is_credit in (True, False))
    bank = next((one.other_bank for one in dealings if one.other_bank), None)
    relation = next((one.relation for one in dealings if one.relation), None)
    times = dealings[0].time, dealings[-1].time
    return Counterparty(other, bank, relation, came.n, came.amount, went.n, went.amount, *times)


def _victims(case: AccountCase, kind: str, money: Money) -> tuple[Victim, ...]:
    rows = [row for row in case.victims.to_dict("records") if row["kind"] == kind]
    found = [
        Victim(
            str(row["account_id"]), tuple(map(str, row["complaint_ids"])), _text(row.get("scam_type")),
            _int(row["n_transfers"]) or 0, money(row["amount"]), _int(row["first_time"]), _int(row["last_time"]),
        )
        for row in rows
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: (one.first_time or 0, one.account_id)))
