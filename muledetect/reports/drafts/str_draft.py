"""Fields of a suspicious transaction report, drafted from a case: facts of the records, and blanks for the officer.

The draft says what the records say and nothing about a person. What only an officer can say is a blank, named in
`BLANKS`: who reports, why it is suspicious in their words, what was done and decided.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import pandas as pd

from muledetect.clock import HOUR
from muledetect.errors import OptionError
from muledetect.model.reasons import FOR
from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.accounts.facts import MOST_TRANSFERS
from muledetect.reports.drafts.words import ACCOUNT_FACTS, BLANKS, HOLDER_FACTS, Fact, Said, count, whole_of
from muledetect.reports.pages import LANGUAGES, Language, time_text

#: At most so many transfers are listed; how many there are in all is said beside them.
MOST_REPORTED: Final = 200


class Total(NamedTuple):
    """Transfers of one direction: how many, what they sum up to, with how many other accounts."""

    n: int
    amount: Decimal
    n_others: int


class Reported(NamedTuple):
    """A transfer to be reported; `why` is the first of complaint, proof, window that holds."""

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
        The suspicious window; without one, from the first to the last transfer to be reported.
    received, sent : Total
        All transfers of the period that the case holds.
    left_within_hour : Decimal
        Money received in the period that left in it at most an hour later, first in, first out.
    transfers : tuple of Reported
        Transfers to be reported, by time: those of complaints, those that show a reason, those of the window. Where
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
        said = Said(self.language, self.zone, self.currency)
        return [
            ("Subject account", "บัญชีที่รายงาน", self.account_id),
            *_fact_rows(self.account, ACCOUNT_FACTS, said),
            *_fact_rows(self.holder, HOLDER_FACTS, said),
            *_total_rows(self, said),
            *_party_rows(self, said),
            *_numbered("Fact", "ข้อเท็จจริง", self.grounds),
            *_numbered("Possible coercion", "ข้อบ่งชี้ว่าอาจถูกบังคับ", self.coercion),
            *_numbered("Indicator", "ข้อบ่งชี้", (f"{code}: {fact}" for code, fact in self.indicators)),
            *_numbered("Speaks for the account", "ข้อที่เป็นคุณ", (f"{code}: {fact}" for code, fact in self.speaks_for)),
            *((english, thai, None) for _, english, thai in BLANKS),
        ]


def draft_str(
    case: AccountCase, *, language: Language = "en", zone: str = "UTC", most: int = MOST_REPORTED
) -> StrDraft:
    """Return the fields of a suspicious transaction report that the records of a case can fill.

    Parameters
    ----------
    case : AccountCase
    language : "en" or "th"
        Language of the sentences; facts of indicators are in English as the model gives them.
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
    time_text(zone)  # an unknown zone is told even where no time is said
    said = Said(language, zone, case.currency)
    transfers = sorted(_transfers(case), key=lambda one: (one.time, one.transfer_id))
    reported = [one for one in transfers if one.why]
    period = _period(case, reported)
    inside = [one for one in transfers if period and period[0] <= one.time <= period[1]]
    confirmed, inferred = (tuple(_victims(case, kind)) for kind in ("confirmed", "inferred"))
    return StrDraft(
        account_id=str(case.account_id),
        as_of=int(case.as_of),
        currency=str(case.currency),
        language=language,
        zone=zone,
        account=_facts(case.account, ACCOUNT_FACTS, case.minor_units),
        holder=_facts(case.holder, HOLDER_FACTS, case.minor_units),
        period=period,
        received=_total(inside, case.minor_units, is_credit=True),
        sent=_total(inside, case.minor_units, is_credit=False),
        left_within_hour=_left_within(inside, HOUR, case.minor_units),
        transfers=_fitting(reported, most),
        reportable_in=_total(reported, case.minor_units, is_credit=True),
        reportable_out=_total(reported, case.minor_units, is_credit=False),
        counterparties=_counterparties(reported, case.minor_units),
        confirmed=confirmed,
        inferred=inferred,
        indicators=tuple(_indicators(case, raising=True)),
        speaks_for=(*_indicators(case, raising=False), *_exculpatory(case, language)),
        holds=tuple(_holds(case)),
        grounds=tuple(_grounds(case, said, period, inside, (confirmed, inferred))),
        coercion=tuple(said.sentence("coercion", text=text) for text in _texts(case.coercion, language)),
    )


def exact(minor: object, minor_units: int) -> Decimal | None:
    """Return an amount of minor units in whole ones, exactly, for any size; None where it is not known.

    >>> exact(-1_234_567, 100)
    Decimal('-12345.67')

    Raises
    ------
    OptionError
        If `minor_units` is no power of ten.
    """
    if minor_units != 10 ** (len(str(minor_units)) - 1):
        raise OptionError(f"STR draft: minor_units is {minor_units}; give 1, 10, 100, 1000 ...")
    return None if _known(minor) is None else _decimal(int(minor), minor_units)  # type: ignore[call-overload]


