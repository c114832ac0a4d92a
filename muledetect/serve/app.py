"""The service as an ASGI application: what each path does, on top of one `Worker`."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from muledetect.errors import FeatureError, MuleDetectError, OptionError
from muledetect.live.desk import Answer, Desk
from muledetect.live.finding import described, iso_text
from muledetect.live.policy import NOTICE, Decision
from muledetect.serve.guards import Rates, admit, read_body
from muledetect.serve.keys import Keys
from muledetect.serve.messages import read_events, read_json, read_transfers
from muledetect.serve.metrics import Metrics
from muledetect.serve.openapi import describe_api, docs_page
from muledetect.serve.pacs008 import read_pacs008
from muledetect.serve.record import Record
from muledetect.serve.request_errors import RequestError
from muledetect.serve.tokens import Tokens
from muledetect.serve.worker import Kind, Worker

_LOG: Final = logging.getLogger("muledetect.serve")
_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_PAGE: Final = _HEADERS | {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

Work = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what callers may ask.

    Attributes
    ----------
    bytes, rows : int
        Of one request.
    per_second : float
        Requests of one caller a second; 0: no limit.
    waiting : int
        Requests that wait for the state; one more is answered with 429.
    locating : int
        Requests to /locate that wait or are worked on.
    body_seconds : float
        In which a body must have arrived.
    """

    bytes: int = 1 << 20
    rows: int = 256
    per_second: float = 1_000.0
    waiting: int = 1_000
    locating: int = 4
    body_seconds: float = 10.0


