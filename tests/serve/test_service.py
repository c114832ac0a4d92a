"""What the service answers, request by request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from served import TOKEN, Caller, as_bytes, bank, checked, later, running
from small_world import small_world

from muledetect.errors import FeatureError, OptionError
from muledetect.serve.app import Limits
from muledetect.serve.guards import check_address
from muledetect.serve.tokens import Tokens

ACCEPTED = {"outcome": "accepted", "reason": "", "column": ""}


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with bank() as (service, _), running(service) as found:
        yield found


def error_of(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["code"]


def test_a_transfer_is_scored_before_it_is_booked_and_books_once() -> None:
    with bank() as (service, _), running(service) as caller:
        row = later(1)[0]
        status, first = caller.post("/score", row)
        assert status == 200, first
        found = first["assessments"][0]
        assert (found["transfer_id"], found["model"], found["version"]) == (row["transfer_id"], "first", "test")
        assert "suspicion" in first["notice"]
        assert caller.post("/score", row)[1] == first  # nothing was booked
        assert caller.post("/book", row) == (200, {"rows": [ACCEPTED]})
        assert caller.post("/book", row)[1]["rows"][0]["outcome"] == "duplicate"


def test_many_rows_are_answered_in_their_order() -> None:
    with bank() as (service, _), running(service) as caller:
        rows = later(3)[::-1]
        found = caller.post("/score", {"transfers": rows})[1]["assessments"]
        assert [one["transfer_id"] for one in found] == [row["transfer_id"] for row in rows]


def test_events_are_taken_and_money_is_located(caller: Caller) -> None:
    ours = set(small_world()["accounts"]["account_id"].to_pylist())
    row = next(row for row in later(500) if row["target"] in ours and row["channel"] == "p2p_account")
    assert caller.post("/book", row)[1] == {"rows": [ACCEPTED]}
    complaint = {
        "table": "complaints", "complaint_id": "c-new", "known_ts": row["time"], "transfer_id": row["transfer_id"],
        "victim_account": row["source"],
    }  # fmt: skip
    assert caller.post("/events", {"events": [complaint]})[1] == {"rows": [ACCEPTED]}
    status, found = caller.post("/locate", {"complaint_id": "c-new"})
    assert status == 200, found
    assert found["accounts"], found
    for account in found["accounts"]:
        assert account["recoverable"] <= account["traced_high"]
        assert account["decision"]["action"] == "allow"  # this policy holds nothing
    assert caller.post("/locate", {"transfer_id": row["transfer_id"]})[1]["accounts"]
    assert error_of(caller.post("/locate", {"complaint_id": "c-none"})) == (404, "not_found")


def test_health_docs_and_metrics_are_there(caller: Caller) -> None:
    assert caller.get("/health") == (200, {"alive": True})
    assert caller.get("/ready")[0] == 200
    assert "pacs.008" in caller.get("/docs")[1]
    assert caller.get("/openapi.json")[1]["openapi"] == "3.1.0"
    assert "muledetect_requests_total" in caller.get("/metrics")[1]
    assert error_of(caller.get("/nothing")) == (404, "not_found")
    assert error_of(caller.get("/score")) == (405, "wrong_method")


WRONG: dict[str, tuple[Any, int, str]] = {
    "no json": (b"{", 400, "bad_json"),
    "a list": ([], 400, "bad_json"),
    "no rows": ({"transfers": []}, 400, "bad_json"),
    "key twice": (b'{"transfer_id": "a", "transfer_id": "b"}', 400, "bad_json"),
    "NaN": (b'{"amount": NaN}', 400, "bad_json"),
    "huge number": (b'{"amount": ' + b"9" * 100_000 + b"}", 400, "bad_json"),
    "deep": (b'{"amount": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "bad_json"),
    "no utf-8": (b'{"amount": "\xff"}', 400, "bad_json"),
    "half of a sign": (b'{"target": "\\ud800"}', 400, "bad_json"),
    "too many rows": ({"transfers": [{}] * 257}, 413, "too_large"),
    "too large": (b" " * (1 << 20) + b"{}", 413, "too_large"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_body_that_is_none_is_refused(caller: Caller, name: str) -> None:
    body, status, code = WRONG[name]
    assert error_of(caller.post("/score", body)) == (status, code)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"amount": 0}, "'amount' must be 1 or more"),
        ({"amount": 1.5}, "'amount' must be a whole number of minor units"),
        ({"amount": True}, "'amount' must be a whole number"),
        ({"amount": None}, "lacks amount"),
        ({"time": "2025-03-01T09:30:00"}, "ISO time with its zone"),
        ({"time": "0001-01-01T00:00:00+23:00"}, "ISO time with its zone"),
        ({"source": ""}, "'source' must be text of 1 to 256 signs"),
        ({"source": "\u200b"}, "only signs that cannot be seen"),
        ({"source": {"a": []}}, "got an object"),
        ({"channel": "p2p_prox"}, "did you mean 'p2p_proxy'"),
        ({"amont": 5}, "did you mean 'amount'"),
    ],
)
def test_a_row_that_breaks_the_contract_is_refused_by_column(caller: Caller, change: Any, says: str) -> None:
    row = later(1)[0]
    status, said = caller.post("/score", row | change)
    assert (status, said["error"]["code"]) == (400, "bad_row")
    assert says in said["error"]["message"]
    assert row["source"] not in said["error"]["message"]


def test_the_type_of_a_body_and_truth_are_refused(caller: Caller) -> None:
    assert error_of(caller.post("/score", {}, Content_Type="text/plain")) == (415, "wrong_type")
    assert error_of(caller.post("/events", {"table": "truth_rings", "ring_id": "r", "account_id": "a"})) == (
        400,
        "bad_row",
    )
    assert error_of(caller.post("/events", b"<a/>", Content_Type="application/xml")) == (415, "wrong_type")


def test_a_key_gives_the_first_answer_again() -> None:
    with bank() as (service, _), running(service) as caller:
        row, other = later(2)
        first = caller.post("/book", row, Idempotency_Key="k1")
        again = caller.send("POST", "/book", as_bytes(row), Content_Type="application/json", Idempotency_Key="k1")
        assert again[:2] == first
        assert again[2]["idempotency-replayed"] == "true"
        assert error_of(caller.post("/book", other, Idempotency_Key="k1")) == (422, "key_reused")
        assert error_of(caller.post("/book", other, Idempotency_Key="x" * 201)) == (400, "bad_key")
        assert error_of(caller.post("/book", other | {"amount": 0}, Idempotency_Key="k2")) == (400, "bad_row")
        assert caller.post("/book", other, Idempotency_Key="k2")[0] == 200  # what failed may be sent again


def test_tokens_are_asked_for_and_wrong_ones_refused() -> None:
    with bank(tokens=Tokens([TOKEN])) as (service, _), running(service) as caller:
        for header in ("", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ", "Bearer \xe9"):
            assert error_of(caller.send("GET", "/metrics", Authorization=header)[:2]) == (401, "no_token")
        assert caller.get("/health")[0] == 200
        assert Caller(caller.port, TOKEN).get("/metrics")[0] == 200


def test_without_tokens_only_this_machine_is_answered(caller: Caller) -> None:
    for host in ("evil.example", "[", "127.0.0.1.evil.example:80", "", "localhost:80:90"):
        assert error_of(caller.send("GET", "/metrics", Host=host)[:2]) == (401, "no_token")
    for host in ("localhost:8080", "LOCALHOST", "[::1]:80", "127.0.0.1"):
        assert caller.send("GET", "/metrics", Host=host)[0] == 200
    with pytest.raises(OptionError, match="--tokens"):
        check_address("0.0.0.0", has_tokens=False)  # noqa: S104
    check_address("0.0.0.0", has_tokens=True)  # noqa: S104


def test_a_rate_above_the_limit_is_refused_for_a_while() -> None:
    with bank(limits=Limits(per_second=1)) as (service, _), running(service) as caller:
        answers = [caller.get("/metrics")[0] for _ in range(4)]
        assert answers[:2] == [200, 200]
        assert answers[-1] == 429


def test_a_full_queue_refuses_at_once_and_the_others_are_answered() -> None:
    with bank(limits=Limits(waiting=2)) as (service, scorer), running(service) as caller:
        entered, go_on = threading.Event(), threading.Event()
        book = scorer.book_many

        def slow(transfer: Any) -> Any:
            entered.set()
            assert go_on.wait(30)
            return book(transfer)

        scorer.book_many = slow  # type: ignore[method-assign]
        rows, answers = later(4), []
        threads = [
            threading.Thread(target=lambda row=row: answers.append(caller.post("/book", row))) for row in rows[:3]
        ]
        threads[0].start()
        assert entered.wait(30)
        for thread in threads[1:]:
            thread.start()
        while service.worker.n_waiting < 2:
            assert go_on.wait(0.01) is False
        status, said, headers = caller.send("POST", "/book", as_bytes(rows[3]), Content_Type="application/json")
        assert (status, said["error"]["code"], headers["retry-after"]) == (429, "too_many", "1")
        go_on.set()
        for thread in threads:
            thread.join()
        assert [status for status, _ in answers] == [200] * 3


def test_scores_that_wait_are_computed_together_and_one_bad_request_fails_alone() -> None:
    with bank() as (service, scorer):
        rows, worker, together = checked(later(5)), service.worker, scorer.score_many

        def spoilt(transfers: Any, **options: Any) -> Any:
            if any(row["transfer_id"] == rows[2]["transfer_id"] for row in transfers):
                raise KeyError("an account id")
            return together(transfers, **options)

        worker.start()
        try:
            for score in (together, spoilt):
                scorer.score_many = score  # type: ignore[method-assign]
                blocked = threading.Event()
                worker.put("call", [], lambda wait=blocked.wait: wait(30))
                waiting = [worker.put("score", [row]) for row in rows]
                blocked.set()
                failed = [job.exception(60) is not None for job in waiting]
                assert failed == [score is spoilt and number == 2 for number in range(5)]
                assert sorted(scorer.n_passes) == sorted([5] if score is together else [5, 1, 1, 1, 1])
        finally:
            worker.stop()


def test_what_waits_together_is_booked_together_and_scores_come_first() -> None:
    with bank() as (service, scorer):
        rows, worker, order, book = checked(later(6)), service.worker, [], scorer.book_many

        def booked(transfers: Any) -> Any:
            order.append(("book", len(transfers)))
            return book(transfers)

        scorer.book_many = booked  # type: ignore[method-assign]
        worker.start()
        try:
            blocked = threading.Event()
            worker.put("call", [], lambda: blocked.wait(30))
            jobs = [worker.put(kind, [row]) for row in rows for kind in ("book", "score")]
            jobs.append(worker.put("call", [], lambda: order.append(("call", len(scorer.n_passes)))))
            blocked.set()
            for job in jobs:
                job.result(60)
        finally:
            worker.stop()
        assert order == [("book", 6), ("call", 1)]
        assert scorer.n_passes == [6]
        assert [job.result()[0].outcome for job in jobs[0:12:2]] == ["accepted"] * 6


def test_a_model_is_swapped_without_a_stop_and_named_in_each_answer() -> None:
    with bank() as (service, _), running(service) as caller:
        row = later(1)[0]
        assert caller.post("/score", row)[1]["assessments"][0]["model"] == "first"
        assert caller.post("/reload", {}) == (200, {"reloaded": True})
        assert caller.post("/score", row)[1]["assessments"][0]["model"] == "after first"


def test_a_column_that_cannot_be_computed_is_the_fault_of_the_model() -> None:
    with bank() as (service, scorer), running(service) as caller:

        def broken(*_: Any, **__: Any) -> Any:
            raise FeatureError("live: feature 'own' reads what is not at hand")

        scorer.score_many = broken  # type: ignore[method-assign]
        status, said = caller.post("/score", later(1)[0])
        assert (status, said["error"]["code"]) == (500, "bad_column")
        assert "feature 'own'" in said["error"]["message"]
        scorer.swap = broken  # type: ignore[method-assign]
        assert caller.post("/reload", {})[1]["error"]["code"] == "bad_model"


def test_no_account_and_no_text_of_an_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with bank() as (service, scorer), running(service) as caller:
        row = later(1)[0]

        def broken(_: Any) -> Any:
            raise RuntimeError(f"account {row['source']}")

        scorer.book_many = broken  # type: ignore[method-assign]
        status, said = caller.post("/book", row)
        assert (status, said["error"]["code"]) == (500, "internal")
        assert caller.post("/score", row)[0] == 200
        assert caller.get("/" + row["source"])[0] == 404
    assert row["source"] not in str(said)
    assert row["source"] not in caplog.text
    assert "RuntimeError in" in caplog.text
    assert "Traceback" not in caplog.text


def test_requests_that_wait_are_answered_before_the_service_ends() -> None:
    with bank() as (service, scorer), running(service) as caller:
        entered, answers, book = threading.Event(), [], scorer.book_many

        def slow(transfer: Any) -> Any:
            entered.set()
            threading.Event().wait(0.5)
            return book(transfer)

        scorer.book_many = slow  # type: ignore[method-assign]
        threads = [
            threading.Thread(target=lambda row=row: answers.append(caller.post("/book", row))) for row in later(3)
        ]
        for thread in threads:
            thread.start()
        assert entered.wait(30)
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers] == [200] * 3