def _decimal(minor: int, minor_units: int) -> Decimal:
    return Decimal(f"{minor}e{1 - len(str(minor_units))}")  # made from text, which no context rounds


def _known(value: Any) -> Any:
    """Return the value, or None for what a frame has in its place (None, NaN, NaT, NA) and for empty text."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float) and value != value:  # noqa: PLR0124 (NaN)
        return None
    return None if isinstance(value, str) and not value else value


def _text(value: Any) -> str | None:
    return None if _known(value) is None else str(value)


def _int(value: Any) -> int | None:
    return None if _known(value) is None else int(value)


def _columns(frame: pd.DataFrame, names: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the named columns; a column that is not there is None throughout."""
    columns = [frame[name].tolist() if name in frame else [None] * len(frame) for name in names.split()]
    return zip(*columns, strict=True)


def _list(value: Any) -> tuple[str, ...]:
    return () if value is None or not hasattr(value, "__iter__") else tuple(map(str, value))


def _facts(row: Mapping[str, Any], named: Sequence[Fact], minor_units: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for fact in named:
        value = _known(row.get(fact.column))
        if value is not None:
            found[fact.column] = _typed(value, fact.kind, minor_units)
    return found


def _typed(value: Any, kind: str, minor_units: int) -> Any:
    if kind == "money":
        return exact(value, minor_units)
    return {"time": int, "number": int, "flag": bool}.get(kind, str)(value)


def _is_raising(reason: Mapping[str, Any]) -> bool:
    contribution = _known(reason.get("contribution"))
    return contribution is None or contribution > 0


def _transfers(case: AccountCase) -> Iterator[Reported]:
    """Yield the transfers of a case, each with why it is to be reported; empty where it is not."""
    raising = [reason for reason in case.reasons if _is_raising(reason)]
    proofs = {str(transfer_id) for reason in raising for transfer_id in reason.get("proofs") or ()}
    codes = {reason.get("code") for reason in raising}
    for row in _columns(
        case.transfers,
        "transfer_id time is_credit other other_bank amount channel relation codes traced_low traced_high terminal_id",
    ):
        transfer_id, time, is_credit, other, bank, amount, channel, relation, shows, low, high, terminal = row
        shown = tuple(code for code in _list(shows) if code in codes)
        of_complaint = (_int(high) or 0) > 0 or relation == "victim"
        in_window = case.window is not None and case.window[0] <= time <= case.window[1]
        yield Reported(
            transfer_id=str(transfer_id), time=int(time), is_credit=bool(is_credit), other=str(other),
            other_bank=_text(bank), amount=_decimal(int(amount), case.minor_units), channel=_text(channel),
            relation=_text(relation), codes=shown, traced_low=exact(low, case.minor_units),
            traced_high=exact(high, case.minor_units), terminal_id=_text(terminal),
            why="complaint" if of_complaint
            else "proof" if shown or str(transfer_id) in proofs
            else "window" if in_window
            else "",
        )  # fmt: skip


def _period(case: AccountCase, reported: Sequence[Reported]) -> tuple[int, int] | None:
    if case.window is not None:
        return int(case.window[0]), int(case.window[1])
    return (reported[0].time, reported[-1].time) if reported else None


def _is_whole(case: AccountCase, period: tuple[int, int]) -> bool:
    """Return whether the case holds each transfer of the period: it holds the account's latest ones."""
    if len(case.transfers) >= case.n_transfers or (case.is_window_whole and period == case.window):
        return True
    latest = sorted(case.transfers["time"].tolist())[-MOST_TRANSFERS:]
    return len(latest) == MOST_TRANSFERS and period[0] > latest[0]


def _fitting(reported: Sequence[Reported], most: int) -> tuple[Reported, ...]:
    rank = {"complaint": 0, "proof": 1, "window": 2}
    first = sorted(reported, key=lambda one: (rank[one.why], -whole_of(one.amount)[0], one.time, one.transfer_id))
    return tuple(sorted(first[:most], key=lambda one: (one.time, one.transfer_id)))


def _sum(amounts: Iterable[Decimal], minor_units: int) -> Decimal:
    return _decimal(sum(whole_of(amount)[0] for amount in amounts), minor_units)


def _total(transfers: Iterable[Reported], minor_units: int, *, is_credit: bool) -> Total:
    chosen = [one for one in transfers if one.is_credit == is_credit]
    return Total(len(chosen), _sum((one.amount for one in chosen), minor_units), len({one.other for one in chosen}))


def _left_within(inside: Sequence[Reported], length: int, minor_units: int) -> Decimal:
    """Return what left at most `length` after it came; at one moment, credits come before debits."""
    waiting: deque[tuple[int, int]] = deque()
    left = 0
    for one in sorted(inside, key=lambda one: (one.time, not one.is_credit)):
        amount, _ = whole_of(one.amount)
        if one.is_credit:
            waiting.append((one.time, amount))
            continue
        while amount > 0 and waiting:  # what has left so far came before all that waits
            came, there = waiting.popleft()
            taken = min(amount, there)
            amount -= taken
            left += taken if one.time - came <= length else 0
            if there > taken:
                waiting.appendleft((came, there - taken))
    return _decimal(left, minor_units)


def _counterparties(reported: Sequence[Reported], minor_units: int) -> tuple[Counterparty, ...]:
    by_other: dict[str, list[Reported]] = {}
    for one in reported:
        by_other.setdefault(one.other, []).append(one)
    found = [_counterparty(other, dealings, minor_units) for other, dealings in by_other.items()]
    return tuple(
        sorted(found, key=lambda one: (-whole_of(one.amount_in)[0] - whole_of(one.amount_out)[0], one.account_id))
    )


def _counterparty(other: str, dealings: Sequence[Reported], minor_units: int) -> Counterparty:
    came, went = (_total(dealings, minor_units, is_credit=is_credit) for is_credit in (True, False))
    return Counterparty(
        other,
        next((one.other_bank for one in dealings if one.other_bank), None),
        next((one.relation for one in dealings if one.relation), None),
        came.n, came.amount, went.n, went.amount,
        dealings[0].time, dealings[-1].time,
    )  # fmt: skip


def _victims(case: AccountCase, kind: str) -> Iterator[Victim]:
    names = "kind account_id complaint_ids scam_type n_transfers amount first_time last_time"
    for row in sorted(_columns(case.victims, names), key=lambda row: (_int(row[6]) or 0, str(row[1]))):
        found, account_id, complaint_ids, scam_type, n, amount, first, last = row
        if found == kind:
            yield Victim(
                str(account_id), _list(complaint_ids), _text(scam_type), _int(n) or 0,
                exact(amount, case.minor_units), _int(first), _int(last),
            )  # fmt: skip


def _indicators(case: AccountCase, *, raising: bool) -> Iterator[Indicator]:
    for reason in case.reasons:
        code = _text(reason.get("code"))
        if code and _is_raising(reason) == raising:
            yield Indicator(code, (_text(reason.get("text")) or "").removeprefix(FOR))


def _exculpatory(case: AccountCase, language: Language) -> Iterator[Indicator]:
    for one in case.exculpatory:
        for text in _texts([one], language):
            yield Indicator(str(one.get("code") or ""), text)


def _holds(case: AccountCase) -> Iterator[Hold]:
    for complaint_id, hold, shortfall, expires_at in _columns(case.traces, "complaint_id hold shortfall expires_at"):
        amounts = exact(hold, case.minor_units), exact(shortfall, case.minor_units)
        yield Hold(str(complaint_id), *amounts, _int(expires_at))


def _texts(said: Iterable[Mapping[str, Any]], language: Language) -> Iterator[str]:
    for one in said:
        text = one.get("text") or {}
        found = text.get(language) or text.get("en") or one.get("code")
        if found:
            yield str(found)


def _grounds(
    case: AccountCase,
    said: Said,
    period: tuple[int, int] | None,
    inside: Sequence[Reported],
    victims: tuple[Sequence[Victim], Sequence[Victim]],
) -> Iterator[str]:
    if period is not None:
        yield from _flow(case, said, period, inside)
    if len(case.traces):
        yield from _complained(case, said)
    for name, found in zip(("confirmed", "inferred"), victims, strict=True):
        if found:
            n = sum(victim.n_transfers for victim in found)
            yield said.sentence(
                name, accounts=len(found), accounts_en=count(len(found), "account"), transfers=n,
                transfers_en=count(n, "transfer"),
                amount=said.money(_sum_known([victim.amount for victim in found], case.minor_units)),
            )  # fmt: skip
    members = _int(case.ring.get("n_accounts"))
    if members:
        yield said.sentence("ring", members=members, members_en=count(members, "account"))


def _flow(case: AccountCase, said: Said, period: tuple[int, int], inside: Sequence[Reported]) -> Iterator[str]:
    start, end = said.when(period[0]), said.when(period[1])
    opened = _int(case.account.get("opened_at"))
    if opened is not None and opened <= period[0]:
        yield said.sentence("opened", opened=said.when(opened), age=said.length(period[0] - opened), start=start)
    came, went = (_total(inside, case.minor_units, is_credit=is_credit) for is_credit in (True, False))
    yield said.sentence(
        "totals", start=start, end=end,
        credits=came.n, credits_en=count(came.n, "credit"), received=said.money(came.amount),
        payers=came.n_others, payers_en=count(came.n_others, "account"),
        debits=went.n, debits_en=count(went.n, "debit"), sent=said.money(went.amount),
        payees=went.n_others, payees_en=count(went.n_others, "account"),
    )  # fmt: skip
    if not _is_whole(case, period):
        yield said.sentence("partial", shown=len(case.transfers), n=case.n_transfers)
    if came.n:
        yield said.sentence("quick", quick=said.money(_left_within(inside, HOUR, case.minor_units)))


def _complained(case: AccountCase, said: Said) -> Iterator[str]:
    rows = list(_columns(case.traces, "lost in_low in_high hold shortfall"))
    lost, low, high, hold, shortfall = (
        _sum_known([exact(row[column], case.minor_units) for row in rows], case.minor_units) for column in range(5)
    )
    yield said.sentence(
        "complaints", as_of=said.when(case.as_of), complaints=len(rows), complaints_en=count(len(rows), "complaint"),
        lost=said.money(lost), came=said.span(low, high),
    )  # fmt: skip
    if hold is not None or shortfall is not None:
        yield said.sentence("hold", hold=said.money(hold), shortfall=said.money(shortfall))


def _sum_known(amounts: Sequence[Decimal | None], minor_units: int) -> Decimal | None:
    """Return the sum, or None where one of them is not known: a part is not the whole."""
    known = [amount for amount in amounts if amount is not None]
    return _sum(known, minor_units) if known and len(known) == len(amounts) else None


Rows = Iterator[tuple[str, str, str | None]]


def _fact_rows(facts: Mapping[str, Any], named: Sequence[Fact], said: Said) -> Rows:
    for fact in named:
        if fact.column in facts:
            yield fact.english, fact.thai, said.value(facts[fact.column], fact.kind)


def _total_rows(draft: StrDraft, said: Said) -> Rows:
    if draft.period is not None:
        yield "Period", "ช่วงเวลา", f"{said.when(draft.period[0])} → {said.when(draft.period[1])}"
    for english, thai, total in (
        ("Received in the period", "เงินเข้าในช่วงเวลา", draft.received),
        ("Sent in the period", "เงินออกในช่วงเวลา", draft.sent),
        ("Credits to be reported", "รายการเงินเข้าที่จะรายงาน", draft.reportable_in),
        ("Debits to be reported", "รายการเงินออกที่จะรายงาน", draft.reportable_out),
    ):
        yield english, thai, f"{said.money(total.amount)} ({total.n:,})"
    listed = f"{len(draft.transfers):,} / {draft.n_reportable:,}"
    yield "Transfers listed, of all to be reported", "รายการที่แสดง จากทั้งหมดที่จะรายงาน", listed


def _party_rows(draft: StrDraft, said: Said, most: int = 10) -> Rows:
    yield "Counterparties", "คู่รายการ", f"{len(draft.counterparties):,}"
    for one in draft.counterparties[:most]:
        relation = f" ({one.relation})" if one.relation else ""
        sums = f"{said.money(one.amount_in)} ({one.n_in:,}), {said.money(one.amount_out)} ({one.n_out:,})"
        yield "Counterparty: in, out", "คู่รายการ: เข้า ออก", f"{one.account_id}{relation}: {sums}"
    for english, thai, victims in (
        ("Victim, confirmed by a complaint", "ผู้เสียหายที่มีคำร้องเรียน", draft.confirmed),
        ("Likely victim, inferred, not confirmed", "ผู้ที่อาจเสียหาย (อนุมาน ยังไม่ยืนยัน)", draft.inferred),
    ):
        yield f"{english}: how many", f"{thai}: จำนวน", f"{len(victims):,}"
        for victim in victims[:most]:
            scam = f", {victim.scam_type}" if victim.scam_type else ""
            yield english, thai, f"{victim.account_id}: {said.money(victim.amount)} ({victim.n_transfers:,}){scam}"
    for hold in draft.holds:
        until = f" → {said.when(hold.expires_at)}" if hold.expires_at is not None else ""
        value = f"{hold.complaint_id}: {said.money(hold.hold)}{until}"
        yield "Hold proposed, by complaint", "ยอดที่เสนอให้ระงับ ตามคำร้องเรียน", value


def _numbered(english: str, thai: str, values: Iterable[str]) -> Rows:
    for number, value in enumerate(values, start=1):
        yield f"{english} {number}", f"{thai} {number}", value
