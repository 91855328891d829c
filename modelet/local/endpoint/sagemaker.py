"""SageMaker's runtime API, and what functions ask of its control API, in front of a Triton server.

An endpoint is in service, or at zero, or waking. As in the cloud, a real-time call to one that is not in
service fails, while an asynchronous one waits in its queue and wakes it.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations_Amazon_SageMaker_Runtime.html
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import orjson
from aiohttp import web

from modelet.local.endpoint.faults import Fault
from modelet.local.endpoint.inbox import Inbox, Letter, Notify, Objects, nobody
from modelet.local.endpoint.model_server import Answer, ModelServer
from modelet.local.endpoint.states import Endpoint, Scaling, State
from modelet.local.events import ACCOUNT_ID

# SageMaker's limits of a request's and an inline asynchronous request's body, and of its time.
_LIMIT_BYTES = 6_291_456
_INLINE_BYTES = 128_000
_TIMEOUT_S = 60.0
_ASYNC_TIMEOUT_S = 900.0
_LONGEST_S = 3600.0
_PREFIX = "X-Amzn-SageMaker-"
# What the API answers where a fault is asked for.
_REFUSALS: dict[Fault, tuple[int, str]] = {
    "throttled": (400, "ThrottlingException"),
    "not_ready": (429, "ModelNotReadyException"),
}


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
        notify: Told of each asynchronous request that is done, as the endpoint's topics are.
    """

    def __init__(
        self, endpoints: dict[str, Endpoint], objects: Objects | None = None, notify: Notify = nobody
    ) -> None:
        self._endpoints = endpoints
        self._objects = objects
        self._notify = notify
        self._scaling = Scaling()
        self._server: ModelServer | None = None
        self._inbox: Inbox | None = None

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application(client_max_size=_LIMIT_BYTES + 1, middlewares=[_refusals])
        application.router.add_post("/endpoints/{name}/invocations", self._invoke)
        application.router.add_post("/endpoints/{name}/async-invocations", self._invoke_async)
        application.router.add_post("/", self._control)
        application.cleanup_ctx.append(self._lifetime)
        return application

    def add(self, endpoint: Endpoint) -> None:
        """Have one more endpoint, or another one by the same name."""
        self._endpoints[endpoint.name] = endpoint

    def set_state(self, name: str, state: State) -> None:
        """Put an endpoint to zero or into service, as its scaling would, or stop it."""
        self._endpoints[name].state = state

    async def drain(self) -> None:
        """Wait until no asynchronous request is under way."""
        if self._inbox is not None:
            await self._inbox.drain()

    async def _lifetime(self, application: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_LONGEST_S)) as session:
            self._server = ModelServer(session)
            if self._objects is not None:
                self._inbox = Inbox(self._server, self._scaling, self._objects, self._notify)
            yield
            if self._inbox is not None:
                self._inbox.close()
            self._scaling.close()

    async def _invoke(self, request: web.Request) -> web.StreamResponse:
        """`InvokeEndpoint`."""
        assert self._server is not None
        endpoint = self._endpoint(request, is_async=False)
        body = await request.read()
        if len(body) > _LIMIT_BYTES:
            raise _Refused(413, "ValidationError", "the body is over 6 MB")
        if endpoint.state != "in_service":
            self._scaling.wake(endpoint)
            raise _Refused(429, "ModelNotReadyException", f"endpoint {endpoint.name} is {endpoint.state}")
        fault = endpoint.faults.draw()
        _suffer(fault, request)
        if fault == "slow":
            await asyncio.sleep(endpoint.faults.slow_s)
        model = request.headers.get(f"{_PREFIX}Target-Model")
        media_type = request.headers.get("Content-Type", "")
        answer = await self._server.ask(endpoint, model, body, media_type, _TIMEOUT_S)
        if fault == "garbage":
            answer = Answer(200, b"\x00<garbage>", answer.media_type)
        if fault == "failing":
            answer = Answer(500, b"as asked for", "text/plain")
        return _wrapped(answer)

    async def _invoke_async(self, request: web.Request) -> web.StreamResponse:
        """`InvokeEndpointAsync`: the answer goes to S3, under the name that is told at once."""
        assert self._inbox is not None
        endpoint = self._endpoint(request, is_async=True)
        body = await request.read()
        location = request.headers.get(f"{_PREFIX}InputLocation", "")
        if bool(body) == bool(location) or len(body) > _INLINE_BYTES:
            raise _Refused(400, "ValidationError", "give a body of at most 128,000 bytes or InputLocation")
        fault = endpoint.faults.draw()
        _suffer(fault, request)
        inference = request.headers.get(f"{_PREFIX}Inference-Id") or str(uuid.uuid4())
        letter = Letter(
            inference,
            body,
            location,
            request.headers.get(f"{_PREFIX}Content-Type", ""),
            float(request.headers.get(f"{_PREFIX}InvocationTimeoutSeconds", _ASYNC_TIMEOUT_S)),
            f"{endpoint.output}/{inference}.out",
            f"{endpoint.failures}/{inference}-error.out",
            fault,
        )
        self._inbox.put(endpoint, letter)
        headers = {f"{_PREFIX}OutputLocation": letter.output, f"{_PREFIX}FailureLocation": letter.failure}
        return web.json_response({"InferenceId": inference}, status=202, headers=headers)

    async def _control(self, request: web.Request) -> web.StreamResponse:
        """`DescribeEndpoint`, which is all that a function asks of the control API."""
        operation = request.headers.get("X-Amz-Target", "")
        if operation != "SageMaker.DescribeEndpoint":
            raise _Refused(400, "UnknownOperationException", operation)
        name = orjson.loads(await request.read()).get("EndpointName", "")
        endpoint = self._endpoints.get(name)
        if endpoint is None or endpoint.state == "stopped":
            raise _Refused(400, "ValidationException", f'Could not find endpoint "{name}".')
        return web.json_response(endpoint.describe(), content_type="application/x-amz-json-1.1")

    def _endpoint(self, request: web.Request, *, is_async: bool) -> Endpoint:
        """The endpoint a path names, if it takes such calls; it does not go to zero for a while."""
        name = request.match_info["name"]
        endpoint = self._endpoints.get(name)
        if endpoint is None or endpoint.is_async is not is_async or endpoint.state == "stopped":
            raise _Refused(400, "ValidationError", f"Endpoint {name} of account {ACCOUNT_ID} not found.")
        self._scaling.note_use(endpoint)
        return endpoint


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


def _suffer(fault: Fault, request: web.Request) -> None:
    """What a fault does before the model's server is asked."""
    if fault in _REFUSALS:
        raise _Refused(*_REFUSALS[fault], "as asked for")
    if fault == "dropped" and request.transport is not None:
        request.transport.close()


def _wrapped(answer: Answer) -> web.Response:
    """A server's answer as `InvokeEndpoint` gives it, an error of the server's in one of SageMaker's."""
    if answer.is_ok:
        return web.Response(body=answer.body, headers={"Content-Type": answer.media_type})
    document = {
        "Message": f"Received error ({answer.status}) from the model's server",
        "OriginalStatusCode": answer.status,
        "OriginalMessage": answer.body.decode(errors="replace"),
    }
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": "ModelError"}
    return web.Response(body=orjson.dumps(document), status=424, headers=headers)
