"""Codes of ids: exact, independent of order once finished."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.errors import DataError
from muledetect.records.encode import IdEncoder, Sorted, encode_columns, hash_strings

texts = st.lists(st.one_of(st.none(), st.text(max_size=40), st.sampled_from(["", "a", "0" * 8, "0" * 9, "0" * 16])))


@settings(deadline=None)
@given(st.lists(texts, max_size=4))
def test_codes_are_those_of_a_plain_dictionary(batches: list[list[str | None]]) -> None:
    encoder = IdEncoder()
    codes = [encoder.encode(pa.array(batch, pa.string())) for batch in batches]
    known: dict[str, int] = {}
    for batch, found in zip(batches, codes, strict=True):
        assert found.tolist() == [-1 if text is None else known.setdefault(text, len(known)) for text in batch]
    ids, rank = encoder.finish()
    assert ids.to_pylist() == sorted(known, key=str.encode)
    assert [ids[int(rank[code])].as_py() for code in known.values()] == list(known)


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.one_of(st.none(), st.text(max_size=9), st.sampled_from("abc"))] * 4), max_size=9))
def test_columns_together_have_the_codes_of_one_after_another(rows: list[tuple[str | None, ...]]) -> None:
    shared = IdEncoder()
    encoders = {"id": IdEncoder(), "source": shared, "absent": IdEncoder(), "target": shared, "device": IdEncoder()}
    names = [name for name in encoders if name != "absent"]
    columns = {name: [row[k] for row in rows] for k, name in enumerate(names)}
    plain = {one: IdEncoder() for one in encoders.values()}
    for _ in range(2):  # then all are known
        found = encode_columns(encoders, columns)
        assert list(found) == names
        for name, texts in columns.items():
            assert found[name].tolist() == plain[encoders[name]].encode(pa.array(texts, pa.string())).tolist()
    assert [len(one) for one in encoders.values()] == [len(plain[one]) for one in encoders.values()]
    assert encode_columns(encoders, {}) == {}


def test_columns_that_outgrow_every_buffer_keep_their_codes() -> None:
    shared, n = IdEncoder(), 9_000
    encoders = {"source": shared, "kind": IdEncoder(), "target": shared}
    columns = {
        "source": [f"{i * 7919:020d}{'x' * (i % 30)}" for i in range(n)],
        "kind": ["a", "b"] * (n // 2),
        "target": [f"{i * 7919:020d}{'x' * (i % 30)}" for i in range(n // 2, n + n // 2)],
    }
    found = encode_columns(encoders, columns)
    assert found["source"].tolist() == list(range(n))
    assert found["kind"].tolist() == [0, 1] * (n // 2)
    assert found["target"].tolist() == list(range(n // 2, n + n // 2))
    assert shared.ids().to_pylist() == [*columns["source"], *columns["target"][n // 2 :]]
    assert len(encoders["kind"]) == 2


@settings(deadline=None)
@given(texts, texts, texts)
def test_ids_that_are_sorted_already_are_not_sorted_again_and_nothing_changes(
    first: list[str | None], more: list[str | None], strange: list[str | None]
) -> None:
    encoder = IdEncoder(expected=len(first))
    encoder.encode(pa.array(first, pa.string()))
    known, rank = encoder.finish()
    codes = np.argsort(rank).astype(np.int32)
    encoder.encode(pa.array(more, pa.string()))
    ids, places = encoder.finish()
    for given_ in (Sorted(known, codes), Sorted(known)):
        found = encoder.finish(known=given_)
        assert found[0].equals(ids)
        assert found[1].tolist() == places.tolist()
    others = sorted({*known.to_pylist(), *(text for text in strange if text is not None)}, key=str.encode)
    found = encoder.finish(known=Sorted(pa.array(others, pa.string())))
    assert (found[0].to_pylist(), found[1].tolist()) == (ids.to_pylist(), places.tolist())


def test_many_ids_that_outgrow_every_buffer_keep_their_codes() -> None:
    texts = [f"{i * 7919:020d}{'x' * (i % 30)}" for i in range(50_000)]
    encoder = IdEncoder()
    assert encoder.encode(pa.array(texts)).tolist() == list(range(50_000))
    assert encoder.encode(pa.array(texts[::-1])).tolist() == list(range(50_000))[::-1]
    assert len(encoder) == 50_000


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_every_kind_of_arrow_text_gives_the_same_codes(kind: pa.DataType) -> None:
    ids = pa.array(["bb", None, "a", "bb"]).cast(kind)
    assert IdEncoder().encode(ids).tolist() == [0, -1, 1, 0]


def test_a_slice_is_read_from_its_own_start() -> None:
    assert IdEncoder().encode(pa.array(["a", "b", "c", "b"]).slice(1)).tolist() == [0, 1, 0]


def test_ids_that_are_no_text_are_refused() -> None:
    encoder = IdEncoder()
    encoder.encode(pa.array([b"\xff\xfe"]).view(pa.string()))
    with pytest.raises(DataError, match="UTF-8"):
        encoder.finish()


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), unique=True))
def test_different_texts_have_different_hashes(texts: list[str]) -> None:
    assert len(np.unique(hash_strings(pa.array(texts, pa.string())))) == len(texts)
