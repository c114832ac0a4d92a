"""The description of the service, made from the contract of tables: for programs (OpenAPI 3.1) and as a page."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from jinja2 import Environment, PackageLoader

from muledetect.live.policy import ACTIONS, NOTICE
from muledetect.schema import TRANSFERS, Column, Table
from muledetect.serve.messages import EVENTS
from muledetect.serve.pacs008 import MAPPING
from muledetect.serve.request_errors import CODES

_TYPES: Final[dict[str, dict[str, Any]]] = {
    "time": {"type": "string", "format": "date-time"},
    "money": {"type": "integer", "format": "int64"},
    "int": {"type": "integer", "format": "int64"},
    "number": {"type": "number"},
    "share": {"type": "number", "minimum": 0, "maximum": 1},
    "bool": {"type": "boolean"},
}
_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 256}
_KEY: Final = {
    "name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 200},
    "description": "a request that is sent again under its key gets the first answer and does nothing",
}  # fmt: skip
_OUTCOMES: Final = {
    "rows": [{"outcome": "accepted, duplicate or rejected", "reason": "why it was left out", "column": "where"}]
}
_SCORED: Final = {
    "score": "log-odds", "probability": "0 to 1", "tier": "none, watch or suspected", "reasons": ["sentences"],
    "as_of": "moment of the score of a busy account, else null",
}  # fmt: skip
_DECISION: Final = {
    "action": ", ".join(ACTIONS), "amount": "minor units delayed or held", "until": "end of it, or null",
    "rule": "rule that fired", "text": "its words", "source": "where it comes from", "fired": ["all rules that fired"],
}  # fmt: skip


def describe_api(most_rows: int, *, has_tokens: bool) -> dict[str, Any]:
    """Return the OpenAPI description of the service.

    Parameters
    ----------
    most_rows : int
        Rows of a request.
    has_tokens : bool
        Whether a token is asked for.
    """
    xml = "pacs.008 in: " + ", ".join(f"{column} from {' or '.join(paths)}" for column, paths in MAPPING.items())
    transfers = {
        "application/json": {"schema": _one_or_many("transfers", "transfers", most_rows)},
        "application/xml": {"schema": {"type": "string", "description": f"{xml}. All else is dropped and listed."}},
    }
    named = ["transfer_id", "as_of", "payer", "payee", "model", "version", "decision"]
    assessed = {"transfer_id": "text", "as_of": "time", "payer": _SCORED, "payee": _SCORED, "model": "its hash",
                "version": "of the features", "decision": _DECISION}  # fmt: skip
    paths = {
        "/score": _post("Score transfers as of their times, before they are booked.", transfers,
                        {"assessments": [{name: assessed[name] for name in named}], "notice": NOTICE}),
        "/book": _post("Book transfers: they count from now on.", transfers, _OUTCOMES, keyed=True),
        "/events": _post("Take rows of other tables, each with `table`.", {
            "application/json": {"schema": _one_or_many("events", "event", most_rows)}}, _OUTCOMES, keyed=True),
        "/locate": _post("Find where the money of a complaint or transfer is now.", {
            "application/json": {"schema": {"oneOf": [_object({name: _TEXT}, [name]) for name in (
                "complaint_id", "transfer_id")]}}},
            {"as_of": "time", "currency": "code", "accounts": [{"account_id": "text", "recoverable": "minor units",
             "traced_low": "minor units", "traced_high": "minor units", "decision": _DECISION}], "notice": NOTICE}),
        "/reload": _post("Read the model's folder again, without a stop.", {}, {"reloaded": True}),
        "/snapshot": _post("Write the state down, so that the next start is faster.", {}, {"kept": True}),
        "/health": _get("The process lives."),
        "/ready": _get("Requests are worked off."),
        "/metrics": _get("Numbers for Prometheus.", "text/plain"),
    }  # fmt: skip
    schemas = {
        "transfers": _row(TRANSFERS),
        "event": {"oneOf": [_row(table, tagged=True) for table in EVENTS.values()]},
    }
    schemas["error"] = _object(
        {"error": _object({"code": {"enum": list(CODES)}, "message": {"type": "string"}}, ["code", "message"])},
        ["error"],
    )
    components: dict[str, Any] = {"schemas": schemas}
    api: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "muledetect", "version": version("muledetect"), "description": NOTICE},
        "paths": paths,
        "components": components,
    }
    if has_tokens:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        api["security"] = [{"token": []}]
    return api


def docs_page(api: dict[str, Any]) -> str:
    """Return the description as a page without scripts."""
    environment = Environment(loader=PackageLoader("muledetect.serve"), autoescape=True, trim_blocks=True)
    page = environment.get_template("docs.html")
    return page.render(api=api, tables=[TRANSFERS, *EVENTS.values()], codes=CODES, mapping=MAPPING)


def _row(table: Table, *, tagged: bool = False) -> dict[str, Any]:
    properties = {column.name: _cell(column) for column in table.columns}
    if tagged:
        properties = {"table": {"const": table.name}} | properties
    return _object(properties, [*(["table"] if tagged else []), *table.required]) | {"description": table.meaning}


def _cell(column: Column) -> dict[str, Any]:
    shape: dict[str, Any] = {"enum": list(column.values)} if column.values else dict(_TYPES.get(column.type, _TEXT))
    if column.minimum is not None:
        shape |= {"minimum": column.minimum}
    return shape | {"description": f"{column.meaning}{f' ({column.unit})' if column.type == 'money' else ''}"}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _one_or_many(many: str, schema: str, most: int) -> dict[str, Any]:
    one = {"$ref": f"#/components/schemas/{schema}"}
    return {"oneOf": [one, _object({many: {"type": "array", "items": one, "minItems": 1, "maxItems": most}}, [many])]}


def _post(summary: str, content: dict[str, Any], answer: Any, *, keyed: bool = False) -> dict[str, Any]:
    said: dict[str, Any] = {"summary": summary, "responses": {"200": _ok("application/json", answer), **_errors()}}
    if content:
        said["requestBody"] = {"required": True, "content": content}
    if keyed:
        said["parameters"] = [_KEY]
    return {"post": said}


def _get(summary: str, media_type: str = "application/json") -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": {"200": _ok(media_type, None), **_errors()}}}


def _ok(media_type: str, answer: Any) -> dict[str, Any]:
    content: dict[str, Any] = {} if answer is None else {"example": answer}
    return {"description": "done", "content": {media_type: content}}


def _errors() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}
    found: dict[str, list[str]] = {}
    for code, (status, meaning) in CODES.items():
        found.setdefault(str(status), []).append(f"{code}: {meaning}")
    return {status: {"description": "; ".join(texts), "content": content} for status, texts in found.items()}
