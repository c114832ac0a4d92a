"""Fields of a suspicious transaction report, drafted from a case: facts of the records, and blanks for the officer.

The draft says what the records say and nothing about a person. What only an officer can say is a blank, named in
`BLANKS`: who reports, why it is suspicious in their words, what was done and decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from muledetect.clock import HOUR
from muledetect.errors import OptionError
from muledetect.facts.matching import match_first_in_first_out
from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.drafts.sentences import write_grounds, write_rows
from muledetect.reports.drafts.words import ACCOUNT_FACTS, HOLDER_FACTS, Fact, Wording, exact, known, whole_of
from muledetect.reports.pages import LANGUAGES, Language, time_text

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
    wording = Wording(language, zone, case.currency)
    transfers = sorted(_transfers(case), key=lambda one: (one.time, one.transfer_id))
    reported = [one for one in transfers if one.why]
    period = _period(case, reported)
    inside = [one for one in transfers if period and period[0] <= one.time <= period[1]]
    totals = (_total(chosen, case, is_credit=side) for chosen in (inside, reported) for side in (True, False))
    received, sent, reportable_in, reportable_out = totals
    draft = StrDraft(
        account_id=str(case.account_id),
        as_of=int(case.as_of),
        currency=str(case.currency),
        language=language,
        zone=zone,
        account=_facts(case.account, ACCOUNT_FACTS, case),
        holder=_facts(case.holder, HOLDER_FACTS, case),
        period=period,
        received=received,
        sent=sent,
        left_within_hour=_left_within(inside, HOUR, case),
        transfers=_fitting(reported, most),
        reportable_in=reportable_in,
        reportable_out=reportable_out,
        counterparties=_counterparties(reported, case),
        confirmed=tuple(_victims(case, "confirmed")),
        inferred=tuple(_victims(case, "inferred")),
        indicators=tuple(_indicators(case, language, raising=True)),
        speaks_for=(*_indicators(case, language, raising=False), *_exculpatory(case, language)),
        holds=tuple(_holds(case)),
        grounds=(),
        coercion=tuple(wording.sentence("coercion", text=text) for text in _texts(case.coercion, language)),
    )
    return replace(draft, grounds=tuple(write_grounds(draft, case, wording)))


def _text(value: Any) -> str | None:
    return None if known(value) is None else str(value)


def _int(value: Any) -> int | None:
    return None if known(value) is None else int(value)


def _columns(frame: pd.DataFrame, names: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the named columns; a column that is not there is None throughout."""
    columns = [frame[name].tolist() if name in frame else [None] * len(frame) for name in names.split()]
    return zip(*columns, strict=True)


def _facts(row: Mapping[str, Any], named: Sequence[Fact], case: AccountCase) -> dict[str, Any]:
    typed: dict[str, Any] = {
        "money": partial(exact, minor_units=case.minor_units),
        "time": int,
        "number": int,
        "flag": bool,
    }
    given = [(fact, known(row.get(fact.column))) for fact in named]
    return {fact.column: typed.get(fact.kind, str)(value) for fact, value in given if value is not None}


def _is_raising(reason: Mapping[str, Any]) -> bool:
    contribution = known(reason.get("contribution"))
    return contribution is None or contribution > 0


def _transfers(case: AccountCase) -> Iterator[Reported]:
    """Yield the transfers of a case, each with why it is to be reported; empty where it is not."""
    raising = [reason for reason in case.reasons if _is_raising(reason)]
    key = {str(transfer_id) for reason in raising for transfer_id in reason.get("key_transfers") or ()}
    codes = {reason.get("code") for reason in raising}
    first, last = case.period or (1, 0)
    for row in _columns(
        case.transfers,
        "transfer_id time is_credit other other_bank amount channel relation codes traced_low traced_high terminal_id",
    ):
        transfer_id, time, is_credit, other, bank, amount, channel, relation, shows, low, high, terminal = row
        shown = tuple(code for code in shows if code in codes)
        of_complaint = (_int(high) or 0) > 0 or relation == "victim"
        yield Reported(
            transfer_id=str(transfer_id), time=int(time), is_credit=bool(is_credit), other=str(other),
            other_bank=_text(bank), amount=_money(amount, case), channel=_text(channel), relation=_text(relation),
            codes=shown, traced_low=exact(low, case.minor_units), traced_high=exact(high, case.minor_units),
            terminal_id=_text(terminal),
            why="complaint" if of_complaint
            else "reason" if shown or str(transfer_id) in key
            else "period" if first <= time <= last
            else "",
        )  # fmt: skip


