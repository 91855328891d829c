"""A request becomes a job: its body is stored, then its record, then its function is invoked.

A kill between any two of these loses nothing that was promised: without the record there is no job, and with
it whoever asks for the job has it taken up.
"""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import time

from modelet_runtime.aws import reachable
from modelet_runtime.errors import Conflict
from modelet_runtime.http.messages import Request, Response
from modelet_runtime.jobs.functions import Functions
from modelet_runtime.jobs.objects import Objects, Upload
from modelet_runtime.jobs.record import Job
from modelet_runtime.jobs.store import TAKEN_UP_S, Store

# Headers that an answer depends on. Not `Accept-Encoding`: what lies in a bucket is read by others too.
_ANSWERED = ("accept", "content-encoding", "content-type", "inference-header-content-length")
_NAMED = "x-request-id"
_RETRY_AFTER_S = "1"


@dataclass(frozen=True, slots=True)
class Parts:
    """What stores a job and has it worked on.

    Attributes:
        store: The table.
        objects: The bucket.
        functions: Whom to invoke.
    """

    store: Store
    objects: Objects
    functions: Functions


class Submission:
    """Takes the requests of one model in.

    Args:
        parts: Where they go.
        model: The model's name.
        version: Its version.
        now: The clock, in epoch seconds.
        kept_s: When a job is forgotten: no later than the bucket forgets its result.
    """

    def __init__(
        self,
        parts: Parts,
        model: str,
        version: int,
        now: Callable[[], float] = time,
        kept_s: int = 7 * 86_400,
    ) -> None:
        self._parts = parts
        self._model = model
        self._version = version
        self._now = now
        self._kept_s = kept_s

    def submit(self, request: Request, key: str | None, upload: str | None) -> Response:
        """Make a job of a request.

        Args:
            request: An inference that found its route.
            key: Makes the same request the same job.
            upload: Where its body is, if not in the request.

        Raises:
            Conflict: (409) The key was used for another request.
            InvalidRequest: (400) `upload` is no id of an upload.
            NotFound: (404) Nothing was uploaded.
            NotReady: (503) AWS cannot take it now.
        """
        with reachable("jobs"):
            found = self._parts.objects.upload(upload) if upload is not None else None
            job = self._job(request, key, found)
            self._keep_body(job, request, found)
            known = self._parts.store.create(job)
            if known.fingerprint != job.fingerprint:
                raise Conflict(f"Idempotency-Key: it was used for another request, which is job {job.job}")
            if known is job:
                self._parts.functions.work(job)
            elif is_overdue(known, self._now()) and self._parts.store.reopen(known):
                self._parts.functions.work(known)
        headers = {"location": f"/jobs/{job.job}", "retry-after": _RETRY_AFTER_S}
        answer = Response.json({"job": known.document()}, 202)
        return replace(answer, headers={**answer.headers, **headers})

    def with_upload(self, request: Request, upload: str) -> Request:
        """A request with the body that was uploaded for it.

        Raises:
            InvalidRequest: (400) `upload` is no id of an upload.
            NotFound: (404) Nothing was uploaded.
            NotReady: (503) AWS cannot give it now.
        """
        with reachable("uploads"):
            found = self._parts.objects.upload(upload)
            body = self._parts.objects.get(found.key, found.etag)
        return replace(request, body=body, headers={**request.headers, "content-type": found.media_type})

    def _job(self, request: Request, key: str | None, upload: Upload | None) -> Job:
        headers = {name: request.headers[name] for name in _ANSWERED if name in request.headers}
        if upload is not None:
            headers["content-type"] = upload.media_type
        query = {name: value for name, value in request.query.items() if name != "upload"}
        path = request.path.rstrip("/")
        body = upload.etag if upload else hashlib.sha256(request.body).hexdigest()
        fingerprint = _digest([path, headers, query, body])
        job = _digest([key, self._model, self._version])[:32] if key else secrets.token_hex(16)
        if _NAMED in request.headers:
            headers[_NAMED] = request.request_id
        now = int(self._now())
        assert request.function is not None
        return Job(
            job=job,
            model=self._model,
            version=self._version,
            function=request.function,
            method="POST",
            path=path,
            headers=headers,
            query=query,
            request_key=f"jobs/{job}/request/{fingerprint}",
            fingerprint=fingerprint,
            created_at=now,
            updated_at=now,
            due_at=now + TAKEN_UP_S,
            expires_at=now + self._kept_s,
        )

    def _keep_body(self, job: Job, request: Request, upload: Upload | None) -> None:
        if upload is None:
            self._parts.objects.put(job.request_key, request.body)
        else:
            self._parts.objects.copy(upload, job.request_key)


def is_overdue(job: Job, now_s: float) -> bool:
    """Whether nobody takes care of a job any more."""
    return not job.has_ended and job.due_at < int(now_s)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
