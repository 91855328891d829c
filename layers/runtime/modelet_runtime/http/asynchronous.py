"""What a caller may ask of an inference besides its answer: to have it later, once, or of an upload.

    Prefer: respond-async     a job instead of the answer; other preferences are ignored, `wait` too
    PUT, Idempotency-Key      a job, and under the same key the same
    ?upload=<id>              the body is what was uploaded

Source: RFC 7240, and https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Protocol

from modelet_runtime.errors import InvalidRequest, NotReady, UnsupportedExtension
from modelet_runtime.http.messages import Request, Response
from modelet_runtime.jobs.context import current_job

RESPOND_ASYNC = "respond-async"
_MAX_KEY = 255

Handler = Callable[[Request], Response]


class Jobs(Protocol):
    """Takes requests in."""

    def submit(self, request: Request, key: str | None, upload: str | None) -> Response:
        """Make a job of a request, the same for the same key."""
        ...

    def with_upload(self, request: Request, upload: str) -> Request:
        """A request with the body that was uploaded for it."""
        ...


class Wish(NamedTuple):
    """What a request asks for.

    Attributes:
        is_preferred: Whether it prefers a job.
        key: Makes the same request the same job.
        upload: Where its body is.
        is_put: Whether it has to be a job.
    """

    is_preferred: bool
    key: str | None
    upload: str | None
    is_put: bool

    @classmethod
    def of(cls, request: Request) -> "Wish":
        """Read a request.

        Raises:
            InvalidRequest: (400) It has a body and an upload, a key that is none, or PUT without a key.
        """
        upload, key = request.query.get("upload"), request.headers.get("idempotency-key")
        is_put = request.method == "PUT"
        if upload is not None and len(request.body):
            raise InvalidRequest("body", "none beside ?upload=", f"{len(request.body)} bytes")
        if key is not None and not (0 < len(key) <= _MAX_KEY and key.isascii() and key.isprintable()):
            raise InvalidRequest(
                "idempotency-key", f"1 to {_MAX_KEY} printable ASCII characters", repr(key[:80])
            )
        if is_put and key is None:
            raise InvalidRequest("idempotency-key", "a key with PUT", "none")
        return cls(_prefers(request.headers.get("prefer", "")), key, upload, is_put)


class Asynchronous:
    """Decides whether an inference is answered at once.

    Args:
        open_jobs: What makes jobs, when it is first needed; without it there are none.
        always: Whether every inference is a job.
    """

    def __init__(self, open_jobs: Callable[[], Jobs] | None = None, *, always: bool = False) -> None:
        self._open_jobs = open_jobs
        self._always = always

    @property
    def takes_put(self) -> bool:
        """Whether there are jobs."""
        return self._open_jobs is not None

    def answer(self, request: Request, at_once: Handler) -> Response:
        """Answer an inference, or say where its answer will be.

        Raises:
            InvalidRequest: (400) What it asks for contradicts itself.
            Conflict: (409) Its key was used for another request.
            UnsupportedExtension: (501) It names an upload, and there are none.
        """
        if current_job.get() is not None:
            return at_once(request)  # it is a job
        wish = Wish.of(request)
        if self._open_jobs is None or request.function is None:
            if wish.upload is not None:
                raise UnsupportedExtension("there are no uploads here: MODELET_JOBS_BUCKET is not set")
            return at_once(request)
        jobs = self._open_jobs
        if wish.is_preferred or wish.is_put or self._always:
            return _submitted(jobs(), request, wish)
        try:
            whole = jobs().with_upload(request, wish.upload) if wish.upload is not None else request
            return at_once(whole)
        except NotReady:
            # An endpoint that wakes, of a model without a twin: its caller gets a job, not an error.
            return _submitted(jobs(), request, wish)


def _submitted(jobs: Jobs, request: Request, wish: Wish) -> Response:
    response = jobs.submit(request, wish.key, wish.upload)
    applied = {"preference-applied": RESPOND_ASYNC} if wish.is_preferred else {}
    return replace(response, headers={**response.headers, **applied})


def _prefers(header: str) -> bool:
    """Whether one of the preferences, which commas separate and parameters follow, is `respond-async`."""
    if not header:
        return False
    return any(each.partition(";")[0].strip().lower() == RESPOND_ASYNC for each in header.split(","))
