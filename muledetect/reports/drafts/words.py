"""Words of the STR draft in English and Thai: labels, sentences of fact, and how amounts and times are written."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import pandas as pd

from muledetect.clock import DAY, HOUR
from muledetect.errors import OptionError
from muledetect.reports.pages import Language, money_text, time_text, unit_words


class Fact(NamedTuple):
    """A column that the draft carries: its kind of value (text, time, money, number, flag) and its labels."""

    column: str
    kind: str
    english: str
    thai: str


#: What only the officer can say: key, label in English, label in Thai.
BLANKS: Final = (
    ("rentity_id", "Reporting entity's number at the FIU", "เลขที่ผู้มีหน้าที่รายงานที่หน่วยข่าวกรองทางการเงินกำหนด"),
    ("rentity_branch", "Reporting branch", "สาขาที่รายงาน"),
    ("submission_code", "Submission code", "รหัสวิธีการส่งรายงาน"),
    ("entity_reference", "Reporting entity's own reference", "เลขที่อ้างอิงของผู้รายงาน"),
    ("fiu_ref_number", "FIU reference", "เลขที่อ้างอิงของหน่วยข่าวกรองทางการเงิน"),
    ("submission_date", "Date of submission", "วันที่ส่งรายงาน"),
    ("reporting_person", "Reporting person", "ผู้รายงาน"),
    ("location", "Place", "สถานที่"),
    ("holder_name", "Name and identification of the holder", "ชื่อและเอกสารแสดงตนของผู้ถือบัญชี"),
    ("reason", "Reason for suspicion, in the officer's words", "เหตุอันควรสงสัย ตามถ้อยคำของเจ้าหน้าที่"),
    ("action", "Action taken", "การดำเนินการที่ได้ทำไปแล้ว"),
    ("decision", "Decision", "ผลการพิจารณา"),
)

#: Facts of the tables accounts and holders that the draft carries.
ACCOUNT_FACTS: Final = (
    Fact("bank_id", "text", "Bank", "ธนาคาร"),
    Fact("branch_id", "text", "Branch", "สาขา"),
    Fact("kind", "text", "Kind of account", "ประเภทบัญชี"),
    Fact("holder_id", "text", "Holder", "ผู้ถือบัญชี"),
    Fact("opened_at", "time", "Opened", "วันที่เปิดบัญชี"),
    Fact("open_channel", "text", "Opened by way of", "ช่องทางเปิดบัญชี"),
    Fact("closed_at", "time", "Closed", "วันที่ปิดบัญชี"),
    Fact("balance", "money", "Balance on record", "ยอดคงเหลือตามบันทึก"),
    Fact("balance_at", "time", "Moment of that balance", "เวลาของยอดคงเหลือ"),
    Fact("daily_limit", "money", "Daily limit", "วงเงินต่อวัน"),
    Fact("is_own", "flag", "Held at this bank", "เป็นบัญชีของธนาคารนี้"),
)
HOLDER_FACTS: Final = (
    Fact("kind", "text", "Holder: person or company", "ผู้ถือบัญชีเป็นบุคคลหรือนิติบุคคล"),
    Fact("birth_year", "number", "Year of birth on record", "ปีเกิดตามบันทึก"),
    Fact("occupation", "text", "Occupation, as declared", "อาชีพที่แจ้งไว้"),
    Fact("declared_income", "money", "Income a month, as declared", "รายได้ต่อเดือนที่แจ้งไว้"),
    Fact("province", "text", "Province", "จังหวัด"),
    Fact("registered_at", "time", "Company registered", "วันที่จดทะเบียนบริษัท"),
    Fact("capital", "money", "Registered capital", "ทุนจดทะเบียน"),
)

#: Sentences of the grounds by language; each is left out where the case does not have its facts.
SENTENCES: Final[Mapping[str, Mapping[Language, str]]] = MappingProxyType({
    "opened": {
        "en": "Records give {opened} as the time of opening, {age} before {start}.",
        "th": "ตามบันทึก บัญชีเปิดเมื่อ {opened} ก่อน {start} เป็นเวลา {age}",
    },
    "totals": {
        "en": "Between {start} and {end} the account received {credits_en} of {received} in total from "
        "{payers_en}, and made {debits_en} of {sent} in total to {payees_en}.",
        "th": "ระหว่าง {start} ถึง {end} บัญชีรับเงินเข้า {credits} รายการ รวม {received} จาก {payers} บัญชี "
        "และโอนเงินออก {debits} รายการ รวม {sent} ไปยัง {payees} บัญชี",
    },
    "partial": {
        "en": "The case file holds {shown:,} of the account's {n:,} transfers; these totals are of those.",
        "th": "แฟ้มเรื่องมีรายการโอน {shown:,} จากทั้งหมด {n:,} รายการ ยอดรวมข้างต้นคิดจากรายการเหล่านี้",
    },
    "quick": {
        "en": "Of what it received, {quick} left again within an hour (first in, first out).",
        "th": "จากเงินที่รับเข้า {quick} ถูกโอนออกภายในหนึ่งชั่วโมง (เข้าก่อนออกก่อน)",
    },
    "complaints": {
        "en": "By {as_of} the bank had {complaints_en} about money that reached the account. Of {lost} complained of, "
        "{came} came to the account; where two amounts stand, methods of tracing differ.",
        "th": "จนถึง {as_of} มีคำร้องเรียน {complaints} เรื่องเกี่ยวกับเงินที่เข้าบัญชีนี้ จากยอดร้องเรียน {lost} มีเงินเข้าบัญชี {came} "
        "หากแสดงสองยอด หมายถึงวิธีติดตามเงินให้ผลต่างกัน",
    },
    "confirmed": {
        "en": "Payments that complaints name, from {accounts_en}: {amount} in {transfers_en}.",
        "th": "รายการโอนที่มีคำร้องเรียน จาก {accounts} บัญชี: {transfers} รายการ รวม {amount}",
    },
    "inferred": {
        "en": "{accounts_en} paid {amount} in {transfers_en} in the way in which victims of "
        "scams pay; this is inferred, and no complaint confirms it.",
        "th": "บัญชี {accounts} บัญชี โอนเงิน {transfers} รายการ รวม {amount} ในลักษณะที่ผู้เสียหายมักโอน "
        "(อนุมาน ยังไม่มีคำร้องเรียนยืนยัน)",
    },
    "hold": {
        "en": "Proposed to be held on this account: {hold}. Traced here but not covered by the balance: {shortfall}.",
        "th": "เสนอให้ระงับเฉพาะยอดในบัญชีนี้: {hold} ยอดที่ติดตามได้แต่ยอดคงเหลือไม่พอ: {shortfall}",
    },
    "ring": {
        "en": "Links in the records put the account in a group of {members_en}.",
        "th": "ความเชื่อมโยงตามบันทึกจัดบัญชีนี้อยู่ในกลุ่ม {members} บัญชี",
    },
    "coercion": {
        "en": "Possible indicator that the holder may have been made to act: {text}",
        "th": "ข้อบ่งชี้ที่เป็นไปได้ว่าผู้ถือบัญชีอาจถูกบังคับ: {text}",
    },
})  # fmt: skip

UNKNOWN: Final[Mapping[Language, str]] = MappingProxyType({"en": "an amount not known", "th": "ไม่ทราบจำนวน"})
_TO: Final[Mapping[Language, str]] = MappingProxyType({"en": "to", "th": "ถึง"})


class Wording(NamedTuple):
    """How values are written: the language, the time zone and the currency."""

    language: Language
    zone: str
    currency: str

    def sentence(self, name: str, **facts: Any) -> str:
        """Return the sentence of `SENTENCES` with its facts."""
        return SENTENCES[name][self.language].format(**facts)

    def money(self, amount: Decimal | None) -> str:
        """Return an amount with its currency, exactly, with all its decimals."""
        if amount is None:
            return UNKNOWN[self.language]
        minor, places = whole_of(amount)
        return f"{money_text(10**places)(minor)} {unit_words(self.currency)[self.language]}"

    def span(self, low: Decimal | None, high: Decimal | None) -> str:
        """Return two amounts, or one where they agree."""
        if low == high or low is None or high is None:
            return self.money(low if high is None else high)
        return f"{self.money(low)} {_TO[self.language]} {self.money(high)}"

    def when(self, moment: int | None) -> str:
        """Return a moment with its zone."""
        return f"{time_text(self.zone)(moment)} {self.zone}"

    def length(self, microseconds: int) -> str:
        """Return a length of time in whole days, or in hours where it is shorter than two days."""
        days, hours = microseconds // DAY, microseconds // HOUR
        if self.language == "th":
            return f"{days:,} วัน" if days > 1 else f"{hours:,} ชั่วโมง"
        return count(days, "day") if days > 1 else count(hours, "hour")

    def value(self, value: Any, kind: str) -> str:
        """Return a value of a `Fact` of that kind."""
        if kind == "money":
            return self.money(value)
        if kind == "time":
            return self.when(value)
        if kind == "flag":
            return {"en": ("no", "yes"), "th": ("ไม่ใช่", "ใช่")}[self.language][bool(value)]
        return str(value)


def count(n: int, one: str) -> str:
    """Return a number with its English noun.

    >>> count(1, "credit"), count(1_200, "credit")
    ('1 credit', '1,200 credits')
    """
    return f"{n:,} {one if n == 1 else one + 's'}"


def whole_of(amount: Decimal) -> tuple[int, int]:
    """Return an amount as a whole number of its smallest units, and how many decimals they are.

    No arithmetic of decimals is used: that would round at 28 digits.

    >>> whole_of(Decimal("-12.30"))
    (-1230, 2)
    """
    whole, _, part = f"{amount:f}".partition(".")
    return int(whole + part), len(part)


def exact(minor: object, minor_units: int) -> Decimal | None:
    """Return an amount of minor units in whole ones, exactly, for any size; None where it is not known.

    >>> exact(-1_234_567, 100)
    Decimal('-12345.67')

    Raises
    ------
    OptionError
        If `minor_units` is no power of ten.
    """
    digits = len(str(minor_units)) - 1
    if minor_units != 10**digits:
        raise OptionError(f"STR draft: minor_units is {minor_units}; give 1, 10, 100, 1000 ...")
    # made from text, which no context rounds
    return None if known(minor) is None else Decimal(f"{int(minor)}e-{digits}")  # type: ignore[call-overload]


def known(value: Any) -> Any:
    """Return the value, or None for what a frame has in its place (None, NaN, NaT, NA) and for empty text."""
    return None if pd.isna(value) or value == "" else value
