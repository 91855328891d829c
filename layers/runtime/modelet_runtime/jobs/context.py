"""The job that is worked on, for whoever runs the graph: light enough for the online path."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field


class Pending(BaseException):
    """The job waits for an endpoint, which will ring when it is done.

    No error and no answer: like `asyncio.CancelledError` it passes whatever handles errors, up to the
    worker of the job.
    """


@dataclass(frozen=True, slots=True)
class EndpointCall:
    """A call of an asynchronous endpoint.

    Attributes:
        output_uri: Where its answer will be, `s3://bucket/key`.
        failure_uri: Where its failure will be; one of the two comes.
    """

    output_uri: str
    failure_uri: str


@dataclass(slots=True)
class JobContext:
    """A job while it is worked on. Every time it is, its request is answered anew from the start.

    Attributes:
        job: Its id.
        calls: What was asked of an endpoint before, by the number of the run of the graph.
        runs: How often the graph was asked for in this answer.
    """

    job: str
    calls: dict[int, EndpointCall]
    _write: Callable[[int, EndpointCall], None] = field(repr=False)
    runs: int = 0

    def next_run(self) -> int:
        """The number of a run of the graph, from 1; the same run has the same number in every answer."""
        self.runs += 1
        return self.runs

    def note(self, run: int, call: EndpointCall) -> None:
        """Write down what was asked of an endpoint, so that it is not asked again.

        Raises:
            LeaseLost: Another worker has the job now.
        """
        self._write(run, call)
        self.calls[run] = call


current_job: ContextVar[JobContext | None] = ContextVar("current_job", default=None)
