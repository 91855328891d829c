"""Lambda's Runtime API for one environment: what the runtime client in the function's process polls.

AWS's own emulator is not used: it dies on concurrent requests and reports time-outs as success.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and
https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks.html
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import orjson

from modelet.local.http1 import Call, Http1Protocol, Reply
from modelet.local.limits import LAMBDA_RESULT_BYTES

_PREFIX = "/2018-06-01/runtime/"
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event on its way into a function.

    Attributes:
        request_id: Lambda's id of the request.
        event: The event as JSON.
        deadline_ms: When the function's time is up, in milliseconds since the epoch.
        function_arn: As called: the last part is the version or the alias.
        trace_id: For X-Ray; empty where the caller traces nothing.
    """

    request_id: str
    event: bytes
    deadline_ms: int
    function_arn: str
    trace_id: str


class Listener(Protocol):
    """Who wants to know what the function's process reports."""

    def on_ready(self) -> None:
        """It asks for its next event."""
        ...

    def on_result(self, result: bytes) -> None:
        """It answered the event it had."""
        ...

    def on_result_too_large(self, result_bytes: int) -> None:
        """It answered more than Lambda takes, and was told so."""
        ...

    def on_error(self, error: bytes) -> None:
        """The handler raised; the JSON document says what."""
        ...

    def on_init_error(self, error: bytes) -> None:
        """It could not be initialised; the JSON document says why."""
        ...

    def on_snapshot(self) -> None:
        """It is initialised and waits to be restored."""
        ...

    def on_restore_error(self, error: bytes) -> None:
        """It could not be restored; the JSON document says why."""
        ...


class RuntimeApi:
    """Serves the four routes and SnapStart's two on a port of its own, for one process.

    Args:
        listener: Told of every report.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._server: asyncio.Server | None = None
        self._next: Reply | None = None
        self._at_snapshot: Reply | None = None
        self._queued: Invocation | None = None
        self._open: Invocation | None = None
        self._posts: dict[str, Callable[[Call, Reply], None]] = {
            "response": self._take_response,
            "error": self._take_error,
        }
        self._failures: dict[str, Callable[[bytes], None]] = {
            "init/error": listener.on_init_error,
            "restore/error": listener.on_restore_error,
        }

    async def start(self) -> str:
        """Listen on a free port of loopback; gives `host:port`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Http1Protocol(self._answer, LAMBDA_RESULT_BYTES), "127.0.0.1", 0
        )
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    @property
    def has_taken(self) -> bool:
        """Whether the process has fetched the event that is under way."""
        return self._open is not None

    def send(self, invocation: Invocation) -> None:
        """Hand over an event, now or when the process next asks."""
        self._queued = invocation
        self._deliver()

    def restore(self) -> None:
        """Let the process, which waits at its snapshot, go on."""
        assert self._at_snapshot is not None
        reply, self._at_snapshot = self._at_snapshot, None
        reply(HTTPStatus.OK, _JSON, b"")

    def _deliver(self) -> None:
        if self._next is None or self._queued is None:
            return
        reply, invocation = self._next, self._queued
        self._next, self._queued, self._open = None, None, invocation
        headers = {
            **_JSON,
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
        }
        if invocation.trace_id.isascii() and invocation.trace_id.isprintable() and invocation.trace_id:
            headers["Lambda-Runtime-Trace-Id"] = invocation.trace_id
        reply(HTTPStatus.OK, headers, invocation.event)

    def _answer(self, call: Call, reply: Reply) -> None:
        """Route one call."""
        path = call.path.removeprefix(_PREFIX)
        if path == "invocation/next" and call.method == "GET":
            self._next = reply
            self._listener.on_ready()
            self._deliver()
        elif path == "restore/next" and call.method == "GET":
            self._at_snapshot = reply
            self._listener.on_snapshot()
        elif path in self._failures and call.method == "POST":
            self._accept(reply)
            self._failures[path](call.body)
        else:
            self._take_post(path, call, reply)

    def _take_post(self, path: str, call: Call, reply: Reply) -> None:
        """`invocation/<id>/response` and `invocation/<id>/error`."""
        _, _, rest = path.partition("invocation/")
        request_id, _, kind = rest.partition("/")
        take = self._posts.get(kind)
        if take is None or call.method != "POST":
            self._reject(reply, HTTPStatus.NOT_FOUND, "NotFound", f"no route {call.method} {call.path}")
        elif self._open is None or self._open.request_id != request_id:
            self._reject(reply, HTTPStatus.BAD_REQUEST, "InvalidRequestID", f"{request_id} is not open")
        else:
            take(call, reply)

    def _take_response(self, call: Call, reply: Reply) -> None:
        self._open = None
        if call.body_bytes > LAMBDA_RESULT_BYTES:
            # The runtime client gives up over this status and ends, as it does in the cloud.
            text = f"Exceeded maximum allowed payload size ({LAMBDA_RESULT_BYTES} bytes)."
            self._reject(reply, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestEntityTooLarge", text)
            self._listener.on_result_too_large(call.body_bytes)
        else:
            self._accept(reply)
            self._listener.on_result(call.body)

    def _take_error(self, call: Call, reply: Reply) -> None:
        self._open = None
        self._accept(reply)
        self._listener.on_error(call.body)

    @staticmethod
    def _accept(reply: Reply) -> None:
        reply(HTTPStatus.ACCEPTED, _JSON, b'{"status":"OK"}')

    @staticmethod
    def _reject(reply: Reply, status: HTTPStatus, kind: str, message: str) -> None:
        reply(status, _JSON, orjson.dumps({"errorType": kind, "errorMessage": message}))
