"""What an asynchronous endpoint does with its requests: answers go to S3, word of them to a topic.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-check-predictions.html
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from modelet.local.endpoint.faults import Fault
from modelet.local.endpoint.model_server import Answer, ModelServer
from modelet.local.endpoint.states import Endpoint, Scaling
from modelet.local.process import REGION

# Told the name of an endpoint and what SageMaker publishes of a request that it is done with.
Notify = Callable[[str, dict[str, Any]], Awaitable[None]]


class Objects(Protocol):
    """Where requests come from and answers go: S3, by URI."""

    async def read(self, uri: str) -> bytes:
        """The content of an object."""
        ...

    async def write(self, uri: str, body: bytes, media_type: str) -> None:
        """Make an object."""
        ...


@dataclass(frozen=True, slots=True)
class Letter:
    """An asynchronous request.

    Attributes:
        inference: Its id.
        body: Its content, if it carried it itself.
        location: URI of its content, if not.
        media_type: Of the content.
        timeout_s: How long the server may take for it.
        output: URI for the answer.
        failure: URI for what went wrong.
        fault: What goes wrong, if anything is to.
    """

    inference: str
    body: bytes
    location: str
    media_type: str
    timeout_s: float
    output: str
    failure: str
    fault: Fault


async def nobody(endpoint: str, message: dict[str, Any]) -> None:
    """Be no subscriber of the topic."""


class Inbox:
    """Answers requests as soon as their endpoint is in service.

    Args:
        server: Asks the models.
        scaling: Wakes endpoints.
        objects: S3.
        notify: Publishes.
    """

    def __init__(
        self, server: ModelServer, scaling: Scaling, objects: Objects, notify: Notify = nobody
    ) -> None:
        self._server = server
        self._scaling = scaling
        self._objects = objects
        self._notify = notify
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, endpoint: Endpoint, letter: Letter) -> None:
        """Take a request."""
        task = asyncio.create_task(self._work(endpoint, letter))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Wait until no request is under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def close(self) -> None:
        """Forget what is under way."""
        for task in self._tasks:
            task.cancel()

    async def _work(self, endpoint: Endpoint, letter: Letter) -> None:
        body = letter.body or await self._objects.read(letter.location)
        await self._scaling.wait(endpoint)
        await self._server.wait(endpoint)
        if letter.fault == "slow":
            await asyncio.sleep(endpoint.faults.slow_s)
        answer = await self._server.ask(endpoint, None, body, letter.media_type, letter.timeout_s)
        if letter.fault == "garbage":
            answer = Answer(200, b"\x00<garbage>", answer.media_type)
        if letter.fault == "failing":
            answer = Answer(500, b"as asked for", "text/plain")
        self._scaling.note_use(endpoint)
        uri = letter.output if answer.is_ok else letter.failure
        await self._objects.write(uri, answer.body, answer.media_type)
        await self._notify(endpoint.name, _message(endpoint, letter, answer))


def _message(endpoint: Endpoint, letter: Letter, answer: Answer) -> dict[str, Any]:
    """What the topics of an endpoint's configuration are told."""
    message: dict[str, Any] = {
        "awsRegion": REGION,
        "eventTime": "1970-01-01T00:00:00.000Z",
        "receivedTime": "1970-01-01T00:00:00.000Z",
        "invocationStatus": "Completed" if answer.is_ok else "Failed",
        "requestParameters": {"contentType": letter.media_type, "endpointName": endpoint.name},
        "inferenceId": letter.inference,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    if letter.location:
        message["requestParameters"]["inputLocation"] = letter.location
    if answer.is_ok:
        message["responseParameters"] = {"contentType": answer.media_type, "outputLocation": letter.output}
    else:
        who = "client" if 400 <= answer.status < 500 else "server"
        message["failureReason"] = f"ClientError: Received {who} error ({answer.status}) from model."
    return message
