"""What the probabilities and tiers of a table `scores` rest on, as the metadata of its schema say.

It stands below models and rings: the one writes it, the other reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from muledetect.clock import format_duration
from muledetect.errors import DataError

#: Probabilities from which a tier is proposed. A score never proposes more than "suspected": the graver tiers come
#: from tables and people.
TIERS: Final = (("suspected", 0.5), ("watch", 0.1))

Source = Literal["unknown", "training", "stated", "estimated"]

_KEY: Final = "muledetect."
_THAI: Final[dict[Source, str]] = {
    "unknown": "ไม่ทราบสัดส่วนบัญชีม้าในธนาคาร",
    "training": "สัดส่วนบัญชีม้าเท่ากับในข้อมูลที่ใช้สอน",
    "stated": "สัดส่วนบัญชีม้า {share} ตามที่ระบุ",
    "estimated": "สัดส่วนบัญชีม้า {share} ประเมินจากบัญชีม้าที่ทราบแล้ว",
}
_ENGLISH: Final[dict[Source, str]] = {
    "unknown": "prevalence unknown",
    "training": "prevalence as in the training",
    "stated": "prevalence {share} as stated",
    "estimated": "prevalence {share}, estimated from known mules",
}


@dataclass(frozen=True, slots=True)
class Basis:
    """What probabilities and tiers of a table `scores` rest on; kept in the metadata of its schema.

    Attributes
    ----------
    source : "unknown", "training", "stated" or "estimated"
        Where the prevalence comes from. `unknown`: probabilities are those of the data that the model comes from.
    prevalence : float or None
        Share of mules among the accounts; None if unknown, or if an old model does not tell that of its training.
    budget : int or None
        So many alerts the tiers were made for; None: they follow probability.
    is_bound : bool
        The estimate is the known mules alone: there are at least so many.
    short_record : tuple of (int, int), optional
        Microseconds of transfers before the moment, and the longer look-back of the model, where it sees less than in
        the training. None: it sees as much.
    """

    source: Source
    prevalence: float | None = None
    budget: int | None = None
    is_bound: bool = False
    short_record: tuple[int, int] | None = None

    @property
    def text(self) -> str:
        """The same in one plain sentence, without its full stop."""
        share = "" if self.prevalence is None else f"{'at least ' * self.is_bound}{self.prevalence:.2%}"
        tiers = "probability" if self.budget is None else f"an alert budget of {self.budget:,} accounts"
        end = "; probabilities are not those of your bank" if self.source == "unknown" else ""
        end += f"; {self.short_text}" if self.short_record else ""
        return f"{_ENGLISH[self.source].format(share=share)}: tiers follow {tiers}{end}"

    @property
    def thai(self) -> str:
        """The sentence in Thai."""
        share = "" if self.prevalence is None else f"{'อย่างน้อย ' * self.is_bound}{self.prevalence:.2%}"
        tiers = "ความน่าจะเป็น" if self.budget is None else f"โควตาการแจ้งเตือน {self.budget:,} บัญชี"
        end = " ค่าความน่าจะเป็นไม่ใช่ของธนาคารนี้" if self.source == "unknown" else ""
        if self.short_record:
            seen, wanted = (format_duration(length) for length in self.short_record)
            end += f" ข้อมูลย้อนหลังมีเพียง {seen} แบบจำลองใช้ {wanted} ค่าความน่าจะเป็นจึงเชื่อถือได้น้อยลง"
        return f"{_THAI[self.source].format(share=share)}: ระดับเป็นไปตาม{tiers}{end}"

    @property
    def short_text(self) -> str:
        """What a record that is too short means, without a full stop; empty where it is long enough."""
        if self.short_record is None:
            return ""
        seen, wanted = (format_duration(length) for length in self.short_record)
        return f"the record is only {seen} long, the model looks back {wanted}: probabilities are less reliable"

    def to_metadata(self) -> dict[str, str]:
        """Return metadata of an Arrow schema."""
        share = "unknown" if self.source == "unknown" else "" if self.prevalence is None else repr(self.prevalence)
        found = {"prevalence": share, "prevalence_source": self.source, "note": self.text}
        found |= {} if self.budget is None else {"budget": str(self.budget)}
        found |= {"prevalence_is_bound": "true"} if self.is_bound else {}
        found |= {} if self.short_record is None else {"short_record": "/".join(map(str, self.short_record))}
        return {f"{_KEY}{name}": value for name, value in found.items()}


def read_basis(table: Any) -> Basis | None:
    """Return what the scores of a table rest on; None where it does not say, as after a way through pandas.

    Parameters
    ----------
    table : pyarrow.Table
        As `score` gave it.

    Raises
    ------
    DataError
        If its metadata were changed.
    """
    told = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()
            if key.startswith(_KEY.encode())}  # fmt: skip
    source = told.get(f"{_KEY}prevalence_source")
    if source is None:
        return None
    try:
        share, budget = told[f"{_KEY}prevalence"], told.get(f"{_KEY}budget")
        number = None if share in ("", "unknown") else float(share)
        is_sound = source in get_args(Source) and (number is None or 0 <= number <= 1)
        lengths = [int(part) for part in told.get(f"{_KEY}short_record", "").split("/") if part]
        found = Basis(
            source, number, None if budget is None else int(budget), f"{_KEY}prevalence_is_bound" in told,
            (lengths[0], lengths[1]) if lengths else None,
        )  # fmt: skip
    except (KeyError, ValueError, IndexError) as error:
        raise DataError(f"scores: the metadata {_KEY}* cannot be read. Score again.") from error
    if not is_sound or (found.budget or 0) < 0:
        raise DataError(f"scores: the metadata {_KEY}* are not what `score` writes. Score again.")
    return found


__all__ = ["TIERS", "Basis", "Source", "read_basis"]
