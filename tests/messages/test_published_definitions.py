"""Messages beside the definitions of ISO 20022, as the package pyiso20022 publishes them (classes made of the schemas).

A message is made by chance from the definition of its version: what is required, some of what is optional, one of each
choice. So paths of `kinds.py` meet every version, and every leaf of a message is either read or counted as dropped.
"""

from __future__ import annotations

import dataclasses
import pkgutil
import random
import re
import typing
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import Any

import pyiso20022.camt
import pyiso20022.pacs
import pytest
from lxml import etree
from pyiso20022.tools.validation import ISO20022Validator
from test_recalls import UETR, drafted
from xsdata.exceptions import ParserError
from xsdata.formats.dataclass.parsers import XmlParser
from xsdata.formats.dataclass.parsers.config import ParserConfig
from xsdata.formats.dataclass.serializers import XmlSerializer
from xsdata.models.datatype import XmlDate, XmlDateTime, XmlTime

from muledetect.messages._xml import read_records
from muledetect.messages.kinds import CAMT_054, KINDS

EXAMPLES = Path(__file__).parents[1] / "data" / "messages"
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"
#: Texts of which every pattern of the definitions takes one.
TEXTS = [
    "THB", "TH", "en", "AAAATHBK", "AAAATHBKXXX", "GB33BUKB20201555555555", UETR, "+66-812345678",
    "5493001KJTIIGC8Y1R12", "1", "12", "123", "1234", "12345", "12345678", "123456789", "1234567890123",
    "1234567890123456", "abcd", "CH123456", "TH1234567891", "ABCDEFGHIJ12", "TH12345671", "00", "AB" * 32,
]  # fmt: skip
#: Share of optional elements that are filled, down to a depth.
SHARE, DEEPEST = 0.3, 8
READ = {kind.name: kind for kind in KINDS}
VERSIONS = sorted(
    name.replace("_", ".")
    for package in (pyiso20022.pacs, pyiso20022.camt)
    for _, name, _ in pkgutil.iter_modules(package.__path__)
    if ".".join(name.split("_")[:2]) in READ and not name.endswith("_01")  # the first versions have other roots
)


def document_of(name: str) -> type:
    """Return the class of a message such as `pacs.008.001.08`."""
    module = name.replace(".", "_")
    found: type = import_module(f"pyiso20022.{module[:4]}.{module}.{module}").Document
    return found


def kind_of(element: Any) -> tuple[Any, bool]:
    """Return the type of a field without its None, and whether it is a list."""
    inner = [part for part in typing.get_args(element) if part is not NoneType]
    if typing.get_origin(element) is list:
        return kind_of(inner[0])[0], True
    return (kind_of(inner[0])[0], False) if inner else (element, False)


@cache
def fields_of(cls: type) -> list[tuple[dataclasses.Field[Any], Any, bool]]:
    """Return the fields of a class, each with its type and whether it is a list."""
    types = typing.get_type_hints(cls)
    return [(field, *kind_of(types[field.name])) for field in dataclasses.fields(cls)]


def has(cls: type, path: str) -> bool:
    """Say whether a class has an element at a path, or an attribute (`Amt@Ccy`)."""
    names = path.replace("@", "/").split("/")
    for name in names:
        if not dataclasses.is_dataclass(cls):
            return False
        found = [inner for field, inner, _ in fields_of(cls) if field.metadata.get("name") == name]
        if not found:
            return False
        cls = found[0]
    return True


def made(inner: Any, field: dataclasses.Field[Any], chance: random.Random, depth: int) -> Any:
    """Return a value of a type within the limits of its field; None where a network adds what has no definition."""
    if dataclasses.is_dataclass(inner):
        return filled(typing.cast("type", inner), chance, depth + 1)
    if issubclass(inner, Enum):
        return chance.choice(list(inner))
    limits = field.metadata
    digits = min(2, int(limits.get("fraction_digits", 0)))
    moment = datetime(2025, 3, chance.randint(1, 28), chance.randint(0, 23), chance.randint(0, 59), 7, tzinfo=UTC)
    makers = {
        bool: lambda: chance.random() < 0.5,
        bytes: lambda: b"x",
        str: lambda: text_like(limits["pattern"], chance) if "pattern" in limits else "x" * limits.get("min_length", 1),
        Decimal: lambda: Decimal(chance.randint(1, 99_999)).scaleb(-digits),
        XmlDate: lambda: XmlDate.from_datetime(moment),
        XmlDateTime: lambda: XmlDateTime.from_datetime(moment),
        XmlTime: lambda: XmlTime.from_time(moment.time()),
    }
    return makers[inner]() if inner in makers else None


def text_like(pattern: str, chance: random.Random) -> str:
    """Return a text that a pattern takes."""
    return chance.choice([text for text in TEXTS if re.fullmatch(pattern, text)])


