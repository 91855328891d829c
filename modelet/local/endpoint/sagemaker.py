"""SageMaker's runtime API, as far as functions call it, in front of a Triton server.

An endpoint is in service, or at zero, or waking. As in the cloud, a real-time call to one that is not in
service fails, while an asynchronous one waits in its queue and wakes it.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations_Amazon_SageMaker_Runtime.html
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import aiohttp
import orjson
from aiohttp import web

from modelet.local.endpoint.faults import Fault, Faults
from modelet.local.events import ACCOUNT_ID
from modelet_runtime.endpoint.wire import LENGTH, MEDIA_TYPE
from modelet_runtime.protocols.media_type import MediaType

State = Literal["in_service", "waking", "at_zero"]

_LENGTH_HEADER = "Inference-Header-Content-Length"
# SageMaker's limits of a request's and an inline asynchronous request's body, and of its time.
_LIMIT_BYTES = 6_291_456
_INLINE_BYTES = 128_000
_TIMEOUT_S = 60.0
_ASYNC_TIMEOUT_S = 900.0
_POLL_S = 0.02
_PREFIX = "X-Amzn-SageMaker-"
# What the API answers where a fault is asked for.
_REFUSALS: dict[Fault, tuple[int, str]] = {
    "throttled": (400, "ThrottlingException"),
    "not_ready": (429, "ModelNotReadyException"),
}


class Objects(Protocol):
    """Where asynchronous requests come from and their answers go: S3, by URI."""

    async def read(self, uri: str) -> bytes:
        """The content of an object."""
        ...

    async def write(self, uri: str, body: bytes, media_type: str) -> None:
        """Make an object."""
        ...


@dataclass(slots=True)
class Endpoint:
    """One endpoint.

    Attributes:
        name: Its name.
        triton_url: The server behind it.
        models: The models on it; the first one answers if none is named.
        output: URI of the prefix where asynchronous answers go; empty for a real-time endpoint.
        wake_s: How long it takes from zero into service.
        idle_s: Without a request for so long it goes to zero; None keeps it in service.
        state: Where it begins.
        faults: What goes wrong.
    """

    name: str
    triton_url: str
    models: tuple[str, ...]
    output: str = ""
    wake_s: float = 0.0
    idle_s: float | None = None
    state: State = "in_service"
    faults: Faults = field(default_factory=Faults.none)

    @property
    def is_async(self) -> bool:
        """Whether it takes asynchronous calls, and only these."""
        return bool(self.output)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class _Job:
    """An asynchronous request: its body or where that is, and where the answer goes."""

    body: bytes
    location: str
    media_type: str
    model: str | None
    output: str
    failure: str


class _Refused(Exception):
    """The API does not take a call."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class SageMakerRuntime:
    """The API, over any number of endpoints.

    Args:
        endpoints: By name.
        objects: S3, for asynchronous endpoints.
    """

    def __init__(self, endpoints: dict[str, Endpoint], objects: Objects | None = None) -> None:
        self._endpoints = endpoints
        self._objects = objects
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._wakings: dict[str, asyncio.Task[None]] = {}
        self._sleepers: dict[str, asyncio.TimerHandle] = {}

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application(client_max_size=_LIMIT_BYTES + 1, middlewares=[_refusals])
        application.router.add_post("/endpoints/{name}/invocations", self._invoke)
        application.router.add_post("/endpoints/{name}/async-invocations", self._invoke_async)
        application.cleanup_ctx.append(self._lifetime)
        return application

    def add(self, endpoint: Endpoint) -> None:
        """Have one more endpoint, or another one by the same name."""
        self._endpoints[endpoint.name] = endpoint

    def set_state(self, name: str, state: State) -> None:
        """Put an endpoint to zero or into service, as its scaling would."""
        self._endpoints[name].state = state

    async def drain(self) -> None:
        """Wait until no asynchronous request is under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _lifetime(self, application: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_ASYNC_TIMEOUT_S)) as session:
            self._session = session
            yield
            for task in [*self._tasks, *self._wakings.values()]:
                task.cancel()
            for sleeper in self._sleepers.values():
                sleeper.cancel()

    async def _invoke(self, request: web.Request) -> web.StreamResponse:
        """`InvokeEndpoint`."""
        endpoint = self._endpoint(request, is_async=False)
        body = await request.read()
        if len(body) > _LIMIT_BYTES:
            raise _Refused(413, "ValidationError", "the body is over 6 MB")
        if endpoint.state != "in_service":
            self._wake(endpoint)
            raise _Refused(429, "ModelNotReadyException", f"endpoint {endpoint.name} is {endpoint.state}")
        fault = endpoint.faults.draw()
        await _suffer(fault, endpoint.faults.slow_s, request)
        model = request.headers.get(f"{_PREFIX}Target-Model")
        media_type = request.headers.get("Content-Type", "")
        answer = await self._ask(endpoint, model, body, media_type, _TIMEOUT_S)
        if fault == "garbage":
            answer = _Answer(200, b"\x00<garbage>", answer.media_type)
        if fault == "failing":
            answer = _Answer(500, b"as asked for", "text/plain")
        return _wrapped(answer)

    async def _invoke_async(self, request: web.Request) -> web.StreamResponse:
        """`InvokeEndpointAsync`: the answer goes to S3, under the name that is told at once."""
        endpoint = self._endpoint(request, is_async=True)
        body = await request.read()
        location = request.headers.get(f"{_PREFIX}InputLocation", "")
        if bool(body) == bool(location) or len(body) > _INLINE_BYTES:
            raise _Refused(400, "ValidationError", "give a body of at most 128,000 bytes or InputLocation")
        inference = request.headers.get(f"{_PREFIX}Inference-Id") or str(uuid.uuid4())
        job = _Job(
            body,
            location,
            request.headers.get(f"{_PREFIX}Content-Type", ""),
            request.headers.get(f"{_PREFIX}Target-Model"),
            f"{endpoint.output}/{inference}.out",
            f"{endpoint.output}-failures/{inference}-error.out",
        )
        task = asyncio.create_task(self._work(endpoint, job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        headers = {f"{_PREFIX}OutputLocation": job.output, f"{_PREFIX}FailureLocation": job.failure}
        return web.json_response({"InferenceId": inference}, status=202, headers=headers)

    def _endpoint(self, request: web.Request, *, is_async: bool) -> Endpoint:
        """The endpoint a path names, if it takes such calls; it does not go to zero for a while."""
        name = request.match_info["name"]
        endpoint = self._endpoints.get(name)
        if endpoint is None or endpoint.is_async is not is_async:
            raise _Refused(400, "ValidationError", f"Endpoint {name} of account {ACCOUNT_ID} not found.")
        if endpoint.idle_s is not None:
            if name in self._sleepers:
                self._sleepers[name].cancel()
            loop = asyncio.get_running_loop()
            self._sleepers[name] = loop.call_later(endpoint.idle_s, self.set_state, name, "at_zero")
        return endpoint

    async def _work(self, endpoint: Endpoint, job: _Job) -> None:
        """Answer an asynchronous request as soon as the endpoint is in service."""
        assert self._objects is not None
        body = job.body or await self._objects.read(job.location)
        self._wake(endpoint)
        while endpoint.state != "in_service":
            await asyncio.sleep(_POLL_S)
        answer = await self._ask(endpoint, job.model, body, job.media_type, _ASYNC_TIMEOUT_S)
        uri = job.output if answer.status == web.HTTPOk.status_code else job.failure
        await self._objects.write(uri, answer.body, answer.media_type)

    async def _ask(
        self, endpoint: Endpoint, model: str | None, body: bytes, media_type: str, timeout_s: float
    ) -> _Answer:
        """Ask the server as its front end for SageMaker would."""
        assert self._session is not None
        media = MediaType.parse(media_type)
        headers = {"Content-Type": "application/octet-stream"}
        if media.name == MEDIA_TYPE:
            headers[_LENGTH_HEADER] = media.parameters.get(LENGTH, "0")
        name = (model or endpoint.models[0]).strip("/")
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.post(
                    f"{endpoint.triton_url}/v2/models/{name}/infer", data=body, headers=headers
                ) as answer,
            ):
                content = await answer.read()
        except (TimeoutError, aiohttp.ClientError) as error:
            return _Answer(503, str(error).encode(), "text/plain")
        length = answer.headers.get(_LENGTH_HEADER)
        given = f"{MEDIA_TYPE};{LENGTH}={length}" if length else "application/json"
        return _Answer(answer.status, content, given)

    def _wake(self, endpoint: Endpoint) -> None:
        if endpoint.state != "at_zero":
            return

        async def wake() -> None:
            await asyncio.sleep(endpoint.wake_s)
            endpoint.state = "in_service"

        endpoint.state = "waking"
        self._wakings[endpoint.name] = asyncio.create_task(wake())


@web.middleware
async def _refusals(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer a refusal as AWS's services do."""
    try:
        return await handler(request)
    except _Refused as refused:
        headers = {"x-amzn-ErrorType": refused.code}
        return web.json_response({"Message": str(refused)}, status=refused.status, headers=headers)


async def _suffer(fault: Fault, slow_s: float, request: web.Request) -> None:
    """What a fault does before the model's server is asked."""
    if fault in _REFUSALS:
        raise _Refused(*_REFUSALS[fault], "as asked for")
    if fault == "slow":
        await asyncio.sleep(slow_s)
    if fault == "dropped" and request.transport is not None:
        request.transport.close()


def _wrapped(answer: _Answer) -> web.Response:
    """A server's answer as `InvokeEndpoint` gives it, an error of the server's in one of SageMaker's."""
    if answer.status == web.HTTPOk.status_code:
        return web.Response(body=answer.body, headers={"Content-Type": answer.media_type})
    document = {
        "Message": f"Received error ({answer.status}) from the model's server",
        "OriginalStatusCode": answer.status,
        "OriginalMessage": answer.body.decode(errors="replace"),
    }
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": "ModelError"}
    return web.Response(body=orjson.dumps(document), status=424, headers=headers)
