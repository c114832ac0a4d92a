"""What the service answers when it does not do what it was asked: a status, a code for programs, words for people."""

from __future__ import annotations

from typing import Final

#: Code -> status and what it means; the OpenAPI page lists them. Each answer of an error has one of these.
CODES: Final = {
    "bad_http": (400, "what was sent is no HTTP, or has a head of more than 32 KiB; the connection is closed"),
    "bad_json": (400, "the body is no JSON, or JSON with a key twice, a number out of range, or nested too deep"),
    "bad_xml": (400, "the body is no pacs.008 message that can be read, or holds a DTD, an entity or a program"),
    "bad_row": (400, "a row breaks the contract of its table; the message names the row and the column"),
    "bad_key": (400, "the idempotency key is empty, longer than 200 signs, or not visible ASCII"),
    "no_token": (401, "the request has no token, or one that is not in the file"),
    "not_found": (404, "there is no such path, complaint or transfer"),
    "wrong_method": (405, "the path knows other methods"),
    "too_slow": (408, "the body did not arrive in time"),
    "key_in_use": (409, "a request with this idempotency key is being worked on"),
    "too_large": (413, "the body, or the number of rows in it, is above the limit"),
    "wrong_type": (415, "the body is neither application/json nor application/xml"),
    "bad_column": (500, "a column of the model reads what is not at hand as a transfer arrives; the message names it"),
    "bad_model": (409, "the model cannot be read, or it does not fit the state; the one before stays"),
    "key_reused": (422, "the idempotency key was used with another body"),
    "too_many": (429, "the queue is full, or the caller is above its rate; try again after Retry-After seconds"),
    "internal": (500, "an error of the service; nothing about it is told here, and the log names its kind"),
    "stopping": (503, "the service is starting or stopping"),
}  # fmt: skip


class RequestError(Exception):
    """A request that is not done.

    Parameters
    ----------
    code : str
        Of `CODES`.
    message : str
        What, where, got, how to mend; no id of an account.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.status = code, CODES[code][0]
