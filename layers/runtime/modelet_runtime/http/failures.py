"""The one place where errors become responses."""

import orjson

from modelet_runtime.errors import ModeletError
from modelet_runtime.http.messages import JSON, Response

# A message may quote what the caller sent; this much of it helps, more could outgrow an answer.
_MAX_MESSAGE = 2_000
_MAX_DETAILS_BYTES = 8_000


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
        text = str(error)[:_MAX_MESSAGE].encode(errors="replace").decode()
        document = {"error": text, "code": error.code} | _details(error)
        headers |= error.headers
    document["request_id"] = request_id
    return Response(status, headers, orjson.dumps(document))


def code_of(error: Exception) -> str:
    """The code under which an error is counted."""
    return error.code if isinstance(error, ModeletError) else ModeletError.code


def _details(error: ModeletError) -> dict[str, object]:
    """The error's details under their key, unless there are none, or too long or no Unicode."""
    try:
        size = len(orjson.dumps(error.details))
    except TypeError:
        return {}
    return {"details": error.details} if error.details and size <= _MAX_DETAILS_BYTES else {}
