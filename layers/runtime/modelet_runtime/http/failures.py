"""The one place where errors become responses."""

import orjson

from modelet_runtime.errors import ModeletError
from modelet_runtime.http.messages import JSON, Response

# A message may quote what the caller sent; this much of it helps, more does not.
_MAX_MESSAGE = 2_000


def to_response(error: Exception, request_id: str) -> Response:
    """Answer an error.

    What modelet raises knows its status and may be shown; of anything else only the request id is.

    Args:
        error: What went wrong.
        request_id: Named in the body, so that a caller can quote it.
    """
    document: dict[str, object] = {"error": "internal error", "code": ModeletError.code}
    headers = {"content-type": JSON}
    status = ModeletError.status
    if isinstance(error, ModeletError):
        status = error.status
        document = {"error": str(error)[:_MAX_MESSAGE], "code": error.code}
        if error.details:
            document["details"] = error.details
        headers |= error.headers
    document["request_id"] = request_id
    return Response(status, headers, orjson.dumps(document))


def code_of(error: Exception) -> str:
    """The code under which an error is counted."""
    return error.code if isinstance(error, ModeletError) else ModeletError.code
