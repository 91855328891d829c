"""`Content-Encoding`, both ways: gzip and deflate, the two Triton's clients speak."""

import zlib
from collections.abc import Mapping

from modelet_runtime.errors import InvalidRequest, PayloadTooLarge, UnsupportedEncoding
from modelet_runtime.http.messages import LARGE_DATA_WAY, Response

# zlib's window size also chooses the format: 31 is gzip, 15 is zlib, which HTTP calls deflate.
# Source: https://docs.python.org/3/library/zlib.html#zlib.decompress
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}

# Ten times Lambda's 6 MB request: more than real tensors and texts shrink by, far less than the
# thousandfold of a bomb.
MAX_INFLATED_BYTES = 60_000_000

# Below one network packet's payload compression saves nothing.
_WORTH_IT_BYTES = 1_400

# Level 1 costs a third of the default's time for about a tenth more bytes, on tensors as JSON.
_LEVEL = 1


def inflate(body: bytes | memoryview, encoding: str, limit: int = MAX_INFLATED_BYTES) -> bytes | memoryview:
    """Undo the request's `Content-Encoding`.

    Raises:
        UnsupportedEncoding: (415) An encoding other than gzip, deflate or identity.
        InvalidRequest: (400) The body is not in that encoding, or is cut.
        PayloadTooLarge: (413) It unpacks to more than `limit` bytes.
    """
    for name in reversed([part.strip().lower() for part in encoding.split(",")]):
        if name in ("", "identity"):
            continue
        if name not in _WINDOW_BITS:
            raise UnsupportedEncoding(name, ("gzip", "deflate"))
        body = _inflate_once(body, name, limit)
    return body


def _inflate_once(body: bytes | memoryview, name: str, limit: int) -> bytes:
    inflater = zlib.decompressobj(_WINDOW_BITS[name])
    try:
        inflated = inflater.decompress(body, limit)
    except zlib.error as error:
        raise InvalidRequest("body", f"{name} data", str(error)) from error
    if not inflater.eof and len(inflated) >= limit:
        raise PayloadTooLarge(f"the body unpacks to more than {limit} bytes: {LARGE_DATA_WAY}")
    if not inflater.eof or inflater.unused_data:
        actual = "bytes after it" if inflater.eof else "a body that ends early"
        raise InvalidRequest("body", f"one complete {name} stream", actual)
    return inflated


def deflate(response: Response, request_headers: Mapping[str, str]) -> Response:
    """Compress the response if the client accepts it and it is worth it."""
    accepted = request_headers.get("accept-encoding")
    if accepted is None or len(response.body) < _WORTH_IT_BYTES or "content-encoding" in response.headers:
        return response
    encoding = _choose(accepted)
    if encoding is None:
        return response
    deflater = zlib.compressobj(_LEVEL, wbits=_WINDOW_BITS[encoding])
    body = deflater.compress(response.body) + deflater.flush()
    if len(body) >= len(response.body):
        return response
    headers = {**response.headers, "content-encoding": encoding, "vary": "accept-encoding"}
    return Response(response.status, headers, body)


def _choose(accepted: str) -> str | None:
    """The better of gzip and deflate that `Accept-Encoding` names with a weight above zero."""
    weights = {}
    for part in accepted.lower().split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip()] = parameter.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    for name in ("gzip", "deflate"):
        if weights.get(name, weights.get("*", False)):
            return name
    return None