class Service:
    """What the paths of the service do.

    Parameters
    ----------
    desk : Desk
    locate : callable
        Called with `complaint_id` or `transfer_id` in a thread of its own; returns the answer of /locate.
    reload : callable
        Returns the model anew; called in a thread of its own.
    snapshot : callable
        Writes the state down; called in a thread of its own.
    tokens : Tokens
        None known: every caller is let in, so listen on loopback only.
    limits : Limits
    record : Record, optional
        Where decisions other than allow are written.
    shadow : bool
        Answer "allow" always, and say what would have been decided under "shadow".
    close : callable, optional
        Called once the last request is done.
    """

    def __init__(
        self, desk: Desk, *, locate: Callable[..., dict[str, Any]], reload: Callable[[], Any],
        snapshot: Callable[[], None] = lambda: None,
        tokens: Tokens | None = None, limits: Limits = Limits(), record: Record | None = None, shadow: bool = False,
        close: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._locate, self._reload, self._snapshot, self._close = locate, reload, snapshot, close
        self._tokens, self._limits, self._record, self._shadow = tokens or Tokens([]), limits, record, shadow
        self._rates, self._keys, self._n_locating = Rates(limits.per_second), Keys(), 0
        self.worker = Worker(desk, most_waiting=limits.waiting, most_rows=limits.rows, on_batch=self._count_batch)
        self.metrics = Metrics(lambda: self.worker.n_waiting)

    @property
    def has_tokens(self) -> bool:
        """Whether callers need a token."""
        return len(self._tokens) > 0

    def app(self) -> Router:
        """Return the application."""
        posts = {"/score": self.score, "/book": self.book, "/events": self.events, "/locate": self.locate,
                 "/reload": self.reload, "/snapshot": self.snapshot}  # fmt: skip
        gets = {"/health": self.health, "/ready": self.ready, "/metrics": self.read_metrics,
                "/openapi.json": self.openapi, "/docs": self.docs}  # fmt: skip
        works: dict[str, dict[str, Work]] = {path: {"POST": work} for path, work in posts.items()}
        works |= {path: {"GET": work, "HEAD": work} for path, work in gets.items()}

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            path, known = scope["path"], works.get(scope["path"], {})
            work = known.get(scope["method"])
            if work is None:
                path, work = "other", _no_method if known else _no_path
            await self._answer(path, work, Request(scope, receive), send)

        return Router(default=answer, lifespan=self._life, redirect_slashes=False)

    @asynccontextmanager
    async def _life(self, _: Any) -> AsyncIterator[None]:
        self.worker.start()
        yield
        await asyncio.to_thread(self.worker.stop)
        if self._record is not None:
            self._record.close()
        self._close()

    async def _answer(self, path: str, work: Work, request: Request, send: Send) -> None:
        """Send the answer of a path, errors too, and count its time and status; no id is in a log line."""
        since = time.perf_counter()
        try:
            if path not in _OPEN:
                admit(request, self._tokens, self._rates)
            response = await work(request)
        except RequestError as refusal:
            response = _refused(refusal)
        except FeatureError as error:  # the model's fault, not that of a row
            response = _refused(RequestError("bad_column", str(error)))
        except MuleDetectError as error:
            response = _refused(RequestError("bad_row", str(error)))
        except Exception as error:  # a caller learns nothing of it, and the log only its kind and place
            _LOG.error("%s %s: %s", request.method, path, _place(error))
            response = _refused(RequestError("internal", "an error of the service; the log names its kind."))
        await response(request.scope, request.receive, send)
        took = time.perf_counter() - since
        self.metrics.request(path, response.status_code).inc()
        self.metrics.second(path).observe(took)
        _LOG.info("%s %s %d %.1f ms", request.method, path, response.status_code, 1000 * took)

    async def score(self, request: Request) -> Response:
        """Score transfers as of their times; nothing is booked."""
        body = await self._body(request)
        rows, dropped = self._transfers(request, body)
        answers = await self._ask("score", rows)
        for answer in answers:
            self._count(answer)
        return _json(self._assessed(answers) | _said(dropped))

    async def book(self, request: Request) -> Response:
        """Book transfers."""
        body = await self._body(request)

        async def work() -> Any:
            rows, dropped = self._transfers(request, body)
            return self._outcomes(rows, await self._ask("book", rows)) | _said(dropped)

        return await self._once(request, "/book", body, work)

    async def events(self, request: Request) -> Response:
        """Take rows of other tables."""
        body = await self._body(request)

        async def work() -> Any:
            _needs_json(request)
            rows = read_events(read_json(body), self._limits.rows)
            return self._outcomes(rows, await self._ask("advance", rows))

        return await self._once(request, "/events", body, work)

    async def locate(self, request: Request) -> Response:
        """Find where disputed money is now."""
        body = await self._body(request)
        _needs_json(request)
        asked = read_json(body)
        names = set(asked) if isinstance(asked, dict) else set()
        if len(names) != 1 or not names <= {"complaint_id", "transfer_id"} or not isinstance(
            next(iter(asked.values())), str
        ):  # fmt: skip
            raise RequestError("bad_row", "body: must be {'complaint_id': text} or {'transfer_id': text}.")
        if self._n_locating >= self._limits.locating:
            raise RequestError("too_many", "others are being located. Try again after Retry-After seconds.")
        self._n_locating += 1
        try:
            return _json(await asyncio.to_thread(self._locate, **asked))
        except OptionError as error:
            raise RequestError("not_found", str(error)) from error
        finally:
            self._n_locating -= 1

    async def reload(self, request: Request) -> Response:
        """Read the model's folder again and answer by it from now on; requests go on meanwhile."""
        await self._body(request)
        try:
            model = await asyncio.to_thread(self._reload)
            await asyncio.wrap_future(self.worker.put("call", [], lambda: self.worker.desk.scorer.swap(model)))
        except (MuleDetectError, OSError) as error:
            text = str(error) if isinstance(error, MuleDetectError) else "the model's folder cannot be read."
            raise RequestError("bad_model", text) from error
        return _json({"reloaded": True})

    async def snapshot(self, request: Request) -> Response:
        """Write the state down, so that the next start need not book the whole log again; others go on meanwhile."""
        await self._body(request)
        await asyncio.to_thread(self._snapshot)
        return _json({"kept": True})

    async def health(self, _: Request) -> Response:
        """Say that the process lives."""
        return _json({"alive": True})

    async def ready(self, _: Request) -> Response:
        """Say whether requests are worked off."""
        if not self.worker.is_alive:
            raise RequestError("stopping", "the service is starting or stopping.")
        return _json({"ready": True, "waiting": self.worker.n_waiting})

    async def read_metrics(self, _: Request) -> Response:
        """Return the numbers for Prometheus."""
        return Response(self.metrics.text(), headers=_HEADERS, media_type=CONTENT_TYPE_LATEST)

    async def openapi(self, _: Request) -> Response:
        """Describe the paths for programs."""
        return _json(describe_api(self._limits.rows, has_tokens=self.has_tokens))

    async def docs(self, _: Request) -> Response:
        """Describe the paths for people."""
        api = describe_api(self._limits.rows, has_tokens=self.has_tokens)
        return HTMLResponse(docs_page(api), headers=_PAGE)

    async def _body(self, request: Request) -> bytes:
        return await read_body(request, self._limits.bytes, self._limits.body_seconds)

    def _transfers(self, request: Request, body: bytes) -> tuple[list[dict[str, Any]], list[str]]:
        if _media_type(request) in ("application/xml", "text/xml"):
            return read_pacs008([body], self._limits.rows)
        _needs_json(request)
        return read_transfers(read_json(body), self._limits.rows), []

    async def _ask(self, kind: Kind, rows: list[dict[str, Any]]) -> Any:
        return await self.worker.ask(kind, rows)

    async def _once(
        self, request: Request, path: str, body: bytes, work: Callable[[], Awaitable[dict[str, Any]]]
    ) -> Response:
        with self._keys.once(request.headers.get("idempotency-key"), path, body) as held:
            answer, is_repeated = held.answer, held.answer is not None
            if answer is None:
                answer = held.answer = _encoded(await work())
        return _sent(answer, {"Idempotency-Replayed": "true"} if is_repeated else {})

    def _assessed(self, answers: list[Answer]) -> dict[str, Any]:
        return {"assessments": [self._one(answer) for answer in answers], "notice": NOTICE}

    def _one(self, answer: Answer) -> dict[str, Any]:
        found = answer.assessment._asdict()
        found["as_of"] = iso_text(found["as_of"])
        for side in ("payer", "payee"):
            score = found[side]
            if score is not None:
                as_of = None if score.as_of is None else iso_text(score.as_of)
                found[side] = score._asdict() | {"as_of": as_of}
        given = described(answer.decision)
        return found | ({"decision": described(Decision()), "shadow": given} if self._shadow else {"decision": given})

    def _count(self, answer: Answer) -> None:
        decision = answer.decision
        mode = "shadow" if self._shadow else "active"
        self.metrics.decision(decision.action, decision.rule, mode).inc()
        if self._record is not None and decision.action != "allow":
            self._record.write(answer, mode)

    def _outcomes(self, rows: list[dict[str, Any]], booked: list[Any]) -> dict[str, Any]:
        tables = [row.get("table", "transfers") for row in rows]
        for (table, outcome), n in Counter(zip(tables, (one.outcome for one in booked), strict=True)).items():
            self.metrics.row(table, outcome).inc(n)
        return {"rows": [one._asdict() for one in booked]}

    def _count_batch(self, n: int) -> None:
        self.metrics.batch.observe(n)


#: Paths that need no token: probes, what the service is, and those that are none.
_OPEN: Final = frozenset({"/health", "/ready", "/openapi.json", "/docs", "other"})


async def _no_path(_: Request) -> Response:
    raise RequestError("not_found", "there is no such path; see /docs.")


async def _no_method(_: Request) -> Response:
    raise RequestError("wrong_method", "the path knows other methods; see /docs.")


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _needs_json(request: Request) -> None:
    if _media_type(request) != "application/json":
        raise RequestError("wrong_type", "Content-Type: must be application/json, or for transfers application/xml.")


def _json(value: Any, headers: Mapping[str, str] = MappingProxyType({}), status: int = 200) -> Response:
    return _sent(_encoded(value), headers, status)


def _encoded(value: Any) -> bytes:
    return _ENCODER.encode(value).encode()


def _sent(content: bytes, headers: Mapping[str, str], status: int = 200) -> Response:
    return Response(content, status, headers={**_HEADERS, **headers}, media_type="application/json")


def _refused(refusal: RequestError) -> Response:
    extra = {429: {"Retry-After": "1"}, 503: {"Retry-After": "1"}, 401: {"WWW-Authenticate": "Bearer"}}
    content = {"error": {"code": refusal.code, "message": str(refusal)}}
    return _json(content, extra.get(refusal.status, {}), refusal.status)


def _said(dropped: list[str]) -> dict[str, Any]:
    return {"dropped": dropped} if dropped else {}


def _place(error: BaseException) -> str:
    """Return the kind of an error and where it arose; its text may hold an id."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}" if trace else "?"
    return f"{type(error).__name__} in {where}"
