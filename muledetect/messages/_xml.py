"""ISO 20022 XML as a stream of records: no tree is built, and hostile XML is refused.

A document type, entities and programs are refused before anything of them is read, so that no entity can grow and no
file is fetched. Depth, length of fields, length of a tag and the number of names kept are bounded: memory does not
grow with the file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from xml.parsers import expat

from muledetect.errors import DataError

#: What stands in place of a field that is too long, or is there twice with different values: nothing can read it.
UNREADABLE: Final = "\x00"
#: Names of dropped elements that are kept, at most; strangers choose them.
MOST_NAMES: Final = 500

_NAMESPACE: Final = re.compile(r"urn:iso:std:iso:20022:tech:xsd:([a-z]{4}\.\d{3})\.001\.\d\d")
_DEEPEST: Final = 40
_LONGEST: Final = 256
_LONGEST_NAME: Final = 120
#: A tag or comment is held whole by the parser: longer ones are refused.
_LONGEST_TOKEN: Final = 1 << 20
_BLOCK: Final = 1 << 16


@dataclass(frozen=True)
class Kind:
    """A kind of message.

    Parameters
    ----------
    name : str
        Such as "pacs.008".
    root : str
        The element below Document.
    scopes : tuple of str
        Paths below the root that are records; an inner record also has the fields of those around it.
    columns : mapping of str to tuple of str
        Column -> paths below the root ("path@name" is an attribute); the first that is there counts.
    """

    name: str
    root: str
    scopes: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]

    @cached_property
    def wanted(self) -> frozenset[str]:
        """Every path that is read."""
        return frozenset(path for paths in self.columns.values() for path in paths)

    def pick(self, fields: Mapping[str, str]) -> dict[str, str]:
        """Return the columns of a record that are there."""
        picked: dict[str, str] = {}
        for column, paths in self.columns.items():
            value = next((fields[path] for path in paths if path in fields), None)
            if value is not None:
                picked[column] = value
        return picked


#: Kind of message, path of the record, its fields with those of the records around it.
Record = tuple[Kind, str, dict[str, str]]


def read_records(
    blocks: Iterable[bytes], kinds: Sequence[Kind], where: str, dropped: Counter[str] | None = None
) -> Iterator[Record]:
    """Yield the records of a message as they end; `dropped` counts the elements that are not read, by path.

    Parameters
    ----------
    blocks : iterable of bytes
        The message, in parts of any size.
    kinds : sequence of Kind
        What is read; other messages are refused.
    where : str
        Name of the file or body, for errors.
    dropped : Counter, optional
        Gets the paths ("pacs.008 CdtTrfTxInf/ChrgBr") of what is not read.

    Raises
    ------
    DataError
        If the XML is broken or hostile, or the message is none of `kinds`.
    """
    stream = _Stream(kinds, where, Counter() if dropped is None else dropped)
    try:
        for block in blocks:
            for start in range(0, len(block), _BLOCK):
                stream.feed(block[start : start + _BLOCK])
                yield from stream.take()
        stream.parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, UnicodeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        line = f", line {error.lineno:,}" if isinstance(error, expat.ExpatError) else ""
        raise DataError(f"{where}: is no XML that can be read{line}. Export it again, whole.") from error
    yield from stream.take()
    if not stream.n_documents:
        raise DataError(f"{where}: holds no Document of {_listed(kinds)}. Check that it is the right file.")


def _listed(kinds: Sequence[Kind]) -> str:
    return ", ".join(kind.name for kind in kinds)


class _Stream:
    """What the parser tells on its way."""

    def __init__(self, kinds: Sequence[Kind], where: str, dropped: Counter[str]) -> None:
        self.n_documents = 0
        self._kinds = kinds
        self._where = where
        self._dropped = dropped
        self._kind: Kind | None = None
        self._outside: list[str] = []  # elements around the Document, and the Document
        self._paths: list[str] = []  # below the root: the path at each depth
        self._scopes: list[tuple[str, dict[str, str]]] = []
        self._ready: list[Record] = []
        self._text: list[str] = []
        self._length = self._n_bytes = self._extra = 0
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        for name in ("StartDoctypeDeclHandler", "EntityDeclHandler", "ProcessingInstructionHandler"):
            setattr(self.parser, name, self._refuse)
        self.parser.ExternalEntityRefHandler = self._refuse
        self.parser.SkippedEntityHandler = self._refuse

    def feed(self, block: bytes) -> None:
        """Parse a block; refuse a tag that does not end."""
        self.parser.Parse(block, False)
        self._n_bytes += len(block)
        if self._n_bytes - self.parser.CurrentByteIndex > _LONGEST_TOKEN:
            raise self._error("a tag or comment is longer than 1 MiB")

    def take(self) -> list[Record]:
        """Return the records that ended since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(" ")
        self._text.clear()
        self._length = 0
        if len(self._outside) + len(self._paths) >= _DEEPEST:
            raise self._error(f"elements are nested deeper than {_DEEPEST}")
        if self._kind is None:
            self._open(namespace, name)
            return
        if not self._extra and not self._is_of(namespace, self._kind):
            raise self._error(f"an element below Document is not of the namespace of {self._kind.name}")
        if self._extra or name == "SplmtryData":
            self._extra += 1  # holds elements of other namespaces; all of it is dropped
        path = f"{self._paths[-1]}/{name}" if self._paths and self._paths[-1] else name
        if not self._paths:
            if name != self._kind.root:
                raise self._error(f"the element below Document is not {self._kind.root}")
            path = ""
        self._paths.append(path)
        if not path or (not self._extra and path in self._kind.scopes):
            self._scopes.append((path, {}))
        for key, value in attributes.items():
            self._keep(f"{path}@{key}", value)

    def _open(self, namespace: str, name: str) -> None:
        """Enter an element of an envelope, or the Document."""
        if name == "Document":
            self._kind = next((kind for kind in self._kinds if self._is_of(namespace, kind)), None)
            if self._kind is None:
                raise self._error(f"its Document has not the namespace of any version of {_listed(self._kinds)}")
            self.n_documents += 1
        self._outside.append(name)

    @staticmethod
    def _is_of(namespace: str, kind: Kind) -> bool:
        found = _NAMESPACE.fullmatch(namespace)
        return found is not None and found[1] == kind.name

    def _end(self, _: str) -> None:
        if not self._paths:
            if self._outside.pop() == "Document":
                self._kind = None
            return
        path = self._paths.pop()
        text = "".join(self._text).strip() if self._length <= _LONGEST else UNREADABLE
        if text:
            self._keep(path, text)
        self._text.clear()
        self._length = 0
        if self._scopes and self._scopes[-1][0] == path and not self._extra:
            self._close(path)
        self._extra = max(self._extra - 1, 0)

    def _close(self, path: str) -> None:
        merged: dict[str, str] = {}
        for _, fields in self._scopes:
            merged |= fields
        self._scopes.pop()
        if self._kind is not None:
            self._ready.append((self._kind, path, merged))

    def _characters(self, text: str) -> None:
        if self._kind is None or not self._paths:
            if text.strip():
                self._drop("/".join(self._outside))
        elif not self._extra and self._paths[-1] in self._kind.wanted:
            self._length += len(text)
            if self._length <= _LONGEST:
                self._text.append(text)
        elif text.strip():
            self._drop(f"{self._kind.name} {self._paths[-1]}")

    def _keep(self, name: str, value: str) -> None:
        if self._kind is None or self._extra or name not in self._kind.wanted:
            self._drop(f"{self._kind.name if self._kind else ''} {name}")
            return
        fields = self._scopes[-1][1]
        value = value if len(value) <= _LONGEST else UNREADABLE
        fields[name] = value if fields.get(name, value) == value else UNREADABLE

    def _drop(self, name: str) -> None:
        name = name[:_LONGEST_NAME]
        if len(self._dropped) < MOST_NAMES or name in self._dropped:
            self._dropped[name] += 1

    def _refuse(self, *_: Any) -> int:
        raise self._error("it holds a document type, an entity or a program")

    def _error(self, what: str) -> DataError:
        return DataError(
            f"{self._where}: {what}, line {self.parser.CurrentLineNumber:,}. Send plain messages of "
            f"{_listed(self._kinds)}."
        )
