"""From what a function returned to the HTTP response, as API Gateway's HTTP API reads payload format 2.0."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
import pybase64

from modelet.local.errors import FunctionError, MalformedResponse, ServiceError
from modelet.local.events import HOP_BY_HOP

_JSON = ("content-type", "application/json")
_TEXT = ("content-type", "text/plain;charset=utf-8")

# Source: RFC 9110, sections 5.1 and 5.5
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What goes back to the client; names of headers are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def from_result(result: bytes) -> HttpResponse:
    """Read a function's result.

    With a `statusCode` it is taken apart; without one it is the body itself, as JSON with status 200
    (a string stands for itself).

    Raises:
        MalformedResponse: (500) It is not JSON, or a field has the wrong form.

    Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    try:
        document = orjson.loads(result)
    except orjson.JSONDecodeError as error:
        raise MalformedResponse(f"the function's result is not JSON: {error}") from error
    if isinstance(document, dict) and "statusCode" in document:
        return HttpResponse(_status(document["statusCode"]), _headers(document), _body(document))
    body = document.encode() if isinstance(document, str) else result
    return HttpResponse(200, (_JSON,), body)


def from_error(error: ServiceError, request_id: str) -> HttpResponse:
    """What the service answers itself.

    `message` is what the cloud says; `error`, and the id where the fault is ours, are this service's
    additions, so that a client of the inference protocols finds its text where it looks for it.
    """
    document = {"message": error.message, "error": str(error)}
    if isinstance(error, FunctionError):
        document["request_id"] = request_id
    return HttpResponse(error.status, (_JSON, *error.headers.items()), orjson.dumps(document))


def _status(value: object) -> int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise MalformedResponse(f"statusCode: expected a number from 200 to 599, got {value!r:.80}")
    return value


def _headers(document: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    given = document.get("headers") or {}
    cookies = document.get("cookies") or []
    if not isinstance(given, Mapping):
        raise MalformedResponse(f"headers: expected an object, got {type(given).__name__}")
    if not isinstance(cookies, list) or not all(isinstance(cookie, str) for cookie in cookies):
        raise MalformedResponse("cookies: expected a list of strings")
    pairs = [_header(name.lower(), value) for name, value in given.items()]
    pairs += [_header("set-cookie", cookie) for cookie in cookies]
    kept = [pair for pair in pairs if pair[0] not in HOP_BY_HOP and pair[0] != "content-length"]
    if not any(name == "content-type" for name, _ in kept):
        kept.append(_TEXT)
    return tuple(kept)


def _header(name: str, value: object) -> tuple[str, str]:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not isinstance(value, str | int | float) or not _NAME.fullmatch(name) or not _VALUE.fullmatch(text):
        raise MalformedResponse(f"header {name!r:.80}: {value!r:.80} cannot be sent")
    return name, text


def _body(document: Mapping[str, object]) -> bytes:
    body = document.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedResponse(f"body: expected a string, got {type(body).__name__}")
    if not document.get("isBase64Encoded"):
        return body.encode()
    try:
        return pybase64.b64decode(body, validate=True)
    except ValueError as error:
        raise MalformedResponse(f"body: not base64 ({error})") from error
