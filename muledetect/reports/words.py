"""Names that pages show in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from muledetect.model.reason_codes import TYPOLOGIES

Text = Mapping[str, str]


def _names(**pairs: tuple[str, str]) -> Mapping[str, Text]:
    return MappingProxyType({name: {"en": en, "th": th} for name, (en, th) in pairs.items()})


#: Roles, relations, tiers, places, channels, kinds: by the value that stands in the tables.
WORDS: Final = _names(
    yes=("yes", "ใช่"),
    no=("no", "ไม่ใช่"),
    none=("below watch", "ต่ำกว่าเฝ้าระวัง"),
    no_tie=("none", "ไม่มี"),
    watch=("watch", "เฝ้าระวัง"),
    suspected=("suspected", "ต้องสงสัย"),
    collector=("collector", "ผู้รวบรวม"),
    relay=("relay", "ผู้ส่งต่อ"),
    consolidator=("consolidator", "ผู้รวมเงิน"),
    cash_out=("cash-out", "ผู้ถอนเงินออก"),
    controller=("controller", "ผู้ควบคุม"),
    peripheral=("peripheral", "รอบนอก"),
    victim=("victim", "ผู้เสียหาย"),
    inferred_victim=("likely victim", "อาจเป็นผู้เสียหาย"),
    confirmed=("confirmed by complaint", "ยืนยันโดยคำร้องเรียน"),
    inferred=("inferred", "อนุมาน"),
    member=("ring member", "สมาชิกกลุ่ม"),
    institution=("institution", "สถาบัน"),
    exit=("exit", "ทางออกของเงิน"),
    hub=("hub", "บัญชีที่มีคู่โอนจำนวนมาก"),
    recipient=("recipient", "ผู้รับเงิน"),
    payer=("payer", "ผู้โอน"),
    individual=("individual", "บุคคล"),
    joint=("joint", "บัญชีร่วม"),
    company=("company", "บริษัท"),
    merchant=("merchant", "ร้านค้า"),
    biller=("biller", "ผู้รับชำระบิล"),
    wallet=("e-wallet", "กระเป๋าเงินอิเล็กทรอนิกส์"),
    vasp=("crypto exchange", "ศูนย์ซื้อขายสินทรัพย์ดิจิทัล"),
    government=("government", "หน่วยงานรัฐ"),
    internal=("internal", "บัญชีภายใน"),
    p2p_proxy=("by proxy id", "โอนผ่านพร็อกซี"),
    p2p_account=("to account", "โอนเข้าบัญชี"),
    qr_merchant=("QR, shop", "คิวอาร์ร้านค้า"),
    bill=("bill", "ชำระบิล"),
    card=("card", "บัตร"),
    cash_atm=("cash, ATM", "ถอนเงินสดตู้เอทีเอ็ม"),
    cash_counter=("cash, counter", "ถอนเงินสดที่สาขา"),
    cash_deposit=("cash deposit", "ฝากเงินสด"),
    xborder=("cross-border", "โอนต่างประเทศ"),
    payroll=("payroll", "เงินเดือน"),
    fee=("fee", "ค่าธรรมเนียม"),
    reversal=("reversal", "กลับรายการ"),
    other=("other", "อื่น ๆ"),
    fifo=("first in, first out", "เข้าก่อนออกก่อน"),
    lifo=("last in, first out", "เข้าหลังออกก่อน"),
    pro_rata=("pro rata", "ตามสัดส่วน"),
    libr=("lowest intermediate balance", "ยอดคงเหลือต่ำสุดระหว่างทาง"),
    possible=("possible", "เป็นไปได้"),
    moderate=("moderate", "ปานกลาง"),
    strong=("strong", "หนักแน่น"),
    complaint=("complaint", "คำร้องเรียน"),
    call=("call", "สายโทร"),
    network=("network", "เครือข่าย"),
    place=("place", "สถานที่"),
    script=("script", "บทสนทนา"),
    lists=("list", "รายชื่อเฝ้าระวัง"),
    person=("person", "บุคคล"),
    payment=("payment", "การโอนเงิน"),
    shared_victims=("shared victims", "ผู้เสียหายร่วมกัน"),
    shared_device=("shared device", "อุปกรณ์ร่วมกัน"),
    shared_ip=("shared network address", "ที่อยู่เครือข่ายร่วมกัน"),
    shared_wifi=("shared Wi-Fi", "ไวไฟร่วมกัน"),
    shared_phone=("shared phone", "โทรศัพท์ร่วมกัน"),
    shared_email=("shared e-mail", "อีเมลร่วมกัน"),
    shared_address=("shared address", "ที่อยู่ร่วมกัน"),
    shared_sim=("shared SIM", "ซิมร่วมกัน"),
    shared_imei=("shared handset", "เครื่องโทรศัพท์ร่วมกัน"),
    shared_wallet=("shared wallet", "กระเป๋าเงินร่วมกัน"),
    shared_terminal=("shared terminal", "เครื่องถอนเงินร่วมกัน"),
    shared_opening=("opened together", "เปิดบัญชีพร้อมกัน"),
    co_activation=("active together", "ใช้งานพร้อมกัน"),
    called_victim=("called a victim", "โทรหาผู้เสียหาย"),
    called_payer=("called a payer", "โทรหาผู้โอน"),
    list=("list", "รายชื่อเฝ้าระวัง"),
    holder=("holder", "ผู้ถือบัญชี"),
    device=("device", "อุปกรณ์"),
    wifi=("Wi-Fi", "ไวไฟ"),
    ip=("network address", "ที่อยู่เครือข่าย"),
    cell=("mobile cell", "เสาสัญญาณ"),
    terminal=("terminal", "เครื่องถอนเงิน"),
    against=("against", "คัดค้าน"),
)

#: What amounts are in where nobody stated the currency.
MINOR_UNITS: Final[Text] = {"en": "minor units", "th": "หน่วยย่อย"}

#: Why an account around a ring is no member, by its relation; the English stands in the table itself.
NOT_MEMBERS: Final = MappingProxyType(
    {
        "victim": "ร้องเรียนรายการที่ตนโอนให้สมาชิก",
        "institution": "ร้านค้า ผู้รับชำระบิล ศูนย์ซื้อขาย กระเป๋าเงิน หรือธนาคาร ซึ่งให้บริการทุกคน",
        "exit": "ได้รับเงินผ่านบัตร คิวอาร์ ตู้ หรือโอนต่างประเทศ ให้ถือว่าผู้รับสุจริตไว้ก่อน",
        "hub": "มีผู้โอนให้จำนวนมากจนถือว่าให้บริการทุกคน",
        "recipient": "ได้รับเงินจากสมาชิก โดยไม่มีสิ่งอื่นที่น่าสงสัย",
        "payer": "เคยโอนให้สมาชิก และไม่ได้ร้องเรียน",
    }
)

#: What reasons are called, by typology code.
REASONS: Final[Mapping[str, Text]] = MappingProxyType({code: one.names for code, one in TYPOLOGIES.items()})
