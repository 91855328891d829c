"""From an HTTP request to the event API Gateway's HTTP API hands to a function, payload format 2.0.

What the documentation leaves open was taken from observations of the real service, each with its
source; what nobody seems to have observed is said where it is decided.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

import orjson
import pybase64

# Every other type, and none at all, arrives as base64; form fields too.
# Source: tried on the real service, https://github.com/ministackorg/ministack/pull/766
_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/javascript"})

# Of one connection, not of the message: they end at the gateway.
# Source: RFC 9110, section 7.6.1
HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

ACCOUNT_ID = "000000000000"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it came in.

    Attributes:
        method: In upper case.
        target: Path and query, percent-encoded as the client sent them.
        protocol: `HTTP/1.1`.
        headers: Name and value in the order and spelling of the client.
        body: All of it.
        source_ip: The client's address.
    """

    method: str
    target: str
    protocol: str
    headers: Iterable[tuple[bytes, bytes]]
    body: bytes
    source_ip: str

    @property
    def path(self) -> str:
        """The path as the HTTP API passes it on: percent-decoded, and cut at a decoded `?`.

        Source: captures of the real service, https://github.com/middleapi/standard-server/pull/93
        """
        return unquote(self.target.partition("?")[0]).partition("?")[0]

    @property
    def query(self) -> str:
        """The query as the HTTP API passes it on: untouched."""
        return self.target.partition("?")[2]


def to_event(request: HttpRequest, request_id: str, now_s: float, trace_id: str) -> bytes:
    """Write the event as JSON, once; a binary body is encoded straight into it.

    Args:
        request: The request.
        request_id: The gateway's id of it.
        now_s: Seconds since the epoch.
        trace_id: Value of `x-amzn-trace-id`, unless the client sent one.
    """
    headers, cookies = _headers(request, trace_id)
    path = request.path
    event: dict[str, object] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": _context(request, path, headers, request_id, now_s),
    }
    if cookies:
        event["cookies"] = cookies
    if request.query:
        event["queryStringParameters"] = _query_parameters(request.query)
    binary = bool(request.body) and not _is_text(headers)
    if binary:
        event["body"] = orjson.Fragment(b'"' + pybase64.b64encode(request.body) + b'"')
    elif request.body:
        # Bytes that are no UTF-8 in a body that calls itself text: nobody documents what becomes of them.
        event["body"] = request.body.decode("utf-8", "replace")
    event["isBase64Encoded"] = binary
    return orjson.dumps(event)


def _headers(request: HttpRequest, trace_id: str) -> tuple[dict[str, str], list[str]]:
    """Lower-case names, equal ones joined by a comma; cookies apart; what API Gateway adds."""
    joined: dict[str, str] = {}
    cookies: list[str] = []
    for raw_name, raw_value in request.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name == "cookie":
            cookies += [cookie for part in value.split(";") if (cookie := part.strip())]
        elif name not in HOP_BY_HOP:
            joined[name] = f"{joined[name]},{value}" if name in joined else value
    forwarded_for = joined.get("x-forwarded-for")
    return {
        "x-amzn-trace-id": trace_id,
        **joined,
        "content-length": str(len(request.body)),
        "x-forwarded-for": f"{forwarded_for}, {request.source_ip}" if forwarded_for else request.source_ip,
        "x-forwarded-port": _split_host(joined)[1],
        "x-forwarded-proto": "http",
    }, cookies


def _query_parameters(query: str) -> dict[str, str]:
    """Decoded names and values, the values of one name joined by a comma."""
    joined: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _context(
    request: HttpRequest, path: str, headers: dict[str, str], request_id: str, now_s: float
) -> dict[str, object]:
    domain = _split_host(headers)[0]
    return {
        "accountId": ACCOUNT_ID,
        "apiId": "local",
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "http": {
            "method": request.method,
            "path": path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now_s)),
        "timeEpoch": int(now_s * 1000),
    }


def _split_host(headers: dict[str, str]) -> tuple[str, str]:
    """Domain and port of the `Host` header."""
    host = headers.get("host", "")
    domain, colon, port = host.rpartition(":")
    return (domain, port) if colon and port.isdecimal() else (host, "80")


def _is_text(headers: dict[str, str]) -> bool:
    """Whether the body travels as a string.

    A body with a content coding is binary whatever it decodes to. That the real service sees it so too
    is an assumption: anything else would destroy the body.
    """
    if headers.get("content-encoding", "identity") != "identity":
        return False
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type.startswith("text/") or media_type in _TEXT_TYPES
