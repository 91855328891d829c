"""A job becomes an answer: the stored request goes through the very same application.

Of several workers one counts, whatever they are killed at: each write says with its fence who it is by.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from modelet_runtime.errors import ModeletError
from modelet_runtime.http.messages import Request, Response
from modelet_runtime.jobs.context import JobContext, Pending, current_job
from modelet_runtime.jobs.record import Job, Result
from modelet_runtime.jobs.submission import Parts
from modelet_runtime.jobs.webhook import Webhook

# As often as Lambda delivers an asynchronous event whose function fails.
ATTEMPTS = 3
# A lease is longer than the function may run by this much, for clocks that differ.
_GRACE_S = 5.0
_LONGEST_ERROR = 1_000


class JobUnfinished(ModeletError):
    """An attempt has failed, and another may do better: raised so that Lambda makes it."""

    code = "job_unfinished"
    retryable = True


@dataclass(frozen=True, slots=True)
class Call:
    """The event that is worked on.

    Attributes:
        event: Lambda's id of it; its retries have the same.
        function: The ARN the function was called by.
        alias: The alias in that.
        remaining_s: How long the function may go on.
    """

    event: str
    function: str
    alias: str | None
    remaining_s: Callable[[], float]


class Worker:
    """Works on the jobs of one model.

    Args:
        answer: The model's application.
        parts: Where jobs are.
        webhook: Who hears that one has ended.
    """

    def __init__(
        self, answer: Callable[[Request], Response], parts: Parts, webhook: Webhook | None = None
    ) -> None:
        self._answer = answer
        self._store = parts.store
        self._objects = parts.objects
        self._functions = parts.functions
        self._webhook = webhook

    def work(self, job: str, call: Call) -> Job | None:
        """Work on a job until it ends or waits; what another has, or nobody knows, is left alone.

        Returns:
            The job as it is afterwards.

        Raises:
            JobUnfinished: The attempt has failed, and there may be another.
        """
        while (held := self._store.claim(job, call.event, call.remaining_s() + _GRACE_S)) is not None:
            if self._attempt(held, call):
                break
        found = self._store.find(job)
        if found is not None and found.has_ended:
            self._tell(found)
        return found

    def hear(self, job: str, call: Call) -> Job | None:
        """Go on with a job of which an endpoint says that its turn is over.

        One endpoint may serve several versions: a function that hears of another's job passes it on.
        """
        self._store.ring(job)
        found = self._store.find(job)
        if found is None or found.function == call.function:
            return self.work(job, call)
        self._functions.work(found)
        return found

    def _attempt(self, held: Job, call: Call) -> bool:
        """Work on a job once; False if the endpoint it would wait for is done already."""
        if held.attempts > ATTEMPTS:
            error = held.error or f"its function ended {ATTEMPTS} times without an answer"
            self._end(held, Result(500, {}, error=error))
            return True
        try:
            response = self._respond(held, call)
        except Pending:
            return self._store.wait(held)
        error = _error(response)
        if _may_improve(response.status) and held.attempts < ATTEMPTS:
            self._store.release(held, error)
            raise JobUnfinished(f"attempt {held.attempts} at job {held.job} failed: {error}")
        key = f"jobs/{held.job}/result/{held.fence}"
        self._objects.put(key, response.body, response.headers.get("content-type", ""))
        self._end(held, Result(response.status, dict(response.headers), len(response.body), key, error))
        return True

    def _respond(self, held: Job, call: Call) -> Response:
        """Answer the request of a job."""
        request = Request(
            method=held.method,
            path=held.path,
            headers=held.headers,
            body=self._objects.get(held.request_key),
            request_id=held.headers.get("x-request-id", held.job),
            query=held.query,
            remaining_s=call.remaining_s(),
            alias=call.alias,
            function=call.function,
        )
        context = JobContext(held.job, dict(held.calls), partial(self._store.note, held))
        token = current_job.set(context)
        try:
            return self._answer(request)
        finally:
            current_job.reset(token)

    def _end(self, held: Job, result: Result) -> None:
        self._store.finish(held, result, is_told=self._webhook is None)

    def _tell(self, job: Job) -> None:
        """Call the webhook, unless it was; one that does not answer changes nothing."""
        if not job.is_told and self._webhook is not None and self._webhook.tell(job.document()):
            self._store.tell(job.job)


def _may_improve(status: int) -> bool:
    """Whether the same request may be answered at another time; 501 stays what it is."""
    return status == 429 or (status >= 500 and status != 501)


def _error(response: Response) -> str:
    """What an answer says went wrong; empty where nothing did."""
    if response.status < 400:
        return ""
    try:
        return str(json.loads(response.body)["error"])[:_LONGEST_ERROR]
    except (ValueError, KeyError, TypeError):
        return f"status {response.status}"
