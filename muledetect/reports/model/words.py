"""What the model report calls methods, parts of the accounts, groups and measures, in both languages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from muledetect.evaluation.baselines import MODEL
from muledetect.model.card import NOT_FOR, USE
from muledetect.reports.words import WORDS

Text = Mapping[str, str]


def say(en: str, th: str) -> dict[str, str]:
    """Return a text of both languages."""
    return {"en": en, "th": th}


def _names(**pairs: tuple[str, str]) -> Mapping[str, Text]:
    return MappingProxyType({name: say(*pair) for name, pair in pairs.items()})


METHODS: Final[Mapping[str, Text]] = {
    "random": say("random", "สุ่ม"),
    "total volume": say("total volume", "ปริมาณเงินรวม"),
    "in-degree": say("in-degree", "จำนวนผู้โอนเข้า"),
    "rules only": say("rules only", "กฎเพียงอย่างเดียว"),
    "plain LightGBM": say("plain LightGBM, without graph", "LightGBM ค่าตั้งต้น ไม่ใช้กราฟ"),
    "LightGBM without graph": say("the model without graph", "แบบจำลองที่ไม่ใช้กราฟ"),
    MODEL: say("this model", "แบบจำลองนี้"),
}

PARTS: Final = _names(
    shape=("shape of the ring", "รูปแบบของกลุ่ม"),
    role=("role", "บทบาท"),
    layer=("layer", "ชั้น"),
    is_unwitting=("unwitting", "ทำโดยไม่รู้ตัว"),
    recruited_as=("recruited as", "ที่มาของบัญชี"),
    kind=("kind of account", "ประเภทบัญชี"),
    age=("age of the account", "อายุบัญชี"),
    open_channel=("opened through", "ช่องทางเปิดบัญชี"),
    birth_decade=("decade of birth", "ทศวรรษที่เกิด"),
    province=("province", "จังหวัด"),
)

GROUPS: Final = _names(
    merchants=("merchants", "ร้านค้า"),
    payroll=("payroll", "บัญชีเงินเดือนและบริษัท"),
    families=("families", "ครอบครัว ผู้เกษียณ นักศึกษา แรงงานข้ามชาติ"),
    sellers=("sellers and gig workers", "ผู้ขายรายย่อยและงานรับจ้าง"),
    public=("public bodies and temples", "หน่วยงานรัฐและวัด"),
    paid=("paid by mules without knowing", "ผู้รับเงินจากบัญชีม้าโดยไม่รู้"),
    victims=("victims", "ผู้เสียหาย"),
)

#: Values of parts that `words.WORDS` does not know.
VALUES: Final = _names(
    fan_in=("fan-in", "รวมจากหลายบัญชี"),
    fan_out=("fan-out", "กระจายไปหลายบัญชี"),
    gather_scatter=("gather and scatter", "รวมแล้วกระจาย"),
    scatter_gather=("scatter and gather", "กระจายแล้วรวม"),
    bipartite=("bipartite", "สองฝั่ง"),
    stack=("stack", "หลายชั้นซ้อนกัน"),
    cycle=("cycle", "วงรอบ"),
    relay_chain=("relay chain", "ส่งต่อเป็นทอด"),
    mixture=("mixture", "หลายรูปแบบผสมกัน"),
    new=("new account", "บัญชีเปิดใหม่"),
    dormant=("dormant account", "บัญชีที่นิ่งมานาน"),
    old=("old account", "บัญชีเก่าที่ใช้งานอยู่"),
    stolen=("stolen identity", "ใช้ตัวตนที่ถูกขโมย"),
    unwitting=("unwitting holder", "เจ้าของไม่รู้ตัว"),
    app=("app", "แอป"),
    branch=("branch", "สาขา"),
    unknown=("unknown", "ไม่ทราบ"),
    ever=("active at any time before", "เคยเคลื่อนไหวก่อนหน้านั้น"),
    active=("active around the moment", "เคลื่อนไหวในช่วงเวลานั้น"),
    proposed_hold=("proposed hold", "ยอดที่เสนอให้ระงับ"),
    ring=("rings", "กลุ่ม"),
    account=("accounts", "บัญชี"),
    True_=("yes", "ใช่"),
    False_=("no", "ไม่ใช่"),
)

#: Bands of an account's age, in order.
AGES: Final[Mapping[str, Text]] = {
    "under 30 d": say("under 30 d", "ต่ำกว่า 30 วัน"),
    "30-90 d": say("30-90 d", "30-90 วัน"),
    "90-365 d": say("90-365 d", "90-365 วัน"),
    "1-5 y": say("1-5 y", "1-5 ปี"),
    "over 5 y": say("over 5 y", "เกิน 5 ปี"),
}

#: Figures on rings, in the order of the table.
RING_FIGURES: Final = _names(
    n_true=("true rings", "กลุ่มจริง"),
    n_found=("candidate rings shown", "กลุ่มที่เสนอ"),
    ring_recall=("true rings that a candidate fits (Jaccard 0.5 or more)", "กลุ่มจริงที่พบ (Jaccard 0.5 ขึ้นไป)"),
    ring_precision=("candidates that fit a true ring", "กลุ่มที่เสนอซึ่งตรงกับกลุ่มจริง"),
    purity=("purity", "ความบริสุทธิ์ของกลุ่ม"),
    bcubed_precision=("B-cubed precision", "B-cubed ความแม่นยำ"),
    bcubed_recall=("B-cubed recall", "B-cubed ความครบถ้วน"),
    bcubed_f1=("B-cubed F1", "B-cubed F1"),
    pairwise_f1=("pairwise F1", "F1 ของคู่บัญชี"),
    adjusted_rand=("adjusted Rand index", "ดัชนี Rand ที่ปรับแล้ว"),
)

MEASURES: Final = _names(
    psi=("stability index (PSI)", "ดัชนีความเสถียร (PSI)"),
    missing=("share missing", "สัดส่วนค่าที่ขาด"),
    ks=("Kolmogorov-Smirnov", "Kolmogorov-Smirnov"),
    wasserstein=("Wasserstein distance", "ระยะ Wasserstein"),
    reasons=("mix of reasons", "สัดส่วนของเหตุผล"),
    calibration=("calibration, log of the ratio", "การปรับเทียบ ลอการิทึมของอัตราส่วน"),
    delay=("delay of labels", "ความล่าช้าของป้ายกำกับ"),
)

GRADES: Final = _names(
    ok=("ok", "ปกติ"),
    watch=("watch", "เฝ้าดู"),
    alarm=("alarm", "เตือนภัย"),
)

#: The card's own sentences, which are written in English.
CARD: Final[Mapping[str, str]] = {
    USE: (
        "จัดลำดับบัญชีของธนาคารตามระดับที่พฤติกรรมสอดคล้องกับบัญชีม้า เพื่อให้เจ้าหน้าที่ที่ผ่านการอบรมตรวจสอบ คะแนนเป็นเพียงข้อสงสัย ไม่ใช่ข้อสรุป"
    ),
    NOT_FOR[0]: "ปิดหรืออายัดบัญชีโดยไม่มีเจ้าหน้าที่ตรวจสอบ ให้ระงับเฉพาะจำนวนเงิน ไม่ใช่ทั้งบัญชี",
    NOT_FOR[1]: "ตัดสินใจเรื่องสินเชื่อ ราคา หรือการจ้างงาน",
    NOT_FOR[2]: "แจ้งลูกค้าหรือบุคคลภายนอกธนาคารว่าบัญชีใดต้องสงสัย",
    NOT_FOR[3]: (
        "ใช้กับธนาคาร ประเทศ หรือช่วงเวลาที่ต่างจากข้อมูลที่ใช้ฝึก โดยไม่วัดผลที่นั่นก่อน (`muledetect evaluate`, `muledetect monitor`)"
    ),
    "Labels come from what investigations found; mules of a kind that was never found are not learnt.": (
        "ป้ายกำกับมาจากสิ่งที่การสืบสวนพบ แบบจำลองจึงไม่ได้เรียนรู้บัญชีม้าชนิดที่ไม่เคยถูกพบ"
    ),
    "Trained at one moment: nothing is known of how scores hold over time.": (
        "ฝึกจากข้อมูล ณ เวลาเดียว จึงไม่ทราบว่าคะแนนคงที่ตามเวลาเพียงใด"
    ),
    "Columns of amounts are in the units of the training data.": "คอลัมน์จำนวนเงินใช้หน่วยเดียวกับข้อมูลที่ใช้ฝึก",
}


_FEW_POSITIVES: Final = re.compile(r"Only ([\d,]+) positive rows: read probabilities and metrics with great caution\.")


def value_name(value: str) -> Text | str:
    """Return the words for the value of a part."""
    name = f"{value}_" if value in ("True", "False") else value
    return VALUES.get(name) or AGES.get(value) or WORDS.get(value) or value


def card_text(text: str) -> dict[str, str]:
    """Return a sentence of the card in both languages; one that is not known stays in English in both."""
    few = _FEW_POSITIVES.fullmatch(text)
    if few:
        return say(text, f"มีแถวที่เป็นบัญชีม้าเพียง {few[1]} แถว ให้อ่านความน่าจะเป็นและตัวชี้วัดด้วยความระมัดระวังอย่างยิ่ง")
    return say(text, CARD.get(text, text))


def named(names: Mapping[str, Text], name: str) -> Text | str:
    """Return the words for a name, or the name itself, with spaces, where there are none."""
    return names.get(name, name.replace("_", " "))
