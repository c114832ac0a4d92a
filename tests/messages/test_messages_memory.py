"""Large files of messages pass through in bounded memory."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from muledetect.messages import _rows, iso20022, mt940

EXAMPLES = Path(__file__).parents[1] / "data" / "messages"
pytestmark = pytest.mark.slow


def repeated(name: str, start: str, end: str, n: int) -> Iterator[bytes]:
    """Yield an example whose part from `start` up to `end` stands n times, with ids of its own each time."""
    text = (EXAMPLES / name).read_bytes()
    begin, stop = text.index(start.encode()), text.rindex(end.encode()) + len(end)
    yield text[:begin]
    for number in range(n):
        part = text[begin:stop].replace(b"65581be6f", f"{number:09x}".encode())
        yield part.replace(b"TX-2", b"TX-%d" % number).replace(b"REF-", b"REF-%d-" % number)
    yield text[stop:]


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("pacs008.xml", "<CdtTrfTxInf>", "</CdtTrfTxInf>"),
        ("camt053.xml", "<Ntry>", "</Ntry>"),
        ("camt053.xml", "<TxDtls><Amt", "0022222222</Id></Othr></Id></DbtrAcct></RltdPties></TxDtls>"),
        ("statement.sta", ":61:", ":86:fee"),
    ],
)
def test_memory_does_not_grow_with_the_file(name: str, start: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rows, "_BATCH", 256)
    (few, n_few, bytes_few), (many, n_many, bytes_many) = (most_memory(name, start, end, n) for n in (300, 3_000))
    assert n_many > 3 * n_few > 0
    assert bytes_many - bytes_few > 700_000
    assert many - few < 200_000


def most_memory(name: str, start: str, end: str, n: int) -> tuple[int, int, int]:
    """Return the most bytes that reading took, the rows that were read, and the bytes of the file."""
    sink = _rows.Sink(_rows.Reading("UTC"), lambda _: None)
    size = 0

    def told() -> Iterator[bytes]:
        nonlocal size
        for part in repeated(name, start, end, n):
            size += len(part)
            yield part

    gc.collect()
    tracemalloc.start()
    if name.endswith(".sta"):
        mt940.read_statements((line for part in told() for line in part.splitlines()), name, sink)
    else:
        iso20022.read_transfers(told(), name, sink)
    sink.flush()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most, sink.n_read - sink.log.count("transfers"), size
