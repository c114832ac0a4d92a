"""What history is sent through: a desk in this process, or a service by its address."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from muledetect.clock import parse_time
from muledetect.errors import DataError, OptionError
from muledetect.live.desk import Answer, Desk
from muledetect.live.history import Part, Row
from muledetect.live.policy import Decision
from muledetect.live.types import AccountScore, Assessment

#: Rows of one request.
_MOST = 256


class Located(NamedTuple):
    """What is decided for money of a complaint in one account."""

    account_id: str
    decision: Decision


class Target(Protocol):
    """Takes history, and answers what it would have decided."""

    def take(self, part: Part) -> list[Answer]:
        """Return an answer for each transfer of a part that is no reversal, as of just before it; book all rows."""
        ...

    def locate(self, complaint_id: str, time: int) -> list[Located]:
        """Return what is decided for the money of a complaint that came at a moment."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


def is_scored(row: Row) -> bool:
    """Whether somebody asked for a transfer: a reversal is the bank's own."""
    return row.get("reversal_of") is None


class InProcess:
    """A desk in this process.

    Parameters
    ----------
    desk : Desk
    locate : callable
        Called with the id of a complaint and a moment; returns the answer of /locate.
    """

    def __init__(self, desk: Desk, locate: Callable[[str, int], dict[str, Any]]) -> None:
        self._desk, self._locate = desk, locate

    def take(self, part: Part) -> list[Answer]:
        """Book all rows of a part and return what would have been answered."""
        self._desk.advance([row for _, row in part.of(transfers=False)])
        rows = [row for _, row in part.of(transfers=True)]
        answers = self._desk.book_and_score(rows) if rows else []
        return [answer for row, answer in zip(rows, answers, strict=True) if is_scored(row)]

    def locate(self, complaint_id: str, time: int) -> list[Located]:
        """Trace a complaint."""
        return _located(self._locate(complaint_id, time))

    def close(self) -> None:
        """Do nothing: nothing is open."""


class Remote:
    """A service by its address.

    Parameters
    ----------
    url : str
        Such as http://127.0.0.1:8080.
    token : str
        Empty if the service asks for none.
    """

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OptionError(f"replay: {url!r} is no address; give one such as http://127.0.0.1:8080.")
        make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = make(parts.hostname, parts.port, timeout=120)
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    def take(self, part: Part) -> list[Answer]:
        """Send the rows moment by moment: events, scores, then bookings."""
        found: list[Answer] = []
        for tick in part.ticks():
            self._send("/events", "events", [row for _, row in tick.of(transfers=False)])
            rows = [row for _, row in tick.of(transfers=True)]
            for said in self._send("/score", "transfers", [row for row in rows if is_scored(row)]):
                found += map(_answer, said["assessments"])
            self._send("/book", "transfers", rows)
        return found

    def locate(self, complaint_id: str, time: int) -> list[Located]:  # noqa: ARG002 (the service has its own clock)
        """Ask the service."""
        return _located(self._ask("/locate", {"complaint_id": complaint_id}, may_be_absent=True))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _send(self, path: str, name: str, rows: list[Row]) -> list[dict[str, Any]]:
        return [self._ask(path, {name: rows[i : i + _MOST]}) for i in range(0, len(rows), _MOST)]

    def _ask(self, path: str, value: Any, *, may_be_absent: bool = False) -> dict[str, Any]:
        body = json.dumps(value, default=_as_text)
        try:
            self._connection.request("POST", path, body, self._headers)
            answer = self._connection.getresponse()
            said: dict[str, Any] = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DataError(f"replay: the service does not answer {path}: {type(error).__name__}.") from error
        if answer.status == 404 and may_be_absent:
            return {"accounts": []}
        if answer.status != 200:
            told = said.get("error", {}).get("message", "")
            raise DataError(f"replay: {path} was answered with {answer.status}: {told}")
        return said


def _as_text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _located(said: dict[str, Any]) -> list[Located]:
    return [Located(row["account_id"], _decision(row["decision"])) for row in said["accounts"]]


def _answer(said: dict[str, Any]) -> Answer:
    payer, payee = (None if said[side] is None else _score(said[side]) for side in ("payer", "payee"))
    found = Assessment(said["transfer_id"], parse_time(said["as_of"]), payer, payee, said["model"], said["version"])
    return Answer(found, _decision(said.get("shadow") or said["decision"]))


def _score(said: dict[str, Any]) -> AccountScore:
    as_of = said["as_of"]
    as_of = None if as_of is None else parse_time(as_of)
    return AccountScore(**said | {"reasons": tuple(said["reasons"]), "as_of": as_of})


def _decision(said: dict[str, Any]) -> Decision:
    until = said["until"]
    return Decision(**said | {"until": None if until is None else parse_time(until), "fired": tuple(said["fired"])})
