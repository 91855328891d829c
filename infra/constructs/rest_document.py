"""The OpenAPI document from which API Gateway makes a REST API.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from infra.routes import GREEDY, Route

_ANY = "x-amazon-apigateway-any-method"
_SIGNED = "sigv4"
_KEYED = "api_key"
_SCHEMES = {
    _SIGNED: {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
    _KEYED: {"type": "apiKey", "name": "x-api-key", "in": "header"},
}
# The gateway's own refusals, in the form of every other error; HTTP APIs cannot do this.
_ERROR_BODY = '{"error":$context.error.messageString,"request_id":"$context.requestId"}'


@dataclass(frozen=True, slots=True)
class Backend:
    """A function and the routes that reach it.

    Attributes:
        uri: The function's invocation, as API Gateway names it.
        routes: Methods on paths; the method `ANY` is all of them.
    """

    uri: str
    routes: Sequence[Route]


def document(title: str, backends: Iterable[Backend], *, needs_key: bool) -> dict[str, object]:
    """Write the document; every operation needs a signature, and besides an API key if `needs_key`."""
    requirement: dict[str, list[str]] = {_SIGNED: [], **({_KEYED: []} if needs_key else {})}
    paths: dict[str, dict[str, object]] = {}
    for backend in backends:
        for route in backend.routes:
            method = _ANY if route.method == "ANY" else route.method.lower()
            paths.setdefault(route.path, _path(route.path))[method] = _operation(backend.uri, requirement)
    return {
        "openapi": "3.0.1",
        "info": {"title": title, "version": "1"},
        "paths": paths,
        "components": {"securitySchemes": _SCHEMES},
        # Every body travels as base64 and arrives as it was sent, whatever its media type.
        "x-amazon-apigateway-binary-media-types": ["*/*"],
        "x-amazon-apigateway-gateway-responses": {
            "DEFAULT_4XX": _gateway_response(),
            "DEFAULT_5XX": _gateway_response(),
            "THROTTLED": _gateway_response(429, {"gatewayresponse.header.Retry-After": "'1'"}),
            "QUOTA_EXCEEDED": _gateway_response(429),
        },
    }


def _path(path: str) -> dict[str, object]:
    if GREEDY not in path:
        return {}
    return {"parameters": [{"name": "proxy", "in": "path", "required": True, "schema": {"type": "string"}}]}


def _operation(uri: str, requirement: Mapping[str, list[str]]) -> dict[str, object]:
    return {
        "security": [dict(requirement)],
        "responses": {"default": {"description": "What the function answers."}},
        "x-amazon-apigateway-integration": {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "uri": uri,
            "passthroughBehavior": "when_no_match",
        },
    }


def _gateway_response(
    status: int | None = None, headers: Mapping[str, str] | None = None
) -> dict[str, object]:
    response: dict[str, object] = {"responseTemplates": {"application/json": _ERROR_BODY}}
    if status is not None:
        response["statusCode"] = status
    if headers:
        response["responseParameters"] = dict(headers)
    return response
