"""What a caller sees of a job, and where a caller's uploads go."""

import secrets
from collections.abc import Callable
from time import time
from typing import Any

import orjson

from modelet_runtime.aws import reachable
from modelet_runtime.errors import NotFound
from modelet_runtime.http.messages import JSON
from modelet_runtime.jobs.objects import MAX_UPLOAD_BYTES
from modelet_runtime.jobs.record import Job, Result, is_id, written
from modelet_runtime.jobs.submission import Parts, is_overdue

# A result of more than this is read from the bucket.
INLINE_BYTES = 256 * 1024
_LINK_S = 3600


class Board:
    """Answers about the jobs of all models.

    Args:
        parts: Where they are.
        now: The clock, in epoch seconds.
    """

    def __init__(self, parts: Parts, now: Callable[[], float] = time) -> None:
        self._parts = parts
        self._now = now

    def job(self, name: str) -> tuple[Job, dict[str, Any]]:
        """A job and its document, with its result once there is one.

        A job that nobody takes care of is given to its function once more.

        Raises:
            NotFound: (404) There is no such job, or it has expired.
            NotReady: (503) AWS does not answer.
        """
        with reachable("jobs"):
            found = self._parts.store.find(name) if is_id(name) else None
            if found is None:
                raise NotFound(
                    f"no job '{name[:80]}': ids are 32 hexadecimal digits, and jobs are kept for days"
                )
            if is_overdue(found, self._now()) and self._parts.store.reopen(found):
                self._parts.functions.work(found)
            document = found.document()
            if found.result is not None:
                document["result"] = self._result(found.result)
        return found, {"job": document}

    def new_upload(self) -> dict[str, Any]:
        """A place for one upload: the form's URL and fields, and the id by which a request names it.

        Raises:
            NotReady: (503) There are no credentials to sign the form with.
        """
        upload = secrets.token_hex(16)
        with reachable("uploads"):
            form = self._parts.objects.form(upload, _LINK_S)
        return {
            "upload": upload,
            "url": form["url"],
            "fields": form["fields"],
            "max_bytes": MAX_UPLOAD_BYTES,
            "expires_at": written(self._now() + _LINK_S),
        }

    def _result(self, result: Result) -> dict[str, Any]:
        """How a job ended: the body itself where it is small JSON, else where to read it."""
        found: dict[str, Any] = {"status": result.status, "headers": dict(result.headers)}
        if not result.key:
            return found
        if result.headers.get("content-type") == JSON and result.size_bytes <= INLINE_BYTES:
            return found | {"body": orjson.Fragment(self._parts.objects.get(result.key))}
        link = self._parts.objects.link(result.key, _LINK_S)
        expires_at = written(self._now() + _LINK_S)
        return found | {"bytes": result.size_bytes, "url": link, "url_expires_at": expires_at}
