"""What an STR draft says: its grounds as sentences of fact, and its fields as rows of a form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, TypeAlias

from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.accounts.facts import MOST_TRANSFERS
from muledetect.reports.drafts.words import ACCOUNT_FACTS, BLANKS, HOLDER_FACTS, Fact, Wording, count, exact

if TYPE_CHECKING:
    from muledetect.reports.drafts.str_draft import StrDraft

Rows: TypeAlias = Iterator[tuple[str, str, str | None]]


def write_grounds(draft: StrDraft, case: AccountCase, wording: Wording) -> Iterator[str]:
    """Yield the sentences of fact that a case has."""
    if draft.period is not None:
        yield from _flow(draft, case, draft.period, wording)
    if len(case.traces):
        yield from _complained(draft, case, wording)
    for name, victims in (("confirmed", draft.confirmed), ("inferred", draft.inferred)):
        if victims:
            n = sum(victim.n_transfers for victim in victims)
            yield wording.sentence(
                name, accounts=len(victims), accounts_en=count(len(victims), "account"), transfers=n,
                transfers_en=count(n, "transfer"), amount=wording.money(_sum([victim.amount for victim in victims])),
            )  # fmt: skip
    members = case.ring.get("n_accounts")
    if members:
        yield wording.sentence("ring", members=members, members_en=count(members, "account"))


def _flow(draft: StrDraft, case: AccountCase, period: tuple[int, int], wording: Wording) -> Iterator[str]:
    start, end = wording.when(period[0]), wording.when(period[1])
    opened = draft.account.get("opened_at")
    if opened is not None and opened <= period[0]:
        yield wording.sentence(
            "opened", opened=wording.when(opened), age=wording.length(period[0] - opened), start=start
        )
    came, went = draft.received, draft.sent
    yield wording.sentence(
        "totals", start=start, end=end,
        credits=came.n, credits_en=count(came.n, "credit"), received=wording.money(came.amount),
        payers=came.n_others, payers_en=count(came.n_others, "account"),
        debits=went.n, debits_en=count(went.n, "debit"), sent=wording.money(went.amount),
        payees=went.n_others, payees_en=count(went.n_others, "account"),
    )  # fmt: skip
    if not _is_whole(case, period):
        yield wording.sentence("partial", shown=len(case.transfers), n=case.n_transfers)
    if came.n:
        yield wording.sentence("quick", quick=wording.money(draft.left_within_hour))


def _is_whole(case: AccountCase, period: tuple[int, int]) -> bool:
    """Return whether the case holds each transfer of the period: it holds the account's latest ones."""
    if len(case.transfers) >= case.n_transfers or (case.is_period_whole and period == case.period):
        return True
    latest = sorted(case.transfers["time"].tolist())[-MOST_TRANSFERS:]
    return len(latest) == MOST_TRANSFERS and period[0] > latest[0]


def _complained(draft: StrDraft, case: AccountCase, wording: Wording) -> Iterator[str]:
    n = len(case.traces)
    lost, low, high = (
        _sum([exact(amount, case.minor_units) for amount in case.traces[name]])
        for name in ("lost", "in_low", "in_high")
    )
    yield wording.sentence(
        "complaints", as_of=wording.when(case.as_of), complaints=n, complaints_en=count(n, "complaint"),
        lost=wording.money(lost), came=wording.span(low, high),
    )  # fmt: skip
    hold, shortfall = _sum([one.hold for one in draft.holds]), _sum([one.shortfall for one in draft.holds])
    if hold is not None or shortfall is not None:
        yield wording.sentence("hold", hold=wording.money(hold), shortfall=wording.money(shortfall))


