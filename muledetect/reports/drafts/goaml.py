"""A draft report in the shape of goAML 4 and 5: documented element names in documented order, blanks for the officer.

It is a draft, not a submission: the schema and the codes of the national financial intelligence unit (FIU) decide, and
until an officer has filled it in, it satisfies none of them. `goaml.xsd` beside this file, of our own writing, says
what a draft holds. Each blank is an empty element behind a comment to the officer; every schema ignores comments, so
nothing needs to be removed once the element is filled.

Codes are lists of each FIU's own, of one letter here and of four there. The tables below give the words of our own
tables instead, which are not meant to pass as theirs; give your FIU's codes with `codes`.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Final

from muledetect.clock import format_time
from muledetect.errors import OptionError
from muledetect.model.reason_codes import TYPOLOGIES
from muledetect.outputs.kinds import GOAML
from muledetect.records.currency import EXPONENTS
from muledetect.records.write import write_text
from muledetect.reports.accounts.case import AccountCase
from muledetect.reports.drafts.str_draft import Reported, StrDraft, draft_str
from muledetect.reports.drafts.words import NOTES, Wording
from muledetect.reports.words import read
from muledetect.schema import ACCOUNT_KINDS, CHANNELS, did_you_mean
from muledetect.visible import Visible, cut, make_visible

_OTHER_FUNDS: Final = {
    "cash_atm": "CASH", "cash_counter": "CASH", "cash_deposit": "CASH", "card": "CARD", "wallet": "E_MONEY",
    "vasp": "VIRTUAL_ASSET",
}  # fmt: skip

#: Codes by table, replaced one by one through `codes`: channel to transmode_code, and to from_ and to_funds_code,
#: account kind to personal_account_type, closed to status_code, holder to role, reason code to indicator.
CODES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({
    "transmode": {channel: channel.upper() for channel in CHANNELS},
    "funds": dict.fromkeys(CHANNELS, "TRANSFER") | _OTHER_FUNDS,
    "account_type": {kind: kind.upper() for kind in ACCOUNT_KINDS},
    "account_status": {"closed": "CLOSED"},
    "role": {"holder": "HOLDER"},
    "indicator": {code: code for code in TYPOLOGIES},
})  # fmt: skip

#: What the institution may give once for all its drafts, and the form that it must have.
HEADER: Final[Mapping[str, str]] = MappingProxyType({
    "rentity_id": r"[1-9][0-9]{0,9}",
    "rentity_branch": r".{1,255}",
    "submission_code": r"[A-Za-z0-9_.\-]{1,50}",
    "entity_reference": r".{1,255}",
    "fiu_ref_number": r".{1,255}",
    "institution_name": r".{1,255}",
    "country": r"[A-Z]{2}",
})  # fmt: skip

#: Longest comments, as documented; whole sentences are left out beyond it.
MOST_COMMENTS: Final = 4000
#: Longest texts of one field.
_MOST_LETTERS: Final = 255
_REST: Final = "More facts stand in the case file."

_CODE: Final = re.compile(r"[A-Za-z0-9_.\-]{1,50}")


def to_goaml(
    draft: StrDraft,
    *,
    codes: Mapping[str, Mapping[str, str]] | None = None,
    header: Mapping[str, str] | None = None,
) -> str:
    """Return a draft as goAML-shaped XML, valid by `goaml_schema`; the same text for the same draft.

    Parameters
    ----------
    draft : StrDraft
    codes : mapping of mappings, optional
        Codes of your FIU by the tables of `CODES`, such as ``{"transmode": {"p2p_proxy": "B"}}``; what it leaves out
        stays as it is there.
    header : mapping, optional
        What your institution gives once for all its drafts, by the names of `HEADER`; without it, blanks.

    Returns
    -------
    str
        A document with its declaration. Where the draft has no transfers, an activity with the account as its party.

    Raises
    ------
    OptionError
        If a table, name or value of `codes` or `header` is none.

    Notes
    -----
    What hides in a text, and what XML cannot hold, stands as an escape such as ``<U+202E>`` (see `muledetect.visible`).
    Ids are never cut, times are UTC to the second, amounts have all their decimals. Your FIU may set shorter lengths,
    other signs or local times.
    """
    writer = _Writer(draft, _check_codes(codes or {}), _check_header(header or {}))
    report = ET.Element("report")
    _note(report, "report")
    writer.head(report)
    if draft.transfers:
        for number, transfer in enumerate(draft.transfers):
            writer.transaction(report, transfer, is_first=number == 0)
    else:
        writer.activity(report)
    writer.indicators(report)
    ET.indent(report)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(report, encoding="unicode")}\n'


def write_goaml(
    case: AccountCase,
    path: str | Path,
    *,
    codes: Mapping[str, Mapping[str, str]] | None = None,
    header: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write the draft of a case as `to_goaml`; `path` holds the old or the new document at any moment."""
    text = to_goaml(draft_str(case), codes=codes, header=header)
    write_text(path, text, output=GOAML, overwrite=overwrite)


