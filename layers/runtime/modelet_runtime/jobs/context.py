"""The job that is worked on, for whoever runs the graph: light enough for the online path."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import NamedTuple


class Pending(BaseException):
    """The job waits for an endpoint, which will ring when it is done.

    No error and no answer: like `asyncio.CancelledError` it passes whatever handles errors, up to the
    worker of the job.
    """


class EndpointCall(NamedTuple):
    """A call of an asynchronous endpoint.

    Attributes:
        output_uri: Where its answer will be, `s3://bucket/key`.
        failure_uri: Where its failure will be; one of the two comes.
    """

    output_uri: str
    failure_uri: str


class JobContext:
    """A job while it is worked on. Every time it is, its request is answered anew from the start.

    Args:
        job: Its id.
        calls: What was asked of an endpoint before, by the number of the run of the graph.
        write: Writes down what is asked of an endpoint.

    Attributes:
        job: Its id.
        calls: What was asked of an endpoint, by the number of the run.
        runs: How often the graph was asked for in this answer.
    """

    # No dataclass: every function imports this module while it comes up, and making one takes longer.
    def __init__(
        self, job: str, calls: dict[int, EndpointCall], write: Callable[[int, EndpointCall], None]
    ) -> None:
        self.job = job
        self.calls = calls
        self.runs = 0
        self._write = write

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
