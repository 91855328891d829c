"""API Gateway's payload format 2.0, and a REST API's 1.0, to requests and from responses.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import unquote

import pybase64

from modelet_runtime.errors import InvalidRequest
from modelet_runtime.http import failures
from modelet_runtime.http.messages import Request, Response, request_id

# Lambda's limit for a synchronous answer: 6 MiB and a little.
# Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_RESULT_BYTES = 6 * 1024 * 1024

# What the result says besides the body: status, headers, punctuation.
_ENVELOPE_BYTES = 4_096

# An inference is stopped this long before Lambda ends the environment, so that 504 can be answered.
_ANSWER_TIME_S = 0.25

Event = Mapping[str, Any]


class Context(Protocol):
    """What is used of Lambda's context object."""

    aws_request_id: str
    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function times out."""
        ...


def answer(application: Callable[[Request], Response], event: Event, context: Context) -> dict[str, Any]:
    """Answer one event of the HTTP or the REST API."""
    try:
        request = to_request(event, context)
    except InvalidRequest as error:
        return to_result(failures.to_response(error, context.aws_request_id))
    return to_result(application(request))


def to_request(event: Event, context: Context) -> Request:
    """Read an event.

    Raises:
        InvalidRequest: (400) It is none of payload format 2.0 or 1.0, or its body is not base64.
    """
    try:
        if "httpMethod" in event:
            event = _from_rest(event)
        envelope = event["requestContext"]
        http = envelope["http"]
        headers = event["headers"]
        called = request_id(headers, envelope["requestId"])
        method, raw_path = http["method"], event["rawPath"]
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest("event", "API Gateway's payload format 2.0", f"none: {error}") from error
    if "cookies" in event:
        headers = {**headers, "cookie": "; ".join(event["cookies"])}
    return Request(
        method=method,
        path=_path(raw_path, envelope.get("stage", "$default")),
        headers=headers,
        body=_body(event),
        request_id=called,
        query=event.get("queryStringParameters") or {},
        remaining_s=remaining_s(context),
        alias=alias_of(context.invoked_function_arn),
        function=context.invoked_function_arn,
    )


def to_result(response: Response) -> dict[str, Any]:
    """Write a response as API Gateway wants it: text as it is, all else in base64."""
    text = _is_text(response)
    return {
        "statusCode": response.status,
        "headers": response.headers,
        "body": response.body.decode() if text else pybase64.b64encode_as_string(response.body),
        "isBase64Encoded": not text,
    }


def fits(response: Response) -> bool:
    """Whether Lambda can carry a response: its size counts once it is written as JSON."""
    room = MAX_RESULT_BYTES - _ENVELOPE_BYTES
    size = len(response.body)
    if not _is_text(response):
        return 4 * ((size + 2) // 3) <= room
    # Escaping makes a character six bytes at most, so most bodies need not be counted.
    return 6 * size <= room or (size <= room and len(json.dumps(response.body.decode())) <= room)


def _from_rest(event: Event) -> Event:
    # Imported only where a REST API is the front door.
    from modelet_runtime.http import rest_event  # noqa: PLC0415

    return rest_event.to_http(event)


def _is_text(response: Response) -> bool:
    kind = response.headers.get("content-type", "")
    return "content-encoding" not in response.headers and kind.startswith(("application/json", "text/"))


def _body(event: Event) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode()
    try:
        return pybase64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest("event: body", "base64", str(error)) from error


def _path(raw_path: str, stage: str) -> str:
    """The decoded path, without the stage that all but the default one put before it."""
    prefix = f"/{stage}"
    if stage != "$default" and (raw_path == prefix or raw_path.startswith(prefix + "/")):
        raw_path = raw_path[len(prefix) :] or "/"
    return unquote(raw_path) if "%" in raw_path else raw_path


def remaining_s(context: Context) -> float:
    """How long an inference may take."""
    return context.get_remaining_time_in_millis() / 1000 - _ANSWER_TIME_S


def alias_of(arn: str) -> str | None:
    """The qualifier of `arn:aws:lambda:region:account:function:name[:qualifier]`, unless it is a version."""
    parts = arn.split(":")
    if len(parts) < 8 or parts[7].isdigit() or parts[7] == "$LATEST":
        return None
    return parts[7]
