"""Two banks learn what both suspect, and nothing else; files that are damaged, forged or hostile are refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import ended
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.errors import DataError, OptionError
from muledetect.exchange import answer, finish, request, ring_pseudonym, shared_rings
from muledetect.exchange.group import blind, point_of, scalar, to_point, unblind
from muledetect.exchange.items import ITEMS
from muledetect.records import new_key
from muledetect.records.pseudonyms import Pseudonyms

ONE, OTHER = Pseudonyms(bytes(range(64))), Pseudonyms(bytes(range(64, 128)))
DAYS = {"as_of": "2025-03-01"}


def things(*names: str, ring: str | None = "r1", band: str = "high", kind: str = "account") -> pa.Table:
    seen = pa.scalar(1_735_689_600_000_000, pa.timestamp("us", "UTC")).as_py()
    return pa.Table.from_pylist([{"kind": kind, "value": name, "band": band, "ring_id": ring, "first_seen": seen,
                                  "last_seen": seen} for name in names], ITEMS)  # fmt: skip


class Exchange:
    """An exchange in a folder."""

    def __init__(self, folder: Path) -> None:
        self.request, self.answer, self.matches = (folder / name for name in ("1.json", "2.json", "matches.parquet"))

    def ask(self, items: Any, **options: Any) -> str:
        return request(items, self.request, **({"key": ONE, "sender": "bank_a", "receiver": "bank_b"} | DAYS | options))

    def reply(self, items: Any, **options: Any) -> int:
        defaults = {"key": OTHER, "receiver": "bank_b", "as_of": "2025-03-02"}
        return answer(self.request, items, self.answer, **(defaults | options))

    def end(self, items: Any, **options: Any) -> pa.Table:
        return finish(self.request, self.answer, items, **({"key": ONE, "received": "2025-03-03"} | options))

    def run(self, mine: Any, theirs: Any) -> pa.Table:
        self.ask(mine)
        self.reply(theirs)
        return self.end(mine)


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    return Exchange(tmp_path)


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    held = json.loads(path.read_text())
    edit(held)
    path.write_text(json.dumps(held))


def test_the_one_who_asks_learns_what_both_suspect_with_what_the_partner_tells(exchange: Exchange) -> None:
    found = exchange.run(things("x", "y", "z"), things("y", "w", ring="q7", band="medium")).to_pylist()
    assert [(row["value"], row["band"], row["ring_id"], row["partner"]) for row in found] == [
        ("y", "high", "r1", "bank_b")
    ]
    assert found[0]["their_band"] == "medium"
    assert found[0]["their_ring"] == ring_pseudonym(OTHER, found[0]["run"], "q7")
    assert found[0]["their_first_seen"].isoformat() == "2025-01-01T00:00:00+00:00"
    assert found[0]["known_ts"].isoformat() == "2025-03-03T00:00:00+00:00"


@settings(max_examples=15, deadline=None)
@given(st.sets(st.sampled_from("abcdefgh")), st.sets(st.sampled_from("abcdefgh")))
def test_it_is_the_intersection(tmp_path_factory: pytest.TempPathFactory, mine: set[str], theirs: set[str]) -> None:
    exchange = Exchange(tmp_path_factory.mktemp("exchange"))
    found = exchange.run(things(*sorted(mine)), things(*sorted(theirs)))
    assert set(found["value"].to_pylist()) == mine & theirs


def test_a_value_of_another_kind_is_another_thing(exchange: Exchange) -> None:
    assert len(exchange.run(things("1", kind="phone"), things("1", kind="account"))) == 0


def test_equal_inputs_give_equal_bytes_and_another_day_or_key_gives_files_that_share_nothing(tmp_path: Path) -> None:
    exchanges = [Exchange(tmp_path / str(place)) for place in range(4)]
    options = [{}, {}, {"as_of": "2025-02-28"}, {"key": Pseudonyms(bytes(64))}]
    for one, more in zip(exchanges, options, strict=True):
        one.request.parent.mkdir()
        one.ask(things("x", "y"), **more)
        one.reply(things("y"))
    same, twin, *others = [(one.request.read_bytes(), one.answer.read_bytes()) for one in exchanges]
    assert same == twin
    sets = [set(json.loads(part)[name]) for pair in (same, *others)
            for part, name in zip(pair, ("points", "tags"), strict=True)]  # fmt: skip
    assert all(not one & other for place, one in enumerate(sets) for other in sets[:place])


def test_files_hold_no_value_and_tell_no_size(exchange: Exchange) -> None:
    secret = [f"secret-{place}" for place in range(70)]
    exchange.ask(things(*secret))
    assert exchange.reply(things(*secret[:3], ring="secret-ring")) == 128
    texts = exchange.request.read_text() + exchange.answer.read_text()
    assert "secret" not in texts
    assert "high" not in texts
    assert len(json.loads(exchange.answer.read_text())["tags"]) == 64
    lengths = {len(entry) for entry in json.loads(exchange.answer.read_text())["sealed"]}
    assert len(lengths) == 1
    exchange.ask(things(*secret), pad=False, overwrite=True)
    assert len(json.loads(exchange.request.read_text())["points"]) == 70


def test_only_what_is_agreed_is_told(exchange: Exchange) -> None:
    exchange.ask(things("x"))
    exchange.reply(things("x"), tell=("band",))
    row = exchange.end(things("x")).to_pylist()[0]
    assert [row[f"their_{name}"] for name in ("band", "ring", "first_seen", "last_seen")] == ["high", None, None, None]
    with pytest.raises(OptionError, match="cannot be told"):
        exchange.reply(things("x"), tell=("score",), overwrite=True)


def test_the_answer_opens_only_with_the_key_and_things_of_the_request(exchange: Exchange) -> None:
    exchange.ask(things("x"))
    exchange.reply(things("x", "y"))
    for items, key in ((things("x"), OTHER), (things("x", "y"), ONE)):
        with pytest.raises(DataError, match="not those of the request"):
            exchange.end(items, key=key)


def test_a_long_or_expired_request_and_one_for_another_bank_are_refused(exchange: Exchange) -> None:
    exchange.ask(things("x"))
    for options, told in (({"most": 63}, "more than 63"), ({"as_of": "2025-03-08"}, "expired"),
                          ({"receiver": "bank_c"}, "'to'")):  # fmt: skip
        with pytest.raises(DataError, match=told):
            exchange.reply(things("x"), **options)
    assert not exchange.answer.exists()


#: Points that must never be multiplied: 0, small order, off the curve, not in the one encoding, of order 8 L.
HOSTILE = {
    "identity": bytes([1]) + bytes(31),
    "zero": bytes(32),
    "order 2": bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    "order 8": bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    "not canonical": bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    "all ones": b"\xff" * 32,
    "off the curve": bytes([2]) + bytes(31),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_point_that_is_none_of_the_group_is_refused(exchange: Exchange, name: str) -> None:
    with pytest.raises(DataError, match="none of the group"):
        blind(scalar(b"x", b"y"), HOSTILE[name])
    exchange.ask(things("x"))
    change(exchange.request, lambda held: held["points"].__setitem__(3, base64.b64encode(HOSTILE[name]).decode()))
    with pytest.raises(DataError, match="none of the group"):
        exchange.reply(things("x"))
    assert not exchange.answer.exists()


def test_a_point_of_the_whole_curve_is_refused() -> None:
    from nacl import bindings  # noqa: PLC0415 (an extra)

    mixed = bindings.crypto_core_ed25519_add(to_point("account", "x"), HOSTILE["order 8"])
    with pytest.raises(DataError, match="none of the group"):
        blind(scalar(b"x", b"y"), mixed)


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "version": lambda held: held.update(version=2),
    "version as true": lambda held: held.update(version=True),
    "suite": lambda held: held.update(suite="none"),
    "step": lambda held: held.update(step="answer"),
    "run": lambda held: held.update(run="../../x"),
    "sender": lambda held: held.update({"from": "a b"}),
    "time": lambda held: held.update(expires_at="soon"),
    "more": lambda held: held.update(more=1),
    "less": lambda held: held.pop("made_at"),
    "no list": lambda held: held.update(points="x"),
    "numbers": lambda held: held.update(points=[1, 2]),
    "short": lambda held: held["points"].__setitem__(0, "AAAA"),
    "no base64": lambda held: held["points"].__setitem__(0, "ä" * 44),
    "twice": lambda held: held["points"].__setitem__(0, held["points"][1]),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_damaged_request_is_refused(exchange: Exchange, name: str) -> None:
    exchange.ask(things("x"))
    change(exchange.request, EDITS[name])
    with pytest.raises((DataError, OptionError)):
        exchange.reply(things("x"))
    assert not exchange.answer.exists()


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "[" * 100_000, '{"format": 1, "format": 2}', "\x00\xff"])
def test_what_is_no_file_of_an_exchange_is_refused(exchange: Exchange, text: str) -> None:
    exchange.request.write_text(text)
    with pytest.raises(DataError):
        exchange.reply(things("x"))


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000, '{"to": 1}'])
def test_a_request_that_was_damaged_since_is_refused(exchange: Exchange, text: str) -> None:
    exchange.ask(things("x"))
    exchange.reply(things("x"))
    exchange.request.write_text(text)
    with pytest.raises(DataError):
        exchange.end(things("x"))


def test_an_answer_to_another_request_is_refused(exchange: Exchange, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    second = Exchange(tmp_path / "second")
    exchange.ask(things("x"))
    exchange.reply(things("x"))
    second.ask(things("x"), as_of="2025-02-28")
    with pytest.raises(DataError, match="of another request"):
        finish(second.request, exchange.answer, things("x"), key=ONE, received="2025-03-03")
    change(exchange.answer, lambda held: held["points"].pop())
    with pytest.raises(DataError, match="of another request"):
        exchange.end(things("x"))


def test_a_text_that_was_sealed_wrongly_is_a_match_without_details_and_no_error(exchange: Exchange) -> None:
    exchange.ask(things("x"))
    exchange.reply(things("x"), pad=False)
    size = len(base64.b64decode(json.loads(exchange.answer.read_text())["sealed"][0]))
    change(exchange.answer, lambda held: held.update(sealed=[base64.b64encode(bytes(size)).decode()]))
    found = exchange.end(things("x")).to_pylist()
    assert [(row["value"], row["their_band"], row["their_ring"]) for row in found] == [("x", None, None)]


def test_the_blinding_commutes_and_can_be_taken_away() -> None:
    one, other, point = scalar(b"a", b"p"), scalar(b"b", b"p"), to_point("phone", "+66 2")
    assert blind(one, blind(other, point)) == blind(other, blind(one, point))
    assert unblind(one, blind(one, point)) == point
    assert len({to_point("a", "b"), to_point("ab", ""), to_point("", "ab"), point_of(bytes(64))}) == 4


def test_rings_that_share_things_are_told_with_how_many() -> None:
    rows = [{"ring_id": ring, "partner": "bank_b", "their_ring": theirs, "kind": kind}
            for ring, theirs, kind in [("r1", "x-1", "account"), ("r1", "x-1", "device"), ("r2", "x-1", "phone"),
                                       ("r2", None, "phone"), (None, "x-1", "phone")]]  # fmt: skip
    found = shared_rings(pa.Table.from_pylist(rows)).to_pylist()
    assert [(row["ring_id"], row["their_ring"], row["n_things"], row["kinds"]) for row in found] == [
        ("r1", "x-1", 2, "account, device"), ("r2", "x-1", 1, "phone"),
    ]  # fmt: skip


def test_the_commands_make_an_exchange(tmp_path: Path) -> None:
    for bank, names in (("a", ("x", "y")), ("b", ("y", "z"))):
        new_key(tmp_path / f"{bank}.key")
        pq.write_table(things(*names), tmp_path / f"{bank}.parquet")
    place = {
        name: str(tmp_path / name)
        for name in ("a.key", "b.key", "a.parquet", "b.parquet", "1.json", "2.json", "m.parquet")
    }
    lines = [
        "exchange-request --items {a.parquet} --key {a.key} --output {1.json} --sender bank_a --receiver bank_b "
        "--as-of 2025-03-01",
        "exchange-answer {1.json} --items {b.parquet} --key {b.key} --output {2.json} --receiver bank_b "
        "--as-of 2025-03-02",
        "exchange-finish {1.json} {2.json} --items {a.parquet} --key {a.key} --output {m.parquet} "
        "--received 2025-03-03",
    ]
    said = ""
    for line in lines:
        for name, path in place.items():
            line = line.replace(f"{{{name}}}", path)  # noqa: PLW2901 (one name after the other)
        status, said = ended(*line.split())
        assert status == 0, said
    assert "share 1 things" in said
    assert pq.read_table(tmp_path / "m.parquet")["value"].to_pylist() == ["y"]