def _sum(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """Return the sum, or None where one of them is not known: a part is not the whole."""
    known = [amount for amount in amounts if amount is not None]
    if not known or len(known) < len(amounts):
        return None
    with localcontext(prec=99):  # exact also beyond the 28 digits of the usual context
        return sum(known, start=Decimal(0))


def write_rows(draft: StrDraft, wording: Wording) -> Rows:
    """Yield label in English, label in Thai and value of each field, None for a blank of the officer."""
    yield "Subject account", "บัญชีที่รายงาน", draft.account_id
    yield from _fact_rows(draft.account, ACCOUNT_FACTS, wording)
    yield from _fact_rows(draft.holder, HOLDER_FACTS, wording)
    yield from _total_rows(draft, wording)
    yield from _party_rows(draft, wording)
    yield from _numbered("Fact", "ข้อเท็จจริง", draft.grounds)
    yield from _numbered("Possible coercion", "ข้อบ่งชี้ว่าอาจถูกบังคับ", draft.coercion)
    yield from _numbered("Indicator", "ข้อบ่งชี้", (f"{code}: {fact}" for code, fact in draft.indicators))
    yield from _numbered("Speaks for the account", "ข้อที่เป็นคุณ", (f"{code}: {fact}" for code, fact in draft.speaks_for))
    yield from ((english, thai, None) for _, english, thai in BLANKS)


def _fact_rows(facts: Mapping[str, Any], named: Sequence[Fact], wording: Wording) -> Rows:
    for fact in named:
        if fact.column in facts:
            yield fact.english, fact.thai, wording.value(facts[fact.column], fact.kind)


def _total_rows(draft: StrDraft, wording: Wording) -> Rows:
    if draft.period is not None:
        yield "Period", "ช่วงเวลา", f"{wording.when(draft.period[0])} → {wording.when(draft.period[1])}"
    for english, thai, total in (
        ("Received in the period", "เงินเข้าในช่วงเวลา", draft.received),
        ("Sent in the period", "เงินออกในช่วงเวลา", draft.sent),
        ("Credits to be reported", "รายการเงินเข้าที่จะรายงาน", draft.reportable_in),
        ("Debits to be reported", "รายการเงินออกที่จะรายงาน", draft.reportable_out),
    ):
        yield english, thai, f"{wording.money(total.amount)} ({total.n:,})"
    listed = f"{len(draft.transfers):,} / {draft.n_reportable:,}"
    yield "Transfers listed, of all to be reported", "รายการที่แสดง จากทั้งหมดที่จะรายงาน", listed


def _party_rows(draft: StrDraft, wording: Wording, most: int = 10) -> Rows:
    yield "Counterparties", "คู่รายการ", f"{len(draft.counterparties):,}"
    for one in draft.counterparties[:most]:
        relation = f" ({one.relation})" if one.relation else ""
        sums = f"{wording.money(one.amount_in)} ({one.n_in:,}), {wording.money(one.amount_out)} ({one.n_out:,})"
        yield "Counterparty: in, out", "คู่รายการ: เข้า ออก", f"{one.account_id}{relation}: {sums}"
    for english, thai, victims in (
        ("Victim, confirmed by a complaint", "ผู้เสียหายที่มีคำร้องเรียน", draft.confirmed),
        ("Likely victim, inferred, not confirmed", "ผู้ที่อาจเสียหาย (อนุมาน ยังไม่ยืนยัน)", draft.inferred),
    ):
        yield f"{english}: how many", f"{thai}: จำนวน", f"{len(victims):,}"
        for victim in victims[:most]:
            scam = f", {victim.scam_type}" if victim.scam_type else ""
            yield english, thai, f"{victim.account_id}: {wording.money(victim.amount)} ({victim.n_transfers:,}){scam}"
    for hold in draft.holds:
        until = f" → {wording.when(hold.expires_at)}" if hold.expires_at is not None else ""
        value = f"{hold.complaint_id}: {wording.money(hold.hold)}{until}"
        yield "Hold proposed, by complaint", "ยอดที่เสนอให้ระงับ ตามคำร้องเรียน", value


def _numbered(english: str, thai: str, values: Iterable[str]) -> Rows:
    for number, value in enumerate(values, start=1):
        yield f"{english} {number}", f"{thai} {number}", value