def _money(minor: int, case: AccountCase) -> Decimal:
    found = exact(int(minor), case.minor_units)
    assert found is not None  # noqa: S101 (an amount is always known)
    return found


def _period(case: AccountCase, reported: Sequence[Reported]) -> tuple[int, int] | None:
    if case.period is not None:
        return int(case.period[0]), int(case.period[1])
    return (reported[0].time, reported[-1].time) if reported else None


def _fitting(reported: Sequence[Reported], most: int) -> tuple[Reported, ...]:
    rank = ("complaint", "reason", "period").index
    first = sorted(reported, key=lambda one: (rank(one.why), one.amount.copy_negate(), one.time, one.transfer_id))
    return tuple(sorted(first[:most], key=lambda one: (one.time, one.transfer_id)))


def _total(transfers: Iterable[Reported], case: AccountCase, *, is_credit: bool) -> Total:
    chosen = [one for one in transfers if one.is_credit == is_credit]
    minor = sum(whole_of(one.amount)[0] for one in chosen)
    return Total(len(chosen), _money(minor, case), len({one.other for one in chosen}))


def _left_within(inside: Sequence[Reported], length: int, case: AccountCase) -> Decimal:
    """Return what left at most `length` after it came, first in, first out."""
    sides = [[one for one in inside if one.is_credit == is_credit] for is_credit in (True, False)]
    time = [np.array([one.time for one in side], np.int64) for side in sides]
    amount = [np.array([whole_of(one.amount)[0] for one in side], np.int64) for side in sides]
    begin, came, went = (np.array([n], np.int64) for n in (0, len(sides[0]), len(sides[1])))
    _, _, credit, debit, moved = match_first_in_first_out(
        begin, came, time[0], amount[0], begin, went, time[1], amount[1]
    )
    return _money(sum(moved[time[1][debit] - time[0][credit] <= length].tolist()), case)


def _counterparties(reported: Sequence[Reported], case: AccountCase) -> tuple[Counterparty, ...]:
    by_other: dict[str, list[Reported]] = {}
    for one in reported:
        by_other.setdefault(one.other, []).append(one)
    found = [_counterparty(other, dealings, case) for other, dealings in by_other.items()]
    return tuple(
        sorted(found, key=lambda one: (-whole_of(one.amount_in)[0] - whole_of(one.amount_out)[0], one.account_id))
    )


def _counterparty(other: str, dealings: Sequence[Reported], case: AccountCase) -> Counterparty:
    came, went = (_total(dealings, case, is_credit=is_credit) for is_credit in (True, False))
    bank, relation = (next(filter(None, values), None) for values in (
        (one.other_bank for one in dealings), (one.relation for one in dealings),
    ))  # fmt: skip
    return Counterparty(
        other, bank, relation, came.n, came.amount, went.n, went.amount, dealings[0].time, dealings[-1].time
    )


def _victims(case: AccountCase, kind: str) -> Iterator[Victim]:
    names = "account_id complaint_ids scam_type n_transfers amount first_time last_time"
    rows = case.victims[case.victims["kind"] == kind] if len(case.victims) else case.victims
    for row in sorted(_columns(rows, names), key=lambda row: (_int(row[5]) or 0, str(row[0]))):
        account_id, complaint_ids, scam_type, n, amount, first, last = row
        yield Victim(
            str(account_id), tuple(map(str, complaint_ids)), _text(scam_type), _int(n) or 0,
            exact(amount, case.minor_units), _int(first), _int(last),
        )  # fmt: skip


def _indicators(case: AccountCase, language: Language, *, raising: bool) -> Iterator[Indicator]:
    for reason in case.reasons:
        if known(reason.get("code")) and _is_raising(reason) == raising:
            yield Indicator(str(reason["code"]), _text(reason["text"][language]) or "")


def _exculpatory(case: AccountCase, language: Language) -> Iterator[Indicator]:
    for one in case.exculpatory:
        for text in _texts([one], language):
            yield Indicator(str(one.get("code") or ""), text)


def _texts(texts: Iterable[Mapping[str, Any]], language: Language) -> Iterator[str]:
    for one in texts:
        text = one.get("text") or {}
        found = text.get(language) or text.get("en") or one.get("code")
        if found:
            yield str(found)


def _holds(case: AccountCase) -> Iterator[Hold]:
    for complaint_id, hold, shortfall, expires_at in _columns(case.traces, "complaint_id hold shortfall expires_at"):
        amounts = exact(hold, case.minor_units), exact(shortfall, case.minor_units)
        yield Hold(str(complaint_id), *amounts, _int(expires_at))
