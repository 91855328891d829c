"""Jobs in memory: a thousand of them on moto take minutes. What the table itself does is tested on moto."""

import io
import threading
from collections.abc import Callable
from dataclasses import replace
from time import time
from typing import Any

from botocore.exceptions import ClientError

from modelet_runtime.jobs.context import EndpointCall
from modelet_runtime.jobs.record import Job, Result
from modelet_runtime.jobs.store import LeaseLost


class MemoryS3:
    """S3, as far as jobs and endpoints call it."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}

    def put_object(self, *, Key: str, Body: bytes, ContentType: str, **_: Any) -> None:
        """Write an object."""
        self.objects[Key] = (Body, ContentType)

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:
        """Read an object."""
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        body, media_type = self.objects[Key]
        return {"Body": io.BytesIO(body), "ContentType": media_type}


class MemoryStore:
    """The table of jobs; each method is one step, as a conditional write is."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.now = time
        self._lock = threading.Lock()

    def create(self, job: Job) -> Job:
        """Write a new job, or find the one that has its id."""
        return self.jobs.setdefault(job.job, job)

    def find(self, job: str) -> Job | None:
        """A job as it is now."""
        return self.jobs.get(job)

    def claim(self, job: str, worker: str, lease_s: float) -> Job | None:
        """Take a job up, unless somebody else has it."""

        def is_free(now: Job) -> bool:
            return now.state in ("queued", "waiting") or now.worker == worker

        return self._change(
            job,
            is_free,
            lambda now: replace(
                now, state="running", worker=worker, fence=now.fence + 1, attempts=now.attempts + 1
            ),
        )

    def ring(self, job: str) -> None:
        """Have a job looked at once more."""
        self._change(job, lambda now: True, lambda now: replace(now, rings=now.rings + 1))

    def note(self, held: Job, run: int, call: EndpointCall) -> None:
        """Write down what was asked of an endpoint."""
        if not self._held(held, lambda now: replace(now, calls={**now.calls, run: call})):
            raise LeaseLost(held.job)

    def wait(self, held: Job) -> bool:
        """Let a job wait, unless its endpoint has rung meanwhile."""
        changed = self._change(
            held.job,
            lambda now: (now.fence, now.rings) == (held.fence, held.rings),
            lambda now: replace(now, state="waiting", attempts=0),
        )
        return changed is not None

    def release(self, held: Job, error: str) -> None:
        """Leave a job for the next attempt."""
        self._held(held, lambda now: replace(now, state="queued", error=error))

    def finish(self, held: Job, result: Result, *, is_told: bool) -> Job | None:
        """Write how a job ended."""
        state = "succeeded" if result.status < 400 else "failed"
        return self._held(held, lambda now: replace(now, state=state, result=result, is_told=is_told))

    def _held(self, held: Job, change: Callable[[Job], Job]) -> Job | None:
        return self._change(held.job, lambda now: now.fence == held.fence, change)

    def _change(self, job: str, may: Callable[[Job], bool], change: Callable[[Job], Job]) -> Job | None:
        with self._lock:
            now = self.jobs.get(job)
            if now is None or now.has_ended or not may(now):
                return None
            self.jobs[job] = change(now)
            return self.jobs[job]
