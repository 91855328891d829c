"""Lambda's Invoke, as moto's Step Functions call it.

moto calls all services at one port (`MOTO_PORT`), and runs Lambda functions in Docker. Given this server's
port instead of its own, it calls our functions, and whatever else it asks for comes back to itself.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import aiohttp
import orjson
from aiohttp import web

from modelet.local.errors import FunctionError, ServiceError, Throttled

# Runs a function, by its name, over an event and gives its result.
InvokeByName = Callable[[str, bytes], Awaitable[bytes]]
_MAX_BODY_BYTES = 6 * 1024**2
# aiohttp makes these itself.
_DROPPED = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "date", "server"})


class LambdaApi:
    """The server; an asynchronous context manager.

    Args:
        invoke: Raises KeyError for a function that there is not.
        others: URL of the server that has all other services.

    Attributes:
        port: Where it listens on loopback.
    """

    def __init__(self, invoke: InvokeByName, others: str) -> None:
        self._invoke = invoke
        self._others = others
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
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _answer(self, request: web.Request) -> web.Response:
        """One invocation; what the function fails at is an answer too."""
        # A name, or an ARN whose seventh field it is.
        named = request.match_info["function"].split(":")
        name = named[6] if len(named) > 6 else named[0]
        try:
            return _json(200, await self._invoke(name, await request.read()))
        except KeyError:
            return _refused(404, "ResourceNotFoundException", f"Function not found: {name}")
        except Throttled as error:
            return _refused(429, "TooManyRequestsException", str(error))
        except FunctionError as error:
            document = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return _json(200, orjson.dumps(document), {"x-amz-function-error": "Unhandled"})
        except ServiceError as error:
            return _refused(500, "ServiceException", str(error))

    async def _pass_on(self, request: web.Request) -> web.Response:
        assert self._session is not None
        url = self._others + request.raw_path
        async with self._session.request(
            request.method, url, headers=request.headers, data=await request.read()
        ) as answer:
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in _DROPPED}
            return web.Response(status=answer.status, body=await answer.read(), headers=headers)


def _json(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def _refused(status: int, kind: str, message: str) -> web.Response:
    return _json(status, orjson.dumps({"Type": "User", "Message": message}), {"x-amzn-errortype": kind})