def filled(cls: type, chance: random.Random, depth: int = 0) -> Any:
    """Return a message or a part of one: what is required, some of what is optional, one of a choice."""
    fields = fields_of(cls)
    chosen = {chance.choice(fields)[0].name} if cls.__name__.endswith("Choice") else None
    values = {}
    for field, inner, many in fields:
        needed = field.metadata.get("required") or field.metadata.get("min_occurs", 0)
        if chosen is not None and field.name not in chosen:
            continue
        if chosen is None and not needed and (depth > DEEPEST or chance.random() > SHARE):
            continue
        value = made(inner, field, chance, depth)
        if value is not None:
            values[field.name] = [value] if many else value
    return cls(**values)


def as_xml(message: Any, version: str) -> bytes:
    return XmlSerializer().render(message, ns_map={None: NAMESPACE + version}).encode()  # type: ignore[dict-item]


def texts_of(message: bytes) -> list[tuple[str, str]]:
    """Return all texts and attributes of a message, each with its path below the root of its kind."""
    found = []

    def walk(element: Any, path: str) -> None:
        found.extend((f"{path}@{name}", value) for name, value in element.attrib.items())
        if element.text and element.text.strip():
            found.append((path, element.text.strip()))
        for inner in element:
            walk(inner, f"{path}/{etree.QName(inner).localname}".lstrip("/"))

    walk(etree.fromstring(message, etree.XMLParser(remove_comments=True))[0], "")
    return found


def parsed(message: bytes, version: str) -> Any:
    """Return a message as an object of its definition; an element that this does not know is an error."""
    config = ParserConfig(fail_on_unknown_properties=True, fail_on_unknown_attributes=True)
    return XmlParser(config=config).from_bytes(message, document_of(version))


def defects(message: bytes, version: str) -> list[str]:
    """Return what of a message its definition does not allow: names, lengths, patterns, codes, order."""
    found = parsed(message, version)
    errors = [str(error) for error in ISO20022Validator().validate_message(found, strict=False).errors]
    again = texts_of(as_xml(found, version))  # in the order of the definition
    return errors if again == texts_of(message) else [*errors, "order of the elements"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_column_has_its_element_in_every_version(version: str) -> None:
    kind = READ[version[:8]]
    document = document_of(version)
    missing = {
        column
        for column, paths in kind.columns.items()
        if not any(has(document, f"{kind.root}/{path}") for path in paths)
    }
    older = {"uetr"} if version.startswith("camt.05") and version < f"{version[:8]}.001.08" else set()
    balances = {column for column in kind.columns if column.startswith("balance")} if kind is CAMT_054 else set()
    assert missing == older | balances  # a notification states no balance


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_message_holds_is_read_or_counted(version: str) -> None:
    kind = READ[version[:8]]
    read = {path for paths in kind.columns.values() for path in paths}
    for seed in range(2):
        message = as_xml(filled(document_of(version), random.Random(seed)), version)
        assert defects(message, version) == []
        dropped: Counter[str] = Counter()
        records = list(read_records([message], KINDS, "a message", dropped))
        taken = {item for _, _, fields in records for item in fields.items()}
        texts = texts_of(message)
        assert {(path, text) for path, text in texts if path in read} == taken
        assert Counter(f"{kind.name} {path}" for path, _ in texts if path not in read) == dropped


@pytest.mark.parametrize("changed", [{}, {"ids": ["t0", UETR, UETR.replace("f001", "f002"), "t3"]},
                                     {"targets": ["m", "GB33BUKB20201555555555", "y y", "z"]}])  # fmt: skip
def test_drafts_of_recalls_are_of_the_definition(changed: dict[str, Any]) -> None:
    drafts = drafted(**changed).drafts.values()
    assert len(drafts) == 2
    for draft in drafts:
        assert defects(draft.encode(), "camt.056.001.08") == []


def test_a_defect_is_seen() -> None:
    draft = next(iter(drafted().drafts.values()))
    assert "order of the elements" in defects(
        re.sub("(?s)(<Assgnr>.*</Assgnr>)(.*)(<Assgne>.*</Assgne>)", r"\3\2\1", draft).encode(), "camt.056.001.08"
    )
    assert defects(draft.replace("DRAFT-", "D" * 40).encode(), "camt.056.001.08")
    with pytest.raises(ParserError):
        parsed(draft.replace("CxlRsnInf", "Reason").encode(), "camt.056.001.08")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.xml")), ids=lambda path: path.name)
def test_examples_are_of_their_definitions(path: Path) -> None:
    message = path.read_bytes()
    (version,) = set(re.findall(NAMESPACE + r"([a-z]{4}\.\d{3}\.\d{3}\.\d{2})", message.decode()))
    assert defects(message, version) == []
