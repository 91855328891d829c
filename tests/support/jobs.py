"""The jobs of one small model, on moto, with functions that only note what they were asked."""

from collections.abc import Callable, Iterator
from time import time
from typing import Any

from modelet_runtime.http.asynchronous import Asynchronous
from modelet_runtime.http.messages import Request, Response
from modelet_runtime.jobs.board import Board
from modelet_runtime.jobs.functions import Functions
from modelet_runtime.jobs.objects import Objects
from modelet_runtime.jobs.store import Store
from modelet_runtime.jobs.submission import Parts, Submission
from modelet_runtime.jobs.worker import Call, Worker
from support.http import Client, predictor
from support.manifests import specs

ARN = "arn:aws:lambda:us-east-1:0:function:demo_model:live"
INFER = "/v2/models/demo_model/infer"
ROW = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}


class Killed(BaseException):
    """The process is gone."""


class Mortal:
    """A client of AWS that is killed before or after one of its calls.

    Args:
        client: Of botocore.
        count: Counts the calls of all clients.
        at: The call at which to die.
        after: Whether the call still has its effect.
    """

    def __init__(self, client: Any, count: Iterator[int], at: int, *, after: bool) -> None:
        self._client, self._count, self._at, self._after = client, count, at, after

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **fields: Any) -> Any:
            dies = next(self._count) == self._at
            if dies and not self._after:
                raise Killed
            try:
                return getattr(self._client, name)(*arguments, **fields)
            finally:
                if dies:
                    raise Killed

        return call


class Invoked:
    """Lambda, as far as it is called."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def invoke(self, **fields: Any) -> None:
        """Note a call."""
        self.calls.append(fields)


class Desk:
    """Everything of one model.

    Args:
        dynamodb: A client.
        s3: A client.
        lambdas: A client.
        clock: The time.
        function: What the graph computes; `y = x` by default.
        webhook: Who hears of ends.
    """

    def __init__(
        self,
        dynamodb: Any,
        s3: Any,
        lambdas: Any,
        clock: Callable[[], float] = time,
        webhook: Any = None,
        **model: Any,
    ) -> None:
        self.parts = Parts(Store(dynamodb, "jobs", clock), Objects(s3, "jobs-bucket"), Functions(lambdas))
        submission = Submission(self.parts, "demo_model", 3, clock)
        self.client = Client(
            predictor(specs(x=("FP32", -1, 2)), specs(y=("FP32", -1, 2)), version=3, **model),
            asynchronous=Asynchronous(lambda: submission),
        )
        self.worker = Worker(self.client.application, self.parts, webhook)
        self.board = Board(self.parts, clock)

    def ask(self, document: Any = ROW, **fields: Any) -> Response:
        """POST to the model's `infer`, as its function would."""
        return self.client.infer(document, function=ARN, **fields)

    def request(self, request: Request) -> Response:
        """Answer any request."""
        return self.client.application(request)

    def work(self, job: str, event: str = "event") -> Any:
        """Deliver an event."""
        return self.worker.work(job, call(event))


def call(event: str = "event", function: str = ARN) -> Call:
    """An event of Lambda's."""
    return Call(event, function, "live", lambda: 30.0)