def goaml_schema() -> str:
    """Return the schema of drafts (XSD 1.0), of our own writing; your FIU's own schema decides about submissions."""
    return read("drafts/goaml.xsd")


def _check_codes(given: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Return the tables with the given codes in them."""
    tables = {table: dict(known) for table, known in CODES.items()}
    for table, wanted in given.items():
        if table not in tables:
            raise OptionError(f"goAML codes: there is no table {table!r}.{did_you_mean(table, list(tables))}")
        for name, code in wanted.items():
            if (
                name not in tables[table] and table != "indicator"
            ):  # a bank's own columns have reason codes of their own
                hint = did_you_mean(name, list(tables[table]))
                raise OptionError(f"goAML codes: table {table!r} has no {name!r}.{hint}")
            if not _CODE.fullmatch(code):
                raise OptionError(
                    f"goAML codes: {code!r} for {name!r} in table {table!r} is no code; give 1 to 50 letters, digits "
                    "or signs of _.-"
                )
            tables[table][name] = code
    return tables


def _check_header(given: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in given.items():
        if name not in HEADER:
            raise OptionError(f"goAML header: there is no {name!r}.{did_you_mean(name, list(HEADER))}")
        if not re.fullmatch(HEADER[name], value):
            raise OptionError(f"goAML header: {name} is {value!r}; it must be of the form {HEADER[name]}")
    return given


def _note(parent: ET.Element, name: str) -> None:
    parent.append(ET.Comment(f" {NOTES[name]} "))


def _add(parent: ET.Element, name: str, text: str | None = None) -> ET.Element:
    """Add an element; without text it is a blank."""
    element = ET.SubElement(parent, name)
    element.text = make_visible(text) if text else None
    return element


def _moment(time: int | None) -> str | None:
    """Return a moment in UTC to the second; None where it is not known or outside of the years that dates have."""
    written = format_time(time) if time is not None else ""
    return written if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", written) and written >= "0001" else None


def _code(currency: str) -> str:
    """Return the ISO code of a currency; XXX, which is no currency, where nobody stated it."""
    return currency if currency in EXPONENTS else "XXX"


def _amount(amount: Decimal) -> str:
    return f"{amount:f}"


@dataclass(frozen=True)
class _Writer:
    """The parts of one document."""

    draft: StrDraft
    codes: Mapping[str, Mapping[str, str]]
    header: Mapping[str, str]

    def head(self, report: ET.Element) -> None:
        for name in ("rentity_id", "rentity_branch", "submission_code"):
            self._given(report, name)
        _add(report, "report_code", "STR")
        for name in ("entity_reference", "fiu_ref_number", "submission_date"):
            self._given(report, name)
        _add(report, "currency_code_local", _code(self.draft.currency))
        _note(report, "reporting_person")
        _blanks(_add(report, "reporting_person"), "title first_name last_name email occupation")
        _note(report, "location")
        _blanks(_add(report, "location"), "address_type address city country_code")
        for name in ("reason", "action"):
            self._given(report, name)

    def _given(self, parent: ET.Element, name: str) -> None:
        value = self.header.get(name)
        if value is None:
            _note(parent, name)
        _add(parent, name, value)

    def transaction(self, report: ET.Element, transfer: Reported, *, is_first: bool) -> None:
        if is_first:
            _note(report, "transaction")
        made = _add(report, "transaction")
        _add(made, "transactionnumber", transfer.transfer_id)
        _add(made, "internal_ref_number")
        _add(made, "transaction_location", transfer.terminal_id)
        _add(made, "transaction_description", _cut(_describe(transfer, self.draft.currency)))
        _add(made, "date_transaction", _moment(transfer.time))
        _blanks(made, "teller authorized")
        _add(made, "transmode_code", self.codes["transmode"].get(transfer.channel or ""))
        _add(made, "transmode_comment", cut(transfer.channel or "", _MOST_LETTERS))
        _add(made, "amount_local", _amount(transfer.amount))
        for side in ("from", "to"):
            is_subject = transfer.is_credit == (side == "to")
            self._side(made, side, transfer, is_subject=is_subject, is_first=is_first)

    def _side(self, made: ET.Element, side: str, transfer: Reported, *, is_subject: bool, is_first: bool) -> None:
        is_client = is_subject and self.draft.account.get("is_own", True)
        party = _add(made, f"t_{side}_my_client" if is_client else f"t_{side}")
        _add(party, f"{side}_funds_code", self.codes["funds"].get(transfer.channel or ""))
        if is_subject and is_first:
            _note(party, "subject")
        account = _add(party, f"{side}_account")
        if is_client:
            self._subject(account, is_first=is_first)
        elif is_subject:
            _other(account, self.draft.account_id, self.draft.account.get("bank_id"))
            if is_first:
                _add(account, "comments", _cut(*self._facts()))
        else:
            _other(account, transfer.other, transfer.other_bank)
        _add(party, f"{side}_country", self.header.get("country") if is_client else None)

    def activity(self, report: ET.Element) -> None:
        party = _add(_add(_add(report, "activity"), "report_parties"), "report_party")
        _note(party, "subject")
        self._subject(_add(party, "account"), is_first=True)
        _note(party, "party")
        _add(party, "reason")

    def _subject(self, account: ET.Element, *, is_first: bool) -> None:
        known = self.draft.account
        _add(account, "institution_name", self.header.get("institution_name"))
        if "bank_id" in known:
            _add(account, "institution_code", known["bank_id"])
        _add(account, "branch", known.get("branch_id"))
        _add(account, "account", self.draft.account_id)
        _add(account, "currency_code", _code(self.draft.currency))
        _add(account, "account_name")
        _add(account, "client_number", known.get("holder_id"))
        _add(account, "personal_account_type", self.codes["account_type"].get(known.get("kind", "")))
        self._holder(account)
        _add(account, "opened", _moment(known.get("opened_at")))
        closed = _moment(known.get("closed_at"))
        if closed:
            _add(account, "closed", closed)
        if "balance" in known:
            _add(account, "balance", _amount(known["balance"]))
            _add(account, "date_balance", _moment(known.get("balance_at")))
        _add(account, "status_code", self.codes["account_status"]["closed"] if closed else None)
        if is_first:
            _add(account, "comments", _cut(*self._facts()))

    def _holder(self, account: ET.Element) -> None:
        known = self.draft.holder
        comments = _cut(*_about(known, self.draft.currency))
        if known.get("kind", self.draft.account.get("kind")) == "company":
            company = _add(account, "t_entity")
            _blanks(company, "name incorporation_legal_form incorporation_number business")
            registered = _moment(known.get("registered_at"))
            if registered:
                _add(company, "incorporation_date", registered)
            _add(company, "comments", comments)
            return
        signatory = _add(account, "signatory")
        person = _add(signatory, "t_person")
        _blanks(person, "first_name last_name birthdate id_number")
        _add(person, "occupation", cut(known.get("occupation", ""), _MOST_LETTERS))
        _add(person, "comments", comments)
        _add(signatory, "role", self.codes["role"]["holder"])

    def _facts(self) -> Iterator[str]:
        draft = self.draft
        yield from draft.grounds
        if len(draft.transfers) < draft.n_reportable:
            yield f"{len(draft.transfers):,} of {draft.n_reportable:,} transfers to be reported are listed."
        yield from map(_sentence, draft.coercion)
        yield from (_sentence(f"Indicator {code}: {fact}") for code, fact in draft.indicators if fact)
        yield from (_sentence(f"Speaks for the account, {code}: {fact}") for code, fact in draft.speaks_for if fact)

    def indicators(self, report: ET.Element) -> None:
        parent = _add(report, "report_indicators")
        table = self.codes["indicator"]
        found = [table.get(code) or re.sub(r"[^A-Za-z0-9_.\-]", "_", code)[:50] for code, _ in self.draft.indicators]
        for code in dict.fromkeys(found):  # several reasons may be one indicator of the FIU
            _add(parent, "indicator", code)
        if not found:
            _note(parent, "indicator")
            _add(parent, "indicator")


def _other(account: ET.Element, account_id: str, bank_id: str | None) -> None:
    _add(account, "institution_name")
    if bank_id:
        _add(account, "institution_code", bank_id)
    _add(account, "account", account_id)


def _blanks(parent: ET.Element, names: str) -> None:
    for name in names.split():
        _add(parent, name)


def _describe(transfer: Reported, currency: str) -> str:
    """Return what the records say of a transfer beyond its fields."""
    parts = ["Credit to the subject account" if transfer.is_credit else "Debit of the subject account"]
    if transfer.relation:
        parts.append(f"relation of the other account in the case file: {transfer.relation}")
    if transfer.traced_high is not None and transfer.traced_high > 0:
        span = Wording("en", "UTC", currency).span(transfer.traced_low, transfer.traced_high)
        parts.append(f"money of complaints that it carried: {span}")
    if transfer.codes:
        parts.append(f"shows {', '.join(transfer.codes)}")
    return "; ".join(parts) + "."


def _about(holder: Mapping[str, object], currency: str) -> Iterator[str]:
    """Yield the facts about a holder that have no element of their own."""
    if "birth_year" in holder:
        yield f"Year of birth on record: {holder['birth_year']}."
    if "province" in holder:
        yield f"Province on record: {holder['province']}."
    for name, label in (("declared_income", "Income a month, as declared"), ("capital", "Registered capital")):
        amount = holder.get(name)
        if isinstance(amount, Decimal):
            yield f"{label}: {_amount(amount)} {currency}."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _cut(*sentences: str) -> str:
    """Join as many whole sentences as fit, visible."""
    shown = [make_visible(sentence) for sentence in sentences]
    if len(" ".join(shown)) <= MOST_COMMENTS:
        return Visible(" ".join(shown))
    kept: list[str] = []
    for sentence in shown:
        if len(" ".join((*kept, sentence, _REST))) > MOST_COMMENTS:
            break
        kept.append(sentence)
    return Visible(" ".join((*kept, _REST)))
