"""Events of a REST API, payload format 1.0, as those of an HTTP API: one form for everything behind.

What is answered has the same form in both.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

Event = Mapping[str, Any]


def to_http(event: Event) -> dict[str, Any]:
    """The event in payload format 2.0; its stage is `$default`, as format 1.0 keeps it off the path.

    Raises:
        KeyError: It is no event of a REST API.
    """
    context = event["requestContext"]
    identity = context.get("identity") or {}
    method, path = event["httpMethod"], event["path"]
    query = event.get("multiValueQueryStringParameters") or {}
    headers = _joined(event.get("multiValueHeaders") or {})
    return {
        "version": "2.0",
        "routeKey": f"{method} {event.get('resource', path)}",
        "rawPath": path,
        "rawQueryString": urlencode(query, doseq=True),
        "queryStringParameters": _joined(query),
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {
            "accountId": context.get("accountId"),
            "apiId": context.get("apiId"),
            "domainName": context.get("domainName"),
            "http": {
                "method": method,
                "path": path,
                "protocol": context.get("protocol"),
                "sourceIp": identity.get("sourceIp"),
                "userAgent": identity.get("userAgent"),
            },
            "requestId": context["requestId"],
            "stage": "$default",
            "time": context.get("requestTime"),
            "timeEpoch": context.get("requestTimeEpoch"),
        },
        "body": event.get("body"),
        "isBase64Encoded": event.get("isBase64Encoded", False),
    }


def _joined(values: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Several values of one name with commas between, as format 2.0 has them."""
    return {name: ",".join(of_name) for name, of_name in values.items()}
