"""A `Session` whose graph runs behind an endpoint that takes its time: only a job can wait for it."""

from collections.abc import Sequence
from uuid import uuid4

from modelet_runtime.endpoint.client import Reply
from modelet_runtime.endpoint.faults import EndpointUnavailable, JobNeeded, of_failure
from modelet_runtime.endpoint.queue import Queue
from modelet_runtime.endpoint.wire import Wire
from modelet_runtime.errors import ModeletError
from modelet_runtime.jobs.context import EndpointCall, JobContext, Pending, current_job
from modelet_runtime.manifest import Signature
from modelet_runtime.tensor import Tensor

# How often one run is asked for, if the endpoint fails at it.
_ATTEMPTS = 3


class AsyncEndpointSession:
    """Runs a graph by leaving it to an endpoint's queue. Safe to call from several threads.

    A job's request is answered anew each time the job is worked on. So a run looks first at what the job
    noted: what was asked for before is read, and not asked for again.

    Args:
        signature: As the manifest has it: the endpoint is asked for inferences only.
        queue: The endpoint's.
        timeout_s: How long one inference may take.
    """

    def __init__(self, signature: Signature, queue: Queue, timeout_s: int) -> None:
        self._signature = signature
        self._queue = queue
        self._timeout_s = timeout_s
        self._wire = Wire(signature)

    @property
    def signature(self) -> Signature:
        """The graph's inputs and outputs."""
        return self._signature

    def run(
        self,
        inputs: Sequence[Tensor],
        output_names: Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> list[Tensor]:
        """Give the answer that has come, or have the job wait for it.

        Raises:
            Pending: The endpoint has it.
            JobNeeded: (501) Whoever asks waits for the answer, and is no job.
            InferenceRejected: (400) The graph cannot take these values.
            EndpointUnavailable: (503) The endpoint cannot be asked now, or failed time after time.
        """
        job = current_job.get()
        if job is None:
            raise JobNeeded
        run = job.next_run()
        # Each attempt at a run has a number of its own, so that none finds what became of another.
        for number in range((run - 1) * _ATTEMPTS + 1, run * _ATTEMPTS + 1):
            if number not in job.calls:
                self._ask(job, number, inputs, output_names)
            came = self._look(job.calls[number])
            try:
                return self._outputs(came, output_names)
            except EndpointUnavailable as error:
                failure = error
        raise failure

    def wake(self, inputs: Sequence[Tensor], output_names: Sequence[str] | None) -> None:
        """Ask without waiting for an answer: scaling looks at the queue.

        Raises:
            EndpointUnavailable: (503) The endpoint takes nothing.
        """
        self._queue.submit(f"wake-{uuid4().hex}", *self._wire.request(inputs, output_names), self._timeout_s)

    def _ask(
        self, job: JobContext, number: int, inputs: Sequence[Tensor], output_names: Sequence[str] | None
    ) -> None:
        body, media_type = self._wire.request(inputs, output_names)
        places = self._queue.submit(f"{job.job}-{number}", body, media_type, self._timeout_s)
        job.note(number, EndpointCall(places.output, places.failure))
        raise Pending

    def _look(self, call: EndpointCall) -> Reply | ModeletError:
        reply = self._queue.read(call.output_uri)
        if reply is not None:
            return reply
        failed = self._queue.read(call.failure_uri)
        if failed is not None:
            return of_failure(failed.body)
        raise Pending

    def _outputs(self, came: Reply | ModeletError, output_names: Sequence[str] | None) -> list[Tensor]:
        if isinstance(came, ModeletError):
            raise came
        return self._wire.answer(came.body, came.media_type, output_names)
