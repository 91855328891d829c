"""Lambda's Invoke, as functions call each other and moto's Step Functions call them.

moto calls all services at one port (`MOTO_PORT`), and runs Lambda functions in Docker. Given this server's
port instead of its own, it calls our functions, and whatever else it asks for comes back to itself.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self
from uuid import uuid4

import aiohttp
import orjson
from aiohttp import web

from modelet.local.aws.event_queue import EventQueue, Invoke
from modelet.local.errors import FunctionError, ServiceError, Throttled

_MAX_BODY_BYTES = 6 * 1024**2
# Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
ASYNCHRONOUS_BYTES = 1024**2
# aiohttp makes these itself.
_DROPPED = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "date", "server"})


class LambdaApi:
    """The server; an asynchronous context manager.

    Args:
        find: What invokes a function, by the function's name; raises KeyError for one that there is not.
        others: URL of the server that has all other services.
        queue: Delivers events that nobody waits for.

    Attributes:
        port: Where it listens on loopback.
    """

    def __init__(self, find: Callable[[str], Invoke], others: str, queue: EventQueue | None = None) -> None:
        self._find = find
        self._others = others
        self._queue = queue or EventQueue()
        self._stack = AsyncExitStack()
        self._session: aiohttp.ClientSession | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._session = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
            application = web.Application(client_max_size=_MAX_BODY_BYTES)
            application.router.add_post("/2015-03-31/functions/{function}/invocations", self._answer)
            application.router.add_route("*", "/{path:.*}", self._pass_on)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = runner.addresses[0][1]
            stack.push_async_callback(self._queue.close)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _answer(self, request: web.Request) -> web.Response:
        """One invocation; what the function fails at is an answer too."""
        name, qualifier = _named(request)
        try:
            invoke = self._find(name)
            event = await request.read()
            if request.headers.get("x-amz-invocation-type") == "Event":
                return self._queued(invoke, event, qualifier)
            return _json(200, await invoke(event, qualifier, str(uuid4())))
        except KeyError:
            return _refused(404, "ResourceNotFoundException", f"Function not found: {name}")
        except Throttled as error:
            return _refused(429, "TooManyRequestsException", str(error))
        except FunctionError as error:
            document = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return _json(200, orjson.dumps(document), {"x-amz-function-error": "Unhandled"})
        except ServiceError as error:
            return _refused(500, "ServiceException", str(error))

    def _queued(self, invoke: Invoke, event: bytes, qualifier: str) -> web.Response:
        if len(event) > ASYNCHRONOUS_BYTES:
            text = f"{len(event)} byte payload is too large for the Event invocation type"
            return _refused(413, "RequestTooLargeException", f"{text} (limit {ASYNCHRONOUS_BYTES} bytes)")
        request_id = self._queue.put(invoke, event, qualifier)
        return web.Response(status=202, headers={"x-amzn-requestid": request_id})

    async def _pass_on(self, request: web.Request) -> web.Response:
        assert self._session is not None
        url = self._others + request.raw_path
        async with self._session.request(
            request.method, url, headers=request.headers, data=await request.read()
        ) as answer:
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in _DROPPED}
            return web.Response(status=answer.status, body=await answer.read(), headers=headers)


def _named(request: web.Request) -> tuple[str, str]:
    """Name and qualifier: of an ARN the seventh field and the eighth, or of a name what follows its colon."""
    fields = request.match_info["function"].split(":")
    name, *rest = fields[6:] if len(fields) > 6 else fields
    return name, request.query.get("Qualifier", rest[0] if rest else "")


def _json(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def _refused(status: int, kind: str, message: str) -> web.Response:
    return _json(status, orjson.dumps({"Type": "User", "Message": message}), {"x-amzn-errortype": kind})
