"""What an STR draft says: its grounds as sentences of fact, and its fields as rows of a form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, TypeAlias

from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.accounts.facts import MOST_TRANSFERS
from muledetect.reports.drafts.words import ACCOUNT_FACTS, BLANKS, HOLDER_FACTS, ROWS, Wording, exact

if TYPE_CHECKING:
    from muledetect.reports.drafts.str_draft import StrDraft

Row: TypeAlias = tuple[str, str, str | None]
Rows: TypeAlias = Iterator[Row]


def write_grounds(draft: StrDraft, case: AccountCase, wording: Wording) -> Iterator[str]:
    """Yield the sentences of fact that a case has."""
    if draft.period is not None:
        yield from _flow(draft, case, draft.period, wording)
    if len(case.traces):
        yield from _complained(draft, case, wording)
    for name, victims in (("confirmed", draft.confirmed), ("inferred", draft.inferred)):
        if victims:
            n, paid = sum(victim.n_transfers for victim in victims), _sum([victim.amount for victim in victims])
            yield wording.sentence(name, accounts=len(victims), transfers=n, amount=wording.money(paid))
    members = case.ring.get("n_accounts")
    if members:
        yield wording.sentence("ring", members=members)


def _flow(draft: StrDraft, case: AccountCase, period: tuple[int, int], wording: Wording) -> Iterator[str]:
    start, end = wording.when(period[0]), wording.when(period[1])
    opened = draft.account.get("opened_at")
    if opened is not None and opened <= period[0]:
        age = wording.length(period[0] - opened)
        yield wording.sentence("opened", opened=wording.when(opened), age=age, start=start)
    came, went = draft.received, draft.sent
    yield wording.sentence(
        "totals", start=start, end=end,
        credits=came.n, received=wording.money(came.amount), payers=came.n_others,
        debits=went.n, sent=wording.money(went.amount), payees=went.n_others,
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
    lost, low, high = (
        _sum([exact(amount, case.minor_units) for amount in case.traces[name]])
        for name in ("lost", "in_low", "in_high")
    )
    yield wording.sentence(
        "complaints", as_of=wording.when(case.as_of), complaints=len(case.traces), lost=wording.money(lost),
        came=wording.span(low, high),
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
    yield _row("account_id", draft.account_id)
    for facts, named in ((draft.account, ACCOUNT_FACTS), (draft.holder, HOLDER_FACTS)):
        for column, said in named.items():
            if column in facts:
                yield said["en"], said["th"], wording.value(facts[column], said["kind"])
    yield from _total_rows(draft, wording)
    yield from _party_rows(draft, wording)
    for name in ("grounds", "coercion", "indicators", "speaks_for"):
        for number, value in enumerate(getattr(draft, name), start=1):
            yield _row(name, value if isinstance(value, str) else ": ".join(value), f" {number}")
    yield from ((english, thai, None) for _, english, thai in BLANKS)


def _row(name: str, value: str, ending: str = "") -> Row:
    return ROWS[name]["en"] + ending, ROWS[name]["th"] + ending, value


def _total_rows(draft: StrDraft, wording: Wording) -> Rows:
    if draft.period is not None:
        yield _row("period", f"{wording.when(draft.period[0])} → {wording.when(draft.period[1])}")
    for name in ("received", "sent", "reportable_in", "reportable_out"):
        total = getattr(draft, name)
        yield _row(name, f"{wording.money(total.amount)} ({total.n:,})")
    yield _row("listed", f"{len(draft.transfers):,} / {draft.n_reportable:,}")


def _party_rows(draft: StrDraft, wording: Wording, most: int = 10) -> Rows:
    yield _row("n_counterparties", f"{len(draft.counterparties):,}")
    for one in draft.counterparties[:most]:
        relation = f" ({one.relation})" if one.relation else ""
        sums = f"{wording.money(one.amount_in)} ({one.n_in:,}), {wording.money(one.amount_out)} ({one.n_out:,})"
        yield _row("counterparty", f"{one.account_id}{relation}: {sums}")
    for name, victims in (("confirmed", draft.confirmed), ("inferred", draft.inferred)):
        yield _row(f"n_{name}", f"{len(victims):,}")
        for victim in victims[:most]:
            scam = f", {victim.scam_type}" if victim.scam_type else ""
            yield _row(name, f"{victim.account_id}: {wording.money(victim.amount)} ({victim.n_transfers:,}){scam}")
    for hold in draft.holds:
        until = f" → {wording.when(hold.expires_at)}" if hold.expires_at is not None else ""
        yield _row("hold", f"{hold.complaint_id}: {wording.money(hold.hold)}{until}")
