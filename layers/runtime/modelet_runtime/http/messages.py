"""What an HTTP request and response are, whether API Gateway, SageMaker or a test carries them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

JSON = "application/json"

# What a caller is told whose data is over a limit.
LARGE_DATA_WAY = (
    "send binary tensors, upload the body by POST /uploads, ask with `Prefer: respond-async`, or put the file"
    " into the S3 bucket for batch inference"
)


# A caller's own request id is taken when it cannot confuse a log.
_MAX_REQUEST_ID = 128


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        method: The verb, in capitals.
        path: The decoded path, without a stage.
        headers: Lower-case names; several values of one name are joined with commas.
        body: The bytes as sent, still compressed if they were.
        request_id: What logs and answers call this request.
        query: Decoded query parameters.
        remaining_s: How long the caller or the platform will wait for the answer, if known.
        alias: The alias the function was called by, such as `live`.
        function: The ARN the function was called by; None where no function carries the request.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | memoryview = b""
    request_id: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    remaining_s: float | None = None
    alias: str | None = None
    function: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def json(cls, document: object, status: int = 200) -> "Response":
        """Answer a JSON-serialisable value."""
        return cls(status, {"content-type": JSON}, orjson.dumps(document))


def request_id(headers: Mapping[str, str], assigned: str) -> str:
    """What to call a request: as its caller does in `X-Request-Id`, or else as assigned."""
    own = headers.get("x-request-id", "")
    return own if 0 < len(own) <= _MAX_REQUEST_ID and own.isascii() and own.isprintable() else assigned
