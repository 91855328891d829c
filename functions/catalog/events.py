"""What the routes need of an event besides what the resolver reads from it."""

from typing import Any

import orjson
import pybase64
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from modelet_runtime.errors import InvalidRequest
from modelet_runtime.http import rest_event


def as_http(event: dict[str, Any]) -> dict[str, Any]:
    """The event of an HTTP API, also where a REST API is the front door."""
    return rest_event.to_http(event) if "httpMethod" in event else event


def without_trailing_slash(event: dict[str, Any]) -> dict[str, Any]:
    """The event with `/v2/` as `/v2`, which the resolver would not find."""
    context = event["requestContext"]
    http = {**context["http"], "path": context["http"]["path"].rstrip("/") or "/"}
    path = event["rawPath"].rstrip("/") or "/"
    return {**event, "rawPath": path, "requestContext": {**context, "http": http}}


def read_object(event: APIGatewayProxyEventV2) -> dict[str, Any]:
    """The body as a JSON object; none is an empty one.

    Raises:
        InvalidRequest: (400) It is something else.
    """
    body = event.body or "{}"
    try:
        document = orjson.loads(pybase64.b64decode(body) if event.is_base64_encoded else body)
    except ValueError as error:
        raise InvalidRequest("body", "JSON", str(error)) from error
    if not isinstance(document, dict):
        raise InvalidRequest("body", "an object", type(document).__name__)
    return document


def base_path(event: dict[str, Any]) -> str:
    """What stands before every path: the stage, where a REST API is called by its own name."""
    full = event["requestContext"].get("path", "")
    return full.removesuffix(event.get("path", full)) or "/"
