"""API Gateway's HTTP API on this machine: HTTP in, an event to a function, its response out."""

import asyncio
import base64
import secrets
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from modelet.local import responses
from modelet.local.errors import IntegrationTimeout, MalformedResponse, ServiceError
from modelet.local.events import HttpRequest, to_event
from modelet.local.function import Function
from modelet.local.limits import GATEWAY_TIMEOUT_S, check_body
from modelet.local.logs import LogView
from modelet.local.metrics import ServiceMetrics
from modelet.local.responses import HttpResponse
from modelet.local.router import CATALOG, Router, Target

_CATALOG = Target(CATALOG, 0, "")


class Gateway:
    """Serves every path of the API.

    Args:
        router: Finds the function of a path.
        function_of: Gives the function that the router chose.
        metrics: Where requests are counted; shown at `/metrics`.
        timeout_s: How long a function may take to answer.
        access_log: Where each request is written, as API Gateway does; None writes none.
        prepare: Awaited before a request is passed on; may refuse it.
    """

    def __init__(
        self,
        router: Router,
        function_of: Callable[[Target], Function],
        metrics: ServiceMetrics,
        timeout_s: float = GATEWAY_TIMEOUT_S,
        access_log: LogView | None = None,
        prepare: Callable[[web.Request], Awaitable[None]] | None = None,
    ) -> None:
        self._router = router
        self._function_of = function_of
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._access_log = access_log
        self._prepare = prepare

    def application(self) -> web.Application:
        """The gateway and `/metrics` as an application of aiohttp."""
        application = web.Application()
        application.router.add_get("/metrics", self._show_metrics)
        application.router.add_route("*", r"/{path:[\s\S]*}", self._serve)  # a dot leaves out line ends
        return application

    async def _show_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.text(), headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def _serve(self, request: web.Request) -> web.Response:
        """Answer one request, whatever becomes of it."""
        began_s = time.monotonic()
        request_id = base64.b64encode(secrets.token_bytes(11)).decode()
        target = _CATALOG
        try:
            incoming = await _read(request)
            began_s = time.monotonic()
            target = self._router.route(incoming.method, incoming.path, request.headers)
            if self._prepare is not None:
                await self._prepare(request)
            function = self._function_of(target)
            # Only a caller's own trace reaches the function: each new one costs its process some 120 bytes
            # for good, since the runtime client puts it into the environment, where libc keeps it.
            trace_id = request.headers.get("x-amzn-trace-id", "")
            event = _event(incoming, request_id)
            response = await self._invoke(function, target.qualifier, event, trace_id)
        except ServiceError as error:
            response = responses.from_error(error, request_id)
        took_s = time.monotonic() - began_s
        self._metrics.requests.labels(target.model, target.alias, response.status).inc()
        self._metrics.request_seconds.labels(target.model, target.alias).observe(took_s)
        if self._access_log is not None:
            text = f"{request.method} {request.raw_path} {response.status} {took_s * 1000:.1f} ms"
            fields = {"version": target.version, "alias": target.alias} if target.version else {}
            self._access_log.show(target.model, "INFO", text, fields)
        return _to_aiohttp(response, request_id)

    async def _invoke(self, function: Function, qualifier: str, event: bytes, trace_id: str) -> HttpResponse:
        try:
            async with asyncio.timeout(self._timeout_s):
                result = await function.invoke(event, qualifier, trace_id)
            return responses.from_result(result)
        except TimeoutError as error:
            failure: ServiceError = IntegrationTimeout(
                f"function '{function.spec.name}' did not answer within {self._timeout_s:g} s,"
                " the longest API Gateway waits"
            )
            failure.__cause__ = error
        except MalformedResponse as error:
            failure = error
        # What the function itself does not know of: in the cloud the access log has it.
        function.log.note("ERROR", str(failure))
        self._metrics.failures.labels(function.spec.name, type(failure).__name__).inc()
        raise failure


async def _read(request: web.Request) -> HttpRequest:
    """Take the request in, no more of its body than API Gateway would.

    Raises:
        RequestTooLarge: (413) The body is over the limit.
    """
    check_body(request.content_length or 0)
    chunks: list[bytes] = []
    total = 0
    async for chunk in request.content.iter_any():
        total += len(chunk)
        check_body(total)
        chunks.append(chunk)
    return HttpRequest(
        method=request.method,
        target=request.raw_path,
        protocol=f"HTTP/{request.version.major}.{request.version.minor}",
        headers=request.raw_headers,
        body=b"".join(chunks),
        source_ip=request.remote or "127.0.0.1",
    )


def _event(incoming: HttpRequest, request_id: str) -> bytes:
    now_s = time.time()
    return to_event(incoming, request_id, now_s, f"Root=1-{int(now_s):08x}-{secrets.token_hex(12)}")


def _to_aiohttp(response: HttpResponse, request_id: str) -> web.Response:
    outgoing = web.Response(
        status=response.status, body=response.body, headers={"apigw-requestid": request_id}
    )
    outgoing.headers.popall("content-type", None)
    for name, value in response.headers:
        outgoing.headers.add(name, value)
    return outgoing
