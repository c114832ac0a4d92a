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
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

import jinja2
from markupsafe import Markup

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
    tables, given = _check_codes(codes or {}), _check_header(header or {})
    own = tables["indicator"]
    named = [own.get(code) or re.sub(r"[^A-Za-z0-9_.\-]", "_", code)[:50] for code, _ in draft.indicators]
    text = _environment(draft.currency).get_template("goaml.xml.jinja").render(
        draft=draft, codes=tables, header=given, notes=NOTES, facts=_cut(*_facts(draft)),
        about_holder=_cut(*_about(draft.holder, draft.currency)), is_own=draft.account.get("is_own", True),
        # XXX is no currency: nobody stated it
        currency=draft.currency if draft.currency in EXPONENTS else "XXX",
        indicators=list(dict.fromkeys(named)),  # several reasons may be one indicator of the FIU
    )  # fmt: skip
    report = ET.fromstring(text, ET.XMLParser(target=ET.TreeBuilder(insert_comments=True)))  # noqa: S314 (our own)
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


@cache
def _environment(currency: str) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("muledetect.reports", "templates"),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else make_visible(value or ""),
    )
    made.filters |= {
        "moment": _moment,
        "amount": "{:f}".format,
        "short": lambda text: cut(text or "", _MOST_LETTERS),
        "describe": partial(_describe, currency=currency),
    }
    return made


def _moment(time: int | jinja2.Undefined | None) -> str | None:
    """Return a moment in UTC to the second; None where it is not known or outside of the years that dates have."""
    written = format_time(time) if isinstance(time, int) else ""
    return written if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", written) and written >= "0001" else None


def _facts(draft: StrDraft) -> Iterator[str]:
    """Yield the facts of a draft as sentences."""
    yield from draft.grounds
    if len(draft.transfers) < draft.n_reportable:
        yield f"{len(draft.transfers):,} of {draft.n_reportable:,} transfers to be reported are listed."
    yield from map(_sentence, draft.coercion)
    yield from (_sentence(f"Indicator {code}: {fact}") for code, fact in draft.indicators if fact)
    yield from (_sentence(f"Speaks for the account, {code}: {fact}") for code, fact in draft.speaks_for if fact)


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
    return _cut("; ".join(parts) + ".")


def _about(holder: Mapping[str, object], currency: str) -> Iterator[str]:
    """Yield the facts about a holder that have no element of their own."""
    if "birth_year" in holder:
        yield f"Year of birth on record: {holder['birth_year']}."
    if "province" in holder:
        yield f"Province on record: {holder['province']}."
    for name, label in (("declared_income", "Income a month, as declared"), ("capital", "Registered capital")):
        amount = holder.get(name)
        if isinstance(amount, Decimal):
            yield f"{label}: {amount:f} {currency}."


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
